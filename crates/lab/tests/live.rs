//! The machine that the tests run on, seen by root: every fact that is absent or unknown is expected here, with the
//! reason, and no other is.

#![expect(clippy::unwrap_used, reason = "the helpers of tests, as the tests, stop at the first surprise")]

use std::collections::BTreeMap;

use kernmend_core::document::Document;
use kernmend_core::document::snapshot::{Class, Snapshot};
use lab::{gaps, kernmend};

/// Where the fact stands, its state, and why it can't be had on this machine.
const EXPECTED: &[(&str, &str, &str)] = &[];

fn snapshot() -> String {
    let output = kernmend::command(["check", "-o", "snapshot"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0..=2)), "{}: {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_gap_is_expected_with_its_reason() {
    let found: BTreeMap<String, (String, String)> = gaps::find(&serde_json::from_str(&snapshot()).unwrap())
        .into_iter()
        .map(|gap| (gap.place, (gap.state, gap.detail)))
        .collect();
    let mut problems = Vec::new();
    for (place, (state, detail)) in &found {
        if !EXPECTED.iter().any(|(known, as_state, _)| known == place && as_state == state) {
            problems.push(format!("`{place}` is {state}, and nothing here says why it would be: {detail}"));
        }
    }
    for (place, state, why) in EXPECTED {
        if found.get(*place).is_none_or(|(found, _)| found != state) {
            problems.push(format!("`{place}` should be {state}, since {why}"));
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn real_runtimes_are_told_by_their_content() {
    let snapshot = Document::<Snapshot>::from_json(&snapshot()).unwrap().body;
    for (path, class) in [("/usr/sbin/runc", Class::Ignored), ("/usr/bin/crun", Class::NotLibcontainer)] {
        let program = snapshot.programs.found.iter().find(|program| program.path == path);
        let program = program.unwrap_or_else(|| panic!("`{path}` wasn't found"));
        let found = program.classification.value().map(|classification| classification.class);
        assert_eq!(found, Some(class), "{path}: {:?}", program.classification);
    }
}
