//! UTF-16 as UTF-8, as it is read: shells on Windows write what they catch that way. What is no text becomes `U+FFFD`;
//! nothing is an error.

use std::io::{self, Read};

/// Bytes that are read at a time.
const CHUNK: usize = 16 * 1024;

/// Which byte of a unit comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endian {
    Little,
    Big,
}

/// A reader of UTF-16, whose first unit is the mark that says so.
pub(super) struct Utf16<R> {
    inner: R,
    endian: Endian,
    /// Bytes of a unit, or of a pair of units, that isn't whole yet.
    rest: Vec<u8>,
    /// What wasn't taken yet, and how much of it was.
    decoded: (Vec<u8>, usize),
    is_begun: bool,
}

impl<R: Read> Utf16<R> {
    pub(super) fn new(inner: R, endian: Endian) -> Self {
        Self { inner, endian, rest: Vec::new(), decoded: (Vec::new(), 0), is_begun: false }
    }

    /// Decodes a part; nothing is left to take at the end.
    fn fill(&mut self) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.rest);
        let before = bytes.len();
        self.inner.by_ref().take(CHUNK as u64).read_to_end(&mut bytes)?;
        let is_end = bytes.len() == before;
        let unit = |pair: &[u8]| match self.endian {
            Endian::Little => u16::from_le_bytes([pair[0], pair[1]]),
            Endian::Big => u16::from_be_bytes([pair[0], pair[1]]),
        };
        let mut whole = bytes.len() & !1;
        // The first half of a pair waits for the second.
        if !is_end && whole >= 2 && (0xd800..0xdc00).contains(&unit(&bytes[whole - 2..whole])) {
            whole -= 2;
        }
        let units = bytes[..whole].chunks_exact(2).map(unit).skip(usize::from(!self.is_begun));
        let text: String =
            char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        self.is_begun |= whole > 0;
        self.decoded = (text.into_bytes(), 0);
        if is_end && whole < bytes.len() {
            self.decoded.0.extend_from_slice("\u{fffd}".as_bytes());
        } else {
            self.rest = bytes.split_off(whole);
        }
        Ok(())
    }

    fn left(&self) -> usize {
        self.decoded.0.len() - self.decoded.1
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A part can come to nothing, as the mark does; the second that does is the end.
        for _ in 0..2 {
            if self.left() == 0 {
                self.fill()?;
            }
        }
        let take = self.left().min(buffer.len());
        let (decoded, taken) = &mut self.decoded;
        buffer[..take].copy_from_slice(&decoded[*taken..*taken + take]);
        *taken += take;
        Ok(take)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Slow<'b>(&'b [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = buffer.len().min(1);
            self.0.read(&mut buffer[..len])
        }
    }

    fn decoded(bytes: &[u8], endian: Endian) -> String {
        let mut text = String::new();
        Utf16::new(Slow(bytes), endian).read_to_string(&mut text).unwrap();
        let mut at_once = String::new();
        Utf16::new(bytes, endian).read_to_string(&mut at_once).unwrap();
        assert_eq!(text, at_once);
        text
    }

    #[test]
    fn both_orders_and_what_is_broken() {
        // Longer than a part, with pairs of units at its seam.
        let text = "é\u{1f600}ab".repeat(9000);
        let units: Vec<u16> = std::iter::once(0xfeff).chain(text.encode_utf16()).collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        assert_eq!(decoded(&little, Endian::Little), text);
        assert_eq!(decoded(&big, Endian::Big), text);
        assert_eq!(decoded(b"\xff\xfe", Endian::Little), "");
        assert_eq!(decoded(b"\xff\xfea\0b", Endian::Little), "a\u{fffd}");
        assert_eq!(decoded(b"\xff\xfe\x3d\xd8a\0\x3d\xd8", Endian::Little), "\u{fffd}a\u{fffd}");
    }
}
