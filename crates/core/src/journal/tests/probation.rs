//! A plan without a trial, run through all that can happen to it: what prepares, a reboot where it has one, the judgement.

use super::{Act, Destination, Event, Next, Outcome, Pass, Plan, Stage, Step, next, old};
use crate::document::plan::Probation;

/// In the order of a plan: what is kept first, then the watch, then what stops and is put in place.
const STAGES: [Stage; 4] = [Stage::Prepare, Stage::Watch, Stage::Prepare, Stage::Prepare];
const WATCH: usize = 1;

fn plan(reboots: bool) -> Plan {
    let act = Act::Unit { name: "kubelet.service".to_owned(), active: true };
    let step = |stage| Step { stage, act: act.clone() };
    Plan {
        steps: STAGES.map(step).to_vec(),
        trial: None,
        probation: Some(Probation { reboots, health: Vec::new(), health_deadline: 600 }),
        ..super::plan()
    }
}

/// A machine that does what it is told.
struct World {
    plan: Plan,
    events: Vec<Event>,
    in_force: [bool; 4],
    healthy: bool,
    boots: usize,
    /// Boots since all was in force.
    boots_since: usize,
}

impl World {
    fn new(reboots: bool, healthy: bool) -> Self {
        let mut world = Self {
            plan: plan(reboots),
            events: Vec::new(),
            in_force: [false; 4],
            healthy,
            boots: 0,
            boots_since: 0,
        };
        world.boot();
        world
    }

    /// Somebody goes on after it: the watch, or a person.
    fn boot(&mut self) {
        self.boots += 1;
        self.boots_since += usize::from(self.in_force == [true; 4]);
        let boot_id = format!("boot {}", self.boots);
        self.events.push(Event::Booted { boot_id, running: old() });
    }

    fn step(&mut self, is_cut: bool) -> Option<Next> {
        match next(&self.plan, &self.events) {
            Next::Act(step) => self.go(step, Pass::Act, is_cut),
            Next::Undo(step) => self.go(step, Pass::Undo, is_cut),
            Next::Reboot(into) => {
                assert_eq!((into, self.in_force[WATCH]), (Destination::Anew, true));
                self.events.push(Event::Rebooting { into });
                if !is_cut {
                    self.boot();
                }
            }
            Next::Judge => {
                assert_eq!(self.in_force, [true; 4]);
                let is_anew = self.plan.probation.as_ref().is_some_and(|probation| probation.reboots);
                assert!(!is_anew || self.boots_since > 0, "judged before the reboot");
                if !is_cut {
                    let healthy = self.healthy;
                    self.events.push(Event::Judged { healthy, failed: Vec::new(), untold: Vec::new() });
                }
            }
            Next::End(_) if is_cut => {}
            Next::End(outcome) => self.events.push(Event::Ended { outcome }),
            over @ (Next::Over(_) | Next::Stuck(_)) => return Some(over),
        }
        None
    }

    fn go(&mut self, step: usize, pass: Pass, is_cut: bool) {
        self.events.push(Event::Started { step, pass, undo: None });
        self.in_force[step] = pass == Pass::Act;
        if !is_cut {
            self.events.push(Event::Done { step, pass });
        }
    }

    /// Goes on to the end, losing the power at these of its steps.
    fn run(&mut self, cuts: &[usize]) -> Next {
        for number in 0..100 {
            let is_cut = cuts.contains(&number);
            if let Some(over) = self.step(is_cut) {
                return over;
            }
            if is_cut {
                self.boot();
            }
        }
        panic!("no end after 100 steps: {:?}", self.events);
    }
}

fn check(reboots: bool, healthy: bool, expected: Outcome) {
    let mut clean = World::new(reboots, healthy);
    assert_eq!(clean.run(&[]), Next::Over(expected));
    assert_eq!(clean.boots, if reboots { 2 } else { 1 });
    let length = clean.events.len();
    for first in 0..length {
        for second in first..length {
            let mut world = World::new(reboots, healthy);
            assert_eq!(world.run(&[first, second]), Next::Over(expected), "cuts at {first} and {second}");
            let is_in_force = expected == Outcome::Committed;
            let mut in_force = [is_in_force; 4];
            in_force[WATCH] = false;
            assert_eq!(world.in_force, in_force, "cuts at {first} and {second}");
        }
    }
}

#[test]
fn what_is_healthy_is_committed_whenever_the_power_goes() {
    check(false, true, Outcome::Committed);
    check(true, true, Outcome::Committed);
}

#[test]
fn what_is_not_healthy_falls_back_without_another_reboot_whenever_the_power_goes() {
    check(false, false, Outcome::FellBack);
    check(true, false, Outcome::FellBack);
}

#[test]
fn what_stood_before_a_power_cut_needs_no_second_reboot() {
    let mut world = World::new(true, true);
    while !matches!(next(&world.plan, &world.events), Next::Reboot(_)) {
        world.step(false);
    }
    world.boot();
    assert_eq!(next(&world.plan, &world.events), Next::Judge);
}

#[test]
fn what_is_asked_back_is_taken_back_in_reverse_order() {
    let undone = |world: &World| {
        let undone = world.events.iter().filter_map(|event| match event {
            Event::Done { step, pass: Pass::Undo } => Some(*step),
            _ => None,
        });
        undone.collect::<Vec<_>>()
    };
    let mut world = World::new(false, true);
    while next(&world.plan, &world.events) != Next::Judge {
        world.step(false);
    }
    world.events.push(Event::RollbackAsked);
    assert_eq!(world.run(&[]), Next::Over(Outcome::Undone));
    assert_eq!(undone(&world), [3, 2, 0, WATCH]);
    let mut world = World::new(true, true);
    world.run(&[]);
    world.events.push(Event::RollbackAsked);
    assert_eq!(world.run(&[]), Next::Over(Outcome::RolledBack));
    // The watch was down already.
    assert_eq!(undone(&world), [WATCH, 3, 2, 0]);
    assert_eq!(world.boots, 2);
}

#[test]
fn a_step_that_fails_is_no_judgement() {
    let mut world = World::new(false, true);
    world.step(false);
    world.step(false);
    world.events.push(Event::Started { step: 2, pass: Pass::Act, undo: None });
    world.events.push(Event::Failed { step: 2, pass: Pass::Act, why: "it doesn't stop".to_owned() });
    assert_eq!(next(&world.plan, &world.events), Next::Undo(2));
    assert_eq!(world.run(&[]), Next::Over(Outcome::Undone));
    assert_eq!(world.in_force, [false; 4]);
}
