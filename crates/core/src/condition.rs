//! Conditions over facts, as advisories write them, in three-valued logic: a fact that is missing makes a condition
//! unknown only where the condition depends on it. It knows no fact itself: those come through [`Facts`].
//!
//! ```text
//! affected and dead_ids >= 32 and (used_ids >= 95% of 65_535 or mkdir-fails)
//! seen(unregister-netdevice: duration >= 60s and ago <= 30s)
//! ```
//!
//! `snake_case` is a fact, `kebab-case` a sign of the same advisory, and `seen(SIGNAL: …)` asks for a run of a signal
//! in the log of this boot, whose own fields the condition behind the colon is over.

mod parse;

use std::collections::BTreeMap;

use crate::document::{Bounds, Reason, Why};
use crate::version::KernelVersion;

pub use self::parse::ParseConditionError;

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// All hold.
    All(Vec<Condition>),
    /// One holds.
    Any(Vec<Condition>),
    /// It doesn't hold.
    Not(Box<Condition>),
    /// The fact is known, exactly.
    Known(String),
    /// The fact is true.
    Fact(String),
    /// The sign holds.
    Sign(String),
    /// The fact compares so with the literal.
    Compare(String, Comparison, Literal),
    /// There is a run of the signal in the log of this boot for which the condition holds.
    Seen(String, Option<Box<Condition>>),
}

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `>=`
    AtLeast,
    /// `>`
    More,
}

/// What a fact is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// `32`, `60s`, `1h`: durations are seconds.
    Number(u64),
    /// `95% of 65_535`, kept exact.
    Percent(u64, u64),
    /// `4.17`
    Version(KernelVersion),
    /// `memory`
    Word(String),
}

/// The type of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// True or false.
    Bool,
    /// A number that may be known within bounds.
    Count,
    /// A kernel version.
    Version,
    /// A word.
    Word,
}

/// The value of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A number.
    Count(Bounds),
    /// A kernel version.
    Version(KernelVersion),
    /// A word.
    Word(String),
}

impl Value {
    /// An exact number.
    #[must_use]
    pub const fn count(count: u64) -> Self {
        Self::Count(Bounds::exact(count))
    }

    /// The value as a report keeps it: plain digits, `≥` before a lower bound.
    #[must_use]
    pub fn plain(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Count(bounds) => match bounds.as_exact() {
                Some(count) => count.to_string(),
                None => format!("≥{}", bounds.at_least),
            },
            Self::Version(version) => version.to_string(),
            Self::Word(word) => word.clone(),
        }
    }
}

/// A value and the files and commands that say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The value.
    pub value: Value,
    /// Where it is from.
    pub from: Vec<String>,
}

/// A fact that is missing, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// Its name.
    pub fact: String,
    /// What stood in the way.
    pub why: Why,
}

/// The runs of a signal in the log of this boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runs {
    /// The runs, each with its fields.
    pub runs: Vec<BTreeMap<String, Reading>>,
    /// What keeps these from being all of them.
    pub missing: Option<Missing>,
}

/// Where conditions get their facts from.
pub trait Facts {
    /// A fact by its name.
    fn fact(&self, name: &str) -> Result<Reading, Missing>;
    /// The runs of a signal.
    fn runs(&self, signal: &str) -> Runs;
    /// The condition of a sign.
    fn sign(&self, name: &str) -> Option<&Condition>;
}

/// What a condition came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it holds; nothing where that isn't known.
    pub holds: Option<bool>,
    /// The facts that it rests on; of a run, its fields.
    pub used: BTreeMap<String, Reading>,
    /// The facts that are missing, where it isn't known.
    pub missing: Vec<Missing>,
}

impl Outcome {
    fn of(holds: bool, used: BTreeMap<String, Reading>) -> Self {
        Self { holds: Some(holds), used, missing: Vec::new() }
    }

    fn unknown(missing: Missing) -> Self {
        Self { holds: None, used: BTreeMap::new(), missing: vec![missing] }
    }

