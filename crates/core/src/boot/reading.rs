//! All boot files of a machine, or one text, put together: what is in the menu, what boots next, and who says so.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bls::BlsEntry;
use super::choose::{Choice, How, Matcher, NextBoot, Surprise, SurpriseKind};
use super::default::Defaults;
use super::environment::Environment;
use super::grub::{self, Given, Surroundings};
use super::writable::{self, Block, Obstacle, Writable};
use super::{
    BootConfiguration, EntryKind, MenuEntry, Place, Setting, Unclear, Value, Variable, grubby, is_linux,
    legacy, next_boot, next_boot_of_any, release_of, trial,
};
use crate::document::snapshot::FileSystem;
use crate::document::{Body, Fact, Why};
use crate::format::kernel::arguments;

/// What was read of a machine's boot loader. The texts come with the paths that they were read from.
#[derive(Debug, Clone, Default)]
pub struct BootFiles {
    /// The configuration that the loader starts from, or the one that this hands over to.
    pub configuration: Option<(String, String)>,
    /// `custom.cfg` beside it.
    pub custom: Given<(String, String)>,
    /// Environment blocks; the first is the one that the configuration reads.
    pub environments: Vec<(String, Vec<u8>)>,
    /// Whether all places were looked at: a block that isn't among these isn't there.
    pub environments_complete: bool,
    /// Entries of the Boot Loader Specification.
    pub entries: Given<Vec<(String, String)>>,
    /// `/etc/default/grub` and its drop-ins, in the order in which they are read.
    pub defaults: Vec<(String, String)>,
    /// `/etc/kernel/cmdline`: the arguments that entries of the Boot Loader Specification are made with.
    pub kernel_cmdline: Given<(String, String)>,
    /// GRUB 1's configuration.
    pub legacy: Option<(String, String)>,
    /// Whose GRUB it is, where the distribution tells.
    pub matcher: Option<Matcher>,
    /// The file system that the first environment block lies on.
    pub block_on: Fact<FileSystem>,
    /// Where that is mounted, if a link leads there from another one.
    pub block_leads_to: Option<String>,
    /// What could not be read.
    pub open: Vec<Why>,
}

/// What kind of text a reading rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// GRUB 2's configuration.
    Grub,
    /// GRUB 1's configuration.
    Legacy,
    /// A list of entries that `grubby` made.
    List,
    /// One entry of the Boot Loader Specification.
    Entry,
    /// An environment block.
    Environment,
    /// `/etc/default/grub`.
    Settings,
    /// Nothing was found.
    Nothing,
}

/// What boots next on a machine, or by one text: the document `kernmend/boot/1`.
///
/// Changes of it: `writable` and `settings` are new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Boot {
    /// The kind of text that it rests on.
    pub source: Source,
    /// That text's file.
    pub file: String,
    /// Whose rules choose; none where it isn't known, and those of both were followed.
    pub matcher: Option<Matcher>,
    /// The menu.
    pub configuration: BootConfiguration,
    /// The environment block.
    pub environment: Option<Environment>,
    /// What boots next.
    pub next: NextBoot,
    /// What boots after it, where the next boot is for once and GRUB can take that back.
    pub afterwards: Option<Choice>,
    /// Whether GRUB can write to the environment block; not told of a text alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writable: Option<Writable>,
    /// GRUB's settings, `GRUB_DEFAULT` for one, from which the configuration is made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, Setting>,
    /// Arguments that the text gives to kernels without naming an entry.
    pub arguments: Option<Vec<String>>,
    /// What could not be read.
    pub open: Vec<Why>,
}

impl Body for Boot {
    const NAME: &'static str = "boot";
    const MAJOR: u32 = 1;
}

impl Boot {
    /// The entry that boots next.
    #[must_use]
    pub fn chosen(&self) -> Option<&MenuEntry> {
        match self.next.choice {
            Choice::Entry(index) => self.configuration.entries.get(index),
            Choice::Unknown(_) => None,
        }
    }

