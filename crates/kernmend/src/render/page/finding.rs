//! What a report says, on the page: findings with their evidence, what became of each fault, and the picture of the ids.

use kernmend_core::document::report::{Finding, Report, Verdict};
use kernmend_core::knowledge::template::grouped;

use super::class;
use super::html::Html;
use crate::message::Messages;
use crate::render::Page;
use crate::render::proof::Words;

/// Ids of memory cgroups are 16 bits wide, and 0 is none.
const IDS: u64 = 65_535;

/// The findings of a report, the worst first; the clear ones are counted.
pub(super) fn findings(html: &mut Html, page: &Page<'_>, report: &Report) {
    let (clear, others): (Vec<&Finding>, Vec<&Finding>) =
        report.findings.iter().partition(|finding| finding.verdict == Verdict::Clear);
    for finding in others {
        html.element("article", &[], |html| self::finding(html, page, finding));
    }
    if !clear.is_empty() {
        let names: Vec<String> =
            clear.iter().map(|finding| format!("{} {}", finding.id, page.title(finding))).collect();
        let messages = page.messages;
        html.element("p", &[], |html| {
            badge(html, Some(Verdict::Clear), messages);
            html.text(&format!(" {}", names.join(" · ")));
        });
    }
    if report.findings.is_empty() {
        html.leaf("p", &[], page.messages.no_findings());
    }
}

fn finding(html: &mut Html, page: &Page<'_>, finding: &Finding) {
    let messages = page.messages;
    html.element("h3", &[], |html| {
        badge(html, Some(finding.verdict), messages);
        html.text(&format!(" {}  {}", finding.id, page.title(finding)));
    });
    let row = |html: &mut Html, label: &str, sentence: &str, from: &[String]| {
        html.element("tr", &[], |html| {
            html.leaf("th", &[("scope", "row")], label);
            html.element("td", &[], |html| {
                html.text(sentence);
                if !from.is_empty() {
                    html.leaf("span", &[("class", "from")], &from.join(", "));
                }
            });
        });
    };
    html.element("table", &[("class", "evidence")], |html| {
        for evidence in &finding.evidence {
            let (label, sentence) = page.sentence(finding, evidence);
            row(html, &label, &sentence, &evidence.from);
        }
        let (sentences, commands) = page.open(finding);
        for sentence in sentences {
            row(html, messages.label_undecided(), &sentence, &[]);
        }
        if !commands.is_empty() {
            row(html, messages.label_tells(), &commands, &[]);
        }
    });
}

/// What became of every fault that was judged.
pub(super) fn changes(html: &mut Html, words: &Words<'_>) {
    let messages = words.page.messages;
    html.element("table", &[("class", "changes")], |html| {
        html.element("thead", &[], |html| {
            html.element("tr", &[], |html| {
                for head in
                    [messages.fact_fault(), "", messages.page_column_before(), messages.page_column_after()]
                {
                    html.leaf("th", &[("scope", "col")], head);
                }
            });
        });
        for change in &words.proof.changes {
            html.element("tr", &[], |html| {
                html.leaf("th", &[("scope", "row")], &change.id);
                html.leaf("td", &[], words.title(&change.id));
                for verdict in [change.before, change.after] {
                    html.element("td", &[], |html| badge(html, verdict, messages));
                }
            });
        }
    });
}

/// A verdict: the word tells, the colour helps.
pub(super) fn badge(html: &mut Html, verdict: Option<Verdict>, messages: Messages) {
    let word = verdict.map_or(messages.proof_not_judged(), |verdict| messages.verdict(verdict));
    html.leaf("span", &[("class", class(verdict))], word);
}

/// The ids of memory cgroups that were used before and after, where both reports tell.
pub(super) fn ids(html: &mut Html, before: &Report, after: &Report, messages: Messages) {
    let (Some(before), Some(after)) = (used(before), used(after)) else { return };
    html.element("figure", &[], |html| {
        html.leaf("figcaption", &[], messages.page_ids());
        html.element("table", &[("class", "bars")], |html| {
            for (label, (bound, count)) in
                [(messages.page_column_before(), before), (messages.page_column_after(), after)]
            {
                let said = messages.page_ids_of(format!("{bound}{}", grouped(count)), grouped(IDS));
                html.element("tr", &[], |html| {
                    html.leaf("th", &[("scope", "row")], label);
                    html.element("td", &[("class", "bar")], |html| {
                        bar(html, &said, 0, count.min(IDS), IDS, "used");
                    });
                    html.leaf("td", &[("class", "number")], &said);
                });
            }
        });
    });
}

/// The number of used ids that a report's evidence rests on, with the sign of a lower bound.
fn used(report: &Report) -> Option<(&'static str, u64)> {
    let mut evidence = report.findings.iter().flat_map(|finding| &finding.evidence);
    let value = evidence.find_map(|evidence| evidence.values.get("used_ids"))?;
    let (bound, digits) = value.strip_prefix('≥').map_or(("", value.as_str()), |digits| ("≥ ", digits));
    Some((bound, digits.parse().ok()?))
}

/// A bar from `from` to `to` on a scale that ends at `of`; `said` is what it shows, for those who don't see it.
pub(super) fn bar(html: &mut Html, said: &str, from: u64, to: u64, of: u64, class: &str) {
    /// The length of the scale in the drawing's own units.
    const LENGTH: u64 = 1_000;
    /// What is short is seen too.
    const SHORTEST: u64 = 4;
    let at = |value: u64| {
        let units = u128::from(value) * u128::from(LENGTH) / u128::from(of.max(1));
        u64::try_from(units).unwrap_or(LENGTH).min(LENGTH)
    };
    let length = at(to).saturating_sub(at(from)).max(SHORTEST);
    let start = at(from).min(LENGTH - length.min(LENGTH));
    let drawing =
        [("viewBox", "0 0 1000 16"), ("preserveAspectRatio", "none"), ("role", "img"), ("aria-label", said)];
    html.element("svg", &drawing, |html| {
        let scale = [("class", "scale"), ("width", "1000"), ("height", "16")];
        html.element("rect", &scale, |_| ());
        let (start, length) = (start.to_string(), length.to_string());
        let bar = [("class", class), ("x", start.as_str()), ("width", length.as_str()), ("height", "16")];
        html.element("rect", &bar, |_| ());
    });
}
