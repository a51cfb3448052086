//! The tables of a folder of real inputs: which file, what format, and what should be said of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::LabError;

/// The format of a release string, which isn't a file.
pub const RELEASE: &str = "uname";

/// One expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The file, by its path in the folder; or a release string.
    pub subject: String,
    /// The format of the file, by the index; or [`RELEASE`].
    pub format: String,
    /// What is asked.
    pub key: String,
    /// What should be answered.
    pub value: String,
}

/// The tables of a folder.
#[derive(Debug)]
pub struct Folder {
    /// Where the files are.
    pub path: PathBuf,
    /// The rows, those of a file one after the other.
    pub rows: Vec<Row>,
}

impl Folder {
    /// Reads `EXPECT.tsv`, `INDEX.tsv` and `uname.tsv`.
    pub fn read(path: &Path) -> Result<Self, LabError> {
        let text = |name: &str| {
            let file = path.join(name);
            fs::read_to_string(&file).map_err(LabError::file("reading", file))
        };
        let mut rows = expectations(&text("EXPECT.tsv")?, &formats(&text("INDEX.tsv")?))?;
        rows.extend(releases(&text("uname.tsv")?));
        Ok(Self { path: path.to_owned(), rows })
    }
}

/// The lines of a table below its head, in columns.
fn lines(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().skip(1).filter(|line| !line.is_empty()).map(|line| line.split('\t').collect())
}

fn formats(index: &str) -> BTreeMap<&str, &str> {
    lines(index).filter_map(|columns| Some((*columns.first()?, *columns.get(2)?))).collect()
}

fn expectations(table: &str, formats: &BTreeMap<&str, &str>) -> Result<Vec<Row>, LabError> {
    let mut rows = Vec::new();
    for columns in lines(table) {
        let [file, key, value] = columns[..] else {
            return Err(LabError::Table(format!("not three columns: {columns:?}")));
        };
        let format = *formats.get(file).ok_or_else(|| LabError::Table(format!("`{file}` has no format")))?;
        rows.push(Row {
            subject: file.to_owned(),
            format: format.to_owned(),
            key: key.to_owned(),
            value: value.to_owned(),
        });
    }
    rows.sort_by(|a, b| a.subject.cmp(&b.subject));
    Ok(rows)
}

fn releases(table: &str) -> Vec<Row> {
    let rows = lines(table).filter_map(|columns| {
        let (release, base, stream) = (*columns.first()?, *columns.get(2)?, *columns.get(3)?);
        let row = |key: &str, value: &str| Row {
            subject: release.to_owned(),
            format: RELEASE.to_owned(),
            key: key.to_owned(),
            value: value.to_owned(),
        };
        Some([row("uname-base", base), row("uname-stream", stream)])
    });
    rows.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_become_rows_with_the_rows_of_a_file_together() {
        let formats = formats("file\tkind\tformat\nb.log\ta log\tlog\na/\ta root\tcaptured-root\tx\ty\n");
        let table = "file\tkey\tvalue\nb.log\tleak\tno\na/\tcgroup\tv1\nb.log\tsignal\tx y=1\n";
        let rows = expectations(table, &formats).unwrap();
        let short: Vec<_> =
            rows.iter().map(|row| (row.subject.as_str(), row.format.as_str(), row.key.as_str())).collect();
        assert_eq!(
            short,
            [("a/", "captured-root", "cgroup"), ("b.log", "log", "leak"), ("b.log", "log", "signal")]
        );
        assert!(expectations("head\nc.log\tleak\tno\n", &formats).is_err());
        assert!(expectations("head\nb.log\tleak\n", &formats).is_err());
    }

    #[test]
    fn a_release_string_gives_two_rows() {
        let rows =
            releases("string\tdistro\tbase version\tstream\tsource\n5.10.0-1\tDebian\t5.10.1\ta|b\tx\n");
        let short: Vec<_> = rows.iter().map(|row| (row.key.as_str(), row.value.as_str())).collect();
        assert_eq!(short, [("uname-base", "5.10.1"), ("uname-stream", "a|b")]);
    }
}
