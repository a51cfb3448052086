//! What was done, on the page: the stretches of time between boots as a picture, the journal line by line, and what each
//! step has left behind.

use std::collections::BTreeMap;

use kernmend_core::document::journal::{Destination, Entry, Event, FailedCheck, Pass};
use kernmend_core::document::plan::{Act, Plan, Running, Step};
use kernmend_core::document::proof::Proof;
use kernmend_core::knowledge::template::duration;

use super::finding::bar;
use super::html::Html;
use crate::message::Messages;
use crate::render::plan;
use crate::render::proof::{moment, outcome_word};

/// A stretch of time in which one kernel ran, or none.
struct Stretch {
    name: String,
    from: i64,
    to: i64,
    is_away: bool,
}

impl Stretch {
    fn seconds(&self) -> u64 {
        u64::try_from(self.to.saturating_sub(self.from)).unwrap_or(0)
    }
}

/// A line of the journal, or two of them: a step, and what came of it.
struct Line {
    at: i64,
    what: String,
    /// Longer than fits into the sentence: arguments, files.
    more: String,
    result: Outcome,
}

/// What came of a line.
enum Outcome {
    /// It is a fact by itself.
    Said,
    /// A step that has no end in the journal.
    Open {
        step: usize,
        pass: Pass,
    },
    Done {
        seconds: u64,
    },
    Failed {
        why: String,
    },
}

/// A journal as it is shown.
pub(super) struct Run {
    stretches: Vec<Stretch>,
    lines: Vec<Line>,
}

impl Run {
    pub(super) fn of(proof: &Proof, messages: Messages) -> Self {
        let plan = &proof.plan.body;
        Self {
            stretches: stretches(plan, &proof.entries, messages),
            lines: lines(plan, &proof.entries, messages),
        }
    }

    /// How often the node was away, and for how many seconds in all.
    pub(super) fn away(&self) -> (usize, u64) {
        let away = || self.stretches.iter().filter(|stretch| stretch.is_away);
        (away().count(), away().map(Stretch::seconds).fold(0, u64::saturating_add))
    }
}

/// What ran when, by the journal. Between the last line before a boot and the boot itself the node was away, also where
/// nobody said that it would be.
fn stretches(plan: &Plan, entries: &[Entry], messages: Messages) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut boot = None;
    let mut last = None;
    let mut into = None;
    for entry in entries {
        match &entry.event {
            Event::Booted { boot_id, running } => {
                let is_another = boot.replace(boot_id) != Some(boot_id);
                if let Some(from) = last.filter(|_| is_another) {
                    let name = match into {
                        Some(into) => destination(into, messages),
                        None => messages.page_stretch_unplanned(),
                    };
                    stretches.push(Stretch { name: name.to_owned(), from, to: entry.at, is_away: true });
                }
                if is_another {
                    let name = kernel(plan, running, messages);
                    stretches.push(Stretch { name, from: entry.at, to: entry.at, is_away: false });
                }
                into = None;
            }
            Event::Rebooting { into: to } => into = Some(*to),
            _ => {}
        }
        if let Some(stretch) = stretches.last_mut() {
            stretch.to = entry.at;
        }
        last = Some(entry.at);
    }
    stretches
}

/// What a reboot is for.
fn destination(into: Destination, messages: Messages) -> &'static str {
    match into {
        Destination::Trial => messages.page_into_trial(),
        Destination::Old => messages.page_into_old(),
        Destination::New => messages.page_into_new(),
        Destination::Anew => messages.page_into_anew(),
    }
}

/// A running kernel by what it is to the plan.
fn kernel(plan: &Plan, running: &Running, messages: Messages) -> String {
    let Some(trial) = &plan.trial else { return running.release.clone() };
    let release = &running.release;
    if running.arguments.contains(&trial.mark) {
        messages.page_kernel_trial(release)
    } else if trial.expected.is(running) {
        messages.page_kernel_new(release)
    } else if trial.fallback.is(running) {
        messages.page_kernel_old(release)
    } else {
        messages.page_kernel_other(release)
    }
}

