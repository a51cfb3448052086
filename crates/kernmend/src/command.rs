//! The commands, one a file: each calls what does the work and hands the result to `render`.

mod answer;
mod apply;
mod boot;
mod build;
mod bundle;
mod check;
mod collect;
mod contained;
mod explain;
mod inspect;
mod kernel;
mod plan;
mod report;
mod scan;
mod schema;
mod signals;
mod source;
mod verify;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use kernmend_core::knowledge::KnowledgeBase;

use crate::args::{Arguments, Asked};
use crate::failure::Failure;
use crate::message::Messages;

/// Runs what was asked for.
pub(crate) fn run(arguments: &Arguments, messages: Messages) -> Result<ExitCode, Failure> {
    let dir = arguments.knowledge.as_deref();
    let knowledge = || match dir {
        Some(dir) => knowledge(dir, messages),
        None => Ok(KnowledgeBase::embedded()),
    };
    match &arguments.command {
        Asked::Check(check) => check::run(check, &knowledge()?, dir, messages),
        Asked::Collect(collect) => collect::run(collect, &knowledge()?, dir, messages),
        Asked::Scan(scan) => scan::run(scan, &knowledge()?, messages),
        Asked::Signals(signals) => signals::run(*signals, &knowledge()?, messages),
        Asked::Kernel(kernel) => kernel::run(kernel, &knowledge()?, messages),
        Asked::Inspect { files, json } => inspect::run(files, *json, messages),
        // Most of its questions need none, and on a node that is short of everything it takes as long as they do.
        Asked::Answer(root) => answer::run(root.as_deref(), knowledge, messages),
        Asked::Explain(fault) => explain::run(fault.as_deref(), &knowledge()?, messages),
        Asked::Boot(boot) => boot::run(boot, &knowledge()?, dir, messages),
        Asked::Plan(plan) => plan::run(plan, &knowledge()?, dir, messages),
        Asked::Apply(asked) => apply::run(asked, &knowledge()?, dir, messages),
        Asked::Rollback(no_reboot) => apply::roll_back(&knowledge()?, dir, *no_reboot, messages),
        Asked::Status { follow, json } => apply::status(*follow, *json, messages),
        Asked::Install => apply::install(messages),
        Asked::BootCheck { fall_back } => apply::boot_check(*fall_back, &knowledge()?, dir, messages),
        Asked::Contained { unaccounted } => contained::run(*unaccounted, messages),
        Asked::Verify(verify) => verify::run(verify, &knowledge()?, dir, messages),
        Asked::Report(report) => report::run(report, &knowledge()?, messages),
        Asked::Build(build) => build::run(build, &knowledge()?.builds, messages),
        Asked::Enter(enter) => Ok(build::enter(enter)),
        Asked::Bundle(asked) => bundle::run(asked, &knowledge()?, messages),
        Asked::Schema(name) => schema::run(name, messages),
    }
}

/// Writes to standard output. A reader that went away, as `head` does, has seen what it wanted.
fn print(text: &str, messages: Messages) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::write(messages, &error)),
        _ => Ok(()),
    }
}

/// Writes a document to the file that somebody named for it.
fn write(path: &Path, text: &str, messages: Messages) -> Result<(), Failure> {
    fs::write(path, text)
        .map_err(|error| Failure::input(messages.error_write_file(path.display())).because(&error))
}

/// The built-in knowledge with the files below `dir` added.
fn knowledge(dir: &Path, messages: Messages) -> Result<KnowledgeBase, Failure> {
    let mut files = BTreeMap::new();
    collect(dir, dir, &mut files)
        .map_err(|(path, error)| Failure::input(messages.error_read(path)).because(&error))?;
    KnowledgeBase::with(&files).map_err(|problems| {
        let mut failure = Failure::input(messages.error_knowledge(problems.len()));
        failure.causes = problems.iter().map(ToString::to_string).collect();
        failure
    })
}

/// Reads all files below `dir`, by their path below `root`.
fn collect(root: &Path, dir: &Path, files: &mut BTreeMap<String, String>) -> Result<(), (String, io::Error)> {
    let named = |path: &Path| {
        let name = path.display().to_string();
        move |error| (name, error)
    };
    for entry in fs::read_dir(dir).map_err(named(dir))? {
        let path = entry.map_err(named(dir))?.path();
        let kind = fs::metadata(&path).map_err(named(&path))?;
        if kind.is_dir() {
            collect(root, &path, files)?;
        } else {
            let text = fs::read_to_string(&path).map_err(named(&path))?;
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            files.insert(name, text);
        }
    }
    Ok(())
}
