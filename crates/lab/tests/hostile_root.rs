//! Directories that somebody made to harm: whatever is in them, `check` ends soon and small with a clear error or with
//! facts that are unknown, and writes nothing.

#![expect(clippy::unwrap_used, reason = "the helpers of tests, as the tests, stop at the first surprise")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use kernmend_core::document::snapshot::Snapshot;
use kernmend_core::document::{Document, Fact, Reason};
use lab::measure::{self, Usage};
use lab::{gaps, kernmend};
use rustix::fs::{CWD, Mode, OFlags};

/// What a look may take: bytes of memory, and seconds. The time is a bound against what doesn't end, not a measurement.
const PEAK: u64 = 256 << 20;
const SECONDS: u64 = 20;

/// Every file that is read of a directory, as far as its path is fixed.
const FILES: &[&str] = &[
    "_counts.txt",
    "_read_errors.tsv",
    "boot/config-3.10.0-514.el7.x86_64",
    "dmesg.txt",
    "etc/centos-release",
    "etc/containerd/config.toml",
    "etc/crio/crio.conf",
    "etc/docker/daemon.json",
    "etc/hostname",
    "etc/localtime",
    "etc/oracle-release",
    "etc/os-release",
    "etc/redhat-release",
    "etc/SuSE-release",
    "lib/modules.listing",
    "lib/modules/3.10.0-514.el7.x86_64/build/.config",
    "lib/modules/3.10.0-514.el7.x86_64/modules.dep",
    "proc.listing",
    "proc/1/mounts",
    "proc/7/stack",
    "proc/7/stat",
    "proc/7/task/7/stat",
    "proc/cgroups",
    "proc/cmdline",
    "proc/config.gz",
    "proc/meminfo",
    "proc/modules",
    "proc/stat",
    "proc/sys/fs/file-max",
    "proc/sys/kernel/hostname",
    "proc/sys/kernel/osrelease",
    "proc/sys/kernel/pid_max",
    "proc/sys/kernel/random/boot_id",
    "proc/sys/kernel/tainted",
    "proc/uptime",
    "proc/version",
    "run/reboot-required",
    "sys/fs/cgroup/memory/cgroup.controllers",
    "sys/fs/cgroup/memory/memory.kmem.slabinfo",
    "sys/fs/cgroup/memory/memory.kmem.usage_in_bytes",
    "sys/kernel/slab.listing",
    "usr/bin/runc",
    "usr/lib/os-release",
    "usr/local/bin/kubelet",
    "usr/src/linux/.config",
    "var/log/containerd.log",
    "var/log/docker.log",
    "var/log/kern.log",
    "var/log/kern.log.1.gz",
    "var/log/kern.log.2.xz",
    "var/log/kern.log.3.zst",
    "var/log/kubelet.log",
    "var/log/messages",
    "var/log/messages-20200101",
    "var/log/syslog",
];

/// What leads to the files of cgroups and of a kernel.
const WAY: &[(&str, &str)] = &[
    ("proc/1/mounts", "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"),
    ("proc/sys/kernel/osrelease", "3.10.0-514.el7.x86_64\n"),
];

fn at(root: &Path, path: &str) -> PathBuf {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    path
}

fn put(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    fs::write(at(root, path), content).unwrap();
}

fn bounded(command: &Command, said: &str, usage: Usage) {
    println!(
        "{:?}: {} ms, {} ms of processor, {} KiB",
        command.get_args().last().unwrap(),
        usage.wall.as_millis(),
        usage.processor.as_millis(),
        usage.peak >> 10
    );
    assert!(!said.contains("panicked"), "{said}");
    assert!(usage.peak <= PEAK, "{} KiB", usage.peak >> 10);
    assert!(usage.wall.as_secs() < SECONDS, "{:?}", usage.wall);
}

