//! Whether a row holds of what the engine said: plain data in, an outcome out.

use std::collections::BTreeMap;

use kernmend_core::document::report::Verdict;
use kernmend_core::document::snapshot::Hit;

use super::folder::Row;

/// What the engine says of one file. What it has no reader for is missing.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// The signals that the engine knows.
    pub known_signals: Vec<String>,
    /// The signals in it.
    pub signals: Option<Vec<Hit>>,
    /// The verdicts by advisory.
    pub verdicts: Option<BTreeMap<String, Verdict>>,
    /// Kernel arguments.
    pub arguments: Option<Vec<String>>,
    /// Build options that are set.
    pub options: Option<BTreeMap<String, String>>,
    /// The answers to the keys whose values are words: none where the engine looked and found none.
    pub words: BTreeMap<&'static str, Vec<String>>,
}

/// Whether a row holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It does.
    Holds,
    /// It doesn't, and this was found instead.
    Found(String),
    /// The engine has no answer to such a row: of what it has none.
    Unread(String),
}

/// How a key that isn't read from a format is called.
#[must_use]
pub fn unread(key: &str, format: &str) -> String {
    format!("key {key} of {format}")
}

/// Judges one row.
#[must_use]
pub fn judge(row: &Row, reading: &Reading) -> Outcome {
    let value = row.value.as_str();
    let answer = match row.key.as_str() {
        "signal" | "no-signal" => {
            let name = value.split(' ').next().unwrap_or_default();
            if !reading.known_signals.iter().any(|known| known == name) {
                return Outcome::Unread(format!("signal {name}"));
            }
            reading.signals.as_ref().map(|hits| signal(hits, value, row.key == "signal"))
        }
        "verdict" => reading.verdicts.as_ref().map(|verdicts| verdict(verdicts, value)),
        "arg" => reading.arguments.as_ref().map(|arguments| argument(arguments, value, true)),
        "no-arg" => reading.arguments.as_ref().map(|arguments| argument(arguments, value, false)),
        "option" => reading.options.as_ref().map(|options| option(options, value)),
        key => reading.words.get(key).map(|found| words(found, value)),
    };
    match answer {
        None => Outcome::Unread(unread(&row.key, &row.format)),
        Some(Ok(())) => Outcome::Holds,
        Some(Err(found)) => Outcome::Found(found),
    }
}

/// Of the fields, each has its value in one and the same hit.
fn signal(hits: &[Hit], value: &str, wanted: bool) -> Result<(), String> {
    let mut parts = value.split(' ');
    let name = parts.next().unwrap_or_default();
    let fields: Vec<(&str, &str)> = parts.filter_map(|field| field.split_once('=')).collect();
    let of_name: Vec<&Hit> = hits.iter().filter(|hit| hit.signal == name).collect();
    let holds = of_name.iter().any(|hit| {
        fields.iter().all(|(field, value)| hit.fields.get(*field).is_some_and(|found| found == value))
    });
    if holds == wanted {
        return Ok(());
    }
    if !wanted {
        return Err(format!("`{}`", of_name[0].sample));
    }
    let found: Vec<String> = of_name.iter().map(|hit| format!("{name} {:?}", hit.fields)).collect();
    Err(if found.is_empty() { "no such signal".to_owned() } else { found.join(", ") })
}

/// `ADVISORY=VERDICT,VERDICT`.
fn verdict(verdicts: &BTreeMap<String, Verdict>, value: &str) -> Result<(), String> {
    let (advisory, allowed) = value.split_once('=').unwrap_or((value, ""));
    let found = verdicts.get(advisory).ok_or("no such advisory")?;
    if allowed.split(',').any(|verdict| verdict == found.name()) {
        Ok(())
    } else {
        Err(found.name().to_owned())
    }
}

/// `name=value` is the whole argument; a name alone is any argument of that name.
fn argument(arguments: &[String], value: &str, wanted: bool) -> Result<(), String> {
    let is = |argument: &&String| {
        *argument == value || (!value.contains('=') && argument.split('=').next() == Some(value))
    };
    match arguments.iter().find(is) {
        Some(found) if !wanted => Err(format!("`{found}`")),
        None if wanted => Err(format!("`{}`", arguments.join(" "))),
        _ => Ok(()),
    }
}

/// `CONFIG_X=y`; `n` is an option that isn't set.
fn option(options: &BTreeMap<String, String>, value: &str) -> Result<(), String> {
    let (name, wanted) = value.split_once('=').unwrap_or((value, ""));
    let found = options.get(name).map_or("n", String::as_str);
    if found == wanted { Ok(()) } else { Err(found.to_owned()) }
}

