//! OpenPGP's armor: bytes in letters, between two lines. Its sum is a guard against broken mails and isn't asked.

/// Such lines surround a block of keys.
const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// The blocks in a text. None where it has none.
pub(super) fn blocks(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let blocks: Vec<&str> =
        text.split(BEGIN).skip(1).filter_map(|block| Some(block.split_once(END)?.0)).collect();
    (!blocks.is_empty()).then(|| blocks.into_iter().filter_map(block).collect())
}

fn block(text: &str) -> Option<Vec<u8>> {
    // Headers end with an empty line; what follows a `=` at the beginning of a line is the sum.
    let lines = text.lines().skip(1).map(str::trim);
    let lines = lines.skip_while(|line| line.contains(':')).take_while(|line| !line.starts_with('='));
    let letters: String = lines.collect();
    decode(&letters)
}

/// The bytes of base64 (RFC 4648, 4).
pub(super) fn decode(letters: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in letters.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = held << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).ok()?);
        }
    }
    Some(bytes)
}
