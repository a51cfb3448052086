//! One pass over the members of an archive, into a tree in memory. Nothing is written anywhere, what is held is bounded
//! whatever the members say of themselves, and a member that means harm is passed over and remarked on.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::rc::Rc;

use tar::{Entry, EntryType};

use super::keep::{self, Keep};
use super::log::Logs;
use super::nodes::{Full, Id, Kind, MAX_PATH, Nodes, TOP};
use super::open::{Meter, Metered};
use super::{Oddity, ReadArchiveError, Remark};
use crate::collect::NEWEST;
use crate::host::window::{Compression, MAX_DECOMPRESSED};

/// What describes one member besides its name in its own block: long names and PAX records.
const MAX_HEAD: u64 = 1 << 20;

/// A node with containers has some millions of files.
const MAX_MEMBERS: u64 = 16_000_000;

/// Small files that are held; those of a node with 2,000 cgroups take 2 MiB, and a list of its slab caches 12 MiB.
const MAX_CONTENT: usize = 24 << 20;

/// What a small file takes besides its content.
const OVERHEAD: usize = 48;

/// What all compressed logs of an archive are decompressed to at most.
const MAX_NESTED: u64 = 4 << 30;

/// What decompressing a log inside an archive may use, beside what decompressing the archive does: `xz -8` asks for 33 MiB.
const NESTED_MEMORY: u64 = 40 << 20;

/// Examples in remarks are no longer than this.
const MAX_EXAMPLE: usize = 200;

/// The members of a tar stream. Each may be read as far as it says it goes, and what describes the next one is bounded.
pub(crate) struct Members<'a, 'b> {
    entries: tar::Entries<'a, Metered<'b>>,
    meter: Rc<Meter>,
}

impl<'a, 'b> Members<'a, 'b> {
    pub(crate) fn new(
        archive: &'a mut tar::Archive<Metered<'b>>,
        meter: Rc<Meter>,
    ) -> Result<Self, ReadArchiveError> {
        let entries = archive.entries().map_err(ReadArchiveError::Read)?;
        Ok(Self { entries, meter })
    }

    /// The next member.
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'a, Metered<'b>>>, ReadArchiveError> {
        // What is left of the last member is passed over first.
        self.meter.allowed.set(self.meter.allowed.get().saturating_add(MAX_HEAD));
        let entry =
            self.entries.next().transpose().map_err(|error| self.failure("a member's head", error))?;
        if let Some(entry) = &entry {
            let size = match entry.header().entry_type() {
                // The size of a sparse file is that of what it becomes.
                EntryType::GNUSparse => entry.header().entry_size().unwrap_or(0),
                _ => entry.size(),
            };
            self.meter.allowed.set(size.saturating_add(tar_padding(size)));
        }
        Ok(entry)
    }

    /// What an error in reading `member` means.
    pub(crate) fn failure(&self, member: &str, source: io::Error) -> ReadArchiveError {
        self.meter.failure(&example(member), source)
    }
}

/// Members are filled up to whole blocks.
fn tar_padding(size: u64) -> u64 {
    size.wrapping_neg() % 512
}

/// A name in an error or a remark.
fn example(name: &str) -> String {
    match name.char_indices().nth(MAX_EXAMPLE) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// What was kept of a small file.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) bytes: Box<[u8]>,
    /// Whether it is longer.
    pub(super) cut: bool,
}

/// What came out of the pass.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) nodes: Nodes,
    pub(super) contents: Vec<Stored>,
    pub(super) logs: Logs,
    pub(super) remarks: BTreeMap<Oddity, Remark>,
    /// Numbers of contents whose members were replaced.
    free: Vec<u32>,
    content: usize,
    nested_left: u64,
}

impl Reading {
    /// Reads the rest of the members, after a first one.
    pub(super) fn read<'a, 'b>(
        first: Option<Entry<'a, Metered<'b>>>,
        members: &mut Members<'a, 'b>,
    ) -> Result<Self, ReadArchiveError> {
        let mut reading = Self {
            nodes: Nodes::new(),
            contents: Vec::new(),
            logs: Logs::default(),
            remarks: BTreeMap::new(),
            free: Vec::new(),
            content: 0,
            nested_left: MAX_NESTED,
        };
        let mut count = 0;
        let mut next = first;
        while let Some(mut member) = next {
            count += 1;
            if count > MAX_MEMBERS {
                return Err(ReadArchiveError::TooManyMembers);
            }
            reading.member(&mut member, members)?;
            next = members.next()?;
        }
        Ok(reading)
    }

    pub(super) fn remark(&mut self, oddity: Oddity, name: &str) {
        let remark =
            self.remarks.entry(oddity).or_insert_with(|| Remark { oddity, count: 0, example: example(name) });
        remark.count += 1;
    }

