//! What a reboot would take down, and who else installs packages or reboots here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{Fact, Reason, Why};

/// What of Kubernetes runs here besides pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Services {
    /// Kubelets and container runtimes that run, by process id.
    pub running: Vec<Service>,
    /// Parts of the control plane.
    pub control_plane: Vec<ControlPlanePart>,
    /// What stood in the way of finding all.
    pub gaps: Vec<Why>,
}

impl Default for Services {
    fn default() -> Self {
        let why = Why { reason: Reason::NotCaptured, path: "/proc".to_owned(), detail: String::new() };
        Self { running: Vec::new(), control_plane: Vec::new(), gaps: vec![why] }
    }
}

/// A kubelet or a container runtime that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Service {
    /// What it is: `kubelet`, `containerd`, `dockerd`, `crio`, `k3s`, ….
    pub program: String,
    /// Its process.
    pub pid: u32,
    /// The unit that the first process has it in, `kubelet.service`; absent where it is in none.
    pub unit: Fact<String>,
}

/// A part of the control plane.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct ControlPlanePart {
    /// `etcd`, `kube-apiserver`, …; `k3s`, `rke2` or `k0s` for a server of those.
    pub name: String,
    /// The process, the manifest or the folder that says so.
    pub from: String,
}

/// Who else installs packages or reboots here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Maintenance {
    /// Programs that run and do so.
    pub programs: Fact<Vec<Maintainer>>,
    /// Locks of package managers that are held.
    pub locks: Fact<Vec<HeldLock>>,
    /// Packages that dpkg has begun and not finished, with their state.
    pub unfinished_packages: Fact<Vec<String>>,
    /// What the system as a whole is made of, where packages aren't installed one by one: `ostree`, `flatcar`, `talos`,
    /// `bottlerocket`; absent where they are.
    pub image: Fact<String>,
}

/// A program that installs packages or reboots.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Maintainer {
    /// The name of its binary, or of its pod.
    pub name: String,
    /// Its binary, or the file that describes its pod.
    pub from: String,
}

/// A lock that is held.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct HeldLock {
    /// The file.
    pub path: String,
    /// The process, where the kernel tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}
