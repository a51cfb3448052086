//! The plain tar stream in an archive, told by its first bytes and not by its name, and metered: what it unpacks to, and
//! what one step of reading it may take.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use super::ReadArchiveError;
use crate::host::window::{Compression, MEMORY};

/// A block of a tar archive.
const BLOCK: usize = 512;

/// An archive that unpacks to more is refused: a whole node without its containers' images has less.
const MAX_UNPACKED: u64 = 64 << 30;

/// One that unpacks to more than this is refused where it is also more than so many times its size: zeros alone do that.
const MAX_UNPACKED_DENSE: u64 = 8 << 30;
const MAX_RATIO: u64 = 250;

/// What follows the end of an archive is read this far.
const MAX_TAIL: u64 = 64 << 20;
const TAIL_BUFFER: usize = 64 * 1024;

/// How an archive is compressed, by its first bytes.
fn compression(start: &[u8]) -> Result<Compression, ReadArchiveError> {
    const READ: [(&[u8], Compression); 3] = [
        (&[0x1f, 0x8b], Compression::Gzip),
        (&[0xfd, b'7', b'z', b'X', b'Z', 0], Compression::Xz),
        (&[0x28, 0xb5, 0x2f, 0xfd], Compression::Zstd),
    ];
    const OTHERS: [(&[u8], &str); 8] = [
        (b"BZh", "bzip2"),
        (b"PK\x03\x04", "zip"),
        (&[0x04, 0x22, 0x4d, 0x18], "lz4"),
        (b"LZIP", "lzip"),
        (&[0x1f, 0x9d], "compress"),
        (&[0x5d, 0, 0], "lzma"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
        (b"Rar!", "rar"),
    ];
    if let Some((_, compression)) = READ.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Ok(*compression);
    }
    if is_tar(start) {
        return Ok(Compression::None);
    }
    match OTHERS.iter().find(|(magic, _)| start.starts_with(magic)) {
        Some((_, name)) => Err(ReadArchiveError::Compression { name }),
        None => Err(ReadArchiveError::NotAnArchive),
    }
}

/// Whether a block is the head of a tar member: its own sum stands in it. An archive without members starts with zeros.
fn is_tar(start: &[u8]) -> bool {
    let Some(block) = start.first_chunk::<BLOCK>() else { return false };
    let sum: u64 =
        block[..148].iter().chain(&block[156..]).map(|byte| u64::from(*byte)).sum::<u64>() + 8 * 32;
    let digits: String =
        block[148..156].iter().map(|byte| char::from(*byte)).filter(|char| char.is_digit(8)).collect();
    block.iter().all(|byte| *byte == 0) || u64::from_str_radix(&digits, 8) == Ok(sum)
}

/// What has gone through a [`Metered`] stream.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// What the next step may read before it fails.
    pub(super) allowed: Cell<u64>,
    /// Bytes so far, unpacked.
    pub(super) unpacked: Cell<u64>,
    packed: Cell<u64>,
    /// Whether the input ended, or its compression said that something is missing.
    pub(super) ended: Cell<bool>,
    /// Whether it unpacks to more than any archive of a machine.
    pub(super) bomb: Cell<bool>,
    /// How many zeros came last.
    pub(super) zeros: Cell<u64>,
}

impl Meter {
    /// What an error in reading `member` means.
    pub(super) fn failure(&self, member: &str, source: io::Error) -> ReadArchiveError {
        if self.bomb.get() {
            return ReadArchiveError::TooLarge { bytes: self.unpacked.get() };
        }
        let member = member.to_owned();
        if self.ended.get() {
            return ReadArchiveError::Truncated { member };
        }
        ReadArchiveError::Damaged { member, source }
    }
}

/// The plain tar stream.
pub(crate) struct Metered<'a> {
    stream: Box<dyn Read + 'a>,
    meter: Rc<Meter>,
}

struct Counted<R> {
    file: R,
    meter: Rc<Meter>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read(buffer)?;
        self.meter.packed.set(self.meter.packed.get() + len as u64);
        Ok(len)
    }
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let meter = &self.meter;
        let allowed = meter.allowed.get();
        if allowed == 0 && !buffer.is_empty() {
            return Err(io::Error::other("the head of a member is longer than any that is needed"));
        }
        let room = usize::try_from(allowed).unwrap_or(usize::MAX).min(buffer.len());
        let len = self.stream.read(&mut buffer[..room]).inspect_err(|error| {
            meter.ended.set(meter.ended.get() || error.kind() == io::ErrorKind::UnexpectedEof);
        })?;
        meter.ended.set(meter.ended.get() || (len == 0 && !buffer.is_empty()));
        meter.allowed.set(allowed - len as u64);
        meter.unpacked.set(meter.unpacked.get() + len as u64);
        let (unpacked, packed) = (meter.unpacked.get(), meter.packed.get());
        let dense = unpacked > MAX_UNPACKED_DENSE && unpacked / MAX_RATIO > packed;
        if dense || unpacked > MAX_UNPACKED {
            meter.bomb.set(true);
            return Err(io::Error::other("it unpacks to more than any archive of a machine"));
        }
        let end = &buffer[len.saturating_sub(BLOCK)..len];
        let zeros = end.iter().rev().take_while(|byte| **byte == 0).count();
        let before = if zeros == len { meter.zeros.get() } else { 0 };
        meter.zeros.set(before + zeros as u64);
        Ok(len)
    }
}

/// Opens an archive.
pub(crate) fn open<'a>(file: impl Read + 'a) -> Result<(Metered<'a>, Rc<Meter>), ReadArchiveError> {
    let mut file = file;
    let mut start = Vec::with_capacity(BLOCK);
    (&mut file).take(BLOCK as u64).read_to_end(&mut start).map_err(ReadArchiveError::Read)?;
    let compression = compression(&start)?;
    let meter = Rc::new(Meter::default());
    let file = Counted { file: io::Cursor::new(start).chain(file), meter: Rc::clone(&meter) };
    let stream = compression.reader(file, MEMORY).map_err(ReadArchiveError::Read)?;
    let mut stream = Metered { stream, meter: Rc::clone(&meter) };

    // What is compressed need not be a tar archive.
    meter.allowed.set(BLOCK as u64);
    let mut start = Vec::with_capacity(BLOCK);
    let read = (&mut stream).take(BLOCK as u64).read_to_end(&mut start);
    read.map_err(|error| meter.failure("its first bytes", error))?;
    if !is_tar(&start) {
        return Err(ReadArchiveError::NotAnArchive);
    }
    meter.ended.set(false);
    stream.stream = Box::new(io::Cursor::new(start).chain(stream.stream));
    Ok((stream, meter))
}

/// Reads what follows the last member, so that a broken end of the compression is met. Gives whether the archive has an end
/// mark.
pub(crate) fn finish(mut stream: Metered<'_>, meter: &Meter) -> Result<bool, ReadArchiveError> {
    let has_mark = meter.zeros.get() >= BLOCK as u64;
    meter.allowed.set(MAX_TAIL);
    let mut buffer = vec![0; TAIL_BUFFER];
    while meter.allowed.get() > 0 {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(meter.failure("its end", error)),
        }
    }
    Ok(has_mark)
}
