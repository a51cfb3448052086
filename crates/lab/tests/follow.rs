//! A flood of lines through a pipe: all are counted, in a memory that doesn't grow with them. And the patterns that are
//! exported for ripgrep find in it what a scan finds.

use std::fs;
use std::process::Command;

use kernmend_core::document::Document;
use kernmend_core::document::news::News;
use kernmend_core::document::snapshot::Snapshot;
use lab::debian::{Package, Packages};
use lab::log::{self, Known};
use lab::{kernmend, measure};

/// What a node writes in a minute when it writes 5,000 lines a second.
const LINES: u64 = 300_000;

/// What a node can spare, in bytes.
const PEAK: u64 = 16 << 20;

const RIPGREP: Package = Package { suite: "bookworm", name: "ripgrep" };

#[test]
fn a_flood_is_counted_to_the_last_line_in_little_memory() {
    for (known, hits) in [(Known::All, LINES), (Known::Few, LINES / 1000)] {
        let text = log::lines(known, LINES);
        let command = kernmend::command(["scan", "--follow", "-o", "snapshot", "-"]);
        let (output, usage) = measure::fed(&command, text.into_bytes()).unwrap();
        assert!(usage.peak <= PEAK, "{known:?}: {} KiB of {} KiB", usage.peak >> 10, PEAK >> 10);
        let said = String::from_utf8(output.stdout).unwrap();
        let (told, last) = said.trim_end().rsplit_once('\n').unwrap();
        let told: u64 = told.lines().map(|line| Document::<News>::from_json(line).unwrap().body.new).sum();
        assert_eq!(told, hits, "{known:?}");
        let window = &Document::<Snapshot>::from_json(last).unwrap().body.logs[0];
        assert_eq!(window.hits.iter().map(|hit| hit.count).sum::<u64>(), hits, "{known:?}");
        assert!(window.gaps.is_empty(), "{known:?}: {:?}", window.gaps);
    }
}

#[test]
fn ripgrep_finds_the_same_lines_with_the_exported_patterns() {
    let packages = Packages::get(&[RIPGREP]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (patterns, log) = (dir.path().join("patterns"), dir.path().join("log"));
    let exported = kernmend::command(["signals", "--patterns"]).output().unwrap();
    fs::write(&patterns, exported.stdout).unwrap();
    fs::write(&log, log::lines(Known::Few, LINES)).unwrap();
    let mut rg = Command::new(packages.path(RIPGREP, "usr/bin/rg"));
    let output = rg.arg("-c").arg("-f").arg(&patterns).arg(&log).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.is_empty(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), (LINES / 1000).to_string());
}
