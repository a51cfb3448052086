//! Sessions of `kernmend inspect` with files that every machine has or that a test can write. Genuine runtimes are
//! inspected in the lab.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::fs::{CWD, Mode};
use serde_json::{Value, json};
use tempfile::TempDir;

fn inspect(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kernmend"));
    command.arg("inspect").args(arguments).env_clear().stdin(Stdio::null()).current_dir(directory);
    command.output().expect("the binary was built for this test")
}

/// What was printed, as one text with the exit code in front.
fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
    let code = output.status.code().expect("it ends by itself");
    format!("exit code {code}\n{}{}", text(&output.stdout), text(&output.stderr))
}

/// A directory with a wrapper, a file that is cut, a directory and a FIFO.
fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("wrapper"), "#!/bin/sh\nexec runc.real \"$@\"\n").unwrap();
    fs::write(place.path().join("cut"), [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 9]].concat()).unwrap();
    fs::create_dir(place.path().join("directory")).unwrap();
    rustix::fs::mkfifoat(CWD, place.path().join("fifo"), Mode::RUSR).unwrap();
    place
}

#[test]
fn what_cannot_be_judged_is_unknown() {
    let place = place();
    insta::assert_snapshot!(said(&inspect(place.path(), &["wrapper", "cut"])), @r"
    exit code 2
    unknown           wrapper
       why            not an ELF program
    unknown           cut
       why            cut or inconsistent ELF file
    ");
}

#[test]
fn what_cannot_be_read_is_told_and_the_others_are_judged() {
    let place = place();
    insta::assert_snapshot!(said(&inspect(place.path(), &["none", "directory", "-", "fifo", "wrapper"])), @r"
    exit code 3
    unknown           wrapper
       why            not an ELF program
    error: read `none`
    cause: No such file or directory (os error 2)
    error: read `directory`
    cause: it is not a regular file
    error: `-`: a program is inspected in its file, not from standard input
    hint: write it to a file, and give that
    error: read `fifo`
    cause: it is not a regular file
    ");
}

#[test]
fn the_array_has_an_element_for_each_file() {
    let place = place();
    let output = inspect(place.path(), &["-o", "json", "wrapper", "none"]);
    assert_eq!(output.status.code(), Some(3));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let digest = found[0]["digest"].as_str().unwrap();
    assert_eq!(
        found,
        json!([
            {
                "path": "wrapper",
                "class": "unknown",
                "why": ["not-a-program"],
                "version": null,
                "go": null,
                "tags": [],
                "digest": digest,
                "demands": null,
                "features": null,
            },
            { "path": "none", "error": "read `none`: No such file or directory (os error 2)" },
        ])
    );
    assert!(digest.starts_with("sha256:"));
}

#[test]
fn kernmend_does_not_take_itself_for_a_runtime() {
    let place = place();
    let own = env!("CARGO_BIN_EXE_kernmend");
    fs::copy(own, place.path().join("runc")).unwrap();
    let output = inspect(place.path(), &["-o", "json", own, "runc"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    for element in found.as_array().unwrap() {
        assert_eq!(element["class"], "not-libcontainer");
        assert_eq!(element["why"], json!(["not-go", "no-cgroup-code"]));
    }
}

#[test]
fn the_words_are_the_readers() {
    let place = place();
    let said = said(&inspect(place.path(), &["--lang", "zh", "wrapper"]));
    insta::assert_snapshot!(said, @r"
    exit code 2
    未知              wrapper
       依据           不是 ELF 程序
    ");
}
