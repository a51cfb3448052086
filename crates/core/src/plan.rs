//! The planner: the ways out are weighed for one node, one is chosen, and its steps are put in order. It decides and does
//! nothing; a plan is checked once more, by rules of its own, before anyone runs it ([`check`]).

pub mod check;
mod choose;
mod order;
mod preflight;
pub mod remark;
pub mod swap;
mod units;

use self::swap::{Replacement, Site};
use crate::boot::reading::{Boot, BootFiles};
use crate::document::plan::{Expected, Plan, PlannedNode, Remedy, Running, Standing, Trial, Way};
use crate::document::report::{Report, Verdict};
use crate::document::snapshot::Snapshot;
use crate::document::{Digest, Document};
use crate::knowledge::KnowledgeBase;

/// Where the program is that goes on with a plan after a reboot.
pub const PROGRAM: &str = "/usr/local/sbin/kernmend";

/// Programs in here must end with 0 for a trial to pass.
pub const HEALTH_SCRIPTS: &str = "/etc/kernmend/health.d";

/// All that is known of a node when a plan is made.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// Its facts.
    pub snapshot: &'a Document<Snapshot>,
    /// What was made of them.
    pub report: &'a Document<Report>,
    /// The files of its boot loader, to the last byte.
    pub files: &'a BootFiles,
    /// What was made of those.
    pub boot: &'a Boot,
    /// `/etc/machine-id`; empty where there is none.
    pub machine_id: &'a str,
    /// Whether [`PROGRAM`] is there.
    pub is_installed: bool,
    /// What fell back here before.
    pub fell_back: &'a [Expected],
    /// What a swap of runtimes rests on besides.
    pub site: &'a Site,
}

/// What a person wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// The fault to be mended; without one, the worst that the report has.
    pub advisory: Option<String>,
    /// The way; without one, that of the replacements, or else the best that is open.
    pub remedy: Option<Remedy>,
    /// Files that take the place of programs: they are for a swap of runtimes alone.
    pub with: Vec<Replacement>,
    /// Goes on though pods are here that have to move.
    pub with_pods: bool,
    /// Goes on though etcd or an API server is here.
    pub control_plane: bool,
    /// Goes on though the same fell back here before.
    pub force: bool,
    /// How long a trial may take.
    pub patience: Patience,
}

/// How long a trial may take, and what counts as a hang.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Seconds from the boot after which what isn't healthy counts as failed.
    pub health: u64,
    /// Seconds from the boot after which the node reboots by itself.
    pub dead_man: u64,
    /// Seconds after which a processor that doesn't get to its tasks counts as hung; the kernel takes 1 to 60, and gives
    /// a busy loop twice that.
    pub lockup: u64,
    /// Seconds after which a task that can't be woken counts as hung.
    pub hung_task: u64,
    /// Seconds from a panic to the reboot.
    pub panic: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { health: 600, dead_man: 900, lockup: 30, hung_task: 240, panic: 10 }
    }
}

/// Makes a plan. It always comes to one: where no way is open it says why.
#[must_use]
pub fn plan(node: &Node<'_>, knowledge: &KnowledgeBase, wish: &Wish) -> Document<Plan> {
    let advisory = wish.advisory.clone().or_else(|| worst(&node.report.body));
    let asked = wish.remedy.clone().or_else(|| swap::remedy(&wish.with));
    let mut ways = choose::ways(node, knowledge, wish, advisory.as_deref());
    let remedy = asked.or_else(|| {
        let is_open = |way: &&Way| way.standing == Standing::Open;
        ways.iter().find(is_open).map(|way| way.remedy.clone())
    });
    if let Some(remedy) = &remedy {
        // What was asked for stands first, whatever it weighs.
        ways.sort_by_key(|way| way.remedy != *remedy);
    }
    let running = running(&node.snapshot.body);
    let mut plan = Plan {
        node: PlannedNode {
            hostname: node.snapshot.body.hostname.value().cloned().unwrap_or_default(),
            machine_id: node.machine_id.to_owned(),
            running,
        },
        advisory,
        remedy,
        ways,
        refusals: Vec::new(),
        steps: Vec::new(),
        trial: None,
        probation: None,
        remarks: Vec::new(),
        report: Some(node.report.clone()),
    };
    if let Some(remedy) = plan.remedy.clone() {
        let ordered = match remedy {
            Remedy::NewerRuntime | Remedy::RebuiltRuntime => swap::steps(node, knowledge, wish, &plan),
            _ => {
                let ordered = order::steps(node, wish, &remedy, &plan);
                let reboots = ordered.as_ref().map_or(true, |ordered| ordered.trial.is_some());
                plan.refusals = preflight::refusals(node, wish, reboots);
                ordered
            }
        };
        match ordered {
            Ok(ordered) => {
                if let Some(Trial { expected, fallback, .. }) = &ordered.trial {
                    plan.refusals.extend(preflight::kernels(node, [&expected.release, &fallback.release]));
                }
                plan.steps = ordered.steps;
                plan.trial = ordered.trial;
                plan.probation = ordered.probation;
                plan.remarks = ordered.remarks;
            }
            Err(refusals) => plan.refusals.extend(refusals),
        }
        let fell_back = plan.trial.as_ref().is_some_and(|trial| node.fell_back.contains(&trial.expected));
        if fell_back && !wish.force {
            plan.refusals.push(preflight::fell_back_before());
        }
        plan.refusals.sort();
        plan.refusals.dedup();
        if !plan.refusals.is_empty() {
            // What may not start has no steps: some of them could not be made safe, which is why it may not.
            (plan.steps, plan.trial, plan.probation) = (Vec::new(), None, None);
        }
    }
    Document::new(plan, Some(node.report.digest()))
}

/// The worst fault that a report shows at work, or says to be possible.
fn worst(report: &Report) -> Option<String> {
    let is_one = |verdict| matches!(verdict, Verdict::Exposed | Verdict::Active | Verdict::Critical);
    let faults = report.findings.iter().filter(|finding| is_one(finding.verdict));
    // The first of several that are as bad, as the report has them.
    faults.rev().max_by_key(|finding| finding.verdict).map(|finding| finding.id.clone())
}

fn running(snapshot: &Snapshot) -> Running {
    Running {
        release: snapshot.kernel.release.value().cloned().unwrap_or_default(),
        arguments: snapshot.kernel.arguments.value().cloned().unwrap_or_default(),
    }
}

/// The twelve digits by which a trial is told from any other boot.
fn mark(node: &Node<'_>, remedy: &Remedy) -> String {
    let report = node.report.digest();
    let text = format!("{report} {} {}", node.machine_id, serde_json::json!(remedy));
    let digest = Digest::of(text.as_bytes()).to_string();
    digest.trim_start_matches("sha256:").chars().take(12).collect()
}

#[cfg(test)]
mod tests;
