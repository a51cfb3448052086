//! The pods that are here: the sandboxes that container runtimes keep on disk, and the control groups that the kubelet
//! makes, which tell whether anything of a pod still runs. What a runtime doesn't keep there it is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kernmend_core::document::snapshot::{Pod, PodKind, Pods};
use kernmend_core::document::{Reason, Why};
use kernmend_core::format::pods::{Sandbox, is_static, uid_of_cgroup};

use crate::host::{Answer, Content, Host, Known, Listing, Want};

/// A place where a runtime keeps its containers, one folder each.
struct Place {
    folders: &'static str,
    /// The file that describes a container, below its folder.
    file: &'static str,
    /// Where containerd keeps labels.
    databases: &'static [&'static str],
    /// Where the runtime can be asked for what it keeps elsewhere.
    socket: Option<&'static str>,
}

impl Place {
    const fn containerd(
        folders: &'static str,
        databases: &'static [&'static str],
        socket: &'static str,
    ) -> Self {
        Self { folders, file: BUNDLE, databases, socket: Some(socket) }
    }
}

const BUNDLE: &str = "config.json";
const DOCKER: &str = "config.v2.json";

const DATABASE: &str = "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db";
const SOCKET: &str = "/run/containerd/containerd.sock";

/// containerd with both of its runtimes' folders, as k3s with RKE2 and k0s start it; CRI-O; Docker.
const PLACES: [Place; 6] = [
    Place::containerd("/run/containerd/io.containerd.runtime.v2.task/k8s.io", &[DATABASE], SOCKET),
    Place::containerd("/run/containerd/io.containerd.runtime.v1.linux/k8s.io", &[DATABASE], SOCKET),
    Place::containerd(
        "/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io",
        &[
            "/var/lib/rancher/k3s/agent/containerd/io.containerd.metadata.v1.bolt/meta.db",
            "/var/lib/rancher/rke2/agent/containerd/io.containerd.metadata.v1.bolt/meta.db",
        ],
        "/run/k3s/containerd/containerd.sock",
    ),
    Place::containerd(
        "/run/k0s/containerd/io.containerd.runtime.v2.task/k8s.io",
        &["/var/lib/k0s/containerd/io.containerd.metadata.v1.bolt/meta.db"],
        "/run/k0s/containerd.sock",
    ),
    Place {
        folders: "/run/containers/storage/overlay-containers",
        file: "userdata/config.json",
        databases: &[],
        socket: Some("/run/crio/crio.sock"),
    },
    Place { folders: "/var/lib/docker/containers", file: DOCKER, databases: &[], socket: None },
];

/// Where `crictl` is, as kubeadm, image builders, k3s and RKE2 install it.
const CRICTL: [&str; 6] = [
    "/usr/bin/crictl",
    "/usr/local/bin/crictl",
    "/opt/bin/crictl",
    "/home/kubernetes/bin/crictl",
    "/var/lib/rancher/rke2/bin/crictl",
    "/var/lib/rancher/k3s/data/current/bin/crictl",
];

/// Kubernetes wants no more than 110 pods on a node, and nobody runs more than a few hundred.
const MAX_PODS: usize = 1000;

/// Containers with those that have ended.
const MAX_CONTAINERS: usize = 10_000;

/// A sandbox has neither a command line nor an environment of anybody's, and its file a few kilobytes.
pub(crate) const MAX_FILE: usize = 256 * 1024;

/// What `crictl` prints is projected to a tenth of this.
const MAX_OUTPUT: usize = 16 << 20;
const DEADLINE: Duration = Duration::from_secs(5);

/// Hierarchies in which the kubelet makes control groups: version 2, and those of version 1 that every node has.
const HIERARCHIES: [&str; 4] =
    ["/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/memory"];

/// The groups of a pod are below one of these, by the kubelet's driver and the pod's quality of service.
const GROUPS: [[&str; 3]; 2] = [
    ["kubepods", "kubepods/burstable", "kubepods/besteffort"],
    ["kubepods.slice", "kubepods.slice/kubepods-burstable.slice", "kubepods.slice/kubepods-besteffort.slice"],
];

/// Whether the file at `path` describes a container of a pod; then how it is to be read.
pub(crate) fn form_of(path: &str) -> Option<Form> {
    let place = PLACES.iter().find(|place| path.starts_with(place.folders) && path.ends_with(place.file))?;
    Some(if place.file == DOCKER { Form::Docker } else { Form::Bundle })
}

/// How a file that describes a container is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As the OCI lays it down.
    Bundle,
    /// As Docker writes it.
    Docker,
}

