//! Version order: which of two versions is the newer one, in the order of the packages that they belong to.
//!
//! Pure comparison of text. It knows no distribution and no kernel: which order a stream has is knowledge
//! (`knowledge/streams.toml`), and what a difference means is the advisory's to say. Any two strings can be compared;
//! nothing here fails or panics on a strange one.

pub mod deb;
pub mod release;
pub mod rpm;
pub mod upstream;

use std::cmp::Ordering;
use std::fmt;

pub use upstream::{KernelVersion, KernelVersionError};

/// The order that the versions of a stream have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// `epoch:version-release` as RPM compares it.
    Rpm,
    /// `epoch:upstream-revision` as Debian compares it.
    Deb,
    /// Kernel releases as upstream counts them: `6.12-rc1`, `6.12`, `6.12.1`.
    Upstream,
}

impl Order {
    /// All orders.
    pub const ALL: [Self; 3] = [Self::Rpm, Self::Deb, Self::Upstream];

    /// The word for it in knowledge files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rpm => "rpm",
            Self::Deb => "deb",
            Self::Upstream => "upstream",
        }
    }

    /// The order with this word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.name() == name)
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Compares two versions. `Equal` means that neither is newer, also where the strings differ (`1.0` and `1.00`).
#[must_use]
pub fn compare(order: Order, a: &str, b: &str) -> Ordering {
    match order {
        Order::Rpm => rpm::compare(a, b),
        Order::Deb => deb::compare(a, b),
        Order::Upstream => upstream::compare(a, b),
    }
}

/// Compares two runs of decimal digits as numbers of any size.
fn compare_digits(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (without_leading_zeros(a), without_leading_zeros(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn without_leading_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|&&byte| byte == b'0').count();
    &digits[zeros..]
}

/// Splits the bytes at the end of the run that `belongs` accepts.
fn split_run(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let length = bytes.iter().take_while(|&&byte| belongs(byte)).count();
    bytes.split_at(length)
}

/// Splits `epoch:rest`. Without an epoch, or where what stands before the colon is no number, it is 0.
fn split_epoch(version: &str) -> (&str, &str) {
    match version.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|byte| byte.is_ascii_digit()) => (epoch, rest),
        _ => ("0", version),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Version-like text, so that the special characters meet each other, and now and then anything at all.
    fn version() -> impl Strategy<Value = String> {
        prop_oneof![
            8 => "[0-2a.~^:+_-]{0,8}",
            4 => "[0-9]{1,2}(\\.[0-9]{1,2}){0,3}(-rc[0-3]|-[0-9]{1,3}\\.el[78]|~[ab]|\\^git[0-9])?",
            1 => "\\PC{0,8}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

        #[test]
        fn a_version_equals_itself(a in version()) {
            for order in Order::ALL {
                prop_assert_eq!(compare(order, &a, &a), Ordering::Equal);
            }
        }

        #[test]
        fn turning_the_question_round_turns_the_answer_round(a in version(), b in version()) {
            for order in Order::ALL {
                prop_assert_eq!(compare(order, &a, &b), compare(order, &b, &a).reverse(), "{}", order);
            }
        }

        #[test]
        fn order_is_transitive(a in version(), b in version(), c in version()) {
            for order in Order::ALL {
                let mut sorted = [a.as_str(), b.as_str(), c.as_str()];
                sorted.sort_by(|x, y| compare(order, x, y));
                prop_assert_ne!(compare(order, sorted[0], sorted[2]), Ordering::Greater, "{}", order);
                if compare(order, sorted[0], sorted[1]).is_lt() || compare(order, sorted[1], sorted[2]).is_lt() {
                    prop_assert_eq!(compare(order, sorted[0], sorted[2]), Ordering::Less, "{}", order);
                }
            }
        }
    }

    #[test]
    fn each_order_is_found_by_its_word() {
        for order in Order::ALL {
            assert_eq!(Order::from_name(&order.to_string()), Some(order));
        }
        assert_eq!(Order::from_name("RPM"), None);
    }
}
