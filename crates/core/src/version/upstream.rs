//! The order of upstream kernel releases, and the upstream version that a distribution's release is based on. It knows
//! nothing of what distributions port back: a base says what a kernel started from, not what is in it.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::{compare_digits, split_run};

/// An upstream kernel version: `x.y.z`, or a candidate for it.
///
/// Two numbers mean `x.y.0`, which is how `uname` prints the first release of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KernelVersion {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
    /// The third number; 0 where there is none.
    pub patch: u32,
    /// The number of the release candidate, `None` for a release.
    pub candidate: Option<u32>,
}

/// Why a text has no kernel version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KernelVersionError {
    /// It doesn't begin with two numbers.
    #[error("`{text}` doesn't begin with a kernel version such as 5.10 or 5.10.3")]
    NoVersion {
        /// The text.
        text: String,
    },
    /// It begins with a version, and something follows that is no part of one.
    #[error("`{rest}` follows the kernel version in `{text}`")]
    Trailing {
        /// The text.
        text: String,
        /// What follows.
        rest: String,
    },
}

impl KernelVersion {
    /// The release `major.minor.patch`.
    #[must_use]
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch, candidate: None }
    }

    /// Reads the version that a kernel release string begins with, and the candidate that it names anywhere behind it
    /// (`6.11.0-rc1+`, `3.15.0-0.rc7.git2.1.fc21.x86_64`, `4.7.0-040700rc3-generic`).
    ///
    /// # Errors
    /// The string doesn't begin with two numbers that fit 32 bits.
    pub fn of_release(release: &str) -> Result<Self, KernelVersionError> {
        let (version, suffix) = Self::split(release)?;
        Ok(Self { candidate: candidate_in(suffix.as_bytes()).and_then(number), ..version })
    }

    /// The same version without its candidate.
    #[must_use]
    pub const fn base(self) -> Self {
        Self { candidate: None, ..self }
    }

    /// The series as upstream names it: `x.y`.
    #[must_use]
    pub fn series(self) -> String {
        format!("{}.{}", self.major, self.minor)
    }

    /// Splits a text into the version at its beginning and what follows.
    fn split(text: &str) -> Result<(Self, &str), KernelVersionError> {
        let no_version = || KernelVersionError::NoVersion { text: text.to_owned() };
        let (numbers, suffix) = split_numbers(text);
        let mut numbers = numbers.split('.').map(|digits| number(digits.as_bytes()));
        let mut needed = || numbers.next().flatten().ok_or_else(no_version);
        let (major, minor) = (needed()?, needed()?);
        let patch = numbers.next().unwrap_or(Some(0)).ok_or_else(no_version)?;
        Ok((Self::new(major, minor, patch), suffix))
    }
}

impl Ord for KernelVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |version: &Self| {
            let candidate = version.candidate.map_or((1, 0), |number| (0, number));
            (version.major, version.minor, version.patch, candidate)
        };
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for KernelVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        self.candidate.map_or(Ok(()), |number| write!(f, "-rc{number}"))
    }
}

impl FromStr for KernelVersion {
    type Err = KernelVersionError;

    /// Reads a version and nothing else: `5.10`, `5.10.3`, `6.12-rc1`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trailing =
            |rest: &str| KernelVersionError::Trailing { text: text.to_owned(), rest: rest.to_owned() };
        let (version, suffix) = Self::split(text)?;
        let fourth = split_numbers(text).0.split('.').nth(3);
        match (fourth, suffix.strip_prefix("-rc").and_then(|digits| number(digits.as_bytes()))) {
            (Some(fourth), _) => Err(trailing(&format!(".{fourth}{suffix}"))),
            (None, None) if suffix.is_empty() => Ok(version),
            (None, None) => Err(trailing(suffix)),
            (None, candidate) => Ok(Self { candidate, ..version }),
        }
    }
}

/// Compares two releases by their numbers, then by their candidate; a candidate is older than its release. A leading `v`
/// and whatever else follows don't count: `5.10.209-rt89` is as new as `5.10.209`. A text without a number is older
/// than any version.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    let ((a_numbers, a_suffix), (b_numbers, b_suffix)) = (split_numbers(a), split_numbers(b));
    let found = |numbers: &str| !numbers.is_empty();
    found(a_numbers).cmp(&found(b_numbers)).then_with(|| compare_numbers(a_numbers, b_numbers)).then_with(
        || compare_candidates(candidate_in(a_suffix.as_bytes()), candidate_in(b_suffix.as_bytes())),
    )
}

/// Compares dotted numbers; those that are missing are 0.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let (next_a, next_b) = (a.next(), b.next());
        if next_a.is_none() && next_b.is_none() {
            return Ordering::Equal;
        }
        let ordering =
            compare_digits(next_a.unwrap_or_default().as_bytes(), next_b.unwrap_or_default().as_bytes());
        if ordering.is_ne() {
            return ordering;
        }
    }
}

fn compare_candidates(a: Option<&[u8]>, b: Option<&[u8]>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => compare_digits(a, b),
        (a, b) => a.is_none().cmp(&b.is_none()),
    }
}

