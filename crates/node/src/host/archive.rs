//! An archive as a root: a sosreport, an Insights archive, or any tar of a tree that is laid out like a root file system. It
//! is read once, into memory, and answers as a directory would. It writes nothing and doesn't keep what nobody asks for;
//! programs aren't kept.

mod alias;
mod keep;
mod log;
mod nodes;
pub(crate) mod open;
pub(crate) mod read;

use std::io::{self, Read};
use std::rc::Rc;
use std::time::Duration;

use kernmend_core::document::snapshot::Space;
use rustix::io::Errno;

pub(crate) use self::open::Metered;
pub(crate) use self::read::Members;

use self::nodes::{Id, Kind, TOP};
use self::read::Reading;
use super::answer::{Answer, Content};
use super::capture::{HEADER, Recording};
use super::command::Known;
use super::listing::{self, Listing, Want};
use super::markers::MarkerScan;
use super::sidecar::Sidecars;
use super::tree::{Captured, Tree};
use super::window::{KMSG, LogFile, MAX_LOG_DIR, Sink, WindowReading};

/// Why a file can't be read as an archive.
#[derive(Debug, thiserror::Error)]
pub enum ReadArchiveError {
    /// The file can't be read.
    #[error("read it")]
    Read(#[source] io::Error),
    /// Its first bytes are those of nothing that is known.
    #[error("this is not a tar archive, plain or compressed with gzip, xz or zstd")]
    NotAnArchive,
    /// It is compressed in a way that isn't read.
    #[error("it is compressed with {name}: unpack it, and pack it with gzip, xz or zstd")]
    Compression {
        /// What it is compressed with.
        name: &'static str,
    },
    /// It ends too early.
    #[error("it is cut off at `{member}`")]
    Truncated {
        /// The last member.
        member: String,
    },
    /// It is damaged.
    #[error("it is damaged at `{member}`")]
    Damaged {
        /// The member.
        member: String,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// It unpacks to more than any archive of a machine.
    #[error("it unpacks to more than any archive of a machine: {bytes} bytes and more")]
    TooLarge {
        /// Where reading it stopped.
        bytes: u64,
    },
    /// It holds more members, or longer names, than are held in memory.
    #[error("it holds more members than any archive of a machine")]
    TooManyMembers,
    /// It holds several roots.
    #[error("it holds more than one machine: `{first}` and `{second}`")]
    Several {
        /// The folder of one.
        first: String,
        /// The folder of another.
        second: String,
    },
    /// It holds nothing of a machine.
    #[error("nothing in it is a capture, a sosreport, an Insights archive or a root file system")]
    Foreign,
    /// It is a capture of another major version.
    #[error("this is a `{found}`, and this version reads `{expected}`")]
    Schema {
        /// The schema that it names.
        found: String,
        /// The schema that is read.
        expected: &'static str,
    },
}

/// What is odd in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Oddity {
    /// It has no end mark: it may be cut off.
    NoEnd,
    /// Members whose names lead out of it: passed over.
    Escape,
    /// Members with absolute names: taken as if they began below the root.
    Absolute,
    /// Members with the name of an earlier one: the last is taken.
    Duplicate,
    /// Members that are under a file, or in the place of a directory: passed over.
    InTheWay,
    /// Devices and FIFOs: not read.
    Device,
    /// Hard links to what isn't in it: not read.
    HardLinkOut,
    /// Members with names that are longer than a path can be: passed over.
    LongName,
    /// Sparse logs: not read.
    Sparse,
    /// Files for which there was no room: not read.
    TooMuch,
}

/// Something odd in an archive, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// What.
    pub oddity: Oddity,
    /// How many members.
    pub count: u64,
    /// The name of the first; empty where it is the archive itself.
    pub example: String,
}

/// What an archive is.
pub(super) enum Opened {
    Recording(Recording),
    Archive(Box<Archive>),
}

/// An archive as a root.
pub(super) struct Archive {
    read: Reading,
    root: Id,
    sidecars: Sidecars,
    /// Whether it holds files that a tool chose, or may be cut off: then no directory is complete, and no log whole. Sidecars
    /// speak for themselves.
    selected: bool,
}

/// What is there and was not kept; no archive holds a file that answers this.
const NOT_KEPT: Errno = Errno::NODATA;

/// Output of commands, as the table of aliases bounds it.
const MAX_OUTPUT: usize = 16 << 20;

impl Archive {
    /// Reads an archive of any kind, in one pass.
    pub(super) fn open(file: impl Read) -> Result<Opened, ReadArchiveError> {
        let (stream, meter) = open::open(file)?;
        let mut archive = tar::Archive::new(stream);
        let mut members = Members::new(&mut archive, Rc::clone(&meter))?;
        match members.next()? {
            Some(first) if first.path_bytes().as_ref() == HEADER.as_bytes() => {
                let recording = Recording::read(first, &mut members)?;
                open::finish(archive.into_inner(), &meter)?;
                Ok(Opened::Recording(recording))
            }
            first => {
                let mut reading = Reading::read(first, &mut members)?;
                if !open::finish(archive.into_inner(), &meter)? {
                    reading.remark(Oddity::NoEnd, "");
                }
                Ok(Opened::Archive(Box::new(Self::new(reading)?)))
            }
        }
    }

