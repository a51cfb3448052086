//! GRUB itself in user space (`grub-emu`): what it chooses from a configuration and its environment block is the truth that
//! `kernmend_core::boot` is held against. It judges nothing; what GRUB didn't answer is never an answer.
//!
//! Debian's build has no command that loads a kernel. Functions of those names stand in for them, and write what GRUB chose
//! and loaded into a block on a disk of their own: no screen has to be read for it.

pub mod compare;
mod script;
mod terminal;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use kernmend_core::boot::bls::BlsEntry;
use kernmend_core::boot::environment::Environment;
use tempfile::TempDir;

use self::terminal::End;
use crate::LabError;

/// How long GRUB may take for one boot. It takes a twentieth of a second; a machine that is busy gets all the time it may need.
const DEADLINE: Duration = Duration::from_secs(60);

/// What every environment block begins with.
const HEADER: &[u8] = b"# GRUB Environment Block\n";

/// The block that GRUB's answer is written to, in bytes: a command line of the kernel fits in. It is one block of the file system,
/// and so in one piece.
const RESULT: usize = 4096;

/// What lies in GRUB's directory.
#[derive(Debug, Clone, Copy, Default)]
pub struct Files<'a> {
    /// `grub.cfg`.
    pub configuration: &'a str,
    /// `grubenv`.
    pub environment: Option<&'a [u8]>,
    /// `custom.cfg`.
    pub custom: Option<&'a str>,
    /// What `blscfg`, which Debian's GRUB doesn't have, finds, in the menu's order.
    pub entries: &'a [BlsEntry],
}

/// What came of one boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It chose an entry.
    Chose(Chosen),
    /// It has nothing to choose from: it waits at its prompt, or at a menu whose default loads nothing.
    Nothing,
    /// It stumbled over the text.
    Refused,
    /// It wants a name and a password.
    Asks,
    /// It ended without a word.
    Ended,
    /// It did none of these in time. What it showed last.
    TimedOut(String),
}

/// An entry that GRUB chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The line of `grub.cfg` on which the entry begins; the file, for one that is in a file of its own.
    pub place: String,
    /// Its id, behind those of the submenus that lead to it (GRUB's variable `chosen`).
    pub names: String,
    /// The kernel's path and its arguments, where it loads one.
    pub linux: Option<Vec<String>>,
}

/// An environment block of the usual size with these variables.
#[must_use]
pub fn block(variables: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = HEADER.to_vec();
    for (name, value) in variables {
        let value = value.replace('\\', "\\\\").replace('\n', "\\\n");
        bytes.extend(format!("{name}={value}\n").bytes());
    }
    bytes.resize(bytes.len().max(kernmend_core::boot::environment::USUAL_SIZE), b'#');
    bytes
}

/// `grub-emu`, ready to boot.
#[derive(Debug)]
pub struct Grub {
    /// A file system with an empty block on it.
    result: Vec<u8>,
}

impl Grub {
    /// Prepares what all boots share.
    pub fn new() -> Result<Self, LabError> {
        let work = directory()?;
        let content = work.path().join("content");
        fs::create_dir(&content).map_err(LabError::file("making", &content))?;
        let mut empty = HEADER.to_vec();
        empty.resize(RESULT, b'#');
        write(&content.join("result"), &empty)?;
        let image = make_image(&content, &work.path().join("image"))?;
        Ok(Self { result: fs::read(&image).map_err(LabError::file("reading", image))? })
    }

    /// Boots from a directory, where GRUB can read everything and write nothing.
    pub fn boot(&self, files: &Files<'_>) -> Result<Answer, LabError> {
        let work = directory()?;
        let boot = work.path().join("boot");
        lay_out(files, &boot)?;
        let arguments = ["-r", "host", "-d", &boot.to_string_lossy()].map(str::to_owned);
        self.run(work.path(), "", &arguments)
    }

