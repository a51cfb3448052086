//! The swap of runtimes: which copies a replacement takes the place of, what stops for it, and in which order. Everything
//! is tried before anything stops, and what stops starts again. It decides and does nothing; what keeps it from being
//! done is `refuse`'s.

mod refuse;

use std::collections::{BTreeMap, BTreeSet};

use super::order::{Ordered, file, what_ran};
use super::preflight::refusal;
use super::{HEALTH_SCRIPTS, Node, Wish, units};
use crate::diagnose::fact::identify;
use crate::document::plan::{Act, Check, Plan, Probation, Refusal, Remark, Remedy, Stage, Step};
use crate::document::snapshot::{Class, Program, Service, Snapshot, Space};
use crate::document::{Digest, Fact};
use crate::knowledge::KnowledgeBase;
use crate::knowledge::feature::ACCOUNTS_ALWAYS;
use crate::program::{Component, Glibc, Inspection};

/// Where files are kept.
pub const STORE: &str = "/var/lib/kernmend";

/// A file that a person wants in the place of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The program: `runc`, `kubelet`, `k3s`, ….
    pub program: String,
    /// Bytes.
    pub size: u64,
    /// What it holds.
    pub digest: Digest,
    /// What it is, and where, by an absolute path.
    pub is: Inspection,
}

/// What of a node a swap rests on besides its snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    /// The version of its C library.
    pub glibc: Fact<Glibc>,
    /// Whether containers go on without Docker's daemon, as it was told in its configuration.
    pub live_restore: bool,
    /// The places that are written to, by path: the copies, and [`STORE`].
    pub places: BTreeMap<String, Place>,
}

/// A place that is written to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Bytes of the file that is there.
    pub size: Fact<u64>,
    /// Room on what it lies on.
    pub space: Fact<Space>,
    /// The package that it belongs to.
    pub owner: Fact<Owner>,
}

/// A package that a file belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its name.
    pub package: String,
    /// Who installed it.
    pub manager: Manager,
}

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// Debian's.
    Dpkg,
    /// Red Hat's.
    Rpm,
}

/// One copy that is replaced.
#[derive(Clone, Copy)]
struct Swap<'a> {
    copy: &'a Program,
    file: &'a Replacement,
    before: &'a Digest,
}

/// Programs that hold libcontainer, which must show that they leave accounting alone.
const LIBCONTAINER: [&str; 3] = ["runc", "kubelet", "k3s"];

/// The copies of a program that are on a node, whatever their files are called. A process that runs a file which isn't there
/// any more has no copy to replace.
pub fn copies<'a>(snapshot: &'a Snapshot, program: &'a str) -> impl Iterator<Item = &'a Program> {
    let found = snapshot.programs.found.iter().filter(|copy| !copy.replaced);
    found.filter(|copy| kind(&copy.path) == kind(program))
}

/// What a file of this name is. Docker's packages up to 18.06 and Red Hat's have names of their own; containerd's shims and
/// its client are not containerd.
fn kind(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.strip_prefix("docker-").or_else(|| name.strip_prefix("crio-")).unwrap_or(name);
    match Component::from_name(name) {
        Some(Component::Runc) => "runc",
        Some(Component::Kubelet) if name != "hyperkube" => "kubelet",
        _ => name.strip_suffix("-current").unwrap_or(name),
    }
}

/// What a swap by these files is.
pub(super) fn remedy(with: &[Replacement]) -> Option<Remedy> {
    let is_rebuilt = |file: &Replacement| file.is.classification.class == Class::Off;
    match with {
        [] => None,
        with if with.iter().all(is_rebuilt) => Some(Remedy::RebuiltRuntime),
        _ => Some(Remedy::NewerRuntime),
    }
}

/// Whether kernel memory is accounted only where somebody asks for it; nothing where that isn't known.
pub(super) fn is_opt_in(snapshot: &Snapshot, knowledge: &KnowledgeBase) -> Option<bool> {
    if snapshot.cgroups.memory.value().is_some_and(|memory| memory.version == 2) {
        return Some(false);
    }
    knowledge.features.has(ACCOUNTS_ALWAYS, &identify(snapshot, knowledge)).map(|always| !always)
}

