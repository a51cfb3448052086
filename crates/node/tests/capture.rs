//! Captures, as one test of all that shares a sample node: replays, secrets, and input that is almost right.

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
