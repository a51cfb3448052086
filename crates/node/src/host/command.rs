//! The commands that may be run on a live machine. The list is closed, nothing goes through a shell, and one that isn't
//! done by its deadline is ended and left behind.

use std::io::{self, Read};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Content, errno_of};
use super::root::read_bounded;

/// A command that may be run on a live machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// The kernel's lines of this boot from the journal.
    JournalKernel,
    /// The lines of container runtimes and kubelet of this boot from the journal.
    JournalUnits,
    /// `PATH --version` of a container runtime or kubelet that was found at that path.
    Version(String),
    /// The version of the C library.
    Library,
    /// The package that a file belongs to, of Debian's.
    DpkgOwner(String),
    /// The package that a file belongs to, of Red Hat's.
    RpmOwner(String),
    /// The pods that a container runtime knows, from the `crictl` that was found at that path.
    Sandboxes {
        /// The program.
        crictl: String,
        /// Where the runtime listens.
        socket: String,
    },
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
            Self::Library => owned(&["getconf", "GNU_LIBC_VERSION"]),
            Self::DpkgOwner(path) => owned(&["dpkg-query", "--search", path]),
            Self::RpmOwner(path) => owned(&["rpm", "--query", "--file", "--queryformat", "%{NAME}\\n", path]),
            Self::Sandboxes { crictl, socket } => {
                let endpoint = format!("--runtime-endpoint=unix://{socket}");
                [vec![crictl.clone(), endpoint], owned(&["pods", "-o", "json"])].concat()
            }
        }
    }

    /// The command as people type it.
    #[must_use]
    pub fn line(&self) -> String {
        self.argv().join(" ")
    }
}

/// Runs the command and gives at most `max` bytes of its output.
pub(super) fn run(known: &Known, max: usize, deadline: Duration) -> Answer<Content> {
    let argv = known.argv();
    let child = std::process::Command::new(&argv[0])
        .args(&argv[1..])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Answer::Absent,
        Err(error) => return Answer::Failed(errno_of(&error)),
    };
    let stdout = child.stdout.take().expect("standard output was asked for");
    let content = read_bounded(Deadline::new(stdout, deadline), max);
    // One that failed and said nothing is no empty output: the journal is silent to those who may not read it.
    if content.as_ref().is_ok_and(|content| content.bytes.is_empty()) && failed(&mut child) {
        return Answer::Failed(Errno::IO);
    }
    // It may still be running, or writing to a pipe that nobody reads: what is beyond the bounds isn't wanted. It is not
    // waited for, since one that the kernel holds would hold us too.
    let _ = child.kill();
    let _ = child.try_wait();
    content.into()
}

/// Whether a command that has closed its output fails. One that goes on without output is not waited for.
fn failed(child: &mut Child) -> bool {
    const TRIES: u32 = 50;
    const PAUSE: Duration = Duration::from_millis(10);
    for _ in 0..TRIES {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(PAUSE),
            Ok(Some(status)) => return !status.success(),
            Err(_) => break,
        }
    }
    let _ = child.kill();
    let _ = child.try_wait();
    true
}

/// A pipe from a child, until the time is up.
pub(super) struct Deadline {
    pipe: ChildStdout,
    ends: Instant,
}

impl Deadline {
    pub(super) fn new(pipe: ChildStdout, deadline: Duration) -> Self {
        Self { pipe, ends: Instant::now() + deadline }
    }
}

impl Read for Deadline {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        wait_until_readable(&self.pipe, self.ends)?;
        self.pipe.read(buffer)
    }
}

/// Waits until there is something to be read, or fails with ETIMEDOUT at `ends`.
pub(super) fn wait_until_readable(pipe: &ChildStdout, ends: Instant) -> io::Result<()> {
    loop {
        let left = ends.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(|_| io::Error::from(Errno::INVAL))?;
        let mut waiting = [PollFd::new(pipe, PollFlags::IN)];
        match rustix::event::poll(&mut waiting, Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) if ends <= Instant::now() => return Err(Errno::TIMEDOUT.into()),
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}