pub(super) fn collect(host: &Host<'_>) -> Pods {
    let mut gaps = Vec::new();
    let mut sandboxes: Vec<(Sandbox, String)> = Vec::new();
    for place in &PLACES {
        let mut here = sandboxes_in(host, place, &mut gaps);
        for database in place.databases {
            if here.iter().any(|(sandbox, _)| is_open(sandbox)) {
                complete(&mut here, host.sandboxes(database), database);
            }
        }
        if let Some(socket) = place.socket.filter(|_| here.iter().any(|(sandbox, _)| is_open(sandbox))) {
            ask(host, socket, &mut here);
        }
        sandboxes.append(&mut here);
    }
    if sandboxes.len() > MAX_PODS {
        gaps.push(cut("", sandboxes.len() as u64));
        sandboxes.truncate(MAX_PODS);
    }
    let mut found: Vec<Pod> = sandboxes
        .into_iter()
        .filter(|(sandbox, _)| !sandbox.ended)
        .map(|(sandbox, from)| sandbox.pod(&from))
        .collect();
    if let Some(groups) = populated(host, &mut gaps) {
        // A sandbox without a process is what the kubelet hasn't cleaned up yet.
        found.retain(|pod| pod.uid.is_empty() || groups.contains_key(&pod.uid));
        let seen: BTreeSet<String> = found.iter().map(|pod| pod.uid.clone()).collect();
        let unseen = groups.into_iter().filter(|(uid, _)| !seen.contains(uid)).map(|(uid, from)| Pod {
            namespace: String::new(),
            name: String::new(),
            kind: if is_static(&uid) { PodKind::Static } else { PodKind::Unknown },
            uid,
            from,
        });
        found.extend(unseen.take(MAX_PODS));
    }
    found.sort();
    gaps.sort();
    gaps.dedup();
    Pods { found, gaps }
}

fn is_open(sandbox: &Sandbox) -> bool {
    sandbox.kind() == PodKind::Unknown
}

fn cut(path: &str, total: u64) -> Why {
    Why { reason: Reason::Cut, path: path.to_owned(), detail: format!("{total} entries") }
}

/// The names in a directory; what keeps them from being all becomes a gap.
fn names(host: &Host<'_>, path: &str, gaps: &mut Vec<Why>) -> Option<Listing> {
    let answer = host.list(path, Want::Directories, MAX_CONTAINERS);
    gaps.extend(answer.obstacle(path));
    let listing = answer.got()?;
    if listing.cut {
        gaps.push(cut(path, listing.total));
    }
    Some(listing)
}

fn sandboxes_in(host: &Host<'_>, place: &Place, gaps: &mut Vec<Why>) -> Vec<(Sandbox, String)> {
    let mut found = Vec::new();
    let listing = names(host, place.folders, gaps);
    for (id, _) in listing.iter().flat_map(Listing::iter) {
        let path = format!("{}/{id}/{}", place.folders, place.file);
        let answer = host.read(&path, MAX_FILE);
        gaps.extend(answer.obstacle(&path));
        // Of all other containers, the projection leaves nothing.
        let sandbox = answer.got().and_then(|content| serde_json::from_slice(&content.bytes).ok());
        found.extend(sandbox.map(|sandbox| (sandbox, path)));
        if found.len() > MAX_PODS {
            gaps.push(cut(place.folders, listing.as_ref().map_or(0, |listing| listing.total)));
            break;
        }
    }
    found
}

/// Has the runtime itself tell what its files don't. Where it doesn't answer, pods stay of an unknown kind.
fn ask(host: &Host<'_>, socket: &str, sandboxes: &mut [(Sandbox, String)]) {
    let Some(crictl) = CRICTL.iter().find(|path| matches!(host.identity(path), Answer::Got(_))) else {
        return;
    };
    let known = Known::Sandboxes { crictl: (*crictl).to_owned(), socket: socket.to_owned() };
    complete(sandboxes, host.command(&known, MAX_OUTPUT, DEADLINE), &known.line());
}

/// Completes those that are open by what `from` tells of them.
fn complete(sandboxes: &mut [(Sandbox, String)], told: Answer<Content>, from: &str) {
    let told: Vec<Sandbox> =
        told.got().and_then(|content| serde_json::from_slice(&content.bytes).ok()).unwrap_or_default();
    let key = |sandbox: &Sandbox| (sandbox.uid.clone(), sandbox.namespace.clone(), sandbox.name.clone());
    let mut by_pod: BTreeMap<_, Sandbox> = BTreeMap::new();
    for sandbox in told {
        // Of several attempts the one that runs counts.
        if by_pod.get(&key(&sandbox)).is_none_or(|known| known.ended) {
            by_pod.insert(key(&sandbox), sandbox);
        }
    }
    for (sandbox, said) in sandboxes.iter_mut().filter(|(sandbox, _)| is_open(sandbox)) {
        if let Some(told) = by_pod.get(&key(sandbox)) {
            *sandbox = told.clone();
            from.clone_into(said);
        }
    }
}

/// The ids of pods of which something runs, with the control group that says so. None where the kubelet makes no such
/// groups, or they can't all be seen.
fn populated(host: &Host<'_>, gaps: &mut Vec<Why>) -> Option<BTreeMap<String, String>> {
    for hierarchy in HIERARCHIES {
        for groups in GROUPS {
            let top = format!("{hierarchy}/{}", groups[0]);
            if !matches!(host.identity(&top), Answer::Got(_)) {
                continue;
            }
            let before = gaps.len();
            let mut found = BTreeMap::new();
            for group in groups {
                let path = format!("{hierarchy}/{group}");
                let listing = names(host, &path, gaps);
                for (name, _) in listing.iter().flat_map(Listing::iter) {
                    let Some(uid) = uid_of_cgroup(name) else { continue };
                    let path = format!("{path}/{name}");
                    // Each container has a group of its own, so one without groups below it holds nothing.
                    let answer = host.list(&path, Want::Directories, 1);
                    gaps.extend(answer.obstacle(&path));
                    if answer.got().is_some_and(|below| !below.is_empty()) {
                        found.insert(uid, path);
                    }
                }
            }
            return (gaps.len() == before).then_some(found);
        }
    }
    None
}
