//! Finds known signals in logs: bytes in, hits out, in one pass and in bounded memory, whatever the bytes are. It must
//! not judge what it finds, and it holds no patterns of its own: these are knowledge.
//!
//! Most lines of a log mean nothing. So a search for the words that signals need runs over blocks of whole lines, and
//! only a line with such a word is looked at: its prefix is read, escapes are taken off, and the patterns that the word
//! belongs to are tried. The result doesn't depend on how the bytes were cut into chunks.

mod fold;
mod line;
mod live;
mod prefix;
mod stamp;
mod text;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::document::snapshot::{Hit, LogKind, LogWindow, Moment};
use crate::document::{Fact, Reason, Why};
use crate::knowledge::signal::SignalSet;
use fold::{Runs, Sighting};
use line::{Open, Waiting};
pub use live::Pace;
pub use stamp::Clock;

/// Lines longer than this many bytes are cut into pieces of this length, and each piece is looked at by itself. The
/// longest real lines are JSON objects of some ten thousand bytes. It is also the block in which whole lines are searched.
pub const LINE_MAX: usize = 64 * 1024;

/// How many lines from the start are asked for a moment.
const HEAD_LINES: u32 = 64;

/// How many bytes of the end are asked for a moment.
const TAIL: usize = 16 * 1024;

/// A message that is wrapped over lines is put together from at most this many bytes of each.
const WRAP_MAX: usize = 1024;

/// The kernel's counter at the first line of a log that begins with the boot is lower than this, in milliseconds.
const BOOT_MS: i64 = 5000;

/// What was found in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "a scan has no effect but its result"]
pub struct Scan {
    /// Bytes that were looked at.
    pub bytes: u64,
    /// Lines that were looked at; the last one need not be ended.
    pub lines: u64,
    /// The moment of the first line that has one.
    pub first: Option<Moment>,
    /// The moment of the last line that has one.
    pub last: Option<Moment>,
    /// Whether the log reaches back to a boot: it holds the kernel's banner, or begins near 0 of the kernel's counter.
    pub starts_at_boot: bool,
    /// Lines that were longer than [`LINE_MAX`].
    pub cut_lines: u64,
    /// The signals, folded, in the order of their first lines.
    pub hits: Vec<Hit>,
    /// Lines with a signal that are in no hit, because there were too many runs.
    pub dropped_hits: u64,
}

impl Scan {
    /// What was found, as a stretch of the log called `log`, read from it alone and as a whole. It covers the boot where
    /// it shows that itself.
    #[must_use]
    pub fn into_window(self, log: &str, kind: LogKind) -> LogWindow {
        let dropped = (self.dropped_hits > 0).then(|| Why {
            reason: Reason::Cut,
            path: log.to_owned(),
            detail: format!("{} runs", self.dropped_hits),
        });
        LogWindow {
            log: log.to_owned(),
            kind,
            sources: vec![log.to_owned()],
            bytes: self.bytes,
            cut: false,
            covers_boot: if self.starts_at_boot {
                Fact::known(true, log)
            } else {
                Fact::unknown(Reason::NotTold, log, "")
            },
            first: self.first,
            last: self.last,
            hits: self.hits,
            gaps: dropped.into_iter().collect(),
        }
    }
}

/// Looks for signals in the bytes of a log. Rotated files of one log go through one scanner, the oldest first.
#[derive(Debug)]
pub struct Scanner<'s> {
    set: &'s SignalSet,
    clock: Clock,
    bytes: u64,
    lines: u64,
    cut_lines: u64,
    heads: u32,
    first: Option<Moment>,
    /// The moment of the last line that was looked at.
    latest: Option<Moment>,
    banner: bool,
    /// The line that isn't ended yet, shorter than `LINE_MAX`.
    carry: Vec<u8>,
    /// Whether the bytes that come next continue a line that was cut.
    inside: bool,
    /// The moment of the line that was cut.
    inside_moment: Option<Moment>,
    /// The end of the log so far, at least `TAIL` bytes of it.
    tail: Vec<u8>,
    /// The end of the line before the block.
    before: Vec<u8>,
    /// Sightings whose continuation may follow.
    waiting: VecDeque<Waiting>,
    /// A line that holds a word of a signal, and may go on on the next line.
    open: Option<Open>,
    runs: Runs,
    order: u64,
}

impl std::fmt::Debug for Sighting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sighting").field("signal", &self.signal).finish_non_exhaustive()
    }
}

impl<'s> Scanner<'s> {
    /// A scanner for one log.
    #[must_use]
    pub fn new(set: &'s SignalSet, clock: Clock) -> Self {
        Self {
            set,
            clock,
            bytes: 0,
            lines: 0,
            cut_lines: 0,
            heads: 0,
            first: None,
            latest: None,
            banner: false,
            carry: Vec::new(),
            inside: false,
            inside_moment: None,
            tail: Vec::new(),
            before: Vec::new(),
            waiting: VecDeque::new(),
            open: None,
            runs: Runs::default(),
            order: 0,
        }
    }