/// One of the answers is one of those that are right (`a|b`); `unknown` is right where the answer is left open, and where
/// several are.
fn words(found: &[String], value: &str) -> Result<(), String> {
    let plain = |word: &str| word.strip_prefix('v').unwrap_or(word).to_owned();
    let right: Vec<String> = value.split('|').map(plain).collect();
    let open = right.len() > 1 && found.iter().all(|word| word == "unknown");
    if open || found.iter().any(|word| right.contains(&plain(word))) {
        Ok(())
    } else if found.is_empty() {
        Err("nothing".to_owned())
    } else {
        Err(found.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reading: &Reading, cases: &[(&str, &str, Outcome)]) {
        for (key, value, expected) in cases {
            let row = Row {
                subject: String::new(),
                format: "log".to_owned(),
                key: (*key).to_owned(),
                value: (*value).to_owned(),
            };
            assert_eq!(judge(&row, reading), *expected, "{key} {value}");
        }
    }

    fn found(text: &str) -> Outcome {
        Outcome::Found(text.to_owned())
    }

    #[test]
    fn fields_of_a_signal_must_be_in_one_hit() {
        let hit = |device: &str, count: &str| Hit {
            signal: "net".to_owned(),
            fields: [("device", device), ("count", count)].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            count: 1,
            first: None,
            last: None,
            sample: "line".to_owned(),
        };
        let reading = Reading {
            known_signals: vec!["net".to_owned(), "oom".to_owned()],
            signals: Some(vec![hit("lo", "1"), hit("eth0", "2")]),
            ..Reading::default()
        };
        check(
            &reading,
            &[
                ("signal", "net", Outcome::Holds),
                ("signal", "net device=eth0 count=2", Outcome::Holds),
                (
                    "signal",
                    "net device=eth0 count=1",
                    found(r#"net {"count": "1", "device": "lo"}, net {"count": "2", "device": "eth0"}"#),
                ),
                ("signal", "oom", found("no such signal")),
                ("no-signal", "oom", Outcome::Holds),
                ("no-signal", "net", found("`line`")),
                ("signal", "new", Outcome::Unread("signal new".to_owned())),
                ("leak", "no", Outcome::Unread("key leak of log".to_owned())),
            ],
        );
    }

    #[test]
    fn verdicts_arguments_and_options_are_compared() {
        let pairs = [("CONFIG_A".to_owned(), "m".to_owned())];
        let reading = Reading {
            verdicts: Some([("leak".to_owned(), Verdict::Active)].into()),
            arguments: Some(vec!["quiet".to_owned(), "panic=10".to_owned()]),
            options: Some(pairs.into()),
            ..Reading::default()
        };
        check(
            &reading,
            &[
                ("verdict", "leak=active,critical", Outcome::Holds),
                ("verdict", "leak=clear", found("active")),
                ("verdict", "other=clear", found("no such advisory")),
                ("arg", "quiet", Outcome::Holds),
                ("arg", "panic", Outcome::Holds),
                ("arg", "panic=10", Outcome::Holds),
                ("arg", "panic=1", found("`quiet panic=10`")),
                ("no-arg", "panic=1", Outcome::Holds),
                ("no-arg", "panic", found("`panic=10`")),
                ("option", "CONFIG_A=m", Outcome::Holds),
                ("option", "CONFIG_A=y", found("m")),
                ("option", "CONFIG_B=n", Outcome::Holds),
                ("option", "CONFIG_B=y", found("n")),
            ],
        );
    }

    #[test]
    fn words_are_one_of_those_that_are_right() {
        let words = |found: &[&str]| found.iter().map(|word| (*word).to_owned()).collect();
        let reading = Reading {
            words: BTreeMap::from([
                ("kernel", words(&["5.10", "5.15"])),
                ("runc", words(&["v1.1.4"])),
                ("stream", words(&["unknown"])),
                ("crio", words(&[])),
            ]),
            ..Reading::default()
        };
        check(
            &reading,
            &[
                ("kernel", "5.15", Outcome::Holds),
                ("kernel", "5.16", found("5.10, 5.15")),
                ("runc", "1.1.4", Outcome::Holds),
                ("stream", "unknown", Outcome::Holds),
                ("stream", "a|b", Outcome::Holds),
                ("stream", "a", found("unknown")),
                ("crio", "1.0", found("nothing")),
            ],
        );
    }
}
