//! Why a stage failed.

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why a stage failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A program isn't there or can't be started.
    #[error("starting `{program}`")]
    Start { program: String, source: io::Error },
    /// A program ended with another code than 0.
    #[error("`{command}` ended with {status}")]
    Ended { command: String, status: ExitStatus },
    /// A file could not be read or written.
    #[error("{act} `{}`", path.display())]
    File { act: &'static str, path: PathBuf, source: io::Error },
    /// A program printed something else than was agreed.
    #[error("reading the output of `{command}`")]
    Output { command: String, source: Box<dyn Error + Send + Sync> },
    /// The stage looked, and what it found is wrong. Each line is one problem.
    #[error("{}", .0.join("\n"))]
    Problems(Vec<String>),
    /// The stage rests on another one that failed.
    #[error("could not run: it needs `{0}`, which failed")]
    Needs(&'static str),
}

impl Failure {
    /// One problem.
    pub(crate) fn problem(text: impl Into<String>) -> Self {
        Self::Problems(vec![text.into()])
    }

    /// The same again, for a second stage that rests on the one that failed.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Needs(name) => Self::Needs(name),
            other => Self::Problems(vec![other.chain()]),
        }
    }

    /// The failure and everything behind it, in one text.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(error) = source {
            write!(text, ": {error}").expect("writing to a string can't fail");
            source = error.source();
        }
        text
    }
}
