//! Virtual machines: real kernels and a real boot loader under QEMU, without help of the hardware. A test takes an image
//! that is kept in the cache and gets a disk of its own, on which it may do anything. Every wait has an end, which is an
//! error with the last lines of the console: never a reason to go on, and never a measure of anything.

pub mod announce;
mod console;
pub mod fault;
mod guest;
pub mod image;
mod monitor;
mod qemu;

use std::env;
use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::debian::DebianError;
use crate::{LabError, command};
pub use console::Console;
use guest::Silence;
use image::Image;
use qemu::{Qemu, Start};

/// Time for a boot or for a command. A boot takes 25 seconds of one idle core, and the cores may be shared by many.
const PATIENCE: Duration = Duration::from_secs(900);

/// The name of the state of a machine that has booted.
const BOOTED: &str = "booted";

/// The shortest time that a wait on a socket can be given; zero would mean for ever.
const INSTANT: Duration = Duration::from_millis(1);

/// Why a machine doesn't do what the test needs. It is never a reason to leave the test out.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// A file or a program of the lab.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// Debian's packages.
    #[error(transparent)]
    Debian(#[from] DebianError),
    /// It took too long.
    #[error("no {what} within {} seconds; the console's end:\n{console}", PATIENCE.as_secs())]
    Late {
        /// What was waited for.
        what: String,
        /// The console's last lines.
        console: String,
    },
    /// The machine went off.
    #[error("the machine is off instead of {what}; QEMU said `{qemu}`; the console's end:\n{console}")]
    Off {
        /// What was waited for.
        what: String,
        /// QEMU's messages.
        qemu: String,
        /// The console's last lines.
        console: String,
    },
    /// The guest booted in the middle of a command.
    #[error("the guest booted anew instead of {what}; the console's end:\n{console}")]
    Rebooted {
        /// What was waited for.
        what: String,
        /// The console's last lines.
        console: String,
    },
    /// The channel or the monitor failed.
    #[error("the line to the machine failed at {what}; the console's end:\n{console}")]
    Line {
        /// What was done.
        what: String,
        /// The console's last lines.
        console: String,
        /// What the system or QEMU said.
        source: io::Error,
    },
    /// A command in the guest failed.
    #[error("`{command}` in the guest: {status}: {said}")]
    Command {
        /// The command.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to its standard error.
        said: String,
    },
    /// The image isn't what its recipe promises.
    #[error("the image has {0}")]
    Image(String),
}

/// How the machine's disk is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bus {
    /// virtio-blk, `/dev/vda`. What GRUB writes is on the disk at once: the firmware's driver doesn't speak of flushes,
    /// so QEMU writes through.
    VirtioBlk,
    /// virtio-scsi, `/dev/sda`. What GRUB writes lies in the disk's cache and is lost when the power is cut soon after.
    VirtioScsi,
}

/// The state of a machine that had come to where a test begins; many can begin there.
#[derive(Debug)]
pub struct Kept(Vm);

impl Kept {
    /// A machine in this state.
    pub fn resumed(&self) -> Result<Vm, VmError> {
        Vm::resume(&self.0.disk, self.0.bus)
    }
}

/// A machine with a disk of its own. It is off when it is dropped.
#[derive(Debug)]
pub struct Vm {
    /// Dropped before the folder that it works in.
    qemu: Option<Qemu>,
    disk: PathBuf,
    bus: Bus,
    boot_id: String,
    /// Where in the console the next text is looked for.
    read: usize,
    work: TempDir,
}

impl Vm {
    /// A machine that is off, with a fresh disk of an image.
    pub fn new(image: &Image, bus: Bus) -> Result<Self, VmError> {
        let work = work()?;
        let disk = work.path().join("disk.qcow2");
        overlay(image.disk(), "qcow2", &disk)?;
        Ok(Self::off(work, disk, bus))
    }

    /// A machine that has booted a fresh disk of an image.
    pub fn booted(image: &Image, bus: Bus) -> Result<Self, VmError> {
        let mut vm = Self::new(image, bus)?;
        vm.power_on()?;
        vm.wait_for_boot()?;
        Ok(vm)
    }

    /// A machine in the state of one that has booted a fresh disk of an image, in about a second. It hasn't booted by
    /// itself: its console is empty, and machines of one image have the same boot id until they boot again.
    pub fn resumed(image: &Image, bus: Bus) -> Result<Self, VmError> {
        Self::resume(&image.running(bus)?, bus)
    }

