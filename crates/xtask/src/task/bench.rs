//! `cargo xtask bench`: times kernmend beside a peer in the same run and prints the ratios. Times are never asserted
//! by a test: they depend on the machine, the ratios hardly do. The benches themselves are in the lab.

use std::process::ExitCode;

use crate::program::Program;
use crate::run::Run;
use crate::workspace::Workspace;

/// Builds what is needed and runs the named benches, or all of them.
pub(crate) fn run(workspace: &Workspace, names: &[&str]) -> ExitCode {
    let mut run = Run::new("bench");
    let built = run.stage("release build", || workspace.build_release());
    let lab = run
        .stage("lab build", || workspace.cargo(["build", "--release", "--locked", "--package", "lab"]).run());
    let _ = run.stage("benches", || {
        let built = built?;
        lab?;
        Program::new(workspace.release("bench"), &workspace.root)
            .args(names)
            .env(super::test::PROGRAM_UNDER_TEST, built)
            .run()
    });
    run.finish()
}
