//! Trees of files that tests pack or write. They describe machines that were thought up.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// A file, a link or a directory.
enum Entry {
    File(Vec<u8>),
    Link(String),
    Directory,
}

/// Files, links and directories by path.
#[derive(Default)]
pub(crate) struct Tree(Vec<(String, Entry)>);

impl Tree {
    pub(crate) fn file(mut self, path: &str, content: &[u8]) -> Self {
        self.0.push((path.to_owned(), Entry::File(content.to_vec())));
        self
    }

    pub(crate) fn link(mut self, path: &str, target: &str) -> Self {
        self.0.push((path.to_owned(), Entry::Link(target.to_owned())));
        self
    }

    pub(crate) fn directory(mut self, path: &str) -> Self {
        self.0.push((path.to_owned(), Entry::Directory));
        self
    }

    /// The paths of its files.
    pub(crate) fn files(&self) -> Vec<String> {
        let files = self.0.iter().filter(|(_, entry)| matches!(entry, Entry::File(_)));
        files.map(|(path, _)| path.clone()).collect()
    }

    /// Writes it to a directory.
    pub(crate) fn write(&self, root: &Path) {
        for (path, entry) in &self.0 {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match entry {
                Entry::File(content) => fs::write(path, content).unwrap(),
                Entry::Link(target) => symlink(target, path).unwrap(),
                Entry::Directory => fs::create_dir_all(path).unwrap(),
            }
        }
    }

    /// Packs it, below a folder that ends in a slash, or at the top.
    pub(crate) fn tar(&self, folder: &str) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        self.append(&mut builder, folder);
        builder.into_inner().unwrap()
    }

    pub(crate) fn append(&self, builder: &mut tar::Builder<Vec<u8>>, folder: &str) {
        for (path, entry) in &self.0 {
            let path = format!("{folder}{path}");
            let mut header = tar::Header::new_gnu();
            match entry {
                Entry::File(content) => {
                    header.set_size(content.len() as u64);
                    builder.append_data(&mut header, path, &content[..]).unwrap();
                }
                Entry::Link(target) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_size(0);
                    builder.append_link(&mut header, path, target).unwrap();
                }
                Entry::Directory => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_size(0);
                    builder.append_data(&mut header, path, &[][..]).unwrap();
                }
            }
        }
    }
}

const LEAK: &str = "Jan  2 03:04:05 node-1 kernel: SLUB: Unable to allocate memory on node -1 (gfp=0x20)\n";

/// A zone one hour ahead of UTC, in the form that `/etc/localtime` has.
fn zone() -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..2 {
        bytes.extend_from_slice(b"TZif2");
        bytes.extend_from_slice(&[0; 15]);
        // No leap seconds and moments; one kind of local time, whose name has four bytes.
        for count in [0_u32, 0, 0, 0, 1, 4] {
            bytes.extend_from_slice(&count.to_be_bytes());
        }
        bytes.extend_from_slice(&3600_i32.to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(b"CET\0");
    }
    bytes.extend_from_slice(b"\nCET-1\n");
    bytes
}

