//! What of an archive's members is kept, told by their paths: what a collector can ask for. The lists of programs and logs are the
//! collectors' own; what is left out is remembered by its directory, so that it isn't taken for absent.

use super::alias;
use crate::collect::{
    CONFIGURATIONS, DPKG_STATUS, INSTALLATIONS, LOG_FILES, MAX_SANDBOX, OS_RELEASE, PLACES, RELEASE_FILES,
    form_of,
};
use crate::host::projection::is_of_boot_loader;
use crate::host::window::is_file_of;

/// What is kept of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Nothing; its directory remembers that something was left out.
    Nothing,
    /// That it is there.
    Name,
    /// Its first bytes, at most so many.
    Whole(usize),
    /// Its newest part.
    Log,
}

/// The first names of paths in a root file system, in a sosreport and in an Insights archive, the names of sidecars and of captured
/// logs. What has another first name lies in a folder that an archive was packed with.
const TOPS: &[&str] = &[
    "bin",
    "boot",
    "cgroup",
    "dev",
    "etc",
    "home",
    "lib",
    "lib32",
    "lib64",
    "lost+found",
    "media",
    "mnt",
    "opt",
    "proc",
    "root",
    "run",
    "sbin",
    "srv",
    "sys",
    "tmp",
    "usr",
    "var",
    "sos_commands",
    "sos_logs",
    "sos_reports",
    "sos_strings",
    "insights_commands",
    "_read_errors.tsv",
    "_counts.txt",
    "dmesg.txt",
    "journal.txt",
    "sysroot",
    "ostree",
    "snap",
    "selinux",
];

/// Small files of `/etc`, and of `/proc` and `/sys`: a byte more than a collector asks for, so that it learns of the cut.
const SMALL: usize = (64 << 10) + 1;
const LARGE: usize = (4 << 20) + 1;

const HEAD: usize = 128;

/// Descriptions of containers; those of sandboxes are short.
const SANDBOX: usize = MAX_SANDBOX + 1;

/// Files of cgroups that are asked for, besides their `memory.kmem.slabinfo`.
const CGROUP: &[&str] = &["cgroup.controllers", "cgroup.stat"];

/// And those that begin with `memory.kmem.`. Whole, their names would be markers of a container runtime in this program.
const CGROUP_KMEM: &[&str] = &["limit_in_bytes", "usage_in_bytes"];

/// Places below whose entries lie files that nobody asks for, by the hundred thousand.
const BULK: &[&str] = &[
    "home",
    "media",
    "mnt",
    "ostree",
    "root",
    "snap",
    "srv",
    "sysroot",
    "tmp",
    "usr/include",
    "usr/share",
    "usr/src",
    "var/cache",
    "var/lib",
    "var/spool",
    "var/tmp",
    "sys/block",
    "sys/bus",
    "sys/class",
    "sys/fs/cgroup/blkio",
    "sys/fs/cgroup/cpu",
    "sys/fs/cgroup/cpu,cpuacct",
    "sys/fs/cgroup/cpuacct",
    "sys/fs/cgroup/cpuset",
    "sys/fs/cgroup/devices",
    "sys/fs/cgroup/freezer",
    "sys/fs/cgroup/hugetlb",
    "sys/fs/cgroup/net_cls",
    "sys/fs/cgroup/net_cls,net_prio",
    "sys/fs/cgroup/net_prio",
    "sys/fs/cgroup/perf_event",
    "sys/fs/cgroup/pids",
    "sys/fs/cgroup/rdma",
    "sys/fs/cgroup/systemd",
    "sys/dev",
    "sys/devices",
    "sys/firmware",
    "sys/module",
];

/// Files of `/proc` that are asked for, of the machine and of processes.
const PROC: &[&str] = &[
    "cgroup",
    "cgroups",
    "config.gz",
    "meminfo",
    "modules",
    "mountinfo",
    "mounts",
    "stack",
    "stat",
    "uptime",
    "version",
];

/// The path of a member in its root file system: without the folders that the archive was packed with, at most two of them.
pub(super) fn in_root(path: &str) -> Option<&str> {
    let mut rest = path;
    for _ in 0..3 {
        let (first, below) = rest.split_once('/').unwrap_or((rest, ""));
        if is_top(first) {
            return Some(rest);
        }
        rest = below;
    }
    None
}

/// Whether this is the first name of a path in a root file system.
pub(super) fn is_top(name: &str) -> bool {
    TOPS.contains(&name) || name.ends_with(".listing")
}

