//! GRUB's own choice, beside kernmend's: over real configurations and generated ones, and over GRUB's language. An answer that
//! GRUB didn't give counts for nothing, and each test says how many it needs.

#![expect(clippy::unwrap_used, reason = "the helpers of tests, as the tests, stop at the first surprise")]

#[path = "boot_oracle/generate.rs"]
mod generate;
#[path = "boot_oracle/real.rs"]
mod real;

use std::fmt::Write as _;

use kernmend_core::boot::MenuEntry;
use lab::grub_emu::compare::{Comparison, compare, read};
use lab::grub_emu::{Answer, Chosen, Files, Grub, block, side_by_side};

/// One boot.
struct Boot {
    /// What it is, for people.
    name: String,
    configuration: String,
    environment: Option<Vec<u8>>,
}

/// What came of many boots.
#[derive(Debug, Default)]
struct Tally {
    agree: usize,
    open: Vec<String>,
    unanswered: Vec<String>,
    differ: Vec<String>,
}

/// Boots all, and compares each with what kernmend says of the same files.
fn boot_all(boots: &[Boot], entries: &[kernmend_core::boot::bls::BlsEntry]) -> Tally {
    let grub = Grub::new().unwrap();
    let compared = side_by_side(boots, |boot| {
        let files = Files {
            configuration: &boot.configuration,
            environment: boot.environment.as_deref(),
            entries,
            ..Files::default()
        };
        compare(&files, false, &grub.boot(&files).unwrap())
    });
    let mut tally = Tally::default();
    for (boot, compared) in boots.iter().zip(compared) {
        match compared {
            Comparison::Agrees => tally.agree += 1,
            Comparison::Open(unclear) => tally.open.push(format!("{}: {unclear:?}", boot.name)),
            Comparison::Unanswered(answer) => tally.unanswered.push(format!("{}: {answer:?}", boot.name)),
            Comparison::Differs(ours, grubs) => {
                tally.differ.push(format!("{}:\n  kernmend: {ours}\n  GRUB: {grubs}", boot.name));
            }
        }
    }
    tally
}

/// The names by which a default can mean an entry: by ids, by titles and by numbers.
fn names(entries: &[MenuEntry], entry: &MenuEntry) -> Vec<String> {
    let way: Vec<&MenuEntry> = entries
        .iter()
        .filter(|other| !other.path.is_empty() && entry.path.starts_with(&other.path))
        .collect();
    let joined = |part: fn(&MenuEntry) -> &str| {
        way.iter().map(|entry| part(entry).replace('>', ">>")).collect::<Vec<_>>().join(">")
    };
    let mut names = vec![joined(|entry| &entry.id), joined(|entry| &entry.title), entry.number()];
    names.sort();
    names.dedup();
    names
}

#[test]
fn real_configurations_boot_what_kernmend_says() {
    let Some(folder) = real::Folder::beside_this_checkout() else { return };
    let mut boots = Vec::new();
    for (name, text) in &folder.configurations {
        // Where nothing asks the block, the names are tried all the same.
        let asked = if text.contains("saved_entry") {
            text.clone()
        } else {
            format!("{text}\nload_env\nset default=\"${{saved_entry}}\"\n")
        };
        let mut add = |configuration: &String, variables: &[(&str, &str)]| {
            boots.push(Boot {
                name: format!("{name} {variables:?}"),
                configuration: configuration.clone(),
                environment: Some(block(variables)),
            });
        };
        add(text, &[]);
        let files = Files { configuration: text, entries: &folder.entries, ..Files::default() };
        let read = read(&files, false);
        for entry in read.entries.iter().filter(|entry| !entry.path.is_empty()) {
            for wanted in names(&read.entries, entry) {
                add(&asked, &[("saved_entry", &wanted)]);
            }
        }
    }
    let tally = boot_all(&boots, &folder.entries);
    real::say(&format!(
        "{} boots of {} real configurations: {} agree, {} are left open by kernmend, {} GRUB doesn't answer",
        boots.len(),
        folder.configurations.len(),
        tally.agree,
        tally.open.len(),
        tally.unanswered.len()
    ));
    assert!(tally.differ.is_empty(), "{} differ:\n{}", tally.differ.len(), tally.differ.join("\n"));
    assert!(tally.unanswered.is_empty(), "{:#?}", tally.unanswered);
    assert!(folder.configurations.len() >= 25 && tally.agree >= 300, "{} boots agree", tally.agree);
    assert!(tally.open.len() * 20 <= boots.len(), "{:#?}", tally.open);
}

#[test]
fn generated_configurations_boot_what_kernmend_says() {
    let boots = generate::boots(200);
    let tally = boot_all(&boots, &[]);
    assert!(tally.differ.is_empty(), "{} differ:\n{}", tally.differ.len(), tally.differ.join("\n"));
    assert!(tally.unanswered.is_empty(), "{:#?}", tally.unanswered);
    assert!(tally.open.is_empty(), "{:#?}", tally.open);
}

#[test]
fn the_language_is_read_as_grub_reads_it() {
    let grub = Grub::new().unwrap();
    let statements = generate::statements(1500);
    // What one boot can say of them has to fit into one command line.
    let groups: Vec<&[String]> = statements.chunks(50).collect();
    side_by_side(&groups, |statements| {
        let mut script =
            String::from("set v=\"p  q\"\nfunction f { r=\"${r}$#:$1:$2:$3|\"; }\nmenuentry t {\nr=\"\"\n");
        for statement in *statements {
            writeln!(script, "{statement}").unwrap();
        }
        script.push_str("linux /vmlinuz-1.0 \"$r\"\n}\n");
        let files = Files { configuration: &script, ..Files::default() };
        let answer = grub.boot(&files).unwrap();
        let Answer::Chose(Chosen { linux: Some(grubs), .. }) = &answer else {
            panic!("{answer:?}: {script}")
        };
        let ours = &read(&files, false).entries[0].arguments[0];
        let pairs = grubs[1].split('|').zip(ours.split('|')).zip(*statements);
        for ((grubs, ours), statement) in pairs {
            assert_eq!(ours, grubs, "{statement}");
        }
        assert_eq!(ours, &grubs[1]);
        assert_eq!(ours.matches('|').count(), statements.len());
    });
}
