//! `sweep DIR [--require FORMAT:KEY,KEY…]…`: holds the engine against a folder of real inputs and prints how it does.
//! It ends with 1 where a row that is required doesn't hold; other rows are only counted.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use lab::sweep::{self, Requirement};

fn main() -> ExitCode {
    let mut folder = None;
    let mut required = Vec::new();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let requirement = (argument == "--require").then(|| arguments.next());
        match requirement {
            Some(text) => match text.as_deref().and_then(Requirement::parse) {
                Some(requirement) => required.push(requirement),
                None => return wrong_usage(),
            },
            None if folder.is_none() => folder = Some(PathBuf::from(argument)),
            None => return wrong_usage(),
        }
    }
    let Some(folder) = folder else { return wrong_usage() };
    let result = match sweep::run(&folder) {
        Ok(result) => result,
        Err(error) => {
            eprintln!("sweep: {error}{}", error.source().map(|s| format!(": {s}")).unwrap_or_default());
            return ExitCode::FAILURE;
        }
    };
    print!("{result}");
    let mut code = ExitCode::SUCCESS;
    for Requirement { format, keys } in required.iter().filter(|requirement| result.missed(requirement) > 0) {
        println!("sweep: rows of {format} that must hold don't: {}", keys.join(", "));
        code = ExitCode::FAILURE;
    }
    code
}

fn wrong_usage() -> ExitCode {
    eprintln!("usage: sweep DIR [--require FORMAT:KEY,KEY…]…");
    ExitCode::FAILURE
}
