//! Debian's order of versions. Text only; it doesn't judge whether a version follows Debian policy.

use std::cmp::Ordering;

use super::{compare_digits, split_epoch, split_run};

/// Compares `epoch:upstream-revision`. A missing epoch is 0, and a missing revision equals `0`.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    let ((a_epoch, a), (b_epoch, b)) = (split_epoch(a), split_epoch(b));
    let ((a_upstream, a_revision), (b_upstream, b_revision)) = (split_revision(a), split_revision(b));
    compare_digits(a_epoch.as_bytes(), b_epoch.as_bytes())
        .then_with(|| compare_part(a_upstream, b_upstream))
        .then_with(|| compare_part(a_revision, b_revision))
}

/// Compares one upstream version, or one revision: what is no digit by the weight of its characters, then the digits as a number, and so
/// on in turn.
#[must_use]
pub fn compare_part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !(a.is_empty() && b.is_empty()) {
        let (a_text, a_rest) = split_run(a, |byte| !byte.is_ascii_digit());
        let (b_text, b_rest) = split_run(b, |byte| !byte.is_ascii_digit());
        let (a_digits, b_digits);
        (a_digits, a) = split_run(a_rest, |byte| byte.is_ascii_digit());
        (b_digits, b) = split_run(b_rest, |byte| byte.is_ascii_digit());
        let ordering = compare_text(a_text, b_text).then_with(|| compare_digits(a_digits, b_digits));
        if ordering.is_ne() {
            return ordering;
        }
    }
    Ordering::Equal
}

fn split_revision(version: &str) -> (&str, &str) {
    version.rsplit_once('-').unwrap_or((version, ""))
}

fn compare_text(a: &[u8], b: &[u8]) -> Ordering {
    (0..a.len().max(b.len()))
        .map(|i| weight(a.get(i).copied()).cmp(&weight(b.get(i).copied())))
        .find(|ordering| ordering.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// `~` is older than the end, the end older than letters, and letters older than all else.
const fn weight(byte: Option<u8>) -> (u8, u8) {
    match byte {
        Some(b'~') => (0, 0),
        None => (1, 0),
        Some(byte) if byte.is_ascii_alphabetic() => (2, byte),
        Some(byte) => (3, byte),
    }
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
        check(&["0.9", "1.2", "1.10", "2", "2.0"]);
        check(&["99999999999999999999999", "100000000000000000000000"]);
        check_equal("1.05", "1.5");
    }

    #[test]
    fn tilde_then_the_end_then_letters_then_all_else() {
        check(&["1~~", "1~~a", "1~", "1", "1a", "1+"]);
        check(&["3.0~rc1", "3.0", "3.0a", "3.0+b1", "3.0.1"]);
        check(&["1.A", "1.a"]);
    }

    #[test]
    fn separators_count() {
        check(&["1.0", "1.0."]);
        check(&["1+0", "1.0"]);
    }

    #[test]
    fn a_missing_number_is_zero() {
        check_equal("1.", "1.0");
        check_equal("1.0", "1.0-0");
        check_equal("1a", "1a0");
    }

    #[test]
    fn epoch_goes_before_upstream_and_upstream_before_revision() {
        check(&["9-9", "1:1.0-2", "1:1.1-1", "2:0"]);
        check_equal("0:1.0-1", "1.0-1");
        check(&["1.0-2", "1.0-1-1"]);
    }

    #[test]
    fn kernels_of_one_stream_sort_as_they_came_out() {
        check(&["5.10.40-1~bpo10+1", "5.10.40-1", "5.10.46-4", "5.10.209-2", "6.1.76-1"]);
        check(&["5.4.0-9.12", "5.4.0-26.30", "5.4.0-42.46~18.04.1", "5.4.0-42.46", "5.4.0-204.224"]);
    }
}
