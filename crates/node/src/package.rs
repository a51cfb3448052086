//! Packages as files: what one says of itself and what it holds, read in one pass and in bounded memory. Nothing is
//! unpacked to a disk, no script of a package runs, and what belongs to what is `kernmend_core::bundle`'s to say.

mod deb;
pub mod openpgp;
mod rpm;

use std::collections::BTreeSet;
use std::io::{self, Read};

use kernmend_core::bundle::contents::{Contents, Want};
use kernmend_core::bundle::{Offer, file_name, scriptlet};
use kernmend_core::document::Digest;
use kernmend_core::document::bundle::{Dependency, Family, Kind, Package, Relation, Scriptlet};
use sha2::digest::DynDigest;
use sha2::{Digest as _, Sha256};

use self::openpgp::Keyring;
use crate::collect::kernel::parse_options;
use crate::host::ReadArchiveError;

/// Longer packages aren't read: the largest of a kernel's own, that of its debug symbols, has about 1 GiB.
pub const MAX_SIZE: u64 = 4 << 30;

/// More files than any package of a kernel has; the sources have 90,000.
const MAX_FILES: usize = 500_000;

/// What is read at once.
const CHUNK: usize = 64 << 10;

/// Longer paths aren't paths (`PATH_MAX`).
const MAX_PATH: usize = 4096;

/// Why a file is no package that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadPackageError {
    /// It can't be read.
    #[error("read it")]
    Read(#[source] io::Error),
    /// It is something else.
    #[error("this is no RPM package and no Debian package")]
    NotAPackage,
    /// It ends too early.
    #[error("it is cut off in {part}")]
    Truncated {
        /// Where.
        part: &'static str,
    },
    /// A part isn't as the format has it.
    #[error("its {part} is broken: {detail}")]
    Broken {
        /// Which.
        part: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// A part isn't what the package itself says that it is.
    #[error("its {part} isn't what the {digest} in the package says")]
    WrongDigest {
        /// Which.
        part: String,
        /// What kind of digest.
        digest: &'static str,
    },
    /// Nothing in it tells whether it is whole.
    #[error("it holds no digest of its payload")]
    NoDigest,
    /// It is compressed in a way that isn't read.
    #[error("its payload is compressed with `{0}`, which isn't read")]
    Compression(String),
    /// It is longer, or holds more, than is read.
    #[error("it holds more than any package of a kernel: {0}")]
    TooLarge(&'static str),
    /// It isn't signed by who it says.
    #[error("it says that the key {0} signed it, and that isn't so")]
    WrongSignature(String),
    /// It isn't signed by a key that is trusted.
    #[error("it isn't signed with a key of the keyring, but {}", if keys.is_empty() { "not at all".to_owned() } else { format!("with {}", keys.join(", ")) })]
    NotSigned {
        /// The keys that it is signed with.
        keys: Vec<String>,
    },
    /// An archive in it.
    #[error("its {part}")]
    Archive {
        /// Which.
        part: &'static str,
        /// What is wrong.
        #[source]
        source: ReadArchiveError,
    },
}

/// Whether a file begins as a package does; [`START`] bytes tell.
#[must_use]
pub fn family_of(start: &[u8]) -> Option<Family> {
    if start.starts_with(&rpm::MAGIC) {
        return Some(Family::Rpm);
    }
    start.starts_with(deb::MAGIC).then_some(Family::Deb)
}

/// The bytes that tell a package.
pub const START: usize = 8;

/// Reads the package that was found as `name`. Nothing of it is left unread, so that its digest is of all. Where there are keys,
/// an RPM package must be signed with one of them.
///
/// # Errors
/// Where it isn't whole, isn't what it says that it is, or isn't a package.
pub fn read(name: &str, file: &mut dyn Read, keyring: &Keyring) -> Result<Offer, ReadPackageError> {
    let mut source = Source::new(file);
    let start: [u8; START] = source.array("its first bytes").map_err(|error| match error {
        ReadPackageError::Truncated { .. } => ReadPackageError::NotAPackage,
        error => error,
    })?;
    let family = family_of(&start).ok_or(ReadPackageError::NotAPackage)?;
    let said = match family {
        Family::Rpm => rpm::read(&start, &mut source, keyring)?,
        Family::Deb => deb::read(&mut source)?,
    };
    let broken = |detail: &str| ReadPackageError::Broken { part: "header", detail: detail.to_owned() };
    let file_name = file_name(family, &said.name, &said.version, &said.architecture)
        .ok_or_else(|| broken("its name, version or architecture is no plain word"))?;
    let package = Package {
        file: file_name,
        kind: if said.is_source { Kind::Source } else { said.contents.kind(&said.name) },
        digest: Digest::from_bytes(source.whole.finalize().into()),
        size: source.bytes,
        space: said.contents.space,
        name: said.name,
        version: said.version,
        architecture: said.architecture,
        vendor: said.vendor,
        requires: said.requires,
        provides: said.provides,
        conflicts: said.conflicts,
        replaces: said.replaces,
        scriptlets: said.scriptlets,
        signed_by: said.signed_by,
    };
    Ok(Offer { file: name.to_owned(), family, package, contents: said.contents })
}

/// What a package says of itself and holds.
#[derive(Debug, Default)]
struct Said {
    name: String,
    version: String,
    architecture: String,
    vendor: Option<String>,
    is_source: bool,
    requires: Vec<Dependency>,
    provides: Vec<Relation>,
    conflicts: Vec<Relation>,
    replaces: Vec<Relation>,
    scriptlets: Vec<Scriptlet>,
    signed_by: Vec<String>,
    contents: Contents,
}

/// The file of a package: whatever is read of it is hashed.
struct Source<'a> {
    file: &'a mut dyn Read,
    bytes: u64,
    whole: Sha256,
    /// Hashers of what is read from now on.
    more: Vec<Box<dyn DynDigest>>,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read(buffer)?;
        self.bytes += len as u64;
        if self.bytes > MAX_SIZE {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is longer than any package"));
        }
        sha2::Digest::update(&mut self.whole, &buffer[..len]);
        for hasher in &mut self.more {
            hasher.update(&buffer[..len]);
        }
        Ok(len)
    }
}

