//! The one handle through which a machine is read, over a live root or a directory that is laid out like one.
//!
//! Its verbs are `read`, `list`, `window`, `markers` and `command`. Bounds are applied in here, before a collector sees
//! a byte, and links are followed as the root's own: none leads out of a directory. It must not write, and it must not
//! judge what it reads.

mod listing;
pub mod markers;
mod open;
mod sidecar;
mod window;

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ChildStdout;
use std::time::{Duration, Instant};

use kernmend_core::document::snapshot::Origin;
use kernmend_core::document::{Fact, Reason, Why};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;
use rustix::io::Errno;

pub use self::listing::{Kind, Listing, Want};
use self::markers::MarkerScan;
pub use self::open::OpenRootError;
use self::sidecar::Sidecars;
pub use self::window::{Log, WindowReading};

/// What the machine answered.
#[derive(Debug)]
pub enum Answer<T> {
    /// What was asked for.
    Got(T),
    /// It is known that there is none.
    Absent,
    /// It isn't in the directory, and the place isn't complete enough to say that it is absent.
    NotCaptured,
    /// The system refused, or failed.
    Failed(Errno),
}

impl<T> Answer<T> {
    /// The answer as a fact about `path`.
    pub fn fact(self, path: &str) -> Fact<T> {
        match self {
            Self::Got(value) => Fact::known(value, path),
            Self::Absent => Fact::Absent { from: path.to_owned() },
            Self::NotCaptured => Fact::unknown(Reason::NotCaptured, path, ""),
            Self::Failed(errno) => Fact::Unknown { why: why(errno, path) },
        }
    }

    /// The answer with its value seen through `f`.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Got(value) => Answer::Got(f(value)),
            Self::Absent => Answer::Absent,
            Self::NotCaptured => Answer::NotCaptured,
            Self::Failed(errno) => Answer::Failed(errno),
        }
    }

    /// The value, where there is one.
    pub fn got(self) -> Option<T> {
        match self {
            Self::Got(value) => Some(value),
            Self::Absent | Self::NotCaptured | Self::Failed(_) => None,
        }
    }

    /// What stood in the way, where something did; an absence doesn't.
    pub fn obstacle(&self, path: &str) -> Option<Why> {
        match self {
            Self::Got(_) | Self::Absent => None,
            Self::NotCaptured => {
                Some(Why { reason: Reason::NotCaptured, path: path.to_owned(), detail: String::new() })
            }
            Self::Failed(errno) => Some(why(*errno, path)),
        }
    }
}

/// An error of the system as the reason of a missing fact.
fn why(errno: Errno, path: &str) -> Why {
    let reason = match errno {
        Errno::ACCESS | Errno::PERM => Reason::PermissionDenied,
        Errno::TIMEDOUT => Reason::DeadlineExceeded,
        _ => Reason::ReadFailed,
    };
    let said = std::io::Error::from(errno).to_string();
    // The number says nothing that the words don't.
    let detail = said.split(" (os error").next().unwrap_or_default().to_owned();
    Why { reason, path: path.to_owned(), detail }
}

/// What was read of a file.
#[derive(Debug)]
pub struct Content {
    /// At most as many bytes as were asked for.
    pub bytes: Vec<u8>,
    /// Whether there are more.
    pub cut: bool,
}

impl Content {
    /// The content as text; what isn't UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// A command that may be run on a live machine: this list is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// The kernel's lines of this boot from the journal.
    JournalKernel,
    /// The lines of container runtimes and kubelet of this boot from the journal.
    JournalUnits,
    /// `PATH --version` of a container runtime or kubelet that was found at that path.
    Version(String),
}

impl Known {
    /// The argument vector.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        const JOURNAL: &[&str] = &["journalctl", "--no-pager", "--quiet", "--boot", "--output=short-iso"];
        const UNITS: &[&str] =
            &["kubelet", "docker", "containerd", "crio", "k3s", "k3s-agent", "rke2-server", "rke2-agent"];
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        match self {
            Self::JournalKernel => [owned(JOURNAL), owned(&["--dmesg"])].concat(),
            Self::JournalUnits => {
                let units = UNITS.iter().map(|unit| format!("--unit={unit}")).collect();
                [owned(JOURNAL), units].concat()
            }
            Self::Version(path) => vec![path.clone(), "--version".to_owned()],
        }
    }
}

