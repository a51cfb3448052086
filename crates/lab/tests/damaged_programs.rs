//! Genuine programs that are cut or damaged are never called harmless. They come from the modules of runc's releases and
//! from Debian's archive; without these the tests fail.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use std::fs;
use std::io::Cursor;

use kernmend_core::document::snapshot::Class;
use kernmend_core::program::{Inspection, Marker};
use kernmend_node::host::markers::scan;
use lab::debian::runtimes::{self, RUNC_11, RUNC_12};
use lab::go::{
    GO_1_15, GO_1_24, Link, RUNC_1_2, RUNC_RC6, RUNC_RC9, RUNC_RC93, RUNC_RC95, Runc, Toolchain,
    cgroup_writer,
};
use memchr::memmem;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// The ELF header and what follows it: the tables of segments, and in Go's own links those of sections.
const HEADERS: usize = 1024;

/// Damages and cuts of each program: a file of four megabytes is searched for each.
const TRIES: u32 = 64;

fn writer(version: Runc, tags: &str, link: Link, go: Toolchain) -> Vec<u8> {
    fs::read(cgroup_writer(version, tags, link, go).unwrap()).unwrap()
}

/// Programs that account: with and without symbols, of both forms of build information, with either byte order, and a
/// whole runc.
fn accounting() -> Vec<Vec<u8>> {
    let debian = runtimes::get().unwrap().path(RUNC_11, "usr/sbin/runc");
    vec![
        writer(RUNC_RC6, "", Link::Plain, GO_1_24),
        writer(RUNC_RC9, "", Link::Plain, GO_1_24),
        writer(RUNC_RC9, "", Link::Plain, GO_1_15),
        writer(RUNC_RC9, "", Link::Pie, GO_1_15),
        writer(RUNC_RC93, "", Link::Plain, GO_1_15.targeting("s390x")),
        writer(RUNC_RC93, "", Link::Pie, GO_1_24),
        writer(RUNC_RC93, "", Link::Stripped, GO_1_24),
        fs::read(debian).unwrap(),
    ]
}

fn class(bytes: &[u8]) -> Class {
    let found = scan(&mut Cursor::new(bytes), u64::MAX).unwrap();
    Inspection::of("runc", &found.content, found.digest).classification.class
}

/// Where markers stand in a program, each with its length.
fn places(program: &[u8]) -> Vec<(Marker, Vec<usize>)> {
    let all = Marker::ALL.into_iter();
    let found = all.map(|marker| (marker, memmem::find_iter(program, &marker.needle()).collect()));
    found.filter(|(_, places): &(_, Vec<usize>)| !places.is_empty()).collect()
}

fn runner() -> TestRunner {
    TestRunner::new(Config { cases: TRIES, failure_persistence: None, ..Config::default() })
}

fn is_harmless(class: Class) -> bool {
    matches!(class, Class::Off | Class::Ignored | Class::NotLibcontainer)
}

#[test]
fn one_byte_of_a_marker_or_a_header_makes_no_accounting_program_harmless() {
    for program in accounting() {
        assert_eq!(class(&program), Class::On);
        let bytes_of = |(marker, places): (Marker, Vec<usize>)| {
            let length = marker.needle().len();
            places.into_iter().flat_map(move |at| at..at + length)
        };
        let of_markers: Vec<usize> = places(&program).into_iter().flat_map(bytes_of).collect();
        let damage = (prop_oneof![2 => prop::sample::select(of_markers), 1 => 0..HEADERS], 1..=u8::MAX);
        let checked = runner().run(&damage, |(at, bits)| {
            let mut damaged = program.clone();
            damaged[at] ^= bits;
            let class = class(&damaged);
            prop_assert!(!is_harmless(class), "byte {at}: {class:?}");
            Ok(())
        });
        checked.unwrap();
    }
}

#[test]
fn a_marker_that_is_damaged_everywhere_makes_no_accounting_program_harmless() {
    for program in accounting() {
        for (marker, places) in places(&program) {
            let mut damaged = program.clone();
            let middle = marker.needle().len() / 2;
            places.iter().for_each(|at| damaged[at + middle] ^= 1);
            let class = class(&damaged);
            assert!(!is_harmless(class), "{marker:?}: {class:?}");
        }
    }
}

#[test]
fn a_program_that_is_cut_is_unknown() {
    let debian = runtimes::get().unwrap().path(RUNC_12, "usr/sbin/runc");
    let harmless = [
        writer(RUNC_RC6, "nokmem", Link::Plain, GO_1_24),
        writer(RUNC_RC93, "nokmem", Link::Stripped, GO_1_24),
        writer(RUNC_RC95, "", Link::Plain, GO_1_24),
        writer(RUNC_1_2, "", Link::Plain, GO_1_24),
        fs::read(debian).unwrap(),
    ];
    for program in accounting().into_iter().chain(harmless) {
        let whole = program.len();
        for length in [0, 4, 63, 64, 4096, whole - 4096, whole - 1] {
            assert_eq!(class(&program[..length]), Class::Unknown, "{length} of {whole} bytes");
        }
        let checked = runner().run(&(0..whole), |length| {
            prop_assert_eq!(class(&program[..length]), Class::Unknown);
            Ok(())
        });
        checked.unwrap();
    }
}
