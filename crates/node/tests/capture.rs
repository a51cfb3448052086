//! Captures, as one test of all that shares a sample node: replays, secrets, and input that is almost right.

#![expect(clippy::unwrap_used, reason = "the helpers of tests, as the tests, stop at the first surprise")]

#[path = "capture/fuzz.rs"]
mod fuzz;
#[path = "../../core/tests/fuzz/mutate.rs"]
mod mutate;
#[path = "capture/replay.rs"]
mod replay;
#[path = "capture/secrets.rs"]
mod secrets;
#[path = "capture/support.rs"]
mod support;
