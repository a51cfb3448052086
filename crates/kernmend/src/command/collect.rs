//! `collect`: a look at a machine that is recorded, to be judged elsewhere or later.

use std::fs;
use std::io::BufWriter;
use std::path::Path;
use std::process::ExitCode;

use kernmend_core::knowledge::KnowledgeBase;
use kernmend_node::collect::collect;

use super::source;
use crate::args::{Collect, Source};
use crate::failure::Failure;
use crate::message::Messages;

pub(crate) fn run(
    asked: &Collect,
    knowledge: &KnowledgeBase,
    dir: Option<&Path>,
    messages: Messages,
) -> Result<ExitCode, Failure> {
    let from = asked.root.clone().map_or(Source::Live, Source::Root);
    let host = source::host(&from, knowledge, dir, messages)?;
    let host = if asked.redact { host.redacted() } else { host };
    let failure = || Failure::input(messages.error_capture(asked.output.display()));
    let file = fs::File::create(&asked.output).map_err(|error| failure().because(&error))?;
    let host = host.record_to(BufWriter::new(file)).map_err(|error| failure().because(&error))?;
    let progress = source::Progress::start(messages);
    let host = host.with_progress(progress.teller());
    // The snapshot itself isn't wanted: the answers that it was made of are.
    let _ = collect(&host);
    host.finish().map_err(|error| failure().because(&error))?;
    drop(progress);
    anstream::eprintln!("{}", messages.captured(asked.output.display()));
    Ok(ExitCode::SUCCESS)
}
