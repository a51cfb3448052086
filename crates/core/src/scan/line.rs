//! Looks at single lines: takes the message out of its prefix and its escapes, tries the patterns whose words it holds,
//! and puts together what was wrapped over lines or continues on later ones. It must keep no more of the text than a
//! message that can still go on.

use std::collections::{BTreeMap, BTreeSet};

use regex::bytes::Captures;

use super::fold::Sighting;
use super::{HEAD_LINES, Scanner, WRAP_MAX, prefix, text};
use crate::document::snapshot::Moment;
use crate::knowledge::signal::{BANNER, Pattern};

/// How many lines a wrapped message may go on for.
const WRAP_LINES: usize = 2;

/// Sightings that wait for their continuation at the same time: messages of several processors can be interleaved.
const WAITING_MAX: usize = 8;

/// Patterns whose words a text holds, as (signal, pattern) in their order.
type Candidates = Vec<(usize, usize)>;

/// A signal and its identity, as seen in one line.
type Seen = (usize, Vec<Option<String>>);

/// A sighting whose continuation may follow.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) sighting: Sighting,
    source: Vec<u8>,
    left: usize,
}

/// A line with a word of a signal that may go on on the next line.
#[derive(Debug)]
pub(super) struct Open {
    /// The message so far.
    message: Vec<u8>,
    candidates: Candidates,
    moment: Option<Moment>,
    source: Vec<u8>,
    left: usize,
}

