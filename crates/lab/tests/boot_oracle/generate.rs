//! Configurations, blocks and statements made up by chance, always the same ones.

use std::fmt::Write as _;

use kernmend_core::boot::MenuEntry;
use lab::grub_emu::compare::read;
use lab::grub_emu::{Files, block};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::{Boot, names};

/// Titles and ids: with what begins like a number, with the sign of submenus, blanks and quotes, and some of them twice.
const WORDS: [&str; 22] = [
    "Linux",
    "Linux",
    "Linux 5.10",
    "same",
    "same",
    "k-5.10",
    "k-4.19",
    "0",
    "1",
    "2",
    "1 more",
    "0x1",
    "010",
    "9a-4.18",
    "-1",
    "a>b",
    "x>>y",
    ">",
    "Linux>",
    "it's",
    "é\\u",
    " blank ",
];

/// The head of a configuration: what is taken from the block, and what is written back.
const HEADS: [&str; 3] = [
    "if [ -s $prefix/grubenv ]; then load_env; fi\n\
     if [ \"${next_entry}\" ]; then\n set default=\"${next_entry}\"\n set next_entry=\n save_env next_entry\n set boot_once=true\n\
     else\n set default=\"${saved_entry}\"\nfi\n\
     function savedefault { if [ -z \"${boot_once}\" ]; then saved_entry=\"${chosen}\"; save_env saved_entry; fi; }\n",
    "load_env -f ${config_directory}/grubenv saved_entry\nif [ -n \"${saved_entry}\" ]; then default=${saved_entry}; fi\n",
    "load_env\nset default=1\nif [ \"${prev_saved_entry}\" ]; then\n set saved_entry=\"${prev_saved_entry}\"\n save_env saved_entry\n\
     set prev_saved_entry=\n save_env prev_saved_entry\nfi\nif save_env saved_entry; then default=\"${saved_entry}\"; fi\n",
];

#[derive(Debug, Clone)]
enum Item {
    Entry(&'static str, Option<&'static str>),
    Submenu(&'static str, Option<&'static str>, Vec<Item>),
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    let words = || (prop::sample::select(&WORDS[..]), prop::option::of(prop::sample::select(&WORDS[..])));
    let entry = words().prop_map(|(title, id)| Item::Entry(title, id));
    let item = entry.prop_recursive(3, 12, 4, move |inner| {
        (words(), prop::collection::vec(inner, 1..4))
            .prop_map(|((title, id), items)| Item::Submenu(title, id, items))
    });
    prop::collection::vec(item, 0..6)
}

fn write(items: &[Item], text: &mut String) {
    for item in items {
        let (Item::Entry(title, id) | Item::Submenu(title, id, _)) = item;
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
        let id = id.map(|id| format!(" --id {}", quoted(id))).unwrap_or_default();
        let title = quoted(title);
        match item {
            Item::Entry(..) => {
                writeln!(text, "menuentry {title}{id} {{\n linux /vmlinuz-{} ro\n}}", text.len()).unwrap();
            }
            Item::Submenu(_, _, items) => {
                writeln!(text, "submenu {title}{id} {{").unwrap();
                write(items, text);
                writeln!(text, "}}").unwrap();
            }
        }
    }
}

/// A name that a default may have: of an entry as it should be, of one as people write it, or of nothing.
fn wanted() -> impl Strategy<Value = (prop::sample::Index, u8, &'static str)> {
    (any::<prop::sample::Index>(), 0..6_u8, prop::sample::select(&WORDS[..]))
}

fn name(entries: &[MenuEntry], (index, how, word): &(prop::sample::Index, u8, &'static str)) -> String {
    let in_menu: Vec<&MenuEntry> = entries.iter().filter(|entry| !entry.path.is_empty()).collect();
    if in_menu.is_empty() {
        return (*word).to_owned();
    }
    let entry = index.get(&in_menu);
    let names = names(entries, entry);
    match how {
        0..=2 => names[usize::from(*how) % names.len()].clone(),
        3 => format!("{}>{word}", names[0]),
        4 => entry.id.clone(),
        _ => (*word).to_owned(),
    }
}

/// Configurations, three blocks each: one without the variables that decide, one with an entry that is saved, and one with what is
/// wanted once.
pub(crate) fn boots(configurations: usize) -> Vec<Boot> {
    let mut runner = TestRunner::deterministic();
    let strategy = (prop::sample::select(&HEADS[..]), items(), wanted(), wanted());
    let mut boots = Vec::new();
    for number in 0..configurations {
        let (head, items, saved, once) = strategy.new_tree(&mut runner).unwrap().current();
        let mut configuration = head.to_owned();
        write(&items, &mut configuration);
        let entries = read(&Files { configuration: &configuration, ..Files::default() }, false).entries;
        let (saved, once) = (name(&entries, &saved), name(&entries, &once));
        for variables in [
            &[][..],
            &[("saved_entry", saved.as_str())],
            &[("saved_entry", &saved), ("next_entry", &once), ("prev_saved_entry", &once)],
        ] {
            boots.push(Boot {
                name: format!("{number} {variables:?}\n{configuration}"),
                configuration: configuration.clone(),
                environment: Some(block(variables)),
            });
        }
    }
    boots
}

/// Statements that each add one field to the variable `r`, behind which they put a bar.
pub(crate) fn statements(count: usize) -> Vec<String> {
    const OPERANDS: [&str; 20] = [
        "''", "a", "'a'", "b", "0", "1", "0x10", "16", "-2", "1x", "'!'", "!", "-a", "-o", "-n", "-z", "'('",
        "')'", "$v", "$unset",
    ];
    const OPERATORS: [&str; 12] =
        ["=", "==", "!=", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "'<'", "'>='", "-a"];
    const PIECES: [&str; 18] = [
        "a",
        "b c",
        "'d  e'",
        "\"f  $v\"",
        "$v",
        "${v}x",
        "\\q",
        "\\ ",
        "\\$v",
        "\"\\q\\$v\\\\\"",
        "'\\'",
        "x#y",
        "$unset",
        "\"\"",
        "''",
        "\\\n",
        "$1",
        "=",
    ];
    let mut runner = TestRunner::deterministic();
    let operand = || prop::sample::select(&OPERANDS[..]);
    let word = prop_oneof![operand(), prop::sample::select(&OPERATORS[..])];
    let comparison = (operand(), prop::sample::select(&OPERATORS[..]), operand())
        .prop_map(|(left, operator, right)| format!("{left} {operator} {right}"));
    let part = prop_oneof![comparison, word.prop_map(str::to_owned)];
    let test = prop::collection::vec(part, 0..4).prop_map(|parts| {
        format!("if [ {} ]; then r=\"${{r}}1|\"; else r=\"${{r}}0|\"; fi", parts.join(" "))
    });
    let words = prop::collection::vec(prop::sample::select(&PIECES[..]), 0..5)
        .prop_map(|pieces| format!("f {}", pieces.concat()));
    let statement = prop_oneof![test, words];
    (0..count).map(|_| statement.new_tree(&mut runner).unwrap().current()).collect()
}
