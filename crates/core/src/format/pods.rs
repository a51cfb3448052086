//! Pod sandboxes, as container runtimes write them down: containerd and CRI-O into the configuration of a bundle, Docker
//! into its own file, containerd labels into its database, and `crictl` all of it onto standard output. Environments and all labels but those that tell a pod's kind are
//! passed over, so that what comes out of here can be kept.
//!
//! The names are those of `pkg/cri/annotations/annotations.go` (containerd), `pkg/annotations/annotations.go` (CRI-O) and
//! `pkg/kubelet/dockershim/helpers.go` with `pkg/kubelet/types/pod_update.go` (Kubernetes).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::document::snapshot::{Pod, PodKind};

/// A pod sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The pod's id; empty where it isn't told.
    pub uid: String,
    /// Whether it is known to have ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
    /// Those labels and annotations that tell the kind; none where the runtime keeps none here.
    pub marks: Option<BTreeMap<String, String>>,
}

/// Where the kubelet got the pod from: `file` and `http` are static pods, `api` are all others.
const SOURCE: &str = "kubernetes.io/config.source";
/// Only DaemonSets give it to their pods, in every version since 1.6.
const GENERATION: &str = "pod-template-generation";
/// DaemonSets and StatefulSets give it to their pods, and so do others' controllers.
const REVISION: &str = "controller-revision-hash";
const STATEFUL: &str = "statefulset.kubernetes.io/pod-name";

const MARKS: [&str; 4] = [SOURCE, GENERATION, REVISION, STATEFUL];

type Words = BTreeMap<String, String>;

impl Sandbox {
    /// The kind of the pod.
    #[must_use]
    pub fn kind(&self) -> PodKind {
        let mark = |name: &str| self.marks.as_ref().and_then(|marks| marks.get(name)).map(String::as_str);
        if matches!(mark(SOURCE), Some("file" | "http")) || is_static(&self.uid) {
            PodKind::Static
        } else if self.marks.is_none() {
            PodKind::Unknown
        } else if mark(GENERATION).is_some() {
            PodKind::Daemonset
        } else if mark(REVISION).is_some() && mark(STATEFUL).is_none() {
            PodKind::Unknown
        } else {
            PodKind::Other
        }
    }

    /// The pod, as `from` says.
    #[must_use]
    pub fn pod(self, from: &str) -> Pod {
        let kind = self.kind();
        Pod { namespace: self.namespace, name: self.name, uid: self.uid, kind, from: from.to_owned() }
    }
}

/// Whether an id is one that the kubelet makes for a manifest: the hash of it, in hexadecimal digits without dashes.
#[must_use]
pub fn is_static(uid: &str) -> bool {
    uid.len() == 32 && uid.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The configuration of a bundle, as the OCI lays it down.
#[derive(Deserialize)]
struct Bundle {
    #[serde(default)]
    annotations: Words,
}

/// Reads the configuration of a bundle that containerd or CRI-O made. None where it is no sandbox's.
#[must_use]
pub fn bundle(json: &[u8]) -> Option<Sandbox> {
    let Bundle { annotations } = serde_json::from_slice(json).ok()?;
    if annotations.get("io.kubernetes.cri.container-type").is_some_and(|kind| kind == "sandbox") {
        return containerd(&annotations);
    }
    if annotations.get("io.kubernetes.cri-o.ContainerType").is_some_and(|kind| kind == "sandbox") {
        return Some(crio(&annotations));
    }
    None
}

/// containerd puts neither labels nor annotations of the pod into the bundle. Versions that don't give namespace, name
/// and id each for itself have them in the folder of the pod's logs, `/var/log/pods/NAMESPACE_NAME_UID`.
fn containerd(annotations: &Words) -> Option<Sandbox> {
    let given = |name: &str| annotations.get(&format!("io.kubernetes.cri.sandbox-{name}")).cloned();
    let folder = given("log-directory").unwrap_or_default();
    let mut parts = folder.rsplit('/').next().unwrap_or_default().splitn(3, '_').map(str::to_owned);
    let (namespace, name, uid) = (parts.next(), parts.next(), parts.next());
    Some(Sandbox {
        namespace: given("namespace").or(namespace)?,
        name: given("name").or(name)?,
        uid: given("uid").or(uid).unwrap_or_default(),
        ended: false,
        marks: None,
    })
}

/// CRI-O keeps labels and annotations, each as JSON in one annotation.
fn crio(annotations: &Words) -> Sandbox {
    let inner = |name: &str| -> Option<Words> {
        serde_json::from_str(annotations.get(&format!("io.kubernetes.cri-o.{name}"))?).ok()
    };
    let labels = inner("Labels");
    let pod = |name: &str| {
        let key = format!("io.kubernetes.pod.{name}");
        let found = labels.as_ref().and_then(|labels| labels.get(&key)).or_else(|| annotations.get(&key));
        found.cloned().unwrap_or_default()
    };
    Sandbox {
        namespace: pod("namespace"),
        name: pod("name"),
        uid: pod("uid"),
        ended: false,
        marks: labels.as_ref().map(|labels| marks(labels, &inner("Annotations").unwrap_or_default())),
    }
}

/// Reads `config.v2.json` of a container of Docker's. None where it is no sandbox's.
#[must_use]
pub fn docker(json: &[u8]) -> Option<Sandbox> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Container {
        state: Option<State>,
        config: Config,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct State {
        running: Option<bool>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Config {
        labels: Option<Words>,
    }
    let container: Container = serde_json::from_slice(json).ok()?;
    let labels = container.config.labels?;
    let label = |name: &str| labels.get(&format!("io.kubernetes.{name}")).cloned().unwrap_or_default();
    if label("docker.type") != "podsandbox" {
        return None;
    }
    let annotations: Words = labels
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("annotation.")?.to_owned(), value.clone())))
        .collect();
    Some(Sandbox {
        namespace: label("pod.namespace"),
        name: label("pod.name"),
        uid: label("pod.uid"),
        ended: container.state.is_some_and(|state| state.running == Some(false)),
        marks: Some(marks(&labels, &annotations)),
    })
}

