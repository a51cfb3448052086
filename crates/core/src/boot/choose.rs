//! The choice of a boot loader: which entry the default names under the loader's own rules, and what would surprise a person
//! who reads the settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::environment::{Environment, EnvironmentProblem};
use super::{BootConfiguration, EntryKind, MenuEntry, Place, Setting, Unclear, Value};

/// How a loader finds the entry that a default names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Matcher {
    /// GRUB as upstream, Debian, Ubuntu and SUSE build it: what begins with a number is that number, the rest a title or an id
    /// (`grub-core/normal/menu.c` of 2.06).
    Upstream,
    /// GRUB as Red Hat builds it: an id, else a title, else a number (the same file of Red Hat's tree).
    RedHat,
    /// GRUB 1: a number.
    Legacy,
}

/// What boots next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NextBoot {
    /// The entry.
    pub choice: Choice,
    /// What decides, where anything does.
    pub why: Option<Setting>,
    /// How the entry was found.
    pub how: How,
    /// What would surprise.
    pub surprises: Vec<Surprise>,
}

/// An entry, or why it can't be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// This one of the configuration's entries.
    Entry(usize),
    /// It can't be told.
    Unknown(Unclear),
}

/// How the entry was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// By its id.
    Id,
    /// By its title.
    Title,
    /// By its number.
    Number,
    /// No default is set: the first.
    First,
    /// The default names nothing: the first.
    FirstInstead,
    /// It wasn't.
    NotFound,
}

/// Something that a person who reads the settings would not expect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Surprise {
    /// What.
    pub kind: SurpriseKind,
    /// The value that it is about.
    pub value: String,
    /// Where that stands.
    pub place: Place,
}

/// The surprises that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SurpriseKind {
    /// An entry is saved, but the configuration has a constant default: `grub-set-default` changes nothing.
    SavedEntryIgnored,
    /// The default names no entry: the first is booted.
    DefaultNamesNothing,
    /// The default is a number: it means another entry when a kernel comes or goes.
    DefaultIsIndex,
    /// Several entries have the id or title that the default names: the first of them is booted.
    DefaultIsAmbiguous,
    /// The next boot is for once: the one after it takes the default again.
    OneShotPending,
    /// A one-shot is wanted, but the configuration doesn't look for one.
    OneShotIgnored,
    /// The environment block is malformed.
    EnvironmentMalformed,
    /// GRUB can't write to the environment block where it lies: a one-shot would be taken at every boot.
    EnvironmentNotWritable,
    /// There are two environment blocks, and they say different things.
    EnvironmentsDiffer,
    /// The last boot is recorded as failed: the menu waits.
    RecordFail,
    /// The menu waits for a person.
    WaitsForEver,
    /// The settings want another default than the configuration has: the next time it is made, the default changes.
    SettingsDiffer,
}

/// Which entry boots next, by the rules of `matcher`.
#[must_use]
pub fn next_boot(
    configuration: &BootConfiguration,
    environment: Option<(&str, &Environment)>,
    matcher: Matcher,
) -> NextBoot {
    let why = configuration.default.clone();
    let wanted = match why.as_ref().map(|setting| &setting.value) {
        None => Ok(None),
        Some(Value::Known(value)) => Ok(Some(value.as_str())),
        Some(Value::Unknown(unclear)) => Err(*unclear),
    };
    let obstacle = if configuration.too_large {
        Some(Unclear::TooLarge)
    } else if configuration.refused.is_some() {
        Some(Unclear::Refused)
    } else if configuration.silent {
        Some(Unclear::NotToldHere)
    } else if configuration.hands_over_to.is_some() {
        Some(Unclear::ConfigurationElsewhere)
    } else {
        None
    };
    let found = match (obstacle, wanted) {
        (Some(unclear), _) | (None, Err(unclear)) => Err(unclear),
        _ if configuration.entries_missing => Err(Unclear::EntriesNotGiven),
        (None, Ok(wanted)) => walk(&configuration.entries, wanted, matcher),
    };
    let (choice, how) = match found {
        Ok((index, how)) => (Choice::Entry(index), how),
        Err(unclear) => (Choice::Unknown(unclear), How::NotFound),
    };
    let mut next = NextBoot { choice, why, how, surprises: Vec::new() };
    next.surprises = surprises(configuration, environment, &next);
    next
}

