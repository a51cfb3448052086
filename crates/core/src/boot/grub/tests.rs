//! Configurations in the style of each distribution's tools, written for this test, and arbitrary texts.

use proptest::prelude::*;

use super::*;
use crate::boot::choose::{Choice, SurpriseKind};
use crate::boot::{EntryKind, Matcher, NextBoot, Unclear, next_boot};

/// The head that grub-mkconfig writes, with this default.
fn head(default: &str) -> String {
    format!(
        "set pager=1\nif [ -f ${{config_directory}}/grubenv ]; then\n  load_env -f ${{config_directory}}/grubenv\n\
         elif [ -s $prefix/grubenv ]; then\n  load_env\nfi\nif [ \"${{next_entry}}\" ] ; then\n   set default=\"${{next_entry}}\"\n   \
         set next_entry=\n   save_env next_entry\n   set boot_once=true\nelse\n   set default=\"{default}\"\nfi\n\
         if [ x\"${{feature_menuentry_id}}\" = xy ]; then\n  menuentry_id_option=\"--id\"\nelse\n  menuentry_id_option=\"\"\nfi\n\
         export menuentry_id_option\nif loadfont unicode ; then\n  set gfxmode=auto\nfi\n\
         if [ \"${{recordfail}}\" = 1 ] ; then\n  set timeout=-1\nelse\n  set timeout=5\nfi\n"
    )
}

const ENTRIES: &str = "menuentry 'Some Linux' --class os $menuentry_id_option 'simple' {\n\tsearch --set=root 1\n\
     \tlinux\t/vmlinuz-5.2.0-1-amd64 root=/dev/a ro  quiet\n\tinitrd\t/initrd\n}\n\
     submenu 'Advanced options' $menuentry_id_option 'advanced' {\n\
     \tmenuentry 'Some Linux, with Linux 5.2.0-1-amd64' $menuentry_id_option 'k-5.2' {\n\t\tlinux /vmlinuz-5.2.0-1-amd64 ro\n\t}\n\
     \tmenuentry 'Some Linux, with Linux 5.1.0-1-amd64' $menuentry_id_option 'k-5.1' {\n\t\tlinux /vmlinuz-5.1.0-1-amd64 ro\n\t}\n}\n\
     if [ -f ${config_directory}/custom.cfg ]; then\n  source ${config_directory}/custom.cfg\n\
     elif [ -z \"${config_directory}\" -a -f $prefix/custom.cfg ]; then\n  source $prefix/custom.cfg\nfi\n";

fn environment(variables: &str) -> Environment {
    let mut block = format!("# GRUB Environment Block\n{variables}");
    block.extend(std::iter::repeat_n('#', 1024 - block.len()));
    Environment::parse(block.as_bytes())
}

fn next(text: &str, variables: Option<&str>, custom: Given<(&str, &str)>) -> (BootConfiguration, NextBoot) {
    let environment = variables.map(environment);
    let given = environment.as_ref().map(|environment| ("grubenv", environment));
    let surroundings = Surroundings {
        environment: given.map_or(Given::Not, Given::Is),
        custom,
        entries: Given::Missing,
        writable: Some(true),
    };
    let configuration = run("grub.cfg", text, surroundings);
    let next = next_boot(&configuration, given, Matcher::Upstream);
    (configuration, next)
}

fn check(text: &str, variables: Option<&str>, expected: Result<&str, Unclear>, surprises: &[SurpriseKind]) {
    let (configuration, next) = next(text, variables, Given::Missing);
    let found = match next.choice {
        Choice::Entry(index) => Ok(configuration.entries[index].id.as_str()),
        Choice::Unknown(unclear) => Err(unclear),
    };
    assert_eq!(found, expected, "{variables:?} of {text}");
    let kinds: Vec<SurpriseKind> = next.surprises.iter().map(|surprise| surprise.kind).collect();
    assert_eq!(kinds, surprises, "{variables:?} of {text}");
}

