//! Finds the words that every match of a pattern must contain, so that a scan can pass over all other lines without
//! looking at them. It must not guess: a word that some match lacks would hide that match.

use regex_syntax::hir::{Hir, HirKind};

/// Words shorter than this occur by chance in most lines.
const SHORTEST: usize = 4;

/// A phrase stands in for words that are all common; it has at least this many bytes.
const PHRASE: usize = 6;

/// Words that ordinary logs are full of. They are sound anchors and slow ones: any other word is preferred.
const COMMON: &[&str] = &[
    "Internal",
    "Kill",
    "Memory",
    "Supports",
    "Timeout",
    "Unable",
    "access",
    "allocate",
    "allocation",
    "already",
    "apparmor",
    "bounds",
    "cannot",
    "cgroup",
    "configured",
    "consider",
    "container",
    "controller",
    "create",
    "descriptor",
    "detected",
    "device",
    "directory",
    "down",
    "error",
    "evice",
    "exceeded",
    "execution",
    "failed",
    "fault",
    "file",
    "filesystem",
    "handle",
    "ilesystem",
    "instance",
    "instances",
    "internal",
    "invalid",
    "kernel",
    "kill",
    "killed",
    "left",
    "limit",
    "loading",
    "many",
    "memory",
    "message",
    "node",
    "only",
    "open",
    "operation",
    "page",
    "present",
    "process",
    "processes",
    "profile",
    "reached",
    "read",
    "remove",
    "rename",
    "request",
    "resource",
    "result",
    "root",
    "seconds",
    "segment",
    "session",
    "signal",
    "space",
    "stack",
    "start",
    "support",
    "supported",
    "syncing",
    "system",
    "systemd",
    "table",
    "target",
    "task",
    "thread",
    "unable",
    "unavailable",
    "unit",
    "user",
    "virtual",
    "waiting",
    "watch",
    "write",
];

/// A set of words of which every match of an expression contains at least one; `None` where there is no such set.
///
/// The words hold no white space, quotes, slashes or backslashes: so no line wrap at a blank and no escaping of quotes
/// can take them apart. Only where all words of a pattern are common a whole phrase is taken, which a wrap can hide.
pub(super) fn anchors(hir: &Hir) -> Option<Vec<String>> {
    let mut words = required(hir)?;
    words.sort();
    words.dedup();
    words.into_iter().map(|word| String::from_utf8(word).ok()).collect()
}

fn required(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Literal(literal) => literal
            .0
            .split(|byte| !is_word(*byte))
            .filter(|word| word.len() >= SHORTEST)
            .chain(literal.0.split(|byte| !is_phrase(*byte)).filter(|phrase| phrase.len() >= PHRASE))
            .filter(|text| std::str::from_utf8(text).is_ok())
            .map(|text| vec![text.to_vec()])
            .max_by_key(|words| worth(words)),
        HirKind::Concat(parts) => parts.iter().filter_map(required).max_by_key(|words| worth(words)),
        HirKind::Alternation(branches) => {
            let mut all = Vec::new();
            for branch in branches {
                all.extend(required(branch)?);
            }
            Some(all)
        }
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        HirKind::Repetition(_) | HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) => None,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// What neither escaping nor quoting changes.
fn is_phrase(byte: u8) -> bool {
    is_word(byte)
        || matches!(byte, b' ' | b'.' | b',' | b':' | b';' | b'-' | b'(' | b')' | b'#' | b'=' | b'!')
}

/// Orders sets of anchors: rare words, phrases, common words; then long ones, then few.
fn worth(words: &[Vec<u8>]) -> (u8, usize, usize) {
    let rarity = |word: &Vec<u8>| {
        if word.iter().any(|byte| !is_word(*byte)) {
            1
        } else if COMMON.iter().any(|common| common.as_bytes() == word.as_slice()) {
            0
        } else {
            2
        }
    };
    let rarest = words.iter().map(rarity).min().unwrap_or(0);
    let shortest = words.iter().map(Vec::len).min().unwrap_or(0);
    (rarest, shortest, usize::MAX - words.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knowledge::expression::Expression;

    #[test]
    fn every_match_contains_an_anchor() {
        let check = |pattern: &str, expected: Option<&[&str]>| {
            let expected =
                expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
            let (_, hir) = Expression::parse(pattern).unwrap();
            assert_eq!(anchors(&hir), expected, "{pattern}");
        };
        check("unregister_netdevice: waiting for (?P<d>[^ ]+)", Some(&["unregister_netdevice"]));
        check("(?:first|second) thing", Some(&["thing"]));
        check("(?:alpha|beta)", Some(&["alpha", "beta"]));
        check("(?:alpha)?", None);
        check("(?:alpha|[a-z]+)", None);
        check("(?:alpha)+ memory", Some(&["alpha"]));
        check("Out of memory: Kill(?:ed)? process ", Some(&["Out of memory: Kill"]));
        check("[a-z]+ kernel BUG at \\S+", Some(&[" kernel BUG at "]));
        check("[0-9]+ of", None);
        check("mkdir .*: [Nn]o space left on device", Some(&["mkdir"]));
    }
}
