//! The live machine, seen by a user who may do nothing: kernmend says what it could not read, and nothing fails.

#![expect(clippy::unwrap_used, reason = "the helpers of tests, as the tests, stop at the first surprise")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use kernmend_core::document::report::Report;
use kernmend_core::document::snapshot::Snapshot;
use kernmend_core::document::{Body, Document, Reason};
use lab::{gaps, kernmend};
use tempfile::TempDir;

/// `nobody` and `nogroup` of Debian.
const NOBODY: u32 = 65_534;

/// A copy of the program: nobody may not look into the folder where it was built. It is made once, before any process is
/// started: one that is started meanwhile would hold it open for writing, and then it can't be run.
fn program() -> &'static Path {
    static PROGRAM: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let program = folder.path().join("kernmend");
        fs::copy(kernmend::path(), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        (folder, program)
    });
    &PROGRAM.1
}

/// Runs `kernmend check -o FORMAT` as nobody; gives its output.
fn check(format: &str) -> String {
    let mut command = Command::new(program());
    command.args(["check", "-o", format]).current_dir("/").env_clear().env("PATH", "/usr/bin:/bin");
    // Dropping the user also drops the supplementary groups.
    let output = command.uid(NOBODY).gid(NOBODY).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0..=2)), "{}: {said}", output.status);
    assert!(!said.contains("panicked"), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

fn document<B: Body>(format: &str) -> Document<B> {
    Document::from_json(&check(format)).unwrap()
}

#[test]
fn what_nobody_may_not_read_is_unknown_and_says_so() {
    let text = check("snapshot");
    document::<Snapshot>("snapshot");
    let gaps = gaps::find(&serde_json::from_str(&text).unwrap());
    // Whatever else differs between machines, the kernel log is root's.
    let refused = gaps.iter().any(|gap| gap.detail.contains("permission_denied"));
    let in_lists = text.contains("permission_denied");
    assert!(refused || in_lists, "nobody reads everything? {gaps:?}");
}

#[test]
fn what_is_undecided_names_the_reason() {
    let report = document::<Report>("json").body;
    assert!(!report.findings.is_empty());
    for finding in &report.findings {
        for undecided in &finding.undecided {
            let refused = undecided.why.reason == Reason::PermissionDenied;
            assert!(!undecided.fact.is_empty(), "{}: {undecided:?}", finding.id);
            assert!(!refused || !undecided.command.is_empty(), "{}: no way out of {undecided:?}", finding.id);
        }
    }
}

#[test]
fn the_screen_says_what_could_not_be_read() {
    let screen = check("text");
    assert!(screen.contains("sudo kernmend check"), "nothing says that root would see more:\n{screen}");
}