    fn new(read: Reading) -> Result<Self, ReadArchiveError> {
        let root = root_of(&read)?;
        let has = |name| read.nodes.child(root, name).is_some();
        let selected = ["sos_commands", "sos_reports", "insights_commands"].into_iter().any(has)
            || read.remarks.contains_key(&Oddity::NoEnd);
        let mut archive = Self { read, root, sidecars: Sidecars::default(), selected };
        archive.sidecars = Sidecars::read(&archive);
        Ok(archive)
    }

    pub(super) fn remarks(&self) -> impl Iterator<Item = &Remark> {
        self.read.remarks.values()
    }

    fn kind(&self, path: &str) -> Result<Kind, Errno> {
        Ok(self.read.nodes.kind(self.read.nodes.resolve(self.root, path)?))
    }

    fn names(&self, path: &str, want: Want, max: usize) -> Result<Listing, Errno> {
        let nodes = &self.read.nodes;
        let id = nodes.resolve(self.root, path)?;
        let Kind::Directory { thinned } = nodes.kind(id) else { return Err(Errno::NOTDIR) };
        let mut listing = Listing::empty();
        for child in nodes.children(id) {
            let kind = match nodes.kind(child) {
                Kind::Directory { .. } => listing::Kind::Directory,
                Kind::Link(_) => listing::Kind::Link,
                Kind::Other => listing::Kind::Other,
                Kind::File | Kind::Whole(_) | Kind::Log(_) | Kind::Same(_) | Kind::Unread => {
                    listing::Kind::File
                }
            };
            if want == Want::All || kind == listing::Kind::Directory {
                listing.push(nodes.name(child), kind, max);
            }
        }
        listing.cut |= thinned && want == Want::All;
        Ok(listing)
    }

    /// What a command printed that tells what `path` would.
    fn told(&self, path: &str) -> Option<Vec<u8>> {
        let asked = |alias: &&alias::Alias| {
            alias.file == path || (alias.file.ends_with('/') && path.starts_with(alias.file))
        };
        let tell = |(form, member): (alias::Form, &&str)| {
            let printed = self.content(member, MAX_OUTPUT).ok()?;
            alias::tell(form, path, &printed.text(), self.booted_at())
        };
        let members = alias::ALIASES
            .iter()
            .filter(asked)
            .flat_map(|alias| alias.members.iter().map(|member| (alias.form, member)));
        members.into_iter().find_map(tell).map(String::into_bytes)
    }

    fn listed(&self, path: &str, max: usize) -> Option<Listing> {
        let (_, member) = alias::LISTINGS.iter().find(|(directory, _)| *directory == path)?;
        let printed = self.content(member, MAX_OUTPUT).ok()?;
        alias::listing(&printed.text(), printed.cut, max)
    }

    fn booted_at(&self) -> Option<i64> {
        let stat = self.content("/proc/stat", MAX_OUTPUT).ok()?.text();
        stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
    }
}

impl Tree for Archive {
    fn read(&self, path: &str, max: usize) -> Answer<Content> {
        match self.content(path, max) {
            Ok(content) => Answer::Got(content),
            Err(errno @ (Errno::NOENT | Errno::NOTDIR | NOT_KEPT)) => match self.told(path) {
                Some(mut bytes) => {
                    let cut = bytes.len() > max;
                    bytes.truncate(max);
                    Answer::Got(Content { bytes, cut })
                }
                None => self.missing(path, errno),
            },
            Err(errno) => Answer::Failed(errno),
        }
    }

    fn link(&self, path: &str) -> Answer<String> {
        let nodes = &self.read.nodes;
        match nodes.resolve_link(self.root, path).map(|id| nodes.kind(id)) {
            Ok(Kind::Link(target)) => Answer::Got(nodes.target(target).to_owned()),
            Ok(_) => Answer::Failed(Errno::INVAL),
            Err(errno) => self.missing(path, errno),
        }
    }

    fn identity(&self, path: &str) -> Answer<(u64, u64)> {
        match self.read.nodes.resolve(self.root, path) {
            Ok(id) => Answer::Got((0, id.into())),
            Err(errno) => self.missing(path, errno),
        }
    }

    fn size(&self, path: &str) -> Answer<u64> {
        match self.kind(path) {
            Ok(_) => Answer::NotCaptured,
            Err(errno) => self.missing(path, errno),
        }
    }

    fn space(&self, _path: &str) -> Answer<Space> {
        Answer::NotCaptured
    }

