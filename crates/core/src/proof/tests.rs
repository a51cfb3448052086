//! What stands against a proof, case by case: each changes one thing in a run that went well.

use super::*;
use crate::document::Reason;
use crate::document::journal::{Entry, Pass};
use crate::document::plan::{Act, PlannedNode, Stage, Step, Trial};
use crate::document::report::{Evidence, NodeSummary};
use crate::document::snapshot::Origin;

const FAULT: &str = "KM-0001";
const OTHER: &str = "KM-0002";
/// When the plan ended.
const ENDED: i64 = 2_000;

/// A run with all that its proof rests on.
struct Run {
    before: Option<Document<Report>>,
    plan: Plan,
    events: Vec<Event>,
    facts: Snapshot,
    after: Report,
}

fn finding(id: &str, verdict: Verdict) -> Finding {
    Finding {
        id: id.to_owned(),
        name: String::new(),
        title: String::new(),
        verdict,
        evidence: Vec::new(),
        undecided: Vec::new(),
    }
}

fn report(fault: Verdict, other: Verdict, collected_at: i64) -> Report {
    let not_told = || Fact::unknown(Reason::NotTold, "", "");
    Report {
        node: NodeSummary {
            hostname: not_told(),
            distribution: not_told(),
            kernel: not_told(),
            stream: not_told(),
            cgroup: not_told(),
            programs: Vec::new(),
            collected_at: Fact::known(collected_at, "/proc/stat"),
            pending: Vec::new(),
            unanswered: Vec::new(),
        },
        knowledge: "2026-11-24".to_owned(),
        findings: vec![finding(FAULT, fault), finding(OTHER, other)],
    }
}

fn expected(present: &[&str], absent: &[&str]) -> Expected {
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    Expected { release: "3.10".to_owned(), present: words(present), absent: words(absent) }
}

impl Run {
    /// The leak was there; the plan was committed; it is clear.
    fn good() -> Self {
        let mut facts = Snapshot::of_nothing(Origin::Live);
        facts.kernel.release = Fact::known("3.10".to_owned(), "/proc/sys/kernel/osrelease");
        facts.kernel.arguments = Fact::known(vec!["ro".to_owned(), "nokmem".to_owned()], "/proc/cmdline");
        let plan = Plan {
            node: PlannedNode {
                hostname: "n".to_owned(),
                machine_id: "m".to_owned(),
                running: Running { release: "3.10".to_owned(), arguments: vec!["ro".to_owned()] },
            },
            advisory: Some(FAULT.to_owned()),
            remedy: None,
            ways: Vec::new(),
            refusals: Vec::new(),
            steps: Vec::new(),
            trial: Some(Trial {
                mark: "kernmend.trial=x".to_owned(),
                expected: expected(&["nokmem"], &[]),
                fallback: expected(&[], &["nokmem"]),
                health: Vec::new(),
                health_deadline: 600,
                dead_man: 900,
            }),
            probation: None,
            remarks: Vec::new(),
            report: None,
        };
        Self {
            before: Some(Document::new(report(Verdict::Critical, Verdict::Exposed, 1_000), None)),
            plan,
            events: vec![Event::Ended { outcome: Outcome::Committed }],
            facts,
            after: report(Verdict::Clear, Verdict::Exposed, ENDED + 300),
        }
    }

    fn ended(&mut self, outcome: Outcome) {
        self.events = vec![Event::Ended { outcome }];
    }

    /// Nothing that was planned is in force any more.
    fn runs_old(&mut self) {
        self.facts.kernel.arguments = Fact::known(vec!["ro".to_owned()], "/proc/cmdline");
    }

    /// The proof; the plan names `parent`, or else the report that it was made from.
    fn prove(self, parent: Option<crate::document::Digest>) -> Document<Proof> {
        let parent = parent.or_else(|| Some(self.before.as_ref()?.digest()));
        let entries = self.events.into_iter().map(|event| Entry { at: ENDED, event }).collect();
        let journal = Journal { plan: Document::new(self.plan, parent), entries, whole: 0 };
        prove(self.before, &journal, &self.facts, Document::new(self.after, None))
    }
}

