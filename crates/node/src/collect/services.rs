//! Kubelets, container runtimes and the control plane that run here, and the unit that each is in.

use kernmend_core::document::Fact;
use kernmend_core::document::snapshot::{ControlPlanePart, Service, Services};
use kernmend_core::format::machine::unit;

use super::SMALL;
use super::process::{Process, Processes};
use super::program::name_of;
use crate::host::{Answer, Host, Listing, Want};

/// Parts of the control plane, by the names of their binaries and of their manifests.
const PARTS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// Where the kubelet, and that of RKE2, takes manifests from.
const MANIFESTS: [&str; 2] = ["/etc/kubernetes/manifests", "/var/lib/rancher/rke2/agent/pod-manifests"];

/// Folders that only servers have, which hold parts of the control plane in their own process.
const SERVERS: [(&str, &str); 4] = [
    ("k3s", "/var/lib/rancher/k3s/server/db"),
    ("rke2", "/var/lib/rancher/rke2/server/db"),
    ("k0s", "/var/lib/k0s/etcd"),
    ("k0s", "/var/lib/k0s/db"),
];

/// Services that stay: what starts once for each container isn't one.
const DAEMONS: [&str; 8] = ["containerd", "cri-dockerd", "crio", "dockerd", "k0s", "k3s", "kubelet", "rke2"];

const MAX_MANIFESTS: usize = 1000;

pub(super) fn collect(host: &Host<'_>, processes: &Processes) -> Services {
    let mut gaps: Vec<_> = processes.gap.iter().cloned().collect();
    let mut control_plane = Vec::new();
    let mut running = Vec::new();
    for process in &processes.all {
        let Some(path) = process.binary.as_deref() else { continue };
        let name = path.rsplit('/').next().unwrap_or(path);
        if PARTS.contains(&name) {
            let from = format!("/proc/{}/exe", process.pid);
            control_plane.push(ControlPlanePart { name: name.to_owned(), from });
        }
        let program = name_of(path).filter(|name| DAEMONS.contains(name));
        running.extend(
            program
                .or_else(|| DAEMONS.into_iter().find(|daemon| *daemon == name))
                .map(|program| service(host, program, process)),
        );
    }
    for folder in MANIFESTS {
        let answer = host.list(folder, Want::All, MAX_MANIFESTS);
        gaps.extend(answer.obstacle(folder));
        for (file, _) in answer.got().iter().flat_map(Listing::iter) {
            let part = PARTS.into_iter().find(|part| file.starts_with(part));
            let part =
                part.map(|part| ControlPlanePart { name: part.to_owned(), from: format!("{folder}/{file}") });
            control_plane.extend(part);
        }
    }
    for (name, folder) in SERVERS {
        let answer = host.identity(folder);
        gaps.extend(answer.obstacle(folder));
        if matches!(answer, Answer::Got(_)) {
            control_plane.push(ControlPlanePart { name: name.to_owned(), from: folder.to_owned() });
        }
    }
    running.sort_by_key(|service| service.pid);
    control_plane.sort();
    gaps.sort();
    gaps.dedup();
    Services { running, control_plane, gaps }
}

fn service(host: &Host<'_>, program: &str, process: &Process) -> Service {
    let path = format!("/proc/{}/cgroup", process.pid);
    let unit = match host.text(&path, SMALL).map(|text| unit(&text)) {
        Fact::Known { value: None, from } => Fact::Absent { from },
        told => told.map(Option::unwrap_or_default),
    };
    Service { program: program.to_owned(), pid: process.pid, unit }
}
