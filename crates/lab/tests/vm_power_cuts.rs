//! Power cuts of a whole machine, at moments that the journal of a plan names. Whatever the moment, the plan comes to one
//! of two ends: the machine is as after a run without a cut, or it is as before the plan. It boots what that state says,
//! and nothing of the trial is left.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use kernmend_core::document::Document;
use kernmend_core::document::journal::Pass;
use kernmend_core::document::plan::{Act, Plan, Stage, Step};
use lab::node::{Node, Outcome, PROGRAM};
use lab::vm::image::{DEBIAN_12, Image};
use lab::vm::{Bus, Kept, announce};

const NOKMEM: &str = "cgroup.memory=nokmem";

/// Everything that a plan may change, but the environment block, which counts by its variables: what kind of file, its
/// mode, its name, where it leads, and the content's digest.
const STATE: &str = "find /etc/default /etc/systemd /boot -name grubenv -o -printf '%y %m %p %l\\n' | sort
find /etc/default /etc/systemd /boot -type f ! -name grubenv -exec sha256sum {} + | sort
grub-editenv /boot/grub/grubenv list";

/// When the power is cut: as soon as the journal says so.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// A step is about to be done.
    Started(fn(&Step) -> bool),
    /// The first such step is done.
    Done(fn(&Step) -> bool),
    /// The first such step is taken back.
    Back(fn(&Step) -> bool),
    /// The reboot into the trial was ordered: the machine is shutting down.
    Rebooting,
    /// The trial's kernel says its first words.
    Trial,
    /// It is over.
    Ended,
}

/// Who goes on with the plan when the power is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// What stands on the node.
    Node,
    /// A person, since the cut was before that stood.
    Person,
}

fn unit(step: &Step) -> bool {
    step.stage == Stage::Watch
}

fn script(step: &Step) -> bool {
    matches!(&step.act, Act::File { path, .. } if path.ends_with("/custom.cfg"))
}

fn armed(step: &Step) -> bool {
    step.stage == Stage::Scaffold && matches!(step.act, Act::Environment { .. })
}

fn arrive(step: &Step) -> bool {
    step.stage == Stage::Arrive
}

fn commit(step: &Step) -> bool {
    step.stage == Stage::Commit
}

fn settings(step: &Step) -> bool {
    commit(step) && matches!(step.act, Act::File { .. })
}

fn menu(step: &Step) -> bool {
    matches!(step.act, Act::Menu { .. })
}

/// The disk has everything that GRUB wrote.
#[test]
fn a_plan_comes_to_an_end_after_each_power_cut_on_virtio() {
    let ready = Ready::new(Bus::VirtioBlk);
    ready.cut("one unit", Moment::Done(unit), Next::Person, Outcome::Committed);
    ready.cut("the script", Moment::Done(script), Next::Node, Outcome::Committed);
    ready.cut("while it is armed", Moment::Started(armed), Next::Node, Outcome::Committed);
    // The counter is spent, and the trial was not passed.
    ready.cut("the trial's kernel", Moment::Trial, Next::Node, Outcome::FellBack);
    // What was passed stays passed, also when the old kernel has to make it last.
    // (The line that says so is on the disk once the next one is begun.)
    ready.cut("judged", Moment::Started(commit), Next::Node, Outcome::Committed);
    ready.cut("while the menu is made", Moment::Started(menu), Next::Node, Outcome::Committed);
}

/// The disk loses what GRUB wrote and nobody flushed.
#[test]
fn a_plan_comes_to_an_end_after_each_power_cut_on_scsi() {
    let ready = Ready::new(Bus::VirtioScsi);
    // GRUB boots the trial by itself.
    ready.cut("armed", Moment::Done(armed), Next::Node, Outcome::Committed);
    ready.cut("on the way down", Moment::Rebooting, Next::Node, Outcome::Committed);
    // The counter comes back with the power, and with it one more trial.
    ready.cut("the trial's kernel", Moment::Trial, Next::Node, Outcome::Committed);
    // Not once it was written down for good.
    ready.cut("arrived", Moment::Done(arrive), Next::Node, Outcome::FellBack);
    ready.cut("the settings", Moment::Done(settings), Next::Node, Outcome::Committed);
    ready.cut("the script down", Moment::Back(script), Next::Node, Outcome::Committed);
    ready.cut("the end", Moment::Ended, Next::Node, Outcome::Committed);
}

