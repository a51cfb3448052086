//! What can be said of a program file by itself, away from the machine that it belongs to. The file's name is a hint at
//! most: build information, where there is any, says what it is.

use serde::{Deserialize, Serialize};

use super::{Classification, Content, Demands, Features, classify, version_of};
use crate::document::Digest;

/// What can be said of a program file by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "it is the answer to the question that was asked"]
pub struct Inspection {
    /// The file, as it was named.
    pub path: String,
    /// Whether it switches kernel memory accounting on.
    #[serde(flatten)]
    pub classification: Classification,
    /// Its version; nothing where it was not recorded at build.
    pub version: Option<String>,
    /// The Go toolchain that made it; nothing where it wasn't one, or one before 1.13.
    pub go: Option<String>,
    /// The build tags that its build information names.
    pub tags: Vec<String>,
    /// The digest of the file; nothing where it is too long to be read to its end.
    pub digest: Option<Digest>,
    /// What it asks of a machine; nothing where its tables don't tell.
    pub demands: Option<Demands>,
    /// Which ways to confine a container it can use; nothing where it holds none of libcontainer's cgroup code.
    pub features: Option<Features>,
}

impl Inspection {
    /// Judges what was seen in the file at `path`.
    pub fn of(path: &str, content: &Content, digest: Option<Digest>) -> Self {
        let info = content.build_info.as_ref();
        let version = info.and_then(|info| version_of(info, path));
        Self {
            path: path.to_owned(),
            classification: classify(content, path, version.as_deref()),
            version,
            go: info.and_then(|info| info.go.clone()),
            tags: info.map_or_else(Vec::new, |info| info.tags().map(str::to_owned).collect()),
            digest,
            demands: content.demands.clone(),
            features: Features::of(content),
        }
    }
}
