//! A bundle's own signature, in minisign's format, beside it: checked, never made.

use std::io::{self, Read};

use minisign_verify::{PublicKey, Signature};

/// Why a signature doesn't stand for a file.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The key is none.
    #[error("the public key is none of minisign's")]
    Key(#[source] minisign_verify::Error),
    /// The signature is none.
    #[error("the signature is none of minisign's")]
    Signature(#[source] minisign_verify::Error),
    /// The signature is of another key, or another way of signing.
    #[error(
        "the signature isn't one that this key can be asked about; `minisign -S` without `-l` makes one that can"
    )]
    OtherKey(#[source] minisign_verify::Error),
    /// The file can't be read.
    #[error("read the bundle")]
    Read(#[source] io::Error),
    /// The file isn't what was signed.
    #[error("the bundle isn't what was signed with this key")]
    Wrong(#[source] minisign_verify::Error),
}

/// Checks that `file` as a whole was signed with `key`: the text of a key file, or its second line alone. Gives the comment
/// that was signed with it.
///
/// # Errors
/// Where it wasn't.
pub fn check(file: &mut dyn Read, signature: &str, key: &str) -> Result<String, SignatureError> {
    let key = match key.trim().lines().count() {
        1 => PublicKey::from_base64(key.trim()),
        _ => PublicKey::decode(key),
    };
    let key = key.map_err(SignatureError::Key)?;
    let signature = Signature::decode(signature).map_err(SignatureError::Signature)?;
    let mut verifier = key.verify_stream(&signature).map_err(SignatureError::OtherKey)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => verifier.update(&buffer[..len]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(SignatureError::Read(error)),
        }
    }
    verifier.finalize().map_err(SignatureError::Wrong)?;
    Ok(signature.trusted_comment().to_owned())
}
