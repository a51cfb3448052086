//! A sentence with values in it: `{dead_ids} of cgroups that are gone`. A value is named by its fact, and behind a
//! colon stands how it is shown: `{uptime:duration}`, `{slab_unreclaimable:bytes}`. What stands in brackets is left out
//! where a value in it is missing: `SLUB failed[, the last time {ago:duration} ago]`.

use std::collections::{BTreeMap, BTreeSet};

use crate::knowledge::advisory::Language;

/// A sentence with values in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(String, Shown),
    Optional(Template),
}

/// How a value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// Numbers with a comma between thousands, anything else as it is.
    Plain,
    /// Seconds as days, hours, minutes or seconds.
    Duration,
    /// Bytes as KiB, MiB or GiB.
    Bytes,
}

impl Template {
    /// Reads a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}', '[', ']']) {
            let (before, behind) = rest.split_at(open);
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            if let Some((inside, behind)) = behind.strip_prefix('[').and_then(|inside| inside.split_once(']'))
            {
                pieces.push(Piece::Optional(Self::parse(inside)?));
                rest = behind;
                continue;
            }
            let inside = behind.strip_prefix('{').and_then(|inside| inside.split_once('}'));
            let Some((value, behind)) = inside else {
                return Err("a brace or a bracket stands alone".to_owned());
            };
            let (name, shown) = value.split_once(':').unwrap_or((value, ""));
            let shown = match shown {
                "" => Shown::Plain,
                "duration" => Shown::Duration,
                "bytes" => Shown::Bytes,
                other => return Err(format!("`{other}` is not duration or bytes")),
            };
            pieces.push(Piece::Value(name.to_owned(), shown));
            rest = behind;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// The names of the values.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(_) => {}
                Piece::Value(name, _) => {
                    names.insert(name.as_str());
                }
                Piece::Optional(part) => names.extend(part.names()),
            }
        }
        names
    }

    /// The sentence with `values` in it; one that is missing shows as `?`.
    #[must_use]
    pub fn fill(&self, language: Language, values: &BTreeMap<String, String>) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Value(name, shown) => match values.get(name) {
                    Some(value) => text.push_str(&show(language, *shown, value)),
                    None => text.push('?'),
                },
                Piece::Optional(part) if part.names().iter().all(|name| values.contains_key(*name)) => {
                    text.push_str(&part.fill(language, values));
                }
                Piece::Optional(_) => {}
            }
        }
        text
    }
}

fn show(language: Language, shown: Shown, value: &str) -> String {
    let (bound, digits) = match value.strip_prefix('≥') {
        Some(digits) => ("≥ ", digits),
        None => ("", value),
    };
    let number =
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten();
    let Some(number) = number else { return shorten(value) };
    let shown = match shown {
        Shown::Plain => grouped(number),
        Shown::Duration => duration(language, number),
        Shown::Bytes => bytes(number),
    };
    format!("{bound}{shown}")
}

/// A text in which the ids of containers, 64 hexadecimal digits, are as short as people write them.
fn shorten(text: &str) -> String {
    const LONG: usize = 32;
    const SHORT: usize = 12;
    let mut shortened = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
        let (digits, behind) = rest.split_at(end);
        shortened.push_str(if digits.len() >= LONG { &digits[..SHORT] } else { digits });
        let skip = behind.find(|c: char| c.is_ascii_hexdigit()).unwrap_or(behind.len());
        shortened.push_str(&behind[..skip]);
        rest = &behind[skip..];
    }
    shortened
}

/// A number with a comma between thousands.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Seconds in the largest unit that tells two digits, `14 days` and not `1 week`.
#[must_use]
pub fn duration(language: Language, seconds: u64) -> String {
    let units = [(86_400, "days", "天"), (3600, "h", "小时"), (60, "min", "分钟")];
    let found = units.into_iter().find(|(length, ..)| seconds >= 2 * length);
    let (count, en, zh) = found.map_or((seconds, "s", "秒"), |(length, en, zh)| (seconds / length, en, zh));
    format!(
        "{} {}",
        grouped(count),
        match language {
            Language::En => en,
            Language::Zh => zh,
        }
    )
}

/// Bytes in binary units with one digit behind the point.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(shift, _)| bytes >> shift > 0) {
        Some((shift, unit)) => {
            let tenths = (u128::from(bytes) * 10 + (1 << (shift - 1))) >> shift;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_in_their_way() {
        let template =
            Template::parse("{ids} ids, {up:duration} up, {slab:bytes}, {word} {gone}[, {ids}][, {gone}]")
                .unwrap();
        let values = [("ids", "≥65535"), ("up", "259200"), ("slab", "1395864371"), ("word", "lo")];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(template.fill(Language::En, &values), "≥ 65,535 ids, 3 days up, 1.3 GiB, lo ?, ≥ 65,535");
        assert_eq!(template.fill(Language::Zh, &values), "≥ 65,535 ids, 3 天 up, 1.3 GiB, lo ?, ≥ 65,535");
        assert_eq!(template.names(), BTreeSet::from(["gone", "ids", "slab", "up", "word"]));
    }

    #[test]
    fn ids_of_containers_are_shown_as_people_write_them() {
        let id = "79d89a0da0c41aebb8f010b8e9a5b5ab89c3049787a5d33aa7e52a6e87316a58";
        assert_eq!(shorten(&format!("docker-{id}.scope, pod1234")), "docker-79d89a0da0c4.scope, pod1234");
    }

    #[test]
    fn broken_sentences_are_refused() {
        for text in ["{", "}", "[", "]", "a {b", "{a:weeks}", "a } b", "[a {]}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_keep_two_digits_where_they_can() {
        for (seconds, expected) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7199, "119 min"),
            (7200, "2 h"),
            (200_000, "2 days"),
        ] {
            assert_eq!(duration(Language::En, seconds), expected);
        }
    }
}
