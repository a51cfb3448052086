//! GRUB's environment block (`grubenv`): the variables that outlive a boot. It is read as GRUB reads it: without its first
//! line a block is no block, whatever else it holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The line without which GRUB refuses a block.
const HEADER: &[u8] = b"# GRUB Environment Block\n";

/// The size that the tools make, and keep: GRUB never changes the size of a file.
pub const USUAL_SIZE: usize = 1024;

/// No more variables are kept of one block; a real one holds a dozen.
const MAX_VARIABLES: usize = 1024;

/// An environment block, or what stands in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// The variables in their order.
    pub variables: Vec<(String, String)>,
    /// Bytes of the file.
    pub size: usize,
    /// What is wrong with it.
    pub problem: Option<EnvironmentProblem>,
}

/// What is wrong with a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentProblem {
    /// It holds nothing. GRUB can't write to it either.
    Empty,
    /// The first line isn't GRUB's: GRUB reads no variable of it.
    NoHeader,
    /// GRUB reads it, but it isn't 1,024 bytes long, as after an edit by hand.
    OddSize,
}

impl Environment {
    /// Reads a block as GRUB does.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let problem = if bytes.is_empty() {
            Some(EnvironmentProblem::Empty)
        } else if !bytes.starts_with(HEADER) {
            Some(EnvironmentProblem::NoHeader)
        } else if bytes.len() != USUAL_SIZE {
            Some(EnvironmentProblem::OddSize)
        } else {
            None
        };
        let readable = !matches!(problem, Some(EnvironmentProblem::Empty | EnvironmentProblem::NoHeader));
        let variables = if readable { variables(bytes) } else { Vec::new() };
        Self { variables, size: bytes.len(), problem }
    }

    /// Reads what `grub-editenv list` prints: the variables without the block around them. None where that isn't what it
    /// is.
    #[must_use]
    pub fn of_listing(text: &str) -> Option<Self> {
        let lines = || text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let is_assignment = |line: &str| {
            line.split_once('=').is_some_and(|(name, _)| {
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            })
        };
        let is_listing = lines().next().is_some() && lines().all(is_assignment);
        is_listing.then(|| Self { variables: variables(text.as_bytes()), size: text.len(), problem: None })
    }

    /// The value of a variable; one that is empty counts as one that isn't there, as GRUB's own scripts have it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Whether GRUB reads variables from it.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        !matches!(self.problem, Some(EnvironmentProblem::Empty | EnvironmentProblem::NoHeader))
    }
}

/// `name=value` lines; `#` fills what is left. A backslash takes the next byte as it is, a line's end too.
fn variables(bytes: &[u8]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() && found.len() < MAX_VARIABLES {
        let mut line = Vec::new();
        let mut at = 0;
        while let Some(&byte) = rest.get(at) {
            match byte {
                b'\n' => break,
                b'\\' if rest.get(at + 1).is_some() && rest[0] != b'#' => {
                    at += 1;
                    line.push(rest[at]);
                }
                _ => line.push(byte),
            }
            at += 1;
        }
        let is_comment = rest[0] == b'#';
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(equals) = line.iter().position(|byte| *byte == b'=').filter(|_| !is_comment) {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            found.push((text(&line[..equals]), text(&line[equals + 1..])));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(lines: &str) -> Vec<u8> {
        let mut bytes = [HEADER, lines.as_bytes()].concat();
        bytes.resize(USUAL_SIZE, b'#');
        bytes
    }

    #[test]
    fn a_block_gives_its_variables() {
        let read = Environment::parse(&block("saved_entry=Linux (5.1)\nnext_entry=\nkernelopts=a=b c\n"));
        assert_eq!(read.problem, None);
        assert_eq!(read.get("saved_entry"), Some("Linux (5.1)"));
        assert_eq!(read.get("next_entry"), None);
        assert_eq!(read.get("kernelopts"), Some("a=b c"));
        assert_eq!(read.get("absent"), None);
    }

    #[test]
    fn a_value_keeps_an_escaped_line_end_and_backslash() {
        let read = Environment::parse(&block("a=x\\\ny\\\\z\nb=1\n"));
        assert_eq!((read.get("a"), read.get("b")), (Some("x\ny\\z"), Some("1")));
    }

    #[test]
    fn what_grub_refuses_has_no_variables() {
        for (bytes, expected) in [
            (&b""[..], EnvironmentProblem::Empty),
            (b"saved_entry=a\n", EnvironmentProblem::NoHeader),
            (b"# GRUB Environment Block\r\nsaved_entry=a\n", EnvironmentProblem::NoHeader),
        ] {
            let read = Environment::parse(bytes);
            assert_eq!(read.problem, Some(expected));
            assert!(read.variables.is_empty() && !read.is_readable());
        }
        let short = Environment::parse(b"# GRUB Environment Block\nsaved_entry=a\n####");
        assert_eq!((short.problem, short.get("saved_entry")), (Some(EnvironmentProblem::OddSize), Some("a")));
    }

    #[test]
    fn a_listing_is_told_from_an_error() {
        let read = Environment::of_listing("saved_entry=a b\nboot_success=0\n").unwrap();
        assert_eq!(read.get("saved_entry"), Some("a b"));
        assert_eq!(Environment::of_listing("editenv: error: no block."), None);
        assert_eq!(Environment::of_listing(""), None);
    }
}
