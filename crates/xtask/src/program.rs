//! Other programs, as argument vectors. There is no shell anywhere in these tasks.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// A program that is about to be run, without standard input.
#[must_use = "it isn't run yet"]
pub(crate) struct Program(Command);

impl Program {
    /// The program `name`, in the directory `at`.
    pub(crate) fn new(name: impl AsRef<OsStr>, at: &Path) -> Self {
        let mut command = Command::new(name);
        command.current_dir(at).stdin(Stdio::null());
        Self(command)
    }

    /// Adds arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.0.args(arguments);
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Gives it this terminal's input.
    pub(crate) fn on_this_terminal(mut self) -> Self {
        self.0.stdin(Stdio::inherit());
        self
    }

    /// Takes an environment variable away.
    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.0.env_remove(name);
        self
    }

    /// The command as a person would type it: without the folder of the program.
    fn typed(&self) -> String {
        let program = Path::new(self.0.get_program());
        std::iter::once(program.file_name().unwrap_or(program.as_os_str()))
            .chain(self.0.get_args())
            .map(OsStr::to_string_lossy)
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn start_failure(&self) -> impl FnOnce(std::io::Error) -> Failure {
        let program = self.0.get_program().to_string_lossy().into_owned();
        move |source| Failure::Start { program, source }
    }

    /// Runs it, with its output on the terminal.
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        println!("$ {}", self.typed());
        let status = self.0.status().map_err(self.start_failure())?;
        if status.success() { Ok(()) } else { Err(Failure::Ended { command: self.typed(), status }) }
    }

    /// Runs it and gives what it printed; its errors go to the terminal.
    pub(crate) fn output(mut self) -> Result<String, Failure> {
        let output = self.0.stderr(Stdio::inherit()).output().map_err(self.start_failure())?;
        if !output.status.success() {
            return Err(Failure::Ended { command: self.typed(), status: output.status });
        }
        String::from_utf8(output.stdout)
            .map_err(|error| Failure::Output { command: self.typed(), source: error.into() })
    }

    /// Whether it ends with 0; nothing of what it prints is shown.
    pub(crate) fn succeeds(mut self) -> Result<bool, Failure> {
        let status =
            self.0.stdout(Stdio::null()).stderr(Stdio::null()).status().map_err(self.start_failure())?;
        Ok(status.success())
    }
}
