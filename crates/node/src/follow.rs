//! Follows logs while they grow: files by their name, through rotation, and pipes and devices to their end. Every log has
//! a scanner of its own, and none of its text is kept. It decides nothing about what is told when, and it doesn't look at
//! a clock but for the time when a line came.

mod file;
mod watch;

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use kernmend_core::document::news::News;
use kernmend_core::knowledge::signal::SignalSet;
use kernmend_core::scan::{Clock, Pace, Scan, Scanner};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use self::file::FollowedFile;
use self::watch::Watches;
use crate::scan::{self, Encoding, local_zone};

/// Bytes that are read of a log before the next has its turn: what a pipe holds.
const CHUNK: usize = 64 * 1024;

/// A log can't be followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowLogError {
    /// It can't be read.
    #[error("read the log `{path}`")]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Its bytes are no lines.
    #[error("the log `{path}` is compressed or in UTF-16")]
    Encoded {
        /// The file.
        path: String,
    },
    /// The system doesn't say when there is more.
    #[error("wait for more lines")]
    Wait(#[source] io::Error),
}

/// What can end the following, whatever the logs do.
#[derive(Debug, Clone, Copy)]
pub struct Ends<'f> {
    /// Something to read here is the order to stop.
    pub stop: BorrowedFd<'f>,
    /// Who listens: where it is a pipe that nobody reads any more, nobody does.
    pub listener: BorrowedFd<'f>,
}

/// What came of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// There may be more.
    GoOn,
    /// All logs have ended, or it was told to stop.
    End,
}

/// Logs that are followed.
#[derive(Debug)]
pub struct Follower<'s> {
    logs: Vec<Log<'s>>,
    watches: Watches,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Log<'s> {
    name: String,
    scanner: Scanner<'s>,
    pace: Pace,
    input: Input,
}

/// Where the bytes of a log come from.
#[derive(Debug)]
enum Input {
    File(FollowedFile),
    Stream(Stream),
    Ended,
}

/// A pipe, a FIFO or a device: it says itself when there is more.
#[derive(Debug)]
struct Stream {
    file: File,
    is_begun: bool,
}

impl<'s> Follower<'s> {
    /// Begins with what is there. `stdin` gives what the name `-` stands for.
    ///
    /// # Errors
    /// A log can't be read, or isn't made of lines. A file that isn't there yet is no error as long as its directory is.
    pub fn open(
        paths: &[impl AsRef<Path>],
        stdin: impl Fn() -> io::Result<OwnedFd>,
        signals: &'s SignalSet,
    ) -> Result<Self, FollowLogError> {
        let mut watches = Watches::new();
        let mut logs = Vec::new();
        for path in paths {
            let path = path.as_ref();
            let name = path.display().to_string();
            let input = Input::open(path, stdin_of(path, &stdin), &mut watches)
                .map_err(|source| FollowLogError::Read { path: name.clone(), source })?;
            let clock = Clock {
                booted_at_unix_ms: None,
                collected_at_unix_ms: scan::written_at(path).or_else(scan::now),
                zone: local_zone(),
            };
            logs.push(Log { name, scanner: Scanner::new(signals, clock), pace: Pace::default(), input });
        }
        Ok(Self { logs, watches, buffer: vec![0; CHUNK] })
    }

    /// The files that aren't there yet.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        let is_missing = |log: &&Log<'_>| matches!(&log.input, Input::File(file) if file.is_missing());
        self.logs.iter().filter(is_missing).map(|log| log.name.as_str())
    }

    /// Waits until a log has more, or as long as `wait` says, and reads a part of each that has.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn turn(&mut self, wait: Option<Duration>, ends: Ends<'_>) -> Result<Turn, FollowLogError> {
        let more = self.logs.iter().any(|log| matches!(&log.input, Input::File(file) if file.has_more()));
        let look = self.logs.iter().any(|log| matches!(log.input, Input::File(_)));
        let look = look.then(|| self.watches.look_again());
        let wait = if more { Some(Duration::ZERO) } else { wait.into_iter().chain(look).min() };
        let ready = self.wait(wait, ends).map_err(|error| FollowLogError::Wait(error.into()))?;
        if ready.is_end {
            return Ok(Turn::End);
        }
        if ready.is_changed {
            self.watches.drain();
        }
        for (log, is_ready) in self.logs.iter_mut().zip(ready.logs) {
            log.read(is_ready, &mut self.watches, &mut self.buffer)?;
        }
        let is_over = self.logs.iter().all(|log| matches!(log.input, Input::Ended));
        Ok(if is_over { Turn::End } else { Turn::GoOn })
    }

    /// What there is to tell at `now_ms`, and when there is something next if no line comes before.
    pub fn news(&mut self, now_ms: u64) -> (Vec<News>, Option<u64>) {
        let logs = self.logs.iter_mut();
        let news = logs.flat_map(|log| log.pace.due(&log.name, &log.scanner, now_ms)).collect();
        (news, self.logs.iter().filter_map(|log| log.pace.next_ms()).min())
    }

    /// What wasn't told yet, and each log by its name.
    pub fn finish(self) -> (Vec<News>, Vec<(String, Scan)>) {
        let mut news = Vec::new();
        let mut scans = Vec::new();
        for mut log in self.logs {
            log.scanner.end_file();
            news.extend(log.pace.rest(&log.name, &log.scanner));
            scans.push((log.name, log.scanner.finish()));
        }
        (news, scans)
    }

    fn wait(&self, wait: Option<Duration>, ends: Ends<'_>) -> Result<Ready, Errno> {
        let mut fds = vec![
            PollFd::from_borrowed_fd(ends.stop, PollFlags::IN),
            // Nothing is asked of it: that nobody reads is told in any case.
            PollFd::from_borrowed_fd(ends.listener, PollFlags::empty()),
        ];
        let watch = self.watches.as_fd();
        fds.extend(watch.map(|watch| PollFd::from_borrowed_fd(watch, PollFlags::IN)));
        let first = fds.len();
        fds.extend(self.logs.iter().filter_map(|log| match &log.input {
            Input::Stream(stream) => Some(PollFd::from_borrowed_fd(stream.file.as_fd(), PollFlags::IN)),
            Input::File(_) | Input::Ended => None,
        }));
        let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
        match poll(&mut fds, wait.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        let mut streams = fds[first..].iter().map(|fd| !fd.revents().is_empty());
        Ok(Ready {
            is_end: !fds[0].revents().is_empty() || fds[1].revents().contains(PollFlags::ERR),
            is_changed: watch.is_some() && !fds[2].revents().is_empty(),
            logs: self
                .logs
                .iter()
                .map(|log| matches!(log.input, Input::Stream(_)) && streams.next().unwrap_or(false))
                .collect(),
        })
    }
}

