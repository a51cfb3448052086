//! A run of stages: a heading and a wall time for each, and a summary at the end. Every stage that a task names ends up
//! in the summary, passed or failed; none can be left out.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::failure::Failure;

struct Ended {
    name: &'static str,
    took: Duration,
    failure: Option<String>,
}

/// The stages of one task.
#[must_use = "`finish` tells how it went"]
pub(crate) struct Run {
    task: &'static str,
    ended: Vec<Ended>,
}

impl Run {
    /// A task that has run nothing yet.
    pub(crate) fn new(task: &'static str) -> Self {
        Self { task, ended: Vec::new() }
    }

    /// Runs one stage. A failure doesn't stop the task: one run shows everything that is wrong.
    ///
    /// Gives the stage's outcome to those that rest on it, and [`Failure::Needs`] where there is none.
    pub(crate) fn stage<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        println!("\n━━ {}: {name}", self.task);
        let start = Instant::now();
        let outcome = work();
        let took = start.elapsed();
        let failure = outcome.as_ref().err().map(Failure::chain);
        match &failure {
            None => println!("── {name}: passed in {}", seconds(took)),
            Some(text) => println!("{text}\n── {name}: FAILED after {}", seconds(took)),
        }
        self.ended.push(Ended { name, took, failure });
        outcome.map_err(|_| Failure::Needs(name))
    }

    /// Prints the summary; the exit code is 1 as soon as one stage failed.
    pub(crate) fn finish(self) -> ExitCode {
        println!("\n━━ {}: summary", self.task);
        for stage in &self.ended {
            let word = if stage.failure.is_none() { "passed" } else { "FAILED" };
            println!("{word}  {:>8}  {}", seconds(stage.took), stage.name);
        }
        let failed: Vec<&str> =
            self.ended.iter().filter(|stage| stage.failure.is_some()).map(|stage| stage.name).collect();
        let all: Duration = self.ended.iter().map(|stage| stage.took).sum();
        if failed.is_empty() {
            println!("{}: all {} stages passed in {}", self.task, self.ended.len(), seconds(all));
            ExitCode::SUCCESS
        } else {
            println!("{}: FAILED in {}: {}", self.task, seconds(all), failed.join(", "));
            ExitCode::FAILURE
        }
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_stage_fails_the_run_and_those_that_need_it() {
        let mut run = Run::new("sample");
        let first: Result<u8, Failure> = run.stage("first", || Err(Failure::problem("broken")));
        let second = run.stage("second", || first.map(|_| ()));
        assert_eq!(second.unwrap_err().to_string(), "could not run: it needs `second`, which failed");
        assert_eq!(run.ended[1].failure.as_deref(), Some("could not run: it needs `first`, which failed"));
        run.stage("third", || Ok(())).unwrap();
        assert_eq!(run.ended.len(), 3);
        assert_eq!(format!("{:?}", run.finish()), format!("{:?}", ExitCode::FAILURE));
    }
}
