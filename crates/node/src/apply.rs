//! Runs a plan on a node: does what the journal says comes next, writes down what it is about to do before it does it,
//! and goes on from whatever a crash or a reboot left. What comes next is decided by `kernmend_core::journal`; the
//! steps are in a file each; all effects are [`Machine`]'s.

mod attempt;
mod container;
mod environment;
mod evidence;
mod file;
mod health;
mod keep;
mod menu;
mod program;
mod prove;
mod unit;

use std::time::Duration;

use kernmend_core::document::journal::{Destination, Event, FailedCheck, Outcome, Pass, Undo};
use kernmend_core::document::plan::{Act, Plan, Running, Stage, Step};
use kernmend_core::document::{Digest, Document};
use kernmend_core::format::kernel::arguments;
use kernmend_core::journal::{self, Next, Stuck};
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_core::plan::check::{Problem, check};

use self::prove::View;
use crate::host::{Host, OpenRootError};
use crate::machine::{Machine, MachineError, Output, Program, Reboot};
use crate::store::{Store, StoreError};

/// Marks a trial boot on its command line, whichever plan it is of; the plan's digest follows.
const MARK: &str = "kernmend.trial=";

/// The small files of `/proc` that are looked at.
const SMALL: usize = 64 * 1024;

/// What it takes to run a plan.
pub struct Apply<'a, M> {
    /// What is changed.
    pub machine: &'a mut M,
    /// Opens what is read, anew for each look: between two of them the machine changes.
    pub host: &'a dyn Fn() -> Result<Host<'a>, OpenRootError>,
    /// What faults are known by.
    pub knowledge: &'a KnowledgeBase,
    /// How it is run.
    pub options: Options,
    /// Is told what happens.
    pub progress: &'a mut dyn FnMut(Progress<'_>),
}

/// How a plan is run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether to leave reboots to a person.
    pub no_reboot: bool,
    /// How long the generator of a boot menu may take. It asks all disks for other systems.
    pub generator: Duration,
    /// How long a unit may take to stop and to start: systemd gives each half of it 90 seconds.
    pub unit: Duration,
    /// How long each program of a check may take.
    pub check: Duration,
    /// How long is waited before checks that failed are made again.
    pub pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            no_reboot: false,
            generator: Duration::from_secs(300),
            unit: Duration::from_secs(240),
            check: Duration::from_secs(30),
            pause: Duration::from_secs(1),
        }
    }
}

