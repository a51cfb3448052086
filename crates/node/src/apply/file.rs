//! The step that writes, replaces or removes a file; and how a file gets into its place where a boot loader may read it,
//! which menus need too.

use std::collections::BTreeSet;

use kernmend_core::document::Digest;
use kernmend_core::document::journal::{Event, Pass, Undo};
use kernmend_core::document::plan::{Act, Step};

use super::{Halt, Runner};
use crate::machine::{Machine, MachineError, Program};
use crate::store::{MAX_KEPT, Store};

/// Files that boot loaders read are below this.
const BOOT: &str = "/boot/";

/// Unit files of systemd that were changed are read again at the next boot, or when it is told.
const UNITS: &str = "/etc/systemd/";

/// Directories that are made for a file.
const DIRECTORY: u32 = 0o755;

/// What is known of a file before it is changed, and what becomes of it.
pub(super) struct Change {
    pub(super) before: Option<Digest>,
    pub(super) mode: u32,
    pub(super) directories: Vec<String>,
    /// What was put in its place, each time it was tried.
    pub(super) after: Vec<Option<Digest>>,
}

pub(super) fn act<M: Machine>(
    run: &mut Runner<'_, M>,
    step: usize,
    path: &str,
    before: Option<&Digest>,
    content: Option<&str>,
    mode: u32,
) -> Result<(), Halt> {
    let after = content.map(|content| Digest::of(content.as_bytes()));
    let current = run.current(path)?.map(|(digest, _)| digest);
    let earlier = change(run, step);
    let from = earlier.as_ref().map_or(before, |change| change.before.as_ref());
    if current != after && current.as_ref() != from {
        return Err(Halt::Step(changed(path, before, current.as_ref())));
    }
    let change = match earlier {
        Some(change) => change,
        None => keep(run, path, mode)?,
    };
    run.starts(step, Pass::Act, Some(change.undo(after.as_ref())))?;
    for directory in &change.directories {
        run.apply.machine.make_directory(directory, DIRECTORY)?;
    }
    put(run.apply.machine, path, content.map(str::as_bytes), change.mode)?;
    reload(run, step, Pass::Act);
    is_there(run, path, after.as_ref())
}

pub(super) fn undo<M: Machine>(run: &mut Runner<'_, M>, step: usize, path: &str) -> Result<(), Halt> {
    let Some(change) = change(run, step) else { return Ok(()) };
    let current = run.current(path)?.map(|(digest, _)| digest);
    if current != change.before && !change.after.contains(&current) {
        return Err(Halt::Step(changed(path, change.before.as_ref(), current.as_ref())));
    }
    let content = match &change.before {
        Some(digest) => Some(Store::kept(run.apply.machine, digest).map_err(Halt::kept)?),
        None => None,
    };
    put(run.apply.machine, path, content.as_deref(), change.mode)?;
    remove_directories(run, path)?;
    reload(run, step, Pass::Undo);
    is_there(run, path, change.before.as_ref())
}

/// Removes the directories above a file that this plan made, whichever of its steps did, where they are empty.
fn remove_directories<M: Machine>(run: &mut Runner<'_, M>, path: &str) -> Result<(), Halt> {
    let made: BTreeSet<String> = run.events().iter().flat_map(made).cloned().collect();
    let mut above = path;
    while let Some((parent, _)) = above.rsplit_once('/').filter(|(parent, _)| made.contains(*parent)) {
        run.apply.machine.remove_directory(parent)?;
        above = parent;
    }
    Ok(())
}

/// The directories that were made for a file.
fn made(event: &Event) -> &[String] {
    match event {
        Event::Started { undo: Some(Undo::File { directories, .. }), .. } => directories,
        _ => &[],
    }
}

/// What earlier tries of this step wrote down about the file.
pub(super) fn change<M: Machine>(run: &Runner<'_, M>, step: usize) -> Option<Change> {
    let mut found: Option<Change> = None;
    for undo in run.undos(step) {
        let Undo::File { before, mode, after, directories } = undo else { continue };
        let change = found.get_or_insert(Change { before, mode, directories, after: Vec::new() });
        change.after.push(after);
    }
    found
}

