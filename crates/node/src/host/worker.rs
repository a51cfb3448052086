//! Reads that can end in a state that nothing wakes (`/proc/PID`, network and FUSE file systems) are done by a child
//! process. It is given one question at a time; when it doesn't answer by the deadline it is told to die and left behind,
//! and the next question goes to a new one. A thread would not do: it would hold the whole process at its exit.
//!
//! All of it is bounded: what hung once isn't asked again, and when [`BUDGET`] is spent nothing is, that could hang. So a
//! look at a machine ends within 45 seconds, plus the time of what does answer.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{self, BufRead, Read, Write};
use std::ops::Deref;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use kernmend_core::document::snapshot::Origin;
use kernmend_core::knowledge::signal::SignalSet;
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, errno, errno_of};
use super::command::wait_until_readable;
use super::mounts::{self, Mounts};
use super::open::OpenRootError;
use super::request::{Reply, Request};
use super::root::Root;

/// How long a file or a directory may take.
const SHORT: Duration = Duration::from_secs(5);
/// How long a log or a program may take: they are read whole, on a node that is short of everything.
const LONG: Duration = Duration::from_secs(20);
/// What is added to a command's own deadline, which ends the command first.
const GRACE: Duration = Duration::from_secs(2);

/// The time that may be spent waiting: for answers that never come all of it, for others what is beyond their fair time.
const BUDGET: Duration = Duration::from_secs(40);
const FAIR_SHORT: Duration = Duration::from_millis(250);
const FAIR_LONG: Duration = Duration::from_secs(5);

/// A reply can be as long as the longest listing.
const MAX_REPLY: u64 = 64 << 20;

/// What a worker process is asked.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Question {
    /// To open the root.
    Open,
    /// What is mounted.
    Mounts,
    /// Something about the root.
    Root(Request),
}

/// Whether the root could be opened.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Opening {
    Opened,
    #[serde(with = "errno")]
    Failed(Errno),
}

/// What is mounted; nothing where `/proc` isn't.
#[derive(Serialize, Deserialize)]
struct Mounted {
    /// The text of `/proc/self/mountinfo`.
    mountinfo: Option<String>,
    /// The path of the root without links.
    root: Option<String>,
}

/// Asks a child process, and starts a new one for each that hangs.
pub(super) struct Worker {
    /// Starts a process that runs [`serve`].
    argv: Vec<OsString>,
    running: RefCell<Option<Running>>,
    /// What is left of [`BUDGET`].
    left: Cell<Duration>,
    /// File systems, processes and programs that didn't answer once.
    hung: RefCell<Vec<String>>,
    mounts: Mounts,
}

impl Worker {
    /// Starts the first process with `argv`, which opens the root. Nothing where no such process can be had: in an empty
    /// root there is no program to start, and no foreign file system either.
    pub(super) fn start(argv: Vec<OsString>, root: &Path) -> Result<Option<Self>, OpenRootError> {
        let mut worker = Self {
            argv,
            running: RefCell::new(None),
            left: Cell::new(BUDGET),
            hung: RefCell::new(Vec::new()),
            mounts: Mounts::unknown(),
        };
        let failed = |errno: Errno| OpenRootError { path: root.display().to_string(), source: errno.into() };
        match worker.spawn() {
            Ok(Opening::Opened) => {}
            Ok(Opening::Failed(errno)) => return Err(failed(errno)),
            Err(error) if errno_of(&error) == Errno::TIMEDOUT => return Err(failed(Errno::TIMEDOUT)),
            Err(_) => return Ok(None),
        }
        if let Ok(Mounted { mountinfo: Some(mountinfo), root: Some(root) }) =
            worker.exchange(&Question::Mounts, SHORT)
        {
            worker.mounts = Mounts::parse(&mountinfo, &root);
        }
        Ok(Some(worker))
    }

    /// Whether the root itself could hang.
    pub(super) fn root_can_hang(&self) -> bool {
        self.mounts.foreign("/").is_some()
    }

    /// Whether a question is one that could hang.
    pub(super) fn wants(&self, request: &Request) -> bool {
        match request {
            // A file system whose disk is gone answers neither.
            Request::Command { .. } | Request::Space { .. } => true,
            // The zone of its stamps is read too, from wherever its link leads.
            Request::Window { .. } if self.mounts.reachable() => true,
            Request::Window { log, .. } => log.path().is_none_or(|path| self.mounts.can_hang(path)),
            _ => self.mounts.can_hang(&request.subject()),
        }
    }