/// The same where it isn't known which GRUB reads the configuration: what both choose.
#[must_use]
pub fn next_boot_of_any(
    configuration: &BootConfiguration,
    environment: Option<(&str, &Environment)>,
) -> NextBoot {
    let upstream = next_boot(configuration, environment, Matcher::Upstream);
    let red_hat = next_boot(configuration, environment, Matcher::RedHat);
    if upstream.choice == red_hat.choice {
        return upstream;
    }
    NextBoot { choice: Choice::Unknown(Unclear::LoadersDiffer), how: How::NotFound, ..upstream }
}

/// Follows a default from the top menu down.
pub(super) fn walk(
    entries: &[MenuEntry],
    wanted: Option<&str>,
    matcher: Matcher,
) -> Result<(usize, How), Unclear> {
    let mut wanted = wanted;
    let mut path: &[usize] = &[];
    let mut overall = None;
    loop {
        let menu: Vec<(usize, &MenuEntry)> = entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.path.len() == path.len() + 1 && entry.path.starts_with(path))
            .collect();
        if menu.is_empty() {
            return Err(Unclear::NoEntry);
        }
        let titles: Vec<&MenuEntry> = menu.iter().map(|(_, entry)| *entry).collect();
        let (at, how) = match wanted {
            None => (0, How::First),
            Some(wanted) => match of_menu(&titles, wanted, matcher)? {
                Some((at, how)) if at < menu.len() => (at, how),
                _ => (0, How::FirstInstead),
            },
        };
        let decided_by = match how {
            How::Id | How::Title => &titles[at..=at],
            How::FirstInstead => &titles[..],
            _ => &titles[..=at],
        };
        if decided_by.iter().any(|entry| !entry.certain) {
            return Err(Unclear::MachineDecides);
        }
        // A submenu that names nothing of its own is its first entry; where a level names nothing, chance decides.
        overall = match (overall, how) {
            (Some(How::FirstInstead), _) => overall,
            (Some(_), How::First) => overall,
            _ => Some(how),
        };
        let (index, entry) = menu[at];
        if entry.kind != EntryKind::Submenu {
            return Ok((index, overall.unwrap_or(how)));
        }
        let rest = wanted.and_then(inner);
        // Upstream forgets the default; Red Hat's trees differ in whether the submenu sees it again.
        if rest.is_none() && matcher == Matcher::RedHat {
            let again: Vec<&MenuEntry> = entries
                .iter()
                .filter(|inner| {
                    inner.path.len() == entry.path.len() + 1 && inner.path.starts_with(&entry.path)
                })
                .collect();
            let seen = wanted.and_then(|wanted| of_menu(&again, wanted, matcher).transpose());
            if !matches!(seen, None | Some(Ok((0, _)))) {
                return Err(Unclear::LoadersDiffer);
            }
        }
        (wanted, path) = (rest, &entry.path);
    }
}

/// What stands behind the first single `>`.
fn inner(wanted: &str) -> Option<&str> {
    let bytes = wanted.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'>', Some(b'>')) => at += 2,
            (b'>', _) => return Some(&wanted[at + 1..]).filter(|rest| !rest.is_empty()),
            _ => at += 1,
        }
    }
    None
}

/// The entry of one menu that a default names, and by what.
pub(super) fn of_menu(
    menu: &[&MenuEntry],
    wanted: &str,
    matcher: Matcher,
) -> Result<Option<(usize, How)>, Unclear> {
    match matcher {
        Matcher::Legacy => Ok(Some((wanted.trim().parse().unwrap_or(0), How::Number))),
        Matcher::Upstream => Ok(match number(wanted) {
            Number::Is(at, _) => Some((at, How::Number)),
            Number::TooLarge => None,
            Number::None => menu.iter().enumerate().find_map(|(at, entry)| {
                if names(&entry.title, wanted) {
                    Some((at, if entry.id == entry.title { How::Id } else { How::Title }))
                } else {
                    names(&entry.id, wanted).then_some((at, How::Id))
                }
            }),
        }),
        Matcher::RedHat => {
            if let Some(at) = menu.iter().position(|entry| names(&entry.id, wanted)) {
                let entry = menu[at];
                // Behind an id some of Red Hat's trees take nothing that follows a blank.
                if wanted.contains(char::is_whitespace) && !names(&entry.title, wanted) {
                    return Err(Unclear::LoadersDiffer);
                }
                return Ok(Some((at, How::Id)));
            }
            if let Some(at) = menu.iter().position(|entry| names(&entry.title, wanted)) {
                return Ok(Some((at, How::Title)));
            }
            match number(wanted) {
                Number::Is(at, "") => Ok(Some((at, How::Number))),
                Number::Is(0, _) => Ok(None),
                // `1>2`: some of the trees refuse what follows the number.
                Number::Is(_, rest) if rest.starts_with('>') => Err(Unclear::LoadersDiffer),
                _ => Ok(None),
            }
        }
    }
}

