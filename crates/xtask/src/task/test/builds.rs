//! The tier of tests that build what takes minutes of processor time. What it tests is a few files; the sums of those with
//! which it passed are kept in the user's cache, so that it isn't run for the same again.

use std::fs;
use std::path::{Path, PathBuf};

use super::{PROGRAM_UNDER_TEST, dependencies};
use crate::failure::Failure;
use crate::program::Program;
use crate::workspace::Workspace;

/// What a build rests on: files, and all that lies in folders.
const TESTED: [&str; 12] = [
    "crates/core/src/build",
    "crates/core/src/build.rs",
    "crates/core/src/knowledge/build.rs",
    "crates/lab/src/build.rs",
    "crates/lab/tests/build_kubelet.rs",
    "crates/node/src/build",
    "crates/node/src/build.rs",
    "crates/node/src/machine/chamber.rs",
    "crates/node/src/machine/program.rs",
    "crates/node/src/machine/scratch.rs",
    "crates/node/src/machine/tool.rs",
    "knowledge/builds.toml",
];

/// Runs the tier unless it passed here with the same files.
pub(super) fn run_where_changed(
    workspace: &Workspace,
    kernmend: Result<&Path, &Failure>,
) -> Result<(), Failure> {
    let sums = sums(workspace)?;
    let passed = passed()?;
    if fs::read_to_string(&passed).is_ok_and(|before| before == sums) {
        println!("not run: it passed here with the same files ({})", passed.display());
        println!("`cargo xtask test --tier builds` runs it all the same");
        return Ok(());
    }
    run(workspace, kernmend)
}

/// Runs the tier.
pub(super) fn run(workspace: &Workspace, kernmend: Result<&Path, &Failure>) -> Result<(), Failure> {
    let kernmend = kernmend.map_err(Failure::again)?;
    let sums = sums(workspace)?;
    workspace
        .cargo(["test", "--workspace", "--features", "lab/builds", "--test", "build_kubelet", "--locked"])
        .env(PROGRAM_UNDER_TEST, kernmend)
        .run()?;
    let passed = passed()?;
    let failed = |source| Failure::File { act: "writing", path: passed.clone(), source };
    fs::create_dir_all(passed.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    fs::write(&passed, sums).map_err(failed)
}

/// The sums of what is tested, one a line.
fn sums(workspace: &Workspace) -> Result<String, Failure> {
    let mut files = Vec::new();
    for tested in TESTED {
        collect(&workspace.root, Path::new(tested), &mut files)?;
    }
    files.sort();
    Program::new("sha256sum", &workspace.root).args(files.iter().filter_map(|file| file.to_str())).output()
}

fn collect(root: &Path, path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let there = root.join(path);
    if !there.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let failed = |source| Failure::File { act: "listing", path: there.clone(), source };
    for entry in fs::read_dir(&there).map_err(failed)? {
        collect(root, &path.join(entry.map_err(failed)?.file_name()), files)?;
    }
    Ok(())
}

/// Where the sums are kept with which it passed.
fn passed() -> Result<PathBuf, Failure> {
    Ok(dependencies::cache()?.join("kernmend/passed/builds"))
}