    /// Asks.
    pub(super) fn ask(&self, request: &Request) -> Reply {
        let refused = |errno| request.refused(Answer::<Infallible>::Failed(errno));
        let subject = request.subject();
        let hung = self.hung.borrow().iter().any(|place| mounts::is_below(&subject, place));
        if hung || self.left.get().is_zero() {
            return refused(Errno::TIMEDOUT);
        }
        if self.running.borrow().is_none() {
            match self.spawn() {
                Ok(Opening::Opened) => {}
                Ok(Opening::Failed(errno)) => return refused(errno),
                Err(error) => return refused(errno_of(&error)),
            }
        }
        let (deadline, fair) = match request {
            Request::Window { .. } | Request::Markers { .. } | Request::Sandboxes { .. } => (LONG, FAIR_LONG),
            Request::Command { deadline_ms, .. } => (Duration::from_millis(*deadline_ms) + GRACE, FAIR_LONG),
            Request::Read { .. }
            | Request::Link { .. }
            | Request::Identity { .. }
            | Request::Size { .. }
            | Request::Space { .. }
            | Request::List { .. } => (SHORT, FAIR_SHORT),
        };
        let started = Instant::now();
        let reply: Reply = match self.exchange(&Question::Root(request.clone()), deadline) {
            Ok(reply) => reply,
            Err(error) => refused(errno_of(&error)),
        };
        if reply.errno() == Some(Errno::TIMEDOUT) {
            let place = self.mounts.foreign(&subject).filter(|place| *place != "/");
            let place = place.or(mounts::process(&subject)).unwrap_or(&subject);
            self.hung.borrow_mut().push(place.to_owned());
        } else {
            self.spend(started.elapsed().saturating_sub(fair));
        }
        reply
    }

    /// Starts a process, and has it open the root.
    fn spawn(&self) -> io::Result<Opening> {
        let (program, arguments) = self.argv.split_first().ok_or(io::ErrorKind::NotFound)?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // With what it starts it is told to die as one.
            .process_group(0)
            .spawn()?;
        let stdin = child.stdin.take().expect("standard input was asked for");
        let stdout = child.stdout.take().expect("standard output was asked for");
        *self.running.borrow_mut() = Some(Running { child, stdin, stdout });
        let opening = self.exchange(&Question::Open, SHORT);
        if !matches!(opening, Ok(Opening::Opened)) {
            *self.running.borrow_mut() = None;
        }
        opening
    }

    /// Asks the running process. One that gives no answer is left behind.
    fn exchange<T: DeserializeOwned>(&self, question: &Question, deadline: Duration) -> io::Result<T> {
        let mut running = self.running.borrow_mut();
        let process = running.as_mut().ok_or(Errno::PIPE)?;
        let started = Instant::now();
        let answer = process.ask(question, started + deadline.min(self.left.get()));
        if let Err(error) = &answer {
            if errno_of(error) == Errno::TIMEDOUT {
                self.spend(started.elapsed());
            }
            *running = None;
        }
        answer
    }

    fn spend(&self, time: Duration) {
        self.left.set(self.left.get().saturating_sub(time));
    }
}

struct Running {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that hangs can't die now, and must not be waited for; it goes when the kernel lets it go.
        if let Ok(Some(group)) = i32::try_from(self.child.id()).map(Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.try_wait();
    }
}

impl Running {
    /// Sends a question as a line, and reads the length of the answer and the answer.
    fn ask<T: DeserializeOwned>(&mut self, question: &Question, ends: Instant) -> io::Result<T> {
        let mut line = serde_json::to_vec(question)?;
        line.push(b'\n');
        self.stdin.write_all(&line)?;
        let mut length = [0; 8];
        self.fill(&mut length, ends)?;
        let length = u64::from_le_bytes(length);
        if length > MAX_REPLY {
            return Err(Errno::FBIG.into());
        }
        let mut reply = vec![0; usize::try_from(length).map_err(|_| Errno::FBIG)?];
        self.fill(&mut reply, ends)?;
        Ok(serde_json::from_slice(&reply)?)
    }

    fn fill(&mut self, mut buffer: &mut [u8], ends: Instant) -> io::Result<()> {
        while !buffer.is_empty() {
            wait_until_readable(&self.stdout, ends)?;
            match self.stdout.read(buffer)? {
                0 => return Err(Errno::PIPE.into()),
                len => buffer = &mut buffer[len..],
            }
        }
        Ok(())
    }
}

/// Answers the questions that come in as lines, until there are no more: what a worker process does.
///
/// # Errors
/// The one who asks went away, or asks what isn't a question.
pub fn serve(
    path: &Path,
    origin: Origin,
    signals: &impl Deref<Target = SignalSet>,
    questions: impl BufRead,
    mut answers: impl Write,
) -> io::Result<()> {
    // Should the one who asks be killed, a long reading is of no use any more.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut opened: Option<Root> = None;
    for line in questions.lines() {
        let reply = match (serde_json::from_str(&line?)?, &opened) {
            (Question::Open, _) => {
                let (root, opening) = match Root::open(path, origin) {
                    Ok(root) => (Some(root), Opening::Opened),
                    Err(error) => (None, Opening::Failed(errno_of(&error.source))),
                };
                opened = root;
                serde_json::to_vec(&opening)?
            }
            (Question::Mounts, Some(root)) => serde_json::to_vec(&Mounted {
                mountinfo: std::fs::read_to_string("/proc/self/mountinfo").ok(),
                root: root.real_path(),
            })?,
            (Question::Root(request), Some(root)) => serde_json::to_vec(&request.answer(root, signals))?,
            (Question::Mounts | Question::Root(_), None) => return Err(Errno::BADF.into()),
        };
        answers.write_all(&(reply.len() as u64).to_le_bytes())?;
        answers.write_all(&reply)?;
        answers.flush()?;
    }
    Ok(())
}
