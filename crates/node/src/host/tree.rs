//! What can be asked like a root file system: one that is read directly, or the tree of an archive. Which files a log has
//! and whether a missing file is absent is told for both in one way.

use std::io;
use std::time::Duration;

use kernmend_core::document::snapshot::Space;
use rustix::io::Errno;

use super::answer::{Answer, Content};
use super::command::Known;
use super::listing::{Listing, Want};
use super::markers::MarkerScan;
use super::sidecar::Sidecars;
use super::window::{LogFile, Sink, WindowReading};

/// What can be asked like a root file system.
pub(super) trait Tree {
    /// At most `max` bytes of a file.
    fn read(&self, path: &str, max: usize) -> Answer<Content>;

    /// The target of a link.
    fn link(&self, path: &str) -> Answer<String>;

    /// Device and inode of a file.
    fn identity(&self, path: &str) -> Answer<(u64, u64)>;

    /// Bytes of a regular file.
    fn size(&self, path: &str) -> Answer<u64>;

    /// The room on the file system that a path lies on; only the machine itself has any.
    fn space(&self, path: &str) -> Answer<Space>;

    /// The entries of a directory.
    fn list(&self, path: &str, want: Want, max: usize) -> Answer<Listing>;

    /// What a program file holds.
    fn markers(&self, path: &str, max: u64) -> Answer<MarkerScan>;

    /// The pod sandboxes in a database of containerd's.
    fn sandboxes(&self, path: &str) -> Answer<Content>;

    /// Runs a known command; only a live machine has commands.
    fn command(&self, known: &Known, max: usize, deadline: Duration) -> Answer<Content>;

    /// Gives the records of the kernel's own buffer to `sink`.
    fn kmsg(&self, sink: Sink<'_>) -> Answer<WindowReading>;

    /// The names in a directory of logs.
    fn log_names(&self, dir: &str) -> Answer<Listing>;

    /// Opens one file of a log.
    fn open_log(&self, path: &str) -> io::Result<Box<dyn LogFile + '_>>;

    /// The path of what else holds the lines of a log that isn't there as a file.
    fn stand_in(&self, log: &str) -> Option<String>;

    /// Whether all of a log that is left on the machine is here.
    fn has_whole_logs(&self) -> bool;

    /// What an error on opening means: an absence is one only where the place is complete.
    fn missing<T>(&self, path: &str, errno: Errno) -> Answer<T>;
}

/// The files beside which sidecars can stand.
pub(super) trait Captured {
    /// At most `max` bytes of a regular file.
    fn content(&self, path: &str, max: usize) -> Result<Content, Errno>;

    /// Whether a directory is there, and if so, whether it can be taken for complete. One of the kernel's own file systems
    /// (`of_kernel`) is so only where it is the real one: a copy of `/proc` is never all of it.
    fn is_complete(&self, dir: &str, of_kernel: bool) -> Option<bool>;

    /// What an error on opening `path` means, by what the sidecars say and by what is around it.
    fn missing_beside<T>(&self, sidecars: &Sidecars, path: &str, errno: Errno) -> Answer<T>
    where
        Self: Sized,
    {
        if !matches!(errno, Errno::NOENT | Errno::NOTDIR) {
            return Answer::Failed(errno);
        }
        if let Some(errno) = sidecars.error(path) {
            return Answer::Failed(errno);
        }
        if sidecars.lacks(self, path) || (!sidecars.partial() && is_complete_around(self, path)) {
            Answer::Absent
        } else {
            Answer::NotCaptured
        }
    }
}

/// Whether the nearest directory above `path` that is there can be taken for complete. The root itself can't.
fn is_complete_around(files: &impl Captured, path: &str) -> bool {
    let of_kernel = ["/proc/", "/sys/", "/dev/", "/run/"].iter().any(|top| path.starts_with(top));
    let mut above = path;
    while let Some((parent, _)) = above.rsplit_once('/') {
        if parent.is_empty() {
            return false;
        }
        if let Some(complete) = files.is_complete(parent, of_kernel) {
            return complete;
        }
        above = parent;
    }
    false
}
