//! Documents as text for people: one screen, the worst first, each piece of evidence with where it is from. Nothing that
//! came from a machine reaches the terminal raw.

mod boot;
mod build;
mod bundle;
mod inspection;
mod kernel;
mod page;
mod plan;
mod proof;
mod scan;
mod signals;
mod status;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use kernmend_core::document::report::{Evidence, Finding, NodeSummary, Pending, Report, Undecided, Verdict};
use kernmend_core::document::{Fact, Why, is_invisible};
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_core::knowledge::advisory::Advisory;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub(crate) use self::boot::boot;
pub(crate) use self::build::{BuildProgress, built, refusal};
pub(crate) use self::bundle::{bundle, bundle_hint, checked, signed};
pub(crate) use self::inspection::inspection;
pub(crate) use self::kernel::kernels;
pub(crate) use self::page::{proof_page, report_page};
pub(crate) use self::plan::{plan, words};
pub(crate) use self::proof::proof;
pub(crate) use self::scan::{is_candidate, news, scan};
pub(crate) use self::signals::signals;
pub(crate) use self::status::{checks, event, outcome, short, status, stuck};
use crate::message::Messages;

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// Lines are broken at the terminal's width, and never wider than this: longer ones are hard to read.
const MAX_WIDTH: usize = 110;
/// Without a terminal, as in a pipe.
const PIPE_WIDTH: usize = 100;
const MIN_WIDTH: usize = 40;

/// Where evidence starts: three blanks and the label.
const LABEL_AT: usize = 3;
const LABEL_WIDTH: usize = 15;

/// Text that came from outside, with control characters and those that turn the direction of writing made visible.
pub(crate) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        if is_invisible(char) {
            let _ = write!(safe, "{}", char.escape_unicode());
        } else {
            safe.push(char);
        }
    }
    safe
}

/// The report, on one screen.
pub(crate) fn report(
    report: &Report,
    knowledge: &KnowledgeBase,
    messages: Messages,
    verbose: bool,
) -> String {
    let page = Page::new(knowledge, messages);
    let mut text = page.headline(&report.node);
    text.push_str(&page.pending(&report.node));
    text.push_str(&page.unanswered(&report.node));
    text.push('\n');
    let mut clear = 0_usize;
    for finding in &report.findings {
        if finding.verdict == Verdict::Clear && !verbose {
            clear += 1;
        } else {
            text.push_str(&page.finding(finding));
        }
    }
    if clear > 0 {
        let _ = writeln!(text, "{}", messages.clear_count(clear));
    }
    if report.findings.is_empty() {
        let _ = writeln!(text, "{}", messages.no_findings());
    }
    text
}

/// All advisories, one a line.
pub(crate) fn advisories(knowledge: &KnowledgeBase, messages: Messages) -> String {
    let mut text = String::new();
    for advisory in &knowledge.advisories {
        let title = &advisory.texts[&messages.0].title;
        let _ = writeln!(text, "{BOLD}{}{BOLD:#}  {:24}  {title}", advisory.id, advisory.name);
    }
    text
}

/// One advisory in words.
pub(crate) fn advisory(advisory: &Advisory, messages: Messages) -> String {
    let prose = &advisory.texts[&messages.0];
    let mut text = format!(
        "{BOLD}{}  {}{BOLD:#}\n{DIM}{}, {}{DIM:#}\n\n",
        advisory.id, prose.title, advisory.name, advisory.date
    );
    for line in prose.body.lines() {
        match line.strip_prefix("## ") {
            Some(heading) => {
                let _ = writeln!(text, "{BOLD}{heading}{BOLD:#}");
            }
            None => {
                let _ = writeln!(text, "{line}");
            }
        }
    }
    if !advisory.contradictions.is_empty() {
        let _ = writeln!(text, "\n{BOLD}{}{BOLD:#}\n", messages.label_contradiction());
        for contradiction in &advisory.contradictions {
            for (index, line) in wrap(&contradiction[&messages.0], width() - 2).into_iter().enumerate() {
                let _ = writeln!(text, "{}{line}", if index == 0 { "- " } else { "  " });
            }
        }
    }
    text
}

/// What a page is written with.
struct Page<'a> {
    width: usize,
    messages: Messages,
    knowledge: &'a KnowledgeBase,
}

impl<'a> Page<'a> {
    fn new(knowledge: &'a KnowledgeBase, messages: Messages) -> Self {
        Self { width: width(), messages, knowledge }
    }

    fn headline(&self, node: &NodeSummary) -> String {
        let line = self.node(node).join(" · ");
        wrap(&line, self.width).into_iter().map(|line| format!("{BOLD}{line}{BOLD:#}\n")).collect()
    }

