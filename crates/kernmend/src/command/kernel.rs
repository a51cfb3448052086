//! `kernel`: which known faults kernels have by their releases alone. The releases are arguments, or stand in texts that
//! name nodes.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use kernmend_core::document::kernels::{Kernels, Told};
use kernmend_core::document::report::Verdict;
use kernmend_core::format::nodes::{Found, decode, read};
use kernmend_core::kernel::kernels;
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_core::knowledge::template::bytes;

use super::print;
use crate::args::{Kernel, Output};
use crate::failure::Failure;
use crate::message::Messages;
use crate::render;

/// The JSON of a node takes about 20 KB, so this is that of more than 10,000 nodes.
const LONGEST: u64 = 256 << 20;

pub(crate) fn run(
    asked: &Kernel,
    knowledge: &KnowledgeBase,
    messages: Messages,
) -> Result<ExitCode, Failure> {
    let found = asked.inputs.iter().map(|input| find(input, messages));
    let found = found.collect::<Result<Vec<Found>, Failure>>()?;
    let document = kernels(&found, knowledge);
    if document.body.kernels.is_empty() {
        let inputs: Vec<_> = asked.inputs.iter().map(|input| input.to_string_lossy()).collect();
        return Err(Failure::input(messages.error_no_kernel(inputs.join(" "))).hint(messages.hint_kernel()));
    }
    let text = match asked.output {
        Output::Json => document.to_json() + "\n",
        Output::Text | Output::Snapshot => {
            render::kernels(&document.body, knowledge, messages, asked.verbose)
        }
    };
    print(&text, messages)?;
    Ok(ExitCode::from(u8::from(is_exposed(&document.body, asked.fail_on))))
}

/// What an argument names: a file that there is, standard input, or else a text by itself.
fn find(input: &OsStr, messages: Messages) -> Result<Found, Failure> {
    let path = Path::new(input);
    let failure = |error: &io::Error| Failure::input(messages.error_read(path.display())).because(error);
    let bytes = if input == "-" {
        bounded(io::stdin().lock(), path, messages)?
    } else if path.exists() {
        bounded(File::open(path).map_err(|error| failure(&error))?, path, messages)?
    } else {
        let found = read(&input.to_string_lossy());
        return if found == Found::default() {
            Err(Failure::input(messages.error_no_input(path.display())).hint(messages.hint_kernel()))
        } else {
            Ok(found)
        };
    };
    Ok(read(&decode(&bytes)))
}

fn bounded(source: impl Read, path: &Path, messages: Messages) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    let read = source.take(LONGEST + 1).read_to_end(&mut content);
    read.map_err(|error| Failure::input(messages.error_read(path.display())).because(&error))?;
    if content.len() as u64 > LONGEST {
        return Err(Failure::input(messages.error_too_long(path.display(), bytes(LONGEST))));
    }
    Ok(content)
}

fn is_exposed(kernels: &Kernels, fail_on: Verdict) -> bool {
    let mut exposures = kernels.kernels.iter().flat_map(|kernel| &kernel.exposures);
    exposures.any(|exposure| exposure.affected == Told::Yes && exposure.could_be >= fail_on)
}
