//! Reads a bbolt database, such as containerd keeps its records in, a page at a time: it can have hundreds of megabytes, of
//! which a few pages are wanted. It takes no lock, since its owner holds one for as long as it runs.
//!
//! The layout is that of `page.go`, `bucket.go` and `db.go` in go.etcd.io/bbolt. A page that the last transaction reaches is
//! written over by the second transaction after it at the earliest, so what was read is whole if none has been made
//! meanwhile. A hostile file makes it say less, never fail, and never allocate by the file's own word.

use std::io::{self, Read, Seek, SeekFrom};

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;

/// Sizes of a page: that of the machine on which the database was made.
const PAGE_SIZES: [u64; 5] = [4096, 8192, 16_384, 32_768, 65_536];

/// The head of a page, and each of the elements behind it.
const HEAD: usize = 16;

/// Flags of a page.
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;

/// The flag of an element that holds a bucket.
const BUCKET: u32 = 0x01;

/// The head of a bucket; one without a page of its own has its page behind it.
const BUCKET_HEAD: usize = 16;

/// Bytes that are read of one database.
const MAX_BYTES: u64 = 64 << 20;
/// Bytes of one page with those that overflow from it.
const MAX_PAGE: u64 = 4 << 20;
/// How deep branches are followed; a million entries make five levels.
const MAX_DEPTH: u32 = 16;

/// A bucket: where its page is, or the page itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bucket {
    At(u64),
    Inline(Vec<u8>),
}

/// What stands in a bucket under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Bucket(Bucket),
    Value(Vec<u8>),
}

/// A database as the last transaction left it.
pub(super) struct Database<'f, F> {
    file: &'f mut F,
    page_size: u64,
    root: u64,
    transaction: u64,
    left: u64,
}

/// What the newer of the two heads of a database says.
struct Meta {
    page_size: u64,
    root: u64,
    transaction: u64,
}

impl<'f, F: Read + Seek> Database<'f, F> {
    /// Opens it; nothing where the file is no such database.
    pub(super) fn open(file: &'f mut F) -> io::Result<Option<Self>> {
        let meta = newest_meta(file)?;
        Ok(meta.map(|Meta { page_size, root, transaction }| Self {
            file,
            page_size,
            root,
            transaction,
            left: MAX_BYTES,
        }))
    }

    /// The bucket that holds all others.
    pub(super) fn root(&self) -> Bucket {
        Bucket::At(self.root)
    }

    /// Whether no transaction was made since it was opened.
    pub(super) fn is_unchanged(&mut self) -> io::Result<bool> {
        Ok(newest_meta(self.file)?.is_some_and(|meta| meta.transaction == self.transaction))
    }

