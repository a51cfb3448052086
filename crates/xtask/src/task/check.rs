//! `cargo xtask check`: everything that can be held against the source without root: format, lints, docs, tidy tests,
//! the release build, schemas, dependencies.

use std::process::ExitCode;

use super::{dependencies, release, schema};
use crate::run::Run;
use crate::workspace::Workspace;

/// Runs all stages.
pub(crate) fn run(workspace: &Workspace) -> ExitCode {
    let mut run = Run::new("check");
    // The outcome of a stage that nothing rests on is in the summary; it isn't needed here.
    let _ = run.stage("format", || workspace.cargo(["fmt", "--all", "--check"]).run());
    let _ = run.stage("lints", || {
        workspace
            .cargo(["clippy", "--workspace", "--all-targets", "--features", "lab/builds", "--locked"])
            .args(["--", "--deny", "warnings"])
            .run()
    });
    let _ = run.stage("docs", || {
        workspace
            .cargo(["doc", "--workspace", "--no-deps", "--locked"])
            .env("RUSTDOCFLAGS", "--deny warnings")
            .run()
    });
    let _ = run.stage("tidy", || {
        // Of the whole workspace, as all stages: another choice of packages would build the dependencies anew.
        workspace.cargo(["test", "--workspace", "--test", "tidy", "--locked"]).run()
    });
    let built = run.stage("release build", || workspace.build_release());
    let _ = run.stage("release profile", || release::check(workspace, built.as_deref()));
    let _ = run.stage("schemas", || schema::compare(workspace, built.as_deref()));
    let _ = run.stage("dependencies", || dependencies::check(workspace));
    run.finish()
}
