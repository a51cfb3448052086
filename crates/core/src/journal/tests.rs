//! A plan with one step a stage, run through all that can happen to it.

mod probation;

use super::*;
use crate::document::plan::{Act, Expected, PlannedNode, Step, Trial};

const STAGES: [Stage; 5] = [Stage::Prepare, Stage::Watch, Stage::Scaffold, Stage::Arrive, Stage::Commit];

fn plan() -> Plan {
    let expected = |present: &[&str], absent: &[&str]| Expected {
        release: "6.1".to_owned(),
        present: present.iter().map(ToString::to_string).collect(),
        absent: absent.iter().map(ToString::to_string).collect(),
    };
    let step = |stage| Step {
        stage,
        act: Act::Prove { boots: expected(&[], &[]), afterwards: None, files: Vec::new() },
    };
    Plan {
        node: PlannedNode { hostname: "n".to_owned(), machine_id: "m".to_owned(), running: old() },
        advisory: None,
        remedy: None,
        ways: Vec::new(),
        refusals: Vec::new(),
        steps: STAGES.map(step).to_vec(),
        trial: Some(Trial {
            mark: "kernmend.trial=x".to_owned(),
            expected: expected(&["nokmem"], &[]),
            fallback: expected(&[], &["nokmem"]),
            health: Vec::new(),
            health_deadline: 600,
            dead_man: 900,
        }),
        probation: None,
        remarks: Vec::new(),
        report: None,
    }
}

fn running(arguments: &[&str]) -> Running {
    Running { release: "6.1".to_owned(), arguments: arguments.iter().map(ToString::to_string).collect() }
}

fn old() -> Running {
    running(&[])
}

/// A machine that does what it is told: which steps are in force, and what a boot brings up.
struct World {
    plan: Plan,
    events: Vec<Event>,
    boots: usize,
    in_force: [bool; 5],
    trial_dies: bool,
    healthy: bool,
    running: Running,
    booted_trial: usize,
}

impl World {
    fn new(trial_dies: bool, healthy: bool) -> Self {
        let mut world = Self {
            plan: plan(),
            events: Vec::new(),
            boots: 0,
            in_force: [false; 5],
            trial_dies,
            healthy,
            running: old(),
            booted_trial: 0,
        };
        world.booted();
        world
    }

    fn booted(&mut self) {
        self.boots += 1;
        let boot_id = format!("boot {}", self.boots);
        self.events.push(Event::Booted { boot_id, running: self.running.clone() });
    }

    /// What GRUB does: the trial once, while the scaffold stands; else the default.
    fn power_cycle(&mut self) {
        let [_, watch, scaffold, _, commit] = self.in_force;
        if scaffold && self.booted_trial == 0 {
            self.booted_trial += 1;
            if !self.trial_dies {
                self.running = running(&["nokmem", "kernmend.trial=x"]);
                return self.wake(watch);
            }
        }
        self.running = if commit && !scaffold { running(&["nokmem"]) } else { old() };
        self.wake(watch);
    }

    fn wake(&mut self, watch: bool) {
        if watch {
            self.booted();
        }
    }

