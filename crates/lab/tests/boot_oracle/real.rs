//! The folder of real inputs beside this checkout, where there is one, and what of it GRUB takes.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use kernmend_core::boot::bls::BlsEntry;
use kernmend_core::boot::reading::{Source, of_text};
use lab::grub_emu::accepts;

/// Configurations that another loader reads by rules of its own, each with what GRUB makes of it.
const FOR_OTHER_LOADERS: [(&str, &str); 1] = [(
    "petitboot-grub2-rhel8.conf",
    "`--users $grub_users` without such a variable takes `--id` for the user, and GRUB drops all entries; Petitboot doesn't",
)];

/// The configurations and entries of a folder.
pub(crate) struct Folder {
    /// GRUB's configurations that GRUB accepts: name and text.
    pub(crate) configurations: Vec<(String, String)>,
    /// Entries of the Boot Loader Specification, in the menu's order.
    pub(crate) entries: Vec<BlsEntry>,
}

impl Folder {
    /// Reads the folder. It isn't part of the project: as in `cargo xtask test` it is said where there is none.
    pub(crate) fn beside_this_checkout() -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/real-inputs/grub");
        if !folder.is_dir() {
            say(
                "there is no folder `../shared/real-inputs` beside this checkout: GRUB booted no real configuration",
            );
            return None;
        }
        let mut found = Self { configurations: Vec::new(), entries: Vec::new() };
        for path in files(&folder.join("cfg")) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let bytes = fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let other = FOR_OTHER_LOADERS.iter().find(|(other, _)| *other == name);
            let left_out = if of_text(&name, &bytes).is_none_or(|boot| boot.source != Source::Grub) {
                Some("it is none of GRUB 2's configurations")
            } else if let Some((_, why)) = other {
                Some(*why)
            } else if !accepts(&text).unwrap() {
                Some("GRUB refuses its syntax")
            } else {
                None
            };
            match left_out {
                Some(why) => say(&format!("left out: {name}: {why}")),
                None => found.configurations.push((name, text)),
            }
        }
        for path in files(&folder.join("bls/centos8stream")) {
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            found.entries.extend(BlsEntry::parse(&file, &fs::read_to_string(&path).unwrap()));
        }
        BlsEntry::sort(&mut found.entries);
        Some(found)
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    paths
}

/// Says something that is seen though the test passes.
pub(crate) fn say(text: &str) {
    let mut terminal = std::io::stderr();
    writeln!(terminal, "boot oracle: {text}").unwrap();
}
