//! What `grubby --info=ALL` prints: the entries, but not which of them is the default.

use crate::format::kernel::arguments;

use super::{BootConfiguration, EntryKind, MenuEntry, Place, is_linux, release_of};

/// No more entries are read of one text.
const MAX_ENTRIES: usize = 4096;

/// Reads the list.
#[must_use]
pub fn parse(file: &str, text: &str) -> BootConfiguration {
    let mut configuration = BootConfiguration { silent: true, ..BootConfiguration::default() };
    for (index, line) in text.lines().enumerate() {
        let Some((key, value)) = line.trim().split_once('=') else { continue };
        let value = value.trim();
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        if key == "index" {
            if configuration.entries.len() >= MAX_ENTRIES {
                break;
            }
            configuration.entries.push(MenuEntry {
                kind: EntryKind::Other,
                title: String::new(),
                id: String::new(),
                path: vec![value.parse().unwrap_or(configuration.entries.len())],
                kernel: None,
                release: None,
                arguments: Vec::new(),
                open_variables: Vec::new(),
                certain: true,
                place: Place { file: file.to_owned(), line: index + 1 },
            });
            continue;
        }
        let Some(entry) = configuration.entries.last_mut() else { continue };
        match key {
            "kernel" => {
                entry.release = release_of(value);
                entry.kind = if is_linux(value) { EntryKind::Linux } else { EntryKind::Other };
                entry.kernel = Some(value.to_owned());
            }
            "args" => entry.arguments.extend(arguments(value)),
            // Taken out of the arguments, where the kernel sees it.
            "root" => entry.arguments.insert(0, format!("root={value}")),
            "title" => {
                value.clone_into(&mut entry.title);
                if entry.id.is_empty() {
                    value.clone_into(&mut entry.id);
                }
            }
            "id" => value.clone_into(&mut entry.id),
            _ => {}
        }
    }
    configuration
}

/// Whether a text looks like such a list.
#[must_use]
pub fn is_list(text: &str) -> bool {
    text.lines()
        .any(|line| line.strip_prefix("index=").is_some_and(|rest| rest.trim().parse::<u32>().is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_and_the_default_is_left_open() {
        let text = "index=0\nkernel=\"/boot/vmlinuz-5.14.0-70.el9.x86_64\"\nargs=\"ro quiet\"\nroot=\"UUID=1\"\n\
                    title=\"New\"\nid=\"m-5.14.0-70.el9.x86_64\"\nindex=1\nnon linux entry\n";
        assert!(is_list(text) && !is_list("index of things"));
        let read = parse("-", text);
        assert!(read.silent);
        assert_eq!(read.entries.len(), 2);
        assert_eq!(read.entries[0].arguments, ["root=UUID=1", "ro", "quiet"]);
        assert_eq!(read.entries[0].id, "m-5.14.0-70.el9.x86_64");
        assert_eq!(read.entries[1].kind, EntryKind::Other);
    }
}
