//! Archives as roots: a packed directory answers as the directory does, a sosreport and an Insights archive by what commands
//! printed, and archives that mean harm end in a clear error or in answers that say what is missing.

#![expect(clippy::unwrap_used, reason = "the helpers of tests, as the tests, stop at the first surprise")]

mod archive {
    pub(super) mod tree;
}

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use archive::tree::Tree;
use kernmend_core::document::snapshot::{Origin, Snapshot};
use kernmend_core::document::{Document, Fact, Reason};
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_core::knowledge::signal::SignalSet;
use kernmend_node::collect::collect;
use kernmend_node::host::{Host, Oddity, ReadArchiveError, Remark};
use proptest::prelude::*;
use tar::EntryType as Type;

static KNOWLEDGE: LazyLock<KnowledgeBase> = LazyLock::new(KnowledgeBase::embedded);

fn signals() -> &'static SignalSet {
    &KNOWLEDGE.signals
}

fn open(bytes: &[u8]) -> Result<Host<'static>, ReadArchiveError> {
    Host::archive(bytes, signals())
}

fn snapshot(bytes: &[u8]) -> Snapshot {
    collect(&open(bytes).unwrap())
}

fn remarks(bytes: &[u8]) -> Vec<Remark> {
    open(bytes).unwrap().remarks().cloned().collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// The snapshot as JSON, without what it was read from, without what is in programs, which an archive doesn't keep, and without
/// the examples that are the first that the system happens to list.
fn comparable(snapshot: Snapshot) -> serde_json::Value {
    let mut value = serde_json::to_value(snapshot).unwrap();
    value["origin"].take();
    for example in ["example_on", "example_off"] {
        if let Some(example) = value.pointer_mut(&format!("/cgroups/memory/value/accounting/{example}")) {
            example.take();
        }
    }
    // Of files that nobody asks for, an archive keeps the name.
    for kernel in value["kernels"]["value"].as_array_mut().into_iter().flatten() {
        for file in ["image", "initramfs"] {
            kernel[file]["value"]["size"].take();
        }
    }
    for program in value["programs"]["found"].as_array_mut().unwrap() {
        for key in ["version", "digest", "classification", "tags", "demands", "features"] {
            program[key].take();
        }
    }
    value
}

fn check_packed(dir: &Path) {
    let expected = comparable(collect(&Host::directory(dir, signals()).unwrap()));
    for prefix in ["", "node-1/", "captures/node-1/"] {
        let mut builder = tar::Builder::new(Vec::new());
        builder.follow_symlinks(false);
        builder.append_dir_all(if prefix.is_empty() { "." } else { prefix }, dir).unwrap();
        let plain = builder.into_inner().unwrap();
        for (name, packed) in
            [("tar", plain.clone()), ("gz", gzip(&plain)), ("xz", xz(&plain)), ("zst", zstd(&plain))]
        {
            let host = open(&packed).unwrap();
            assert_eq!(host.origin(), Origin::Archive);
            assert_eq!(host.remarks().count(), 0, "{dir:?}");
            let found = comparable(collect(&host));
            for (key, value) in expected.as_object().unwrap() {
                assert_eq!(&found[key], value, "{key} of {} as {prefix}*.{name}", dir.display());
            }
        }
    }
}

#[test]
fn a_packed_directory_gives_the_snapshot_of_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    archive::tree::node().write(dir.path());
    check_packed(dir.path());
}

#[test]
fn packed_cases_give_the_snapshots_of_the_cases() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases");
    let below = |dir: &Path| -> Vec<_> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
    };
    for advisory in below(&cases) {
        for case in below(&advisory) {
            check_packed(&case);
        }
    }
}

#[test]
fn programs_in_an_archive_are_found_and_not_judged() {
    let packed = archive::tree::node().file("usr/bin/kubelet", b"\x7fELF").tar("");
    let found = snapshot(&packed).programs.found;
    let kubelet = found.iter().find(|program| program.name == "kubelet").unwrap();
    assert!(is_not_captured(&kubelet.digest) && is_not_captured(&kubelet.classification), "{kubelet:?}");
}

fn is_not_captured<T>(fact: &Fact<T>) -> bool {
    matches!(fact, Fact::Unknown { why } if why.reason == Reason::NotCaptured)
}

