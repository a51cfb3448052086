//! Every reader of outside input that is node's, with input that is almost right: a root of which some files were
//! changed, and a capture that was changed. No panic, and the capture of what was seen gives the same snapshot.

use crate::mutate::mutated;
use crate::support::{FILES, members, pack, put, record, root, snapshot};
use kernmend_core::diagnose::diagnose;
use kernmend_core::document::Document;
use kernmend_core::document::snapshot::Snapshot;
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_node::host::Host;
use proptest::prelude::*;

/// Files that a root can have beside those of the sample.
const MORE: &[(&str, &str)] = &[
    ("_counts.txt", "dirs_in_memory_hierarchy 63000\n"),
    ("_read_errors.tsv", "/proc/7/stack\tread\tEACCES\t13\tPermission denied\n/sys/x\tread\tEIO\t5\tx\n"),
    ("sys/kernel/slab.listing", "dentry\ndentry(3:abc)\n# total top-level entries 288, under 0\n"),
    ("lib/modules.listing", "3.10.0-514.el7.x86_64\n# 1 entry\n"),
    ("etc/centos-release", "CentOS Linux release 7.3.1611 (Core)\n"),
    ("usr/src/linux/.config", "# Linux/x86 3.10.0 Kernel Configuration\nCONFIG_SLUB=y\n"),
    (
        "dmesg.txt",
        "[    0.000000] Linux version 3.10.0-514.el7.x86_64\n[   12.000000] SLUB: Unable to allocate memory on node -1\n",
    ),
    ("var/log/kern.log.1.gz", "\u{1f}\u{8b}"),
    ("usr/bin/kubelet", "\u{7f}ELF\u{2}\u{1}\u{1}"),
];

/// How many inputs a reader gets, as in core's.
fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: cases.saturating_mul(default.cases) / 256, failure_persistence: None, ..default }
}

fn file() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let all: Vec<(&str, &str)> = FILES.iter().chain(MORE).copied().collect();
    prop::sample::select(all)
        .prop_flat_map(|(path, text)| mutated(vec![text.into()]).prop_map(move |bytes| (path, bytes)))
}

fn judged(text: &str, knowledge: &KnowledgeBase) {
    let snapshot = Document::<Snapshot>::from_json(text).expect("what we write we read");
    assert_eq!(snapshot.to_json(), text);
    assert_eq!(diagnose(&snapshot, knowledge).body.findings.len(), knowledge.advisories.len());
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn roots(files in prop::collection::vec(file(), 1..6)) {
        let knowledge = &*KNOWLEDGE;
        let root = root();
        for (path, bytes) in &files {
            put(root.path(), path, bytes);
        }
        let (capture, seen) = record(Host::directory(root.path(), &knowledge.signals).unwrap());
        judged(&seen, knowledge);
        prop_assert_eq!(snapshot(&Host::archive(&capture[..], &knowledge.signals).unwrap()), seen);
    }

    #[test]
    fn captures(changed in mutated(vec![RECORDED.0.clone()]), answers in mutated(vec![RECORDED.1.clone()])) {
        let knowledge = &*KNOWLEDGE;
        let text = String::from_utf8_lossy(&answers).into_owned();
        let mut packed = members(&RECORDED.0);
        packed[1].1 = text;
        for capture in [changed, pack(&packed)] {
            if let Ok(host) = Host::archive(&capture[..], &knowledge.signals) {
                judged(&snapshot(&host), knowledge);
            }
        }
    }
}

static KNOWLEDGE: std::sync::LazyLock<KnowledgeBase> = std::sync::LazyLock::new(KnowledgeBase::embedded);

/// A capture, and the text of its answers.
static RECORDED: std::sync::LazyLock<(Vec<u8>, Vec<u8>)> = std::sync::LazyLock::new(|| {
    let root = root();
    let (capture, _) = record(Host::directory(root.path(), &KNOWLEDGE.signals).unwrap());
    let answers = members(&capture).swap_remove(1).1.into_bytes();
    (capture, answers)
});
