//! Plans that are run on a node in a directory: to the end, through failures, and through a death at every effect.

#![expect(clippy::unwrap_used, reason = "the helpers of tests, as the tests, stop at the first surprise")]

#[path = "apply/crash.rs"]
mod crash;
#[path = "apply/ends.rs"]
mod ends;
#[path = "apply/mortal.rs"]
mod mortal;
#[path = "apply/node.rs"]
mod node;
#[path = "apply/plan.rs"]
mod plan;
#[path = "apply/planned.rs"]
mod planned;
#[path = "apply/swap.rs"]
mod swap;
