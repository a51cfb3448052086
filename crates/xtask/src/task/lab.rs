//! `cargo xtask lab list` and `cargo xtask lab up IMAGE`: a machine of the tests for a person, with its console on this
//! terminal. The lab has the program, since it rests on the product's crates, and this one rests on none.

use std::path::Path;
use std::process::ExitCode;

use crate::program::Program;
use crate::run::Run;
use crate::workspace::Workspace;

/// Builds the program and runs it on this terminal with the arguments as they were given.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> ExitCode {
    let mut run = Run::new("lab");
    let _ = run.stage("machine", || {
        workspace.cargo(["build", "--release", "--locked", "--package", "lab", "--bin", "vm"]).run()?;
        Program::new(workspace.release("vm"), Path::new(".")).args(arguments).on_this_terminal().run()
    });
    run.finish()
}