    fn member<R: Read>(
        &mut self,
        member: &mut Entry<'_, R>,
        members: &Members<'_, '_>,
    ) -> Result<(), ReadArchiveError> {
        let mut name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        let mut sparse = member.header().entry_type().is_gnu_sparse();
        if let Some(records) = member.pax_extensions().map_err(|error| members.failure(&name, error))? {
            // A sparse file in PAX's own form: its map stands in its data, and its name in a record.
            let mut real_name = None;
            for record in records.flatten() {
                sparse |= record.key_bytes().starts_with(b"GNU.sparse.");
                if record.key_bytes() == b"GNU.sparse.name" {
                    real_name = Some(String::from_utf8_lossy(record.value_bytes()).into_owned());
                }
            }
            name = real_name.unwrap_or(name);
        }
        let Some(path) = self.path(&name) else { return Ok(()) };
        if path.is_empty() {
            return Ok(());
        }
        let kind = match member.header().entry_type() {
            EntryType::Directory => Kind::Directory { thinned: false },
            EntryType::Symlink => {
                let target = member.link_name_bytes().unwrap_or_default();
                let target = String::from_utf8_lossy(&target).into_owned();
                if target.len() > MAX_PATH {
                    self.remark(Oddity::LongName, &path);
                    return Ok(());
                }
                if !keep::directory(&path) {
                    self.thin(&path);
                    return Ok(());
                }
                self.nodes.link_to(&target)?
            }
            EntryType::Link => {
                let target =
                    String::from_utf8_lossy(&member.link_name_bytes().unwrap_or_default()).into_owned();
                return self.hard_link(&path, &target);
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                self.remark(Oddity::Device, &path);
                Kind::Other
            }
            EntryType::XGlobalHeader => return Ok(()),
            // Before POSIX a directory was a file with a slash at the end of its name.
            _ if name.ends_with('/') => Kind::Directory { thinned: false },
            _ => match keep::file(&path) {
                Keep::Nothing => {
                    self.thin(&path);
                    return Ok(());
                }
                Keep::Name => Kind::File,
                Keep::Whole(_) | Keep::Log if self.is_below_a_file(&path) => Kind::File,
                Keep::Whole(max) => self.whole(member, max).map_err(|error| members.failure(&path, error))?,
                Keep::Log if sparse => {
                    self.remark(Oddity::Sparse, &path);
                    Kind::Unread
                }
                Keep::Log => self.log(member, &path, members)?,
            },
        };
        if matches!(kind, Kind::Directory { .. } | Kind::Other) && !keep::directory(&path) {
            self.thin(&path);
            return Ok(());
        }
        self.insert(&path, kind)
    }

    /// The path of a member, without what leads nowhere; nothing where the member is passed over.
    fn path(&mut self, name: &str) -> Option<String> {
        if name.split('/').any(|part| part == "..") {
            self.remark(Oddity::Escape, name);
            return None;
        }
        if name.len() > MAX_PATH {
            self.remark(Oddity::LongName, name);
            return None;
        }
        if name.starts_with('/') {
            self.remark(Oddity::Absolute, name);
        }
        let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        Some(parts.join("/"))
    }

    /// A small file, or its first bytes.
    fn whole(&mut self, member: &mut Entry<'_, impl Read>, max: usize) -> io::Result<Kind> {
        let size = member.size();
        let wanted = usize::try_from(size).unwrap_or(usize::MAX).min(max);
        if self.content + wanted + OVERHEAD > MAX_CONTENT {
            let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
            self.remark(Oddity::TooMuch, &name);
            return Ok(Kind::Unread);
        }
        let mut bytes = Vec::with_capacity(wanted);
        member.take(wanted as u64).read_to_end(&mut bytes)?;
        if bytes.len() < wanted {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.content += wanted + OVERHEAD;
        let stored = Stored { bytes: bytes.into_boxed_slice(), cut: size > wanted as u64 };
        if let Some(number) = self.free.pop() {
            self.contents[number as usize] = stored;
            return Ok(Kind::Whole(number));
        }
        let number = u32::try_from(self.contents.len()).map_err(io::Error::other)?;
        self.contents.push(stored);
        Ok(Kind::Whole(number))
    }

    /// The newest part of a log, decompressed.
    fn log(
        &mut self,
        member: &mut Entry<'_, impl Read>,
        path: &str,
        members: &Members<'_, '_>,
    ) -> Result<Kind, ReadArchiveError> {
        let failure = |error| members.failure(path, error);
        let size = member.size();
        let (compression, _) = Compression::of(path);
        let plain = compression == Compression::None;
        let limit = if plain { u64::MAX } else { MAX_DECOMPRESSED.min(self.nested_left) };
        if limit == 0 || self.logs.is_full() {
            self.remark(Oddity::TooMuch, path);
            return Ok(Kind::Unread);
        }
        // An error of the archive itself is not one of the log's own compression.
        let is_own = |_: &io::Error| {
            !plain
                && !members.meter.ended.get()
                && !members.meter.bomb.get()
                && members.meter.allowed.get() > 0
        };
        let mut given = 0;
        let mut kept = |reader: Box<dyn Read + '_>| {
            let reader = Tally { reader: reader.take(limit), bytes: &mut given };
            self.logs.keep(reader, NEWEST, is_own).map_err(failure)
        };
        let number = match compression.reader(&mut *member, NESTED_MEMORY) {
            Ok(reader) => kept(reader)?,
            Err(error) => return Err(failure(error)),
        };
        if plain && given < size {
            return Err(failure(io::ErrorKind::UnexpectedEof.into()));
        }
        if !plain {
            self.nested_left -= given;
        }
        Ok(Kind::Log(number))
    }