    /// The entries that boot Linux.
    pub fn linux_entries(&self) -> impl Iterator<Item = &MenuEntry> {
        self.configuration.entries.iter().filter(|entry| entry.kind == EntryKind::Linux)
    }
}

/// Reads all files of a machine.
#[must_use]
pub fn of_files(files: &BootFiles) -> Boot {
    let environments: Vec<(&str, Environment)> =
        files.environments.iter().map(|(file, bytes)| (file.as_str(), Environment::parse(bytes))).collect();
    let mut entries: Given<Vec<BlsEntry>> = match &files.entries {
        Given::Not => Given::Not,
        Given::Missing => Given::Missing,
        Given::Is(texts) => {
            Given::Is(texts.iter().filter_map(|(file, text)| BlsEntry::parse(file, text)).collect())
        }
    };
    if let Given::Is(entries) = &mut entries {
        BlsEntry::sort(entries);
    }
    let environment = environments.first().map(|(file, environment)| (*file, environment));
    let writable = environment.map(|(path, environment)| {
        let (leads_to, file_system) = (files.block_leads_to.as_deref(), &files.block_on);
        writable::judge(&Block { path, leads_to, environment, file_system })
    });
    let surroundings = Surroundings {
        writable: match writable {
            Some(Writable::Yes) => Some(true),
            Some(Writable::No { .. }) => Some(false),
            Some(Writable::Unknown { .. }) | None => None,
        },
        environment: match environments.first() {
            Some((file, environment)) => Given::Is((file, environment)),
            None if files.environments_complete => Given::Missing,
            None => Given::Not,
        },
        custom: match &files.custom {
            Given::Not => Given::Not,
            Given::Missing => Given::Missing,
            Given::Is((file, text)) => Given::Is((file, text)),
        },
        entries: match &entries {
            Given::Not => Given::Not,
            Given::Missing => Given::Missing,
            Given::Is(entries) => Given::Is(entries),
        },
    };
    let (source, file, configuration, matcher) = match (&files.configuration, &files.legacy) {
        (Some((file, text)), _) => {
            let matcher = files.matcher.or_else(|| matcher_of(text));
            (Source::Grub, file.as_str(), grub::run(file, text, surroundings), matcher)
        }
        (None, Some((file, text))) => {
            (Source::Legacy, file.as_str(), legacy::parse(file, text), Some(Matcher::Legacy))
        }
        (None, None) => {
            let nothing = BootConfiguration { silent: true, ..BootConfiguration::default() };
            (Source::Nothing, "", nothing, files.matcher)
        }
    };
    let is_lost = matches!(writable, Some(Writable::No { .. }));
    let mut next = choose(&configuration, environment, matcher);
    let decided_by = next.why.as_ref().and_then(Setting::variable);
    // What GRUB takes back, so that the boot after it is another one.
    let taken_back = decided_by.and_then(|variable| match variable {
        "next_entry" => Some("next_entry"),
        trial::ENTRY => Some(trial::TRIES),
        _ => None,
    });
    let afterwards = match (&files.configuration, environment) {
        (Some((file, text)), Some((block, environment))) if !is_lost => taken_back.map(|taken| {
            let mut cleared = environment.clone();
            cleared.variables.retain(|(name, _)| name != taken);
            let surroundings = Surroundings { environment: Given::Is((block, &cleared)), ..surroundings };
            choose(&grub::run(file, text, surroundings), None, matcher).choice
        }),
        _ => None,
    };
    let mut defaults = Defaults::default();
    for (file, text) in &files.defaults {
        defaults.source(file, text);
    }
    if source == Source::Grub {
        next.surprises.extend(surprises(&defaults, &environments, writable.as_ref(), &next));
    }
    // Without a block GRUB has none to write to, where it is GRUB at all and all places were looked at.
    let no_block = || match source {
        Source::Grub if files.environments_complete => {
            Some(Writable::No { obstacle: Obstacle::NoBlock, by: file.to_owned() })
        }
        _ => None,
    };
    Boot {
        source,
        file: file.to_owned(),
        matcher,
        configuration,
        environment: environment.map(|(_, environment)| environment.clone()),
        next,
        afterwards,
        writable: writable.or_else(no_block),
        settings: settings(&defaults),
        arguments: None,
        open: files.open.clone(),
    }
}

