//! Sessions of `kernmend scan --follow`: what is told while a log grows, and what ends it. Whoever waits here waits for a
//! line that is told, and never for a time.

#![expect(clippy::unwrap_used, reason = "the helpers of tests, as the tests, stop at the first surprise")]

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};

use kernmend_core::document::Document;
use kernmend_core::document::news::News;
use kernmend_core::document::report::Report;
use rustix::process::{Pid, Signal, kill_process};

const WAIT: &str = "[  100.0] unregister_netdevice: waiting for lo to become free. Usage count = 1\n";
const HUNG: &str = "[  110.0] INFO: task dd:7 blocked for more than 120 seconds.\n";

/// A kernmend that follows.
struct Session {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

impl Session {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kernmend"))
            .args(["scan", "--follow"])
            .args(arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { stdin: child.stdin.take(), stdout, stderr, child }
    }

    fn give(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// The next line that it tells.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// What it says to its end, and its exit code.
    fn end(mut self) -> (String, Option<i32>) {
        drop(self.stdin);
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        self.stderr.read_to_string(&mut rest).unwrap();
        (rest, self.child.wait().unwrap().code())
    }
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_pipe_is_told_of_while_it_is_open_and_reported_at_its_end() {
    let mut session = Session::start(&["-"]);
    session.give(WAIT);
    assert_eq!(session.line(), "[  100.000]  unregister-netdevice  count=1 device=lo");
    session.give(&(HUNG.to_owned() + "nothing\n"));
    assert_eq!(session.line(), "[  110.000]  hung-task  pid=7 seconds=120 task=dd");
    // What follows within a second is told together, if it isn't the end that tells it.
    session.give(&WAIT.repeat(2000));
    let (rest, code) = session.end();
    let (news, report) = rest.split_once("\n\n").unwrap();
    let last = news.lines().last().unwrap();
    assert!(last.ends_with("2,001 so far"), "{rest}");
    assert!(news.lines().count() <= 20, "{rest}");
    assert!(report.contains("2,003 lines"), "{rest}");
    assert!(report.contains("2,001 × unregister-netdevice"), "{rest}");
    assert!(report.contains("KM-0004"), "{rest}");
    assert_eq!(code, Some(2));
}

#[test]
fn documents_are_one_line_each_and_the_report_is_the_last() {
    let mut session = Session::start(&["-o", "json", "-"]);
    session.give("INFO: task a\u{1b}[31mb:7 blocked for more than 120 seconds.\n");
    let line = session.line();
    assert!(!line.contains('\u{1b}'), "{line}");
    let news = Document::<News>::from_json(&line).unwrap().body;
    assert_eq!((news.log.as_str(), news.run.signal.as_str(), news.lines, news.new), ("-", "hung-task", 1, 1));
    session.give(&WAIT.repeat(10));
    let (rest, code) = session.end();
    let (last, news) = rest.lines().collect::<Vec<_>>().split_last().map(|(a, b)| (*a, b.to_vec())).unwrap();
    let lines: u64 = news.iter().map(|line| Document::<News>::from_json(line).unwrap().body.new).sum();
    assert_eq!((lines, code), (10, Some(2)));
    assert_eq!(Document::<Report>::from_json(last).unwrap().body.findings.len(), 4);
}

#[test]
fn files_are_followed_until_somebody_ends_it() {
    for signal in [Signal::INT, Signal::TERM] {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("a.log"), dir.path().join("b.log"));
        fs::write(&first, WAIT).unwrap();
        let mut session = Session::start(&[first.to_str().unwrap(), second.to_str().unwrap()]);
        let mut note = String::new();
        session.stderr.read_line(&mut note).unwrap();
        assert!(note.starts_with("note: ") && note.contains("b.log"), "{note}");
        assert!(session.line().ends_with("a.log  [  100.000]  unregister-netdevice  count=1 device=lo"));
        append(&second, HUNG);
        assert!(session.line().ends_with("b.log  [  110.000]  hung-task  pid=7 seconds=120 task=dd"));
        // A log that was rotated is followed by its name.
        fs::rename(&first, dir.path().join("a.log.1")).unwrap();
        append(&first, "[  120.0] Kernel panic - not syncing: x\n");
        assert!(session.line().contains("kernel-panic"));
        session.signal(signal);
        let (rest, code) = session.end();
        assert!(rest.contains("a.log · 2 lines") && rest.contains("b.log · 1 lines"), "{rest}");
        assert_eq!(code, Some(2), "{rest}");
    }
}

#[test]
fn it_ends_when_nobody_listens_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    fs::write(&log, HUNG).unwrap();
    let mut session = Session::start(&[log.to_str().unwrap()]);
    assert!(session.line().contains("hung-task"));
    let Session { mut child, stdin: _stdin, stdout, stderr: _stderr } = session;
    drop(stdout);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_can_t_be_followed_is_an_error_with_a_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log.gz");
    fs::write(&log, b"\x1f\x8b\x08\0\0\0\0\0").unwrap();
    for (arguments, said) in [
        ([log.to_str().unwrap()], "hint: leave out --follow"),
        ([dir.path().to_str().unwrap()], "cause: Is a directory"),
        ([dir.path().join("none/log").to_str().unwrap()], "cause: No such file"),
    ] {
        let (rest, code) = Session::start(&arguments).end();
        assert!(rest.contains(said), "{rest}");
        assert_eq!(code, Some(3));
    }
}
