//! What kernels are known for by their releases alone: stream, end of life, and the faults that they have. It judges by
//! the tables of the advisories, over a snapshot in which nothing else is known.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::condition::{Facts as _, Value};
use crate::diagnose::fact::{SnapshotFacts, identify};
use crate::diagnose::judge;
use crate::document::kernels::{Exposure, Kernel, Kernels, Node, Stream, Told};
use crate::document::report::Verdict;
use crate::document::snapshot::{Distribution, Origin, Snapshot};
use crate::document::{Document, Fact};
use crate::format::distribution::called;
use crate::format::nodes::{self, Found};
use crate::knowledge::KnowledgeBase;
use crate::knowledge::advisory::{Advisory, Language};
use crate::knowledge::feature::{NOKMEM, PRIVATE_MEMCG_IDS};
use crate::version::KernelVersion;

/// Where the facts of the snapshot are from.
const FROM: &str = "-";

/// Tells what the kernels of nodes, and those that are only mentioned, are known for. A word that is mentioned among
/// others counts where it has the form of a known stream's releases.
#[must_use]
pub fn kernels<'f>(
    texts: impl IntoIterator<Item = &'f Found>,
    knowledge: &KnowledgeBase,
) -> Document<Kernels> {
    let mut groups: BTreeMap<(String, Option<String>), Vec<Node>> = BTreeMap::new();
    let mut other_systems = 0;
    for found in texts {
        for node in &found.nodes {
            if node.is_other_system() {
                other_systems += 1;
                continue;
            }
            let of_kernel = groups.entry((node.release.clone(), node.os_image.clone())).or_default();
            let nodes::Node { name, kubelet, runtime, .. } = node.clone();
            of_kernel.push(Node { name, kubelet, runtime });
        }
        for mention in &found.mentions {
            let told = knowledge.streams.of_release(&mention.release);
            if mention.certain || !told.streams.is_empty() || !told.open.is_empty() {
                groups.entry((mention.release.clone(), None)).or_default();
            }
        }
    }
    // What says nothing of a node is not a node: a release alone.
    for nodes in groups.values_mut() {
        nodes.retain(|node| *node != Node { name: None, kubelet: None, runtime: None });
        nodes.sort();
    }
    let mut kernels: Vec<Kernel> = groups
        .into_iter()
        .map(|((release, os_image), nodes)| Kernel { nodes, ..kernel(release, os_image, knowledge) })
        .collect();
    let rank = |kernel: &Kernel| {
        let worst =
            kernel.exposures.iter().filter(|fault| fault.affected == Told::Yes).map(|fault| fault.could_be);
        let count = kernel.exposures.iter().filter(|fault| fault.affected == Told::Yes).count();
        (Reverse(worst.max()), Reverse(count), KernelVersion::of_release(&kernel.release).ok())
    };
    kernels.sort_by_cached_key(|kernel| {
        (rank(kernel), kernel.streams.clone(), kernel.release.clone(), kernel.os_image.clone())
    });
    Document::new(Kernels { knowledge: knowledge.date().to_owned(), kernels, other_systems }, None)
}

fn kernel(release: String, os_image: Option<String>, knowledge: &KnowledgeBase) -> Kernel {
    let mut snapshot = Snapshot::of_nothing(Origin::Text);
    snapshot.kernel.release = Fact::known(release.clone(), FROM);
    if let Some(name) = &os_image {
        snapshot.distribution = Fact::known(called(name), FROM);
    }
    let told = knowledge.streams.identify(Some(&release), snapshot.distribution.value());
    let identity = identify(&snapshot, knowledge);
    let series = told.base().map(KernelVersion::series);
    let stream = |name: &String| Stream {
        name: name.clone(),
        end_of_life: knowledge.streams.end_of_life(name, series.as_deref()).map(|date| date.to_string()),
    };
    let has = |feature| Told::from(knowledge.features.has(feature, &identity));
    let mut exposures: Vec<Exposure> =
        knowledge.advisories.iter().map(|advisory| exposure(advisory, &snapshot, knowledge)).collect();
    exposures.sort_by_key(|fault| {
        (
            fault.affected == Told::No,
            fault.affected == Told::NotTold,
            Reverse(fault.could_be),
            fault.id.clone(),
        )
    });
    Kernel {
        streams: told.streams.iter().map(stream).collect(),
        base: told.base().map(|base| base.to_string()),
        open: told.open,
        why: told.why,
        honours_nokmem: has(NOKMEM),
        private_memcg_ids: has(PRIVATE_MEMCG_IDS),
        exposures,
        nodes: Vec::new(),
        release,
        os_image,
    }
}

/// Whether another kernel of this distribution has a fault, by its release alone. None where that doesn't tell.
#[must_use]
pub fn has_fault(
    advisory: &Advisory,
    release: &str,
    distribution: &Fact<Distribution>,
    knowledge: &KnowledgeBase,
) -> Option<bool> {
    let mut snapshot = Snapshot::of_nothing(Origin::Text);
    snapshot.kernel.release = Fact::known(release.to_owned(), FROM);
    snapshot.distribution = distribution.clone();
    match exposure(advisory, &snapshot, knowledge).affected {
        Told::Yes => Some(true),
        Told::No => Some(false),
        Told::NotTold => None,
    }
}

/// The kernel has a fault where the advisory's own ranges say so, or where its table comes to *exposed* without more.
fn exposure(advisory: &Advisory, snapshot: &Snapshot, knowledge: &KnowledgeBase) -> Exposure {
    let finding = judge(advisory, snapshot, knowledge);
    let by_range = || {
        let facts = SnapshotFacts::new(snapshot, knowledge, advisory);
        !advisory.affected.is_empty()
            && facts.fact("affected").is_ok_and(|reading| reading.value == Value::Bool(true))
    };
    let affected = match finding.verdict {
        Verdict::Clear => Told::No,
        Verdict::Exposed | Verdict::Active | Verdict::Critical => Told::Yes,
        Verdict::Unknown if by_range() => Told::Yes,
        Verdict::Unknown => Told::NotTold,
    };
    let contradictions = advisory.contradictions.iter().filter(|_| affected != Told::No);
    let open = finding.undecided.iter().map(|open| open.could_be);
    Exposure {
        affected,
        could_be: open.chain([finding.verdict]).max().unwrap_or(finding.verdict),
        contradictions: contradictions.map(|texts| texts[&Language::En].clone()).collect(),
        id: finding.id,
        name: finding.name,
        title: finding.title,
    }
}

#[cfg(test)]
mod tests;
