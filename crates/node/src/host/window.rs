//! The newest stretch of a log over its rotated and compressed files: its bytes go through a scanner, oldest first, and
//! are kept nowhere.

mod file;

use std::cmp::Reverse;
use std::io::Read;
use std::time::Duration;

use kernmend_core::document::{Reason, Why};
use kernmend_core::knowledge::signal::SignalSet;
use kernmend_core::scan::{Clock, Scanner};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, errno_of, why};
use super::command::Known;
use super::request::Window;
use super::tree::Tree;

pub(crate) use self::file::{Compression, MEMORY};
pub(super) use self::file::{FileOnDisk, LogFile, MAX_DECOMPRESSED};

/// A log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Log {
    /// The kernel's own buffer.
    Kmsg,
    /// A file, with those that were rotated away from it.
    File(String),
    /// What a command prints: the journal's files are read by its own program.
    Command(Known),
}

impl Log {
    /// What the log is called.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Command(known) => known.line(),
            Self::Kmsg | Self::File(_) => self.path().unwrap_or_default().to_owned(),
        }
    }

    /// The path of the log, where it has one.
    pub(super) fn path(&self) -> Option<&str> {
        match self {
            Self::Kmsg => Some(KMSG),
            Self::File(path) => Some(path),
            Self::Command(_) => None,
        }
    }
}

/// What was read of a log.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct WindowReading {
    /// The files, newest first.
    pub sources: Vec<String>,
    /// Bytes that were scanned.
    pub bytes: u64,
    /// Whether older lines exist that were not read.
    pub cut: bool,
    /// What could not be read.
    pub gaps: Vec<Why>,
}

pub(super) const KMSG: &str = "/dev/kmsg";

/// How long the journal may take to answer.
const JOURNAL_DEADLINE: Duration = Duration::from_secs(20);

/// Larger than any record: the kernel's own limit on one is below this (`CONSOLE_EXT_LOG_MAX`, 8 KiB).
const KMSG_RECORD: usize = 16 * 1024;

/// More records than any kernel buffer holds (`CONFIG_LOG_BUF_SHIFT` is at most 25: 32 MiB).
const KMSG_RECORDS: usize = 1 << 20;

const CHUNK: usize = 256 * 1024;

/// More entries than a log directory has; what is beyond is named as a gap.
pub(super) const MAX_LOG_DIR: usize = 10_000;

/// Scans the newest `newest` bytes of a log.
pub(super) fn read(
    tree: &impl Tree,
    log: &Log,
    newest: u64,
    clock: Clock,
    signals: &SignalSet,
) -> Answer<Window> {
    let mut scanner = Scanner::new(signals, clock);
    pour(tree, log, newest, &mut |poured| match poured {
        Poured::Bytes(bytes) => scanner.push(bytes),
        Poured::EndOfFile => scanner.end_file(),
    })
    .map(|reading| Window { reading, scan: scanner.finish() })
}

/// What comes out of a log.
pub(super) enum Poured<'a> {
    Bytes(&'a [u8]),
    /// A file is at its end, and what follows is another's.
    EndOfFile,
}

