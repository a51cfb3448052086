//! Decides what of a growing log is told when: the first line of a signal at once, and then what came in the meantime, at
//! most once a second. It must not read a clock: what time it is, is told.

use std::collections::BTreeMap;

use super::Scanner;
use crate::document::news::News;
use crate::document::snapshot::Hit;

/// Lines of one signal are told at most once in this many milliseconds. It is also how long a line may wait for the
/// line that continues it, which a kernel prints in the same moment.
const EVERY_MS: u64 = 1000;

/// What has been told of a log.
#[derive(Debug, Default)]
pub struct Pace {
    told: BTreeMap<usize, Told>,
    /// When there is something to tell next.
    next_ms: Option<u64>,
}

/// What has been told of a signal.
#[derive(Debug, Default)]
struct Told {
    lines: u64,
    /// When something was told last.
    at_ms: Option<u64>,
    /// When the lines came that nothing told of yet.
    noticed_ms: Option<u64>,
}

impl Pace {
    /// What there is to tell of `log` at `now_ms`, a time that never runs backwards.
    pub fn due(&mut self, log: &str, scanner: &Scanner<'_>, now_ms: u64) -> Vec<News> {
        self.tell(log, scanner, Some(now_ms))
    }

    /// What is left to tell at the end.
    pub fn rest(&mut self, log: &str, scanner: &Scanner<'_>) -> Vec<News> {
        self.tell(log, scanner, None)
    }

    /// When there is something to tell, if no line comes before.
    #[must_use]
    pub fn next_ms(&self) -> Option<u64> {
        self.next_ms
    }

    fn tell(&mut self, log: &str, scanner: &Scanner<'_>, now_ms: Option<u64>) -> Vec<News> {
        self.next_ms = None;
        let mut news = Vec::new();
        for (signal, Seen { counted, waiting, run }) in scanner.seen() {
            let told = self.told.entry(signal).or_default();
            let lines = counted + waiting;
            if lines <= told.lines {
                continue;
            }
            if let Some(now) = now_ms {
                let noticed = *told.noticed_ms.get_or_insert(now);
                let continued = if counted > told.lines { now } else { noticed + EVERY_MS };
                let due = told.at_ms.map_or(continued, |at| continued.max(at + EVERY_MS));
                if due > now {
                    self.next_ms = Some(self.next_ms.map_or(due, |next| next.min(due)));
                    continue;
                }
            }
            news.push(News { log: log.to_owned(), lines, new: lines - told.lines, run });
            *told = Told { lines, at_ms: now_ms, noticed_ms: None };
        }
        news
    }
}

/// What a scanner has seen of a signal.
pub(super) struct Seen {
    /// Lines that are in runs.
    pub(super) counted: u64,
    /// Lines whose continuation may follow.
    pub(super) waiting: u64,
    /// The newest run; where none is finished, what is known of the newest line.
    pub(super) run: Hit,
}

impl Scanner<'_> {
    /// The signals that were seen, by their number, each with what it came to.
    fn seen(&self) -> BTreeMap<usize, Seen> {
        let counted = self
            .runs
            .newest()
            .map(|(signal, counted, run)| (signal, Seen { counted, waiting: 0, run: run.clone() }));
        let mut seen: BTreeMap<usize, Seen> = counted.collect();
        for sighting in self.waiting.iter().map(|waiting| &waiting.sighting) {
            let name = &self.set.signals()[sighting.signal].name;
            let run = || Hit {
                signal: name.clone(),
                fields: sighting.fields.clone(),
                count: 1,
                first: sighting.moment,
                last: sighting.moment,
                sample: sighting.sample.clone(),
            };
            seen.entry(sighting.signal)
                .or_insert_with(|| Seen { counted: 0, waiting: 0, run: run() })
                .waiting += 1;
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knowledge::KnowledgeBase;
    use crate::scan::Clock;

    const WAIT: &str = "unregister_netdevice: waiting for lo to become free. Usage count = 1\n";
    const SLUB: &str = "SLUB: Unable to allocate memory on node -1 (gfp=0xd0)\n";
    const CACHE: &str = "  cache: dentry(7:pod1), object size: 192, buffer size: 192\n";

    /// A time, or the end; the text that comes then; what is told; when it would be asked again.
    type Step<'a> = (Option<u64>, String, &'a [&'a str], Option<u64>);

    fn check(steps: &[Step<'_>]) {
        let signals = KnowledgeBase::embedded().signals;
        let mut scanner = Scanner::new(&signals, Clock::default());
        let mut pace = Pace::default();
        for (at, (now, text, expected, next)) in steps.iter().enumerate() {
            scanner.push(text.as_bytes());
            let news = match now {
                Some(now) => pace.due("-", &scanner, *now),
                None => pace.rest("-", &scanner),
            };
            let told: Vec<String> =
                news.iter().map(|news| format!("{} {}/{}", news.run.signal, news.new, news.lines)).collect();
            assert_eq!(told, *expected, "step {at}");
            assert_eq!(pace.next_ms(), *next, "step {at}");
        }
    }

    #[test]
    fn the_first_line_is_told_at_once_and_what_follows_once_a_second() {
        let hung = "INFO: task dd:7 blocked for more than 120 seconds.\n";
        check(&[
            (Some(5), WAIT.to_owned(), &["unregister-netdevice 1/1"], None),
            (Some(6), WAIT.repeat(5000), &[], Some(1005)),
            (Some(900), format!("{WAIT}{hung}"), &["hung-task 1/1"], Some(1005)),
            (Some(1004), String::new(), &[], Some(1005)),
            (Some(1005), String::new(), &["unregister-netdevice 5001/5002"], None),
            (Some(9000), String::new(), &[], None),
            (Some(9001), WAIT.to_owned(), &["unregister-netdevice 1/5003"], None),
            (Some(9002), WAIT.to_owned(), &[], Some(10_001)),
            (None, String::new(), &["unregister-netdevice 1/5004"], None),
            (None, String::new(), &[], None),
        ]);
    }

    #[test]
    fn a_line_is_told_with_its_continuation_or_a_second_later_without() {
        check(&[
            (Some(10), SLUB.to_owned(), &[], Some(1010)),
            (Some(12), CACHE.to_owned(), &["slub-failure 1/1"], None),
            (Some(5000), SLUB.to_owned(), &[], Some(6000)),
            (Some(6000), String::new(), &["slub-failure 1/2"], None),
            (Some(6500), CACHE.to_owned(), &[], None),
        ]);
    }
}