    /// Another name of a member that came before.
    fn hard_link(&mut self, path: &str, target: &str) -> Result<(), ReadArchiveError> {
        if !keep::directory(path) && keep::file(path) == Keep::Nothing {
            self.thin(path);
            return Ok(());
        }
        let inside = !target.split('/').any(|part| part == "..");
        let found = if inside { self.nodes.resolve_link(TOP, target).ok() } else { None };
        match found {
            Some(id) if !self.nodes.is_directory(id) => self.insert(path, Kind::Same(id)),
            _ => {
                self.remark(Oddity::HardLinkOut, path);
                // It is there, and what it holds isn't known.
                self.insert(path, Kind::File)
            }
        }
    }

    /// The directory of a member, made where it isn't there; nothing where something else is in the way.
    fn parent<'p>(&mut self, path: &'p str) -> Result<Option<(Id, &'p str)>, ReadArchiveError> {
        let (dirs, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut at = TOP;
        for name in dirs.split('/').filter(|name| !name.is_empty()) {
            let child = self.nodes.child_or_new(at, name, Kind::Directory { thinned: false })?;
            let found = match self.nodes.kind(child) {
                Kind::Directory { .. } => Some(child),
                // Unpacked, it would land where the link leads.
                Kind::Link(target) => self.nodes.follow(TOP, at, self.nodes.target(target)).ok(),
                _ => None,
            };
            let Some(next) = found.filter(|id| self.nodes.is_directory(*id)) else {
                self.remark(Oddity::InTheWay, path);
                return Ok(None);
            };
            at = next;
        }
        Ok(Some((at, name)))
    }

    /// Whether a name on the way to `path` is a file's: what is read of such a member would be lost.
    fn is_below_a_file(&self, path: &str) -> bool {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        self.nodes.resolve(TOP, parent).is_err_and(|errno| errno == rustix::io::Errno::NOTDIR)
    }

    /// Puts a member into the tree. Of two with one name the last is kept, as by unpacking.
    fn insert(&mut self, path: &str, kind: Kind) -> Result<(), ReadArchiveError> {
        let Some((parent, name)) = self.parent(path)? else { return Ok(()) };
        let Some(id) = self.nodes.child(parent, name) else {
            self.nodes.child_or_new(parent, name, kind)?;
            return Ok(());
        };
        let is_directory = matches!(kind, Kind::Directory { .. });
        match self.nodes.kind(id) {
            Kind::Directory { .. } | Kind::Link(_) if is_directory => return Ok(()),
            Kind::Directory { .. } if self.nodes.has_children(id) => {
                self.remark(Oddity::InTheWay, path);
                return Ok(());
            }
            // A name that leads to itself would be no file at all.
            _ if kind == Kind::Same(id) => return Ok(()),
            Kind::Whole(number) => {
                let old = std::mem::take(&mut self.contents[number as usize]);
                self.content -= old.bytes.len() + OVERHEAD;
                self.free.push(number);
            }
            _ => {}
        }
        self.remark(Oddity::Duplicate, path);
        self.nodes.set_kind(id, kind);
        Ok(())
    }

    /// Remembers that a member was left out, at the nearest directory above it.
    fn thin(&mut self, path: &str) {
        let mut at = TOP;
        for name in path.split('/') {
            match self.nodes.child(at, name) {
                Some(child) if self.nodes.is_directory(child) => at = child,
                _ => break,
            }
        }
        self.nodes.set_kind(at, Kind::Directory { thinned: true });
    }
}

impl From<Full> for ReadArchiveError {
    fn from(Full: Full) -> Self {
        Self::TooManyMembers
    }
}

/// Counts what is read.
struct Tally<'a, R> {
    reader: R,
    bytes: &'a mut u64,
}

impl<R: Read> Read for Tally<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.reader.read(buffer)?;
        *self.bytes += len as u64;
        Ok(len)
    }
}
