//! One advisory: a known fault as data. The front matter of `ID-NAME.md` is for the machine, the text behind it for
//! people; `ID-NAME.zh.md` beside it holds the Chinese texts of the same advisory.
//!
//! A checked [`Advisory`] can't be wrong: its conditions name facts, signs and signals that there are, and every text
//! stands in both languages with the same values in it.

mod raw;

use std::collections::{BTreeMap, BTreeSet};

use self::raw::{RawAdvisory, RawChinese};
use super::problem::{Problem, Problems};
use super::range::Range;
use super::template::Template;
use crate::condition::Condition;
use crate::document::report::{Verdict, Weight};

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

impl Advisory {
    /// Reads an advisory from its two files, path and text each; `signals` are the names of the signals that there are.
    ///
    /// # Errors
    /// Every problem of both files.
    pub fn read(
        (file, text): (&str, &str),
        (zh_file, zh_text): (&str, &str),
        signals: &BTreeSet<&str>,
    ) -> Result<Self, Vec<Problem>> {
        let (english, mut chinese) =
            match (RawAdvisory::read(file, text, signals), RawChinese::read(zh_file, zh_text)) {
                (Ok(english), Ok(chinese)) => (english, chinese),
                (english, chinese) => {
                    return Err([english.err(), chinese.err()].into_iter().flatten().flatten().collect());
                }
            };
        let mut problems = Problems::new(zh_file, zh_text);
        let top = 0..0;
        let mut signs = english.signs;
        for sign in &mut signs {
            let Some(text) = chinese.signs.remove(&sign.name) else {
                problems.add(&top, format!("the sign `{}` has no text here", sign.name));
                continue;
            };
            let own = sign.texts[&Language::En].text.names();
            if text.text.names() != own {
                let own: Vec<_> = own.into_iter().collect();
                problems.add(
                    &top,
                    format!("the sign `{}` names other values than {}", sign.name, own.join(", ")),
                );
            }
            sign.texts.insert(Language::Zh, text);
        }
        for name in chinese.signs.keys() {
            problems.add(&top, format!("the advisory has no sign `{name}`"));
        }
        if chinese.contradictions.len() != english.contradictions.len() {
            problems.add(&top, "`contradictions` doesn't have as many lines as in English");
        }
        let contradictions = english.contradictions.into_iter().zip(chinese.contradictions);
        let contradictions =
            contradictions.map(|(en, zh)| BTreeMap::from([(Language::En, en), (Language::Zh, zh)])).collect();
        problems.or(Self {
            id: english.id,
            name: english.name,
            // The folder that the file stands in.
            area: file.rsplit('/').nth(1).unwrap_or_default().to_owned(),
            date: english.date,
            affected: english.affected,
            signs,
            verdicts: english.verdicts,
            contradictions,
            texts: BTreeMap::from([(Language::En, english.prose), (Language::Zh, chinese.prose)]),
        })
    }

    /// The sign of this name.
    #[must_use]
    pub fn sign(&self, name: &str) -> Option<&Sign> {
        self.signs.iter().find(|sign| sign.name == name)
    }
}