fn lines(plan: &Plan, entries: &[Entry], messages: Messages) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for Entry { at, event } in entries {
        let at = *at;
        if is_nothing(plan, event) {
            continue;
        }
        let said = |what: String| Line { at, what, more: String::new(), result: Outcome::Said };
        let line = match event {
            Event::Booted { running, .. } => Line {
                more: running.arguments.join(" "),
                ..said(messages.page_booted(kernel(plan, running, messages)))
            },
            Event::Started { step, pass, .. } => Line {
                result: Outcome::Open { step: *step, pass: *pass },
                ..said(step_words(plan, *step, *pass, messages))
            },
            Event::Done { step, pass } => {
                let seconds = |began| u64::try_from(at.saturating_sub(began)).unwrap_or(0);
                match open(&mut lines, *step, *pass) {
                    Some(line) => {
                        line.result = Outcome::Done { seconds: seconds(line.at) };
                        continue;
                    }
                    None => Line {
                        result: Outcome::Done { seconds: 0 },
                        ..said(step_words(plan, *step, *pass, messages))
                    },
                }
            }
            Event::Failed { step, pass, why } => {
                let result = Outcome::Failed { why: why.clone() };
                match open(&mut lines, *step, *pass) {
                    Some(line) => {
                        line.result = result;
                        continue;
                    }
                    None => Line { result, ..said(step_words(plan, *step, *pass, messages)) },
                }
            }
            Event::Rebooting { into } => said(destination(*into, messages).to_owned()),
            Event::Judged { healthy, failed, untold } => {
                let seen = |check: &FailedCheck| {
                    messages.page_failed_check(plan::check(&check.check, messages), &check.seen)
                };
                let all = |checks: &[FailedCheck]| checks.iter().map(seen).collect::<Vec<_>>().join("; ");
                let checks = plan.health().iter();
                let mut more: Vec<String> = checks.map(|check| plan::check(check, messages)).collect();
                if !untold.is_empty() {
                    more.push(messages.page_untold(all(untold)));
                }
                let (what, result) = if *healthy {
                    (messages.page_healthy(), Outcome::Said)
                } else {
                    (messages.page_unhealthy(), Outcome::Failed { why: all(failed) })
                };
                Line { more: more.join(" · "), result, ..said(what.to_owned()) }
            }
            Event::RollbackAsked => said(messages.page_rollback_asked().to_owned()),
            Event::Evidence { files } => {
                Line { more: files.join(", "), ..said(messages.page_evidence().to_owned()) }
            }
            Event::Ended { outcome } => said(messages.page_ended(outcome_word(*outcome, messages))),
        };
        lines.push(line);
    }
    lines
}

/// Whether a proof is taken back, of which nothing is left that could be.
fn is_nothing(plan: &Plan, event: &Event) -> bool {
    match event {
        Event::Started { step, pass: Pass::Undo, .. } | Event::Done { step, pass: Pass::Undo } => {
            plan.steps.get(*step).is_some_and(leaves_nothing)
        }
        _ => false,
    }
}

fn leaves_nothing(step: &Step) -> bool {
    matches!(step.act, Act::Prove { .. })
}

/// The line of a step that has no end yet.
fn open(lines: &mut [Line], step: usize, pass: Pass) -> Option<&mut Line> {
    let is_it = |line: &&mut Line| matches!(line.result, Outcome::Open { step: s, pass: p } if (s, p) == (step, pass));
    lines.iter_mut().rev().find(is_it)
}

fn step_words(plan: &Plan, number: usize, pass: Pass, messages: Messages) -> String {
    let words = match plan.steps.get(number) {
        Some(step) => plan::step(step, messages),
        None => messages.page_no_step(number.saturating_add(1)),
    };
    match pass {
        Pass::Act => words,
        Pass::Undo => messages.page_taken_back(words),
    }
}

