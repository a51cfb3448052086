//! Reads the two files of an advisory: the front matter key by key, and the prose as it is. What comes out is checked,
//! but for what the two files owe each other.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Affected, Language, Prose, Row, Sign, SignText};
use crate::condition::{Comparison, Condition, Literal, Type};
use crate::diagnose::fact::{RUN_FACTS, type_of};
use crate::document::report::{Verdict, Weight};
use crate::knowledge::problem::{Problem, Problems};
use crate::knowledge::range;
use crate::knowledge::table::{self, Placed, Table};
use crate::knowledge::template::Template;

/// The headings that every advisory has, in this order.
const fn headings(language: Language) -> [&'static str; 5] {
    match language {
        Language::En => ["What you see", "Why it happens", "How kernmend tells", "Ways out", "Sources"],
        Language::Zh => ["现象", "原因", "如何判断", "出路", "来源"],
    }
}

/// An advisory as its English file has it.
pub(super) struct RawAdvisory {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) date: String,
    pub(super) affected: Vec<Affected>,
    pub(super) signs: Vec<Sign>,
    pub(super) verdicts: Vec<Row>,
    pub(super) contradictions: Vec<String>,
    pub(super) prose: Prose,
}

/// An advisory's Chinese file.
pub(super) struct RawChinese {
    pub(super) signs: BTreeMap<String, SignText>,
    pub(super) contradictions: Vec<String>,
    pub(super) prose: Prose,
}

impl RawAdvisory {
    pub(super) fn read(file: &str, text: &str, signals: &BTreeSet<&str>) -> Result<Self, Vec<Problem>> {
        read(file, text, Language::En, |table, prose, problems| {
            let id = table.required_string("id", problems);
            let name = table.required_string("name", problems);
            let date = table.required_string("date", problems);
            let contradictions = table.strings("contradictions", problems);
            let affected = table.tables("affected", problems);
            let affected = affected.into_iter().filter_map(|table| self::affected(table, problems)).collect();
            let signs = signs(table.tables("sign", problems), signals, problems);
            let verdicts = verdicts(table.tables("verdict", problems), &signs, signals, problems);
            let (id, name, date) = (id?, name?, date?);
            check_name(file, &id, &name, problems);
            if date.value.parse::<jiff::civil::Date>().is_err() {
                problems.add(&date.place, format!("`{}` is not a date like 2026-11-24", date.value));
            }
            Some(Self {
                id: id.value.to_owned(),
                name: name.value.to_owned(),
                date: date.value.to_owned(),
                affected,
                signs,
                verdicts,
                contradictions: contradictions.into_iter().map(|line| line.value.to_owned()).collect(),
                prose,
            })
        })
    }
}

impl RawChinese {
    pub(super) fn read(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        read(file, text, Language::Zh, |table, prose, problems| {
            let contradictions = table.strings("contradictions", problems);
            let mut signs = BTreeMap::new();
            for mut table in table.tables("sign", problems) {
                let name = table.required_string("name", problems);
                let text = sign_text(&mut table, problems);
                table.finish(problems);
                if let (Some(name), Some(text)) = (name, text) {
                    signs.insert(name.value.to_owned(), text);
                }
            }
            let contradictions = contradictions.into_iter().map(|line| line.value.to_owned()).collect();
            Some(Self { signs, contradictions, prose })
        })
    }
}

/// Splits a file into its front matter, which stands between two lines `+++`, and the prose, and reads the former.
fn read<T>(
    file: &str,
    text: &str,
    language: Language,
    content: impl FnOnce(&mut Table<'_>, Prose, &mut Problems<'_>) -> Option<T>,
) -> Result<T, Vec<Problem>> {
    let mut problems = Problems::new(file, text);
    let top = 0..0;
    let split = text.strip_prefix("+++\n").and_then(|rest| rest.split_once("\n+++\n"));
    let Some((front, body)) = split else {
        problems.add(&top, "the file doesn't start with front matter between two lines `+++`");
        return Err(problems.or(()).expect_err("a problem was just added"));
    };
    let found: Vec<&str> = body.lines().filter_map(|line| line.strip_prefix("## ")).map(str::trim).collect();
    let expected = headings(language);
    if found != expected {
        let body = text.len() - body.len();
        let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
        let message = format!("the headings are to be {}, and there are {found}", expected.join(", "));
        problems.add(&(body..body), message);
    }
    problems.start_at("+++\n".len());
    let content = table::read(front, &mut problems, |mut table, problems| {
        let title = table.required_string("title", problems).map(|title| title.value.to_owned());
        let prose = Prose { title: title.unwrap_or_default(), body: body.trim().to_owned() };
        let content = content(&mut table, prose, problems);
        table.finish(problems);
        content
    });
    problems.or(content).map(|content| content.expect("what is missing is a problem"))
}