    /// Joins the outcomes of parts, `decisive` being the value of a part that decides the whole.
    fn join(parts: impl Iterator<Item = Self>, decisive: bool) -> Self {
        let mut joined = Self::of(!decisive, BTreeMap::new());
        for mut part in parts {
            if part.holds == Some(decisive) {
                return part;
            }
            joined.used.append(&mut part.used);
            joined.missing.append(&mut part.missing);
            if part.holds.is_none() {
                joined.holds = None;
            }
        }
        joined
    }
}

impl Condition {
    /// Evaluates the condition over `facts`.
    pub fn evaluate(&self, facts: &dyn Facts) -> Outcome {
        match self {
            Self::All(parts) => Outcome::join(parts.iter().map(|part| part.evaluate(facts)), false),
            Self::Any(parts) => Outcome::join(parts.iter().map(|part| part.evaluate(facts)), true),
            Self::Not(part) => {
                let outcome = part.evaluate(facts);
                Outcome { holds: outcome.holds.map(|holds| !holds), ..outcome }
            }
            Self::Known(name) => match facts.fact(name) {
                Ok(Reading { value: Value::Count(bounds), .. }) if bounds.as_exact().is_none() => {
                    Outcome::of(false, BTreeMap::new())
                }
                Ok(reading) => Outcome::of(true, BTreeMap::from([(name.clone(), reading)])),
                Err(_) => Outcome::of(false, BTreeMap::new()),
            },
            Self::Fact(name) => match facts.fact(name) {
                Ok(reading) => {
                    let holds = reading.value == Value::Bool(true);
                    Outcome::of(holds, BTreeMap::from([(name.clone(), reading)]))
                }
                Err(missing) => Outcome::unknown(missing),
            },
            Self::Sign(name) => {
                facts.sign(name).expect("the linter holds that a sign is there").evaluate(facts)
            }
            Self::Compare(name, comparison, literal) => match facts.fact(name) {
                Ok(reading) => match comparison.compare(&reading.value, literal) {
                    Some(holds) => Outcome::of(holds, BTreeMap::from([(name.clone(), reading)])),
                    None => Outcome::unknown(Missing {
                        fact: name.clone(),
                        why: Why {
                            reason: Reason::Cut,
                            path: reading.from.first().cloned().unwrap_or_default(),
                            detail: reading.value.plain(),
                        },
                    }),
                },
                Err(missing) => Outcome::unknown(missing),
            },
            Self::Seen(signal, condition) => {
                let Runs { runs, missing } = facts.runs(signal);
                let fits = |run: &BTreeMap<String, Reading>| match condition {
                    None => true,
                    Some(condition) => condition.evaluate(&Fields(run)).holds == Some(true),
                };
                let mut fitting = runs.into_iter().filter(fits);
                match (fitting.next(), missing) {
                    (Some(mut first), _) => {
                        let lines = std::iter::once(first.get("lines").cloned());
                        let lines = lines.chain(fitting.map(|run| run.get("lines").cloned()));
                        first.extend(most_lines(lines.flatten()).map(|total| ("total".to_owned(), total)));
                        Outcome::of(true, first)
                    }
                    (None, Some(missing)) => Outcome::unknown(missing),
                    (None, None) => Outcome::of(false, BTreeMap::new()),
                }
            }
        }
    }

    /// Calls `visit` for this condition and every one inside it.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Self)) {
        visit(self);
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.walk(visit)),
            Self::Not(part) => part.walk(visit),
            Self::Known(_)
            | Self::Fact(_)
            | Self::Sign(_)
            | Self::Compare(..)
            // What is behind the colon is over the run's fields and not over facts.
            | Self::Seen(..) => {}
        }
    }
}

/// The lines of several runs together. A line can stand in several logs, so it is the sum of the log that has most.
fn most_lines(runs: impl Iterator<Item = Reading>) -> Option<Reading> {
    let mut sums: BTreeMap<Vec<String>, u64> = BTreeMap::new();
    for Reading { value, from } in runs {
        if let Value::Count(lines) = value {
            let sum = sums.entry(from).or_default();
            *sum = sum.saturating_add(lines.at_least);
        }
    }
    let (from, sum) = sums.into_iter().max_by_key(|(_, sum)| *sum)?;
    Some(Reading { value: Value::count(sum), from })
}

