//! Log signals as data: the lines that are known, with their fields, the programs that print them, and the lines that
//! they must match and must not. Files are read raw and become a [`SignalSet`] that can't be wrong; everything that is
//! wrong is reported in one run. It must not look at logs: that is `scan`'s work.
//!
//! A file holds `[[signal]]` tables:
//!
//! | key | meaning |
//! | --- | --- |
//! | `name` | what advisories call it |
//! | `about` | one line: what has happened when this is printed |
//! | `printed-by` | the kernels and programs that print it |
//! | `patterns` | expressions over one logical line, tried in order; each a string, or a table of `regex`, `set` (fields that this pattern implies) and `unless` (an expression that makes a matched text something else) |
//! | `continuation` | `within` (lines), `patterns`: more fields from a line that follows, without its prefix; in their tables `more = true` says that the search goes on |
//! | `identity` | the fields that tell runs apart |
//! | `gap` | lines of one identity further apart than this make a new run; without it there is one run |
//! | `matches` | tables of `lines` and `fields`: what must be found, with exactly these fields |
//! | `rejects` | texts in which it must not be found |

mod anchor;
mod lint;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind, packed};

use super::expression::Expression;
use super::problem::Problem;

/// How many groups of words a vector search tells apart. It looks at the first bytes of words; those of a group give
/// lookalikes to verify.
const GROUPS: usize = 8;

/// How many words make a group. Three that follow each other in the alphabet begin alike, and so give few lookalikes:
/// measured on 66 words, three searches of 24 take two thirds of the time of nine of 8.
const WORDS_IN_A_GROUP: usize = 3;

/// A boot starts with this line, whatever the kernel: it ends all runs.
pub(crate) const BANNER: &str = "Linux version ";

/// One known kind of log line.
#[derive(Debug, Clone)]
pub struct Signal {
    /// The file that it stands in, without folder and ending: `kernel`, or the kind of program that prints it.
    pub source: String,
    /// What advisories call it.
    pub name: String,
    /// What has happened when it is printed.
    pub about: String,
    /// The kernels and programs that print it, in words.
    pub printed_by: String,
    /// Milliseconds: lines of one identity that are further apart make a new run. `None`: one run.
    pub gap_ms: Option<i64>,
    /// The fields that tell runs apart.
    pub identity: Vec<String>,
    /// The expressions, the first that matches wins.
    pub patterns: Vec<Pattern>,
    /// Fields that stand on a line that follows.
    pub continuation: Option<Continuation>,
}

/// An expression and what it implies.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// The expression; its named groups are fields.
    pub expression: Expression,
    /// Fields that a match has where no group gives them.
    pub set: BTreeMap<String, String>,
    /// Words of which every match contains at least one.
    pub anchors: Vec<String>,
    /// A matched text in which this is found is something else.
    pub unless: Option<Expression>,
    /// In a continuation: whether the lines that follow may have more fields.
    pub more: bool,
}

/// What follows the line of a signal.
#[derive(Debug, Clone)]
pub struct Continuation {
    /// How many lines it may lie behind, counted in lines of the same source.
    pub within: usize,
    /// The expressions, the first that matches wins.
    pub patterns: Vec<Pattern>,
}

/// Checked signals, ready to scan with.
#[derive(Debug)]
pub struct SignalSet {
    signals: Vec<Signal>,
    /// Made at the first scan.
    index: OnceLock<Index>,
}

/// The words of all signals.
#[derive(Debug)]
struct Index {
    prefilter: Prefilter,
    /// Over one line: which anchors are in it, overlapping ones too.
    words: AhoCorasick,
    /// For each anchor of `words`, the patterns it belongs to as (signal, pattern).
    owners: Vec<Vec<(usize, usize)>>,
}

/// Finds the lines that are worth a look, in bytes of any number of lines.
#[derive(Debug)]
enum Prefilter {
    /// Vector instructions, where the processor has them: one search for each few words.
    Packed(Vec<packed::Searcher>),
    /// Everywhere else.
    Automaton(AhoCorasick),
}

impl SignalSet {
    /// Reads files of signals, each given as its name and its text. The signals of the files that `linted` names are
    /// also tried on the lines that they must match and must not.
    ///
    /// # Errors
    /// Everything that is wrong with the files, in their order.
    pub fn read(files: &[(&str, &str)], linted: &BTreeSet<&str>) -> Result<Self, Vec<Problem>> {
        let read::Files { signals, vectors, mut problems } = read::read(files);
        let set = Self { signals, index: OnceLock::new() };
        for vector in &vectors {
            let problems = &mut problems[vector.file];
            if linted.contains(problems.file())
                && let Err(message) = vector.hold(&set)
            {
                problems.add(&vector.lines.place, message);
            }
        }
        let found: Vec<Problem> =
            problems.into_iter().filter_map(|problems| problems.or(()).err()).flatten().collect();
        if found.is_empty() { Ok(set) } else { Err(found) }
    }