/// Whether `wanted` names this title or id, as a whole or up to a single `>`; in `wanted` a `>` of the name is doubled.
fn names(name: &str, wanted: &str) -> bool {
    let (name, wanted) = (name.as_bytes(), wanted.as_bytes());
    let mut at = 0;
    for position in 0..=name.len() {
        let here = wanted.get(at).copied();
        if here == Some(b'>') {
            if wanted.get(at + 1) != Some(&b'>') {
                // An empty name is never matched this way: GRUB takes the length for the answer.
                return position == name.len() && at > 0;
            }
            at += 1;
        }
        if name.get(position).copied() != here {
            return false;
        }
        at += 1;
    }
    !name.is_empty()
}

enum Number<'a> {
    /// The number, and what follows it.
    Is(usize, &'a str),
    /// More than the loader counts to.
    TooLarge,
    None,
}

/// The number that a default begins with. GRUB keeps it in 32 bits, and a negative one is out of range.
fn number(text: &str) -> Number<'_> {
    match leading_number(text) {
        None => Number::None,
        Some((number, rest)) => match i32::try_from(number & 0xffff_ffff).map(usize::try_from) {
            Ok(Ok(at)) => Number::Is(at, rest),
            _ => Number::TooLarge,
        },
    }
}

/// The number that a text begins with, and what follows it: hexadecimal behind `0x`, octal behind `0`. What is larger than GRUB
/// counts to is the largest number.
pub(super) fn leading_number(text: &str) -> Option<(u64, &str)> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x', ..] => (&text[2..], 16),
        [b'0', b'0'..=b'7', ..] => (text, 8),
        _ => (text, 10),
    };
    let end = digits.find(|char: char| !char.is_digit(radix)).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    (!digits.is_empty()).then(|| (u64::from_str_radix(digits, radix).unwrap_or(u64::MAX), rest))
}

