//! `answer`: what the worker processes of `check` and `collect` do. It isn't for people.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use kernmend_core::knowledge::KnowledgeBase;
use kernmend_node::host::serve;

use crate::failure::Failure;
use crate::message::Messages;

pub(crate) fn run(root: &Path, knowledge: &KnowledgeBase, messages: Messages) -> Result<ExitCode, Failure> {
    serve(root, &knowledge.signals, io::stdin().lock(), io::stdout().lock())
        .map_err(|error| Failure::input(messages.error_root(root.display())).because(&error))?;
    Ok(ExitCode::SUCCESS)
}
