//! A machine that can be killed, or fail, at any of its effects; and what runs a plan on it to the end, however often it is
//! killed on the way.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::LazyLock;
use std::time::Duration;

use kernmend_core::document::plan::Plan;
use kernmend_core::document::{Digest, Document};
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_node::apply::{Apply, ApplyError, Ending, Options, dead_man};
use kernmend_node::host::Host;
use kernmend_node::machine::{Live, Lock, LockError, Machine, MachineError, Output, Program, Reboot, Status};

use super::node::{BROKEN, Fate, Node};

pub(crate) static KNOWLEDGE: LazyLock<KnowledgeBase> = LazyLock::new(KnowledgeBase::embedded);

/// An effect that fails: the name of the verb, its subject, and the number of the effect.
type Fails = Box<dyn Fn(&str, &str, usize) -> Option<io::ErrorKind>>;

/// When a process dies, and what dies with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Death {
    /// Before this effect, counted over all processes. Between two effects nothing changes: after one is before the next.
    pub(crate) at: usize,
    /// Whether the effect is half done: of a line in the journal a half is written.
    pub(crate) is_midway: bool,
    /// Whether the power goes, and with it what runs.
    pub(crate) is_power_cut: bool,
}

pub(crate) struct Mortal {
    pub(crate) node: Node,
    live: Live,
    /// The verbs of all effects so far.
    pub(crate) effects: Vec<&'static str>,
    pub(crate) deaths: Vec<Death>,
    pub(crate) fails: Fails,
    /// Effects since one failed.
    pub(crate) after_failure: Option<usize>,
    pub(crate) no_reboot: bool,
    pub(crate) reboots: Vec<Reboot>,
    /// What generators write instead of what the settings say.
    pub(crate) menu: Option<String>,
}

/// What a process is to do.
#[derive(Clone, Copy)]
enum Task<'p> {
    Start(&'p Document<Plan>),
    Resume,
    RollBack,
}

struct Killed;

impl Mortal {
    pub(crate) fn new(fate: Fate) -> Self {
        Self::of(Node::new(fate))
    }

    /// A node with a kubelet and a container runtime.
    pub(crate) fn with_runtimes(fate: Fate) -> Self {
        Self::of(Node::new(fate).with_runtimes())
    }

    fn of(node: Node) -> Self {
        Self {
            live: Live::directory(node.root()).unwrap(),
            node,
            effects: Vec::new(),
            deaths: Vec::new(),
            fails: Box::new(|_, _, _| None),
            after_failure: None,
            no_reboot: false,
            reboots: Vec::new(),
            menu: None,
        }
    }

    /// One run of one process.
    fn process(&mut self, task: Task<'_>) -> Result<Ending, ApplyError> {
        let root = self.node.root().to_owned();
        let host = move || Host::directory(&root, &KNOWLEDGE.signals);
        let options = Options { no_reboot: self.no_reboot, ..Options::default() };
        let apply =
            Apply { machine: self, host: &host, knowledge: &KNOWLEDGE, options, progress: &mut |_| () };
        match task {
            Task::Start(plan) => apply.start(plan),
            Task::Resume => apply.resume(),
            Task::RollBack => apply.roll_back(),
        }
    }

    pub(crate) fn start(&mut self, plan: &Document<Plan>) -> Result<Ending, ApplyError> {
        self.process(Task::Start(plan))
    }

    pub(crate) fn resume(&mut self) -> Result<Ending, ApplyError> {
        self.process(Task::Resume)
    }

    pub(crate) fn roll_back(&mut self) -> Result<Ending, ApplyError> {
        self.process(Task::RollBack)
    }

    pub(crate) fn dead_man(&mut self) -> bool {
        dead_man(self).unwrap()
    }

    /// Whoever finds a plan that is under way goes on with it: the unit after a boot, a person otherwise.
    fn go_on(&mut self, plan: &Document<Plan>) -> Result<Ending, ApplyError> {
        if self.node.has("/var/lib/kernmend/journal") { self.resume() } else { self.start(plan) }
    }

    /// Runs to the end through all deaths and reboots.
    pub(crate) fn drive(&mut self, plan: &Document<Plan>) -> Ending {
        self.drive_by(|mortal| mortal.go_on(plan))
    }

    /// The same, where the first process does something else than to go on.
    pub(crate) fn drive_by(
        &mut self,
        mut run: impl FnMut(&mut Self) -> Result<Ending, ApplyError>,
    ) -> Ending {
        for _ in 0..30 {
            let died = self.deaths.first().copied();
            match catch_unwind(AssertUnwindSafe(|| run(self))) {
                Ok(Ok(Ending::Rebooting(_))) => self.node.boot(),
                Ok(Ok(ending)) => return ending,
                Ok(Err(error)) => panic!("{error:?}"),
                Err(payload) if payload.is::<Killed>() => {
                    if died.is_some_and(|death| death.is_power_cut) || self.node.is_rebooting {
                        self.node.boot();
                    }
                }
                Err(payload) => resume_unwind(payload),
            }
        }
        panic!("no end");
    }

