//! Which paths can hang: those on file systems that wait for somebody else, a server or a program, and those that lead
//! there. It is told what is mounted, and touches nothing itself.

/// What a file system waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Nothing: its files are the kernel's own, and its links stay inside.
    Kernel,
    /// Memory or a disk of this machine.
    Local,
    /// Somebody else, as far as is known.
    Foreign,
}

/// File systems whose files are the kernel's own.
const KERNEL: [&str; 9] =
    ["bpf", "cgroup", "cgroup2", "cpuset", "debugfs", "proc", "securityfs", "sysfs", "tracefs"];

/// File systems in memory and on disks. One that is on neither list can have a server behind it: `fuse`, `nfs`, `ceph`,
/// `autofs`, and those that aren't written yet.
const LOCAL: [&str; 37] = [
    "aufs",
    "bcachefs",
    "binfmt_misc",
    "btrfs",
    "configfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "erofs",
    "exfat",
    "ext2",
    "ext3",
    "ext4",
    "f2fs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "jfs",
    "mqueue",
    "msdos",
    "nfsd",
    "nsfs",
    "ntfs3",
    "overlay",
    "pstore",
    "ramfs",
    "reiserfs",
    "resctrl",
    "rootfs",
    "rpc_pipefs",
    "selinuxfs",
    "smackfs",
    "squashfs",
    "tmpfs",
    "vfat",
    "xfs",
    "zfs",
];

/// What is mounted in a root.
#[derive(Debug)]
pub(super) struct Mounts {
    /// By the place in the root.
    mounts: Vec<(String, Class)>,
    /// Whether a link on a local file system could lead to a foreign one.
    reachable: bool,
}

impl Mounts {
    /// What is mounted in the directory `root`, whose path is free of links, from the text of `/proc/self/mountinfo`.
    pub(super) fn parse(mountinfo: &str, root: &str) -> Self {
        let root = root.trim_end_matches('/');
        let mount = |line: &str| {
            let (place, kind) = line.split_once(" - ")?;
            let place = kernmend_core::format::cgroup::unescape(place.split(' ').nth(4)?);
            let kind = kind.split(' ').next()?;
            let class = if KERNEL.contains(&kind) {
                Class::Kernel
            } else if LOCAL.contains(&kind) {
                Class::Local
            } else {
                Class::Foreign
            };
            if let Some(below) = place.strip_prefix(root).filter(|_| is_below(&place, root)) {
                let below = if below.is_empty() { "/" } else { below };
                return Some((below.to_owned(), class));
            }
            // What the root itself stands on.
            is_below(root, &place).then(|| ("/".to_owned(), class))
        };
        let mut mounts = Self { mounts: mountinfo.lines().filter_map(mount).collect(), reachable: false };
        mounts.reachable = mounts.mounts.iter().any(|(place, class)| {
            let above = place.rsplit_once('/').map_or("", |(above, _)| above);
            *class == Class::Foreign && mounts.class_of(above) != Some(Class::Kernel)
        });
        mounts
    }

    /// Nothing is known, so nothing is known to be safe.
    pub(super) fn unknown() -> Self {
        Self { mounts: vec![("/".to_owned(), Class::Foreign)], reachable: true }
    }

    /// The foreign file system on which a path lies. One that another mount may have hidden counts too: what is mounted
    /// over what, the list doesn't say.
    pub(super) fn foreign(&self, path: &str) -> Option<&str> {
        let at =
            self.mounts.iter().filter(|(place, class)| *class == Class::Foreign && is_below(path, place));
        at.map(|(place, _)| place.as_str()).max_by_key(|place| place.len())
    }

    /// Whether reading a path could hang.
    pub(super) fn can_hang(&self, path: &str) -> bool {
        if self.foreign(path).is_some() {
            return true;
        }
        match self.class_of(path) {
            // A process that the kernel holds can hold those that look at it.
            Some(Class::Kernel) => process(path).is_some(),
            _ => self.reachable,
        }
    }

    /// Whether a link on a local file system could lead to one that hangs.
    pub(super) fn reachable(&self) -> bool {
        self.reachable
    }

    /// The class of the file system nearest above a path; the last one that was mounted there counts.
    fn class_of(&self, path: &str) -> Option<Class> {
        let at = self.mounts.iter().filter(|(place, _)| is_below(path, place));
        at.max_by_key(|(place, _)| place.len()).map(|(_, class)| *class)
    }
}