#[test]
fn a_sosreport_tells_by_what_commands_printed() {
    let packed = xz(&archive::tree::sosreport().tar("sosreport-node-1-2026-01-02-abcdefg/"));
    let snapshot = snapshot(&packed);
    assert_eq!(snapshot.kernel.release.value().unwrap(), "3.10.0-693.el7.x86_64");
    assert_eq!(snapshot.hostname.value().unwrap(), "node-1");
    assert_eq!(snapshot.kernel.booted_at.value(), Some(&1_600_000_000));
    assert_eq!(snapshot.kernel.uptime.value(), Some(&864_000));
    assert_eq!(snapshot.collected_at.value(), Some(&1_600_864_000));
    assert_eq!(snapshot.limits["vm.max_map_count"].value(), Some(&65_530));
    assert_eq!(snapshot.modules.value().unwrap(), &["ip_tables", "xfs"]);
    let slab = snapshot.slab.value().unwrap();
    assert_eq!((slab.entries, slab.memcg_entries, slab.ids), (4, 2, 2));
    let memory = snapshot.cgroups.memory.value().unwrap();
    assert_eq!((memory.directories.at_least, memory.directories.at_most), (2, None));
    let logs: Vec<_> =
        snapshot.logs.iter().map(|log| (log.log.as_str(), log.sources.join(" "), log.cut)).collect();
    assert_eq!(
        logs,
        [
            ("/dmesg.txt", "/sos_commands/kernel/dmesg".to_owned(), false),
            ("/journal.txt", "/sos_commands/logs/journalctl_--no-pager_--catalog_--boot".to_owned(), false),
            ("/var/log/messages", "/var/log/messages".to_owned(), true),
            (
                "/var/log/kubelet.log",
                "/sos_commands/kubernetes/journalctl_--no-pager_--unit_kubelet".to_owned(),
                false
            ),
        ]
    );
    assert_eq!(snapshot.logs[0].covers_boot.value(), Some(&true));
    assert_eq!(snapshot.logs[2].hits.iter().map(|hit| hit.count).sum::<u64>(), 2, "{:?}", snapshot.logs[2]);
    // What nobody put into it is not known to be absent.
    assert!(is_not_captured(&snapshot.kernel.version));
    assert!(snapshot.restart.replaced_binaries.value().is_none());
    assert!(
        matches!(&snapshot.restart.installed_kernels, Fact::Unknown { why } if why.reason == Reason::Cut),
        "it has the modules of the running kernel alone: {:?}",
        snapshot.restart.installed_kernels
    );
    assert!(snapshot.programs.gaps.iter().any(|gap| gap.path == "/usr/bin"));
}

#[test]
fn an_insights_archive_tells_by_what_commands_printed() {
    // The newer client puts the files below `data`, beside what it says of itself.
    for (folder, is_new) in [("insights-node-1-20260102/", false), ("insights-node-1-20260102/data/", true)] {
        let mut tree = Tree::default();
        for (path, text) in [
            ("insights_commands/uname_-a", "Linux node-1 4.18.0-80.el8.x86_64 #1 SMP x86_64 GNU/Linux\n"),
            ("insights_commands/hostname", "node-1\n"),
            ("insights_commands/mount", "cgroup on /sys/fs/cgroup/memory type cgroup (rw,memory)\n"),
            ("insights_commands/uptime", " 10:00:00 up 10 days, 2:00, 1 user, load average: 0.0\n"),
            ("insights_commands/sysctl_-a", "kernel.pid_max = 32768\nfs.file-max = 9223372036854775807\n"),
            ("insights_commands/dmesg", "[    0.000000] Linux version 4.18.0-80.el8.x86_64\n"),
            ("etc/redhat-release", "Red Hat Enterprise Linux release 8.0 (Ootpa)\n"),
            ("proc/meminfo", "MemTotal: 1000 kB\n"),
        ] {
            tree = tree.file(path, text.as_bytes());
        }
        let mut packed = tar::Builder::new(Vec::new());
        if is_new {
            put(&mut packed, "insights-node-1-20260102/meta_data/uname.json", b"{}");
        }
        put(&mut packed, "insights-node-1-20260102/branch_info", b"{}");
        tree.append(&mut packed, folder);
        let snapshot = snapshot(&gzip(&packed.into_inner().unwrap()));
        assert_eq!(snapshot.kernel.release.value().unwrap(), "4.18.0-80.el8.x86_64", "{folder}");
        assert_eq!(snapshot.hostname.value().unwrap(), "node-1");
        assert_eq!(snapshot.distribution.value().unwrap().id, "rhel");
        assert_eq!(snapshot.kernel.uptime.value(), Some(&871_200));
        assert_eq!(snapshot.limits["kernel.pid_max"].value(), Some(&32_768));
        assert_eq!(snapshot.logs[0].sources, ["/insights_commands/dmesg"]);
        assert!(snapshot.cgroups.mode.value().is_some());
        assert!(is_not_captured(&snapshot.kernel.booted_at));
    }
}

