//! A plan that puts other runtimes in place: its ends, what keeps it from beginning, and a death at every effect.

use std::io::ErrorKind;

use kernmend_core::document::journal::{Event, Outcome, Pass};
use kernmend_core::document::plan::{Act, Check, Plan, Probation, Stage, Step};
use kernmend_core::document::{Digest, Document};
use kernmend_core::plan::check::check;
use kernmend_node::apply::Ending;
use kernmend_node::machine::Reboot;

use super::crash::Clean;
use super::ends::events;
use super::mortal::Mortal;
use super::node::{BROKEN, Fate, KUBELET, Node, RUNC};
use super::plan::{WATCH, file};

const OTHER_KUBELET: &str = "/opt/kube/bin/kubelet";
const CONTAINERD: &str = "/usr/bin/containerd";

/// Both kubelets, runc and containerd are replaced.
fn swap(node: &Node, reboots: bool) -> Document<Plan> {
    let digest = |path: &str| Digest::of(node.read(path).as_bytes());
    let prepare = |act| Step { stage: Stage::Prepare, act };
    let unit = |name: &str, active| prepare(Act::Unit { name: name.to_owned(), active });
    let sources = [("kubelet", "/root/kubelet"), ("runc", "/root/runc"), ("containerd", "/root/containerd")];
    let programs = [(KUBELET, 0), (OTHER_KUBELET, 0), (RUNC, 1), (CONTAINERD, 2)]
        .map(|(path, of)| (path, sources[of].1));
    let mut steps = Vec::new();
    steps.extend(
        sources.map(|(_, source)| prepare(Act::Keep { source: source.to_owned(), content: digest(source) })),
    );
    steps.extend(sources.map(|(program, source)| {
        prepare(Act::Try { program: program.to_owned(), content: digest(source), unaccounted: true })
    }));
    let watch = file(WATCH, None, Some("[Unit]\nWants=kernmend-boot-check.service\n".to_owned()));
    steps.push(Step { stage: Stage::Watch, act: watch });
    steps.extend([unit("kubelet.service", false), unit("containerd.service", false)]);
    steps.extend(programs.map(|(path, source)| {
        prepare(Act::Program { path: path.to_owned(), before: digest(path), after: digest(source) })
    }));
    steps.extend([unit("containerd.service", true), unit("kubelet.service", true)]);
    let programs =
        programs.map(|(path, source)| Check::Program { path: path.to_owned(), content: digest(source) });
    let mut health = programs.to_vec();
    health.push(Check::Unit { name: "kubelet.service".to_owned() });
    health.push(Check::Container { runtime: RUNC.to_owned(), unaccounted: true });
    health.push(Check::Scripts { directory: "/etc/kernmend/health.d".to_owned() });
    let mut plan = super::plan::plan(node);
    plan.body.steps = steps;
    plan.body.trial = None;
    plan.body.probation = Some(Probation { reboots, health, health_deadline: 30 });
    assert_eq!(check(&plan.body), []);
    plan
}

fn in_place(node: &Node) -> Document<Plan> {
    swap(node, false)
}

fn with_reboot(node: &Node) -> Document<Plan> {
    swap(node, true)
}

const SHOWS: (&str, &str) = (OTHER_KUBELET, "new kubelet");

#[test]
fn runtimes_are_put_in_place_and_taken_back_when_asked() {
    for (plan, reboots) in [(in_place as fn(&Node) -> _, 0), (with_reboot, 1)] {
        let mut mortal = Mortal::with_runtimes(Fate::Good);
        let (before, plan) = (mortal.node.tree(), plan(&mortal.node));
        assert_eq!(mortal.drive(&plan), Ending::Over(Outcome::Committed), "{:#?}", events(&mortal));
        let mut expected = before.clone();
        for (path, source) in
            [(KUBELET, "kubelet"), (OTHER_KUBELET, "kubelet"), (RUNC, "runc"), (CONTAINERD, "containerd")]
        {
            let new = expected[&format!("root/{source}")].clone();
            expected.insert(path.trim_start_matches('/').to_owned(), new);
        }
        assert_eq!(mortal.node.tree(), expected);
        assert!(mortal.node.runs_what_it_holds() && !mortal.node.has("/var/lib/kernmend/container"));
        assert_eq!(mortal.reboots, vec![Reboot::Orderly; reboots]);

        let mut asked = false;
        let ending = mortal.drive_by(|mortal| {
            if std::mem::replace(&mut asked, true) { mortal.resume() } else { mortal.roll_back() }
        });
        assert_eq!(ending, Ending::Over(Outcome::RolledBack));
        assert_eq!(mortal.node.tree(), before);
        assert!(mortal.node.runs_what_it_holds());
        assert_eq!(mortal.reboots.len(), reboots, "the way back needs none");
    }
}

