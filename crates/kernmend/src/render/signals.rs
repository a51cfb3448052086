//! The known lines of logs as text for people.

use std::fmt::Write as _;

use kernmend_core::document::signals::KnownSignal;

use super::{BOLD, DIM, printable, width, wrap};

/// How far what is said of a signal stands in.
const INDENT: usize = 3;

/// All signals, each with what it means and who prints it.
pub(crate) fn signals(signals: &[KnownSignal]) -> String {
    let width = width() - INDENT;
    let mut text = String::new();
    for KnownSignal { name, about, printed_by, .. } in signals {
        let _ = writeln!(text, "{BOLD}{}{BOLD:#}", printable(name));
        for line in wrap(&printable(about), width) {
            let _ = writeln!(text, "{:INDENT$}{line}", "");
        }
        for line in wrap(&printable(printed_by), width) {
            let _ = writeln!(text, "{:INDENT$}{DIM}{line}{DIM:#}", "");
        }
    }
    text
}
