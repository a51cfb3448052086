//! Sessions of `kernmend boot` over directories and files that are written here.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A root of a machine with Red Hat's GRUB.
fn red_hats() -> TempDir {
    root(&[
        ("etc/os-release", "ID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"7\"\n"),
        ("etc/default/grub", "GRUB_TIMEOUT=5\nGRUB_DEFAULT=saved\n"),
        ("proc/mounts", "/dev/sda1 / xfs rw 0 0\n"),
        (
            "boot/grub2/grub.cfg",
            "load_env\nif [ \"${next_entry}\" ] ; then\n  set default=\"${next_entry}\"\n  set next_entry=\nelse\n  \
             set default=\"${saved_entry}\"\nfi\nset timeout=5\n\
             menuentry 'Linux (3.10.0-1160.el7.x86_64) 7' --id 'k' {\n  linux16 /vmlinuz-3.10.0-1160.el7.x86_64 ro quiet\n}\n\
             menuentry 'Linux (3.10.0-514.el7.x86_64) 7' --id 'k' {\n  linux16 /vmlinuz-3.10.0-514.el7.x86_64 ro\n}\n",
        ),
        ("boot/grub2/grubenv", &block("saved_entry=Linux (3.10.0-514.el7.x86_64) 7\n")),
    ])
}

fn block(variables: &str) -> String {
    format!("{:#<1024}", format!("# GRUB Environment Block\n{variables}"))
}

fn root(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().expect("a temporary directory");
    for (path, text) in files {
        write(dir.path(), path, text);
    }
    dir
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("it lies in the root")).expect("the directory is ours");
    fs::write(path, text).expect("the directory is ours");
}

/// What is said of a directory or a file, with the exit code in front and the directory taken away.
fn session(arguments: &[&str], dir: &TempDir) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kernmend"));
    let output = command
        .arg("boot")
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .expect("the binary was built for this test");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).expect("output is UTF-8").replace(path(dir), "DIR");
    format!("exit code {}\n{text}", output.status.code().expect("it ends by itself"))
}

fn path(dir: &TempDir) -> &str {
    dir.path().to_str().expect("the system's own names are UTF-8")
}

fn of_root(dir: &TempDir) -> String {
    session(&["--root", path(dir)], dir)
}

fn of_file(name: &str, text: &str) -> String {
    let dir = root(&[(name, text)]);
    session(&[&format!("{}/{name}", path(&dir))], &dir)
}

