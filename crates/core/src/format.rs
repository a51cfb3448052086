//! Readers of the small files and outputs that say what a machine is: text in, plain data out. A reader takes what it
//! understands and passes over the rest; it opens nothing and concludes nothing.

pub mod cgroup;
pub mod deb;
pub mod distribution;
pub mod image;
pub mod kernel;
pub mod machine;
pub mod mounts;
pub mod nodes;
pub mod packages;
pub mod pods;
