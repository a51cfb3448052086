//! Secrets that lie about on a node enter neither a capture nor a snapshot; and where it is asked for, names and
//! addresses don't either.

use std::process::{Child, Command};

use crate::support::{members, put, record, root};
use kernmend_core::diagnose::diagnose;
use kernmend_core::document::Document;
use kernmend_core::document::snapshot::Snapshot;
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_node::host::Host;

/// Stands in every secret that is planted here.
const SECRET: &str = "hunter2correcthorse";

/// Where secrets lie about; `{}` stands for the secret.
const PLANTED: &[(&str, &str)] = &[
    ("proc/7/environ", "PATH=/bin\0AWS_SECRET_ACCESS_KEY={}\0"),
    ("proc/7/cmdline", "kubelet\0--bootstrap-token={}\0"),
    (
        "proc/1/mountinfo",
        "36 35 8:1 / /boot rw - ext4 /dev/sda1 rw,x={}\n37 35 0:1 / /mnt rw - cifs //nas/x rw,password={}\n",
    ),
    (
        "boot/grub2/grub.cfg",
        "menuentry 'a' {\n  linux /vmlinuz-3.10.0-514.el7.x86_64 ro token={} ks=https://me:{}@host/ a.pass=\"x {}\"\n}\n\
         password_pbkdf2 root {}\nset opts=\"rd.luks.key={} quiet\"\n",
    ),
    ("boot/grub2/grubenv", "# GRUB Environment Block\nkernelopts=ro token={}\n####"),
    (
        "boot/grub/grub.conf",
        "password --md5 {}\ntitle a\n  kernel /vmlinuz-3.10.0-514.el7.x86_64 ro token={}\n",
    ),
    ("boot/loader/entries/a.conf", "title a\nlinux /vmlinuz-3.10.0-514.el7.x86_64\noptions ro token={}\n"),
    ("etc/default/grub", "GRUB_DEFAULT=saved\nGRUB_CMDLINE_LINUX='token={} quiet'\n"),
    ("etc/default/grub.d/50.cfg", "GRUB_CMDLINE_LINUX_DEFAULT=\"a.key=\\\"x {}\\\" quiet\"\n"),
    (
        "run/containerd/io.containerd.runtime.v2.task/k8s.io/1/config.json",
        "{\"process\": {\"env\": [\"TOKEN={}\"]}, \"annotations\": {\"io.kubernetes.cri.container-type\": \"sandbox\", \
         \"io.kubernetes.cri.sandbox-namespace\": \"a\", \"io.kubernetes.cri.sandbox-name\": \"b\", \"note\": \"{}\"}}",
    ),
    (
        "run/containerd/io.containerd.runtime.v2.task/k8s.io/2/config.json",
        "{\"process\": {\"env\": [\"TOKEN={}\"], \"args\": [\"--token={}\"]}}",
    ),
    (
        "var/lib/docker/containers/1/config.v2.json",
        "{\"Config\": {\"Env\": [\"TOKEN={}\"], \"Labels\": {\"io.kubernetes.docker.type\": \"podsandbox\", \"annotation.note\": \"{}\"}}}",
    ),
    ("var/lib/docker/containers/2/config.v2.json", "{\"Config\": {\"Env\": [\"TOKEN={}\"]"),
    ("proc/7/mountinfo", "36 35 0:1 / /mnt rw - cifs //nas/x rw,password={}\n"),
    (
        "proc/1/mounts",
        "//nas/x /mnt cifs rw,password={} 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n",
    ),
    ("proc/self/mounts", "//nas/x /mnt cifs rw,password={} 0 0\n"),
    ("proc/mounts", "//nas/x /mnt cifs rw,password={} 0 0\n"),
    (
        "proc/cmdline",
        "ro rd.luks.key={} a.password=\"with spaces {}\" ks=https://me:{}@host/ks c=https://host/?token={} quiet\n",
    ),
    ("etc/kubernetes/admin.conf", "users:\n- user:\n    client-key-data: {}\n    token: {}\n"),
    ("etc/kubernetes/bootstrap-kubelet.conf", "token: {}\n"),
    ("etc/kubernetes/kubelet.conf", "token: {}\n"),
    ("var/lib/kubelet/config.yaml", "staticPodURLHeader:\n  Authorization: [\"Bearer {}\"]\n"),
    ("var/lib/kubelet/kubeadm-flags.env", "KUBELET_KUBEADM_ARGS=\"--token={}\"\n"),
    ("var/lib/kubelet/pods/x/volumes/kubernetes.io~secret/t/token", "{}"),
    ("var/lib/rancher/k3s/server/token", "{}"),
    ("root/.docker/config.json", "{\"auths\": {\"r\": {\"auth\": \"{}\"}}}"),
    (
        "etc/docker/daemon.json",
        "{\"auths\": {\"r\": {\"auth\": \"{}\"}}, \"runtimes\": {\"x\": {\"path\": \"/opt/bin/runc\", \"runtimeArgs\": [\"--key={}\"]}}}",
    ),
    (
        "etc/containerd/config.toml",
        "[plugins.cri.registry.configs.r.auth]\n  password = \"{}\"\n  BinaryName = \"/opt/bin/runc\" # {}\n",
    ),
    ("etc/crio/crio.conf", "# {}\nruntime_path = \"/usr/bin/crun\"\nglobal_auth_file = \"{}\"\n"),
    ("boot/config-3.10.0-514.el7.x86_64", "CONFIG_SLUB=y\nCONFIG_SYSTEM_TRUSTED_KEYS=\"{}\"\n# {}\n"),
    (
        "var/log/kern.log",
        "Sep 14 12:00:00 node-14 audit: login password={}\n\
         Sep 14 12:00:00 node-14 kernel: SLUB: Unable to allocate memory on node -1 (gfp=0xd0) token={}\n\
         Sep 14 12:00:01 node-14 kubelet: Authorization: Bearer {}\n",
    ),
    (
        "var/log/messages",
        "Sep 14 12:00:00 node-14 kubelet: token={} msg=\"unregister_netdevice: waiting for eth0 to become free. Usage count = 1\" key={}\n",
    ),
];

