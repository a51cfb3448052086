//! OpenPGP as far as packages are signed with it (RFC 4880, RFC 9580): keys of RSA and DSA, signatures of version 3 and 4 over
//! documents. It makes none. A key that a person put into a keyring is trusted as it is: neither who signed it nor when it
//! ends is asked, and its subkeys, which anyone can add to a file, are passed over.

mod armor;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use dsa::signature::hazmat::PrehashVerifier as _;
use dsa::{Components, VerifyingKey};
use rsa::{BoxedUint, Pkcs1v15Sign, PublicKey};
use sha1::Sha1;
use sha2::digest::DynDigest;
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};

/// Files of a keyring.
const MAX_FILES: usize = 1000;

/// Bytes of a file of keys.
const MAX_FILE: u64 = 4 << 20;

/// Kinds of packets (RFC 9580, 5).
const SIGNATURE: u8 = 2;
const PUBLIC_KEY: u8 = 6;

/// Algorithms of keys (RFC 9580, 9.1); 3 is of RSA keys that only sign.
const RSA: [u8; 2] = [1, 3];
const DSA: u8 = 17;

/// Kinds of subpackets (RFC 9580, 5.2.3.7).
const ISSUER: u8 = 16;

/// The id of a key: the end of its fingerprint.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyId([u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why there is no keyring.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// A file or a directory can't be read.
    #[error("read `{path}`")]
    Read {
        /// Which.
        path: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// There is no key.
    #[error("`{0}` holds no OpenPGP key of RSA or DSA")]
    NoKey(String),
}

/// Keys that are trusted.
#[derive(Default)]
pub struct Keyring(Vec<Key>);

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| key.id.to_string())).finish()
    }
}

struct Key {
    id: KeyId,
    material: Material,
}

enum Material {
    Rsa(PublicKey),
    Dsa(VerifyingKey),
}

impl Keyring {
    /// The keys in a file, or in the files of a directory, armored or not. What is no key is passed over.
    ///
    /// # Errors
    /// Where the path can't be read, or there is no key.
    pub fn read(path: &Path) -> Result<Self, KeyringError> {
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |source| KeyringError::Read { path, source }
        };
        let mut files = vec![path.to_owned()];
        if fs::metadata(path).map_err(failed(path))?.is_dir() {
            let entries = fs::read_dir(path).map_err(failed(path))?.take(MAX_FILES);
            let paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>();
            files = paths.map_err(failed(path))?;
            files.retain(|file| file.is_file());
        }
        let mut keys = Vec::new();
        for file in files {
            let mut bytes = Vec::new();
            let opened = File::open(&file).map_err(failed(&file))?;
            opened.take(MAX_FILE).read_to_end(&mut bytes).map_err(failed(&file))?;
            keys.extend(keys_of(&bytes));
        }
        if keys.is_empty() {
            return Err(KeyringError::NoKey(path.display().to_string()));
        }
        Ok(Self(keys))
    }

    /// Whether there is none: then nothing is asked of signatures.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, id: KeyId) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }
}

/// The hasher of an algorithm by its number (RFC 9580, 9.5). None for one that nobody should trust, or that isn't known.
pub(super) fn hasher(algorithm: u8) -> Option<Box<dyn DynDigest>> {
    Some(match algorithm {
        2 => Box::<Sha1>::default(),
        8 => Box::<Sha256>::default(),
        9 => Box::<Sha384>::default(),
        10 => Box::<Sha512>::default(),
        11 => Box::<Sha224>::default(),
        _ => return None,
    })
}

/// The keys in a file.
fn keys_of(bytes: &[u8]) -> Vec<Key> {
    let blocks = armor::blocks(bytes).unwrap_or_else(|| vec![bytes.to_vec()]);
    let keys = |block: &Vec<u8>| {
        let packets = Packets(block);
        packets.filter(|(kind, _)| *kind == PUBLIC_KEY).filter_map(|(_, body)| key(body)).collect::<Vec<_>>()
    };
    blocks.iter().flat_map(keys).collect()
}

/// A key of version 4; those of version 3 are of before 1998.
fn key(body: &[u8]) -> Option<Key> {
    let [4, _, _, _, _, algorithm, numbers @ ..] = body else { return None };
    let mut numbers = Numbers(numbers);
    let mut number = || numbers.next().map(BoxedUint::from_be_slice_vartime);
    let material = if RSA.contains(algorithm) {
        Material::Rsa(PublicKey::new(number()?, number()?).ok()?)
    } else if *algorithm == DSA {
        let components = Components::from_components(number()?, number()?, number()?).ok()?;
        Material::Dsa(VerifyingKey::from_components(components, number()?).ok()?)
    } else {
        return None;
    };
    let len = u16::try_from(body.len()).ok()?.to_be_bytes();
    let fingerprint = Sha1::new().chain_update([0x99]).chain_update(len).chain_update(body).finalize();
    let id = KeyId(*fingerprint.last_chunk()?);
    Some(Key { id, material })
}

/// A signature, and how to make of a document what was signed.
pub(super) struct Signature {
    key: KeyId,
    hash: u8,
    /// What is hashed behind the document.
    trailer: Vec<u8>,
    numbers: Vec<Vec<u8>>,
}