/// What a wait ended with.
struct Ready {
    is_end: bool,
    is_changed: bool,
    /// For each log, whether it is a stream that has more or has ended.
    logs: Vec<bool>,
}

/// What opens standard input, where the path stands for it.
fn stdin_of<'f, F: Fn() -> io::Result<OwnedFd>>(path: &Path, stdin: &'f F) -> Option<&'f F> {
    (path == Path::new("-")).then_some(stdin)
}

impl Input {
    fn open(
        path: &Path,
        stdin: Option<&impl Fn() -> io::Result<OwnedFd>>,
        watches: &mut Watches,
    ) -> io::Result<Self> {
        let stream = |file| Self::Stream(Stream { file, is_begun: false });
        if let Some(stdin) = stdin {
            return Ok(stream(File::from(stdin()?)));
        }
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() => Err(Errno::ISDIR.into()),
            Ok(metadata) if !metadata.is_file() => {
                // A FIFO that nobody writes to yet must not hold up the others.
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
                Ok(stream(File::from(rustix::fs::open(path, flags, Mode::empty())?)))
            }
            Ok(_) => Ok(Self::File(FollowedFile::open(path.to_owned(), watches)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self::File(FollowedFile::open(path.to_owned(), watches)?))
            }
            Err(error) => Err(error),
        }
    }
}

impl Log<'_> {
    /// Reads a part of what there is.
    fn read(
        &mut self,
        is_ready: bool,
        watches: &mut Watches,
        buffer: &mut [u8],
    ) -> Result<(), FollowLogError> {
        let read = match &mut self.input {
            Input::File(file) => file.read(watches, &mut self.scanner, buffer),
            Input::Stream(stream) if is_ready => stream.read(&mut self.scanner, buffer),
            Input::Stream(_) | Input::Ended => return Ok(()),
        };
        match read {
            Ok(Part::Some) => Ok(()),
            Ok(Part::Ended) => {
                self.input = Input::Ended;
                Ok(())
            }
            Ok(Part::Encoded) => Err(FollowLogError::Encoded { path: self.name.clone() }),
            Err(source) => Err(FollowLogError::Read { path: self.name.clone(), source }),
        }
    }
}

/// What a read of a part came to.
enum Part {
    /// Something or nothing; there can be more.
    Some,
    /// Nothing, and there will be no more.
    Ended,
    /// What isn't made of lines.
    Encoded,
}

impl Stream {
    fn read(&mut self, scanner: &mut Scanner<'_>, buffer: &mut [u8]) -> io::Result<Part> {
        let read = match self.file.read(buffer) {
            Ok(0) => {
                scanner.end_file();
                return Ok(Part::Ended);
            }
            Ok(read) => &buffer[..read],
            // The kernel's buffer tells so where it overwrote records before they were read; it goes on with the next.
            Err(error) if error.raw_os_error() == Some(Errno::PIPE.raw_os_error()) => return Ok(Part::Some),
            Err(error) => {
                let again = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
                return if again { Ok(Part::Some) } else { Err(error) };
            }
        };
        if !self.is_begun && Encoding::of(read) != Encoding::Lines {
            return Ok(Part::Encoded);
        }
        self.is_begun = true;
        if let Some(now) = scan::now() {
            scanner.written_by(now);
        }
        scanner.push(read);
        Ok(Part::Some)
    }
}

#[cfg(test)]
mod tests;
