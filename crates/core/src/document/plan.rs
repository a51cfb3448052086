//! The plan: one remedy on one node, to the last byte. It leaves nothing to decide to whoever runs it, and it holds what
//! was weighed and refused besides. It doesn't run anything; what was run is the journal's.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::report::Report;
use super::{Body, Digest, Document};

/// One remedy on one node: what is done in which order, what is checked, and how each step is taken back.
///
/// Changes of `kernmend/plan/1`: `probation`, the acts `keep`, `try`, `unit` and `program`, the checks `program` and
/// `container`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The node that it is for, and none but this.
    pub node: PlannedNode,
    /// The fault that it mends, `KM-0001`; none where a remedy was asked for by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advisory: Option<String>,
    /// What it does; none where no way is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Remedy>,
    /// All ways that were weighed, the best first, those that are out last.
    pub ways: Vec<Way>,
    /// Why it may not start. With one of these, nothing is touched.
    pub refusals: Vec<Refusal>,
    /// What is done, in order; nothing where it may not start.
    pub steps: Vec<Step>,
    /// The boot that puts it to the proof, where it takes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,
    /// What puts it to the proof where neither another kernel nor other arguments are tried. A plan has a trial or this, or
    /// neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probation: Option<Probation>,
    /// What a person should know before agreeing: what is caught and what isn't, what stays behind.
    pub remarks: Vec<Remark>,
    /// The report that it was made from, the parent: kept with the plan, it can be proven later what was mended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Document<Report>>,
}

impl Plan {
    /// What must hold before it is committed; nothing for a plan that nobody judges.
    #[must_use]
    pub fn health(&self) -> &[Check] {
        let trial = self.trial.as_ref().map(|trial| &trial.health);
        trial
            .or_else(|| self.probation.as_ref().map(|probation| &probation.health))
            .map_or(&[], Vec::as_slice)
    }
}

impl Body for Plan {
    const NAME: &'static str = "plan";
    const MAJOR: u32 = 1;
}

/// The node that a plan is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedNode {
    /// Its name.
    pub hostname: String,
    /// `/etc/machine-id`.
    pub machine_id: String,
    /// What ran when the plan was made: what it falls back to.
    pub running: Running,
}

/// A kernel at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Running {
    /// As `uname -r` prints it.
    pub release: String,
    /// The boot arguments, in order.
    pub arguments: Vec<String>,
}

/// A kernel that should be at work, by what must hold of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Expected {
    /// As `uname -r` prints it.
    pub release: String,
    /// Boot arguments that must be there.
    pub present: Vec<String>,
    /// Boot arguments that must not be there.
    pub absent: Vec<String>,
}

impl Expected {
    /// Whether a running kernel is this one.
    #[must_use]
    pub fn is(&self, running: &Running) -> bool {
        let has = |argument: &String| running.arguments.contains(argument);
        self.release == running.release && self.present.iter().all(has) && !self.absent.iter().any(has)
    }
}

/// A way out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Remedy {
    /// Boot arguments are set or taken away.
    BootParameter {
        /// Those that are set.
        set: Vec<String>,
        /// Those that are taken away.
        remove: Vec<String>,
    },
    /// Another kernel that is installed already becomes the default.
    InstalledKernel {
        /// Its release.
        release: String,
    },
    /// A newer kernel is installed and becomes the default.
    KernelUpgrade,
    /// A current static runc, and a kubelet that doesn't switch accounting on either.
    NewerRuntime,
    /// The same versions of runc and kubelet, built without accounting.
    RebuiltRuntime,
    /// Drain and reboot before the ids run out.
    RebootBefore {
        /// The day by which they do, `YYYY-MM-DD`, where it can be told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        day: Option<String>,
    },
}

/// One way out as it was weighed for this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Way {
    /// What it does.
    pub remedy: Remedy,
    /// Whether it is open here, and who does it.
    pub standing: Standing,
    /// Whether the node is rebooted.
    pub reboots: bool,
    /// Whether its pods have to move.
    pub moves_pods: bool,
    /// About how many minutes the node is away from work, where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u32>,
    /// How much can go wrong.
    pub risk: Risk,
    /// What else it changes: codes that the command line puts into words.
    pub side_effects: Vec<Remark>,
    /// What it rests on.
    pub rests_on: Vec<Remark>,
}

/// Whether a way is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Standing {
    /// kernmend does it.
    Open,
    /// It would help, and has to be done by hand with this version.
    ByHand {
        /// What to do.
        how: Vec<Remark>,
    },
    /// It is out.
    Out {
        /// Why.
        why: Vec<Remark>,
    },
}

/// How much can go wrong with a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// It is tried first, and falls back by itself.
    Low,
    /// It changes what all pods run on.
    Medium,
    /// It has to be done by hand, or can't be taken back.
    High,
}

/// Something to be said, as a code with its values: the command line has the words in each language.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Remark {
    /// What is said.
    pub code: String,
    /// The values in it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
}

impl Remark {
    /// A remark with its values.
    pub fn new<const N: usize>(code: &str, values: [(&str, String); N]) -> Self {
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { code: code.to_owned(), values }
    }
}

