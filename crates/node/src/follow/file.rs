//! One file that is followed by its name: when another file takes the name, the first is read to its end, and then the
//! other from its beginning. It must not lose a line that was written to the first after it was renamed.

use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::PathBuf;

use kernmend_core::scan::Scanner;

use super::Part;
use super::watch::{Watch, Watches};
use crate::scan::{Encoding, MAGIC, unix_ms};

/// A file that is followed by its name.
#[derive(Debug)]
pub(super) struct FollowedFile {
    path: PathBuf,
    current: Option<OpenFile>,
    /// The file that has the name now. A program that writes a log opens it some time after the old one was renamed,
    /// and writes to the old one until then: so that one is left only when this one holds something.
    next: Option<OpenFile>,
    has_more: bool,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    /// Device and inode: no other file has them as long as this one is open.
    id: (u64, u64),
    /// Bytes that were read.
    at: u64,
    watch: Watch,
}

impl FollowedFile {
    pub(super) fn open(path: PathBuf, watches: &mut Watches) -> io::Result<Self> {
        watches.watch_names(&path)?;
        let current = OpenFile::open(&path, watches)?;
        Ok(Self { path, has_more: current.is_some(), current, next: None })
    }

    /// Whether no file has had the name yet.
    pub(super) fn is_missing(&self) -> bool {
        self.current.is_none()
    }

    /// Whether the last read didn't come to an end.
    pub(super) fn has_more(&self) -> bool {
        self.has_more
    }

    /// Reads a part of what there is.
    pub(super) fn read(
        &mut self,
        watches: &mut Watches,
        scanner: &mut Scanner<'_>,
        buffer: &mut [u8],
    ) -> io::Result<Part> {
        self.notice(watches);
        let Some(current) = &mut self.current else { return Ok(Part::Some) };
        // Asked before the read: what was written to the old one was written before this.
        let is_succeeded = self.next.as_ref().is_some_and(OpenFile::holds_something);
        let read = current.read(scanner, buffer)?;
        self.has_more = read > 0;
        if current.at == read as u64 && Encoding::of(&buffer[..read]) != Encoding::Lines {
            return Ok(Part::Encoded);
        }
        scanner.push(&buffer[..read]);
        if read == 0 && is_succeeded {
            scanner.end_file();
            let old = std::mem::replace(&mut self.current, self.next.take());
            watches.forget(old.map(|old| old.watch), self.current.as_ref().map(|new| new.watch));
            self.has_more = true;
        }
        Ok(Part::Some)
    }

    /// Looks whether another file has the name now. One that can't be opened yet is tried again at the next look.
    fn notice(&mut self, watches: &mut Watches) {
        let Some(id) = self.path.metadata().ok().filter(Metadata::is_file).map(|file| id(&file)) else {
            return;
        };
        let is = |file: &Option<OpenFile>| file.as_ref().is_some_and(|file| file.id == id);
        // A successor that holds something has its turn before its own successor.
        if is(&self.current) || is(&self.next) || self.next.as_ref().is_some_and(OpenFile::holds_something) {
            return;
        }
        // The way to it can lead over other links now.
        if watches.watch_names(&self.path).is_err() {
            return;
        }
        let Ok(Some(file)) = OpenFile::open(&self.path, watches) else { return };
        let place = if self.current.is_none() { &mut self.current } else { &mut self.next };
        let kept = file.watch;
        let old = place.replace(file);
        watches.forget(old.map(|old| old.watch), Some(kept));
        self.has_more = true;
    }
}

impl OpenFile {
    /// The file that has the name, if one has.
    fn open(path: &std::path::Path, watches: &mut Watches) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let metadata = file.metadata()?;
        let mut head = [0; MAGIC];
        // Read here too, so that what can't be read at all is told at once.
        file.read_at(&mut head, 0)?;
        Ok(Some(Self { file, id: id(&metadata), at: 0, watch: watches.watch_file(path) }))
    }

    fn holds_something(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.len() > 0)
    }

    /// Reads a part behind what was read, from the beginning where the file is shorter than that.
    fn read(&mut self, scanner: &mut Scanner<'_>, buffer: &mut [u8]) -> io::Result<usize> {
        let metadata = self.file.metadata()?;
        if metadata.len() < self.at {
            scanner.end_file();
            self.file.seek(SeekFrom::Start(0))?;
            self.at = 0;
        }
        if let Some(written) = metadata.modified().ok().and_then(unix_ms) {
            scanner.written_by(written);
        }
        let read = loop {
            match self.file.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.at += read as u64;
        Ok(read)
    }
}

fn id(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}
