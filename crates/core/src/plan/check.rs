//! The plan checker: rules that every plan has to keep, whoever made it. It knows nothing of how plans are made, so that a
//! fault of the planner, or an edit by hand, doesn't reach a node. It runs when a plan is written and again before it is run.

use std::collections::BTreeSet;

use crate::document::Digest;
use crate::document::plan::{Act, Check, Expected, Plan, Probation, Stage, Step, Trial};

/// A rule that a plan breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A path that is not absolute, or goes by way of `.` or `..`.
    #[error("step {step}: `{path}` is not an absolute path without detours")]
    Path {
        /// The step, from 0.
        step: usize,
        /// The path.
        path: String,
    },
    /// Before the trial a step touches what chooses the default.
    #[error("step {step} touches `{what}`, which decides what boots by default, before the trial was passed")]
    DefaultMoves {
        /// The step, from 0.
        step: usize,
        /// What it touches.
        what: String,
    },
    /// Two steps of a stage change one thing.
    #[error("step {step} changes `{what}` a second time in the same stage")]
    Twice {
        /// The step, from 0.
        step: usize,
        /// What it changes.
        what: String,
    },
    /// A trial isn't set up to boot once and to fall back.
    #[error("the trial is not safe: {0}")]
    Trial(&'static str),
    /// A swap isn't set up to be tried, judged and taken back.
    #[error("the swap is not safe: {0}")]
    Swap(&'static str),
    /// A step stands in a stage that it can't be in.
    #[error("step {step} can't be in the stage `{stage:?}`")]
    Stage {
        /// The step, from 0.
        step: usize,
        /// The stage.
        stage: Stage,
    },
    /// The plan changes nothing, and isn't refused either.
    #[error("the plan has no step")]
    Empty,
}

/// Variables of the environment block that are the trial's own.
const OWN: [&str; 3] = ["kernmend_good", "kernmend_entry", "kernmend_tries"];

/// No trial may take longer than a day, nor be judged before a node can be up.
const DEADLINES: std::ops::RangeInclusive<u64> = 30..=86_400;

/// All rules that a plan breaks.
#[must_use]
pub fn check(plan: &Plan) -> Vec<Problem> {
    let mut problems = Vec::new();
    if plan.steps.is_empty() && plan.refusals.is_empty() && plan.remedy.is_some() {
        problems.push(Problem::Empty);
    }
    let mut seen = BTreeSet::new();
    for (index, step) in plan.steps.iter().enumerate() {
        for path in paths(&step.act).filter(|path| !is_plain(path)) {
            problems.push(Problem::Path { step: index, path: path.to_owned() });
        }
        if let Some(what) = changes(&step.act)
            && !seen.insert((step.stage, what))
        {
            problems.push(Problem::Twice { step: index, what: what.to_owned() });
        }
        problems.extend(misplaced(plan, index, step));
    }
    if let Some(trial) = &plan.trial {
        problems.extend(unsafe_trial(plan, trial).into_iter().map(Problem::Trial));
    }
    problems.extend(unsafe_swap(plan).into_iter().map(Problem::Swap));
    problems
}

fn paths(act: &Act) -> Box<dyn Iterator<Item = &str> + '_> {
    match act {
        Act::File { path, .. } => Box::new([path.as_str()].into_iter()),
        Act::Environment { block, .. } => Box::new([block.as_str()].into_iter()),
        Act::Menu { generator, menu, .. } => {
            Box::new([menu.as_str()].into_iter().chain(generator.first().map(String::as_str)))
        }
        Act::Prove { files, .. } => Box::new(files.iter().map(String::as_str)),
        Act::Keep { source: path, .. } | Act::Program { path, .. } => Box::new([path.as_str()].into_iter()),
        Act::Try { .. } | Act::Unit { .. } => Box::new([].into_iter()),
    }
}

