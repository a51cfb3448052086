//! Control groups: mounts, `/proc/cgroups`, `/proc/PID/cgroup`, and what the files `memory.kmem.*` of one cgroup say about its accounting.

use std::collections::BTreeMap;

use crate::document::snapshot::{CgroupMode, Controller};

/// What `findmnt` draws its tree with, in plain characters and in those of boxes.
const FINDMNT_TREE: [char; 8] = [' ', '|', '`', '-', '│', '├', '└', '─'];

/// A mounted cgroup hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it is mounted.
    pub path: String,
    /// 1 or 2.
    pub version: u8,
    /// The options of a version 1 mount name its controllers.
    pub options: Vec<String>,
}

/// The cgroup hierarchies in the text of `/proc/mounts`, or in what `findmnt` prints, whose tree is drawn before the
/// paths.
#[must_use]
pub fn mounts(text: &str) -> Vec<Mount> {
    let by_findmnt = text.starts_with("TARGET ");
    let line = |line: &str| {
        let mut columns = line
            .trim_start_matches(if by_findmnt { &FINDMNT_TREE[..] } else { &[] })
            .split_ascii_whitespace();
        let (first, second) = (columns.next()?, columns.next()?);
        let path = if by_findmnt { first } else { second };
        let (kind, options) = (columns.next()?, columns.next()?);
        let version = match kind {
            "cgroup" => 1,
            "cgroup2" => 2,
            _ => return None,
        };
        let options = options.split(',').map(str::to_owned).collect();
        Some(Mount { path: unescape(path), version, options })
    };
    text.lines().filter_map(line).collect()
}

/// A path of `/proc/mounts` or `/proc/PID/mountinfo`, where white space and backslashes are three octal digits.
#[must_use]
pub fn unescape(path: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(path.to_owned(), |path, (escaped, plain)| path.replace(escaped, plain))
}

/// Which versions are mounted; nothing where none is.
#[must_use]
pub fn mode(mounts: &[Mount]) -> Option<CgroupMode> {
    let has = |version| mounts.iter().any(|mount| mount.version == version);
    mode_of(has(1), has(2))
}

fn mode_of(first: bool, second: bool) -> Option<CgroupMode> {
    match (first, second) {
        (true, false) => Some(CgroupMode::V1),
        (false, true) => Some(CgroupMode::V2),
        (true, true) => Some(CgroupMode::Hybrid),
        (false, false) => None,
    }
}

/// A process's place in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The number of the hierarchy; 0 for the one of version 2.
    pub hierarchy: u32,
    /// What hangs on it: controllers, and `name=…` for one without any. Version 2 names none.
    pub controllers: Vec<String>,
    /// The cgroup, from the root of the hierarchy.
    pub path: String,
}

/// The lines of `/proc/PID/cgroup` (cgroups(7)).
#[must_use]
pub fn memberships(text: &str) -> Vec<Membership> {
    let line = |line: &str| {
        let mut parts = line.splitn(3, ':');
        let (hierarchy, controllers, path) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
        let controllers = controllers.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        path.starts_with('/').then(|| Membership { hierarchy, controllers, path: path.to_owned() })
    };
    text.lines().filter_map(line).collect()
}

/// Which versions are mounted, as a process sees them: the kernel lists version 2 from its first mount on; nothing where no
/// hierarchy is listed.
#[must_use]
pub fn mode_of_process(memberships: &[Membership]) -> Option<CgroupMode> {
    let has = |is_second: bool| memberships.iter().any(|place| (place.hierarchy == 0) == is_second);
    mode_of(has(false), has(true))
}

/// The lines of `/proc/cgroups`, by controller.
///
/// # Errors
/// Where no line is one of a controller.
pub fn controllers(text: &str) -> Result<BTreeMap<String, Controller>, String> {
    let line = |line: &str| {
        let mut columns = line.split_ascii_whitespace();
        let name = columns.next()?;
        let mut number = || columns.next()?.parse::<u64>().ok();
        let (hierarchy, num_cgroups, enabled) = (number()?, number()?, number()?);
        Some((name.to_owned(), Controller { hierarchy, num_cgroups, enabled: enabled == 1 }))
    };
    let controllers: BTreeMap<_, _> =
        text.lines().filter(|line| !line.starts_with('#')).filter_map(line).collect();
    if controllers.is_empty() { Err("it has no line of a controller".to_owned()) } else { Ok(controllers) }
}

/// What reading `memory.kmem.slabinfo` of a cgroup below the root gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slabinfo {
    /// A header, at least.
    Filled,
    /// Nothing.
    Empty,
    /// EIO.
    Refused,
    /// It isn't there, or nobody kept it.
    NotRead,
    /// Something else stood in the way.
    Failed,
}

