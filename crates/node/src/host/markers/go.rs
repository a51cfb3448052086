//! What the Go toolchain leaves in a program: the note with the build id, the function table and the build
//! information, in the form of Go 1.18 and later and in that of Go 1.13 to 1.17. What it can't make sense of it
//! reports as not there.

use std::hint::black_box;
use std::io::{Read, Seek};

use kernmend_core::program::BuildInfo;
use object::{Endian as _, Endianness, elf};

use super::elf::{Program, relocated};
use super::{Bounded, ScanError};

/// The header of build information begins at such steps and has this size.
const ALIGNMENT: u64 = 16;
const HEADER: usize = 32;
/// The longest version string and text that are read. The text of a kubelet has 30 kB.
const MOST_VERSION: usize = 1024;
const MOST_TEXT: usize = 1024 * 1024;
/// Bytes of notes that are looked at: a program has some hundred.
const MOST_NOTES: usize = 16 * 1024;

/// The 14 bytes that build information begins with, put together at run time: a program that holds them would look
/// like one that has build information.
pub(super) fn magic() -> [u8; 14] {
    let mut magic = *b"\xff gO BUILDINF:";
    magic.iter_mut().filter(|byte| byte.is_ascii_alphabetic()).for_each(|byte| *byte ^= black_box(0x20));
    magic
}

/// What was found of build information.
#[derive(Default)]
pub(super) struct Found {
    /// Whether there is a header.
    pub(super) header: bool,
    /// What follows from it, where it can be read.
    pub(super) info: Option<BuildInfo>,
}

/// The two texts of build information, as they stand in the file.
#[derive(Default)]
struct Texts {
    /// The toolchain's version.
    version: Vec<u8>,
    /// Modules and settings, in their frame.
    modules: Vec<u8>,
}

/// Whether a table that maps program counters to functions begins in the chunk; it does at a multiple of 32 bytes.
pub(super) fn has_function_table(chunk: &[u8]) -> bool {
    chunk.chunks(32).any(|block| match *block {
        // The second half: two zeros, the size of the smallest instruction and the size of a pointer.
        [a, b, c, d, 0, 0, 1 | 2 | 4, 4 | 8, ..] => {
            // The formats of Go 1.2, 1.16, 1.18 and 1.20.
            let last = |byte| matches!(byte, 0xfb | 0xfa | 0xf0 | 0xf1);
            (last(a) && (b, c, d) == (0xff, 0xff, 0xff)) || (last(d) && (a, b, c) == (0xff, 0xff, 0xff))
        }
        _ => false,
    })
}

