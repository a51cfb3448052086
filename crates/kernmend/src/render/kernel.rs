//! Kernels as text for people: those of one stream of which the same can be said stand together, with how many nodes run
//! each.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anstyle::AnsiColor;
use kernmend_core::document::kernels::{Exposure, Kernel, Kernels, Node, Told};
use kernmend_core::document::report::Verdict;
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_core::knowledge::advisory::Language;
use kernmend_core::knowledge::template::grouped;
use unicode_width::UnicodeWidthStr;

use super::{BOLD, DIM, LABEL_AT, Page, pad, printable, wrap};
use crate::message::Messages;

/// So many versions of a program are named of one kernel's nodes.
const SHOWN_VERSIONS: usize = 3;

/// The kernels, those of which the same can be said together.
pub(crate) fn kernels(
    found: &Kernels,
    knowledge: &KnowledgeBase,
    messages: Messages,
    verbose: bool,
) -> String {
    let page = Page::new(knowledge, messages);
    let mut alike: Vec<Vec<&Kernel>> = Vec::new();
    for kernel in &found.kernels {
        match alike.iter_mut().find(|group| are_alike(group[0], kernel)) {
            Some(group) => group.push(kernel),
            None => alike.push(vec![kernel]),
        }
    }
    let mut text = String::new();
    for group in &alike {
        page.kernels(group, verbose, &mut text);
        text.push('\n');
    }
    if found.other_systems > 0 {
        let _ = writeln!(text, "{}\n", messages.other_systems(grouped(found.other_systems)));
    }
    for line in page.disagreements(found) {
        text.push_str(&page.line(messages.label_contradiction(), &line, &[]));
    }
    text.push_str(&page.line(messages.label_tells(), messages.what_tells(), &[]));
    text
}

fn are_alike(a: &Kernel, b: &Kernel) -> bool {
    (&a.streams, &a.open, a.honours_nokmem, a.private_memcg_ids, &a.exposures)
        == (&b.streams, &b.open, b.honours_nokmem, b.private_memcg_ids, &b.exposures)
}

