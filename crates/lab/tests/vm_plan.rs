//! Plans on real machines: real kernels, real GRUB, real reboots. What boots by default never changes before a trial was
//! passed, what was committed stays, what was taken back leaves nothing behind.

use lab::node::{Node, Outcome, PLAN};
use lab::vm::Bus;
use lab::vm::image::{DEBIAN_11, DEBIAN_12, DEBIAN_13, Recipe};

const NOKMEM: &str = "cgroup.memory=nokmem";

/// A node on which nokmem was tried and committed, and on which it stays through power cycles.
fn with_nokmem(recipe: Recipe, power_cycles: usize) -> Node {
    let mut node = Node::new(recipe, Bus::VirtioBlk);
    assert!(!node.cmdline().contains(NOKMEM));
    node.apply(&["--remedy", "nokmem"]);
    assert_eq!(node.ends(), Outcome::Committed);
    assert!(node.cmdline().contains(NOKMEM));
    node.leaves_nothing_behind();
    the_clock_of_the_initramfs_has_no_effect(&mut node);
    for _ in 0..power_cycles {
        node.power_cycle();
        assert!(node.cmdline().contains(NOKMEM), "what was committed stays");
        assert!(!node.cmdline().contains("kernmend.trial="), "and the trial's own arguments don't");
    }
    node
}

/// What would have ended a start that hangs still runs in one that didn't. Its time is up when the program that it waits for
/// ends.
fn the_clock_of_the_initramfs_has_no_effect(node: &mut Node) {
    const BOOT_ID: [&str; 2] = ["cat", "/proc/sys/kernel/random/boot_id"];
    let before = node.run(&BOOT_ID);
    let sleep = node.run(&["pgrep", "--full", "--exact", "sleep 900"]);
    let clock = node.run(&["ps", "-o", "ppid=", sleep.trim()]);
    node.run(&["kill", sleep.trim()]);
    node.run(&["tail", "--pid", clock.trim(), "--follow", "/dev/null"]);
    assert_eq!(node.run(&BOOT_ID), before, "the node is up, and stays up");
}

#[test]
fn nokmem_is_tried_committed_kept_and_taken_back() {
    let mut node = with_nokmem(DEBIAN_12, 2);
    node.roll_back();
    assert_eq!(node.ends(), Outcome::RolledBack);
    assert!(!node.cmdline().contains(NOKMEM));
    node.leaves_nothing_behind();
    node.power_cycle();
    assert!(!node.cmdline().contains(NOKMEM), "what was taken back stays away");
}

#[test]
fn nokmem_is_committed_on_debian_11() {
    with_nokmem(DEBIAN_11, 1);
}

#[test]
fn debian_13_moves_to_another_kernel_and_back() {
    let mut node = Node::new(DEBIAN_13, Bus::VirtioBlk);
    let (old, other) = node.kernels();
    node.apply(&["--remedy", &format!("kernel={other}")]);
    assert_eq!(node.ends(), Outcome::Committed);
    assert_eq!(node.release(), other);
    node.leaves_nothing_behind();
    node.power_cycle();
    assert_eq!(node.release(), other, "what was committed is booted");
    node.roll_back();
    assert_eq!(node.ends(), Outcome::RolledBack);
    assert_eq!(node.release(), old);
    node.leaves_nothing_behind();
}

#[test]
fn a_node_after_a_careless_sed_keeps_booting_what_was_committed() {
    let mut node = Node::new(DEBIAN_12, Bus::VirtioScsi);
    node.run(&["sed", "-i", "s/saved/0/g", "/etc/default/grub"]);
    node.run(&["sh", "-c", "sed -i s/saved/0/g /etc/default/grub.d/*.cfg"]);
    node.run(&["update-grub"]);
    // The first entry, which is of the newest kernel, whatever was saved.
    let (saved, first) = node.kernels();
    assert_eq!(node.release(), saved);
    let refusals = node.refusals(&["--remedy", &format!("kernel={first}")]);
    assert_eq!(refusals, ["default-is-another"]);
    // What the refusal says mends it, without a reboot; taken back the default is the first again.
    let pin = node.plan(&["--remedy", &format!("kernel={saved}")]);
    let said = node.kernmend(&["apply", PLAN, "--approve", &pin.digest().to_string(), "--foreground"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    node.plan(&["--remedy", &format!("kernel={first}")]);
    let said = node.kernmend(&["rollback"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    node.vm.reboot().unwrap();
    assert_eq!(node.release(), first);
    node.apply(&["--remedy", &format!("kernel={saved}")]);
    assert_eq!(node.ends(), Outcome::Committed);
    assert_eq!(node.release(), saved);
    node.power_cycle();
    assert_eq!(node.release(), saved, "what was committed is booted");
    node.roll_back();
    assert_eq!(node.ends(), Outcome::RolledBack);
    assert_eq!(node.release(), first);
    node.leaves_nothing_behind();
}

#[test]
fn control_groups_go_to_version_2_and_back() {
    let mut node = Node::new(DEBIAN_12, Bus::VirtioBlk);
    let is_v2 = |node: &mut Node| node.test(&["test", "-e", "/sys/fs/cgroup/cgroup.controllers"]);
    assert!(!is_v2(&mut node));
    node.apply(&["--remedy", "cgroup-v2"]);
    assert_eq!(node.ends(), Outcome::Committed);
    assert!(is_v2(&mut node));
    node.power_cycle();
    assert!(is_v2(&mut node));
    node.apply(&["--remedy", "cgroup-v1"]);
    assert_eq!(node.ends(), Outcome::Committed);
    assert!(!is_v2(&mut node));
    node.leaves_nothing_behind();
}