/// Why a plan may not start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// What stands in the way.
    pub reason: Remark,
    /// What it was seen by: files, commands, processes.
    pub evidence: Vec<String>,
    /// The command that mends it, or tells more; empty where a person has to decide.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// When it is done, and what becomes of it.
    pub stage: Stage,
    /// What is done.
    pub act: Act,
}

/// When a step is done, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Before the trial or the judgement; it stays when that is passed, and is taken back when it isn't.
    Prepare,
    /// Before the trial; it is taken down however the trial ends.
    Scaffold,
    /// What goes on with the plan after a reboot: it stands before any reboot, and is the last to be taken down.
    Watch,
    /// The first thing in the trial boot; nothing to take back.
    Arrive,
    /// After the trial was passed.
    Commit,
}

/// The closed set of what a step can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Act {
    /// Writes, replaces or removes a file.
    File {
        /// Its absolute path.
        path: String,
        /// What it holds before; none where there must be no such file.
        before: Option<Digest>,
        /// What it holds afterwards; none to remove it.
        content: Option<String>,
        /// The permissions of a file that is new; one that is replaced keeps its own.
        mode: u32,
    },
    /// Sets or unsets variables of a boot loader's environment block, which keeps its size and its place on the disk.
    Environment {
        /// The block's file.
        block: String,
        /// The new value by name; none to unset it.
        variables: BTreeMap<String, Option<String>>,
    },
    /// Makes the boot menu anew from its settings, and takes it only if it would boot what it should.
    Menu {
        /// The generator's argument vector, without the option for its output.
        generator: Vec<String>,
        /// The menu's file.
        menu: String,
        /// What must boot next by it.
        boots: Expected,
    },
    /// Proves by the live configuration what boots next. It changes nothing.
    Prove {
        /// What must boot next.
        boots: Expected,
        /// What must boot after it, where that is for once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        afterwards: Option<Expected>,
        /// Files that must be there and not be empty: images, initramfs, lists of modules.
        files: Vec<String>,
    },
    /// Takes a file into the store, which it is put in place from. The store holds it until the next plan begins.
    Keep {
        /// Where it is.
        source: String,
        /// What it holds.
        content: Digest,
    },
    /// Tries a kept program before anything stops: it has to start on this machine. It changes nothing.
    Try {
        /// What it is: `runc`, `kubelet`, ….
        program: String,
        /// What it holds, by which it was kept.
        content: Digest,
        /// Whether a container that it starts must be without kernel memory accounting.
        unaccounted: bool,
    },
    /// Stops a unit of systemd, or starts it anew.
    Unit {
        /// Its name.
        name: String,
        /// Whether it runs afterwards.
        active: bool,
    },
    /// Puts a kept file into the place of a program. What runs goes on with what it has open.
    Program {
        /// Its absolute path; where that is a link, its target is replaced.
        path: String,
        /// What it holds before.
        before: Digest,
        /// What it holds afterwards, by which it was kept.
        after: Digest,
    },
}

/// A boot that puts a plan to the proof while the default still names what ran before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trial {
    /// The boot argument that marks the trial, `kernmend.trial=0123456789ab`.
    pub mark: String,
    /// What must have come up.
    pub expected: Expected,
    /// What comes up when the trial fails.
    pub fallback: Expected,
    /// What must hold before the deadline.
    pub health: Vec<Check>,
    /// Seconds from the boot after which what isn't healthy counts as failed.
    pub health_deadline: u64,
    /// Seconds from the boot after which the node reboots by itself, whatever it is at.
    pub dead_man: u64,
}

/// How a plan is put to the proof that changes what the running kernel is used by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Probation {
    /// Whether the node is rebooted first, so that nothing is left of what ran before.
    pub reboots: bool,
    /// What must hold before the deadline.
    pub health: Vec<Check>,
    /// Seconds from the first look after which what isn't healthy counts as failed.
    pub health_deadline: u64,
}

/// What must hold of a node in its trial boot, or after the change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Check {
    /// The kernel is the one that was expected, with its arguments.
    Kernel,
    /// No cgroup that was looked at has kernel memory accounting on.
    AccountingOff,
    /// This version of control groups carries the memory controller.
    CgroupVersion {
        /// 1 or 2.
        version: u8,
    },
    /// There is a default route, as there was before.
    DefaultRoute,
    /// A unit of systemd is active, as it was before.
    Unit {
        /// Its name.
        name: String,
    },
    /// An HTTP endpoint of this machine answers with 200.
    Http {
        /// The port on 127.0.0.1.
        port: u16,
        /// The path.
        path: String,
    },
    /// All programs in a directory end with 0.
    Scripts {
        /// The directory.
        directory: String,
    },
    /// The facts of a fault no longer show it.
    Fault {
        /// `KM-0001`.
        advisory: String,
    },
    /// A program is what it should be.
    Program {
        /// Its path.
        path: String,
        /// What it must hold.
        content: Digest,
    },
    /// A container that is started by this runtime does its work and ends.
    Container {
        /// The path of a runc.
        runtime: String,
        /// Whether it must be without kernel memory accounting.
        unaccounted: bool,
    },
}