impl Page<'_> {
    fn kernels(&self, group: &[&Kernel], verbose: bool, text: &mut String) {
        let messages = self.messages;
        let first = group[0];
        let streams = first.streams.iter().map(|stream| {
            let end = stream.end_of_life.as_ref().map(|date| messages.end_of_life(date));
            [Some(printable(&stream.name)), end].into_iter().flatten().collect::<Vec<_>>().join(", ")
        });
        // What varies in a pattern is left open.
        let open = first.open.iter().map(|pattern| printable(&pattern.replace("{version}", "…")));
        let names: Vec<String> = streams.chain(open).collect();
        let head = if names.is_empty() { messages.unknown_stream().to_owned() } else { names.join(" | ") };
        for line in wrap(&head, self.width) {
            let _ = writeln!(text, "{BOLD}{line}{BOLD:#}");
        }
        let width = group.iter().map(|kernel| printable(&kernel.release).width()).max().unwrap_or(0);
        for kernel in group {
            self.release(kernel, width, verbose, text);
        }
        if verbose || names.len() != 1 {
            let why: BTreeSet<&str> = group.iter().map(|kernel| kernel.why.as_str()).collect();
            for why in why {
                text.push_str(&self.line(messages.label_stream(), why, &[]));
            }
        }
        self.exposures(&first.exposures, text);
        let nokmem = match first.honours_nokmem {
            Told::Yes => messages.nokmem_yes(),
            Told::No => messages.nokmem_no(),
            Told::NotTold => messages.nokmem_not_told(),
        };
        text.push_str(&self.line(messages.label_nokmem(), nokmem, &[]));
        let ids = match first.private_memcg_ids {
            Told::Yes => messages.ids_yes(),
            Told::No => messages.ids_no(),
            Told::NotTold => messages.ids_not_told(),
        };
        text.push_str(&self.line(messages.label_ids(), ids, &[]));
    }

    /// A release with what is known of its nodes, and where that is asked for, the nodes.
    fn release(&self, kernel: &Kernel, width: usize, verbose: bool, text: &mut String) {
        let messages = self.messages;
        let count = kernel.nodes.len() as u64;
        let kubelets = versions(&kernel.nodes, |node| node.kubelet.as_ref());
        let runtimes = versions(&kernel.nodes, |node| node.runtime.as_ref());
        let parts = [
            kernel.base.as_ref().map(|base| messages.based_on(base)),
            kernel.os_image.as_deref().map(printable),
            (count > 0).then(|| messages.nodes_count(grouped(count))),
            kubelets,
            runtimes,
        ];
        let about: Vec<String> = parts.into_iter().flatten().collect();
        let about = wrap(&about.join(" · "), self.width.saturating_sub(LABEL_AT + width + 2).max(20));
        let margin = " ".repeat(LABEL_AT);
        for (index, line) in about.iter().enumerate() {
            let head = if index == 0 { printable(&kernel.release) } else { String::new() };
            let _ = writeln!(text, "{margin}{BOLD}{}{BOLD:#}{line}", pad(&head, width + 2));
        }
        if !verbose {
            return;
        }
        let name = |node: &Node| printable(node.name.as_deref().unwrap_or("-"));
        let column = kernel.nodes.iter().map(|node| name(node).width()).max().unwrap_or(0);
        for node in &kernel.nodes {
            let programs = [&node.kubelet, &node.runtime].into_iter().flatten();
            let programs: Vec<String> = programs.map(|program| printable(program)).collect();
            let line = format!("{}{DIM}{}{DIM:#}", pad(&name(node), column + 2), programs.join(" · "));
            let _ = writeln!(text, "{margin}{margin}{}", line.trim_end());
        }
    }

    pub(super) fn exposures(&self, exposures: &[Exposure], text: &mut String) {
        let messages = self.messages;
        let of = |told: Told| exposures.iter().filter(move |exposure| exposure.affected == told);
        for exposure in of(Told::Yes) {
            let label = messages.verdict(Verdict::Exposed);
            let advisory = self.knowledge.advisory(&exposure.id);
            let title =
                advisory.map_or(exposure.title.as_str(), |advisory| &advisory.texts[&messages.0].title);
            let worst = messages.can_come_to(messages.verdict(exposure.could_be).to_lowercase());
            let sentence = format!("{}  {title} · {worst}", exposure.id);
            let line = self.line(label, &sentence, &[]);
            let style = AnsiColor::Yellow.on_default();
            text.push_str(&line.replacen(label, &format!("{style}{label}{style:#}"), 1));
        }
        let list = |told: Told| {
            let faults = of(told).map(|exposure| format!("{} {}", exposure.id, exposure.name));
            faults.collect::<Vec<_>>().join(", ")
        };
        let (open, clear) = (list(Told::NotTold), list(Told::No));
        if !open.is_empty() {
            text.push_str(&self.line(messages.label_not_told(), &messages.not_told(open), &[]));
        }
        if !clear.is_empty() {
            text.push_str(&self.line(messages.verdict(Verdict::Clear), &clear, &[]));
        }
    }

    /// What sources say against each other about the faults that a kernel here is exposed to, each once.
    fn disagreements(&self, found: &Kernels) -> Vec<String> {
        let exposures = found.kernels.iter().flat_map(|kernel| &kernel.exposures);
        let exposed = exposures.filter(|exposure| exposure.affected == Told::Yes);
        let texts: BTreeMap<&str, Vec<&str>> = exposed
            .map(|exposure| {
                let known = self.knowledge.advisory(&exposure.id).filter(|_| self.messages.0 != Language::En);
                let texts = match known {
                    Some(advisory) => {
                        advisory.contradictions.iter().map(|texts| texts[&self.messages.0].as_str()).collect()
                    }
                    None => exposure.contradictions.iter().map(String::as_str).collect(),
                };
                (exposure.id.as_str(), texts)
            })
            .collect();
        let lines = texts.into_iter().flat_map(|(id, texts)| texts.into_iter().map(move |text| (id, text)));
        lines.map(|(id, text)| self.messages.disagreement(id, text)).collect()
    }
}

/// The versions of a program on nodes, the first few of them.
fn versions(nodes: &[Node], of: impl Fn(&Node) -> Option<&String>) -> Option<String> {
    let found: BTreeSet<&String> = nodes.iter().filter_map(of).collect();
    let mut shown: Vec<String> =
        found.iter().take(SHOWN_VERSIONS).map(|version| printable(version)).collect();
    if found.len() > SHOWN_VERSIONS {
        shown.push("…".to_owned());
    }
    (!shown.is_empty()).then(|| shown.join(", "))
}
