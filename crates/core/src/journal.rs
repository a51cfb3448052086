//! What comes next in a plan, by what its journal says: one function, for a fresh run, for one that a crash or a reboot
//! cut off, and for taking things back. It decides and does nothing.

use crate::document::journal::{Destination, Event, Outcome, Pass};
use crate::document::plan::{Plan, Running, Stage};

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Do this step.
    Act(usize),
    /// Take this step back.
    Undo(usize),
    /// Reboot.
    Reboot(Destination),
    /// Hold the node against the plan's checks.
    Judge,
    /// Say that it is over.
    End(Outcome),
    /// It is over.
    Over(Outcome),
    /// A step can't be taken back, or a reboot doesn't bring up what it should: a person has to look.
    Stuck(Stuck),
}

/// Why nothing can be done any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stuck {
    /// This step can't be taken back.
    Undo {
        /// Its number in the plan.
        step: usize,
        /// What stood in the way.
        why: String,
    },
    /// A reboot brought up something else.
    Boot {
        /// What should have come up.
        into: Destination,
    },
}

/// What comes next.
///
/// The order is: what prepares, the watch and the scaffold; the trial boot, what is done on arrival, the judgement; what
/// commits, the scaffold and the watch down. Without a trial, but on probation, it is: what prepares and the watch, a reboot
/// where the plan has one, the judgement, and on as before. From any failure on it is the way back: what commits is taken
/// back, the old kernel is booted, the scaffold comes down, what prepares is taken back, the watch comes down.
#[must_use]
pub fn next(plan: &Plan, events: &[Event]) -> Next {
    SoFar::of(plan, events).next()
}

/// Whether the journal's plan has come to its end, one way or the other. It has where nothing is left but to say so: the
/// power may have gone just then, and by then nothing stands any more that would go on after it.
#[must_use]
pub fn outcome(plan: &Plan, events: &[Event]) -> Option<Outcome> {
    match next(plan, events) {
        Next::Over(outcome) | Next::End(outcome) => Some(outcome),
        _ => None,
    }
}

/// Whether a plan that was committed or is under way can be taken back.
#[must_use]
pub fn can_be_taken_back(plan: &Plan, events: &[Event]) -> bool {
    matches!(outcome(plan, events), None | Some(Outcome::Committed))
}

/// Whether the trial is known to have been booted, or to be what runs now.
#[must_use]
pub fn is_tried(plan: &Plan, events: &[Event], running: &Running) -> bool {
    let mut so_far = SoFar::of(plan, events);
    let is_asked = events.contains(&Event::Rebooting { into: Destination::Trial });
    so_far.running = Some(running);
    is_asked || so_far.arrived || so_far.is_marked()
}

/// Whether a boot with these arguments is the plan's trial and nobody has passed it: the dead man's timer ends that. One that
/// was passed is left to what commits it, however long that takes.
#[must_use]
pub fn is_unpassed(plan: &Plan, events: &[Event], arguments: &[String]) -> bool {
    let is_trial = plan.trial.as_ref().is_some_and(|trial| arguments.contains(&trial.mark));
    let so_far = SoFar::of(plan, events);
    is_trial && so_far.judged != Some(true) && so_far.outcome.is_none()
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Not begun.
    Before,
    /// Begun, or done.
    Touched {
        /// Whether it is known to be done.
        done: bool,
    },
    /// Taken back.
    Back,
}

/// What stands before a trial, a reboot or a judgement.
const AHEAD: [Stage; 3] = [Stage::Prepare, Stage::Watch, Stage::Scaffold];

struct SoFar<'a> {
    plan: &'a Plan,
    steps: Vec<Standing>,
    running: Option<&'a Running>,
    /// What the last reboot was for, and whether another boot was seen since.
    reboot: Option<(Destination, bool)>,
    /// Whether the trial came up at all.
    arrived: bool,
    /// Whether something else came up when it should have.
    missed: bool,
    /// Whether there was a boot since all stood that stands before one, whoever asked for it.
    is_anew: bool,
    judged: Option<bool>,
    act_failed: bool,
    undo_failed: Option<(usize, String)>,
    /// Whether a rollback was asked for, and whether that was after the plan was committed.
    asked: Option<bool>,
    outcome: Option<Outcome>,
}

impl<'a> SoFar<'a> {
    fn of(plan: &'a Plan, events: &'a [Event]) -> Self {
        let mut so_far = Self {
            plan,
            steps: vec![Standing::Before; plan.steps.len()],
            running: None,
            reboot: None,
            arrived: false,
            missed: false,
            is_anew: false,
            judged: None,
            act_failed: false,
            undo_failed: None,
            asked: None,
            outcome: None,
        };
        let mut boot = None;
        for event in events {
            match event {
                Event::Booted { boot_id, running } => {
                    let is_another = boot.replace(boot_id).is_some_and(|before| before != boot_id);
                    so_far.booted(running, is_another);
                }
                Event::Started { step, pass, .. } => so_far.step(*step, *pass, false),
                Event::Done { step, pass } => so_far.step(*step, *pass, true),
                Event::Failed { step, pass: Pass::Undo, why } => {
                    so_far.undo_failed = Some((*step, why.clone()));
                }
                Event::Failed { .. } => so_far.act_failed = true,
                Event::Rebooting { into } => so_far.reboot = Some((*into, false)),
                Event::Judged { healthy, .. } => so_far.judged = Some(*healthy),
                Event::RollbackAsked => {
                    // Asked again it is one more try, also of what could not be taken back.
                    so_far.undo_failed = None;
                    let was_committed = so_far.is_committed();
                    so_far.outcome = None;
                    so_far.asked = Some(so_far.asked.unwrap_or(false) || was_committed);
                }
                Event::Evidence { .. } => {}
                Event::Ended { outcome } => so_far.outcome = Some(*outcome),
            }
        }
        so_far
    }

