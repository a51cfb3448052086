//! What `check` and `collect` read: a machine, a directory or an archive, with the progress shown on the terminal.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufReader, IsTerminal as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_core::knowledge::template::grouped;
use kernmend_node::host::{Host, Oddity, OpenRootError, ReadArchiveError, Remark, Stage};

use crate::args::Source;
use crate::failure::Failure;
use crate::message::Messages;
use crate::render::printable;

/// A look that is over sooner needs no display.
const PROGRESS_AFTER: Duration = Duration::from_secs(1);

/// Opens what is to be read, with the knowledge that `dir` adds to. A snapshot has been read already.
pub(crate) fn host<'a>(
    source: &Source,
    knowledge: &'a KnowledgeBase,
    dir: Option<&Path>,
    messages: Messages,
) -> Result<Host<'a>, Failure> {
    let signals = &knowledge.signals;
    let opened = match source {
        Source::Archive(path) | Source::Snapshot(path) => {
            let failure = || Failure::input(messages.error_archive(path.display()));
            let file = fs::File::open(path).map_err(|error| failure().because(&error))?;
            let host = Host::archive(BufReader::new(file), signals).map_err(|error| {
                let failure = failure().because(&error);
                match error {
                    ReadArchiveError::NotAnArchive | ReadArchiveError::Foreign => {
                        failure.hint(messages.hint_archive())
                    }
                    _ => failure,
                }
            })?;
            for remark in host.remarks() {
                anstream::eprintln!("{}", note(remark, messages));
            }
            return Ok(host);
        }
        Source::Live => guarded(None, knowledge, dir),
        Source::Root(path) => guarded(Some(path), knowledge, dir),
    };
    opened.map_err(|OpenRootError { path, source }| {
        Failure::input(messages.error_root(path)).because(&source).hint(messages.hint_root())
    })
}

/// Opens the machine, or a directory, with a worker for what can hang.
pub(crate) fn guarded<'a>(
    root: Option<&Path>,
    knowledge: &'a KnowledgeBase,
    dir: Option<&Path>,
) -> Result<Host<'a>, OpenRootError> {
    Host::guarded(root, worker(root, dir), &knowledge.signals)
}

/// What is odd in an archive, as a line: it can make an answer unknown, and is no reason not to give one.
fn note(remark: &Remark, messages: Messages) -> String {
    let odd = match remark.oddity {
        Oddity::NoEnd => messages.odd_no_end(),
        Oddity::Escape => messages.odd_escape(),
        Oddity::Absolute => messages.odd_absolute(),
        Oddity::Duplicate => messages.odd_duplicate(),
        Oddity::InTheWay => messages.odd_in_the_way(),
        Oddity::Device => messages.odd_device(),
        Oddity::HardLinkOut => messages.odd_hard_link_out(),
        Oddity::LongName => messages.odd_long_name(),
        Oddity::Sparse => messages.odd_sparse(),
        Oddity::TooMuch => messages.odd_too_much(),
    };
    if remark.example.is_empty() {
        return messages.note(odd);
    }
    messages.note(messages.odd_members(grouped(remark.count), odd, printable(&remark.example)))
}

/// A worker is this same program. Where it is was told by the kernel when it started: `/proc` could hang.
fn worker(root: Option<&Path>, knowledge: Option<&Path>) -> Vec<OsString> {
    let program = OsStr::from_bytes(rustix::param::linux_execfn().to_bytes());
    let mut arguments = vec![program.to_owned(), OsString::from("answer")];
    for (option, path) in [("--root", root), ("--knowledge", knowledge)] {
        if let Some(path) = path {
            arguments.extend([OsString::from(option), path.as_os_str().to_owned()]);
        }
    }
    arguments
}

/// A line on the terminal that goes away when it is dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
    messages: Messages,
}

impl Progress {
    pub(crate) fn start(messages: Messages) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if std::io::stderr().is_terminal() {
            bar.set_style(ProgressStyle::default_spinner());
        }
        Self { bar, messages }
    }

    /// What is called with each stage.
    pub(crate) fn teller(&self) -> impl Fn(Stage<'_>) + use<> {
        let (bar, messages) = (self.bar.clone(), self.messages);
        let show = std::io::stderr().is_terminal();
        move |stage| {
            if show && bar.elapsed() >= PROGRESS_AFTER {
                if bar.is_hidden() {
                    bar.set_draw_target(ProgressDrawTarget::stderr());
                }
                bar.set_message(text(stage, messages));
                bar.tick();
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn text(stage: Stage<'_>, messages: Messages) -> String {
    match stage {
        Stage::Cgroups(count) => messages.progress_cgroups(grouped(count)),
        Stage::Log(path) => messages.progress_log(printable(path)),
        Stage::Program(path) => messages.progress_program(printable(path)),
    }
}
