//! Processor time and peak memory of one process and the descendants that it waits for, by `wait4`.
//!
//! The kernel gives a process that executes a new program the memory peak of the one that started it as its first
//! peak. A test or a bench that holds some megabytes would therefore measure itself, so the process is started by the
//! small program `measure`, whose own peak is the floor of what can be measured.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::LabError;

/// What a process used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Wall time.
    pub wall: Duration,
    /// Processor time in user and kernel mode.
    pub processor: Duration,
    /// Peak of the resident memory, in bytes: of the process or of the largest of its descendants.
    pub peak: u64,
}

impl Usage {
    /// One line of numbers, as `measure` writes them.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = String::new();
        write!(line, "{} {} {}", self.wall.as_micros(), self.processor.as_micros(), self.peak)
            .expect("writing to a string can't fail");
        line
    }

    fn parse(line: &str) -> Option<Self> {
        let numbers: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
        let [wall, processor, peak] = numbers.try_into().ok()?;
        Some(Self { wall: Duration::from_micros(wall), processor: Duration::from_micros(processor), peak })
    }
}

/// Runs a command to its end, with its output captured. Only its program, arguments, directory and environment count.
pub fn run(command: &Command) -> Result<(Output, Usage), LabError> {
    let answer =
        tempfile::NamedTempFile::new().map_err(LabError::file("making a file in", env::temp_dir()))?;
    let mut measured = Command::new(measurer()?);
    measured.arg(answer.path()).arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => measured.env(name, value),
            None => measured.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        measured.current_dir(directory);
    }
    let output =
        measured.output().map_err(|source| LabError::Process { command: format!("{measured:?}"), source })?;
    let line = fs::read_to_string(answer.path()).map_err(LabError::file("reading", answer.path()))?;
    let usage = Usage::parse(&line)
        .ok_or_else(|| LabError::Measurement(format!("{line}{}", String::from_utf8_lossy(&output.stderr))))?;
    Ok((output, usage))
}

/// Cargo puts the package's programs beside its benches, and one level above its tests.
fn measurer() -> Result<PathBuf, LabError> {
    let this = env::current_exe().map_err(LabError::file("finding", "/proc/self/exe"))?;
    let beside = this.parent().unwrap_or(Path::new("/"));
    let folder = if beside.ends_with("deps") { beside.parent().unwrap_or(beside) } else { beside };
    Ok(folder.join("measure"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_survives_its_line() {
        let usage = Usage {
            wall: Duration::from_micros(1_500_001),
            processor: Duration::from_micros(7),
            peak: 12 << 20,
        };
        assert_eq!(Usage::parse(&usage.line()), Some(usage));
        for wrong in ["", "1 2", "1 2 3 4", "1 2 x"] {
            assert_eq!(Usage::parse(wrong), None, "{wrong}");
        }
    }
}
