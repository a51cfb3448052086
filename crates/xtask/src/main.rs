//! (xtask)
fn main() {}
