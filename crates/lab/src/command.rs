//! Other programs that the lab runs to their end. What they say when they fail is in the error.

use std::process::Command;

use crate::LabError;

/// Lines of what a program said that an error repeats: its last ones.
const REPEATED: usize = 5;

/// Runs a command to its end and gives what it wrote.
pub(crate) fn run(command: &mut Command) -> Result<String, LabError> {
    let shown = format!("{command:?}");
    let output = match command.output() {
        Ok(output) => output,
        Err(source) => return Err(LabError::Process { command: shown, source }),
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.trim().lines().collect();
    let said = lines[lines.len().saturating_sub(REPEATED)..].join("; ");
    Err(LabError::Failed { command: shown, said })
}
