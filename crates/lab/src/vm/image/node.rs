//! A node: a system with a boot loader and, for some, a `/boot` apart. Both are made in the guest by Debian's own tools:
//! on the host GRUB's would see the host's devices.

use std::path::Path;

use super::system::{self, BOOT_PARTITION, ROOT_PARTITION, ROOT_UUID};
use super::{BootOn, Kernels, Recipe};
use crate::vm::qemu::Start;
use crate::vm::{Bus, Vm, VmError, overlay, work};

/// The disk of a node, in its folder of the cache.
pub(super) const DISK: &str = "disk.qcow2";

/// A disk of the guest, where GRUB goes.
const WHOLE_DISK: &str = "/dev/vda";

impl BootOn {
    /// The commands that make the file system for `/boot`, and what `/etc/fstab` calls it; nothing where it is the
    /// root's.
    fn commands(self) -> Option<(&'static [&'static [&'static str]], &'static str)> {
        match self {
            Self::Root => None,
            Self::Xfs => {
                Some((&[&["mkfs.xfs", "-q", "-f", "-L", "boot", BOOT_PARTITION]], "LABEL=boot /boot xfs"))
            }
            Self::Btrfs => {
                Some((&[&["mkfs.btrfs", "-q", "-f", "-L", "boot", BOOT_PARTITION]], "LABEL=boot /boot btrfs"))
            }
            Self::Lvm => Some((
                &[
                    &["vgcreate", "-q", "node", BOOT_PARTITION],
                    &["lvcreate", "-q", "--yes", "--extents", "100%FREE", "--name", "boot", "node"],
                    &["mkfs.ext4", "-q", "/dev/node/boot"],
                ],
                "/dev/mapper/node-boot /boot ext4",
            )),
        }
    }
}

/// Everything that the node depends on.
pub(super) fn text(recipe: Recipe) -> String {
    format!("node 1\n{:?}\n{}", recipe.boot.commands(), system::text(recipe))
}

/// The id of an installed kernel's entry in the menu.
fn id(release: &str) -> String {
    format!("gnulinux-{release}-advanced-{ROOT_UUID}")
}

/// The entry as GRUB's tools take it: it lies in a menu below the first one.
pub(super) fn entry(release: &str) -> String {
    format!("gnulinux-advanced-{ROOT_UUID}>{}", id(release))
}

/// Makes the node's disk in `folder`.
pub(super) fn make(folder: &Path, recipe: Recipe) -> Result<(), VmError> {
    let system = system::get(recipe)?;
    let kernels = Kernels::read(&system)?;
    let disk = folder.join(DISK);
    overlay(&system.join(system::DISK), "raw", &disk)?;
    let mut vm = Vm::off(work()?, disk, Bus::VirtioBlk);
    vm.start(&Start::Kernel {
        kernel: system.join(system::KERNEL),
        initrd: system.join(system::INITRD),
        arguments: format!("root={ROOT_PARTITION} rw console=ttyS0"),
    })?;
    vm.wait_for_boot()?;
    if let Some((commands, line)) = recipe.boot.commands() {
        boot_apart(&mut vm, commands, line)?;
    }
    vm.run(&["grub-install", WHOLE_DISK])?;
    vm.run(&["update-grub"])?;
    // Where it finds no kernel it writes an empty menu, and says that all is well.
    let menu = String::from_utf8_lossy(&vm.pull("/boot/grub/grub.cfg")?).into_owned();
    for release in [&kernels.default, &kernels.other] {
        if !menu.contains(&id(release)) {
            return Err(VmError::Image(format!("no menu entry of {release}")));
        }
    }
    vm.run(&["grub-set-default", &entry(&kernels.default)])?;
    vm.power_off()?;
    kernels.write(folder)?;
    Ok(())
}

/// Makes a file system and moves `/boot` onto it.
fn boot_apart(vm: &mut Vm, commands: &[&[&str]], line: &str) -> Result<(), VmError> {
    for command in commands {
        vm.run(command)?;
    }
    let mut fstab = vm.pull("/etc/fstab")?;
    fstab.extend(format!("{line} defaults 0 2\n").bytes());
    vm.push(&fstab, "/etc/fstab", "644")?;
    vm.run(&["mv", "/boot", "/boot.root"])?;
    vm.run(&["mkdir", "/boot"])?;
    vm.run(&["mount", "/boot"])?;
    vm.run(&["cp", "--archive", "/boot.root/.", "/boot"])?;
    vm.run(&["rm", "--recursive", "/boot.root"]).map(drop)
}