/// Reads one text, which is recognised by its content. None where it is nothing of the kind.
#[must_use]
pub fn of_text(file: &str, bytes: &[u8]) -> Option<Boot> {
    let text = String::from_utf8_lossy(bytes);
    if text.starts_with("# GRUB Environment Block") {
        return Some(of_environment(file, Environment::parse(bytes)));
    }
    if grubby::is_list(&text) {
        return Some(of_configuration(Source::List, file, grubby::parse(file, &text), None));
    }
    if grub::is_script(&text) {
        let configuration = grub::run(file, &text, Surroundings::default());
        return Some(of_configuration(Source::Grub, file, configuration, matcher_of(&text)));
    }
    if legacy::is_configuration(&text) {
        let configuration = legacy::parse(file, &text);
        return Some(of_configuration(Source::Legacy, file, configuration, Some(Matcher::Legacy)));
    }
    let mut defaults = Defaults::default();
    defaults.source(file, &text);
    if !defaults.is_empty() {
        return Some(of_defaults(file, &defaults));
    }
    if let Some(entry) = BlsEntry::parse(file, &text) {
        return Some(of_entry(file, entry));
    }
    Environment::of_listing(&text).map(|environment| of_environment(file, environment))
}

fn matcher_of(text: &str) -> Option<Matcher> {
    grub::is_red_hats(text).map(|red_hat| if red_hat { Matcher::RedHat } else { Matcher::Upstream })
}

fn choose(
    configuration: &BootConfiguration,
    environment: Option<(&str, &Environment)>,
    matcher: Option<Matcher>,
) -> NextBoot {
    match matcher {
        Some(matcher) => next_boot(configuration, environment, matcher),
        None => next_boot_of_any(configuration, environment),
    }
}

fn of_configuration(
    source: Source,
    file: &str,
    configuration: BootConfiguration,
    matcher: Option<Matcher>,
) -> Boot {
    let next = choose(&configuration, None, matcher);
    Boot {
        source,
        file: file.to_owned(),
        matcher,
        configuration,
        environment: None,
        next,
        afterwards: None,
        writable: None,
        settings: BTreeMap::new(),
        arguments: None,
        open: Vec::new(),
    }
}

/// A block alone: it names what is booted, and whether there is such an entry stands elsewhere.
fn of_environment(file: &str, environment: Environment) -> Boot {
    let silent = BootConfiguration { silent: true, ..BootConfiguration::default() };
    let mut boot = of_configuration(Source::Environment, file, silent, None);
    let pending = ["next_entry", "saved_entry"]
        .into_iter()
        .find_map(|name| Some((name, environment.get(name)?.to_owned())));
    boot.next.why = pending.map(|(name, value)| Setting {
        value: Value::Known(value),
        place: Place { file: file.to_owned(), line: 0 },
        from: Some(Variable { name: name.to_owned(), file: file.to_owned() }),
    });
    boot.configuration.default = boot.next.why.clone();
    boot.next = next_boot(&boot.configuration, Some((file, &environment)), Matcher::RedHat);
    if boot.next.why.is_some() {
        boot.next.choice = Choice::Unknown(Unclear::EntriesNotGiven);
    }
    let options: Vec<&str> =
        ["kernelopts", "tuned_params"].into_iter().filter_map(|name| environment.get(name)).collect();
    boot.arguments = (!options.is_empty()).then(|| arguments(&options.join(" ")));
    boot.environment = Some(environment);
    boot
}

fn of_defaults(file: &str, defaults: &Defaults) -> Boot {
    let silent = BootConfiguration { silent: true, ..BootConfiguration::default() };
    let mut boot = of_configuration(Source::Settings, file, silent, None);
    boot.settings = settings(defaults);
    boot.next.why = boot.settings.get("GRUB_DEFAULT").cloned();
    boot.configuration.default = boot.next.why.clone();
    boot.configuration.timeout = boot.settings.get("GRUB_TIMEOUT").cloned();
    boot.arguments = defaults.arguments();
    boot
}

