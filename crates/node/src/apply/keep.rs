//! The step that takes a file into the store, from where it is put in place whatever becomes of it elsewhere.

use kernmend_core::document::Digest;
use kernmend_core::document::journal::Pass;

use super::{Halt, Runner};
use crate::machine::Machine;
use crate::store::Store;

pub(super) fn act<M: Machine>(
    run: &mut Runner<'_, M>,
    step: usize,
    source: &str,
    content: &Digest,
) -> Result<(), Halt> {
    run.starts(step, Pass::Act, None)?;
    Ok(Store::keep_program(run.apply.machine, source, content)?)
}

pub(super) fn undo<M: Machine>(run: &mut Runner<'_, M>, content: &Digest) -> Result<(), Halt> {
    Ok(run.apply.machine.remove(&Store::program(content))?)
}
