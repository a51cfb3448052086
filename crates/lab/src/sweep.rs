//! The sweep: holds what the engine says of files from real machines against a table of what it should say. It is a judge
//! from outside: it runs the product's own code over each file, maps the result to rows, and knows nothing itself.

pub mod engine;
pub mod folder;
pub mod judge;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use self::engine::Engine;
use self::folder::{Folder, Row};
use self::judge::Outcome;
use crate::LabError;

/// Rows that must hold: those of a format with one of these keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The format.
    pub format: String,
    /// The keys.
    pub keys: Vec<String>,
}

impl Requirement {
    /// Reads `FORMAT:KEY,KEY`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (format, keys) = text.split_once(':')?;
        Some(Self { format: format.to_owned(), keys: keys.split(',').map(str::to_owned).collect() })
    }

    fn covers(&self, row: &Row) -> bool {
        self.format == row.format && self.keys.contains(&row.key)
    }
}

/// How many rows hold, out of how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    hold: u64,
    rows: u64,
}

/// What came of a sweep.
#[derive(Debug, Default)]
pub struct Result {
    keys: BTreeMap<String, Tally>,
    /// Rows that don't hold, with what was found instead.
    wrong: Vec<(Row, String)>,
    /// What the engine doesn't read, and the rows that ask for it.
    unread: BTreeMap<String, Vec<Row>>,
    /// Known signals that no row expects: only their own vectors hold them.
    unexpected: BTreeSet<String>,
}

/// Judges every row of the tables in `folder`.
pub fn run(folder: &Path) -> std::result::Result<Result, LabError> {
    let folder = Folder::read(folder)?;
    let engine = Engine::new(&folder.path);
    let mut result =
        Result { unexpected: engine.signals().map(str::to_owned).collect(), ..Result::default() };
    // The rows of a file follow each other.
    for rows in folder.rows.chunk_by(|a, b| (&a.subject, &a.format) == (&b.subject, &b.format)) {
        let reading = engine.read(&rows[0].format, &rows[0].subject)?;
        for row in rows {
            result.add(row, judge::judge(row, &reading));
        }
    }
    Ok(result)
}

impl Result {
    fn add(&mut self, row: &Row, outcome: Outcome) {
        if row.key == "signal" {
            self.unexpected.remove(row.value.split(' ').next().unwrap_or_default());
        }
        let tally = self.keys.entry(row.key.clone()).or_default();
        tally.rows += 1;
        match outcome {
            Outcome::Holds => tally.hold += 1,
            Outcome::Found(found) => self.wrong.push((row.clone(), found)),
            Outcome::Unread(what) => self.unread.entry(what).or_default().push(row.clone()),
        }
    }

    /// The rows of the requirement that don't hold; what the engine doesn't read doesn't hold either.
    #[must_use]
    pub fn missed(&self, requirement: &Requirement) -> usize {
        let wrong = self.wrong.iter().map(|(row, _)| row);
        wrong.chain(self.unread.values().flatten()).filter(|row| requirement.covers(row)).count()
    }
}

impl fmt::Display for Result {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (row, found) in &self.wrong {
            writeln!(f, "{}: {} {}: found {found}", row.subject, row.key, row.value)?;
        }
        for (what, rows) in &self.unread {
            writeln!(f, "not read yet: {what}: {} rows", rows.len())?;
        }
        for (key, Tally { hold, rows }) in &self.keys {
            writeln!(f, "key {key}: {hold} of {rows}")?;
        }
        if !self.unexpected.is_empty() {
            let names: Vec<&str> = self.unexpected.iter().map(String::as_str).collect();
            writeln!(f, "signals that no row expects: {}", names.join(", "))?;
        }
        let hold: u64 = self.keys.values().map(|tally| tally.hold).sum();
        let rows: u64 = self.keys.values().map(|tally| tally.rows).sum();
        let shares: f64 = self.keys.values().map(|tally| tally.hold as f64 / tally.rows as f64).sum();
        let mean = 100.0 * shares / self.keys.len().max(1) as f64;
        writeln!(f, "sweep: {hold} of {rows} rows hold, mean over keys {mean:.1} %")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, value: &str) -> Row {
        Row {
            subject: "a/".to_owned(),
            format: "captured-root".to_owned(),
            key: key.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn rows_are_counted_by_key_and_the_mean_is_over_keys() {
        let unexpected = ["new", "rare"].map(str::to_owned).into();
        let mut result = Result { unexpected, ..Result::default() };
        for _ in 0..3 {
            result.add(&row("kernel", "5.10"), Outcome::Holds);
        }
        result.add(&row("kernel", "5.11"), Outcome::Found("5.10".to_owned()));
        result.add(&row("entries", "2"), Outcome::Unread(judge::unread("entries", "captured-root")));
        result.add(&row("signal", "new"), Outcome::Unread("signal new".to_owned()));
        assert_eq!(
            result.to_string(),
            "a/: kernel 5.11: found 5.10\n\
             not read yet: key entries of captured-root: 1 rows\n\
             not read yet: signal new: 1 rows\n\
             key entries: 0 of 1\n\
             key kernel: 3 of 4\n\
             key signal: 0 of 1\n\
             signals that no row expects: rare\n\
             sweep: 3 of 6 rows hold, mean over keys 25.0 %\n"
        );
        for (requirement, missed) in [
            ("captured-root:kernel", 1),
            ("captured-root:kernel,entries", 2),
            ("captured-root:signal", 1),
            ("captured-root:cgroup", 0),
            ("log:kernel", 0),
        ] {
            assert_eq!(result.missed(&Requirement::parse(requirement).unwrap()), missed, "{requirement}");
        }
    }
}
