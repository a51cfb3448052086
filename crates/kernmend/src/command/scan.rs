//! `scan`: what the lines of a log mean. The signals go through the same diagnosis as those of a node; with nothing but a
//! log, a fault is named as a candidate and never as more.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use kernmend_core::diagnose::diagnose;
use kernmend_core::document::Document;
use kernmend_core::document::report::Verdict;
use kernmend_core::document::snapshot::{LogKind, Origin, Snapshot};
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_node::host::Stage;

use super::{print, source};
use crate::args::{Output, Scan};
use crate::failure::Failure;
use crate::message::Messages;
use crate::render;

/// What the log is called in the report, where it came from standard input.
const STDIN: &str = "-";

pub(crate) fn run(asked: &Scan, knowledge: &KnowledgeBase, messages: Messages) -> Result<ExitCode, Failure> {
    let progress = source::Progress::start(messages);
    let tell = progress.teller();
    let tell = |path: &Path, _| tell(Stage::Log(&path.display().to_string()));
    let scan = kernmend_node::scan::scan(&asked.files, io::stdin().lock(), &knowledge.signals, tell);
    let scan =
        scan.map_err(|error| Failure::input(messages.error_log(&error.path)).because(&error.source))?;
    drop(progress);

    let lines = scan.lines;
    let name = match asked.files.as_slice() {
        [file] => file.display().to_string(),
        [first, .., last] => format!("{} … {}", first.display(), last.display()),
        [] => STDIN.to_owned(),
    };
    let mut snapshot = Snapshot::of_nothing(Origin::Text);
    snapshot.logs.push(scan.into_window(&name, LogKind::System));
    let snapshot = Document::new(snapshot, None);
    let report = diagnose(&snapshot, knowledge);
    let text = match asked.output {
        Output::Snapshot => snapshot.to_json() + "\n",
        Output::Json => report.to_json() + "\n",
        Output::Text => render::scan(&snapshot.body.logs[0], lines, &report.body, knowledge, messages),
    };
    print(&text, messages)?;
    let worst = report.body.findings.iter().map(|finding| finding.verdict).max();
    // As `check`: a fault that is active, or one that is named and can't be told.
    Ok(ExitCode::from(if worst >= Some(Verdict::Active) {
        1
    } else {
        u8::from(report.body.findings.iter().any(render::is_candidate)) * 2
    }))
}
