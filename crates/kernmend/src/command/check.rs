//! `check`: reads a machine, a directory or a snapshot, judges it, and says so.

use std::fs;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use kernmend_core::diagnose::diagnose;
use kernmend_core::document::Document;
use kernmend_core::document::report::{Report, Verdict};
use kernmend_core::document::snapshot::Snapshot;
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_node::collect::collect;
use kernmend_node::host::{Host, OpenRootError, Stage};

use super::print;
use crate::args::{Check, Output, Source};
use crate::failure::Failure;
use crate::message::Messages;
use crate::render;

/// A look that is over sooner needs no display.
const PROGRESS_AFTER: Duration = Duration::from_secs(1);

pub(crate) fn run(check: &Check, knowledge: &KnowledgeBase, messages: Messages) -> Result<ExitCode, Failure> {
    let only = check.only.iter().map(|name| match knowledge.advisory(name) {
        Some(advisory) => Ok(advisory.id.as_str()),
        None => Err(Failure::input(messages.error_fault(name)).hint(messages.hint_fault())),
    });
    let only = only.collect::<Result<Vec<&str>, Failure>>()?;

    let snapshot = snapshot(check, knowledge, messages)?;
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
    messages: Messages,
) -> Result<Document<Snapshot>, Failure> {
    let host = match &check.source {
        Source::Snapshot(path) => {
            let failure = || Failure::input(messages.error_snapshot(path.display()));
            let text = fs::read_to_string(path).map_err(|error| failure().because(&error))?;
            return Document::from_json(&text).map_err(|error| failure().because(&error));
        }
        Source::Live => Host::live(),
        Source::Root(path) => Host::directory(path),
    };
    let host = host.map_err(|OpenRootError { path, source }| {
        Failure::input(messages.error_root(path)).because(&source).hint(messages.hint_root())
    })?;
    let progress = Progress::new(messages);
    let bar = progress.0.clone();
    let host = host.with_progress(move |stage| {
        if let Some(bar) = &bar {
            bar.set_message(stage_text(stage, messages));
            if bar.elapsed() >= PROGRESS_AFTER {
                bar.tick();
            }
        }
    });
    Ok(Document::new(collect(&host, knowledge), None))
}

/// A line on the terminal that goes away when it is dropped.
struct Progress(Option<ProgressBar>);

impl Progress {
    fn new(messages: Messages) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::new_spinner();
        bar.set_style(
            ProgressStyle::with_template("{spinner} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        bar.set_message(messages.progress_reading());
        Self(Some(bar))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn stage_text(stage: Stage<'_>, messages: Messages) -> String {
    match stage {
        Stage::Cgroups(count) => {
            messages.progress_cgroups(kernmend_core::knowledge::template::grouped(count))
        }
        Stage::Log(path) => messages.progress_log(render::printable(path)),
        Stage::Program(path) => messages.progress_program(render::printable(path)),
    }
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
