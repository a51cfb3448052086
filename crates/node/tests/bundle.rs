//! Bundles of small packages that are made here: what goes in, what is refused, and what hostile files come to.

#[path = "bundle/deb.rs"]
mod deb;
#[path = "bundle/make.rs"]
mod make;
#[path = "bundle/rpm.rs"]
mod rpm;
#[path = "bundle/whole.rs"]
mod whole;