    fn next(&self) -> Next {
        if let Some(outcome) = self.outcome {
            return Next::Over(outcome);
        }
        if let Some((step, why)) = &self.undo_failed {
            return Next::Stuck(Stuck::Undo { step: *step, why: why.clone() });
        }
        if self.turns_back() { self.back() } else { self.forward() }
    }

    /// Whether it is committed, and nothing is left but to say so at most.
    fn is_committed(&self) -> bool {
        matches!(self.next(), Next::Over(Outcome::Committed) | Next::End(Outcome::Committed))
    }

    fn booted(&mut self, running: &'a Running, is_another: bool) {
        self.running = Some(running);
        if let Some((_, seen)) = &mut self.reboot {
            *seen |= is_another;
        }
        self.is_anew |= is_another && self.done(&AHEAD).is_none();
        if self.judged.is_some() {
            return;
        }
        if self.is_marked() {
            // Also when nobody wrote down that he would reboot, and once more where GRUB's write was lost with the power.
            self.arrived = true;
        } else if self.arrived || self.reboot == Some((Destination::Trial, true)) {
            self.missed = true;
        }
    }

    /// Whether what runs is the trial boot.
    fn is_marked(&self) -> bool {
        let mark = self.plan.trial.as_ref().map(|trial| &trial.mark);
        mark.zip(self.running).is_some_and(|(mark, running)| running.arguments.contains(mark))
    }

    fn step(&mut self, step: usize, pass: Pass, done: bool) {
        let Some(standing) = self.steps.get_mut(step) else { return };
        *standing = match (pass, done) {
            (Pass::Act, done) => Standing::Touched { done },
            (Pass::Undo, false) => Standing::Touched { done: true },
            (Pass::Undo, true) => Standing::Back,
        };
    }

    fn turns_back(&self) -> bool {
        self.act_failed || self.missed || self.judged == Some(false) || self.asked.is_some()
    }

    fn of_stage(&self, stages: &[Stage]) -> impl DoubleEndedIterator<Item = usize> {
        let stages = stages.to_vec();
        let steps = self.plan.steps.iter().enumerate();
        steps.filter(move |(_, step)| stages.contains(&step.stage)).map(|(index, _)| index)
    }

    fn undone(&self, stages: &[Stage]) -> Option<Next> {
        // The last that was touched first.
        let is_touched = |index: &usize| matches!(self.steps[*index], Standing::Touched { .. });
        self.of_stage(stages).rev().find(is_touched).map(Next::Undo)
    }

    fn done(&self, stages: &[Stage]) -> Option<Next> {
        let is_open = |index: &usize| self.steps[*index] != Standing::Touched { done: true };
        self.of_stage(stages).find(is_open).map(Next::Act)
    }

    /// Whether what runs is what the way forward, or the way back, ends on.
    fn is_running(&self, into: Destination) -> bool {
        let (Some(trial), Some(running)) = (&self.plan.trial, self.running) else { return true };
        match into {
            Destination::Trial | Destination::New | Destination::Anew => trial.expected.is(running),
            Destination::Old => trial.fallback.is(running) && !self.is_marked(),
        }
    }

    /// A reboot with somebody there to go on after it, unless it was tried and brought up something else.
    fn reboot(&self, into: Destination) -> Next {
        match self.reboot {
            Some((last, true)) if last == into => Next::Stuck(Stuck::Boot { into }),
            _ => self.done(&[Stage::Watch]).unwrap_or(Next::Reboot(into)),
        }
    }

    fn forward(&self) -> Next {
        match (&self.plan.trial, &self.plan.probation, self.judged) {
            (Some(_), _, None) if self.arrived => {
                return self.done(&[Stage::Arrive]).unwrap_or(Next::Judge);
            }
            (Some(_), _, None) => return self.done(&AHEAD).unwrap_or(Next::Reboot(Destination::Trial)),
            (None, Some(probation), None) => {
                let is_due = probation.reboots && !self.is_anew;
                let proof = || if is_due { self.reboot(Destination::Anew) } else { Next::Judge };
                return self.done(&AHEAD).unwrap_or_else(proof);
            }
            (None, None, _) => {
                if let Some(next) = self.done(&[Stage::Prepare]) {
                    return next;
                }
            }
            (Some(_), _, Some(_)) | (None, Some(_), Some(_)) => {}
        }
        if let Some(next) = self.done(&[Stage::Commit]).or_else(|| self.undone(&[Stage::Scaffold])) {
            return next;
        }
        // The power may have gone between the judgement and the new default.
        if !self.is_running(Destination::New) {
            return self.reboot(Destination::New);
        }
        self.undone(&[Stage::Watch]).unwrap_or(Next::End(Outcome::Committed))
    }

    fn back(&self) -> Next {
        if let Some(next) = self.undone(&[Stage::Commit]) {
            return next;
        }
        if !self.is_running(Destination::Old) {
            return self.reboot(Destination::Old);
        }
        let down = self.undone(&[Stage::Scaffold]).or_else(|| self.undone(&[Stage::Prepare]));
        down.or_else(|| self.undone(&[Stage::Watch])).unwrap_or(Next::End(match self.asked {
            Some(true) => Outcome::RolledBack,
            _ if self.arrived || self.missed || self.judged == Some(false) => Outcome::FellBack,
            Some(false) | None => Outcome::Undone,
        }))
    }
}

#[cfg(test)]
mod tests;
