//! One machine: the handle through which it is read and what collects a snapshot through it; the handle through which it
//! is changed and what runs a plan through it; what builds runtimes.
//!
//! Nothing here decides what a reading means (that is `kernmend-core`'s), prints, or knows a cluster. Nothing in
//! `host` and `collect` writes; all that does goes through `machine`.

pub mod apply;
pub mod build;
pub mod bundle;
pub mod collect;
pub mod follow;
pub mod host;
pub mod inspect;
pub mod machine;
pub mod package;
pub mod scan;
pub mod store;