/// A node with all that a collector asks for, except programs.
pub(crate) fn node() -> Tree {
    let mut tree = Tree::default()
        .file("etc/os-release", b"ID=\"centos\"\nVERSION_ID=\"7\"\nPRETTY_NAME=\"CentOS Linux 7 (Core)\"\n")
        .file("etc/hostname", b"node-1\n")
        .file("etc/ssl/certs/large.pem", &vec![b'x'; 200_000])
        .file("etc/docker/daemon.json", b"{\"runtimes\": {\"old\": {\"path\": \"/opt/old/runc\"}}}\n")
        .link("etc/localtime", "../usr/share/zoneinfo/Europe/Berlin")
        .file("usr/share/zoneinfo/Europe/Berlin", &zone())
        .file("usr/share/doc/tar/README", b"text\n")
        .file("boot/config-3.10.0-693.el7.x86_64", b"CONFIG_MEMCG=y\nCONFIG_MEMCG_KMEM=y\n")
        .file("boot/vmlinuz-3.10.0-693.el7.x86_64", &vec![1; 100_000])
        .link("lib", "usr/lib")
        .link("bin", "usr/bin")
        .link("sbin", "/usr/sbin")
        .file("usr/lib/modules/3.10.0-693.el7.x86_64/modules.dep", b"")
        .file("usr/lib/modules/3.10.0-957.el7.x86_64/modules.dep", b"")
        .directory("usr/lib/modules/3.10.0-1.el7.x86_64")
        .file("usr/bin/bash", b"\x7fELF")
        .directory("usr/sbin")
        .directory("usr/local/bin")
        .directory("home/somebody")
        .file("home/somebody/deep/file", b"")
        .file("var/lib/docker/overlay2/x/diff/usr/bin/kubelet", b"\x7fELF")
        .directory("var/lib/rancher/k3s/data/0123/bin")
        .file("proc/version", b"Linux version 3.10.0-693.el7.x86_64 (builder) (gcc version 4.8.5) #1 SMP\n")
        .file("proc/cmdline", b"ro quiet password=secret\n")
        .file("proc/uptime", b"864000.25 1700000.00\n")
        .file("proc/stat", b"cpu 1 0 1 1\nbtime 1767320000\n")
        .file("proc/cgroups", b"#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t3\t63000\t1\n")
        .file("proc/meminfo", b"MemTotal: 16000000 kB\nSUnreclaim: 600000 kB\n")
        .file("proc/modules", b"xfs 1 0 - Live 0x0\nip_tables 1 0 - Live 0x0\n")
        .file("proc/sys/kernel/osrelease", b"3.10.0-693.el7.x86_64\n")
        .file("proc/sys/kernel/hostname", b"node-1\n")
        .file("proc/sys/kernel/tainted", b"0\n")
        .file("proc/sys/kernel/random/boot_id", b"5a2f6c1e-0f4b-4c55-9d3e-1b7f0c7a9e01\n")
        .file("proc/sys/vm/max_map_count", b"65530\n")
        .file("proc/sys/net/netfilter/nf_conntrack_max", b"262144\n")
        .file(
            "proc/1/mounts",
            b"/dev/sda1 / xfs rw 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,nosuid,memory 0 0\n",
        )
        .link("proc/1/exe", "/usr/lib/systemd/systemd")
        .file("proc/1/stat", b"1 (systemd) S 0 1 1\n")
        .link("proc/7/exe", "/usr/sbin/sshd (deleted)")
        .file("proc/7/stat", b"7 (sshd) D 1 7 7\n")
        .file("proc/7/stack", b"[<0>] copy_net_ns+0xa2/0x180\n")
        .file("proc/7/environ", b"SECRET=1\0")
        .link("proc/mounts", "self/mounts")
        .link("proc/self", "1")
        .link("var/run", "/run")
        .file("run/reboot-required", b"")
        .file("var/log/messages", LEAK.repeat(3).as_bytes())
        .file("var/log/messages-20251231", LEAK.as_bytes())
        .file("var/log/messages-20251230.gz", &super::super::gzip(LEAK.as_bytes()))
        .file("var/log/messages-20251229.xz", &super::super::xz(LEAK.repeat(20_000).as_bytes()))
        .file("var/log/messages.old", b"not a part of it\n")
        .link("var/log/kern.log", "/var/log/messages")
        .file("var/log/cron", b"other\n")
        .file("dmesg.txt", b"[    0.000000] Linux version 3.10.0-693.el7.x86_64\n[    1.0] SLUB: Unable\n");
    for cache in ["dentry", "kmalloc-64", "dentry(61:aaa)", "dentry(62:bbb)", "kmalloc-64(63:a-node)"] {
        tree = tree.file(&format!("sys/kernel/slab/{cache}/objects"), b"1\n");
    }
    tree = tree.link("sys/kernel/slab/task_struct", "dentry");
    for (cgroup, slabinfo, usage) in [
        ("", "", "0\n"),
        ("/kubepods", "slabinfo - version: 2.1\n# name\n", "4096\n"),
        ("/kubepods/aaa", "slabinfo - version: 2.1\n# name\n", "4096\n"),
        ("/system.slice", "", "0\n"),
    ] {
        let dir = format!("sys/fs/cgroup/memory{cgroup}");
        tree = tree
            .file(&format!("{dir}/memory.kmem.slabinfo"), slabinfo.as_bytes())
            .file(&format!("{dir}/memory.kmem.usage_in_bytes"), usage.as_bytes())
            .file(&format!("{dir}/memory.stat"), b"cache 1\n");
    }
    tree
}