#[track_caller]
fn check(change: impl FnOnce(&mut Run), conclusion: Conclusion, objections: &[Objection]) {
    let mut run = Run::good();
    change(&mut run);
    let proof = run.prove(None).body;
    assert_eq!((proof.conclusion, proof.objections.as_slice()), (conclusion, objections));
}

#[test]
fn a_fault_that_was_there_and_cant_happen_any_more_is_proven_gone() {
    check(|_| (), Conclusion::Proven, &[]);
    // What was only possible can be mended too.
    let exposed = report(Verdict::Exposed, Verdict::Exposed, 1_000);
    check(|run| run.before = Some(Document::new(exposed, None)), Conclusion::Proven, &[]);

    let proof = Run::good().prove(None);
    assert_eq!(proof.parent, Some(proof.body.plan.digest()));
    assert_eq!(proof.body.watched_seconds, Some(300));
    assert_eq!(
        proof.body.fault,
        Some(Change { id: FAULT.to_owned(), before: Some(Verdict::Critical), after: Some(Verdict::Clear) })
    );
    assert_eq!(Document::<Proof>::from_json(&proof.to_json()).unwrap(), proof);
}

#[test]
fn what_the_second_report_says_of_the_fault_decides() {
    let check = |verdict, conclusion, objection: Objection| {
        check(|run| run.after.findings[0].verdict = verdict, conclusion, &[objection]);
    };
    check(Verdict::Unknown, Conclusion::NotTold, Objection::FaultNotTold);
    check(Verdict::Exposed, Conclusion::NotProven, Objection::FaultPossible);
    for verdict in [Verdict::Active, Verdict::Critical] {
        check(verdict, Conclusion::NotProven, Objection::FaultShown { verdict });
    }
}

#[test]
fn a_fault_that_the_second_report_doesnt_judge_is_not_told() {
    check(|run| run.after.findings.truncate(0), Conclusion::NotTold, &[Objection::FaultNotTold]);
}

#[test]
fn a_clear_verdict_with_signs_since_the_boot_is_not_proven() {
    let evidence = |sign: &str, weight| Evidence {
        sign: sign.to_owned(),
        weight,
        text: String::new(),
        values: BTreeMap::new(),
        from: Vec::new(),
    };
    let said = |run: &mut Run| {
        run.after.findings[0].evidence = vec![
            evidence("nokmem-in-force", Weight::Clears),
            evidence("mkdir-enospc", Weight::Exhausts),
            evidence("mkdir-newer-runc", Weight::Informs),
        ];
    };
    let signs = vec!["mkdir-enospc".to_owned()];
    check(said, Conclusion::NotProven, &[Objection::SignsRemain { signs }]);
}

#[test]
fn a_plan_that_is_not_in_force_proves_nothing_whatever_the_report_says() {
    for (outcome, objection) in [
        (Outcome::FellBack, Objection::FellBack),
        (Outcome::Undone, Objection::Undone),
        (Outcome::RolledBack, Objection::RolledBack),
    ] {
        let fell = |run: &mut Run| {
            run.ended(outcome);
            run.runs_old();
        };
        check(fell, Conclusion::NotProven, std::slice::from_ref(&objection));
        // The trial's kernel still runs.
        check(|run| run.ended(outcome), Conclusion::NotProven, &[objection, Objection::RunsOther]);
    }
    check(|run| run.events.clear(), Conclusion::NotProven, &[Objection::NotOver]);
    let stuck = Event::Failed { step: 0, pass: Pass::Undo, why: "read-only".to_owned() };
    check(|run| run.events = vec![stuck], Conclusion::NotProven, &[Objection::Stuck]);
}

