//! What kernmend says of the same files, beside what GRUB answered. An answer that isn't there is never an agreement.

use kernmend_core::boot::choose::Choice;
use kernmend_core::boot::environment::Environment;
use kernmend_core::boot::grub::{self, Given, Surroundings};
use kernmend_core::boot::{BootConfiguration, Matcher, MenuEntry, Place, Unclear, next_boot};

use super::{Answer, Chosen, Files};

/// How the two stand to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// They say the same.
    Agrees,
    /// GRUB chose, and kernmend leaves it open.
    Open(Unclear),
    /// They say different things: kernmend's, then GRUB's.
    Differs(String, String),
    /// GRUB gave no answer.
    Unanswered(Answer),
}

/// What kernmend reads in the files, where GRUB can write to them or can't.
#[must_use]
pub fn read(files: &Files<'_>, writable: bool) -> BootConfiguration {
    let environment = files.environment.map(Environment::parse);
    let surroundings = Surroundings {
        environment: environment.as_ref().map_or(Given::Missing, |block| Given::Is(("grubenv", block))),
        custom: files.custom.map_or(Given::Missing, |text| Given::Is(("custom.cfg", text))),
        entries: Given::Is(files.entries),
        writable: Some(writable),
    };
    grub::run("grub.cfg", files.configuration, surroundings)
}

/// Holds kernmend's choice against GRUB's.
#[must_use]
pub fn compare(files: &Files<'_>, writable: bool, answer: &Answer) -> Comparison {
    let configuration = read(files, writable);
    // Debian's GRUB is upstream's.
    let ours = match next_boot(&configuration, None, Matcher::Upstream).choice {
        Choice::Entry(index) => Ok(&configuration.entries[index]),
        Choice::Unknown(unclear) => Err(unclear),
    };
    match (ours, answer) {
        (Ok(entry), Answer::Chose(chosen)) if is(&configuration, entry, chosen) => Comparison::Agrees,
        (Err(Unclear::NoEntry), Answer::Nothing) | (Err(Unclear::Refused), Answer::Refused) => {
            Comparison::Agrees
        }
        (_, Answer::Asks | Answer::Ended | Answer::TimedOut(_)) => Comparison::Unanswered(answer.clone()),
        (Err(unclear), Answer::Chose(_)) if !matches!(unclear, Unclear::NoEntry | Unclear::Refused) => {
            Comparison::Open(unclear)
        }
        (ours, _) => Comparison::Differs(format!("{ours:?}"), format!("{answer:?}")),
    }
}

/// Where an entry begins, as [`Chosen::place`] has it.
#[must_use]
pub fn place(entry: &MenuEntry) -> String {
    let Place { file, line } = &entry.place;
    if *line == 0 { file.clone() } else { line.to_string() }
}

/// Whether an entry is the one that GRUB chose, and loads what GRUB loaded.
fn is(configuration: &BootConfiguration, entry: &MenuEntry, chosen: &Chosen) -> bool {
    let above = configuration.entries.iter().filter(|other| {
        (1..=entry.path.len()).contains(&other.path.len()) && entry.path.starts_with(&other.path)
    });
    let names: Vec<String> = above.map(|entry| entry.id.replace('>', ">>")).collect();
    let words = entry.kernel.iter().chain(&entry.arguments);
    // What Red Hat's GRUB passes through: this one is upstream's.
    let words: Vec<String> = words.map(|word| word.replace("\\x", "x")).collect();
    // What isn't Linux's own command loads no Linux in the lab, and what kernmend leaves open can't be compared.
    let is_loaded =
        chosen.linux.as_ref().is_none_or(|linux| !entry.open_variables.is_empty() || *linux == words);
    chosen.place == place(entry) && chosen.names == names.join(">") && is_loaded
}