/// One machine, read.
pub struct Host {
    origin: Origin,
    root: OwnedFd,
    path: PathBuf,
    sidecars: Sidecars,
    progress: Box<dyn Fn(Stage<'_>)>,
}

/// What a reading is at, for a progress display.
#[derive(Debug, Clone, Copy)]
pub enum Stage<'a> {
    /// Counting cgroups: so many so far.
    Cgroups(u64),
    /// Scanning this log.
    Log(&'a str),
    /// Reading this program.
    Program(&'a str),
}

/// Files of `/proc` and `/sys` say that they are empty and then aren't, so they are read until their end; this is the
/// first buffer.
const FIRST_BUFFER: usize = 4096;

impl Host {
    /// The machine that this runs on.
    pub fn live() -> Result<Self, OpenRootError> {
        Self::open(Path::new("/"), Origin::Live)
    }

    /// A directory that is laid out like a root file system.
    pub fn directory(path: &Path) -> Result<Self, OpenRootError> {
        Self::open(path, Origin::Directory)
    }

    fn open(path: &Path, origin: Origin) -> Result<Self, OpenRootError> {
        let root = open::root(path)?;
        let mut host = Self {
            origin,
            root,
            path: path.to_owned(),
            sidecars: Sidecars::default(),
            progress: Box::new(|_| ()),
        };
        if origin == Origin::Directory {
            host.sidecars = Sidecars::read(&host);
        }
        Ok(host)
    }

    /// Calls `progress` when a long reading goes on.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Fn(Stage<'_>) + 'static) -> Self {
        self.progress = Box::new(progress);
        self
    }

    /// Says what a long reading is at.
    pub fn at(&self, stage: Stage<'_>) {
        (self.progress)(stage);
    }

    /// What is read.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// A number from `_counts.txt` of a captured root.
    #[must_use]
    pub fn captured_count(&self, name: &str) -> Option<u64> {
        self.sidecars.count(name)
    }

    /// At most `max` bytes of a file.
    pub fn read(&self, path: &str, max: usize) -> Answer<Content> {
        match self.open_file(path) {
            Ok(file) => match read_bounded(file, max) {
                Ok(content) => Answer::Got(content),
                Err(errno) => Answer::Failed(errno),
            },
            Err(errno) => self.missing(path, errno),
        }
    }

    /// A whole small text file as a fact; one that is longer than `max` bytes is cut, which makes it unknown.
    pub fn text(&self, path: &str, max: usize) -> Fact<String> {
        match self.read(path, max) {
            Answer::Got(content) if content.cut => {
                Fact::unknown(Reason::Cut, path, format!("longer than {max} bytes"))
            }
            answer => answer.map(|content| content.text()).fact(path),
        }
    }

    /// The target of a link, as it stands there.
    pub fn link(&self, path: &str) -> Answer<String> {
        match open::read_link(&self.root, path, self.origin) {
            Ok(target) => Answer::Got(target),
            Err(errno) => self.missing(path, errno),
        }
    }

    /// Whether there is something at `path`.
    pub fn exists(&self, path: &str) -> Answer<()> {
        match open::open(&self.root, path, OFlags::PATH, self.origin) {
            Ok(_) => Answer::Got(()),
            Err(errno) => self.missing(path, errno),
        }
    }

    /// Whether two paths are one and the same file, through links: a merged `/usr` has each program twice.
    pub fn identity(&self, path: &str) -> Answer<(u64, u64)> {
        let stat =
            open::open(&self.root, path, OFlags::PATH, self.origin).and_then(|fd| rustix::fs::fstat(&fd));
        match stat {
            Ok(stat) => Answer::Got((stat.st_dev, stat.st_ino)),
            Err(errno) => self.missing(path, errno),
        }
    }

    /// The entries of a directory, at most `max`, and their full number.
    pub fn list(&self, path: &str, want: Want, max: usize) -> Answer<Listing> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
        match open::open(&self.root, path, flags, self.origin) {
            Ok(fd) => match Listing::read(&fd, want, max) {
                Ok(listing) => Answer::Got(listing),
                Err(errno) => Answer::Failed(errno),
            },
            Err(errno) => match self.sidecars.listing(self, path, max) {
                Some(listing) => Answer::Got(listing),
                None => self.missing(path, errno),
            },
        }
    }