/// Reads what `crictl pods -o json` prints: the answer of the runtime to `ListPodSandbox`. None where it is something else.
#[must_use]
pub fn crictl(json: &[u8]) -> Option<Vec<Sandbox>> {
    #[derive(Deserialize)]
    struct List {
        items: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        metadata: Metadata,
        #[serde(default)]
        state: String,
        #[serde(default)]
        labels: Words,
        #[serde(default)]
        annotations: Words,
    }
    #[derive(Deserialize)]
    struct Metadata {
        name: String,
        uid: String,
        namespace: String,
    }
    let List { items } = serde_json::from_slice(json).ok()?;
    let sandbox = |item: Item| Sandbox {
        namespace: item.metadata.namespace,
        name: item.metadata.name,
        uid: item.metadata.uid,
        ended: item.state == "SANDBOX_NOTREADY",
        marks: Some(marks(&item.labels, &item.annotations)),
    };
    Some(items.into_iter().map(sandbox).collect())
}

/// The sandbox whose labels containerd keeps in its own database: those of the pod beside its own. None where it is no
/// sandbox's.
#[must_use]
pub fn labelled(labels: &Words) -> Option<Sandbox> {
    let label = |name: &str| labels.get(&format!("io.kubernetes.pod.{name}")).cloned();
    (labels.get("io.cri-containerd.kind")? == "sandbox").then_some(())?;
    Some(Sandbox {
        namespace: label("namespace")?,
        name: label("name")?,
        uid: label("uid")?,
        ended: false,
        marks: Some(marks(labels, &Words::new())),
    })
}

fn marks(labels: &Words, annotations: &Words) -> Words {
    let marks = MARKS.iter().filter_map(|name| {
        let value = labels.get(*name).or_else(|| annotations.get(*name))?;
        Some(((*name).to_owned(), value.clone()))
    });
    marks.collect()
}