/// Whether one of the notes is that of Go's build id.
pub(super) fn has_build_id(
    file: &mut Bounded<'_, impl Read + Seek>,
    program: &Program,
) -> Result<bool, ScanError> {
    let segments = program.segments.iter().filter(|segment| segment.kind == elf::PT_NOTE);
    let sections = program.sections.iter().filter(|section| section.kind == elf::SHT_NOTE);
    let places: Vec<_> =
        segments.map(|s| (s.offset, s.size)).chain(sections.map(|s| (s.offset, s.size))).take(64).collect();
    for (offset, size) in places {
        let size = size.min(MOST_NOTES as u64);
        let notes = file.read(offset, size, MOST_NOTES)?;
        if notes.is_some_and(|notes| names_go(&notes, program.endian)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a note of type 4 of the owner `Go` is among `notes`.
fn names_go(mut notes: &[u8], endian: Endianness) -> bool {
    let word = |bytes: &[u8]| bytes.first_chunk().map(|word| endian.read_u32(*word));
    loop {
        let (Some(name), Some(description), Some(kind)) =
            (word(notes), notes.get(4..).and_then(word), notes.get(8..).and_then(word))
        else {
            return false;
        };
        let body = &notes[12..];
        if kind == 4 && name == 4 && body.starts_with(b"Go\0\0") {
            return true;
        }
        let padded = |size: u32| (size as usize).checked_next_multiple_of(4);
        let next = padded(name).zip(padded(description)).and_then(|(name, rest)| name.checked_add(rest));
        let Some(rest) = next.and_then(|next| body.get(next..)) else { return false };
        notes = rest;
    }
}

/// The build information of a program.
pub(super) fn build_info(
    file: &mut Bounded<'_, impl Read + Seek>,
    program: &Program,
) -> Result<Found, ScanError> {
    let Some((offset, header)) = header(file, program)? else { return Ok(Found::default()) };
    let flags = header[15];
    let texts = if flags & 2 != 0 {
        inline(file, offset + HEADER as u64)?
    } else {
        let endian = if flags & 1 != 0 { Endianness::Big } else { Endianness::Little };
        pointed(file, program, offset, &header, endian)?
    };
    let info = texts.map(|texts| {
        let mut info = BuildInfo::parse(&String::from_utf8_lossy(unframed(&texts.modules)));
        info.go = Some(String::from_utf8_lossy(&texts.version).into_owned());
        info
    });
    Ok(Found { header: true, info })
}

/// The header and its place: in the section that is named for it, else in the first writable segment.
fn header(
    file: &mut Bounded<'_, impl Read + Seek>,
    program: &Program,
) -> Result<Option<(u64, [u8; HEADER])>, ScanError> {
    let section = program.sections.iter().find(|section| section.name == b".go.buildinfo");
    let (offset, size) = match section {
        Some(section) => (section.offset, section.size),
        None => {
            let writable = |flags: elf::ProgramFlags| flags.0 & (elf::PF_X.0 | elf::PF_W.0) == elf::PF_W.0;
            match program.segments.iter().find(|s| s.kind == elf::PT_LOAD && writable(s.flags)) {
                Some(segment) => (segment.offset, segment.size),
                None => return Ok(None),
            }
        }
    };
    let magic = magic();
    let size = size.min(file.limit);
    let mut done = 0;
    while size - done >= HEADER as u64 {
        let part = (size - done).min(64 * 1024);
        let Some(bytes) = file.read(offset + done, part, 64 * 1024)? else { return Ok(None) };
        for (at, window) in bytes.windows(HEADER).enumerate().step_by(ALIGNMENT as usize) {
            if window.starts_with(&magic) {
                return Ok(window.first_chunk().map(|header| (offset + done + at as u64, *header)));
            }
        }
        if part < 64 * 1024 {
            break;
        }
        // The last step of this part is looked at again, with the bytes that follow it.
        done += part - ALIGNMENT;
    }
    Ok(None)
}

/// Version and text behind a header of Go 1.18 and later: each with its length before it.
fn inline(file: &mut Bounded<'_, impl Read + Seek>, mut offset: u64) -> Result<Option<Texts>, ScanError> {
    let mut texts = Texts::default();
    for (text, most) in [(&mut texts.version, MOST_VERSION), (&mut texts.modules, MOST_TEXT)] {
        let Some((length, size)) = varint(file, offset)? else { return Ok(None) };
        let Some(bytes) = file.read(offset + size, length, most)? else { return Ok(None) };
        offset += size + length;
        *text = bytes;
    }
    Ok(Some(texts))
}

/// A number in seven bits a byte, the lowest first, and how many bytes it takes.
fn varint(file: &mut Bounded<'_, impl Read + Seek>, offset: u64) -> Result<Option<(u64, u64)>, ScanError> {
    // Four bytes hold more than the longest text that is read.
    let mut number = 0;
    for i in 0..4 {
        let Some(byte) = file.read(offset + i, 1, 1)? else { return Ok(None) };
        number |= u64::from(byte[0] & 0x7f) << (7 * i);
        if byte[0] & 0x80 == 0 {
            return Ok(Some((number, i + 1)));
        }
    }
    Ok(None)
}

/// Version and text behind a header of Go 1.13 to 1.17: two addresses of Go strings.
fn pointed(
    file: &mut Bounded<'_, impl Read + Seek>,
    program: &Program,
    offset: u64,
    header: &[u8; HEADER],
    endian: Endianness,
) -> Result<Option<Texts>, ScanError> {
    let wide = match header[14] {
        4 => false,
        8 => true,
        _ => return Ok(None),
    };
    let pointer = Pointers { wide, endian };
    let size = if wide { 8 } else { 4 };
    let Some(version) = pointer.read(file, program, offset + 16)? else { return Ok(None) };
    let Some(text) = pointer.read(file, program, offset + 16 + size)? else { return Ok(None) };
    let Some(version) = pointer.string(file, program, version, MOST_VERSION)? else { return Ok(None) };
    // A build without modules has a version and no text.
    let modules = pointer.string(file, program, text, MOST_TEXT)?.unwrap_or_default();
    Ok(Some(Texts { version, modules }))
}

/// How pointers are written.
struct Pointers {
    wide: bool,
    endian: Endianness,
}

impl Pointers {
    /// The pointer at a place in the file: what stands there, or what the loader will put there.
    fn read(
        &self,
        file: &mut Bounded<'_, impl Read + Seek>,
        program: &Program,
        offset: u64,
    ) -> Result<Option<u64>, ScanError> {
        let Some(value) = self.word(file, offset)? else { return Ok(None) };
        if value != 0 {
            return Ok(Some(value));
        }
        let address = program.segments.iter().filter(|s| s.kind == elf::PT_LOAD).find_map(|segment| {
            let inside = offset.checked_sub(segment.offset)?;
            if inside < segment.size { segment.address.checked_add(inside) } else { None }
        });
        match address {
            Some(address) => relocated(file, program, address),
            None => Ok(None),
        }
    }

    fn word(&self, file: &mut Bounded<'_, impl Read + Seek>, offset: u64) -> Result<Option<u64>, ScanError> {
        let bytes = file.read(offset, if self.wide { 8 } else { 4 }, 8)?;
        Ok(bytes.and_then(|bytes| {
            if self.wide {
                bytes.first_chunk().map(|word| self.endian.read_u64(*word))
            } else {
                bytes.first_chunk().map(|word| u64::from(self.endian.read_u32(*word)))
            }
        }))
    }

    /// The bytes of the Go string (address and length) at `address`.
    fn string(
        &self,
        file: &mut Bounded<'_, impl Read + Seek>,
        program: &Program,
        address: u64,
        most: usize,
    ) -> Result<Option<Vec<u8>>, ScanError> {
        let Some((offset, _)) = program.locate(address) else { return Ok(None) };
        let Some(length) = self.word(file, offset + if self.wide { 8 } else { 4 })? else { return Ok(None) };
        if length == 0 {
            return Ok(Some(Vec::new()));
        }
        let Some(data) = self.read(file, program, offset)? else { return Ok(None) };
        match program.locate(data) {
            Some((offset, available)) if length <= available => file.read(offset, length, most),
            _ => Ok(None),
        }
    }
}

/// The text without the 16 bytes before and behind it, by which the linker and the run time find it.
fn unframed(text: &[u8]) -> &[u8] {
    if text.len() >= 33 && text[text.len() - 17] == b'\n' { &text[16..text.len() - 16] } else { b"" }
}