#[test]
fn the_block_decides_where_the_configuration_asks_it() {
    use SurpriseKind as S;
    let saved = head("${saved_entry}") + ENTRIES;
    let constant = head("0") + ENTRIES;
    for (text, variables, expected, surprises) in [
        (&saved, None, Err(Unclear::EnvironmentNotGiven), &[][..]),
        (&constant, None, Ok("simple"), &[]),
        (&saved, Some("saved_entry=advanced>k-5.1\n"), Ok("k-5.1"), &[]),
        (&saved, Some(""), Ok("simple"), &[]),
        (&saved, Some("saved_entry=gone\n"), Ok("simple"), &[S::DefaultNamesNothing]),
        (&saved, Some("saved_entry=1>1\n"), Ok("k-5.1"), &[S::DefaultIsIndex]),
        (&constant, Some("saved_entry=advanced>k-5.1\n"), Ok("simple"), &[S::SavedEntryIgnored]),
        (&constant, Some("next_entry=advanced>k-5.1\n"), Ok("k-5.1"), &[S::OneShotPending]),
        (&constant, Some("recordfail=1\n"), Ok("simple"), &[S::RecordFail, S::WaitsForEver]),
        (&(head("1>0") + ENTRIES), Some(""), Ok("k-5.2"), &[S::DefaultIsIndex]),
    ] {
        check(text, variables, expected, surprises);
    }
}

#[test]
fn entries_are_found_in_their_submenus_with_what_they_load() {
    let (configuration, next) = next(&(head("0") + ENTRIES), Some(""), Given::Missing);
    let entries: Vec<(String, &str, EntryKind, Option<&str>)> = configuration
        .entries
        .iter()
        .map(|entry| (entry.number(), entry.id.as_str(), entry.kind, entry.release.as_deref()))
        .collect();
    assert_eq!(
        entries,
        [
            ("0".to_owned(), "simple", EntryKind::Linux, Some("5.2.0-1-amd64")),
            ("1".to_owned(), "advanced", EntryKind::Submenu, None),
            ("1>0".to_owned(), "k-5.2", EntryKind::Linux, Some("5.2.0-1-amd64")),
            ("1>1".to_owned(), "k-5.1", EntryKind::Linux, Some("5.1.0-1-amd64")),
        ]
    );
    assert_eq!(configuration.entries[0].arguments, ["root=/dev/a", "ro", "quiet"]);
    let why = next.why.unwrap();
    assert_eq!((why.place.file.as_str(), why.place.line), ("grub.cfg", 13));
}

#[test]
fn custom_cfg_has_the_last_word_and_is_named_for_it() {
    let text = head("0") + ENTRIES;
    let custom = "set default='advanced>k-5.1'\nset timeout=1\n";
    let (configuration, next) = next(&text, Some(""), Given::Is(("custom.cfg", custom)));
    assert_eq!(next.choice, Choice::Entry(3));
    assert_eq!(next.why.unwrap().place, Place { file: "custom.cfg".to_owned(), line: 1 });
    assert_eq!(configuration.timeout.unwrap().value, known("1"));
}

#[test]
fn words_are_put_together_by_grubs_rules() {
    for (line, expected) in [
        ("linux /vmlinuz-1.0 a 'b  c' \"d  e\"", &["a", "b  c", "d  e"][..]),
        (
            "set x='p  q'\nlinux /vmlinuz-1.0 $x \"$x\" '$x' $unset \"$unset\" a${x}b",
            &["p", "q", "p  q", "$x", "", "ap", "qb"],
        ),
        (
            "linux /vmlinuz-1.0 a\\ b it\\'s 'it'\\''s' LABEL=A\\x20B",
            &["a b", "it's", "it's", "LABEL=A\\x20B"],
        ),
        ("linux /vmlinuz-1.0 a \\\n  b # c\nfalse", &["a", "b"]),
        ("linux /vmlinuz-1.0 a\\qb \\x2 $x", &["aqb", "x2"]),
        ("linux /vmlinuz-1.0 a#b \"\\$x\\q\" ; false", &["a#b", "$x\\q"]),
        ("function f { set y=\"$1-$#\"; }\nf one two\nlinux /vmlinuz-1.0 $y", &["one-2"]),
        ("for i in a b; do set y=\"$y$i\"; done\nlinux /vmlinuz-1.0 $y", &["ab"]),
        ("if [ a = b -o ! -z c ]; then set y=1; else set y=2; fi\nlinux /vmlinuz-1.0 $y", &["1"]),
        ("function true { set y=2; }\nset y=1\ntrue\nlinux /vmlinuz-1.0 $y", &["1"]),
        ("if [ $unset ]; then set y=1; fi\nlinux /vmlinuz-1.0 $y", &["1"]),
        ("if [ 0x10 -eq 16 -a -2 -lt 1x ]; then set y=1; fi\nlinux /vmlinuz-1.0 $y", &["1"]),
        ("if save_env x; then set y=1; fi\nlinux /vmlinuz-1.0 $y", &["1"]),
        ("if save_env -f (hd1)/x x; then set y=1; fi\nlinux /vmlinuz-1.0 $y", &["$y"]),
        ("if false; then set y=1; elif true; then set y=2; fi\nlinux /vmlinuz-1.0 $y", &["2"]),
        ("if hwmatch a; then set y=1; fi\nlinux /vmlinuz-1.0 $y", &["$y"]),
    ] {
        let (configuration, _) = next(&format!("menuentry t {{\n{line}\n}}\n"), Some(""), Given::Missing);
        assert_eq!(configuration.refused, None, "{line}");
        assert_eq!(configuration.entries[0].arguments, expected, "{line}");
    }
}

