//! Holds a trial boot, or a node on probation, against the plan's checks, again and again until all hold or the time is up.
//! It asks the node alone, since the cluster can't be reached just when the new kernel has no network.

mod http;
mod route;

use std::time::Duration;

use kernmend_core::diagnose::diagnose;
use kernmend_core::document::journal::{Event, FailedCheck};
use kernmend_core::document::plan::{Check, Running};
use kernmend_core::document::report::Verdict;
use kernmend_core::document::snapshot::{MemoryHierarchy, Snapshot};
use kernmend_core::document::{Digest, Document, Fact};

use super::{Progress, Runner, container, line, menu, prove};
use crate::collect::{collect, memory};
use crate::host::Host;
use crate::machine::{Machine, Output, Program};

/// What is kept of what a check said.
const MAX_WORDS: usize = 2000;

/// Routing tables have a line for each route.
const MAX_ROUTES: usize = 4 << 20;

/// What came of one check.
enum Answer {
    Holds,
    Fails(String),
    /// It can't be told. That is no reason to turn back from a kernel which does its work.
    Untold(String),
}

use self::Answer::{Fails, Holds, Untold};

/// What came of all.
#[derive(Default)]
struct Judgement {
    failed: Vec<FailedCheck>,
    untold: Vec<FailedCheck>,
}

/// How much of the checks is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Up to the first that fails: while a node comes up its looks must not hold it up.
    FirstFailure,
    /// All of them.
    All,
}

/// Judges the trial boot, and says what is to be written down.
pub(super) fn judge<M: Machine>(run: &mut Runner<'_, M>) -> Event {
    // A trial's time runs from its boot, any other from the first look.
    let mut health = run.plan.health().to_vec();
    health.sort_by_key(cost);
    let (from, seconds) = match (&run.plan.trial, &run.plan.probation) {
        (Some(trial), _) => (Duration::ZERO, trial.health_deadline),
        (None, Some(probation)) => (run.apply.machine.uptime(), probation.health_deadline),
        (None, None) => return Event::Judged { healthy: true, failed: Vec::new(), untold: Vec::new() },
    };
    let deadline = from + Duration::from_secs(seconds);
    loop {
        let Judgement { failed, untold } = look(run, &health, Extent::FirstFailure);
        if failed.is_empty() {
            return Event::Judged { healthy: true, failed, untold };
        }
        // Another kernel than was expected stays that until the next boot.
        let is_final = failed.iter().any(|failed| failed.check == Check::Kernel);
        let uptime = run.apply.machine.uptime();
        if is_final || uptime >= deadline {
            let Judgement { failed, untold } = look(run, &health, Extent::All);
            return Event::Judged { healthy: failed.is_empty(), failed, untold };
        }
        (run.apply.progress)(Progress::Waiting(&failed));
        run.apply.machine.wait(run.apply.options.pause.min(deadline - uptime));
    }
}

/// The order in which checks are made: what is read from the kernel, what takes a program, what takes long. For a fault all
/// of the node's facts are read.
fn cost(check: &Check) -> u8 {
    match check {
        Check::Kernel | Check::DefaultRoute => 0,
        Check::CgroupVersion { .. } | Check::AccountingOff => 1,
        Check::Unit { .. } | Check::Http { .. } => 2,
        Check::Program { .. } => 3,
        Check::Scripts { .. } => 4,
        Check::Container { .. } => 5,
        Check::Fault { .. } => 6,
    }
}

