//! Genuine programs of libcontainer, built from the modules of its releases by Debian's Go toolchains, which are fetched and
//! not installed; the C compiler is this machine's. What was built is kept in the user's cache. It knows nothing of what
//! kernmend makes of these programs, and nothing here stands for a program that can't be built.

mod source;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian::{DebianError, Package, Packages};
use crate::{LabError, cache, command};

pub use source::{RUNC_1_2, RUNC_RC6, RUNC_RC9, RUNC_RC93, RUNC_RC95, Runc};

/// A Go toolchain as Debian packages it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Toolchain {
    suite: &'static str,
    /// The compiler, and the sources of the standard library.
    packages: [&'static str; 2],
    /// Where it lies in them.
    root: &'static str,
    /// The processor that it builds for, by Go's name; nothing for this machine's.
    target: Option<&'static str>,
}

/// Debian 13's.
pub const GO_1_24: Toolchain = Toolchain {
    suite: "trixie",
    packages: ["golang-1.24-go", "golang-1.24-src"],
    root: "usr/lib/go-1.24",
    target: None,
};

/// Debian 11's: its programs hold their build information in the form of before Go 1.18, without tags.
pub const GO_1_15: Toolchain = Toolchain {
    suite: "bullseye",
    packages: ["golang-1.15-go", "golang-1.15-src"],
    root: "usr/lib/go-1.15",
    target: None,
};

impl Toolchain {
    /// The same for another machine's processor, by Go's name. C is compiled for this machine's alone.
    #[must_use]
    pub const fn targeting(self, processor: &'static str) -> Self {
        Self { target: Some(processor), ..self }
    }

    /// Its root, `GOROOT`.
    ///
    /// # Errors
    ///
    /// Where its packages can't be had.
    pub fn root(self) -> Result<PathBuf, DebianError> {
        let packages = self.packages.map(|name| Package { suite: self.suite, name });
        Ok(Packages::get(&packages)?.path(packages[0], self.root))
    }
}

/// How a program is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// As the toolchain does by itself.
    Plain,
    /// Position independent.
    Pie,
    /// Without symbols.
    Stripped,
    /// With all libraries in it, also those of C.
    Static,
}

impl Link {
    const fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &[],
            Self::Pie => &["-buildmode=pie"],
            Self::Stripped => &["-ldflags=-s -w"],
            Self::Static => &["-ldflags=-w -extldflags -static"],
        }
    }

    /// The tags that runc's own makefile adds for it, and those without which glibc wants its own files at run time.
    const fn tags(self) -> &'static str {
        match self {
            Self::Plain | Self::Pie | Self::Stripped => "",
            Self::Static => " netgo osusergo static_build",
        }
    }
}

/// A runc with some build tags, separated by blanks.
///
/// # Errors
///
/// Where the toolchain, the modules or what C needs can't be had, in the words of whoever says it.
pub fn runc(runc: Runc, tags: &str, link: Link, go: Toolchain) -> Result<PathBuf, DebianError> {
    Build { name: "runc", package: Runc::MODULE, main: None, cgo: "1", runc, tags, link, go }.get()
}

/// A program of a few lines that puts itself into the control group that it is told, with a memory limit, by a release's
/// libcontainer. What that does about accounting is in it as it is in runc, for a fraction of the work; it needs no C.
///
/// # Errors
///
/// As [`runc()`].
pub fn cgroup_writer(runc: Runc, tags: &str, link: Link, go: Toolchain) -> Result<PathBuf, DebianError> {
    let main = Some(runc.cgroup_writer());
    Build { name: "cgroup-writer", package: ".", main, cgo: "0", runc, tags, link, go }.get()
}

struct Build<'t> {
    name: &'static str,
    /// The main package.
    package: &'static str,
    /// Its source, where it is no module's.
    main: Option<String>,
    /// Whether the program holds C.
    cgo: &'static str,
    runc: Runc,
    tags: &'t str,
    link: Link,
    go: Toolchain,
}

impl Build<'_> {
    fn get(&self) -> Result<PathBuf, DebianError> {
        let module = self.runc.required_by("lab");
        let main = self.main.as_deref().unwrap_or_default();
        let arguments = self.arguments();
        let recipe = format!("{module}\n{main}\n{:?} cgo {} {arguments:?}", self.go, self.cgo);
        let entry = cache::entry("go", &recipe, |folder| {
            let work =
                tempfile::tempdir().map_err(LabError::file("making a folder in", std::env::temp_dir()))?;
            let write = |name: &str, text: &str| {
                let path = work.path().join(name);
                fs::write(&path, text).map_err(LabError::file("writing", &path))
            };
            write("go.mod", &module)?;
            if !main.is_empty() {
                write("main.go", main)?;
            }
            let mut build = go(self.go, work.path())?;
            build.env("CGO_ENABLED", self.cgo).arg("build").arg("-o").arg(folder.join(self.name));
            command::run(build.args(arguments))?;
            Ok::<_, DebianError>(())
        })?;
        Ok(entry.join(self.name))
    }

    fn arguments(&self) -> Vec<String> {
        // Where a module lay on this machine has no place in what is kept.
        let mut arguments = vec!["-trimpath".to_owned()];
        arguments.push(format!("-tags={}{}", self.tags, self.link.tags()));
        arguments.extend(self.link.arguments().iter().map(|&argument| argument.to_owned()));
        arguments.push(self.package.to_owned());
        arguments
    }
}

/// The go command of a toolchain, in a folder. It may fetch modules, which it proves, and no toolchain.
pub(crate) fn go(toolchain: Toolchain, folder: &Path) -> Result<Command, DebianError> {
    let root = toolchain.root()?;
    let mut command = Command::new(root.join("bin/go"));
    command.current_dir(folder).env("GOROOT", root).env("GOTOOLCHAIN", "local").env("GO111MODULE", "on");
    // What the user set for newer toolchains is an error to older ones.
    command.env("GOFLAGS", "-mod=mod").env_remove("GOOS").env_remove("GOARCH");
    command.envs(toolchain.target.map(|processor| ("GOARCH", processor)));
    Ok(command)
}