/// Splits a release into its dotted numbers (without a leading `v`) and what follows them.
fn split_numbers(release: &str) -> (&str, &str) {
    let release = release.strip_prefix('v').unwrap_or(release);
    let bytes = release.as_bytes();
    let mut end = 0;
    loop {
        let start = if end == 0 { 0 } else { end + 1 };
        let digits =
            bytes.get(start..).map_or(0, |rest| split_run(rest, |byte| byte.is_ascii_digit()).0.len());
        let joined = end == 0 || bytes.get(end) == Some(&b'.');
        if digits == 0 || !joined {
            // Only ASCII was passed, so this is a boundary between characters.
            return release.split_at(end);
        }
        end = start + digits;
    }
}

/// The digits of the first `rcN` that isn't the end of a longer word.
fn candidate_in(suffix: &[u8]) -> Option<&[u8]> {
    (0..suffix.len()).find_map(|at| {
        let in_word = at > 0 && suffix[at - 1].is_ascii_alphabetic();
        let (digits, _) = split_run(suffix[at..].strip_prefix(b"rc")?, |byte| byte.is_ascii_digit());
        (!in_word && !digits.is_empty()).then_some(digits)
    })
}

fn number(digits: &[u8]) -> Option<u32> {
    // `u32::from_str` takes a sign, which is no digit.
    let all_digits = digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| all_digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(ascending: &[&str]) {
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a} against {b}");
            }
        }
    }

    fn check_release(release: &str, expected: &str) {
        assert_eq!(KernelVersion::of_release(release).unwrap().to_string(), expected, "{release}");
    }

    #[test]
    fn releases_sort_by_number_and_candidates_before_them() {
        check(&["3.10", "4.4.302", "4.9", "4.14.1", "4.14.10", "6.12-rc1", "6.12-rc10", "6.12", "6.12.1"]);
        check(&["2.6.32.4", "2.6.32.61", "2.6.39"]);
        check(&["", "0.1"]);
    }

    #[test]
    fn what_a_builder_appends_does_not_count() {
        for (a, b) in
            [("5.10.209-rt89", "5.10.209"), ("v6.1", "6.1.0"), ("5.4.0-rc2+", "5.4-rc2"), ("6.1.", "6.1")]
        {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} against {b}");
        }
    }

    #[test]
    fn the_base_of_a_release_is_read_from_its_beginning() {
        check_release("3.10.0-957.21.3.el7.x86_64", "3.10.0");
        check_release("2.6.24.7-81.el5rt", "2.6.24");
        check_release("5.15.146.1-microsoft-standard-WSL2", "5.15.146");
        check_release("6.9", "6.9.0");
        check_release("6.4+", "6.4.0");
        check_release("6.10.2-arch1-1", "6.10.2");
    }

    #[test]
    fn a_candidate_is_found_wherever_a_distribution_writes_it() {
        check_release("6.9.0-rc3", "6.9.0-rc3");
        check_release("5.7.0-0.rc5.20200515git1.1.fc33.x86_64", "5.7.0-rc5");
        check_release("5.6.0-050600rc7-generic", "5.6.0-rc7");
        check_release("5.6.0-src1", "5.6.0");
    }

    #[test]
    fn a_text_without_a_version_is_refused() {
        for text in
            ["", "x86_64", "5", "5.", "5.x", ".5", "4294967296.1", "5.4294967296", "5.4.4294967296", "+5.1"]
        {
            assert!(KernelVersion::of_release(text).is_err(), "{text}");
        }
    }

    #[test]
    fn parsing_takes_a_version_and_nothing_else() {
        assert_eq!("5.10".parse(), Ok(KernelVersion::new(5, 10, 0)));
        assert_eq!(
            "6.12-rc1".parse(),
            Ok(KernelVersion { candidate: Some(1), ..KernelVersion::new(6, 12, 0) })
        );
        let error = |text: &str| text.parse::<KernelVersion>().unwrap_err().to_string();
        assert_eq!(error("5.10.3-17-amd64"), "`-17-amd64` follows the kernel version in `5.10.3-17-amd64`");
        assert_eq!(error("2.6.32.4"), "`.4` follows the kernel version in `2.6.32.4`");
        assert_eq!(error("five"), "`five` doesn't begin with a kernel version such as 5.10 or 5.10.3");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn versions_are_written_as_they_are_read(major: u32, minor: u32, patch: u32, candidate: Option<u32>) {
            let version = KernelVersion { major, minor, patch, candidate };
            prop_assert_eq!(version.to_string().parse(), Ok(version));
            prop_assert_eq!(KernelVersion::of_release(&version.to_string()), Ok(version));
        }

        #[test]
        fn the_type_and_the_text_have_one_order(a: [u8; 3], b: [u8; 3], x: Option<u8>, y: Option<u8>) {
            let version = |[major, minor, patch]: [u8; 3], candidate: Option<u8>| KernelVersion {
                candidate: candidate.map(u32::from),
                ..KernelVersion::new(major.into(), minor.into(), patch.into())
            };
            let (a, b) = (version(a, x), version(b, y));
            prop_assert_eq!(a.cmp(&b), compare(&a.to_string(), &b.to_string()));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,12}|[0-9.]{0,12}(rc[0-9]{0,12})?") {
            let _ = KernelVersion::of_release(&text);
            let _ = text.parse::<KernelVersion>();
        }
    }
}
