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

use std::collections::{BTreeMap, BTreeSet};

use aho_corasick::{AhoCorasick, MatchKind, packed};
use regex::bytes::{Regex, RegexBuilder};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use crate::scan::{Clock, Scanner};

/// The signals that are built in: file name and text.
pub const BUILTIN: &[(&str, &str)] = &[
    ("knowledge/signals/kernel.toml", include_str!("../../../../knowledge/signals/kernel.toml")),
    ("knowledge/signals/runtime.toml", include_str!("../../../../knowledge/signals/runtime.toml")),
];

/// The compiled size of one expression, in bytes: a hundred times what the built-in ones need.
const REGEX_SIZE_LIMIT: usize = 1 << 20;

/// How many words one vector search takes: it tells eight groups apart, and words that share one give lookalikes to
/// verify. Measured on 65 words, eight searches of eight take less than half the time of two of thirty-two.
const WORDS_IN_A_SEARCH: usize = 8;

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
    pub regex: Regex,
    /// Fields that a match has where no group gives them.
    pub set: BTreeMap<String, String>,
    /// Words of which every match contains at least one.
    pub anchors: Vec<String>,
    /// A matched text in which this is found is something else.
    pub unless: Option<Regex>,
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
    /// The built-in signals.
    ///
    /// # Errors
    /// Never, as long as the tests of this file pass; a caller reports them like those of files that people wrote.
    pub fn builtin() -> Result<Self, Vec<Problem>> {
        Self::read(BUILTIN)
    }

    /// Reads files of signals, each given as its name and its text.
    ///
    /// # Errors
    /// Everything that is wrong with them, except what only [`lint`] looks at, in the order of the files.
    pub fn read(files: &[(&str, &str)]) -> Result<Self, Vec<Problem>> {
        let (set, _, problems) = read(files);
        if problems.is_empty() { Ok(set) } else { Err(problems) }
    }

    /// The signals, in the order of the files.
    #[must_use]
    pub fn signals(&self) -> &[Signal] {
        &self.signals
    }

    fn new(signals: Vec<Signal>) -> Self {
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
        let all: Vec<&str> = words.iter().copied().chain([BANNER]).collect();
        // A line with a word also has what the word contains; and fewer words are found faster.
        let contains_another = |word: &str| all.iter().any(|other| *other != word && word.contains(other));
        let wanted: Vec<&str> = all.iter().copied().filter(|word| !contains_another(word)).collect();
        let packed: Option<Vec<_>> = wanted.chunks(WORDS_IN_A_SEARCH).map(packed::Searcher::new).collect();
        let prefilter = packed.map_or_else(|| Prefilter::Automaton(automaton(&wanted)), Prefilter::Packed);
        let words = automaton(&words);
        Self { signals, prefilter, words, owners }
    }

    /// Whether candidates are found with vector instructions.
    #[cfg(test)]
    fn is_fast(&self) -> bool {
        matches!(self.prefilter, Prefilter::Packed(_))
    }

    /// A search for the words of all signals in `bytes`.
    pub(crate) fn candidates_in<'b>(&'b self, bytes: &'b [u8]) -> Candidates<'b> {
        let searches = match &self.prefilter {
            Prefilter::Packed(searchers) => searchers.len(),
            Prefilter::Automaton(_) => 1,
        };
        Candidates { prefilter: &self.prefilter, bytes, found: vec![None; searches] }
    }

    /// The patterns that can match this line, as (signal, pattern) in their order.
    pub(crate) fn candidates(&self, line: &[u8]) -> BTreeSet<(usize, usize)> {
        self.words
            .find_overlapping_iter(line)
            .filter_map(|found| self.owners.get(found.pattern().as_usize()))
            .flatten()
            .copied()
            .collect()
    }
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

/// Everything that is wrong with files of signals: what keeps them from being read, and lines that don't match as they say.
#[must_use = "the problems are the result"]
pub fn lint(files: &[(&str, &str)]) -> Vec<Problem> {
    let (set, vectors, mut problems) = read(files);
    for vector in &vectors {
        let Some(name) = set.signals.get(vector.signal).map(|signal| signal.name.as_str()) else { continue };
        let mut scanner = Scanner::new(&set, Clock::default());
        scanner.push(vector.lines.as_bytes());
        let found: Vec<_> = scanner
            .finish()
            .hits
            .into_iter()
            .filter(|hit| hit.signal == name)
            .map(|hit| hit.fields)
            .collect();
        let message = match &vector.fields {
            None if found.is_empty() => continue,
            None => format!("`{name}` must not match this, and does with {}", show(&found)),
            Some(_) if found.is_empty() => format!("`{name}` must match this, and does not"),
            Some(fields) if found.iter().any(|hit| hit == fields) => continue,
            Some(_) => format!("`{name}` matches with other fields: {}", show(&found)),
        };
        problems.push(vector.place.problem(message));
    }
    problems.sort();
    problems
}