/// A sosreport of an EL7 node.
pub(crate) fn sosreport() -> Tree {
    Tree::default()
        .file("sos_commands/kernel/uname_-a", b"Linux node-1 3.10.0-693.el7.x86_64 #1 SMP x86_64 GNU/Linux\n")
        .link("uname", "sos_commands/kernel/uname_-a")
        .file("sos_commands/host/hostname", b"node-1\n")
        .file("sos_commands/date/date", b"Wed Sep 23 14:26:40 CEST 2020\n")
        .file("sos_commands/date/date_--utc", b"Wed Sep 23 12:26:40 UTC 2020\n")
        .file("sos_commands/host/uptime", b" 14:26:40 up 9 days, 23:59,  1 user,  load average: 0.00\n")
        .file("sos_commands/kernel/sysctl_-a", b"kernel.pid_max = 32768\nvm.max_map_count = 65530\n")
        .file("sos_commands/kernel/lsmod", b"Module  Size  Used by\nxfs 1 0\nip_tables 1 0\n")
        .file("sos_commands/kernel/dmesg", b"[    0.000000] Linux version 3.10.0-693.el7.x86_64\n")
        .file(
            "sos_commands/kernel/ls_-lt_.sys.kernel.slab",
            b"total 0\n\
            drwxr-xr-x 2 root root 0 Sep 23 12:26 dentry\n\
            drwxr-xr-x 2 root root 0 Sep 23 12:26 dentry(61:aaa)\n\
            drwxr-xr-x 2 root root 0 Sep 23 12:26 dentry(62:bbb)\n\
            lrwxrwxrwx 1 root root 0 Sep 23 12:26 inode -> dentry\n",
        )
        .file("sos_commands/kernel/modinfo_ALL_MODULES", &vec![b'x'; 50_000])
        .link(
            "sos_commands/logs/journalctl_--no-pager_--catalog_--boot",
            "../../sos_strings/logs/journalctl_--no-pager_--catalog_--boot.tailed",
        )
        .file("sos_strings/logs/journalctl_--no-pager_--catalog_--boot.tailed", LEAK.as_bytes())
        .file(
            "sos_commands/kubernetes/journalctl_--no-pager_--unit_kubelet",
            b"Sep 23 12:00:00 node-1 line\n",
        )
        .link("var/log/messages", "../../sos_strings/logs/var.log.messages.tailed")
        .file("sos_strings/logs/var.log.messages.tailed", LEAK.repeat(2).as_bytes())
        .file("etc/os-release", b"ID=centos\nVERSION_ID=7\n")
        .file("proc/stat", b"cpu 1 0 1 1\nbtime 1600000000\n")
        .link("proc/mounts", "self/mounts")
        .link("proc/self", "6729")
        .file("proc/6729/mounts", b"cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n")
        .file("proc/1/mountinfo", b"20 1 8:1 / / rw - xfs /dev/sda1 rw\n")
        .file("proc/cgroups", b"#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t3\t63000\t1\n")
        .file("sys/fs/cgroup/memory/memory.stat", b"cache 1\n")
        .file("sys/fs/cgroup/memory/kubepods/memory.kmem.usage_in_bytes", b"4096\n")
        .file("lib/modules/3.10.0-693.el7.x86_64/modules.dep", b"")
        .file("version.txt", b"sosreport: 3.9\n")
}
