//! Files that hang: `check` ends all the same, names what hung, and leaves nothing behind that could be killed.

#![expect(clippy::unwrap_used, reason = "the helpers of tests, as the tests, stop at the first surprise")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use kernmend_core::document::report::Report;
use kernmend_core::document::snapshot::Snapshot;
use kernmend_core::document::{Document, Fact, Reason};
use lab::kernmend;

/// What `check` may take whatever hangs, in seconds.
const BOUND: u64 = 45;

struct Run {
    output: Output,
    told: BTreeMap<String, String>,
}

impl Run {
    fn number(&self, name: &str) -> u64 {
        self.told[name].parse().unwrap_or_else(|_| panic!("{name}: {:?}", self.told))
    }

    fn stdout(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).unwrap()
    }
}

/// Runs `kernmend ARGUMENTS` while `places` hang; holds what must be true of every run.
fn run(places: &[&Path], arguments: &[&str]) -> Run {
    let answer = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--"]).arg(env!("CARGO_BIN_EXE_hung"));
    command.arg(answer.path()).args(places).arg("--");
    let kernmend = kernmend::command(arguments.iter().copied());
    command.arg(kernmend.get_program()).args(kernmend.get_args()).env("LANG", "C.UTF-8");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let text = fs::read_to_string(answer.path()).unwrap();
    let told = text.lines().filter_map(|line| line.split_once(' '));
    let told = told.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let run = Run { output, told };
    println!("{places:?} {arguments:?}: {:?}", run.told);
    assert!(!said.contains("panicked"), "{said}");
    assert!(run.number("milliseconds") <= BOUND * 1000, "{places:?}: {:?}", run.told);
    assert_eq!(run.number("alive"), 0, "{places:?}: {:?}", run.told);
    assert_eq!(run.number("stays"), 0, "{places:?}: {:?}", run.told);
    run
}

/// Checks a machine or a directory of which `places` hang; all of `unanswered` is named for that, and on a directory
/// nothing else is. Programs of the machine can hang over the same places.
fn check(root: Option<&Path>, places: &[&Path], unanswered: &[&str]) -> Snapshot {
    let mut arguments = vec!["check", "-o", "snapshot"];
    if let Some(root) = root {
        arguments.extend(["--root", root.to_str().unwrap()]);
    }
    let run = run(places, &arguments);
    assert_eq!(run.number("code"), 0, "{}", String::from_utf8_lossy(&run.output.stderr));
    let snapshot = Document::<Snapshot>::from_json(&run.stdout()).unwrap().body;
    let mut named: Vec<&str> = snapshot.unanswered.iter().map(|why| why.path.as_str()).collect();
    named.sort_unstable();
    let missing = unanswered.iter().any(|path| !named.contains(path));
    assert!(!missing && (root.is_none() || named == unanswered), "{places:?}: {named:?}");
    assert!(snapshot.unanswered.iter().all(|why| why.reason == Reason::DeadlineExceeded));
    assert_eq!(run.number("held") > 0, !unanswered.is_empty(), "{places:?}: {:?}", run.told);
    snapshot
}

fn reason<T>(fact: &Fact<T>) -> Option<Reason> {
    match fact {
        Fact::Unknown { why } => Some(why.reason),
        Fact::Known { .. } | Fact::Absent { .. } => None,
    }
}

#[test]
fn files_of_a_process() {
    let snapshot = check(None, &["/proc/1/mounts", "/proc/1/cgroup"].map(Path::new), &["/proc/1/mounts"]);
    assert!(snapshot.cgroups.mode.value().is_some(), "another place tells it: {:?}", snapshot.cgroups.mode);
    assert_eq!(snapshot.cgroups.mode.from(), "/proc/self/mounts");
}

#[test]
fn a_file_over_one_of_the_kernels() {
    let snapshot = check(None, &[Path::new("/proc/meminfo")], &["/proc/meminfo"]);
    assert_eq!(reason(&snapshot.memory), Some(Reason::DeadlineExceeded));
    assert!(snapshot.kernel.release.value().is_some());
}

/// All of `/proc` can't hang here: what the language does before `main` reads `/proc/self/maps`.
#[test]
fn all_of_proc_sys() {
    let snapshot = check(None, &[Path::new("/proc/sys")], &["/proc/sys/kernel/hostname"]);
    assert_eq!(reason(&snapshot.kernel.release), Some(Reason::DeadlineExceeded));
    assert!(snapshot.kernel.uptime.value().is_some());
}

#[test]
fn all_of_sys() {
    let snapshot = check(None, &[Path::new("/sys")], &["/sys/fs/cgroup/memory", "/sys/kernel/slab"]);
    assert_eq!(reason(&snapshot.slab), Some(Reason::DeadlineExceeded));
    assert_eq!(reason(&snapshot.cgroups.memory), Some(Reason::DeadlineExceeded));
    assert!(snapshot.kernel.release.value().is_some());
}