fn held(capture: &[u8], snapshot: &str, secret: &str) {
    for (name, text) in members(capture) {
        let line = text.lines().find(|line| line.contains(secret));
        assert!(line.is_none() && !name.contains(secret), "{secret} in the capture: {line:?}");
    }
    let line = snapshot.lines().find(|line| line.contains(secret));
    assert!(line.is_none(), "{secret} in the snapshot: {line:?}");
}

#[test]
fn secrets_of_a_node_don_t_enter() {
    let knowledge = KnowledgeBase::embedded();
    let root = root();
    for (path, text) in PLANTED {
        put(root.path(), path, text.replace("{}", SECRET));
    }
    let (capture, snapshot) = record(Host::directory(root.path(), &knowledge.signals).unwrap());
    held(&capture, &snapshot, SECRET);
    // What is wanted of the same files is there.
    for wanted in ["SLUB: Unable", "unregister_netdevice: waiting", "/opt/bin/runc", "/usr/bin/crun", "quiet"]
    {
        let found = members(&capture).iter().any(|(_, text)| text.contains(wanted));
        assert!(found && snapshot.contains(wanted) || wanted.starts_with("/"), "{wanted}");
    }
}

/// A process that is ended when it goes out of scope.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn secrets_of_a_running_process_don_t_enter() {
    let knowledge = KnowledgeBase::embedded();
    let mut command = Command::new("sh");
    command.args(["-c", "read line", &format!("--token={SECRET}")]).env("TOKEN", SECRET);
    let _process = Ended(command.stdin(std::process::Stdio::piped()).spawn().unwrap());
    let (capture, snapshot) = record(Host::live(&knowledge.signals).unwrap());
    held(&capture, &snapshot, SECRET);
}

#[test]
fn names_and_addresses_are_hidden_with_one_stand_in_each() {
    let knowledge = KnowledgeBase::embedded();
    let root = root();
    put(
        root.path(),
        "proc/cmdline",
        "ro ip=10.1.2.3::10.1.2.1:255.255.255.0:node-14:eth0 nfsroot=10.1.2.9:/x\n",
    );
    put(
        root.path(),
        "var/log/kern.log",
        "Sep 14 12:00:00 node-14 kernel: unregister_netdevice: waiting for node-14 to become free. Usage count = 1\n",
    );
    let host = || Host::directory(root.path(), &knowledge.signals).unwrap();
    let (_, plain) = record(host());
    assert!(plain.contains("waiting for node-14 ") && plain.contains("10.1.2.3"), "{plain}");
    let (capture, redacted) = record(host().redacted());
    for hidden in ["node-14", "example.com", "10.1.2.3", "10.1.2.1", "10.1.2.9"] {
        held(&capture, &redacted, hidden);
    }
    assert_eq!(crate::support::snapshot(&Host::archive(&capture[..], &knowledge.signals).unwrap()), redacted);
    let body = Document::<Snapshot>::from_json(&redacted).unwrap().body;
    assert_eq!(body.hostname.value().map(String::as_str), Some("redacted-host"));
    let hit = &body.logs[0].hits[0];
    assert!(hit.sample.contains("redacted-host") && hit.fields["device"] == "redacted-host", "{hit:?}");
    let verdicts = |text: &str| {
        let report = diagnose(&Document::from_json(text).unwrap(), &knowledge);
        report.body.findings.iter().map(|finding| (finding.id.clone(), finding.verdict)).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(&plain), verdicts(&redacted));
}
