//! `report`: a document as a page for people who weren't there.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::process::ExitCode;

use kernmend_core::diagnose::diagnose;
use kernmend_core::document::proof::Proof;
use kernmend_core::document::report::Report as Findings;
use kernmend_core::document::snapshot::Snapshot;
use kernmend_core::document::{Body, Document};
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_core::knowledge::template::bytes;
use serde_json::Value;

use super::{print, write};
use crate::args::Report;
use crate::failure::Failure;
use crate::message::Messages;
use crate::render;

/// A proof holds two reports, a plan with the files that it writes, and its journal.
const LONGEST: u64 = 128 << 20;

pub(crate) fn run(
    asked: &Report,
    knowledge: &KnowledgeBase,
    messages: Messages,
) -> Result<ExitCode, Failure> {
    let text = read(&asked.document, messages)?;
    let page = page(&text, &asked.document, knowledge, messages)?;
    if asked.html.as_os_str() == "-" {
        print(&page, messages)?;
    } else {
        write(&asked.html, &page, messages)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path, messages: Messages) -> Result<String, Failure> {
    let failure = |error: io::Error| Failure::input(messages.error_read(path.display())).because(&error);
    let mut text = String::new();
    if path.as_os_str() == "-" {
        io::stdin().lock().take(LONGEST + 1).read_to_string(&mut text).map_err(failure)?;
    } else {
        let file = fs::File::open(path).map_err(failure)?;
        file.take(LONGEST + 1).read_to_string(&mut text).map_err(failure)?;
    }
    if text.len() as u64 > LONGEST {
        return Err(Failure::input(messages.error_too_long(path.display(), bytes(LONGEST))));
    }
    Ok(text)
}

/// The page for the kind of document that the text is.
fn page(text: &str, path: &Path, knowledge: &KnowledgeBase, messages: Messages) -> Result<String, Failure> {
    let failure = || Failure::input(messages.error_page_kind(path.display())).hint(messages.hint_page_kind());
    let source: Value = serde_json::from_str(text).map_err(|error| failure().because(&error))?;
    let name =
        source["schema"].as_str().and_then(|schema| schema.strip_prefix("kernmend/")?.split('/').next());
    Ok(match name {
        Some(Proof::NAME) => {
            let proof = Document::from_json(text).map_err(|error| failure().because(&error))?;
            render::proof_page(&proof, &source, knowledge, messages)
        }
        Some(Findings::NAME) => {
            let report = Document::from_json(text).map_err(|error| failure().because(&error))?;
            render::report_page(&report, &source, knowledge, messages)
        }
        Some(Snapshot::NAME) => {
            let facts = Document::from_json(text).map_err(|error| failure().because(&error))?;
            let report = diagnose(&facts, knowledge);
            let source = serde_json::to_value(&report).expect("documents are plain data");
            render::report_page(&report, &source, knowledge, messages)
        }
        _ => return Err(failure()),
    })
}
