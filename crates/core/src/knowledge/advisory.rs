//! One advisory: a known fault as data. The front matter of `ID-NAME.md` is for the machine, the text behind it for
//! people; `ID-NAME.zh.md` beside it holds the Chinese texts of the same advisory.
//!
//! A checked [`Advisory`] can't be wrong: its conditions name facts, signs and signals that there are, and every text
//! stands in both languages with the same values in it.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::Problem;
use super::source::{Placed, Source, Table};
use super::template::Template;
use crate::condition::{Comparison, Condition, Literal, Type};
use crate::diagnose::fact::{RUN_FACTS, type_of};
use crate::document::report::{Verdict, Weight};
use crate::knowledge::range::Range;

/// A known fault.
#[derive(Debug, Clone)]
pub struct Advisory {
    /// `KM-0001`, never used again for another one.
    pub id: String,
    /// The slug, `kmem-accounting-leak`.
    pub name: String,
    /// The folder that it stands in.
    pub area: String,
    /// When it was last changed, `YYYY-MM-DD`.
    pub date: String,
    /// Which kernels it is about.
    pub affected: Vec<Affected>,
    /// What to look for.
    pub signs: Vec<Sign>,
    /// The rows of the verdict table: the first that holds gives the verdict.
    pub verdicts: Vec<Row>,
    /// What sources say against each other.
    pub contradictions: Vec<Localised>,
    /// Title and prose by language.
    pub texts: BTreeMap<Language, Prose>,
}

/// Kernels that a fault is about: one of the entries applies.
#[derive(Debug, Clone)]
pub struct Affected {
    /// The kernels.
    pub range: Range,
    /// What must hold besides.
    pub when: Option<Condition>,
}

/// A condition with a weight, and the sentence that it is as evidence.
#[derive(Debug, Clone)]
pub struct Sign {
    /// Its name.
    pub name: String,
    /// What it says about the fault.
    pub weight: Weight,
    /// When it holds.
    pub when: Condition,
    /// The words before the sentence, and the sentence.
    pub texts: BTreeMap<Language, SignText>,
}

/// A sign in one language.
#[derive(Debug, Clone)]
pub struct SignText {
    /// A word or two.
    pub label: String,
    /// The sentence, with the names of facts in braces.
    pub text: Template,
}

/// A row of the verdict table.
#[derive(Debug, Clone)]
pub struct Row {
    /// The verdict.
    pub verdict: Verdict,
    /// When it is given.
    pub when: Condition,
}

/// A text in each language.
pub type Localised = BTreeMap<Language, String>;

/// The languages that reports are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// English.
    En,
    /// Chinese, simplified.
    Zh,
}

impl Language {
    /// All languages.
    pub const ALL: [Self; 2] = [Self::En, Self::Zh];
}

/// The prose of an advisory in one language.
#[derive(Debug, Clone)]
pub struct Prose {
    /// The title.
    pub title: String,
    /// Markdown: what you see, why it happens, how we tell, ways out, sources.
    pub body: String,
}

/// The headings that every advisory has, in this order.
const HEADINGS: [(Language, [&str; 5]); 2] = [
    (Language::En, ["What you see", "Why it happens", "How kernmend tells", "Ways out", "Sources"]),
    (Language::Zh, ["现象", "原因", "如何判断", "出路", "来源"]),
];