/// Looks at a directory; gives its snapshot.
fn check(root: &Path) -> Snapshot {
    let before = fs::read_dir(root.parent().unwrap()).unwrap().count();
    let mut command = kernmend::command(["check", "-o", "snapshot", "--root"]);
    command.arg(root);
    let (output, usage) = measure::run(&command).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    bounded(&command, &said, usage);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(fs::read_dir(root.parent().unwrap()).unwrap().count(), before, "something was written");
    let text = String::from_utf8(output.stdout).unwrap();

    // The judgement of it also ends well, also on the screen.
    let mut command = kernmend::command(["check", "--root"]);
    command.arg(root);
    let (output, usage) = measure::run(&command).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    bounded(&command, &said, usage);
    assert!(matches!(output.status.code(), Some(0..=2)), "{said}");
    let screen = String::from_utf8(output.stdout).unwrap();
    let raw = screen.chars().find(|c| c.is_control() && *c != '\n' && *c != '\u{1b}');
    assert_eq!(raw, None, "a control character reached the screen");
    Document::<Snapshot>::from_json(&text).unwrap().body
}

/// A root in a directory of its own.
fn root() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    (directory, root)
}

fn reason<T>(fact: &Fact<T>) -> Option<Reason> {
    match fact {
        Fact::Unknown { why } => Some(why.reason),
        Fact::Known { .. } | Fact::Absent { .. } => None,
    }
}

fn fifo(path: &Path) {
    rustix::fs::mknodat(CWD, path, rustix::fs::FileType::Fifo, Mode::from(0o666), 0).unwrap();
}

#[test]
fn pipes_in_place_of_every_file() {
    let (_directory, root) = root();
    for path in FILES {
        fifo(&at(&root, path));
    }
    let snapshot = check(&root);
    assert_eq!(reason(&snapshot.kernel.release), Some(Reason::ReadFailed));
    let value = serde_json::to_value(&snapshot).unwrap();
    let unknown = gaps::find(&value).iter().filter(|gap| gap.detail.contains("read_failed")).count();
    assert!(unknown >= 10, "{unknown}");
}

#[test]
fn devices_in_place_of_every_file_are_not_opened() {
    let (_directory, root) = root();
    for path in FILES {
        // A number that no driver has: opening it would be another error than the one for what is no file.
        let device = rustix::fs::makedev(240, 7);
        let kind = rustix::fs::FileType::CharacterDevice;
        rustix::fs::mknodat(CWD, at(&root, path), kind, Mode::from(0o666), device).unwrap();
    }
    let snapshot = check(&root);
    let Fact::Unknown { why } = &snapshot.kernel.release else { panic!("{:?}", snapshot.kernel.release) };
    assert_eq!((why.reason, why.detail.as_str()), (Reason::ReadFailed, "Invalid argument"));
}

#[test]
fn links_don_t_lead_out_of_the_root() {
    let (directory, root) = root();
    let outside = directory.path().join("outside");
    put(&outside, "secret", "3.10.0-OUTSIDE\n");
    put(&outside, "runc", "OUTSIDE\n");
    put(&outside, "messages", "OUTSIDE\n");
    for (number, path) in FILES.iter().enumerate() {
        let up = "../".repeat(path.matches('/').count());
        let target = match number % 3 {
            0 => outside.join("secret").display().to_string(),
            1 => format!("{up}../outside/secret"),
            _ => "/proc/self/root/etc/hostname".to_owned(),
        };
        symlink(target, at(&root, path)).unwrap();
    }
    for folder in ["opt/bin", "home/kubernetes/bin", "var/lib/rancher/k3s/data/x/bin"] {
        symlink(&outside, at(&root, folder)).unwrap();
    }
    let snapshot = check(&root);
    let text = serde_json::to_string(&snapshot).unwrap();
    assert!(!text.contains("OUTSIDE"), "{text}");
    assert!(snapshot.kernel.release.value().is_none());
    assert!(snapshot.programs.found.iter().all(|program| program.digest.value().is_none()));
}