impl<'a> Source<'a> {
    fn new(file: &'a mut dyn Read) -> Self {
        Self { file, bytes: 0, whole: Sha256::new(), more: Vec::new() }
    }

    fn array<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N], ReadPackageError> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes).map_err(|error| failure(part, error))?;
        Ok(bytes)
    }

    /// So many bytes; room for them is made as they come.
    fn bytes(&mut self, count: usize, part: &'static str) -> Result<Vec<u8>, ReadPackageError> {
        let mut bytes = Vec::new();
        self.take(count as u64).read_to_end(&mut bytes).map_err(|error| failure(part, error))?;
        if bytes.len() < count { Err(ReadPackageError::Truncated { part }) } else { Ok(bytes) }
    }
}

/// What an error in reading a part means.
fn failure(part: &'static str, error: io::Error) -> ReadPackageError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadPackageError::Truncated { part },
        io::ErrorKind::FileTooLarge => ReadPackageError::TooLarge("it is longer than 4 GiB"),
        _ => ReadPackageError::Read(error),
    }
}

/// Reads to the end, and forgets it.
fn drain(reader: &mut dyn Read) -> io::Result<u64> {
    let mut buffer = vec![0; CHUNK];
    let mut bytes = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(len) => bytes += len as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The path of a file in a package, below the root. None where it leads out of it, or is none.
fn path_below_root(path: &str) -> Option<&str> {
    let path = path.strip_prefix('.').filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(path);
    let path = path.trim_start_matches('/');
    let is_plain = path.len() < MAX_PATH && !path.split('/').any(|part| matches!(part, ".." | "."));
    is_plain.then_some(path)
}

/// Hands over the content of a file that was asked for.
fn hand_over(
    contents: &mut Contents,
    path: &str,
    want: Want,
    size: u64,
    bytes: &[u8],
) -> Result<(), ReadPackageError> {
    if want != Want::Image && size > want.bytes() as u64 {
        return Err(ReadPackageError::TooLarge("a text that tells how its kernel was built is too long"));
    }
    match want {
        Want::Image => contents.image(path, bytes),
        Want::Configuration => {
            let text = String::from_utf8_lossy(bytes);
            // What a configuration doesn't speak of is no option of this kernel.
            let spoken: BTreeSet<&str> = text.lines().filter_map(option).collect();
            let mut options = parse_options(&text);
            options.retain(|name, _| spoken.contains(name.as_str()));
            contents.configuration(path, Digest::of(bytes), options);
        }
        Want::BuiltIn => contents.built_in(path, &String::from_utf8_lossy(bytes)),
    }
    Ok(())
}

/// The option that a line of a build configuration speaks of, set or not.
fn option(line: &str) -> Option<&str> {
    let end = |char: char| !char.is_ascii_alphanumeric() && char != '_';
    let line = line.strip_prefix("# ").unwrap_or(line);
    line.starts_with("CONFIG_").then(|| line.split(end).next()).flatten()
}

/// The digits of a digest.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// A scriptlet by its text.
fn scriptlet(when: &str, interpreter: &str, text: &str) -> Scriptlet {
    Scriptlet {
        when: when.to_owned(),
        interpreter: interpreter.to_owned(),
        calls: scriptlet::calls(text),
        digest: Digest::of(text.as_bytes()),
    }
}
