//! `explain`: a known fault in words, offline; without a name, the list of all.

use std::process::ExitCode;

use kernmend_core::knowledge::KnowledgeBase;

use super::print;
use crate::failure::Failure;
use crate::message::Messages;
use crate::render;

pub(crate) fn run(
    fault: Option<&str>,
    knowledge: &KnowledgeBase,
    messages: Messages,
) -> Result<ExitCode, Failure> {
    let text = match fault {
        None => render::advisories(knowledge, messages),
        Some(name) => {
            let advisory = knowledge.advisory(name);
            let advisory = advisory
                .ok_or_else(|| Failure::input(messages.error_fault(name)).hint(messages.hint_fault()))?;
            render::advisory(advisory, messages)
        }
    };
    print(&text, messages)?;
    Ok(ExitCode::SUCCESS)
}