    /// The signals, in the order of the files.
    #[must_use]
    pub fn signals(&self) -> &[Signal] {
        &self.signals
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::new(&self.signals))
    }

    /// A search for the words of all signals in `bytes`.
    pub(crate) fn candidates_in<'b>(&'b self, bytes: &'b [u8]) -> Candidates<'b> {
        let prefilter = &self.index().prefilter;
        let searches = match prefilter {
            Prefilter::Packed(searchers) => searchers.len(),
            Prefilter::Automaton(_) => 1,
        };
        Candidates { prefilter, bytes, found: vec![None; searches] }
    }

    /// The patterns that can match this line, as (signal, pattern) in their order.
    pub(crate) fn candidates(&self, line: &[u8]) -> Vec<(usize, usize)> {
        let index = self.index();
        let words = index.words.find_overlapping_iter(line);
        let owners = words.filter_map(|found| index.owners.get(found.pattern().as_usize()));
        let mut patterns: Vec<(usize, usize)> = owners.flatten().copied().collect();
        patterns.sort_unstable();
        patterns.dedup();
        patterns
    }
}

impl Index {
    fn new(signals: &[Signal]) -> Self {
        let mut owners: BTreeMap<&str, Vec<(usize, usize)>> = BTreeMap::new();
        for (at, signal) in signals.iter().enumerate() {
            for (pattern, anchors) in signal.patterns.iter().map(|pattern| &pattern.anchors).enumerate() {
                for anchor in anchors {
                    owners.entry(anchor).or_default().push((at, pattern));
                }
            }
        }
        let words: Vec<&str> = owners.keys().copied().collect();
        let owners: Vec<Vec<(usize, usize)>> = owners.values().cloned().collect();
        let automaton = |words: &[&str]| {
            AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .build(words)
                .expect("a few hundred short words fit into any automaton")
        };
        let mut all: Vec<&str> = words.iter().copied().chain([BANNER]).collect();
        all.sort_unstable();
        // A line with a word also has what the word contains; and fewer words are found faster.
        let contains_another = |word: &str| all.iter().any(|other| *other != word && word.contains(other));
        let wanted: Vec<&str> = all.iter().copied().filter(|word| !contains_another(word)).collect();
        let packed: Option<Vec<_>> = wanted.chunks(GROUPS * WORDS_IN_A_GROUP).map(searcher).collect();
        let prefilter = packed.map_or_else(|| Prefilter::Automaton(automaton(&wanted)), Prefilter::Packed);
        let words = automaton(&words);
        Self { prefilter, words, owners }
    }
}

/// A vector search for a few words, which come in the order of the alphabet. It deals them out to its groups one after
/// the other, so neighbours are given to it at a distance of as many.
fn searcher(words: &[&str]) -> Option<packed::Searcher> {
    let dealt = (0..WORDS_IN_A_GROUP).flat_map(|first| words.iter().skip(first).step_by(WORDS_IN_A_GROUP));
    packed::Searcher::new(dealt)
}

/// The places in some bytes where words of signals stand.
pub(crate) struct Candidates<'b> {
    prefilter: &'b Prefilter,
    bytes: &'b [u8],
    /// For each search, the place that it found last: its first one from wherever it was asked.
    found: Vec<Option<usize>>,
}

