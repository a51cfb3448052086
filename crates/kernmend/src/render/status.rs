//! How far a plan has come, as text: one line an event, and how it stands.

use std::fmt::Write as _;

use kernmend_core::document::journal::{Destination, Event, FailedCheck, Journal, Outcome, Pass};
use kernmend_core::document::plan::Plan;
use kernmend_core::journal::{Next, Stuck, next};

use super::plan::{check, remedy, step};
use super::{BOLD, DIM, printable};
use crate::message::Messages;

/// The whole of it.
pub(crate) fn status(journal: &Journal, messages: Messages) -> String {
    let plan = &journal.plan.body;
    let digest = journal.plan.digest().to_string();
    let way = plan.remedy.as_ref().map(|way| remedy(way, messages)).unwrap_or_default();
    let mut text = format!("{BOLD}{}{BOLD:#}\n", messages.status_head(short(&digest), way));
    for entry in &journal.entries {
        text.push_str(&event(plan, entry.at, &entry.event, messages));
    }
    let events: Vec<Event> = journal.events().cloned().collect();
    let _ = writeln!(text, "{BOLD}{}{BOLD:#}", standing(&next(plan, &events), messages));
    text
}

/// The first digits of a digest: enough for people, and for `--approve`.
pub(crate) fn short(digest: &str) -> &str {
    let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
    digits.get(..12).unwrap_or(digits)
}

/// How it stands.
pub(crate) fn standing(next: &Next, messages: Messages) -> String {
    match next {
        Next::Over(outcome) | Next::End(outcome) => self::outcome(*outcome, messages).to_owned(),
        Next::Stuck(stuck) => self::stuck(stuck, messages),
        Next::Reboot(Destination::Trial) => messages.status_trial_ahead().to_owned(),
        Next::Reboot(_) => messages.status_reboot_ahead().to_owned(),
        Next::Act(_) | Next::Undo(_) | Next::Judge => messages.status_under_way().to_owned(),
    }
}

/// How it ended.
pub(crate) fn outcome(outcome: Outcome, messages: Messages) -> &'static str {
    match outcome {
        Outcome::Committed => messages.status_committed(),
        Outcome::FellBack => messages.status_fell_back(),
        Outcome::Undone => messages.status_undone(),
        Outcome::RolledBack => messages.status_rolled_back(),
    }
}

/// What a person has to look at.
pub(crate) fn stuck(stuck: &Stuck, messages: Messages) -> String {
    match stuck {
        Stuck::Undo { step, why } => messages.status_stuck_undo(step + 1, printable(why)),
        Stuck::Boot { .. } => messages.status_stuck_boot().to_owned(),
    }
}

/// One event in a line; nothing for one that only ends what the line before it said.
pub(crate) fn event(plan: &Plan, at: i64, event: &Event, messages: Messages) -> String {
    let of = |number: &usize| plan.steps.get(*number).map(|one| step(one, messages)).unwrap_or_default();
    let words = match event {
        Event::Booted { running, .. } => messages.event_booted(printable(&running.release)),
        Event::Started { step, pass: Pass::Act, .. } => messages.event_started(of(step)),
        Event::Started { step, pass: Pass::Undo, .. } => messages.event_undoing(of(step)),
        Event::Done { .. } => return String::new(),
        Event::Failed { why, .. } => messages.event_failed(printable(why)),
        Event::Rebooting { into: Destination::Trial } => messages.event_rebooting_trial().to_owned(),
        Event::Rebooting { into: Destination::Old } => messages.event_rebooting_old().to_owned(),
        Event::Rebooting { into: Destination::New } => messages.event_rebooting_new().to_owned(),
        Event::Rebooting { into: Destination::Anew } => messages.event_rebooting_anew().to_owned(),
        Event::Judged { healthy: true, .. } => messages.event_healthy().to_owned(),
        Event::Judged { failed, .. } => messages.event_unhealthy(checks(failed, messages)),
        Event::RollbackAsked => messages.event_rollback_asked().to_owned(),
        Event::Evidence { files } if files.is_empty() => messages.event_no_evidence().to_owned(),
        Event::Evidence { files } => messages.event_evidence(printable(&files.join(", "))),
        Event::Ended { outcome } => self::outcome(*outcome, messages).to_owned(),
    };
    let at = jiff::Timestamp::from_second(at).map(|at| at.strftime("%F %T").to_string()).unwrap_or_default();
    format!("  {DIM}{at}{DIM:#}  {words}\n")
}

/// Checks that don't hold, with what was seen.
pub(crate) fn checks(failed: &[FailedCheck], messages: Messages) -> String {
    let one = |failed: &FailedCheck| {
        messages.event_failed_check(check(&failed.check, messages), printable(&failed.seen))
    };
    failed.iter().map(one).collect::<Vec<_>>().join("; ")
}
