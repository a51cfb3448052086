//! The state of a machine that has booted, kept with its disk: a test that begins with a running node spares itself the
//! boot, which is fifteen seconds and more of a core.

use std::path::Path;
use std::process::Command;

use super::{Image, Recipe, node};
use crate::command;
use crate::vm::qemu::MACHINE;
use crate::vm::{BOOTED, Bus, Vm, VmError, overlay, work};

/// The disk with the state, in its folder of the cache.
pub(super) const DISK: &str = "disk.qcow2";

/// Everything that the state depends on; a QEMU of another version doesn't take it, nor another machine.
pub(super) fn text(recipe: Recipe, bus: Bus) -> Result<String, VmError> {
    let qemu = command::run(Command::new("qemu-system-x86_64").arg("--version"))?;
    Ok(format!("running 1\n{bus:?}\n{MACHINE}\n{qemu}\n{}", node::text(recipe)))
}

/// Boots the image and saves the state in `folder`.
pub(super) fn make(folder: &Path, image: &Image, bus: Bus) -> Result<(), VmError> {
    let disk = folder.join(DISK);
    overlay(image.disk(), "qcow2", &disk)?;
    let mut vm = Vm::off(work()?, disk, bus);
    vm.power_on()?;
    vm.wait_for_boot()?;
    let state = vm.exec(&["systemctl", "is-system-running", "--wait"])?;
    if !state.status.success() {
        let failed = vm.run(&["systemctl", "list-units", "--failed", "--plain", "--no-legend"])?;
        return Err(VmError::Image(format!("failed units after its boot: {}", failed.trim())));
    }
    vm.save(BOOTED)
}
