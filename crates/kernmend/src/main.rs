//! The command line: parses, calls, renders and exits. It holds no logic of its own, and it is the only crate that
//! prints.

mod args;
mod command;
mod failure;
mod message;
mod render;

use std::process::ExitCode;

use crate::message::Messages;

fn main() -> ExitCode {
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let messages = Messages(args::language(&arguments, |name| std::env::var(name).ok()));
    let parsed = match args::command(messages).try_get_matches_from(&arguments) {
        Ok(matches) => args::Arguments::from_matches(&matches),
        Err(error) => {
            let _ = error.print();
            // clap's own code for wrong usage, 2, means something else here.
            return if error.use_stderr() { ExitCode::from(3) } else { ExitCode::SUCCESS };
        }
    };
    match command::run(&parsed, messages) {
        Ok(code) => code,
        Err(failure) => {
            for line in failure.lines(messages) {
                anstream::eprintln!("{line}");
            }
            if parsed.for_problem_detector { ExitCode::from(2) } else { failure.exit_code() }
        }
    }
}