/// The folder `/proc/PID` that a path is in.
pub(super) fn process(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/proc/")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let ends = digits > 0 && matches!(rest.as_bytes().get(digits), None | Some(b'/'));
    ends.then(|| &path[.."/proc/".len() + digits])
}

/// Whether a path is this directory, or lies below it.
pub(super) fn is_below(path: &str, directory: &str) -> bool {
    let directory = directory.trim_end_matches('/');
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list with one line for each place and kind.
    fn mounts(list: &[(&str, &str)], root: &str) -> Mounts {
        let line = |(place, kind): &(&str, &str)| {
            format!("36 35 98:0 / {place} rw,noatime shared:1 - {kind} /dev/root rw\n")
        };
        Mounts::parse(&(list.iter().map(line).collect::<String>() + "nonsense\n"), root)
    }

    const PLAIN: [(&str, &str); 5] = [
        ("/", "ext4"),
        ("/proc", "proc"),
        ("/sys", "sysfs"),
        ("/sys/fs/cgroup/memory", "cgroup"),
        ("/dev", "devtmpfs"),
    ];

    #[test]
    fn on_a_plain_machine_only_processes_can_hang() {
        // Every machine with systemd has these two.
        let usual = [("/proc/sys/fs/binfmt_misc", "autofs"), ("/sys/fs/fuse/connections", "fusectl")];
        let mounts = mounts(&[&PLAIN[..], &usual].concat(), "/");
        for (path, expected) in [
            ("/proc/1/mounts", true),
            ("/proc/17", true),
            ("/proc/sys/fs/binfmt_misc/x", true),
            ("/proc/meminfo", false),
            ("/proc/self/mounts", false),
            ("/proc/1x", false),
            ("/sys/fs/cgroup/memory/a", false),
            ("/var/log/messages", false),
            ("/dev/kmsg", false),
        ] {
            assert_eq!(mounts.can_hang(path), expected, "{path}");
        }
    }

    #[test]
    fn with_a_foreign_file_system_a_link_can_lead_there_from_anywhere_but_the_kernels_own() {
        for kind in ["nfs4", "fuse.sshfs", "fuse", "cifs", "autofs", "a-kind-of-tomorrow"] {
            let mounts = mounts(&[&PLAIN[..], &[("/mnt/a\\040b", kind)]].concat(), "/");
            assert!(mounts.can_hang("/var/log/messages"), "{kind}");
            assert!(!mounts.can_hang("/proc/meminfo"), "{kind}");
            assert!(!mounts.can_hang("/sys/kernel/slab"), "{kind}");
            assert_eq!(mounts.foreign("/mnt/a b/c"), Some("/mnt/a b"), "{kind}");
            assert_eq!(mounts.foreign("/mnt/a bc"), None, "{kind}");
        }
    }

    #[test]
    fn what_is_mounted_over_the_kernels_files_is_seen() {
        let mounts =
            mounts(&[&PLAIN[..], &[("/proc/meminfo", "fuse.lxcfs"), ("/sys", "fuse")]].concat(), "/");
        assert!(mounts.can_hang("/proc/meminfo"));
        assert!(!mounts.can_hang("/proc/stat"));
        assert!(mounts.can_hang("/sys/fs/cgroup/memory"), "the cgroups may be hidden by now");
    }

    #[test]
    fn mounts_are_seen_from_the_root() {
        let inside = [&PLAIN[..], &[("/host/proc", "proc"), ("/host/mnt", "nfs")]].concat();
        let host = mounts(&inside, "/host");
        assert!(!host.can_hang("/proc/meminfo") && host.can_hang("/proc/1/stat"));
        assert!(host.can_hang("/mnt/x") && host.can_hang("/var/log/messages"));
        assert!(host.can_hang("/sys/kernel/slab"), "this is no sysfs: a link can stand here");
        let other = mounts(&inside, "/srv/root");
        assert!(!other.can_hang("/proc/1/stat") && !other.can_hang("/var/log/messages"));
        let on_server = mounts(&[&PLAIN[..], &[("/srv", "nfs")]].concat(), "/srv/root");
        assert_eq!(on_server.foreign("/"), Some("/"));
        assert!(on_server.can_hang("/proc/meminfo"));
        assert!(Mounts::unknown().can_hang("/proc/meminfo"));
    }
}
