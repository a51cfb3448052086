//! The running kernel: release, boot arguments, build options, and when it booted.

use std::collections::BTreeMap;

use kernmend_core::document::snapshot::Kernel;
use kernmend_core::document::{Fact, Reason};
use kernmend_core::format::kernel::{arguments, build_options};

use super::{LARGE, SMALL, first_told};
use crate::host::Host;

/// The build options that are asked about; a configuration has ten thousand others.
pub(crate) const OPTIONS: &[&str] = &[
    "CONFIG_AUFS_FS",
    "CONFIG_BPF_SYSCALL",
    "CONFIG_BRIDGE",
    "CONFIG_CFS_BANDWIDTH",
    "CONFIG_CGROUPS",
    "CONFIG_CGROUP_BPF",
    "CONFIG_CGROUP_CPUACCT",
    "CONFIG_CGROUP_DEVICE",
    "CONFIG_CGROUP_FREEZER",
    "CONFIG_CGROUP_HUGETLB",
    "CONFIG_CGROUP_MISC",
    "CONFIG_CGROUP_PIDS",
    "CONFIG_CGROUP_SCHED",
    "CONFIG_CPUSETS",
    "CONFIG_CPUSETS_V1",
    "CONFIG_DETECT_HUNG_TASK",
    "CONFIG_EXT4_FS",
    "CONFIG_FAIR_GROUP_SCHED",
    "CONFIG_HARDLOCKUP_DETECTOR",
    "CONFIG_INET",
    "CONFIG_IPC_NS",
    "CONFIG_IP_VS",
    "CONFIG_KEXEC",
    "CONFIG_LOCKUP_DETECTOR",
    "CONFIG_MEMCG",
    "CONFIG_MEMCG_KMEM",
    "CONFIG_MEMCG_V1",
    "CONFIG_MODULE_SIG_FORCE",
    "CONFIG_NAMESPACES",
    "CONFIG_NETFILTER_XT_MATCH_COMMENT",
    "CONFIG_NETFILTER_XT_TARGET_REDIRECT",
    "CONFIG_NET_NS",
    "CONFIG_NF_TABLES",
    "CONFIG_OVERLAY_FS",
    "CONFIG_PID_NS",
    "CONFIG_POSIX_MQUEUE",
    "CONFIG_PSI",
    "CONFIG_SECCOMP",
    "CONFIG_SECCOMP_FILTER",
    "CONFIG_SLAB",
    "CONFIG_SLUB",
    "CONFIG_SOFTLOCKUP_DETECTOR",
    "CONFIG_SOFT_WATCHDOG",
    "CONFIG_USER_NS",
    "CONFIG_UTS_NS",
    "CONFIG_VETH",
    "CONFIG_VXLAN",
    "CONFIG_XFS_FS",
];

/// Where the running kernel has its configuration itself, if it was built so.
const RUNNING: &str = "/proc/config.gz";

/// The nine places where distributions keep the configuration of the running kernel.
fn configuration_paths(release: &str) -> [String; 9] {
    [
        RUNNING.to_owned(),
        format!("/boot/config-{release}"),
        format!("/usr/lib/modules/{release}/config"),
        format!("/usr/lib/kernel/config-{release}"),
        format!("/usr/lib/ostree-boot/config-{release}"),
        format!("/usr/src/linux-headers-{release}/.config"),
        format!("/usr/src/linux-{release}/.config"),
        format!("/lib/modules/{release}/build/.config"),
        "/usr/src/linux/.config".to_owned(),
    ]
}

pub(super) fn collect(host: &Host<'_>) -> Kernel {
    let trimmed = |path: &str| host.text(path, SMALL).map(|text| text.trim().to_owned());
    let release = trimmed("/proc/sys/kernel/osrelease");
    Kernel {
        version: trimmed("/proc/version"),
        arguments: host.text("/proc/cmdline", SMALL).map(|text| arguments(&text)),
        options: match &release {
            Fact::Known { value, .. } => options(host, value, true),
            other => other.clone().map(|_| BTreeMap::new()),
        },
        taints: trimmed("/proc/sys/kernel/tainted")
            .parse(|text| text.parse().map_err(|_| format!("`{text}` is not a number"))),
        boot_id: trimmed("/proc/sys/kernel/random/boot_id"),
        uptime: trimmed("/proc/uptime").parse(|text| parse_uptime(text)),
        booted_at: host.text("/proc/stat", LARGE).parse(|text| parse_boot_time(text)),
        release: release
            .parse(|text| if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text.clone()) }),
    }
}

