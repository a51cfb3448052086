//! Problems of knowledge files: what is wrong, and where. They are about text that a person wrote, never about a
//! machine; nothing here reads a file or prints.

use std::fmt;
use std::ops::Range;

/// One thing that is wrong in a knowledge file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, as it was named to the reader.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong: a lower-case fragment without a full stop, values in backticks.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

/// Gathers the problems of one file, so that a reader can go on after the first.
#[derive(Debug)]
pub struct Problems<'a> {
    file: &'a str,
    text: &'a str,
    start: usize,
    found: Vec<Problem>,
}

impl<'a> Problems<'a> {
    /// Starts with none, for the file with this name and this text.
    #[must_use]
    pub const fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, start: 0, found: Vec::new() }
    }

    /// From here on places are given in bytes behind `start`: the TOML of an advisory is only a part of its file.
    pub const fn start_at(&mut self, start: usize) {
        self.start = start;
    }

    /// How many there are so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.found.len()
    }

    /// Adds one at a place, given in bytes of the text.
    pub fn add(&mut self, place: &Range<usize>, message: impl Into<String>) {
        let (line, column) = position(self.text, self.start + place.start);
        self.found.push(Problem { file: self.file.to_owned(), line, column, message: message.into() });
    }

    /// The file that they are about.
    #[must_use]
    pub const fn file(&self) -> &'a str {
        self.file
    }

    /// The line of a place, from 1.
    #[must_use]
    pub fn line(&self, place: &Range<usize>) -> usize {
        position(self.text, self.start + place.start).0
    }

    /// Whether there are none so far.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Gives `value` if there are none, else all of them in the order of the text.
    ///
    /// # Errors
    /// There are problems.
    pub fn or<T>(mut self, value: T) -> Result<T, Vec<Problem>> {
        self.found.sort();
        self.found.dedup();
        if self.found.is_empty() { Ok(value) } else { Err(self.found) }
    }
}

/// Line and column of a byte; the end of the text for one beyond it.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    let column = before[line_start..].chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_written_with_its_place() {
        let mut problems = Problems::new("streams.toml", "one\nzwölf = 3\n");
        problems.add(&(13..14), "`3` is no name");
        let found = problems.or(()).unwrap_err();
        assert_eq!(found[0].to_string(), "streams.toml:2:9: `3` is no name");
    }

    #[test]
    fn all_problems_are_given_in_the_order_of_the_text() {
        let mut problems = Problems::new("f", "a\nb\n");
        assert!(problems.is_empty());
        problems.add(&(2..3), "second");
        problems.add(&(0..1), "first");
        problems.add(&(99..99), "beyond the end");
        let found = problems.or(()).unwrap_err();
        assert_eq!(found.iter().map(|p| (p.line, p.column)).collect::<Vec<_>>(), [(1, 1), (2, 1), (3, 1)]);
    }

    #[test]
    fn without_problems_the_value_is_given() {
        assert_eq!(Problems::new("f", "").or(7), Ok(7));
    }
}
