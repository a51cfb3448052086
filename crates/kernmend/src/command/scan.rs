//! `scan`: what the lines of logs mean, of those that are there or of those that come too. The signals go through the same
//! diagnosis as those of a node; with nothing but a log, a fault is named as a candidate and never as more.

use std::io::{self, stdin, stdout};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use kernmend_core::diagnose::diagnose;
use kernmend_core::document::Document;
use kernmend_core::document::news::News;
use kernmend_core::document::report::Verdict;
use kernmend_core::document::snapshot::{LogKind, Origin, Snapshot};
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_node::follow::{Ends, FollowLogError, Follower, Turn};
use kernmend_node::host::Stage;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::{print, source};
use crate::args::{Output, Scan};
use crate::failure::Failure;
use crate::message::Messages;
use crate::render::{self, printable};

/// What the log is called in the report, where it came from standard input.
const STDIN: &str = "-";

/// What a log came to, by its name.
type Scanned = (String, kernmend_core::scan::Scan);

pub(crate) fn run(asked: &Scan, knowledge: &KnowledgeBase, messages: Messages) -> Result<ExitCode, Failure> {
    let logs = if asked.follow {
        follow(asked, knowledge, messages)?
    } else {
        vec![once(asked, knowledge, messages)?]
    };
    conclude(logs, asked, knowledge, messages)
}

/// Reads the files as one log.
fn once(asked: &Scan, knowledge: &KnowledgeBase, messages: Messages) -> Result<Scanned, Failure> {
    let progress = source::Progress::start(messages);
    let tell = progress.teller();
    let tell = |path: &Path, _| tell(Stage::Log(&path.display().to_string()));
    let scan = kernmend_node::scan::scan(&asked.files, stdin().lock(), &knowledge.signals, tell);
    let scan =
        scan.map_err(|error| Failure::input(messages.error_log(&error.path)).because(&error.source))?;
    let name = match asked.files.as_slice() {
        [file] => file.display().to_string(),
        [first, .., last] => format!("{} … {}", first.display(), last.display()),
        [] => STDIN.to_owned(),
    };
    Ok((name, scan))
}

/// Reads the files as logs of their own, and tells what is new in them until they end or somebody ends it.
fn follow(asked: &Scan, knowledge: &KnowledgeBase, messages: Messages) -> Result<Vec<Scanned>, Failure> {
    let stop = on_stop().map_err(|error| Failure::input(messages.error_follow()).because(&error))?;
    let (stdin, listener) = (stdin(), stdout());
    let input = || stdin.as_fd().try_clone_to_owned();
    let failed = |error| failure(error, messages);
    let mut follower = Follower::open(&asked.files, input, &knowledge.signals).map_err(failed)?;
    for path in follower.missing() {
        anstream::eprintln!("{}", messages.note(messages.not_there_yet(printable(path))));
    }
    let ends = Ends { stop: stop.as_fd(), listener: listener.as_fd() };
    let several = asked.files.len() > 1;
    let begin = Instant::now();
    loop {
        let now = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (news, next) = follower.news(now);
        tell(news, asked.output, several, messages)?;
        let wait = next.map(|next| Duration::from_millis(next.saturating_sub(now)));
        if follower.turn(wait, ends).map_err(failed)? == Turn::End {
            break;
        }
    }
    let (rest, logs) = follower.finish();
    tell(rest, asked.output, several, messages)?;
    if asked.output == Output::Text {
        print("\n", messages)?;
    }
    Ok(logs)
}

/// A stream on which something comes when the process is asked to end. Who asks twice doesn't want to wait.
fn on_stop() -> io::Result<UnixStream> {
    let (stop, asked) = UnixStream::pair()?;
    let is_asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&is_asked))?;
        signal_hook::flag::register(signal, Arc::clone(&is_asked))?;
        signal_hook::low_level::pipe::register(signal, asked.try_clone()?)?;
    }
    Ok(stop)
}

fn failure(error: FollowLogError, messages: Messages) -> Failure {
    match error {
        FollowLogError::Read { path, source } => Failure::input(messages.error_log(path)).because(&source),
        FollowLogError::Encoded { path } => {
            Failure::input(messages.error_encoded(path)).hint(messages.hint_encoded())
        }
        FollowLogError::Wait(source) => Failure::input(messages.error_follow()).because(&source),
    }
}

fn tell(news: Vec<News>, output: Output, several: bool, messages: Messages) -> Result<(), Failure> {
    if news.is_empty() {
        return Ok(());
    }
    let line = |news: News| match output {
        Output::Text => render::news(&news, several, messages),
        Output::Json | Output::Snapshot => Document::new(news, None).to_json_line() + "\n",
    };
    print(&news.into_iter().map(line).collect::<String>(), messages)
}

/// Judges what was found, and says so.
fn conclude(
    logs: Vec<Scanned>,
    asked: &Scan,
    knowledge: &KnowledgeBase,
    messages: Messages,
) -> Result<ExitCode, Failure> {
    let mut snapshot = Snapshot::of_nothing(Origin::Text);
    let mut lines = Vec::new();
    for (name, scan) in logs {
        lines.push(scan.lines);
        snapshot.logs.push(scan.into_window(&name, LogKind::System));
    }
    let snapshot = Document::new(snapshot, None);
    let report = diagnose(&snapshot, knowledge);
    let text = match (asked.output, asked.follow) {
        (Output::Snapshot, false) => snapshot.to_json() + "\n",
        (Output::Snapshot, true) => snapshot.to_json_line() + "\n",
        (Output::Json, false) => report.to_json() + "\n",
        (Output::Json, true) => report.to_json_line() + "\n",
        (Output::Text, _) => {
            let logs = snapshot.body.logs.iter().zip(lines);
            render::scan(logs, &report.body, knowledge, messages)
        }
    };
    print(&text, messages)?;
    let worst = report.body.findings.iter().map(|finding| finding.verdict).max();
    // As `check`: a fault that is active, or one that is named and can't be told.
    Ok(ExitCode::from(if worst >= Some(Verdict::Active) {
        1
    } else {
        u8::from(report.body.findings.iter().any(render::is_candidate)) * 2
    }))
}