    /// Takes the next bytes, however many.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.keep_tail(bytes);
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = LINE_MAX - self.carry.len();
            let window = &rest[..rest.len().min(room)];
            let whole = if self.carry.is_empty() {
                // Nothing is begun: all whole lines of the window at once.
                memchr::memrchr(b'\n', window)
            } else {
                memchr::memchr(b'\n', window)
            };
            let Some(newline) = whole else {
                if window.len() == room {
                    self.piece(window);
                } else {
                    self.carry.extend_from_slice(window);
                }
                rest = &rest[window.len()..];
                continue;
            };
            if self.carry.is_empty() {
                self.block(&window[..=newline]);
            } else {
                let mut line = std::mem::take(&mut self.carry);
                line.extend_from_slice(&window[..=newline]);
                self.block(&line);
                line.clear();
                self.carry = line;
            }
            rest = &rest[newline + 1..];
        }
    }

    /// Tells that what is pushed from now on was written by this moment, in milliseconds since 1970: a log that is
    /// followed can outlast a year that its stamps don't name.
    pub fn written_by(&mut self, unix_ms: i64) {
        self.clock.collected_at_unix_ms = Some(unix_ms);
    }

    /// Ends a file of the log: what follows is another file, and no line goes on in it.
    pub fn end_file(&mut self) {
        if !self.carry.is_empty() {
            let line = std::mem::take(&mut self.carry);
            self.block(&line);
        } else if self.inside {
            self.lines += 1;
        }
        if self.tail.last().is_some_and(|byte| *byte != b'\n') {
            self.tail.push(b'\n');
        }
        self.inside = false;
        self.before.clear();
        self.open = None;
        self.settle();
    }

    /// Ends the log.
    pub fn finish(mut self) -> Scan {
        self.end_file();
        let last = self.last_moment();
        let near_boot =
            self.first.and_then(|first| first.uptime_ms).is_some_and(|ms| (0..BOOT_MS).contains(&ms));
        let (hits, dropped_hits) = self.runs.finish();
        Scan {
            bytes: self.bytes,
            lines: self.lines,
            first: self.first,
            last: last.or(self.latest),
            starts_at_boot: self.banner || near_boot,
            cut_lines: self.cut_lines,
            hits,
            dropped_hits,
        }
    }

    fn keep_tail(&mut self, bytes: &[u8]) {
        let new = &bytes[bytes.len().saturating_sub(TAIL)..];
        // Room for a few ends: moving the kept one down for each short line would cost more than the search.
        if self.tail.len() + new.len() > 4 * TAIL {
            let keep = TAIL.saturating_sub(new.len()).min(self.tail.len());
            let from = self.tail.len() - keep;
            self.tail.drain(..from);
        }
        self.tail.extend_from_slice(new);
    }

    fn last_moment(&self) -> Option<Moment> {
        let end = &self.tail[self.tail.len().saturating_sub(TAIL)..];
        // The first line of it may be the end of a line: it has no prefix then, and so no moment.
        end.rsplit(|byte| *byte == b'\n').find_map(|line| {
            let prefix = prefix::read(line);
            self.clock.moment(prefix.uptime_ms, prefix.wall)
        })
    }

    /// A piece of a line that is too long: what was carried of it and `window` are `LINE_MAX` bytes.
    fn piece(&mut self, window: &[u8]) {
        let mut piece = std::mem::take(&mut self.carry);
        piece.extend_from_slice(window);
        if !self.inside {
            self.cut_lines += 1;
        }
        self.lines_of(&piece);
        piece.clear();
        self.carry = piece;
        self.inside = true;
    }

    /// Whole lines; the last one need not be ended.
    fn block(&mut self, block: &[u8]) {
        let newlines = memchr::memchr_iter(b'\n', block).count() as u64;
        self.lines += newlines + u64::from(block.last() != Some(&b'\n'));
        self.lines_of(block);
    }

    fn lines_of(&mut self, block: &[u8]) {
        let mut at = 0;
        let mut candidates = self.set.candidates_in(block);
        while at < block.len() {
            let every_line = !self.waiting.is_empty()
                || self.open.is_some()
                || (self.first.is_none() && self.heads < HEAD_LINES)
                || (self.inside && at == 0);
            let start = if every_line {
                at
            } else {
                let Some(found) = candidates.next(at) else { break };
                memchr::memrchr(b'\n', &block[at..found]).map_or(at, |newline| at + newline + 1)
            };
            // What stands behind a newline is no piece of the line that was cut.
            self.inside &= start == 0;
            let end = memchr::memchr(b'\n', &block[start..]).map_or(block.len(), |newline| start + newline);
            let has_word = candidates.next(start).is_some_and(|found| found < end);
            let carried = if start == 0 { std::mem::take(&mut self.before) } else { Vec::new() };
            let before = if start == 0 { &carried } else { last_line(&block[..start - 1]) };
            self.line(&block[start..end], before, has_word);
            at = end + 1;
        }
        self.before.clear();
        let ended = block.strip_suffix(b"\n").unwrap_or(block);
        self.before.extend_from_slice(last_line(ended));
        // A block that ends with a newline ends the line that was cut; a piece never does.
        if block.last() == Some(&b'\n') {
            self.inside = false;
        }
    }
}

/// The last line of some lines, its end if it is long.
fn last_line(lines: &[u8]) -> &[u8] {
    let start = memchr::memrchr(b'\n', lines).map_or(0, |newline| newline + 1);
    &lines[start.max(lines.len().saturating_sub(WRAP_MAX))..]
}

#[cfg(test)]
mod tests;
