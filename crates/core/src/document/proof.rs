//! The proof: what a plan was to mend, what was done, what is true since, and whether that shows that the fault is gone.
//! It is data without a sentence, and holds all that it rests on; it decides nothing, which is `crate::proof`'s to do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::journal::{Entry, Outcome};
use super::plan::{Expected, Plan, Running};
use super::report::{Report, Verdict};
use super::{Body, Document, Fact};

/// What a change did to one node. Its parent is the plan.
///
/// Changes of `kernmend/proof/1`: none yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    /// Whether it is shown that the fault was there and is gone by this plan.
    pub conclusion: Conclusion,
    /// What stands against it, all of it; empty exactly where it is proven.
    pub objections: Vec<Objection>,
    /// How the plan ended; none where it is still under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// What became of the fault that the plan names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Change>,
    /// What became of every fault that one of the two reports judges, in the order of their ids.
    pub changes: Vec<Change>,
    /// What runs, beside what should.
    pub at_work: AtWork,
    /// Seconds for which the plan was in force when the second report was made, by the node's clock: nothing was watched
    /// for longer. None where it isn't in force, a moment isn't known, or the clock was set back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched_seconds: Option<u64>,
    /// The report from which the plan was made; none where it wasn't kept, or isn't the one that the plan names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Document<Report>>,
    /// The plan.
    pub plan: Document<Plan>,
    /// What happened, in order.
    pub entries: Vec<Entry>,
    /// The report that was made when it was over.
    pub after: Document<Report>,
}

impl Body for Proof {
    const NAME: &'static str = "proof";
    const MAJOR: u32 = 1;
}

/// Whether it is shown that a fault is gone by a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// It was there, the plan is in force, and it can't happen any more.
    Proven,
    /// Too little is known for either.
    NotTold,
    /// Something that is known speaks against it.
    NotProven,
}

/// What stands against a proof.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum Objection {
    /// The plan is under way.
    NotOver,
    /// The plan can't go on, nor be taken back, before a person has looked.
    Stuck,
    /// The trial failed, and the node is as it was.
    FellBack,
    /// The plan was taken back before its trial.
    Undone,
    /// It was in force and was taken back.
    RolledBack,
    /// What runs isn't what should.
    RunsOther,
    /// What runs isn't known.
    RunningNotTold,
    /// The plan names no fault that could be gone.
    NoFaultNamed,
    /// The report from which the plan was made is missing.
    BeforeMissing,
    /// The report from which the plan was made doesn't say that the fault was there, or possible.
    FaultNotShownBefore {
        /// What it says; none where it doesn't judge the fault.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<Verdict>,
    },
    /// The state still shows the fault.
    FaultShown {
        /// How bad it is.
        verdict: Verdict,
    },
    /// Nothing shows the fault, and it can still happen.
    FaultPossible,
    /// Whether the fault is there can't be told, or wasn't asked.
    FaultNotTold,
    /// The verdict is clear, and yet there are signs of the fault since the boot: log lines, for one.
    SignsRemain {
        /// The signs, by their names in the advisory.
        signs: Vec<String>,
    },
    /// Another fault is at work that wasn't before.
    AnotherFault {
        /// Its id.
        id: String,
        /// How bad it is.
        verdict: Verdict,
    },
}

impl Objection {
    /// Whether it is for want of knowledge, and not by what is known.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(
            self,
            Self::RunningNotTold
                | Self::NoFaultNamed
                | Self::BeforeMissing
                | Self::FaultNotShownBefore { .. }
                | Self::FaultNotTold
        )
    }
}

/// What became of a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// `KM-0001`.
    pub id: String,
    /// The verdict before; none where it wasn't judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Verdict>,
    /// The verdict after; none where it wasn't judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Verdict>,
}

/// What runs, beside what should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AtWork {
    /// What should: the plan's kernel once it is committed, the old one where it was taken back. None while it is under
    /// way, and where the plan boots nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
    /// What does.
    pub seen: Fact<Running>,
}
