//! What the tests need that take the real thing. Nothing of the product uses it.

pub mod debian;