fn surprises(
    configuration: &BootConfiguration,
    environment: Option<(&str, &Environment)>,
    next: &NextBoot,
) -> Vec<Surprise> {
    let mut found = Vec::new();
    let mut add = |kind, value: &str, place: &Place| {
        found.push(Surprise { kind, value: value.to_owned(), place: place.clone() });
    };
    let from = next.why.as_ref().and_then(Setting::variable);
    if let Some((file, environment)) = environment {
        let place = Place { file: file.to_owned(), line: 0 };
        if let Some(problem) = environment.problem {
            let problem = match problem {
                EnvironmentProblem::Empty => "empty",
                EnvironmentProblem::NoHeader => "no_header",
                EnvironmentProblem::OddSize => "odd_size",
            };
            add(SurpriseKind::EnvironmentMalformed, problem, &place);
        }
        if let Some(entry) = environment.get("next_entry") {
            let is_read = from == Some("next_entry");
            let kind = if is_read { SurpriseKind::OneShotPending } else { SurpriseKind::OneShotIgnored };
            add(kind, entry, &place);
        }
        let is_constant = next
            .why
            .as_ref()
            .is_none_or(|setting| setting.from.is_none() && matches!(setting.value, Value::Known(_)));
        if let Some(entry) = environment.get("saved_entry").filter(|_| is_constant && !configuration.silent) {
            add(SurpriseKind::SavedEntryIgnored, entry, &place);
        }
        if environment.get("recordfail") == Some("1") {
            add(SurpriseKind::RecordFail, "1", &place);
        }
    }
    if let Some(Setting { value: Value::Known(wanted), place, .. }) = &next.why {
        match next.how {
            // An empty default is none.
            How::FirstInstead if !wanted.is_empty() => add(SurpriseKind::DefaultNamesNothing, wanted, place),
            // A constant 0 means the first entry, and says so.
            How::Number if from.is_some() || wanted != "0" => {
                add(SurpriseKind::DefaultIsIndex, wanted, place);
            }
            How::Id | How::Title => {
                if let Choice::Entry(index) = next.choice {
                    let chosen = &configuration.entries[index];
                    let same = |entry: &&MenuEntry| {
                        entry.path.len() == chosen.path.len()
                            && entry.path[..entry.path.len() - 1] == chosen.path[..chosen.path.len() - 1]
                            && match next.how {
                                How::Id => entry.id == chosen.id,
                                _ => entry.title == chosen.title,
                            }
                    };
                    if configuration.entries.iter().filter(same).count() > 1 {
                        add(SurpriseKind::DefaultIsAmbiguous, wanted, place);
                    }
                }
            }
            _ => {}
        }
    }
    if let Some(Setting { value: Value::Known(seconds), place, .. }) = &configuration.timeout
        && seconds == "-1"
    {
        add(SurpriseKind::WaitsForEver, seconds, place);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A menu: `title|id`, a submenu's entries indented.
    fn menu(lines: &[&str]) -> Vec<MenuEntry> {
        let mut entries: Vec<MenuEntry> = Vec::new();
        let mut path: Vec<usize> = Vec::new();
        for line in lines {
            let depth = line.len() - line.trim_start_matches('\t').len();
            if path.len() == depth {
                path.push(0);
            } else {
                path.truncate(depth + 1);
                path[depth] += 1;
            }
            if let Some(parent) = entries.iter_mut().find(|entry| entry.path == path[..depth]) {
                parent.kind = EntryKind::Submenu;
            }
            let (title, id) = line.trim().split_once('|').unwrap_or((line.trim(), line.trim()));
            entries.push(MenuEntry {
                kind: EntryKind::Linux,
                title: title.to_owned(),
                id: id.to_owned(),
                path: path.clone(),
                kernel: None,
                release: None,
                arguments: Vec::new(),
                open_variables: Vec::new(),
                certain: true,
                place: Place::default(),
            });
        }
        entries
    }

    fn check(lines: &[&str], cases: &[(&str, Matcher, Option<&str>, How)]) {
        let entries = menu(lines);
        for (wanted, matcher, expected, how) in cases {
            let (found, by) = match walk(&entries, Some(wanted), *matcher) {
                Ok((index, how)) => (Some(entries[index].title.as_str()), how),
                Err(_) => (None, NotFound),
            };
            assert_eq!((found, by), (*expected, *how), "`{wanted}` by {matcher:?}");
        }
    }

    use How::{FirstInstead, Id, NotFound, Title};
    use Matcher::{Legacy, RedHat, Upstream};

    #[test]
    fn a_default_names_an_entry_by_the_rules_of_its_loader() {
        check(
            &["New|k-2", "Old|k-1", "9a-4.18|9a-4.18", "More|sub", "\tInner one|i>1", "\tInner two|i2"],
            &[
                ("1", Upstream, Some("Old"), How::Number),
                ("1", RedHat, Some("Old"), How::Number),
                ("k-1", Upstream, Some("Old"), Id),
                ("Old", RedHat, Some("Old"), Title),
                // Upstream reads the number in front, Red Hat's the id.
                ("9a-4.18", Upstream, Some("New"), FirstInstead),
                ("9a-4.18", RedHat, Some("9a-4.18"), Id),
                ("-1", Upstream, Some("New"), FirstInstead),
                ("7", RedHat, Some("New"), FirstInstead),
                ("", Upstream, Some("New"), FirstInstead),
                ("gone", RedHat, Some("New"), FirstInstead),
                ("0x1", Upstream, Some("Old"), How::Number),
                ("99999999999999999999999", Upstream, Some("New"), FirstInstead),
                ("sub>i2", Upstream, Some("Inner two"), Id),
                ("sub>i>>1", Upstream, Some("Inner one"), Id),
                ("More>Inner two", Upstream, Some("Inner two"), Title),
                ("3>1", Upstream, Some("Inner two"), How::Number),
                ("3>1", RedHat, None, NotFound),
                ("sub>Inner two", RedHat, None, NotFound),
                // A submenu alone is its first entry.
                ("3", Upstream, Some("Inner one"), How::Number),
                ("sub>gone", Upstream, Some("Inner one"), FirstInstead),
                ("1", Legacy, Some("Old"), How::Number),
                ("a", Legacy, Some("New"), How::Number),
            ],
        );
    }

    #[test]
    fn a_first_entry_that_is_a_submenu_is_entered_when_nothing_matches() {
        check(
            &["More|sub", "\tInner|i", "Old|k-1"],
            &[("gone", Upstream, Some("Inner"), FirstInstead), ("k-1", Upstream, Some("Old"), Id)],
        );
        assert_eq!(walk(&[], None, Upstream), Err(Unclear::NoEntry));
    }

    #[test]
    fn an_entry_that_may_not_be_there_leaves_what_follows_open() {
        let mut entries = menu(&["New|k-2", "Old|k-1"]);
        entries[0].certain = false;
        assert_eq!(walk(&entries, Some("1"), Upstream), Err(Unclear::MachineDecides));
        assert_eq!(walk(&entries, Some("k-1"), Upstream), Ok((1, Id)));
        assert_eq!(walk(&entries, Some("gone"), Upstream), Err(Unclear::MachineDecides));
    }
}
