//! What builds of runtimes are tested with: trees of their sources, as a checkout has them, and a root file system with an old
//! Go. All of it comes from Go's modules and from Debian, and is kept in the cache.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian::{self, DebianError};
use crate::{LabError, cache, command};

/// A version of runc, and what its sources vendor where they have no go.mod that says it.
#[derive(Debug, Clone, Copy)]
pub struct Runc {
    /// The version, as a module has it.
    pub version: &'static str,
    /// Modules with their versions.
    pub pins: &'static [(&'static str, &'static str)],
}

/// The last runc that accounts.
pub const RUNC_RC93: Runc = Runc { version: "v1.0.0-rc93", pins: &[] };

/// A runc of before Go's modules: its list of dependencies names commits, of which these are the versions that Go's proxy has
/// and that fit together.
pub const RUNC_RC9: Runc = Runc {
    version: "v1.0.0-rc9",
    pins: &[
        ("github.com/checkpoint-restore/go-criu", "v0.0.0-20181120144056-17b0214f6c48"),
        ("github.com/containerd/console", "v1.0.0"),
        ("github.com/coreos/go-systemd", "v0.0.0-20190321100706-95778dfbb74e"),
        ("github.com/coreos/pkg", "v0.0.0-20180108230652-97fdf19511ea"),
        ("github.com/cyphar/filepath-securejoin", "v0.2.2"),
        ("github.com/docker/go-units", "v0.4.0"),
        ("github.com/godbus/dbus", "v0.0.0-20181101234600-2ff6f7ffd60f"),
        ("github.com/golang/protobuf", "v1.3.2"),
        ("github.com/konsorten/go-windows-terminal-sequences", "v1.0.1"),
        ("github.com/mrunalp/fileutils", "v0.0.0-20171103030105-7d4729fb3618"),
        ("github.com/opencontainers/runtime-spec", "v1.0.2"),
        ("github.com/opencontainers/selinux", "v1.3.1-0.20190929122143-5215b1806f52"),
        ("github.com/pkg/errors", "v0.8.1"),
        ("github.com/seccomp/libseccomp-golang", "v0.9.1"),
        ("github.com/sirupsen/logrus", "v1.4.2"),
        ("github.com/syndtr/gocapability", "v0.0.0-20180916011248-d98352740cb2"),
        ("github.com/urfave/cli", "v1.20.0"),
        ("github.com/vishvananda/netlink", "v1.0.0"),
        ("github.com/vishvananda/netns", "v0.0.0-20171111001504-be1fbeda1936"),
        ("golang.org/x/sys", "v0.0.0-20201112073958-5cba982894dd"),
    ],
};

const MODULE: &str = "github.com/opencontainers/runc";

impl Runc {
    /// Its sources as Go's module has them: without what they vendor.
    ///
    /// # Errors
    /// They can't be fetched.
    pub fn module(self) -> Result<PathBuf, LabError> {
        // A folder without a module of its own, since a module around would have a say.
        let nowhere =
            tempfile::tempdir().map_err(LabError::file("making a folder in", std::env::temp_dir()))?;
        let asked = format!("{MODULE}@{}", self.version);
        let answer = command::run(go(nowhere.path()).args(["mod", "download", "-json", &asked]))?;
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
        let folder = answer["Dir"].as_str().map(PathBuf::from);
        folder.ok_or(LabError::Missing {
            missing: "a go command that tells no folder",
            mend: "look at `go env`",
        })
    }

    /// Its sources as a checkout has them, with what they vendor.
    ///
    /// # Errors
    /// They can't be fetched.
    pub fn tree(self) -> Result<PathBuf, LabError> {
        let recipe = format!("runc 1\n{self:?}");
        cache::entry("sources", &recipe, |folder| {
            let module = self.module()?;
            // Modules lie in Go's cache without the right to change them.
            command::run(
                Command::new("cp").args(["-r", "--no-preserve=mode"]).arg(module.join(".")).arg(folder),
            )?;
            if self.pins.is_empty() {
                command::run(go(folder).args(["mod", "vendor"]))?;
                return Ok(());
            }
            // For as long as it takes, they are a module. What its tests need isn't told, and isn't needed.
            let pins: String =
                self.pins.iter().map(|(module, version)| format!("\t{module} {version}\n")).collect();
            let list = format!("module {MODULE}\n\ngo 1.13\n\nrequire (\n{pins})\n");
            let module = folder.join("go.mod");
            fs::write(&module, list).map_err(LabError::file("writing", &module))?;
            command::run(go(folder).args(["mod", "tidy", "-e"]))?;
            command::run(go(folder).args(["mod", "vendor"]))?;
            for file in ["go.mod", "go.sum", "vendor/modules.txt"] {
                let file = folder.join(file);
                fs::remove_file(&file).map_err(LabError::file("removing", &file))?;
            }
            Ok(())
        })
    }
}

/// The go command, in a folder, with a network and without settings of the user's that change what it does.
#[must_use]
pub fn go(folder: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(folder)
        .env("GOFLAGS", "-mod=mod")
        .env("GOTOOLCHAIN", "local")
        .env_remove("GO111MODULE");
    command
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
