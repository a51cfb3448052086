//! The rows of `dying-memcgs`: cgroups that are removed and still held, as far as a kernel counts them.

use kernmend_core::document::Bounds;
use kernmend_core::document::report::Verdict::{Active, Clear, Critical, Exposed, Unknown};

use crate::node::{Node, at_least};
use crate::{check, check_open, check_signs};

const ADVISORY: &str = "dying-memcgs";

#[test]
fn thresholds_hold_on_both_versions() {
    for (dying, verdict) in [
        (0, Clear),
        (99, Clear),
        (100, Exposed),
        (999, Exposed),
        (1_000, Active),
        (19_999, Active),
        (20_000, Critical),
        (300_000, Critical),
    ] {
        let v2 = Node::unknown().kernel("6.1.0-26-amd64").v2(60, dying);
        check(&format!("{dying} dying, version 2"), &v2, ADVISORY, verdict);
        let v1 = Node::unknown().kernel("4.19.0-27-amd64").v1(Bounds::exact(60)).num_cgroups(60 + dying);
        check(&format!("{dying} dying, version 1"), &v1, ADVISORY, verdict);
        check(&format!("{dying} dying, hybrid"), &v1.hybrid(), ADVISORY, verdict);
    }
}

#[test]
fn kernels_before_3_19_are_clear_whatever_is_counted() {
    let node = |release: &str| Node::unknown().kernel(release).v1(Bounds::exact(5)).num_cgroups(2_519);
    check("3.10", &node("3.10.0-514.el7.x86_64"), ADVISORY, Clear);
    check("3.18", &node("3.18.140"), ADVISORY, Clear);
    check("3.19", &node("3.19.0"), ADVISORY, Active);
    check("the kernel alone", &Node::unknown().kernel("3.10.0-1160.el7.x86_64"), ADVISORY, Clear);
}

#[test]
fn without_a_memory_controller_it_is_clear() {
    check("no kernel", &Node::unknown().no_memory_controller(), ADVISORY, Clear);
    check("6.1", &Node::unknown().kernel("6.1.0-26-amd64").no_memory_controller(), ADVISORY, Clear);
}

#[test]
fn what_is_missing_is_named() {
    let six = Node::unknown().kernel("6.1.0-26-amd64");
    check("6.1, no cgroups", &six, ADVISORY, Unknown);
    check("no num_cgroups", &six.v1(Bounds::exact(60)), ADVISORY, Unknown);
    let no_kernel = Node::unknown().v1(Bounds::exact(60)).num_cgroups(30_000);
    check("version 1 without a kernel", &no_kernel, ADVISORY, Unknown);
    check("version 2 needs no kernel", &Node::unknown().v2(60, 1_000), ADVISORY, Active);
}

#[test]
fn directories_that_were_not_all_counted_leave_bounds_that_prove_what_they_can() {
    let node = |directories| Node::unknown().kernel("5.10.0-33-amd64").v1(directories).num_cgroups(25_000);
    check_open("cut", &node(at_least(1_000)), ADVISORY, Unknown, &[("dying_cgroups", Critical)]);
    check_open("few left", &node(at_least(24_950)), ADVISORY, Clear, &[]);
    let between = Bounds { at_least: 10, at_most: Some(20_000) };
    check_open("at least 5,000", &node(between), ADVISORY, Active, &[("dying_cgroups", Critical)]);
    check_signs("at least 5,000", &node(between), ADVISORY, Active, &["dying-at-least"]);
    let few = Bounds { at_least: 10, at_most: Some(24_800) };
    check_signs("at least 200", &node(few), ADVISORY, Exposed, &["dying-at-least"]);
}