    fn list(&self, path: &str, want: Want, max: usize) -> Answer<Listing> {
        match self.names(path, want, max) {
            Ok(mut listing) => {
                listing.cut |= self.selected;
                Answer::Got(listing)
            }
            Err(errno) => {
                let listing = self.sidecars.listing(self, path, max).or_else(|| self.listed(path, max));
                listing.map_or_else(|| self.missing(path, errno), Answer::Got)
            }
        }
    }

    fn markers(&self, path: &str, _max: u64) -> Answer<MarkerScan> {
        match self.kind(path) {
            Ok(_) => Answer::NotCaptured,
            Err(errno) => self.missing(path, errno),
        }
    }

    fn sandboxes(&self, path: &str) -> Answer<Content> {
        match self.kind(path) {
            Ok(_) => Answer::NotCaptured,
            Err(errno) => self.missing(path, errno),
        }
    }

    fn command(&self, _known: &Known, _max: usize, _deadline: Duration) -> Answer<Content> {
        Answer::NotCaptured
    }

    fn kmsg(&self, _sink: Sink<'_>) -> Answer<WindowReading> {
        self.missing(KMSG, Errno::NOENT)
    }

    fn log_names(&self, dir: &str) -> Answer<Listing> {
        match self.names(dir, Want::All, MAX_LOG_DIR) {
            Ok(mut names) => {
                // Logs themselves are never left out.
                names.cut = names.total > names.len() as u64;
                Answer::Got(names)
            }
            Err(errno) => self.missing(dir, errno),
        }
    }

    fn open_log(&self, path: &str) -> io::Result<Box<dyn LogFile + '_>> {
        match self.kind(path)? {
            Kind::Log(number) => Ok(Box::new(self.read.logs.get(number))),
            Kind::Directory { .. } => Err(Errno::ISDIR.into()),
            Kind::Other => Err(Errno::INVAL.into()),
            _ => Err(Errno::FBIG.into()),
        }
    }

    fn stand_in(&self, log: &str) -> Option<String> {
        let (_, members) = alias::LOGS.iter().find(|(name, _)| *name == log)?;
        let is_log = |member: &&&str| matches!(self.kind(member), Ok(Kind::Log(_)));
        members.iter().find(is_log).map(|member| format!("/{member}"))
    }

    fn has_whole_logs(&self) -> bool {
        !self.selected
    }

    fn missing<T>(&self, path: &str, errno: Errno) -> Answer<T> {
        match errno {
            NOT_KEPT => Answer::NotCaptured,
            errno => self.missing_beside(&self.sidecars, path, errno),
        }
    }
}

impl Captured for Archive {
    fn content(&self, path: &str, max: usize) -> Result<Content, Errno> {
        match self.kind(path)? {
            Kind::Whole(number) => {
                let stored = &self.read.contents[number as usize];
                let bytes = stored.bytes[..max.min(stored.bytes.len())].to_vec();
                Ok(Content { cut: stored.cut || bytes.len() < stored.bytes.len(), bytes })
            }
            Kind::Directory { .. } => Err(Errno::ISDIR),
            Kind::Other => Err(Errno::INVAL),
            Kind::Unread => Err(Errno::FBIG),
            // Links were followed.
            Kind::File | Kind::Log(_) | Kind::Link(_) | Kind::Same(_) => Err(NOT_KEPT),
        }
    }

    fn is_complete(&self, dir: &str, of_kernel: bool) -> Option<bool> {
        match self.kind(dir) {
            Ok(Kind::Directory { thinned }) => Some(!of_kernel && !thinned && !self.selected),
            _ => None,
        }
    }
}

/// The directory of the archive that stands for `/`: its top, or a folder that it was packed with.
fn root_of(read: &Reading) -> Result<Id, ReadArchiveError> {
    let nodes = &read.nodes;
    let has_top = |id: &Id| nodes.children(*id).iter().any(|child| keep::is_top(nodes.name(*child)));
    let mut root = TOP;
    // As many folders as the choice of what is kept looks behind.
    for _ in 0..2 {
        if has_top(&root) {
            return Ok(root);
        }
        let folders: Vec<Id> =
            nodes.children(root).into_iter().filter(|child| nodes.is_directory(*child)).collect();
        let roots: Vec<Id> = folders.iter().copied().filter(|folder| has_top(folder)).collect();
        match (roots[..].split_first(), &folders[..]) {
            (Some((first, [])), _) => return Ok(*first),
            (Some((first, [second, ..])), _) => {
                let name = |id: Id| nodes.name(id).to_owned();
                return Err(ReadArchiveError::Several { first: name(*first), second: name(*second) });
            }
            (None, [folder]) => root = *folder,
            (None, _) => return Err(ReadArchiveError::Foreign),
        }
    }
    if has_top(&root) { Ok(root) } else { Err(ReadArchiveError::Foreign) }
}
