//! `inspect`: what program files do about kernel memory accounting, by their content. A file that can't be judged is told
//! in its place, and the others are judged all the same.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kernmend_core::document::snapshot::Class;
use kernmend_core::program::Inspection;
use serde_json::{Value, json};

use super::print;
use crate::failure::Failure;
use crate::message::Messages;
use crate::render;

pub(crate) fn run(files: &[PathBuf], json: bool, messages: Messages) -> Result<ExitCode, Failure> {
    let mut found: Vec<(&Path, Result<Inspection, Failure>)> = Vec::new();
    for file in files {
        let path = file.as_path();
        let inspected = inspect(path, messages);
        if !json {
            match &inspected {
                Ok(inspection) => print(&render::inspection(inspection, messages), messages)?,
                Err(failure) => tell(failure, messages),
            }
        }
        found.push((path, inspected));
    }
    if json {
        let value = Value::Array(found.iter().map(|(path, found)| value(path, found, messages)).collect());
        print(&format!("{value:#}\n"), messages)?;
    }
    Ok(exit_code(found.iter().map(|(_, found)| found.as_ref().ok().map(|found| found.classification.class))))
}

fn inspect(path: &Path, messages: Messages) -> Result<Inspection, Failure> {
    if path == Path::new("-") {
        return Err(Failure::input(messages.error_inspect_input()).hint(messages.hint_inspect_input()));
    }
    kernmend_node::inspect::inspect(path)
        .map_err(|error| Failure::input(messages.error_read(path.display())).because(&error))
}

fn tell(failure: &Failure, messages: Messages) {
    for line in failure.lines(messages) {
        anstream::eprintln!("{line}");
    }
}

/// A file in the array; one that can't be read has `error` in place of what would be said of it.
fn value(path: &Path, found: &Result<Inspection, Failure>, messages: Messages) -> Value {
    match found {
        Ok(inspection) => {
            serde_json::to_value(inspection).expect("it holds no map with keys that aren't texts")
        }
        Err(failure) => {
            tell(failure, messages);
            let said = [std::slice::from_ref(&failure.message), &failure.causes].concat().join(": ");
            json!({ "path": path.to_string_lossy(), "error": said })
        }
    }
}

/// The worst that can be said of any file: that one accounts is sure whatever comes of the others.
fn exit_code(classes: impl Iterator<Item = Option<Class>>) -> ExitCode {
    let rank = |class| match class {
        Some(Class::Off | Class::Ignored | Class::NotLibcontainer) => (0, 0),
        Some(Class::Unknown) => (1, 2),
        None => (2, 3),
        Some(Class::On | Class::OnDemand) => (3, 1),
    };
    let (_, code) = classes.map(rank).max().unwrap_or_default();
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_file_makes_the_exit_code() {
        let code = |classes: &[Option<Class>]| format!("{:?}", exit_code(classes.iter().copied()));
        let expected = |code: u8| format!("{:?}", ExitCode::from(code));
        let harmless = [Class::Off, Class::Ignored, Class::NotLibcontainer].map(Some);
        assert_eq!(code(&harmless), expected(0));
        assert_eq!(code(&[Some(Class::Off), Some(Class::Unknown)]), expected(2));
        assert_eq!(code(&[Some(Class::Unknown), None]), expected(3));
        assert_eq!(code(&[None, Some(Class::On), Some(Class::Unknown)]), expected(1));
        assert_eq!(code(&[Some(Class::OnDemand)]), expected(1));
    }
}
