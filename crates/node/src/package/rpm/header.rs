//! A header of an RPM package: an index of tags, and a store that their values lie in. Its numbers come from outside: none
//! leads out of the store, and no room is made on its word.

use std::collections::BTreeMap;

use super::super::{ReadPackageError, Source};

/// The first bytes, with the version.
const MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];

/// Tags in one header, as rpm limits them (`HEADER_TAGS_MAX`).
const MAX_TAGS: usize = 0xffff;

/// Bytes of a store. rpm takes 256 MiB; the header of the largest package of a kernel has 10.
const MAX_STORE: usize = 64 << 20;

/// Entries of one array.
const MAX_COUNT: usize = 1 << 20;

/// Bytes of an index entry.
const ENTRY: usize = 16;

/// Types of values (`rpmTagType`).
const INT8: u32 = 2;
const INT16: u32 = 3;
const INT32: u32 = 4;
const INT64: u32 = 5;
const STRING: u32 = 6;
const BINARY: u32 = 7;
const STRINGS: u32 = 8;
const TRANSLATED: u32 = 9;

/// A header.
pub(super) struct Header {
    index: BTreeMap<u32, Value>,
    store: Vec<u8>,
}

/// Where a value is.
struct Value {
    kind: u32,
    offset: usize,
    count: usize,
}

impl Header {
    /// Reads a header, and gives its bytes too.
    pub(super) fn read(
        source: &mut Source<'_>,
        part: &'static str,
    ) -> Result<(Self, Vec<u8>), ReadPackageError> {
        let broken = |detail: &str| ReadPackageError::Broken { part, detail: detail.to_owned() };
        let start: [u8; ENTRY] = source.array(part)?;
        if !start.starts_with(&MAGIC) {
            return Err(broken("it doesn't begin as one"));
        }
        let (tags, size) = (word(&start, 8), word(&start, 12));
        if tags > MAX_TAGS || size > MAX_STORE {
            return Err(ReadPackageError::TooLarge("header"));
        }
        let mut bytes = start.to_vec();
        bytes.extend(source.bytes(tags * ENTRY + size, part)?);
        let (index, store) = bytes[ENTRY..].split_at(tags * ENTRY);
        let entry = |entry: &[u8]| {
            let value = Value { kind: word32(entry, 4), offset: word(entry, 8), count: word(entry, 12) };
            (word32(entry, 0), value)
        };
        let header = Self { index: index.chunks_exact(ENTRY).map(entry).collect(), store: store.to_vec() };
        if header.index.values().any(|value| value.offset > size || value.count > MAX_STORE) {
            return Err(broken("a value lies behind its end"));
        }
        Ok((header, bytes))
    }

    fn value(&self, tag: u32, kinds: &[u32]) -> Option<(&Value, &[u8])> {
        let value = self.index.get(&tag).filter(|value| kinds.contains(&value.kind))?;
        Some((value, self.store.get(value.offset..)?))
    }

    /// A text, or the first of several.
    pub(super) fn string(&self, tag: u32) -> Option<String> {
        self.strings(tag).into_iter().next()
    }

    /// Texts; none where the tag isn't there. Those that the store hasn't are left out.
    pub(super) fn strings(&self, tag: u32) -> Vec<String> {
        let Some((value, bytes)) = self.value(tag, &[STRING, STRINGS, TRANSLATED]) else { return Vec::new() };
        let count = if value.kind == STRING { 1 } else { value.count.min(MAX_COUNT) };
        let mut texts = bytes.split(|byte| *byte == 0);
        // What comes behind the last zero is no text.
        let ended = bytes.iter().filter(|byte| **byte == 0).take(count).count();
        (0..ended).filter_map(|_| Some(String::from_utf8_lossy(texts.next()?).into_owned())).collect()
    }

    /// Numbers of any width; none where the tag isn't there.
    pub(super) fn numbers(&self, tag: u32) -> Vec<u64> {
        let Some((value, bytes)) = self.value(tag, &[INT8, INT16, INT32, INT64]) else { return Vec::new() };
        let width = match value.kind {
            INT8 => 1,
            INT16 => 2,
            INT32 => 4,
            _ => 8,
        };
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        bytes.chunks_exact(width).take(value.count.min(MAX_COUNT)).map(number).collect()
    }

    /// A number, or the first of several.
    pub(super) fn number(&self, tag: u32) -> Option<u64> {
        self.numbers(tag).into_iter().next()
    }

    /// Bytes.
    pub(super) fn binary(&self, tag: u32) -> Option<&[u8]> {
        let (value, bytes) = self.value(tag, &[BINARY])?;
        bytes.get(..value.count)
    }
}

fn word32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn word(bytes: &[u8], at: usize) -> usize {
    usize::try_from(word32(bytes, at)).unwrap_or(usize::MAX)
}