#[test]
fn what_only_the_machine_knows_is_left_open() {
    for (text, expected) in [
        (
            "if cpuid -l; then set default=1; fi\nmenuentry a {}\nmenuentry b {}\n",
            Err(Unclear::MachineDecides),
        ),
        (
            "if cpuid -l; then set default=a; else set default=a; fi\nmenuentry a {}\nmenuentry b {}\n",
            Ok("a"),
        ),
        ("if cpuid -l; then menuentry a {}; fi\nmenuentry b {}\n", Err(Unclear::MachineDecides)),
        ("menuentry a {}\nif cpuid -l; then menuentry b {}; fi\n", Ok("a")),
        ("set default=$root\nmenuentry a {}\n", Err(Unclear::MachineDecides)),
        ("search --set=default x\nmenuentry a {}\n", Err(Unclear::MachineDecides)),
        ("configfile (hd0)/grub.cfg\n", Err(Unclear::ConfigurationElsewhere)),
        ("set timeout=1\n", Err(Unclear::NoEntry)),
        ("menuentry 'a {}\n", Err(Unclear::Refused)),
        ("menuentry a {\n", Err(Unclear::Refused)),
        ("menuentry a {}\n}\n", Err(Unclear::Refused)),
        ("while true; do set a=1; done\nmenuentry a {}\n", Err(Unclear::TooLarge)),
        // An id that looks like an option costs the entry, a title doesn't.
        ("menuentry a --id -1 {}\nmenuentry b --class -x {}\nmenuentry c {}\n", Ok("c")),
        ("menuentry -x --id a {}\nmenuentry c {}\n", Ok("a")),
        // What has no title isn't in the menu.
        ("menuentry {}\nsubmenu --id x { menuentry y {}\n}\nmenuentry c {}\n", Ok("c")),
        ("menuentry {}\n", Err(Unclear::NoEntry)),
        // Where nobody sets the variable, what follows it is no id.
        ("menuentry a $menuentry_id_option b {}\n", Ok("a")),
        ("function f { f; }\nf\nmenuentry a {}\n", Ok("a")),
    ] {
        check(text, Some(""), expected, &[]);
    }
}

#[test]
fn entries_of_the_boot_loader_specification_take_their_arguments_from_the_block() {
    let entries: Vec<BlsEntry> = ["m-4.18.0-80.el8.x86_64", "m-0-rescue"]
        .into_iter()
        .filter_map(|id| {
            let text =
                format!("title T {id}\nlinux /vmlinuz-{}\noptions $kernelopts ${{tuned_params}}\n", &id[2..]);
            BlsEntry::parse(&format!("{id}.conf"), &text)
        })
        .collect();
    let text = head("${saved_entry}")
        + "if [ -z \"${kernelopts}\" ]; then\n  set kernelopts=\"root=/dev/b\"\nfi\nblscfg\n";
    let run_with = |variables: &str| {
        let environment = environment(variables);
        let surroundings = Surroundings {
            environment: Given::Is(("grubenv", &environment)),
            custom: Given::Missing,
            entries: Given::Is(&entries),
            writable: None,
        };
        let configuration = run("grub.cfg", &text, surroundings);
        let next = next_boot(&configuration, Some(("grubenv", &environment)), Matcher::RedHat);
        (configuration.entries, next.choice)
    };
    let (entries, choice) = run_with("saved_entry=m-0-rescue\nkernelopts=root=/dev/a quiet\n");
    assert_eq!(choice, Choice::Entry(1));
    assert_eq!(entries[0].arguments, ["root=/dev/a", "quiet"]);
    assert_eq!(run_with("").0[0].arguments, ["root=/dev/b"]);
    let alone = run("grub.cfg", &text, Surroundings::default());
    assert!(alone.entries_missing && alone.entries.is_empty());
}

