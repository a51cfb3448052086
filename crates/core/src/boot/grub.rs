//! GRUB 2's configuration, run as GRUB would run it, as far as that can be told from texts: what depends on the machine
//! (its disks, its screen, a key that is pressed) is followed both ways, and what comes out differently is unknown.

mod condition;
mod machine;
mod syntax;

#[cfg(test)]
mod tests;

use super::bls::BlsEntry;
use super::environment::Environment;
use super::trial::Directory;
use super::{BootConfiguration, Place, Value};

use self::machine::Machine;
use self::syntax::Script;

/// Whether something was looked for, and was there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Given<T> {
    /// Nobody looked.
    #[default]
    Not,
    /// It isn't there.
    Missing,
    /// It is there.
    Is(T),
}

/// What lies around a configuration and is read by it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Surroundings<'a> {
    /// The environment block, with its file.
    pub environment: Given<(&'a str, &'a Environment)>,
    /// `custom.cfg` beside the configuration: its file and its text.
    pub custom: Given<(&'a str, &'a str)>,
    /// The entries of the Boot Loader Specification, in the order of the menu.
    pub entries: Given<&'a [BlsEntry]>,
    /// Whether GRUB can write to the environment block; none where nobody knows.
    pub writable: Option<bool>,
}

/// Runs a configuration. Judged without an environment block, nothing is pending there (no one-shot, no failure recorded),
/// and what is saved there isn't known.
#[must_use]
pub fn run(file: &str, text: &str, surroundings: Surroundings<'_>) -> BootConfiguration {
    run_and_watch(file, text, surroundings).0
}

/// The same, with the directory from which `custom.cfg` was read, where it was without doubt.
pub(super) fn run_and_watch(
    file: &str,
    text: &str,
    surroundings: Surroundings<'_>,
) -> (BootConfiguration, Option<Directory>) {
    let script = Script::parse(text);
    let mut machine = Machine::new(file, surroundings);
    machine.run(&script);
    let directory = machine.custom_from();
    let refused = script.refused_at.map(|line| Place { file: file.to_owned(), line });
    (machine.finish(refused), directory)
}

/// Whether a text looks like GRUB 2's script.
#[must_use]
pub fn is_script(text: &str) -> bool {
    text.lines().map(str::trim_start).any(|line| {
        let first = line.split([' ', '\t', '{']).next().unwrap_or_default();
        matches!(first, "menuentry" | "submenu" | "blscfg" | "insmod" | "configfile" | "load_env")
            || (first == "set" && line.contains('='))
    })
}

/// Whether a configuration was made by Red Hat's tools, whose GRUB chooses differently; none where it doesn't show.
#[must_use]
pub fn is_red_hats(text: &str) -> Option<bool> {
    if text.lines().any(|line| matches!(line.trim(), "blscfg" | "insmod blscfg" | "insmod increment")) {
        return Some(true);
    }
    // SUSE's tools have a 2 in their names too.
    let has = |part: &str| text.contains(part);
    match (has("grub2-mkconfig"), has("grub-mkconfig")) {
        (true, _) if has("SUSE") || has("suse") => Some(false),
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// A known value.
fn known(text: &str) -> Value {
    Value::Known(text.to_owned())
}