/// The picture and the lines.
pub(super) fn run(html: &mut Html, run: &Run, messages: Messages) {
    if run.lines.is_empty() {
        html.leaf("p", &[], messages.page_nothing_done());
        return;
    }
    if !run.stretches.is_empty() {
        timeline(html, &run.stretches, messages);
    }
    html.element("table", &[("class", "journal")], |html| {
        html.element("thead", &[], |html| {
            html.element("tr", &[], |html| {
                for head in
                    [messages.page_column_time(), messages.page_column_what(), messages.page_column_result()]
                {
                    html.leaf("th", &[("scope", "col")], head);
                }
            });
        });
        for line in &run.lines {
            html.element("tr", &[], |html| self::line(html, line, messages));
        }
    });
}

/// When what ran, to scale.
fn timeline(html: &mut Html, stretches: &[Stretch], messages: Messages) {
    let first = stretches.iter().map(|stretch| stretch.from).min().unwrap_or(0);
    let last = stretches.iter().map(|stretch| stretch.to).max().unwrap_or(0);
    let since = |at: i64| u64::try_from(at.saturating_sub(first)).unwrap_or(0);
    html.element("figure", &[], |html| {
        html.leaf("figcaption", &[], messages.page_timeline());
        html.element("table", &[("class", "bars")], |html| {
            for stretch in stretches {
                let length = duration(messages.0, stretch.seconds());
                let said = format!("{}: {length}", stretch.name);
                let class = if stretch.is_away { "away" } else { "up" };
                html.element("tr", &[], |html| {
                    html.leaf("th", &[("scope", "row")], &stretch.name);
                    html.element("td", &[("class", "bar")], |html| {
                        bar(html, &said, since(stretch.from), since(stretch.to), since(last), class);
                    });
                    html.leaf("td", &[("class", "number")], &length);
                });
            }
        });
    });
}

fn line(html: &mut Html, line: &Line, messages: Messages) {
    let at = moment(line.at).unwrap_or_else(|| line.at.to_string());
    html.leaf("td", &[("class", "time")], &at);
    html.element("td", &[], |html| {
        html.text(&line.what);
        if !line.more.is_empty() {
            html.leaf("span", &[("class", "from")], &line.more);
        }
    });
    let (class, result) = match &line.result {
        Outcome::Said => ("", String::new()),
        Outcome::Open { .. } => ("open", messages.page_step_open().to_owned()),
        Outcome::Done { seconds } if *seconds < 2 => ("done", messages.page_step_done().to_owned()),
        Outcome::Done { seconds } => ("done", messages.page_step_done_in(duration(messages.0, *seconds))),
        Outcome::Failed { why } => ("failed", messages.page_step_failed(why)),
    };
    html.leaf("td", &[("class", class)], &result);
}

/// What each step of the plan has left behind: exactly what was written, and whether it stands.
pub(super) fn standing(html: &mut Html, proof: &Proof, messages: Messages) {
    let mut standing = BTreeMap::new();
    for entry in &proof.entries {
        let (step, word) = match &entry.event {
            Event::Started { step, .. } => (step, messages.page_step_open()),
            Event::Failed { step, .. } => (step, messages.page_stands_failed()),
            Event::Done { step, pass: Pass::Act } => (step, messages.page_stands()),
            Event::Done { step, pass: Pass::Undo } => (step, messages.page_stands_back()),
            _ => continue,
        };
        standing.insert(*step, word);
    }
    let steps = proof.plan.body.steps.iter().enumerate();
    for (number, step) in steps.filter(|(_, step)| !leaves_nothing(step)) {
        let word = standing.get(&number).copied().unwrap_or(messages.page_stands_never());
        html.element("article", &[("class", "step")], |html| {
            html.element("h3", &[], |html| {
                html.text(&format!("{}. {}", number.saturating_add(1), plan::step(step, messages)));
                html.leaf("span", &[("class", "state")], word);
            });
            if let Act::File { before, content, .. } = &step.act {
                if let Some(before) = before {
                    html.leaf("p", &[("class", "from")], &messages.page_file_before(before));
                }
                if let Some(content) = content {
                    html.element("pre", &[], |html| html.lines(content));
                }
            }
        });
    }
}
