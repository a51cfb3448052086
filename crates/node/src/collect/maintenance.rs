//! Who else installs packages or reboots here: programs that run, locks of package managers that are held, packages that
//! are half installed, and systems that are updated as a whole.

use kernmend_core::document::snapshot::{Distribution, HeldLock, Maintainer, Maintenance, Pods};
use kernmend_core::document::{Fact, Reason};
use kernmend_core::format::machine::{Lock, locks, unfinished_packages};

use super::process::Processes;
use super::{LARGE, SMALL};
use crate::host::{Answer, Host};

/// Programs that do, by the names of their binaries. Those that are scripts are told by the lock that they hold.
const PROGRAMS: [&str; 17] = [
    "apt",
    "apt-get",
    "aptitude",
    "dnf5",
    "dpkg",
    "kured",
    "locksmithd",
    "microdnf",
    "packagekitd",
    "rpm",
    "rpm-ostree",
    "rpmdb",
    "system-upgrade-controller",
    "tdnf",
    "update_engine",
    "zincati",
    "zypper",
];

/// Pods that do: the beginnings of their names.
const PODS: [&str; 3] = ["kured-", "flatcar-linux-update-agent-", "brupop-agent-"];

/// Files on which package managers hold a lock of the kernel's while they work: dpkg, apt and its daily job,
/// unattended-upgrades, rpm in both places of its database, and dnf 5.
const LOCKS: [&str; 9] = [
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/lock",
    "/var/lib/apt/lists/lock",
    "/var/lib/apt/daily_lock",
    "/var/cache/apt/archives/lock",
    "/run/unattended-upgrades.lock",
    "/var/lib/rpm/.rpm.lock",
    "/usr/lib/sysimage/rpm/.rpm.lock",
    "/run/dnf/rpmtransaction.lock",
];

/// Files that hold the number of the process that works: yum, dnf and zypper.
const PID_FILES: [&str; 4] =
    ["/run/yum.pid", "/run/zypp.pid", "/var/cache/dnf/metadata_lock.pid", "/var/lib/dnf/rpmdb_lock.pid"];

/// dpkg's list of packages.
pub(crate) const DPKG_STATUS: &str = "/var/lib/dpkg/status";

/// Distributions that are updated as a whole, by their id.
const IMAGES: [&str; 8] =
    ["bottlerocket", "cos", "fedora-coreos", "flatcar", "rhcos", "sl-micro", "talos", "opensuse-microos"];

pub(super) fn collect(
    host: &Host<'_>,
    distribution: &Fact<Distribution>,
    processes: &Processes,
    pods: &Pods,
) -> Maintenance {
    Maintenance {
        programs: programs(host, processes, pods),
        locks: held(host, processes),
        unfinished_packages: host.text(DPKG_STATUS, LARGE).map(|text| unfinished_packages(&text)),
        image: image(host, distribution),
    }
}

fn programs(host: &Host<'_>, processes: &Processes, pods: &Pods) -> Fact<Vec<Maintainer>> {
    let by_process = processes.all.iter().filter_map(|process| {
        let path = process.binary.as_ref()?;
        let name = path.rsplit('/').next().filter(|name| PROGRAMS.contains(name))?;
        // What a pod does with packages, it does to its own.
        let cgroup = host.text(&format!("/proc/{}/cgroup", process.pid), SMALL);
        if cgroup.value().is_some_and(|text| text.contains("kubepods")) {
            return None;
        }
        Some(Maintainer { name: name.to_owned(), from: path.clone() })
    });
    let by_pod = pods.found.iter().filter(|pod| PODS.iter().any(|start| pod.name.starts_with(start)));
    let by_pod = by_pod.map(|pod| Maintainer { name: pod.name.clone(), from: pod.from.clone() });
    let mut found: Vec<Maintainer> = by_process.chain(by_pod).collect();
    found.sort();
    found.dedup();
    match &processes.gap {
        // One that was found is reason enough.
        Some(why) if found.is_empty() => Fact::Unknown { why: why.clone() },
        _ => Fact::known(found, "/proc/*/exe"),
    }
}

fn held(host: &Host<'_>, processes: &Processes) -> Fact<Vec<HeldLock>> {
    // In a copy, files have other numbers than those that the list speaks of.
    if matches!(host.identity("/proc/kernmend-is-not-there"), Answer::NotCaptured) {
        return Fact::unknown(Reason::NotCaptured, "/proc/locks", "");
    }
    let kernels = match host.text("/proc/locks", LARGE).map(|text| locks(&text)) {
        Fact::Known { value, .. } => value,
        Fact::Unknown { why } => return Fact::Unknown { why },
        Fact::Absent { from } => return Fact::unknown(Reason::NotTold, from, ""),
    };
    let mut found = Vec::new();
    let mut obstacle = None;
    for path in LOCKS {
        let identity = host.identity(path);
        obstacle = obstacle.or_else(|| identity.obstacle(path));
        let Answer::Got(identity) = identity else { continue };
        let lock = kernels.iter().find(|lock| is_on(lock, identity));
        found.extend(lock.map(|lock| HeldLock { path: path.to_owned(), pid: lock.pid }));
    }
    for path in PID_FILES {
        let answer = host.read(path, SMALL);
        obstacle = obstacle.or_else(|| answer.obstacle(path));
        let pid: Option<u32> = answer.got().and_then(|content| content.text().trim().parse().ok());
        let runs = pid.filter(|pid| processes.all.iter().any(|process| process.pid == *pid));
        found.extend(runs.map(|pid| HeldLock { path: path.to_owned(), pid: Some(pid) }));
    }
    match obstacle {
        Some(why) if found.is_empty() => Fact::Unknown { why },
        _ => Fact::known(found, "/proc/locks"),
    }
}

/// Whether a lock is on the file with this device and inode. File systems over several devices show one number to a
/// program and have another in the kernel's list; both have 0 as their major number.
fn is_on(lock: &Lock, (device, inode): (u64, u64)) -> bool {
    let device = (rustix::fs::major(device), rustix::fs::minor(device));
    lock.inode == inode && (lock.device == device || (lock.device.0 == 0 && device.0 == 0))
}

fn image(host: &Host<'_>, distribution: &Fact<Distribution>) -> Fact<String> {
    const OSTREE: &str = "/run/ostree-booted";
    let by_name = distribution.value().and_then(|distribution| {
        let name = IMAGES.into_iter().find(|name| *name == distribution.id)?;
        Some(Fact::known(name.to_owned(), distribution_file(host)))
    });
    by_name.unwrap_or_else(|| host.identity(OSTREE).map(|_| "ostree".to_owned()).fact(OSTREE))
}

fn distribution_file(host: &Host<'_>) -> &'static str {
    let there = |path: &&&str| matches!(host.identity(path), Answer::Got(_));
    super::OS_RELEASE.iter().find(there).copied().unwrap_or(super::OS_RELEASE[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_on_the_file_with_its_numbers() {
        let lock = |device| Lock { pid: Some(1), device, inode: 7 };
        let on = |major, minor| (rustix::fs::makedev(major, minor), 7);
        assert!(is_on(&lock((8, 1)), on(8, 1)));
        assert!(!is_on(&lock((8, 1)), on(8, 2)));
        assert!(!is_on(&lock((8, 1)), (rustix::fs::makedev(8, 1), 8)));
        assert!(is_on(&lock((0, 30)), on(0, 31)), "a subvolume of btrfs has a number of its own");
    }
}
