//! The one handle through which a machine is read: live, from a directory that is laid out like a root file system, from
//! a capture, or from an archive that somebody else's tool made.
//!
//! Its verbs are `read` (with `link`, `identity`, `size` and `space`), `list`, `window`, `markers`,
//! `sandboxes` and `command`. Bounds, deadlines and
//! projection are applied in here, before a collector or the recorder sees a byte, and links are followed as the root's
//! own: none leads out of a directory. It must not write to the machine, and it must not judge what it reads.

mod answer;
pub(crate) mod archive;
mod bolt;
mod capture;
mod command;
mod listing;
pub mod markers;
mod mounts;
pub(crate) mod open;
mod projection;
mod redact;
mod request;
mod root;
mod sandboxes;
mod sidecar;
mod tree;
pub(crate) mod window;
mod worker;

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use kernmend_core::document::snapshot::{Origin, Space};
use kernmend_core::document::{Fact, Reason, Why};
use kernmend_core::knowledge::signal::SignalSet;
use rustix::io::Errno;

pub use self::answer::{Answer, Content};
pub use self::archive::{Oddity, ReadArchiveError, Remark};
pub use self::capture::CaptureError;
pub use self::command::Known;
pub use self::listing::{Kind, Listing, Want};
pub use self::open::OpenRootError;
pub use self::request::Window;
pub use self::window::{Log, WindowReading};
pub use self::worker::serve;

use self::archive::{Archive, Opened};
use self::capture::{Recorder, Recording};
use self::markers::MarkerScan;
use self::redact::Redactor;
use self::request::{Reply, Request};
use self::root::Root;
use self::worker::Worker;

/// One machine, read.
pub struct Host<'a> {
    source: Source,
    signals: &'a SignalSet,
    quick: bool,
    redactor: Option<RefCell<Redactor>>,
    recorder: Option<RefCell<Recorder<'a>>>,
    unanswered: RefCell<Vec<Why>>,
    progress: Box<dyn Fn(Stage<'_>) + 'a>,
}

/// Where answers come from.
enum Source {
    Root(Root),
    /// What can hang is asked of the worker; the root is read directly where it can't.
    Guarded {
        worker: Worker,
        root: Option<Root>,
        origin: Origin,
    },
    Recording(Recording),
    Archive(Box<Archive>),
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

impl<'a> Host<'a> {
    /// The machine that this runs on.
    ///
    /// # Errors
    /// Its root directory can't be opened.
    pub fn live(signals: &'a SignalSet) -> Result<Self, OpenRootError> {
        Ok(Self::new(Source::Root(Root::open(Path::new("/"), Origin::Live)?), signals))
    }

    /// A directory that is laid out like a root file system.
    ///
    /// # Errors
    /// It can't be opened, or isn't a directory.
    pub fn directory(path: &Path, signals: &'a SignalSet) -> Result<Self, OpenRootError> {
        Ok(Self::new(Source::Root(Root::open(path, Origin::Directory)?), signals))
    }

    /// The machine, or a directory, of which a child process reads what could hang; it is abandoned at its deadline.
    /// `worker` starts a process that runs [`serve`] with the same directory.
    ///
    /// # Errors
    /// The root can't be opened, or doesn't answer.
    pub fn guarded(
        directory: Option<&Path>,
        worker: Vec<OsString>,
        signals: &'a SignalSet,
    ) -> Result<Self, OpenRootError> {
        let (path, origin) = match directory {
            Some(path) => (path, Origin::Directory),
            None => (Path::new("/"), Origin::Live),
        };
        let Some(worker) = Worker::start(worker, path)? else {
            return Ok(Self::new(Source::Root(Root::open(path, origin)?), signals));
        };
        let root = if worker.root_can_hang() { None } else { Some(Root::open(path, origin)?) };
        Ok(Self::new(Source::Guarded { worker, root, origin }, signals))
    }

