//! The knowledge base: what kernmend knows, read from files and checked. Files hold the facts; the code here only reads
//! them, and finds every problem of a file in one run. It decides nothing about a machine.

pub mod problem;
pub mod stream;
pub mod table;
