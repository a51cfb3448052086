//! Debian packages (deb(5)): an `ar` archive of a version, an archive of control files, and one of files.

use std::collections::BTreeMap;
use std::io::{self, Read};

use kernmend_core::bundle::contents::Contents;
use kernmend_core::document::Digest;
use kernmend_core::document::bundle::Scriptlet;
use kernmend_core::format::deb::{dependencies, fields, relations, sums};
use md5::{Digest as _, Md5};
use tar::{Archive, Entry, EntryType};

use super::{CHUNK, MAX_FILES, ReadPackageError, Said, Source, drain, failure, hand_over, path_below_root};
use crate::host::ReadArchiveError;
use crate::host::archive::open::{finish, open};
use crate::host::archive::{Members, Metered};

/// The first bytes.
pub(super) const MAGIC: &[u8; 8] = b"!<arch>\n";

/// The head of a member of an `ar` archive.
const HEAD: usize = 60;

/// Members of the outer archive: three, and some that begin with `_`.
const MAX_PARTS: usize = 16;

/// Control files: a dozen.
const MAX_CONTROL: usize = 128;

/// The longest control file that is read: the sums of 90,000 files are 10 MiB.
const MAX_TEXT: u64 = 32 << 20;

/// Scriptlets, by the names of their control files (deb-src-control(5), dpkg(1)).
const SCRIPTLETS: [&str; 5] = ["preinst", "postinst", "prerm", "postrm", "config"];

/// The control files that are read, by name.
type Control = BTreeMap<String, String>;

/// What one more member of the outer archive is.
struct Part {
    name: String,
    size: u64,
}

pub(super) fn read(source: &mut Source<'_>) -> Result<Said, ReadPackageError> {
    let mut version = None;
    let mut said: Option<Said> = None;
    let mut control = None;
    for count in 0.. {
        let Some(part) = next(source)? else { break };
        if count == MAX_PARTS {
            return Err(ReadPackageError::TooLarge("members of the archive"));
        }
        match part.name.as_str() {
            "debian-binary" if version.is_none() => {
                let text = source.bytes(usize::try_from(part.size.min(16)).unwrap_or(16), "version")?;
                pass_over(source, part.size - text.len() as u64, "version")?;
                if !text.starts_with(b"2.") {
                    return Err(broken("version", "it isn't 2".to_owned()));
                }
                version = Some(());
            }
            // What begins so is for others, signatures for one (deb(5)).
            name if name.starts_with('_') => pass_over(source, part.size, "member")?,
            name if version.is_some() && name.starts_with("control.tar") && control.is_none() => {
                control = Some(within(source, part.size, "control", |reader| texts(reader))?);
            }
            name if name.starts_with("data.tar") && said.is_none() => {
                let control =
                    control.as_ref().ok_or_else(|| broken("archive", "its data comes first".to_owned()))?;
                let mut found = describe(control)?;
                let sums = checked_sums(control.get("md5sums").map_or("", String::as_str));
                found.contents = within(source, part.size, "data", |reader| contents(reader, sums))?;
                said = Some(found);
            }
            name => return Err(broken("archive", format!("the member `{name}` has no place in it"))),
        }
    }
    said.ok_or(ReadPackageError::Truncated { part: "archive" })
}

/// The head of the next member; none at the end.
fn next(source: &mut Source<'_>) -> Result<Option<Part>, ReadPackageError> {
    let mut head = Vec::new();
    let read = source.take(HEAD as u64).read_to_end(&mut head);
    read.map_err(|error| failure("archive", error))?;
    if head.is_empty() {
        return Ok(None);
    }
    let Some(head) = head.first_chunk::<HEAD>() else {
        return Err(ReadPackageError::Truncated { part: "archive" });
    };
    if &head[58..] != b"`\n" {
        return Err(broken("archive", "a member has no head".to_owned()));
    }
    let text = |range: std::ops::Range<usize>| String::from_utf8_lossy(&head[range]).trim_end().to_owned();
    let size = text(48..58);
    let size = size.parse().map_err(|_| broken("archive", format!("`{size}` is no size")))?;
    Ok(Some(Part { name: text(0..16).trim_end_matches('/').to_owned(), size }))
}

