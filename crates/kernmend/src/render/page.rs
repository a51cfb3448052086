//! Documents as one HTML page for people who weren't there: a change board, an auditor, whoever reads it on paper. The page
//! holds all that it shows: no script, nothing that is fetched, nothing that colour alone tells. What came from a machine
//! is text in it and nothing else.

mod choice;
mod finding;
mod html;
mod run;

use kernmend_core::document::proof::{Conclusion, Proof};
use kernmend_core::document::report::{NodeSummary, Report, Verdict};
use kernmend_core::document::{Digest, Document, canonical};
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_core::knowledge::advisory::Language;
use kernmend_core::knowledge::template::duration;
use serde_json::Value;

use self::choice::choice;
use self::finding::{badge, changes, findings, ids};
use self::html::Html;
use self::run::{Run, run, standing};
use super::Page;
use super::proof::{Words, moment};
use crate::message::Messages;

const STYLE: &str = include_str!("page/page.css");

/// What a browser may do with the page: show it. Its only style is its own.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The page for a proof. `source` is the document as it was read: the digests are those of what it holds, also where a
/// newer version wrote it.
pub(crate) fn proof_page(
    document: &Document<Proof>,
    source: &Value,
    knowledge: &KnowledgeBase,
    messages: Messages,
) -> String {
    let page = Page::new(knowledge, messages);
    let proof = &document.body;
    let words = Words { proof, page: &page };
    let run_of = Run::of(proof, messages);
    let node = proof.plan.body.node.hostname.as_str();
    let title = messages.page_title_proof(node);
    whole(&title, messages, |html| {
        html.element("header", &[("class", "head")], |html| head(html, &words, node));
        html.element("section", &[], |html| facts(html, &words, &run_of));
        html.element("section", &[], |html| {
            html.leaf("h2", &[], messages.page_before());
            match &proof.before {
                Some(before) => {
                    summary(html, &page, &before.body.node);
                    ids(html, &before.body, &proof.after.body, messages);
                    findings(html, &page, &before.body);
                }
                None => html.leaf("p", &[], messages.objection_before_missing()),
            }
        });
        html.element("section", &[], |html| {
            html.leaf("h2", &[], messages.page_chosen());
            choice(html, &proof.plan.body, messages);
        });
        html.element("section", &[], |html| {
            html.leaf("h2", &[], messages.page_done());
            run(html, &run_of, messages);
        });
        html.element("section", &[], |html| {
            html.leaf("h2", &[], messages.page_after());
            summary(html, &page, &proof.after.body.node);
            changes(html, &words);
            findings(html, &page, &proof.after.body);
        });
        html.element("section", &[], |html| {
            html.leaf("h2", &[], messages.page_standing());
            standing(html, proof, messages);
        });
        html.element("section", &[], |html| {
            let after = Some(digest(&source["after"]));
            let documents = [
                (messages.document_before(), proof.plan.parent.clone()),
                (messages.document_plan(), document.parent.clone()),
                (messages.document_facts(), proof.after.parent.clone()),
                (messages.document_after(), after),
                (messages.document_proof(), Some(digest(source))),
            ];
            rests_on(html, &documents, messages);
        });
        foot(html, &document.tool, &proof.after.body.knowledge, messages);
    })
}

/// The page for a report.
pub(crate) fn report_page(
    document: &Document<Report>,
    source: &Value,
    knowledge: &KnowledgeBase,
    messages: Messages,
) -> String {
    let page = Page::new(knowledge, messages);
    let report = &document.body;
    let node = report.node.hostname.value().map_or(messages.unknown_host(), String::as_str);
    whole(&messages.page_title_report(node), messages, |html| {
        html.element("header", &[("class", "head")], |html| {
            html.leaf("p", &[("class", "kicker")], messages.page_kicker_report());
            html.leaf("h1", &[], node);
            if let Some(worst) = report.findings.iter().map(|finding| finding.verdict).max() {
                html.element("p", &[("class", "lead")], |html| {
                    html.text(messages.page_worst());
                    badge(html, Some(worst), messages);
                });
            }
        });
        html.element("section", &[], |html| {
            summary(html, &page, &report.node);
            findings(html, &page, report);
        });
        html.element("section", &[], |html| {
            let documents = [
                (messages.document_facts(), document.parent.clone()),
                (messages.document_report(), Some(digest(source))),
            ];
            rests_on(html, &documents, messages);
        });
        foot(html, &document.tool, &report.knowledge, messages);
    })
}

fn digest(value: &Value) -> Digest {
    Digest::of(&canonical(value))
}

/// The frame of a page.
fn whole(title: &str, messages: Messages, content: impl FnOnce(&mut Html)) -> String {
    let language = match messages.0 {
        Language::En => "en",
        Language::Zh => "zh-CN",
    };
    let mut html = Html::document(messages);
    html.element("html", &[("lang", language)], |html| {
        html.element("head", &[], |html| {
            html.element("meta", &[("charset", "utf-8")], |_| ());
            let policy = [("http-equiv", "Content-Security-Policy"), ("content", POLICY)];
            html.element("meta", &policy, |_| ());
            html.element("meta", &[("name", "referrer"), ("content", "no-referrer")], |_| ());
            let view = [("name", "viewport"), ("content", "width=device-width, initial-scale=1")];
            html.element("meta", &view, |_| ());
            html.leaf("title", &[], title);
            html.style(STYLE);
        });
        html.element("body", &[], |html| html.element("main", &[], content));
    });
    html.finish()
}