/// Whether cgroups have accounting on that a runtime switched on, and would hand it on until the next boot: `kubepods` does
/// to all that are made in it.
pub(super) fn reboots(snapshot: &Snapshot, knowledge: &KnowledgeBase) -> bool {
    let is_on = snapshot.cgroups.memory.value().is_none_or(|memory| memory.accounting.on > 0);
    is_on && is_opt_in(snapshot, knowledge) != Some(false)
}

/// Puts the steps of a swap in order, or says what keeps it from being done.
pub(super) fn steps(
    node: &Node<'_>,
    knowledge: &KnowledgeBase,
    wish: &Wish,
    plan: &Plan,
) -> Result<Ordered, Vec<Refusal>> {
    let snapshot = &node.snapshot.body;
    let is_opt_in = is_opt_in(snapshot, knowledge);
    let reboots = reboots(snapshot, knowledge);
    if wish.with.is_empty() {
        return Err(vec![refuse::without_files(snapshot)]);
    }
    let found = swaps(snapshot, &wish.with)?;
    let stops = stopped(snapshot, &found);
    let refusals = refuse::refusals(node, wish, &found, &stops, reboots);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let units: Vec<&str> = unit_names(&stops);
    let prepare = |act| Step { stage: Stage::Prepare, act };
    let files: BTreeMap<&Digest, &Replacement> =
        found.iter().map(|swap| (&swap.file.digest, swap.file)).collect();
    let mut steps: Vec<Step> = Vec::new();
    steps.extend(files.iter().map(|(content, file)| {
        prepare(Act::Keep { source: file.is.path.clone(), content: (*content).clone() })
    }));
    steps.extend(files.iter().map(|(content, file)| {
        prepare(Act::Try {
            program: kind(&file.program).to_owned(),
            content: (*content).clone(),
            unaccounted: is_opt_in == Some(true),
        })
    }));
    // From here on a node that loses its power has to go on by itself: half of a swap is worse than none.
    steps.extend(units::watch().into_iter().map(|unit| file(Stage::Watch, unit.path, None, unit.content)));
    let unit = |name: &&str, active| prepare(Act::Unit { name: (*name).to_owned(), active });
    steps.extend(units.iter().map(|name| unit(name, false)));
    steps.extend(found.iter().map(|swap| {
        prepare(Act::Program {
            path: swap.copy.path.clone(),
            before: swap.before.clone(),
            after: swap.file.digest.clone(),
        })
    }));
    steps.extend(units.iter().rev().map(|name| unit(name, true)));
    let unaccounted = is_opt_in == Some(true);
    let probation = Probation {
        reboots,
        health: health(node, plan, &found, (reboots, unaccounted)),
        health_deadline: wish.patience.health,
    };
    let mut remarks = remarks(node, knowledge, &found, reboots);
    remarks.extend(refuse::pairing(node, &found));
    remarks.extend(refuse::packages(node, &found));
    Ok(Ordered { steps, trial: None, probation: Some(probation), remarks })
}

/// The copies that are replaced: all of a program that hold something else.
fn swaps<'a>(snapshot: &'a Snapshot, with: &'a [Replacement]) -> Result<Vec<Swap<'a>>, Vec<Refusal>> {
    let (mut found, mut refusals) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for file in with {
        if !seen.insert(kind(&file.program)) {
            refusals.push(refusal(
                "replacement-twice",
                [("program", file.program.clone())],
                [&file.is.path],
                "",
            ));
        }
        let mut copies = copies(snapshot, &file.program).peekable();
        if copies.peek().is_none() {
            let values = [("program", file.program.clone())];
            refusals.push(refusal("no-copy", values, ["/proc/PID/exe", "/usr/bin"], "kernmend check -v"));
        }
        for copy in copies {
            match copy.digest.value() {
                Some(before) => found.push(Swap { copy, file, before }),
                None => refusals.push(refusal(
                    "copy-not-read",
                    [("path", copy.path.clone())],
                    [&copy.path],
                    &format!("sha256sum {}", copy.path),
                )),
            }
        }
    }
    let is_new = |swap: &Swap<'_>| *swap.before != swap.file.digest;
    if refusals.is_empty() && !found.iter().any(is_new) {
        let paths: Vec<&String> = found.iter().map(|swap| &swap.copy.path).collect();
        let what: Vec<&str> = with.iter().map(|file| file.is.path.as_str()).collect();
        refusals.push(refusal("already-so", [("what", what.join(", "))], paths, ""));
    }
    found.retain(is_new);
    if refusals.is_empty() { Ok(found) } else { Err(refusals) }
}

