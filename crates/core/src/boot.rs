//! What boots next: the configuration of a boot loader as data, and the loader's own choice of an entry. Texts go in; no
//! file is opened, and nothing is changed.
//!
//! One file a format: [`grub`] (GRUB 2's script), [`bls`], [`environment`], [`default`] (`/etc/default/grub`), [`legacy`]
//! (GRUB 1), [`grubby`] (its list of entries). [`choose`] has the loader's choice, [`writable`] says whether the
//! loader can take a one-shot back, [`reading`] puts all of it together, [`trial`] has the script that boots a kernel once,
//! [`guard`] what ends such a boot before its root file system is there ([`cpio`]), and [`change`] what these files hold
//! after a change.

pub mod bls;
pub mod change;
pub mod choose;
pub mod cpio;
pub mod default;
pub mod environment;
pub mod grub;
pub mod grubby;
pub mod guard;
pub mod legacy;
pub mod reading;
pub mod trial;
pub mod writable;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use choose::{How, Matcher, NextBoot, Surprise, SurpriseKind, next_boot, next_boot_of_any};

/// A menu and what chooses from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BootConfiguration {
    /// All entries and submenus, each submenu before what is in it.
    pub entries: Vec<MenuEntry>,
    /// The default, where anything sets one.
    pub default: Option<Setting>,
    /// Seconds before the default is booted; -1 waits for ever.
    pub timeout: Option<Setting>,
    /// Whether the menu has entries that are kept in files which were not given.
    pub entries_missing: bool,
    /// The file that this one hands over to, as it is written there.
    pub hands_over_to: Option<String>,
    /// Where the loader stumbles over the text.
    pub refused: Option<Place>,
    /// Whether the text asks for more work than is done for one.
    pub too_large: bool,
    /// Whether this kind of text says nothing of what is booted.
    pub silent: bool,
}

/// One entry of a menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MenuEntry {
    /// What it does.
    pub kind: EntryKind,
    /// The title.
    pub title: String,
    /// The id; the title where the configuration gives none.
    pub id: String,
    /// The numbers from the top menu down to it, each from 0; empty for what has no title, which GRUB takes into no menu.
    pub path: Vec<usize>,
    /// The path of the kernel, as the loader sees it.
    pub kernel: Option<String>,
    /// The kernel's release, as the name of its file tells it.
    pub release: Option<String>,
    /// The kernel's arguments.
    pub arguments: Vec<String>,
    /// Variables of the loader in the arguments whose value isn't told here.
    pub open_variables: Vec<String>,
    /// Whether it is in the menu at all is decided by nothing but what the loader was given here.
    pub certain: bool,
    /// Where it is from.
    pub place: Place,
}

impl MenuEntry {
    /// The numbers as GRUB takes them: `1>2`.
    #[must_use]
    pub fn number(&self) -> String {
        self.path.iter().map(usize::to_string).collect::<Vec<_>>().join(">")
    }
}

/// What an entry does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Boots a Linux kernel.
    Linux,
    /// Opens a menu.
    Submenu,
    /// Anything else: another system, firmware setup, a memory test.
    Other,
}

/// A place in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line from 1; 0 for the file as a whole.
    pub line: usize,
}

/// A setting with where it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Setting {
    /// Its value.
    pub value: Value,
    /// Where it is set.
    pub place: Place,
    /// The variable of the environment block that it was taken from.
    pub from: Option<Variable>,
}

impl Setting {
    /// The name of the variable of the environment block that it was taken from.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        self.from.as_ref().map(|variable| variable.name.as_str())
    }
}

/// A variable of an environment block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// The block's file; empty where none was given.
    pub file: String,
}

/// A value, or why it can't be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// It is this.
    Known(String),
    /// It can't be told.
    Unknown(Unclear),
}

/// Why something can't be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unclear {
    /// The environment block decides, and wasn't given.
    EnvironmentNotGiven,
    /// Only the loader on that machine knows: it looks at its disks, screen or keys.
    MachineDecides,
    /// The menu has entries in files that were not given.
    EntriesNotGiven,
    /// The configuration hands over to another file, which wasn't given.
    ConfigurationElsewhere,
    /// The loader stumbles over the text.
    Refused,
    /// The text asks for more work than is done for one.
    TooLarge,
    /// There is no entry.
    NoEntry,
    /// This kind of text doesn't say.
    NotToldHere,
    /// Versions of the loader differ here, and which one it is isn't known.
    LoadersDiffer,
}

/// The release of a kernel by its file's name: `/boot/vmlinuz-4.18.0-80.el8.x86_64`.
#[must_use]
pub fn release_of(path: &str) -> Option<String> {
    const PREFIXES: [&str; 7] = ["vmlinuz-", "vmlinux-", "kernel-", "bzImage-", "Image-", "image-", "linux-"];
    const SUFFIXES: [&str; 4] = [".efi.signed", ".signed", ".efi", ".gz"];
    let name = path.rsplit('/').next().unwrap_or(path);
    let mut release = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix))?;
    release = SUFFIXES.iter().find_map(|suffix| release.strip_suffix(suffix)).unwrap_or(release);
    let mut numbers = release.split('.');
    let is_number =
        |text: Option<&str>| text.is_some_and(|text| text.starts_with(|first: char| first.is_ascii_digit()));
    (is_number(numbers.next()) && is_number(numbers.next())).then(|| release.to_owned())
}

/// Whether a file that is loaded as a kernel is one of Linux.
fn is_linux(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    !name.is_empty() && !name.starts_with("memtest") && !name.starts_with("memdisk")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_named_by_its_file() {
        for (path, expected) in [
            ("/boot/vmlinuz-4.18.0-80.el8.x86_64", Some("4.18.0-80.el8.x86_64")),
            ("/vmlinuz-4.10.0-42-generic.efi.signed", Some("4.10.0-42-generic")),
            ("($root)/boot/Image-5.3.18-default", Some("5.3.18-default")),
            ("/vmlinuz-0-rescue-0123", None),
            ("/boot/vmlinuz", None),
            ("/live/vmlinuz1", None),
        ] {
            assert_eq!(release_of(path).as_deref(), expected, "{path}");
        }
    }
}
