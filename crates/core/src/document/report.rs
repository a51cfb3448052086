//! The report: what every advisory means for one snapshot, with the evidence. It holds conclusions and the values
//! that they rest on, in no human language but the English `text`; rendering in another language is the command
//! line's, from the same values.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Body, Fact, Why};

/// What every advisory means for one snapshot.
///
/// Changes of `kernmend/report/1`: `node.pending` is new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The node that the report is about.
    pub node: NodeSummary,
    /// The date of the knowledge that was used, `YYYY-MM-DD`.
    pub knowledge: String,
    /// One finding an advisory, the worst first; clear ones too.
    pub findings: Vec<Finding>,
}

impl Body for Report {
    const NAME: &'static str = "report";
    const MAJOR: u32 = 1;
}

/// The node that a report is about, in a few words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeSummary {
    /// Its name.
    pub hostname: Fact<String>,
    /// The distribution's name for itself.
    pub distribution: Fact<String>,
    /// The running kernel's release.
    pub kernel: Fact<String>,
    /// The stream of kernels that it belongs to.
    pub stream: Fact<String>,
    /// The control group version.
    pub cgroup: Fact<String>,
    /// `NAME VERSION` of the kubelet and the container runtimes that run, or else are installed.
    pub programs: Vec<String>,
    /// When the facts were read, in seconds since 1970.
    pub collected_at: Fact<i64>,
    /// What a reboot would change, and who asks for one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<Pending>,
    /// What did not answer before its deadline.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unanswered: Vec<Why>,
}

/// What a reboot would change, or who asks for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Pending {
    /// Another kernel than the running one boots next.
    OtherKernel {
        /// Its release.
        release: String,
    },
    /// A kernel is installed that is newer than the running one and than the one that boots next.
    NewerKernel {
        /// Its release.
        release: String,
    },
    /// The distribution asks for a reboot.
    Reboot {
        /// For these packages, where they are told.
        packages: Vec<String>,
    },
}

/// What one advisory means for the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// `KM-0001`.
    pub id: String,
    /// The slug, `kmem-accounting-leak`.
    pub name: String,
    /// What it is called.
    pub title: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The signs that hold, in the order of the advisory.
    pub evidence: Vec<Evidence>,
    /// What is missing that could raise the verdict.
    pub undecided: Vec<Undecided>,
}

/// What an advisory means for a snapshot. The order is that of a report: worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It can't happen here as things are.
    Clear,
    /// Not even clear and exposed can be told apart.
    Unknown,
    /// It can happen; nothing shows that it does.
    Exposed,
    /// The state shows that it happens.
    Active,
    /// It has made things fail, or is about to.
    Critical,
}

impl Verdict {
    /// The word that documents and options use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Unknown => "unknown",
            Self::Exposed => "exposed",
            Self::Active => "active",
            Self::Critical => "critical",
        }
    }
}

/// What a sign says about an advisory when it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// It can't happen.
    Clears,
    /// It is possible.
    Exposes,
    /// It is happening.
    Shows,
    /// It has happened.
    Exhausts,
    /// Worth saying, and changes nothing.
    Informs,
}

/// A sign that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// The sign's name in its advisory.
    pub sign: String,
    /// What it says.
    pub weight: Weight,
    /// The sentence in English, with its values.
    pub text: String,
    /// The values that the sentence rests on, by the name of the fact.
    pub values: BTreeMap<String, String>,
    /// The files and commands that say so.
    pub from: Vec<String>,
}

/// A fact that is missing and could raise the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Undecided {
    /// The name of the fact.
    pub fact: String,
    /// How high the verdict could get.
    pub could_be: Verdict,
    /// Why the fact is missing.
    pub why: Why,
    /// The command that would tell; empty where there is none.
    pub command: String,
}
