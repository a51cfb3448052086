//! The step that stops a unit of systemd, or starts it. One that should run is started anew even if it runs: after a power
//! cut it may have come up with what was there before.

use kernmend_core::document::journal::{Pass, Undo};

use super::{Halt, Runner, ended};
use crate::machine::{Machine, Output, Program};

pub(super) fn act<M: Machine>(
    run: &mut Runner<'_, M>,
    step: usize,
    name: &str,
    active: bool,
) -> Result<(), Halt> {
    let was = match earlier(run, step) {
        Some(was) => was,
        None => is_active(run, name)?,
    };
    run.starts(step, Pass::Act, Some(Undo::Unit { active: was }))?;
    set(run, name, active)
}

pub(super) fn undo<M: Machine>(run: &mut Runner<'_, M>, step: usize, name: &str) -> Result<(), Halt> {
    match earlier(run, step) {
        Some(was) => set(run, name, was),
        None => Ok(()),
    }
}

/// Whether it ran before the first try.
fn earlier<M: Machine>(run: &Runner<'_, M>, step: usize) -> Option<bool> {
    run.undos(step).into_iter().find_map(|undo| match undo {
        Undo::Unit { active } => Some(active),
        Undo::File { .. } | Undo::Environment { .. } => None,
    })
}

fn set<M: Machine>(run: &mut Runner<'_, M>, name: &str, active: bool) -> Result<(), Halt> {
    let program = Program::Unit { unit: name.to_owned(), active };
    match run.apply.machine.run(&program, run.apply.options.unit)? {
        Output { code: Some(0), .. } => {}
        output => return Err(Halt::Step(ended(&program, &output))),
    }
    // Whether one that was started stays is the judgement's to say.
    if !active && is_active(run, name)? {
        return Err(Halt::Step(format!("`{name}` was stopped, and runs")));
    }
    Ok(())
}

fn is_active<M: Machine>(run: &mut Runner<'_, M>, name: &str) -> Result<bool, Halt> {
    let program = Program::IsActive { unit: name.to_owned() };
    Ok(run.apply.machine.run(&program, run.apply.options.check)?.code == Some(0))
}
