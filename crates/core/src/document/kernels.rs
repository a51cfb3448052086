//! The kernels document: what kernels are known for by their releases alone, and the nodes that run them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Body;
use super::report::Verdict;

/// What kernels are known for by their releases alone.
///
/// Changes of `kernmend/kernels/1`: none yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kernels {
    /// The date of the knowledge that was used, `YYYY-MM-DD`.
    pub knowledge: String,
    /// The kernels, those with the worst faults first, then the older ones.
    pub kernels: Vec<Kernel>,
    /// Nodes that run another system than Linux, which nothing is said of.
    pub other_systems: u64,
}

impl Body for Kernels {
    const NAME: &'static str = "kernels";
    const MAJOR: u32 = 1;
}

/// One kernel of one distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kernel {
    /// Its release, as `uname -r` prints it.
    pub release: String,
    /// The distribution's name for itself, where the text has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_image: Option<String>,
    /// The streams that it may belong to, the likelier ones first; more than one where it isn't told.
    pub streams: Vec<Stream>,
    /// Streams that it may also belong to of which only the version isn't known, as patterns: `debian-{version}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<String>,
    /// The upstream version that it is based on, where the release has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// What told the stream.
    pub why: String,
    /// Whether it heeds the boot argument `cgroup.memory=nokmem`.
    pub honours_nokmem: Told,
    /// Whether the id of a memory cgroup is given back when the cgroup is removed.
    pub private_memcg_ids: Told,
    /// What every advisory means for it, the worst first.
    pub exposures: Vec<Exposure>,
    /// The nodes that run it; none where a release was given without one.
    pub nodes: Vec<Node>,
}

/// A stream of kernels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Stream {
    /// Its name, `rhel7`.
    pub name: String,
    /// The last day on which it, or the kernel's series in it, gets fixes without a contract, `YYYY-MM-DD`, where that is
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_of_life: Option<String>,
}

/// An answer that a release may not give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// It does.
    Yes,
    /// It doesn't.
    No,
    /// The release alone doesn't tell.
    NotTold,
}

impl From<Option<bool>> for Told {
    fn from(answer: Option<bool>) -> Self {
        match answer {
            Some(true) => Self::Yes,
            Some(false) => Self::No,
            None => Self::NotTold,
        }
    }
}

/// What an advisory means for a kernel of which no more than the release is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exposure {
    /// `KM-0001`.
    pub id: String,
    /// The slug.
    pub name: String,
    /// What it is called.
    pub title: String,
    /// Whether the kernel has the fault.
    pub affected: Told,
    /// The worst verdict that a node with this kernel could come to.
    pub could_be: Verdict,
    /// What sources say against each other about this fault, unless the kernel doesn't have it.
    pub contradictions: Vec<String>,
}

/// A node that runs a kernel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Node {
    /// Its name, where the text has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The kubelet's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubelet: Option<String>,
    /// The container runtime and its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
}
