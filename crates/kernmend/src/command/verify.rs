//! `verify`: whether the plan that was run here has mended its fault. It reads the journal, which holds the report from
//! before, and the machine as it is now.

use std::path::Path;
use std::process::ExitCode;

use kernmend_core::diagnose::diagnose;
use kernmend_core::document::journal::Journal;
use kernmend_core::document::proof::Conclusion;
use kernmend_core::document::{Document, Fact, Reason};
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_core::proof::prove;
use kernmend_node::collect::collect;
use kernmend_node::host::Host;
use kernmend_node::store::{JOURNAL, MAX_JOURNAL};

use super::{print, source, write};
use crate::args::{Source, Verify};
use crate::failure::Failure;
use crate::message::Messages;
use crate::render;

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
    let before = journal.plan.body.report.clone();
    let facts = Document::new(collect(&host), None);
    let after = diagnose(&facts, knowledge);
    drop(progress);

    let proof = prove(before, &journal, &facts.body, after);
    let json = proof.to_json() + "\n";
    if let Some(path) = &asked.write {
        write(path, &json, messages)?;
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
