//! `bundle` as a person meets it: what is said of a bundle, and what its exit code is.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

fn bundle(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kernmend"));
    command.arg("bundle").args(arguments).current_dir(folder).env_clear().stdin(Stdio::null());
    command.output().expect("the binary was built for this test")
}

/// What was printed, as one text with the exit code in front.
fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
    let code = output.status.code().expect("it ends by itself");
    format!("exit code {code}\n{}{}", text(&output.stdout), text(&output.stderr))
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, *content).expect("memory takes it");
    }
    tar.into_inner().expect("memory takes it")
}

/// A Debian package.
fn deb(name: &str, more: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    let control = format!("Package: {name}\nVersion: 6.1.192-2\nArchitecture: amd64\n{more}");
    let control = tar(&[("control", control.as_bytes()), ("postinst", b"#!/bin/sh\nupdate-grub\n")]);
    let mut ar = b"!<arch>\n".to_vec();
    for (name, content) in
        [("debian-binary", b"2.0\n".to_vec()), ("control.tar", control), ("data.tar", tar(files))]
    {
        writeln!(ar, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 0, 0, content.len()).expect("a vector");
        ar.extend(content);
    }
    ar
}

/// A folder with a kernel, and what doesn't belong to it.
fn folder() -> TempDir {
    let folder = TempDir::new().expect("the system has a place for temporary files");
    let image = deb(
        "linux-image-6.1.0-56-amd64",
        "Depends: kmod, linux-base (>= 4.3~) | other\n",
        &[
            ("boot/vmlinuz-6.1.0-56-amd64", &[0; 2048]),
            ("boot/config-6.1.0-56-amd64", b"CONFIG_MEMCG=y\n# CONFIG_PSI is not set\n"),
            ("lib/modules/6.1.0-56-amd64/kernel/a.ko", &[1; 512]),
        ],
    );
    fs::write(folder.path().join("image.deb"), image).expect("the folder can be written");
    let headers = deb("linux-headers-6.1.0-56-amd64", "", &[("usr/src/a/Makefile", b"x")]);
    fs::write(folder.path().join("headers.deb"), headers).expect("the folder can be written");
    folder
}

#[test]
fn a_bundle_is_made_shown_and_checked() {
    let folder = folder();
    insta::assert_snapshot!(said(&bundle(folder.path(), &["create", "-o", "k.bundle", "image.deb", "headers.deb"])), @r"
    exit code 0
    6.1.0-56-amd64 · amd64 · Debian packages
       image          /boot/vmlinuz-6.1.0-56-amd64 · 2.0 KiB · whether it is signed isn't told by this
                      kind of image
       modules        1 as files; those that are built in aren't listed
       options        not built: PSI
       space          2.0 KiB in /boot without the initramfs, 512 B elsewhere
       runs           update-grub
       not told       KM-0002 memcg-id-exhaustion, KM-0003 dying-memcgs, KM-0004 unregister-netdevice;
                      the release alone doesn't tell
       clear          KM-0001 kmem-accounting-leak

    packages: 1
                      linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb · image · 8.7 KiB
       needs          kmod, linux-base (>= 4.3~) | other
       left out       headers.deb: not needed to run the kernel (headers)
    reading image.deb
    reading headers.deb
    packing image.deb
    wrote k.bundle
    ");
    insta::assert_snapshot!(said(&bundle(folder.path(), &["verify", "k.bundle"])), @r"
    exit code 0
    6.1.0-56-amd64: all bytes of 1 packages (8.7 KiB) are those that the bundle names, and the packages are whole; the bundle's digest is sha256:bfcb21357e0232d6b26477d1f44b64edad4cfa3658ff3c977d60d233da5a6932
    Debian packages carry no signatures of their own: their archive's index is what is signed. Sign the bundle with minisign.
    reading linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb
    ");
    let shown = bundle(folder.path(), &["inspect", "k.bundle", "-o", "json"]);
    let document: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("it prints JSON");
    assert_eq!(document["schema"], "kernmend/bundle/1");
    let chinese = bundle(folder.path(), &["inspect", "k.bundle", "--lang", "zh"]);
    assert!(
        said(&chinese).contains("略去           headers.deb: 内核运行不需要（头文件）"),
        "{}",
        said(&chinese)
    );
}

#[test]
fn what_cannot_be_used_leaves_nothing_behind() {
    let folder = folder();
    fs::write(folder.path().join("text"), "nothing").expect("the folder can be written");
    let whole = fs::read(folder.path().join("image.deb")).expect("it was written");
    fs::write(folder.path().join("cut.deb"), &whole[..whole.len() - 600]).expect("the folder can be written");
    let before = names(folder.path());
    for (arguments, code) in [
        (&["create", "-o", "k.bundle", "cut.deb"][..], 5),
        (&["create", "-o", "k.bundle", "headers.deb"], 5),
        (&["create", "-o", "k.bundle", "--release", "6.1.0-1-amd64", "image.deb"], 5),
        (&["create", "-o", "k.bundle", "text"], 3),
        (&["create", "-o", "k.bundle", "not-there"], 3),
        (&["create", "-o", "no/folder", "image.deb"], 3),
        (&["create", "-o", ".", "image.deb"], 3),
        (&["create", "image.deb"], 3),
        (&["inspect", "image.deb"], 3),
        (&["verify", "not-there"], 3),
        (&["verify", "image.deb", "--public-key", "nothing"], 3),
        (&[], 3),
    ] {
        let output = bundle(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{}", said(&output));
        assert_eq!(names(folder.path()), before, "{arguments:?}");
    }
    insta::assert_snapshot!(said(&bundle(folder.path(), &["create", "-o", "k.bundle", "cut.deb"])), @r"
    exit code 5
    reading cut.deb
    error: no bundle was written to `k.bundle`
    cause: `cut.deb` can't be used
    cause: it is cut off in data
    ");
    insta::assert_snapshot!(said(&bundle(folder.path(), &["create", "-o", "k", "--release", "6.1.0-1-amd64", "image.deb"])), @r"
    exit code 5
    reading image.deb
    error: no bundle was written to `k`
    cause: there is no kernel `6.1.0-1-amd64`; there are 6.1.0-56-amd64
    hint: name one with --release
    ");
}

#[test]
fn a_bundle_that_is_there_is_replaced_as_a_whole_or_not_at_all() {
    let folder = folder();
    let path = folder.path().join("k.bundle");
    fs::write(&path, "before").expect("the folder can be written");
    assert_eq!(bundle(folder.path(), &["create", "-o", "k.bundle", "headers.deb"]).status.code(), Some(5));
    assert_eq!(fs::read(&path).expect("it is there"), b"before");
    assert_eq!(bundle(folder.path(), &["create", "-o", "k.bundle", "image.deb"]).status.code(), Some(0));
    let mut changed = fs::read(&path).expect("it is there");
    let at = changed.len() - 2000;
    changed[at] ^= 1;
    fs::write(&path, changed).expect("the folder can be written");
    assert_eq!(bundle(folder.path(), &["verify", "k.bundle"]).status.code(), Some(5));
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it is there");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
