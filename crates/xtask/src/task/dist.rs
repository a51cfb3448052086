//! `cargo xtask dist`: the program as it is published, proven static, with its size and its digest.

use std::process::ExitCode;

use super::release;
use crate::program::Program;
use crate::run::Run;
use crate::workspace::Workspace;

/// Builds and proves it.
pub(crate) fn run(workspace: &Workspace) -> ExitCode {
    let mut run = Run::new("dist");
    let built = run.stage("release build", || workspace.build_release());
    let _ = run.stage("release profile", || release::check(workspace, built.as_deref()));
    let _ = run.stage("digest", || {
        let kernmend = built?;
        Program::new("sha256sum", &workspace.root).args([kernmend]).run()
    });
    run.finish()
}
