//! The one way to change a machine. Every effect is a verb of [`Machine`]: [`Live`] has them on a real root, and tests put
//! one in its place that dies, or is full, at any of them. It must not decide anything: what is written, where and when is
//! `apply`'s.
//!
//! A verb that returns has done its work durably: what it wrote is on the disk, and so is the name by which it is found.

pub mod chamber;
mod live;
mod program;
pub mod scratch;
pub mod tool;

use std::io;
use std::time::Duration;

use kernmend_core::document::Digest;
use rustix::io::Errno;

pub use self::live::{Live, Lock};
pub use self::program::{Output, Program};

/// What can be done to a machine. Paths are absolute, and links are followed as the root's own.
pub trait Machine {
    /// A whole file as it is: without the projection that `Host` puts on what it reads, since what is replaced has to be
    /// known to the byte. None where there is none.
    ///
    /// # Errors
    /// It can't be read, isn't a regular file, or is longer than `max` bytes.
    fn read(&self, path: &str, max: usize) -> Result<Option<Vec<u8>>, MachineError>;

    /// The digest of a file, however long it is; none where there is none.
    ///
    /// # Errors
    /// It can't be read, or isn't a regular file.
    fn digest(&self, path: &str) -> Result<Option<Digest>, MachineError>;

    /// What a file is like; none where there is none.
    ///
    /// # Errors
    /// It can't be told.
    fn status(&self, path: &str) -> Result<Option<Status>, MachineError>;

    /// Whether there is a directory.
    ///
    /// # Errors
    /// It can't be told.
    fn is_directory(&self, path: &str) -> Result<bool, MachineError>;

    /// The names of a directory's entries that aren't directories, in order; none where there is no directory. At most
    /// [`MAX_NAMES`].
    ///
    /// # Errors
    /// It can't be read.
    fn list(&self, directory: &str) -> Result<Vec<String>, MachineError>;

    /// Makes a directory, where there isn't one.
    ///
    /// # Errors
    /// It can't be made, or something else is in its place.
    fn make_directory(&mut self, path: &str, mode: u32) -> Result<(), MachineError>;

    /// Removes a directory if it is there and empty.
    ///
    /// # Errors
    /// It can't be removed though it is empty.
    fn remove_directory(&mut self, path: &str) -> Result<(), MachineError>;

    /// Writes a file under another name and puts it in the place of `path`: at every moment there is the old content as
    /// a whole or the new. What is replaced hands on its permissions, owner, SELinux label and file capabilities; a new file
    /// gets `mode`. Where `path` is a link, its target is replaced.
    ///
    /// # Errors
    /// Something of it can't be done; the old file is there then.
    fn replace(&mut self, path: &str, content: &[u8], mode: u32) -> Result<(), MachineError>;

    /// The same with what another file holds, which is of any length and never in memory as a whole.
    ///
    /// # Errors
    /// Something of it can't be done, or `from` doesn't hold `content`; the old file is there then.
    fn copy(&mut self, from: &str, path: &str, content: &Digest, mode: u32) -> Result<(), MachineError>;

    /// Gives a file a second name beside its own, so that its blocks stay its own when it is replaced or removed: until
    /// that is settled a boot loader reads them. Nothing where there is no such file, or on a file system without second
    /// names, which has no journal either.
    ///
    /// # Errors
    /// It can't be given.
    fn keep(&mut self, path: &str) -> Result<(), MachineError>;

    /// Takes the second name away; nothing where there is none.
    ///
    /// # Errors
    /// It can't be taken.
    fn let_go(&mut self, path: &str) -> Result<(), MachineError>;

    /// Writes over a file in its place on the disk: a boot loader that writes to it knows it by its blocks.
    ///
    /// # Errors
    /// It isn't there, hasn't the length of `content`, or can't be written.
    fn overwrite(&mut self, path: &str, content: &[u8]) -> Result<(), MachineError>;

    /// Removes a file, or a link; nothing where there is none.
    ///
    /// # Errors
    /// It can't be removed.
    fn remove(&mut self, path: &str) -> Result<(), MachineError>;

    /// Adds to the end of a file that is there.
    ///
    /// # Errors
    /// It can't be written; a part may have been.
    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<(), MachineError>;

    /// Cuts a file off behind its first `length` bytes.
    ///
    /// # Errors
    /// It can't be.
    fn truncate(&mut self, path: &str, length: u64) -> Result<(), MachineError>;

    /// Brings all that was written to the file system that holds `path` to where a boot loader finds it, which reads
    /// the disk without replaying the file system's journal.
    ///
    /// # Errors
    /// It can't be told that it is there.
    fn settle(&mut self, path: &str) -> Result<(), MachineError>;

    /// Runs a program to its end, or until the deadline, when it is ended.
    ///
    /// # Errors
    /// It isn't there, can't be started, or didn't end.
    fn run(&mut self, program: &Program, deadline: Duration) -> Result<Output, MachineError>;

    /// Reboots. Where it returns, the machine is about to go down.
    ///
    /// # Errors
    /// Nothing brings it down.
    fn reboot(&mut self, how: Reboot) -> Result<(), MachineError>;

    /// Lets time pass.
    fn wait(&mut self, time: Duration);

    /// The time since the boot.
    fn uptime(&self) -> Duration;

    /// Seconds since 1970 by the machine's clock, for people.
    fn now(&self) -> i64;

    /// Takes the lock on a file, which is made where it isn't there, for as long as the answer lives.
    ///
    /// # Errors
    /// Somebody else holds it, or it can't be made.
    fn lock(&mut self, path: &str) -> Result<Lock, LockError>;
}

/// No more names of a directory are given: those that are listed here hold a handful.
pub const MAX_NAMES: usize = 1024;

/// What a file is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Bytes.
    pub size: u64,
    /// Permissions.
    pub mode: u32,
}

/// How a machine is rebooted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reboot {
    /// Units are stopped first.
    Orderly,
    /// At once: nothing is waited for that could hang.
    AtOnce,
}

/// An effect that failed, or a reading before it.
#[derive(Debug, thiserror::Error)]
#[error("{act} `{subject}`")]
pub struct MachineError {
    /// What was to be done, a verb.
    pub act: &'static str,
    /// With what: a path, or a program.
    pub subject: String,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl MachineError {
    /// An error of the system.
    #[must_use]
    pub fn new(act: &'static str, subject: &str, source: impl Into<io::Error>) -> Self {
        Self { act, subject: subject.to_owned(), source: source.into() }
    }

    /// The whole of it in one line, for a journal.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{self}: {}", self.source)
    }
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it.
    #[error("another kernmend is at work: process {}", holder.as_deref().unwrap_or("unknown"))]
    Held {
        /// Its process id, where it left one.
        holder: Option<String>,
    },
    /// The system refused.
    #[error(transparent)]
    Machine(#[from] MachineError),
}

/// For `map_err`: names what failed.
fn failed<'a>(act: &'static str, subject: &'a str) -> impl Fn(Errno) -> MachineError + use<'a> {
    move |errno| MachineError::new(act, subject, errno)
}
