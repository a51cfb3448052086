//! One machine: the handle through which it is read, and what collects a snapshot through it.
//!
//! Nothing here decides what a reading means (that is `kernmend-core`'s), prints, or knows a cluster. Nothing in
//! `host` and `collect` writes.

pub mod collect;
pub mod follow;
pub mod host;
pub mod scan;