#[test]
fn a_hierarchy_that_is_3000_deep() {
    let (_directory, root) = root();
    for (path, text) in WAY {
        put(&root, path, text);
    }
    put(&root, "sys/fs/cgroup/memory/memory.kmem.slabinfo", "");
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut here = rustix::fs::open(root.join("sys/fs/cgroup/memory"), flags, Mode::empty()).unwrap();
    for _ in 0..3000 {
        rustix::fs::mkdirat(&here, "deeper", Mode::from(0o755)).unwrap();
        here = rustix::fs::openat(&here, "deeper", flags, Mode::empty()).unwrap();
    }
    let snapshot = check(&root);
    let memory = snapshot.cgroups.memory.value().expect("it is there");
    assert!(memory.directories.at_least > 100, "{:?}", memory.directories);
    assert_eq!(memory.directories.at_most, None, "not all was seen");
}

/// Bytes without an order, always the same.
fn garbage(len: usize, mut seed: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        // xorshift64.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        bytes.extend(seed.to_le_bytes());
    }
    bytes
}

#[test]
fn garbage_in_every_file() {
    let (_directory, root) = root();
    for (number, path) in FILES.iter().enumerate() {
        let head: &[u8] = match *path {
            "usr/bin/runc" | "usr/local/bin/kubelet" => b"\x7fELF\x02\x01\x01\0",
            "proc/config.gz" | "var/log/kern.log.1.gz" => b"\x1f\x8b\x08\0",
            "var/log/kern.log.2.xz" => b"\xfd7zXZ\0",
            "var/log/kern.log.3.zst" => b"\x28\xb5\x2f\xfd",
            _ => b"",
        };
        put(&root, path, [head, &garbage(1 << 20, number as u64 + 1)].concat());
    }
    for (path, text) in WAY {
        put(&root, path, text);
    }
    let snapshot = check(&root);
    assert!(matches!(reason(&snapshot.kernel.booted_at), Some(Reason::Malformed)));
    assert!(matches!(reason(&snapshot.memory), Some(Reason::Cut)));
    assert!(snapshot.kernel.taints.value().is_none());
}

#[test]
fn lines_of_30_megabytes_in_every_log() {
    let (_directory, root) = root();
    let signal = b"kernel: SLUB: Unable to allocate memory on node -1 (gfp=0xd0)";
    for path in FILES.iter().filter(|path| path.starts_with("var/log/") || **path == "dmesg.txt") {
        let line = [&[b'x'; 30 << 20][..], signal, b"\n", signal, b"\n"].concat();
        put(&root, path, line);
    }
    let snapshot = check(&root);
    let found = |name: &str| {
        let window = snapshot.logs.iter().find(|window| window.log == name).unwrap();
        window.hits.iter().map(|hit| hit.count).sum::<u64>()
    };
    assert!(found("/var/log/messages") >= 1, "the line behind the long one is seen");
}

#[test]
fn facts_that_contradict_each_other() {
    for (btime, uptime) in [
        ("99999999999", "1.0 1.0"),
        ("9223372036854775807", "9223372036854775807.0 1"),
        ("-9223372036854775808", "18446744073709551615.9 1"),
        ("9223372036854775806", "-5.0 1.0"),
        ("0", "1e300 1"),
        ("18446744073709551616", "0.0"),
    ] {
        let (_directory, root) = root();
        for (path, text) in WAY {
            put(&root, path, text);
        }
        put(&root, "proc/stat", format!("btime {btime}\n"));
        put(&root, "proc/uptime", uptime);
        put(&root, "proc/cgroups", "memory 3 2 1\n");
        put(
            &root,
            "proc/meminfo",
            "MemTotal: 18446744073709551615 kB\nSlab: 9 kB\nSUnreclaim: 18446744073709551615 kB\n",
        );
        put(&root, "_counts.txt", "dirs_in_memory_hierarchy 1\n");
        for number in 0..20 {
            put(&root, &format!("sys/fs/cgroup/memory/kubepods/pod{number}/tasks"), "");
        }
        put(
            &root,
            "var/log/messages",
            "Sep 14 12:00:00 a kernel: SLUB: Unable to allocate memory on node -1 (gfp=0xd0)\n\
             [99999999999999.999999] SLUB: Unable to allocate memory on node -1 (gfp=0xd0)\n\
             9999-12-31T23:59:59Z a kernel: SLUB: Unable to allocate memory on node -1 (gfp=0xd0)\n",
        );
        let snapshot = check(&root);
        let memory = snapshot.cgroups.memory.value().expect("it is there");
        assert_eq!(memory.directories.at_least, 22, "what was counted counts");
    }
}

