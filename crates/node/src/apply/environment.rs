//! The step that sets variables of a boot loader's environment block. The block is written over in its place: GRUB writes
//! to it too, and knows it by its blocks on the disk.

use std::collections::BTreeMap;

use kernmend_core::boot::environment::{Environment, rewrite};
use kernmend_core::boot::trial::TRIES;
use kernmend_core::document::journal::{Pass, Undo};
use kernmend_core::document::plan::{Act, Stage};

use super::{Halt, Runner};
use crate::machine::Machine;

/// A block has 1,024 bytes; one that somebody made larger is still one.
const MAX_BLOCK: usize = 64 * 1024;

type Variables = BTreeMap<String, Option<String>>;

pub(super) fn act<M: Machine>(
    run: &mut Runner<'_, M>,
    step: usize,
    path: &str,
    variables: &Variables,
) -> Result<(), Halt> {
    let block = read(run, path)?;
    // What can't be written is told before anything is said to be begun.
    rewrite(&block, variables).map_err(|error| Halt::Step(format!("`{path}`: {error}")))?;
    let before = earlier(run, step).unwrap_or_else(|| {
        let environment = Environment::parse(&block);
        let value = |name: &String| environment.raw(name).map(str::to_owned);
        variables.keys().map(|name| (name.clone(), value(name))).collect()
    });
    run.starts(step, Pass::Act, Some(Undo::Environment { variables: before }))?;
    write(run, path, &block, variables)
}

/// Sets them to what they were. GRUB itself changes some of them between the act and this, as it should; nobody else has
/// a say in them for that time.
pub(super) fn undo<M: Machine>(run: &mut Runner<'_, M>, step: usize, path: &str) -> Result<(), Halt> {
    let Some(variables) = earlier(run, step) else { return Ok(()) };
    let block = read(run, path)?;
    write(run, path, &block, &variables)
}

/// Whether GRUB has spent the trial's counter: it was in the trial, whoever asked for that boot. A power cut doesn't write
/// down that it reboots.
pub(super) fn is_spent<M: Machine>(run: &Runner<'_, M>) -> bool {
    run.plan.steps.iter().enumerate().any(|(number, step)| match &step.act {
        Act::Environment { block, variables } if step.stage == Stage::Scaffold => {
            let is_armed = variables.get(TRIES).is_some_and(|value| value.as_deref() == Some("1"));
            let now = || read(run, block).ok();
            let is_lowered = |block: Vec<u8>| Environment::parse(&block).raw(TRIES) == Some("0");
            is_armed && !run.undos(number).is_empty() && now().is_some_and(is_lowered)
        }
        _ => false,
    })
}

/// The values before the first try.
fn earlier<M: Machine>(run: &Runner<'_, M>, step: usize) -> Option<Variables> {
    run.undos(step).into_iter().find_map(|undo| match undo {
        Undo::Environment { variables } => Some(variables),
        Undo::File { .. } | Undo::Unit { .. } => None,
    })
}

fn read<M: Machine>(run: &Runner<'_, M>, path: &str) -> Result<Vec<u8>, Halt> {
    let block = run.apply.machine.read(path, MAX_BLOCK)?;
    block.ok_or_else(|| Halt::Step(format!("there is no environment block `{path}`")))
}

fn write<M: Machine>(
    run: &mut Runner<'_, M>,
    path: &str,
    block: &[u8],
    variables: &Variables,
) -> Result<(), Halt> {
    let wanted = rewrite(block, variables).map_err(|error| Halt::Step(format!("`{path}`: {error}")))?;
    if wanted != block {
        run.apply.machine.overwrite(path, &wanted)?;
    }
    run.apply.machine.settle(path)?;
    if read(run, path)? == wanted {
        return Ok(());
    }
    Err(Halt::Step(format!("`{path}` was written and doesn't hold what it should")))
}
