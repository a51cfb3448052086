//! The pods of a node, as its container runtime and its kubelet left them on disk. A drain leaves some of them here, and
//! which ones those are is what their kind tells.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{Reason, Why};

/// The pods that have a sandbox here, and those that the kubelet keeps a control group for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pods {
    /// What was found, by namespace and name.
    pub found: Vec<Pod>,
    /// What stood in the way of finding all: empty where all places could be looked at.
    pub gaps: Vec<Why>,
}

impl Default for Pods {
    fn default() -> Self {
        let why =
            Why { reason: Reason::NotCaptured, path: "/run/containerd".to_owned(), detail: String::new() };
        Self { found: Vec::new(), gaps: vec![why] }
    }
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Pod {
    /// Its namespace; empty where only the id is known.
    pub namespace: String,
    /// Its name; empty where only the id is known.
    pub name: String,
    /// Its id; empty where the runtime doesn't tell.
    pub uid: String,
    /// What made it.
    pub kind: PodKind,
    /// The file, the folder or the command that says so.
    pub from: String,
}

/// What made a pod, as far as it decides whether a drain moves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PodKind {
    /// A manifest on the node: it stays as long as the kubelet runs.
    Static,
    /// A DaemonSet: a drain leaves it.
    Daemonset,
    /// Anything else: a drain moves it.
    Other,
    /// Not told. It counts as one that a drain would have moved.
    Unknown,
}