impl Signature {
    /// The first signature over a document among packets. None where there is none that is understood.
    pub(super) fn of(packets: &[u8]) -> Option<Self> {
        let (_, body) = Packets(packets).find(|(kind, _)| *kind == SIGNATURE)?;
        let (key, hash, trailer, numbers) = match body {
            // Five bytes are hashed: what is signed, and when.
            [3, 5, 0, t0, t1, t2, t3, key @ ..] => {
                let (key, rest) = key.split_first_chunk::<8>()?;
                let [_, hash, _, _, numbers @ ..] = rest else { return None };
                (*key, *hash, vec![0, *t0, *t1, *t2, *t3], numbers)
            }
            [4, 0, _, hash, rest @ ..] => {
                let (hashed, rest) = counted(rest)?;
                let (unhashed, rest) = counted(rest)?;
                let [_, _, numbers @ ..] = rest else { return None };
                let mut subpackets = Subpackets(hashed).chain(Subpackets(unhashed));
                let issuer = subpackets.find(|(kind, _)| *kind == ISSUER)?.1;
                let head = &body[..6 + hashed.len()];
                let len = u32::try_from(head.len()).ok()?.to_be_bytes();
                (*issuer.first_chunk()?, *hash, [head, &[4, 0xff], &len].concat(), numbers)
            }
            _ => return None,
        };
        let numbers = Numbers(numbers).map(<[u8]>::to_vec).collect();
        Some(Self { key: KeyId(key), hash, trailer, numbers })
    }

    /// Whose it is.
    pub(super) const fn key(&self) -> KeyId {
        self.key
    }

    /// A hasher of the document. None where it is of an algorithm that nobody should trust, or that isn't known.
    pub(super) fn hasher(&self) -> Option<Box<dyn DynDigest>> {
        hasher(self.hash)
    }

    /// Whether it is of the document that the hasher has seen, by its key. None where the keyring hasn't that one.
    pub(super) fn stands(&self, mut hasher: Box<dyn DynDigest>, keyring: &Keyring) -> Option<bool> {
        let key = keyring.find(self.key)?;
        hasher.update(&self.trailer);
        let hash = hasher.finalize();
        Some(match (&key.material, &self.numbers[..]) {
            (Material::Rsa(key), [number]) => {
                use rsa::traits::PublicKeyParts as _;
                // Zeros at the beginning of a number aren't written.
                let mut padded = vec![0; key.size().saturating_sub(number.len())];
                padded.extend_from_slice(number);
                self.scheme().is_some_and(|scheme| key.verify(scheme, &hash, &padded).is_ok())
            }
            (Material::Dsa(key), [r, s]) => {
                let number = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(bytes);
                let signature = dsa::Signature::from_components(number(r), number(s));
                signature.is_some_and(|signature| key.verify_prehash(&hash, &signature).is_ok())
            }
            _ => false,
        })
    }

    fn scheme(&self) -> Option<Pkcs1v15Sign> {
        Some(match self.hash {
            2 => Pkcs1v15Sign::new::<Sha1>(),
            8 => Pkcs1v15Sign::new::<Sha256>(),
            9 => Pkcs1v15Sign::new::<Sha384>(),
            10 => Pkcs1v15Sign::new::<Sha512>(),
            11 => Pkcs1v15Sign::new::<Sha224>(),
            _ => return None,
        })
    }
}

/// Packets with their kinds, as far as they are whole.
struct Packets<'a>(&'a [u8]);

impl<'a> Iterator for Packets<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.0.split_first()?;
        let (kind, len, rest) = match head {
            0xc0.. => {
                let (len, rest) = length(rest)?;
                (head & 0x3f, len, rest)
            }
            0x80..0xc0 => {
                let (bytes, rest) = rest.split_at_checked(match head & 3 {
                    0 => 1,
                    1 => 2,
                    2 => 4,
                    _ => return None,
                })?;
                let len = bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
                (head >> 2 & 0x0f, len, rest)
            }
            _ => return None,
        };
        let (body, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((kind, body))
    }
}

/// A length of one, two or five bytes. None for packets in parts, which keys and signatures aren't.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [one @ 0..192, rest @ ..] => Some((usize::from(*one), rest)),
        [one @ 192..224, two, rest @ ..] => {
            Some((((usize::from(*one) - 192) << 8) + usize::from(*two) + 192, rest))
        }
        [255, a, b, c, d, rest @ ..] => {
            Some((usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).ok()?, rest))
        }
        _ => None,
    }
}

/// Subpackets with their kinds.
struct Subpackets<'a>(&'a [u8]);

impl<'a> Iterator for Subpackets<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        // Lengths of two bytes reach further here.
        let (len, rest) = match self.0 {
            [one @ 224..=254, two, rest @ ..] => {
                (((usize::from(*one) - 192) << 8) + usize::from(*two) + 192, rest)
            }
            bytes => length(bytes)?,
        };
        let (body, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        let (kind, body) = body.split_first()?;
        // The highest bit says that it must be understood.
        Some((kind & 0x7f, body))
    }
}

/// Bytes behind their number.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (count, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*count)))
}

/// Numbers of any length, each behind its number of bits.
struct Numbers<'a>(&'a [u8]);

impl<'a> Iterator for Numbers<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let (bits, rest) = self.0.split_first_chunk()?;
        let len = usize::from(u16::from_be_bytes(*bits)).div_ceil(8);
        let (number, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some(number)
    }
}

#[cfg(test)]
mod tests;
