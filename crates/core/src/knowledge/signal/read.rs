//! Reads files of signals into checked types, and notes every problem at its place. It looks at no log; whether the
//! signals match what they should is for `lint` to try.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeValue;

use super::lint::Vector;
use super::{Continuation, Pattern, Signal, anchor};
use crate::knowledge::expression::Expression;
use crate::knowledge::problem::Problems;
use crate::knowledge::table::{self, Placed, Table};

/// What stands in some files of signals.
pub(super) struct Files<'t> {
    /// What could be read, in the order of the files.
    pub(super) signals: Vec<Signal>,
    /// The texts to try them on.
    pub(super) vectors: Vec<Vector>,
    /// What is wrong, file by file.
    pub(super) problems: Vec<Problems<'t>>,
}

pub(super) fn read<'t>(files: &[(&'t str, &'t str)]) -> Files<'t> {
    let mut read = Files { signals: Vec::new(), vectors: Vec::new(), problems: Vec::new() };
    // Where each name stands.
    let mut names: BTreeMap<String, (&str, usize)> = BTreeMap::new();
    for (number, (file, text)) in files.iter().enumerate() {
        let mut problems = Problems::new(file, text);
        let found = table::read(text, &mut problems, |mut top, problems| {
            let tables = top.tables("signal", problems);
            let signals: Vec<_> =
                tables.into_iter().filter_map(|table| signal(table, number, problems)).collect();
            top.finish(problems);
            signals
        });
        for (name, signal, vectors) in found {
            if let Some((first, line)) = names.get(&name.value) {
                let message = format!("`{}` already stands in {first}, line {line}", name.value);
                problems.add(&name.place, message);
                continue;
            }
            names.insert(name.value, (file, problems.line(&name.place)));
            read.signals.push(signal);
            read.vectors.extend(vectors);
        }
        read.problems.push(problems);
    }
    read
}

fn signal(
    mut table: Table<'_>,
    file: usize,
    problems: &mut Problems<'_>,
) -> Option<(Placed<String>, Signal, Vec<Vector>)> {
    let name = table.required_string("name", problems);
    let about = table.required_string("about", problems);
    let printed_by = table.required_string("printed-by", problems);
    let patterns = table.required("patterns", problems).map(|value| patterns(value, Line::First, problems));
    let continuation = table.value("continuation").and_then(|value| continuation(value, problems));
    let gap = table.string("gap", problems);
    let gap_ms = gap.and_then(|gap| milliseconds(&gap, problems));
    let identity = table.strings("identity", problems);
    let matches = table.required("matches", problems);
    let matches = matches.map_or_else(Vec::new, |value| table::tables(value, problems));
    let matches = matches.into_iter().filter_map(|table| a_match(table, problems)).collect::<Vec<_>>();
    let rejects = table.required("rejects", problems);
    let rejects = rejects.map_or_else(Vec::new, |value| table::strings(value, problems));
    table.finish(problems);
    if let Some(patterns) = patterns.as_ref().filter(|patterns| !patterns.is_empty()) {
        let all = || patterns.iter().chain(continuation.iter().flat_map(|next| &next.patterns));
        for field in &identity {
            let gives = |pattern: &Pattern| {
                pattern.set.contains_key(field.value) || pattern.expression.has_group(field.value)
            };
            if !all().any(gives) {
                problems.add(&field.place, format!("no pattern gives a field `{}`", field.value));
            }
        }
    }
    let name = name?;
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.value.is_empty() || !name.value.bytes().all(lower) {
        problems.add(&name.place, format!("`{}` must be lower-case letters, digits and `-`", name.value));
    }
    let matches = matches.into_iter().map(|(lines, fields)| (lines, Some(fields)));
    let rejects = rejects.into_iter().map(|lines| (owned(&lines), None));
    let vector = |(lines, fields)| Vector { file, signal: name.value.to_owned(), lines, fields };
    let vectors = matches.chain(rejects).map(vector).collect();
    let file = problems.file().rsplit('/').next().unwrap_or_default();
    let signal = Signal {
        source: file.strip_suffix(".toml").unwrap_or(file).to_owned(),
        name: name.value.to_owned(),
        about: about?.value.to_owned(),
        printed_by: printed_by?.value.to_owned(),
        gap_ms,
        identity: identity.into_iter().map(|field| field.value.to_owned()).collect(),
        patterns: patterns?,
        continuation,
    };
    Some((owned(&name), signal, vectors))
}

