//! Makes a bundle: packages are read once to know them, and once more to be copied, since what is said of them comes first
//! in the file.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};

use kernmend_core::bundle::{Offer, Wanted, choose};
use kernmend_core::document::bundle::{Bundle, LeftOut, Reason};
use kernmend_core::document::{Digest, Document};
use sha2::{Digest as _, Sha256};

use super::input::{Input, Inputs};
use super::layout::{self, BLOCK, END, Member};
use super::{CreateError, Stage, Teller};
use crate::package;
use crate::package::openpgp::Keyring;

/// What is copied at once.
const CHUNK: usize = 256 << 10;

/// Makes a bundle of the packages that are meant, into the empty file `out`. Where there are keys, every RPM package must be
/// signed with one of them.
///
/// # Errors
/// Where one of the packages is broken, they make no bundle, or it can't be written.
pub fn create(
    inputs: &Inputs<'_>,
    wanted: &Wanted,
    keyring: &Keyring,
    out: &mut (impl Write + Seek),
    tell: Teller<'_>,
) -> Result<Document<Bundle>, CreateError> {
    let (mut offers, mut left_out) = (Vec::new(), Vec::new());
    inputs.each(&mut |Input { name, package }| {
        let Some(package) = package else {
            left_out.push(LeftOut { file: name.to_owned(), reason: Reason::NotAPackage });
            return Ok(());
        };
        tell(Stage::Reading(name));
        let read = package::read(name, package, keyring);
        offers.push(read.map_err(|source| CreateError::Package { file: name.to_owned(), source })?);
        Ok(())
    })?;
    let found: BTreeMap<Digest, String> = offers.iter().rev().map(found_as).collect();
    let document = Document::new(choose(offers, left_out, wanted)?, None);
    copy(&document, &found, inputs, out, tell)?;
    Ok(document)
}

/// The name under which the bytes of a package were found.
fn found_as(offer: &Offer) -> (Digest, String) {
    (offer.package.digest.clone(), offer.file.clone())
}

fn copy(
    document: &Document<Bundle>,
    found: &BTreeMap<Digest, String>,
    inputs: &Inputs<'_>,
    out: &mut (impl Write + Seek),
    tell: Teller<'_>,
) -> Result<(), CreateError> {
    let text = layout::document(document);
    let members = layout::members(&document.body, text.len() as u64);
    let mut wanted = BTreeMap::new();
    for (package, member) in document.body.packages.iter().zip(&members[1..]) {
        wanted.insert(found[&package.digest].as_str(), (member, &package.digest));
    }
    head(&members[0], out).and_then(|()| out.write_all(text.as_bytes())).map_err(CreateError::Write)?;
    fill(&members[0], out).map_err(CreateError::Write)?;
    inputs.each(&mut |Input { name, package }| {
        let (Some(package), Some((member, digest))) = (package, wanted.remove(name)) else { return Ok(()) };
        tell(Stage::Writing(name));
        head(member, out).map_err(CreateError::Write)?;
        if copied(package, member.size, out)? != *digest {
            return Err(CreateError::Changed(name.to_owned()));
        }
        fill(member, out).map_err(CreateError::Write)
    })?;
    if let Some(name) = wanted.into_keys().next() {
        return Err(CreateError::Changed(name.to_owned()));
    }
    let end = members.last().map_or(0, Member::end);
    let ended = out.seek(SeekFrom::Start(end)).and_then(|_| zeros(END, out)).and_then(|()| out.flush());
    ended.map_err(CreateError::Write)
}

/// Copies so many bytes, and gives their digest. Those of a file that became shorter have another.
fn copied(from: &mut dyn Read, size: u64, out: &mut impl Write) -> Result<Digest, CreateError> {
    let failed = |source| CreateError::Read { path: "a package".to_owned(), source };
    let mut buffer = vec![0; CHUNK];
    let mut hasher = Sha256::new();
    let mut from = from.take(size);
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(Digest::from_bytes(hasher.finalize().into())),
            Ok(len) => {
                hasher.update(&buffer[..len]);
                out.write_all(&buffer[..len]).map_err(CreateError::Write)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

fn head(member: &Member, out: &mut (impl Write + Seek)) -> io::Result<()> {
    let head =
        member.head().ok_or_else(|| io::Error::other(format!("`{}` fits no tar archive", member.name)))?;
    out.seek(SeekFrom::Start(member.at))?;
    out.write_all(&head)
}

fn fill(member: &Member, out: &mut impl Write) -> io::Result<()> {
    zeros(member.padding(), out)
}

fn zeros(count: u64, out: &mut impl Write) -> io::Result<()> {
    io::copy(&mut io::repeat(0).take(count.min(2 * BLOCK)), out).map(drop)
}
