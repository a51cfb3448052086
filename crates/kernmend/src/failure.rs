//! What ends a run before it has an answer: one kind of failure, from which the exit code follows, with its causes and
//! the next command. Findings are no failures.

use std::error::Error;
use std::process::ExitCode;

use crate::message::Messages;
use crate::render::printable;

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The caller's: wrong usage, or input that can't be used.
    Input,
    /// Ours.
    Internal,
    /// Nobody's: the preflight says no.
    Refused,
}

/// A run that ended without an answer.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
    pub(crate) hints: Vec<String>,
}

impl Failure {
    /// Input that can't be used.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self { kind: Kind::Input, message: message.into(), causes: Vec::new(), hints: Vec::new() }
    }

    /// A plan that may not start.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { kind: Kind::Refused, ..Self::input(message) }
    }

    /// Something that is ours to mend.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self { kind: Kind::Internal, ..Self::input(message) }
    }

    /// Output that could not be written.
    pub(crate) fn write(messages: Messages, error: &std::io::Error) -> Self {
        let message = messages.error_write().to_owned();
        Self { kind: Kind::Internal, message, causes: vec![error.to_string()], hints: Vec::new() }
    }

    /// With an error and what lies behind it as causes.
    pub(crate) fn because(mut self, error: &dyn Error) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            self.causes.push(error.to_string());
            cause = error.source();
        }
        self
    }

    /// With a next step.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The lines for people.
    pub(crate) fn lines(&self, messages: Messages) -> Vec<String> {
        let mut lines = vec![messages.error(printable(&self.message))];
        lines.extend(self.causes.iter().map(|cause| messages.cause(printable(cause))));
        lines.extend(self.hints.iter().map(|hint| messages.hint(printable(hint))));
        lines
    }

    /// The exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::Input => 3,
            Kind::Internal => 4,
            Kind::Refused => 5,
        })
    }
}
