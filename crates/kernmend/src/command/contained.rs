//! `contained`: what runs in the container by which a runtime is tried. It isn't for people.

use std::process::ExitCode;

use kernmend_core::knowledge::KnowledgeBase;
use kernmend_node::collect::accounted;
use kernmend_node::host::Host;

use crate::failure::Failure;
use crate::message::Messages;

/// Ends well where it runs at all, and where it has to be without accounting, only without.
pub(crate) fn run(unaccounted: bool, messages: Messages) -> Result<ExitCode, Failure> {
    if !unaccounted {
        return Ok(ExitCode::SUCCESS);
    }
    let signals = KnowledgeBase::embedded().signals;
    let host = Host::live(&signals)
        .map_err(|error| Failure::internal(messages.error_contained()).because(&error))?;
    match accounted(&host) {
        None => Ok(ExitCode::SUCCESS),
        Some(file) => Err(Failure::refused(messages.error_accounted(file))),
    }
}
