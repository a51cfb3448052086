//! Programs as Debian built them: packages fetched with apt from the archive that this machine is set up for, unpacked
//! and kept in the user's cache, or installed into a folder. It installs nothing on this machine and leaves its own
//! package lists alone. What can't be fetched is an error with apt's own words; a test that needs a package fails then.

pub mod runtimes;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::{LabError, cache, command};

/// Debian's keys, from its package `debian-archive-keyring`; it holds those of earlier releases too.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Changes when folders in the cache are laid out in another way.
const LAYOUT: &str = "2";

/// Why packages are not there.
#[derive(Debug, thiserror::Error)]
pub enum DebianError {
    /// A file, or a command.
    #[error(transparent)]
    Lab(#[from] LabError),
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
        let recipe = format!("{LAYOUT}\n{}", recipe.join("\n"));
        let root = cache::entry("debian", &recipe, |root| make(root, packages))?;
        Ok(Self { root })
    }

    /// A file of a package, by its path in it.
    #[must_use]
    pub fn path(&self, package: Package, path: &str) -> PathBuf {
        self.root.join(package.suite).join(path.trim_start_matches('/'))
    }
}

/// Installs packages of some suites, with all that they need, into the folder `root`, which becomes a root file system. The
/// files below `early` are there before anything is installed. What is needed in between lies in `folder`.
pub(crate) fn bootstrap(
    folder: &Path,
    root: &Path,
    suites: &[&str],
    packages: &[&str],
    early: Option<&str>,
) -> Result<(), DebianError> {
    let list = folder.join("sources.list");
    fs::write(&list, sources(suites)?).map_err(LabError::file("writing", &list))?;
    let mut mmdebstrap = Command::new("mmdebstrap");
    mmdebstrap.args(["--variant=minbase", "--mode=root", "--format=directory"]);
    // A release that is no longer kept up has a list that has expired.
    mmdebstrap.arg("--aptopt=Acquire::Check-Valid-Until \"false\"");
    mmdebstrap.arg(format!("--include={}", packages.join(",")));
    // The hook is words of a shell; the folder is therefore named from where it runs.
    mmdebstrap.args(early.map(|early| format!("--setup-hook=sync-in {early} /"))).current_dir(folder);
    mmdebstrap.arg("").arg(root).arg(&list).stdin(Stdio::null());
    command::run(&mut mmdebstrap)?;
    Ok(())
}

/// The sources that their authors released, of which Debian made a package: the archive as it came from them.
///
/// # Errors
///
/// Where they can't be fetched.
pub fn upstream(package: Package) -> Result<PathBuf, DebianError> {
    let recipe = format!("{LAYOUT}\nupstream {}/{}", package.suite, package.name);
    let folder = cache::entry("debian", &recipe, |folder| {
        let archive = Archive::open(&[package.suite], "deb-src")?;
        archive.run(&["source", "--download-only", &format!("{}/{}", package.name, package.suite)])?;
        let found = archive.fetched(|name| name.contains(".orig.tar."), package.name)?;
        let name = found.file_name().unwrap_or_default();
        let kept = folder.join(name);
        fs::copy(&found, &kept).map_err(LabError::file("copying", &found))?;
        Ok::<_, DebianError>(())
    })?;
    let mut entries = fs::read_dir(&folder).map_err(LabError::file("listing", &folder))?;
    let found = entries.find_map(|entry| Some(entry.ok()?.path()));
    found.ok_or_else(|| DebianError::NotFetched(package.name.to_owned()))
}

fn make(root: &Path, packages: &[Package]) -> Result<(), DebianError> {
    let archive = Archive::open(&suites(packages), "deb")?;
    for package in packages {
        let fetched = archive.download(package.suite, package.name)?;
        // Those of a suite share a root, since some lead by links into others.
        let into = root.join(package.suite);
        fs::create_dir_all(&into).map_err(LabError::file("creating", &into))?;
        command::run(Command::new("dpkg-deb").arg("-x").arg(&fetched).arg(&into))?;
        fs::remove_file(&fetched).map_err(LabError::file("removing", &fetched))?;
    }
    Ok(())
}

/// The package files of the kernel that a package without files of its own stands for, `linux-image-cloud-amd64`, and of those
/// beside it by their names, in one folder of the cache.
///
/// # Errors
///
/// Where they can't be fetched.
pub fn kernel(meta: Package, beside: &[Package]) -> Result<PathBuf, DebianError> {
    let all = [&[meta], beside].concat();
    let recipe: Vec<String> = all.iter().map(|p| format!("{}/{}", p.suite, p.name)).collect();
    let recipe = format!("{LAYOUT}\nkernel\n{}", recipe.join("\n"));
    cache::entry("debian", &recipe, |root| {
        let archive = Archive::open(&suites(&all), "deb")?;
        let image = archive.dependency(meta, "linux-image-")?;
        let images = [(meta.suite, meta.name), (meta.suite, image.as_str())];
        let beside = beside.iter().map(|package| (package.suite, package.name));
        for (suite, name) in images.into_iter().chain(beside) {
            let path = archive.download(suite, name)?;
            let to = root.join(path.file_name().unwrap_or_default());
            fs::copy(&path, &to).map_err(LabError::file("copying to", &to))?;
        }
        Ok(())
    })
}