/// What takes it, oldest first.
pub(super) type Sink<'a> = &'a mut dyn FnMut(Poured<'_>);

/// Gives the newest bytes of a log to `sink`, oldest first.
fn pour(tree: &impl Tree, log: &Log, newest: u64, sink: Sink<'_>) -> Answer<WindowReading> {
    match log {
        Log::Kmsg => tree.kmsg(sink),
        Log::File(path) => log_files(tree, path, newest, sink),
        Log::Command(known) => {
            let limit = usize::try_from(newest).unwrap_or(usize::MAX);
            tree.command(known, limit, JOURNAL_DEADLINE).map(|content| {
                sink(Poured::Bytes(&content.bytes));
                WindowReading {
                    sources: vec![known.line()],
                    bytes: content.bytes.len() as u64,
                    cut: content.cut,
                    gaps: Vec::new(),
                }
            })
        }
    }
}

/// Reads the records that are in the kernel's buffer now; the file would wait for the next one.
pub(super) fn read_kmsg(mut file: impl Read, sink: Sink<'_>) -> Answer<WindowReading> {
    let mut reading = WindowReading { sources: vec![KMSG.to_owned()], ..WindowReading::default() };
    let mut record = vec![0; KMSG_RECORD];
    for _ in 0..KMSG_RECORDS {
        match file.read(&mut record) {
            Ok(0) => break,
            Ok(len) => {
                reading.bytes += len as u64;
                sink(Poured::Bytes(&record[..len]));
            }
            Err(error) => match error.raw_os_error().map(Errno::from_raw_os_error) {
                Some(Errno::AGAIN) => break,
                // EPIPE: records were overwritten before we came to them. The next read goes on behind them.
                Some(Errno::PIPE) => reading.cut = true,
                Some(Errno::INTR) => {}
                Some(errno) if reading.bytes == 0 => return Answer::Failed(errno),
                errno => {
                    reading.gaps.push(why(errno.unwrap_or(Errno::IO), KMSG));
                    break;
                }
            },
        }
    }
    Answer::Got(reading)
}

fn log_files(tree: &impl Tree, path: &str, newest: u64, sink: Sink<'_>) -> Answer<WindowReading> {
    let Some((dir, base)) = path.rsplit_once('/') else { return Answer::Failed(Errno::INVAL) };
    let top = if dir.is_empty() { "/" } else { dir };
    let mut reading = WindowReading { cut: !tree.has_whole_logs(), ..WindowReading::default() };
    let (mut files, lack) = match tree.log_names(top) {
        Answer::Got(listing) => {
            if listing.cut {
                let detail = format!("{} entries", listing.total);
                reading.gaps.push(Why { reason: Reason::Cut, path: top.to_owned(), detail });
            }
            let mut files: Vec<(Age, String)> = listing
                .iter()
                .filter_map(|(name, _)| Some((Age::of(name, base)?, format!("{dir}/{name}"))))
                .collect();
            files.sort_unstable();
            let files: Vec<String> = files.into_iter().map(|(_, path)| path).collect();
            (files, tree.missing(path, Errno::NOENT))
        }
        Answer::Absent => (Vec::new(), Answer::Absent),
        Answer::NotCaptured => (Vec::new(), Answer::NotCaptured),
        Answer::Failed(errno) => (Vec::new(), Answer::Failed(errno)),
    };
    if files.is_empty() {
        // What a command printed is all of what it was asked for.
        reading.cut = false;
        files.extend(tree.stand_in(path));
    }
    if files.is_empty() {
        return lack;
    }

    // Newest first, until the window is full; what is opened then goes out oldest first.
    let mut parts = Vec::new();
    let mut room = newest;
    for path in files {
        if room == 0 {
            reading.cut = true;
            break;
        }
        match tree.open_log(&path) {
            Ok(file) => {
                let take = file.bytes().min(room);
                room -= take;
                if file.is_cut() || file.bytes() > take {
                    // What is older than a hole is no part of the stretch.
                    reading.cut = true;
                    room = 0;
                }
                parts.push((path, file, take));
            }
            Err(error) => reading.gaps.push(why(errno_of(&error), &path)),
        }
    }
    for (path, file, take) in parts.into_iter().rev() {
        let (bytes, result) = file.pour(take, sink);
        reading.bytes += bytes;
        if let Err(error) = result {
            let detail = error.to_string();
            reading.gaps.push(Why { reason: Reason::ReadFailed, path: path.clone(), detail });
        }
        sink(Poured::EndOfFile);
        reading.sources.insert(0, path);
    }
    if reading.sources.is_empty()
        && let Some(gap) = reading.gaps.first()
    {
        return Answer::Failed(match gap.reason {
            Reason::PermissionDenied => Errno::ACCESS,
            _ => Errno::IO,
        });
    }
    Answer::Got(reading)
}

/// Whether `path` is a file of the log `log`: itself, or one that was rotated away from it.
pub(super) fn is_file_of(path: &str, log: &str) -> bool {
    match (path.rsplit_once('/'), log.rsplit_once('/')) {
        (Some((dir, name)), Some((log_dir, base))) => dir == log_dir && Age::of(name, base).is_some(),
        _ => false,
    }
}

/// How old a file of a log is, by its name: logrotate's numbers grow with age, its dates fall.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    Current,
    Numbered(u32),
    Dated(Reverse<String>),
}