    /// Makes a disk with the files on it, which GRUB can write to.
    pub fn disk(&self, files: &Files<'_>) -> Result<Disk<'_>, LabError> {
        let work = directory()?;
        let content = work.path().join("content");
        lay_out(files, &content.join("grub"))?;
        let image = make_image(&content, &work.path().join("disk"))?;
        Ok(Disk { grub: self, work, image })
    }

    fn run(&self, work: &Path, disks: &str, arguments: &[String]) -> Result<Answer, LabError> {
        let (result, map) = (work.join("result"), work.join("device.map"));
        write(&result, &self.result)?;
        write(&map, format!("{disks}(hd1) {}\n", result.display()).as_bytes())?;
        let mut command = Command::new("grub-emu");
        command.arg("-m").arg(&map).args(arguments);
        let (end, screen) = terminal::run(&mut command, DEADLINE)?;
        let written = Environment::parse(&block_in(&result)?);
        Ok(match (written.get("lab_place"), end) {
            _ if end == End::Refused => Answer::Refused,
            (Some(place), _) => Answer::Chose(Chosen {
                place: place.to_owned(),
                names: written.get("chosen").unwrap_or_default().to_owned(),
                // Every word has a line of its own, behind the first, which is empty.
                linux: written
                    .get("lab_linux")
                    .map(|words| words.split('\n').skip(1).map(str::to_owned).collect()),
            }),
            (None, End::Asks) => Answer::Asks,
            (None, End::Prompt | End::Menu) => Answer::Nothing,
            (None, End::Exited) => Answer::Ended,
            (None, _) => Answer::TimedOut(screen),
        })
    }
}

/// A disk that GRUB boots from, again and again.
#[derive(Debug)]
pub struct Disk<'a> {
    grub: &'a Grub,
    work: TempDir,
    image: PathBuf,
}

impl Disk<'_> {
    /// Boots from it.
    pub fn boot(&mut self) -> Result<Answer, LabError> {
        let disks = format!("(hd0) {}\n", self.image.display());
        self.grub.run(self.work.path(), &disks, &["-r", "hd0", "-d", "/grub"].map(str::to_owned))
    }

    /// The environment block as it lies on the disk.
    pub fn environment(&self) -> Result<Vec<u8>, LabError> {
        let mut block = block_in(&self.image)?;
        block.truncate(kernmend_core::boot::environment::USUAL_SIZE);
        Ok(block)
    }
}

/// Whether GRUB's own checker finds no fault in the syntax of a configuration.
pub fn accepts(configuration: &str) -> Result<bool, LabError> {
    let work = directory()?;
    let path = work.path().join("grub.cfg");
    write(&path, configuration.as_bytes())?;
    let mut command = Command::new("grub-script-check");
    command.arg(path).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.status().map_err(process(&command))?.success())
}

fn directory() -> Result<TempDir, LabError> {
    tempfile::tempdir().map_err(LabError::file("making a directory in", std::env::temp_dir()))
}

fn lay_out(files: &Files<'_>, directory: &Path) -> Result<(), LabError> {
    fs::create_dir_all(directory).map_err(LabError::file("making", directory))?;
    write(&directory.join("grub.cfg"), script::instrumented(files).as_bytes())?;
    if let Some(block) = files.environment {
        write(&directory.join("grubenv"), block)?;
    }
    if let Some(custom) = files.custom {
        write(&directory.join("custom.cfg"), custom.as_bytes())?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), LabError> {
    fs::write(path, bytes).map_err(LabError::file("writing", path))
}

/// Makes an ext4 image of a directory.
fn make_image(content: &Path, image: &Path) -> Result<PathBuf, LabError> {
    let mut command = Command::new("mkfs.ext4");
    command.args(["-q", "-b", "4096", "-N", "16", "-m", "0", "-O", "^has_journal,^resize_inode", "-d"]);
    command.arg(content).arg(image).arg("1M").stdin(Stdio::null());
    let output = command.output().map_err(process(&command))?;
    if output.status.success() {
        return Ok(image.to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(LabError::Process { command: format!("{command:?}"), source: std::io::Error::other(said) })
}

/// The one environment block on a disk: nothing else begins like it.
fn block_in(image: &Path) -> Result<Vec<u8>, LabError> {
    let bytes = fs::read(image).map_err(LabError::file("reading", image))?;
    let at = bytes.chunks(RESULT).position(|chunk| chunk.starts_with(HEADER));
    let at = at.ok_or_else(|| LabError::File {
        act: "finding an environment block in",
        path: image.to_owned(),
        source: std::io::ErrorKind::NotFound.into(),
    })?;
    Ok(bytes[at * RESULT..].iter().take(RESULT).copied().collect())
}

fn process(command: &Command) -> impl FnOnce(std::io::Error) -> LabError {
    let command = format!("{command:?}");
    move |source| LabError::Process { command, source }
}

/// Runs jobs side by side, as many as there are processors, and gives what came of them in their order.
///
/// # Panics
/// Where a job does.
pub fn side_by_side<J: Sync, R: Send>(jobs: &[J], run: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((at, job)) = jobs.iter().enumerate().nth(next.fetch_add(1, Ordering::Relaxed))
                {
                    let result = run(job);
                    results.lock().expect("nobody panics while holding it").push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("a job that panics ends the scope before");
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}
