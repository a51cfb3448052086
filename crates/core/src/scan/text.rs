//! Makes the text of a log line fit for patterns, and what is taken from it fit for a document. It must not change
//! what a line says: only how it was escaped, coloured or cut.

use std::borrow::Cow;

/// The message without the escapes that programs, JSON, terminals and web pages put into it: `\"` in any depth,
/// `\n`, `\u0026`, `&quot;`, colours.
pub(super) fn plain(message: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr3(b'\\', b'&', 0x1b, message) else { return Cow::Borrowed(message) };
    let mut out = Vec::with_capacity(message.len());
    out.extend_from_slice(&message[..first]);
    let mut rest = &message[first..];
    while let Some(&byte) = rest.first() {
        let taken = match byte {
            b'\\' => backslashes(rest, &mut out),
            b'&' => entity(rest, &mut out),
            0x1b => colour(rest),
            _ => 0,
        };
        if taken > 0 {
            rest = &rest[taken..];
            continue;
        }
        out.push(byte);
        rest = &rest[1..];
        let plain = memchr::memchr3(b'\\', b'&', 0x1b, rest).unwrap_or(rest.len());
        out.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
    }
    Cow::Owned(out)
}

/// A run of backslashes and what it escapes. `\x2d` stays as it is: unit names hold it.
fn backslashes(rest: &[u8], out: &mut Vec<u8>) -> usize {
    let run = rest.iter().take_while(|byte| **byte == b'\\').count();
    match rest.get(run) {
        Some(quote @ (b'"' | b'\'' | b'/')) => {
            out.push(*quote);
            run + 1
        }
        Some(b'n' | b'r') => {
            out.push(b'\n');
            run + 1
        }
        Some(b't') => {
            out.push(b'\t');
            run + 1
        }
        Some(b'u') => {
            let code = rest.get(run + 1..run + 5).and_then(|hex| std::str::from_utf8(hex).ok());
            match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(u8::is_ascii_graphic) {
                Some(byte) => {
                    out.push(byte);
                    run + 5
                }
                None => 0,
            }
        }
        _ => {
            out.extend_from_slice(&rest[..run]);
            run
        }
    }
}

/// The entities of web pages that stand for characters of log lines.
fn entity(rest: &[u8], out: &mut Vec<u8>) -> usize {
    const ENTITIES: &[(&str, u8)] = &[
        ("&quot;", b'"'),
        ("&#34;", b'"'),
        ("&#x22;", b'"'),
        ("&#39;", b'\''),
        ("&#x27;", b'\''),
        ("&apos;", b'\''),
        ("&amp;", b'&'),
        ("&lt;", b'<'),
        ("&gt;", b'>'),
        ("&nbsp;", b' '),
        ("&#160;", b' '),
    ];
    let Some((name, byte)) = ENTITIES.iter().find(|(name, _)| rest.starts_with(name.as_bytes())) else {
        return 0;
    };
    out.push(*byte);
    name.len()
}

/// The length of a terminal's control sequence.
fn colour(rest: &[u8]) -> usize {
    if rest.get(1) != Some(&b'[') {
        return 0;
    }
    let parameters = rest[2..].iter().take(32).take_while(|byte| matches!(byte, b'0'..=b'?')).count();
    if matches!(rest.get(2 + parameters), Some(b'@'..=b'~')) { parameters + 3 } else { 0 }
}

/// At most `limit` bytes of `bytes` as text that is harmless wherever it is shown: no control characters, no bytes
/// that aren't UTF-8, cut with `…`.
pub(super) fn harmless(bytes: &[u8], limit: usize) -> String {
    if bytes.len() <= limit
        && bytes.iter().all(|byte| matches!(byte, b' '..=b'~'))
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        // Most lines are like this, and a log can be full of them.
        return text.to_owned();
    }
    let mut text = String::with_capacity(bytes.len().min(limit));
    // Three times the limit is more than can be used: each byte gives one byte or a character of three.
    for character in String::from_utf8_lossy(&bytes[..bytes.len().min(limit + 4)]).chars() {
        let character = match character {
            '\n' | '\t' => ' ',
            // Direction marks can make a terminal show another text than is there.
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' => {
                char::REPLACEMENT_CHARACTER
            }
            other if other.is_control() => char::REPLACEMENT_CHARACTER,
            other => other,
        };
        if text.len() + character.len_utf8() > limit {
            text.push('…');
            return text;
        }
        text.push(character);
    }
    if bytes.len() > limit + 4 {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_come_off_in_any_depth() {
        let check = |line: &str, expected: &str| {
            assert_eq!(String::from_utf8_lossy(&plain(line.as_bytes())), expected, "{line}");
        };
        check("plain", "plain");
        check(r#"a \"b\" \\\"c\\\" \\\\\"d"#, r#"a "b" "c" "d"#);
        check(r"one\ntwo\\nthree", "one\ntwo\nthree");
        check("&quot;a&#39;b&amp;c& d", "\"a'b&c& d");
        check(r"x-\x2d.slice \u003c\u0026 \u4e00", r"x-\x2d.slice <& \u4e00");
        check("\u{1b}[01;31m\u{1b}[Kred\u{1b}[m, \u{1b}]0;t", "red, \u{1b}]0;t");
        check("end\\", "end\\");
        check("end&", "end&");
    }

    #[test]
    fn samples_are_bounded_and_harmless() {
        assert_eq!(harmless(b"a\x1b[2Jb\x00\xffc\td", 99), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c d");
        assert_eq!(harmless("ab€d".as_bytes(), 4), "ab…");
        assert_eq!(harmless(&[b'x'; 100], 3), "xxx…");
        assert_eq!(harmless(b"abc", 3), "abc");
    }
}
