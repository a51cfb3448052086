//! What a machine can be asked, and what comes back, as data: the same question is answered by a root that is read
//! directly, by a child process that may be abandoned, by a capture, or by an archive.

use std::borrow::Cow;
use std::ops::Deref;
use std::time::Duration;

use kernmend_core::document::snapshot::Space;
use kernmend_core::knowledge::signal::SignalSet;
use kernmend_core::scan::{Clock, Scan};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Content};
use super::command::Known;
use super::listing::{Listing, Want};
use super::markers::MarkerScan;
use super::projection;
use super::tree::Tree;
use super::window::{self, Log, WindowReading};

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    Read { path: String, max: usize },
    Link { path: String },
    Identity { path: String },
    Size { path: String },
    Space { path: String },
    List { path: String, want: Want, max: usize },
    Window { log: Log, newest: u64, booted_at: Option<i64>, collected_at: Option<i64> },
    Markers { path: String, max: u64 },
    Sandboxes { path: String },
    Command { known: Known, max: usize, deadline_ms: u64 },
}

/// What comes back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    Content(Answer<Content>),
    Link(Answer<String>),
    Identity(Answer<(u64, u64)>),
    Size(Answer<u64>),
    Space(Answer<Space>),
    Listing(Answer<Listing>),
    Window(Answer<Window>),
    Markers(Answer<MarkerScan>),
}

impl Reply {
    /// The error that came back instead of an answer.
    pub(super) fn errno(&self) -> Option<Errno> {
        fn of<T>(answer: &Answer<T>) -> Option<Errno> {
            match answer {
                Answer::Failed(errno) => Some(*errno),
                Answer::Got(_) | Answer::Absent | Answer::NotCaptured => None,
            }
        }
        match self {
            Self::Content(answer) => of(answer),
            Self::Link(answer) => of(answer),
            Self::Identity(answer) => of(answer),
            Self::Size(answer) => of(answer),
            Self::Space(answer) => of(answer),
            Self::Listing(answer) => of(answer),
            Self::Window(answer) => of(answer),
            Self::Markers(answer) => of(answer),
        }
    }
}

/// A stretch of a log: what was read, and the signals in it. The text itself is kept nowhere.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Window {
    /// Which files, and how much of them.
    pub reading: WindowReading,
    /// What was found.
    pub scan: Scan,
}

impl Request {
    /// The question without its bounds, as a capture files it: a later version may ask for more or for less.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Read { path, .. } => format!("read {path}"),
            Self::Link { path } => format!("link {path}"),
            Self::Identity { path } => format!("identity {path}"),
            Self::Size { path } => format!("size {path}"),
            Self::Space { path } => format!("space {path}"),
            Self::List { path, want: Want::All, .. } => format!("list {path}"),
            Self::List { path, want: Want::Directories, .. } => format!("directories {path}"),
            Self::Window { log, .. } => format!("window {}", log.name()),
            Self::Markers { path, .. } => format!("markers {path}"),
            Self::Sandboxes { path } => format!("sandboxes {path}"),
            Self::Command { known, .. } => format!("command {}", known.line()),
        }
    }

    /// What is asked about: a path, or the program that is run.
    pub(super) fn subject(&self) -> Cow<'_, str> {
        let program = |known: &Known| known.argv().swap_remove(0).into();
        match self {
            Self::Read { path, .. }
            | Self::Link { path }
            | Self::Identity { path }
            | Self::Size { path }
            | Self::Space { path }
            | Self::List { path, .. }
            | Self::Sandboxes { path }
            | Self::Markers { path, .. } => path.into(),
            Self::Window { log: Log::Command(known), .. } | Self::Command { known, .. } => program(known),
            Self::Window { log, .. } => log.name().into(),
        }
    }

    /// Whether the answer takes a whole log or a whole program to be read, or another program to be run.
    pub(super) fn takes_long(&self) -> bool {
        matches!(self, Self::Window { .. } | Self::Markers { .. } | Self::Command { .. })
    }

    /// Asks a tree directly. The signals are looked at for a log only, so that they can be read as late as that.
    pub(super) fn answer(&self, tree: &impl Tree, signals: &impl Deref<Target = SignalSet>) -> Reply {
        match self {
            Self::Read { path, max } => {
                Reply::Content(tree.read(path, *max).map(|content| projection::project(path, content)))
            }
            Self::Link { path } => Reply::Link(tree.link(path)),
            Self::Identity { path } => Reply::Identity(tree.identity(path)),
            Self::Size { path } => Reply::Size(tree.size(path)),
            Self::Space { path } => Reply::Space(tree.space(path)),
            Self::List { path, want, max } => Reply::Listing(tree.list(path, *want, *max)),
            Self::Window { log, newest, booted_at, collected_at } => {
                let clock = Clock {
                    booted_at_unix_ms: *booted_at,
                    collected_at_unix_ms: *collected_at,
                    zone: zone(tree),
                };
                Reply::Window(window::read(tree, log, *newest, clock, signals))
            }
            Self::Markers { path, max } => Reply::Markers(tree.markers(path, *max)),
            Self::Sandboxes { path } => Reply::Content(tree.sandboxes(path)),
            Self::Command { known, max, deadline_ms } => {
                let output = tree.command(known, *max, Duration::from_millis(*deadline_ms));
                Reply::Content(output.map(|content| projection::project_output(known, content)))
            }
        }
    }

    /// The answer that something stood in the way, in the shape that this question asks for.
    pub(super) fn refused(&self, answer: Answer<std::convert::Infallible>) -> Reply {
        fn never<T>(answer: Answer<std::convert::Infallible>) -> Answer<T> {
            answer.map(|never| match never {})
        }
        match self {
            Self::Read { .. } | Self::Sandboxes { .. } | Self::Command { .. } => {
                Reply::Content(never(answer))
            }
            Self::Link { .. } => Reply::Link(never(answer)),
            Self::Identity { .. } => Reply::Identity(never(answer)),
            Self::Size { .. } => Reply::Size(never(answer)),
            Self::Space { .. } => Reply::Space(never(answer)),
            Self::List { .. } => Reply::Listing(never(answer)),
            Self::Window { .. } => Reply::Window(never(answer)),
            Self::Markers { .. } => Reply::Markers(never(answer)),
        }
    }
}

/// The zone of the stamps in the node's logs.
fn zone(tree: &impl Tree) -> jiff::tz::TimeZone {
    const MAX_ZONE: usize = 64 * 1024;
    let file = tree.read("/etc/localtime", MAX_ZONE).got();
    let zone = file.and_then(|content| jiff::tz::TimeZone::tzif("local", &content.bytes).ok());
    zone.unwrap_or(jiff::tz::TimeZone::UTC)
}