/// The moment of collection by the node's own clock: the moment of boot and the time since.
pub(super) fn moment(kernel: &Kernel) -> Fact<i64> {
    match (&kernel.booted_at, &kernel.uptime) {
        (Fact::Known { value: booted, from }, Fact::Known { value: uptime, .. }) => {
            Fact::known(booted.saturating_add(i64::try_from(*uptime).unwrap_or(i64::MAX)), from)
        }
        (Fact::Known { .. }, uptime) => uptime.clone().map(|_| 0),
        (booted, _) => booted.clone(),
    }
}

fn parse_uptime(text: &str) -> Result<u64, String> {
    let seconds = text.split(['.', ' ']).next().unwrap_or_default();
    seconds.parse().map_err(|_| format!("`{seconds}` is not a number of seconds"))
}

fn parse_boot_time(text: &str) -> Result<i64, String> {
    let line = text.lines().find_map(|line| line.strip_prefix("btime "));
    line.and_then(|seconds| seconds.trim().parse().ok()).ok_or_else(|| "there is no line `btime`".to_owned())
}

/// The build options of a kernel. What the running one says of itself is of no other.
pub(super) fn options(host: &Host<'_>, release: &str, is_running: bool) -> Fact<BTreeMap<String, String>> {
    let paths = configuration_paths(release).into_iter().filter(|path| is_running || path != RUNNING);
    first_told(paths.map(|path| options_in(host, &path, release)))
}

fn options_in(host: &Host<'_>, path: &str, release: &str) -> Fact<BTreeMap<String, String>> {
    // An option that was cut off would look like one that isn't set.
    let text = match host.text(path, LARGE) {
        Fact::Known { value, .. } => value,
        other => return other.map(|_| BTreeMap::new()),
    };
    // The source tree that this link points to need not be the running kernel's.
    if path == "/usr/src/linux/.config" && !is_configuration_of(&text, release) {
        return Fact::Absent { from: path.to_owned() };
    }
    let options = parse_options(&text);
    if options.is_empty() {
        return Fact::unknown(Reason::Malformed, path, "it sets no option");
    }
    Fact::known(options, path)
}

/// Whether the head of a configuration (`# Linux/x86 5.10.251 Kernel Configuration`) names the version that the release
/// starts with.
fn is_configuration_of(text: &str, release: &str) -> bool {
    let head = text.lines().take(5).find(|line| line.contains(" Kernel Configuration"));
    let version = head.and_then(|line| line.split_whitespace().nth(2));
    version.is_some_and(|version| {
        release.strip_prefix(version).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// The values of the options that are asked about; `n` for those that a configuration doesn't set.
pub(crate) fn parse_options(text: &str) -> BTreeMap<String, String> {
    let set: BTreeMap<&str, &str> =
        build_options(text).filter(|(name, _)| OPTIONS.binary_search(name).is_ok()).collect();
    if set.is_empty() {
        return BTreeMap::new();
    }
    OPTIONS.iter().map(|name| ((*name).to_owned(), set.get(name).unwrap_or(&"n").to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_sorted_so_that_they_can_be_searched() {
        assert!(OPTIONS.is_sorted());
    }

    #[test]
    fn options_that_are_not_set_are_n() {
        let options =
            parse_options("# CONFIG_MEMCG is not set\nCONFIG_SLUB=y\nCONFIG_XFS_FS=m\nCONFIG_FOO=y\n");
        assert_eq!(options["CONFIG_MEMCG"], "n");
        assert_eq!(options["CONFIG_SLUB"], "y");
        assert_eq!(options["CONFIG_XFS_FS"], "m");
        assert!(!options.contains_key("CONFIG_FOO"));
        assert!(parse_options("nothing\n").is_empty());
    }

    #[test]
    fn a_source_tree_of_another_version_is_not_the_running_kernels() {
        let text =
            "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 5.10.25 Kernel Configuration\n";
        assert!(is_configuration_of(text, "5.10.25-amd64"));
        assert!(is_configuration_of(text, "5.10.25"));
        assert!(!is_configuration_of(text, "5.10.251"));
        assert!(!is_configuration_of("", "5.10.251"));
    }

    #[test]
    fn moments_are_read() {
        assert_eq!(parse_uptime("350735.47 234388.90"), Ok(350_735));
        assert!(parse_uptime("").is_err());
        assert_eq!(parse_boot_time("cpu 1 2\nbtime 1700000000\nprocesses 3\n"), Ok(1_700_000_000));
        assert!(parse_boot_time("cpu 1 2\n").is_err());
    }
}
