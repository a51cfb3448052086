//! What boots next as text: the answer first, then what would surprise, then the menu.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use kernmend_core::boot::choose::{Choice, How, Surprise, SurpriseKind};
use kernmend_core::boot::reading::{Boot, Source};
use kernmend_core::boot::{EntryKind, MenuEntry, Place, Unclear, Value};
use unicode_width::UnicodeWidthStr as _;

use super::{BOLD, DIM, LABEL_AT, labelled, pad, printable, width, wrap};
use crate::message::Messages;

/// So many entries are shown; a menu of a node has fewer.
const MAX_ENTRIES: usize = 10;

/// The answer, on one screen. The file that is judged alone isn't named again and again.
pub(crate) fn boot(boot: &Boot, is_alone: bool, messages: Messages) -> String {
    let places = Places { alone: is_alone.then_some(boot.file.as_str()), messages };
    let mut text = String::new();
    match (boot.chosen(), boot.next.choice) {
        (Some(entry), _) => {
            let kernel = entry.release.as_deref().or(entry.kernel.as_deref()).unwrap_or(&entry.title);
            let head = messages.boot_next(printable(kernel));
            let _ = writeln!(text, "{BOLD}{head}{BOLD:#}");
            text.push_str(&line(messages.label_boot_entry(), &names(entry), &places.of(&entry.place)));
        }
        (None, Choice::Unknown(unclear)) if boot.source != Source::Nothing => {
            let style = AnsiColor::Cyan.on_default().bold();
            let _ =
                writeln!(text, "{style}{}{style:#}", messages.boot_unknown(unclear_text(unclear, messages)));
        }
        _ => {
            let _ = writeln!(text, "{BOLD}{}{BOLD:#}", messages.boot_nothing());
        }
    }
    if let Some((why, mut from)) = why(boot, &places) {
        from.dedup();
        text.push_str(&line(messages.label_boot_why(), &why, &from));
    }
    if let Some(place) = &boot.configuration.refused {
        text.push_str(&line(messages.label_boot_why(), messages.boot_why_refused(), &places.of(place)));
    }
    let arguments = boot.chosen().map(|entry| &entry.arguments).or(boot.arguments.as_ref());
    let arguments: Vec<&str> = arguments.into_iter().flatten().map(String::as_str).collect();
    if !arguments.is_empty() {
        text.push_str(&line(messages.label_boot_arguments(), arguments.join(" ").trim(), &[]));
    }
    if let Some(choice) = boot.afterwards {
        let then = match choice {
            Choice::Entry(index) => boot.configuration.entries.get(index).map(names).unwrap_or_default(),
            Choice::Unknown(unclear) => unclear_text(unclear, messages).to_owned(),
        };
        text.push_str(&line(messages.label_boot_then(), &then, &[]));
    }
    for surprise in &boot.next.surprises {
        let sentence = surprise_text(surprise, messages);
        let style = AnsiColor::Yellow.on_default();
        let labelled = line(messages.label_boot_surprise(), &sentence, &places.of(&surprise.place));
        let label = messages.label_boot_surprise();
        text.push_str(&labelled.replacen(label, &format!("{style}{label}{style:#}"), 1));
    }
    for why in &boot.open {
        text.push_str(&line(messages.label_boot_open(), &messages.why(why), &[]));
    }
    text.push_str(&menu(boot, messages));
    text
}

/// What decides, and where that stands.
fn why(boot: &Boot, places: &Places<'_>) -> Option<(String, Vec<String>)> {
    let messages = places.messages;
    let Some(setting) = &boot.next.why else {
        let entry = boot.chosen()?;
        let place = Place { line: 0, ..entry.place.clone() };
        return Some((messages.boot_why_first().to_owned(), places.of(&place)));
    };
    let mut from = places.of(&setting.place);
    if let Some(variable) = &setting.from {
        from.extend(places.of(&Place { file: variable.file.clone(), line: 0 }));
    }
    let name = match (setting.variable(), boot.source) {
        (Some(name), _) => name,
        (None, Source::Settings) => "GRUB_DEFAULT",
        (None, _) => "default",
    };
    let sentence = match (&setting.value, boot.next.how) {
        (Value::Unknown(_), _) => messages.boot_why_open(name),
        (Value::Known(value), How::Id) => messages.boot_why_id(name, printable(value)),
        (Value::Known(value), How::Title) => messages.boot_why_title(name, printable(value)),
        (Value::Known(value), How::Number) => messages.boot_why_number(name, printable(value)),
        (Value::Known(value), How::FirstInstead) if value.is_empty() => messages.boot_why_empty(name),
        (Value::Known(value), _) => messages.boot_why_is(name, printable(value)),
    };
    Some((sentence, from))
}

/// How places are written.
struct Places<'a> {
    /// The one file that is judged.
    alone: Option<&'a str>,
    messages: Messages,
}

