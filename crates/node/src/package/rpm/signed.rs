//! The signatures of an RPM package: over its header, which stands for the payload where it holds a digest of that, and over
//! header and payload, as rpm of EL7 made them. Which keys are trusted is for the caller to say.

use sha2::digest::DynDigest;

use super::super::ReadPackageError;
use super::super::openpgp::{Keyring, Signature};
use super::header::Header;
use super::signature::{OF_ALL, OF_HEADER};

/// The signatures of a package.
pub(super) struct Signatures {
    over_header: Vec<Signature>,
    over_all: Vec<Signature>,
    /// Whether the header stands for the payload.
    is_header_enough: bool,
    /// Whether anybody asks for them.
    is_asked: bool,
}

impl Signatures {
    pub(super) fn of(signatures: &Header, keyring: &Keyring, is_header_enough: bool) -> Self {
        let found = |tags: [u32; 2]| {
            let packets = tags.into_iter().filter_map(|tag| signatures.binary(tag));
            packets.filter_map(Signature::of).collect()
        };
        let (over_header, over_all) = (found(OF_HEADER), found(OF_ALL));
        Self { over_header, over_all, is_header_enough, is_asked: !keyring.is_empty() }
    }

    /// The ids of the keys, each once.
    pub(super) fn keys(&self) -> Vec<String> {
        let all = self.over_header.iter().chain(&self.over_all);
        let mut keys: Vec<String> = all.map(|signature| signature.key().to_string()).collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// Hashers that have seen the header, for signatures over it alone.
    pub(super) fn of_header(&self, header: &[u8]) -> Vec<Box<dyn DynDigest>> {
        self.seen(&self.over_header, header)
    }

    /// Hashers that have seen the header and are to see the payload.
    pub(super) fn hashers(&self, header: &[u8]) -> Vec<Box<dyn DynDigest>> {
        self.seen(&self.over_all, header)
    }

    fn seen(&self, signatures: &[Signature], header: &[u8]) -> Vec<Box<dyn DynDigest>> {
        let asked = signatures.iter().filter(|_| self.is_asked);
        asked
            .filter_map(Signature::hasher)
            .map(|mut hasher| {
                hasher.update(header);
                hasher
            })
            .collect()
    }

    /// Checks the signatures by the hashers that were made for them: none of a key that is known may be wrong, and one must
    /// stand for all of the package.
    pub(super) fn check(
        &self,
        of_header: Vec<Box<dyn DynDigest>>,
        of_all: Vec<Box<dyn DynDigest>>,
        keyring: &Keyring,
    ) -> Result<(), ReadPackageError> {
        if !self.is_asked {
            return Ok(());
        }
        let mut stands = false;
        for (signatures, hashers, is_enough) in
            [(&self.over_header, of_header, self.is_header_enough), (&self.over_all, of_all, true)]
        {
            // Those of an algorithm that isn't trusted have no hasher.
            let hashed = signatures.iter().filter(|signature| signature.hasher().is_some());
            for (signature, hasher) in hashed.zip(hashers) {
                match signature.stands(hasher, keyring) {
                    Some(true) => stands |= is_enough,
                    Some(false) => return Err(ReadPackageError::WrongSignature(signature.key().to_string())),
                    None => {}
                }
            }
        }
        if stands { Ok(()) } else { Err(ReadPackageError::NotSigned { keys: self.keys() }) }
    }
}
