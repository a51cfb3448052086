//! The ways out of a fault, weighed for one node: which are open, which have to be done by hand, which are out and why.

use super::swap::{is_opt_in, reboots, remedy};
use super::{Node, Wish};
use crate::diagnose::fact::identify;
use crate::document::plan::{Remark, Remedy, Risk, Standing, Way};
use crate::document::report::{Finding, Verdict};
use crate::kernel::has_fault;
use crate::knowledge::KnowledgeBase;
use crate::knowledge::advisory::Advisory;
use crate::knowledge::feature::NOKMEM;

/// The argument that switches kernel memory accounting off.
const ARGUMENT: &str = "cgroup.memory=nokmem";

/// Minutes that a node is away for a reboot: firmware, kernel, runtime, kubelet.
const REBOOT: u32 = 5;

/// Minutes that a kubelet is away while files are swapped beneath it.
const SWAP: u32 = 1;

/// All ways, the best first: what kernmend does before what is done by hand, what is out last.
pub(super) fn ways(
    node: &Node<'_>,
    knowledge: &KnowledgeBase,
    wish: &Wish,
    advisory: Option<&str>,
) -> Vec<Way> {
    let Some(advisory) = advisory.and_then(|id| knowledge.advisory(id)) else { return Vec::new() };
    let finding = node.report.body.findings.iter().find(|finding| finding.id == advisory.id);
    let is_leak = advisory.name == "kmem-accounting-leak";
    let mut ways = installed(node, knowledge, advisory);
    ways.push(argument(node, knowledge, advisory, is_leak));
    ways.push(upgrade());
    ways.extend(runtimes(node, knowledge, wish, advisory, is_leak));
    ways.extend(reboot(finding, advisory));
    ways.sort_by_key(|way| match way.standing {
        Standing::Open => 0,
        Standing::ByHand { .. } => 1,
        Standing::Out { .. } => 2,
    });
    ways
}

fn way(remedy: Remedy, standing: Standing, risk: Risk) -> Way {
    Way {
        remedy,
        standing,
        reboots: true,
        moves_pods: true,
        minutes: Some(REBOOT),
        risk,
        side_effects: Vec::new(),
        rests_on: Vec::new(),
    }
}

fn out<const N: usize>(code: &str, values: [(&str, String); N]) -> Standing {
    Standing::Out { why: vec![Remark::new(code, values)] }
}

/// Kernels that are installed besides the one that runs.
fn installed(node: &Node<'_>, knowledge: &KnowledgeBase, advisory: &Advisory) -> Vec<Way> {
    let snapshot = &node.snapshot.body;
    let running = snapshot.kernel.release.value();
    let others = snapshot.kernels.value().into_iter().flatten();
    others
        .filter(|kernel| Some(&kernel.release) != running)
        .map(|kernel| {
            let release = || [("release", kernel.release.clone())];
            let remedy = Remedy::InstalledKernel { release: kernel.release.clone() };
            let mut way = way(remedy, Standing::Open, Risk::Low);
            if has_fault(advisory, &kernel.release, &snapshot.distribution, knowledge) == Some(false) {
                way.rests_on =
                    vec![Remark::new("installed-without-fault", release()), Remark::new("durable", [])];
                way.side_effects = vec![Remark::new("test-workload", [])];
            } else {
                way.standing = out("installed-has-fault", release());
            }
            way
        })
        .collect()
}

fn argument(node: &Node<'_>, knowledge: &KnowledgeBase, advisory: &Advisory, is_leak: bool) -> Way {
    let snapshot = &node.snapshot.body;
    let release = || [("release", snapshot.kernel.release.value().cloned().unwrap_or_default())];
    let given = snapshot.kernel.arguments.value().into_iter().flatten();
    let values: Vec<&str> = given.filter_map(|argument| argument.strip_prefix("cgroup.memory=")).collect();
    let is_given = values.iter().any(|value| value.split(',').any(|word| word == "nokmem"));
    // Of several arguments of one name the last counts: what stands there is kept.
    let (set, remove) = match values.last() {
        Some(value) if !is_given => {
            (format!("cgroup.memory={value},nokmem"), vec![format!("cgroup.memory={value}")])
        }
        _ => (ARGUMENT.to_owned(), Vec::new()),
    };
    let standing = if !is_leak {
        out("no-boot-argument-mends", [("advisory", advisory.id.clone())])
    } else if is_given {
        out("argument-in-force", [("argument", ARGUMENT.to_owned())])
    } else {
        match knowledge.features.has(NOKMEM, &identify(snapshot, knowledge)) {
            Some(true) => Standing::Open,
            Some(false) => out("ignores-nokmem", release()),
            None => out("nokmem-not-told", release()),
        }
    };
    Way {
        rests_on: if standing == Standing::Open {
            vec![Remark::new("honours-nokmem", release())]
        } else {
            Vec::new()
        },
        side_effects: vec![Remark::new("nokmem-no-limits", []), Remark::new("kernel-stays", [])],
        ..way(Remedy::BootParameter { set: vec![set], remove }, standing, Risk::Low)
    }
}

