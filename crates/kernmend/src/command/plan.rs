//! `plan`: weighs the ways out on this node and writes down the exact steps of one. It changes nothing but the file that it
//! was told to write.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use kernmend_core::boot::reading::of_files;
use kernmend_core::diagnose::diagnose;
use kernmend_core::document::Document;
use kernmend_core::document::plan::{Expected, Plan as Body, Remedy};
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_core::plan::swap::Replacement;
use kernmend_core::plan::{self, Node, PROGRAM, Wish, swap};
use kernmend_node::collect::{boot, collect, site};
use kernmend_node::inspect::inspect;
use kernmend_node::machine::Live;
use kernmend_node::store::Store;

use super::{print, source, write};
use crate::args::{Plan, Source};
use crate::failure::Failure;
use crate::message::Messages;
use crate::render;
use crate::render::printable;

pub(crate) fn run(
    asked: &Plan,
    knowledge: &KnowledgeBase,
    dir: Option<&Path>,
    messages: Messages,
) -> Result<ExitCode, Failure> {
    let fault = asked.wish.advisory.as_deref().map(|name| {
        let known = knowledge.advisory(name).map(|advisory| advisory.id.clone());
        known.ok_or_else(|| Failure::input(messages.error_fault(name)).hint(messages.hint_fault()))
    });
    if !asked.with.is_empty()
        && !matches!(asked.wish.remedy, None | Some(Remedy::NewerRuntime | Remedy::RebuiltRuntime))
    {
        return Err(Failure::input(messages.error_with_remedy()));
    }
    let with = asked.with.iter().map(|(program, path)| replacement(program, path, messages));
    let wish =
        Wish { advisory: fault.transpose()?, with: with.collect::<Result<_, _>>()?, ..asked.wish.clone() };
    let source = asked.root.clone().map_or(Source::Live, Source::Root);
    let progress = source::Progress::start(messages);
    let host = source::host(&source, knowledge, dir, messages)?.with_progress(progress.teller());
    let snapshot = Document::new(collect(&host), None);
    let report = diagnose(&snapshot, knowledge);
    let files = boot::read(&host);
    let machine_id = host.read("/etc/machine-id", 64).got().map(|content| content.text()).unwrap_or_default();
    let fell_back: Vec<Expected> = fell_back(asked.root.as_deref(), messages)?;
    let paths: Vec<&str> = wish
        .with
        .iter()
        .flat_map(|file| swap::copies(&snapshot.body, &file.program))
        .map(|copy| copy.path.as_str())
        .collect();
    let site = site(&host, paths);
    let node = Node {
        snapshot: &snapshot,
        report: &report,
        boot: &of_files(&files),
        files: &files,
        machine_id: machine_id.trim(),
        is_installed: host.identity(PROGRAM).got().is_some(),
        fell_back: &fell_back,
        site: &site,
    };
    let document = plan::plan(&node, knowledge, &wish);
    drop(progress);
    let problems = plan::check::check(&document.body);
    if !problems.is_empty() {
        let mut failure = Failure::internal(messages.error_plan_broken());
        failure.causes = problems.iter().map(ToString::to_string).collect();
        return Err(failure);
    }
    if let Some(path) = &asked.write {
        write(path, &(document.to_json() + "\n"), messages)?;
    }
    let text = if asked.json {
        document.to_json() + "\n"
    } else {
        let file = asked.write.as_ref().map(|path| path.display().to_string());
        render::plan(&document, file.as_deref(), messages)
    };
    print(&text, messages)?;
    Ok(ExitCode::from(exit_code(&document.body)))
}

/// Looks at a file that is to take the place of a program.
fn replacement(program: &str, path: &Path, messages: Messages) -> Result<Replacement, Failure> {
    let failure = |error: &dyn Error| {
        Failure::input(messages.error_with(path.display(), printable(program))).because(error)
    };
    let path = fs::canonicalize(path).map_err(|error| failure(&error))?;
    let size = fs::metadata(&path).map_err(|error| failure(&error))?.len();
    let is = inspect(&path).map_err(|error| failure(&error))?;
    let too_long = || Failure::input(messages.error_with(path.display(), printable(program)));
    let digest = is.digest.clone().ok_or_else(too_long)?;
    Ok(Replacement { program: program.to_owned(), size, digest, is })
}

/// What was tried here before and fell back.
fn fell_back(root: Option<&Path>, messages: Messages) -> Result<Vec<Expected>, Failure> {
    let failure = |error: &dyn Error| Failure::input(messages.error_status()).because(error);
    let machine = match root {
        Some(root) => Live::directory(root),
        None => Live::machine(),
    };
    let machine = machine.map_err(|error| failure(&error))?;
    let fallen = Store::fell_back(&machine).map_err(|error| failure(&error))?;
    Ok(fallen.into_iter().map(|fallen| fallen.expected).collect())
}

/// 0 where there is something to do that may be done, or nothing to mend; 5 where it is refused, or no way is open.
fn exit_code(plan: &Body) -> u8 {
    let is_runnable = plan.remedy.is_some() && plan.refusals.is_empty() && !plan.steps.is_empty();
    let has_nothing_to_do = plan.remedy.is_none() && plan.ways.is_empty();
    if is_runnable || has_nothing_to_do { 0 } else { 5 }
}
