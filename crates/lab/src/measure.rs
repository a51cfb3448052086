//! Processor time and peak memory of one process and the descendants that it waits for, by `wait4`.
//!
//! The kernel gives a process that executes a new program the memory peak of the one that started it as its first
//! peak. A test or a bench that holds some megabytes would therefore measure itself, so the process is started by the
//! small program `measure`, whose own peak is the floor of what can be measured.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Output, Stdio};
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
    measured(command, Stdio::null(), None)
}

/// Runs a command to its end with these bytes on its standard input, a pipe that takes them as fast as it reads.
pub fn fed(command: &Command, bytes: Vec<u8>) -> Result<(Output, Usage), LabError> {
    measured(command, Stdio::piped(), Some(Box::new(move |pipe: &mut ChildStdin| pipe.write_all(&bytes))))
}

/// As [`fed`], by a function that writes as it likes.
pub fn fed_by(
    command: &Command,
    feed: impl FnOnce(&mut ChildStdin) -> io::Result<()> + Send + 'static,
) -> Result<(Output, Usage), LabError> {
    measured(command, Stdio::piped(), Some(Box::new(feed)))
}

/// What writes to a standard input.
type Feed = Box<dyn FnOnce(&mut ChildStdin) -> io::Result<()> + Send>;

fn measured(command: &Command, stdin: Stdio, feed: Option<Feed>) -> Result<(Output, Usage), LabError> {
    let answer =
        tempfile::NamedTempFile::new().map_err(LabError::file("making a file in", env::temp_dir()))?;
    let mut measured = Command::new(measurer()?);
    measured.arg(answer.path()).arg(command.get_program()).args(command.get_args());
    measured.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => measured.env(name, value),
            None => measured.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        measured.current_dir(directory);
    }
    let shown = format!("{measured:?}");
    let failed = move |source| LabError::Process { command: shown.clone(), source };
    let mut child = measured.spawn().map_err(&failed)?;
    let feeding = feed.zip(child.stdin.take());
    let feeding = feeding.map(|(feed, mut pipe)| std::thread::spawn(move || feed(&mut pipe)));
    let output = child.wait_with_output().map_err(&failed)?;
    if let Some(feeding) = feeding {
        let fed = feeding.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        fed.map_err(&failed)?;
    }
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
