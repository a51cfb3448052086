//! The three sidecars of a captured root, which say what a plain tree can't: `_read_errors.tsv` (reads that failed on
//! the machine), `NAME.listing` (the entries of the directory `NAME` and their full number) and `_counts.txt` (counts of
//! hierarchies of which only a part was kept). They are read like any other file.

use std::collections::BTreeMap;

use rustix::io::Errno;

use super::listing::{Kind, Listing};
use super::tree::Captured;

/// Bounds against a sidecar that isn't one.
const MAX_SIDECAR: usize = 4 << 20;

/// Linux has no larger error number.
const MAX_ERRNO: i32 = 4095;

/// What the sidecars say; empty for a live machine.
#[derive(Debug, Default)]
pub(super) struct Sidecars {
    errors: BTreeMap<String, i32>,
    partial: bool,
}

impl Sidecars {
    pub(super) fn read(files: &impl Captured) -> Self {
        let text = |path: &str| files.content(path, MAX_SIDECAR).ok().map(|content| content.text());
        let errors = text("/_read_errors.tsv");
        Self {
            partial: errors.is_some() || text("/_counts.txt").is_some(),
            errors: errors.as_deref().map(parse_errors).unwrap_or_default(),
        }
    }

    /// Whether this is a capture of selected files: then nothing is absent for not being here.
    pub(super) fn partial(&self) -> bool {
        self.partial
    }

    pub(super) fn error(&self, path: &str) -> Option<Errno> {
        self.errors.get(path).copied().map(Errno::from_raw_os_error)
    }

    /// Whether a complete listing of a directory above `path` doesn't hold the next name on the way to it.
    pub(super) fn lacks(&self, files: &impl Captured, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(end, _)| end).skip(1).chain([path.len()]);
        let mut start = 0;
        ends.into_iter().any(|end| {
            let (dir, name) = (&path[..start], &path[start + 1..end]);
            start = end;
            self.listing(files, dir, usize::MAX)
                .is_some_and(|listing| !listing.cut && listing.iter().all(|(entry, _)| entry != name))
        })
    }

    /// The listing beside where the directory `path` would be.
    pub(super) fn listing(&self, files: &impl Captured, path: &str, max: usize) -> Option<Listing> {
        if path.is_empty() {
            return None;
        }
        let path = format!("{}.listing", path.trim_end_matches('/'));
        let content = files.content(&path, MAX_SIDECAR).ok()?;
        Some(parse_listing(&content.text(), content.cut, max))
    }
}

/// Lines of path, operation, errno name, number and text, separated by tabs.
fn parse_errors(text: &str) -> BTreeMap<String, i32> {
    let parse = |line: &str| {
        let mut columns = line.split('\t');
        let path = columns.next()?;
        let number = columns.nth(2)?.trim().parse().ok().filter(|number| (1..=MAX_ERRNO).contains(number))?;
        Some((path.to_owned(), number))
    };
    text.lines().filter_map(parse).collect()
}

/// Names, one a line, and a last line that starts with `#` and gives the full count as its first number.
fn parse_listing(text: &str, file_cut: bool, max: usize) -> Listing {
    let mut listing = Listing::empty();
    let mut full = None;
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix('#') {
            let digits = |word: &str| word.trim_end_matches([',', '.', ';']).parse().ok();
            full = comment.split_whitespace().find_map(digits).or(full);
        } else if !line.is_empty() {
            listing.push(line, Kind::Untold, max);
        }
    }
    if let Some(full) = full {
        listing.total = listing.total.max(full);
    }
    listing.cut = file_cut || listing.total > listing.len() as u64;
    listing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_tells_its_full_count() {
        let listing =
            parse_listing("dentry\ndentry(3:abc)\n# total top-level entries 288, under 0\n", false, 100);
        assert_eq!((listing.len(), listing.total, listing.cut), (2, 288, true));
        assert_eq!(listing.sorted(), ["dentry", "dentry(3:abc)"]);
        let whole = parse_listing("a\n# 1 entry\n", false, 100);
        assert_eq!((whole.len(), whole.total, whole.cut), (1, 1, false));
        let bounded = parse_listing("a\nb\nc\n", false, 2);
        assert_eq!((bounded.len(), bounded.total, bounded.cut), (2, 3, true));
    }

    #[test]
    fn errors_that_are_malformed_are_passed_over() {
        let errors = parse_errors(
            "/a\tread\tEIO\t5\tInput/output error\n/b\tread\n\t\t\t\n/c\tread\tX\t-5\tno\n/d\tread\tX\t70000\tno\n",
        );
        assert_eq!(errors, BTreeMap::from([("/a".to_owned(), 5)]));
    }
}