#[test]
fn a_folder_of_programs() {
    let snapshot = check(None, &[Path::new("/usr/local/bin")], &["/usr/local/bin"]);
    let gap = snapshot.programs.gaps.iter().find(|gap| gap.path == "/usr/local/bin");
    assert_eq!(gap.map(|gap| gap.reason), Some(Reason::DeadlineExceeded), "{:?}", snapshot.programs.gaps);
}

/// A directory that is laid out like a node's.
fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("etc/os-release", "ID=debian\n"),
        ("var/log/messages", "line\n"),
        ("var/log/kern.log", "line\n"),
        ("var/lib/rancher/rke2/bin/runc", "no program\n"),
        ("usr/local/bin/runc", "no program\n"),
    ] {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

#[test]
fn a_log_in_a_directory() {
    let root = root();
    let log = root.path().join("var/log/messages");
    let snapshot = check(Some(root.path()), &[&log], &["/var/log/messages"]);
    let window = |name: &str| snapshot.logs.iter().find(|window| window.log == name).unwrap();
    assert_eq!(reason(&window("/var/log/messages").covers_boot), Some(Reason::DeadlineExceeded));
    assert_eq!(window("/var/log/kern.log").bytes, 5, "what doesn't hang is read");
}

#[test]
fn a_log_of_the_machine() {
    let log = Path::new("/var/log/messages");
    // Its own file is put back as it was: the server stands over it in another namespace only.
    let made = !log.exists();
    if made {
        fs::write(log, "").unwrap();
    }
    let snapshot = std::panic::catch_unwind(|| check(None, &[log], &["/var/log/messages"]));
    if made {
        fs::remove_file(log).unwrap();
    }
    let snapshot = snapshot.unwrap();
    let window = snapshot.logs.iter().find(|window| window.log == "/var/log/messages").unwrap();
    assert_eq!(window.gaps[0].reason, Reason::DeadlineExceeded);
}

#[test]
fn a_mount_in_a_directory() {
    let root = root();
    let rancher = root.path().join("var/lib/rancher");
    let unanswered = [
        "/var/lib/rancher/k3s/agent/containerd/containerd.log",
        "/var/lib/rancher/k3s/data",
        "/var/lib/rancher/k3s/server/db",
        "/var/lib/rancher/rke2/agent/containerd/containerd.log",
        "/var/lib/rancher/rke2/agent/logs/kubelet.log",
        "/var/lib/rancher/rke2/agent/pod-manifests",
        "/var/lib/rancher/rke2/bin",
        "/var/lib/rancher/rke2/data",
        "/var/lib/rancher/rke2/server/db",
    ];
    let snapshot = check(Some(root.path()), &[&rancher], &unanswered);
    assert!(snapshot.programs.found.iter().any(|program| program.path == "/usr/local/bin/runc"));
}

#[test]
fn the_directory_itself() {
    let root = root();
    let path = root.path().to_str().unwrap();
    let run = run(&[root.path()], &["check", "--root", path]);
    let said = String::from_utf8_lossy(&run.output.stderr).into_owned();
    assert_eq!(run.number("code"), 3, "{said}");
    assert!(said.contains(path), "{said}");
}

#[test]
fn the_report_and_the_screen_name_what_hung() {
    let places = [Path::new("/proc/1/mounts")];
    let report = run(&places, &["check", "-o", "json"]);
    let report = Document::<Report>::from_json(&report.stdout()).unwrap().body;
    assert_eq!(report.node.unanswered.len(), 1, "{:?}", report.node.unanswered);
    assert_eq!(report.node.unanswered[0].path, "/proc/1/mounts");
    let screen = run(&places, &["check"]).stdout();
    assert!(screen.contains("/proc/1/mounts: no answer in time"), "{screen}");
}

#[test]
fn a_capture_holds_what_hung_and_replays_it() {
    let root = root();
    let log = root.path().join("var/log/messages");
    let capture = tempfile::NamedTempFile::new().unwrap();
    let file = capture.path().to_str().unwrap();
    run(&[&log], &["collect", "-o", file, "--root", root.path().to_str().unwrap()]);
    let output = kernmend::command(["check", "-o", "snapshot", "--archive", file]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let snapshot = Document::<Snapshot>::from_json(&text).unwrap().body;
    assert_eq!(snapshot.unanswered[0].path, "/var/log/messages");
}

#[test]
fn more_than_there_is_time_for() {
    let root = root();
    let logs = ["kern.log", "messages", "syslog", "kubelet.log", "docker.log", "containerd.log"];
    let logs = logs.map(|name| root.path().join("var/log").join(name));
    for log in &logs {
        fs::write(log, "line\n").unwrap();
    }
    let places: Vec<&Path> = logs.iter().map(std::path::PathBuf::as_path).collect();
    let run = run(&places, &["check", "-o", "snapshot", "--root", root.path().to_str().unwrap()]);
    let snapshot = Document::<Snapshot>::from_json(&run.stdout()).unwrap().body;
    for log in ["/var/log/kern.log", "/var/log/containerd.log"] {
        assert!(snapshot.unanswered.iter().any(|why| why.path == log), "{:?}", snapshot.unanswered);
    }
    assert!(snapshot.distribution.value().is_some(), "what was asked before is known");
}
