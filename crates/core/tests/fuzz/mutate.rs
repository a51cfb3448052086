//! Bytes that are almost what a reader expects: seeds of real input, with a few changes each. Most changes leave most of
//! the structure, so that what lies behind the first check of a reader is reached too.

use proptest::prelude::*;
use proptest::sample::Index;

/// Pieces that have broken readers before.
const PIECES: &[&[u8]] = &[
    b"",
    b"\0",
    b"\n",
    b"\r\n",
    b"\\",
    b"\"",
    b"'",
    b"(",
    b")",
    b"[",
    b"{",
    b":",
    b"=",
    b"-",
    b"-1",
    b"0",
    b"9223372036854775807",
    b"18446744073709551616",
    b"99999999999999999999999999",
    b"1e999",
    b"\xff\xfe",
    b"\xc3",
    b"\xe2\x80\xae",
    b"../../",
    b"%s",
    b"((((((((((((((((((((((((((((((((",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
];

/// One change, at a place that is told as a share of the length.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Put(Index, usize),
    Remove(Index, Index),
    Repeat(Index, Index),
    Cut(Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Flip(at, byte)),
        3 => (any::<Index>(), 0..PIECES.len()).prop_map(|(at, piece)| Change::Put(at, piece)),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Remove(from, to)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Repeat(from, to)),
        1 => any::<Index>().prop_map(Change::Cut),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    /// A repeated stretch is at most this long, so that repetitions of repetitions stay small.
    const LONGEST: usize = 4096;
    let place = |index: &Index| index.index(bytes.len() + 1);
    match change {
        Change::Flip(at, byte) => {
            let at = place(at);
            if let Some(found) = bytes.get_mut(at) {
                *found ^= byte;
            }
        }
        Change::Put(at, piece) => {
            let at = place(at);
            bytes.splice(at..at, PIECES[*piece].iter().copied());
        }
        Change::Remove(from, to) => {
            let (from, to) = (place(from).min(place(to)), place(from).max(place(to)));
            bytes.drain(from..to);
        }
        Change::Repeat(from, to) => {
            let (from, to) = (place(from).min(place(to)), place(from).max(place(to)));
            let again = bytes[from..to.min(from + LONGEST)].to_vec();
            bytes.splice(from..from, again);
        }
        Change::Cut(at) => bytes.truncate(place(at)),
    }
}

/// One of the seeds, with up to six changes.
pub(crate) fn mutated(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(seeds), prop::collection::vec(change(), 0..6)).prop_map(|(mut bytes, changes)| {
        changes.iter().for_each(|change| apply(&mut bytes, change));
        bytes
    })
}