    /// A machine in the state that was saved in a disk's image, on a copy of it. All its clusters are new again.
    fn resume(saved: &Path, bus: Bus) -> Result<Self, VmError> {
        let work = work()?;
        let disk = work.path().join("disk.qcow2");
        fs::copy(saved, &disk).map_err(LabError::file("copying", saved))?;
        let mut vm = Self::off(work, disk, bus);
        vm.start(&Start::Saved(BOOTED))?;
        vm.boot_id = vm.read_line("/proc/sys/kernel/random/boot_id")?;
        // Its clock stood still since the state was saved.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        vm.run(&["date", "--set", &format!("@{now}")])?;
        Ok(vm)
    }

    /// Ends the running machine where it stands; others begin there.
    pub fn keep(mut self) -> Result<Kept, VmError> {
        self.save(BOOTED)?;
        self.power_cut();
        Ok(Kept(self))
    }

    /// Makes all clusters of the disk new, as they are in a fresh one: what the running machine writes from here on, and
    /// doesn't flush, is lost with the power.
    pub fn renew_disk(&mut self) -> Result<(), VmError> {
        self.save("renewed")
    }

    /// Saves the state of the running machine in its disk's image.
    fn save(&mut self, name: &str) -> Result<(), VmError> {
        self.order(&format!("savevm {name}"))
    }

    fn off(work: TempDir, disk: PathBuf, bus: Bus) -> Self {
        Self { qemu: None, disk, bus, boot_id: String::new(), read: 0, work }
    }

    fn start(&mut self, start: &Start) -> Result<(), VmError> {
        // One disk, one machine.
        self.power_cut();
        self.read = 0;
        self.qemu = Some(Qemu::start(self.work.path(), &self.disk, self.bus, start)?);
        Ok(())
    }

    /// Switches the machine on; it boots from its disk. Waiting for what comes of it is another call.
    pub fn power_on(&mut self) -> Result<(), VmError> {
        self.start(&Start::Disk)
    }

    /// Cuts the power: memory and what the disk had not yet on the platter are lost.
    pub fn power_cut(&mut self) {
        self.qemu = None;
    }

    /// Presses the reset button: memory is lost, the disk keeps what it was given.
    pub fn reset(&mut self) -> Result<(), VmError> {
        self.order("system_reset")
    }

    /// Waits until a boot that wasn't heard of yet runs commands. That isn't the end of the boot:
    /// `systemctl is-system-running --wait` is.
    pub fn wait_for_boot(&mut self) -> Result<(), VmError> {
        let deadline = Instant::now() + PATIENCE;
        self.boot_id = self.with("a boot", |qemu| qemu.guest.hello(deadline))?;
        Ok(())
    }

    /// Waits until a text is on the console that comes after those that were waited for before in this run.
    pub fn wait_for_console(&mut self, text: &str) -> Result<(), VmError> {
        let deadline = Instant::now() + PATIENCE;
        let from = self.read;
        self.read = self.with(&format!("`{text}` on the console"), |qemu| {
            let late = if Instant::now() >= deadline { Silence::Late } else { Silence::Off };
            qemu.console.find(text, from, deadline).ok_or(late)
        })?;
        Ok(())
    }

    /// What this run of the machine wrote to its console so far.
    #[must_use]
    pub fn console(&self) -> String {
        self.qemu.as_ref().map(|qemu| qemu.console.text()).unwrap_or_default()
    }

    /// The console of this run, and what writes to it, for a person.
    pub fn terminal(&mut self) -> Result<(Console, UnixStream), VmError> {
        self.with("a console", |qemu| Ok((qemu.console.clone(), qemu.keyboard.try_clone()?)))
    }

    /// Runs a command in the guest to its end.
    pub fn exec(&mut self, words: &[&str]) -> Result<Output, VmError> {
        self.exec_with(words, &[])
    }

    /// Runs a command with a standard input.
    pub fn exec_with(&mut self, words: &[&str], input: &[u8]) -> Result<Output, VmError> {
        let deadline = Instant::now() + PATIENCE;
        let what = format!("an answer to `{}`", words.join(" "));
        self.with(&what, |qemu| qemu.guest.ask(words, input, deadline))
    }

    /// Runs a command that must succeed, and gives what it wrote to its standard output.
    pub fn run(&mut self, words: &[&str]) -> Result<String, VmError> {
        self.run_with(words, &[]).map(|stdout| String::from_utf8_lossy(&stdout).into_owned())
    }

    fn run_with(&mut self, words: &[&str], input: &[u8]) -> Result<Vec<u8>, VmError> {
        let output = self.exec_with(words, input)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(VmError::Command { command: words.join(" "), status: output.status, said })
    }

    /// Makes or replaces a file in the guest. Its mode is octal, as `chmod` takes it.
    pub fn push(&mut self, content: &[u8], path: &str, mode: &str) -> Result<(), VmError> {
        self.run_with(&["install", "-D", "-m", mode, "/dev/stdin", path], content).map(drop)
    }