fn upgrade() -> Way {
    let by_hand = Standing::ByHand { how: vec![Remark::new("by-hand-kernel", [])] };
    Way {
        rests_on: vec![Remark::new("durable", [])],
        side_effects: vec![Remark::new("all-nodes", []), Remark::new("test-workload", [])],
        minutes: Some(2 * REBOOT),
        ..way(Remedy::KernelUpgrade, by_hand, Risk::Medium)
    }
}

/// Runtimes that don't switch accounting on: kernmend puts them in place where it is given the files.
fn runtimes(
    node: &Node<'_>,
    knowledge: &KnowledgeBase,
    wish: &Wish,
    advisory: &Advisory,
    is_leak: bool,
) -> Vec<Way> {
    let snapshot = &node.snapshot.body;
    let mut names: Vec<String> = snapshot
        .programs
        .found
        .iter()
        .filter(|program| matches!(program.name.as_str(), "runc" | "kubelet"))
        .map(|program| program.path.clone())
        .collect();
    names.dedup();
    let given = remedy(&wish.with).map(|told| wish.remedy.clone().unwrap_or(told));
    let standing = |remedy: &Remedy, code: &str| {
        if given.as_ref() == Some(remedy) {
            Standing::Open
        } else if !is_leak {
            out("not-this-fault", [("advisory", advisory.id.clone())])
        } else if is_opt_in(snapshot, knowledge) == Some(false) {
            let release = snapshot.kernel.release.value().cloned().unwrap_or_default();
            out("accounts-always", [("release", release)])
        } else {
            Standing::ByHand { how: vec![Remark::new(code, [])] }
        }
    };
    let reboots = reboots(snapshot, knowledge);
    let both = Remark::new("both-switch", [("programs", names.join(", "))]);
    let made = |remedy: Remedy, code: &str| {
        let standing = standing(&remedy, code);
        let mut way = way(remedy, standing, Risk::Medium);
        way.rests_on = vec![both.clone()];
        way.side_effects = vec![Remark::new("kernel-stays", [])];
        way.reboots = reboots;
        way.moves_pods = reboots;
        if reboots {
            way.side_effects.push(Remark::new("nokmem-needs-reboot", []));
            way.minutes = Some(2 * REBOOT);
        } else {
            way.minutes = Some(SWAP);
        }
        way
    };
    let mut newer = made(Remedy::NewerRuntime, "by-hand-runtime");
    // runc of 1.1.6 and later makes cgroups in it, and kubelets from before that don't remove them (kubernetes#117647).
    if node.snapshot.body.cgroups.controllers.value().is_some_and(|all| all.contains_key("misc")) {
        newer.side_effects.push(Remark::new("misc-controller", []));
    }
    let mut rebuilt = made(Remedy::RebuiltRuntime, "by-hand-rebuild");
    rebuilt.side_effects.push(Remark::new("old-version-escapes", []));
    vec![newer, rebuilt]
}

/// A reboot gives ids and caches back; where nothing else changes they go again.
fn reboot(finding: Option<&Finding>, advisory: &Advisory) -> Option<Way> {
    let day = finding?.evidence.iter().find_map(|evidence| evidence.values.get("exhaustion_date")).cloned();
    let is_at_work = matches!(finding?.verdict, Verdict::Active | Verdict::Critical);
    let standing = if is_at_work {
        Standing::ByHand { how: vec![Remark::new("by-hand-reboot", [])] }
    } else {
        out("not-this-fault", [("advisory", advisory.id.clone())])
    };
    let mut rests_on = vec![Remark::new("reboot-frees-ids", [])];
    rests_on.extend(day.iter().map(|day| Remark::new("ids-run-out", [("day", day.clone())])));
    Some(Way {
        rests_on,
        side_effects: vec![Remark::new("comes-back", [])],
        ..way(Remedy::RebootBefore { day }, standing, Risk::Low)
    })
}
