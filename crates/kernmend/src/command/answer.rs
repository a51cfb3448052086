//! `answer`: what the worker processes of `check` and `collect` do. It isn't for people.

use std::cell::LazyCell;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use kernmend_core::document::snapshot::Origin;
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_node::host::serve;

use crate::failure::Failure;
use crate::message::Messages;

pub(crate) fn run(
    root: Option<&Path>,
    knowledge: impl Fn() -> Result<KnowledgeBase, Failure>,
    messages: Messages,
) -> Result<ExitCode, Failure> {
    let (path, origin) = root.map_or((Path::new("/"), Origin::Live), |path| (path, Origin::Directory));
    // The one who asks has read the same knowledge without a problem.
    let signals = LazyCell::new(|| knowledge().unwrap_or_else(|_| KnowledgeBase::embedded()).signals);
    serve(path, origin, &signals, io::stdin().lock(), io::stdout().lock())
        .map_err(|error| Failure::write(messages, &error))?;
    Ok(ExitCode::SUCCESS)
}