    /// Reads a file in the guest.
    pub fn pull(&mut self, path: &str) -> Result<Vec<u8>, VmError> {
        self.run_with(&["cat", path], &[])
    }

    /// Has everything below a path of the guest written to its place, so that GRUB sees it after a cut of the power. GRUB
    /// doesn't replay journals, and `sync` leaves new names and sizes in the journal, of ext4 as of XFS: they were seen
    /// to be missing. A file system that is frozen has emptied it.
    pub fn settle(&mut self, path: &str) -> Result<(), VmError> {
        let mount = self.run(&["findmnt", "--noheadings", "--output", "TARGET", "--target", path])?;
        // One command: with the root frozen there is little else that can be done.
        let script = "fsfreeze --freeze \"$0\" && fsfreeze --unfreeze \"$0\"";
        self.run(&["sh", "-c", script, mount.trim()]).map(drop)
    }

    /// The command line of the running kernel.
    pub fn cmdline(&mut self) -> Result<String, VmError> {
        self.read_line("/proc/cmdline")
    }

    /// The release of the running kernel, as `uname -r` has it.
    pub fn kernel(&mut self) -> Result<String, VmError> {
        self.read_line("/proc/sys/kernel/osrelease")
    }

    fn read_line(&mut self, path: &str) -> Result<String, VmError> {
        self.pull(path).map(|text| String::from_utf8_lossy(&text).trim_end().to_owned())
    }

    /// The id of the last boot that was heard of.
    #[must_use]
    pub fn boot_id(&self) -> &str {
        &self.boot_id
    }

    /// Has a command run in the guest without waiting for its end, which may be the guest's.
    pub fn tell(&mut self, words: &[&str]) -> Result<(), VmError> {
        let deadline = Instant::now() + PATIENCE;
        self.with(&words.join(" "), |qemu| qemu.guest.tell(words, &[], deadline))
    }

    /// Tells the guest to restart in order. Waiting for what comes of it is another call.
    pub fn restart(&mut self) -> Result<(), VmError> {
        self.tell(&["systemctl", "reboot"])
    }

    /// Restarts the guest in order, and waits for the next boot.
    pub fn reboot(&mut self) -> Result<(), VmError> {
        self.restart()?;
        self.wait_for_boot()
    }

    /// Shuts the guest down in order, and waits until the machine is off.
    pub fn power_off(&mut self) -> Result<(), VmError> {
        self.tell(&["systemctl", "poweroff"])?;
        let deadline = Instant::now() + PATIENCE;
        self.with("an end", |qemu| {
            qemu.guest.end(deadline)?;
            Ok(qemu.wait()?)
        })?;
        self.power_cut();
        Ok(())
    }

    fn order(&mut self, command: &str) -> Result<(), VmError> {
        self.with(command, |qemu| Ok(qemu.monitor.order(command)?))
    }

    /// The time of the processor that this run of the machine has taken so far.
    pub fn processor(&mut self) -> Result<Duration, VmError> {
        self.with("its time", |qemu| Ok(qemu.processor()?))
    }

    /// Does something with the running machine, and says what was waited for where it fails.
    fn with<T>(
        &mut self,
        what: &str,
        act: impl FnOnce(&mut Qemu) -> Result<T, Silence>,
    ) -> Result<T, VmError> {
        let what = what.to_owned();
        let Some(qemu) = &mut self.qemu else {
            return Err(VmError::Off { what, qemu: String::new(), console: String::new() });
        };
        act(qemu).map_err(|silence| {
            let console = qemu.console.last_lines();
            match silence {
                Silence::Late => VmError::Late { what, console },
                Silence::Off => VmError::Off { what, qemu: qemu.messages(), console },
                Silence::Rebooted => VmError::Rebooted { what, console },
                Silence::Channel(source) => VmError::Line { what, console, source },
            }
        })
    }
}

/// A folder for a machine: its sockets, and a disk that goes with it.
fn work() -> Result<TempDir, LabError> {
    tempfile::tempdir().map_err(LabError::file("making a folder in", env::temp_dir()))
}

/// A new disk that begins as another one is, and takes what is written. Every cluster is new in it, so that a cut of the
/// power loses what wasn't flushed, as a real disk does.
fn overlay(backing: &Path, format: &str, disk: &Path) -> Result<(), LabError> {
    let mut create = Command::new("qemu-img");
    create.args(["create", "-q", "-f", "qcow2", "-F", format, "-b"]).arg(backing).arg(disk);
    command::run(&mut create).map(drop)
}

/// The time until a deadline, never zero.
fn until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(INSTANT)
}
