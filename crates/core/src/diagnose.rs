//! What the facts of a snapshot mean: a pure function from a snapshot and the knowledge to a report. It decides by the
//! tables of the advisories and holds no threshold of its own.

pub mod fact;
mod pending;

use std::collections::{BTreeMap, BTreeSet};

use self::fact::SnapshotFacts;
use crate::condition::{Facts, Missing, Reading};
use crate::document::report::{Evidence, Finding, NodeSummary, Report, Undecided, Verdict, Weight};
use crate::document::snapshot::{CgroupMode, Program, Snapshot};
use crate::document::{Document, Fact, Reason, Why};
use crate::knowledge::KnowledgeBase;
use crate::knowledge::advisory::{Advisory, Language, Sign};

/// Tells what every advisory means for the snapshot.
#[must_use]
pub fn diagnose(snapshot: &Document<Snapshot>, knowledge: &KnowledgeBase) -> Document<Report> {
    let mut findings: Vec<Finding> =
        knowledge.advisories.iter().map(|advisory| judge(advisory, &snapshot.body, knowledge)).collect();
    findings
        .sort_by(|a, b| (std::cmp::Reverse(a.verdict), &a.id).cmp(&(std::cmp::Reverse(b.verdict), &b.id)));
    let report = Report {
        node: summarise(&snapshot.body, knowledge),
        knowledge: knowledge.date().to_owned(),
        findings,
    };
    Document::new(report, Some(snapshot.digest()))
}

/// Judges one advisory: the first row of its table that holds gives the verdict. A row above it that could hold, were
/// more known, is named as undecided where it would be worse; and *clear* is only given when no such row is left.
pub(crate) fn judge(advisory: &Advisory, snapshot: &Snapshot, knowledge: &KnowledgeBase) -> Finding {
    let facts = SnapshotFacts::new(snapshot, knowledge, advisory);
    let mut verdict = Verdict::Unknown;
    let mut open: Vec<(Verdict, Vec<Missing>)> = Vec::new();
    for row in &advisory.verdicts {
        let outcome = row.when.evaluate(&facts);
        match outcome.holds {
            Some(true) => {
                verdict = row.verdict;
                break;
            }
            Some(false) => {}
            None => open.push((row.verdict, outcome.missing)),
        }
    }
    if verdict == Verdict::Clear && open.iter().any(|(would_be, _)| *would_be != Verdict::Clear) {
        verdict = Verdict::Unknown;
    }
    let mut undecided: BTreeMap<Missing, Verdict> = BTreeMap::new();
    for (could_be, missing) in open {
        if could_be > verdict || verdict == Verdict::Unknown {
            for missing in missing {
                let worst = undecided.entry(missing).or_insert(could_be);
                *worst = (*worst).max(could_be);
            }
        }
    }
    Finding {
        id: advisory.id.clone(),
        name: advisory.name.clone(),
        title: advisory.texts[&Language::En].title.clone(),
        verdict,
        evidence: advisory.signs.iter().filter_map(|sign| evidence(sign, &facts, verdict)).collect(),
        undecided: undecided_list(undecided),
    }
}

/// What is missing, the worst first, and what is missing for one reason together.
fn undecided_list(missing: BTreeMap<Missing, Verdict>) -> Vec<Undecided> {
    let entry = |(Missing { fact, why }, could_be)| Undecided { fact, could_be, command: command(&why), why };
    let mut list: Vec<Undecided> = missing.into_iter().map(entry).collect();
    list.sort_by(|a, b| (b.could_be, &a.why, &a.fact).cmp(&(a.could_be, &b.why, &b.fact)));
    list
}

/// The sign as evidence, where it holds. What clears a fault is said only of a fault that is clear.
fn evidence(sign: &Sign, facts: &SnapshotFacts<'_>, verdict: Verdict) -> Option<Evidence> {
    if sign.weight == Weight::Clears && verdict != Verdict::Clear {
        return None;
    }
    let outcome = sign.when.evaluate(facts);
    if outcome.holds != Some(true) {
        return None;
    }
    let text = &sign.texts[&Language::En].text;
    let mut readings: BTreeMap<String, Reading> = outcome.used;
    for name in text.names() {
        if !readings.contains_key(name)
            && let Ok(reading) = facts.fact(name)
        {
            readings.insert(name.to_owned(), reading);
        }
    }
    let values: BTreeMap<String, String> =
        readings.iter().map(|(name, reading)| (name.clone(), reading.value.plain())).collect();
    // What the sentence shows is what people want to look up; where it shows nothing, what the condition rests on.
    let shown = text.names();
    let shows = |name: &String| shown.is_empty() || shown.contains(name.as_str());
    let from: BTreeSet<&String> =
        readings.iter().filter(|(name, _)| shows(name)).flat_map(|(_, reading)| &reading.from).collect();
    Some(Evidence {
        sign: sign.name.clone(),
        weight: sign.weight,
        text: text.fill(Language::En, &values),
        values,
        from: from.into_iter().cloned().collect(),
    })
}

/// The command that would tell a fact which is missing for this reason.
fn command(why: &Why) -> String {
    match why.reason {
        Reason::PermissionDenied => "sudo kernmend check".to_owned(),
        Reason::NotCaptured | Reason::LeftOut => "kernmend check".to_owned(),
        Reason::ReadFailed
        | Reason::Cut
        | Reason::Malformed
        | Reason::DeadlineExceeded
        | Reason::NotTold
        | Reason::Contradicted => String::new(),
    }
}

fn summarise(snapshot: &Snapshot, knowledge: &KnowledgeBase) -> NodeSummary {
    let mode = |mode: CgroupMode| match mode {
        CgroupMode::V1 => "v1",
        CgroupMode::V2 => "v2",
        CgroupMode::Hybrid => "hybrid",
    };
    NodeSummary {
        hostname: snapshot.hostname.clone(),
        distribution: snapshot.distribution.clone().map(|distribution| distribution.pretty_name),
        kernel: snapshot.kernel.release.clone(),
        stream: fact::stream(snapshot, knowledge),
        cgroup: snapshot.cgroups.mode.clone().map(|found| mode(found).to_owned()),
        programs: programs(&snapshot.programs.found),
        collected_at: snapshot.collected_at.clone(),
        pending: pending::find(snapshot),
        unanswered: snapshot.unanswered.clone(),
    }
}

/// The programs worth a place in the headline: the kubelet and the runtimes that run; where none of a name runs, the
/// copies on disk. Helpers of a runtime aren't named beside it.
fn programs(found: &[Program]) -> Vec<String> {
    const HEADLINE: [&str; 6] = ["kubelet", "k3s", "docker", "containerd", "crio", "runc"];
    let mut lines = Vec::new();
    for name in HEADLINE {
        let of_name: Vec<&Program> = found.iter().filter(|program| program.name == name).collect();
        let runs = of_name.iter().any(|program| !program.processes.is_empty());
        for program in of_name.into_iter().filter(|program| !runs || !program.processes.is_empty()) {
            let line = match &program.version {
                Fact::Known { value, .. } => format!("{name} {value}"),
                Fact::Absent { .. } | Fact::Unknown { .. } => name.to_owned(),
            };
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines
}