fn show(found: &[BTreeMap<String, String>]) -> String {
    let one = |fields: &BTreeMap<String, String>| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name} = {value:?}")).collect();
        if fields.is_empty() { "no fields".to_owned() } else { fields.join(", ") }
    };
    found.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// A text that a signal must match (`fields`) or must not.
struct Vector {
    signal: usize,
    place: Place,
    lines: String,
    fields: Option<BTreeMap<String, String>>,
}

/// A place in a file.
#[derive(Clone)]
struct Place {
    file: String,
    line: usize,
    column: usize,
}

impl Place {
    fn problem(&self, message: String) -> Problem {
        Problem { file: self.file.clone(), line: self.line, column: self.column, message }
    }
}

fn read(files: &[(&str, &str)]) -> (SignalSet, Vec<Vector>, Vec<Problem>) {
    let mut signals = Vec::new();
    let mut vectors = Vec::new();
    let mut problems = Vec::new();
    let mut names: BTreeMap<String, Place> = BTreeMap::new();
    for (file, text) in files {
        let mut reader = Reader { file, text, problems: Vec::new() };
        let (root, errors) = DeTable::parse_recoverable(text);
        let broken = !errors.is_empty();
        for error in errors {
            reader.problem(error.span().map_or(0, |span| span.start), error.message().to_owned());
        }
        // What the parser recovers from a broken text isn't what its author wrote.
        let read = if broken { Vec::new() } else { reader.file(root.get_ref()) };
        for (signal, place, found) in read {
            if let Some(first) = names.get(&signal.name) {
                let message =
                    format!("`{}` already stands in {}, line {}", signal.name, first.file, first.line);
                reader.problems.push(place.problem(message));
                continue;
            }
            names.insert(signal.name.clone(), place);
            vectors.extend(found.into_iter().map(|vector| Vector { signal: signals.len(), ..vector }));
            signals.push(signal);
        }
        reader.problems.sort();
        problems.append(&mut reader.problems);
    }
    (SignalSet::new(signals), vectors, problems)
}

/// One file under reading. Each method reports what is wrong and gives what could be read.
struct Reader<'t> {
    file: &'t str,
    text: &'t str,
    problems: Vec<Problem>,
}

type Value<'t> = Spanned<DeValue<'t>>;

impl<'t> Reader<'t> {
    fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    fn problem(&mut self, offset: usize, message: String) {
        let problem = self.place(offset).problem(message);
        self.problems.push(problem);
    }

    /// Reports the keys of `table` that aren't in `known`.
    fn keys(&mut self, table: &DeTable<'t>, known: &[&str]) {
        for key in table.keys() {
            if !known.contains(&key.get_ref().as_ref()) {
                let message = format!("`{}` isn't known here; known are {}", key.get_ref(), known.join(", "));
                self.problem(key.span().start, message);
            }
        }
    }

    fn string(&mut self, value: &Value<'t>) -> Option<String> {
        if let DeValue::String(text) = value.get_ref() {
            return Some(text.clone().into_owned());
        }
        self.problem(value.span().start, "this must be a string".to_owned());
        None
    }

    fn boolean(&mut self, value: &Value<'t>) -> bool {
        if let DeValue::Boolean(boolean) = value.get_ref() {
            return *boolean;
        }
        self.problem(value.span().start, "this must be true or false".to_owned());
        false
    }

    fn array<'v>(&mut self, value: &'v Value<'t>) -> &'v [Value<'t>] {
        if let DeValue::Array(array) = value.get_ref() {
            return array;
        }
        self.problem(value.span().start, "this must be an array".to_owned());
        &[]
    }

