//! Reads one program file once: its digest, the markers in it, and what its ELF tables and its Go build information
//! say. It judges nothing (`kernmend_core::program` does), opens nothing, and keeps no more of a file than a chunk: a
//! kubelet has 150 MB. A hostile file makes it say less, never fail, and never allocate by the file's own word.

mod demands;
mod elf;
mod go;

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, Input, MatchKind};
use kernmend_core::document::Digest;
use kernmend_core::program::{Content, Extent, Form, GoSigns, Marker, Markers};
use sha2::{Digest as _, Sha256};

/// Bytes that are read at a time: few enough to stay in the processor's cache between hashing and searching.
const CHUNK: usize = 256 * 1024;

/// What one file holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[must_use = "a scan reads the whole file"]
pub struct MarkerScan {
    /// The digest of the file; nothing where it is longer than the limit.
    pub digest: Option<Digest>,
    /// Bytes that were hashed and searched.
    pub bytes: u64,
    /// What was seen, for [`kernmend_core::program::classify`].
    pub content: Content,
}

/// A file could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[error("read at byte {offset}")]
pub struct ScanError {
    /// Where.
    pub offset: u64,
    /// What the system says.
    #[source]
    pub source: io::Error,
}

/// Longer than any program of this kind; a kubelet has 150 MB.
pub const MOST_BYTES: u64 = 1 << 30;

/// Scans a file, at most `limit_bytes` of it, from its beginning wherever it stands.
///
/// Memory is bounded by a chunk of 256 KiB, the ELF tables (at most 1 MiB) and the Go build information (at most
/// 2 MiB), whatever the file says of itself.
///
/// # Errors
///
/// Where a read or a seek fails. A file that is cut or malformed is no error: its [`Form`] says so.
pub fn scan(file: &mut (impl Read + Seek), limit_bytes: u64) -> Result<MarkerScan, ScanError> {
    let length = file.seek(SeekFrom::End(0)).map_err(|source| ScanError { offset: 0, source })?;
    file.seek(SeekFrom::Start(0)).map_err(|source| ScanError { offset: 0, source })?;
    let pass = pass(file, limit_bytes)?;

    // A file that grows or shrinks under the scan is taken for what was searched of it.
    let length = if pass.whole { pass.bytes } else { length };
    let mut bounded = Bounded { file, length, limit: limit_bytes };
    let outline = elf::outline(&mut bounded)?;
    let mut signs = GoSigns { function_table: pass.function_table, ..GoSigns::default() };
    let (form, build_info, demands) = match outline {
        elf::Outcome::Other => (Form::Other, None, None),
        elf::Outcome::Damaged => (Form::Damaged, None, None),
        elf::Outcome::Program(program) => {
            signs.build_id = go::has_build_id(&mut bounded, &program)?;
            let found = go::build_info(&mut bounded, &program)?;
            signs.build_info = found.header;
            let form = if program.sections.is_empty() { Form::Bare } else { Form::Program };
            (form, found.info, demands::read(&mut bounded, &program)?)
        }
    };
    Ok(MarkerScan {
        digest: pass.whole.then_some(pass.digest),
        bytes: pass.bytes,
        content: Content {
            markers: pass.markers,
            extent: if pass.whole { Extent::Whole } else { Extent::Beginning },
            form,
            go: signs,
            build_info,
            demands,
        },
    })
}

struct Pass {
    digest: Digest,
    bytes: u64,
    whole: bool,
    markers: Markers,
    function_table: bool,
}

/// The one pass over all bytes.
fn pass(file: &mut impl Read, limit: u64) -> Result<Pass, ScanError> {
    // The end of the chunk before, so that what lies across the border is seen, and the chunk. Chunks begin at multiples
    // of their size, so with this a place in the buffer is aligned to words as it is in the file.
    let carry = (AUTOMATON.max_pattern_len() - 1).next_multiple_of(4);
    let mut buffer = vec![0; carry + CHUNK];
    let mut carried = 0;
    let mut hasher = Sha256::new();
    let mut found = Pass {
        digest: Digest::from_bytes([0; 32]),
        bytes: 0,
        whole: false,
        markers: Markers::default(),
        function_table: false,
    };
    loop {
        let left = usize::try_from(limit - found.bytes).unwrap_or(usize::MAX).min(CHUNK);
        let read = fill(file, &mut buffer[carry..carry + left], found.bytes)?;
        hasher.update(&buffer[carry..carry + read]);
        let fresh = &buffer[carry - carried..carry + read];
        found.function_table = found.function_table || go::has_function_table(fresh);
        search(fresh, &mut found.markers);
        found.bytes += read as u64;
        if read < left {
            found.whole = true;
        } else if found.bytes == limit {
            found.whole = fill(file, &mut [0], found.bytes)? == 0;
        } else {
            carried = carry;
            buffer.copy_within(read..read + carry, 0);
            continue;
        }
        found.digest = Digest::from_bytes(hasher.finalize().into());
        return Ok(found);
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut impl Read, buffer: &mut [u8], offset: u64) -> Result<usize, ScanError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(ScanError { offset: offset + filled as u64, source }),
        }
    }
    Ok(filled)
}

static AUTOMATON: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostFirst)
        .build(Marker::ALL.map(Marker::needle))
        .expect("seventeen short patterns are far below the automaton's limits")
});

/// Looks for all markers at once. The next search begins one byte after a match's first, since markers overlap: the
/// path of a source file begins within that of its directory. None is the beginning of another, so none hides one.
fn search(haystack: &[u8], found: &mut Markers) {
    let mut start = 0;
    while let Some(hit) = AUTOMATON.find(Input::new(haystack).range(start..)) {
        found.insert(Marker::ALL[hit.pattern().as_usize()]);
        start = hit.start() + 1;
    }
}

/// A file whose reads are bounded: by its length, and by what the caller is willing to hold.
struct Bounded<'f, F> {
    file: &'f mut F,
    length: u64,
    limit: u64,
}

impl<F: Read + Seek> Bounded<'_, F> {
    /// Whether all of a range lies in the file.
    fn holds(&self, offset: u64, size: u64) -> bool {
        offset.checked_add(size).is_some_and(|end| end <= self.length)
    }

    /// Exactly `size` bytes at `offset`; nothing where the file doesn't hold them or they are more than `most`.
    fn read(&mut self, offset: u64, size: u64, most: usize) -> Result<Option<Vec<u8>>, ScanError> {
        let Some(size) = usize::try_from(size).ok().filter(|size| *size <= most) else { return Ok(None) };
        if !self.holds(offset, size as u64) {
            return Ok(None);
        }
        self.file.seek(SeekFrom::Start(offset)).map_err(|source| ScanError { offset, source })?;
        let mut bytes = vec![0; size];
        let read = fill(self.file, &mut bytes, offset)?;
        Ok((read == size).then_some(bytes))
    }
}

#[cfg(test)]
mod tests;