    /// An archive: a capture as [`Host::record_to`] writes it, a sosreport, an Insights archive, or a tar of a tree that is
    /// laid out like a root file system, plain or compressed with gzip, xz or zstd. It is read once, into bounded memory.
    ///
    /// # Errors
    /// It is none of these, damaged, cut off, or larger than any archive of a machine.
    pub fn archive(file: impl Read, signals: &'a SignalSet) -> Result<Self, ReadArchiveError> {
        let source = match Archive::open(file)? {
            Opened::Recording(recording) => Source::Recording(recording),
            Opened::Archive(archive) => Source::Archive(archive),
        };
        Ok(Self::new(source, signals))
    }

    fn new(source: Source, signals: &'a SignalSet) -> Self {
        Self {
            source,
            signals,
            quick: false,
            redactor: None,
            recorder: None,
            unanswered: RefCell::default(),
            progress: Box::new(|_| ()),
        }
    }

    /// Calls `progress` when a long reading goes on.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Fn(Stage<'_>) + 'a) -> Self {
        self.progress = Box::new(progress);
        self
    }

    /// Leaves out what takes long: logs, the content of programs, and commands.
    #[must_use]
    pub fn quick(mut self) -> Self {
        self.quick = true;
        self
    }

    /// Hides names and addresses: each is replaced by the same stand-in wherever it stands.
    #[must_use]
    pub fn redacted(mut self) -> Self {
        self.redactor = Some(RefCell::new(Redactor::default()));
        self
    }

