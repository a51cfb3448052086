//! (node)

pub mod host;
