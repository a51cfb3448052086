//! The journal: what was done on a node, written ahead. Its first line is the plan, each other line is one event. It is
//! data and its reading; what comes next is `crate::journal`'s to say.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::{Check, Plan, Running};
use super::{Digest, Document, ReadDocumentError};

/// What happened, with its moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Seconds since 1970 by the node's clock. It is for people: nothing is decided by it.
    pub at: i64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What can happen on the way of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A boot in which the plan is worked on, the first one too.
    Booted {
        /// The boot's identity.
        boot_id: String,
        /// What runs.
        running: Running,
    },
    /// A step is about to be done or taken back.
    Started {
        /// Its number in the plan, from 0.
        step: usize,
        /// Which way.
        pass: Pass,
        /// What is needed to take it back, where it is done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undo: Option<Undo>,
    },
    /// It was, and that was checked.
    Done {
        /// Its number in the plan, from 0.
        step: usize,
        /// Which way.
        pass: Pass,
    },
    /// It could not be.
    Failed {
        /// Its number in the plan, from 0.
        step: usize,
        /// Which way.
        pass: Pass,
        /// What stood in the way.
        why: String,
    },
    /// The machine is about to be rebooted.
    Rebooting {
        /// What should come up.
        into: Destination,
    },
    /// The trial boot, or the changed node, was held against the plan's checks.
    Judged {
        /// Whether all held.
        healthy: bool,
        /// Those that didn't, with what was seen instead.
        failed: Vec<FailedCheck>,
        /// Those that could not be told, with the reason: they hold nobody up.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        untold: Vec<FailedCheck>,
    },
    /// Somebody asked to have it all taken back.
    RollbackAsked,
    /// What a failed boot left behind was kept.
    Evidence {
        /// The files.
        files: Vec<String>,
    },
    /// It is over.
    Ended {
        /// How.
        outcome: Outcome,
    },
}

/// Which way a step is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pass {
    /// It is done.
    Act,
    /// It is taken back.
    Undo,
}

/// What a reboot should bring up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// The trial.
    Trial,
    /// What ran before the plan.
    Old,
    /// What was committed, after a power cut on the way there.
    New,
    /// The same as before, without anything of what ran before.
    Anew,
}

/// What is needed to take a step back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Undo {
    /// A file as it was.
    File {
        /// The digest under which its content was kept; none where there was no such file.
        before: Option<Digest>,
        /// Its permissions.
        mode: u32,
        /// What is put in its place; none where it is removed, or isn't made yet. On the way back a file that is neither
        /// of the two is somebody else's, and isn't touched.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Digest>,
        /// Directories that are made for it, the outer first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        directories: Vec<String>,
    },
    /// Variables of an environment block as they were; none for one that wasn't set.
    Environment {
        /// The value by name.
        variables: BTreeMap<String, Option<String>>,
    },
    /// A unit as it was.
    Unit {
        /// Whether it ran.
        active: bool,
    },
}

/// A check that didn't hold, or could not be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedCheck {
    /// Which.
    pub check: Check,
    /// What was seen instead.
    pub seen: String,
}

/// How a plan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It passed its trial, or was found healthy, and is in force.
    Committed,
    /// The trial failed, or the node wasn't healthy after the change: it is as it was.
    FellBack,
    /// A step failed before that, or somebody took it back: the node is as it was.
    Undone,
    /// It was in force and somebody took it back: the node is as it was.
    RolledBack,
}

/// A journal as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// The plan, its first line.
    pub plan: Document<Plan>,
    /// What happened since.
    pub entries: Vec<Entry>,
    /// Bytes of the text up to the end of its last whole line: what is behind is as if never written.
    pub whole: usize,
}

/// Why a text is no journal.
#[derive(Debug, thiserror::Error)]
pub enum ReadJournalError {
    /// The plan isn't there as a whole: nothing was begun.
    #[error("the journal ends before its plan does")]
    NoPlan,
    /// The first line is no plan that this version reads.
    #[error("the journal's first line is no plan")]
    Plan(#[source] ReadDocumentError),
    /// A line that others follow can't be read: not torn by a power cut, but damaged.
    #[error("line {line} of the journal is damaged")]
    Damaged {
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
}

impl Journal {
    /// Reads a journal. A last line that is torn is as if never written.
    ///
    /// # Errors
    /// It has no plan, or a line other than the last is damaged.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadJournalError> {
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').enumerate().peekable();
        let first = lines.next().map(|(_, line)| line).filter(|line| line.ends_with(b"\n"));
        let first = first.ok_or(ReadJournalError::NoPlan)?;
        let plan = Document::from_json(&String::from_utf8_lossy(first)).map_err(ReadJournalError::Plan)?;
        let mut journal = Self { plan, entries: Vec::new(), whole: first.len() };
        while let Some((number, line)) = lines.next() {
            match serde_json::from_slice(line) {
                Ok(entry) if line.ends_with(b"\n") => journal.entries.push(entry),
                // Without its end it was never acknowledged, even if what is there happens to read.
                _ if lines.peek().is_none() && !is_json_line(line) => break,
                Ok(_) => unreachable!("only the last line can lack its end"),
                Err(source) => return Err(ReadJournalError::Damaged { line: number + 1, source }),
            }
            journal.whole += line.len();
        }
        Ok(journal)
    }

    /// The line that begins a journal.
    #[must_use]
    pub fn first_line(plan: &Document<Plan>) -> String {
        line(plan)
    }

    /// The events in order.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.entries.iter().map(|entry| &entry.event)
    }
}

impl Entry {
    /// The line of a journal that says it.
    #[must_use]
    pub fn line(&self) -> String {
        line(self)
    }
}

/// Whether a line is whole JSON: what a power cut leaves isn't, and what another version wrote is.
fn is_json_line(line: &[u8]) -> bool {
    line.ends_with(b"\n") && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

/// JSON escapes all line ends inside strings: one value is one line.
fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("events and plans are plain data") + "\n"
}

#[cfg(test)]
mod tests;