fn check_name(file: &str, id: &Placed<&str>, name: &Placed<&str>, problems: &mut Problems<'_>) {
    let expected = format!("{}-{}.md", id.value, name.value);
    if file.rsplit('/').next() != Some(&expected) {
        problems.add(&id.place, format!("the file is not called `{expected}`"));
    }
    let digits = id.value.strip_prefix("KM-").unwrap_or_default();
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        problems.add(&id.place, format!("`{}` is not `KM-` and four digits", id.value));
    }
}

fn sign_text(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<SignText> {
    let label = table.required_string("label", problems);
    let text = table.required_string("text", problems)?;
    match Template::parse(text.value) {
        Ok(template) => Some(SignText { label: label?.value.to_owned(), text: template }),
        Err(message) => {
            problems.add(&text.place, message);
            None
        }
    }
}

fn affected(mut table: Table<'_>, problems: &mut Problems<'_>) -> Option<Affected> {
    let range = range::Range::read(&mut table, problems);
    let when = table.string("when", problems);
    let when = when.and_then(|text| condition(&text, problems, &Scope::default()));
    table.finish(problems);
    Some(Affected { range: range?, when })
}

fn signs(tables: Vec<Table<'_>>, signals: &BTreeSet<&str>, problems: &mut Problems<'_>) -> Vec<Sign> {
    let mut signs: Vec<Sign> = Vec::new();
    for mut table in tables {
        let name = table.required_string("name", problems);
        let weight = table.required_string("weight", problems);
        let when = table.required_string("when", problems);
        let text = sign_text(&mut table, problems);
        table.finish(problems);
        let weight = weight.and_then(|weight| {
            let known = match weight.value {
                "clears" => Weight::Clears,
                "exposes" => Weight::Exposes,
                "shows" => Weight::Shows,
                "exhausts" => Weight::Exhausts,
                "informs" => Weight::Informs,
                other => {
                    problems.add(
                        &weight.place,
                        format!("`{other}` is not clears, exposes, shows, exhausts or informs"),
                    );
                    return None;
                }
            };
            Some(known)
        });
        let when =
            when.and_then(|when| condition(&when, problems, &Scope { signals: Some(signals), signs: None }));
        let (Some(name), Some(weight), Some(when), Some(text)) = (name, weight, when, text) else {
            continue;
        };
        if !name.value.contains('-') {
            problems.add(
                &name.place,
                format!("a sign has a `-` in its name, which tells it from a fact: `{}`", name.value),
            );
        }
        if signs.iter().any(|sign| sign.name == name.value) {
            problems.add(&name.place, format!("there are two signs `{}`", name.value));
        }
        let texts = BTreeMap::from([(Language::En, text)]);
        signs.push(Sign { name: name.value.to_owned(), weight, when, texts });
    }
    signs
}

fn verdicts(
    tables: Vec<Table<'_>>,
    signs: &[Sign],
    signals: &BTreeSet<&str>,
    problems: &mut Problems<'_>,
) -> Vec<Row> {
    let mut rows = Vec::new();
    let names: BTreeSet<&str> = signs.iter().map(|sign| sign.name.as_str()).collect();
    for mut table in tables {
        let verdict = table.required_string("is", problems);
        let when = table.required_string("when", problems);
        table.finish(problems);
        let verdict = verdict.and_then(|verdict| {
            let all =
                [Verdict::Clear, Verdict::Unknown, Verdict::Exposed, Verdict::Active, Verdict::Critical];
            let known = all.into_iter().find(|known| known.name() == verdict.value);
            if known.is_none() {
                problems.add(&verdict.place, format!("`{}` is not a verdict", verdict.value));
            }
            known
        });
        let when = when.and_then(|when| {
            condition(&when, problems, &Scope { signals: Some(signals), signs: Some(&names) })
        });
        if let (Some(verdict), Some(when)) = (verdict, when) {
            rows.push(Row { verdict, when });
        }
    }
    rows
}

/// What a condition may name beside facts.
#[derive(Default)]
struct Scope<'a> {
    /// Runs of these signals.
    signals: Option<&'a BTreeSet<&'a str>>,
    /// These signs.
    signs: Option<&'a BTreeSet<&'a str>>,
}