impl Candidates<'_> {
    /// The first word at `from` or later.
    pub(crate) fn next(&mut self, from: usize) -> Option<usize> {
        let bytes = &self.bytes[from..];
        for (search, found) in self.found.iter_mut().enumerate() {
            if found.is_none_or(|place| place < from) {
                let place = match self.prefilter {
                    Prefilter::Packed(searchers) => searchers[search].find(bytes).map(|word| word.start()),
                    Prefilter::Automaton(automaton) => automaton.find(bytes).map(|word| word.start()),
                };
                *found = Some(place.map_or(usize::MAX, |place| from + place));
            }
        }
        self.found.iter().flatten().min().copied().filter(|place| *place < self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knowledge::KnowledgeBase;

    fn problems(text: &str) -> Vec<String> {
        let found = SignalSet::read(&[("s.toml", text)], &BTreeSet::from(["s.toml"]));
        found.err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    /// Without the vector search every scan is many times slower.
    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn the_built_in_signals_are_searched_fast() {
        let signals = KnowledgeBase::embedded().signals;
        assert!(matches!(signals.index().prefilter, Prefilter::Packed(_)));
    }

    #[test]
    fn every_built_in_expression_compiles() {
        let knowledge = KnowledgeBase::embedded();
        for signal in knowledge.signals.signals() {
            let following = signal.continuation.iter().flat_map(|next| &next.patterns);
            for pattern in signal.patterns.iter().chain(following) {
                let unless = pattern.unless.iter();
                unless.chain([&pattern.expression]).for_each(|expression| {
                    let _ = expression.compiled();
                });
            }
        }
    }

    fn embedded() -> read::Files<'static> {
        read::read(&[
            ("kernel.toml", include_str!("../../../../knowledge/signals/kernel.toml")),
            ("runtime.toml", include_str!("../../../../knowledge/signals/runtime.toml")),
        ])
    }

    /// What signals say is held by their vectors, and where that is from is held by name.
    #[test]
    fn every_built_in_signal_has_vectors_and_names_its_source() {
        let read::Files { signals, vectors, .. } = embedded();
        assert_eq!(
            signals.len(),
            KnowledgeBase::embedded().signals.signals().len(),
            "a file is missing here"
        );
        for Signal { name, source, printed_by, .. } in &signals {
            let has = |matches: bool| {
                vectors.iter().any(|vector| vector.signal == *name && vector.fields.is_some() == matches)
            };
            assert!(
                has(true) && has(false),
                "{name} has no line that it must match, or none that it must not"
            );
            let is_file = |word: &str| word.contains('/') && (word.ends_with(".c") || word.ends_with(".h"));
            let names = printed_by.split([' ', ',', ';', ':']).map(|word| word.trim_end_matches('.'));
            assert!(source != "kernel" || names.into_iter().any(is_file), "{name}: {printed_by}");
        }
    }

    /// Who searches line by line with the exported patterns finds what a scan finds, but for what is wrapped over lines
    /// or escaped.
    #[test]
    fn portable_patterns_match_what_the_signals_must() {
        let read::Files { signals, vectors, .. } = embedded();
        let mut left_out = 0;
        for vector in vectors.iter().filter(|vector| vector.fields.is_some()) {
            let signal = signals.iter().find(|signal| signal.name == vector.signal).unwrap();
            let patterns: Vec<regex::bytes::Regex> = signal
                .patterns
                .iter()
                .map(|pattern| regex::bytes::Regex::new(&pattern.expression.portable()).unwrap())
                .collect();
            let found = |text: &str| patterns.iter().any(|pattern| pattern.is_match(text.as_bytes()));
            let text = &vector.lines.value;
            if !text.lines().any(found) {
                left_out += 1;
                let unwrapped = text.replace('\n', " ").replace("\\\"", "\"").replace('\\', "");
                let unescaped = unwrapped.replace("&#39;", "'");
                assert!(found(&unescaped), "{}: {text}", vector.signal);
            }
        }
        assert!(left_out * 10 < vectors.len(), "{left_out} of {}", vectors.len());
        let all: Vec<String> =
            signals.iter().flat_map(|signal| &signal.patterns).map(|p| p.expression.portable()).collect();
        assert!(regex::bytes::Regex::new(&all.join("|")).is_ok(), "they can be joined");
    }

    /// Signals with everything wrong that can be.
    #[test]
    fn every_problem_is_reported_in_one_run() {
        let text = r#"
[[signal]]
name = "Upper"
about = "a"
printed-by = "b"
gap = "30 days"
identity = ["nothing"]
patterns = ['broken(', '[a-z]*', 'alpha (?P<n>[0-9]+)']
wrong = 1
matches = [{ lines = "alpha 1", fields = { n = "2" } }, { lines = "beta" }]
rejects = ["alpha 7"]

[[signal]]
name = "second"
patterns = 3
continuation = { within = 99, patterns = [] }

[[signal]]
name = "third"
about = "a"
printed-by = "b"
patterns = ["gamma"]
matches = []
rejects = []

[[signal]]
name = "third"
about = "a"
printed-by = "b"
patterns = ["gamma"]
matches = []
rejects = []
"#;
        insta::assert_snapshot!(problems(text).join("\n"), @r#"
        s.toml:3:8: `Upper` must be lower-case letters, digits and `-`
        s.toml:6:7: `30 days` isn't a duration: a number, a blank, and ms, s, min or h
        s.toml:7:13: no pattern gives a field `nothing`
        s.toml:8:13: not a regular expression: unclosed group
        s.toml:8:24: every match must contain a word of four or more characters, so that lines without one can be passed over
        s.toml:9:1: `wrong` is not a key here; known are `name`, `about`, `printed-by`, `patterns`, `continuation`, `gap`, `identity`, `matches`, `rejects`
        s.toml:10:22: `Upper` matches with other fields: n = "1"
        s.toml:10:67: `Upper` must match this, and does not
        s.toml:11:12: `Upper` must not match this, and does with n = "7"
        s.toml:13:1: `about` is missing
        s.toml:13:1: `matches` is missing
        s.toml:13:1: `printed-by` is missing
        s.toml:13:1: `rejects` is missing
        s.toml:15:12: an array of patterns belongs here, not an integer
        s.toml:16:27: this must be a number of lines from 1 to 8
        s.toml:16:42: there must be at least one pattern
        s.toml:27:8: `third` already stands in s.toml, line 19
        "#);
    }
}
