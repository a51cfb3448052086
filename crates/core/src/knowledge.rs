//! The knowledge base: what kernmend knows, as data. It is read and checked here, never fetched; what it means for a
//! node is `diagnose`'s to say.

pub mod problem;
pub mod signal;