    /// What a program file holds, at most `max` bytes of it. The file itself is kept nowhere.
    pub fn markers(&self, path: &str, max: u64) -> Answer<MarkerScan> {
        self.at(Stage::Program(path));
        let file = match self.open_file(path) {
            Ok(file) => file,
            Err(errno) => return self.missing(path, errno),
        };
        match markers::scan(&mut &file, max) {
            Ok(scan) => Answer::Got(scan),
            Err(error) => Answer::Failed(errno_of(&error.source)),
        }
    }

    /// Runs a known command and gives at most `max` bytes of its output; only a live machine has commands. One that isn't
    /// done within `deadline` is ended.
    pub fn command(&self, known: &Known, max: usize, deadline: Duration) -> Answer<Content> {
        if self.origin != Origin::Live {
            return Answer::NotCaptured;
        }
        let argv = known.argv();
        let child = std::process::Command::new(&argv[0])
            .args(&argv[1..])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .stdin(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Answer::Absent,
            Err(error) => return Answer::Failed(errno_of(&error)),
        };
        let stdout = child.stdout.take().expect("standard output was asked for");
        let content = read_bounded(Deadline { pipe: stdout, ends: Instant::now() + deadline }, max);
        // It may still be running, or writing to a pipe that nobody reads: what is beyond the bounds isn't wanted.
        let _ = child.kill();
        let _ = child.wait();
        match content {
            Ok(content) => Answer::Got(content),
            Err(errno) => Answer::Failed(errno),
        }
    }

    /// Opens a regular file (or the kernel log) for reading.
    fn open_file(&self, path: &str) -> Result<File, Errno> {
        // A FIFO would wait for a writer, and a terminal could become ours.
        let fd =
            open::open(&self.root, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY, self.origin)?;
        let kind = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
        match kind {
            rustix::fs::FileType::RegularFile => Ok(File::from(fd)),
            rustix::fs::FileType::Directory => Err(Errno::ISDIR),
            rustix::fs::FileType::CharacterDevice if self.origin == Origin::Live && path == "/dev/kmsg" => {
                Ok(File::from(fd))
            }
            _ => Err(Errno::INVAL),
        }
    }

    /// What an error on opening means: an absence is one only where the place is complete.
    fn missing<T>(&self, path: &str, errno: Errno) -> Answer<T> {
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
            if let Ok(fd) = open::open(&self.root, parent, OFlags::PATH | OFlags::DIRECTORY, self.origin) {
                return !kernel_file_system || open::is_kernel_file_system(&fd);
            }
            above = parent;
        }
        false
    }

    /// The root's own path, to be named in messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The output of a command, until its time is up.
struct Deadline {
    pipe: ChildStdout,
    ends: Instant,
}

impl Read for Deadline {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.ends.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(|_| std::io::Error::from(Errno::INVAL))?;
        let mut waiting = [PollFd::new(&self.pipe, PollFlags::IN)];
        if left.is_zero() || rustix::event::poll(&mut waiting, Some(&timeout))? == 0 {
            return Err(Errno::TIMEDOUT.into());
        }
        self.pipe.read(buffer)
    }
}

/// The errno of an IO error; one that has none is an EIO.
fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error)
}

/// Reads at most `max` bytes, and looks whether there are more.
fn read_bounded(mut file: impl Read, max: usize) -> Result<Content, Errno> {
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