#[test]
fn a_million_entries_where_logs_are_expected() {
    let (_directory, root) = root();
    let logs = root.join("var/log");
    fs::create_dir_all(&logs).unwrap();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let logs = rustix::fs::open(&logs, flags, Mode::empty()).unwrap();
    rustix::fs::mknodat(&logs, "0", rustix::fs::FileType::RegularFile, Mode::from(0o644), 0).unwrap();
    // Links to one file take no inodes of their own; a file system allows some ten thousand for each.
    let mut of = "0".to_owned();
    for number in 1..=1_000_000_u32 {
        let name = format!("messages-{number:08}");
        if number % 50_000 == 0 {
            let kind = rustix::fs::FileType::RegularFile;
            rustix::fs::mknodat(&logs, &*name, kind, Mode::from(0o644), 0).unwrap();
            of = name;
        } else {
            rustix::fs::linkat(&logs, &*of, &logs, &*name, rustix::fs::AtFlags::empty()).unwrap();
        }
    }
    let snapshot = check(&root);
    let gaps: Vec<_> = snapshot.logs.iter().flat_map(|window| &window.gaps).collect();
    assert!(gaps.iter().any(|gap| gap.reason == Reason::Cut && gap.path == "/var/log"), "{gaps:?}");
}

#[test]
fn more_programs_than_can_be_read() {
    let (_directory, root) = root();
    for number in 0..400 {
        // Sparse: they take no room, and a gigabyte each to read.
        let file = fs::File::create(at(&root, &format!("usr/bin/runc-{number}"))).unwrap();
        file.set_len(1 << 30).unwrap();
    }
    let snapshot = check(&root);
    assert_eq!(snapshot.programs.found.len(), 400, "all are named");
    let cut = snapshot.programs.found.iter().filter(|program| reason(&program.digest) == Some(Reason::Cut));
    assert!(cut.count() > 300);
}

/// Runs as nobody; gives the exit code, and both outputs.
fn as_nobody(root: &Path) -> (Option<i32>, String, String) {
    const NOBODY: u32 = 65_534;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("kernmend");
    fs::copy(kernmend::path(), &program).unwrap();
    let mut command = Command::new(program);
    command.args(["check", "-o", "snapshot", "--root"]).arg(root).current_dir("/");
    let output = command.uid(NOBODY).gid(NOBODY).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn files_that_may_not_be_read() {
    let (directory, root) = root();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(directory.path(), 0o755);
    for path in FILES {
        put(&root, path, "1\n");
        mode(&root.join(path), 0);
    }
    let (code, text, said) = as_nobody(&root);
    assert_eq!(code, Some(0), "{said}");
    let snapshot = Document::<Snapshot>::from_json(&text).unwrap().body;
    assert_eq!(reason(&snapshot.kernel.release), Some(Reason::PermissionDenied));
    assert_eq!(reason(&snapshot.memory), Some(Reason::PermissionDenied));
    let window = snapshot.logs.iter().find(|window| window.log == "/var/log/messages").unwrap();
    assert_eq!(window.gaps[0].reason, Reason::PermissionDenied);

    mode(&root, 0);
    let (code, _, said) = as_nobody(&root);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("Permission denied"), "{said}");
    mode(&root, 0o755);
}

#[test]
fn roots_that_are_none() {
    let (directory, _) = root();
    put(directory.path(), "file", "x");
    fifo(&directory.path().join("fifo"));
    symlink("loop", directory.path().join("loop")).unwrap();
    for (name, reason) in [
        ("missing", "No such file"),
        ("file", "Not a directory"),
        ("fifo", "Not a directory"),
        ("loop", "symbolic links"),
    ] {
        let mut command = kernmend::command(["check", "--root"]);
        command.arg(directory.path().join(name));
        let (output, usage) = measure::run(&command).unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        bounded(&command, &said, usage);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(name) && said.contains(reason), "{said}");
    }
}
