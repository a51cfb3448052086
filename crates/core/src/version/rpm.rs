//! RPM's order of versions. Text only; it doesn't read packages, and an architecture at the end (`.x86_64`) is for the
//! caller to take off.

use std::cmp::Ordering;
use std::iter;

use super::{compare_digits, split_epoch, split_run};

/// Compares `epoch:version-release`. A missing epoch is 0, a missing release is older than any.
///
/// (Where a dependency names no release, RPM lets any release satisfy it. That is a match and no order.)
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    let ((a_epoch, a), (b_epoch, b)) = (split_epoch(a), split_epoch(b));
    let ((a_version, a_release), (b_version, b_release)) = (split_release(a), split_release(b));
    compare_digits(a_epoch.as_bytes(), b_epoch.as_bytes())
        .then_with(|| compare_part(a_version, b_version))
        .then_with(|| match (a_release, b_release) {
            (Some(a), Some(b)) => compare_part(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        })
}

/// Compares one version, or one release, as `rpmvercmp` does.
///
/// The text is a sequence of digit runs and letter runs; whatever else stands between them only separates. The order of
/// what can meet at one place is `~`, the end, `^`, letters, digits, and the sequences are compared piece by piece.
#[must_use]
pub fn compare_part(a: &str, b: &str) -> Ordering {
    let mut pieces = iter::zip(pieces(a.as_bytes()), pieces(b.as_bytes()));
    pieces.find_map(|(a, b)| a.compare(b)).unwrap_or(Ordering::Equal)
}

fn split_release(version: &str) -> (&str, Option<&str>) {
    match version.rsplit_once('-') {
        Some((version, release)) => (version, Some(release)),
        None => (version, None),
    }
}

/// What can stand at one place, from the oldest to the newest.
#[derive(Clone, Copy)]
enum Piece<'a> {
    /// `~`: older than nothing at all, as in `1.0~rc1`.
    Tilde,
    /// Nothing more.
    End,
    /// `^`: newer than nothing at all and older than any text, as in `1.0^git1`.
    Caret,
    Letters(&'a [u8]),
    Digits(&'a [u8]),
}

impl Piece<'_> {
    const fn rank(self) -> u8 {
        match self {
            Self::Tilde => 0,
            Self::End => 1,
            Self::Caret => 2,
            Self::Letters(_) => 3,
            Self::Digits(_) => 4,
        }
    }

    /// The answer that this place gives; `None` if it is the next one's to give.
    fn compare(self, other: Self) -> Option<Ordering> {
        let ordering = match (self, other) {
            (Self::End, Self::End) => return Some(Ordering::Equal),
            (Self::Digits(a), Self::Digits(b)) => compare_digits(a, b),
            (Self::Letters(a), Self::Letters(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        };
        Some(ordering).filter(|ordering| ordering.is_ne())
    }
}

/// The pieces of a text, then `End` for ever.
fn pieces(mut rest: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    iter::repeat_with(move || {
        let piece;
        (_, rest) = split_run(rest, |byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'~' | b'^'));
        (piece, rest) = match rest {
            [] => (Piece::End, rest),
            [b'~', rest @ ..] => (Piece::Tilde, rest),
            [b'^', rest @ ..] => (Piece::Caret, rest),
            [first, ..] if first.is_ascii_digit() => {
                let (digits, rest) = split_run(rest, |byte| byte.is_ascii_digit());
                (Piece::Digits(digits), rest)
            }
            _ => {
                let (letters, rest) = split_run(rest, |byte| byte.is_ascii_alphabetic());
                (Piece::Letters(letters), rest)
            }
        };
        piece
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ascending: &[&str]) {
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a} against {b}");
            }
        }
    }

    fn check_equal(a: &str, b: &str) {
        assert_eq!(compare(a, b), Ordering::Equal, "{a} against {b}");
    }

    #[test]
    fn numbers_count_as_numbers() {
        check(&["0.9", "1.0", "1.2", "1.10", "2", "2.0", "2.0.1", "20240101"]);
        check(&["99999999999999999999999", "100000000000000000000000"]);
        check_equal("1.05", "1.5");
        check_equal("1.0", "1.00");
    }

    #[test]
    fn separators_only_separate() {
        check_equal("4_18.0", "4.18_0");
        check_equal("1.0.", "1.0");
        check_equal("1..0", "1.0");
        check(&["1.0", "1.0a"]);
        check_equal("1.0a", "1.0.a");
    }

    #[test]
    fn digits_are_newer_than_letters_and_letters_newer_than_nothing() {
        check(&["5.x", "5.1"]);
        check(&["5", "5a", "5b", "5ba", "5.1"]);
        check(&["1.A", "1.a"]);
    }

    #[test]
    fn tilde_is_older_than_nothing() {
        check(&["2.0~~", "2.0~", "2.0~beta", "2.0~rc1", "2.0~rc1.1", "2.0~rc2", "2.0", "2.0.1~rc1", "2.0.1"]);
    }

    #[test]
    fn caret_is_newer_than_nothing_and_older_than_more() {
        check(&[
            "2.0~rc1",
            "2.0~rc1^git1",
            "2.0",
            "2.0^~",
            "2.0^",
            "2.0^git1",
            "2.0^git2",
            "2.0a",
            "2.0.1^git1",
        ]);
    }

    #[test]
    fn epoch_goes_before_version_and_version_before_release() {
        check(&["9.9-9", "1:1.0-2", "1:1.1-1", "2:0.1-1"]);
        check_equal("0:1.0-1", "1.0-1");
        check_equal("00:1.0-1", "1.0-1");
        check(&["1.0", "1.0-1", "1.0-2"]);
    }

    #[test]
    fn kernels_of_one_stream_sort_as_they_came_out() {
        check(&[
            "3.10.0-123.el7",
            "3.10.0-514.el7",
            "3.10.0-514.2.2.el7",
            "3.10.0-957.el7",
            "3.10.0-1062.4.1.el7",
            "3.10.0-1062.12.1.el7",
            "3.10.0-1160.el7",
        ]);
        check(&["4.18.0-80.el8", "4.18.0-80.1.2.el8_0", "4.18.0-553.8.1.el8_10"]);
    }
}
