//! Where the workspace and its build products are.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::program::Program;

/// The workspace that this program was built from.
pub(crate) struct Workspace {
    /// The directory of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn find() -> Result<Self, Failure> {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        let root =
            crates.and_then(Path::parent).expect("this crate lies two levels below the root").to_owned();
        let mut workspace = Self { root, target: PathBuf::new() };
        let metadata = workspace.cargo(["metadata", "--no-deps", "--format-version", "1"]).output()?;
        let output = |source| Failure::Output { command: "cargo metadata".to_owned(), source };
        let metadata: serde_json::Value =
            serde_json::from_str(&metadata).map_err(|error| output(error.into()))?;
        workspace.target = metadata["target_directory"]
            .as_str()
            .ok_or_else(|| output("it names no target directory".into()))?
            .into();
        Ok(workspace)
    }

    /// The cargo that runs this program, with these arguments, at the root.
    pub(crate) fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Program {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        Program::new(cargo, &self.root).args(arguments)
    }

    /// A program of the ordinary release build.
    pub(crate) fn release(&self, name: &str) -> PathBuf {
        self.target.join("release").join(name)
    }

    /// Builds kernmend as it is published, one static file, and gives the path of the program.
    pub(crate) fn build_release(&self) -> Result<PathBuf, Failure> {
        let host = self.host()?;
        // Naming the target keeps the flags away from build scripts and macros, which can't be static.
        self.cargo(["build", "--release", "--locked", "--package", "kernmend", "--target", &host])
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .run()?;
        Ok(self.target.join(host).join("release/kernmend"))
    }

    /// The target that this machine builds for by itself.
    fn host(&self) -> Result<String, Failure> {
        let told = Program::new("rustc", &self.root).args(["--version", "--verbose"]).output()?;
        let host = told.lines().find_map(|line| line.strip_prefix("host: "));
        host.map(str::to_owned).ok_or_else(|| Failure::problem("`rustc --version --verbose` names no host"))
    }

    /// Reads a text file; the path is relative to the root.
    pub(crate) fn read(&self, path: &str) -> Result<String, Failure> {
        let path = self.root.join(path);
        std::fs::read_to_string(&path).map_err(|source| Failure::File { act: "reading", path, source })
    }
}
