//! (kernmend)
fn main() {}
