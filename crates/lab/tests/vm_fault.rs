//! The lab's faulty kernels fail as they should, from a real boot loader, and the other kernel of the node still boots.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use lab::vm::fault::{Fault, copy_kernel};
use lab::vm::image::{DEBIAN_12, Image};
use lab::vm::{Bus, Vm};

/// Puts a fault into the other kernel and boots that once. Whether the machine resets by itself is left to it, or it is
/// done from outside; then the default kernel boots.
fn fails_once(fault: Fault, resets_by_itself: bool) {
    let image = Image::get(DEBIAN_12).unwrap();
    let mut vm = Vm::resumed(&image, Bus::VirtioBlk).unwrap();
    let kernels = image.kernels();
    fault.put(&mut vm, &kernels.other).unwrap();
    vm.run(&["grub-reboot", &image.entry(&kernels.other)]).unwrap();
    vm.restart().unwrap();
    vm.wait_for_console(fault.last_words()).unwrap();
    if !resets_by_itself {
        vm.reset().unwrap();
    }
    vm.wait_for_boot().unwrap();
    assert_eq!(vm.kernel().unwrap(), kernels.default);
}

#[test]
fn a_kernel_that_stops_the_processor() {
    fails_once(Fault::Hang, false);
}

#[test]
fn a_kernel_that_resets_the_machine() {
    fails_once(Fault::Reset, true);
}

#[test]
fn a_kernel_without_a_root_panics() {
    fails_once(Fault::NoRoot, false);
}

#[test]
fn a_kernel_without_a_driver_for_the_disk() {
    fails_once(Fault::NoDisk, false);
}

#[test]
fn a_kernel_whose_first_process_dies() {
    fails_once(Fault::InitDies, false);
}

#[test]
fn a_kernel_whose_first_process_hangs() {
    fails_once(Fault::InitHangs, false);
}

#[test]
fn a_kernel_with_a_module_that_spins() {
    fails_once(Fault::Spins, false);
}

#[test]
fn a_copy_of_a_kernel_is_an_installed_kernel() {
    let image = Image::get(DEBIAN_12).unwrap();
    let mut vm = Vm::resumed(&image, Bus::VirtioBlk).unwrap();
    let copy = "6.1.0-99-lab-amd64";
    copy_kernel(&mut vm, &image.kernels().other, copy).unwrap();
    let menu = vm.run(&["cat", "/boot/grub/grub.cfg"]).unwrap();
    assert!(menu.contains(&format!("/boot/initrd.img-{copy}")), "{menu}");
    vm.run(&["test", "-d", &format!("/lib/modules/{copy}/kernel")]).unwrap();
}
