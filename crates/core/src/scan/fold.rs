//! Folds single sightings of signals into runs, as they come. It must stay small whatever the log holds: runs, fields
//! and samples are all bounded.

use std::collections::{BTreeMap, VecDeque};

use super::text::harmless;
use crate::document::snapshot::{Hit, Moment};
use crate::knowledge::signal::Signal;

/// Runs that are kept of one signal from its first sighting on. Beyond them the newest are kept, so that both the
/// beginning and the present stay visible.
const EARLY: usize = 128;

/// The newest runs that are kept of one signal.
const LATE: usize = 128;

/// The longest value of a field, in bytes: paths of cgroups have some 200.
const FIELD_MAX: usize = 256;

/// The longest sample, in bytes.
const SAMPLE_MAX: usize = 400;

/// A signal in one line.
pub(super) struct Sighting {
    /// Which signal of the set.
    pub signal: usize,
    /// Its fields.
    pub fields: BTreeMap<String, String>,
    /// When.
    pub moment: Option<Moment>,
    /// The matched text.
    pub sample: String,
    /// Its place among all sightings.
    pub order: u64,
}

impl Sighting {
    /// Takes the text of a field or of a sample from a line.
    pub(super) fn field(bytes: &[u8]) -> String {
        harmless(bytes, FIELD_MAX)
    }

    /// The sample of a match.
    pub(super) fn sample(bytes: &[u8]) -> String {
        harmless(bytes, SAMPLE_MAX)
    }
}

/// The runs of all signals.
#[derive(Debug, Default)]
pub(super) struct Runs {
    of: BTreeMap<usize, OfSignal>,
    dropped: u64,
}

/// The runs of one signal. A run's number is its place in the order of their beginnings.
#[derive(Debug, Default)]
struct OfSignal {
    early: Vec<Run>,
    late: VecDeque<Run>,
    /// The number of the first run in `late`, less `EARLY`: how many runs were dropped.
    gone: usize,
    /// The run that each identity continues.
    open: BTreeMap<Vec<Option<String>>, usize>,
    /// All lines, those of runs that were dropped too.
    lines: u64,
    /// The number of the run that the newest line belongs to.
    newest: usize,
}

#[derive(Debug)]
struct Run {
    identity: Vec<Option<String>>,
    order: u64,
    hit: Hit,
}

impl Runs {
    /// Counts a sighting: into the run that it continues, or as the first of a new one.
    pub(super) fn add(&mut self, signal: &Signal, sighting: Sighting) {
        let of = self.of.entry(sighting.signal).or_default();
        let identity: Vec<Option<String>> =
            signal.identity.iter().map(|field| sighting.fields.get(field).cloned()).collect();
        of.lines += 1;
        if let Some(number) = of.open.get(&identity).copied()
            && let Some(run) = of.run_mut(number)
            && continues(run.hit.last, sighting.moment, signal.gap_ms)
        {
            run.hit.count += 1;
            run.hit.first = run.hit.first.or(sighting.moment);
            run.hit.last = sighting.moment.or(run.hit.last);
            of.newest = number;
            return;
        }
        let hit = Hit {
            signal: signal.name.clone(),
            fields: sighting.fields,
            count: 1,
            first: sighting.moment,
            last: sighting.moment,
            sample: sighting.sample,
        };
        self.dropped += of.begin(Run { identity, order: sighting.order, hit });
    }

    /// Ends all runs: what follows belongs to another boot.
    pub(super) fn end_all(&mut self) {
        self.of.values_mut().for_each(|of| of.open.clear());
    }

    /// The signals that were seen, each with the number of its lines and the run of the newest.
    pub(super) fn newest(&self) -> impl Iterator<Item = (usize, u64, &Hit)> {
        self.of.iter().filter_map(|(signal, of)| Some((*signal, of.lines, &of.run(of.newest)?.hit)))
    }

    /// All runs in the order of their beginnings, and how many sightings aren't in them.
    pub(super) fn finish(self) -> (Vec<Hit>, u64) {
        let mut runs: Vec<Run> =
            self.of.into_values().flat_map(|of| of.early.into_iter().chain(of.late)).collect();
        runs.sort_by_key(|run| run.order);
        (runs.into_iter().map(|run| run.hit).collect(), self.dropped)
    }
}

impl OfSignal {
    fn run(&self, number: usize) -> Option<&Run> {
        match number.checked_sub(EARLY) {
            None => self.early.get(number),
            Some(place) => self.late.get(place.checked_sub(self.gone)?),
        }
    }

