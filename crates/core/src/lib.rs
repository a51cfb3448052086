//! What kernmend knows and decides: the documents, the knowledge base, version order, log scanning and diagnosis.
//!
//! This crate is pure: it opens no file, starts no process, reads no clock, no environment and no randomness, and
//! starts no thread. Time and ids are arguments, so the same input gives the same bytes. `crates/kernmend/tests/tidy.rs`
//! holds it.

pub mod boot;
pub mod build;
pub mod bundle;
pub mod condition;
pub mod diagnose;
pub mod document;
pub mod format;
pub mod journal;
pub mod kernel;
pub mod knowledge;
pub mod plan;
pub mod program;
pub mod proof;
pub mod scan;
pub mod slab;
pub mod version;