/// Services that are stopped, in that order: kubelets, so that nobody starts a pod in between, and whoever runs a file that
/// is replaced. Who talks to whom is stopped before him.
fn stopped<'a>(snapshot: &'a Snapshot, swaps: &[Swap<'_>]) -> Vec<&'a Service> {
    const ORDER: [&str; 8] =
        ["kubelet", "k3s", "rke2", "k0s", "cri-dockerd", "dockerd", "crio", "containerd"];
    const KUBELETS: usize = 4;
    const DOCKER: usize = 5;
    const CONTAINERD: usize = 7;
    let rank = |service: &Service| {
        // Docker's daemon is told by the component that it is of.
        let name = if service.program == "docker" { "dockerd" } else { &service.program };
        ORDER.iter().position(|one| *one == name).unwrap_or(ORDER.len())
    };
    // A shim goes on as it is; those that start later are the new ones.
    let of_daemon = |swap: &&Swap<'_>| ORDER.contains(&kind(&swap.copy.path));
    let runs = |service: &Service| {
        swaps.iter().filter(of_daemon).any(|swap| swap.copy.processes.contains(&service.pid))
    };
    let running = || snapshot.services.running.iter();
    // Docker's unit is bound to containerd's in some packages: it would stop with it, and not start again.
    let loses_its_own = |service: &Service| {
        rank(service) == DOCKER && running().any(|other| rank(other) == CONTAINERD && runs(other))
    };
    let mut found: Vec<&Service> = running()
        .filter(|service| rank(service) < KUBELETS || runs(service) || loses_its_own(service))
        .collect();
    found.sort_by_key(|service| (rank(service), service.pid));
    found
}

/// The units of services, each once, in their order.
fn unit_names<'a>(services: &[&'a Service]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for name in services.iter().filter_map(|service| service.unit.value()) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

/// What must hold afterwards.
fn health(
    node: &Node<'_>,
    plan: &Plan,
    swaps: &[Swap<'_>],
    (reboots, unaccounted): (bool, bool),
) -> Vec<Check> {
    let memory = node.snapshot.body.cgroups.memory.value();
    let mut health: Vec<Check> = swaps
        .iter()
        .map(|swap| Check::Program { path: swap.copy.path.clone(), content: swap.file.digest.clone() })
        .collect();
    health.extend(what_ran(node));
    let runtimes = swaps.iter().filter(|swap| kind(&swap.copy.path) == "runc");
    health.extend(runtimes.map(|swap| Check::Container { runtime: swap.copy.path.clone(), unaccounted }));
    // What was on stays on until the reboot, and what is left on switches it on again.
    let is_rid_of = refuse::left_on(&node.snapshot.body, swaps).next().is_none();
    if is_rid_of && unaccounted && (reboots || memory.is_some_and(|memory| memory.accounting.on == 0)) {
        health.push(Check::AccountingOff);
    }
    if is_rid_of && reboots {
        health.extend(plan.advisory.iter().map(|advisory| Check::Fault { advisory: advisory.clone() }));
    }
    health.push(Check::Scripts { directory: HEALTH_SCRIPTS.to_owned() });
    health
}

fn remarks(node: &Node<'_>, knowledge: &KnowledgeBase, swaps: &[Swap<'_>], reboots: bool) -> Vec<Remark> {
    let snapshot = &node.snapshot.body;
    let paths: Vec<&str> = swaps.iter().map(|swap| swap.copy.path.as_str()).collect();
    let mut remarks = vec![Remark::new("swapped-as-a-whole", [("paths", paths.join(", "))])];
    if is_opt_in(snapshot, knowledge) == Some(false) {
        let release = snapshot.kernel.release.value().cloned().unwrap_or_default();
        remarks.push(Remark::new("accounts-always", [("release", release)]));
    }
    remarks.push(Remark::new(if reboots { "swap-reboots" } else { "containers-stay" }, []));
    remarks.push(Remark::new("old-programs-kept", []));
    remarks
}
