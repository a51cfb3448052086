//! Reads a bundle, strictly: each head, each filling and the end are those that kernmend writes for what the document says.

use std::io::{self, Read};

use kernmend_core::bundle::{Wanted, choose};
use kernmend_core::document::bundle::Bundle;
use kernmend_core::document::{Digest, Document};
use serde_json::Value;

use super::layout::{self, BLOCK, END, Member};
use super::{ReadBundleError, Stage, Teller};
use crate::package;
use crate::package::openpgp::Keyring;

/// The longest document: that of a kernel with all modules there are and the symbols that it gives has 10 MiB.
const MAX_DOCUMENT: u64 = 64 << 20;

/// Packages of one kernel.
const MAX_PACKAGES: usize = 1000;

/// A bundle whose every byte was checked.
#[derive(Debug)]
pub struct Checked {
    /// The digest of its document.
    pub digest: Digest,
    /// What its packages say, with what the document says was left out.
    pub bundle: Bundle,
}

/// What a bundle says, without a look at its packages.
///
/// # Errors
/// Where it doesn't begin as a bundle.
pub fn inspect(file: &mut dyn Read) -> Result<Document<Bundle>, ReadBundleError> {
    Ok(document(file)?.0)
}

/// Checks every byte of a bundle: that it is laid out as its document says, that the packages are those that it names and
/// whole, that it says of them what they say themselves, and where there are keys, that RPM packages are signed with them.
///
/// # Errors
/// Where it isn't so.
pub fn verify(file: &mut dyn Read, keyring: &Keyring, tell: Teller<'_>) -> Result<Checked, ReadBundleError> {
    let (document, members) = document(file)?;
    let mut offers = Vec::new();
    for (package, member) in document.body.packages.iter().zip(&members[1..]) {
        tell(Stage::Reading(&package.file));
        head(file, member)?;
        let mut content = (&mut *file).take(member.size);
        let read = package::read(&package.file, &mut content, keyring);
        io::copy(&mut content, &mut io::sink()).map_err(ReadBundleError::Read)?;
        // That the file ends says more than how the package is broken by that.
        if content.limit() > 0 {
            return Err(ReadBundleError::Truncated(member.name.clone()));
        }
        let offer = match read {
            Ok(offer) if offer.package.digest != package.digest => {
                return Err(ReadBundleError::Digest(package.file.clone()));
            }
            Ok(offer) => offer,
            Err(source) => return Err(ReadBundleError::Package { file: package.file.clone(), source }),
        };
        zeros(file, member.padding(), &member.name)?;
        offers.push(offer);
    }
    zeros(file, END, "its end")?;
    if file.read(&mut [0]).map_err(ReadBundleError::Read)? > 0 {
        return Err(ReadBundleError::Tail);
    }

    let said = &document.body;
    let wanted =
        Wanted { release: Some(said.kernel.release.clone()), architecture: Some(said.architecture.clone()) };
    let mut found = choose(offers, Vec::new(), &wanted).map_err(ReadBundleError::Refused)?;
    found.left_out.clone_from(&said.left_out);
    let value = |bundle: &Bundle| serde_json::to_value(bundle).expect("documents are plain data");
    match difference("", &value(said), &value(&found)) {
        Some(place) => Err(ReadBundleError::Untrue(place)),
        None => Ok(Checked { digest: document.digest(), bundle: found }),
    }
}

/// The document, with the places that follow from it.
fn document(file: &mut dyn Read) -> Result<(Document<Bundle>, Vec<Member>), ReadBundleError> {
    let mut head = Vec::new();
    (&mut *file).take(BLOCK).read_to_end(&mut head).map_err(ReadBundleError::Read)?;
    // The one thing that its head tells is how long it is.
    let digits = head.get(124..135).and_then(|digits| std::str::from_utf8(digits).ok());
    let size = digits.and_then(|digits| u64::from_str_radix(digits, 8).ok());
    let size = size.filter(|size| *size <= MAX_DOCUMENT).ok_or(ReadBundleError::Foreign)?;
    let first = Member { name: layout::DOCUMENT.to_owned(), size, at: 0 };
    if first.head().is_none_or(|expected| expected[..] != head[..]) {
        return Err(ReadBundleError::Foreign);
    }
    let mut bytes = Vec::new();
    (&mut *file).take(size).read_to_end(&mut bytes).map_err(ReadBundleError::Read)?;
    if (bytes.len() as u64) < size {
        return Err(ReadBundleError::Truncated(first.name));
    }
    let document = Document::<Bundle>::from_json(&String::from_utf8_lossy(&bytes))?;
    zeros(file, first.padding(), &first.name)?;
    let packages = &document.body.packages;
    if packages.is_empty() || packages.len() > MAX_PACKAGES {
        return Err(ReadBundleError::Nonsense(format!("it has {} packages", packages.len())));
    }
    if let Some(package) = packages.iter().find(|package| package.size > package::MAX_SIZE) {
        return Err(ReadBundleError::Nonsense(format!("a package has {} bytes", package.size)));
    }
    let members = layout::members(&document.body, size);
    Ok((document, members))
}

fn head(file: &mut dyn Read, member: &Member) -> Result<(), ReadBundleError> {
    let expected = member.head().ok_or_else(|| ReadBundleError::Layout(member.name.clone()))?;
    let mut found = Vec::new();
    file.take(BLOCK).read_to_end(&mut found).map_err(ReadBundleError::Read)?;
    match found {
        found if found == expected => Ok(()),
        found if (found.len() as u64) < BLOCK => Err(ReadBundleError::Truncated(member.name.clone())),
        _ => Err(ReadBundleError::Layout(member.name.clone())),
    }
}

fn zeros(file: &mut dyn Read, count: u64, name: &str) -> Result<(), ReadBundleError> {
    let mut found = Vec::new();
    file.take(count).read_to_end(&mut found).map_err(ReadBundleError::Read)?;
    if found.iter().any(|byte| *byte != 0) {
        return Err(ReadBundleError::Layout(name.to_owned()));
    }
    if (found.len() as u64) < count {
        return Err(ReadBundleError::Truncated(name.to_owned()));
    }
    Ok(())
}

/// Where a document says something else than what was found. What it doesn't say, as one of an older version doesn't,
/// is no difference.
fn difference(place: &str, said: &Value, found: &Value) -> Option<String> {
    match (said, found) {
        (Value::Object(said), Value::Object(found)) => said.iter().find_map(|(key, said)| {
            difference(&format!("{place}/{key}"), said, found.get(key).unwrap_or(&Value::Null))
        }),
        (Value::Array(said), Value::Array(found)) if said.len() == found.len() => {
            let pairs = said.iter().zip(found).enumerate();
            pairs
                .into_iter()
                .find_map(|(at, (said, found))| difference(&format!("{place}/{at}"), said, found))
        }
        (said, found) => (said != found).then(|| place.to_owned()),
    }
}
