//! Kernels that don't come up, each put in the place of one that is installed in a guest: the files keep their names, so
//! that boot loader, packages and the program under test see an installed kernel like any other.

mod module;
mod stub;

use kernmend_core::boot::cpio::{Entry, archive};

use super::{Vm, VmError};

/// How a kernel fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The image stops the processor at its first instruction; nothing in the machine wakes it.
    Hang,
    /// The image makes the processor reset the machine at once.
    Reset,
    /// A real kernel with an empty initramfs: it finds no root file system, or nothing to run, and panics. Without `panic=`
    /// that is a hang.
    NoRoot,
    /// A real kernel whose initramfs has no driver for the disk: it waits for the root file system, then gives up.
    NoDisk,
    /// A real kernel whose first process ends: it panics.
    InitDies,
    /// A real kernel whose first process sleeps for ever: it doesn't panic, and no detector of hangs sees it.
    InitHangs,
    /// A real kernel with a module, loaded when the node comes up, that keeps its processor busy for ever. Interrupts are on.
    Spins,
}

/// The module that spins: a network interface that isn't one, which no node in the lab uses.
const SPINS: &str = "dummy";

impl Fault {
    /// What the faulty kernel writes to the console when it has come to its fault.
    #[must_use]
    pub fn last_words(self) -> &'static str {
        match self {
            Self::Hang => "lab: the processor stops",
            Self::Reset => "lab: the machine resets",
            Self::NoRoot => "Kernel panic - not syncing",
            Self::NoDisk => "Gave up waiting for root file system device",
            Self::InitDies => "Attempted to kill init!",
            Self::InitHangs => "lab: init hangs",
            Self::Spins => "soft lockup - CPU#0 stuck",
        }
    }

    /// Puts the fault into an installed kernel.
    pub fn put(self, vm: &mut Vm, release: &str) -> Result<(), VmError> {
        let image = format!("/boot/vmlinuz-{release}");
        let initrd = format!("/boot/initrd.img-{release}");
        match self {
            Self::Hang => vm.push(&stub::hang(release, self.last_words()), &image, "644")?,
            Self::Reset => vm.push(&stub::reset(release, self.last_words()), &image, "644")?,
            Self::NoRoot => vm.push(archive(&[]).as_bytes(), &initrd, "644")?,
            Self::NoDisk => {
                let modules = format!("/lib/modules/{release}/kernel/drivers");
                let found =
                    vm.run(&["find", &modules, "-name", "virtio_blk.ko*", "-o", "-name", "virtio_scsi.ko*"])?;
                // What comes later in an initramfs takes the place of what came before, and an empty module isn't one.
                let files: Vec<_> = found.lines().map(|path| (format!("usr{path}"), "")).collect();
                add(vm, &initrd, &files)?;
            }
            Self::InitDies => add(vm, &initrd, &[("init".to_owned(), "#!/bin/sh\nexit 1\n")])?,
            Self::InitHangs => {
                let script =
                    format!("#!/bin/sh\necho '{}'\nwhile :; do sleep 3600; done\n", self.last_words());
                add(vm, &initrd, &[("init".to_owned(), &script)])?;
            }
            Self::Spins => {
                let path = format!("/lib/modules/{release}/kernel/drivers/net/{SPINS}.ko");
                let spinning = module::spinning(&vm.pull(&path)?);
                let spinning = spinning
                    .ok_or_else(|| VmError::Image(format!("another `{path}` than this lab knows")))?;
                vm.push(&spinning, &path, "644")?;
                // The other kernels load theirs.
                vm.push(SPINS.as_bytes(), "/etc/modules-load.d/lab.conf", "644")?;
            }
        }
        vm.settle("/boot")
    }
}

/// Installs a copy of an installed kernel under another release, and has the boot menu written anew.
pub fn copy_kernel(vm: &mut Vm, from: &str, to: &str) -> Result<(), VmError> {
    for file in ["vmlinuz", "initrd.img", "config", "System.map"] {
        vm.run(&["cp", &format!("/boot/{file}-{from}"), &format!("/boot/{file}-{to}")])?;
    }
    // Linked: hundreds of megabytes that nothing changes.
    let modules = |release: &str| format!("/lib/modules/{release}");
    vm.run(&["cp", "--archive", "--link", &modules(from), &modules(to)])?;
    vm.run(&["update-grub"]).map(drop)
}

/// Adds files to an initramfs in the guest.
fn add(vm: &mut Vm, initrd: &str, files: &[(String, &str)]) -> Result<(), VmError> {
    let mut content = vm.pull(initrd)?;
    // The kernel passes over zeros between archives, and wants an archive that isn't compressed at a multiple of four.
    content.resize(content.len().next_multiple_of(4), 0);
    let entries: Vec<Entry<'_>> = files.iter().map(|(path, content)| Entry::program(path, content)).collect();
    content.extend(archive(&entries).bytes());
    vm.push(&content, initrd, "644")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn cpio_reads_what_is_written() {
        let files =
            [Entry::directory("usr"), Entry::program("usr/x", "#!/bin/sh\n"), Entry::program("y", "")];
        let device = Entry { path: "null", mode: 0o020_666, content: "", device: (1, 3) };
        let listed = "drwxr-xr-x usr\n-rwxr-xr-x usr/x\n-rwxr-xr-x y\ncrw-rw-rw- null 1, 3\n";
        for (entries, expected) in [([&files[..], &[device]].concat(), listed), (Vec::new(), "")] {
            let mut cpio = Command::new("cpio")
                .args(["--list", "--verbose", "--numeric-uid-gid", "--quiet"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            cpio.stdin.take().unwrap().write_all(archive(&entries).as_bytes()).unwrap();
            let output = cpio.wait_with_output().unwrap();
            assert!(output.status.success());
            let said = String::from_utf8(output.stdout).unwrap();
            // Mode, links, owner, group, size or device, time, name.
            let lines = said.lines().map(|line| {
                let words: Vec<&str> = line.split_ascii_whitespace().collect();
                let device =
                    if line.starts_with('c') { format!(" {} {}", words[4], words[5]) } else { String::new() };
                format!("{} {}{device}\n", words[0], words.last().unwrap())
            });
            assert_eq!(lines.collect::<String>(), expected, "{said}");
        }
    }
}
