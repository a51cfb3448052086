//! Whether it is shown that a plan has mended its fault: a pure function from what was known before, what was done and
//! what is known now. A change board acts on its answer, so it says *proven* only where nothing stands against it.

use std::collections::BTreeMap;

use crate::document::journal::{Event, Journal, Outcome};
use crate::document::plan::{Expected, Plan, Running};
use crate::document::proof::{AtWork, Change, Conclusion, Objection, Proof};
use crate::document::report::{Finding, Report, Verdict, Weight};
use crate::document::snapshot::Snapshot;
use crate::document::{Document, Fact};
use crate::journal::{Next, next, outcome};

/// Makes the proof. `before` is the report from which the plan was made; one that the plan doesn't name counts as
/// missing. `facts` are those from which `after` was made.
#[must_use]
pub fn prove(
    before: Option<Document<Report>>,
    journal: &Journal,
    facts: &Snapshot,
    after: Document<Report>,
) -> Document<Proof> {
    let plan = &journal.plan.body;
    let before = before.filter(|before| Some(before.digest()) == journal.plan.parent);
    let events: Vec<Event> = journal.events().cloned().collect();
    let ended = outcome(plan, &events);
    let changes = changes(before.as_ref().map(|before| &before.body), &after.body);
    let at_work = AtWork { expected: expected(plan, ended), seen: running(facts) };

    let mut objections = Vec::new();
    objections.extend(match ended {
        Some(Outcome::Committed) => None,
        Some(Outcome::FellBack) => Some(Objection::FellBack),
        Some(Outcome::Undone) => Some(Objection::Undone),
        Some(Outcome::RolledBack) => Some(Objection::RolledBack),
        None if matches!(next(plan, &events), Next::Stuck(_)) => Some(Objection::Stuck),
        None => Some(Objection::NotOver),
    });
    if let Some(expected) = &at_work.expected {
        match at_work.seen.value() {
            Some(running) if expected.is(running) => {}
            Some(_) => objections.push(Objection::RunsOther),
            None => objections.push(Objection::RunningNotTold),
        }
    }
    match &plan.advisory {
        None => objections.push(Objection::NoFaultNamed),
        Some(id) => {
            if before.is_some() {
                let verdict = verdict_of(&changes, id, |change| change.before);
                if verdict < Some(Verdict::Exposed) {
                    objections.push(Objection::FaultNotShownBefore { verdict });
                }
            }
            objections.extend(still_there(finding(&after.body, id)));
        }
    }
    if before.is_some() {
        objections.extend(others(plan, &changes));
    } else {
        objections.push(Objection::BeforeMissing);
    }
    let conclusion = if objections.is_empty() {
        Conclusion::Proven
    } else if objections.iter().all(Objection::is_open) {
        Conclusion::NotTold
    } else {
        Conclusion::NotProven
    };
    let fault = plan.advisory.as_ref().map(|id| {
        changes.iter().find(|change| change.id == *id).cloned().unwrap_or_else(|| Change {
            id: id.clone(),
            before: None,
            after: None,
        })
    });
    let proof = Proof {
        conclusion,
        objections,
        outcome: ended,
        fault,
        changes,
        at_work,
        watched_seconds: ended
            .filter(|ended| *ended == Outcome::Committed)
            .and_then(|_| watched(journal, &after.body)),
        before,
        plan: journal.plan.clone(),
        entries: journal.entries.clone(),
        after,
    };
    Document::new(proof, Some(journal.plan.digest()))
}

fn finding<'a>(report: &'a Report, id: &str) -> Option<&'a Finding> {
    report.findings.iter().find(|finding| finding.id == id)
}

fn verdict_of(changes: &[Change], id: &str, which: impl Fn(&Change) -> Option<Verdict>) -> Option<Verdict> {
    changes.iter().find(|change| change.id == id).and_then(which)
}

fn changes(before: Option<&Report>, after: &Report) -> Vec<Change> {
    let mut by_id: BTreeMap<&str, (Option<Verdict>, Option<Verdict>)> = BTreeMap::new();
    for finding in before.into_iter().flat_map(|report| &report.findings) {
        by_id.entry(&finding.id).or_default().0 = Some(finding.verdict);
    }
    for finding in &after.findings {
        by_id.entry(&finding.id).or_default().1 = Some(finding.verdict);
    }
    let change = |(id, (before, after)): (&str, _)| Change { id: id.to_owned(), before, after };
    by_id.into_iter().map(change).collect()
}

/// What should run, by how the plan ended.
fn expected(plan: &Plan, ended: Option<Outcome>) -> Option<Expected> {
    let trial = plan.trial.as_ref()?;
    Some(match ended? {
        Outcome::Committed => trial.expected.clone(),
        Outcome::FellBack | Outcome::Undone | Outcome::RolledBack => trial.fallback.clone(),
    })
}

fn running(facts: &Snapshot) -> Fact<Running> {
    let arguments = match &facts.kernel.arguments {
        Fact::Known { value, .. } => value.clone(),
        missing => return missing.clone().map(|arguments| Running { release: String::new(), arguments }),
    };
    facts.kernel.release.clone().map(|release| Running { release, arguments })
}

/// What the second report has against the fault's being gone.
fn still_there(finding: Option<&Finding>) -> Option<Objection> {
    let Some(finding) = finding else { return Some(Objection::FaultNotTold) };
    match finding.verdict {
        Verdict::Unknown => Some(Objection::FaultNotTold),
        Verdict::Exposed => Some(Objection::FaultPossible),
        verdict @ (Verdict::Active | Verdict::Critical) => Some(Objection::FaultShown { verdict }),
        Verdict::Clear => {
            let shows = |weight| matches!(weight, Weight::Shows | Weight::Exhausts);
            let signs = finding.evidence.iter().filter(|evidence| shows(evidence.weight));
            let signs: Vec<String> = signs.map(|evidence| evidence.sign.clone()).collect();
            (!signs.is_empty()).then_some(Objection::SignsRemain { signs })
        }
    }
}

/// Faults that are at work now and weren't before, but for the plan's own.
fn others<'a>(plan: &'a Plan, changes: &'a [Change]) -> impl Iterator<Item = Objection> + 'a {
    let is_other = |change: &&Change| Some(&change.id) != plan.advisory.as_ref();
    changes.iter().filter(is_other).filter_map(|change| {
        let verdict = change.after.filter(|verdict| *verdict >= Verdict::Active)?;
        let is_new = change.before < Some(Verdict::Active);
        is_new.then(|| Objection::AnotherFault { id: change.id.clone(), verdict })
    })
}

/// Seconds from the end of a plan to the second report.
fn watched(journal: &Journal, after: &Report) -> Option<u64> {
    let is_end = |event: &Event| matches!(event, Event::Ended { .. });
    let ended = journal.entries.iter().rev().find(|entry| is_end(&entry.event))?;
    u64::try_from(after.node.collected_at.value()?.checked_sub(ended.at)?).ok()
}

#[cfg(test)]
mod tests;
