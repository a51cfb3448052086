//! (host)

pub mod markers;
