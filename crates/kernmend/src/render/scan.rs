//! What was found in a log, as text for people: the signals folded, then the faults that they are a sign of.

use std::fmt::Write as _;

use kernmend_core::document::news::News;
use kernmend_core::document::report::{Finding, Report, Verdict, Weight};
use kernmend_core::document::snapshot::{Hit, LogWindow, Moment};
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_core::knowledge::template::{bytes, duration, grouped};

use super::{BOLD, DIM, Page, pad, printable};
use crate::message::Messages;

/// Logs, each with the number of its lines, on one screen.
pub(crate) fn scan<'l>(
    logs: impl IntoIterator<Item = (&'l LogWindow, u64)>,
    report: &Report,
    knowledge: &KnowledgeBase,
    messages: Messages,
) -> String {
    let page = Page::new(knowledge, messages);
    let mut text = String::new();
    for (log, lines) in logs {
        text.push_str(&found(log, lines, messages));
        text.push('\n');
    }
    let named: Vec<&Finding> = report.findings.iter().filter(|finding| is_candidate(finding)).collect();
    if named.is_empty() {
        let _ = writeln!(text, "{}", messages.no_candidates());
    } else {
        let _ = writeln!(text, "{}", messages.candidates());
        for finding in named {
            // What is missing is everything but the log; to say so of each fact would bury the rest.
            text.push_str(&page.candidate(finding));
        }
    }
    text
}

/// What was found in a log.
fn found(log: &LogWindow, lines: u64, messages: Messages) -> String {
    let amount = (grouped(lines), bytes(log.bytes));
    let span = log.first.and_then(moment).zip(log.last.and_then(moment));
    let head = match span {
        Some((from, to)) => messages.scanned_from_to(amount.0, amount.1, from, to),
        None => messages.scanned(amount.0, amount.1),
    };
    let mut text = format!("{BOLD}{}{BOLD:#} · {head}\n\n", printable(&log.log));
    if log.hits.is_empty() {
        let _ = writeln!(text, "{}", messages.no_signal());
    }
    let count = log.hits.iter().map(|hit| grouped(hit.count).len()).max().unwrap_or(0);
    let name = log.hits.iter().map(|hit| hit.signal.len()).max().unwrap_or(0);
    for hit in &log.hits {
        let _ = writeln!(
            text,
            "{:>count$} × {BOLD}{}{BOLD:#}{}",
            grouped(hit.count),
            pad(&hit.signal, name + 2),
            fields(hit)
        );
        if let Some(when) = when(hit, messages) {
            let _ = writeln!(text, "{}{DIM}{when}{DIM:#}", " ".repeat(count + 3));
        }
    }
    text
}

/// What is new of a signal, in one line; with the log where there are several.
pub(crate) fn news(news: &News, several: bool, messages: Messages) -> String {
    let hit = &news.run;
    let log = several.then(|| format!("{DIM}{}{DIM:#}", printable(&news.log)));
    let when = hit.last.and_then(moment).map(|when| format!("{DIM}{when}{DIM:#}"));
    let name = Some(format!("{BOLD}{}{BOLD:#}", printable(&hit.signal)));
    let fields = Some(fields(hit)).filter(|fields| !fields.is_empty());
    let more = (news.lines > 1).then(|| messages.more_lines(grouped(news.new), grouped(news.lines)));
    let parts: Vec<String> = [log, when, name, fields, more].into_iter().flatten().collect();
    parts.join("  ") + "\n"
}

/// The fields of a run.
fn fields(hit: &Hit) -> String {
    let field = |(name, value): (&String, &String)| format!("{name}={}", printable(value));
    hit.fields.iter().map(field).collect::<Vec<_>>().join(" ")
}

/// Whether a finding names its fault, as a candidate at least: with nothing but a log, what supports it is in the log.
pub(crate) fn is_candidate(finding: &Finding) -> bool {
    let supports = |weight| matches!(weight, Weight::Exposes | Weight::Shows | Weight::Exhausts);
    match finding.verdict {
        Verdict::Clear => false,
        Verdict::Unknown => finding.evidence.iter().any(|evidence| supports(evidence.weight)),
        Verdict::Exposed | Verdict::Active | Verdict::Critical => true,
    }
}

/// When the lines of a signal stand in the log, and how often they come.
fn when(hit: &Hit, messages: Messages) -> Option<String> {
    let (first, last) = (hit.first?, hit.last?);
    let (from, to) = (moment(first)?, moment(last)?);
    if hit.count == 1 || first == last {
        return Some(from);
    }
    let span = |a: Option<i64>, b: Option<i64>| Some(b?.saturating_sub(a?));
    let ms = span(first.uptime_ms, last.uptime_ms).or_else(|| span(first.unix_ms, last.unix_ms))?;
    let seconds = u64::try_from(ms / 1000).ok()?;
    let every = seconds / hit.count.saturating_sub(1).max(1);
    let rate = messages.span(duration(messages.0, seconds), duration(messages.0, every));
    Some(format!("{from} – {to}, {rate}"))
}

/// A moment by the calendar, or else as the kernel's log has it.
fn moment(moment: Moment) -> Option<String> {
    if let Some(unix) = moment.unix_ms {
        let stamp = jiff::Timestamp::from_millisecond(unix).ok()?;
        return Some(stamp.strftime("%Y-%m-%d %H:%M:%SZ").to_string());
    }
    let ms = moment.uptime_ms?;
    Some(format!("[{:5}.{:03}]", ms / 1000, ms % 1000))
}
