//! Small files that say what a machine is busy with: loaded modules, locks, the unit of a process, and dpkg's packages.

use crate::document::snapshot::LoadedModule;

/// Reads `/proc/modules`: `NAME SIZE USERS HOLDERS STATE ADDRESS [(TAINTS)]`.
#[must_use]
pub fn modules(text: &str) -> Vec<LoadedModule> {
    let line = |line: &str| {
        let mut columns = line.split_whitespace();
        let (name, users) = (columns.next()?, columns.nth(1)?);
        let taints = columns.last().and_then(|last| last.strip_prefix('(')?.strip_suffix(')'));
        Some(LoadedModule {
            name: name.to_owned(),
            // A kernel that can't unload modules counts none, and writes `-`.
            users: users.parse().unwrap_or(0),
            // `+` and `-` say that it is coming or going.
            taints: taints.unwrap_or_default().replace(['+', '-'], ""),
        })
    };
    let mut found: Vec<LoadedModule> = text.lines().filter_map(line).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// A lock on a file, as `/proc/locks` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lock {
    /// The process; none for a lock of an open file, or of a process that isn't seen from here.
    pub pid: Option<u32>,
    /// The device that the file is on: major and minor number.
    pub device: (u32, u32),
    /// The file's number on it.
    pub inode: u64,
}

/// Reads `/proc/locks`: `N: KIND MODE ACCESS PID MAJOR:MINOR:INODE START END`. Those who wait have an arrow behind the
/// number, and hold nothing.
#[must_use]
pub fn locks(text: &str) -> Vec<Lock> {
    let line = |line: &str| {
        let mut columns = line.split_whitespace().skip(1);
        let kind = columns.next().filter(|kind| *kind != "->")?;
        let (pid, file) = (columns.nth(2)?, columns.next()?);
        let mut parts = file.split(':');
        let mut hex = || u32::from_str_radix(parts.next()?, 16).ok();
        let device = (hex()?, hex()?);
        let inode = parts.next()?.parse().ok()?;
        let _ = kind;
        Some(Lock { pid: pid.parse().ok().filter(|pid| *pid > 0), device, inode })
    };
    text.lines().filter_map(line).collect()
}

/// The unit that a process is in, by its `/proc/PID/cgroup`: the last part of its place that names a service. A process of
/// a container is in none, whatever the container's cgroup is called.
#[must_use]
pub fn unit(cgroup: &str) -> Option<String> {
    let place = |line: &str| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, place) = (parts.next()?, parts.next()?, parts.next()?);
        // systemd keeps its own hierarchy, with version 1 under its name.
        (controllers.is_empty() || controllers == "name=systemd").then(|| place.to_owned())
    };
    let places = cgroup.lines().filter_map(place);
    let unit = |place: String| {
        let last = place.rsplit('/').find(|part| part.ends_with(".service"))?.to_owned();
        (!place.contains("kubepods")).then_some(last)
    };
    places.into_iter().find_map(unit)
}

/// Packages of dpkg's status file that are neither installed nor gone, as `NAME STATE`. The last word of
/// `Status: WANT FLAG STATE` is the state; `reinstreq` as the flag means that it is broken.
#[must_use]
pub fn unfinished_packages(status: &str) -> Vec<String> {
    const SETTLED: [&str; 3] = ["installed", "config-files", "not-installed"];
    let mut found = Vec::new();
    let mut package = "";
    for line in status.lines() {
        if let Some(name) = line.strip_prefix("Package: ") {
            package = name.trim();
        } else if let Some(status) = line.strip_prefix("Status: ") {
            let mut words = status.split_whitespace().skip(1);
            let (flag, state) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            if flag == "reinstreq" || !SETTLED.contains(&state) {
                found.push(format!("{package} {state}"));
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_tell_their_users_and_what_they_taint() {
        let found = modules(
            "xfs 1 2 - Live 0x0\nnvidia 56 93 nvidia_uvm, Live 0x0 (POE)\nbridge 9 1 br_netfilter, Live 0x0\nold 1 - - Live 0x0\n\
             going 1 0 - Unloading 0x0 (O-)\nx\n",
        );
        let told: Vec<_> = found
            .iter()
            .map(|module| (&*module.name, module.users, &*module.taints, module.is_out_of_tree()))
            .collect();
        assert_eq!(
            told,
            [
                ("bridge", 1, "", false),
                ("going", 0, "O", true),
                ("nvidia", 93, "POE", true),
                ("old", 0, "", false),
                ("xfs", 2, "", false)
            ]
        );
    }

    #[test]
    fn locks_are_those_that_are_held() {
        let found = locks(
            "1: POSIX  ADVISORY  WRITE 1234 08:01:131143 0 EOF\n1: -> POSIX  ADVISORY  WRITE 77 08:01:131143 0 EOF\n\
             2: FLOCK  ADVISORY  WRITE -1 fd:00:9 0 EOF\nnonsense\n",
        );
        let held = |pid, device, inode| Lock { pid, device, inode };
        assert_eq!(found, [held(Some(1234), (8, 1), 131_143), held(None, (253, 0), 9)]);
    }

    #[test]
    fn the_unit_of_a_process_is_told_by_systemds_hierarchy() {
        for (text, expected) in [
            ("0::/system.slice/kubelet.service\n", Some("kubelet.service")),
            ("5:cpu:/a.service\n1:name=systemd:/system.slice/docker.service\n", Some("docker.service")),
            ("0::/system.slice/containerd.service/kubepods-pod1.slice:cri:x\n", None),
            ("0::/user.slice/user-0.slice/session-1.scope\n", None),
            ("", None),
        ] {
            assert_eq!(unit(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn packages_that_were_begun_are_told_from_those_that_are_settled() {
        let status = "Package: a\nStatus: install ok installed\nDescription: x\n Status: install ok unpacked\n\n\
            Package: linux-image\nStatus: install ok half-configured\n\nPackage: b\nStatus: deinstall ok config-files\n\n\
            Package: c\nStatus: install reinstreq installed\n\nPackage: d\nStatus: install ok triggers-pending\n";
        assert_eq!(
            unfinished_packages(status),
            ["c installed", "d triggers-pending", "linux-image half-configured"]
        );
    }
}