#[test]
fn a_log_is_its_newest_part_over_rotated_and_compressed_members() {
    let line = |number: u32| format!("Jan  2 03:04:05 node-1 kernel: line {number}\n").into_bytes();
    let mut broken = gzip(&line(1).repeat(5000));
    broken.truncate(broken.len() - 20);
    let tree = Tree::default()
        .file("etc/hostname", b"node-1\n")
        .file("var/log/messages", &line(4))
        .file("var/log/messages.1", &line(3))
        .file("var/log/messages.2.xz", &xz(&line(2)))
        .file("var/log/messages.3.gz", &broken)
        .file("var/log/messages.4.zst", &zstd(&line(0)))
        .file("var/log/messages.5.gz", &gzip(&vec![0; 64 << 20]));
    let snapshot = snapshot(&tree.tar(""));
    let log = &snapshot.logs[0];
    let sources: Vec<&str> =
        log.sources.iter().map(|path| path.trim_start_matches("/var/log/messages")).collect();
    assert_eq!(sources, ["", ".1", ".2.xz", ".3.gz", ".4.zst", ".5.gz"]);
    assert_eq!(log.gaps.iter().map(|gap| gap.path.as_str()).collect::<Vec<_>>(), ["/var/log/messages.3.gz"]);
    assert!(log.cut, "the oldest of them has more than is scanned");
}

/// Appends a regular file under exactly this name.
fn put(builder: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8]) {
    put_as(builder, name.as_bytes(), Type::Regular, "", content);
}

