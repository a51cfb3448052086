//! Changes of real file systems, as a boot loader finds them: it reads the disk, and doesn't replay a journal.

#![expect(clippy::unwrap_used, reason = "the helpers of tests, as the tests, stop at the first surprise")]

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use kernmend_core::document::Digest;
use kernmend_node::machine::{Live, Machine as _};
use rustix::fs::XattrFlags;
use tempfile::TempDir;

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A file system of its own, mounted until this is dropped.
struct Disk {
    directory: TempDir,
    kind: &'static str,
}

impl Disk {
    fn new(kind: &'static str, megabytes: u64) -> Self {
        let disk = Self { directory: tempfile::tempdir().unwrap(), kind };
        fs::File::create(disk.image()).unwrap().set_len(megabytes << 20).unwrap();
        run(&format!("mkfs.{kind}"), &[disk.image().to_str().unwrap()]);
        fs::create_dir(disk.mounted()).unwrap();
        run("mount", &["-o", "loop", disk.image().to_str().unwrap(), disk.mounted().to_str().unwrap()]);
        disk
    }

    fn image(&self) -> PathBuf {
        self.directory.path().join("image")
    }

    fn mounted(&self) -> PathBuf {
        self.directory.path().join("mounted")
    }

    fn path(&self, name: &str) -> String {
        self.mounted().join(name).to_str().unwrap().to_owned()
    }

    /// A file as it is found on the disk at this moment by who doesn't replay the journal.
    fn without_journal(&self, name: &str) -> Option<String> {
        let copy = self.directory.path().join("copy");
        let place = self.directory.path().join("place");
        run("cp", &["--sparse=always", self.image().to_str().unwrap(), copy.to_str().unwrap()]);
        fs::create_dir_all(&place).unwrap();
        let options = match self.kind {
            "xfs" => "loop,ro,norecovery,nouuid",
            _ => "loop,ro,noload",
        };
        run("mount", &["-o", options, copy.to_str().unwrap(), place.to_str().unwrap()]);
        let found = fs::read_to_string(place.join(name)).ok();
        run("umount", &[place.to_str().unwrap()]);
        found
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What is left mounted by a test that failed must not hide why.
        let _ = Command::new("umount").arg(self.mounted()).status();
    }
}

/// The blocks of a file on its disk.
fn blocks(path: &str) -> String {
    let text = run("filefrag", &["-v", path]);
    text.lines().filter(|line| line.contains("0..")).collect()
}

#[test]
fn what_is_settled_is_found_without_the_journal() {
    for (kind, megabytes) in [("ext4", 64), ("xfs", 512)] {
        let disk = Disk::new(kind, megabytes);
        let mut live = Live::machine().unwrap();
        let mut hidden = 0;
        for (number, name) in ["grub.cfg", "custom.cfg", "a.conf", "b.conf"].iter().enumerate() {
            let path = disk.path(name);
            let (old, new) = (format!("old {number}\n"), format!("new {number}\n"));
            live.replace(&path, old.as_bytes(), 0o600).unwrap();
            live.settle(&path).unwrap();
            assert_eq!(disk.without_journal(name).as_deref(), Some(&*old), "{kind}");
            live.keep(&path).unwrap();
            live.replace(&path, new.as_bytes(), 0o600).unwrap();
            // Durable as it is, it stands in the journal alone, and the loader still finds the old file, whole.
            let found = disk.without_journal(name);
            assert!(found.as_ref() == Some(&old) || found.as_ref() == Some(&new), "{kind}: {found:?}");
            hidden += usize::from(found.as_ref() == Some(&old));
            live.settle(&path).unwrap();
            live.let_go(&path).unwrap();
            assert_eq!(disk.without_journal(name).as_deref(), Some(&*new), "{kind}");
            live.remove(&path).unwrap();
            live.settle(&path).unwrap();
            assert_eq!(disk.without_journal(name), None, "{kind}");
        }
        assert!(hidden > 0, "{kind}: nothing shows what settling is for");
    }
}

#[test]
fn an_environment_block_stays_where_it_is() {
    for (kind, megabytes) in [("ext4", 64), ("xfs", 512)] {
        let disk = Disk::new(kind, megabytes);
        let path = disk.path("grubenv");
        let mut live = Live::machine().unwrap();
        live.replace(&path, &[b'#'; 1024], 0o644).unwrap();
        live.settle(&path).unwrap();
        let (inode, before) = (fs::metadata(&path).unwrap().ino(), blocks(&path));
        live.overwrite(&path, &[b'+'; 1024]).unwrap();
        live.settle(&path).unwrap();
        assert!(!before.is_empty());
        assert_eq!((fs::metadata(&path).unwrap().ino(), blocks(&path)), (inode, before), "{kind}");
        assert_eq!(disk.without_journal("grubenv"), Some("+".repeat(1024)), "{kind}");
    }
}

#[test]
fn what_is_replaced_hands_on_its_label_and_its_capabilities() {
    // Version 2 of `vfs_cap_data`, with CAP_NET_RAW permitted and in effect.
    const CAPABILITIES: &[u8] = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    const ATTRIBUTES: [(&str, &[u8]); 2] =
        [("security.selinux", b"system_u:object_r:boot_t:s0\0"), ("security.capability", CAPABILITIES)];
    let disk = Disk::new("ext4", 64);
    let (path, other) = (disk.path("program"), disk.path("other"));
    let mut live = Live::machine().unwrap();
    live.replace(&path, b"old", 0o755).unwrap();
    live.replace(&other, b"newer", 0o600).unwrap();
    std::os::unix::fs::chown(&path, Some(7), Some(8)).unwrap();
    for (name, value) in ATTRIBUTES {
        rustix::fs::setxattr(&path, name, value, XattrFlags::empty()).unwrap();
    }
    let has_them = || {
        for (name, value) in ATTRIBUTES {
            let mut found = [0; 64];
            let length = rustix::fs::getxattr(&path, name, &mut found[..]).unwrap();
            assert_eq!(&found[..length], value, "{name}");
        }
    };
    live.replace(&path, b"new", 0o600).unwrap();
    has_them();
    live.copy(&other, &path, &Digest::of(b"newer"), 0o600).unwrap();
    has_them();
    assert_eq!(fs::read(&path).unwrap(), b"newer");
}

#[test]
fn a_full_disk_fails_and_leaves_what_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().to_str().unwrap();
    run("mount", &["-t", "tmpfs", "-o", "size=64k", "tmpfs", place]);
    let path = |name: &str| Path::new(place).join(name).to_str().unwrap().to_owned();
    let mut live = Live::machine().unwrap();
    live.replace(&path("kept"), b"old", 0o600).unwrap();
    live.replace(&path("journal"), b"{}\n", 0o600).unwrap();
    let large = vec![b'x'; 128 << 10];
    let replaced = live.replace(&path("kept"), &large, 0o600).map_err(|error| error.source.kind());
    let appended = live.append(&path("journal"), &large).map_err(|error| error.source.kind());
    let kept = live.read(&path("kept"), 64).unwrap();
    let names = live.list(place).unwrap();
    live.truncate(&path("journal"), 3).unwrap();
    let journal = live.read(&path("journal"), 64).unwrap();
    run("umount", &[place]);
    assert_eq!((replaced, appended), (Err(ErrorKind::StorageFull), Err(ErrorKind::StorageFull)));
    assert_eq!(kept.as_deref(), Some(&b"old"[..]));
    assert_eq!(journal.as_deref(), Some(&b"{}\n"[..]));
    assert_eq!(names, ["journal", "kept"]);
}
