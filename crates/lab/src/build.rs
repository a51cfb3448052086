//! What builds of runtimes are tested with: trees of runc's sources, as a checkout has them, and a root file system with an
//! old Go. They come from Go's modules and from Debian, and are kept in the cache.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::debian::{self, DebianError, Package};
use crate::go::{GO_1_24, Runc, go};
use crate::{LabError, cache, command};

/// Debian 12 has the sources of Kubernetes 1.20.2, as `git archive` gave them.
pub const KUBERNETES: Package = Package { suite: "bookworm", name: "kubernetes" };

/// The sources of a release as Go's module has them: without what they vendor.
///
/// # Errors
/// They can't be fetched.
pub fn module(runc: Runc) -> Result<PathBuf, DebianError> {
    // A folder without a module of its own, since a module around would have a say.
    let nowhere = tempfile::tempdir().map_err(LabError::file("making a folder in", std::env::temp_dir()))?;
    let asked = format!("{}@{}", Runc::MODULE, runc.version);
    let mut download = go(GO_1_24, nowhere.path())?;
    let answer = command::run(download.args(["mod", "download", "-json", &asked]))?;
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
    let folder = answer["Dir"].as_str().map(PathBuf::from);
    let missing =
        LabError::Missing { missing: "a go command that tells no folder", mend: "look at `go env`" };
    Ok(folder.ok_or(missing)?)
}

/// The sources of a release as a checkout has them, with what they vendor.
///
/// # Errors
/// They can't be fetched.
pub fn tree(runc: Runc) -> Result<PathBuf, DebianError> {
    let recipe = format!("tree 1\n{}\n{:?}", runc.version, runc.pins);
    cache::entry("sources", &recipe, |folder| {
        let from = module(runc)?;
        // Modules lie in Go's cache without the right to change them.
        command::run(Command::new("cp").args(["-r", "--no-preserve=mode"]).arg(from.join(".")).arg(folder))?;
        let run = |arguments: &[&str]| -> Result<(), DebianError> {
            command::run(go(GO_1_24, folder)?.args(arguments))?;
            Ok(())
        };
        if runc.pins.is_empty() {
            return run(&["mod", "vendor"]);
        }
        // For as long as it takes, they are a module. What its tests need isn't told, and isn't needed.
        let module = folder.join("go.mod");
        fs::write(&module, runc.module_file()).map_err(LabError::file("writing", &module))?;
        run(&["mod", "tidy", "-e"])?;
        run(&["mod", "vendor"])?;
        for file in ["go.mod", "go.sum", "vendor/modules.txt"] {
            let file = folder.join(file);
            fs::remove_file(&file).map_err(LabError::file("removing", &file))?;
        }
        Ok(())
    })
}

/// A root file system of Debian 11, with its Go 1.15 and all that a build needs.
///
/// # Errors
/// Its packages can't be had.
pub fn debian_11() -> Result<PathBuf, DebianError> {
    const PACKAGES: [&str; 7] =
        ["gcc", "golang-go", "libc6-dev", "libseccomp-dev", "make", "pkg-config", "rsync"];
    let recipe = format!("build root 1\n{PACKAGES:?}");
    let folder = cache::entry("roots", &recipe, |folder| {
        debian::bootstrap(folder, &folder.join("root"), &["bullseye"], &PACKAGES, None)?;
        // Whoever builds in it is somebody else than who made it.
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder, mode).map_err(LabError::file("changing", folder))?;
        Ok::<_, DebianError>(())
    })?;
    Ok(folder.join("root"))
}
