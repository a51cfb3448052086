//! What a program's tables ask of a machine: processor, loader, and the versions of the C library that its dynamic
//! linker looks for. They are read as the loader finds them, by segments alone: sections can be stripped.

use std::io::{Read, Seek};

use kernmend_core::program::{Demands, Glibc};
use object::elf;

use super::elf::{Program, dynamic, value};
use super::{Bounded, ScanError};

/// A path; Linux's own bound is `PATH_MAX`.
const MOST_INTERPRETER: usize = 4096;
/// Libraries that versions are asked of, and versions of all of them together: a program has a dozen of each.
const MOST_LIBRARIES: u64 = 256;
const MOST_VERSIONS: usize = 1024;
/// The longest name that is of use has 17 bytes.
const MOST_NAME: u64 = 32;

/// The demands of a program; nothing where its tables contradict themselves.
pub(super) fn read(
    file: &mut Bounded<'_, impl Read + Seek>,
    program: &Program,
) -> Result<Option<Demands>, ScanError> {
    let interpreter = match program.segments.iter().find(|segment| segment.kind == elf::PT_INTERP) {
        None => None,
        Some(segment) => {
            let Some(bytes) = file.read(segment.offset, segment.size, MOST_INTERPRETER)? else {
                return Ok(None);
            };
            let path = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
            Some(String::from_utf8_lossy(path).into_owned())
        }
    };
    let Some(names) = versions(file, program)? else { return Ok(None) };
    let glibc = names.iter().filter_map(|name| Glibc::of_symbol_version(name)).max();
    Ok(Some(Demands { machine: program.machine, interpreter, glibc }))
}

/// The names of the versions that a program asks of its libraries (`Elfxx_Verneed` of the System V ABI's supplement on
/// symbol versions, the same for both classes); nothing where the table isn't as it must be.
fn versions(
    file: &mut Bounded<'_, impl Read + Seek>,
    program: &Program,
) -> Result<Option<Vec<String>>, ScanError> {
    let entries = dynamic(file, program)?;
    let Some(table) = value(&entries, elf::DT_VERNEED) else { return Ok(Some(Vec::new())) };
    let (Some(count), Some(strings)) = (value(&entries, elf::DT_VERNEEDNUM), value(&entries, elf::DT_STRTAB))
    else {
        return Ok(None);
    };
    let endian = program.endian;
    let mut found = Vec::new();
    let mut at = table;
    for _ in 0..count.min(MOST_LIBRARIES) {
        let Some(library) = record::<elf::Verneed<_>>(file, program, at)? else { return Ok(None) };
        let mut version_at = at.checked_add(library.vn_aux.get(endian).into());
        for _ in 0..library.vn_cnt.get(endian) {
            let version = match version_at {
                Some(at) if found.len() < MOST_VERSIONS => record::<elf::Vernaux<_>>(file, program, at)?,
                _ => None,
            };
            let Some(version) = version else { return Ok(None) };
            let name = strings.checked_add(version.vna_name.get(endian).into());
            let Some(name) = name.map(|name| text(file, program, name)).transpose()?.flatten() else {
                return Ok(None);
            };
            found.push(name);
            let next = u64::from(version.vna_next.get(endian));
            version_at = version_at.and_then(|at| at.checked_add(next));
        }
        let Some(next) = at.checked_add(library.vn_next.get(endian).into()) else { return Ok(None) };
        at = next;
    }
    Ok(Some(found))
}

/// One record at an address.
fn record<T: object::pod::Pod>(
    file: &mut Bounded<'_, impl Read + Seek>,
    program: &Program,
    address: u64,
) -> Result<Option<T>, ScanError> {
    let size = size_of::<T>() as u64;
    let Some((offset, available)) = program.locate(address) else { return Ok(None) };
    if available < size {
        return Ok(None);
    }
    let bytes = file.read(offset, size, size_of::<T>())?;
    Ok(bytes.and_then(|bytes| object::pod::from_bytes::<T>(&bytes).ok().map(|(record, _)| *record)))
}

/// The beginning of the text at an address.
fn text(
    file: &mut Bounded<'_, impl Read + Seek>,
    program: &Program,
    address: u64,
) -> Result<Option<String>, ScanError> {
    let Some((offset, available)) = program.locate(address) else { return Ok(None) };
    let bytes = file.read(offset, available.min(MOST_NAME), MOST_NAME as usize)?;
    let text = |bytes: Vec<u8>| {
        String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
    };
    Ok(bytes.map(text))
}