/// The fields of a run as facts.
struct Fields<'a>(&'a BTreeMap<String, Reading>);

impl Facts for Fields<'_> {
    fn fact(&self, name: &str) -> Result<Reading, Missing> {
        let why = Why { reason: Reason::NotTold, path: String::new(), detail: String::new() };
        self.0.get(name).cloned().ok_or_else(|| Missing { fact: name.to_owned(), why })
    }

    fn runs(&self, _: &str) -> Runs {
        Runs { runs: Vec::new(), missing: None }
    }

    fn sign(&self, _: &str) -> Option<&Condition> {
        None
    }
}

impl Comparison {
    /// Compares; nothing where the bounds of a number leave it open. A type that doesn't fit is unequal.
    fn compare(self, value: &Value, literal: &Literal) -> Option<bool> {
        match (value, literal) {
            (Value::Count(bounds), Literal::Number(number)) => self.within(*bounds, 1, u128::from(*number)),
            (Value::Count(bounds), Literal::Percent(percent, whole)) => {
                self.within(*bounds, 100, u128::from(*percent) * u128::from(*whole))
            }
            (Value::Version(version), Literal::Version(other)) => Some(self.holds(version.cmp(other))),
            // A field of a log line can be a list, as the hierarchies of one mount: it is equal to each of its parts.
            (Value::Word(word), Literal::Word(other)) => {
                Some(word.split(',').any(|part| part == other) != (self == Self::Unequal))
            }
            _ => Some(self == Self::Unequal),
        }
    }

