//! One run of a machine: the QEMU process and its three lines to the lab (commands, console, monitor). Always emulated:
//! `/dev/kvm` can exist and not work. The process dies with the lab, whatever ends the lab.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::console::Console;
use super::guest::{Guest, PORT};
use super::monitor::Monitor;
use super::{Bus, VmError};
use crate::LabError;

/// What every machine is. `qemu64`: for a richer processor, and for one that can run machines itself, the guest loads
/// modules, which costs seconds. One processor: a second costs a tenth more and gains nothing. Memory in MiB: what
/// Debian boots in, with room for a command's input and output.
pub(crate) const MACHINE: &str = "-machine pc -accel tcg -cpu qemu64,-svm -smp 1 -m 768 -no-user-config -nodefaults \
                                  -display none -vga none -nic none";

/// What the machine is started from.
#[derive(Debug, Clone)]
pub(crate) enum Start {
    /// Its disk, by the firmware and whatever boot loader is there.
    Disk,
    /// A kernel and an initramfs of the lab's machine, with `root=` and all other arguments.
    Kernel {
        /// The image.
        kernel: PathBuf,
        /// The initramfs.
        initrd: PathBuf,
        /// The arguments.
        arguments: String,
    },
    /// The state of this name in the disk's image, as it was saved.
    Saved(&'static str),
}

/// A running machine.
#[derive(Debug)]
pub(crate) struct Qemu {
    child: Child,
    pub(crate) guest: Guest,
    pub(crate) console: Console,
    pub(crate) monitor: Monitor,
    /// The lab's end of the console, to write to.
    pub(crate) keyboard: UnixStream,
    /// Where QEMU's own messages go.
    messages: PathBuf,
}

impl Qemu {
    /// Starts it with its sockets and messages in the directory `work`.
    pub(crate) fn start(work: &Path, disk: &Path, bus: Bus, start: &Start) -> Result<Self, VmError> {
        let pair = || UnixStream::pair().map_err(LabError::file("making a socket in", work));
        let (guest, guest_end) = pair()?;
        let (console_end, console_stream) = pair()?;
        let path = work.join("monitor");
        if path.exists() {
            std::fs::remove_file(&path).map_err(LabError::file("removing", &path))?;
        }
        let monitor = UnixListener::bind(&path).map_err(LabError::file("listening at", &path))?;
        let messages = work.join("qemu.log");
        let log = std::fs::File::create(&messages).map_err(LabError::file("creating", &messages))?;

        let mut command = command(disk, bus, start, &path);
        command.stdin(OwnedFd::from(guest_end)).stdout(OwnedFd::from(console_stream)).stderr(log);
        let keyboard = console_end.try_clone().map_err(LabError::file("sharing a socket in", work))?;
        let console = Console::new();
        let child = spawn(command, console.clone(), console_end)?;
        let monitor = Monitor::new(monitor);
        Ok(Self { child, guest: Guest::new(guest), console, monitor, keyboard, messages })
    }

    /// Ends it at once, as a cut of the power does.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Waits for its end after the channel to the guest has closed.
    pub(crate) fn wait(&mut self) -> io::Result<()> {
        self.child.wait().map(drop)
    }

    /// The time of the processor that it has taken so far, as proc(5) has it in `stat`.
    pub(crate) fn processor(&self) -> io::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Behind the name, which may hold anything, user time is the 12th field and system time the 13th, in ticks.
        let fields = stat.rsplit_once(')').map(|(_, fields)| fields.split_whitespace());
        let ticks: Option<u64> =
            fields.map(|fields| fields.skip(11).take(2).flat_map(str::parse::<u64>).sum());
        let ticks = ticks.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
    }

    /// What QEMU itself had to say.
    pub(crate) fn messages(&self) -> String {
        std::fs::read_to_string(&self.messages).unwrap_or_default()
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts the process from the thread that then drains its console. A process that is to die with its parent dies with
/// the thread that started it, and this one lives as long as the machine.
fn spawn(mut command: Command, console: Console, stream: UnixStream) -> Result<Child, VmError> {
    let (sender, receiver) = mpsc::channel();
    let shown = format!("{command:?}");
    thread::spawn(move || {
        let child = command.spawn();
        // The command holds the machine's ends of the sockets, which must be closed for the machine's end to be seen.
        drop(command);
        if sender.send(child).is_ok() {
            console.drain(stream);
        }
    });
    let child = receiver.recv().expect("the thread sends before it ends");
    child.map_err(|source| LabError::Process { command: shown, source }.into())
}

fn command(disk: &Path, bus: Bus, start: &Start, monitor: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "qemu-system-x86_64"]);
    command.args(MACHINE.split(' '));
    command.args(["-chardev", "socket,id=guest,fd=0", "-device", "virtio-serial-pci"]);
    command.args(["-device", &format!("virtserialport,chardev=guest,name={PORT}")]);
    command.args(["-chardev", "socket,id=console,fd=1", "-serial", "chardev:console"]);
    command.args(["-chardev", &format!("socket,id=monitor,path={}", escaped(monitor))]);
    command.args(["-mon", "chardev=monitor,mode=control"]);
    // `unsafe` spares the host's own flushes; what the guest flushed is still kept when QEMU is killed.
    let drive = format!("if=none,id=disk,format=qcow2,cache=unsafe,discard=unmap,file={}", escaped(disk));
    command.args(["-drive", &drive]);
    match bus {
        Bus::VirtioBlk => command.args(["-device", "virtio-blk-pci,drive=disk"]),
        Bus::VirtioScsi => command.args(["-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=disk"]),
    };
    match start {
        Start::Disk => {}
        Start::Kernel { kernel, initrd, arguments } => {
            command.arg("-kernel").arg(kernel).arg("-initrd").arg(initrd).args(["-append", arguments]);
        }
        Start::Saved(name) => {
            command.args(["-loadvm", name]);
        }
    }
    command
}

/// A path in one of QEMU's lists, where a comma is written twice.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}
