//! The tables of an ELF program: segments and sections, of either class and byte order. It reads the tables alone,
//! and takes a file for damaged as soon as one of them doesn't fit into it.

use std::io::{Read, Seek};

use kernmend_core::program::Machine;
use object::Endianness;
use object::elf;
use object::pod::{self, Pod};
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _, Rela as _, SectionHeader as _};

use super::{Bounded, ScanError};

/// Segments of a program are about a dozen, sections some dozens; what has more is no program that a toolchain made.
const MOST_SEGMENTS: u16 = 256;
const MOST_SECTIONS: u16 = 4096;
/// Section names of a program take some hundred bytes.
const MOST_NAMES: usize = 256 * 1024;
/// Entries of a dynamic table are some dozens.
const MOST_DYNAMIC: u64 = 4096;
/// Bytes of relocations that are searched; a kubelet has 5 MB of them.
const MOST_RELOCATIONS: u64 = 64 * 1024 * 1024;

/// What a file is.
pub(super) enum Outcome {
    /// No ELF file, or one that isn't for running.
    Other,
    /// Cut or inconsistent.
    Damaged,
    /// A program whose tables lie in the file, as does all that they name.
    Program(Program),
}

/// The tables of a program.
pub(super) struct Program {
    /// What it runs on.
    pub(super) machine: Machine,
    /// Whether addresses have 64 bits.
    pub(super) wide: bool,
    /// The byte order.
    pub(super) endian: Endianness,
    /// Segments in their order.
    pub(super) segments: Vec<Segment>,
    /// Sections in their order; none where there is no table of them.
    pub(super) sections: Vec<Section>,
}

/// What is mapped where.
pub(super) struct Segment {
    pub(super) kind: elf::ProgramType,
    pub(super) flags: elf::ProgramFlags,
    pub(super) offset: u64,
    pub(super) address: u64,
    pub(super) size: u64,
}

/// A named part of the file.
pub(super) struct Section {
    pub(super) name: Vec<u8>,
    pub(super) kind: elf::SectionType,
    pub(super) offset: u64,
    pub(super) size: u64,
}

impl Program {
    /// Where in the file `address` is, and how many bytes of its segment follow.
    pub(super) fn locate(&self, address: u64) -> Option<(u64, u64)> {
        self.segments.iter().filter(|segment| segment.kind == elf::PT_LOAD).find_map(|segment| {
            let inside = address.checked_sub(segment.address)?;
            (inside < segment.size).then(|| (segment.offset + inside, segment.size - inside))
        })
    }
}

/// Reads the tables of a file.
pub(super) fn outline(file: &mut Bounded<'_, impl Read + Seek>) -> Result<Outcome, ScanError> {
    let Some(ident) = file.read(0, 16, 16)? else { return Ok(Outcome::Other) };
    if !ident.starts_with(&elf::ELFMAG) {
        return Ok(Outcome::Other);
    }
    let found = match ident[4] {
        class if class == elf::ELFCLASS64.0 => tables::<elf::FileHeader64<Endianness>>(file)?,
        class if class == elf::ELFCLASS32.0 => tables::<elf::FileHeader32<Endianness>>(file)?,
        _ => None,
    };
    Ok(found.unwrap_or(Outcome::Damaged))
}

/// The tables; nothing where one of them is not as it must be.
fn tables<Elf: FileHeader<Endian = Endianness>>(
    file: &mut Bounded<'_, impl Read + Seek>,
) -> Result<Option<Outcome>, ScanError> {
    let Some(header) = table::<Elf>(file, 0, 1)? else { return Ok(None) };
    let header = header[0];
    let Ok(endian) = header.endian() else { return Ok(None) };
    if !header.is_supported() {
        return Ok(None);
    }
    let kind = header.e_type(endian);
    if kind != elf::ET_EXEC && kind != elf::ET_DYN {
        return Ok(Some(Outcome::Other));
    }
    let count = header.e_phnum(endian);
    if count == 0
        || count > MOST_SEGMENTS
        || header.e_phentsize(endian) as usize != size_of::<Elf::ProgramHeader>()
    {
        return Ok(None);
    }
    let Some(raw) = table::<Elf::ProgramHeader>(file, header.e_phoff(endian).into(), count)? else {
        return Ok(None);
    };
    let segments: Vec<Segment> = raw
        .iter()
        .map(|segment| Segment {
            kind: segment.p_type(endian),
            flags: segment.p_flags(endian),
            offset: segment.p_offset(endian).into(),
            address: segment.p_vaddr(endian).into(),
            size: segment.p_filesz(endian).into(),
        })
        .collect();
    let inside = segments.iter().all(|segment| segment.size == 0 || file.holds(segment.offset, segment.size));
    if !inside || !segments.iter().any(|segment| segment.kind == elf::PT_LOAD) {
        return Ok(None);
    }
    let Some(sections) = sections(file, &header, endian)? else { return Ok(None) };
    let wide = header.is_type_64();
    let machine = Machine::of_elf(header.e_machine(endian).0, wide, endian == Endianness::Big);
    Ok(Some(Outcome::Program(Program { machine, wide, endian, segments, sections })))
}