    /// The node in a few words: its name, distribution, kernel, cgroup version, and programs.
    fn node(&self, node: &NodeSummary) -> Vec<String> {
        let messages = self.messages;
        let or = |fact: &Fact<String>, unknown: &str| match fact.value() {
            Some(value) if !value.is_empty() => printable(value),
            _ => unknown.to_owned(),
        };
        let kernel = match node.kernel.value() {
            Some(release) => messages.kernel(printable(release)),
            None => messages.unknown_kernel().to_owned(),
        };
        let cgroup = match &node.cgroup {
            Fact::Known { value, .. } => messages.cgroup(printable(value)),
            Fact::Absent { .. } => messages.no_cgroup().to_owned(),
            Fact::Unknown { .. } => messages.unknown_cgroup().to_owned(),
        };
        let mut parts = vec![
            or(&node.hostname, messages.unknown_host()),
            or(&node.distribution, messages.unknown_distribution()),
            kernel,
            cgroup,
        ];
        parts.extend(node.programs.iter().map(|program| printable(program)));
        parts
    }

    fn unanswered(&self, node: &NodeSummary) -> String {
        let Some(line) = self.hung(node) else { return String::new() };
        wrap(&line, self.width).into_iter().map(|line| format!("{line}\n")).collect()
    }

    fn pending(&self, node: &NodeSummary) -> String {
        let lines = self.waits(node).flat_map(|sentence| wrap(&sentence, self.width));
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// What a reboot would change, and who asks for one.
    fn waits(&self, node: &NodeSummary) -> impl Iterator<Item = String> {
        node.pending.iter().map(|pending| match pending {
            Pending::OtherKernel { release } => self.messages.pending_other(printable(release)),
            Pending::NewerKernel { release } => self.messages.pending_newer(printable(release)),
            Pending::Reboot { packages } if packages.is_empty() => self.messages.pending_reboot().to_owned(),
            Pending::Reboot { packages } => self.messages.pending_reboot_for(printable(&packages.join(", "))),
        })
    }

    /// What hung: it can be the fault itself, and what kernmend could not see is behind it.
    fn hung(&self, node: &NodeSummary) -> Option<String> {
        let first = node.unanswered.first()?;
        let paths: Vec<&str> = node.unanswered.iter().map(|why| why.path.as_str()).collect();
        let why = Why { path: String::new(), detail: String::new(), ..first.clone() };
        Some(self.messages.because(printable(&paths.join(", ")), self.messages.why(&why)))
    }

    /// A finding with its evidence, what is missing, and the next step.
    fn finding(&self, finding: &Finding) -> String {
        let mut text = self.evidence(finding);
        text.push_str(&self.undecided(finding));
        if finding.verdict >= Verdict::Exposed {
            text.push_str(&self.next(finding));
        }
        text
    }

    /// A finding where everything is missing but what it shows: what would tell it, and how bad it could be.
    fn candidate(&self, finding: &Finding) -> String {
        let mut text = self.evidence(finding);
        let worst = finding.undecided.iter().map(|undecided| undecided.could_be).max();
        if let Some(worst) = worst.filter(|worst| *worst > finding.verdict) {
            let verdict = self.messages.verdict(worst).to_lowercase();
            let sentence = self.messages.what_tells_of_candidate(verdict);
            text.push_str(&self.line(self.messages.label_tells(), &sentence, &[]));
        }
        text + &self.next(finding)
    }

    fn next(&self, finding: &Finding) -> String {
        self.line(self.messages.label_next(), &self.messages.next_command(&finding.id), &[])
    }

    fn evidence(&self, finding: &Finding) -> String {
        let messages = self.messages;
        let style = match finding.verdict {
            Verdict::Critical => AnsiColor::Red.on_default().bold(),
            Verdict::Active => AnsiColor::Red.on_default(),
            Verdict::Exposed => AnsiColor::Yellow.on_default(),
            Verdict::Unknown => AnsiColor::Cyan.on_default(),
            Verdict::Clear => AnsiColor::Green.on_default(),
        };
        let title = self.title(finding);
        let verdict = pad(messages.verdict(finding.verdict), 9);
        let mut text = format!(
            "{style}{verdict}{style:#} {BOLD}{}  {}{BOLD:#}\n",
            printable(&finding.id),
            printable(title)
        );
        for evidence in &finding.evidence {
            let (label, sentence) = self.sentence(finding, evidence);
            text.push_str(&self.line(&label, &sentence, &evidence.from));
        }
        text
    }

    /// What a fault is called in the reader's language.
    fn title<'b>(&'b self, finding: &'b Finding) -> &'b str {
        let advisory = self.knowledge.advisory(&finding.id);
        advisory.map_or(finding.title.as_str(), |advisory| &advisory.texts[&self.messages.0].title)
    }

    /// Label and sentence of a piece of evidence, in the reader's language where the knowledge has them; a report can be
    /// older or newer than that.
    fn sentence(&self, finding: &Finding, evidence: &Evidence) -> (String, String) {
        let sign = self.knowledge.advisory(&finding.id).and_then(|advisory| advisory.sign(&evidence.sign));
        match sign.and_then(|sign| sign.texts.get(&self.messages.0)) {
            Some(texts) => (texts.label.clone(), texts.text.fill(self.messages.0, &evidence.values)),
            None => (evidence.sign.clone(), evidence.text.clone()),
        }
    }

    /// What is missing, and the commands that would tell.
    fn undecided(&self, finding: &Finding) -> String {
        let (sentences, commands) = self.open(finding);
        let lines =
            sentences.iter().map(|sentence| self.line(self.messages.label_undecided(), sentence, &[]));
        let mut text: String = lines.collect();
        if !commands.is_empty() {
            text.push_str(&self.line(self.messages.label_tells(), &commands, &[]));
        }
        text
    }

    /// What is missing as sentences, and the commands that would tell. Facts that are missing for one reason and could
    /// come to one verdict are one sentence; of a finding that is unknown, the verdict that it could come to says nothing.
    fn open(&self, finding: &Finding) -> (Vec<String>, String) {
        let messages = self.messages;
        let could_be = |undecided: &Undecided| {
            (finding.verdict != Verdict::Unknown).then_some(Reverse(undecided.could_be))
        };
        let mut alike: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        let mut commands = BTreeSet::new();
        for undecided in &finding.undecided {
            let facts = alike.entry((could_be(undecided), &undecided.why)).or_default();
            facts.insert(messages.fact_or_signal(&undecided.fact));
            commands.insert(undecided.command.as_str());
        }
        commands.remove("");
        let sentences = alike.into_iter().map(|((could_be, why), facts)| {
            let facts = facts.into_iter().collect::<Vec<_>>().join(", ");
            let why = messages.why(why);
            match could_be {
                Some(Reverse(verdict)) => {
                    messages.could_be(messages.verdict(verdict).to_lowercase(), facts, why)
                }
                None => messages.because(facts, why),
            }
        });
        (sentences.collect(), commands.into_iter().collect::<Vec<_>>().join(", "))
    }

    /// A labelled sentence at the page's width.
    fn line(&self, label: &str, sentence: &str, from: &[String]) -> String {
        labelled(label, sentence, from, self.width)
    }
}

/// A labelled sentence, broken at the width, with its sources behind it or below.
fn labelled(label: &str, sentence: &str, from: &[String], width: usize) -> String {
    let indent = LABEL_AT + LABEL_WIDTH;
    let room = width.saturating_sub(indent).max(MIN_WIDTH / 2);
    let lines = wrap(&printable(sentence), room);
    let from = from.iter().map(|path| printable(path)).collect::<Vec<_>>().join(", ");
    let mut text = String::new();
    let last = lines.len().saturating_sub(1);
    for (index, line) in lines.iter().enumerate() {
        let head = if index == 0 { pad(&printable(label), LABEL_WIDTH) } else { " ".repeat(LABEL_WIDTH) };
        let _ = write!(text, "{}{head}{line}", " ".repeat(LABEL_AT));
        if index == last && !from.is_empty() {
            if line.width() + 2 + from.width() <= room {
                let gap = room - line.width() - from.width();
                let _ = write!(text, "{}{DIM}{from}{DIM:#}", " ".repeat(gap));
            } else {
                for line in wrap(&from, room) {
                    let _ = write!(text, "\n{}{DIM}{line}{DIM:#}", " ".repeat(indent));
                }
            }
        }
        text.push('\n');
    }
    text
}

fn width() -> usize {
    let terminal = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    terminal.unwrap_or(PIPE_WIDTH).clamp(MIN_WIDTH, MAX_WIDTH)
}

/// The text with blanks behind it up to a width in columns.
fn pad(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(text.width()).max(1);
    format!("{text}{}", " ".repeat(blanks))
}

/// Breaks a text into lines of at most `width` columns: at blanks, and where wide characters stand, between any two; a
/// word that is longer than a line is broken too.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut columns = 0;
    // The end of the last word that fits as a whole, in bytes.
    let mut break_at = None;
    for char in text.chars() {
        let wide = char.width().unwrap_or(0);
        if columns + wide > width && !line.is_empty() {
            let rest = match break_at {
                Some(at) if char != ' ' => line.split_off(at),
                _ => String::new(),
            };
            lines.push(line.trim_end().to_owned());
            line = rest.trim_start().to_owned();
            columns = line.width();
            break_at = None;
        }
        if char == ' ' && line.is_empty() && !lines.is_empty() {
            continue;
        }
        line.push(char);
        columns += wide;
        if char == ' ' || wide == 2 {
            break_at = Some(line.len());
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_outside_is_never_raw() {
        assert_eq!(printable("a\u{1b}[31mred\u{7}\n"), "a\\u{1b}[31mred\\u{7}\\u{a}");
        assert_eq!(printable("\u{202e}evil\u{9b}"), "\\u{202e}evil\\u{9b}");
        assert_eq!(printable("内核 ×"), "内核 ×");
    }

    #[test]
    fn lines_break_at_blanks_and_between_wide_characters() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("内核内存记账", 5), ["内核", "内存", "记账"]);
        assert_eq!(wrap("", 5), [""]);
        for width in 1..20 {
            let text = "the kernel 内核 keeps /sys/fs/cgroup/memory for ever";
            assert!(wrap(text, width).iter().all(|line| line.width() <= width.max(2)), "{width}");
        }
    }
}
