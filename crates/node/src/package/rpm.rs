//! RPM packages, formats 3 and 4 (rpm's `docs/manual/format`): a lead, a header of digests and signatures, a header of what
//! the package says of itself, and a compressed payload.

mod cpio;
mod header;
mod signed;

use std::collections::BTreeMap;
use std::io::{self, Read};

use kernmend_core::bundle::contents::{Contents, Want};
use kernmend_core::document::bundle::{Dependency, Operator, Relation, Scriptlet, Versions};
use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;
use sha2::digest::DynDigest;

use self::header::Header;
use self::signed::Signatures;
use super::openpgp::{self, Keyring};
use super::{MAX_FILES, ReadPackageError, Said, Source, drain, failure, hand_over, path_below_root};
use crate::host::window::{Compression, MEMORY};

/// The first bytes of the lead.
pub(super) const MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];

/// The lead as a whole.
const LEAD: usize = 96;

/// Tags of the header of signatures (`rpmtag.h`, `rpmsigtag`).
mod signature {
    pub(super) const SHA1_OF_HEADER: u32 = 269;
    pub(super) const LONG_SIZE: u32 = 270;
    pub(super) const SHA256_OF_HEADER: u32 = 273;
    /// Over the header alone.
    pub(super) const OF_HEADER: [u32; 2] = [268, 267];
    /// Over header and payload.
    pub(super) const OF_ALL: [u32; 2] = [1002, 1005];
    pub(super) const SIZE: u32 = 1000;
    pub(super) const MD5_OF_ALL: u32 = 1004;
}

/// Tags of the header (`rpmtag.h`).
mod tag {
    pub(super) const NAME: u32 = 1000;
    pub(super) const VERSION: u32 = 1001;
    pub(super) const RELEASE: u32 = 1002;
    pub(super) const EPOCH: u32 = 1003;
    pub(super) const VENDOR: u32 = 1011;
    pub(super) const ARCHITECTURE: u32 = 1022;
    pub(super) const FILE_SIZES: u32 = 1028;
    pub(super) const FILE_MODES: u32 = 1030;
    pub(super) const FILE_FLAGS: u32 = 1037;
    pub(super) const SOURCE_RPM: u32 = 1044;
    pub(super) const DIRECTORY_INDEXES: u32 = 1116;
    pub(super) const BASE_NAMES: u32 = 1117;
    pub(super) const DIRECTORIES: u32 = 1118;
    pub(super) const PAYLOAD_COMPRESSOR: u32 = 1125;
    pub(super) const LONG_FILE_SIZES: u32 = 5008;
    pub(super) const PAYLOAD_DIGEST: u32 = 5092;
    pub(super) const PAYLOAD_DIGEST_ALGORITHM: u32 = 5093;

    /// Names, flags and versions of what a package asks for, gives, can't stand beside and puts out.
    pub(super) const REQUIRES: [u32; 3] = [1049, 1048, 1050];
    pub(super) const PROVIDES: [u32; 3] = [1047, 1112, 1113];
    pub(super) const CONFLICTS: [u32; 3] = [1054, 1053, 1055];
    pub(super) const OBSOLETES: [u32; 3] = [1090, 1114, 1115];

    /// Scriptlets: when, text, interpreter.
    pub(super) const SCRIPTLETS: [(&str, u32, u32); 8] = [
        ("pre", 1023, 1085),
        ("post", 1024, 1086),
        ("preun", 1025, 1087),
        ("postun", 1026, 1088),
        ("pretrans", 1151, 1153),
        ("posttrans", 1152, 1154),
        ("trigger", 1065, 1092),
        ("filetrigger", 5066, 5067),
    ];
}

/// A file that is in the database and not in the payload (`RPMFILE_GHOST`).
const GHOST: u64 = 1 << 6;

/// A regular file, of what `st_mode` tells.
const KIND: u64 = 0o170_000;
const REGULAR: u64 = 0o100_000;

/// Flags of relations (`rpmsenseFlags`).
const LESS: u64 = 1 << 1;
const GREATER: u64 = 1 << 2;
const EQUAL: u64 = 1 << 3;
/// Needed before what runs at the beginning: `PREREQ`, `PRETRANS`, `SCRIPT_PRE`, `SCRIPT_POST`.
const EARLY: u64 = 1 << 6 | 1 << 7 | 1 << 9 | 1 << 10;

