//! The step that tries a kept program: a runtime has to start a container, any other to tell its version. What isn't for this
//! machine, or asks for a library that isn't here, fails before anything was stopped. It changes nothing.

use kernmend_core::document::Digest;
use kernmend_core::document::journal::Pass;

use super::{Halt, Runner, container, ended};
use crate::machine::{Machine, Output, Program};
use crate::store::Store;

pub(super) fn act<M: Machine>(
    run: &mut Runner<'_, M>,
    step: usize,
    program: &str,
    content: &Digest,
    unaccounted: bool,
) -> Result<(), Halt> {
    run.starts(step, Pass::Act, None)?;
    let path = Store::program(content);
    if program == "runc" {
        return container::runs(run, &path, unaccounted).map_err(Halt::Step);
    }
    let program = Program::Version { path, program: program.to_owned() };
    match run.apply.machine.run(&program, run.apply.options.check)? {
        Output { code: Some(0), .. } => Ok(()),
        output => Err(Halt::Step(ended(&program, &output))),
    }
}
