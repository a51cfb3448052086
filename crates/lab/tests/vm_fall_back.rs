//! A trial doesn't end on a node that is lost: real kernels that don't come up, or come up in vain. Each ends on the old
//! kernel, by itself or after the power was cut, and the node is as it was.

use std::collections::BTreeSet;

use kernmend_core::document::journal::{Event, FailedCheck};
use kernmend_core::document::plan::Check;
use lab::node::{Node, Outcome};
use lab::vm::Bus;
use lab::vm::fault::Fault;
use lab::vm::image::DEBIAN_12;

/// Seconds from the boot after which what fails has failed. On a core that many share it may have passed before the first
/// look, which is then the last.
const HEALTH: [&str; 2] = ["--health-deadline", "60"];

/// A node on which the other kernel is tried.
struct Trial {
    node: Node,
    old: String,
    remedy: String,
    /// How the node was before.
    before: String,
}

impl Trial {
    fn of(mut node: Node) -> Self {
        let (old, other) = node.kernels();
        let before = node.state();
        Self { node, old, remedy: format!("kernel={other}"), before }
    }

    fn begins(&mut self, options: &[&str]) {
        self.node.apply(&[&["--remedy", &self.remedy], &HEALTH[..], options].concat());
    }

    /// The trial comes to its end, which is the old kernel and the node as it was; the same isn't tried again unless a
    /// person insists. Gives what the journal says.
    fn falls_back(&mut self) -> Vec<Event> {
        assert_eq!(self.node.ends(), Outcome::FellBack);
        assert_eq!(self.node.release(), self.old);
        self.node.leaves_nothing_behind();
        assert_eq!(self.node.state(), self.before);
        let said = self.node.kernmend(&["status"]);
        assert_eq!(said.code, Some(6), "{}", said.text);
        println!("{}", said.text);
        assert_eq!(self.node.refusals(&["--remedy", &self.remedy]), ["fell-back-before"]);
        self.node.events()
    }
}

/// The checks of the trial that failed; none where nobody got to make them.
fn failed(events: &[Event]) -> Option<&[FailedCheck]> {
    events.iter().find_map(|event| match event {
        Event::Judged { failed, .. } => Some(failed.as_slice()),
        _ => None,
    })
}

/// The files that were kept of the failed boot.
fn evidence(events: &[Event]) -> &[String] {
    events
        .iter()
        .find_map(|event| match event {
            Event::Evidence { files } => Some(files.as_slice()),
            _ => None,
        })
        .expect("a boot that failed is told of")
}

/// A kernel that doesn't come up, and ends by itself.
fn ends_by_itself(fault: Fault, options: &[&str]) -> Trial {
    let mut node = Node::new(DEBIAN_12, Bus::VirtioBlk);
    let (_, other) = node.kernels();
    fault.put(&mut node.vm, &other).expect("the other kernel can be spoiled");
    let mut trial = Trial::of(node);
    trial.begins(options);
    trial.node.vm.wait_for_console(fault.last_words()).expect("it comes to its fault");
    let events = trial.falls_back();
    assert_eq!(failed(&events), None, "nobody could judge it");
    trial
}

#[test]
fn a_kernel_that_finds_no_root_and_panics() {
    let mut trial = ends_by_itself(Fault::NoRoot, &[]);
    // Who insists has his way, and falls back once more.
    trial.begins(&["--force"]);
    trial.falls_back();
}

#[test]
fn a_kernel_whose_first_process_dies() {
    ends_by_itself(Fault::InitDies, &[]);
}

#[test]
fn a_kernel_without_a_driver_for_the_root() {
    ends_by_itself(Fault::NoDisk, &[]);
}

#[test]
fn a_kernel_that_spins() {
    ends_by_itself(Fault::Spins, &["--lockup", "10"]);
}

#[test]
fn a_kernel_whose_initramfs_waits_for_ever() {
    ends_by_itself(Fault::InitHangs, &["--dead-man", "90"]);
}