impl Advisory {
    /// Reads an advisory from its two files; `signals` are the names of the signals that there are.
    pub fn read(
        (file, text): (&str, &str),
        (zh_file, zh_text): (&str, &str),
        signals: &BTreeSet<&str>,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let english = RawAdvisory::read(file, text, signals, &mut problems);
        let chinese = RawChinese::read(zh_file, zh_text, &mut problems);
        let (Some(english), Some(mut chinese)) = (english, chinese) else { return Err(problems) };

        let mut zh = Source::new(zh_file, zh_text, 0);
        let mut signs = Vec::new();
        for mut sign in english.signs {
            match chinese.signs.remove(&sign.name) {
                Some(text) => {
                    let own = sign.texts[&Language::En].text.names();
                    if text.text.names() != own {
                        let own: Vec<_> = own.into_iter().collect();
                        zh.problem(0, format!("the sign `{}` names other values than {}", sign.name, own.join(", ")));
                    }
                    sign.texts.insert(Language::Zh, text);
                }
                None => zh.problem(0, format!("the sign `{}` has no text here", sign.name)),
            }
            signs.push(sign);
        }
        for name in chinese.signs.keys() {
            zh.problem(0, format!("the advisory has no sign `{name}`"));
        }
        if chinese.contradictions.len() != english.contradictions.len() {
            zh.problem(0, "`contradictions` doesn't have as many lines as in English");
        }
        problems.extend(zh.finish());
        if !problems.is_empty() {
            return Err(problems);
        }
        let contradictions = english.contradictions.into_iter().zip(chinese.contradictions);
        Ok(Self {
            id: english.id,
            name: english.name,
            area: english.area,
            date: english.date,
            affected: english.affected,
            signs,
            verdicts: english.verdicts,
            contradictions: contradictions
                .map(|(en, zh)| BTreeMap::from([(Language::En, en), (Language::Zh, zh)]))
                .collect(),
            texts: BTreeMap::from([(Language::En, english.prose), (Language::Zh, chinese.prose)]),
        })
    }

    /// The sign of this name.
    #[must_use]
    pub fn sign(&self, name: &str) -> Option<&Sign> {
        self.signs.iter().find(|sign| sign.name == name)
    }
}

/// Splits a file into its front matter, which stands between two lines `+++`, and the prose; gives where the front
/// matter starts.
fn split<'a>(source: &mut Source<'_>, text: &'a str) -> Option<(usize, &'a str, &'a str)> {
    let Some(rest) = text.strip_prefix("+++\n") else {
        source.problem(0, "the file doesn't start with a line `+++`");
        return None;
    };
    let Some((front, body)) = rest.split_once("\n+++\n") else {
        source.problem(0, "the line `+++` that ends the front matter is missing");
        return None;
    };
    Some((text.len() - rest.len(), front, body))
}

fn prose(source: &mut Source<'_>, language: Language, title: String, body: &str, at: usize) -> Prose {
    let (_, expected) = HEADINGS[language as usize];
    let found: Vec<&str> = body.lines().filter_map(|line| line.strip_prefix("## ")).map(str::trim).collect();
    if found != expected {
        source.problem(at, format!("the headings are {}, and not {}", expected.join(", "), found.join(", ")));
    }
    Prose { title, body: body.trim().to_owned() }
}

/// An advisory as its English file has it.
struct RawAdvisory {
    id: String,
    name: String,
    area: String,
    date: String,
    affected: Vec<Affected>,
    signs: Vec<Sign>,
    verdicts: Vec<Row>,
    contradictions: Vec<String>,
    prose: Prose,
}

impl RawAdvisory {
    fn read(file: &str, text: &str, signals: &BTreeSet<&str>, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut source = Source::new(file, text, 0);
        let Some((start, front, body)) = split(&mut source, text) else {
            problems.extend(source.finish());
            return None;
        };
        let mut source = Source::new(file, text, start);
        let mut table = source.parse(front);
        let id = table.required("id", &mut source);
        let name = table.required("name", &mut source);
        let title = table.required("title", &mut source);
        let date = table.required("date", &mut source);
        let contradictions = table.strings("contradictions", &mut source);
        let tables = table.tables("affected", &mut source);
        let affected = tables.into_iter().filter_map(|table| affected(table, &mut source)).collect();
        let signs = signs(table.tables("sign", &mut source), signals, &mut source);
        let verdicts = verdicts(table.tables("verdict", &mut source), &signs, signals, &mut source);
        table.finish(&mut source);

        let area = area(file);
        if let (Some(id), Some(name)) = (&id, &name) {
            let expected = format!("{}-{}.md", id.value, name.value);
            if file.rsplit('/').next() != Some(&expected) {
                source.problem(id.at, format!("the file is not called `{expected}`"));
            }
            let digits = id.value.strip_prefix("KM-").unwrap_or_default();
            if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                source.problem(id.at, format!("`{}` is not `KM-` and four digits", id.value));
            }
        }
        if let Some(date) = &date
            && date.value.parse::<jiff::civil::Date>().is_err()
        {
            source.problem(date.at, format!("`{}` is not a date like 2026-11-24", date.value));
        }
        let title = title.map(|title| title.value).unwrap_or_default();
        let prose = prose(&mut source, Language::En, title, body, front.len());
        let found = source.finish();
        let good = found.is_empty();
        problems.extend(found);
        match (id, name, date) {
            (Some(id), Some(name), Some(date)) if good => Some(Self {
                id: id.value,
                name: name.value,
                area,
                date: date.value,
                affected,
                signs,
                verdicts,
                contradictions: contradictions.into_iter().map(|line| line.value).collect(),
                prose,
            }),
            _ => None,
        }
    }
}

