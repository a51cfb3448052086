//! A proof as text, on one screen; and the words for what is in it, which the page for the change board shares.

use std::fmt::Write as _;

use anstyle::AnsiColor;
use kernmend_core::document::journal::{Event, Outcome};
use kernmend_core::document::plan::{Expected, Running};
use kernmend_core::document::proof::{Change, Conclusion, Objection, Proof};
use kernmend_core::document::report::{Finding, Verdict};
use kernmend_core::document::{Document, Fact};
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_core::knowledge::template::duration;

use super::{BOLD, DIM, Page, plan, printable};
use crate::message::Messages;

/// The proof: the conclusion, what it rests on, what stands against it.
pub(crate) fn proof(document: &Document<Proof>, knowledge: &KnowledgeBase, messages: Messages) -> String {
    let page = Page::new(knowledge, messages);
    let words = Words { proof: &document.body, page: &page };
    let proof = words.proof;
    let style = match proof.conclusion {
        Conclusion::Proven => AnsiColor::Green.on_default().bold(),
        Conclusion::NotTold => AnsiColor::Cyan.on_default().bold(),
        Conclusion::NotProven => AnsiColor::Red.on_default().bold(),
    };
    let node = printable(&proof.plan.body.node.hostname);
    let mut text = format!("{style}{}{style:#}  {BOLD}{node}{BOLD:#}\n", words.conclusion());
    let mut line = |label: &str, sentence: &str| text.push_str(&page.line(label, sentence, &[]));
    if let Some(fault) = &proof.fault {
        line(messages.label_fault(), &words.change(fault));
    }
    line(messages.label_plan(), &words.plan());
    line(messages.label_runs(), &words.runs());
    if let Some(seconds) = proof.watched_seconds {
        line(messages.label_watched(), &messages.proof_watched(duration(messages.0, seconds)));
    }
    for objection in &proof.objections {
        line(messages.label_against(), &words.objection(objection));
    }
    if let Some((before, after)) = words.knowledge() {
        line(messages.label_besides(), &messages.proof_knowledge(before, after));
    }
    for change in words.others().filter(|change| change.before != change.after) {
        line(messages.label_besides(), &words.change(change));
    }
    for finding in words.open() {
        line(messages.label_undecided(), &messages.proof_open(&finding.id, page.title(finding)));
    }
    let _ = writeln!(text, "\n{DIM}{}  {}{DIM:#}", messages.label_proof(), document.digest());
    text
}

/// The words for what is in a proof. Nothing in them is raw that came from a machine.
pub(super) struct Words<'a> {
    pub(super) proof: &'a Proof,
    pub(super) page: &'a Page<'a>,
}

impl<'a> Words<'a> {
    const fn messages(&self) -> Messages {
        self.page.messages
    }