/// The id of the pod whose control group has this name: `podUID`, and under systemd `kubepods-burstable-podUID.slice`
/// with underscores for dashes.
#[must_use]
pub fn uid_of_cgroup(name: &str) -> Option<String> {
    let uid = match name.strip_suffix(".slice") {
        Some(slice) => slice.strip_prefix("kubepods-")?.rsplit_once("pod")?.1.replace('_', "-"),
        None => name.strip_prefix("pod")?.to_owned(),
    };
    let is_uid = is_static(&uid)
        || (uid.len() == 36 && uid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'));
    is_uid.then_some(uid)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const UID: &str = "4e3eeca7-1f6a-4f2b-9a0e-3d7c0c6ad4f1";
    const HASH: &str = "0a98a7ff4e2d5a5c0e1f2a3b4c5d6e7f";

    fn bytes(value: &serde_json::Value) -> Vec<u8> {
        serde_json::to_vec(value).unwrap()
    }

    fn sandbox(uid: &str, marks: Option<&[(&str, &str)]>) -> Sandbox {
        let words = |marks: &[(&str, &str)]| {
            marks.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        Sandbox {
            namespace: "a".to_owned(),
            name: "b".to_owned(),
            uid: uid.to_owned(),
            ended: false,
            marks: marks.map(words),
        }
    }

    #[test]
    fn what_made_a_pod_is_told_by_its_marks() {
        for (uid, marks, expected) in [
            (UID, None, PodKind::Unknown),
            (HASH, None, PodKind::Static),
            (UID, Some(&[][..]), PodKind::Other),
            (UID, Some(&[(SOURCE, "api")]), PodKind::Other),
            (UID, Some(&[(SOURCE, "file")]), PodKind::Static),
            (UID, Some(&[(SOURCE, "http")]), PodKind::Static),
            (UID, Some(&[(GENERATION, "1"), (REVISION, "x"), (SOURCE, "api")]), PodKind::Daemonset),
            (UID, Some(&[(REVISION, "x"), (STATEFUL, "b-0")]), PodKind::Other),
            // Controllers beside Kubernetes' own use the revision too.
            (UID, Some(&[(REVISION, "x")]), PodKind::Unknown),
        ] {
            assert_eq!(sandbox(uid, marks).kind(), expected, "{marks:?}");
        }
    }

    #[test]
    fn containerd_tells_names_and_no_labels() {
        let with = |annotations: serde_json::Value| {
            bundle(&bytes(
                &json!({ "ociVersion": "1.0.2", "process": { "env": ["A=b"] }, "annotations": annotations }),
            ))
        };
        let new = with(json!({
            "io.kubernetes.cri.container-type": "sandbox",
            "io.kubernetes.cri.sandbox-name": "b",
            "io.kubernetes.cri.sandbox-namespace": "a",
            "io.kubernetes.cri.sandbox-uid": UID,
        }));
        let folder = format!("/var/log/pods/a_b_{UID}");
        let old = with(json!({
            "io.kubernetes.cri.container-type": "sandbox",
            "io.kubernetes.cri.sandbox-log-directory": folder,
        }));
        assert_eq!((new.as_ref(), old.as_ref()), (Some(&sandbox(UID, None)), Some(&sandbox(UID, None))));
        assert_eq!(with(json!({ "io.kubernetes.cri.container-type": "container" })), None);
        assert_eq!(with(json!({ "io.kubernetes.cri.container-type": "sandbox" })), None);
        assert_eq!(bundle(b"{}"), None);
        assert_eq!(bundle(b"{\"annotations\": {\"a\""), None, "it is cut off");
    }

    #[test]
    fn crio_and_docker_keep_labels_and_only_the_marks_come_out() {
        let labels = json!({
            "io.kubernetes.pod.name": "b", "io.kubernetes.pod.namespace": "a", "io.kubernetes.pod.uid": UID,
            GENERATION: "3", "secret": "hunter2",
        });
        let notes = json!({ SOURCE: "api", "token": "hunter2" });
        let crio = bundle(&bytes(&json!({ "annotations": {
            "io.kubernetes.cri-o.ContainerType": "sandbox",
            "io.kubernetes.cri-o.Labels": labels.to_string(),
            "io.kubernetes.cri-o.Annotations": notes.to_string(),
        } })));
        let expected = sandbox(UID, Some(&[(GENERATION, "3"), (SOURCE, "api")]));
        assert_eq!(crio.as_ref(), Some(&expected));

        let mut labels = labels;
        labels["io.kubernetes.docker.type"] = "podsandbox".into();
        labels[format!("annotation.{SOURCE}")] = "api".into();
        let container = |running: bool, labels: &serde_json::Value| {
            docker(&bytes(
                &json!({ "State": { "Running": running }, "Config": { "Env": null, "Labels": labels } }),
            ))
        };
        assert_eq!(container(true, &labels).as_ref(), Some(&expected));
        assert_eq!(container(false, &labels).map(|sandbox| sandbox.ended), Some(true));
        assert_eq!(container(true, &json!({ "io.kubernetes.docker.type": "container" })), None);
        assert_eq!(container(true, &json!(null)), None);
    }

    #[test]
    fn the_runtimes_own_answer_tells_all() {
        let listed = crictl(&bytes(&json!({ "items": [
            { "id": "1", "metadata": { "name": "b", "uid": UID, "namespace": "a", "attempt": 0 },
              "state": "SANDBOX_READY", "createdAt": "1", "labels": { GENERATION: "1" }, "annotations": { "x": "hunter2" },
              "runtimeHandler": "" },
            { "metadata": { "name": "b", "uid": UID, "namespace": "a" }, "state": "SANDBOX_NOTREADY" },
        ] })))
        .unwrap();
        let kinds: Vec<_> = listed.iter().map(|sandbox| (sandbox.kind(), sandbox.ended)).collect();
        assert_eq!(kinds, [(PodKind::Daemonset, false), (PodKind::Other, true)]);
        assert_eq!(listed[0], sandbox(UID, Some(&[(GENERATION, "1")])));
        assert_eq!(crictl(b"no runtime"), None);
    }

    #[test]
    fn control_groups_name_their_pod() {
        let dashed = "kubepods-burstable-pod4e3eeca7_1f6a_4f2b_9a0e_3d7c0c6ad4f1.slice";
        assert_eq!(uid_of_cgroup(dashed).as_deref(), Some(UID));
        assert_eq!(uid_of_cgroup(&format!("pod{UID}")).as_deref(), Some(UID));
        assert_eq!(uid_of_cgroup(&format!("kubepods-pod{HASH}.slice")).as_deref(), Some(HASH));
        for other in ["kubepods-burstable.slice", "burstable", "podman-1.slice", "pod", "pods"] {
            assert_eq!(uid_of_cgroup(other), None, "{other}");
        }
    }
}
