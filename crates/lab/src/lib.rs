//! What the tests need that take root or a real machine: real control groups, root trees to point kernmend at,
//! processes that are measured, packages of a distribution, virtual machines. Nothing of the product uses it, and it
//! doesn't run in a plain `cargo test`: `cargo xtask test` runs it, and tells it where the program under test is.

pub mod build;
mod cache;
pub mod cgroup_farm;
mod command;
pub mod debian;
pub mod downtime;
pub mod enterprise;
pub mod gaps;
pub mod go;
pub mod grub_emu;
pub mod hung;
pub mod kernmend;
pub mod log;
pub mod measure;
pub mod node;
pub mod node_root;
pub mod sweep;
pub mod table;
pub mod vm;

use std::io;
use std::path::PathBuf;

/// Why the lab couldn't set something up. It is never a reason to leave a test out.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A file, directory or mount.
    #[error("{act} `{}`", path.display())]
    File {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A process.
    #[error("running `{command}`")]
    Process {
        /// The command.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// A process ended with an error.
    #[error("`{command}` failed: {said}")]
    Failed {
        /// The command.
        command: String,
        /// The end of what it said.
        said: String,
    },
    /// This machine lacks something.
    #[error("this machine has {missing}; {mend}")]
    Missing {
        /// What it lacks.
        missing: &'static str,
        /// What would help.
        mend: &'static str,
    },
    /// A table of a sweep.
    #[error("the table of a sweep is not one: {0}")]
    Table(String),
    /// The measuring program's answer isn't what was agreed.
    #[error("the measuring program answered `{0}`")]
    Measurement(String),
}

impl LabError {
    fn file(act: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { act, path, source }
    }
}