fn settings(defaults: &Defaults) -> BTreeMap<String, Setting> {
    let setting = |(name, setting): (&str, &super::default::Setting)| {
        let value = Value::Known(setting.value.clone());
        let place = Place { file: setting.file.clone(), line: setting.line };
        (name.to_owned(), Setting { value, place, from: None })
    };
    defaults.iter().map(setting).collect()
}

fn of_entry(file: &str, entry: BlsEntry) -> Boot {
    let (release, kernel) = (entry.linux.as_deref().and_then(release_of), entry.linux);
    let arguments = arguments(&entry.options);
    let open =
        |argument: &String| argument.strip_prefix('$').map(|name| name.trim_matches(['{', '}']).to_owned());
    let configuration = BootConfiguration {
        entries: vec![MenuEntry {
            kind: if kernel.as_deref().is_some_and(is_linux) { EntryKind::Linux } else { EntryKind::Other },
            title: entry.title.unwrap_or_else(|| entry.id.clone()),
            id: entry.id,
            path: vec![0],
            release,
            kernel,
            open_variables: arguments.iter().filter_map(open).collect(),
            arguments,
            certain: true,
            place: Place { file: file.to_owned(), line: 0 },
        }],
        silent: true,
        ..BootConfiguration::default()
    };
    of_configuration(Source::Entry, file, configuration, None)
}

/// What only shows when the files of a machine are laid side by side.
fn surprises(
    defaults: &Defaults,
    environments: &[(&str, Environment)],
    writable: Option<&Writable>,
    next: &NextBoot,
) -> Vec<Surprise> {
    let mut found = Vec::new();
    let whole = |file: &str| Place { file: file.to_owned(), line: 0 };
    if let [(first, environment), others @ ..] = environments {
        // Of one that is no block another surprise tells.
        if let Some(Writable::No { obstacle, by }) = writable
            && *obstacle != Obstacle::Malformed
        {
            let kind = SurpriseKind::EnvironmentNotWritable;
            found.push(Surprise { kind, value: by.clone(), place: whole(first) });
        }
        let differing = others.iter().find(|(_, other)| {
            ["saved_entry", "next_entry", "kernelopts"]
                .iter()
                .any(|name| other.get(name) != environment.get(name))
        });
        if let Some((other, _)) = differing {
            let kind = SurpriseKind::EnvironmentsDiffer;
            found.push(Surprise { kind, value: (*first).to_owned(), place: whole(other) });
        }
    }
    let wanted = defaults.get("GRUB_DEFAULT");
    let is_saved = wanted.is_some_and(|setting| setting.value == "saved");
    let Some(why) = &next.why else { return found };
    let (has, reads_saved) = match (why.variable(), &why.value) {
        (Some("next_entry"), _) | (None, Value::Unknown(_)) => return found,
        (Some(name), _) => (None, name == "saved_entry"),
        (None, Value::Known(value)) => (Some((value, &why.place)), value.is_empty()),
    };
    // `custom.cfg` may set what it wants, and GRUB's own script can't say more of an empty value than that it is empty.
    let set_by_hand = has.is_some_and(|(_, place)| place.file.ends_with("custom.cfg"));
    if let Some(setting) = wanted.filter(|_| !set_by_hand) {
        let differs = match has {
            Some((value, _)) if !is_saved => *value != setting.value,
            Some(_) => !reads_saved,
            None => !is_saved,
        };
        if differs {
            let place = Place { file: setting.file.clone(), line: setting.line };
            found.push(Surprise { kind: SurpriseKind::SettingsDiffer, value: setting.value.clone(), place });
        }
    }
    found
}

/// How the entry was found, as it matters to people: whether the default was followed.
impl How {
    /// Whether the default named the entry.
    #[must_use]
    pub fn is_followed(self) -> bool {
        matches!(self, Self::Id | Self::Title | Self::Number)
    }
}
