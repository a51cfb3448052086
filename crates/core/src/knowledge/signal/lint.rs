//! Tries signals on the lines that their files say they must match and must not. It knows no signal itself.

use std::collections::BTreeMap;

use super::SignalSet;
use crate::knowledge::table::Placed;
use crate::scan::{Clock, Scanner};

/// A text that a signal must match, or must not.
pub(super) struct Vector {
    /// The number of the file that it stands in.
    pub(super) file: usize,
    /// The name of the signal.
    pub(super) signal: String,
    /// The text.
    pub(super) lines: Placed<String>,
    /// What must be found, with exactly these fields; nothing where the text must not match.
    pub(super) fields: Option<BTreeMap<String, String>>,
}

impl Vector {
    /// Scans the text, and gives what is wrong with what is found.
    pub(super) fn hold(&self, set: &SignalSet) -> Result<(), String> {
        let name = &self.signal;
        let mut scanner = Scanner::new(set, Clock::default());
        scanner.push(self.lines.value.as_bytes());
        let hits = scanner.finish().hits;
        let found: Vec<_> =
            hits.into_iter().filter(|hit| hit.signal == *name).map(|hit| hit.fields).collect();
        match &self.fields {
            None if found.is_empty() => Ok(()),
            None => Err(format!("`{name}` must not match this, and does with {}", show(&found))),
            Some(_) if found.is_empty() => Err(format!("`{name}` must match this, and does not")),
            Some(fields) if found.contains(fields) => Ok(()),
            Some(_) => Err(format!("`{name}` matches with other fields: {}", show(&found))),
        }
    }
}

fn show(found: &[BTreeMap<String, String>]) -> String {
    let one = |fields: &BTreeMap<String, String>| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name} = {value:?}")).collect();
        if fields.is_empty() { "no fields".to_owned() } else { fields.join(", ") }
    };
    found.iter().map(one).collect::<Vec<_>>().join("; ")
}