/// The answer, and what stands against it.
fn head(html: &mut Html, words: &Words<'_>, node: &str) {
    let (messages, proof) = (words.page.messages, words.proof);
    let fault = match &proof.fault {
        Some(fault) => format!("{} {}", fault.id, words.title(&fault.id)),
        None => messages.page_no_fault().to_owned(),
    };
    let (class, lead) = match proof.conclusion {
        Conclusion::Proven => ("conclusion proven", messages.page_lead_proven(node, &fault)),
        Conclusion::NotTold => ("conclusion not-told", messages.page_lead_not_told(node, &fault)),
        Conclusion::NotProven => ("conclusion not-proven", messages.page_lead_not_proven(node, &fault)),
    };
    html.leaf("p", &[("class", "kicker")], messages.page_kicker_proof());
    html.leaf("h1", &[("class", class)], words.conclusion());
    html.leaf("p", &[("class", "lead")], &lead);
    if !proof.objections.is_empty() {
        html.element("ul", &[("class", "objections")], |html| {
            for objection in &proof.objections {
                html.leaf("li", &[], &words.objection(objection));
            }
        });
    }
}

/// The answer's parts in a few lines.
fn facts(html: &mut Html, words: &Words<'_>, run: &Run) {
    let (messages, proof) = (words.page.messages, words.proof);
    let row = |html: &mut Html, label: &str, write: &dyn Fn(&mut Html)| {
        html.element("tr", &[], |html| {
            html.leaf("th", &[("scope", "row")], label);
            html.element("td", &[], write);
        });
    };
    html.element("table", &[("class", "facts")], |html| {
        row(html, messages.fact_node(), &|html| {
            html.text(&proof.plan.body.node.hostname);
            html.leaf("span", &[("class", "from")], &proof.plan.body.node.machine_id);
        });
        if let Some(fault) = &proof.fault {
            row(html, messages.fact_fault(), &|html| {
                html.text(&format!("{} {}: ", fault.id, words.title(&fault.id)));
                badge(html, fault.before, messages);
                html.text(" → ");
                badge(html, fault.after, messages);
            });
        }
        row(html, messages.fact_change(), &|html| html.text(&words.remedy()));
        row(html, messages.fact_outcome(), &|html| {
            html.leaf("strong", &[], words.outcome());
            if let Some(at) = words.ended_at().and_then(moment) {
                html.leaf("span", &[("class", "from")], &at);
            }
        });
        row(html, messages.fact_runs(), &|html| html.text(&words.runs()));
        let reboots = run.away();
        row(html, messages.fact_away(), &|html| {
            html.text(&messages.page_away(reboots.0, duration(messages.0, reboots.1)));
        });
        if let Some(seconds) = proof.watched_seconds {
            let watched = messages.proof_watched(duration(messages.0, seconds));
            row(html, messages.fact_watched(), &|html| html.text(&watched));
        }
        if let Some((before, after)) = words.knowledge() {
            let knowledge = messages.proof_knowledge(before, after);
            row(html, messages.fact_knowledge(), &|html| html.text(&knowledge));
        }
    });
}

/// The node as a report has it, and when that was.
fn summary(html: &mut Html, page: &Page<'_>, node: &NodeSummary) {
    let mut parts = page.node(node);
    parts.extend(
        node.collected_at.value().and_then(|at| moment(*at)).map(|at| page.messages.page_read_at(at)),
    );
    html.leaf("p", &[("class", "node")], &parts.join(" · "));
    for sentence in page.waits(node).chain(page.hung(node)) {
        html.leaf("p", &[("class", "beware")], &sentence);
    }
}

/// The documents that the page shows, by their digests.
fn rests_on(html: &mut Html, documents: &[(&str, Option<Digest>)], messages: Messages) {
    html.leaf("h2", &[], messages.page_documents());
    html.leaf("p", &[], messages.page_documents_about());
    html.element("table", &[("class", "documents")], |html| {
        for (name, digest) in documents {
            html.element("tr", &[], |html| {
                html.leaf("th", &[("scope", "row")], name);
                let digest = digest.as_ref().map_or_else(|| "–".to_owned(), Digest::to_string);
                html.element("td", &[], |html| html.leaf("code", &[], &digest));
            });
        }
    });
}

fn foot(html: &mut Html, tool: &str, knowledge: &str, messages: Messages) {
    html.leaf("footer", &[], &messages.page_foot(tool, knowledge));
}

/// The class of a verdict in the style sheet.
const fn class(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        None | Some(Verdict::Unknown) => "verdict unknown",
        Some(Verdict::Clear) => "verdict clear",
        Some(Verdict::Exposed) => "verdict exposed",
        Some(Verdict::Active) => "verdict active",
        Some(Verdict::Critical) => "verdict critical",
    }
}
