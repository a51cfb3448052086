//! A process that dies before any of its effects, or in the middle of a line of the journal, with the power or without it;
//! once and twice. Whoever goes on comes to an end that is one of the clean ones, byte for byte. Since every death before a
//! `done` makes the step be done again, and every one before the `done` of an undo that, all of them run twice here.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

use kernmend_core::document::Document;
use kernmend_core::document::journal::Outcome;
use kernmend_core::document::plan::Plan;
use kernmend_node::apply::{ApplyError, Ending};

use super::mortal::{Death, Mortal};
use super::node::{Fate, NEW, Node, Tree};
use super::plan::plan;

/// The clean ends of a plan, and the effects that it takes to come to the one of this fate.
pub(crate) struct Clean {
    fate: Fate,
    /// Makes the node.
    machine: fn(Fate) -> Mortal,
    /// Makes the plan for a node.
    plan: fn(&Node) -> Document<Plan>,
    /// What the boots after a committed plan show.
    shows: (&'static str, &'static str),
    before: Tree,
    committed: Tree,
    effects: Vec<&'static str>,
}

impl Clean {
    fn run(fate: Fate) -> Self {
        Self::of(fate, plan, ("/proc/cmdline", NEW))
    }

    pub(crate) fn of(
        fate: Fate,
        plan: fn(&Node) -> Document<Plan>,
        shows: (&'static str, &'static str),
    ) -> Self {
        Self::on(Mortal::new, fate, plan, shows)
    }

    pub(crate) fn on(
        machine: fn(Fate) -> Mortal,
        fate: Fate,
        plan: fn(&Node) -> Document<Plan>,
        shows: (&'static str, &'static str),
    ) -> Self {
        let mut good = machine(Fate::Good);
        let (before, planned) = (good.node.tree(), plan(&good.node));
        let ending = good.drive(&planned);
        assert_eq!(ending, Ending::Over(Outcome::Committed), "{:#?}", super::ends::events(&good));
        let mut mortal = machine(fate);
        let _ = mortal.drive(&planned);
        let committed = good.node.tree();
        Self { fate, machine, plan, shows, before, committed, effects: mortal.effects }
    }

    fn check(&self, deaths: &[Death]) {
        let mut mortal = (self.machine)(self.fate);
        let plan = (self.plan)(&mortal.node);
        mortal.deaths = deaths.to_vec();
        let ending = mortal.drive(&plan);
        let Ending::Over(outcome) = ending else { panic!("{:?} {deaths:?}: {ending:?}", self.fate) };
        // Who loses the power in the trial hasn't passed it; nobody passes one that he shouldn't.
        let is_possible = match self.fate {
            Fate::Good => matches!(outcome, Outcome::Committed | Outcome::FellBack),
            Fate::Dies | Fate::Unhealthy => outcome == Outcome::FellBack,
        };
        assert!(is_possible, "{:?} {deaths:?}: {outcome:?}", self.fate);
        let expected = if outcome == Outcome::Committed { &self.committed } else { &self.before };
        assert!(
            mortal.node.tree() == *expected,
            "{:?} {deaths:?}: {}",
            self.fate,
            difference(&mortal.node.tree(), expected)
        );
        assert!(mortal.node.trials <= 1, "{:?} {deaths:?}: tried {} times", self.fate, mortal.node.trials);
        assert!(mortal.node.runs_what_it_holds(), "{:?} {deaths:?}", self.fate);
        assert!(mortal.deaths.len() < deaths.len(), "nobody died: {deaths:?}");
        // And it stays so.
        let (path, new) = self.shows;
        mortal.node.boot();
        let is_new = mortal.node.read(path).contains(new);
        assert_eq!(is_new, outcome == Outcome::Committed, "{:?} {deaths:?}", self.fate);
    }
}

impl Clean {
    /// A death before each effect, with the power and without it.
    pub(crate) fn check_all(&self) {
        for (at, act) in self.effects.iter().enumerate() {
            // Only a line is written in a way that can be seen half done.
            let ways = if *act == "append" { 4 } else { 2 };
            for way in 0..ways {
                self.check(&[death(at, way)]);
            }
        }
    }

    /// One death before each `stride`th effect, in all ways in turn.
    pub(crate) fn check_every(&self, stride: usize) {
        for at in (0..self.effects.len()).step_by(stride) {
            self.check(&[death(at, at / stride)]);
        }
    }

