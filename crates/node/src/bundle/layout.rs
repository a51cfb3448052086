//! How a bundle lies in its file: `bundle.json`, then `packages/…` in the order of the document, then two empty blocks. Nothing
//! in it depends on who made it, where or when.

use kernmend_core::document::Document;
use kernmend_core::document::bundle::Bundle;
use tar::{EntryType, Header};

/// The first member.
pub(super) const DOCUMENT: &str = "bundle.json";

/// A block of a tar archive.
pub(super) const BLOCK: u64 = 512;

/// Two empty blocks end an archive.
pub(super) const END: u64 = 2 * BLOCK;

/// A member's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Its name in the archive.
    pub(super) name: String,
    /// Bytes of its content.
    pub(super) size: u64,
    /// Where its head is.
    pub(super) at: u64,
}

impl Member {
    /// Its head. None where its name or size doesn't fit there.
    pub(super) fn head(&self) -> Option<[u8; BLOCK as usize]> {
        let mut header = Header::new_ustar();
        header.set_path(&self.name).ok()?;
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(self.size);
        header.set_cksum();
        Some(*header.as_bytes())
    }

    /// Where its content is.
    pub(super) const fn content(&self) -> u64 {
        self.at + BLOCK
    }

    /// Zeros behind its content.
    pub(super) const fn padding(&self) -> u64 {
        self.size.wrapping_neg() % BLOCK
    }

    /// Where the next member's head is.
    pub(super) const fn end(&self) -> u64 {
        self.content() + self.size + self.padding()
    }
}

/// The document as it stands in the file.
pub(super) fn document(document: &Document<Bundle>) -> String {
    document.to_json() + "\n"
}

/// The members: the document of `size` bytes, and its packages.
pub(super) fn members(bundle: &Bundle, size: u64) -> Vec<Member> {
    let mut members = vec![Member { name: DOCUMENT.to_owned(), size, at: 0 }];
    let mut at = members[0].end();
    for package in &bundle.packages {
        let member = Member { name: format!("packages/{}", package.file), size: package.size, at };
        at = member.end();
        members.push(member);
    }
    members
}
