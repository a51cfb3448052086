//! The names of an archive's members as a tree in memory: a million of them take some fifty megabytes, names included.
//! Links are followed inside the tree as a root's own.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

use rustix::io::Errno;

/// As many links as Linux itself follows in one path.
const MAX_LINKS: u32 = 40;

/// `PATH_MAX`; also bounds how deep a tree can get.
pub(super) const MAX_PATH: usize = 4096;

/// Nodes and the bytes of their names: a whole node has half a million files besides those of its containers.
const MAX_NODES: usize = 1 << 20;
const MAX_NAME_BYTES: usize = 32 << 20;

/// Targets of links, and what each takes besides.
const MAX_TARGET_BYTES: usize = 32 << 20;
const TARGET_OVERHEAD: usize = 32;

/// The number of a node; the top has 0.
pub(super) type Id = u32;

/// The top of the archive.
pub(super) const TOP: Id = 0;

const NONE: u32 = u32::MAX;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A directory; whether members of it were left out.
    Directory { thinned: bool },
    /// A file of which the name alone is kept.
    File,
    /// A file whose content has this number.
    Whole(u32),
    /// A log that has this number.
    Log(u32),
    /// A link to the target with this number.
    Link(u32),
    /// A file that can't be read, or for which there was no room.
    Unread,
    /// Another name of this node.
    Same(Id),
    /// A device, a FIFO or a socket.
    Other,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    parent: Id,
    first_child: Id,
    next_sibling: Id,
    name_at: u32,
    name_len: u16,
    kind: Kind,
}

/// There are more nodes, or longer names, than are held.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// A tree of names.
#[derive(Debug)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
    names: String,
    targets: Vec<Box<str>>,
    target_bytes: usize,
    /// Finds a child by its parent and name: open addressing, and at most half full.
    slots: Vec<Id>,
    hasher: RandomState,
}

impl Nodes {
    pub(super) fn new() -> Self {
        let top = Node {
            parent: TOP,
            first_child: NONE,
            next_sibling: NONE,
            name_at: 0,
            name_len: 0,
            kind: Kind::Directory { thinned: false },
        };
        Self {
            nodes: vec![top],
            names: String::new(),
            targets: Vec::new(),
            target_bytes: 0,
            slots: vec![NONE; 1024],
            hasher: RandomState::new(),
        }
    }

    pub(super) fn kind(&self, id: Id) -> Kind {
        self.nodes[id as usize].kind
    }

    pub(super) fn set_kind(&mut self, id: Id, kind: Kind) {
        self.nodes[id as usize].kind = kind;
    }

    pub(super) fn name(&self, id: Id) -> &str {
        let node = &self.nodes[id as usize];
        &self.names[node.name_at as usize..][..usize::from(node.name_len)]
    }

    pub(super) fn is_directory(&self, id: Id) -> bool {
        matches!(self.kind(id), Kind::Directory { .. })
    }

    /// The children in the order in which they came.
    pub(super) fn children(&self, id: Id) -> Vec<Id> {
        let mut children = Vec::new();
        let mut next = self.nodes[id as usize].first_child;
        while next != NONE {
            children.push(next);
            next = self.nodes[next as usize].next_sibling;
        }
        children.reverse();
        children
    }

    pub(super) fn has_children(&self, id: Id) -> bool {
        self.nodes[id as usize].first_child != NONE
    }

    /// The child of that name.
    pub(super) fn child(&self, parent: Id, name: &str) -> Option<Id> {
        match self.slots[self.slot(parent, name)] {
            NONE => None,
            id => Some(id),
        }
    }

    /// The child of that name, made where it isn't there.
    pub(super) fn child_or_new(&mut self, parent: Id, name: &str, kind: Kind) -> Result<Id, Full> {
        let slot = self.slot(parent, name);
        if self.slots[slot] != NONE {
            return Ok(self.slots[slot]);
        }
        if self.nodes.len() >= MAX_NODES || self.names.len() + name.len() > MAX_NAME_BYTES {
            return Err(Full);
        }
        let id = u32::try_from(self.nodes.len()).map_err(|_| Full)?;
        self.nodes.push(Node {
            parent,
            first_child: NONE,
            next_sibling: self.nodes[parent as usize].first_child,
            name_at: u32::try_from(self.names.len()).map_err(|_| Full)?,
            name_len: u16::try_from(name.len()).map_err(|_| Full)?,
            kind,
        });
        self.names.push_str(name);
        self.nodes[parent as usize].first_child = id;
        self.slots[slot] = id;
        if self.nodes.len() * 2 > self.slots.len() {
            self.widen();
        }
        Ok(id)
    }

    /// Remembers the target of a link.
    pub(super) fn link_to(&mut self, target: &str) -> Result<Kind, Full> {
        // Links that come one after the other often lead to one place.
        if self.targets.last().is_none_or(|last| **last != *target) {
            if self.target_bytes + target.len() > MAX_TARGET_BYTES {
                return Err(Full);
            }
            self.target_bytes += target.len() + TARGET_OVERHEAD;
            self.targets.push(target.into());
        }
        Ok(Kind::Link(u32::try_from(self.targets.len() - 1).map_err(|_| Full)?))
    }

