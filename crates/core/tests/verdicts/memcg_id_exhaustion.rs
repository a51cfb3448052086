//! The rows of `memcg-id-exhaustion`: how many of the 65,535 ids are used, and what counts as used on which kernel.

use kernmend_core::document::Bounds;
use kernmend_core::document::report::Verdict::{Active, Clear, Critical, Exposed, Unknown};

use crate::node::{Node, at_least};
use crate::{check, check_open, check_signs};

const ADVISORY: &str = "memcg-id-exhaustion";

fn v2(directories: u64) -> Node {
    Node::unknown().kernel("6.1.0-26-amd64").v2(directories, 0)
}

#[test]
fn ninety_five_percent_of_65_535_are_critical_and_half_is_active() {
    // 95 % are 62,258.25 and 50 % are 32,767.5.
    for (used, verdict) in [
        (65_535, Critical),
        (62_259, Critical),
        (62_258, Active),
        (32_768, Active),
        (32_767, Clear),
        (1, Clear),
    ] {
        check(&format!("{used} live, version 2"), &v2(used), ADVISORY, verdict);
        let v1 = Node::unknown().kernel("5.10.0-33-amd64").v1(Bounds::exact(used));
        check(&format!("{used} live, version 1"), &v1, ADVISORY, verdict);
        let dead = used / 3;
        let leaking = Node::unknown().kernel("3.10.0-693.el7.x86_64").v1(Bounds::exact(used - dead));
        check(&format!("{used} on 3.10"), &leaking.dead_ids(Bounds::exact(dead)), ADVISORY, verdict);
    }
}

#[test]
fn on_3_10_the_live_and_the_dead_are_used_and_num_cgroups_tells_nothing() {
    let node = Node::unknown().kernel("3.10.0-514.el7.x86_64").num_cgroups(4).v1(Bounds::exact(3));
    check("leaked", &node.clone().dead_ids(Bounds::exact(62_256)), ADVISORY, Critical);
    check("one less", &node.dead_ids(Bounds::exact(62_255)), ADVISORY, Active);
}

#[test]
fn what_counts_as_used_follows_the_kernel() {
    // 40,000 are counted by the kernel, 100 of them live.
    for (release, verdict) in [
        ("3.18.0", Clear),
        ("3.19.0", Active),
        ("4.4.19", Clear),
        ("4.5.7", Active),
        ("4.7.0", Clear),
        ("5.10.0-33-amd64", Clear),
    ] {
        let node = Node::unknown().kernel(release).v1(Bounds::exact(100)).num_cgroups(40_000);
        check(release, &node.dead_ids(Bounds::exact(0)), ADVISORY, verdict);
    }
}

#[test]
fn a_kernel_that_keeps_ids_of_removed_cgroups_is_exposed() {
    for (release, verdict) in [
        ("3.18.0", Clear),
        ("3.19.0", Exposed),
        ("4.3.0", Exposed),
        ("4.4.19", Clear),
        ("4.5.7", Exposed),
        ("4.7.0", Clear),
    ] {
        let node = Node::unknown().kernel(release).v1(Bounds::exact(100)).num_cgroups(120);
        check(release, &node.dead_ids(Bounds::exact(0)), ADVISORY, verdict);
    }
}

#[test]
fn where_private_ids_are_not_known_few_ids_are_neither_clear_nor_exposed_and_many_still_count() {
    for release in ["4.6.0", "4.4.0-31-generic"] {
        let node = Node::unknown().kernel(release).v1(Bounds::exact(100));
        check_open(
            release,
            &node.clone().num_cgroups(120),
            ADVISORY,
            Unknown,
            &[("private_memcg_ids", Exposed)],
        );
        check(release, &node.clone().num_cgroups(70_000), ADVISORY, Unknown);
        let live = node.v1(Bounds::exact(63_000)).num_cgroups(64_000);
        check(release, &live, ADVISORY, Critical);
    }
}

#[test]
fn a_lower_bound_raises_and_never_lowers() {
    let v1 = |directories| Node::unknown().kernel("5.10.0-33-amd64").v1(directories);
    check("enough", &v1(at_least(62_259)), ADVISORY, Critical);
    check_open("half", &v1(at_least(62_258)), ADVISORY, Active, &[("used_ids", Critical)]);
    check_signs("half", &v1(at_least(62_258)), ADVISORY, Active, &["ids-at-least"]);
    check_open("few", &v1(at_least(100)), ADVISORY, Unknown, &[("used_ids", Critical)]);
    let el7 = Node::unknown().kernel("3.10.0-514.el7.x86_64");
    let cut = el7.clone().v1(Bounds::exact(500)).dead_ids(Bounds { at_least: 40_000, at_most: Some(90_000) });
    check_open("a cut listing", &cut, ADVISORY, Active, &[("used_ids", Critical)]);
    let bounded = el7.v1(Bounds::exact(500)).dead_ids(Bounds { at_least: 10, at_most: Some(900) });
    check_open("bounds below the mark", &bounded, ADVISORY, Clear, &[]);
}

#[test]
fn without_what_is_counted_nothing_is_known() {
    let el7 = Node::unknown().kernel("3.10.0-514.el7.x86_64");
    check("the kernel alone", &el7, ADVISORY, Unknown);
    let live = el7.v1(Bounds::exact(63_000));
    check("the live alone are enough", &live, ADVISORY, Critical);
    let few = Node::unknown().kernel("3.10.0-514.el7.x86_64").v1(Bounds::exact(63));
    check_open("the live alone are a lower bound", &few, ADVISORY, Unknown, &[("used_ids", Critical)]);
    let counted = Node::unknown().kernel("3.19.0").v1(Bounds::exact(63));
    check("no num_cgroups", &counted, ADVISORY, Unknown);
    check("no kernel", &Node::unknown().v1(Bounds::exact(63)).num_cgroups(63), ADVISORY, Unknown);
    check("version 2 needs no kernel", &Node::unknown().v2(63_000, 0), ADVISORY, Critical);
}

#[test]
fn version_1_counts_in_a_hybrid_node_too() {
    let node = Node::unknown().kernel("5.4.0-91-generic").v1(Bounds::exact(33_000)).hybrid();
    check("hybrid", &node, ADVISORY, Active);
}