/// What the files `memory.kmem.*` of one cgroup below the root say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accounting {
    /// Kernel memory is accounted.
    On,
    /// It is not: 3.10 refuses the file.
    Refused,
    /// Off, or nothing used yet.
    Silent,
    /// The files don't tell.
    NotTold,
}

/// Tells the accounting of one cgroup. On 3.10 slabinfo has a header of two lines once accounting is on and answers EIO
/// before; from 5.9 on it is always empty, and only a usage above 0 tells.
#[must_use]
pub fn accounting(slabinfo: Slabinfo, usage: Option<u64>) -> Accounting {
    match (slabinfo, usage) {
        (Slabinfo::Filled, _) | (_, Some(1..)) => Accounting::On,
        (Slabinfo::Refused, _) => Accounting::Refused,
        (Slabinfo::Empty | Slabinfo::NotRead, Some(0)) => Accounting::Silent,
        // What could not be read may have been the header.
        (Slabinfo::Failed, Some(0)) | (_, None) => Accounting::NotTold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_cgroups_are_found_among_others() {
        let text = "tmpfs /sys/fs/cgroup tmpfs ro 0 0\n\
            cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,cpuacct,cpu 0 0\n\
            cgroup /odd\\040place cgroup rw,memory 0 0\nshort\n";
        let found = mounts(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].path, "/odd place");
        assert_eq!(mode(&found), Some(CgroupMode::V1));
        assert_eq!(mode(&mounts("c /u cgroup2 rw 0 0\n")), Some(CgroupMode::V2));
        assert_eq!(
            mode(&mounts("c /u cgroup2 rw 0 0\nc /s cgroup rw,name=systemd 0 0\n")),
            Some(CgroupMode::Hybrid)
        );
        assert_eq!(mode(&[]), None);
    }

    #[test]
    fn a_process_names_its_cgroup_in_each_hierarchy() {
        let text = "11:memory:/kubepods/pod1:2\n4:cpu,cpuacct:/\n1:name=systemd:/init.scope\nodd\n5:pids\n6:x:none\n";
        let found = memberships(text);
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].hierarchy, found[0].path.as_str()), (11, "/kubepods/pod1:2"));
        assert_eq!(found[1].controllers, ["cpu", "cpuacct"]);
        for (text, expected) in [
            (text, Some(CgroupMode::V1)),
            ("0::/user.slice\n", Some(CgroupMode::V2)),
            ("1:name=systemd:/\n0::/\n", Some(CgroupMode::Hybrid)),
            ("", None),
        ] {
            assert_eq!(mode_of_process(&memberships(text)), expected, "{text}");
        }
    }

    #[test]
    fn the_tree_of_findmnt_is_no_part_of_a_path() {
        let text = "TARGET                     SOURCE FSTYPE OPTIONS\n\
            /                          /dev/a xfs    rw\n\
            |-/sys                     sysfs  sysfs  rw\n\
            | | |-/sys/fs/cgroup/memory cgroup cgroup rw,memory\n\
            │ └─/sys/fs/cgroup/pids    cgroup cgroup rw,pids\n";
        let paths: Vec<String> = mounts(text).into_iter().map(|mount| mount.path).collect();
        assert_eq!(paths, ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"]);
    }

    #[test]
    fn controllers_are_read_and_a_file_without_any_is_malformed() {
        let text =
            "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t2\t1\t1\nmemory\t9\t63000\t1\nodd\n";
        let found = controllers(text).unwrap();
        assert_eq!(found["memory"], Controller { hierarchy: 9, num_cgroups: 63_000, enabled: true });
        assert!(controllers("#only the head\n").is_err());
    }

    #[test]
    fn a_header_or_a_usage_shows_accounting_and_silence_shows_nothing() {
        for (slabinfo, usage, expected) in [
            (Slabinfo::Filled, Some(0), Accounting::On),
            (Slabinfo::Filled, None, Accounting::On),
            (Slabinfo::Refused, Some(4096), Accounting::On),
            (Slabinfo::Refused, Some(0), Accounting::Refused),
            (Slabinfo::Refused, None, Accounting::Refused),
            (Slabinfo::Empty, Some(4096), Accounting::On),
            (Slabinfo::Empty, Some(0), Accounting::Silent),
            (Slabinfo::NotRead, Some(0), Accounting::Silent),
            (Slabinfo::Failed, Some(0), Accounting::NotTold),
            (Slabinfo::Empty, None, Accounting::NotTold),
            (Slabinfo::NotRead, None, Accounting::NotTold),
        ] {
            assert_eq!(accounting(slabinfo, usage), expected, "{slabinfo:?} {usage:?}");
        }
    }
}
