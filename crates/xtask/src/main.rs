//! The door for contributors: `cargo xtask TASK`. CI runs the same tasks as people do. A task is a row of stages; this
//! crate only calls other programs and compares what they say, and nothing of the product depends on it.

mod failure;
mod program;
mod run;
mod task;
mod workspace;

use std::process::ExitCode;

use workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask TASK

  check           format, lints, docs, tidy tests, release build, schemas, dependencies
  test            installs what the tests need, then runs all of them (root)
  test --tier builds
                  builds a kubelet from its sources, whether that passed here already or not (root)
  dist            builds kernmend as it is published, one static file, and proves that it is
  bench [NAME…]   times kernmend beside a peer and prints the ratios (root)
  lab list        names the images of the tests' virtual machines
  lab up IMAGE    boots a machine of one, with its console on this terminal (root)
  schema          writes schemas/ from the documents
  sweep DIR       holds the engine against a folder of real inputs, row by row
";

/// Wrong usage has the exit code that kernmend itself gives it.
const WRONG_USAGE: u8 = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let task: fn(&Workspace, &[&str]) -> ExitCode = match words.as_slice() {
        ["check"] => |workspace, _| task::check::run(workspace),
        ["test"] | ["test", "--tier", "builds"] => task::test::run,
        ["dist"] => |workspace, _| task::dist::run(workspace),
        ["schema"] => |workspace, _| task::schema::run(workspace),
        ["bench", ..] => task::bench::run,
        ["lab", "list"] | ["lab", "up", _] => task::lab::run,
        ["sweep", _, ..] => task::sweep::run,
        ["help" | "-h" | "--help"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(WRONG_USAGE);
        }
    };
    match Workspace::find() {
        Ok(workspace) => task(&workspace, &words[1..]),
        Err(failure) => {
            eprintln!("xtask: {}", failure.chain());
            ExitCode::FAILURE
        }
    }
}