    /// Records all answers to `file`, until [`Host::finish`].
    ///
    /// # Errors
    /// `file` can't be written to.
    pub fn record_to(mut self, file: impl Write + 'a) -> Result<Self, CaptureError> {
        let recorder = Recorder::start(file, self.origin(), self.redactor.is_some())?;
        self.recorder = Some(RefCell::new(recorder));
        Ok(self)
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// Something could not be written, now or before.
    pub fn finish(self) -> Result<(), CaptureError> {
        self.recorder.map_or(Ok(()), |recorder| recorder.into_inner().finish())
    }

    /// Says what a long reading is at.
    pub fn at(&self, stage: Stage<'_>) {
        (self.progress)(stage);
    }

    /// What is read.
    #[must_use]
    pub fn origin(&self) -> Origin {
        match &self.source {
            Source::Root(root) => root.origin,
            Source::Guarded { origin, .. } => *origin,
            Source::Recording(recording) => recording.origin,
            Source::Archive(_) => Origin::Archive,
        }
    }

    /// What is odd in the archive that is read.
    pub fn remarks(&self) -> impl Iterator<Item = &Remark> {
        match &self.source {
            Source::Archive(archive) => Some(archive.remarks()),
            Source::Root(_) | Source::Guarded { .. } | Source::Recording(_) => None,
        }
        .into_iter()
        .flatten()
    }

    /// At most `max` bytes of a file.
    pub fn read(&self, path: &str, max: usize) -> Answer<Content> {
        match self.ask(&Request::Read { path: path.to_owned(), max }) {
            Reply::Content(answer) => answer,
            _ => Answer::Failed(MISMATCH),
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
        match self.ask(&Request::Link { path: path.to_owned() }) {
            Reply::Link(answer) => answer,
            _ => Answer::Failed(MISMATCH),
        }
    }

    /// Device and inode of a file, through links: a merged `/usr` has each program twice. Also whether it is there at all.
    pub fn identity(&self, path: &str) -> Answer<(u64, u64)> {
        match self.ask(&Request::Identity { path: path.to_owned() }) {
            Reply::Identity(answer) => answer,
            _ => Answer::Failed(MISMATCH),
        }
    }

    /// Bytes of a regular file.
    pub fn size(&self, path: &str) -> Answer<u64> {
        match self.ask(&Request::Size { path: path.to_owned() }) {
            Reply::Size(answer) => answer,
            _ => Answer::Failed(MISMATCH),
        }
    }

    /// The room on the file system that a path lies on. A copy of a machine has none of its own.
    pub fn space(&self, path: &str) -> Answer<Space> {
        match self.ask(&Request::Space { path: path.to_owned() }) {
            Reply::Space(answer) => answer,
            _ => Answer::Failed(MISMATCH),
        }
    }

    /// The entries of a directory, at most `max`, and their full number.
    pub fn list(&self, path: &str, want: Want, max: usize) -> Answer<Listing> {
        match self.ask(&Request::List { path: path.to_owned(), want, max }) {
            Reply::Listing(answer) => answer,
            _ => Answer::Failed(MISMATCH),
        }
    }

    /// The signals in the newest `newest` bytes of a log. `booted_at` and `collected_at` are milliseconds since 1970, and
    /// give lines that bear only one kind of time the other.
    pub fn window(
        &self,
        log: &Log,
        newest: u64,
        booted_at: Option<i64>,
        collected_at: Option<i64>,
    ) -> Answer<Window> {
        self.at(Stage::Log(&log.name()));
        match self.ask(&Request::Window { log: log.clone(), newest, booted_at, collected_at }) {
            Reply::Window(answer) => answer,
            _ => Answer::Failed(MISMATCH),
        }
    }

    /// What a program file holds, at most `max` bytes of it. The file itself is kept nowhere.
    pub fn markers(&self, path: &str, max: u64) -> Answer<MarkerScan> {
        self.at(Stage::Program(path));
        match self.ask(&Request::Markers { path: path.to_owned(), max }) {
            Reply::Markers(answer) => answer,
            _ => Answer::Failed(MISMATCH),
        }
    }

    /// The pod sandboxes in a database of containerd's, of each what [`kernmend_core::format::pods::Sandbox`] says.
    pub fn sandboxes(&self, path: &str) -> Answer<Content> {
        match self.ask(&Request::Sandboxes { path: path.to_owned() }) {
            Reply::Content(answer) => answer,
            _ => Answer::Failed(MISMATCH),
        }
    }

    /// Runs a known command and gives at most `max` bytes of its output; only a live machine has commands. One that isn't
    /// done within `deadline` is ended.
    pub fn command(&self, known: &Known, max: usize, deadline: Duration) -> Answer<Content> {
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        match self.ask(&Request::Command { known: known.clone(), max, deadline_ms }) {
            Reply::Content(answer) => answer,
            _ => Answer::Failed(MISMATCH),
        }
    }

    /// Gets the answer, and records it.
    fn ask(&self, request: &Request) -> Reply {
        let reply = match &self.source {
            _ if self.quick && request.takes_long() => request.refused(Answer::Failed(Errno::CANCELED)),
            Source::Root(root) => request.answer(root, &self.signals),
            Source::Guarded { worker, root, .. } => match root {
                Some(root) if !worker.wants(request) => request.answer(root, &self.signals),
                _ => worker.ask(request),
            },
            Source::Recording(recording) => recording.answer(request),
            Source::Archive(archive) => request.answer(&**archive, &self.signals),
        };
        let reply = match &self.redactor {
            Some(redactor) => redactor.borrow_mut().redact(request, reply),
            None => reply,
        };
        if let Some(recorder) = &self.recorder {
            recorder.borrow_mut().record(request, &reply);
        }
        if reply.errno() == Some(Errno::TIMEDOUT) {
            self.note_unanswered(&request.subject());
        }
        reply
    }

    fn note_unanswered(&self, subject: &str) {
        let why = answer::why(Errno::TIMEDOUT, subject);
        let mut unanswered = self.unanswered.borrow_mut();
        if unanswered.len() < MAX_UNANSWERED && !unanswered.contains(&why) {
            unanswered.push(why);
        }
    }

    /// What didn't answer before its deadline so far, in the order of the questions. A collector that then found its
    /// fact elsewhere doesn't say so.
    pub(crate) fn unanswered(&self) -> Vec<Why> {
        self.unanswered.borrow().clone()
    }
}

/// An answer of another kind than the question: a capture that was not written by kernmend, or damaged.
const MISMATCH: Errno = Errno::BADMSG;

/// A dead file server has many files, and the first few tell enough.
const MAX_UNANSWERED: usize = 32;