/// Appends a member with exactly this name, which the `tar` crate itself would refuse.
fn put_as(builder: &mut tar::Builder<Vec<u8>>, name: &[u8], kind: Type, target: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

fn hostile(write: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    put(&mut builder, "etc/hostname", b"node-1\n");
    put(&mut builder, "proc/sys/kernel/osrelease", b"3.10.0-693.el7.x86_64\n");
    write(&mut builder);
    builder.into_inner().unwrap()
}

/// Reads the archive; it must tell the kernel and the host's name, and hold these oddities.
fn check_hostile(bytes: &[u8], expected: &[(Oddity, u64)]) -> Snapshot {
    let found = remarks(bytes);
    let found: Vec<_> = found.iter().map(|remark| (remark.oddity, remark.count)).collect();
    assert_eq!(found, expected);
    let snapshot = snapshot(bytes);
    assert_eq!(snapshot.kernel.release.value().unwrap(), "3.10.0-693.el7.x86_64");
    snapshot
}

#[test]
fn names_that_lead_out_are_passed_over() {
    let bytes = hostile(|tar| {
        put(tar, "../../etc/hostname", b"evil\n");
        put(tar, "etc/../../hostname", b"evil\n");
        put(tar, "/etc/os-release", b"ID=centos\n");
        put_as(tar, b"proc/meminfo", Type::Symlink, "../../../../../etc/hostname", b"");
        put_as(tar, b"proc/modules", Type::Symlink, "/proc/../../../etc/gone", b"");
        put_as(tar, b"proc/cmdline", Type::Link, "../../etc/shadow", b"");
    });
    let snapshot =
        check_hostile(&bytes, &[(Oddity::Escape, 2), (Oddity::Absolute, 1), (Oddity::HardLinkOut, 1)]);
    assert_eq!(snapshot.hostname.value().unwrap(), "node-1");
    assert_eq!(snapshot.distribution.value().unwrap().id, "centos");
    // The link ends at the archive's own top, and the file that it leads to there is no list of totals.
    assert!(matches!(&snapshot.memory, Fact::Unknown { why } if why.reason == Reason::Malformed));
    assert!(is_not_captured(&snapshot.modules));
    assert!(is_not_captured(&snapshot.kernel.arguments));
}

#[test]
fn devices_loops_and_odd_names_are_no_files() {
    let bytes = hostile(|tar| {
        put_as(tar, b"proc/meminfo", Type::Fifo, "", b"");
        put_as(tar, b"proc/modules", Type::Char, "", b"");
        put_as(tar, b"proc/stat", Type::Block, "", b"");
        put_as(tar, b"proc/uptime", Type::Symlink, "uptime", b"");
        put_as(tar, b"etc/a", Type::Symlink, "b/c", b"");
        put_as(tar, b"etc/b", Type::Symlink, "a/c", b"");
        put(tar, "etc/a/file", b"");
        put_as(tar, b"etc/\xff\xfe\x01name", Type::Regular, "", b"x");
        put_as(tar, b"etc/hostname/below", Type::Regular, "", b"x");
        put_as(tar, b"etc", Type::Regular, "", b"in the place of a folder");
        put_as(tar, b"proc/sys/kernel/hostname", Type::Link, "proc/sys/kernel/hostname", b"");
    });
    let snapshot =
        check_hostile(&bytes, &[(Oddity::InTheWay, 3), (Oddity::Device, 3), (Oddity::HardLinkOut, 1)]);
    let reason = |fact: &Fact<u64>| match fact {
        Fact::Unknown { why } => (why.reason, why.detail.clone()),
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(&snapshot.kernel.uptime).0, Reason::ReadFailed);
    assert!(matches!(&snapshot.memory, Fact::Unknown { why } if why.reason == Reason::ReadFailed));
}

#[test]
fn of_members_with_one_name_the_last_is_taken() {
    let bytes = hostile(|tar| {
        put(tar, "etc/hostname", b"node-2\n");
        put(tar, "./etc//hostname", b"node-3\n");
        put_as(tar, b"proc/cmdline", Type::Link, "etc/hostname", b"");
        put_as(tar, b"etc/hostname", Type::Link, "proc/cmdline", b"");
        put(tar, "etc/hostname", b"node-4\n");
    });
    let snapshot = check_hostile(&bytes, &[(Oddity::Duplicate, 3)]);
    assert_eq!(snapshot.hostname.value().unwrap(), "node-4");
}

#[test]
fn sizes_that_a_header_only_claims_take_nothing() {
    let truncated = |bytes: &[u8]| {
        matches!(
            open(bytes).err(),
            Some(ReadArchiveError::Truncated { .. } | ReadArchiveError::Damaged { .. })
        )
    };
    let claims = |size: u64, kind: Type, name: &[u8]| {
        let mut tar = tar::Builder::new(Vec::new());
        put(&mut tar, "etc/hostname", b"node-1\n");
        let mut bytes = tar.into_inner().unwrap();
        bytes.truncate(1024);
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_size(size);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&[0; 4096]);
        bytes
    };
    for size in [1 << 20, 1 << 33, 1 << 50, u64::MAX >> 1, u64::MAX] {
        for kind in [Type::Regular, Type::GNULongName, Type::GNULongLink, Type::XHeader, Type::GNUSparse] {
            for name in [&b"proc/meminfo"[..], b"var/log/messages", b"usr/share/doc/x/y"] {
                assert!(truncated(&claims(size, kind, name)), "{size} {kind:?}");
            }
        }
    }
}

