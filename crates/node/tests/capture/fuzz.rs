//! Every reader of outside input that is node's, with input that is almost right: a root of which some files were
//! changed, and a capture that was changed. No panic, and the capture of what was seen gives the same snapshot.

use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::time::Duration;

use crate::mutate::mutated;
use crate::support::{FILES, members, pack, put, record, root, snapshot};
use kernmend_core::diagnose::diagnose;
use kernmend_core::document::Document;
use kernmend_core::document::snapshot::Snapshot;
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_node::follow::{Ends, FollowLogError, Follower, Turn};
use kernmend_node::host::Host;
use kernmend_node::scan::scan;
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
    (
        "boot/grub2/grub.cfg",
        "set default=\"${saved_entry}\"\nload_env\nblscfg\nmenuentry 'a' --id a {\n linux /vmlinuz-3.10.0-514.el7.x86_64 ro\n}\n",
    ),
    ("boot/grub2/grubenv", "# GRUB Environment Block\nsaved_entry=a\n####"),
    (
        "boot/loader/entries/a.conf",
        "title a\nversion 4.18.0-80.el8.x86_64\nlinux /vmlinuz-4.18.0-80.el8.x86_64\noptions ro\n",
    ),
    ("etc/default/grub", "GRUB_DEFAULT=saved\nGRUB_CMDLINE_LINUX=\"quiet\"\n"),
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
    #![proptest_config(config(120))]

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

    /// Logs that somebody hands over, as every encoding has them; and one that is followed tells the same.
    #[test]
    fn logs(bytes in mutated(LOGS.to_vec())) {
        let signals = &KNOWLEDGE.signals;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, &bytes).unwrap();
        let scanned = scan(&[&path], std::io::empty(), signals, |_, _| ());
        let (never, _kept) = std::io::pipe().unwrap();
        let ends = Ends { stop: never.as_fd(), listener: never.as_fd() };
        let mut follower = Follower::open(&[&path], || unreachable!("no path is `-`"), signals).unwrap();
        let mut followed = Ok(Turn::GoOn);
        for _ in 0..3 {
            followed = followed.and_then(|_| follower.turn(Some(Duration::ZERO), ends));
        }
        match followed {
            Ok(_) => prop_assert_eq!(&follower.finish().1[0].1, &scanned.unwrap()),
            Err(FollowLogError::Encoded { .. }) => {}
            Err(error) => panic!("{error}"),
        }
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

/// One log, in every encoding.
static LOGS: std::sync::LazyLock<[Vec<u8>; 5]> = std::sync::LazyLock::new(|| {
    let (_, text) = FILES.iter().find(|(path, _)| *path == "var/log/kern.log").unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(text.as_bytes()).unwrap();
    let wide = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
    [text.as_bytes().to_vec(), gzip.finish().unwrap(), xz.finish().unwrap(), zstd, wide]
});

static KNOWLEDGE: std::sync::LazyLock<KnowledgeBase> = std::sync::LazyLock::new(KnowledgeBase::embedded);

/// A capture, and the text of its answers.
static RECORDED: std::sync::LazyLock<(Vec<u8>, Vec<u8>)> = std::sync::LazyLock::new(|| {
    let root = root();
    let (capture, _) = record(Host::directory(root.path(), &KNOWLEDGE.signals).unwrap());
    let answers = members(&capture).swap_remove(1).1.into_bytes();
    (capture, answers)
});
