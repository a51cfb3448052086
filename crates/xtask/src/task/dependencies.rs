//! Licences, bans and sources of the dependencies, judged by cargo-deny after `deny.toml`. A fresh machine doesn't have
//! cargo-deny, so it is built once for each version, into the user's cache.

use std::env;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::workspace::Workspace;

/// The version that judges; another one may judge otherwise.
const VERSION: &str = "0.20.2";

/// Runs cargo-deny, after building it where it is missing.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    let folder = cache()?.join("kernmend").join("tools").join(format!("cargo-deny-{VERSION}"));
    let program = folder.join("bin").join("cargo-deny");
    // Cargo moves the finished program there as its last act, so a build that was broken off leaves none.
    if !program.exists() {
        println!("building cargo-deny {VERSION} once, into `{}`", folder.display());
        workspace
            .cargo(["install", "cargo-deny", "--locked", "--version", &format!("={VERSION}")])
            // It runs for a second: building it without optimisation is the cheaper way by far.
            .args(["--debug", "--quiet", "--root"])
            .args([&folder])
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            // Its build products are of no use here, and would be cached beside ours.
            .without_env("CARGO_TARGET_DIR")
            .run()?;
    }
    // The advisory database can't be fetched everywhere, so advisories are left out.
    crate::program::Program::new(program, &workspace.root)
        .args(["--locked", "check", "bans", "licenses", "sources"])
        .run()
}

/// The user's cache folder.
pub(super) fn cache() -> Result<PathBuf, Failure> {
    let folder = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    folder("XDG_CACHE_HOME")
        .or_else(|| folder("HOME").map(|home| home.join(".cache")))
        .ok_or_else(|| Failure::problem("neither `XDG_CACHE_HOME` nor `HOME` names a folder"))
}