fn is_plain(path: &str) -> bool {
    path.starts_with('/')
        && !path.contains('\0')
        && path[1..].split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

fn changes(act: &Act) -> Option<&str> {
    match act {
        Act::File { path, .. } => Some(path),
        Act::Environment { block, .. } => Some(block),
        Act::Menu { menu, .. } => Some(menu),
        Act::Program { path, .. } => Some(path),
        // A unit is stopped and started.
        Act::Prove { .. } | Act::Keep { .. } | Act::Try { .. } | Act::Unit { .. } => None,
    }
}

/// Before the trial is passed only the trial's own things are touched: that is what keeps the default where it is. Without a
/// trial nothing else is touched at all, unless it ends on a proof that what runs boots next: that kernel needs no trial.
fn misplaced(plan: &Plan, index: usize, step: &Step) -> Option<Problem> {
    let moves = |what: &str| Some(Problem::DefaultMoves { step: index, what: what.to_owned() });
    let is_proven = match plan.trial {
        Some(_) => step.stage == Stage::Commit,
        None => ends_on_what_runs(plan),
    };
    if is_proven {
        return None;
    }
    match &step.act {
        Act::Menu { menu, .. } => moves(menu),
        Act::Environment { variables, .. } => {
            let foreign = variables.keys().find(|name| !OWN.contains(&name.as_str()));
            foreign.and_then(|name| moves(name))
        }
        Act::File { path, .. } => {
            let is_own = path.ends_with("/custom.cfg") && path.starts_with("/boot/")
                || path.starts_with("/boot/") && path.contains("/kernmend-trial-")
                || path.starts_with("/etc/systemd/system/kernmend-")
                || path.starts_with("/etc/systemd/system/") && path.ends_with(".d/kernmend.conf");
            if is_own { None } else { moves(path) }
        }
        Act::Prove { .. } if step.stage == Stage::Arrive => {
            Some(Problem::Stage { step: index, stage: step.stage })
        }
        Act::Prove { .. } => None,
        // What runs on the old kernel is not changed on the way to a new one.
        Act::Keep { .. } | Act::Try { .. } | Act::Unit { .. } | Act::Program { .. }
            if plan.trial.is_some() =>
        {
            Some(Problem::Stage { step: index, stage: step.stage })
        }
        Act::Keep { .. } | Act::Try { .. } | Act::Unit { .. } | Act::Program { .. } => None,
    }
}

/// Whether the last step proves that the running kernel boots next, with arguments that it runs with.
fn ends_on_what_runs(plan: &Plan) -> bool {
    let last = plan.steps.last().map(|step| &step.act);
    matches!(last, Some(Act::Menu { boots, .. } | Act::Prove { boots, .. }) if boots.is(&plan.node.running))
}

/// Programs are replaced by what was kept and tried before anything stopped, what stops starts again, and somebody looks at
/// what comes of it.
fn unsafe_swap(plan: &Plan) -> Vec<&'static str> {
    let mut problems = Vec::new();
    let mut must = |holds: bool, what: &'static str| {
        if !holds && !problems.contains(&what) {
            problems.push(what);
        }
    };
    let (mut kept, mut tried) = (BTreeSet::<&Digest>::new(), BTreeSet::<&Digest>::new());
    let mut stopped = BTreeSet::<&str>::new();
    let mut health: Vec<Check> = Vec::new();
    let mut is_swap = false;
    for Step { stage, act } in &plan.steps {
        match act {
            Act::Keep { content, .. } => {
                must(stopped.is_empty(), "a file is kept after something stopped");
                kept.insert(content);
            }
            Act::Try { content, .. } => {
                must(kept.contains(content), "a program is tried that wasn't kept");
                must(stopped.is_empty(), "a program is tried after something stopped");
                tried.insert(content);
            }
            Act::Unit { name, active } => {
                must(is_runtime_unit(name), "a unit stops that is no kubelet and no container runtime");
                let is_in_order = if *active { stopped.remove(&**name) } else { stopped.insert(name) };
                must(is_in_order, "a unit is not stopped once and then started");
            }
            Act::Program { path, before, after } => {
                must(tried.contains(after), "a program is put in place that wasn't tried");
                must(before != after, "a program is replaced by itself");
                health.push(Check::Program { path: path.clone(), content: after.clone() });
            }
            Act::File { .. } | Act::Environment { .. } | Act::Menu { .. } | Act::Prove { .. } => continue,
        }
        is_swap = true;
        must(*stage == Stage::Prepare, "a step of it is in another stage than the first");
    }
    must(stopped.is_empty(), "a unit stays stopped");
    must(plan.trial.is_none() || plan.probation.is_none(), "it is a trial too");
    match &plan.probation {
        Some(Probation { health: looked_at, health_deadline, .. }) => {
            must(DEADLINES.contains(health_deadline), "its deadline is out of bounds");
            let is_looked_at = health.iter().all(|check| looked_at.contains(check));
            must(is_looked_at && !looked_at.is_empty(), "nobody looks at what was put in place");
            let put = |runtime: &String| {
                health.iter().any(|check| matches!(check, Check::Program { path, .. } if path == runtime))
            };
            let runs_ours = looked_at.iter().all(|check| match check {
                Check::Container { runtime, .. } => put(runtime),
                _ => true,
            });
            must(runs_ours, "a container is started by what was not put in place");
            let watch = plan.steps.iter().any(|step| step.stage == Stage::Watch);
            must(watch, "nobody goes on with it after the power was lost");
        }
        None => must(!is_swap, "nobody judges it"),
    }
    problems
}