#[test]
fn the_kernel_behind_xen_is_a_module_and_a_memory_test_is_no_kernel() {
    let text = "menuentry x {\n multiboot /xen.gz placeholder\n module /vmlinuz-4.4.1-1 placeholder ro\n\
                module --nounzip /initramfs-4.4.1-1.img\n}\nmenuentry m {\n linux16 /memtest86+.bin\n}\n";
    let (configuration, _) = next(text, Some(""), Given::Missing);
    assert_eq!(configuration.entries[0].arguments, ["ro"]);
    assert_eq!(configuration.entries[0].release.as_deref(), Some("4.4.1-1"));
    assert_eq!(configuration.entries[1].kind, EntryKind::Other);
}

#[test]
fn a_script_that_grows_without_end_is_cut() {
    let doubling = "set a=xxxxxxxxxxxxxxxx\n".to_owned()
        + &"set a=$a$a\n".repeat(200)
        + "function f { f; f; f; f; }\nf\nfor i in 1 2 3; do for j in $a; do submenu $j { f; }; done; done\n";
    let configuration = run("grub.cfg", &doubling, Surroundings::default());
    assert!(configuration.entries.len() < 400_000);
    let deep = "submenu a {\n".repeat(20_000) + &"if true; then ".repeat(20_000);
    assert!(run("grub.cfg", &deep, Surroundings::default()).refused.is_some());
    let wide =
        "if x; then set ".to_owned() + &"y=1; if x; then set z=2; fi; set ".repeat(20_000) + "y=1; fi\n";
    let _ = run("grub.cfg", &wide, Surroundings::default());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn no_text_breaks_a_reader(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = crate::boot::reading::of_text("file", &bytes);
        let _ = Environment::parse(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        let _ = crate::boot::legacy::parse("file", &text);
        let _ = crate::boot::grubby::parse("file", &text);
        let _ = BlsEntry::parse("file", &text);
    }

    #[test]
    fn no_script_breaks_the_machine(words in proptest::collection::vec(
        prop::sample::select(vec![
            "if", "then", "else", "elif", "fi", "for", "in", "do", "done", "while", "until", "function", "f", "{", "}",
            "menuentry", "submenu", "'a'", "\"$a", "\"", "'", "$a", "${a}", "${", "\\", "\n", ";", "[", "]", "=", "!", "-z", "-f",
            "set a=1", "set a=$a$a", "default=1>1", "--id", "linux /vmlinuz-1.2", "load_env", "blscfg", "return", "(", ")",
            "#", "source custom.cfg", "increment a", "a=${a}", "é",
        ]), 0..60)) {
        let text = words.join(" ");
        let environment = environment("saved_entry=1>a\na=b\n");
        let surroundings = Surroundings {
            environment: Given::Is(("e", &environment)),
            custom: Given::Is(("custom.cfg", &text)),
            entries: Given::Not,
            writable: None,
        };
        let configuration = run("grub.cfg", &text, surroundings);
        for matcher in [Matcher::Upstream, Matcher::RedHat] {
            let next = next_boot(&configuration, None, matcher);
            if let Choice::Entry(index) = next.choice {
                prop_assert!(configuration.entries[index].certain);
            }
        }
    }

    #[test]
    fn a_default_never_breaks_the_choice(wanted in "[0-9a-z> x-]{0,12}") {
        let text = format!("set default='{wanted}'\nmenuentry 1 {{}}\nsubmenu 'a>b' {{ menuentry x {{}}\nmenuentry '1' {{}} }}\n");
        let configuration = run("grub.cfg", &text, Surroundings::default());
        for matcher in [Matcher::Upstream, Matcher::RedHat] {
            let _ = next_boot(&configuration, None, matcher);
        }
    }
}
