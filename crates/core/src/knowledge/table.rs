//! Reads the TOML of knowledge files key by key, and notes each problem at its place: an unknown key, a missing one, a
//! value of another type. It knows no file's keys; what a value means is its reader's to check.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::Date;

use super::problem::Problems;

/// A value, and where it stands in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Its place in bytes.
    pub place: Range<usize>,
}

/// A table that is being read. Each key is taken once; [`Table::finish`] reports those that nobody asked for.
pub struct Table<'a> {
    place: Range<usize>,
    entries: BTreeMap<&'a str, Entry<'a>>,
    known: Vec<&'static str>,
}

struct Entry<'a> {
    key: Range<usize>,
    value: &'a Spanned<DeValue<'a>>,
}

/// Parses a file and reads its top table. Problems of the syntax are noted, and what could be parsed is read.
pub fn read<T>(
    text: &str,
    problems: &mut Problems<'_>,
    read: impl FnOnce(Table<'_>, &mut Problems<'_>) -> T,
) -> T {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        problems.add(&error.span().unwrap_or_default(), error.message());
    }
    read(Table::new(document.span(), document.get_ref()), problems)
}

impl<'a> Table<'a> {
    fn new(place: Range<usize>, table: &'a DeTable<'a>) -> Self {
        let entry = |(key, value): (&'a Spanned<_>, _)| {
            let name: &std::borrow::Cow<'a, str> = key.get_ref();
            (name.as_ref(), Entry { key: key.span(), value })
        };
        Self { place, entries: table.iter().map(entry).collect(), known: Vec::new() }
    }

    /// Where the table stands.
    #[must_use]
    pub fn place(&self) -> Range<usize> {
        self.place.clone()
    }

    /// Takes a string.
    pub fn string(&mut self, key: &'static str, problems: &mut Problems<'_>) -> Option<Placed<&'a str>> {
        string(self.take(key)?, problems)
    }

    /// Takes a string that has to be there.
    pub fn required_string(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Placed<&'a str>> {
        string(self.required(key, problems)?, problems)
    }

    /// Takes a boolean; false where the key is absent.
    pub fn flag(&mut self, key: &'static str, problems: &mut Problems<'_>) -> bool {
        let Some(value) = self.take(key) else { return false };
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            problems.add(&value.span(), format!("true or false belongs here, not {}", kind(value)));
        }
        flag.unwrap_or_default()
    }

    /// Takes a value of any type.
    pub fn value(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.take(key)
    }

    /// Takes a value of any type that has to be there.
    pub fn required(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<&'a Spanned<DeValue<'a>>> {
        let value = self.take(key);
        if value.is_none() {
            problems.add(&self.place, format!("`{key}` is missing"));
        }
        value
    }

    /// Takes an array of strings; none where the key is absent.
    pub fn strings(&mut self, key: &'static str, problems: &mut Problems<'_>) -> Vec<Placed<&'a str>> {
        self.take(key).map_or_else(Vec::new, |value| strings(value, problems))
    }

    /// Takes an array of tables; none where the key is absent.
    pub fn tables(&mut self, key: &'static str, problems: &mut Problems<'_>) -> Vec<Self> {
        self.take(key).map_or_else(Vec::new, |value| tables(value, problems))
    }

    /// Takes a table whose keys are free, with what `read` makes of each value; none where the key is absent.
    pub fn map<T>(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
        mut read: impl FnMut(&'a Spanned<DeValue<'a>>, &mut Problems<'_>) -> Option<T>,
    ) -> BTreeMap<&'a str, Placed<T>> {
        let Some(table) = self.take(key).and_then(|value| table(value, problems)) else {
            return BTreeMap::new();
        };
        let read = |(name, entry): (_, Entry<'a>)| {
            Some((name, Placed { value: read(entry.value, problems)?, place: entry.key }))
        };
        table.entries.into_iter().filter_map(read).collect()
    }

    /// Reports every key that was not asked for.
    pub fn finish(self, problems: &mut Problems<'_>) {
        for (key, entry) in self.entries {
            problems.add(&entry.key, format!("`{key}` is not a key here; known are {}", list(&self.known)));
        }
    }

    fn take(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.push(key);
        self.entries.remove(key).map(|entry| entry.value)
    }
}

/// Reads a string.
pub fn string<'a>(value: &'a Spanned<DeValue<'a>>, problems: &mut Problems<'_>) -> Option<Placed<&'a str>> {
    let Some(text) = value.get_ref().as_str() else {
        problems.add(&value.span(), format!("a string belongs here, not {}", kind(value)));
        return None;
    };
    Some(Placed { value: text, place: value.span() })
}