    fn run_mut(&mut self, number: usize) -> Option<&mut Run> {
        match number.checked_sub(EARLY) {
            None => self.early.get_mut(number),
            Some(place) => self.late.get_mut(place.checked_sub(self.gone)?),
        }
    }

    /// Keeps a new run, and gives the number of sightings that had to be dropped for it.
    fn begin(&mut self, run: Run) -> u64 {
        let identity = run.identity.clone();
        let mut dropped = 0;
        if self.early.len() < EARLY {
            self.newest = self.early.len();
            self.open.insert(identity, self.newest);
            self.early.push(run);
            return dropped;
        }
        if self.late.len() == LATE
            && let Some(oldest) = self.late.pop_front()
        {
            dropped = oldest.hit.count;
            if self.open.get(&oldest.identity) == Some(&(EARLY + self.gone)) {
                self.open.remove(&oldest.identity);
            }
            self.gone += 1;
        }
        self.newest = EARLY + self.gone + self.late.len();
        self.open.insert(identity, self.newest);
        self.late.push_back(run);
        dropped
    }
}

/// Whether a line at `next` continues a run whose last line stood at `last`. Where the two can't be compared, lines
/// that follow each other belong together.
fn continues(last: Option<Moment>, next: Option<Moment>, gap_ms: Option<i64>) -> bool {
    let (Some(gap), Some(last), Some(next)) = (gap_ms, last, next) else { return true };
    let between = match (last.unix_ms, next.unix_ms, last.uptime_ms, next.uptime_ms) {
        (Some(last), Some(next), ..) | (_, _, Some(last), Some(next)) => next.saturating_sub(last),
        _ => return true,
    };
    // Lines can be out of order by a little; a counter that runs backwards by more has started anew.
    (-gap..=gap).contains(&between)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(gap_ms: Option<i64>, identity: &[&str]) -> Signal {
        Signal {
            source: "test".into(),
            name: "s".to_owned(),
            about: String::new(),
            printed_by: String::new(),
            gap_ms,
            identity: identity.iter().map(|field| (*field).to_owned()).collect(),
            patterns: Vec::new(),
            continuation: None,
        }
    }

    fn sighting(order: u64, seconds: Option<i64>, device: &str) -> Sighting {
        Sighting {
            signal: 0,
            fields: BTreeMap::from([("device".to_owned(), device.to_owned())]),
            moment: seconds.map(|seconds| Moment { uptime_ms: Some(seconds * 1000), unix_ms: None }),
            sample: String::new(),
            order,
        }
    }

    fn counts(gap_ms: Option<i64>, lines: &[(Option<i64>, &str)]) -> Vec<u64> {
        let signal = signal(gap_ms, &["device"]);
        let mut runs = Runs::default();
        for (order, (seconds, device)) in lines.iter().enumerate() {
            runs.add(&signal, sighting(order as u64, *seconds, device));
        }
        runs.finish().0.iter().map(|hit| hit.count).collect()
    }

    #[test]
    fn a_gap_or_another_identity_makes_a_new_run() {
        let gap = Some(30_000);
        assert_eq!(counts(gap, &[(Some(10), "lo"), (Some(20), "lo"), (Some(50), "lo")]), [3]);
        assert_eq!(counts(gap, &[(Some(10), "lo"), (Some(41), "lo")]), [1, 1]);
        assert_eq!(counts(gap, &[(Some(10), "lo"), (Some(12), "eth0"), (Some(20), "lo")]), [2, 1]);
        assert_eq!(counts(None, &[(Some(10), "lo"), (Some(9999), "lo")]), [2]);
        assert_eq!(counts(gap, &[(Some(10), "lo"), (None, "lo"), (Some(20), "lo")]), [3]);
        assert_eq!(counts(gap, &[(Some(5000), "lo"), (Some(3), "lo")]), [1, 1], "the counter started anew");
    }

    #[test]
    fn the_first_and_the_newest_runs_are_kept() {
        let signal = signal(Some(30_000), &["device"]);
        let mut runs = Runs::default();
        for order in 0..1000_i64 {
            runs.add(&signal, sighting(order as u64, Some(order * 100), "lo"));
            runs.add(&signal, sighting(order as u64, Some(order * 100 + 10), "lo"));
        }
        let (hits, dropped) = runs.finish();
        assert_eq!(hits.len(), EARLY + LATE);
        assert_eq!(dropped, (1000 - 256) * 2);
        assert_eq!(hits.iter().map(|hit| hit.count).sum::<u64>() + dropped, 2000);
        assert_eq!(hits[0].first.unwrap().uptime_ms, Some(0));
        assert_eq!(hits.last().unwrap().last.unwrap().uptime_ms, Some(99_910_000));
    }
}