#[test]
fn what_is_not_healthy_is_taken_back() {
    for plan in [in_place as fn(&Node) -> _, with_reboot] {
        let mut mortal = Mortal::with_runtimes(Fate::Unhealthy);
        let (before, plan) = (mortal.node.tree(), plan(&mortal.node));
        assert_eq!(mortal.drive(&plan), Ending::Over(Outcome::FellBack));
        assert_eq!(mortal.node.tree(), before);
        let failed = events(&mortal).into_iter().find_map(|event| match event {
            Event::Judged { healthy: false, failed, .. } => Some(failed),
            _ => None,
        });
        assert_eq!(failed.unwrap()[0].seen, "`10-storage` ended with 1: pods don't start");
    }
}

/// Runs a plan that comes to nothing, and gives what stood in the way and whether anything was stopped.
fn undone(mut mortal: Mortal, plan: &Document<Plan>) -> (String, bool) {
    let before = mortal.node.tree();
    assert_eq!(mortal.drive(plan), Ending::Over(Outcome::Undone));
    assert_eq!(mortal.node.tree(), before);
    assert!(mortal.node.runs_what_it_holds());
    let events = events(&mortal);
    let why = events.iter().find_map(|event| match event {
        Event::Failed { why, .. } => Some(why.clone()),
        _ => None,
    });
    let is_unit = |step: usize| matches!(plan.body.steps[step].act, Act::Unit { .. });
    let stopped = events
        .iter()
        .any(|event| matches!(event, Event::Started { step, pass: Pass::Act, .. } if is_unit(*step)));
    (why.unwrap(), stopped)
}

#[test]
fn what_cant_be_started_here_is_known_before_anything_stops() {
    for (path, why) in [
        ("/root/runc", "ended with 1: exec format error"),
        ("/root/kubelet", "ended with 127: version `GLIBC_2.99' not found"),
    ] {
        let mortal = Mortal::with_runtimes(Fate::Good);
        mortal.node.write(path, BROKEN);
        let plan = in_place(&mortal.node);
        let (said, stopped) = undone(mortal, &plan);
        assert!(said.ends_with(why), "{said}");
        assert!(!stopped, "{path}");
    }
}

#[test]
fn a_file_that_is_not_what_it_was_is_left_alone() {
    // What should be put in place, and nobody of ours put there, is somebody else's too: it could not be taken back.
    for content in ["changed by hand", "new runc"] {
        let mortal = Mortal::with_runtimes(Fate::Good);
        let plan = in_place(&mortal.node);
        mortal.node.write(RUNC, content);
        let (said, stopped) = undone(mortal, &plan);
        assert!(said.starts_with(&format!("`{RUNC}` was changed since the plan was made")), "{said}");
        assert!(stopped);
    }
    let mortal = Mortal::with_runtimes(Fate::Good);
    let plan = in_place(&mortal.node);
    mortal.node.write("/root/runc", "another download");
    let (said, stopped) = undone(mortal, &plan);
    assert!(said.contains("`/root/runc` holds sha256:") && !stopped, "{said}");
}

#[test]
fn a_disk_that_is_full_anywhere_leaves_the_node_as_it_was() {
    let mut clean = Mortal::with_runtimes(Fate::Good);
    let plan = in_place(&clean.node);
    let _ = clean.drive(&plan);
    let copies: Vec<usize> =
        (0..clean.effects.len()).filter(|number| clean.effects[*number] == "copy").collect();
    // Three files that are put in place, four that were there, and those once more where they are put.
    assert_eq!(copies.len(), 3 + 4 + 4);
    for full in copies {
        let mut mortal = Mortal::with_runtimes(Fate::Good);
        mortal.fails = Box::new(move |_, _, number| (number == full).then_some(ErrorKind::StorageFull));
        let (said, _) = undone(mortal, &plan);
        assert!(said.ends_with("no storage space"), "{said}");
    }
}

#[test]
fn a_swap_survives_a_death_anywhere() {
    Clean::on(Mortal::with_runtimes, Fate::Good, in_place, SHOWS).check_all();
    Clean::on(Mortal::with_runtimes, Fate::Good, with_reboot, SHOWS).check_every(3);
}

#[test]
fn a_swap_that_is_not_healthy_survives_a_death_anywhere() {
    for plan in [in_place as fn(&Node) -> _, with_reboot] {
        Clean::on(Mortal::with_runtimes, Fate::Unhealthy, plan, SHOWS).check_every(5);
    }
}

#[test]
fn a_swap_survives_two_deaths() {
    for fate in [Fate::Good, Fate::Unhealthy] {
        Clean::on(Mortal::with_runtimes, fate, in_place, SHOWS).check_pairs(80);
    }
}
