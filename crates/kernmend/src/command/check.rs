//! `check`: reads a machine, a directory or a snapshot, judges it, and says so.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use kernmend_core::diagnose::diagnose;
use kernmend_core::document::Document;
use kernmend_core::document::report::{Report, Verdict};
use kernmend_core::document::snapshot::Snapshot;
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_node::collect::collect;

use super::{print, source};
use crate::args::{Check, Output, Source};
use crate::failure::Failure;
use crate::message::Messages;
use crate::render;

pub(crate) fn run(
    check: &Check,
    knowledge: &KnowledgeBase,
    dir: Option<&Path>,
    messages: Messages,
) -> Result<ExitCode, Failure> {
    let only = check.only.iter().map(|name| match knowledge.advisory(name) {
        Some(advisory) => Ok(advisory.id.as_str()),
        None => Err(Failure::input(messages.error_fault(name)).hint(messages.hint_fault())),
    });
    let only = only.collect::<Result<Vec<&str>, Failure>>()?;

    let snapshot = snapshot(check, knowledge, dir, messages)?;
    if check.output == Output::Snapshot {
        print(&(snapshot.to_json() + "\n"), messages)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut report = diagnose(&snapshot, knowledge);
    if !only.is_empty() {
        report.body.findings.retain(|finding| only.contains(&finding.id.as_str()));
    }
    let text = match check.output {
        Output::Json => report.to_json() + "\n",
        Output::Text | Output::Snapshot => render::report(&report.body, knowledge, messages, check.verbose),
    };
    print(&text, messages)?;
    Ok(ExitCode::from(exit_code(&report.body, check.fail_on)))
}

fn snapshot(
    check: &Check,
    knowledge: &KnowledgeBase,
    dir: Option<&Path>,
    messages: Messages,
) -> Result<Document<Snapshot>, Failure> {
    if let Source::Snapshot(path) = &check.source {
        let failure = || Failure::input(messages.error_snapshot(path.display()));
        let text = fs::read_to_string(path).map_err(|error| failure().because(&error))?;
        return Document::from_json(&text).map_err(|error| failure().because(&error));
    }
    let progress = source::Progress::start(messages);
    let host = source::host(&check.source, knowledge, dir, messages)?.with_progress(progress.teller());
    let host = if check.quick { host.quick() } else { host };
    Ok(Document::new(collect(&host), None))
}

/// 0 nothing at or above the mark, 1 something, 2 nothing but what could reach it can't be told.
fn exit_code(report: &Report, fail_on: Verdict) -> u8 {
    if report.findings.iter().any(|finding| finding.verdict >= fail_on) {
        return 1;
    }
    let could_reach = report.findings.iter().any(|finding| {
        finding.verdict == Verdict::Unknown || finding.undecided.iter().any(|open| open.could_be >= fail_on)
    });
    if could_reach { 2 } else { 0 }
}
