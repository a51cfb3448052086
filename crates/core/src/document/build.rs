//! Where a program comes from that kernmend built: sources, toolchain, how, and what it was held against. It lies beside the
//! program, so that who finds that on a node can tell what it is.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::Remark;
use super::{Body, Digest, Fact};
use crate::program::{Classification, Demands, Features};

/// One program and how it was built.
///
/// Changes of `kernmend/build/1`: none yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Build {
    /// `runc` or `kubelet`.
    pub component: String,
    /// The version that it was built as, and reports.
    pub version: String,
    /// The program.
    pub program: BuiltProgram,
    /// What it was built from.
    pub source: BuiltFrom,
    /// Where it was built: `host`, or the root or image that was given.
    pub place: String,
    /// The version of Go.
    pub go: String,
    /// The argument vector.
    pub argv: Vec<String>,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// Files that were written for it, with their content.
    pub files: BTreeMap<String, String>,
    /// Known ways out of its containers, by their CVE numbers.
    pub escapes: Vec<String>,
    /// What to know of it.
    pub remarks: Vec<Remark>,
}

impl Body for Build {
    const NAME: &'static str = "build";
    const MAJOR: u32 = 1;
}

/// A program that was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BuiltProgram {
    /// Its digest.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// What its content says of accounting.
    pub classification: Classification,
    /// What it asks of the machine that is to run it; none where its tables don't tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demands: Option<Demands>,
    /// Which of the kernel's ways to confine a container it can use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Features>,
    /// What it printed for `--version`.
    pub version: String,
}

/// What a program was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BuiltFrom {
    /// A directory, a file or an address.
    pub from: String,
    /// The digest of the tree: of its paths, their kinds and contents, in order.
    pub tree: Digest,
    /// The version that it says it is.
    pub version: Fact<String>,
    /// The commit.
    pub commit: Fact<String>,
}
