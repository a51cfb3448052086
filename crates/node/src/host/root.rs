//! A root that is read directly: the machine's own, or a directory that is laid out like one.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use std::time::Duration;

use kernmend_core::document::snapshot::{Origin, Space};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use super::answer::{Answer, Content, errno_of};
use super::command::{self, Known};
use super::listing::{Listing, Want};
use super::markers::{self, MarkerScan};
use super::open::{self, OpenRootError};
use super::sandboxes;
use super::sidecar::Sidecars;
use super::tree::{Captured, Tree};
use super::window::{self, KMSG, LogFile, MAX_LOG_DIR, Sink, WindowReading};

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
            FileType::CharacterDevice if self.origin == Origin::Live && path == KMSG => Ok(()),
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
}

impl Tree for Root {
    fn read(&self, path: &str, max: usize) -> Answer<Content> {
        match self.open_file(path) {
            Ok(file) => match read_bounded(file, max) {
                // The process ended after its file was opened.
                Err(Errno::SRCH) => Answer::Absent,
                result => result.into(),
            },
            Err(errno) => self.missing(path, errno),
        }
    }

    fn link(&self, path: &str) -> Answer<String> {
        self.got_or_missing(path, open::read_link(&self.fd, path, self.origin))
    }

    fn identity(&self, path: &str) -> Answer<(u64, u64)> {
        let stat =
            open::open(&self.fd, path, OFlags::PATH, self.origin).and_then(|fd| rustix::fs::fstat(&fd));
        self.got_or_missing(path, stat.map(|stat| (stat.st_dev, stat.st_ino)))
    }

    fn size(&self, path: &str) -> Answer<u64> {
        let stat =
            open::open(&self.fd, path, OFlags::PATH, self.origin).and_then(|fd| rustix::fs::fstat(&fd));
        let size = stat.and_then(|stat| match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => u64::try_from(stat.st_size).map_err(|_| Errno::OVERFLOW),
            _ => Err(Errno::INVAL),
        });
        self.got_or_missing(path, size)
    }

    fn space(&self, path: &str) -> Answer<Space> {
        // Of a copy, this would be the room on the disk that the copy lies on.
        if self.origin != Origin::Live && self.is_complete("/proc", true) != Some(true) {
            return Answer::NotCaptured;
        }
        let stat =
            open::open(&self.fd, path, OFlags::PATH, self.origin).and_then(|fd| rustix::fs::fstatvfs(&fd));
        let space = stat.map(|stat| Space {
            free: stat.f_bfree.saturating_mul(stat.f_frsize),
            size: stat.f_blocks.saturating_mul(stat.f_frsize),
            free_inodes: (stat.f_files > 0).then_some(stat.f_ffree),
        });
        self.got_or_missing(path, space)
    }

    fn list(&self, path: &str, want: Want, max: usize) -> Answer<Listing> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
        match open::open(&self.fd, path, flags, self.origin) {
            Ok(fd) => Listing::read(&fd, want, max).into(),
            Err(errno) => match self.sidecars.listing(self, path, max) {
                Some(listing) if self.origin != Origin::Live => Answer::Got(listing),
                _ => self.missing(path, errno),
            },
        }
    }

    fn markers(&self, path: &str, max: u64) -> Answer<MarkerScan> {
        match self.open_file(path) {
            Ok(file) => match markers::scan(&mut &file, max) {
                Ok(scan) => Answer::Got(scan),
                Err(error) => Answer::Failed(errno_of(&error.source)),
            },
            Err(errno) => self.missing(path, errno),
        }
    }

    fn sandboxes(&self, path: &str) -> Answer<Content> {
        match self.open_file(path) {
            Ok(file) => sandboxes::read(&mut &file),
            Err(errno) => self.missing(path, errno),
        }
    }

    fn command(&self, known: &Known, max: usize, deadline: Duration) -> Answer<Content> {
        match self.origin {
            Origin::Live => command::run(known, max, deadline),
            _ => Answer::NotCaptured,
        }
    }

    fn kmsg(&self, sink: Sink<'_>) -> Answer<WindowReading> {
        match self.open_file(KMSG) {
            Ok(file) => window::read_kmsg(file, sink),
            Err(errno) => self.missing(KMSG, errno),
        }
    }

    fn log_names(&self, dir: &str) -> Answer<Listing> {
        self.list(dir, Want::All, MAX_LOG_DIR)
    }

    fn open_log(&self, path: &str) -> io::Result<Box<dyn LogFile + '_>> {
        Ok(Box::new(window::FileOnDisk::open(self.open_file(path)?, path)?))
    }

    fn stand_in(&self, _log: &str) -> Option<String> {
        None
    }

    fn has_whole_logs(&self) -> bool {
        true
    }

    fn missing<T>(&self, path: &str, errno: Errno) -> Answer<T> {
        match errno {
            Errno::NOENT | Errno::NOTDIR if self.origin == Origin::Live => Answer::Absent,
            _ => self.missing_beside(&self.sidecars, path, errno),
        }
    }
}

impl Captured for Root {
    fn content(&self, path: &str, max: usize) -> Result<Content, Errno> {
        read_bounded(self.open_file(path)?, max)
    }

    fn is_complete(&self, dir: &str, of_kernel: bool) -> Option<bool> {
        let fd = open::open(&self.fd, dir, OFlags::PATH | OFlags::DIRECTORY, self.origin).ok()?;
        Some(!of_kernel || open::is_kernel_file_system(&fd))
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
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
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