/// Makes all checks once, or those up to the first that fails.
fn look<M: Machine>(run: &mut Runner<'_, M>, health: &[Check], extent: Extent) -> Judgement {
    let mut judgement = Judgement::default();
    let host = prove::host(run);
    for check in health {
        let answer = match (check, &host) {
            (Check::Unit { name }, _) => unit(run, name),
            (Check::Http { port, path }, _) => {
                http::get(*port, path, run.apply.options.check).map_or_else(Fails, |()| Holds)
            }
            (Check::Scripts { directory }, _) => scripts(run, directory),
            (Check::Program { path, content }, _) => program(run, path, content),
            (Check::Container { runtime, unaccounted }, _) => {
                container::runs(run, runtime, *unaccounted).map_or_else(Fails, |()| Holds)
            }
            (_, Err(why)) => Fails(why.clone()),
            (Check::DefaultRoute, Ok(host)) => default_route(host),
            (Check::Kernel, Ok(_)) => kernel(run),
            (Check::AccountingOff, Ok(host)) => on_hierarchy(host, accounting_off),
            (Check::CgroupVersion { version }, Ok(host)) => on_hierarchy(host, |hierarchy| {
                if hierarchy.version == *version {
                    return Holds;
                }
                Fails(format!(
                    "version {} at `{}` carries the memory controller",
                    hierarchy.version, hierarchy.path
                ))
            }),
            (Check::Fault { advisory }, Ok(host)) => fault(run, collect(host), advisory),
        };
        let (list, seen) = match answer {
            Holds => continue,
            Fails(seen) => (&mut judgement.failed, seen),
            Untold(seen) => (&mut judgement.untold, seen),
        };
        list.push(FailedCheck { check: check.clone(), seen });
        if extent == Extent::FirstFailure && !judgement.failed.is_empty() {
            break;
        }
    }
    judgement
}

fn kernel<M: Machine>(run: &Runner<'_, M>) -> Answer {
    let is_it = |running: &Running| match &run.plan.trial {
        Some(trial) => trial.expected.is(running),
        None => run.plan.node.running == *running,
    };
    match run.apply.running() {
        Ok(running) if is_it(&running) => Holds,
        Ok(running) => Fails(line(&running)),
        Err(error) => Fails(error.to_string()),
    }
}

fn on_hierarchy(host: &Host<'_>, judge: impl FnOnce(&MemoryHierarchy) -> Answer) -> Answer {
    match memory(host) {
        Fact::Known { value, .. } => judge(&value),
        Fact::Absent { .. } => Fails("no hierarchy carries the memory controller".to_owned()),
        Fact::Unknown { why } => Fails(format!("`{}` can't be told: {:?}", why.path, why.reason)),
    }
}

/// Kernel memory accounting: at least one cgroup must have been looked at, since none at all proves nothing.
fn accounting_off(hierarchy: &MemoryHierarchy) -> Answer {
    let counts = &hierarchy.accounting;
    if counts.on > 0 {
        let example = counts.example_on.as_deref().unwrap_or(&hierarchy.path);
        return Fails(format!("it is on in {} cgroups: `{example}`", counts.on));
    }
    // A version 2 hierarchy has no such files, and neither has a kernel that lacks it: looked at, and not there.
    let looked_at = counts.refused + counts.silent;
    let has_none = !counts.files && hierarchy.directories.at_least > 1;
    if looked_at > 0 || has_none {
        return Holds;
    }
    Fails(format!("no cgroup below `{}` could be looked at", hierarchy.path))
}

fn fault<M: Machine>(run: &Runner<'_, M>, snapshot: Snapshot, advisory: &str) -> Answer {
    let report = diagnose(&Document::new(snapshot, None), run.apply.knowledge).body;
    let Some(finding) = report.findings.into_iter().find(|finding| finding.id == advisory) else {
        return Untold(format!("this version knows no {advisory}"));
    };
    let evidence: Vec<&str> = finding.evidence.iter().map(|evidence| evidence.text.as_str()).collect();
    match finding.verdict {
        Verdict::Clear | Verdict::Exposed => Holds,
        Verdict::Unknown => {
            let missing: Vec<&str> = finding.undecided.iter().map(|open| open.fact.as_str()).collect();
            Untold(format!("unknown without {}", missing.join(", ")))
        }
        verdict @ (Verdict::Active | Verdict::Critical) => {
            Fails(format!("{}: {}", verdict.name(), evidence.join("; ")))
        }
    }
}