pub(super) fn read(
    start: &[u8],
    source: &mut Source<'_>,
    keyring: &Keyring,
) -> Result<Said, ReadPackageError> {
    let lead = source.bytes(LEAD - start.len(), "lead")?;
    if start[4] != 3 {
        let detail = format!("its version is {}, and 3 is read", start[4]);
        return Err(ReadPackageError::Broken { part: "lead", detail });
    }
    // `type`, behind the versions.
    let is_source = start[6..8] == [0, 1];
    drop(lead);
    let (signatures, _) = Header::read(source, "header of signatures")?;
    let padding = usize::try_from(source.bytes.wrapping_neg() % 8).unwrap_or(0);
    source.bytes(padding, "header of signatures")?;
    let from = source.bytes;
    let (header, bytes) = Header::read(source, "header")?;
    check_header(&signatures, &bytes)?;

    let payload = Payload::of(&header, &signatures, &bytes)?;
    let signed = Signatures::of(&signatures, keyring, payload.digest.is_some());
    source.more = payload.hashers();
    source.more.extend(signed.hashers(&bytes));
    let of_header = signed.of_header(&bytes);
    drop(bytes);
    let files = Files::of(&header)?;
    let mut contents = Contents::default();
    for file in &files.0 {
        contents.file(&file.path, file.size);
    }
    let came = files.hand_over(&header, &mut contents, source);
    drain(source).map_err(|error| failure("payload", error))?;
    // What is missing, or isn't what was packed, says more than what came of reading it.
    payload.check(source, from)?;
    signed.check(of_header, std::mem::take(&mut source.more), keyring)?;
    came?;

    let text = |tag| header.string(tag);
    let needed = |tag, what: &str| {
        let broken = || ReadPackageError::Broken { part: "header", detail: format!("it has no {what}") };
        text(tag).ok_or_else(broken)
    };
    let version = format!("{}-{}", needed(tag::VERSION, "version")?, needed(tag::RELEASE, "release")?);
    let relations = |tags| relations(&header, tags);
    Ok(Said {
        name: needed(tag::NAME, "name")?,
        version: match header.number(tag::EPOCH) {
            Some(epoch) => format!("{epoch}:{version}"),
            None => version,
        },
        architecture: needed(tag::ARCHITECTURE, "architecture")?,
        vendor: text(tag::VENDOR),
        is_source: is_source || text(tag::SOURCE_RPM).is_none(),
        requires: relations(tag::REQUIRES)
            .into_iter()
            .map(|(relation, flags)| dependency(relation, flags))
            .collect(),
        provides: relations(tag::PROVIDES).into_iter().map(|(relation, _)| relation).collect(),
        conflicts: relations(tag::CONFLICTS).into_iter().map(|(relation, _)| relation).collect(),
        replaces: relations(tag::OBSOLETES).into_iter().map(|(relation, _)| relation).collect(),
        scriptlets: scriptlets(&header),
        signed_by: signed.keys(),
        contents,
    })
}

