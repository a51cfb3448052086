//! The lab's images and machines: a node boots by real GRUB, with the kernels and the control groups that it should have;
//! a machine is restarted, reset and cut off; GRUB writes its environment where it can.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use lab::vm::image::{
    DEBIAN_11, DEBIAN_12, DEBIAN_12_BTRFS, DEBIAN_12_LVM, DEBIAN_12_XFS, DEBIAN_13, Image, Recipe,
};
use lab::vm::{Bus, Vm, VmError};

/// Waits for the end of the boot, and says which units failed.
fn hold_running(vm: &mut Vm) {
    let state = vm.exec(&["systemctl", "is-system-running", "--wait"]).unwrap();
    let failed = vm.run(&["systemctl", "list-units", "--failed", "--plain", "--no-legend"]).unwrap();
    assert!(state.status.success(), "{}: {failed}", String::from_utf8_lossy(&state.stdout));
}

fn hold_kernel(vm: &mut Vm, kernel: &str, controller: &str) {
    assert_eq!(vm.kernel().unwrap(), kernel);
    assert!(vm.cmdline().unwrap().starts_with(&format!("BOOT_IMAGE=/boot/vmlinuz-{kernel} ")));
    vm.run(&["test", "-e", controller]).unwrap();
}

/// A node that has booted its default kernel boots the other one once.
fn boots_the_other_kernel_once(recipe: Recipe, controller: &str) -> Vm {
    let image = Image::get(recipe).unwrap();
    let mut vm = Vm::resumed(&image, Bus::VirtioBlk).unwrap();
    hold_kernel(&mut vm, &image.kernels().default, controller);
    let first = vm.boot_id().to_owned();
    vm.run(&["grub-reboot", &image.entry(&image.kernels().other)]).unwrap();
    vm.reboot().unwrap();
    assert_ne!(vm.boot_id(), first);
    hold_kernel(&mut vm, &image.kernels().other, controller);
    vm
}

#[test]
fn debian_12_boots_with_cgroup_v1_and_comes_back_to_its_default() {
    let controller = "/sys/fs/cgroup/memory/memory.kmem.limit_in_bytes";
    let mut vm = boots_the_other_kernel_once(DEBIAN_12, controller);
    hold_running(&mut vm);
    vm.reboot().unwrap();
    hold_kernel(&mut vm, &Image::get(DEBIAN_12).unwrap().kernels().default, controller);
    vm.power_off().unwrap();
}

#[test]
fn debian_11_boots_with_cgroup_v1() {
    boots_the_other_kernel_once(DEBIAN_11, "/sys/fs/cgroup/memory/memory.kmem.limit_in_bytes");
}

#[test]
fn debian_13_boots_with_cgroup_v2() {
    boots_the_other_kernel_once(DEBIAN_13, "/sys/fs/cgroup/cgroup.controllers");
}

#[test]
fn the_same_image_boots_on_another_bus() {
    let image = Image::get(DEBIAN_12).unwrap();
    for (bus, partition) in [(Bus::VirtioBlk, "/dev/vda3\n"), (Bus::VirtioScsi, "/dev/sda3\n")] {
        let mut vm = Vm::resumed(&image, bus).unwrap();
        let source = vm.run(&["findmnt", "--noheadings", "--output", "SOURCE", "/"]).unwrap();
        assert_eq!(source, partition);
    }
}

#[test]
fn what_was_flushed_outlasts_a_cut_of_the_power() {
    let image = Image::get(DEBIAN_12).unwrap();
    let mut vm = Vm::resumed(&image, Bus::VirtioScsi).unwrap();
    let before = vm.boot_id().to_owned();
    vm.push(b"kept", "/root/flushed", "600").unwrap();
    vm.run(&["sync"]).unwrap();
    vm.power_cut();
    assert!(matches!(vm.run(&["true"]), Err(VmError::Off { .. })));
    vm.power_on().unwrap();
    vm.wait_for_boot().unwrap();
    assert_ne!(vm.boot_id(), before);
    assert_eq!(vm.pull("/root/flushed").unwrap(), b"kept");
}

#[test]
fn machines_of_one_image_do_not_see_each_other() {
    let image = Image::get(DEBIAN_12).unwrap();
    let mut one = Vm::resumed(&image, Bus::VirtioBlk).unwrap();
    let mut other = Vm::resumed(&image, Bus::VirtioBlk).unwrap();
    assert_eq!(one.boot_id(), other.boot_id(), "both come from one state");
    let content: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_be_bytes).collect();
    one.push(&content, "/root/folder/file", "751").unwrap();
    assert_eq!(one.run(&["stat", "--format=%a", "/root/folder/file"]).unwrap(), "751\n");
    assert!(one.pull("/root/folder/file").unwrap() == content, "what comes back is what was given");
    assert!(matches!(other.pull("/root/folder/file"), Err(VmError::Command { .. })));
}

#[test]
fn commands_end_as_they_do_for_whoever_is_there() {
    let image = Image::get(DEBIAN_12).unwrap();
    let mut vm = Vm::resumed(&image, Bus::VirtioBlk).unwrap();
    let output =
        vm.exec_with(&["sh", "-c", "cat; echo \"$1\" >&2; exit 7", "sh", "a  b\nc"], b"in\0put").unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"in\0put"[..], &b"a  b\nc\n"[..]));
    let output = vm.exec(&["sh", "-c", "kill -KILL $$"]).unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&output.status), Some(9));
    let output = vm.exec(&["/no/such/program"]).unwrap();
    assert_eq!(output.status.code(), Some(127));
    assert_eq!(output.stderr, b"/no/such/program: No such file or directory\n");
}

#[test]
fn grub_sees_after_a_cut_of_the_power_what_was_settled() {
    for recipe in [DEBIAN_12, DEBIAN_12_XFS] {
        let mut vm = Vm::resumed(&Image::get(recipe).unwrap(), Bus::VirtioBlk).unwrap();
        vm.push(b"echo 'lab: seen'\n", "/boot/grub/custom.cfg", "644").unwrap();
        vm.settle("/boot").unwrap();
        vm.power_cut();
        vm.power_on().unwrap();
        vm.wait_for_console("Linux version ").unwrap();
        assert!(vm.console().contains("lab: seen"), "{}: {}", recipe.name, vm.console());
    }
}

/// What GRUB says of its environment block, when it is asked to write it.
fn grub_writes(recipe: Recipe) -> String {
    const SCRIPT: &str =
        "set lab_mark=1\nif save_env lab_mark ; then echo 'lab: yes' ; else echo 'lab: no' ; fi\n";
    let image = Image::get(recipe).unwrap();
    let mut vm = Vm::resumed(&image, Bus::VirtioBlk).unwrap();
    vm.push(SCRIPT.as_bytes(), "/boot/grub/custom.cfg", "644").unwrap();
    vm.settle("/boot").unwrap();
    vm.reset().unwrap();
    vm.wait_for_console("lab: ").unwrap();
    vm.wait_for_console("\n").unwrap();
    let console = vm.console();
    console.rsplit("lab: ").next().unwrap().lines().next().unwrap().trim().to_owned()
}

#[test]
fn grub_writes_its_environment_on_ext4_and_xfs_alone() {
    for (recipe, expected) in
        [(DEBIAN_12, "yes"), (DEBIAN_12_XFS, "yes"), (DEBIAN_12_BTRFS, "no"), (DEBIAN_12_LVM, "no")]
    {
        assert_eq!(grub_writes(recipe), expected, "{}", recipe.name);
    }
}
