//! Pods, from what each runtime leaves on disk.

use std::io::Read as _;

use kernmend_core::document::snapshot::{PodKind, Pods};
use serde_json::json;

use crate::root::Root;

const UID: &str = "4e3eeca7-1f6a-4f2b-9a0e-3d7c0c6ad4f1";
const OTHER: &str = "5e3eeca7-1f6a-4f2b-9a0e-3d7c0c6ad4f2";
const HASH: &str = "0a98a7ff4e2d5a5c0e1f2a3b4c5d6e7f";

const CONTAINERD: &str = "/run/containerd/io.containerd.runtime.v2.task/k8s.io";

/// The bundle of a sandbox, as containerd 1.7 makes it.
fn containerd(namespace: &str, name: &str, uid: &str) -> String {
    json!({ "ociVersion": "1.1.0", "process": { "args": ["/pause"], "env": ["PATH=/bin"] }, "annotations": {
        "io.kubernetes.cri.container-type": "sandbox",
        "io.kubernetes.cri.sandbox-id": "1",
        "io.kubernetes.cri.sandbox-log-directory": format!("/var/log/pods/{namespace}_{name}_{uid}"),
        "io.kubernetes.cri.sandbox-name": name,
        "io.kubernetes.cri.sandbox-namespace": namespace,
        "io.kubernetes.cri.sandbox-uid": uid,
    } })
    .to_string()
}

fn told(pods: &Pods) -> Vec<(String, PodKind)> {
    pods.found.iter().map(|pod| (format!("{}/{}", pod.namespace, pod.name), pod.kind)).collect()
}

fn one(name: &str, kind: PodKind) -> (String, PodKind) {
    (name.to_owned(), kind)
}

#[test]
fn containerd_tells_static_pods_and_leaves_the_others_open() {
    let root = Root::new(&[
        (&format!("{CONTAINERD}/1/config.json"), &containerd("kube-system", "etcd-node-1", HASH)),
        (&format!("{CONTAINERD}/2/config.json"), &containerd("default", "web-5d9-x2x", UID)),
        (
            &format!("{CONTAINERD}/3/config.json"),
            &json!({ "annotations": { "io.kubernetes.cri.container-type": "container" } }).to_string(),
        ),
        (&format!("{CONTAINERD}/4/config.json"), "{ torn"),
        // A container whose environment names every service of a large cluster.
        (&format!("{CONTAINERD}/5/config.json"), &"x".repeat(300 << 10)),
    ]);
    root.directory(&format!("{CONTAINERD}/6"));
    let pods = root.snapshot().pods;
    let expected =
        [one("default/web-5d9-x2x", PodKind::Unknown), one("kube-system/etcd-node-1", PodKind::Static)];
    assert_eq!(told(&pods), expected);
    assert_eq!(pods.found[0].uid, UID);
    assert!(!pods.gaps.is_empty(), "the other runtimes' folders are not in this directory");
}

#[test]
fn crio_and_docker_tell_daemonsets() {
    let labels = |name: &str, uid: &str, more: serde_json::Value| {
        let mut labels = json!({
            "io.kubernetes.pod.name": name, "io.kubernetes.pod.namespace": "a", "io.kubernetes.pod.uid": uid,
        });
        labels.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        labels
    };
    let daemon =
        labels("proxy-x", UID, json!({ "pod-template-generation": "1", "controller-revision-hash": "h" }));
    let crio = json!({ "annotations": {
        "io.kubernetes.cri-o.ContainerType": "sandbox",
        "io.kubernetes.cri-o.Labels": daemon.to_string(),
        "io.kubernetes.cri-o.Annotations": "{\"kubernetes.io/config.source\": \"api\"}",
    } });
    let docker = |running: bool, mut labels: serde_json::Value| {
        labels["io.kubernetes.docker.type"] = "podsandbox".into();
        json!({ "State": { "Running": running }, "Config": { "Env": ["TOKEN=x"], "Labels": labels } })
            .to_string()
    };
    let docker_at = |id: u8| format!("/var/lib/docker/containers/{id}/config.v2.json");
    let root = Root::new(&[
        ("/run/containers/storage/overlay-containers/1/userdata/config.json", &crio.to_string()),
        (
            &docker_at(1),
            &docker(true, labels("web", OTHER, json!({ "annotation.kubernetes.io/config.source": "api" }))),
        ),
        (&docker_at(2), &docker(false, labels("gone", "x", json!({})))),
        (
            &docker_at(3),
            &docker(true, labels("etcd", "y", json!({ "annotation.kubernetes.io/config.source": "file" }))),
        ),
    ]);
    let expected =
        [one("a/etcd", PodKind::Static), one("a/proxy-x", PodKind::Daemonset), one("a/web", PodKind::Other)];
    assert_eq!(told(&root.snapshot().pods), expected);
}