/// Keeps what a file holds before it is changed. One that is new gets `mode`.
pub(super) fn keep<M: Machine>(run: &mut Runner<'_, M>, path: &str, mode: u32) -> Result<Change, Halt> {
    let machine = &mut *run.apply.machine;
    let status = machine.status(path)?;
    let before = match machine.read(path, MAX_KEPT)? {
        Some(content) => Some(Store::keep(machine, &content).map_err(Halt::kept)?),
        None => None,
    };
    let mode = status.map_or(mode, |status| status.mode);
    let mut directories = Vec::new();
    let mut above = path;
    while let Some((parent, _)) = above.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()) {
        if machine.is_directory(parent)? {
            break;
        }
        directories.insert(0, parent.to_owned());
        above = parent;
    }
    Ok(Change { before, mode, directories, after: Vec::new() })
}

impl Change {
    /// What is written down to take it back, where `after` is put in its place.
    pub(super) fn undo(&self, after: Option<&Digest>) -> Undo {
        Undo::File {
            before: self.before.clone(),
            mode: self.mode,
            after: after.cloned(),
            directories: self.directories.clone(),
        }
    }
}

/// Puts content into the place of a file, or removes it. Where it is there already all that follows from it is done
/// nevertheless: whoever died here before may not have come to it.
pub(super) fn put(
    machine: &mut impl Machine,
    path: &str,
    content: Option<&[u8]>,
    mode: u32,
) -> Result<(), MachineError> {
    let is_read_at_boot = path.starts_with(BOOT);
    if machine.read(path, MAX_KEPT)?.as_deref() != content {
        if is_read_at_boot {
            machine.keep(path)?;
        }
        match content {
            Some(content) => machine.replace(path, content, mode)?,
            None => machine.remove(path)?,
        }
    }
    if is_read_at_boot {
        machine.settle(path)?;
        machine.let_go(path)?;
    }
    Ok(())
}

/// Makes systemd see what was changed, once for all of a stage's files that come one after another: on a large node it takes
/// seconds. That it doesn't is no failure of the step: it reads its files at the next boot.
fn reload<M: Machine>(run: &mut Runner<'_, M>, step: usize, pass: Pass) {
    let is_unit = |step: &Step| matches!(&step.act, Act::File { path, .. } if path.starts_with(UNITS));
    let steps = &run.plan.steps;
    let next = match pass {
        Pass::Act => step.checked_add(1),
        Pass::Undo => step.checked_sub(1),
    };
    let next = next.and_then(|next| steps.get(next));
    let goes_on = next.is_some_and(|next| next.stage == steps[step].stage && is_unit(next));
    if is_unit(&steps[step]) && !goes_on {
        let _ = run.apply.machine.run(&Program::DaemonReload, run.apply.options.check);
    }
}

/// Reads back what was written.
pub(super) fn is_there<M: Machine>(
    run: &Runner<'_, M>,
    path: &str,
    expected: Option<&Digest>,
) -> Result<(), Halt> {
    let current = run.current(path)?.map(|(digest, _)| digest);
    if current.as_ref() == expected {
        return Ok(());
    }
    Err(Halt::Step(other(path, current.as_ref(), expected)))
}

/// Says that a file doesn't hold what was written.
pub(super) fn other(path: &str, current: Option<&Digest>, expected: Option<&Digest>) -> String {
    format!("`{path}` was written and holds {} instead of {}", told(current), told(expected))
}

/// Says that a file is neither what it was nor what it should become.
pub(super) fn changed(path: &str, before: Option<&Digest>, current: Option<&Digest>) -> String {
    let (before, current) = (told(before), told(current));
    format!("`{path}` was changed since the plan was made: it held {before}, and now {current}")
}

fn told(digest: Option<&Digest>) -> String {
    digest.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}