impl Places<'_> {
    fn of(&self, place: &Place) -> Vec<String> {
        match place {
            Place { file, .. } if file.is_empty() => Vec::new(),
            Place { file, line } if self.alone == Some(file) => match line {
                0 => Vec::new(),
                line => vec![self.messages.boot_line(line)],
            },
            Place { file, line: 0 } => vec![file.clone()],
            Place { file, line } => vec![format!("{file}:{line}")],
        }
    }
}

fn names(entry: &MenuEntry) -> String {
    let id = if entry.id == entry.title { String::new() } else { format!(" ({})", entry.id) };
    format!("{}  {}{id}", entry.number(), entry.title)
}

fn line(label: &str, sentence: &str, from: &[String]) -> String {
    labelled(label, sentence, from, width())
}

fn menu(boot: &Boot, messages: Messages) -> String {
    let entries = &boot.configuration.entries;
    let mut text = String::new();
    if entries.is_empty() {
        return text;
    }
    let chosen = match boot.next.choice {
        Choice::Entry(index) => Some(index),
        Choice::Unknown(_) => None,
    };
    // The one that boots is always among those that are shown.
    let first = chosen.map_or(0, |index| index.saturating_sub(MAX_ENTRIES - 1));
    let shown = entries.iter().enumerate().skip(first).take(MAX_ENTRIES);
    let numbers = shown.clone().map(|(_, entry)| entry.number().width()).max().unwrap_or(0) + 2;
    text.push('\n');
    for (index, entry) in shown {
        let style = if chosen == Some(index) { BOLD } else { Style::new() };
        let mark = if chosen == Some(index) { "→" } else { " " };
        let kind = match entry.kind {
            EntryKind::Linux => String::new(),
            EntryKind::Submenu => messages.boot_submenu().to_owned(),
            EntryKind::Other => messages.boot_other().to_owned(),
        };
        let indent = "  ".repeat(entry.path.len().saturating_sub(1));
        let title = printable(&entry.title);
        let described = if kind.is_empty() { title } else { format!("{title} ({kind})") };
        let room = width().saturating_sub(LABEL_AT + numbers + indent.len()).max(20);
        let lines = wrap(&described, room);
        let _ = writeln!(
            text,
            "{style} {mark} {}{indent}{}{style:#}",
            pad(&entry.number(), numbers),
            lines.first().map_or("", String::as_str)
        );
        for rest in lines.iter().skip(1) {
            let _ = writeln!(text, "{}{rest}", " ".repeat(LABEL_AT + numbers + indent.len()));
        }
        if entry.id != entry.title {
            for id in wrap(&printable(&entry.id), room) {
                let _ = writeln!(text, "{}{DIM}{id}{DIM:#}", " ".repeat(LABEL_AT + numbers + indent.len()));
            }
        }
    }
    let left = entries.len().saturating_sub(MAX_ENTRIES);
    if left > 0 {
        let _ = writeln!(text, "{}{}", " ".repeat(LABEL_AT), messages.boot_more(left));
    }
    text
}

fn unclear_text(unclear: Unclear, messages: Messages) -> &'static str {
    match unclear {
        Unclear::EnvironmentNotGiven => messages.unclear_environment(),
        Unclear::MachineDecides => messages.unclear_machine(),
        Unclear::EntriesNotGiven => messages.unclear_entries(),
        Unclear::ConfigurationElsewhere => messages.unclear_elsewhere(),
        Unclear::Refused => messages.unclear_refused(),
        Unclear::TooLarge => messages.unclear_large(),
        Unclear::NoEntry => messages.unclear_none(),
        Unclear::NotToldHere => messages.unclear_not_told(),
        Unclear::LoadersDiffer => messages.unclear_loaders(),
    }
}

fn surprise_text(surprise: &Surprise, messages: Messages) -> String {
    let value = printable(&surprise.value);
    match surprise.kind {
        SurpriseKind::SavedEntryIgnored => messages.surprise_saved_ignored(value),
        SurpriseKind::DefaultNamesNothing => messages.surprise_names_nothing(value),
        SurpriseKind::DefaultIsIndex => messages.surprise_index(value),
        SurpriseKind::DefaultIsAmbiguous => messages.surprise_ambiguous(value),
        SurpriseKind::OneShotPending => messages.surprise_one_shot(value),
        SurpriseKind::OneShotIgnored => messages.surprise_one_shot_ignored(value),
        SurpriseKind::EnvironmentMalformed => match surprise.value.as_str() {
            "empty" => messages.surprise_block_empty().to_owned(),
            "no_header" => messages.surprise_block_header().to_owned(),
            _ => messages.surprise_block_size().to_owned(),
        },
        SurpriseKind::EnvironmentNotWritable => messages.surprise_not_writable(value),
        SurpriseKind::EnvironmentsDiffer => messages.surprise_blocks_differ(value),
        SurpriseKind::RecordFail => messages.surprise_recordfail().to_owned(),
        SurpriseKind::WaitsForEver => messages.surprise_waits().to_owned(),
        SurpriseKind::SettingsDiffer => messages.surprise_settings(value),
    }
}
