//! What each flagship advisory means for a node: its verdict table, row by row, every threshold from both sides, and the
//! facts that are named as missing. Nothing is read: each node is made up, fact by fact.

// A program would look for `tests/node.rs`, which cargo would take for another test.
#[path = "verdicts/dying_memcgs.rs"]
mod dying_memcgs;
#[path = "verdicts/kmem_accounting_leak.rs"]
mod kmem_accounting_leak;
#[path = "verdicts/memcg_id_exhaustion.rs"]
mod memcg_id_exhaustion;
#[path = "verdicts/node.rs"]
mod node;
#[path = "verdicts/unregister_netdevice.rs"]
mod unregister_netdevice;

use std::sync::LazyLock;

use kernmend_core::diagnose::diagnose;
use kernmend_core::document::Document;
use kernmend_core::document::report::{Finding, Verdict};
use kernmend_core::knowledge::KnowledgeBase;
use node::Node;

/// Read once: its signals are compiled to automata.
static KNOWLEDGE: LazyLock<KnowledgeBase> = LazyLock::new(KnowledgeBase::embedded);

/// What the advisory means for the node. A sentence in whose place for a value nothing stands is a fault of its own.
fn judge(node: &Node, advisory: &str) -> Finding {
    let report = diagnose(&Document::new(node.snapshot.clone(), None), &KNOWLEDGE);
    let finding = report.body.findings.into_iter().find(|finding| finding.name == advisory);
    let finding = finding.expect("a report has a finding of every advisory");
    for evidence in &finding.evidence {
        assert!(!evidence.text.contains('?'), "{evidence:#?}");
    }
    finding
}

/// Holds that the advisory has this verdict for the node of `row`.
fn check(row: &str, node: &Node, advisory: &str, expected: Verdict) {
    let found = judge(node, advisory);
    assert_eq!(found.verdict, expected, "{row}\n{found:#?}");
}

/// Holds the verdict, and which facts are named as those that could raise it, with how far.
fn check_open(row: &str, node: &Node, advisory: &str, expected: Verdict, undecided: &[(&str, Verdict)]) {
    let found = judge(node, advisory);
    assert_eq!(found.verdict, expected, "{row}\n{found:#?}");
    let open: Vec<(&str, Verdict)> =
        found.undecided.iter().map(|undecided| (undecided.fact.as_str(), undecided.could_be)).collect();
    assert_eq!(open, undecided, "{row}");
}

/// Holds the verdict, and which signs are in its evidence.
fn check_signs(row: &str, node: &Node, advisory: &str, expected: Verdict, signs: &[&str]) {
    let found = judge(node, advisory);
    assert_eq!(found.verdict, expected, "{row}\n{found:#?}");
    let shown: Vec<&str> = found.evidence.iter().map(|evidence| evidence.sign.as_str()).collect();
    assert_eq!(shown, signs, "{row}");
}

#[test]
fn of_a_node_of_which_nothing_is_known_nothing_is_said() {
    let report = diagnose(&Document::new(Node::unknown().snapshot, None), &KNOWLEDGE);
    for finding in &report.body.findings {
        assert_eq!(finding.verdict, Verdict::Unknown, "{finding:#?}");
        assert!(finding.evidence.is_empty(), "{finding:#?}");
        assert!(!finding.undecided.is_empty(), "{finding:#?}");
    }
}
