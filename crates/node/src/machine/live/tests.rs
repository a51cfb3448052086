//! Effects on real files in a directory.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;

fn root() -> (tempfile::TempDir, Live) {
    let directory = tempfile::tempdir().unwrap();
    for made in ["boot/grub", "etc", "esp"] {
        fs::create_dir_all(directory.path().join("root").join(made)).unwrap();
    }
    let live = Live::directory(&directory.path().join("root")).unwrap();
    (directory, live)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_replaced_hands_on_what_it_has_besides_its_content() {
    let (directory, mut live) = root();
    let path = directory.path().join("root/etc/a");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
    // A label is only kept where the system has labels; another owner only where this is root.
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        std::os::unix::fs::chown(&path, Some(7), Some(8)).unwrap();
    }
    let before = fs::metadata(&path).unwrap();
    // Left behind by one that died.
    fs::write(directory.path().join("root/etc/.a.kernmend-part"), "par").unwrap();
    live.replace("/etc/a", b"new", 0o755).unwrap();
    let after = fs::metadata(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    assert_ne!(after.ino(), before.ino());
    live.replace("/etc/b", b"", 0o640).unwrap();
    assert_eq!(live.status("/etc/b").unwrap(), Some(Status { size: 0, mode: 0o640 }));
    assert_eq!(names(&directory.path().join("root/etc")), ["a", "b"]);
}

#[test]
fn a_copy_is_put_in_place_as_a_whole_or_not_at_all() {
    let (directory, mut live) = root();
    let at = |path: &str| directory.path().join("root").join(path);
    // More than is held at a time.
    let new: Vec<u8> = (0..3 * CHUNK + 7).map(|number| (number % 251).to_le_bytes()[0]).collect();
    fs::write(at("esp/new"), &new).unwrap();
    fs::write(at("etc/program"), "old").unwrap();
    fs::set_permissions(at("etc/program"), fs::Permissions::from_mode(0o751)).unwrap();
    symlink("program", at("etc/link")).unwrap();
    let running = File::open(at("etc/program")).unwrap();
    let error = live.copy("/esp/new", "/etc/link", &Digest::of(b"other"), 0o755).unwrap_err();
    assert!(error.line().contains("`/esp/new` holds sha256:"), "{}", error.line());
    assert_eq!(live.digest("/etc/program").unwrap(), Some(Digest::of(b"old")));
    live.copy("/esp/new", "/etc/link", &Digest::of(&new), 0o700).unwrap();
    assert_eq!(live.digest("/etc/program").unwrap(), Some(Digest::of(&new)));
    assert_eq!(live.status("/etc/program").unwrap().unwrap().mode, 0o751);
    assert!(fs::symlink_metadata(at("etc/link")).unwrap().is_symlink());
    assert_eq!(io::read_to_string(running).unwrap(), "old", "who has it open keeps it");
    live.copy("/esp/new", "/etc/made", &Digest::of(&new), 0o700).unwrap();
    assert_eq!(live.status("/etc/made").unwrap(), Some(Status { size: new.len() as u64, mode: 0o700 }));
    assert_eq!(live.digest("/etc/none").unwrap(), None);
    assert!(live.digest("/etc").is_err() && live.copy("/etc", "/etc/made", &Digest::of(b""), 0o700).is_err());
    assert_eq!(names(&at("etc")), ["link", "made", "program"]);
}

#[test]
fn a_link_at_the_end_stays_and_its_target_is_written_inside_the_root() {
    let (directory, mut live) = root();
    let at = |path: &str| directory.path().join(path);
    fs::write(at("root/esp/grubenv"), "aaaa").unwrap();
    fs::write(at("outside"), "safe").unwrap();
    symlink("../../esp/grubenv", at("root/boot/grub/grubenv")).unwrap();
    symlink("/esp/grubenv", at("root/etc/absolute")).unwrap();
    symlink("../../../outside", at("root/etc/up")).unwrap();
    symlink("/esp/new", at("root/etc/dangling")).unwrap();
    symlink("loop", at("root/etc/loop")).unwrap();
    let inode = fs::metadata(at("root/esp/grubenv")).unwrap().ino();
    live.overwrite("/boot/grub/grubenv", b"bbbb").unwrap();
    assert_eq!(live.read("/etc/absolute", 4).unwrap().as_deref(), Some(&b"bbbb"[..]));
    assert_eq!(fs::metadata(at("root/esp/grubenv")).unwrap().ino(), inode, "in its place");
    live.replace("/etc/absolute", b"cccc", 0o600).unwrap();
    assert_eq!(fs::read(at("root/esp/grubenv")).unwrap(), b"cccc");
    live.replace("/etc/up", b"in", 0o600).unwrap();
    live.replace("/etc/dangling", b"new", 0o600).unwrap();
    assert_eq!(
        (fs::read(at("root/outside")).unwrap(), fs::read(at("outside")).unwrap()),
        (b"in".to_vec(), b"safe".to_vec())
    );
    assert_eq!(fs::read(at("root/esp/new")).unwrap(), b"new");
    assert!(fs::symlink_metadata(at("root/etc/up")).unwrap().is_symlink());
    let error = live.replace("/etc/loop", b"", 0o600).unwrap_err();
    assert_eq!(error.source.raw_os_error(), Some(Errno::LOOP.raw_os_error()));
}

#[test]
fn a_file_is_written_over_only_at_its_own_length() {
    let (directory, mut live) = root();
    fs::write(directory.path().join("root/boot/grub/grubenv"), "aaaa").unwrap();
    for content in ["bbb", "bbbbb"] {
        let error = live.overwrite("/boot/grub/grubenv", content.as_bytes()).unwrap_err();
        assert_eq!(error.line(), "write over `/boot/grub/grubenv`: Invalid argument (os error 22)");
    }
    assert_eq!(live.read("/boot/grub/grubenv", 4).unwrap().unwrap(), b"aaaa");
    assert!(live.overwrite("/boot/grub/none", b"").is_err());
}

#[test]
fn what_is_missing_is_none_and_what_is_no_file_is_an_error() {
    let (directory, mut live) = root();
    assert_eq!(live.read("/none/file", 1).unwrap(), None);
    assert_eq!(live.read("/etc/file", 1).unwrap(), None);
    assert_eq!(live.status("/etc/file").unwrap(), None);
    assert_eq!(live.list("/none").unwrap(), Vec::<String>::new());
    live.remove("/etc/file").unwrap();
    live.remove("/none/file").unwrap();
    live.remove_directory("/none").unwrap();
    assert!(live.read("/etc", 1).is_err() && live.replace("/etc", b"", 0o600).is_err());
    assert!(live.append("/etc/file", b"x").is_err() && live.truncate("/etc/file", 0).is_err());
    for path in ["etc", "", "/", "/etc/.."] {
        assert!(live.replace(path, b"", 0o600).is_err(), "{path}");
    }
    fs::write(directory.path().join("root/etc/long"), "12345").unwrap();
    assert!(live.read("/etc/long", 4).is_err());
    assert!(live.run(&Program::DaemonReload, Duration::from_secs(1)).is_err());
    assert!(live.reboot(Reboot::AtOnce).is_err() && live.reboot(Reboot::Orderly).is_err());
}

#[test]
fn a_second_name_keeps_what_is_replaced() {
    let (directory, mut live) = root();
    let at = |name: &str| directory.path().join("root/boot/grub").join(name);
    fs::write(at("grub.cfg"), "old").unwrap();
    symlink("grub.cfg", at("link")).unwrap();
    live.keep("/boot/grub/link").unwrap();
    live.replace("/boot/grub/link", b"new", 0o600).unwrap();
    live.settle("/boot/grub/grub.cfg").unwrap();
    assert_eq!(fs::read(at("grub.cfg.kernmend-old")).unwrap(), b"old");
    // One that died left it, and somebody goes on.
    live.keep("/boot/grub/grub.cfg").unwrap();
    assert_eq!(fs::read(at("grub.cfg.kernmend-old")).unwrap(), b"new");
    live.let_go("/boot/grub/link").unwrap();
    live.let_go("/boot/grub/link").unwrap();
    live.let_go("/none/link").unwrap();
    live.keep("/boot/grub/none").unwrap();
    assert_eq!(live.list("/boot/grub").unwrap(), ["grub.cfg", "link"]);
}

#[test]
fn directories_are_made_once_and_removed_when_empty() {
    let (directory, mut live) = root();
    live.make_directory("/etc/d", 0o700).unwrap();
    live.make_directory("/etc/d", 0o755).unwrap();
    live.replace("/etc/d/f", b"", 0o600).unwrap();
    live.remove_directory("/etc/d").unwrap();
    live.append("/etc/d/f", b"one\ntw").unwrap();
    live.truncate("/etc/d/f", 4).unwrap();
    live.append("/etc/d/f", b"two\n").unwrap();
    assert_eq!(live.read("/etc/d/f", 64).unwrap().unwrap(), b"one\ntwo\n");
    live.remove("/etc/d/f").unwrap();
    live.remove_directory("/etc/d").unwrap();
    assert_eq!(names(&directory.path().join("root/etc")), Vec::<String>::new());
    fs::write(directory.path().join("root/etc/d"), "").unwrap();
    assert!(live.make_directory("/etc/d", 0o700).is_err());
}

#[test]
fn a_lock_is_held_by_one_and_names_him() {
    let (_directory, mut live) = root();
    let lock = live.lock("/etc/lock").unwrap();
    let error = live.lock("/etc/lock").unwrap_err();
    assert_eq!(error.to_string(), format!("another kernmend is at work: process {}", std::process::id()));
    drop(lock);
    live.lock("/etc/lock").unwrap();
}
