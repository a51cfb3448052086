//! `cargo xtask sweep DIR`: holds the engine against a folder of real inputs. The lab has the program, since it rests on
//! the product's crates, and this one rests on none, so that it is quick to build.

use std::path::Path;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::program::Program;
use crate::run::Run;
use crate::workspace::Workspace;

/// Where the folder of real inputs is in a checkout that has one beside it, from the root of the workspace.
const BESIDE: &str = "../shared/real-inputs";

/// The rows that must hold whatever is still to be built: what captured machines say of themselves.
const REQUIRED: &str = "captured-root:verdict,accounting,memcg-ids,cgroup,kernel,arg,no-arg";

/// Builds the program and runs it with the arguments as they were given.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> ExitCode {
    let mut run = Run::new("sweep");
    // A folder is meant from where the task was called, and not from the root.
    let _ = run.stage("sweep", || sweep(workspace, Path::new("."), arguments));
    run.finish()
}

/// The stage of `cargo xtask test`. The folder isn't part of the project: where it is absent, that is said.
pub(crate) fn required(workspace: &Workspace) -> Result<(), Failure> {
    if !workspace.root.join(BESIDE).is_dir() {
        println!("there is no folder `{BESIDE}` beside this checkout: no input of a real machine was judged");
        return Ok(());
    }
    sweep(workspace, &workspace.root, &[BESIDE, "--require", REQUIRED])
}

fn sweep(workspace: &Workspace, at: &Path, arguments: &[&str]) -> Result<(), Failure> {
    workspace.cargo(["build", "--release", "--locked", "--package", "lab", "--bin", "sweep"]).run()?;
    Program::new(workspace.release("sweep"), at).args(arguments).run()
}