    /// Does what comes next, or all of it but what is written down last. Says whether it is over.
    fn step(&mut self, is_cut: bool) -> Option<Next> {
        match next(&self.plan, &self.events) {
            Next::Act(step) => self.go(step, Pass::Act, is_cut),
            Next::Undo(step) => self.go(step, Pass::Undo, is_cut),
            Next::Reboot(into) => {
                self.events.push(Event::Rebooting { into });
                if !is_cut {
                    self.power_cycle();
                }
            }
            Next::Judge if is_cut => {}
            Next::Judge => {
                let healthy = self.healthy;
                self.events.push(Event::Judged { healthy, failed: Vec::new(), untold: Vec::new() });
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
        for number in 0..200 {
            let is_cut = cuts.contains(&number);
            if let Some(over) = self.step(is_cut) {
                return over;
            }
            if is_cut {
                let boots = self.boots;
                self.power_cycle();
                if self.boots == boots {
                    // Nobody goes on by himself yet: a person does.
                    self.booted();
                }
            }
        }
        panic!("no end after 200 steps: {:?}", self.events);
    }
}

fn check(trial_dies: bool, healthy: bool, expected: Outcome) {
    let mut clean = World::new(trial_dies, healthy);
    assert_eq!(clean.run(&[]), Next::Over(expected));
    let length = clean.events.len();
    for first in 0..length {
        for second in first..length {
            let mut world = World::new(trial_dies, healthy);
            let end = world.run(&[first, second]);
            let Next::Over(outcome) = end else { panic!("cuts at {first} and {second}: {end:?}") };
            // Whoever loses the power in the trial has not passed it; nobody passes one that he should not.
            assert!(outcome == expected || outcome == Outcome::FellBack, "{first} {second}: {outcome:?}");
            let committed = outcome == Outcome::Committed;
            assert_eq!(world.in_force[0], committed, "what prepares, cuts at {first} and {second}");
            assert_eq!(world.in_force[4], committed, "what commits, cuts at {first} and {second}");
            assert_eq!(world.in_force[1..3], [false, false], "left behind, cuts at {first} and {second}");
            assert_eq!(world.running.arguments.contains(&"nokmem".to_owned()), committed);
            assert!(world.booted_trial <= 1);
        }
    }
}

#[test]
fn a_good_trial_ends_committed_whenever_the_power_goes() {
    check(false, true, Outcome::Committed);
}

#[test]
fn a_trial_that_dies_or_is_unhealthy_falls_back_whenever_the_power_goes() {
    check(true, true, Outcome::FellBack);
    check(false, false, Outcome::FellBack);
}

#[test]
fn what_was_committed_is_rolled_back_whenever_the_power_goes() {
    for cut in 0..12 {
        let mut world = World::new(false, true);
        world.run(&[]);
        // Another boot since, which nobody wrote down.
        world.running = running(&["nokmem"]);
        world.events.push(Event::RollbackAsked);
        world.booted();
        assert_eq!(world.run(&[cut]), Next::Over(Outcome::RolledBack), "cut at {cut}");
        assert_eq!((world.in_force[..3].to_vec(), world.in_force[4]), (vec![false; 3], false));
        assert_eq!(world.running, old());
    }
}

#[test]
fn a_plan_whose_end_was_lost_with_the_power_is_over_all_the_same() {
    let mut world = World::new(false, true);
    while !matches!(next(&world.plan, &world.events), Next::End(_)) {
        assert_eq!(outcome(&world.plan, &world.events), None);
        world.step(false);
    }
    assert_eq!(world.in_force[1..3], [false, false], "nobody is left to go on");
    assert_eq!(outcome(&world.plan, &world.events), Some(Outcome::Committed));
    world.events.push(Event::RollbackAsked);
    assert_eq!(outcome(&world.plan, &world.events), None);
    assert_eq!(world.run(&[]), Next::Over(Outcome::RolledBack));
}

#[test]
fn what_is_asked_back_before_the_trial_is_undone_without_a_reboot() {
    let mut world = World::new(false, true);
    for _ in 0..3 {
        world.step(false);
    }
    world.events.push(Event::RollbackAsked);
    assert_eq!(world.run(&[]), Next::Over(Outcome::Undone));
    assert_eq!((world.boots, world.booted_trial), (1, 0));
}

#[test]
fn a_step_that_fails_before_the_trial_is_undone() {
    let mut world = World::new(false, true);
    world.step(false);
    world.events.push(Event::Started { step: 1, pass: Pass::Act, undo: None });
    world.events.push(Event::Failed { step: 1, pass: Pass::Act, why: "full".to_owned() });
    assert_eq!(next(&world.plan, &world.events), Next::Undo(0));
    assert_eq!(world.run(&[]), Next::Over(Outcome::Undone));
    assert_eq!(world.boots, 1);
}

#[test]
fn what_cant_be_taken_back_is_stuck_until_somebody_asks_again() {
    let mut world = World::new(true, true);
    while !matches!(next(&world.plan, &world.events), Next::Undo(_)) {
        world.step(false);
    }
    let Next::Undo(step) = next(&world.plan, &world.events) else { unreachable!() };
    world.events.push(Event::Started { step, pass: Pass::Undo, undo: None });
    world.events.push(Event::Failed { step, pass: Pass::Undo, why: "read-only".to_owned() });
    let stuck = Next::Stuck(Stuck::Undo { step, why: "read-only".to_owned() });
    assert_eq!(next(&world.plan, &world.events), stuck);
    world.events.push(Event::RollbackAsked);
    assert_eq!(world.run(&[]), Next::Over(Outcome::FellBack));
}

#[test]
fn a_reboot_that_brings_up_the_wrong_kernel_twice_is_stuck() {
    let mut world = World::new(false, false);
    while !matches!(next(&world.plan, &world.events), Next::Reboot(Destination::Old)) {
        world.step(false);
    }
    world.events.push(Event::Rebooting { into: Destination::Old });
    world.booted();
    assert_eq!(next(&world.plan, &world.events), Next::Stuck(Stuck::Boot { into: Destination::Old }));
}

#[test]
fn a_trial_is_ended_by_its_timer_until_it_was_passed() {
    let mut world = World::new(false, true);
    let trial = ["nokmem", "kernmend.trial=x"].map(str::to_owned);
    let check = |world: &World, expected: bool| {
        assert_eq!(is_unpassed(&world.plan, &world.events, &trial), expected, "{:?}", world.events.last());
        assert!(!is_unpassed(&world.plan, &world.events, &["ro".to_owned()]), "another boot is left alone");
    };
    while next(&world.plan, &world.events) != Next::Judge {
        world.step(false);
    }
    check(&world, true);
    world.step(false);
    check(&world, false);
    world.run(&[]);
    check(&world, false);
    let mut unhealthy = World::new(false, false);
    while !matches!(next(&unhealthy.plan, &unhealthy.events), Next::Reboot(Destination::Old)) {
        unhealthy.step(false);
    }
    check(&unhealthy, true);
}