/// Whether a unit is that of a kubelet or a container runtime, under the names that their packages and installers give
/// them: `k3s-agent.service`, `snap.microk8s.daemon-kubelite.service`.
#[must_use]
pub fn is_runtime_unit(unit: &str) -> bool {
    const NAMES: [&str; 12] = [
        "kubelet",
        "containerd",
        "docker",
        "dockerd",
        "cri-docker",
        "cri-dockerd",
        "crio",
        "cri-o",
        "k3s",
        "rke2",
        "k0scontroller",
        "k0sworker",
    ];
    let is_plain = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@'))
    };
    let Some(name) = unit.strip_suffix(".service").filter(|name| is_plain(name)) else { return false };
    let is_it =
        |known: &str| name.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    NAMES.into_iter().any(is_it) || name.starts_with("snap.microk8s.daemon-")
}

fn unsafe_trial(plan: &Plan, trial: &Trial) -> Vec<&'static str> {
    let mut problems = Vec::new();
    let mut must = |holds: bool, what: &'static str| {
        if !holds {
            problems.push(what);
        }
    };
    let of = |stage| plan.steps.iter().enumerate().filter(move |(_, step)| step.stage == stage);
    let variables = |stage| {
        of(stage).find_map(|(index, step)| match &step.act {
            Act::Environment { variables, .. } => Some((index, variables)),
            _ => None,
        })
    };
    must(trial.fallback.is(&plan.node.running), "what it falls back to is not what runs");
    must(
        are_apart(&trial.expected, &trial.fallback),
        "its kernel can't be told from the one it falls back to",
    );
    must(is_mark(&trial.mark), "its mark is not an argument of its own");
    must(trial.health.contains(&Check::Kernel), "nobody checks which kernel came up");
    let deadlines = [trial.health_deadline, trial.dead_man];
    must(deadlines.iter().all(|deadline| DEADLINES.contains(deadline)), "its deadlines are out of bounds");
    must(trial.health_deadline < trial.dead_man, "the dead man's timer doesn't leave its checks their time");
    must(of(Stage::Watch).next().is_some(), "nobody goes on with it after the reboot");

    let custom = of(Stage::Scaffold).find_map(|(index, step)| match &step.act {
        Act::File { path, content: Some(content), .. } if path.ends_with("/custom.cfg") => {
            Some((index, content))
        }
        _ => None,
    });
    let get = |variables: &std::collections::BTreeMap<String, Option<String>>, name: &str| {
        variables.get(name).cloned().flatten().unwrap_or_default()
    };
    if let (Some((script, custom)), Some((armed, variables))) = (custom, variables(Stage::Scaffold)) {
        let [good, entry, tries] = OWN.map(|name| get(variables, name));
        must(tries == "1", "it would not boot exactly once");
        must(!good.is_empty() && !entry.is_empty() && good != entry, "old and new are not two entries");
        let is_number =
            |name: &str| name.split('>').any(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        must(!is_number(&good) && !is_number(&entry), "an entry is named by its number");
        must(
            custom.contains(crate::boot::trial::SCRIPT),
            "the script that counts its boots is not there as it must be",
        );
        must(custom.matches(&format!("--id {entry} ")).count() == 1, "its entry is not there exactly once");
        must(custom.matches(&trial.mark).count() == 1, "its mark is not on its entry alone");
        must(script < armed, "it is armed before its script is there");
        let guard = format!("/{entry}");
        let has_guard = of(Stage::Scaffold).any(|(index, step)| {
            index < armed
                && matches!(&step.act, Act::File { path, content: Some(_), .. } if path.ends_with(&guard))
        });
        must(
            !custom.contains(crate::boot::guard::ARGUMENT) || has_guard,
            "its first process is not there before it is armed",
        );
        let proof = of(Stage::Scaffold).find_map(|(index, step)| match &step.act {
            Act::Prove { boots, afterwards, files } if index > armed => Some((boots, afterwards, files)),
            _ => None,
        });
        match proof {
            Some((boots, afterwards, files)) => {
                must(*boots == trial.expected, "something else is proven to boot");
                must(afterwards.as_ref() == Some(&trial.fallback), "nobody proves what boots after it");
                must(!files.is_empty(), "nobody proves that the kernels' files are there");
            }
            None => must(false, "nobody proves what boots before the reboot"),
        }
    } else {
        must(false, "nothing makes it boot once");
    }
    let written_down = variables(Stage::Arrive).is_some_and(|(_, variables)| get(variables, OWN[2]) == "0");
    must(written_down, "the counter isn't written down on arrival");
    problems
}

/// Whether no running kernel can be both.
fn are_apart(a: &Expected, b: &Expected) -> bool {
    let clash = |a: &Expected, b: &Expected| a.present.iter().any(|argument| b.absent.contains(argument));
    a.release != b.release || clash(a, b) || clash(b, a)
}

fn is_mark(mark: &str) -> bool {
    mark.strip_prefix("kernmend.trial=")
        .is_some_and(|id| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