    pub(super) fn conclusion(&self) -> &'static str {
        match self.proof.conclusion {
            Conclusion::Proven => self.messages().proof_proven(),
            Conclusion::NotTold => self.messages().proof_not_told(),
            Conclusion::NotProven => self.messages().proof_not_proven(),
        }
    }

    /// What a fault is called, by the report that judges it.
    pub(super) fn title(&self, id: &str) -> &'a str {
        let reports = [Some(&self.proof.after), self.proof.before.as_ref()];
        let mut findings = reports.into_iter().flatten().flat_map(|report| &report.body.findings);
        findings.find(|finding| finding.id == id).map_or("", |finding| self.page.title(finding))
    }

    /// A fault and what became of it.
    fn change(&self, change: &Change) -> String {
        let verdict = |verdict| self.verdict(verdict);
        self.messages().proof_change(
            printable(&change.id),
            printable(self.title(&change.id)),
            verdict(change.before),
            verdict(change.after),
        )
    }

    /// The word for a verdict, where there is one.
    pub(super) fn verdict(&self, verdict: Option<Verdict>) -> &'static str {
        verdict.map_or(self.messages().proof_not_judged(), |verdict| self.messages().verdict(verdict))
    }

    /// What was planned, and how it ended.
    fn plan(&self) -> String {
        let (remedy, outcome) = (self.remedy(), self.outcome());
        match self.ended_at().and_then(moment) {
            Some(at) => self.messages().proof_plan_at(remedy, outcome, at),
            None => self.messages().proof_plan(remedy, outcome),
        }
    }

    pub(super) fn remedy(&self) -> String {
        let remedy = self.proof.plan.body.remedy.as_ref();
        remedy.map_or(self.messages().proof_no_remedy().to_owned(), |remedy| {
            plan::remedy(remedy, self.messages())
        })
    }

    pub(super) fn outcome(&self) -> &'static str {
        match self.proof.outcome {
            Some(outcome) => outcome_word(outcome, self.messages()),
            None => self.messages().outcome_under_way(),
        }
    }

    /// The moment at which the plan ended, in seconds since 1970.
    pub(super) fn ended_at(&self) -> Option<i64> {
        self.proof.outcome?;
        let is_end = |event: &Event| matches!(event, Event::Ended { .. });
        self.proof.entries.iter().rev().find(|entry| is_end(&entry.event)).map(|entry| entry.at)
    }

    /// What runs, and whether it should.
    pub(super) fn runs(&self) -> String {
        let at_work = &self.proof.at_work;
        match (&at_work.seen, &at_work.expected) {
            (Fact::Known { value, .. }, Some(expected)) if expected.is(value) => {
                self.messages().proof_runs(self.expected(expected))
            }
            (Fact::Known { value, .. }, Some(expected)) => self.other(value, expected),
            (Fact::Known { value, .. }, None) => printable(&value.release),
            (seen, _) => self.running_not_told(seen),
        }
    }

    fn other(&self, seen: &Running, expected: &Expected) -> String {
        let seen = format!("{} {}", seen.release, seen.arguments.join(" "));
        self.messages().objection_runs_other(printable(&seen), self.expected(expected))
    }

    fn running_not_told(&self, seen: &Fact<Running>) -> String {
        let why = match seen {
            Fact::Unknown { why } => printable(&self.messages().why(why)),
            Fact::Known { .. } | Fact::Absent { .. } => printable(seen.from()),
        };
        self.messages().objection_running_not_told(why)
    }

    /// A kernel with what must hold of its arguments.
    pub(super) fn expected(&self, expected: &Expected) -> String {
        let mut text = printable(&expected.release);
        if !expected.present.is_empty() {
            text = self.messages().expected_with(text, printable(&expected.present.join(" ")));
        }
        if !expected.absent.is_empty() {
            text = self.messages().expected_without(text, printable(&expected.absent.join(" ")));
        }
        text
    }

    /// The dates of the knowledge behind the two reports, where they differ: then a verdict can differ for that alone.
    pub(super) fn knowledge(&self) -> Option<(String, String)> {
        let before = &self.proof.before.as_ref()?.body.knowledge;
        let after = &self.proof.after.body.knowledge;
        (before != after).then(|| (printable(before), printable(after)))
    }

    /// What became of the faults that the plan doesn't name.
    fn others(&self) -> impl Iterator<Item = &'a Change> {
        let own = self.proof.plan.body.advisory.as_ref();
        self.proof.changes.iter().filter(move |change| Some(&change.id) != own)
    }

    /// Findings of which something couldn't be told.
    fn open(&self) -> impl Iterator<Item = &'a Finding> {
        self.proof.after.body.findings.iter().filter(|finding| !finding.undecided.is_empty())
    }

    /// What stands against the proof.
    pub(super) fn objection(&self, objection: &Objection) -> String {
        let messages = self.messages();
        match objection {
            Objection::NotOver => messages.objection_not_over().to_owned(),
            Objection::Stuck => messages.objection_stuck().to_owned(),
            Objection::FellBack => messages.objection_fell_back().to_owned(),
            Objection::Undone => messages.objection_undone().to_owned(),
            Objection::RolledBack => messages.objection_rolled_back().to_owned(),
            Objection::RunsOther | Objection::RunningNotTold => self.runs(),
            Objection::NoFaultNamed => messages.objection_no_fault().to_owned(),
            Objection::BeforeMissing => messages.objection_before_missing().to_owned(),
            Objection::FaultNotShownBefore { verdict } => {
                messages.objection_not_shown_before(self.verdict(*verdict))
            }
            Objection::FaultShown { verdict } => messages.objection_fault_shown(messages.verdict(*verdict)),
            Objection::FaultPossible => messages.objection_fault_possible().to_owned(),
            Objection::FaultNotTold => messages.objection_fault_not_told().to_owned(),
            Objection::SignsRemain { signs } => messages.objection_signs(self.signs(signs)),
            Objection::AnotherFault { id, verdict } => {
                messages.objection_other(printable(id), printable(self.title(id)), messages.verdict(*verdict))
            }
        }
    }

    /// What these signs of the plan's fault say now.
    fn signs(&self, signs: &[String]) -> String {
        let own = self.proof.plan.body.advisory.as_deref();
        let findings =
            self.proof.after.body.findings.iter().filter(|finding| Some(finding.id.as_str()) == own);
        let sentences = findings.flat_map(|finding| {
            let said = finding.evidence.iter().filter(|evidence| signs.contains(&evidence.sign));
            said.map(|evidence| printable(&self.page.sentence(finding, evidence).1))
        });
        sentences.collect::<Vec<_>>().join("; ")
    }
}

/// The word for how a plan ended.
pub(super) fn outcome_word(outcome: Outcome, messages: Messages) -> &'static str {
    match outcome {
        Outcome::Committed => messages.outcome_committed(),
        Outcome::FellBack => messages.outcome_fell_back(),
        Outcome::Undone => messages.outcome_undone(),
        Outcome::RolledBack => messages.outcome_rolled_back(),
    }
}

/// Seconds since 1970 as a moment of the calendar, in UTC.
pub(super) fn moment(seconds: i64) -> Option<String> {
    let stamp = jiff::Timestamp::from_second(seconds).ok()?;
    Some(stamp.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}