/// Holds the header against its digests.
fn check_header(signatures: &Header, bytes: &[u8]) -> Result<(), ReadPackageError> {
    let digests: [(u32, &'static str, Box<dyn DynDigest>); 2] = [
        (signature::SHA256_OF_HEADER, "sha256", Box::<Sha256>::default()),
        (signature::SHA1_OF_HEADER, "sha1", Box::<Sha1>::default()),
    ];
    for (tag, digest, mut hasher) in digests {
        if let Some(said) = signatures.string(tag) {
            hasher.update(bytes);
            if !said.eq_ignore_ascii_case(&super::hex(&hasher.finalize())) {
                return Err(ReadPackageError::WrongDigest { part: "header".to_owned(), digest });
            }
        }
    }
    Ok(())
}

/// What tells whether the payload is whole.
struct Payload {
    /// Bytes of header and payload.
    size: Option<u64>,
    /// Of the payload.
    digest: Option<(u64, String)>,
    /// Of header and payload, and the hasher that has seen the header.
    md5: Option<(Vec<u8>, Md5)>,
}

impl Payload {
    fn of(header: &Header, signatures: &Header, bytes: &[u8]) -> Result<Self, ReadPackageError> {
        let size = signatures.number(signature::LONG_SIZE).or_else(|| signatures.number(signature::SIZE));
        let algorithm = header.number(tag::PAYLOAD_DIGEST_ALGORITHM).unwrap_or(0);
        let digest = header.strings(tag::PAYLOAD_DIGEST).into_iter().next();
        let digest = digest.filter(|_| hasher(algorithm).is_some()).map(|digest| (algorithm, digest));
        let md5 = signatures
            .binary(signature::MD5_OF_ALL)
            .map(|sum| (sum.to_vec(), <Md5 as md5::Digest>::new_with_prefix(bytes)));
        if digest.is_none() && md5.is_none() {
            return Err(ReadPackageError::NoDigest);
        }
        Ok(Self { size, digest, md5 })
    }

    /// The one hasher of the payload: one digest is enough, the better one.
    fn hashers(&self) -> Vec<Box<dyn DynDigest>> {
        match (&self.digest, &self.md5) {
            (Some((algorithm, _)), _) => hasher(*algorithm).into_iter().collect(),
            (None, Some((_, hasher))) => vec![Box::new(hasher.clone())],
            (None, None) => Vec::new(),
        }
    }

    /// Holds what was read behind `from` against what it should be.
    fn check(&self, source: &mut Source<'_>, from: u64) -> Result<(), ReadPackageError> {
        let found = source.more.remove(0).finalize();
        let len = source.bytes - from;
        if self.size.is_some_and(|size| len < size) {
            return Err(ReadPackageError::Truncated { part: "payload" });
        }
        let (part, digest, is_right) = match (&self.digest, &self.md5) {
            (Some((_, said)), _) => ("payload", "digest", said.eq_ignore_ascii_case(&super::hex(&found))),
            (None, md5) => {
                ("header and payload", "md5", md5.as_ref().is_some_and(|(said, _)| **said == *found))
            }
        };
        if is_right { Ok(()) } else { Err(ReadPackageError::WrongDigest { part: part.to_owned(), digest }) }
    }
}

/// The hasher of an algorithm by its number: those of OpenPGP, and MD5, which old packages have their digests by.
fn hasher(algorithm: u64) -> Option<Box<dyn DynDigest>> {
    const MD5: u64 = 1;
    if algorithm == MD5 {
        return Some(Box::<Md5>::default());
    }
    openpgp::hasher(algorithm.try_into().ok()?)
}

/// The regular files of the payload, as the header lists them.
struct Files(Vec<File>);

/// A regular file.
struct File {
    path: String,
    size: u64,
}

impl Files {
    fn of(header: &Header) -> Result<Self, ReadPackageError> {
        let broken = |detail: String| ReadPackageError::Broken { part: "list of files", detail };
        let names = header.strings(tag::BASE_NAMES);
        if names.len() > MAX_FILES {
            return Err(ReadPackageError::TooLarge("files"));
        }
        let directories = header.strings(tag::DIRECTORIES);
        let numbers = |tag| header.numbers(tag);
        let (indexes, modes, flags) =
            (numbers(tag::DIRECTORY_INDEXES), numbers(tag::FILE_MODES), numbers(tag::FILE_FLAGS));
        let mut sizes = numbers(tag::LONG_FILE_SIZES);
        if sizes.is_empty() {
            sizes = numbers(tag::FILE_SIZES);
        }
        let file = |(at, name): (usize, &String)| {
            let place = indexes.get(at).and_then(|index| directories.get(usize::try_from(*index).ok()?));
            let (Some(place), Some(mode), Some(size)) = (place, modes.get(at), sizes.get(at)) else {
                return Err(broken(format!("`{name}` has no directory, mode or size")));
            };
            let is_in_payload =
                mode & KIND == REGULAR && flags.get(at).is_none_or(|flags| flags & GHOST == 0);
            let whole = format!("{place}{name}");
            let path = path_below_root(&whole).ok_or_else(|| broken(format!("`{whole}` leads out of it")))?;
            Ok(is_in_payload.then(|| File { path: path.to_owned(), size: *size }))
        };
        let files = names.iter().enumerate().map(file).filter_map(Result::transpose);
        Ok(Self(files.collect::<Result<_, _>>()?))
    }

    /// Unpacks the payload as far as a file in it is asked for.
    fn hand_over(
        &self,
        header: &Header,
        contents: &mut Contents,
        source: &mut Source<'_>,
    ) -> Result<(), ReadPackageError> {
        let asked = self.0.iter().filter_map(|file| Some((file.path.as_str(), Contents::want(&file.path)?)));
        let mut asked: BTreeMap<&str, Want> = asked.collect();
        if asked.is_empty() {
            return Ok(());
        }
        let compressor = header.string(tag::PAYLOAD_COMPRESSOR).unwrap_or_else(|| "gzip".to_owned());
        let compression = match compressor.as_str() {
            "gzip" => Compression::Gzip,
            "xz" | "lzma" => Compression::Xz,
            "zstd" => Compression::Zstd,
            "none" | "identity" => Compression::None,
            _ => return Err(ReadPackageError::Compression(compressor)),
        };
        let error = |error: io::Error| match error.kind() {
            io::ErrorKind::FileTooLarge => failure("payload", error),
            _ => ReadPackageError::Broken { part: "payload", detail: error.to_string() },
        };
        let reader = compression.reader(source, MEMORY).map_err(error)?;
        cpio::read(reader, |path, size, reader| {
            let Some(path) = path_below_root(path) else { return Ok(true) };
            let Some(want) = asked.remove(path) else { return Ok(true) };
            let mut bytes = Vec::new();
            reader.take(want.bytes() as u64).read_to_end(&mut bytes).map_err(error)?;
            hand_over(contents, path, want, size, &bytes)?;
            Ok(!asked.is_empty())
        })?;
        match asked.into_keys().next() {
            Some(path) => Err(ReadPackageError::Broken {
                part: "payload",
                detail: format!("`/{path}` is listed and isn't in it"),
            }),
            None => Ok(()),
        }
    }
}

/// Relations with their flags.
fn relations(header: &Header, [names, flags, versions]: [u32; 3]) -> Vec<(Relation, u64)> {
    let (flags, versions) = (header.numbers(flags), header.strings(versions));
    let relation = |(at, name): (usize, String)| {
        let flags = flags.get(at).copied().unwrap_or(0);
        let operator = match flags & (LESS | GREATER | EQUAL) {
            LESS => Some(Operator::Less),
            GREATER => Some(Operator::Greater),
            EQUAL => Some(Operator::Equal),
            both if both == LESS | EQUAL => Some(Operator::AtMost),
            both if both == GREATER | EQUAL => Some(Operator::AtLeast),
            _ => None,
        };
        let version = versions.get(at).filter(|version| !version.is_empty());
        let version =
            operator.zip(version.cloned()).map(|(operator, version)| Versions { operator, version });
        (Relation { name, version }, flags)
    };
    header.strings(names).into_iter().enumerate().map(relation).collect()
}

fn dependency(relation: Relation, flags: u64) -> Dependency {
    let early = flags & EARLY != 0;
    // A boolean expression stands where the name is, in parentheses (rpm's `docs/manual/boolean_dependencies`).
    if relation.name.starts_with('(') {
        return Dependency { text: relation.name, any: Vec::new(), early };
    }
    let text = match &relation.version {
        Some(Versions { operator, version }) => format!("{} {operator} {version}", relation.name),
        None => relation.name.clone(),
    };
    Dependency { text, any: vec![relation], early }
}

fn scriptlets(header: &Header) -> Vec<Scriptlet> {
    let mut found = Vec::new();
    for (when, text, interpreter) in tag::SCRIPTLETS {
        let interpreters = header.strings(interpreter);
        // Of triggers there can be many; what is only a program is run without a text.
        let texts = header.strings(text);
        let bare = texts.is_empty() && !interpreters.is_empty();
        let texts = if bare { vec![String::new()] } else { texts };
        for (at, text) in texts.iter().enumerate() {
            let interpreter = interpreters.get(at).or(interpreters.first()).map_or("", String::as_str);
            let text = if bare { interpreters.join(" ") } else { text.clone() };
            found.push(super::scriptlet(when, interpreter, &text));
        }
    }
    found
}
