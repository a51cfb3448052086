//! Counts memory cgroup ids that are dead: an entry `cache(N:cgroup)` of `/sys/kernel/slab` is a cache of the memory
//! cgroup with the id N, and it outlives the cgroup where the kernel leaks it. Reads nothing itself: names come in,
//! counts go out.

use std::collections::BTreeMap;

use crate::document::Bounds;
use crate::document::snapshot::SlabCaches;

/// How many dead entries are kept as evidence.
const EXAMPLES: usize = 5;

/// The id and the cgroup name in an entry `cache(N:cgroup)`; nothing where it is another cache.
#[must_use]
pub fn memcg_cache(entry: &str) -> Option<(u64, &str)> {
    let inside = entry.strip_suffix(')')?;
    // A cgroup's name may hold parentheses, a cache's doesn't: the first one that a number and a colon follow counts.
    inside.match_indices('(').find_map(|(at, _)| {
        let (id, cgroup) = inside[at + 1..].split_once(':')?;
        let digits = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        Some((id.parse().ok().filter(|_| digits)?, cgroup))
    })
}

/// What is known of the live cgroups that have a certain name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Live {
    /// There is none, or none whose accounting is on.
    No,
    /// There is one, and its accounting could not be told.
    Untold,
    /// There is one whose accounting is on.
    On,
}

/// The entries of `/sys/kernel/slab`, on the way to being counted against the live cgroups.
#[derive(Debug)]
pub struct SlabCount<'a> {
    caches: Vec<(u64, &'a str)>,
    names: BTreeMap<&'a str, Live>,
    entries: u64,
    directories: Option<u64>,
    unlisted: u64,
}

impl<'a> SlabCount<'a> {
    /// Starts with the names that were listed, out of `total`. `directories` is the number of real directories among
    /// them, where that is known.
    pub fn new(listed: impl Iterator<Item = &'a str>, total: u64, directories: Option<u64>) -> Self {
        let mut seen = 0;
        let caches: Vec<_> = listed.inspect(|_| seen += 1).filter_map(memcg_cache).collect();
        let names = caches.iter().map(|(_, name)| (*name, Live::No)).collect();
        Self { caches, names, entries: total, directories, unlisted: total.saturating_sub(seen) }
    }

    /// Whether the accounting of a live cgroup of this name matters: an entry bears the name.
    #[must_use]
    pub fn asks(&self, cgroup: &str) -> bool {
        self.names.contains_key(cgroup)
    }

    /// Notes a live cgroup whose accounting is on, or could not be told (`None`). One whose accounting is off is not
    /// noted: a name can live again without accounting, and the old id is dead all the same.
    pub fn live(&mut self, cgroup: &str, on: Option<()>) {
        if let Some(state) = self.names.get_mut(cgroup) {
            *state = (*state).max(if on.is_some() { Live::On } else { Live::Untold });
        }
    }

    /// Counts. `unseen` is the number of live cgroups that may have accounting on and whose names are not known: any of
    /// them can own an id that looks dead.
    #[must_use]
    pub fn finish(self, unseen: u64) -> SlabCaches {
        let mut ids: BTreeMap<u64, (Live, &str)> = BTreeMap::new();
        for (id, name) in &self.caches {
            let state = self.names.get(name).copied().unwrap_or(Live::No);
            ids.entry(*id).and_modify(|known| *known = (*known).max((state, name))).or_insert((state, name));
        }
        let count = |wanted| ids.values().filter(|(state, _)| *state == wanted).count() as u64;
        let dead = count(Live::No);
        // Each entry that wasn't listed can bear one more dead id.
        let dead_ids = Bounds {
            at_least: dead.saturating_sub(unseen),
            at_most: Some(dead + count(Live::Untold) + self.unlisted),
        };
        let dead_names: Vec<&str> = ids
            .values()
            .filter(|(state, _)| *state == Live::No)
            .map(|(_, name)| *name)
            .take(EXAMPLES)
            .collect();
        SlabCaches {
            entries: self.entries,
            memcg_entries: self.caches.len() as u64,
            directories: self.directories,
            ids: ids.len() as u64,
            dead_ids,
            highest_id: ids.keys().next_back().copied(),
            examples: dead_names.into_iter().map(str::to_owned).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_memory_cgroups_are_told_from_others() {
        for (entry, expected) in [
            ("dentry(3:0123456789abcdef)", Some((3, "0123456789abcdef"))),
            ("kmalloc-64(17:kubepods-burstable.slice)", Some((17, "kubepods-burstable.slice"))),
            ("inode_cache(9:odd (4:name))", Some((9, "odd (4:name)"))),
            (":t-0000192-3", None),
            ("dentry", None),
            ("x(:y)", None),
            ("x(+3:y)", None),
            ("x(99999999999999999999999:y)", None),
            (":at-0000192(12:a)", Some((12, "a"))),
        ] {
            assert_eq!(memcg_cache(entry), expected, "{entry}");
        }
    }

    fn check(entries: &[&str], live_on: &[&str], untold: &[&str], more: (u64, u64), expected: (u64, u64)) {
        let (unlisted, unseen) = more;
        let mut count = SlabCount::new(entries.iter().copied(), entries.len() as u64 + unlisted, None);
        live_on.iter().for_each(|name| count.live(name, Some(())));
        untold.iter().for_each(|name| count.live(name, None));
        let dead = count.finish(unseen).dead_ids;
        assert_eq!((dead.at_least, dead.at_most), (expected.0, Some(expected.1)), "{entries:?} {live_on:?}");
    }

    #[test]
    fn ids_are_counted_and_not_names_or_entries() {
        let entries = ["dentry(1:a)", "inode(1:a)", "dentry(2:b)", "dentry(3:a)", "plain"];
        check(&entries, &[], &[], (0, 0), (3, 3));
        check(&entries, &["a"], &[], (0, 0), (1, 1));
        check(&entries, &["a", "b", "other"], &[], (0, 0), (0, 0));
    }

    #[test]
    fn an_id_that_was_given_out_again_is_as_alive_as_its_newest_owner() {
        check(&["dentry(1:gone)", "dentry(1:here)"], &["here"], &[], (0, 0), (0, 0));
    }

    #[test]
    fn what_is_not_seen_or_not_told_leaves_bounds() {
        let entries = ["dentry(1:a)", "dentry(2:b)", "dentry(3:c)"];
        check(&entries, &[], &["a"], (0, 0), (2, 3));
        check(&entries, &[], &[], (7, 0), (3, 10));
        check(&entries, &[], &[], (0, 2), (1, 3));
        check(&entries, &[], &[], (0, 9), (0, 3));
        check(&entries, &["a", "b", "c"], &[], (0, 9), (0, 0));
    }
}