/// Reads an array of strings.
pub fn strings<'a>(value: &'a Spanned<DeValue<'a>>, problems: &mut Problems<'_>) -> Vec<Placed<&'a str>> {
    array(value, "strings", problems).iter().filter_map(|value| string(value, problems)).collect()
}

/// Reads an array of tables.
pub fn tables<'a>(value: &'a Spanned<DeValue<'a>>, problems: &mut Problems<'_>) -> Vec<Table<'a>> {
    array(value, "tables", problems).iter().filter_map(|value| table(value, problems)).collect()
}

/// Reads a date without a time.
pub fn date<'a>(value: &'a Spanned<DeValue<'a>>, problems: &mut Problems<'_>) -> Option<Date> {
    let datetime = value.get_ref().as_datetime().filter(|datetime| datetime.time.is_none());
    let date = datetime.and_then(|datetime| datetime.date);
    if date.is_none() {
        problems.add(&value.span(), format!("a date such as 2024-06-30 belongs here, not {}", kind(value)));
    }
    date
}

/// Reads a table whose keys are free, with what `read` makes of each value.
pub fn map<'a, T>(
    value: &'a Spanned<DeValue<'a>>,
    problems: &mut Problems<'_>,
    mut read: impl FnMut(&'a Spanned<DeValue<'a>>, &mut Problems<'_>) -> Option<T>,
) -> BTreeMap<&'a str, T> {
    let Some(table) = table(value, problems) else { return BTreeMap::new() };
    let read = |(name, entry): (_, Entry<'a>)| Some((name, read(entry.value, problems)?));
    table.entries.into_iter().filter_map(read).collect()
}

/// Reads a table.
pub fn table<'a>(value: &'a Spanned<DeValue<'a>>, problems: &mut Problems<'_>) -> Option<Table<'a>> {
    let Some(table) = value.get_ref().as_table() else {
        problems.add(&value.span(), format!("a table belongs here, not {}", kind(value)));
        return None;
    };
    Some(Table::new(value.span(), table))
}

/// Reads an array of what `of` names; empty where it is something else.
pub fn array<'a>(
    value: &'a Spanned<DeValue<'a>>,
    of: &str,
    problems: &mut Problems<'_>,
) -> &'a [Spanned<DeValue<'a>>] {
    let Some(array) = value.get_ref().as_array() else {
        problems.add(&value.span(), format!("an array of {of} belongs here, not {}", kind(value)));
        return &[];
    };
    array
}

fn kind(value: &Spanned<DeValue<'_>>) -> String {
    let name = value.get_ref().type_str();
    let article = if name.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {name}")
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let mut problems = Problems::new("f", text);
        read(text, &mut problems, |mut top, problems| {
            top.required_string("name", problems);
            top.strings("words", problems);
            top.map("days", problems, date);
            for mut item in top.tables("item", problems) {
                item.string("key", problems);
                item.finish(problems);
            }
            top.finish(problems);
        });
        let found = problems.or(()).err().unwrap_or_default();
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_table_that_is_right_has_no_problem() {
        check("name = 'a'\nwords = ['b']\ndays = { x = 2024-06-30 }\n[[item]]\nkey = 'k'\n", &[]);
    }

    #[test]
    fn every_problem_of_a_file_is_found_in_one_run() {
        check(
            "words = [1, 'b', true]\ndays = { x = 2024-06-30T01:02:03, y = 'z' }\n[[item]]\nkye = 'k'\nkey = 1.5\n",
            &[
                "f:1:1: `name` is missing",
                "f:1:10: a string belongs here, not an integer",
                "f:1:18: a string belongs here, not a boolean",
                "f:2:14: a date such as 2024-06-30 belongs here, not a datetime",
                "f:2:39: a date such as 2024-06-30 belongs here, not a string",
                "f:4:1: `kye` is not a key here; known are `key`",
                "f:5:7: a string belongs here, not a float",
            ],
        );
        check(
            "name = []\nwords = 'w'\ndays = 3\nitem = {}\n",
            &[
                "f:1:8: a string belongs here, not an array",
                "f:2:9: an array of strings belongs here, not a string",
                "f:3:8: a table belongs here, not an integer",
                "f:4:8: an array of tables belongs here, not a table",
            ],
        );
    }

    #[test]
    fn what_follows_an_error_of_syntax_is_still_read() {
        let text = "name = \nother = 1\n";
        let mut problems = Problems::new("f", text);
        read(text, &mut problems, |mut top, problems| {
            top.strings("words", problems);
            top.finish(problems);
        });
        let found = problems.or(()).unwrap_err();
        assert_eq!(found.first().map(|problem| problem.line), Some(1));
        assert!(found.iter().any(|problem| problem.message.starts_with("`other` is not a key")), "{found:?}");
    }
}
