//! A range of kernels: by stream, by release in that stream's own order, and by the upstream version that a release is
//! based on. Whether a kernel is in it can be unknown.

use super::problem::Problems;
use super::table::{Placed, Table};
use crate::condition::Comparison;
use crate::version::{KernelVersion, Order, compare};

/// What is known of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KernelIdentity {
    /// Its release string.
    pub release: Option<String>,
    /// The upstream version that it is based on.
    pub base: Option<KernelVersion>,
    /// The stream that it belongs to, with the order of the stream's releases. More than one where the facts don't tell
    /// them apart, none where nothing is known.
    pub streams: Vec<(String, Order)>,
}

/// A range of kernels. Each part that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Range {
    /// One of these streams; any where it is empty.
    streams: Vec<String>,
    /// The release against these, in the order of its stream.
    releases: Vec<(Comparison, String)>,
    /// The upstream version against these.
    bases: Vec<(Comparison, KernelVersion)>,
}

impl Range {
    /// Takes the keys `streams`, `releases` and `base` out of `table`.
    pub(crate) fn read(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        let before = problems.len();
        let streams = table.strings("streams", problems);
        let streams: Vec<String> = streams.into_iter().map(|name| name.value.to_owned()).collect();
        let releases = table.strings("releases", problems);
        let releases = releases.iter().filter_map(|bound| split_bound(bound, problems)).collect::<Vec<_>>();
        let mut bases = Vec::new();
        for bound in table.strings("base", problems) {
            let Some((comparison, version)) = split_bound(&bound, problems) else { continue };
            match version.parse() {
                Ok(version) => bases.push((comparison, version)),
                Err(_) => {
                    problems.add(&bound.place, format!("`{version}` is not an upstream kernel version"));
                }
            }
        }
        if !releases.is_empty() && streams.is_empty() {
            problems.add(
                &table.place(),
                "`releases` are in the order of a stream, so `streams` must say of which",
            );
        }
        (problems.len() == before).then_some(Self { streams, releases, bases })
    }

    /// The streams that it names.
    #[must_use]
    pub fn streams(&self) -> &[String] {
        &self.streams
    }

    /// Whether the kernel is in the range; nothing where that isn't known.
    #[must_use]
    pub fn contains(&self, kernel: &KernelIdentity) -> Option<bool> {
        let in_base =
            all(self.bases.iter().map(|(comparison, bound)| Some(comparison.holds(kernel.base?.cmp(bound)))));
        all([in_base, self.stream_contains(kernel)].into_iter())
    }

    fn stream_contains(&self, kernel: &KernelIdentity) -> Option<bool> {
        if self.streams.is_empty() {
            return Some(true);
        }
        let mut answers = kernel.streams.iter().map(|(stream, order)| {
            if !self.streams.contains(stream) {
                return Some(false);
            }
            let release = kernel.release.as_deref()?;
            Some(
                self.releases
                    .iter()
                    .all(|(comparison, bound)| comparison.holds(compare(*order, release, bound))),
            )
        });
        // Candidates that agree decide.
        let first = answers.next()?;
        answers.all(|answer| answer == first).then_some(first)?
    }
}

/// Whether all hold: a false one decides, then an unknown one.
fn all(mut parts: impl Iterator<Item = Option<bool>> + Clone) -> Option<bool> {
    if parts.clone().any(|part| part == Some(false)) {
        return Some(false);
    }
    parts.all(|part| part.is_some()).then_some(true)
}

/// Splits `>= 3.10` into its two parts.
fn split_bound(bound: &Placed<&str>, problems: &mut Problems<'_>) -> Option<(Comparison, String)> {
    let comparisons = [
        (">=", Comparison::AtLeast),
        ("<=", Comparison::AtMost),
        (">", Comparison::More),
        ("<", Comparison::Less),
        ("==", Comparison::Equal),
    ];
    let found = comparisons.into_iter().find_map(|(sign, comparison)| {
        let version = bound.value.strip_prefix(sign)?.trim();
        (!version.is_empty()).then(|| (comparison, version.to_owned()))
    });
    if found.is_none() {
        problems.add(&bound.place, format!("`{}` is not a bound like `>= 3.10`", bound.value));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knowledge::table;

    fn range(toml: &str) -> Range {
        let mut problems = Problems::new("test", toml);
        let range = table::read(toml, &mut problems, |mut table, problems| Range::read(&mut table, problems));
        problems.or(range).unwrap().unwrap()
    }

    fn kernel(release: &str, streams: &[&str]) -> KernelIdentity {
        KernelIdentity {
            release: Some(release.to_owned()),
            base: KernelVersion::of_release(release).ok(),
            streams: streams.iter().map(|name| ((*name).to_owned(), Order::Rpm)).collect(),
        }
    }

    #[test]
    fn unknown_only_where_it_depends_on_what_is_unknown() {
        let el7 = r#"streams = ["rhel7"]
            releases = [">= 3.10.0-1062.4.1"]
            base = [">= 3.10", "< 3.11"]"#;
        let el7 = range(el7);
        for (kernel, expected) in [
            (kernel("3.10.0-1160.el7.x86_64", &["rhel7"]), Some(true)),
            (kernel("3.10.0-1062.4.1.el7.x86_64", &["rhel7"]), Some(true)),
            (kernel("3.10.0-1062.1.2.el7.x86_64", &["rhel7"]), Some(false)),
            (kernel("3.10.0-514.el7.x86_64", &["rhel7"]), Some(false)),
            (kernel("3.10.0", &["upstream"]), Some(false)),
            (kernel("3.10.0", &[]), None),
            (kernel("3.10.0-1160.el7", &["rhel7", "other"]), None),
            (kernel("5.10.0", &[]), Some(false)),
            (KernelIdentity::default(), None),
        ] {
            assert_eq!(el7.contains(&kernel), expected, "{kernel:?}");
        }
        assert_eq!(range("base = [\"< 4.0\"]").contains(&kernel("3.10.0", &[])), Some(true));
        assert_eq!(range("base = [\"< 4.0\"]").contains(&kernel("4.4.0", &[])), Some(false));
    }
}