/// The sections; nothing where their table is not as it must be.
fn sections<Elf: FileHeader<Endian = Endianness>>(
    file: &mut Bounded<'_, impl Read + Seek>,
    header: &Elf,
    endian: Endianness,
) -> Result<Option<Vec<Section>>, ScanError> {
    let (offset, count) = (header.e_shoff(endian).into(), header.e_shnum(endian));
    if offset == 0 {
        return Ok(Some(Vec::new()));
    }
    // A count of 0 with a table says that there are more than 65,279 sections.
    if count == 0
        || count > MOST_SECTIONS
        || header.e_shentsize(endian) as usize != size_of::<Elf::SectionHeader>()
    {
        return Ok(None);
    }
    let Some(raw) = table::<Elf::SectionHeader>(file, offset, count)? else { return Ok(None) };
    let inside = raw.iter().all(|section| {
        let empty = [elf::SHT_NOBITS, elf::SHT_NULL].contains(&section.sh_type(endian));
        empty || file.holds(section.sh_offset(endian).into(), section.sh_size(endian).into())
    });
    if !inside {
        return Ok(None);
    }
    let names = match raw.get(usize::from(header.e_shstrndx(endian).0)) {
        Some(names) => file.read(names.sh_offset(endian).into(), names.sh_size(endian).into(), MOST_NAMES)?,
        None => None,
    };
    let Some(names) = names else { return Ok(None) };
    let name = |start: u32| {
        let name = names.get(start as usize..).unwrap_or_default();
        // The longest name that is asked for has 17 bytes; a hostile table could make each name the whole of it.
        name.iter().take(32).copied().take_while(|byte| *byte != 0).collect()
    };
    let sections = raw.iter().map(|section| Section {
        name: name(section.sh_name(endian)),
        kind: section.sh_type(endian),
        offset: section.sh_offset(endian).into(),
        size: section.sh_size(endian).into(),
    });
    Ok(Some(sections.collect()))
}

/// `count` records at `offset`.
fn table<T: Pod>(
    file: &mut Bounded<'_, impl Read + Seek>,
    offset: u64,
    count: u16,
) -> Result<Option<Vec<T>>, ScanError> {
    let count = usize::from(count);
    let size = count * size_of::<T>();
    let Some(bytes) = file.read(offset, size as u64, size)? else { return Ok(None) };
    Ok(pod::slice_from_bytes::<T>(&bytes, count).ok().map(|(records, _)| records.to_vec()))
}

/// The entries of the dynamic table, each a tag and its value; none where there is no such table.
pub(super) fn dynamic(
    file: &mut Bounded<'_, impl Read + Seek>,
    program: &Program,
) -> Result<Vec<(elf::DynamicTag, u64)>, ScanError> {
    if program.wide {
        entries::<elf::FileHeader64<Endianness>>(file, program)
    } else {
        entries::<elf::FileHeader32<Endianness>>(file, program)
    }
}

fn entries<Elf: FileHeader<Endian = Endianness>>(
    file: &mut Bounded<'_, impl Read + Seek>,
    program: &Program,
) -> Result<Vec<(elf::DynamicTag, u64)>, ScanError> {
    let Some(segment) = program.segments.iter().find(|segment| segment.kind == elf::PT_DYNAMIC) else {
        return Ok(Vec::new());
    };
    let count = (segment.size / size_of::<Elf::Dyn>() as u64).min(MOST_DYNAMIC);
    let entries = table::<Elf::Dyn>(file, segment.offset, count as u16)?.unwrap_or_default();
    let endian = program.endian;
    let entries = entries.iter().map(|entry| (entry.d_tag(endian), entry.d_val(endian).into()));
    Ok(entries.take_while(|(tag, _)| *tag != elf::DT_NULL).collect())
}

/// The value of the first entry with this tag.
pub(super) fn value(entries: &[(elf::DynamicTag, u64)], tag: elf::DynamicTag) -> Option<u64> {
    entries.iter().find(|(found, _)| *found == tag).map(|(_, value)| *value)
}

/// The address that the loader will write at `address` in a position independent program, by its relative relocations.
pub(super) fn relocated(
    file: &mut Bounded<'_, impl Read + Seek>,
    program: &Program,
    address: u64,
) -> Result<Option<u64>, ScanError> {
    // Without explicit addends the value stands in place.
    if !program.wide {
        return Ok(None);
    }
    let endian = program.endian;
    let entries = dynamic(file, program)?;
    let (Some(start), Some(size)) = (value(&entries, elf::DT_RELA), value(&entries, elf::DT_RELASZ)) else {
        return Ok(None);
    };
    let Some((mut offset, available)) = program.locate(start) else { return Ok(None) };
    let record = size_of::<elf::Rela64<Endianness>>() as u64;
    let mut left = size.min(available).min(MOST_RELOCATIONS) / record;
    while left > 0 {
        let count = left.min(2048);
        let Some(records) = table::<elf::Rela64<Endianness>>(file, offset, count as u16)? else {
            return Ok(None);
        };
        // A relative relocation, whatever its number on this machine, is one without a symbol.
        if let Some(found) =
            records.iter().find(|r| r.r_offset(endian) == address && r.r_sym(endian, false) == 0)
        {
            return Ok(u64::try_from(found.r_addend(endian)).ok());
        }
        offset += count * record;
        left -= count;
    }
    Ok(None)
}
