//! Reads that can end in a state that nothing wakes (`/proc/PID`, network and FUSE file systems) are done by a child
//! process. It is given one question at a time; when it doesn't answer by the deadline it is told to die and left behind,
//! and the next question goes to a new one. A thread would not do: it would hold the whole process at its exit.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{self, BufRead, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use kernmend_core::document::snapshot::Origin;
use kernmend_core::knowledge::signal::SignalSet;
use rustix::io::Errno;

use super::answer::{Answer, errno_of};
use super::command::wait_until_readable;
use super::open::OpenRootError;
use super::request::{Reply, Request};
use super::root::Root;

/// How long a file or a directory may take.
const SHORT: Duration = Duration::from_secs(5);
/// How long a log or a program may take: they are read whole, on a node that is short of everything.
const LONG: Duration = Duration::from_secs(60);
/// What is added to a command's own deadline, which ends the command first.
const GRACE: Duration = Duration::from_secs(2);
/// After so much time in vain, questions get no more than an instant: a dead file server has many files.
const PATIENCE: Duration = Duration::from_secs(15);
const INSTANT: Duration = Duration::from_millis(250);

/// A reply can be as long as the longest listing.
const MAX_REPLY: u64 = 64 << 20;

/// Asks a child process, and starts a new one for each that hangs.
pub struct Worker {
    /// Starts a process that runs [`serve`].
    argv: Vec<OsString>,
    running: RefCell<Option<Running>>,
    /// Time spent on answers that never came.
    in_vain: Cell<Duration>,
    /// Whether a file system that can hang is mounted anywhere.
    all: bool,
}

struct Running {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that hangs can't die now, and must not be waited for; it goes when the kernel lets it go.
        let _ = self.child.kill();
        let _ = self.child.try_wait();
    }
}

impl Worker {
    /// A worker whose processes are started with `argv`.
    #[must_use]
    pub fn new(argv: Vec<OsString>) -> Self {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo");
        // Without a list of mounts nothing is known to be safe.
        let all = mounts.map_or(true, |mounts| has_risky_mount(&mounts));
        Self { argv, running: RefCell::new(None), in_vain: Cell::new(Duration::ZERO), all }
    }

    /// Whether a question is one that could hang.
    pub(super) fn wants(&self, request: &Request) -> bool {
        let Some(path) = request.path() else { return false };
        let of_process =
            path.strip_prefix("/proc/").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let kernels_own = ["/proc", "/sys"].iter().any(|top| path.starts_with(top));
        of_process || (self.all && !kernels_own)
    }

    /// Asks. `root` and `signals` are for the case that no process can be started at all.
    pub(super) fn ask(&self, request: &Request, root: &Root, signals: &SignalSet) -> Reply {
        let deadline = match request {
            Request::Window { .. } | Request::Markers { .. } => LONG,
            Request::Command { deadline_ms, .. } => Duration::from_millis(*deadline_ms) + GRACE,
            Request::Read { .. } | Request::Link { .. } | Request::Identity { .. } | Request::List { .. } => {
                SHORT
            }
        };
        let deadline = if self.in_vain.get() >= PATIENCE { INSTANT } else { deadline };
        let mut running = self.running.borrow_mut();
        if running.is_none() {
            match self.start() {
                Ok(started) => *running = Some(started),
                // In an empty root there is no program to start, and no foreign file system either.
                Err(_) => return request.answer(root, signals),
            }
        }
        let process = running.as_mut().expect("it was just started");
        let started = Instant::now();
        match process.ask(request, started + deadline) {
            Ok(reply) => reply,
            Err(error) => {
                *running = None;
                let errno = errno_of(&error);
                if errno == Errno::TIMEDOUT {
                    self.in_vain.set(self.in_vain.get() + started.elapsed());
                }
                request.refused(Answer::<Infallible>::Failed(errno))
            }
        }
    }

    fn start(&self) -> io::Result<Running> {
        let (program, arguments) = self.argv.split_first().ok_or(io::ErrorKind::NotFound)?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdin = child.stdin.take().expect("standard input was asked for");
        let stdout = child.stdout.take().expect("standard output was asked for");
        Ok(Running { child, stdin, stdout })
    }
}

impl Running {
    /// Sends a question as a line, and reads the length of the answer and the answer.
    fn ask(&mut self, request: &Request, ends: Instant) -> io::Result<Reply> {
        let mut line = serde_json::to_vec(request)?;
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

/// Whether `/proc/self/mountinfo` lists a file system that waits for somebody else: a server or a program.
fn has_risky_mount(mounts: &str) -> bool {
    const RISKY: [&str; 14] = [
        "9p",
        "afs",
        "autofs",
        "ceph",
        "cifs",
        "fuse",
        "gfs2",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "ocfs2",
        "smb3",
        "virtiofs",
    ];
    let kind =
        |line: &str| line.split_once(" - ").and_then(|(_, rest)| rest.split(' ').next().map(str::to_owned));
    mounts.lines().filter_map(kind).any(|kind| RISKY.iter().any(|risky| kind.starts_with(risky)))
}

/// Why a worker process ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The root can't be opened.
    #[error(transparent)]
    Root(#[from] OpenRootError),
    /// The one who asks went away, or asks what isn't a question.
    #[error("answer questions")]
    Io(#[from] io::Error),
}

/// Answers the questions that come in as lines, until there are no more: what a worker process does.
///
/// # Errors
/// The root can't be opened, or the one who asks went away.
pub fn serve(
    path: &Path,
    signals: &SignalSet,
    questions: impl BufRead,
    mut answers: impl Write,
) -> Result<(), ServeError> {
    let origin = if path == Path::new("/") { Origin::Live } else { Origin::Directory };
    let root = Root::open(path, origin)?;
    for line in questions.lines() {
        let request: Request = serde_json::from_str(&line?).map_err(io::Error::from)?;
        let reply = serde_json::to_vec(&request.answer(&root, signals)).map_err(io::Error::from)?;
        answers.write_all(&(reply.len() as u64).to_le_bytes())?;
        answers.write_all(&reply)?;
        answers.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_that_wait_for_somebody_are_known() {
        let line = |kind: &str| format!("36 35 98:0 / /mnt rw,noatime shared:1 - {kind} /dev/root rw\n");
        assert!(!has_risky_mount(&(line("ext4") + &line("cgroup2") + "nonsense\n")));
        for kind in ["nfs4", "fuse.sshfs", "fuse", "cifs", "autofs"] {
            assert!(has_risky_mount(&(line("ext4") + &line(kind))), "{kind}");
        }
    }
}