/// What a run is at.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// This was written to the journal.
    Written(&'a Event),
    /// These checks don't hold yet.
    Waiting(&'a [FailedCheck]),
}

/// Where a run stands when it returns.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "it may be stuck"]
pub enum Ending {
    /// The plan came to its end.
    Over(Outcome),
    /// A person has to look.
    Stuck(Stuck),
    /// The machine goes down, and what goes on after it stands.
    Rebooting(Destination),
    /// A person has to reboot it, and what goes on after that stands.
    RebootByHand(Destination),
}

/// Why a run was not begun, or had to stop where it was. What was done until then is in the journal.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The plan says itself that it may not start.
    #[error("the plan has {0} refusals")]
    Refused(usize),
    /// There is nothing in it to be done.
    #[error("the plan has no steps")]
    Empty,
    /// It breaks rules that a plan has to keep, whoever made it.
    #[error("the plan breaks {} rules: {}", .0.len(), .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Unsafe(Vec<Problem>),
    /// It is for another node.
    #[error("the plan is for the machine `{planned}`, and this is `{here}`")]
    OtherNode {
        /// The machine id of the plan.
        planned: String,
        /// The machine id here.
        here: String,
    },
    /// What runs isn't what ran when the plan was made.
    #[error("the plan was made while `{planned}` ran, and now `{here}` runs")]
    OtherKernel {
        /// Release and arguments then.
        planned: String,
        /// Release and arguments now.
        here: String,
    },
    /// There is no plan to go on with.
    #[error("no plan is under way")]
    NothingUnderWay,
    /// There is nothing to take back.
    #[error("there is nothing to take back: the last plan ended as {0:?}")]
    NothingToTakeBack(Outcome),
    /// Which boot this is can't be told.
    #[error("`{path}` can't be read: {why}")]
    Unreadable {
        /// The file.
        path: &'static str,
        /// What stands in the way.
        why: String,
    },
    /// The machine can't be read.
    #[error(transparent)]
    Root(#[from] OpenRootError),
    /// The store can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The machine doesn't reboot. It is safe to reboot it by hand.
    #[error(transparent)]
    Reboot(MachineError),
}

impl<M: Machine> Apply<'_, M> {
    /// Begins a plan, or goes on with it where it was begun before.
    ///
    /// # Errors
    /// It may not start, and nothing was touched; or it had to stop.
    pub fn start(self, plan: &Document<Plan>) -> Result<Ending, ApplyError> {
        let is_under_way = self.may_start(plan)?;
        let mut store = Store::open(self.machine)?;
        if !is_under_way {
            store.begin(self.machine, plan)?;
        }
        Runner::new(self, store)?.go()
    }

    /// Whether a plan that may start is under way already.
    ///
    /// # Errors
    /// It may not start.
    pub fn may_start(&self, plan: &Document<Plan>) -> Result<bool, ApplyError> {
        let body = &plan.body;
        if !body.refusals.is_empty() {
            return Err(ApplyError::Refused(body.refusals.len()));
        }
        if body.steps.is_empty() {
            return Err(ApplyError::Empty);
        }
        let problems = check(body);
        if !problems.is_empty() {
            return Err(ApplyError::Unsafe(problems));
        }
        self.is_here(body)?;
        let is_under_way = Store::look(self.machine)?.is_some_and(|journal| {
            let events: Vec<Event> = journal.events().cloned().collect();
            journal.plan.digest() == plan.digest() && journal::outcome(body, &events).is_none()
        });
        if !is_under_way {
            let (planned, here) = (&body.node.running, self.running()?);
            if *planned != here {
                return Err(ApplyError::OtherKernel { planned: line(planned), here: line(&here) });
            }
        }
        Ok(is_under_way)
    }

    /// Goes on with the plan that is under way.
    ///
    /// # Errors
    /// There is none, or it had to stop.
    pub fn resume(self) -> Result<Ending, ApplyError> {
        let store = Store::open(self.machine)?;
        let runner = Runner::new(self, store)?;
        runner.apply.is_here(&runner.plan)?;
        runner.go()
    }

    /// Takes back the plan that is under way or was run last. Asked again it is one more try.
    ///
    /// # Errors
    /// There is nothing to take back, or it had to stop.
    pub fn roll_back(self) -> Result<Ending, ApplyError> {
        let store = Store::open(self.machine)?;
        let mut runner = Runner::new(self, store)?;
        runner.apply.is_here(&runner.plan)?;
        if let Some(outcome) = journal::outcome(&runner.plan, runner.events())
            && !journal::can_be_taken_back(&runner.plan, runner.events())
        {
            return Err(ApplyError::NothingToTakeBack(outcome));
        }
        runner.log(Event::RollbackAsked)?;
        runner.go()
    }

    fn is_here(&self, plan: &Plan) -> Result<(), ApplyError> {
        let here = self.small("/etc/machine-id")?;
        if here != plan.node.machine_id {
            return Err(ApplyError::OtherNode { planned: plan.node.machine_id.clone(), here });
        }
        Ok(())
    }

    /// What runs. It is read as a snapshot reads it, which is what plans are made from.
    fn running(&self) -> Result<Running, ApplyError> {
        let host = (self.host)()?;
        let read = |path: &'static str| {
            let fact = host.text(path, SMALL);
            let why = || format!("{fact:?}");
            fact.value().cloned().ok_or_else(|| ApplyError::Unreadable { path, why: why() })
        };
        Ok(Running {
            release: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            arguments: arguments(&read("/proc/cmdline")?),
        })
    }

    fn small(&self, path: &'static str) -> Result<String, ApplyError> {
        let unreadable = |why| ApplyError::Unreadable { path, why };
        let bytes = self.machine.read(path, SMALL).map_err(|error| unreadable(error.line()))?;
        let text = String::from_utf8(bytes.ok_or_else(|| unreadable("there is no such file".to_owned()))?);
        Ok(text.map_err(|error| unreadable(error.to_string()))?.trim().to_owned())
    }
}

/// A plan that is being run.
struct Runner<'a, M> {
    apply: Apply<'a, M>,
    store: Store,
    plan: Plan,
}

/// Why a step could not be done.
enum Halt {
    /// It fails, which the journal is told: the way back begins.
    Step(String),
    /// The journal can't be written. Whatever is done from here on would not be known.
    Journal(StoreError),
}