/// The folder of an advisory's file.
fn area(file: &str) -> String {
    file.rsplit('/').nth(1).unwrap_or_default().to_owned()
}

fn affected(mut table: Table<'_>, source: &mut Source<'_>) -> Option<Affected> {
    let range = Range::read(&mut table, source);
    let when = table.string("when", source);
    let when = when.and_then(|text| condition(&text, source, &Scope::default()));
    table.finish(source);
    Some(Affected { range: range?, when })
}

fn signs(tables: Vec<Table<'_>>, signals: &BTreeSet<&str>, source: &mut Source<'_>) -> Vec<Sign> {
    let mut signs: Vec<Sign> = Vec::new();
    for mut table in tables {
        let name = table.required("name", source);
        let weight = table.required("weight", source);
        let when = table.required("when", source);
        let label = table.required("label", source);
        let text = table.required("text", source);
        table.finish(source);
        let weight = weight.and_then(|weight| {
            let known = match weight.value.as_str() {
                "clears" => Weight::Clears,
                "exposes" => Weight::Exposes,
                "shows" => Weight::Shows,
                "exhausts" => Weight::Exhausts,
                "informs" => Weight::Informs,
                other => {
                    source.problem(weight.at, format!("`{other}` is not clears, exposes, shows, exhausts or informs"));
                    return None;
                }
            };
            Some(known)
        });
        let when = when.and_then(|when| condition(&when, source, &Scope { signals: Some(signals), signs: None }));
        let text = text.and_then(|text| template(&text, source));
        let (Some(name), Some(weight), Some(when), Some(label), Some(text)) = (name, weight, when, label, text) else {
            continue;
        };
        if !name.value.contains('-') {
            source.problem(name.at, format!("a sign has a `-` in its name, which tells it from a fact: `{}`", name.value));
        }
        if signs.iter().any(|sign| sign.name == name.value) {
            source.problem(name.at, format!("there are two signs `{}`", name.value));
        }
        let texts = BTreeMap::from([(Language::En, SignText { label: label.value, text })]);
        signs.push(Sign { name: name.value, weight, when, texts });
    }
    signs
}

fn verdicts(tables: Vec<Table<'_>>, signs: &[Sign], signals: &BTreeSet<&str>, source: &mut Source<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    let names: BTreeSet<&str> = signs.iter().map(|sign| sign.name.as_str()).collect();
    for mut table in tables {
        let verdict = table.required("is", source);
        let when = table.required("when", source);
        table.finish(source);
        let verdict = verdict.and_then(|verdict| {
            let all = [Verdict::Clear, Verdict::Unknown, Verdict::Exposed, Verdict::Active, Verdict::Critical];
            let known = all.into_iter().find(|known| known.name() == verdict.value);
            if known.is_none() {
                source.problem(verdict.at, format!("`{}` is not a verdict", verdict.value));
            }
            known
        });
        let when = when.and_then(|when| condition(&when, source, &Scope { signals: Some(signals), signs: Some(&names) }));
        if let (Some(verdict), Some(when)) = (verdict, when) {
            rows.push(Row { verdict, when });
        }
    }
    rows
}

fn template(text: &Placed<String>, source: &mut Source<'_>) -> Option<Template> {
    match Template::parse(&text.value) {
        Ok(template) => Some(template),
        Err(message) => {
            source.problem(text.at, message);
            None
        }
    }
}

/// What a condition may name beside facts.
#[derive(Default)]
struct Scope<'a> {
    /// Runs of these signals.
    signals: Option<&'a BTreeSet<&'a str>>,
    /// These signs.
    signs: Option<&'a BTreeSet<&'a str>>,
}

