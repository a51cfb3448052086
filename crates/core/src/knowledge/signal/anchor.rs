//! Finds the words that every match of a pattern must contain, so that a scan can pass over all other lines without
//! looking at them. It must not guess: a word that some match lacks would hide that match.

use regex_syntax::hir::{Hir, HirKind};

/// Words shorter than this occur by chance in most lines.
const SHORTEST: usize = 3;

/// Words that ordinary logs are full of. They are sound anchors and slow ones: any other word is preferred.
const COMMON: &[&str] = &[
    "allocate",
    "cannot",
    "cgroup",
    "container",
    "device",
    "error",
    "failed",
    "kernel",
    "limit",
    "many",
    "memory",
    "message",
    "page",
    "seconds",
    "space",
    "start",
    "system",
    "task",
    "to",
    "waiting",
];

/// A set of words of which every match of `pattern` contains at least one; `None` where there is no such set.
///
/// The words hold no white space, quotes, slashes or backslashes: so no line wrap at a blank and no escaping of quotes
/// can take them apart.
pub(super) fn anchors(pattern: &str) -> Option<Vec<String>> {
    let hir = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).ok()?;
    let mut words = required(&hir)?;
    words.sort();
    words.dedup();
    words.into_iter().map(|word| String::from_utf8(word).ok()).collect()
}

fn required(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Literal(literal) => literal
            .0
            .split(|byte| !is_word(*byte))
            .filter(|word| word.len() >= SHORTEST && std::str::from_utf8(word).is_ok())
            .map(|word| vec![word.to_vec()])
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

/// Orders sets of anchors: rare words first, then long ones, then few.
fn worth(words: &[Vec<u8>]) -> (bool, usize, usize) {
    let rare = !words.iter().any(|word| COMMON.iter().any(|common| common.as_bytes() == word.as_slice()));
    let shortest = words.iter().map(Vec::len).min().unwrap_or(0);
    (rare, shortest, usize::MAX - words.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_match_contains_an_anchor() {
        let check = |pattern: &str, expected: Option<&[&str]>| {
            let expected =
                expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
            assert_eq!(anchors(pattern), expected, "{pattern}");
        };
        check("unregister_netdevice: waiting for (?P<d>[^ ]+)", Some(&["unregister_netdevice"]));
        check("(?:first|second) thing", Some(&["thing"]));
        check("(?:alpha|beta)", Some(&["alpha", "beta"]));
        check("(?:alpha)?", None);
        check("(?:alpha|[a-z]+)", None);
        check("(?:alpha)+ memory", Some(&["alpha"]));
        check("[0-9]+ of", None);
        check("mkdir .*: [Nn]o space left on device", Some(&["mkdir"]));
    }
}
