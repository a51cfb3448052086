//! The tasks, one file each.

pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod dependencies;
pub(crate) mod dist;
pub(crate) mod lab;
pub(crate) mod release;
pub(crate) mod schema;
pub(crate) mod sweep;
pub(crate) mod test;
