//! Where packages come from: files, directories, and tar archives of some. They are met in the same order each time, each
//! with a name of its own.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tar::{Archive, EntryType};

use super::CreateError;
use crate::host::ReadArchiveError;
use crate::host::archive::Members;
use crate::host::archive::open::{finish, open};
use crate::package::{START, family_of};

/// Files that are looked at.
const MAX_FILES: usize = 100_000;

/// Directories in directories.
const MAX_DEPTH: usize = 32;

/// Where packages come from.
#[derive(Debug)]
pub struct Inputs<'a> {
    paths: &'a [PathBuf],
}

/// A file that may be a package.
pub(super) struct Input<'a> {
    /// What it is called, as nothing else here.
    pub(super) name: &'a str,
    /// Its content; none where it doesn't begin as a package does.
    pub(super) package: Option<&'a mut dyn Read>,
}

/// Is called with each file.
type Each<'a> = &'a mut dyn FnMut(Input<'_>) -> Result<(), CreateError>;

impl<'a> Inputs<'a> {
    /// Packages, directories and archives.
    #[must_use]
    pub fn new(paths: &'a [PathBuf]) -> Self {
        Self { paths }
    }

    /// Calls `each` with every file.
    pub(super) fn each(&self, each: Each<'_>) -> Result<(), CreateError> {
        let mut walk = Walk { each, names: BTreeSet::new() };
        for path in self.paths {
            if fs::metadata(path).map_err(failed(path))?.is_dir() {
                walk.directory(path, 0)?;
            } else {
                walk.file(path, true)?;
            }
        }
        Ok(())
    }
}

struct Walk<'a> {
    each: Each<'a>,
    names: BTreeSet<String>,
}

impl Walk<'_> {
    /// A name that nothing else has.
    fn name(&mut self, name: &str) -> Result<String, CreateError> {
        if self.names.len() >= MAX_FILES {
            return Err(CreateError::TooMany(MAX_FILES));
        }
        let mut unique = name.to_owned();
        let mut count = 1;
        while !self.names.insert(unique.clone()) {
            count += 1;
            unique = format!("{name} ({count})");
        }
        Ok(unique)
    }

    fn directory(&mut self, path: &Path, depth: usize) -> Result<(), CreateError> {
        if depth > MAX_DEPTH {
            return Err(CreateError::TooMany(MAX_DEPTH));
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(path).map_err(failed(path))? {
            if entries.len() >= MAX_FILES {
                return Err(CreateError::TooMany(MAX_FILES));
            }
            entries.push(entry.map_err(failed(path))?.path());
        }
        entries.sort();
        for entry in entries {
            // A link to a directory could lead back up.
            let is_link = fs::symlink_metadata(&entry).map_err(failed(&entry))?.is_symlink();
            match fs::metadata(&entry) {
                Ok(kind) if kind.is_dir() && !is_link => self.directory(&entry, depth + 1)?,
                Ok(kind) if kind.is_file() => self.file(&entry, false)?,
                _ => {
                    let name = self.name(&entry.display().to_string())?;
                    (self.each)(Input { name: &name, package: None })?;
                }
            }
        }
        Ok(())
    }

    /// A file; one that somebody named must be a package, or an archive.
    fn file(&mut self, path: &Path, is_named: bool) -> Result<(), CreateError> {
        let mut file = BufReader::new(File::open(path).map_err(failed(path))?);
        let mut start = Vec::new();
        (&mut file).take(START as u64).read_to_end(&mut start).map_err(failed(path))?;
        file.rewind().map_err(failed(path))?;
        let is_package = family_of(&start).is_some();
        if is_package || !is_named {
            let name = self.name(&path.display().to_string())?;
            let package: Option<&mut dyn Read> = if is_package { Some(&mut file) } else { None };
            return (self.each)(Input { name: &name, package });
        }
        self.archive(path, file)
    }

    fn archive(&mut self, path: &Path, file: BufReader<File>) -> Result<(), CreateError> {
        let named = path.display().to_string();
        let failure = |source| match source {
            ReadArchiveError::NotAnArchive => CreateError::Foreign(named.clone()),
            source => CreateError::Archive { path: named.clone(), source },
        };
        let (stream, meter) = open(file).map_err(failure)?;
        let mut archive = Archive::new(stream);
        let mut members = Members::new(&mut archive, Rc::clone(&meter)).map_err(failure)?;
        while let Some(mut member) = members.next().map_err(failure)? {
            let inner = String::from_utf8_lossy(&member.path_bytes()).into_owned();
            match member.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => {}
                EntryType::Directory | EntryType::XGlobalHeader => continue,
                _ => {
                    let name = self.name(&format!("{named}:{inner}"))?;
                    (self.each)(Input { name: &name, package: None })?;
                    continue;
                }
            }
            let name = self.name(&format!("{named}:{inner}"))?;
            let is_cut = Cell::new(None);
            let size = member.size();
            let mut content = Content { inner: &mut member, left: size, failed: &is_cut };
            let mut start = Vec::new();
            let read = (&mut content).take(START as u64).read_to_end(&mut start);
            let came = read.map_err(failed(path)).and_then(|_| {
                let mut whole = io::Cursor::new(&start).chain(content);
                let package: Option<&mut dyn Read> =
                    if family_of(&start).is_some() { Some(&mut whole) } else { None };
                (self.each)(Input { name: &name, package })
            });
            // That the archive itself is broken says more than what came of reading a package in it.
            match is_cut.take() {
                Some(error) => return Err(failure(members.failure(&inner, error))),
                None => came?,
            }
        }
        finish(archive.into_inner(), &meter).map_err(failure)?;
        Ok(())
    }
}

/// The content of a member, with the error that the archive gave in place of it.
struct Content<'a, R> {
    inner: &'a mut R,
    left: u64,
    failed: &'a Cell<Option<io::Error>>,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(0) if self.left > 0 && !buffer.is_empty() => {
                self.failed.set(Some(io::ErrorKind::UnexpectedEof.into()));
                Ok(0)
            }
            Ok(len) => {
                self.left = self.left.saturating_sub(len as u64);
                Ok(len)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.failed.set(Some(io::Error::new(error.kind(), error.to_string())));
                Err(error)
            }
        }
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> CreateError + use<'_> {
    move |source| CreateError::Read { path: path.display().to_string(), source }
}
