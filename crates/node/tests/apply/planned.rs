//! Plans as the planner makes them, for what is read of the node: both remedies that it has steps for come to their ends here,
//! also when the process dies on the way.

use kernmend_core::boot::reading::of_files;
use kernmend_core::diagnose::diagnose;
use kernmend_core::document::Document;
use kernmend_core::document::plan::{Plan, Remedy};
use kernmend_core::plan::{self, Wish};
use kernmend_node::collect::{boot, collect};
use kernmend_node::host::Host;

use super::crash::Clean;
use super::mortal::KNOWLEDGE;
use super::node::{Fate, NEW, Node, OTHER};

fn planned(node: &Node, remedy: Remedy) -> Document<Plan> {
    let host = Host::directory(node.root(), &KNOWLEDGE.signals).unwrap();
    let snapshot = Document::new(collect(&host), None);
    let report = diagnose(&snapshot, &KNOWLEDGE);
    let files = boot::read(&host);
    let known = plan::Node {
        snapshot: &snapshot,
        report: &report,
        files: &files,
        boot: &of_files(&files),
        machine_id: "0123",
        is_installed: true,
        fell_back: &[],
        site: &plan::swap::Site::default(),
    };
    let wish = Wish { remedy: Some(remedy), advisory: None, ..Wish::default() };
    let mut plan = plan::plan(&known, &KNOWLEDGE, &wish);
    assert!(!plan.body.steps.is_empty(), "{:#?}", plan.body.refusals);
    // A directory can't tell all that is asked of a machine before it is rebooted.
    plan.body.refusals.clear();
    plan
}

fn parameter(node: &Node) -> Document<Plan> {
    planned(node, Remedy::BootParameter { set: vec![NEW.to_owned()], remove: Vec::new() })
}

fn other_kernel(node: &Node) -> Document<Plan> {
    planned(node, Remedy::InstalledKernel { release: OTHER.to_owned() })
}

#[test]
fn a_boot_parameter_is_tried_and_committed_or_falls_back() {
    for fate in [Fate::Good, Fate::Dies] {
        Clean::of(fate, parameter, ("/proc/cmdline", NEW)).check_every(7);
    }
}

#[test]
fn another_kernel_is_tried_and_committed_or_falls_back() {
    for fate in [Fate::Good, Fate::Dies] {
        Clean::of(fate, other_kernel, ("/proc/sys/kernel/osrelease", OTHER)).check_every(7);
    }
}
