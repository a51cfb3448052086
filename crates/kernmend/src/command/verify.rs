//! `verify`: whether the plan that was run here has mended its fault. It reads the journal, the report that was kept when
//! the plan was begun, and the machine as it is now.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use kernmend_core::diagnose::diagnose;
use kernmend_core::document::journal::Journal;
use kernmend_core::document::proof::Conclusion;
use kernmend_core::document::report::Report;
use kernmend_core::document::{Digest, Document, Fact, Reason};
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_core::proof::prove;
use kernmend_node::collect::collect;
use kernmend_node::host::Host;

use super::{print, source};
use crate::args::{Source, Verify};
use crate::failure::Failure;
use crate::message::Messages;
use crate::render;

/// The journal of the plan that is being run, or was run last.
const JOURNAL: &str = "/var/lib/kernmend/journal";
/// The reports from which plans were made that were begun here.
const REPORTS: &str = "/var/lib/kernmend/reports";

/// A plan holds the files that it writes, and a line of a journal what a check said; this is far beyond both.
const MAX_JOURNAL: usize = 64 << 20;
/// A report names what it rests on and no more.
const MAX_REPORT: usize = 16 << 20;

pub(crate) fn run(
    asked: &Verify,
    knowledge: &KnowledgeBase,
    dir: Option<&Path>,
    messages: Messages,
) -> Result<ExitCode, Failure> {
    let from = asked.root.clone().map_or(Source::Live, Source::Root);
    let progress = source::Progress::start(messages);
    let host = source::host(&from, knowledge, dir, messages)?.with_progress(progress.teller());
    let journal = journal(&host, messages)?;
    let before = journal.plan.parent.as_ref().and_then(|digest| kept(&host, digest));
    let facts = Document::new(collect(&host), None);
    let after = diagnose(&facts, knowledge);
    drop(progress);

    let proof = prove(before, &journal, &facts.body, after);
    let json = proof.to_json() + "\n";
    if let Some(path) = &asked.write {
        fs::write(path, &json)
            .map_err(|error| Failure::input(messages.error_write_file(path.display())).because(&error))?;
    }
    print(&if asked.json { json } else { render::proof(&proof, knowledge, messages) }, messages)?;
    Ok(ExitCode::from(match proof.body.conclusion {
        Conclusion::Proven => 0,
        Conclusion::NotProven => 1,
        Conclusion::NotTold => 2,
    }))
}

fn journal(host: &Host<'_>, messages: Messages) -> Result<Journal, Failure> {
    let failure = || Failure::input(messages.error_journal(JOURNAL));
    let content = match host.read(JOURNAL, MAX_JOURNAL).fact(JOURNAL) {
        Fact::Known { value, .. } if value.cut => {
            return Err(Failure::input(
                messages
                    .error_too_long(JOURNAL, kernmend_core::knowledge::template::bytes(MAX_JOURNAL as u64)),
            ));
        }
        Fact::Known { value, .. } => value,
        Fact::Unknown { why } if why.reason != Reason::NotCaptured => {
            let hint = (why.reason == Reason::PermissionDenied).then(|| messages.hint_sudo_verify());
            let failure = Failure { causes: vec![messages.why(&why)], ..failure() };
            return Err(hint.into_iter().fold(failure, Failure::hint));
        }
        Fact::Absent { .. } | Fact::Unknown { .. } => {
            return Err(Failure::input(messages.error_no_journal(JOURNAL)).hint(messages.hint_no_journal()));
        }
    };
    Journal::parse(&content.bytes).map_err(|error| failure().because(&error))
}

/// The report with this digest, where it was kept and can be read; that it is the one is the proof's to hold.
fn kept(host: &Host<'_>, digest: &Digest) -> Option<Document<Report>> {
    let digits = digest.to_string().split_off("sha256:".len());
    let text = host.text(&format!("{REPORTS}/{digits}.json"), MAX_REPORT);
    Document::from_json(text.value()?).ok()
}
