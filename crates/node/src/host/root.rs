//! A root that is read directly: the machine's own, or a directory that is laid out like one.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use kernmend_core::document::snapshot::Origin;
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use super::answer::{Answer, Content, errno_of};
use super::listing::{Listing, Want};
use super::open::{self, OpenRootError};
use super::sidecar::Sidecars;

/// Files of `/proc` and `/sys` say that they are empty and then aren't, so they are read until their end; this is the
/// first buffer.
const FIRST_BUFFER: usize = 4096;

/// A root that is read directly.
pub(super) struct Root {
    pub(super) origin: Origin,
    fd: OwnedFd,
    sidecars: Sidecars,
}

impl Root {
    pub(super) fn open(path: &Path, origin: Origin) -> Result<Self, OpenRootError> {
        let mut root = Self { origin, fd: open::root(path)?, sidecars: Sidecars::default() };
        if origin == Origin::Directory {
            root.sidecars = Sidecars::read(&root);
        }
        Ok(root)
    }

    /// The path of the root without links, where `/proc` tells it.
    pub(super) fn real_path(&self) -> Option<String> {
        let link = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        std::fs::read_link(link).ok()?.into_os_string().into_string().ok()
    }

    pub(super) fn read(&self, path: &str, max: usize) -> Answer<Content> {
        match self.open_file(path) {
            Ok(file) => match read_bounded(file, max) {
                // The process ended after its file was opened.
                Err(Errno::SRCH) => Answer::Absent,
                result => result.into(),
            },
            Err(errno) => self.missing(path, errno),
        }
    }

    pub(super) fn link(&self, path: &str) -> Answer<String> {
        self.got_or_missing(path, open::read_link(&self.fd, path, self.origin))
    }

    pub(super) fn identity(&self, path: &str) -> Answer<(u64, u64)> {
        let stat =
            open::open(&self.fd, path, OFlags::PATH, self.origin).and_then(|fd| rustix::fs::fstat(&fd));
        self.got_or_missing(path, stat.map(|stat| (stat.st_dev, stat.st_ino)))
    }

    pub(super) fn list(&self, path: &str, want: Want, max: usize) -> Answer<Listing> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
        match open::open(&self.fd, path, flags, self.origin) {
            Ok(fd) => Listing::read(&fd, want, max).into(),
            Err(errno) => match self.sidecars.listing(self, path, max) {
                Some(listing) => Answer::Got(listing),
                None => self.missing(path, errno),
            },
        }
    }

    fn got_or_missing<T>(&self, path: &str, result: Result<T, Errno>) -> Answer<T> {
        match result {
            Ok(value) => Answer::Got(value),
            Err(errno) => self.missing(path, errno),
        }
    }

    /// Opens a regular file (or the kernel log) for reading.
    pub(super) fn open_file(&self, path: &str) -> Result<File, Errno> {
        let regular = |fd: &OwnedFd| match FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode) {
            FileType::RegularFile => Ok(()),
            FileType::Directory => Err(Errno::ISDIR),
            FileType::CharacterDevice if self.origin == Origin::Live && path == "/dev/kmsg" => Ok(()),
            _ => Err(Errno::INVAL),
        };
        // In somebody else's directory a device can stand in place of a file, and opening it can be an act: a watchdog
        // starts, a tape is wound. On the machine these are the machine's own files.
        if self.origin == Origin::Directory {
            regular(&open::open(&self.fd, path, OFlags::PATH, self.origin)?)?;
        }
        // A FIFO would wait for a writer, and a terminal could become ours.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = open::open(&self.fd, path, flags, self.origin)?;
        regular(&fd)?;
        Ok(File::from(fd))
    }

    /// What an error on opening means: an absence is one only where the place is complete.
    pub(super) fn missing<T>(&self, path: &str, errno: Errno) -> Answer<T> {
        if !matches!(errno, Errno::NOENT | Errno::NOTDIR) {
            return Answer::Failed(errno);
        }
        if let Some(errno) = self.sidecars.error(path) {
            return Answer::Failed(errno);
        }
        if self.origin == Origin::Live || self.sidecars.lacks(self, path) || self.is_complete_around(path) {
            Answer::Absent
        } else {
            Answer::NotCaptured
        }
    }

    /// Whether the nearest directory above `path` that is there can be taken for complete: it isn't the root itself,
    /// the directory isn't a capture of selected files, and a kernel file system is the real one (a copy of `/proc` is
    /// never all of it).
    fn is_complete_around(&self, path: &str) -> bool {
        if self.sidecars.partial() {
            return false;
        }
        let kernel_file_system =
            ["/proc/", "/sys/", "/dev/", "/run/"].iter().any(|top| path.starts_with(top));
        let mut above = path;
        while let Some((parent, _)) = above.rsplit_once('/') {
            if parent.is_empty() {
                return false;
            }
            if let Ok(fd) = open::open(&self.fd, parent, OFlags::PATH | OFlags::DIRECTORY, self.origin) {
                return !kernel_file_system || open::is_kernel_file_system(&fd);
            }
            above = parent;
        }
        false
    }
}

/// Reads at most `max` bytes, and looks whether there are more.
pub(super) fn read_bounded(mut file: impl Read, max: usize) -> Result<Content, Errno> {
    let mut bytes = vec![0; FIRST_BUFFER.min(max.max(1))];
    let mut len = 0;
    loop {
        match file.read(&mut bytes[len..]) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(errno_of(&error)),
        }
        if len > max {
            break;
        }
        if len == bytes.len() {
            // One byte more than may be kept, to see whether there is more.
            bytes.resize((len * 2).min(max + 1), 0);
        }
    }
    let cut = len > max;
    bytes.truncate(len.min(max));
    Ok(Content { bytes, cut })
}