/// What is kept of the file at `path`, which is relative to the archive's top.
pub(super) fn file(path: &str) -> Keep {
    let Some(path) = in_root(path) else {
        // It may be what tells a kind of archive from another.
        return if path.matches('/').count() < 3 { Keep::Name } else { Keep::Nothing };
    };
    let name = path.rsplit('/').next().unwrap_or(path);
    let (top, below) = path.split_once('/').unwrap_or((path, ""));
    if is_log(path) {
        return Keep::Log;
    }
    let is_sidecar = name.ends_with(".listing") || matches!(path, "_read_errors.tsv" | "_counts.txt");
    let is_configuration = name == ".config" || name == "config" || name.starts_with("config-");
    match top {
        _ if is_sidecar => Keep::Whole(LARGE),
        "proc" if below.starts_with("sys/") => Keep::Whole(SMALL),
        "proc" if below == "cmdline" => Keep::Whole(SMALL),
        "proc" if PROC.contains(&name) && is_of_machine_or_task(below) => Keep::Whole(LARGE),
        // Whether there is a line is all that is asked of it, and a thousand cgroups have 10 KiB each.
        "sys" | "cgroup" if name == "memory.kmem.slabinfo" => Keep::Whole(HEAD),
        "sys" | "cgroup" if CGROUP.contains(&name) => Keep::Whole(SMALL),
        "sys" | "cgroup"
            if name.strip_prefix("memory.kmem.").is_some_and(|rest| CGROUP_KMEM.contains(&rest)) =>
        {
            Keep::Whole(SMALL)
        }
        "proc" | "sys" | "cgroup" => Keep::Nothing,
        "sos_commands" | "insights_commands" => alias::keep(path),
        "etc" | "usr" if is_about_the_machine(path) => Keep::Whole(SMALL),
        "boot" if is_configuration || is_of_boot_loader(&format!("/{path}")) => Keep::Whole(LARGE),
        "etc" if is_of_boot_loader(&format!("/{path}")) => Keep::Whole(SMALL),
        "run" | "var" if form_of(&format!("/{path}")).is_some() => Keep::Whole(SANDBOX),
        "var" if DPKG_STATUS.strip_prefix('/') == Some(path) => Keep::Whole(LARGE),
        "run" if path == "run/reboot-required.pkgs" => Keep::Whole(SMALL),
        "usr" | "lib" if is_configuration && is_kernel_place(path) => Keep::Whole(LARGE),
        "usr" if path.starts_with("usr/share/zoneinfo/") => Keep::Whole(SMALL),
        _ if is_bulk(path) => Keep::Nothing,
        _ => Keep::Name,
    }
}

/// Whether the directory or link at `path` is kept.
pub(super) fn directory(path: &str) -> bool {
    in_root(path).map_or(path.matches('/').count() < 3, |path| !is_bulk(path))
}

/// Whether a file says what the machine is, or which programs its runtimes call.
fn is_about_the_machine(path: &str) -> bool {
    let asked = OS_RELEASE.iter().chain(&RELEASE_FILES).chain(CONFIGURATIONS);
    matches!(path, "etc/hostname" | "etc/localtime")
        || asked.into_iter().any(|asked| asked.strip_prefix('/') == Some(path))
}

/// A file of `/proc` itself, of a process or of a task of it.
fn is_of_machine_or_task(below_proc: &str) -> bool {
    let numbered = |part: &str| part == "self" || part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = below_proc.split('/').collect();
    match parts[..] {
        [_] => true,
        [process, _] => numbered(process),
        [process, "task", task, _] => numbered(process) && numbered(task),
        _ => false,
    }
}

/// Places where distributions keep the configurations of their kernels.
fn is_kernel_place(path: &str) -> bool {
    const PLACES: &[&str] =
        &["lib/modules/", "usr/lib/modules/", "usr/lib/kernel/", "usr/lib/ostree-boot/", "usr/src/"];
    PLACES.iter().any(|place| path.strip_prefix(place).is_some_and(|rest| rest.matches('/').count() <= 2))
}

fn is_log(path: &str) -> bool {
    let path = format!("/{path}");
    alias::is_log(&path[1..]) || LOG_FILES.iter().any(|(log, _)| is_file_of(&path, log))
}

