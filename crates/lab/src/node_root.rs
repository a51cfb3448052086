//! A directory that looks like the root of an EL7 node, with a real cgroup hierarchy in the place of its memory
//! controller. What a node is described by is written here for the lab; it is nobody's machine.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::mount::{UnmountFlags, mount_bind, unmount};
use tempfile::TempDir;

use crate::LabError;

const MEMORY: &str = "sys/fs/cgroup/memory";

/// The node's files, as text; `{groups}` stands for the number of memory cgroups.
const FILES: [(&str, &str); 13] = [
    (
        "etc/os-release",
        "NAME=\"CentOS Linux\"\nVERSION=\"7 (Core)\"\nID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"7\"\nPRETTY_NAME=\"CentOS Linux 7 (Core)\"\n",
    ),
    ("etc/hostname", "lab-node-1\n"),
    (
        "proc/version",
        "Linux version 3.10.0-693.el7.x86_64 (builder@lab) (gcc version 4.8.5 (GCC) ) #1 SMP Mon Jan 1 00:00:00 UTC 2018\n",
    ),
    ("proc/sys/kernel/osrelease", "3.10.0-693.el7.x86_64\n"),
    ("proc/sys/kernel/hostname", "lab-node-1\n"),
    ("proc/sys/kernel/tainted", "0\n"),
    ("proc/sys/kernel/random/boot_id", "5a2f6c1e-0f4b-4c55-9d3e-1b7f0c7a9e01\n"),
    ("proc/cmdline", "BOOT_IMAGE=/vmlinuz-3.10.0-693.el7.x86_64 root=/dev/mapper/lab-root ro quiet\n"),
    ("proc/uptime", "864000.25 1700000.00\n"),
    ("proc/stat", "cpu  100 0 100 1000 0 0 0 0 0 0\nbtime 1600000000\n"),
    (
        "proc/cgroups",
        "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t2\t1\t1\nmemory\t3\t{groups}\t1\npids\t4\t1\t1\n",
    ),
    (
        "proc/meminfo",
        "MemTotal:       16000000 kB\nMemFree:         8000000 kB\nSlab:             900000 kB\nSReclaimable:     300000 kB\nSUnreclaim:       600000 kB\n",
    ),
    ("proc/1/cgroup", "3:memory:/\n2:cpu:/\n"),
];

/// One line for each mounted file system: source, place, kind, options.
const MOUNTS: [[&str; 4]; 5] = [
    ["/dev/mapper/lab-root", "/", "xfs", "rw,relatime"],
    ["proc", "/proc", "proc", "rw,nosuid,nodev,noexec,relatime"],
    ["sysfs", "/sys", "sysfs", "rw,nosuid,nodev,noexec,relatime"],
    ["tmpfs", "/sys/fs/cgroup", "tmpfs", "ro,nosuid,nodev,noexec,mode=755"],
    ["cgroup", "/sys/fs/cgroup/memory", "cgroup", "rw,nosuid,nodev,noexec,relatime,memory"],
];

/// Slab caches of a node without per-cgroup caches.
const SLAB_CACHES: [&str; 4] = ["dentry", "kmalloc-64", "kmalloc-192", "task_struct"];

/// The node's root; the hierarchy is unmounted and the directory removed when this is dropped.
#[derive(Debug)]
pub struct NodeRoot {
    directory: TempDir,
}

impl NodeRoot {
    /// Lays the root out. The control groups in `hierarchy`, `groups` of them, become the node's memory cgroups.
    pub fn new(hierarchy: &Path, groups: u64) -> Result<Self, LabError> {
        let directory =
            tempfile::tempdir().map_err(LabError::file("making a directory in", std::env::temp_dir()))?;
        let root = directory.path();
        let put = |path: &str, text: &str| {
            let path = root.join(path);
            let parent = path.parent().unwrap_or(root);
            fs::create_dir_all(parent).map_err(LabError::file("making", parent))?;
            fs::write(&path, text).map_err(LabError::file("writing", &path))
        };
        for (path, text) in FILES {
            put(path, &text.replace("{groups}", &groups.to_string()))?;
        }
        let mounts =
            MOUNTS.map(|[source, place, kind, options]| format!("{source} {place} {kind} {options} 0 0\n"));
        put("proc/1/mounts", &mounts.concat())?;
        let mount_infos = MOUNTS.iter().enumerate().map(|(number, [source, place, kind, options])| {
            let (id, parent) = (number + 20, if number == 0 { 1 } else { 20 });
            format!("{id} {parent} 0:{id} / {place} {options} - {kind} {source} {options}\n")
        });
        put("proc/1/mountinfo", &mount_infos.collect::<String>())?;
        symlink("1", root.join("proc/self")).map_err(LabError::file("linking", root.join("proc/self")))?;
        symlink("self/mounts", root.join("proc/mounts"))
            .map_err(LabError::file("linking", root.join("proc/mounts")))?;
        for cache in SLAB_CACHES {
            let path = root.join("sys/kernel/slab").join(cache);
            fs::create_dir_all(&path).map_err(LabError::file("making", path))?;
        }
        let memory = root.join(MEMORY);
        fs::create_dir_all(&memory).map_err(LabError::file("making", &memory))?;
        mount_bind(hierarchy, &memory)
            .map_err(|error| LabError::file("mounting the control groups at", &memory)(error.into()))?;
        Ok(Self { directory })
    }

    /// The root directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The directory of the node's memory hierarchy.
    #[must_use]
    pub fn memory(&self) -> PathBuf {
        self.path().join(MEMORY)
    }
}

impl Drop for NodeRoot {
    fn drop(&mut self) {
        // Detached, since a process that outlived its test may still stand in it. The directory is removed after this,
        // and removal doesn't reach the control groups: they can't be seen any more.
        if let Err(error) = unmount(self.memory(), UnmountFlags::DETACH) {
            eprintln!("unmounting `{}`: {error}", self.memory().display());
        }
    }
}
