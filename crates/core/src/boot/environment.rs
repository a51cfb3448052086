//! GRUB's environment block (`grubenv`): the variables that outlive a boot. It is read as GRUB reads it: without its first
//! line a block is no block, whatever else it holds. What is written to one is worked out here too, and written elsewhere.

use std::collections::BTreeMap;

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

    /// The value of a variable as it stands there, an empty one too.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.variables.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether GRUB reads variables from it.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        !matches!(self.problem, Some(EnvironmentProblem::Empty | EnvironmentProblem::NoHeader))
    }
}

/// Why variables can't be written to a block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RewriteError {
    /// GRUB reads no variable of it, and so none that is added.
    #[error("it doesn't begin with the line of an environment block")]
    NoBlock,
    /// GRUB would read another name, or another variable.
    #[error("`{0}` is no name of a variable")]
    Name(String),
    /// The size can't change: GRUB writes to the blocks that the file has.
    #[error("the variables take {needed} bytes and the block has {size}")]
    NoRoom {
        /// Bytes that all variables would take.
        needed: usize,
        /// Bytes of the block.
        size: usize,
    },
}

/// A block of the same size with these variables set, or unset where there is no value. All other lines stay as they are
/// and where they are, byte for byte.
///
/// # Errors
/// It is no block, a name can't be one, or the block has no room.
pub fn rewrite(block: &[u8], changes: &BTreeMap<String, Option<String>>) -> Result<Vec<u8>, RewriteError> {
    if !block.starts_with(HEADER) {
        return Err(RewriteError::NoBlock);
    }
    let is_name = |name: &&String| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if let Some(name) = changes.keys().find(|name| !is_name(name)) {
        return Err(RewriteError::Name(name.clone()));
    }
    let mut written = HEADER.to_vec();
    let mut open: BTreeMap<&str, &Option<String>> =
        changes.iter().map(|(name, value)| (name.as_str(), value)).collect();
    let mut rest = &block[HEADER.len()..];
    while !rest.is_empty() {
        let (line, is_whole) = raw_line(rest);
        rest = &rest[line.len()..];
        let is_comment = line[0] == b'#';
        if is_comment && !is_whole {
            // What fills the block up to its end.
            break;
        }
        let name =
            line.split(|byte| *byte == b'=').next().filter(|name| name.len() < line.len() && !is_comment);
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        match name.filter(|name| changes.contains_key(*name)) {
            // The first of several lines of one name takes the new value, the others go.
            Some(name) => push(&mut written, name, open.remove(name).and_then(Option::as_deref)),
            None => {
                written.extend_from_slice(line);
                if !is_whole {
                    written.push(b'\n');
                }
            }
        }
    }
    for (name, value) in open {
        push(&mut written, name, value.as_deref());
    }
    if written.len() > block.len() {
        return Err(RewriteError::NoRoom { needed: written.len(), size: block.len() });
    }
    written.resize(block.len(), b'#');
    Ok(written)
}

/// The first line with its end, and whether it has one; behind a backslash a line's end is a part of the value.
fn raw_line(bytes: &[u8]) -> (&[u8], bool) {
    let is_comment = bytes.first() == Some(&b'#');
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\n' => return (&bytes[..=at], true),
            b'\\' if !is_comment => at += 2,
            _ => at += 1,
        }
    }
    (bytes, false)
}

/// Adds a variable's line as GRUB writes it (`grub-core/lib/envblk.c`); nothing for one without a value.
fn push(block: &mut Vec<u8>, name: &str, value: Option<&str>) {
    let Some(value) = value else { return };
    block.extend_from_slice(name.as_bytes());
    block.push(b'=');
    for byte in value.bytes() {
        if matches!(byte, b'\\' | b'\n') {
            block.push(b'\\');
        }
        block.push(byte);
    }
    block.push(b'\n');
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
    fn changes(changes: &[(&str, Option<&str>)]) -> BTreeMap<String, Option<String>> {
        changes.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()
    }

    #[test]
    fn a_rewritten_block_keeps_its_size_and_all_other_lines() {
        let before = block("# WARNING: not by hand\nsaved_entry=A\nodd=x\\\ny\nsaved_entry=B\n");
        let wanted =
            changes(&[("saved_entry", Some("C\\\n")), ("kernmend_tries", Some("1")), ("gone", None)]);
        let after = rewrite(&before, &wanted).unwrap();
        let expected = block("# WARNING: not by hand\nsaved_entry=C\\\\\\\n\nodd=x\\\ny\nkernmend_tries=1\n");
        assert_eq!(String::from_utf8_lossy(&after), String::from_utf8_lossy(&expected));
        assert_eq!(rewrite(&after, &wanted).unwrap(), after, "twice is once");
        assert_eq!(Environment::parse(&after).raw("saved_entry"), Some("C\\\n"));
        let back = changes(&[("saved_entry", Some("A")), ("kernmend_tries", None)]);
        assert_eq!(
            rewrite(&after, &back).unwrap(),
            block("# WARNING: not by hand\nsaved_entry=A\nodd=x\\\ny\n")
        );
    }

    #[test]
    fn what_cant_be_a_block_is_not_written() {
        let set = |name, value| changes(&[(name, Some(value))]);
        let (full, too_long) = ("x".repeat(996), "x".repeat(1000));
        for (bytes, wanted, expected) in [
            (Vec::new(), set("a", "1"), RewriteError::NoBlock),
            (b"a=1\n".to_vec(), set("a", "1"), RewriteError::NoBlock),
            (block(""), set("a b", "1"), RewriteError::Name("a b".to_owned())),
            (block(""), set("", "1"), RewriteError::Name(String::new())),
            (block(""), set("a", &too_long), RewriteError::NoRoom { needed: 1028, size: 1024 }),
        ] {
            assert_eq!(rewrite(&bytes, &wanted), Err(expected));
        }
        // To the last byte.
        let full = rewrite(&block(""), &set("a", &full)).unwrap();
        assert_eq!((full.len(), full.last()), (USUAL_SIZE, Some(&b'\n')));
        let torn = [HEADER, b"a=1\nb=2"].concat();
        assert_eq!(
            rewrite(&torn, &set("b", "3")).map_err(|e| e.to_string()),
            Err("the variables take 33 bytes and the block has 32".to_owned())
        );
    }
}
