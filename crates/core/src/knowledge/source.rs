//! Reads the TOML of knowledge files key by key and remembers what it didn't ask for, so that every problem of a file
//! is found in one run, each with its place. It gives no meaning to what it reads.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// A file that is being read.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    file: &'a str,
    text: &'a str,
    /// Where the TOML starts in the file's text.
    start: usize,
    problems: Vec<Problem>,
}

impl<'a> Source<'a> {
    /// A file whose TOML is `text[start..]` up to some end.
    pub(crate) fn new(file: &'a str, text: &'a str, start: usize) -> Self {
        Self { file, text, start, problems: Vec::new() }
    }

    /// Notes a problem at a place in the TOML, in bytes.
    pub(crate) fn problem(&mut self, at: usize, message: impl Into<String>) {
        let at = (self.start + at).min(self.text.len());
        let before = &self.text[..self.text.floor_char_boundary(at)];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        self.problems.push(Problem {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        });
    }

    /// The top table of `toml`, with what the parser finds wrong already noted.
    pub(crate) fn parse(&mut self, toml: &'a str) -> Table<'a> {
        let (table, errors) = DeTable::parse_recoverable(toml);
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            self.problem(at, error.message().trim());
        }
        let span = table.span();
        Table { entries: table.into_inner().into_iter().collect(), span }
    }

    /// How many problems there are so far.
    pub(crate) fn len(&self) -> usize {
        self.problems.len()
    }

    /// The problems, in the order of the file.
    pub(crate) fn finish(mut self) -> Vec<Problem> {
        self.problems.sort();
        self.problems
    }
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Placed<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it starts in the TOML, in bytes.
    pub(crate) at: usize,
}

/// A table, whose entries are taken out one by one; what is left at the end was not expected.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    entries: Vec<(Spanned<std::borrow::Cow<'a, str>>, Spanned<DeValue<'a>>)>,
    span: Range<usize>,
}

impl<'a> Table<'a> {
    /// Where the table starts in the TOML, in bytes.
    pub(crate) fn at(&self) -> usize {
        self.span.start
    }

    fn take(&mut self, key: &str) -> Option<Spanned<DeValue<'a>>> {
        let index = self.entries.iter().position(|(name, _)| name.get_ref() == key)?;
        Some(self.entries.remove(index).1)
    }

    /// The names of the entries that are left, with their places.
    pub(crate) fn keys(&self) -> Vec<Placed<String>> {
        let placed = |(name, _): &(Spanned<std::borrow::Cow<'a, str>>, _)| Placed {
            value: name.get_ref().to_string(),
            at: name.span().start,
        };
        self.entries.iter().map(placed).collect()
    }

    /// An optional string.
    pub(crate) fn string(&mut self, key: &str, source: &mut Source<'_>) -> Option<Placed<String>> {
        let value = self.take(key)?;
        let at = value.span().start;
        match value.into_inner() {
            DeValue::String(text) => Some(Placed { value: text.into_owned(), at }),
            other => {
                source.problem(at, format!("`{key}` is a string, and this is {}", article(&other)));
                None
            }
        }
    }

    /// A string that must be there.
    pub(crate) fn required(&mut self, key: &str, source: &mut Source<'_>) -> Option<Placed<String>> {
        if !self.entries.iter().any(|(name, _)| name.get_ref() == key) {
            source.problem(self.span.start, format!("`{key}` is missing"));
        }
        self.string(key, source)
    }

    /// A list of strings; empty where the key isn't there.
    pub(crate) fn strings(&mut self, key: &str, source: &mut Source<'_>) -> Vec<Placed<String>> {
        let mut strings = Vec::new();
        for item in self.array(key, source) {
            let at = item.span().start;
            match item.into_inner() {
                DeValue::String(text) => strings.push(Placed { value: text.into_owned(), at }),
                other => source.problem(at, format!("`{key}` holds strings, and this is {}", article(&other))),
            }
        }
        strings
    }

    /// A list of tables; empty where the key isn't there.
    pub(crate) fn tables(&mut self, key: &str, source: &mut Source<'_>) -> Vec<Table<'a>> {
        let mut tables = Vec::new();
        for item in self.array(key, source) {
            let span = item.span();
            match item.into_inner() {
                DeValue::Table(table) => tables.push(Table { entries: table.into_iter().collect(), span }),
                other => source.problem(span.start, format!("`{key}` holds tables, and this is {}", article(&other))),
            }
        }
        tables
    }

    /// A table; nothing where the key isn't there.
    pub(crate) fn table(&mut self, key: &str, source: &mut Source<'_>) -> Option<Table<'a>> {
        let value = self.take(key)?;
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(table) => Some(Table { entries: table.into_iter().collect(), span }),
            other => {
                source.problem(span.start, format!("`{key}` is a table, and this is {}", article(&other)));
                None
            }
        }
    }

    fn array(&mut self, key: &str, source: &mut Source<'_>) -> Vec<Spanned<DeValue<'a>>> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let at = value.span().start;
        match value.into_inner() {
            DeValue::Array(array) => array.into_iter().collect(),
            other => {
                source.problem(at, format!("`{key}` is a list, and this is {}", article(&other)));
                Vec::new()
            }
        }
    }

    /// Notes every entry that nobody asked for.
    pub(crate) fn finish(self, source: &mut Source<'_>) {
        for key in self.keys() {
            source.problem(key.at, format!("`{}` is not a key here", key.value));
        }
    }
}

fn article(value: &DeValue<'_>) -> String {
    let name = value.type_str();
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {name}")
}