impl From<MachineError> for Halt {
    fn from(error: MachineError) -> Self {
        Self::Step(error.line())
    }
}

impl Halt {
    /// What is kept can't be kept, or isn't there: that is the step's failure.
    fn kept(error: StoreError) -> Self {
        match error {
            StoreError::Machine(error) => error.into(),
            error => Self::Step(error.to_string()),
        }
    }
}

impl<'a, M: Machine> Runner<'a, M> {
    fn new(apply: Apply<'a, M>, store: Store) -> Result<Self, ApplyError> {
        let plan = store.current().ok_or(ApplyError::NothingUnderWay)?.plan.body.clone();
        Ok(Self { apply, store, plan })
    }

    fn events(&self) -> &[Event] {
        self.store.current().map_or(&[], |current| &current.events)
    }

    fn log(&mut self, event: Event) -> Result<(), StoreError> {
        self.store.append(self.apply.machine, event)?;
        if let Some(event) = self.store.current().and_then(|current| current.events.last()) {
            (self.apply.progress)(Progress::Written(event));
        }
        Ok(())
    }

    fn go(mut self) -> Result<Ending, ApplyError> {
        self.note_boot()?;
        if evidence::is_due(&self.plan, self.events()) {
            let files = evidence::keep(&mut self);
            self.log(Event::Evidence { files })?;
        }
        loop {
            match journal::next(&self.plan, self.events()) {
                Next::Act(step) => self.step(step, Pass::Act)?,
                Next::Undo(step) => self.step(step, Pass::Undo)?,
                Next::Judge => {
                    let judged = health::judge(&mut self);
                    self.log(judged)?;
                }
                Next::Reboot(into) => {
                    if self.is_proven_for(into)? {
                        return self.reboot(into);
                    }
                }
                Next::End(outcome) => self.log(Event::Ended { outcome })?,
                Next::Over(outcome) => return Ok(Ending::Over(outcome)),
                Next::Stuck(stuck) => return Ok(Ending::Stuck(stuck)),
            }
        }
    }

    /// Writes down which boot this is, where that isn't known yet.
    fn note_boot(&mut self) -> Result<(), ApplyError> {
        let boot_id = self.apply.small("/proc/sys/kernel/random/boot_id")?;
        let last = self.events().iter().rev().find_map(|event| match event {
            Event::Booted { boot_id, .. } => Some(boot_id),
            _ => None,
        });
        if last != Some(&boot_id) {
            let running = self.apply.running()?;
            if !journal::is_tried(&self.plan, self.events(), &running) && environment::is_spent(self) {
                self.log(Event::Rebooting { into: Destination::Trial })?;
            }
            self.log(Event::Booted { boot_id, running })?;
        }
        Ok(())
    }

    /// Does a step, or takes it back, and writes down what came of it.
    fn step(&mut self, step: usize, pass: Pass) -> Result<(), StoreError> {
        let act = self.plan.steps[step].act.clone();
        let result = match (pass, &act) {
            (Pass::Act, Act::File { path, before, content, mode }) => {
                file::act(self, step, path, before.as_ref(), content.as_deref(), *mode)
            }
            (Pass::Act, Act::Environment { block, variables }) => {
                environment::act(self, step, block, variables)
            }
            (Pass::Act, Act::Menu { generator, menu, boots }) => {
                let view = View::of(self.plan.steps[step].stage);
                menu::act(self, step, generator, menu, (boots, view))
            }
            (Pass::Act, Act::Prove { boots, afterwards, files }) => {
                self.starts(step, pass, None).and_then(|()| {
                    let view = View::of(self.plan.steps[step].stage);
                    prove::holds(self, view, boots, afterwards.as_ref(), files).map_err(Halt::Step)
                })
            }
            (Pass::Act, Act::Keep { source, content }) => keep::act(self, step, source, content),
            (Pass::Act, Act::Try { program, content, unaccounted }) => {
                attempt::act(self, step, program, content, *unaccounted)
            }
            (Pass::Act, Act::Unit { name, active }) => unit::act(self, step, name, *active),
            (Pass::Act, Act::Program { path, before, after }) => {
                program::act(self, step, path, (before, after))
            }
            (Pass::Undo, _) => self.starts(step, pass, None).and_then(|()| match &act {
                Act::File { path, .. } => file::undo(self, step, path),
                Act::Environment { block, .. } => environment::undo(self, step, block),
                Act::Menu { menu, .. } => menu::undo(self, step, menu),
                Act::Keep { content, .. } => keep::undo(self, content),
                Act::Unit { name, .. } => unit::undo(self, step, name),
                Act::Program { path, before, after } => program::undo(self, path, (before, after)),
                Act::Prove { .. } | Act::Try { .. } => Ok(()),
            }),
        };
        match result {
            Ok(()) => self.log(Event::Done { step, pass }),
            Err(Halt::Step(why)) => self.log(Event::Failed { step, pass, why }),
            Err(Halt::Journal(error)) => Err(error),
        }
    }

