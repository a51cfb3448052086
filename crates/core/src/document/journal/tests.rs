//! What becomes of a journal that was cut off, damaged, or is none.

use proptest::prelude::*;

use super::*;
use crate::document::plan::PlannedNode;

fn plan() -> Document<Plan> {
    let running = Running { release: "6.1".to_owned(), arguments: vec!["quiet".to_owned()] };
    let plan = Plan {
        node: PlannedNode { hostname: "n".to_owned(), machine_id: "m".to_owned(), running },
        advisory: None,
        remedy: None,
        ways: Vec::new(),
        refusals: Vec::new(),
        steps: Vec::new(),
        trial: None,
        probation: None,
        remarks: Vec::new(),
        report: None,
    };
    Document::new(plan, None)
}

fn entries() -> Vec<Entry> {
    let running = Running { release: "6.1\n\u{85}".to_owned(), arguments: Vec::new() };
    let undo =
        Undo::File { before: Some(Digest::of(b"x")), mode: 0o644, after: None, directories: Vec::new() };
    let events = [
        Event::Booted { boot_id: "a".to_owned(), running },
        Event::Started { step: 0, pass: Pass::Act, undo: Some(undo) },
        Event::Failed { step: 0, pass: Pass::Act, why: "a line\nand one more".to_owned() },
        Event::RollbackAsked,
        Event::Ended { outcome: Outcome::Undone },
    ];
    events.into_iter().map(|event| Entry { at: -1, event }).collect()
}

fn text() -> Vec<u8> {
    let lines: String = entries().iter().map(Entry::line).collect();
    (Journal::first_line(&plan()) + &lines).into_bytes()
}

#[test]
fn a_journal_cut_off_anywhere_is_what_was_whole_before() {
    let text = text();
    let ends: Vec<usize> =
        text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    for cut in 0..=text.len() {
        let whole = ends.iter().filter(|end| **end <= cut).count();
        match Journal::parse(&text[..cut]) {
            Ok(journal) => {
                assert_eq!(journal.plan, plan());
                assert_eq!(journal.entries, entries()[..whole - 1], "cut at {cut}");
                assert_eq!(journal.whole, ends[whole - 1]);
            }
            Err(error) => {
                assert_eq!(whole, 0, "cut at {cut}: {error}");
                assert!(matches!(error, ReadJournalError::NoPlan));
            }
        }
    }
}

#[test]
fn a_line_that_was_whole_and_cant_be_read_is_damage() {
    let [good, other] =
        ["{\"at\":1,\"event\":\"rollback-asked\"}\n", "{\"at\":1,\"event\":\"of another version\"}\n"];
    let first = Journal::first_line(&plan());
    for (lines, damaged) in [
        (format!("{good}{other}{good}"), Some(3)),
        // The last, too: it was written as a whole, and what it says isn't known.
        (format!("{good}{other}"), Some(3)),
        (format!("\0\0\n{good}"), Some(2)),
        // A power cut can leave what was never written.
        (format!("{good}\0\0\0\n"), None),
        (format!("{good}{}", other.trim_end()), None),
    ] {
        match Journal::parse(format!("{first}{lines}").as_bytes()) {
            Ok(journal) => assert_eq!((journal.entries.len(), damaged), (1, None), "{lines:?}"),
            Err(ReadJournalError::Damaged { line, .. }) => assert_eq!(Some(line), damaged, "{lines:?}"),
            Err(error) => panic!("{lines:?}: {error}"),
        }
    }
    assert!(matches!(Journal::parse(b"{}\n"), Err(ReadJournalError::Plan(_))));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Journal::parse(&bytes);
        let behind = [Journal::first_line(&plan()).as_bytes(), &bytes].concat();
        if let Ok(journal) = Journal::parse(&behind) {
            prop_assert!(journal.whole <= behind.len());
        }
    }

    #[test]
    fn damaged_bytes_make_no_other_events(at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let mut text = text();
        let at = at.index(text.len());
        text[at] = byte;
        if let Ok(journal) = Journal::parse(&text) {
            prop_assert!(journal.entries.len() <= entries().len() + 1);
            prop_assert!(journal.whole <= text.len());
        }
    }
}
