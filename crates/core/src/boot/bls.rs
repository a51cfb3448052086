//! Boot Loader Specification entries (`loader/entries/*.conf`), as Red Hat's `blscfg` reads and orders them.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::version::rpm::compare_part;

/// One entry file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlsEntry {
    /// The file.
    pub file: String,
    /// The file's name without `.conf`, which is the entry's id.
    pub id: String,
    /// The title; that of the kernel's path where there is none.
    pub title: Option<String>,
    /// What the entry calls its version.
    pub version: Option<String>,
    /// The kernel's path.
    pub linux: Option<String>,
    /// The kernel's arguments, variables of the loader not yet replaced.
    pub options: String,
}

impl BlsEntry {
    /// Reads an entry. None where no line of it is one of an entry.
    #[must_use]
    pub fn parse(file: &str, text: &str) -> Option<Self> {
        let name = file.rsplit('/').next().unwrap_or(file);
        let mut entry = Self {
            file: file.to_owned(),
            id: name.strip_suffix(".conf").unwrap_or(name).to_owned(),
            ..Self::default()
        };
        for line in text.lines().map(str::trim) {
            let Some((key, value)) = line.split_once([' ', '\t']) else { continue };
            let value = value.trim();
            let set = |field: &mut Option<String>| {
                field.get_or_insert_with(|| value.to_owned());
            };
            match key {
                "title" => set(&mut entry.title),
                "version" => set(&mut entry.version),
                "linux" => set(&mut entry.linux),
                "options" => {
                    if !entry.options.is_empty() {
                        entry.options.push(' ');
                    }
                    entry.options.push_str(value);
                }
                _ => {}
            }
        }
        (entry.linux.is_some() || (entry.title.is_some() && !entry.options.is_empty())).then_some(entry)
    }

    /// Puts entries into the order of the menu: the newest first by RPM's order over the parts of the file's name (name,
    /// version, release). The machine's id is the name, so that it counts before the version does.
    pub fn sort(entries: &mut [Self]) {
        entries.sort_by(|a, b| newer_first(&a.id, &b.id));
    }
}

fn newer_first(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    compare_part(b.0, a.0).then_with(|| compare_part(b.1, a.1)).then_with(|| compare_part(b.2, a.2))
}

/// Name, version and release of a file's name, as `blscfg` takes it apart: from the end, and what is missing is missing in
/// front.
fn parts(id: &str) -> (&str, &str, &str) {
    match id.rsplit_once('-') {
        None => (id, "", ""),
        Some((front, last)) => match front.rsplit_once('-') {
            None => (front, last, ""),
            Some((name, version)) => (name, version, last),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_line_by_line() {
        let entry = BlsEntry::parse(
            "/boot/loader/entries/abc-4.18.0-80.el8.x86_64.conf",
            "# made by hand\ntitle  Some Linux (4.18.0-80.el8.x86_64) 8\nversion 4.18.0-80.el8.x86_64\n\
             linux /vmlinuz-4.18.0-80.el8.x86_64\ninitrd /initramfs $tuned_initrd\noptions root=/dev/a ro\noptions quiet\n",
        )
        .unwrap();
        assert_eq!(entry.id, "abc-4.18.0-80.el8.x86_64");
        assert_eq!(entry.title.as_deref(), Some("Some Linux (4.18.0-80.el8.x86_64) 8"));
        assert_eq!(entry.linux.as_deref(), Some("/vmlinuz-4.18.0-80.el8.x86_64"));
        assert_eq!(entry.options, "root=/dev/a ro quiet");
        assert_eq!(BlsEntry::parse("x.conf", "nothing of the kind\n"), None);
    }

    #[test]
    fn the_newest_is_first_and_the_rescue_kernel_last() {
        let order = |ids: &[&str]| {
            let mut entries: Vec<BlsEntry> =
                ids.iter().map(|id| BlsEntry { id: (*id).to_owned(), ..BlsEntry::default() }).collect();
            BlsEntry::sort(&mut entries);
            entries.into_iter().map(|entry| entry.id).collect::<Vec<_>>()
        };
        assert_eq!(
            order(&["a-0-rescue", "a-4.18.0-80.el8.x86_64", "a-4.18.0-305.el8.x86_64", "a-5.18.0"]),
            // Without a release the machine's id stands where the version would.
            ["a-5.18.0", "a-4.18.0-305.el8.x86_64", "a-4.18.0-80.el8.x86_64", "a-0-rescue"]
        );
        // A machine id that was made anew sorts before any version.
        assert_eq!(
            order(&["f00-4.18.0-80.el8.x86_64", "e00-5.14.0-1.el9.x86_64"]),
            ["f00-4.18.0-80.el8.x86_64", "e00-5.14.0-1.el9.x86_64"]
        );
    }
}