fn condition(text: &Placed<&str>, problems: &mut Problems<'_>, scope: &Scope<'_>) -> Option<Condition> {
    let condition = match Condition::parse(text.value) {
        Ok(condition) => condition,
        // The text is behind the opening quotation mark.
        Err(error) => {
            let at = text.place.start + 1 + error.at;
            problems.add(&(at..at), error.message);
            return None;
        }
    };
    let before = problems.len();
    condition.walk(&mut |part| match part {
        Condition::Fact(name) => expect_type(name, &[Type::Bool], &text.place, problems),
        Condition::Known(name) => {
            expect_type(name, &[Type::Bool, Type::Count, Type::Version, Type::Word], &text.place, problems);
        }
        Condition::Compare(name, comparison, literal) => {
            expect_type(name, &[literal_type(literal)], &text.place, problems);
            expect_order(*comparison, literal, &text.place, problems);
        }
        Condition::Sign(name) => match scope.signs {
            Some(signs) if signs.contains(name.as_str()) => {}
            Some(_) => problems.add(&text.place, format!("there is no sign `{name}`")),
            None => problems.add(&text.place, format!("only a verdict may name a sign, here `{name}`")),
        },
        Condition::Seen(signal, over) => {
            match scope.signals {
                Some(signals) if signals.contains(signal.as_str()) => {}
                Some(_) => problems.add(&text.place, format!("there is no signal `{signal}`")),
                None => problems.add(&text.place, "a signal can't be asked for here"),
            }
            if let Some(over) = over {
                run_condition(over, &text.place, problems);
            }
        }
        Condition::All(_) | Condition::Any(_) | Condition::Not(_) => {}
    });
    (problems.len() == before).then_some(condition)
}

/// Checks the condition over the fields of a run: those that every run has are numbers, the signal's own are words.
fn run_condition(condition: &Condition, at: &Range<usize>, problems: &mut Problems<'_>) {
    condition.walk(&mut |part| {
        if let Condition::Compare(name, comparison, literal) = part {
            let expected = if RUN_FACTS.contains(&name.as_str()) { Type::Count } else { Type::Word };
            if literal_type(literal) != expected {
                problems.add(at, format!("`{name}` is compared with a value of another type"));
            }
            expect_order(*comparison, literal, at, problems);
        } else if let Condition::Fact(name) | Condition::Known(name) | Condition::Sign(name) = part {
            problems.add(at, format!("a field of a run is compared with a value, and `{name}` isn't"));
        }
    });
}

fn literal_type(literal: &Literal) -> Type {
    match literal {
        Literal::Number(_) | Literal::Percent(..) => Type::Count,
        Literal::Version(_) => Type::Version,
        Literal::Word(_) => Type::Word,
    }
}

fn expect_type(name: &str, expected: &[Type], at: &Range<usize>, problems: &mut Problems<'_>) {
    match type_of(name) {
        None => problems.add(at, format!("there is no fact `{name}`")),
        Some(found) if !expected.contains(&found) => {
            problems.add(at, format!("the fact `{name}` is of another type than it is used as"));
        }
        Some(_) => {}
    }
}

fn expect_order(comparison: Comparison, literal: &Literal, at: &Range<usize>, problems: &mut Problems<'_>) {
    if let Literal::Word(word) = literal
        && !matches!(comparison, Comparison::Equal | Comparison::Unequal)
    {
        problems.add(at, format!("words have no order, so `{word}` goes with == or != alone"));
    }
}