fn default_route(host: &Host<'_>) -> Answer {
    let read = |path: &str| host.read(path, MAX_ROUTES).got().map(|content| content.text());
    let (v4, v6) = (read("/proc/net/route"), read("/proc/net/ipv6_route"));
    if v4.as_deref().is_some_and(route::has_default_v4) || v6.as_deref().is_some_and(route::has_default_v6) {
        return Holds;
    }
    match (v4, v6) {
        (None, None) => Fails("no routing table can be read".to_owned()),
        _ => Fails("there is no default route".to_owned()),
    }
}

fn unit<M: Machine>(run: &mut Runner<'_, M>, name: &str) -> Answer {
    match run.apply.machine.run(&Program::IsActive { unit: name.to_owned() }, run.apply.options.check) {
        Ok(Output { code: Some(0), .. }) => Holds,
        Ok(output) => Fails(format!("`{name}` is {}", menu::last(&output.text, MAX_WORDS))),
        Err(error) => Fails(error.line()),
    }
}

fn program<M: Machine>(run: &Runner<'_, M>, path: &str, content: &Digest) -> Answer {
    match run.apply.machine.digest(path) {
        Ok(Some(found)) if found == *content => Holds,
        Ok(Some(found)) => Fails(format!("`{path}` holds {found}")),
        Ok(None) => Fails(format!("there is no `{path}`")),
        Err(error) => Fails(error.line()),
    }
}

/// Runs all of a directory's programs, in the order of their names. One that fails doesn't spare the others.
fn scripts<M: Machine>(run: &mut Runner<'_, M>, directory: &str) -> Answer {
    let names = match run.apply.machine.list(directory) {
        Ok(names) => names,
        Err(error) => return Fails(error.line()),
    };
    // What editors and package managers leave behind is hidden, or ends like this.
    let is_left_over =
        |name: &String| name.starts_with('.') || name.ends_with('~') || name.contains(".dpkg-");
    let mut failed = Vec::new();
    for name in names.iter().filter(|name| !is_left_over(name)) {
        let program = Program::Check { path: format!("{directory}/{name}") };
        match run.apply.machine.run(&program, run.apply.options.check) {
            Ok(Output { code: Some(0), .. }) => {}
            Ok(Output { code, text }) => {
                let code = code.map_or_else(|| "by a signal".to_owned(), |code| format!("with {code}"));
                failed.push(format!("`{name}` ended {code}: {}", menu::last(&text, MAX_WORDS)));
            }
            Err(error) => failed.push(error.line()),
        }
    }
    if failed.is_empty() { Holds } else { Fails(failed.join("\n")) }
}

#[cfg(test)]
mod tests {
    use kernmend_core::document::Bounds;
    use kernmend_core::document::snapshot::AccountingCounts;

    use super::*;

    #[test]
    fn accounting_is_off_where_a_cgroup_was_looked_at_and_none_has_it() {
        let hierarchy = |directories, accounting| MemoryHierarchy {
            version: 1,
            path: "/sys/fs/cgroup/memory".to_owned(),
            directories: Bounds::exact(directories),
            accounting,
        };
        let counts = |on, refused, silent, files| AccountingCounts {
            on,
            refused,
            silent,
            files,
            ..AccountingCounts::default()
        };
        for (directories, counts, holds) in [
            (3, counts(0, 1, 0, true), true),
            (3, counts(0, 0, 2, true), true),
            (3, counts(1, 1, 0, true), false),
            (3, counts(0, 0, 0, false), true),
            (1, counts(0, 0, 0, false), false),
            (3, counts(0, 0, 0, true), false),
        ] {
            let answer = accounting_off(&hierarchy(directories, counts.clone()));
            assert_eq!(matches!(answer, Holds), holds, "{directories} {counts:?}");
        }
    }
}
