//! Facts that are one file each: the host's name, memory totals, modules, limits.

use std::collections::BTreeMap;

use kernmend_core::document::Fact;
use kernmend_core::format::kernel::memory_totals;

use super::{LARGE, SMALL, first_told};
use crate::host::Host;

/// The limits that the faults of container nodes run into, by their sysctl name.
const LIMITS: &[&str] = &[
    "fs.file-max",
    "fs.inotify.max_user_instances",
    "fs.inotify.max_user_watches",
    "kernel.hung_task_timeout_secs",
    "kernel.keys.maxbytes",
    "kernel.keys.maxkeys",
    "kernel.panic",
    "kernel.pid_max",
    "kernel.threads-max",
    "net.ipv4.neigh.default.gc_thresh3",
    "net.netfilter.nf_conntrack_count",
    "net.netfilter.nf_conntrack_max",
    "user.max_user_namespaces",
    "vm.max_map_count",
];

pub(super) fn hostname(host: &Host<'_>) -> Fact<String> {
    let trimmed = |path| host.text(path, SMALL).map(|text| text.trim().to_owned());
    first_told(["/proc/sys/kernel/hostname", "/etc/hostname"].into_iter().map(trimmed))
}

pub(super) fn memory(host: &Host<'_>) -> Fact<BTreeMap<String, u64>> {
    host.text("/proc/meminfo", SMALL).parse(|text| memory_totals(text))
}

/// The names in `/proc/modules`.
pub(super) fn modules(host: &Host<'_>) -> Fact<Vec<String>> {
    host.text("/proc/modules", LARGE).map(|text| {
        let mut names: Vec<String> =
            text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
        names.sort();
        names
    })
}

pub(super) fn limits(host: &Host<'_>) -> BTreeMap<String, Fact<i64>> {
    let limit = |name: &&str| {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        ((*name).to_owned(), host.text(&path, SMALL).parse(|text| number(text.trim())))
    };
    LIMITS.iter().map(limit).collect()
}

/// `fs.file-max` of current systems is larger than an `i64`, which is no limit at all.
fn number(text: &str) -> Result<i64, String> {
    let number: i128 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    Ok(i64::try_from(number).unwrap_or(i64::MAX))
}