    pub(super) fn target(&self, number: u32) -> &str {
        &self.targets[number as usize]
    }

    /// Where the child is, or where it would be put.
    fn slot(&self, parent: Id, name: &str) -> usize {
        let mask = self.slots.len() - 1;
        let hash = self.hasher.hash_one((parent, name));
        let mut slot = usize::try_from(hash & mask as u64).expect("below a length");
        loop {
            match self.slots[slot] {
                NONE => return slot,
                id if self.nodes[id as usize].parent == parent && self.name(id) == name => return slot,
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    fn widen(&mut self) {
        self.slots = vec![NONE; self.slots.len() * 2];
        for id in 1..self.nodes.len() {
            let id = u32::try_from(id).expect("a node's number was one already");
            let slot = self.slot(self.nodes[id as usize].parent, self.name(id));
            self.slots[slot] = id;
        }
    }

    /// Follows `path` from `root`; absolute links start there again, and `..` doesn't lead above it.
    pub(super) fn resolve(&self, root: Id, path: &str) -> Result<Id, Errno> {
        self.walk(root, root, path, true)
    }

    /// As [`Nodes::resolve`], but not through a link at the end.
    pub(super) fn resolve_link(&self, root: Id, path: &str) -> Result<Id, Errno> {
        self.walk(root, root, path, false)
    }

    /// Where a link in the directory `dir` leads.
    pub(super) fn follow(&self, root: Id, dir: Id, target: &str) -> Result<Id, Errno> {
        self.walk(root, dir, target, true)
    }

    fn walk(&self, root: Id, start: Id, path: &str, through: bool) -> Result<Id, Errno> {
        let mut at = if path.starts_with('/') { root } else { start };
        let mut names: VecDeque<&str> = path.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
        let mut links = 0;
        while let Some(name) = names.pop_front() {
            if !self.is_directory(at) {
                return Err(Errno::NOTDIR);
            }
            if name == ".." {
                if at != root {
                    at = self.nodes[at as usize].parent;
                }
                continue;
            }
            let mut child = self.child(at, name).ok_or(Errno::NOENT)?;
            while let Kind::Same(other) = self.kind(child) {
                child = other;
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::LOOP);
                }
            }
            match self.kind(child) {
                Kind::Link(target) if through || !names.is_empty() => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::LOOP);
                    }
                    let target = self.target(target);
                    if target.starts_with('/') {
                        at = root;
                    }
                    let steps = target.split('/').filter(|name| !matches!(*name, "" | "."));
                    steps.rev().for_each(|name| names.push_front(name));
                }
                _ => at = child,
            }
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(nodes: &mut Nodes, path: &str, kind: Kind) -> Id {
        let mut at = TOP;
        let (dirs, name) = path.rsplit_once('/').unwrap_or(("", path));
        for name in dirs.split('/').filter(|name| !name.is_empty()) {
            at = nodes.child_or_new(at, name, Kind::Directory { thinned: false }).unwrap();
        }
        nodes.child_or_new(at, name, kind).unwrap()
    }

    #[test]
    fn links_are_followed_inside_the_tree_and_never_out_of_it() {
        let mut nodes = Nodes::new();
        let secret = put(&mut nodes, "root/secret", Kind::File);
        put(&mut nodes, "outside", Kind::File);
        let log = put(&mut nodes, "root/run/log/kern.log", Kind::File);
        for (path, target) in [
            ("root/var/run", "/run"),
            ("root/etc/up", "../../../../secret"),
            ("root/etc/absolute", "/secret"),
            ("root/etc/loop", "loop"),
            ("root/etc/dangling", "gone"),
        ] {
            let kind = nodes.link_to(target).unwrap();
            put(&mut nodes, path, kind);
        }
        let root = nodes.child(TOP, "root").unwrap();
        let check = |path: &str, expected: Result<Id, Errno>| {
            assert_eq!(nodes.resolve(root, path), expected, "{path}");
        };
        check("/var/run/log/kern.log", Ok(log));
        check("/etc/up", Ok(secret));
        check("/etc/absolute", Ok(secret));
        check("/../secret", Ok(secret));
        check("/../outside", Err(Errno::NOENT));
        check("/etc/../../etc/./up", Ok(secret));
        check("/etc/loop", Err(Errno::LOOP));
        check("/etc/dangling", Err(Errno::NOENT));
        check("/secret/below", Err(Errno::NOTDIR));
        check("/", Ok(root));
    }

    #[test]
    fn many_children_are_found_and_listed_in_their_order() {
        let mut nodes = Nodes::new();
        let ids: Vec<Id> =
            (0..5000).map(|number| put(&mut nodes, &format!("d/{number}"), Kind::File)).collect();
        let dir = nodes.child(TOP, "d").unwrap();
        assert_eq!(nodes.children(dir), ids);
        assert_eq!(nodes.child(dir, "4711"), Some(ids[4711]));
        assert_eq!(nodes.child(dir, "5000"), None);
        assert_eq!(nodes.child(TOP, "4711"), None);
    }
}