    /// The bucket of this name in a bucket.
    pub(super) fn bucket(&mut self, parent: &Bucket, name: &str) -> io::Result<Option<Bucket>> {
        let mut found = None;
        self.each(parent, &mut |_, key, entry| {
            if let Entry::Bucket(bucket) = entry
                && key == name.as_bytes()
            {
                found = Some(bucket);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Calls `visit` with each entry of a bucket.
    pub(super) fn each(&mut self, bucket: &Bucket, visit: Visit<'_, 'f, F>) -> io::Result<()> {
        match bucket {
            Bucket::At(page) => self.walk(*page, MAX_DEPTH, visit),
            Bucket::Inline(page) => self.leaf(page, visit),
        }
    }

    fn walk(&mut self, page: u64, depth: u32, visit: Visit<'_, 'f, F>) -> io::Result<()> {
        let Some(below) = depth.checked_sub(1) else { return Ok(()) };
        let Some(page) = self.page(page)? else { return Ok(()) };
        match u16_at(&page, 8) {
            Some(LEAF) => self.leaf(&page, visit),
            Some(BRANCH) => {
                for at in elements(&page) {
                    if let Some(child) = u64_at(&page, at + 8) {
                        self.walk(child, below, visit)?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn leaf(&mut self, page: &[u8], visit: Visit<'_, 'f, F>) -> io::Result<()> {
        for at in elements(page) {
            let Some((flags, key, value)) = element(page, at) else { continue };
            let entry = if flags & BUCKET == 0 {
                Entry::Value(value.to_vec())
            } else {
                match u64_at(value, 0) {
                    Some(0) => {
                        Entry::Bucket(Bucket::Inline(value.get(BUCKET_HEAD..).unwrap_or_default().to_vec()))
                    }
                    Some(page) => Entry::Bucket(Bucket::At(page)),
                    None => continue,
                }
            };
            visit(self, key, entry)?;
        }
        Ok(())
    }

    /// A page with those that overflow from it; nothing where it is beyond the end or the bounds.
    fn page(&mut self, number: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(offset) = number.checked_mul(self.page_size) else { return Ok(None) };
        let mut head = [0; HEAD];
        if !fill(self.file, offset, &mut head)? {
            return Ok(None);
        }
        let overflow = u32_at(&head, 12).unwrap_or(0);
        let size = (u64::from(overflow) + 1).saturating_mul(self.page_size);
        let left = self.left.checked_sub(size).filter(|_| size <= MAX_PAGE);
        let (Some(left), Ok(length)) = (left, usize::try_from(size)) else { return Ok(None) };
        self.left = left;
        let mut page = vec![0; length];
        Ok(fill(self.file, offset, &mut page)?.then_some(page))
    }
}

/// What is called with each entry of a bucket: the database, to look further, the name and the entry.
pub(super) type Visit<'v, 'f, F> = &'v mut dyn FnMut(&mut Database<'f, F>, &[u8], Entry) -> io::Result<()>;

/// Reads exactly as much as fits; whether there was as much.
fn fill(file: &mut (impl Read + Seek), offset: u64, buffer: &mut [u8]) -> io::Result<bool> {
    file.seek(SeekFrom::Start(offset))?;
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The newer head that is whole. The first is at the beginning, the second one page further.
fn newest_meta(file: &mut (impl Read + Seek)) -> io::Result<Option<Meta>> {
    let mut newest: Option<Meta> = None;
    for offset in [0].into_iter().chain(PAGE_SIZES) {
        let mut page = [0; META_END];
        if !fill(file, offset, &mut page)? {
            break;
        }
        let meta = meta(&page).filter(|meta| offset == 0 || meta.page_size == offset);
        if let Some(meta) =
            meta.filter(|meta| newest.as_ref().is_none_or(|old| meta.transaction > old.transaction))
        {
            newest = Some(meta);
        }
    }
    Ok(newest)
}

/// Where a head ends: behind its checksum.
const META_END: usize = HEAD + 64;

/// Magic, version, size of a page, flags, root with its sequence, free list, end, transaction, and the checksum of these.
fn meta(page: &[u8]) -> Option<Meta> {
    let body = page.get(HEAD..META_END)?;
    let is_one = u32_at(body, 0)? == MAGIC && u32_at(body, 4)? == VERSION;
    let page_size = u64::from(u32_at(body, 8)?);
    let is_whole = u64_at(body, 56)? == fnv1a(body.get(..56)?);
    let known = is_one && is_whole && PAGE_SIZES.contains(&page_size);
    known.then_some(Meta { page_size, root: u64_at(body, 16)?, transaction: u64_at(body, 48)? })
}

/// FNV-1a of 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Where the elements of a page are, as far as they lie in it.
fn elements(page: &[u8]) -> impl Iterator<Item = usize> + use<> {
    let count = usize::from(u16_at(page, 10).unwrap_or(0));
    let fit = page.len().saturating_sub(HEAD) / HEAD;
    (0..count.min(fit)).map(|index| HEAD + index * HEAD)
}

/// Flags, name and value of an element of a leaf.
fn element(page: &[u8], at: usize) -> Option<(u32, &[u8], &[u8])> {
    let number = |offset| usize::try_from(u32_at(page, at + offset)?).ok();
    let key = at.checked_add(number(4)?)?;
    let value = key.checked_add(number(8)?)?;
    let end = value.checked_add(number(12)?)?;
    Some((u32_at(page, at)?, page.get(key..value)?, page.get(value..end)?))
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes_at(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes_at(bytes, at).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    /// A database that containerd 1.6.20 wrote.
    fn database() -> Vec<u8> {
        let packed: &[u8] = include_bytes!("../../tests/facts/containerd-1.6.20-meta.db.gz");
        let mut bytes = Vec::new();
        GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Goes through all buckets, each once more than they are deep; gives the number of entries.
    fn walked(bytes: Vec<u8>) -> io::Result<usize> {
        fn below<F: Read + Seek>(
            database: &mut Database<'_, F>,
            bucket: &Bucket,
            depth: u8,
        ) -> io::Result<usize> {
            let (mut count, mut buckets) = (0, Vec::new());
            database.each(bucket, &mut |_, _, entry| {
                count += 1;
                if let Entry::Bucket(bucket) = entry {
                    buckets.push(bucket);
                }
                Ok(())
            })?;
            for bucket in buckets.into_iter().filter(|_| depth > 0) {
                count += below(database, &bucket, depth - 1)?;
            }
            Ok(count)
        }
        let mut file = Cursor::new(bytes);
        let Some(mut database) = Database::open(&mut file)? else { return Ok(0) };
        let root = database.root();
        below(&mut database, &root, 6)
    }

    #[test]
    fn the_seed_is_read_to_its_end() {
        assert!(walked(database()).unwrap() > 100);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        /// Any answer is one, and so is any error: no panic, no loop without an end.
        #[test]
        fn a_damaged_database_is_read_or_refused(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
            length in any::<prop::sample::Index>(),
            is_cut in any::<bool>(),
        ) {
            let mut bytes = database();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if is_cut {
                bytes.truncate(length.index(bytes.len()));
            }
            let _ = walked(bytes);
        }
    }
}