    fn table<'v>(&mut self, value: &'v Value<'t>) -> Option<&'v DeTable<'t>> {
        if let DeValue::Table(table) = value.get_ref() {
            return Some(table);
        }
        self.problem(value.span().start, "this must be a table".to_owned());
        None
    }

    fn strings(&mut self, value: &Value<'t>) -> BTreeMap<String, String> {
        let Some(table) = self.table(value) else { return BTreeMap::new() };
        table
            .iter()
            .filter_map(|(key, value)| Some((key.get_ref().clone().into_owned(), self.string(value)?)))
            .collect()
    }

    /// The value of a key that must be there.
    fn needed<'v>(&mut self, table: &'v DeTable<'t>, key: &str, offset: usize) -> Option<&'v Value<'t>> {
        let value = table.get(key);
        if value.is_none() {
            self.problem(offset, format!("`{key}` is missing"));
        }
        value
    }

    fn file(&mut self, root: &DeTable<'t>) -> Vec<(Signal, Place, Vec<Vector>)> {
        self.keys(root, &["signal"]);
        let Some(signals) = root.get("signal") else { return Vec::new() };
        let mut read = Vec::new();
        for value in self.array(signals) {
            if let Some(table) = self.table(value) {
                read.extend(self.signal(table, value.span().start));
            }
        }
        read
    }

    fn signal(&mut self, table: &DeTable<'t>, offset: usize) -> Option<(Signal, Place, Vec<Vector>)> {
        const KEYS: &[&str] = &[
            "name",
            "about",
            "printed-by",
            "patterns",
            "continuation",
            "identity",
            "gap",
            "matches",
            "rejects",
        ];
        self.keys(table, KEYS);
        let name_at = table.get("name").map_or(offset, |name| name.span().start);
        let name = self.needed(table, "name", offset).and_then(|name| self.string(name));
        let about = self.needed(table, "about", offset).and_then(|about| self.string(about));
        let printed_by = self.needed(table, "printed-by", offset).and_then(|text| self.string(text));
        let patterns = self.needed(table, "patterns", offset).map(|value| self.patterns(value, true));
        let continuation = table.get("continuation").and_then(|value| self.continuation(value));
        let gap_ms = table.get("gap").and_then(|gap| self.duration(gap));
        let identity = table
            .get("identity")
            .map(|value| self.identity(value, patterns.as_deref(), continuation.as_ref()));
        let mut vectors = Vec::new();
        if let Some(matches) = self.needed(table, "matches", offset) {
            vectors.extend(self.array(matches).iter().filter_map(|value| self.vector(value)));
        }
        if let Some(rejects) = self.needed(table, "rejects", offset) {
            for value in self.array(rejects) {
                let place = self.place(value.span().start);
                let lines = self.string(value);
                vectors.extend(lines.map(|lines| Vector { signal: 0, place, lines, fields: None }));
            }
        }
        let file = self.file.rsplit('/').next().unwrap_or_default();
        let signal = Signal {
            source: file.strip_suffix(".toml").unwrap_or(file).to_owned(),
            name: name?,
            about: about?,
            printed_by: printed_by?,
            gap_ms,
            identity: identity.unwrap_or_default(),
            patterns: patterns?,
            continuation,
        };
        let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if signal.name.is_empty() || !signal.name.bytes().all(lower) {
            self.problem(name_at, format!("`{}` must be lower-case letters, digits and `-`", signal.name));
        }
        Some((signal, self.place(name_at), vectors))
    }

    fn vector(&mut self, value: &Value<'t>) -> Option<Vector> {
        let table = self.table(value)?;
        let offset = value.span().start;
        self.keys(table, &["lines", "fields"]);
        let lines = self.needed(table, "lines", offset)?;
        let place = self.place(lines.span().start);
        let lines = self.string(lines)?;
        let fields = table.get("fields").map(|fields| self.strings(fields)).unwrap_or_default();
        Some(Vector { signal: 0, place, lines, fields: Some(fields) })
    }

    fn continuation(&mut self, value: &Value<'t>) -> Option<Continuation> {
        let table = self.table(value)?;
        let offset = value.span().start;
        self.keys(table, &["within", "patterns"]);
        let within = self.needed(table, "within", offset)?;
        let lines = match within.get_ref() {
            DeValue::Integer(number) => number.as_str().parse().ok().filter(|lines| (1..=8).contains(lines)),
            _ => None,
        };
        if lines.is_none() {
            self.problem(within.span().start, "this must be a number of lines from 1 to 8".to_owned());
        }
        let patterns = self.needed(table, "patterns", offset)?;
        Some(Continuation { within: lines?, patterns: self.patterns(patterns, false) })
    }

    fn identity(
        &mut self,
        value: &Value<'t>,
        patterns: Option<&[Pattern]>,
        continuation: Option<&Continuation>,
    ) -> Vec<String> {
        let patterns: Vec<&Pattern> = patterns
            .into_iter()
            .flatten()
            .chain(continuation.iter().flat_map(|next| &next.patterns))
            .collect();
        let given = |field: &str| {
            patterns.iter().any(|pattern| {
                pattern.set.contains_key(field)
                    || pattern.regex.capture_names().flatten().any(|name| name == field)
            })
        };
        let mut identity = Vec::new();
        for value in self.array(value) {
            let Some(field) = self.string(value) else { continue };
            if !patterns.is_empty() && !given(&field) {
                self.problem(value.span().start, format!("no pattern gives a field `{field}`"));
            }
            identity.push(field);
        }
        identity
    }

    fn patterns(&mut self, value: &Value<'t>, anchored: bool) -> Vec<Pattern> {
        let values = self.array(value);
        if values.is_empty() {
            self.problem(value.span().start, "there must be at least one pattern".to_owned());
        }
        values.iter().filter_map(|value| self.pattern(value, anchored)).collect()
    }

    fn pattern(&mut self, value: &Value<'t>, anchored: bool) -> Option<Pattern> {
        let mut unless = None;
        let (regex, set, more) = match value.get_ref() {
            DeValue::Table(table) => {
                self.keys(
                    table,
                    if anchored { &["regex", "set", "unless"] } else { &["regex", "set", "more"] },
                );
                let set = table.get("set").map(|set| self.strings(set)).unwrap_or_default();
                unless = table.get("unless").and_then(|unless| self.regex(unless)).map(|(regex, _)| regex);
                let more = table.get("more").is_some_and(|more| self.boolean(more));
                (self.needed(table, "regex", value.span().start)?, set, more)
            }
            _ => (value, BTreeMap::new(), false),
        };
        let offset = regex.span().start;
        let (regex, text) = self.regex(regex)?;
        let anchors = anchor::anchors(&text).unwrap_or_default();
        if anchored && anchors.is_empty() {
            let message = "every match must contain a word of four or more characters, \
                           so that lines without one can be passed over";
            self.problem(offset, message.to_owned());
            return None;
        }
        if regex.is_match(b"") {
            self.problem(offset, "this matches nothing at all, and so every line".to_owned());
            return None;
        }
        Some(Pattern { regex, set, anchors, unless, more })
    }

    fn regex(&mut self, value: &Value<'t>) -> Option<(Regex, String)> {
        let text = self.string(value)?;
        // Bytes, not characters: logs hold anything, and byte classes compile to a tenth of the size.
        match RegexBuilder::new(&text).unicode(false).size_limit(REGEX_SIZE_LIMIT).build() {
            Ok(regex) => Some((regex, text)),
            Err(error) => {
                let error = error.to_string();
                let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
                let message = format!("this isn't an expression that can be used: {reason}");
                self.problem(value.span().start, message);
                None
            }
        }
    }

    fn duration(&mut self, value: &Value<'t>) -> Option<i64> {
        let text = self.string(value)?;
        let parsed = text.split_once(' ').and_then(|(number, unit)| {
            let unit = match unit {
                "ms" => 1,
                "s" => 1000,
                "min" => 60_000,
                "h" => 3_600_000,
                _ => return None,
            };
            number.parse::<u32>().ok().map(|number| i64::from(number) * unit)
        });
        if parsed.is_none() {
            let message = format!("`{text}` isn't a duration: a number, a blank, and ms, s, min or h");
            self.problem(value.span().start, message);
        }
        parsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_signals_have_no_problems() {
        let problems: Vec<_> = lint(BUILTIN).iter().map(ToString::to_string).collect();
        assert_eq!(problems, [""; 0]);
    }

    /// Without the vector search every scan is many times slower.
    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn the_built_in_signals_are_searched_fast() {
        assert!(SignalSet::builtin().unwrap().is_fast());
    }

    #[test]
    fn a_text_that_is_not_toml_is_only_that() {
        let problems: Vec<_> =
            lint(&[("s.toml", "[[signal]\nname = 1\n")]).iter().map(|p| (p.line, p.column)).collect();
        assert_eq!(problems, [(1, 10)]);
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
        let problems: Vec<_> = lint(&[("s.toml", text)]).iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(problems.join("\n"), @r#"
        s.toml:3:8: `Upper` must be lower-case letters, digits and `-`
        s.toml:6:7: `30 days` isn't a duration: a number, a blank, and ms, s, min or h
        s.toml:7:13: no pattern gives a field `nothing`
        s.toml:8:13: this isn't an expression that can be used: unclosed group
        s.toml:8:24: every match must contain a word of four or more characters, so that lines without one can be passed over
        s.toml:9:1: `wrong` isn't known here; known are name, about, printed-by, patterns, continuation, identity, gap, matches, rejects
        s.toml:10:22: `Upper` matches with other fields: n = "1"
        s.toml:10:67: `Upper` must match this, and does not
        s.toml:11:12: `Upper` must not match this, and does with n = "7"
        s.toml:13:1: `about` is missing
        s.toml:13:1: `matches` is missing
        s.toml:13:1: `printed-by` is missing
        s.toml:13:1: `rejects` is missing
        s.toml:15:12: there must be at least one pattern
        s.toml:15:12: this must be an array
        s.toml:16:27: this must be a number of lines from 1 to 8
        s.toml:27:8: `third` already stands in s.toml, line 19
        "#);
    }
}