#[test]
fn what_is_saved_boots_and_both_files_are_named() {
    insta::assert_snapshot!(of_root(&red_hats()), @"
    exit code 0
    boots next: 3.10.0-514.el7.x86_64
       entry          1  Linux (3.10.0-514.el7.x86_64) 7 (k)                     /boot/grub2/grub.cfg:12
       why            `saved_entry` is `Linux (3.10.0-514.el7.x86_64) 7`, a title
                      /boot/grub2/grub.cfg:6, /boot/grub2/grubenv
       arguments      ro

       0  Linux (3.10.0-1160.el7.x86_64) 7
          k
     → 1  Linux (3.10.0-514.el7.x86_64) 7
          k
    ");
}

#[test]
fn a_default_that_sed_made_constant_is_told() {
    let dir = red_hats();
    write(dir.path(), "etc/default/grub", "GRUB_DEFAULT=0\n");
    let path = dir.path().join("boot/grub2/grub.cfg");
    let text = fs::read_to_string(&path).unwrap().replace("${saved_entry}", "0");
    fs::write(path, text).unwrap();
    insta::assert_snapshot!(of_root(&dir), @"
    exit code 0
    boots next: 3.10.0-1160.el7.x86_64
       entry          0  Linux (3.10.0-1160.el7.x86_64) 7 (k)                     /boot/grub2/grub.cfg:9
       why            `default` is `0`, a number                                  /boot/grub2/grub.cfg:6
       arguments      ro quiet
       beware         `Linux (3.10.0-514.el7.x86_64) 7` is saved as the default, but the configuration
                      has a constant one: grub-set-default changes nothing           /boot/grub2/grubenv

     → 0  Linux (3.10.0-1160.el7.x86_64) 7
          k
       1  Linux (3.10.0-514.el7.x86_64) 7
          k
    ");
}

#[test]
fn a_one_shot_that_grub_can_t_clear_is_told() {
    let dir = red_hats();
    write(dir.path(), "boot/grub2/grubenv", &block("saved_entry=gone\nnext_entry=k\n"));
    write(dir.path(), "boot/efi/EFI/centos/grubenv", &block("saved_entry=k\n"));
    write(dir.path(), "proc/mounts", "/dev/sda1 / ext4 rw 0 0\n/dev/mapper/vg-boot /boot xfs rw 0 0\n");
    insta::assert_snapshot!(of_root(&dir), @"
    exit code 0
    boots next: 3.10.0-1160.el7.x86_64
       entry          0  Linux (3.10.0-1160.el7.x86_64) 7 (k)                     /boot/grub2/grub.cfg:9
       why            `next_entry` is `k`, an id             /boot/grub2/grub.cfg:3, /boot/grub2/grubenv
       arguments      ro quiet
       beware         `k` is to be booted once                                       /boot/grub2/grubenv
       beware         several entries are called `k`: GRUB takes the first of them
                      /boot/grub2/grub.cfg:3
       beware         GRUB can't write the environment block on `/dev/mapper/vg-boot`: what is to be
                      booted once would be booted every time                         /boot/grub2/grubenv
       beware         another environment block says something else than `/boot/grub2/grubenv`, which
                      GRUB reads                                            /boot/efi/EFI/centos/grubenv

     → 0  Linux (3.10.0-1160.el7.x86_64) 7
          k
       1  Linux (3.10.0-514.el7.x86_64) 7
          k
    ");
}

#[test]
fn after_a_one_shot_the_default_is_told() {
    let dir = red_hats();
    write(dir.path(), "boot/grub2/grubenv", &block("saved_entry=k\nnext_entry=1\n"));
    insta::assert_snapshot!(of_root(&dir), @"
    exit code 0
    boots next: 3.10.0-514.el7.x86_64
       entry          1  Linux (3.10.0-514.el7.x86_64) 7 (k)                     /boot/grub2/grub.cfg:12
       why            `next_entry` is `1`, a number          /boot/grub2/grub.cfg:3, /boot/grub2/grubenv
       arguments      ro
       then           0  Linux (3.10.0-1160.el7.x86_64) 7 (k)
       beware         `1` is to be booted once                                       /boot/grub2/grubenv
       beware         `1` is a number: it means another entry once a kernel is installed or removed
                      /boot/grub2/grub.cfg:3

       0  Linux (3.10.0-1160.el7.x86_64) 7
          k
     → 1  Linux (3.10.0-514.el7.x86_64) 7
          k
    ");
}

#[test]
fn entries_of_the_boot_loader_specification_are_in_the_menu_newest_first() {
    let entry = |version: &str| {
        format!(
            "title Linux ({version}) 8\nversion {version}\nlinux /vmlinuz-{version}\noptions $kernelopts $tuned_params\n"
        )
    };
    let dir = root(&[
        ("etc/os-release", "ID=rocky\nID_LIKE=\"rhel centos fedora\"\n"),
        ("boot/grub2/grub.cfg", "load_env\nset default=\"${saved_entry}\"\ninsmod blscfg\nblscfg\n"),
        ("boot/grub2/grubenv", &block("saved_entry=m-4.18.0-80.el8.x86_64\nkernelopts=root=/dev/a ro\n")),
        ("boot/loader/entries/m-4.18.0-80.el8.x86_64.conf", &entry("4.18.0-80.el8.x86_64")),
        ("boot/loader/entries/m-4.18.0-305.el8.x86_64.conf", &entry("4.18.0-305.el8.x86_64")),
        (
            "boot/efi/EFI/rocky/grub.cfg",
            "search --set=dev 1\nset prefix=($dev)/grub2\nconfigfile $prefix/grub.cfg\n",
        ),
        ("sys/firmware/efi/fw_platform_size", "64\n"),
    ]);
    insta::assert_snapshot!(of_root(&dir), @"
    exit code 0
    boots next: 4.18.0-80.el8.x86_64
       entry          1  Linux (4.18.0-80.el8.x86_64) 8 (m-4.18.0-80.el8.x86_64)
                      /boot/loader/entries/m-4.18.0-80.el8.x86_64.conf
       why            `saved_entry` is `m-4.18.0-80.el8.x86_64`, an id
                      /boot/grub2/grub.cfg:2, /boot/grub2/grubenv
       arguments      root=/dev/a ro

       0  Linux (4.18.0-305.el8.x86_64) 8
          m-4.18.0-305.el8.x86_64
     → 1  Linux (4.18.0-80.el8.x86_64) 8
          m-4.18.0-80.el8.x86_64
    ");
}

#[test]
fn a_file_alone_is_recognised_by_its_content() {
    insta::assert_snapshot!(of_file("a", &block("saved_entry=k\n")), @"
    exit code 2
    what boots next can't be told: the entries stand in other files
       why            `saved_entry` is `k`
    ");
    insta::assert_snapshot!(of_file("a", "GRUB_DEFAULT=\"1>0\" # first\nGRUB_CMDLINE_LINUX=\"quiet\"\n"), @"
    exit code 2
    what boots next can't be told: this kind of file doesn't decide it
       why            `GRUB_DEFAULT` is `1>0`                                                     line 1
       arguments      quiet
    ");
    insta::assert_snapshot!(of_file("a", "default=1\ntitle A\n\tkernel /vmlinuz-2.6.32-1.el6 ro\n"), @"
    exit code 0
    boots next: 2.6.32-1.el6
       entry          0  A                                                                        line 2
       why            `default` is `1`                                                            line 1
       arguments      ro
       beware         `1` names no entry: GRUB takes the first without a word                     line 1

     → 0  A
    ");
    insta::assert_snapshot!(of_file("a", "menuentry 'a {\n"), @r"
    exit code 2
    what boots next can't be told: GRUB stumbles over this file
       why            GRUB stumbles over this line                                                line 1

       0  a {\u{a} (not Linux)
    ");
    insta::assert_snapshot!(of_file("a", "nothing of the kind\n"), @"
    exit code 3
    error: `DIR/a` is no boot loader's file that kernmend knows
    hint: without a file, `kernmend boot` reads the machine; --root DIR reads a directory laid out like one
    ");
}

#[test]
fn what_an_entry_holds_never_reaches_the_terminal_raw() {
    let said = of_file("a", "menuentry 'a\u{1b}[31m' --id '\u{202e}i' {\n linux /vmlinuz-1.2 '\u{7}x'\n}\n");
    assert!(!said.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{said:?}");
}

#[test]
fn json_is_a_document() {
    let dir = red_hats();
    let said = session(&["--root", dir.path().to_str().unwrap(), "-o", "json"], &dir);
    let json = said.split_once('\n').unwrap().1;
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(value["schema"], "kernmend/boot/1");
    assert_eq!(value["next"]["choice"]["entry"], 1);
    assert_eq!(value["next"]["why"]["from"]["name"], "saved_entry");
}