    /// Writes down that a step is about to be gone.
    fn starts(&mut self, step: usize, pass: Pass, undo: Option<Undo>) -> Result<(), Halt> {
        self.log(Event::Started { step, pass, undo }).map_err(Halt::Journal)
    }

    /// What was written down to take this step back since it was taken back last, oldest first. Whoever does a step once
    /// more finds what he did himself, which is no state to go back to.
    fn undos(&self, step: usize) -> Vec<Undo> {
        let mut found = Vec::new();
        for event in self.events() {
            match event {
                Event::Started { step: of, pass: Pass::Act, undo } if *of == step => {
                    found.extend(undo.clone());
                }
                Event::Done { step: of, pass: Pass::Undo } if *of == step => found.clear(),
                _ => {}
            }
        }
        found
    }

    /// Before a trial everything that was proven is proven once more: minutes may have passed, and others work here too.
    fn is_proven_for(&mut self, into: Destination) -> Result<bool, StoreError> {
        if into != Destination::Trial {
            return Ok(true);
        }
        for step in 0..self.plan.steps.len() {
            let Step { stage, act } = self.plan.steps[step].clone();
            let Act::Prove { boots, afterwards, files } = act else { continue };
            // What is proven at the end doesn't hold yet.
            if stage == Stage::Commit {
                continue;
            }
            if let Err(why) = prove::holds(self, View::of(stage), &boots, afterwards.as_ref(), &files) {
                self.log(Event::Failed { step, pass: Pass::Act, why })?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn reboot(mut self, into: Destination) -> Result<Ending, ApplyError> {
        self.log(Event::Rebooting { into })?;
        if self.apply.options.no_reboot {
            return Ok(Ending::RebootByHand(into));
        }
        self.apply.machine.reboot(Reboot::Orderly).map_err(ApplyError::Reboot)?;
        Ok(Ending::Rebooting(into))
    }

    /// The machine's digest of a file, with its content.
    fn current(&self, path: &str) -> Result<Option<(Digest, Vec<u8>)>, Halt> {
        let content = self.apply.machine.read(path, crate::store::MAX_KEPT)?;
        Ok(content.map(|content| (Digest::of(&content), content)))
    }
}

/// What is told of a program that fails.
const MAX_WORDS: usize = 1000;

/// Says that a program didn't end well, with the end of what it said.
fn ended(program: &Program, Output { code, text }: &Output) -> String {
    let code = code.map_or_else(|| "by a signal".to_owned(), |code| format!("with {code}"));
    format!("`{}` ended {code}: {}", program.name(), menu::last(text, MAX_WORDS))
}

/// What runs in one line, for a message.
fn line(running: &Running) -> String {
    format!("{} {}", running.release, running.arguments.join(" "))
}

/// Reboots a trial that didn't come to its end in time, whatever it is at, and says whether it did. It writes nothing: a run
/// may be at work beside it, and that this boot came to nothing shows in the next one.
///
/// # Errors
/// The boot's arguments can't be read, or nothing brings the machine down.
pub fn dead_man(machine: &mut impl Machine) -> Result<bool, MachineError> {
    let line = machine.read("/proc/cmdline", SMALL)?.unwrap_or_default();
    let arguments = arguments(&String::from_utf8_lossy(&line));
    if !arguments.iter().any(|argument| argument.starts_with(MARK)) {
        return Ok(false);
    }
    // A journal that can't be read is one more reason: nothing else would end this boot.
    if let Ok(Some(journal)) = Store::look(machine) {
        let events: Vec<Event> = journal.events().cloned().collect();
        if !journal::is_unpassed(&journal.plan.body, &events, &arguments) {
            return Ok(false);
        }
    }
    machine.reboot(Reboot::AtOnce)?;
    Ok(true)
}