impl Scanner<'_> {
    /// Looks at one line. Without a word of a signal it can only go on with what came before.
    pub(super) fn line(&mut self, line: &[u8], before: &[u8], has_word: bool) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (prefix, moment) = if self.inside {
            (prefix::Prefix::default(), self.inside_moment)
        } else {
            let prefix = prefix::read(line);
            let moment = self.clock.moment(prefix.uptime_ms, prefix.wall);
            (prefix, moment)
        };
        self.inside_moment = moment;
        self.latest = moment.or(self.latest);
        if self.first.is_none() && self.heads < HEAD_LINES {
            self.first = moment;
            self.heads += 1;
        }
        let message = &line[prefix.end..];
        if message
            .strip_prefix(BANNER.as_bytes())
            .is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_digit))
        {
            self.settle();
            self.runs.end_all();
            self.banner = true;
        }
        let message = text::plain(message);
        self.continue_waiting(&message, &prefix);
        let open = self.open.take();
        let mut seen = BTreeSet::new();
        if !has_word {
            if let Some(open) = open {
                self.go_on(open, &message, &prefix, &mut seen);
            }
            return;
        }
        // The whole line, since what looks like a host and a program can be the beginning of the message.
        let whole = text::plain(line);
        let candidates = self.set.candidates(&whole);
        let unmatched = self.matches(&whole, &candidates, 0, moment, &prefix.source, &mut seen);
        if let Some(open) = open {
            self.go_on(open, &message, &prefix, &mut seen);
        }
        if unmatched.is_empty() {
            return;
        }
        if !prefix.stamped && !before.is_empty() && !self.inside {
            let earlier = prefix::read(before);
            let mut joined = text::plain(&before[earlier.end..]).into_owned();
            let boundary = joined.len();
            joined.push(b' ');
            joined.extend_from_slice(&message[..message.len().min(WRAP_MAX)]);
            let moment = self.clock.moment(earlier.uptime_ms, earlier.wall);
            let left = self.matches(&joined, &unmatched, boundary, moment, &earlier.source, &mut seen);
            if left.is_empty() {
                return;
            }
        }
        self.open = Some(Open {
            message: message[message.len().saturating_sub(WRAP_MAX)..].to_vec(),
            candidates: unmatched,
            moment,
            source: prefix.source,
            left: WRAP_LINES,
        });
    }

    /// Tries whether a line goes on with the message of the line before.
    fn go_on(&mut self, open: Open, message: &[u8], prefix: &prefix::Prefix, seen: &mut BTreeSet<Seen>) {
        if prefix.stamped {
            return;
        }
        let Open { message: mut joined, candidates, moment, source, left } = open;
        let boundary = joined.len();
        joined.push(b' ');
        joined.extend_from_slice(&message[..message.len().min(WRAP_MAX)]);
        let candidates = self.matches(&joined, &candidates, boundary, moment, &source, seen);
        if left > 1 && !candidates.is_empty() {
            self.open = Some(Open { message: joined, candidates, moment, source, left: left - 1 });
        }
    }

    /// Finds the matches of `candidates` that end behind `boundary`, and gives the candidates of signals without any.
    fn matches(
        &mut self,
        message: &[u8],
        candidates: &[(usize, usize)],
        boundary: usize,
        moment: Option<Moment>,
        source: &[u8],
        seen: &mut BTreeSet<Seen>,
    ) -> Candidates {
        let set = self.set;
        let mut unmatched = candidates.to_vec();
        let mut taken: Vec<(usize, usize, usize)> = Vec::new();
        for &(number, pattern) in candidates {
            let signal = &set.signals()[number];
            let pattern = &signal.patterns[pattern];
            for captures in pattern.expression.compiled().captures_iter(message) {
                let Some(whole) = captures.get(0) else { continue };
                let overlaps = |&(other, start, end): &(usize, usize, usize)| {
                    other == number && start < whole.end() && whole.start() < end
                };
                if boundary > 0 && (whole.start() >= boundary || whole.end() <= boundary)
                    || taken.iter().any(overlaps)
                    || pattern
                        .unless
                        .as_ref()
                        .is_some_and(|unless| unless.compiled().is_match(whole.as_bytes()))
                {
                    continue;
                }
                unmatched.retain(|(other, _)| *other != number);
                taken.push((number, whole.start(), whole.end()));
                let mut fields = BTreeMap::new();
                take_fields(pattern, &captures, &mut fields);
                let mut sighting = Sighting {
                    signal: number,
                    fields,
                    moment,
                    sample: Sighting::sample(whole.as_bytes()),
                    order: self.order,
                };
                self.order += 1;
                if let Some(continuation) = &signal.continuation {
                    // Several lines can stand in one: in an object, or glued together by a copy.
                    let rest = &message[whole.end()..];
                    if take_first(&continuation.patterns, rest, &mut sighting.fields)
                        .is_none_or(|pattern| pattern.more)
                    {
                        self.wait(sighting, source, continuation.within);
                        continue;
                    }
                }
                let key = (
                    number,
                    signal.identity.iter().map(|field| sighting.fields.get(field).cloned()).collect(),
                );
                // One line that says it twice is one line.
                if seen.insert(key) {
                    self.runs.add(signal, sighting);
                }
            }
        }
        unmatched
    }

    fn wait(&mut self, sighting: Sighting, source: &[u8], within: usize) {
        if self.waiting.len() == WAITING_MAX {
            self.release_oldest();
        }
        self.waiting.push_back(Waiting { sighting, source: source.to_vec(), left: within });
    }

    /// Gives a line to the sightings that wait: the oldest one of the same source that it completes takes it.
    fn continue_waiting(&mut self, message: &[u8], prefix: &prefix::Prefix) {
        let set = self.set;
        // A line without a stamp is the rest of one that was wrapped, whoever spoke.
        let same_source = |waiting: &Waiting| !prefix.stamped || waiting.source == prefix.source;
        let mut completed = None;
        for (at, waiting) in self.waiting.iter_mut().enumerate().filter(|(_, waiting)| same_source(waiting)) {
            let continuation = set.signals()[waiting.sighting.signal].continuation.as_ref();
            let taken = continuation.and_then(|continuation| {
                take_first(&continuation.patterns, message, &mut waiting.sighting.fields)
            });
            if let Some(pattern) = taken {
                completed = (!pattern.more).then_some(at);
                break;
            }
        }
        if let Some(waiting) = completed.and_then(|at| self.waiting.remove(at)) {
            self.count(waiting.sighting);
        }
        for waiting in &mut self.waiting {
            waiting.left = waiting.left.saturating_sub(1);
        }
        while self.waiting.front().is_some_and(|waiting| waiting.left == 0) {
            self.release_oldest();
        }
    }

    /// Counts the sightings that still wait.
    pub(super) fn settle(&mut self) {
        while !self.waiting.is_empty() {
            self.release_oldest();
        }
    }

    fn release_oldest(&mut self) {
        if let Some(waiting) = self.waiting.pop_front() {
            self.count(waiting.sighting);
        }
    }

    fn count(&mut self, sighting: Sighting) {
        let signal = &self.set.signals()[sighting.signal];
        self.runs.add(signal, sighting);
    }
}

fn take_fields(pattern: &Pattern, captures: &Captures<'_>, fields: &mut BTreeMap<String, String>) {
    for name in pattern.expression.groups() {
        if let Some(value) = captures.name(name) {
            fields.insert(name.to_owned(), Sighting::field(value.as_bytes()));
        }
    }
    for (name, value) in &pattern.set {
        fields.entry(name.clone()).or_insert_with(|| value.clone());
    }
}

/// Takes the fields of the first of `patterns` that matches, and gives that pattern.
fn take_first<'p>(
    patterns: &'p [Pattern],
    message: &[u8],
    fields: &mut BTreeMap<String, String>,
) -> Option<&'p Pattern> {
    patterns.iter().find(|pattern| {
        pattern.expression.compiled().captures(message).is_some_and(|captures| {
            take_fields(pattern, &captures, fields);
            true
        })
    })
}