/// A node with a plan that was not begun, and what becomes of it without a power cut.
struct Ready {
    image: Image,
    kept: Kept,
    plan: Document<Plan>,
    before: String,
    committed: String,
}

impl Ready {
    fn new(bus: Bus) -> Self {
        let mut node = Node::new(DEBIAN_12, bus);
        node.vm.announce_journal().unwrap();
        let plan = node.plan(&["--remedy", "nokmem"]);
        let before = state(&mut node);
        // What the lab itself has written is not what a cut is to lose.
        node.run(&["sync"]);
        let Node { vm, image } = node;
        let mut ready = Self { image, kept: vm.keep().unwrap(), plan, before, committed: String::new() };
        let mut node = ready.node();
        node.start(&ready.plan);
        assert_eq!(node.ends(), Outcome::Committed);
        ready.committed = state(&mut node);
        boots(&mut node, true, "no cut");
        ready
    }

    fn node(&self) -> Node {
        Node { vm: self.kept.resumed().unwrap(), image: self.image.clone() }
    }

    /// Runs the plan, cuts the power at a moment, and looks at what comes of it.
    fn cut(&self, what: &str, moment: Moment, next: Next, outcome: Outcome) {
        let mut node = self.node();
        node.start(&self.plan);
        self.wait_for(&mut node, moment);
        node.vm.power_cut();
        node.vm.power_on().unwrap();
        if next == Next::Person {
            node.vm.wait_for_boot().unwrap();
            node.vm.tell(&[PROGRAM, "apply"]).unwrap();
        }
        assert_eq!(node.ends(), outcome, "{what}");
        let (expected, is_committed) = match outcome {
            Outcome::Committed => (&self.committed, true),
            Outcome::RolledBack | Outcome::Undone | Outcome::FellBack => (&self.before, false),
        };
        let found = state(&mut node);
        let (missing, new) = differences(expected, &found);
        assert_eq!((missing, new), (Vec::new(), Vec::new()), "{what}");
        boots(&mut node, is_committed, what);
        println!("{what}: {outcome:?}");
    }

    fn wait_for(&self, node: &mut Node, moment: Moment) {
        let step = |is_it: fn(&Step) -> bool| self.plan.body.steps.iter().position(is_it).unwrap();
        let is_before = |is_it| self.plan.body.steps[step(is_it)].stage < Stage::Arrive;
        let (before_reboot, text) = match moment {
            Moment::Started(is_it) => (is_before(is_it), announce::started(step(is_it), Pass::Act)),
            Moment::Done(is_it) => (is_before(is_it), announce::done(step(is_it), Pass::Act)),
            Moment::Back(is_it) => (false, announce::done(step(is_it), Pass::Undo)),
            Moment::Rebooting => (true, announce::REBOOTING.to_owned()),
            // As the kernel shows its command line.
            Moment::Trial => (false, "kernmend.trial=".to_owned()),
            Moment::Ended => (false, announce::ENDED.to_owned()),
        };
        if !before_reboot {
            node.vm.wait_for_console(announce::REBOOTING).unwrap();
            // What GRUB is about to write is not to fall on what was written before.
            node.vm.renew_disk().unwrap();
        }
        node.vm.wait_for_console(&text).unwrap();
    }
}

fn state(node: &mut Node) -> String {
    node.run(&["sh", "-c", STATE])
}

/// The lines that only one of the two has.
fn differences<'a>(expected: &'a str, found: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let only =
        |a: &'a str, b: &'a str| a.lines().filter(|line| !b.lines().any(|other| other == *line)).collect();
    (only(expected, found), only(found, expected))
}

/// Cuts the power once more, and looks at what GRUB boots by itself.
fn boots(node: &mut Node, is_committed: bool, what: &str) {
    const SHOWN: &str = "Command line: ";
    node.vm.power_cut();
    node.vm.power_on().unwrap();
    node.vm.wait_for_console(SHOWN).unwrap();
    node.vm.wait_for_console("\n").unwrap();
    let console = node.vm.console();
    let line = console.split(SHOWN).nth(1).and_then(|rest| rest.lines().next()).unwrap();
    assert_eq!(line.contains(NOKMEM), is_committed, "{what}: {line}");
    assert!(!line.contains("kernmend."), "{what}: {line}");
}
