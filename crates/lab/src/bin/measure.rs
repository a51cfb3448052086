//! `measure ANSWER PROGRAM [ARGUMENT…]`: runs a program, writes what it used into the file ANSWER and ends with its
//! exit code. It is a program of its own because it has to be small; `lab::measure` says why.

use std::env;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode};
use std::time::Instant;

use lab::measure::Usage;
use wait4::Wait4;

/// Added to the number of a signal, as shells do, when the program ended by one.
const SIGNALLED: i32 = 128;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let (Some(answer), Some(program)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: measure ANSWER PROGRAM [ARGUMENT…]");
        return ExitCode::FAILURE;
    };
    let start = Instant::now();
    let used = Command::new(program).args(arguments).spawn().and_then(Wait4::wait4);
    let wall = start.elapsed();
    let used = match used {
        Ok(used) => used,
        Err(error) => {
            eprintln!("measure: {error}");
            return ExitCode::FAILURE;
        }
    };
    let usage = Usage { wall, processor: used.rusage.utime + used.rusage.stime, peak: used.rusage.maxrss };
    if let Err(error) = fs::write(answer, usage.line()) {
        eprintln!("measure: {error}");
        return ExitCode::FAILURE;
    }
    let code = used.status.code().or(used.status.signal().map(|signal| SIGNALLED + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}
