//! The payload of an RPM package: a cpio archive whose heads are hexadecimal digits (`070701`). It reads and keeps nothing
//! that isn't asked for.

use std::io::{self, Read};

use super::super::{MAX_FILES, MAX_PATH, ReadPackageError, drain};

/// A head behind its magic number: 13 numbers of 8 digits.
const HEAD: usize = 104;

/// Bytes of the magic number.
const MAGIC: usize = 6;

/// Places of numbers in a head.
const SIZE: usize = 48;
const NAME: usize = 88;

/// Calls `each` with the path, size and content of the members, until it says that it has what it wants.
pub(super) fn read(
    mut reader: impl Read,
    mut each: impl FnMut(&str, u64, &mut dyn Read) -> Result<bool, ReadPackageError>,
) -> Result<(), ReadPackageError> {
    let broken = |detail: String| ReadPackageError::Broken { part: "payload", detail };
    let failed = |error: io::Error| broken(error.to_string());
    for _ in 0..MAX_FILES {
        let mut magic = [0; MAGIC];
        reader.read_exact(&mut magic).map_err(failed)?;
        // `07070X` is for payloads with a file of more than 4 GiB, which is longer than what is read.
        if magic != *b"070701" && magic != *b"070702" {
            return Err(broken("a member has no head".to_owned()));
        }
        let mut head = [0; HEAD];
        reader.read_exact(&mut head).map_err(failed)?;
        let number = |at: usize| hexadecimal(&head[at..at + 8]);
        let (Some(size), Some(len)) = (number(SIZE), number(NAME)) else {
            return Err(broken("a head isn't one".to_owned()));
        };
        let len = usize::try_from(len).ok().filter(|len| (1..=MAX_PATH).contains(len));
        let len = len.ok_or_else(|| broken("a name is too long".to_owned()))?;
        let mut name = vec![0; len];
        reader.read_exact(&mut name).map_err(failed)?;
        name.pop();
        let path = String::from_utf8_lossy(&name);
        reader.read_exact(&mut [0; 3][..padding((MAGIC + HEAD + len) as u64)]).map_err(failed)?;
        if path == "TRAILER!!!" {
            return Ok(());
        }
        let mut content = (&mut reader).take(size);
        if !each(&path, size, &mut content)? {
            return Ok(());
        }
        drain(&mut content).map_err(failed)?;
        if content.limit() > 0 {
            return Err(broken(format!("it ends in `{path}`")));
        }
        reader.read_exact(&mut [0; 3][..padding(size)]).map_err(failed)?;
    }
    Err(ReadPackageError::TooLarge("files"))
}

/// Heads and contents are filled up to words.
fn padding(len: u64) -> usize {
    usize::try_from(len.wrapping_neg() % 4).unwrap_or(0)
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    u64::from_str_radix(text, 16).ok()
}
