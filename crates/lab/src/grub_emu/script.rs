//! A configuration as GRUB runs it in the lab: every entry says where it is from, loading a kernel is told and not done, and
//! nothing waits for a person. Nothing else of the text is changed.

use std::fmt::Write as _;

use kernmend_core::boot::bls::BlsEntry;

use super::Files;

/// What comes before the text: an entry that runs, and the command that loads its kernel, are written to the block.
const BEFORE: &str = "\
function lab_entry {
  set lab_place=\"$1\"
  save_env -f (hd1)/result lab_place chosen
}
function lab_load {
  set lab_linux=\"\"
  for lab_word in \"$@\"; do set lab_linux=\"${lab_linux}
${lab_word}\"; done
  save_env -f (hd1)/result lab_place chosen lab_linux
  exit
}
";

/// Commands that load Linux.
const LINUX: [&str; 3] = ["linux", "linux16", "linuxefi"];

/// Commands that load something else, or start it: GRUB would be gone.
const OTHERS: [&str; 9] = [
    "multiboot",
    "multiboot2",
    "xen_hypervisor",
    "chainloader",
    "appleloader",
    "fwsetup",
    "ntldr",
    "kfreebsd",
    "xnu_kernel",
];

/// What comes after it: GRUB doesn't wait, tries nothing else, and neither draws nor listens elsewhere.
const AFTER: &str = "
set timeout=0
set timeout_style=menu
unset fallback
terminal_input console
terminal_output console
";

/// The text with all that around it.
pub(super) fn instrumented(files: &Files<'_>) -> String {
    let mut text = BEFORE.to_owned();
    let mut add = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    for name in LINUX {
        add(format!("function {name} {{ lab_load \"$@\"; }}"));
    }
    for name in OTHERS {
        add(format!("function {name} {{ exit; }}"));
    }
    add(format!("function blscfg {{ {}true; }}", entries(files.entries)));
    add(marked(&files.configuration.replace("terminal_output gfxterm", "terminal_output console")));
    text.push_str(AFTER);
    text
}

/// The text with a mark in every entry: the line on which it begins.
fn marked(text: &str) -> String {
    let mut marked = String::new();
    let (mut line, mut quote, mut entry) = (1, None, None);
    let mut before = '\n';
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        let begins_word = before.is_whitespace() || matches!(before, ';' | '{' | '}');
        marked.push(char);
        match (quote, char) {
            (None, '#') if begins_word => quote = Some('\n'),
            (None, '\'' | '"') => quote = Some(char),
            (None, 'm') if begins_word && text[at..].starts_with("menuentry ") => entry = Some(line),
            (None, '{') if before != '$' => {
                if let Some(line) = entry.take() {
                    write!(marked, " lab_entry {line};").expect("writing to a string can't fail");
                }
            }
            (None | Some('"'), '\\') => {
                if let Some((_, escaped)) = chars.next() {
                    marked.push(escaped);
                    line += usize::from(escaped == '\n');
                }
            }
            (Some(end), _) if end == char => quote = None,
            _ => {}
        }
        line += usize::from(char == '\n');
        before = char;
    }
    marked
}

/// Entries of the Boot Loader Specification, as the script that Red Hat's `blscfg` makes of each.
fn entries(entries: &[BlsEntry]) -> String {
    let mut text = String::new();
    for BlsEntry { file, id, title, linux, options, .. } in entries {
        let Some(linux) = linux else { continue };
        let title = quoted(title.as_ref().unwrap_or(linux));
        let (id, file) = (quoted(id), quoted(file));
        write!(text, "menuentry {title} --id {id} {{ lab_entry {file}; linux {linux} {options}; }}; ")
            .expect("writing to a string can't fail");
    }
    text
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_marked_with_their_lines_and_nothing_else_is() {
        for (text, expected) in [
            ("# it's {\nmenuentry 'a {' {\n}\n", "# it's {\nmenuentry 'a {' { lab_entry 2;\n}\n"),
            (
                "menuentry \"a\\\"\nb\" ${x} { load_video\n}",
                "menuentry \"a\\\"\nb\" ${x} { lab_entry 1; load_video\n}",
            ),
            ("submenu x {\n\tmenuentry y {}\n}", "submenu x {\n\tmenuentry y { lab_entry 2;}\n}"),
            ("echo menuentry_id a#b {", "echo menuentry_id a#b {"),
            ("set a=menuentry {", "set a=menuentry {"),
        ] {
            assert_eq!(marked(text), expected);
        }
    }
}
