//! Programs as Debian built them: packages fetched with apt from the archive that this machine is set up for, unpacked
//! and kept in the user's cache. It installs nothing and leaves the machine's own package lists alone. What can't be
//! fetched is an error with apt's own words; a test that needs a package fails then.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use kernmend_core::document::Digest;

/// Debian's keys, from its package `debian-archive-keyring`; it holds those of earlier releases too.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Changes when folders in the cache are laid out in another way.
const LAYOUT: &str = "1";
/// What the folder of a fetch is called while it runs; the number of its process follows.
const UNFINISHED: &str = "unfinished-";

/// Why packages are not there.
#[derive(Debug, thiserror::Error)]
pub enum DebianError {
    /// A file or directory.
    #[error("{act} `{}`", path.display())]
    File {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A command can't be started.
    #[error("start `{command}`")]
    Start {
        /// The command.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// A command failed.
    #[error("`{command}` failed: {said}")]
    Command {
        /// The command.
        command: String,
        /// The end of what it said.
        said: String,
    },
    /// The user has no cache folder.
    #[error("neither XDG_CACHE_HOME nor HOME is set")]
    NoCache,
    /// The keys are missing.
    #[error("`{KEYRING}` is missing: install the package debian-archive-keyring")]
    NoKeyring,
    /// apt has no Debian archive.
    #[error("apt's sources on this machine name no Debian archive with the suite `{0}`")]
    NoArchive(String),
    /// apt fetched something else.
    #[error("apt fetched no package `{0}`")]
    NotFetched(String),
}

/// A package of one release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// The release's code name.
    pub suite: &'static str,
    /// The package's name.
    pub name: &'static str,
}

/// Packages that were unpacked.
#[derive(Debug, Clone)]
pub struct Packages {
    root: PathBuf,
}

impl Packages {
    /// The packages, from the cache or from the archive.
    ///
    /// # Errors
    ///
    /// Where one of them can't be fetched or unpacked.
    pub fn get(packages: &[Package]) -> Result<Self, DebianError> {
        let recipe: Vec<String> = packages.iter().map(|p| format!("{}/{}", p.suite, p.name)).collect();
        let digest = Digest::of(format!("{LAYOUT}\n{}", recipe.join("\n")).as_bytes()).to_string();
        let cache = crate::cache().map_err(|_| DebianError::NoCache)?.join("debian");
        // Tests run side by side, and one fetch serves them all. Other processes make their own.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let root = cache.join(digest.trim_start_matches("sha256:"));
        if root.is_dir() {
            return Ok(Self { root });
        }
        // Made beside it and renamed when whole, so that a cut run leaves nothing that looks finished.
        sweep(&cache);
        let unfinished = cache.join(format!("{UNFINISHED}{}", std::process::id()));
        let made =
            make(&unfinished, packages).and_then(|()| match fs::rename(unfinished.join("root"), &root) {
                // Another run was quicker.
                Err(_) if root.is_dir() => Ok(()),
                result => result.map_err(file("rename to", &root)),
            });
        // Nothing of it is needed any more, whatever came of it; the next run has another name.
        drop(fs::remove_dir_all(&unfinished));
        made.map(|()| Self { root })
    }

    /// A file of a package, by its path in it.
    #[must_use]
    pub fn path(&self, package: Package, path: &str) -> PathBuf {
        self.root.join(package.suite).join(package.name).join(path.trim_start_matches('/'))
    }
}

fn make(work: &Path, packages: &[Package]) -> Result<(), DebianError> {
    if !Path::new(KEYRING).is_file() {
        return Err(DebianError::NoKeyring);
    }
    let state = work.join("state");
    for dir in ["state/lists/partial", "cache/archives/partial", "fetched"] {
        let dir = work.join(dir);
        fs::create_dir_all(&dir).map_err(file("create", &dir))?;
    }
    let mirror = mirror(work)?;
    let mut suites: Vec<&str> = packages.iter().map(|package| package.suite).collect();
    suites.sort_unstable();
    suites.dedup();
    let sources: String =
        suites.iter().map(|suite| format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n")).collect();
    let list = work.join("sources.list");
    fs::write(&list, sources).map_err(file("write", &list))?;

    let apt = |arguments: &[String]| {
        let mut command = apt(work);
        command.arg(format!("-oDir::Etc::SourceList={}", list.display()));
        // A file that isn't there: the machine's further sources are left out.
        command.arg(format!("-oDir::Etc::SourceParts={}", state.join("none").display()));
        // A release that is no longer kept up has a list that has expired.
        command.args([
            "-oAcquire::Check-Valid-Until=false",
            "-oAcquire::Languages=none",
            "-oAcquire::Retries=3",
        ]);
        run(command.args(arguments).current_dir(work.join("fetched")))
    };
    apt(&["update".to_owned(), "--error-on=any".to_owned()])?;
    for package in packages {
        apt(&["download".to_owned(), format!("{}/{}", package.name, package.suite)])?;
        let fetched = work.join("fetched");
        let begin = format!("{}_", package.name);
        let entries = fs::read_dir(&fetched).map_err(file("list", &fetched))?;
        let archive = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&begin)))
            .ok_or_else(|| DebianError::NotFetched(package.name.to_owned()))?;
        let into = work.join("root").join(package.suite).join(package.name);
        fs::create_dir_all(&into).map_err(file("create", &into))?;
        run(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(&into))?;
        fs::remove_file(&archive).map_err(file("remove", &archive))?;
    }
    Ok(())
}

/// Removes what fetches left that were killed. What can't be removed does no harm.
fn sweep(cache: &Path) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(UNFINISHED));
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

/// apt with a state and a cache of its own.
fn apt(work: &Path) -> Command {
    let mut command = Command::new("apt-get");
    command.arg(format!("-oDir::State={}", work.join("state").display()));
    command.arg(format!("-oDir::Cache={}", work.join("cache").display()));
    // Fetching as another user fails where that user can't enter the cache folder.
    command.arg("-oAPT::Sandbox::User=root").env("LC_ALL", "C");
    command
}

/// The archive that apt on this machine takes this machine's own release from.
fn mirror(work: &Path) -> Result<String, DebianError> {
    let path = Path::new("/etc/os-release");
    let release = fs::read_to_string(path).map_err(file("read", path))?;
    let suite = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or_default();
    // With no lists of its own, apt names what it would fetch; that needs no network.
    let uris = run(apt(work).args(["update", "--print-uris"]))?;
    let end = format!("/dists/{suite}/InRelease");
    let found = uris.lines().find_map(|line| line.strip_prefix('\'')?.split_once('\'')?.0.strip_suffix(&end));
    found.map(str::to_owned).ok_or_else(|| DebianError::NoArchive(suite.to_owned()))
}

/// Runs a command to its end and gives what it wrote.
fn run(command: &mut Command) -> Result<String, DebianError> {
    let shown = format!("{command:?}");
    let output = command.output().map_err(|source| DebianError::Start { command: shown.clone(), source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.trim().lines().rev().take(5).collect();
    let said = last.into_iter().rev().collect::<Vec<_>>().join("; ");
    Err(DebianError::Command { command: shown, said })
}

fn file(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DebianError {
    let path = path.to_owned();
    move |source| DebianError::File { act, path, source }
}