/// Reads a member, and passes over what is left of it. That it ends too early says more than what came of that.
fn within<T>(
    source: &mut Source<'_>,
    size: u64,
    part: &'static str,
    read: impl FnOnce(&mut dyn Read) -> Result<T, ReadPackageError>,
) -> Result<T, ReadPackageError> {
    let end = source.bytes + size;
    let came = read(&mut (&mut *source).take(size));
    pass_over(source, end.saturating_sub(source.bytes), part)?;
    pad(source, size)?;
    came
}

fn pass_over(source: &mut Source<'_>, size: u64, part: &'static str) -> Result<(), ReadPackageError> {
    let passed = drain(&mut (&mut *source).take(size)).map_err(|error| failure(part, error))?;
    if passed < size {
        return Err(ReadPackageError::Truncated { part });
    }
    Ok(())
}

/// A member of odd length is filled up; what is missing at the very end isn't missed.
fn pad(source: &mut Source<'_>, size: u64) -> Result<(), ReadPackageError> {
    if size % 2 == 1 {
        drain(&mut source.take(1)).map_err(|error| failure("archive", error))?;
    }
    Ok(())
}

fn broken(part: &'static str, detail: String) -> ReadPackageError {
    ReadPackageError::Broken { part, detail }
}

/// Calls `each` with the members of an archive in a package, and their paths below the root.
fn members(
    part: &'static str,
    reader: &mut dyn Read,
    max: usize,
    mut each: impl FnMut(&str, &mut Entry<'_, Metered<'_>>) -> Result<(), ReadPackageError>,
) -> Result<(), ReadPackageError> {
    let archive_error = |source| match source {
        ReadArchiveError::Compression { name } => ReadPackageError::Compression(name.to_owned()),
        source => ReadPackageError::Archive { part, source },
    };
    let (stream, meter) = open(reader).map_err(archive_error)?;
    let mut archive = Archive::new(stream);
    let mut members = Members::new(&mut archive, std::rc::Rc::clone(&meter)).map_err(archive_error)?;
    let mut count = 0;
    while let Some(mut member) = members.next().map_err(archive_error)? {
        count += 1;
        if count > max {
            return Err(ReadPackageError::TooLarge("files"));
        }
        let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        let path = path_below_root(name.trim_end_matches('/'))
            .ok_or_else(|| broken(part, format!("the name `{name}` leads out of it")))?;
        each(path, &mut member).map_err(|error| match error {
            ReadPackageError::Read(source) => archive_error(members.failure(path, source)),
            ReadPackageError::Truncated { .. } => {
                archive_error(members.failure(path, io::ErrorKind::UnexpectedEof.into()))
            }
            error => error,
        })?;
    }
    finish(archive.into_inner(), &meter).map_err(archive_error)?;
    Ok(())
}

/// The control files as texts.
fn texts(reader: &mut dyn Read) -> Result<Control, ReadPackageError> {
    let mut control = Control::new();
    let mut left = MAX_TEXT;
    members("control", reader, MAX_CONTROL, |path, member| {
        let is_read = SCRIPTLETS.contains(&path) || matches!(path, "control" | "md5sums" | "triggers");
        if !is_read || member.header().entry_type() != EntryType::Regular {
            return Ok(());
        }
        let size = member.size();
        left = left.checked_sub(size).ok_or(ReadPackageError::TooLarge("control files"))?;
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).map_err(ReadPackageError::Read)?;
        if (bytes.len() as u64) < size {
            return Err(ReadPackageError::Truncated { part: "control" });
        }
        control.insert(path.to_owned(), String::from_utf8_lossy(&bytes).into_owned());
        Ok(())
    })?;
    Ok(control)
}