    /// Counts an effect, and dies or fails before it.
    fn effect(
        &mut self,
        act: &'static str,
        subject: &str,
        half: impl FnOnce(&mut Live),
    ) -> Result<(), MachineError> {
        let number = self.effects.len();
        self.effects.push(act);
        if self.deaths.first().is_some_and(|death| death.at == number) {
            let death = self.deaths.remove(0);
            if death.is_midway {
                half(&mut self.live);
            }
            resume_unwind(Box::new(Killed));
        }
        if let Some(after) = &mut self.after_failure {
            *after += 1;
        }
        match (self.fails)(act, subject, number) {
            Some(kind) => {
                self.after_failure = Some(0);
                half(&mut self.live);
                Err(MachineError::new(act, subject, kind))
            }
            None => Ok(()),
        }
    }
}

impl Machine for Mortal {
    fn read(&self, path: &str, max: usize) -> Result<Option<Vec<u8>>, MachineError> {
        self.live.read(path, max)
    }

    fn digest(&self, path: &str) -> Result<Option<Digest>, MachineError> {
        self.live.digest(path)
    }

    fn status(&self, path: &str) -> Result<Option<Status>, MachineError> {
        self.live.status(path)
    }

    fn is_directory(&self, path: &str) -> Result<bool, MachineError> {
        self.live.is_directory(path)
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, MachineError> {
        self.live.list(directory)
    }

    fn make_directory(&mut self, path: &str, mode: u32) -> Result<(), MachineError> {
        self.effect("make", path, |_| ())?;
        self.live.make_directory(path, mode)
    }

    fn remove_directory(&mut self, path: &str) -> Result<(), MachineError> {
        self.effect("remove", path, |_| ())?;
        self.live.remove_directory(path)
    }

    fn replace(&mut self, path: &str, content: &[u8], mode: u32) -> Result<(), MachineError> {
        self.effect("replace", path, |_| ())?;
        self.live.replace(path, content, mode)
    }

    fn copy(&mut self, from: &str, path: &str, content: &Digest, mode: u32) -> Result<(), MachineError> {
        self.effect("copy", path, |_| ())?;
        self.live.copy(from, path, content, mode)
    }

    fn keep(&mut self, path: &str) -> Result<(), MachineError> {
        self.effect("keep", path, |_| ())?;
        self.live.keep(path)
    }

    fn let_go(&mut self, path: &str) -> Result<(), MachineError> {
        self.effect("let go", path, |_| ())?;
        self.live.let_go(path)
    }

    fn overwrite(&mut self, path: &str, content: &[u8]) -> Result<(), MachineError> {
        self.effect("overwrite", path, |_| ())?;
        self.live.overwrite(path, content)
    }

    fn remove(&mut self, path: &str) -> Result<(), MachineError> {
        self.effect("remove", path, |_| ())?;
        self.live.remove(path)
    }

    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<(), MachineError> {
        self.effect("append", path, |live| live.append(path, &bytes[..bytes.len() / 2]).unwrap())?;
        self.live.append(path, bytes)
    }

    fn truncate(&mut self, path: &str, length: u64) -> Result<(), MachineError> {
        self.effect("truncate", path, |_| ())?;
        self.live.truncate(path, length)
    }

    fn settle(&mut self, path: &str) -> Result<(), MachineError> {
        self.effect("settle", path, |_| ())?;
        self.live.settle(path)
    }

    fn run(&mut self, program: &Program, _deadline: Duration) -> Result<Output, MachineError> {
        self.effect("run", &program.name(), |_| ())?;
        let said = |code, text: &str| Ok(Output { code: Some(code), text: text.to_owned() });
        match program {
            Program::Menu { output, .. } => {
                let menu = self.menu.clone().unwrap_or_else(|| self.node.generated());
                self.node.write(output, menu);
                said(0, "Generating grub configuration file ...\ndone\n")
            }
            Program::IsActive { .. } if self.node.is_marked() && self.node.fate == Fate::Unhealthy => {
                said(3, "failed\n")
            }
            Program::IsActive { unit } if self.node.is_stopped(unit) => said(3, "inactive\n"),
            Program::Unit { unit, active } => {
                self.node.set(unit, *active);
                said(0, "")
            }
            Program::Version { path, .. } => match self.node.read(path).contains(BROKEN) {
                true => said(127, "version `GLIBC_2.99' not found\n"),
                false => said(0, "1.0\n"),
            },
            Program::Container { runtime, bundle, .. } => {
                let told = self.node.read(&format!("{bundle}/config.json"));
                assert!(
                    told.contains("\"limit\":67108864") && self.node.has(&format!("{bundle}/rootfs/proc"))
                );
                match self.node.read(runtime).contains(BROKEN) {
                    true => said(1, "exec format error\n"),
                    false => said(0, ""),
                }
            }
            Program::Check { .. } if self.node.fate == Fate::Unhealthy && self.node.is_swapped() => {
                said(1, "pods don't start\n")
            }
            Program::Boots => said(0, &self.node.list_of_boots()),
            Program::PreviousKernelLog => said(0, "Linux version 6.1\n"),
            _ => said(0, ""),
        }
    }

    fn reboot(&mut self, how: Reboot) -> Result<(), MachineError> {
        self.effect("reboot", "", |_| ())?;
        self.reboots.push(how);
        self.node.is_rebooting = true;
        Ok(())
    }

    fn wait(&mut self, time: Duration) {
        self.node.uptime += time;
    }

    fn uptime(&self) -> Duration {
        self.node.uptime
    }

    fn now(&self) -> i64 {
        0
    }

    fn lock(&mut self, path: &str) -> Result<Lock, LockError> {
        self.effect("lock", path, |_| ())?;
        self.live.lock(path)
    }
}
