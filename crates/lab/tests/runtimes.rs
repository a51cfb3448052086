//! What `kernmend inspect` says of genuine programs: runc and small programs of its library as they are built here, those
//! that Debian built, and one that was packed. They come from the modules of runc's releases and from Debian's archive;
//! without these the tests fail.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use lab::debian::runtimes::{self, CONTAINERD, CRUN, DOCKER, RUNC_11, RUNC_12};
use lab::debian::{Package, Packages};
use lab::go::{
    GO_1_15, GO_1_24, Link, RUNC_1_2, RUNC_RC6, RUNC_RC9, RUNC_RC93, RUNC_RC95, Runc, Toolchain,
    cgroup_writer, runc,
};
use lab::kernmend;
use serde_json::Value;

/// Where a program comes from.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// runc with some tags.
    Runc(Runc, &'static str, Link),
    /// A small program of its library.
    Writer(Runc, &'static str, Link, Toolchain),
    /// A package, and the path in it.
    Debian(Package, &'static str),
}

use Link::{Pie, Plain, Static, Stripped};
use Origin::{Debian, Runc as Built, Writer};

impl Origin {
    fn path(self) -> PathBuf {
        let path = match self {
            Built(version, tags, link) => runc(version, tags, link, GO_1_24),
            Writer(version, tags, link, go) => cgroup_writer(version, tags, link, go),
            Debian(package, path) => runtimes::get().map(|packages| packages.path(package, path)),
        };
        path.unwrap_or_else(|error| panic!("{self:?} is not to be had: {error}"))
    }
}

/// A program; its class and the grounds; its version, or how that begins; what it needs to be started; whether it has
/// SELinux, AppArmor and seccomp (`+`), stubs of them (`-`), or can't be told (`?`).
type Row = (Origin, &'static str, &'static str, &'static str, &'static str);

const ACCOUNTS: &str = "on: enables-accounting tag-known";
const DISABLED: &str = "off: disabled-build tag-known tag-agrees";
const REMOVED: &str = "ignored: accounting-removed";

const PROGRAMS: &[Row] = &[
    (Writer(RUNC_RC6, "", Plain, GO_1_24), ACCOUNTS, "", "nothing", "???"),
    (
        Writer(RUNC_RC6, "nokmem", Plain, GO_1_24),
        "off: silently-without tag-known tag-agrees",
        "",
        "nothing",
        "???",
    ),
    (Writer(RUNC_RC9, "", Plain, GO_1_24), ACCOUNTS, "", "nothing", "???"),
    (Writer(RUNC_RC9, "nokmem", Plain, GO_1_24), DISABLED, "", "nothing", "???"),
    // Build information of that time holds no tags.
    (Writer(RUNC_RC9, "", Plain, GO_1_15), ACCOUNTS, "", "nothing", "???"),
    (Writer(RUNC_RC9, "", Pie, GO_1_15), ACCOUNTS, "", "loader", "???"),
    (Writer(RUNC_RC9, "nokmem", Pie, GO_1_15), "off: disabled-build tag-known", "", "loader", "???"),
    (Writer(RUNC_RC93, "", Pie, GO_1_24), ACCOUNTS, "", "loader", "???"),
    (Writer(RUNC_RC93, "", Stripped, GO_1_24), ACCOUNTS, "", "nothing", "???"),
    (Writer(RUNC_RC93, "nokmem", Stripped, GO_1_24), DISABLED, "", "nothing", "???"),
    (Writer(RUNC_RC95, "", Plain, GO_1_24), REMOVED, "", "nothing", "???"),
    (
        Writer(RUNC_RC95, "nokmem", Plain, GO_1_24),
        "ignored: accounting-removed tag-without-effect",
        "",
        "nothing",
        "???",
    ),
    (Writer(RUNC_1_2, "", Plain, GO_1_24), REMOVED, "", "nothing", "???"),
    (Built(RUNC_RC9, "seccomp selinux apparmor", Plain), ACCOUNTS, "v1.0.0-rc9", "glibc", "+++"),
    // As its makefile builds it with a word for the tags: two ways to confine a container get lost.
    (Built(RUNC_RC9, "seccomp nokmem", Plain), DISABLED, "v1.0.0-rc9", "glibc", "--+"),
    (Built(RUNC_RC9, "nokmem", Plain), DISABLED, "v1.0.0-rc9", "glibc", "---"),
    (Built(RUNC_RC93, "seccomp", Static), ACCOUNTS, "v1.0.0-rc93", "nothing", "+++"),
    (Built(RUNC_RC93, "", Static), ACCOUNTS, "v1.0.0-rc93", "nothing", "++-"),
    (Built(RUNC_RC93, "seccomp nokmem", Static), DISABLED, "v1.0.0-rc93", "nothing", "+++"),
    (Built(RUNC_RC95, "seccomp", Static), REMOVED, "v1.0.0-rc95", "nothing", "+++"),
    (Built(RUNC_1_2, "seccomp", Static), REMOVED, "v1.2.8", "nothing", "+++"),
    (Debian(RUNC_11, "usr/sbin/runc"), ACCOUNTS, "", "glibc", "+++"),
    (Debian(RUNC_12, "usr/sbin/runc"), REMOVED, "", "glibc", "+++"),
    (Debian(CRUN, "usr/bin/crun"), "not-libcontainer: not-go no-cgroup-code", "", "glibc", ""),
    (Debian(CONTAINERD, "usr/bin/containerd"), "not-libcontainer: no-cgroup-code", "", "glibc", ""),
    (Debian(DOCKER, "usr/sbin/dockerd"), "not-libcontainer: no-cgroup-code", "20.10.24", "glibc", ""),
];

/// The exit code, and what is said of each file.
fn inspect(paths: &[PathBuf]) -> (Option<i32>, Vec<Value>) {
    let words = paths.iter().map(|path| path.to_str().unwrap());
    let output = kernmend::command(["inspect", "-o", "json"].into_iter().chain(words)).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let found = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    (output.status.code(), found)
}

fn class_and_grounds(found: &Value) -> String {
    let grounds: Vec<&str> =
        found["why"].as_array().unwrap().iter().map(|ground| ground.as_str().unwrap()).collect();
    format!("{}: {}", found["class"].as_str().unwrap(), grounds.join(" "))
}

fn needs(found: &Value) -> &'static str {
    let demands = &found["demands"];
    match (demands["interpreter"].is_null(), demands["glibc"].is_null()) {
        (true, true) => "nothing",
        (false, true) => "loader",
        (_, false) => "glibc",
    }
}

fn features(found: &Value) -> String {
    let sign = |name: &str| match found["features"][name].as_str() {
        Some("present") => "+",
        Some("stubbed") => "-",
        Some("not-told") => "?",
        _ => "",
    };
    ["selinux", "apparmor", "seccomp"].map(sign).concat()
}

#[test]
fn genuine_programs_are_recognised() {
    let paths: Vec<PathBuf> = PROGRAMS.iter().map(|(origin, ..)| origin.path()).collect();
    let (code, found) = inspect(&paths);
    assert_eq!((code, found.len()), (Some(1), PROGRAMS.len()));
    for ((row, path), found) in PROGRAMS.iter().zip(&paths).zip(&found) {
        let (origin, class, version, needed, featured) = row;
        assert_eq!(found["path"].as_str(), path.to_str());
        let told = (class_and_grounds(found), needs(found), features(found));
        assert_eq!(told, ((*class).to_owned(), *needed, (*featured).to_owned()), "{origin:?}");
        // Debian's versions are updated; what comes first stays.
        let told = found["version"].as_str().unwrap_or_default();
        assert!(told.starts_with(version) && told.is_empty() == version.is_empty(), "{origin:?}: {told}");
    }
}

/// In both forms of build information, and with the high byte first.
#[test]
fn programs_for_other_machines_are_recognised() {
    const ARM: Toolchain = GO_1_24.targeting("arm64");
    const IBM_Z: Toolchain = GO_1_15.targeting("s390x");
    for (tags, go, class, machine) in [
        ("", ARM, ACCOUNTS, "aarch64"),
        ("nokmem", ARM, DISABLED, "aarch64"),
        ("", IBM_Z, ACCOUNTS, "s390x"),
        ("nokmem", IBM_Z, "off: disabled-build tag-known", "s390x"),
    ] {
        let (_, found) = inspect(&[Writer(RUNC_RC93, tags, Plain, go).path()]);
        let told = (class_and_grounds(&found[0]), found[0]["demands"]["machine"].as_str());
        assert_eq!(told, (class.to_owned(), Some(machine)), "{tags} {go:?}");
        assert!(found[0]["go"].as_str().is_some_and(|version| version.starts_with("go1.")), "{machine}");
    }
}

/// UPX leaves an ELF program that nothing can be told of until it runs.
#[test]
fn a_packed_program_is_unknown() {
    let [upx, library] = ["upx-ucl", "libucl1"].map(|name| Package { suite: "bullseye", name });
    let packages = Packages::get(&[upx, library]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let packed = folder.path().join("runc");
    fs::copy(Writer(RUNC_RC93, "", Plain, GO_1_24).path(), &packed).unwrap();
    let libraries = packages.path(library, "usr/lib/x86_64-linux-gnu");
    let output = Command::new(packages.path(upx, "usr/bin/upx-ucl"))
        .args(["-1", "-qq"])
        .arg(&packed)
        .env("LD_LIBRARY_PATH", libraries)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let (code, found) = inspect(&[packed]);
    assert_eq!((code, class_and_grounds(&found[0]).as_str()), (Some(2), "unknown: maybe-packed"));
}

/// Without section headers, as `sstrip` leaves it, a program runs, and is still recognised by its segments.
#[test]
fn a_program_without_section_headers_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let bare = |name: &str, origin: Origin| {
        let mut bytes = fs::read(origin.path()).unwrap();
        // `e_shoff`, and `e_shnum` and `e_shstrndx` of an ELF header of 64 bits.
        bytes[0x28..0x30].fill(0);
        bytes[0x3c..0x40].fill(0);
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    for (origin, expected) in [
        (Writer(RUNC_RC93, "", Plain, GO_1_24), ACCOUNTS),
        (Writer(RUNC_RC93, "nokmem", Stripped, GO_1_24), DISABLED),
        (Writer(RUNC_RC95, "", Plain, GO_1_24), REMOVED),
        (Writer(RUNC_RC9, "", Pie, GO_1_15), ACCOUNTS),
    ] {
        let (_, found) = inspect(&[bare("runc", origin)]);
        assert_eq!(class_and_grounds(&found[0]), expected, "{origin:?}");
    }
}