/// Whether a path lies deeper in one of the bulky places than their own entries, and nobody asks for it.
fn is_bulk(path: &str) -> bool {
    let deep = |place: &str| {
        path.strip_prefix(place)
            .and_then(|rest| rest.strip_prefix('/'))
            .is_some_and(|rest| rest.contains('/'))
    };
    BULK.iter().any(|place| deep(place)) && !is_asked(path)
}

/// Whether a collector asks for this path, for something below it, or for what it is an entry of.
fn is_asked(path: &str) -> bool {
    let leads_to = |asked: &str| {
        let asked = asked.trim_start_matches('/');
        asked == path || asked.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
    };
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    let below = |place: &str| {
        path.strip_prefix(place.trim_start_matches('/')).is_some_and(|rest| rest.starts_with('/'))
    };
    PLACES.iter().any(|place| leads_to(place) || place.trim_start_matches('/') == parent)
        || INSTALLATIONS
            .iter()
            .any(|place| leads_to(place) || (below(place) && path.matches('/').count() < 9))
        || LOG_FILES.iter().any(|(log, _)| leads_to(log))
        || leads_to(DPKG_STATUS)
        || leads_to("/var/lib/docker/containers")
        // Without the names beside it, it could not be told to be absent.
        || parent == "var/lib/docker"
        || (below("/var/lib/docker/containers") && path.matches('/').count() < 6)
        || path.starts_with("usr/share/zoneinfo/")
        || (path.starts_with("usr/src/") && path.matches('/').count() < 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_asked_for_is_kept_under_any_two_folders() {
        for (path, expected) in [
            ("proc/meminfo", Keep::Whole(LARGE)),
            ("proc/1/mounts", Keep::Whole(LARGE)),
            ("proc/1/cmdline", Keep::Nothing),
            ("proc/1/net/stat", Keep::Nothing),
            ("proc/7/task/8/stack", Keep::Whole(LARGE)),
            ("proc/sys/vm/max_map_count", Keep::Whole(SMALL)),
            ("sys/fs/cgroup/memory/a/memory.kmem.slabinfo", Keep::Whole(HEAD)),
            ("sys/fs/cgroup/memory/a/memory.kmem.usage_in_bytes", Keep::Whole(SMALL)),
            ("sys/fs/cgroup/memory/a/memory.stat", Keep::Nothing),
            ("sys/kernel/slab.listing", Keep::Whole(LARGE)),
            ("etc/os-release", Keep::Whole(SMALL)),
            ("usr/lib/os-release", Keep::Whole(SMALL)),
            ("etc/docker/daemon.json", Keep::Whole(SMALL)),
            ("etc/shadow", Keep::Name),
            ("boot/config-3.10.0", Keep::Whole(LARGE)),
            ("boot/vmlinuz", Keep::Name),
            ("boot/grub2/grub.cfg", Keep::Whole(LARGE)),
            ("boot/loader/entries/a.conf", Keep::Whole(LARGE)),
            ("etc/default/grub", Keep::Whole(SMALL)),
            ("var/lib/dpkg/status", Keep::Whole(LARGE)),
            ("var/lib/docker/containers/1/config.v2.json", Keep::Whole(SANDBOX)),
            ("run/containerd/io.containerd.runtime.v2.task/k8s.io/1/config.json", Keep::Whole(SANDBOX)),
            ("lib/modules/3.10.0/build/.config", Keep::Whole(LARGE)),
            ("lib/modules/3.10.0/kernel/fs/xfs.ko", Keep::Name),
            ("var/log/messages-20260101.gz", Keep::Log),
            ("var/log/messages.old", Keep::Name),
            ("dmesg.txt", Keep::Log),
            ("usr/bin/kubelet", Keep::Name),
            ("usr/share/doc/x/README", Keep::Nothing),
            ("usr/share/zoneinfo/Etc/UTC", Keep::Whole(SMALL)),
            ("var/lib/docker/overlay2/x/diff/etc/passwd", Keep::Nothing),
            ("var/lib/rancher/rke2/bin/kubelet", Keep::Name),
            ("var/lib/rancher/k3s/data/0123/bin/runc", Keep::Name),
            ("var/lib/rancher/rke2/agent/logs/kubelet.log", Keep::Log),
            ("var/lib/rancher/rke2/agent/containerd/snapshots/1/fs/x", Keep::Nothing),
        ] {
            assert_eq!(file(path), expected, "{path}");
            assert_eq!(file(&format!("node-1/{path}")), expected, "{path}");
            assert_eq!(file(&format!("captures/node-1/{path}")), expected, "{path}");
        }
    }
}
