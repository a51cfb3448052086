//! The golden cases: `cases/ADVISORY/CASE` is a tree that is laid out like a root file system, and `_report.txt` in it is
//! what `kernmend check --root` prints of it. `BLESS=1 cargo test --test cases` writes the reports; a person reviews them.
//!
//! The first line of `_about.txt` says which row of the advisory's verdict table the case fires and which it only just
//! misses: `fires: critical row 3; misses: active row 4`. Rows are the `[[verdict]]` tables of the advisory from 1 on; a
//! last row more is that none of them holds, which is `unknown`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kernmend_core::diagnose::fact::SnapshotFacts;
use kernmend_core::document::Document;
use kernmend_core::document::report::{Report, Verdict};
use kernmend_core::document::snapshot::Snapshot;
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_core::knowledge::advisory::{Advisory, Row as VerdictRow};

/// A verdict and the row that gives it.
type Row = (String, usize);

/// One case directory.
struct Case {
    path: PathBuf,
    advisory: String,
    name: String,
    fires: Row,
    misses: Option<Row>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases")
}

fn directories(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("list `{}`: {error}", path.display()));
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder can be read to its end").path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

fn name(path: &Path) -> String {
    let name = path.file_name().and_then(std::ffi::OsStr::to_str);
    name.expect("cases have names in ASCII").to_owned()
}

/// Reads `active row 4`.
fn row(text: &str) -> Option<Row> {
    let (verdict, number) = text.trim().split_once(" row ")?;
    Some((verdict.to_owned(), number.parse().ok()?))
}

/// Reads the first line of `_about.txt`.
fn declaration(line: &str) -> Option<(Row, Option<Row>)> {
    let rest = line.strip_prefix("fires: ")?;
    match rest.split_once("; misses: ") {
        Some((fires, misses)) => Some((row(fires)?, Some(row(misses)?))),
        None => Some((row(rest)?, None)),
    }
}

fn cases() -> Vec<Case> {
    let case = |advisory: &Path, path: PathBuf| {
        let about = fs::read_to_string(path.join("_about.txt"))
            .unwrap_or_else(|error| panic!("`{}` says what it shows: {error}", path.display()));
        let first = about.lines().next().unwrap_or_default();
        let (fires, misses) =
            declaration(first).unwrap_or_else(|| panic!("`{}`: `{first}` names no row", path.display()));
        Case { advisory: name(advisory), name: name(&path), path, fires, misses }
    };
    let advisories = directories(&root());
    advisories
        .iter()
        .flat_map(|advisory| directories(advisory).into_iter().map(move |path| case(advisory, path)))
        .collect()
}

fn check(path: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kernmend"))
        .args(["check", "--root"])
        .arg(path)
        .args(arguments)
        .env_clear()
        .output()
        .expect("the binary was built for this test")
}

fn text(output: &Output) -> String {
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("reports are UTF-8")
}

#[test]
fn reports_are_those_that_were_reviewed() {
    let bless = std::env::var_os("BLESS").is_some_and(|value| value == "1");
    let mut wrong = Vec::new();
    for case in cases() {
        let report = text(&check(&case.path, &[]));
        let golden = case.path.join("_report.txt");
        if bless {
            fs::write(&golden, &report).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if report != expected {
            wrong.push(format!(
                "{}/{}\n--- expected\n{expected}--- found\n{report}",
                case.advisory, case.name
            ));
        }
    }
    assert!(wrong.is_empty(), "{}\nBLESS=1 writes them", wrong.join("\n"));
}

/// The verdict of a row by the advisory's table.
fn row_of(advisory: &Advisory, number: usize) -> &'static str {
    match advisory.verdicts.get(number - 1) {
        Some(row) => row.verdict.name(),
        None => Verdict::Unknown.name(),
    }
}

#[test]
fn every_case_fires_the_row_that_it_declares_and_misses_the_other() {
    let knowledge = KnowledgeBase::embedded();
    for case in cases() {
        let place = format!("{}/{}", case.advisory, case.name);
        let advisory =
            knowledge.advisory(&case.advisory).unwrap_or_else(|| panic!("{place}: no such advisory"));
        let json = text(&check(&case.path, &["-o", "json", "--only", &case.advisory]));
        let report: Document<Report> = Document::from_json(&json).unwrap();
        let found = report.body.findings[0].verdict.name();
        let snapshot: Document<Snapshot> =
            Document::from_json(&text(&check(&case.path, &["-o", "snapshot"]))).unwrap();
        let facts = SnapshotFacts::new(&snapshot.body, &knowledge, advisory);
        let holds = |row: &VerdictRow| row.when.evaluate(&facts).holds == Some(true);
        let first = advisory.verdicts.iter().position(holds).unwrap_or(advisory.verdicts.len()) + 1;

        let (verdict, number) = &case.fires;
        assert_eq!((found, first), (verdict.as_str(), *number), "{place} fires another row");
        assert_eq!(row_of(advisory, *number), verdict, "{place}: row {number} of the table");
        if let Some((verdict, number)) = &case.misses {
            assert_eq!(row_of(advisory, *number), verdict, "{place}: row {number} of the table");
            assert_ne!(first, *number, "{place} fires the row that it should miss");
        }
    }
}

#[test]
fn every_row_of_every_table_has_a_case_that_fires_it_and_one_that_just_misses_it() {
    let knowledge = KnowledgeBase::embedded();
    let mut fires: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    let mut misses: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for case in cases() {
        fires.entry(case.advisory.clone()).or_default().insert(case.fires.1);
        misses.entry(case.advisory).or_default().extend(case.misses.map(|(_, number)| number));
    }
    for advisory in &knowledge.advisories {
        // One more for the end of the table.
        let rows: BTreeSet<usize> = (1..=advisory.verdicts.len() + 1).collect();
        assert_eq!(fires.get(&advisory.name), Some(&rows), "{}: rows that a case fires", advisory.name);
        assert_eq!(misses.get(&advisory.name), Some(&rows), "{}: rows that a case misses", advisory.name);
    }
}

#[test]
fn chinese_reports_have_every_value() {
    for case in cases() {
        let report = text(&check(&case.path, &["--lang", "zh", "--verbose"]));
        let place = format!("{}/{}", case.advisory, case.name);
        for placeholder in ["?", "{", "}"] {
            assert!(!report.contains(placeholder), "{place}: `{placeholder}`\n{report}");
        }
        assert!(report.contains("内核"), "{place} is not in Chinese\n{report}");
    }
}

#[test]
fn declarations_are_read_and_others_are_refused() {
    let active = ("active".to_owned(), 4);
    assert_eq!(declaration("fires: active row 4"), Some((active.clone(), None)));
    let both = declaration("fires: active row 4; misses: critical row 3");
    assert_eq!(both, Some((active, Some(("critical".to_owned(), 3)))));
    for line in ["", "active row 4", "fires: active", "fires: active row x", "fires: active row 4; misses: "]
    {
        assert_eq!(declaration(line), None, "{line}");
    }
}
