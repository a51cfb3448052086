//! What a directory holds: names and kinds in one allocation, since a node can have a million cgroups.

use std::os::fd::AsFd;

use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Which entries of a directory are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Want {
    /// All.
    All,
    /// Directories alone.
    Directories,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
    /// Something else.
    Other,
    /// Not told, as in a sidecar's listing.
    Untold,
}

/// The entries of a directory, in the order of the system.
#[derive(Debug, Clone)]
pub struct Listing {
    names: String,
    /// Where each name ends in `names`, and what it is.
    entries: Vec<(u32, Kind)>,
    /// All entries of the wanted kind, those that were not kept included.
    pub total: u64,
    /// Whether `total` is larger than the number of entries here.
    pub cut: bool,
}

/// The kernel fills this with directory entries; 32 KiB is what the C library uses.
const BUFFER: usize = 32 * 1024;

impl Listing {
    pub(super) fn empty() -> Self {
        Self { names: String::new(), entries: Vec::new(), total: 0, cut: false }
    }

    /// Adds an entry, or only counts it when `max` are there.
    pub(super) fn push(&mut self, name: &str, kind: Kind, max: usize) {
        self.total += 1;
        let end = self.names.len() + name.len();
        match u32::try_from(end) {
            Ok(end) if self.entries.len() < max => {
                self.names.push_str(name);
                self.entries.push((end, kind));
            }
            _ => self.cut = true,
        }
    }

    /// Reads an open directory.
    pub(crate) fn read(fd: impl AsFd, want: Want, max: usize) -> Result<Self, Errno> {
        let mut listing = Self::empty();
        let mut buffer = Vec::with_capacity(BUFFER);
        let mut dir = RawDir::new(fd, buffer.spare_capacity_mut());
        while let Some(entry) = dir.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Directory => Kind::Directory,
                FileType::RegularFile => Kind::File,
                FileType::Symlink => Kind::Link,
                FileType::Unknown => Kind::Untold,
                _ => Kind::Other,
            };
            if want == Want::Directories && !matches!(kind, Kind::Directory | Kind::Untold) {
                continue;
            }
            listing.push(&String::from_utf8_lossy(name), kind, max);
        }
        Ok(listing)
    }

    /// The names and kinds.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, Kind)> {
        (0..self.entries.len()).map(|index| self.get(index).expect("the index is in range"))
    }

    /// The entry at `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<(&str, Kind)> {
        let (end, kind) = *self.entries.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.entries[before].0);
        Some((&self.names[start as usize..end as usize], kind))
    }

    /// The names in byte order.
    #[must_use]
    pub fn sorted(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        names
    }

    /// How many entries are here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// How a listing is written: each name behind a letter for its kind.
#[derive(Serialize, Deserialize)]
struct Written {
    entries: Vec<String>,
    total: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
}

const LETTERS: [(Kind, char); 5] =
    [(Kind::Directory, 'd'), (Kind::File, 'f'), (Kind::Link, 'l'), (Kind::Other, 'o'), (Kind::Untold, '?')];

impl Serialize for Listing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let letter =
            |kind| LETTERS.iter().find(|(known, _)| *known == kind).map_or('?', |(_, letter)| *letter);
        let entries = self.iter().map(|(name, kind)| format!("{}{name}", letter(kind))).collect();
        Written { entries, total: self.total, cut: self.cut }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Listing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        let mut listing = Self::empty();
        for entry in &written.entries {
            let mut chars = entry.chars();
            let letter = chars.next().unwrap_or('?');
            let kind =
                LETTERS.iter().find(|(_, known)| *known == letter).map_or(Kind::Untold, |(kind, _)| *kind);
            listing.push(chars.as_str(), kind, usize::MAX);
        }
        listing.total = listing.total.max(written.total);
        listing.cut |= written.cut;
        Ok(listing)
    }
}