/// What the control files say.
fn describe(control: &Control) -> Result<Said, ReadPackageError> {
    let broken = |detail: String| broken("control", detail);
    let text = control.get("control").ok_or_else(|| broken("it has no file `control`".to_owned()))?;
    let fields: BTreeMap<String, String> = fields(text).map_err(broken)?.into_iter().collect();
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    let needed = |name: &str| match field(name) {
        "" => Err(broken(format!("it has no field `{name}`"))),
        value => Ok(value.to_owned()),
    };
    let mut requires = dependencies(field("pre-depends"), true).map_err(broken)?;
    requires.extend(dependencies(field("depends"), false).map_err(broken)?);
    let mut conflicts = relations(field("conflicts")).map_err(broken)?;
    conflicts.extend(relations(field("breaks")).map_err(broken)?);
    Ok(Said {
        name: needed("package")?,
        version: needed("version")?,
        architecture: needed("architecture")?,
        vendor: fields.get("maintainer").cloned(),
        requires,
        provides: relations(field("provides")).map_err(broken)?,
        conflicts,
        replaces: relations(field("replaces")).map_err(broken)?,
        scriptlets: scriptlets(control),
        ..Said::default()
    })
}

fn scriptlets(control: &Control) -> Vec<Scriptlet> {
    let written = SCRIPTLETS.iter().filter_map(|when| {
        let text = control.get(*when)?;
        let first = text.lines().next().unwrap_or_default();
        let interpreter = first.strip_prefix("#!").and_then(|line| line.split_whitespace().next());
        Some(super::scriptlet(when, interpreter.unwrap_or_default(), text))
    });
    let triggers = control.get("triggers").map(|text| {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Scriptlet {
            when: "triggers".to_owned(),
            interpreter: String::new(),
            calls: lines.map(str::to_owned).collect(),
            digest: Digest::of(text.as_bytes()),
        }
    });
    written.chain(triggers).collect()
}

/// The sums that files must have, by path.
fn checked_sums(text: &str) -> BTreeMap<String, String> {
    sums(text).map(|(path, sum)| (path.to_owned(), sum.to_owned())).collect()
}

/// Reads the files: each that has a sum is held against it, and none that has one is missing.
fn contents(reader: &mut dyn Read, mut sums: BTreeMap<String, String>) -> Result<Contents, ReadPackageError> {
    let mut contents = Contents::default();
    let mut buffer = vec![0; CHUNK];
    members("data", reader, MAX_FILES, |path, member| {
        if !matches!(member.header().entry_type(), EntryType::Regular | EntryType::Continuous) {
            // A second name of a file has its content, which was held against the first.
            if member.header().entry_type() == EntryType::Link {
                sums.remove(path);
            }
            return Ok(());
        }
        let size = member.size();
        contents.file(path, size);
        let want = Contents::want(path);
        let mut kept = Vec::new();
        let mut hasher = Md5::new();
        let mut bytes = 0;
        loop {
            let len = match member.read(&mut buffer) {
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(ReadPackageError::Read(error)),
            };
            if len == 0 {
                break;
            }
            hasher.update(&buffer[..len]);
            bytes += len as u64;
            let room = want.map_or(0, |want| want.bytes() - kept.len()).min(len);
            kept.extend_from_slice(&buffer[..room]);
        }
        if bytes < size {
            return Err(ReadPackageError::Truncated { part: "data" });
        }
        if let Some(sum) = sums.remove(path)
            && !sum.eq_ignore_ascii_case(&super::hex(&hasher.finalize()))
        {
            return Err(ReadPackageError::WrongDigest { part: format!("file `/{path}`"), digest: "md5sums" });
        }
        want.map_or(Ok(()), |want| hand_over(&mut contents, path, want, size, &kept))
    })?;
    match sums.into_keys().next() {
        Some(path) => Err(broken("data", format!("`/{path}` has a sum and isn't in it"))),
        None => Ok(contents),
    }
}