#[test]
fn a_sandbox_without_a_process_is_not_here_and_a_group_without_a_sandbox_is() {
    let root = Root::new(&[
        (&format!("{CONTAINERD}/1/config.json"), &containerd("a", "left", UID)),
        (&format!("{CONTAINERD}/2/config.json"), &containerd("a", "runs", OTHER)),
    ]);
    let groups = "/sys/fs/cgroup/memory/kubepods";
    root.directory(&format!("{groups}/burstable/pod{OTHER}/c1"));
    root.directory(&format!("{groups}/besteffort/pod{UID}"));
    root.directory(&format!("{groups}/pod{HASH}/c1"));
    let pods = root.snapshot().pods;
    assert_eq!(told(&pods), [one("/", PodKind::Static), one("a/runs", PodKind::Unknown)]);
    assert_eq!(pods.found[0].uid, HASH);
}

/// The database of containerd 1.6.20 (Debian 12) after `ctr --namespace k8s.io containers create` of `id00` to `id99`, with
/// the labels that its CRI plugin and a kubelet give: each tenth of a DaemonSet, each next one of a StatefulSet, and each
/// last one no sandbox.
const DATABASE: &[u8] = include_bytes!("containerd-1.6.20-meta.db.gz");

fn database() -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(DATABASE).read_to_end(&mut bytes).unwrap();
    bytes
}

/// A node whose runtime has that database, and the sandboxes of its pods.
fn with_database(bytes: &[u8]) -> Root {
    let root = Root::new(&[]);
    root.put("/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db", bytes);
    for id in 0..100 {
        let uid = format!("4e3eeca7-1f6a-4f2b-9a0e-3d7c0c6ad4{id:02}");
        root.put(&format!("{CONTAINERD}/id{id:02}/config.json"), containerd("a", &format!("p{id:02}"), &uid));
    }
    root
}

#[test]
fn labels_in_containerd_s_own_database_tell_the_kind() {
    let snapshot = with_database(&database()).snapshot();
    for (name, kind) in told(&snapshot.pods) {
        let expected = match name.chars().last() {
            Some('0') => PodKind::Daemonset,
            Some('9') => PodKind::Unknown,
            _ => PodKind::Other,
        };
        assert_eq!(kind, expected, "{name}");
    }
    assert_eq!(snapshot.pods.found.len(), 100);
    assert!(!serde_json::to_string(&snapshot).unwrap().contains("hunter2"));
}

#[test]
fn a_broken_database_tells_less_and_never_fails() {
    let whole = database();
    let root = with_database(&[]);
    let open = |bytes: &[u8]| {
        root.put("/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db", bytes);
        let pods = root.snapshot().pods;
        pods.found.iter().filter(|pod| pod.kind == PodKind::Unknown).count()
    };
    assert_eq!(open(&[]), 100);
    assert_eq!(open(&whole[..5000]), 100);
    // One of the two heads is enough, and a page that is missing takes its pods with it.
    let mut one_head = whole.clone();
    one_head[..4096].fill(0xff);
    assert_eq!(open(&one_head), 10, "one head is enough");
    for start in (8192..whole.len()).step_by(131_072) {
        let mut broken = whole.clone();
        broken[start..start + 8192].fill(0xff);
        assert!((10..=100).contains(&open(&broken)), "{start}");
    }
}
