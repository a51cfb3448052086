//! The document `signals`: the lines of logs that kernmend knows. It is made from the knowledge alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Body;
use crate::knowledge::KnowledgeBase;

/// The known signals.
///
/// Changes of `kernmend/signals/1`: none yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Signals {
    /// The date of the knowledge, `YYYY-MM-DD`.
    pub knowledge: String,
    /// The signals, in the order of the knowledge.
    pub signals: Vec<KnownSignal>,
}

/// One kind of line that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KnownSignal {
    /// What advisories call it.
    pub name: String,
    /// What has happened when it is printed.
    pub about: String,
    /// The kernels and programs that print it.
    pub printed_by: String,
    /// Regular expressions for other programs: a line that one of them is found in is likely such a line. They say less
    /// than a scan, which also tells lookalikes apart and puts together what is wrapped over lines.
    pub patterns: Vec<String>,
}

impl Body for Signals {
    const NAME: &'static str = "signals";
    const MAJOR: u32 = 1;
}

impl Signals {
    /// The signals of this knowledge.
    #[must_use]
    pub fn of(knowledge: &KnowledgeBase) -> Self {
        let known = knowledge.signals.signals().iter().map(|signal| KnownSignal {
            name: signal.name.clone(),
            about: signal.about.clone(),
            printed_by: signal.printed_by.clone(),
            patterns: signal.patterns.iter().map(|pattern| pattern.expression.portable()).collect(),
        });
        Self { knowledge: knowledge.date().to_owned(), signals: known.collect() }
    }
}
