//! The program under test.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The environment variable in which `cargo xtask test` names the program.
pub const UNDER_TEST: &str = "KERNMEND_UNDER_TEST";

/// The path of the program under test.
///
/// # Panics
/// Where nobody named it: these tests can't be run by `cargo test` alone.
#[must_use]
pub fn path() -> PathBuf {
    let path = env::var_os(UNDER_TEST).map(PathBuf::from);
    path.filter(|path| path.is_file()).unwrap_or_else(|| {
        panic!("`{UNDER_TEST}` names no program: `cargo xtask test` builds it and runs these tests")
    })
}

/// `kernmend ARGUMENTS`, without standard input, in English whatever this machine speaks.
#[must_use]
pub fn command<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(path());
    command.args(arguments).stdin(Stdio::null()).env("LANG", "C.UTF-8").env_remove("LC_ALL");
    command
}
