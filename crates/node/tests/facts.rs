//! The facts of a node that an upgrade needs, from small roots that are laid out as container runtimes, package managers
//! and the kernel lay them out; and from their captures, which must tell the same.

#![expect(clippy::unwrap_used, reason = "the helpers of tests, as the tests, stop at the first surprise")]

#[path = "facts/boot.rs"]
mod boot;
#[path = "facts/machine.rs"]
mod machine;
#[path = "facts/pods.rs"]
mod pods;
#[path = "facts/root.rs"]
mod root;