    /// Whether an ordering satisfies the comparison.
    #[must_use]
    pub fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Less => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
            Self::Equal => ordering.is_eq(),
            Self::Unequal => ordering.is_ne(),
            Self::AtLeast => ordering.is_ge(),
            Self::More => ordering.is_gt(),
        }
    }

    /// Compares a number within bounds, times `scale`, with `other`.
    fn within(self, bounds: Bounds, scale: u128, other: u128) -> Option<bool> {
        let least = u128::from(bounds.at_least) * scale;
        let most = bounds.at_most.map(|most| u128::from(most) * scale);
        let below = |limit: bool| most.map(|most| if limit { most < other } else { most <= other });
        match self {
            Self::AtLeast if least >= other => Some(true),
            Self::AtLeast => (below(true) == Some(true)).then_some(false),
            Self::More if least > other => Some(true),
            Self::More => (below(false) == Some(true)).then_some(false),
            Self::Less => Self::AtLeast.within(bounds, scale, other).map(|holds| !holds),
            Self::AtMost => Self::More.within(bounds, scale, other).map(|holds| !holds),
            Self::Equal if most == Some(least) => Some(least == other),
            Self::Equal => (least > other || below(true) == Some(true)).then_some(false),
            Self::Unequal => Self::Equal.within(bounds, scale, other).map(|holds| !holds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Table;

    const SIGN: &str = "dead >= 32";

    impl Facts for Table {
        fn fact(&self, name: &str) -> Result<Reading, Missing> {
            let value = match name {
                "yes" => Value::Bool(true),
                "no" => Value::Bool(false),
                "dead" => Value::count(32),
                "some" => Value::Count(Bounds { at_least: 40, at_most: None }),
                "between" => Value::Count(Bounds { at_least: 40, at_most: Some(60) }),
                "used" => Value::count(62_259),
                "kernel" => Value::Version("4.17".parse().unwrap()),
                "word" => Value::Word("memory".to_owned()),
                "list" => Value::Word("memory,hugetlb".to_owned()),
                _ => {
                    let why = Why { reason: Reason::NotTold, path: String::new(), detail: String::new() };
                    return Err(Missing { fact: name.to_owned(), why });
                }
            };
            Ok(Reading { value, from: vec![format!("/{name}")] })
        }

        fn runs(&self, signal: &str) -> Runs {
            let reading = |value| Reading { value, from: vec!["/log".to_owned()] };
            let run = |duration, word: &str| {
                BTreeMap::from([
                    ("duration".to_owned(), reading(Value::count(duration))),
                    ("device".to_owned(), reading(Value::Word(word.to_owned()))),
                ])
            };
            let runs = if signal.starts_with("some") { vec![run(10, "lo"), run(70, "eth0")] } else { vec![] };
            let why = Why { reason: Reason::NotTold, path: String::new(), detail: String::new() };
            let missing = signal.ends_with("partly").then(|| Missing { fact: signal.to_owned(), why });
            Runs { runs, missing }
        }

        fn sign(&self, name: &str) -> Option<&Condition> {
            static SIGNS: std::sync::OnceLock<Condition> = std::sync::OnceLock::new();
            (name == "dead-ids").then(|| SIGNS.get_or_init(|| Condition::parse(SIGN).unwrap()))
        }
    }

    fn check(condition: &str, expected: Option<bool>) {
        let outcome = Condition::parse(condition).unwrap().evaluate(&Table);
        assert_eq!(outcome.holds, expected, "{condition}");
        assert_eq!(outcome.missing.is_empty(), expected.is_some(), "{condition}: {:?}", outcome.missing);
    }

    #[test]
    fn three_valued_logic() {
        for (condition, expected) in [
            ("yes", Some(true)),
            ("not yes", Some(false)),
            ("yes and no", Some(false)),
            ("absent", None),
            ("not absent", None),
            ("absent and no", Some(false)),
            ("absent and yes", None),
            ("absent or yes", Some(true)),
            ("absent or no", None),
            ("no or (yes and not no)", Some(true)),
            ("yes or no and no", Some(true)),
            ("dead-ids and yes", Some(true)),
            ("known(absent)", Some(false)),
            ("known(dead)", Some(true)),
            ("known(some)", Some(false)),
        ] {
            check(condition, expected);
        }
    }

    #[test]
    fn numbers_compare_within_their_bounds() {
        for (condition, expected) in [
            ("dead >= 32", Some(true)),
            ("dead > 32", Some(false)),
            ("dead < 32", Some(false)),
            ("dead <= 32", Some(true)),
            ("dead == 32", Some(true)),
            ("dead != 32", Some(false)),
            ("some >= 40", Some(true)),
            ("some >= 41", None),
            ("some < 40", Some(false)),
            ("some <= 40", None),
            ("some == 39", Some(false)),
            ("some == 40", None),
            ("between >= 61", Some(false)),
            ("between > 60", Some(false)),
            ("between <= 60", Some(true)),
            ("between == 61", Some(false)),
            ("between != 50", None),
            // 95 % of 65,535 is 62,258.25.
            ("used >= 95% of 65_535", Some(true)),
            ("used < 62_260", Some(true)),
            ("kernel >= 4.17", Some(true)),
            ("kernel < 4.17", Some(false)),
            ("kernel < 4.18", Some(true)),
            ("word == memory", Some(true)),
            ("word != memory", Some(false)),
            ("word == mem", Some(false)),
            ("list == memory", Some(true)),
            ("list == hugetlb", Some(true)),
            ("list != memory", Some(false)),
        ] {
            check(condition, expected);
        }
    }

    #[test]
    fn runs_are_asked_for_by_their_own_fields() {
        for (condition, expected) in [
            ("seen(some)", Some(true)),
            ("seen(none)", Some(false)),
            ("seen(none-partly)", None),
            ("seen(some-partly)", Some(true)),
            ("seen(some: duration >= 60s and device == eth0)", Some(true)),
            ("seen(some: duration >= 1min and device == lo)", Some(false)),
            ("seen(some-partly: duration >= 2min)", None),
            ("seen(some: absent)", Some(false)),
        ] {
            check(condition, expected);
        }
    }

    #[test]
    fn an_outcome_names_what_it_rests_on() {
        let outcome = Condition::parse("no or seen(some: duration >= 60s)").unwrap().evaluate(&Table);
        assert_eq!(outcome.used.keys().map(String::as_str).collect::<Vec<_>>(), ["device", "duration"]);
        let outcome = Condition::parse("yes and dead >= 3").unwrap().evaluate(&Table);
        assert_eq!(outcome.used["dead"].from, ["/dead"]);
    }
}
