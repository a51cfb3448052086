//! What the tests of captures share: a directory that is laid out like a node's root, and captures as text.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Read as _, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::rc::Rc;

use kernmend_core::document::Document;
use kernmend_core::document::snapshot::Snapshot;
use kernmend_node::collect::collect;
use kernmend_node::host::Host;
use tempfile::TempDir;

/// The files of the node.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("etc/os-release", "ID=\"centos\"\nVERSION_ID=\"7\"\nPRETTY_NAME=\"CentOS Linux 7 (Core)\"\n"),
    ("etc/hostname", "node-14.example.com\n"),
    ("proc/version", "Linux version 3.10.0-514.el7.x86_64 (builder@host) #1 SMP\n"),
    ("proc/sys/kernel/osrelease", "3.10.0-514.el7.x86_64\n"),
    ("proc/sys/kernel/hostname", "node-14.example.com\n"),
    ("proc/sys/kernel/tainted", "0\n"),
    ("proc/sys/kernel/pid_max", "32768\n"),
    ("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet\n"),
    ("proc/uptime", "864000.25 1700000.00\n"),
    ("proc/stat", "cpu 1 2 3\nbtime 1600000000\n"),
    ("proc/meminfo", "MemTotal: 16000000 kB\nSUnreclaim: 600000 kB\n"),
    ("proc/modules", "xfs 1 0 - Live 0x0\n"),
    ("proc/cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t3\t9\t1\n"),
    ("proc/1/mounts", "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"),
    ("proc/1/stat", "1 (systemd) S 0 1 1\n"),
    ("proc/7/stat", "7 (runc) D 1 1 1\n"),
    ("proc/7/stack", "[<0>] copy_net_ns+0xa2/0x110\n"),
    ("sys/kernel/slab/dentry/order", "0\n"),
    ("sys/kernel/slab/dentry(5:gone)/order", "0\n"),
    ("sys/fs/cgroup/memory/memory.kmem.slabinfo", ""),
    ("sys/fs/cgroup/memory/memory.kmem.usage_in_bytes", "0\n"),
    ("sys/fs/cgroup/memory/kubepods/memory.kmem.slabinfo", "slabinfo - version: 2.1\n"),
    ("sys/fs/cgroup/memory/kubepods/pod1/memory.kmem.slabinfo", "slabinfo - version: 2.1\n"),
    ("lib/modules/3.10.0-514.el7.x86_64/modules.dep", "x\n"),
    ("boot/config-3.10.0-514.el7.x86_64", "CONFIG_MEMCG=y\nCONFIG_MEMCG_KMEM=y\nCONFIG_SLUB=y\n"),
    ("usr/bin/runc", "no program\n"),
    ("etc/containerd/config.toml", "BinaryName = \"/opt/bin/runc\"\n"),
    (
        "var/log/kern.log",
        "Sep 14 12:00:00 node-14 kernel: SLUB: Unable to allocate memory on node -1 (gfp=0xd0)\n\
         Sep 14 12:00:01 node-14 kernel: unregister_netdevice: waiting for eth0 to become free. Usage count = 1\n",
    ),
];

/// Lays the node out.
pub(crate) fn root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in FILES {
        put(root.path(), path, text);
    }
    symlink("/usr/bin/runc", root.path().join("proc/7/exe")).unwrap();
    root
}

/// Writes one file of a root.
pub(crate) fn put(root: &Path, path: &str, text: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Looks at a host, and gives the capture of that with the snapshot.
pub(crate) fn record(host: Host<'_>) -> (Vec<u8>, String) {
    let capture = Shared::default();
    let host = host.record_to(capture.clone()).unwrap();
    let snapshot = snapshot(&host);
    host.finish().unwrap();
    (capture.0.take(), snapshot)
}

/// A file that outlives the host which writes to it.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Looks at a host.
pub(crate) fn snapshot(host: &Host<'_>) -> String {
    Document::<Snapshot>::new(collect(host), None).to_json()
}

/// The members of a capture: names and texts.
pub(crate) fn members(capture: &[u8]) -> Vec<(String, String)> {
    let mut archive = tar::Archive::new(zstd::stream::read::Decoder::new(capture).unwrap());
    let read = |member: io::Result<tar::Entry<'_, _>>| {
        let mut member = member.unwrap();
        let mut text = String::new();
        member.read_to_string(&mut text).unwrap();
        (String::from_utf8(member.path_bytes().into_owned()).unwrap(), text)
    };
    archive.entries().unwrap().map(read).collect()
}

/// Writes the members of a capture.
pub(crate) fn pack(members: &[(String, String)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap());
    for (name, text) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}
