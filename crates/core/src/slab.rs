//! Counts memory cgroup ids that are dead: an entry `cache(N:cgroup)` of `/sys/kernel/slab` is a cache of the memory
//! cgroup with the id N, and it outlives the cgroup where the kernel leaks it. Reads nothing itself: names come in,
//! counts go out.

use std::collections::BTreeMap;

use crate::document::snapshot::{SlabCaches, Tally};

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
    cut: bool,
}

impl<'a> SlabCount<'a> {
    /// Starts with the names that were listed, out of `total`. `directories` is the number of real directories among
    /// them, where that is known.
    pub fn new(listed: impl Iterator<Item = &'a str>, total: u64, cut: bool, directories: Option<u64>) -> Self {
        let caches: Vec<_> = listed.filter_map(memcg_cache).collect();
        let names = caches.iter().map(|(_, name)| (*name, Live::No)).collect();
        Self { caches, names, entries: total, directories, cut }
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
        let dead_ids = Tally {
            at_least: dead.saturating_sub(unseen),
            complete: !self.cut && (dead == 0 || unseen == 0) && count(Live::Untold) == 0,
        };
        let dead_names: Vec<&str> =
            ids.values().filter(|(state, _)| *state == Live::No).map(|(_, name)| *name).take(EXAMPLES).collect();
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

    fn count(entries: &[&str], live_on: &[&str], untold: &[&str], cut: bool, unseen: u64) -> (u64, u64, bool) {
        let mut count = SlabCount::new(entries.iter().copied(), entries.len() as u64, cut, None);
        live_on.iter().for_each(|name| count.live(name, Some(())));
        untold.iter().for_each(|name| count.live(name, None));
        let caches = count.finish(unseen);
        (caches.ids, caches.dead_ids.at_least, caches.dead_ids.complete)
    }

    #[test]
    fn ids_are_counted_and_not_names_or_entries() {
        let entries = ["dentry(1:a)", "inode(1:a)", "dentry(2:b)", "dentry(3:a)", "plain"];
        assert_eq!(count(&entries, &[], &[], false, 0), (3, 3, true));
        assert_eq!(count(&entries, &["a"], &[], false, 0), (3, 1, true));
        assert_eq!(count(&entries, &["a", "b", "other"], &[], false, 0), (3, 0, true));
    }

    #[test]
    fn an_id_that_was_given_out_again_is_as_alive_as_its_newest_owner() {
        let entries = ["dentry(1:gone)", "dentry(1:here)"];
        assert_eq!(count(&entries, &["here"], &[], false, 0), (1, 0, true));
    }

    #[test]
    fn what_is_not_seen_or_not_told_leaves_a_lower_bound() {
        let entries = ["dentry(1:a)", "dentry(2:b)", "dentry(3:c)"];
        assert_eq!(count(&entries, &[], &["a"], false, 0), (3, 2, false));
        assert_eq!(count(&entries, &[], &[], true, 0), (3, 3, false));
        assert_eq!(count(&entries, &[], &[], false, 2), (3, 1, false));
        assert_eq!(count(&entries, &[], &[], false, 9), (3, 0, false));
        assert_eq!(count(&entries, &["a", "b", "c"], &[], false, 9), (3, 0, true));
    }
}
