//! GRUB 1's `grub.conf` or `menu.lst`: `default=N`, and entries that begin at `title`.

use crate::format::kernel::arguments;

use super::{BootConfiguration, EntryKind, MenuEntry, Place, Setting, Unclear, Value, is_linux, release_of};

/// No more entries are read of one file.
const MAX_ENTRIES: usize = 4096;

/// Reads a configuration.
#[must_use]
pub fn parse(file: &str, text: &str) -> BootConfiguration {
    let mut configuration = BootConfiguration::default();
    for (index, line) in text.lines().enumerate() {
        let place = Place { file: file.to_owned(), line: index + 1 };
        let line = line.trim();
        let (key, value) = line.split_once([' ', '\t', '=']).unwrap_or((line, ""));
        let value = value.trim_start_matches([' ', '\t', '=']);
        let number = configuration.entries.len();
        let entry = configuration.entries.last_mut();
        match key {
            "title" if number < MAX_ENTRIES => {
                configuration.entries.push(MenuEntry {
                    kind: EntryKind::Other,
                    title: value.to_owned(),
                    id: value.to_owned(),
                    path: vec![number],
                    kernel: None,
                    release: None,
                    arguments: Vec::new(),
                    open_variables: Vec::new(),
                    certain: true,
                    place,
                });
            }
            "kernel" | "module" => {
                let words = arguments(value);
                let mut words = words.into_iter().skip_while(|word| word.starts_with("--"));
                let (Some(entry), Some(path)) = (entry, words.next()) else { continue };
                // Under Xen the kernel is the first module, and `kernel` is Xen.
                let is_xen = |path: &str| path.rsplit('/').next().is_some_and(|name| name.starts_with("xen"));
                let is_kernel = match key {
                    "kernel" => true,
                    _ => entry.kernel.as_deref().is_some_and(is_xen),
                };
                if is_kernel {
                    let is_linux = is_linux(&path) && !is_xen(&path);
                    entry.kind = if is_linux { EntryKind::Linux } else { EntryKind::Other };
                    entry.release = release_of(&path);
                    entry.kernel = Some(path);
                    entry.arguments = words.collect();
                }
            }
            // Above the entries only.
            "default" | "timeout" if number == 0 => {
                let value = match (key, value) {
                    ("default", "saved") => Value::Unknown(Unclear::EnvironmentNotGiven),
                    _ => Value::Known(value.to_owned()),
                };
                let setting = Some(Setting { value, place, from: None });
                if key == "default" {
                    configuration.default = setting;
                } else {
                    configuration.timeout = setting;
                }
            }
            _ => {}
        }
    }
    configuration
}

/// Whether a text looks like one.
#[must_use]
pub fn is_configuration(text: &str) -> bool {
    let has = |key: &str| {
        text.lines().any(|line| {
            line.trim_start()
                .strip_prefix(key)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
        })
    };
    has("title") && has("kernel")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::{Matcher, choose::Choice, next_boot};

    const TEXT: &str = "# kernel /commented\ndefault=1\ntimeout 5\ntitle New (2.6.32-754.el6.x86_64)\n\troot (hd0,0)\n\
                        \tkernel /vmlinuz-2.6.32-754.el6.x86_64 ro root=/dev/a\n\tinitrd /i.img\ntitle Xen\n\
                        \tkernel /xen.gz dom0_mem=1G\n\tmodule /vmlinuz-2.6.18-8.el5xen ro\n\tmodule /i.img\n\
                        title Memory\n\tkernel /memtest86\n";

    #[test]
    fn entries_and_the_default_are_read() {
        let read = parse("grub.conf", TEXT);
        let entries: Vec<(&str, EntryKind, Option<&str>)> = read
            .entries
            .iter()
            .map(|entry| (entry.title.as_str(), entry.kind, entry.release.as_deref()))
            .collect();
        assert_eq!(
            entries,
            [
                ("New (2.6.32-754.el6.x86_64)", EntryKind::Linux, Some("2.6.32-754.el6.x86_64")),
                ("Xen", EntryKind::Linux, Some("2.6.18-8.el5xen")),
                ("Memory", EntryKind::Other, None),
            ]
        );
        assert_eq!(read.entries[1].arguments, ["ro"]);
        assert_eq!(next_boot(&read, None, Matcher::Legacy).choice, Choice::Entry(1));
    }

    #[test]
    fn what_is_saved_is_not_in_this_file() {
        let read = parse("menu.lst", "default saved\ntitle a\nkernel /vmlinuz-2.6.9 ro\n");
        let next = next_boot(&read, None, Matcher::Legacy);
        assert_eq!(next.choice, Choice::Unknown(Unclear::EnvironmentNotGiven));
        assert!(is_configuration(TEXT) && !is_configuration("title a\nlinux /x\n"));
    }
}