fn a_match(
    mut table: Table<'_>,
    problems: &mut Problems<'_>,
) -> Option<(Placed<String>, BTreeMap<String, String>)> {
    let lines = table.required_string("lines", problems);
    let fields = fields(&mut table, "fields", problems);
    table.finish(problems);
    Some((owned(&lines?), fields))
}

/// Takes a table of fields and their values; empty where the key is absent.
fn fields(table: &mut Table<'_>, key: &'static str, problems: &mut Problems<'_>) -> BTreeMap<String, String> {
    let values = table.map(key, problems, table::string);
    values.into_iter().map(|(name, value)| (name.to_owned(), value.value.value.to_owned())).collect()
}

fn continuation<'a>(value: &'a Spanned<DeValue<'a>>, problems: &mut Problems<'_>) -> Option<Continuation> {
    let mut table = table::table(value, problems)?;
    let within = table.required("within", problems);
    let patterns =
        table.required("patterns", problems).map(|value| patterns(value, Line::Following, problems));
    table.finish(problems);
    let within = within?;
    let number = within.get_ref().as_integer().and_then(|number| number.as_str().parse().ok());
    let lines = number.filter(|lines| (1..=8).contains(lines));
    if lines.is_none() {
        problems.add(&within.span(), "this must be a number of lines from 1 to 8");
    }
    Some(Continuation { within: lines?, patterns: patterns? })
}

/// Which lines a pattern is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Those that make the signal.
    First,
    /// Those that follow them.
    Following,
}

fn patterns<'a>(value: &'a Spanned<DeValue<'a>>, line: Line, problems: &mut Problems<'_>) -> Vec<Pattern> {
    let values = table::array(value, "patterns", problems);
    if values.is_empty() && value.get_ref().is_array() {
        problems.add(&value.span(), "there must be at least one pattern");
    }
    values.iter().filter_map(|value| pattern(value, line, problems)).collect()
}

fn pattern<'a>(value: &'a Spanned<DeValue<'a>>, line: Line, problems: &mut Problems<'_>) -> Option<Pattern> {
    let (mut set, mut unless, mut more) = (BTreeMap::new(), None, false);
    let text = if value.get_ref().is_table() {
        let mut table = table::table(value, problems)?;
        let text = table.required_string("regex", problems);
        set = fields(&mut table, "set", problems);
        match line {
            Line::First => unless = table.string("unless", problems),
            Line::Following => more = table.flag("more", problems),
        }
        table.finish(problems);
        text
    } else {
        table::string(value, problems)
    };
    let unless = unless.and_then(|text| Expression::read(&text, problems)).map(|(unless, _)| unless);
    let text = text?;
    let (expression, hir) = Expression::read(&text, problems)?;
    let anchors = anchor::anchors(&hir).unwrap_or_default();
    if line == Line::First && anchors.is_empty() {
        let message = "every match must contain a word of four or more characters, \
                       so that lines without one can be passed over";
        problems.add(&text.place, message);
        return None;
    }
    if hir.properties().minimum_len() == Some(0) {
        problems.add(&text.place, "this can match nothing at all, and so every line");
        return None;
    }
    Some(Pattern { expression, set, anchors, unless, more })
}

fn milliseconds(text: &Placed<&str>, problems: &mut Problems<'_>) -> Option<i64> {
    let parsed = text.value.split_once(' ').and_then(|(number, unit)| {
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
        let message = format!("`{}` isn't a duration: a number, a blank, and ms, s, min or h", text.value);
        problems.add(&text.place, message);
    }
    parsed
}

fn owned(text: &Placed<&str>) -> Placed<String> {
    Placed { value: text.value.to_owned(), place: text.place.clone() }
}
