//! `signals`: the lines of logs that are known.

use std::process::ExitCode;

use kernmend_core::document::Document;
use kernmend_core::document::signals::Signals as Body;
use kernmend_core::knowledge::KnowledgeBase;

use super::print;
use crate::args::Signals;
use crate::failure::Failure;
use crate::message::Messages;
use crate::render;

pub(crate) fn run(
    asked: Signals,
    knowledge: &KnowledgeBase,
    messages: Messages,
) -> Result<ExitCode, Failure> {
    let known = Body::of(knowledge);
    let text = match asked {
        Signals::Text => render::signals(&known.signals),
        Signals::Json => Document::new(known, None).to_json() + "\n",
        Signals::Patterns => {
            known.signals.iter().flat_map(|signal| &signal.patterns).map(|text| format!("{text}\n")).collect()
        }
    };
    print(&text, messages)?;
    Ok(ExitCode::SUCCESS)
}