#[test]
fn a_rollback_that_was_asked_for_reopens_the_plan() {
    let mut run = Run::good();
    let path = "/etc/default/grub".to_owned();
    let act = Act::File { path, before: None, content: Some(String::new()), mode: 0o644 };
    run.plan.steps = vec![Step { stage: Stage::Commit, act }];
    run.events.insert(0, Event::Done { step: 0, pass: Pass::Act });
    run.events.push(Event::RollbackAsked);
    let proof = run.prove(None).body;
    assert_eq!((proof.outcome, proof.watched_seconds, proof.at_work.expected), (None, None, None));
    assert_eq!(proof.objections, [Objection::NotOver]);
}

#[test]
fn what_runs_has_to_be_what_was_planned() {
    check(Run::runs_old, Conclusion::NotProven, &[Objection::RunsOther]);
    let unknown =
        |run: &mut Run| run.facts.kernel.arguments = Fact::unknown(Reason::ReadFailed, "/proc/cmdline", "");
    check(unknown, Conclusion::NotTold, &[Objection::RunningNotTold]);
    let unknown = |run: &mut Run| run.facts.kernel.release = Fact::unknown(Reason::ReadFailed, "/proc", "");
    check(unknown, Conclusion::NotTold, &[Objection::RunningNotTold]);
    // A plan that boots nothing has no kernel to hold it to.
    let no_trial = |run: &mut Run| {
        run.plan.trial = None;
        run.runs_old();
    };
    check(no_trial, Conclusion::Proven, &[]);
}

#[test]
fn a_fault_that_was_not_shown_before_cant_be_shown_to_be_gone() {
    for verdict in [Verdict::Clear, Verdict::Unknown] {
        let before = Document::new(report(verdict, Verdict::Exposed, 1_000), None);
        let objection = Objection::FaultNotShownBefore { verdict: Some(verdict) };
        check(|run| run.before = Some(before), Conclusion::NotTold, &[objection]);
    }
    let elsewhere = |run: &mut Run| run.plan.advisory = Some("KM-0009".to_owned());
    let objections = [Objection::FaultNotShownBefore { verdict: None }, Objection::FaultNotTold];
    check(elsewhere, Conclusion::NotTold, &objections);
    check(|run| run.plan.advisory = None, Conclusion::NotTold, &[Objection::NoFaultNamed]);
}

#[test]
fn a_report_that_the_plan_doesnt_name_counts_as_missing() {
    check(|run| run.before = None, Conclusion::NotTold, &[Objection::BeforeMissing]);
    let other = Document::new(report(Verdict::Active, Verdict::Clear, 0), None).digest();
    let proof = Run::good().prove(Some(other)).body;
    assert_eq!((proof.before, proof.objections), (None, vec![Objection::BeforeMissing]));
    assert_eq!(proof.changes[0].before, None);
}

#[test]
fn a_fault_that_came_with_the_change_is_told() {
    let other = |verdict| move |run: &mut Run| run.after.findings[1].verdict = verdict;
    let id = OTHER.to_owned();
    let objection = Objection::AnotherFault { id, verdict: Verdict::Active };
    check(other(Verdict::Active), Conclusion::NotProven, &[objection]);
    check(other(Verdict::Unknown), Conclusion::Proven, &[]);
    // One that was at work before is no news.
    let stays = |run: &mut Run| {
        run.before = Some(Document::new(report(Verdict::Critical, Verdict::Active, 1_000), None));
        run.after.findings[1].verdict = Verdict::Critical;
    };
    check(stays, Conclusion::Proven, &[]);
}

#[test]
fn what_is_known_outweighs_what_is_not() {
    let both = |run: &mut Run| {
        run.before = None;
        run.after.findings[0].verdict = Verdict::Exposed;
    };
    check(both, Conclusion::NotProven, &[Objection::FaultPossible, Objection::BeforeMissing]);
}

#[test]
fn a_clock_that_was_set_back_tells_no_time() {
    let mut run = Run::good();
    run.after.node.collected_at = Fact::known(ENDED - 1, "/proc/stat");
    assert_eq!(run.prove(None).body.watched_seconds, None);
}
