//! What `kernmend build` says where nothing has to be built for it: refusals by the version alone, wrong usage, a source that isn't
//! there. Real builds are the lab's.

use std::fs;
use std::process::{Command, Output};

fn build(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kernmend"));
    command.arg("build").args(words).env("LANG", "C.UTF-8").env_remove("LC_ALL").env_remove("LC_MESSAGES");
    command.output().expect("the program under test runs")
}

fn check(words: &[&str], code: i32, expected: &str) {
    let output = build(words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
    assert!(output.stdout.is_empty(), "{words:?}");
    assert_eq!(said, expected, "{words:?}");
}

#[test]
fn versions_that_make_no_sense_are_refused_with_a_better_way() {
    check(
        &["kubelet", "--version", "v1.13.12"],
        5,
        "error: the build is refused\n\
         cause: the sources of kubelet 1.13.12 have no build tag nokmem: a build with it accounts all the same. Take a \
         version that has it (runc 1.0.0-rc7 and later, kubelet 1.14 and later), or one that no longer accounts\n",
    );
    check(
        &["runc", "--version", "1.1.12"],
        5,
        "error: the build is refused\n\
         cause: runc 1.1.12 no longer touches kernel memory accounting, with the tag or without it: the ordinary build is \
         right as it is\n",
    );
    check(
        &["runc", "--version", "v1.0.0-rc6", "--lang", "zh"],
        5,
        "错误：编译被拒绝\n\
         原因：容器能覆盖主机上的 runc 1.0.0-rc6（CVE-2019-5736）。请用 1.0.0-rc7 或以后的版本，更好的是当前的静态 \
         runc，它不碰内核内存；--force 仍然编译\n",
    );
}

#[test]
fn wrong_usage_is_told_before_anything_is_done() {
    for words in [
        &["runc"][..],
        &["crun", "--version", "1.0.0-rc93"],
        &["runc", "--version", "rc93"],
        &["runc", "--version", "1.0.0-rc93+dev"],
        &["runc", "--version", "1.0.0-rc93", "--engine", "docker"],
        &["runc", "--version", "1.0.0-rc93", "--engine", "docker", "--image", "a", "--root", "/"],
        &["runc", "--version", "1.0.0-rc93", "--glibc", "new"],
        &["runc", "--version", "1.0.0-rc93", "--source", "no/such/folder"],
    ] {
        assert_eq!(build(words).status.code(), Some(3), "{words:?}");
    }
}

#[test]
fn what_is_no_archive_is_no_source() {
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("runc.tar.gz");
    fs::write(&file, "not an archive").expect("it is written");
    let output = build(&[
        "runc",
        "--version",
        "v1.0.0-rc93",
        "--source",
        file.to_str().expect("a plain path"),
        "-o",
        folder.path().join("runc").to_str().expect("a plain path"),
    ]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("there are no sources from") && !said.contains("hint"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).expect("it is there").count(), 1);
}