#[test]
fn a_head_that_goes_on_and_on_is_refused_before_it_is_held() {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(Type::XHeader);
    header.set_size(1 << 32);
    header.set_cksum();
    let zeros = std::io::Read::take(std::io::repeat(0), 1 << 32);
    let stream = std::io::Read::chain(&header.as_bytes()[..], zeros);
    match Host::archive(stream, signals()).err() {
        Some(ReadArchiveError::Damaged { source, .. }) => assert!(source.to_string().contains("longer")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_sparse_log_of_exabytes_is_not_read() {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(Type::GNUSparse);
    header.as_old_mut().name[..16].copy_from_slice(b"var/log/messages");
    header.set_size(512);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.sparse[0].set_offset((1 << 62) - 512);
    gnu.sparse[0].set_length(512);
    gnu.set_real_size(1 << 62);
    header.set_cksum();
    let bytes = hostile(|tar| tar.append(&header, &[b'x'; 512][..]).unwrap());
    let snapshot = check_hostile(&bytes, &[(Oddity::Sparse, 1)]);
    assert_eq!(snapshot.logs[0].gaps.len(), 1, "{:?}", snapshot.logs);
    assert_eq!(snapshot.logs[0].sources, Vec::<String>::new());
}

#[test]
fn what_is_no_archive_of_a_machine_is_told_so() {
    let error = |bytes: &[u8]| open(bytes).err().map_or_else(String::new, |error| error.to_string());
    for (bytes, expected) in [
        (&b""[..], "this is not a tar archive"),
        (b"just text\n", "this is not a tar archive"),
        (&[7; 4096], "this is not a tar archive"),
        (b"BZh91AY&SY", "it is compressed with bzip2"),
        (b"PK\x03\x04", "it is compressed with zip"),
        (&[0x04, 0x22, 0x4d, 0x18, 0], "it is compressed with lz4"),
        (&[0; 1024], "nothing in it is"),
        (&[0x1f, 0x8b, 8, 0], "it is cut off"),
        (&[0xfd, b'7', b'z', b'X', b'Z', 0], "it is cut off"),
        (&[0x28, 0xb5, 0x2f, 0xfd], "it is cut off"),
    ] {
        assert!(error(bytes).starts_with(expected), "{bytes:?}: {}", error(bytes));
    }
    let mut pictures = tar::Builder::new(Vec::new());
    put(&mut pictures, "pictures/cat.png", b"\x89PNG");
    assert!(error(&pictures.into_inner().unwrap()).starts_with("nothing in it is"));
    let nested = hostile(|_| ());
    assert!(error(&gzip(&gzip(&nested))).starts_with("this is not"), "{}", error(&gzip(&gzip(&nested))));
    let mut two = tar::Builder::new(Vec::new());
    put(&mut two, "node-1/etc/hostname", b"node-1\n");
    put(&mut two, "node-2/etc/hostname", b"node-2\n");
    assert_eq!(error(&two.into_inner().unwrap()), "it holds more than one machine: `node-1` and `node-2`");
}

#[test]
fn an_archive_that_is_cut_off_says_so() {
    let plain = hostile(|tar| put(tar, "var/log/messages", &b"line\n".repeat(400)));
    for packed in [plain.clone(), gzip(&plain), xz(&plain), zstd(&plain)] {
        for len in 0..packed.len() {
            match open(&packed[..len]) {
                Err(
                    ReadArchiveError::Truncated { .. }
                    | ReadArchiveError::NotAnArchive
                    | ReadArchiveError::Damaged { .. },
                ) => {}
                // Between two members of a plain archive, or in its end mark.
                Ok(host) => {
                    let no_end = host.remarks().any(|remark| remark.oddity == Oddity::NoEnd);
                    assert!(packed == plain && (no_end || len > plain.len() - 1024), "{len}");
                }
                Err(other) => panic!("{len}: {other}"),
            }
        }
    }
    let without_end = &plain[..plain.len() - 1024];
    let snapshot = snapshot(without_end);
    assert!(is_not_captured(&snapshot.restart.installed_kernels));
}

/// What commands printed, as a sosreport has it: what is right and what is not.
#[test]
fn what_commands_printed_is_read_however_it_is_spoilt() {
    for text in [
        "",
        "\0",
        "\u{fffd}\n\n",
        "a b c d e f g h\n",
        "99999999999999999999999999",
        "Mon 99 Foo 99:99:99 2026",
        " 10:00:00 up 99999999999999999999 days,  1:00",
    ] {
        for path in archive::tree::sosreport().files() {
            let spoilt = archive::tree::sosreport().file(&path, text.as_bytes()).tar("sosreport-node-1/");
            if let Ok(host) = open(&spoilt) {
                let _ = Document::new(collect(&host), None).to_json();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bytes_never_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        which in 0..4_usize,
    ) {
        static PACKED: LazyLock<[Vec<u8>; 4]> = LazyLock::new(|| {
            let plain = archive::tree::sosreport().tar("sosreport-node-1/");
            [plain.clone(), gzip(&plain), xz(&plain), zstd(&plain)]
        });
        let mut bytes = PACKED[which].clone();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(host) = open(&bytes) {
            let _ = Document::new(collect(&host), None).to_json();
        }
    }
}