impl Age {
    /// The age of the file `name` of the log `base`; nothing where it is another log's.
    fn of(name: &str, base: &str) -> Option<Self> {
        let rest = Compression::of(name).1.strip_prefix(base)?;
        if rest.is_empty() {
            return Some(Self::Current);
        }
        if let Some(number) = rest.strip_prefix('.') {
            return number.parse().ok().map(Self::Numbered);
        }
        let date = rest.strip_prefix('-')?;
        let digits = date.bytes().filter(u8::is_ascii_digit).count();
        let plain = date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        (plain && digits >= 8).then(|| Self::Dated(Reverse(date.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use kernmend_core::document::snapshot::Origin;

    use super::*;
    use crate::host::root::Root;

    #[test]
    fn files_of_a_log_are_told_from_others_and_ordered_by_age() {
        let names = [
            "messages-20260901",
            "messages",
            "messages-20261001.xz",
            "messages.2.gz",
            "messages.1",
            "messages.old",
        ];
        let mut ages: Vec<_> =
            names.iter().filter_map(|name| Some((Age::of(name, "messages")?, *name))).collect();
        ages.sort();
        let order: Vec<_> = ages.into_iter().map(|(_, name)| name).collect();
        assert_eq!(
            order,
            ["messages", "messages.1", "messages.2.gz", "messages-20261001.xz", "messages-20260901"]
        );
        assert_eq!(Age::of("messages-old", "messages"), None);
        assert_eq!(Age::of("messages2", "messages"), None);
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read_all(root: &std::path::Path, log: &str, newest: u64) -> (WindowReading, Vec<u8>) {
        let root = Root::open(root, Origin::Directory).unwrap();
        let mut seen = Vec::new();
        let answer = pour(&root, &Log::File(log.to_owned()), newest, &mut |poured| {
            if let Poured::Bytes(bytes) = poured {
                seen.extend_from_slice(bytes);
            }
        });
        (answer.got().unwrap(), seen)
    }

    fn check(newest: u64, expected: &str, cut: bool) {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("var/log");
        fs::create_dir_all(&log).unwrap();
        fs::write(log.join("kern.log"), "six\n").unwrap();
        fs::write(log.join("kern.log.1"), "four\nfive\n").unwrap();
        fs::write(log.join("kern.log.2.gz"), gzip(b"two\nthree\n")).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(b"one\n").unwrap();
        fs::write(log.join("kern.log.3.xz"), xz.finish().unwrap()).unwrap();
        fs::write(log.join("kern.log.4.zst"), zstd::encode_all(&b"zero\n"[..], 1).unwrap()).unwrap();
        fs::write(log.join("kernel.log"), "another log\n").unwrap();
        let (reading, seen) = read_all(dir.path(), "/var/log/kern.log", newest);
        assert_eq!(String::from_utf8(seen).unwrap(), expected);
        assert_eq!((reading.cut, reading.bytes), (cut, expected.len() as u64));
        assert_eq!(reading.gaps, []);
    }

    #[test]
    fn the_newest_bytes_come_oldest_first_over_compressed_files() {
        check(1000, "zero\none\ntwo\nthree\nfour\nfive\nsix\n", false);
        check(4, "six\n", true);
        check(9, "five\nsix\n", true);
        check(18, "ree\nfour\nfive\nsix\n", true);
    }

    #[test]
    fn a_broken_file_is_a_gap_and_what_came_before_the_break_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let whole = gzip(&b"line of text\n".repeat(5000));
        fs::write(dir.path().join("messages.1.gz"), &whole[..whole.len() - 20]).unwrap();
        let (reading, seen) = read_all(dir.path(), "/messages", 1 << 20);
        assert!(!seen.is_empty());
        assert_eq!(reading.gaps.len(), 1, "{:?}", reading.gaps);
        assert_eq!(reading.gaps[0].path, "/messages.1.gz");
    }
}
