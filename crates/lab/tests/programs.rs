//! Programs as Debian built them are recognised: one runc that accounts and one that doesn't any more, and programs of
//! other kinds. They come from the archive; without it the test fails.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use kernmend_core::document::Digest;
use kernmend_core::document::snapshot::Class;
use kernmend_core::program::{Ground, classify, parse_version_output, version_of};
use kernmend_node::host::markers::scan;
use lab::debian::runtimes::{self, CONTAINERD, CRUN, DOCKER, RUNC_11, RUNC_12, YAJL};
use lab::debian::{Package, Packages};

struct Expected {
    package: Package,
    path: &'static str,
    class: Class,
    why: Ground,
    /// The beginning of the version: updates of the distribution change what follows.
    version: &'static str,
    /// Whether build information has it too.
    stamped: bool,
    go: Option<&'static str>,
}

const PROGRAMS: [Expected; 5] = [
    Expected {
        package: RUNC_11,
        path: "usr/sbin/runc",
        class: Class::On,
        why: Ground::EnablesAccounting,
        version: "1.0.0~rc93",
        stamped: false,
        go: Some("go1.15.15"),
    },
    Expected {
        package: RUNC_12,
        path: "usr/sbin/runc",
        class: Class::Ignored,
        why: Ground::AccountingRemoved,
        version: "1.1.5",
        stamped: false,
        go: Some("go1.19.8"),
    },
    Expected {
        package: CRUN,
        path: "usr/bin/crun",
        class: Class::NotLibcontainer,
        why: Ground::NotGo,
        version: "1.8.1",
        stamped: false,
        go: None,
    },
    Expected {
        package: CONTAINERD,
        path: "usr/bin/containerd",
        class: Class::NotLibcontainer,
        why: Ground::NoCgroupCode,
        version: "1.6.20",
        stamped: false,
        go: Some("go1.19.8"),
    },
    Expected {
        package: DOCKER,
        path: "usr/sbin/dockerd",
        class: Class::NotLibcontainer,
        why: Ground::NoCgroupCode,
        version: "20.10.24",
        stamped: true,
        go: Some("go1.19.8"),
    },
];

fn packages() -> Packages {
    runtimes::get().unwrap_or_else(|error| panic!("Debian's programs are not to be had: {error}"))
}

/// What a program prints for `--version`; it finds the libraries that were fetched with it.
fn version_output(packages: &Packages, path: &Path) -> String {
    let libraries = packages.path(YAJL, "usr/lib");
    let directories = fs::read_dir(&libraries).unwrap().map(|entry| entry.unwrap().path());
    let search: Vec<String> = directories.map(|path| path.display().to_string()).collect();
    let output =
        Command::new(path).arg("--version").env("LD_LIBRARY_PATH", search.join(":")).output().unwrap();
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn programs_of_debian_are_recognised() {
    let packages = packages();
    for expected in &PROGRAMS {
        let path = packages.path(expected.package, expected.path);
        let found = scan(&mut File::open(&path).unwrap(), u64::MAX).unwrap();
        let at = path.display();

        let printed = parse_version_output(expected.path, &version_output(&packages, &path)).unwrap();
        assert!(printed.starts_with(expected.version), "{at}: {printed}");
        let info = found.content.build_info.as_ref();
        let stamped = info.and_then(|info| version_of(info, expected.path));
        assert_eq!(stamped.is_some_and(|stamped| printed == stamped), expected.stamped, "{at}");
        assert_eq!(info.and_then(|info| info.go.as_deref()), expected.go, "{at}");

        // The version must not be what the answer rests on.
        for version in [None, Some(printed.as_str())] {
            let judged = classify(&found.content, expected.path, version);
            assert_eq!((judged.class, judged.why[0]), (expected.class, expected.why), "{at}: {judged:?}");
        }
        let whole = fs::read(&path).unwrap();
        assert_eq!(found.digest, Some(Digest::of(&whole)), "{at}");
        assert_eq!(found.bytes, whole.len() as u64, "{at}");
    }
}

/// Prints what a scan costs beside the ordinary digest program: a ratio to read, not a bound to fail by.
#[test]
fn what_a_scan_costs_is_printed() {
    let packages = packages();
    let paths: Vec<PathBuf> =
        PROGRAMS.iter().map(|program| packages.path(program.package, program.path)).collect();
    let bytes: u64 = paths.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    let rounds = 5;
    let [before, children_before] = processor_ticks();
    for _ in 0..rounds {
        for path in &paths {
            let found = scan(&mut File::open(path).unwrap(), u64::MAX).unwrap();
            assert!(found.digest.is_some());
        }
    }
    let [after, _] = processor_ticks();
    for _ in 0..rounds {
        assert!(Command::new("sha256sum").args(&paths).output().unwrap().status.success());
    }
    let [_, children_after] = processor_ticks();
    let (ours, theirs) = (after - before, children_after - children_before);
    println!(
        "{} MB x {rounds}: scan {ours} ticks, sha256sum {theirs} ticks: {:.2}",
        bytes / 1_000_000,
        ours as f64 / theirs.max(1) as f64
    );
}

/// Clock ticks of processor time of this process and of its children that ended (`proc(5)`, fields 14 to 17).
fn processor_ticks() -> [u64; 2] {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // The second field is a name in parentheses and may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let sum = |range: std::ops::Range<usize>| fields[range].iter().map(|f| f.parse::<u64>().unwrap()).sum();
    [sum(11..13), sum(13..15)]
}
