//! A build for people: what it is at while it lasts, and what came of it.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kernmend_core::document::build::{Build, BuiltProgram};
use kernmend_core::document::plan::Refusal;
use kernmend_core::program::Component;
use kernmend_node::build::Progress;

use super::inspection::{needs, with_features};
use super::plan::words;
use super::{BOLD, labelled, printable, width};
use crate::message::Messages;

/// How often a display that is no terminal says that it still goes on.
const STILL: Duration = Duration::from_secs(30);

/// How often the clock on a terminal moves.
const TICK: Duration = Duration::from_millis(250);

/// What a build is at, as one line on a terminal, or as a line now and then.
pub(crate) struct BuildProgress {
    bar: Option<ProgressBar>,
    began: Instant,
    told: Cell<Instant>,
    last: RefCell<String>,
    messages: Messages,
}

impl BuildProgress {
    pub(crate) fn start(messages: Messages) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}");
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(TICK);
            bar
        });
        let began = Instant::now();
        Self { bar, began, told: Cell::new(began), last: RefCell::default(), messages }
    }

    /// Shows what it is at.
    pub(crate) fn tell(&self, at: Progress<'_>) {
        let messages = self.messages;
        let text = match at {
            Progress::Fetching(from) => messages.build_fetching(printable(from)),
            Progress::Reading => messages.build_reading().to_owned(),
            Progress::Asking => messages.build_asking().to_owned(),
            Progress::Building => messages.build_building().to_owned(),
            Progress::Proving => messages.build_proving().to_owned(),
            Progress::Line(line) => printable(line.trim()),
        };
        match &self.bar {
            // One line, with room for the clock before it.
            Some(bar) => bar.set_message(text.chars().take(width().saturating_sub(20)).collect::<String>()),
            None if !matches!(at, Progress::Line(_)) => self.line(&text),
            None => {}
        }
        *self.last.borrow_mut() = text;
    }

    /// Says now and then that it goes on, where no clock on a terminal does: a compiler can be silent for minutes.
    pub(crate) fn still(&self) {
        if self.bar.is_none() && self.told.get().elapsed() >= STILL {
            let last = self.last.borrow();
            self.line(&self.messages.build_still(self.began.elapsed().as_secs(), &*last));
        }
    }

    fn line(&self, text: &str) {
        self.told.set(Instant::now());
        anstream::eprintln!("{text}");
    }

    /// Takes the line off the terminal.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Why a build is refused, with what shows it, and the command that helps.
pub(crate) fn refusal(refusal: &Refusal, messages: Messages) -> (String, Option<String>) {
    let mut text = words(&refusal.reason, messages);
    if !refusal.evidence.is_empty() {
        let _ = write!(text, " ({})", printable(&refusal.evidence.join(", ")));
    }
    (text, Some(refusal.command.clone()).filter(|command| !command.is_empty()))
}

/// What was built.
pub(crate) fn built(build: &Build, output: &Path, log: &Path, messages: Messages) -> String {
    let width = width();
    let line = |label: &str, sentence: &str, from: &[String]| labelled(label, sentence, from, width);
    let mut text = format!(
        "{BOLD}{} {}{BOLD:#}  {}\n",
        printable(&build.component),
        printable(&build.version),
        printable(&output.display().to_string())
    );
    let BuiltProgram { classification, demands, features, .. } = &build.program;
    let grounds: Vec<&str> = classification.why.iter().map(|ground| messages.ground(*ground)).collect();
    let off = format!("{}; {}", messages.class(classification.class), grounds.join("; "));
    text.push_str(&line(messages.label_accounting(), &off, &[]));
    if let Some(demands) = demands {
        text.push_str(&line(messages.label_needs(), &needs(demands, messages), &[]));
    }
    // Only a runc starts containers.
    if let Some(features) = features.filter(|_| build.component == Component::Runc.name()) {
        text.push_str(&line(messages.label_features(), &with_features(features, messages), &[]));
    }
    let reports = build.program.version.lines().next().unwrap_or_default();
    text.push_str(&line(messages.label_reports(), reports, &[]));
    text.push_str(&line(messages.label_digest(), &build.program.digest.to_string(), &[]));
    let made = messages.build_made(&build.go, &build.place, &build.source.from);
    text.push_str(&line(messages.label_built(), &made, &[]));
    for remark in &build.remarks {
        text.push_str(&line(messages.label_note(), &words(remark, messages), &[]));
    }
    let beside = [".sha256", ".provenance.json"].map(|ending| format!("{}{ending}", output.display()));
    let files = messages.build_beside(printable(&beside.join(", ")), printable(&log.display().to_string()));
    text.push_str(&line(messages.label_files(), &files, &[]));
    text
}
