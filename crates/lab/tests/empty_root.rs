//! The published program runs in a root that holds nothing but itself: no library, no shell; with `/proc` and `/sys`
//! mounted, and once without them.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kernmend_core::document::Document;
use kernmend_core::document::report::Report;
use kernmend_core::document::snapshot::Snapshot;
use lab::kernmend;

/// A root with the program, and what is mounted in it until it is dropped.
struct EmptyRoot {
    dir: tempfile::TempDir,
    mounted: Vec<PathBuf>,
}

impl EmptyRoot {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::copy(kernmend::path(), dir.path().join("kernmend")).unwrap();
        Self { dir, mounted: Vec::new() }
    }

    fn mount(&mut self, kind: &str, name: &str) {
        let place = self.dir.path().join(name);
        fs::create_dir(&place).unwrap();
        run(Command::new("mount").args(["-t", kind, kind]).arg(&place));
        self.mounted.push(place);
    }

    /// Runs the program with the root as its own; the exit code and what it printed.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output =
            Command::new("chroot").arg(self.dir.path()).arg("/kernmend").args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }
}

impl Drop for EmptyRoot {
    fn drop(&mut self) {
        for place in self.mounted.iter().rev() {
            let _ = Command::new("umount").arg(place).status();
        }
    }
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

#[test]
fn with_the_kernels_file_systems_it_knows_the_kernel() {
    let mut root = EmptyRoot::new();
    root.mount("proc", "proc");
    root.mount("sysfs", "sys");
    let (code, snapshot) = root.run(&["check", "-o", "snapshot"]);
    assert_eq!(code, Some(0), "{snapshot}");
    let snapshot = Document::<Snapshot>::from_json(&snapshot).unwrap().body;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(snapshot.kernel.release.value().map(String::as_str), Some(release.trim()));
}

#[test]
fn without_them_it_knows_nothing_and_says_so() {
    let root = EmptyRoot::new();
    let (code, report) = root.run(&["check", "-o", "json"]);
    assert_eq!(code, Some(2), "{report}");
    let report = Document::<Report>::from_json(&report).unwrap().body;
    assert!(report.findings.iter().all(|finding| finding.verdict.name() == "unknown"), "{report:#?}");
    assert!(!Path::new("/kernmend").exists(), "it ran in its own root");
}