    /// So many pairs of deaths, in a fixed order that is spread over all of them.
    pub(crate) fn check_pairs(&self, runs: usize) {
        // Prime, and larger than the number of effects.
        const STRIDE: usize = 7919;
        // Whoever goes on does again what he was at: a second life can end later than the clean run.
        let last = self.effects.len() + 10;
        for run in 0..runs {
            let pair = run * STRIDE % (self.effects.len() * last);
            let (first, second) = (pair / last, pair % last);
            let second = first + 1 + second % (last - first);
            self.check(&[death(first, run % 4), death(second, run / 4 % 4)]);
        }
    }
}

fn difference(is: &Tree, should_be: &Tree) -> String {
    let paths = is.keys().chain(should_be.keys());
    let differing: Vec<&String> = paths.filter(|path| is.get(*path) != should_be.get(*path)).collect();
    format!("{differing:?}")
}

/// With the power or without it, before an effect or in the middle of it.
fn death(at: usize, way: usize) -> Death {
    Death { at, is_power_cut: way & 1 == 1, is_midway: way & 2 == 2 }
}

fn once(fate: Fate) {
    Clean::run(fate).check_all();
}

#[test]
fn a_good_plan_survives_a_death_anywhere() {
    once(Fate::Good);
}

#[test]
fn a_trial_that_dies_survives_a_death_anywhere() {
    once(Fate::Dies);
}

#[test]
fn an_unhealthy_trial_survives_a_death_anywhere() {
    once(Fate::Unhealthy);
}

#[test]
fn a_plan_survives_two_deaths() {
    for fate in [Fate::Good, Fate::Dies, Fate::Unhealthy] {
        Clean::run(fate).check_pairs(120);
    }
}

#[test]
fn a_journal_that_cant_be_written_stops_everything_and_loses_nothing() {
    for fate in [Fate::Good, Fate::Unhealthy] {
        let clean = Clean::run(fate);
        let mut failures = 0;
        for at in 0..clean.effects.len() {
            let mut mortal = Mortal::new(fate);
            let plan = plan(&mortal.node);
            mortal.fails = Box::new(move |act, _, number| {
                (act == "append" && number == at).then_some(ErrorKind::StorageFull)
            });
            let mut is_full = false;
            let ending = mortal.drive_by(|mortal| {
                let result = if mortal.node.has("/var/lib/kernmend/journal") {
                    mortal.resume()
                } else {
                    mortal.start(&plan)
                };
                match result {
                    Err(ApplyError::Store(error)) => {
                        let said = error.to_string();
                        assert_eq!(said, "append `/var/lib/kernmend/journal`");
                        assert_eq!(mortal.after_failure.take(), Some(0), "something was done nevertheless");
                        is_full = true;
                        mortal.resume()
                    }
                    result => result,
                }
            });
            failures += usize::from(is_full);
            let expected = match fate {
                Fate::Good => (Ending::Over(Outcome::Committed), &clean.committed),
                _ => (Ending::Over(Outcome::FellBack), &clean.before),
            };
            assert!((ending, &mortal.node.tree()) == expected, "full at {at}");
        }
        assert!(failures > 20, "{failures}");
    }
}

#[test]
fn a_last_line_that_is_torn_anywhere_is_as_if_never_written() {
    let clean = Clean::run(Fate::Good);
    let journal = "/var/lib/kernmend/journal";
    let stopped = |at| {
        let mut mortal = Mortal::new(Fate::Good);
        let plan = plan(&mortal.node);
        mortal.deaths = vec![death(at, 0)];
        let died = catch_unwind(AssertUnwindSafe(|| mortal.start(&plan)));
        assert!(died.is_err(), "nobody died before {at}");
        (mortal, plan)
    };
    let lines = |mortal: &Mortal| {
        if mortal.node.has(journal) { mortal.node.read(journal).lines().count() } else { 0 }
    };
    // Where the first step was begun, and where it was done: the effect that follows the line has not happened.
    for wanted in [3, 4] {
        let at = (0..clean.effects.len()).find(|at| lines(&stopped(*at).0) == wanted).unwrap();
        let (mortal, _) = stopped(at);
        let text = mortal.node.read(journal);
        let begins = text.trim_end().rfind('\n').unwrap() + 1;
        for cut in begins..text.len() {
            let (mut mortal, plan) = stopped(at);
            mortal.node.write(journal, &text[..cut]);
            assert_eq!(mortal.drive(&plan), Ending::Over(Outcome::Committed), "cut at {cut}");
            assert!(mortal.node.tree() == clean.committed, "cut at {cut}");
        }
    }
}
