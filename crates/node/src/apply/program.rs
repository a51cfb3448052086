//! The step that puts a kept file into the place of a program. What was there is kept too, and put back from there. What
//! runs it goes on with the file that it has open.

use kernmend_core::document::Digest;
use kernmend_core::document::journal::{Event, Pass};

use super::{Halt, Runner, file};
use crate::machine::Machine;
use crate::store::Store;

/// Programs may be run by everybody; what is replaced hands on its own permissions.
const MODE: u32 = 0o755;

pub(super) fn act<M: Machine>(
    run: &mut Runner<'_, M>,
    step: usize,
    path: &str,
    (before, after): (&Digest, &Digest),
) -> Result<(), Halt> {
    let current = run.apply.machine.digest(path)?;
    // Whoever finds what he should put there, and hasn't begun, has nothing to put back.
    let is_ours = current.as_ref() == Some(after) && is_begun(run, step);
    if current.as_ref() != Some(before) && !is_ours {
        return Err(Halt::Step(file::changed(path, Some(before), current.as_ref())));
    }
    if !is_ours {
        Store::keep_program(run.apply.machine, path, before)?;
    }
    run.starts(step, Pass::Act, None)?;
    put(run, path, after)
}

pub(super) fn undo<M: Machine>(
    run: &mut Runner<'_, M>,
    path: &str,
    (before, after): (&Digest, &Digest),
) -> Result<(), Halt> {
    let current = run.apply.machine.digest(path)?;
    if current.as_ref() != Some(before) && current.as_ref() != Some(after) {
        return Err(Halt::Step(file::changed(path, Some(before), current.as_ref())));
    }
    put(run, path, before)
}

/// Puts a kept file in place, where it isn't there, and reads back what is.
fn put<M: Machine>(run: &mut Runner<'_, M>, path: &str, content: &Digest) -> Result<(), Halt> {
    let machine = &mut *run.apply.machine;
    if machine.digest(path)?.as_ref() != Some(content) {
        machine.copy(&Store::program(content), path, content, MODE)?;
    }
    let found = machine.digest(path)?;
    if found.as_ref() == Some(content) {
        return Ok(());
    }
    Err(Halt::Step(file::other(path, found.as_ref(), Some(content))))
}

fn is_begun<M: Machine>(run: &Runner<'_, M>, step: usize) -> bool {
    let is_it =
        |event: &Event| matches!(event, Event::Started { step: of, pass: Pass::Act, .. } if *of == step);
    run.events().iter().any(is_it)
}