fn condition(text: &Placed<String>, source: &mut Source<'_>, scope: &Scope<'_>) -> Option<Condition> {
    let condition = match Condition::parse(&text.value) {
        Ok(condition) => condition,
        // The text is behind the opening quotation mark.
        Err(error) => {
            source.problem(text.at + 1 + error.at, error.message);
            return None;
        }
    };
    let before = source.len();
    condition.walk(&mut |part| match part {
        Condition::Fact(name) => expect_type(name, &[Type::Bool], text.at, source),
        Condition::Known(name) => {
            expect_type(name, &[Type::Bool, Type::Count, Type::Version, Type::Word], text.at, source);
        }
        Condition::Compare(name, comparison, literal) => {
            expect_type(name, &[literal_type(literal)], text.at, source);
            expect_order(*comparison, literal, text.at, source);
        }
        Condition::Sign(name) => match scope.signs {
            Some(signs) if signs.contains(name.as_str()) => {}
            Some(_) => source.problem(text.at, format!("there is no sign `{name}`")),
            None => source.problem(text.at, format!("only a verdict may name a sign, here `{name}`")),
        },
        Condition::Seen(signal, over) => {
            match scope.signals {
                Some(signals) if signals.contains(signal.as_str()) => {}
                Some(_) => source.problem(text.at, format!("there is no signal `{signal}`")),
                None => source.problem(text.at, "a signal can't be asked for here"),
            }
            if let Some(over) = over {
                run_condition(over, text.at, source);
            }
        }
        Condition::All(_) | Condition::Any(_) | Condition::Not(_) => {}
    });
    (source.len() == before).then_some(condition)
}

/// Checks the condition over the fields of a run: those that every run has are numbers, the signal's own are words.
fn run_condition(condition: &Condition, at: usize, source: &mut Source<'_>) {
    condition.walk(&mut |part| {
        if let Condition::Compare(name, comparison, literal) = part {
            let expected = if RUN_FACTS.contains(&name.as_str()) { Type::Count } else { Type::Word };
            if literal_type(literal) != expected {
                source.problem(at, format!("`{name}` is compared with a value of another type"));
            }
            expect_order(*comparison, literal, at, source);
        } else if let Condition::Fact(name) | Condition::Known(name) | Condition::Sign(name) = part {
            source.problem(at, format!("a field of a run is compared with a value, and `{name}` isn't"));
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

fn expect_type(name: &str, expected: &[Type], at: usize, source: &mut Source<'_>) {
    match type_of(name) {
        None => source.problem(at, format!("there is no fact `{name}`")),
        Some(found) if !expected.contains(&found) => {
            source.problem(at, format!("the fact `{name}` is of another type than it is used as"));
        }
        Some(_) => {}
    }
}

fn expect_order(comparison: Comparison, literal: &Literal, at: usize, source: &mut Source<'_>) {
    if let Literal::Word(word) = literal
        && !matches!(comparison, Comparison::Equal | Comparison::Unequal)
    {
        source.problem(at, format!("words have no order, so `{word}` goes with == or != alone"));
    }
}

/// An advisory's Chinese file.
struct RawChinese {
    signs: BTreeMap<String, SignText>,
    contradictions: Vec<String>,
    prose: Prose,
}

impl RawChinese {
    fn read(file: &str, text: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut source = Source::new(file, text, 0);
        let Some((start, front, body)) = split(&mut source, text) else {
            problems.extend(source.finish());
            return None;
        };
        let mut source = Source::new(file, text, start);
        let mut table = source.parse(front);
        let title = table.required("title", &mut source).map(|title| title.value).unwrap_or_default();
        let contradictions = table.strings("contradictions", &mut source);
        let mut signs = BTreeMap::new();
        for mut table in table.tables("sign", &mut source) {
            let name = table.required("name", &mut source);
            let label = table.required("label", &mut source);
            let text = table.required("text", &mut source).and_then(|text| template(&text, &mut source));
            table.finish(&mut source);
            if let (Some(name), Some(label), Some(text)) = (name, label, text) {
                signs.insert(name.value, SignText { label: label.value, text });
            }
        }
        table.finish(&mut source);
        let prose = prose(&mut source, Language::Zh, title, body, front.len());
        let found = source.finish();
        let good = found.is_empty();
        problems.extend(found);
        let contradictions = contradictions.into_iter().map(|line| line.value).collect();
        good.then_some(Self { signs, contradictions, prose })
    }
}