fn suites(packages: &[Package]) -> Vec<&'static str> {
    let mut suites: Vec<&str> = packages.iter().map(|package| package.suite).collect();
    suites.sort_unstable();
    suites.dedup();
    suites
}

/// Debian's archive as apt sees it, with lists of its own and a folder for what is fetched; gone when it is dropped.
struct Archive {
    work: TempDir,
}

impl Archive {
    /// Fetches the lists of some suites: those of packages (`deb`), or those of sources (`deb-src`).
    fn open(suites: &[&str], kind: &str) -> Result<Self, DebianError> {
        let work = tempfile::tempdir().map_err(LabError::file("making a folder in", env::temp_dir()))?;
        let archive = Self { work };
        for folder in ["state/lists/partial", "cache/archives/partial", "fetched"] {
            let folder = archive.path(folder);
            fs::create_dir_all(&folder).map_err(LabError::file("creating", &folder))?;
        }
        let lines: String =
            sources(suites)?.lines().map(|line| line.replacen("deb", kind, 1) + "\n").collect();
        let list = archive.path("sources.list");
        fs::write(&list, lines).map_err(LabError::file("writing", &list))?;
        archive.run(&["update", "--error-on=any"])?;
        Ok(archive)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Result<(), LabError> {
        self.ask("apt-get", arguments).map(drop)
    }

    /// What a program of apt says.
    fn ask(&self, program: &str, arguments: &[&str]) -> Result<String, LabError> {
        let mut command = apt(program, self.work.path());
        command.arg(format!("-oDir::Etc::SourceList={}", self.path("sources.list").display()));
        // A file that isn't there: the machine's further sources are left out.
        command.arg(format!("-oDir::Etc::SourceParts={}", self.path("state/none").display()));
        // A release that is no longer kept up has a list that has expired.
        command.args([
            "-oAcquire::Check-Valid-Until=false",
            "-oAcquire::Languages=none",
            "-oAcquire::Retries=3",
        ]);
        command::run(command.args(arguments).current_dir(self.path("fetched")))
    }

    /// A package file, in a folder that goes away with this.
    fn download(&self, suite: &str, name: &str) -> Result<PathBuf, DebianError> {
        self.run(&["download", &format!("{name}/{suite}")])?;
        let begin = format!("{name}_");
        self.fetched(|name| name.starts_with(&begin), name)
    }

    /// The package that another depends on whose name begins so.
    fn dependency(&self, package: Package, begin: &str) -> Result<String, DebianError> {
        let suite = format!("-oAPT::Default-Release={}", package.suite);
        let said = self.ask("apt-cache", &["depends", "--important", &suite, package.name])?;
        let names = said.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
        let found = names.map(str::trim).find(|name| name.starts_with(begin));
        found.map(str::to_owned).ok_or_else(|| DebianError::NotFetched(format!("{begin}…")))
    }

    /// A file that was fetched, by its name.
    fn fetched(&self, is_it: impl Fn(&str) -> bool, package: &str) -> Result<PathBuf, DebianError> {
        let folder = self.path("fetched");
        let entries = fs::read_dir(&folder).map_err(LabError::file("listing", &folder))?;
        entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.file_name().is_some_and(|name| is_it(&name.to_string_lossy())))
            .ok_or_else(|| DebianError::NotFetched(package.to_owned()))
    }
}

/// A program of apt with a state and a cache of its own.
fn apt(program: &str, work: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg(format!("-oDir::State={}", work.join("state").display()));
    command.arg(format!("-oDir::Cache={}", work.join("cache").display()));
    // Fetching as another user fails where that user can't enter the cache folder.
    command.arg("-oAPT::Sandbox::User=root").env("LC_ALL", "C");
    command
}

/// Lines for apt's list of sources, one for each suite, from the archives that apt on this machine takes this machine's
/// own release from. A suite that ends in `-security` has an archive of its own.
fn sources(suites: &[&str]) -> Result<String, DebianError> {
    if !Path::new(KEYRING).is_file() {
        return Err(DebianError::NoKeyring);
    }
    let path = Path::new("/etc/os-release");
    let release = fs::read_to_string(path).map_err(LabError::file("reading", path))?;
    let own = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or_default();
    // With no lists of its own, apt names what it would fetch; that needs no network.
    let empty = tempfile::tempdir().map_err(LabError::file("making a folder in", env::temp_dir()))?;
    let uris = command::run(apt("apt-get", empty.path()).args(["update", "--print-uris"]))?;
    let archive = |suite: &str| {
        let own = if suite.ends_with("-security") { format!("{own}-security") } else { own.to_owned() };
        let end = format!("/dists/{own}/InRelease");
        let uris = uris.lines().filter_map(|line| Some(line.strip_prefix('\'')?.split_once('\'')?.0));
        let found = uris.filter_map(|uri| uri.strip_suffix(&end)).next();
        found.map(str::to_owned).ok_or(DebianError::NoArchive(own))
    };
    let line = |suite: &&str| {
        let archive = archive(suite)?;
        Ok(format!("deb [signed-by={KEYRING}] {archive} {suite} main\n"))
    };
    suites.iter().map(line).collect()
}