/// Nothing gets it out by itself: the next cut of the power does.
#[test]
fn a_kernel_that_stops_the_processor() {
    let fault = Fault::Hang;
    let mut node = Node::new(DEBIAN_12, Bus::VirtioBlk);
    let (_, other) = node.kernels();
    fault.put(&mut node.vm, &other).expect("the other kernel can be spoiled");
    let mut trial = Trial::of(node);
    trial.begins(&[]);
    trial.node.vm.wait_for_console(fault.last_words()).expect("it comes to its fault");
    trial.node.power_off_and_on();
    let events = trial.falls_back();
    assert_eq!(failed(&events), None, "nobody could judge it");
}

#[test]
fn a_kernel_without_a_file_system_ends_in_the_emergency_shell() {
    let mut node = Node::new(DEBIAN_12, Bus::VirtioBlk);
    let (_, other) = node.kernels();
    node.run(&["mkdir", "/mnt/lab"]);
    node.run(&["sh", "-c", "echo 'overlay /mnt/lab overlay lowerdir=/usr:/opt 0 0' >>/etc/fstab"]);
    node.run(&["mount", "/mnt/lab"]);
    node.run(&["rm", &format!("/lib/modules/{other}/kernel/fs/overlayfs/overlay.ko")]);
    let mut trial = Trial::of(node);
    trial.begins(&[]);
    trial.node.vm.wait_for_console("Failed to mount").expect("the file system can't be mounted");
    let events = trial.falls_back();
    assert_eq!(failed(&events), None, "nobody judges it in the emergency shell");
    assert!(trial.node.test(&["mountpoint", "/mnt/lab"]), "the old kernel has it");
    is_of_the_trial(&mut trial.node, evidence(&events));
}

/// The log that was kept is that of the boot that failed.
fn is_of_the_trial(node: &mut Node, files: &[String]) {
    let [log] = files else { panic!("{files:?}") };
    assert!(node.test(&["grep", "--quiet", "Command line:.* kernmend.trial=", log]), "{log}");
}

#[test]
fn user_space_that_hangs() {
    let mut node = Node::new(DEBIAN_12, Bus::VirtioBlk);
    let (_, other) = node.kernels();
    let unit = format!(
        "[Unit]\nDefaultDependencies=no\nAfter=systemd-journal-flush.service\nBefore=sysinit.target\n\
         ConditionKernelVersion={other}\n[Service]\nType=oneshot\nTimeoutStartSec=infinity\n\
         ExecStart=sleep infinity\n[Install]\nWantedBy=sysinit.target\n"
    );
    node.write("/etc/systemd/system/lab-hang.service", &unit, "644");
    node.run(&["systemctl", "enable", "lab-hang.service"]);
    let mut trial = Trial::of(node);
    trial.begins(&["--dead-man", "120"]);
    let events = trial.falls_back();
    assert_eq!(failed(&events), None, "its judge waits too");
    is_of_the_trial(&mut trial.node, evidence(&events));
}

#[test]
fn user_space_that_does_not_do_its_work() {
    let mut node = Node::new(DEBIAN_12, Bus::VirtioBlk);
    let (old, _) = node.kernels();
    // A container runtime by its name, which is all that is asked of it here.
    node.run(&["cp", "/usr/bin/sleep", "/usr/local/bin/containerd"]);
    let unit = format!(
        "[Unit]\nConditionKernelVersion={old}\n[Service]\nExecStart=/usr/local/bin/containerd infinity\n\
         [Install]\nWantedBy=multi-user.target\n"
    );
    node.write("/etc/systemd/system/containerd.service", &unit, "644");
    node.run(&["systemctl", "enable", "--now", "containerd.service"]);
    let script = format!("#!/bin/sh\ntest $(uname -r) = {old} || {{ echo wrong kernel; exit 3; }}\n");
    node.write("/etc/kernmend/health.d/lab", &script, "755");
    let mut trial = Trial::of(node);
    trial.begins(&[]);
    let events = trial.falls_back();
    let failed = failed(&events).expect("it was judged");
    let checks: BTreeSet<&Check> = failed.iter().map(|failed| &failed.check).collect();
    let unit = Check::Unit { name: "containerd.service".to_owned() };
    let scripts = Check::Scripts { directory: "/etc/kernmend/health.d".to_owned() };
    assert_eq!(checks, BTreeSet::from([&unit, &scripts]));
    assert!(
        failed.iter().any(|failed| failed.seen.contains("`lab` ended with 3: wrong kernel")),
        "{failed:?}"
    );
    is_of_the_trial(&mut trial.node, evidence(&events));
}
