//! Sessions at the command line: what is asked, what is printed where, and the exit code. Each runs the built binary
//! with an empty environment; none reads the machine that it runs on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kernmend_core::document::Document;
use kernmend_core::document::report::{Report, Verdict};
use kernmend_core::document::snapshot::Snapshot;
use tempfile::TempDir;

fn kernmend(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kernmend"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

/// A case directory, as an argument.
fn case(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases").join(name);
    path.to_str().expect("the checkout's path is UTF-8").to_owned()
}

/// What was printed, as one text with the exit code in front.
fn session(arguments: &[&str]) -> String {
    said(&kernmend(arguments).output().expect("the binary was built for this test"))
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
    let code = output.status.code().expect("it ends by itself");
    format!("exit code {code}\n{}{}", text(&output.stdout), text(&output.stderr))
}

fn stdout(arguments: &[&str]) -> String {
    let output = kernmend(arguments).output().expect("the binary was built for this test");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

#[track_caller]
fn check_code(arguments: &[&str], expected: i32) {
    let output = kernmend(arguments).output().expect("the binary was built for this test");
    assert_eq!(output.status.code(), Some(expected), "{arguments:?}\n{}", said(&output));
}

#[test]
fn the_exit_code_tells_whether_something_was_found() {
    let leaking = case("kmem-accounting-leak/leaking");
    let slowly = case("kmem-accounting-leak/leaking-slowly");
    let exposed = case("kmem-accounting-leak/peak-in-the-past");
    let clear = case("kmem-accounting-leak/no-container-runtime");
    let unknown = case("kmem-accounting-leak/kernel-not-known-few-dead-ids");
    for (root, fail_on, expected) in [
        (&leaking, "critical", 1),
        (&leaking, "exposed", 1),
        (&slowly, "active", 1),
        // It is no worse than active, but without a log it could be.
        (&slowly, "critical", 2),
        (&exposed, "exposed", 1),
        (&clear, "exposed", 0),
        (&unknown, "active", 2),
        (&unknown, "critical", 2),
    ] {
        let only = ["--only", "KM-0001", "--fail-on", fail_on];
        check_code(&[&["check", "--root", root], &only[..]].concat(), expected);
    }
    // Without --fail-on, active is the mark; without --only, every fault counts.
    check_code(&["check", "--root", &slowly, "--only", "KM-0001"], 1);
    check_code(&["check", "--root", &clear, "--only", "KM-0001"], 0);
    check_code(&["check", "--root", &clear, "--only", "KM-0001", "--only", "KM-0004"], 2);
    check_code(&["check", "--root", &leaking], 1);
}

#[test]
fn wrong_usage_and_wrong_input_are_3_and_say_what_to_do() {
    insta::assert_snapshot!(session(&["check", "--root", "/nowhere/at/all"]), @r"
    exit code 3
    error: open the root directory `/nowhere/at/all`
    cause: No such file or directory (os error 2)
    hint: give a directory that holds proc, sys, etc … as they were on the node
    ");
    let clear = case("kmem-accounting-leak/no-container-runtime");
    insta::assert_snapshot!(session(&["check", "--root", &clear, "--only", "KM-9999"]), @r"
    exit code 3
    error: there is no fault `KM-9999`
    hint: `kernmend explain` lists all
    ");
    insta::assert_snapshot!(session(&["explain", "no-such-fault"]), @r"
    exit code 3
    error: there is no fault `no-such-fault`
    hint: `kernmend explain` lists all
    ");
    insta::assert_snapshot!(session(&["check", "--snapshot", "/nowhere/at/all"]), @r"
    exit code 3
    error: read the snapshot `/nowhere/at/all`
    cause: No such file or directory (os error 2)
    ");
    insta::assert_snapshot!(session(&["plan", "--root", &clear, "--with", "runc=/nowhere"]), @r"
    exit code 3
    error: look at `/nowhere`, which is to take the place of runc
    cause: No such file or directory (os error 2)
    ");
    let with_kernel = ["plan", "--root", &clear, "--with", "runc=/nowhere", "--remedy", "nokmem"];
    insta::assert_snapshot!(session(&with_kernel), @r"
    exit code 3
    error: --with is for newer-runtime and rebuilt-runtime
    ");
    for wrong in [
        &["check", "--fail-on", "clear"][..],
        &["plan", "--with", "runc"],
        &["plan", "--with", "/usr/bin/runc=x"],
        &["check", "--no-such-option"],
        &["check", "--root", ".", "--snapshot", "x"],
        &["schema", "no-such-document"],
        &["no-such-command"],
        &[],
    ] {
        check_code(wrong, 3);
    }
    check_code(&["--help"], 0);
    check_code(&["--version"], 0);
}

#[test]
fn a_problem_detector_gets_its_own_codes() {
    let npd = |root: &str, only: &str| {
        vec!["check".to_owned(), "--exit-code-scheme".to_owned(), "npd".to_owned(), "--root".to_owned()]
            .into_iter()
            .chain([case(root), "--only".to_owned(), only.to_owned()])
            .collect::<Vec<_>>()
    };
    for (root, only, expected) in [
        ("kmem-accounting-leak/no-container-runtime", "KM-0001", 0),
        ("kmem-accounting-leak/leaking", "KM-0001", 1),
        ("kmem-accounting-leak/nothing-but-a-log", "KM-0001", 2),
        // No answer is unknown too.
        ("kmem-accounting-leak/no-such-case", "KM-0001", 2),
        ("kmem-accounting-leak/leaking", "KM-9999", 2),
    ] {
        let arguments = npd(root, only);
        check_code(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn json_is_the_report_with_a_finding_of_every_fault_the_worst_first() {
    let text = stdout(&["check", "--root", &case("kmem-accounting-leak/leaking"), "-o", "json"]);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["schema"], "kernmend/report/1");
    let report: Document<Report> = Document::from_json(&text).unwrap();
    let found: Vec<(&str, Verdict)> =
        report.body.findings.iter().map(|finding| (finding.name.as_str(), finding.verdict)).collect();
    assert_eq!(
        found,
        [
            ("kmem-accounting-leak", Verdict::Critical),
            ("unregister-netdevice", Verdict::Exposed),
            ("memcg-id-exhaustion", Verdict::Unknown),
            ("dying-memcgs", Verdict::Clear),
        ]
    );
    let snapshot = stdout(&["check", "--root", &case("kmem-accounting-leak/leaking"), "-o", "snapshot"]);
    let snapshot: Document<Snapshot> = Document::from_json(&snapshot).unwrap();
    assert_eq!(report.parent, Some(snapshot.digest()), "a report names its snapshot");
}

#[test]
fn a_snapshot_that_was_kept_gives_the_same_report() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("node.json");
    let root = case("kmem-accounting-leak/leaking");
    fs::write(&file, stdout(&["check", "--root", &root, "-o", "snapshot"])).unwrap();
    let file = file.to_str().unwrap();
    for output in [&[][..], &["-o", "json"], &["--lang", "zh", "--verbose"]] {
        let direct = stdout(&[&["check", "--root", &root], output].concat());
        let kept = stdout(&[&["check", "--snapshot", file], output].concat());
        assert_eq!(kept, direct);
    }
    assert_eq!(
        stdout(&["check", "--snapshot", file, "-o", "snapshot"]),
        stdout(&["check", "--root", &root, "-o", "snapshot"])
    );
}

#[test]
fn another_document_in_the_place_of_a_snapshot_is_refused_by_name() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("document.json");
    let root = case("kmem-accounting-leak/leaking");
    let refused = |text: &str| {
        fs::write(&file, text).unwrap();
        let said = session(&["check", "--snapshot", file.to_str().unwrap()]);
        said.replace(file.to_str().unwrap(), "FILE")
    };
    insta::assert_snapshot!(refused(&stdout(&["check", "--root", &root, "-o", "json"])), @r"
    exit code 3
    error: read the snapshot `FILE`
    cause: this is a `kernmend/report/1` document, and this version reads `kernmend/snapshot/1`: give the document of the right kind
    ");
    insta::assert_snapshot!(refused("{\"schema\": \"kernmend/snapshot/2\"}"), @r"
    exit code 3
    error: read the snapshot `FILE`
    cause: this is a `kernmend/snapshot/2` document, and this version reads `kernmend/snapshot/1`: read it with a kernmend that knows major 2 of the snapshot schema
    ");
    insta::assert_snapshot!(refused("no document"), @r"
    exit code 3
    error: read the snapshot `FILE`
    cause: not a kernmend/snapshot/1 document
    cause: expected ident at line 1 column 2
    ");
}

#[test]
fn faults_are_explained_by_id_and_by_name_in_both_languages() {
    let by_id = stdout(&["explain", "KM-0001"]);
    assert_eq!(by_id, stdout(&["explain", "kmem-accounting-leak"]));
    assert_eq!(by_id, stdout(&["explain", "km-0001"]));
    assert!(by_id.starts_with("KM-0001  kernel memory accounting leak\nkmem-accounting-leak, 20"), "{by_id}");
    for heading in ["What you see", "Why it happens", "How kernmend tells", "Ways out", "Sources"] {
        assert!(by_id.lines().any(|line| line == heading), "{heading}");
    }
    let chinese = stdout(&["explain", "KM-0001", "--lang", "zh"]);
    assert!(chinese.starts_with("KM-0001  内核内存记账"), "{chinese}");
    let by_environment = kernmend(&["explain", "KM-0001"]).env("LANG", "zh_CN.UTF-8").output().unwrap();
    assert_eq!(String::from_utf8(by_environment.stdout).unwrap(), chinese);
    insta::assert_snapshot!(stdout(&["explain"]), @r"
    KM-0001  kmem-accounting-leak      kernel memory accounting leak
    KM-0002  memcg-id-exhaustion       memory cgroup ids run out
    KM-0003  dying-memcgs              removed memory cgroups that don't go away
    KM-0004  unregister-netdevice      a network device that is never released
    ");
    insta::assert_snapshot!(stdout(&["explain", "--lang", "zh"]), @r"
    KM-0001  kmem-accounting-leak      内核内存记账（kmem）泄漏
    KM-0002  memcg-id-exhaustion       memory cgroup id 耗尽
    KM-0003  dying-memcgs              已删除却不消失的 memory cgroup
    KM-0004  unregister-netdevice      网络设备永远无法释放
    ");
}

#[test]
fn schemas_are_printed() {
    for (name, field) in [("report", "findings"), ("snapshot", "kernel")] {
        let schema: serde_json::Value = serde_json::from_str(&stdout(&["schema", name])).unwrap();
        assert!(schema["properties"]["schema"].is_object(), "{schema}");
        assert!(schema["properties"][field].is_object(), "{schema}");
    }
}

/// Writes a file below a folder.
fn put(dir: &TempDir, path: &str, text: &str) {
    let path: PathBuf = dir.path().join(path);
    fs::create_dir_all(path.parent().expect("it is below the folder")).expect("the folder is ours");
    fs::write(path, text).expect("the folder is ours");
}

/// A folder with knowledge files.
fn knowledge(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().expect("there is room for temporary files");
    files.iter().for_each(|(path, text)| put(&dir, path, text));
    dir
}

const BROKEN: &str = r#"+++
id = "KM-9001"
name = "a-fault"
title = "a fault"
date = "2026-11-24"
colour = "red"

[[sign]]
name = "few"
weight = "shouts"
when = "no_such_fact >= 3"
label = "few"
text = "few"

[[verdict]]
is = "awful"
when = "few and ("
+++

## What you see
"#;

#[test]
fn every_problem_of_a_knowledge_folder_is_told_with_its_place() {
    let dir = knowledge(&[
        ("advisories/memory/KM-9001-a-fault.md", BROKEN),
        ("advisories/memory/KM-9001-a-fault.zh.md", "+++\ntitle = \"\"\n+++\n"),
        ("notes.txt", "not a knowledge file"),
    ]);
    insta::assert_snapshot!(session(&["--knowledge", dir.path().to_str().unwrap(), "explain"]), @r"
    exit code 3
    error: 8 problems in the knowledge files
    cause: advisories/memory/KM-9001-a-fault.md:6:1: `colour` is not a key here; known are `title`, `id`, `name`, `date`, `contradictions`, `affected`, `sign`, `verdict`
    cause: advisories/memory/KM-9001-a-fault.md:10:10: `shouts` is not clears, exposes, shows, exhausts or informs
    cause: advisories/memory/KM-9001-a-fault.md:11:8: there is no fact `no_such_fact`
    cause: advisories/memory/KM-9001-a-fault.md:16:6: `awful` is not a verdict
    cause: advisories/memory/KM-9001-a-fault.md:17:18: the name of a fact is missing at the end
    cause: advisories/memory/KM-9001-a-fault.md:19:1: the headings are to be What you see, Why it happens, How kernmend tells, Ways out, Sources, and there are What you see
    cause: advisories/memory/KM-9001-a-fault.zh.md:4:1: the headings are to be 现象, 原因, 如何判断, 出路, 来源, and there are none
    cause: notes.txt:1:1: this is not the place of a knowledge file
    ");
}

#[test]
fn knowledge_from_a_folder_takes_the_place_of_what_is_built_in() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../knowledge/advisories/memory");
    let read = |name: &str| fs::read_to_string(source.join(name)).unwrap();
    let english = read("KM-0003-dying-memcgs.md").replace("dying_cgroups >= 20_000", "dying_cgroups >= 500");
    let dir = knowledge(&[
        ("advisories/memory/KM-0003-dying-memcgs.md", &english),
        ("advisories/memory/KM-0003-dying-memcgs.zh.md", &read("KM-0003-dying-memcgs.zh.md")),
    ]);
    let root = case("dying-memcgs/one-below-a-thousand");
    let mark = ["--only", "KM-0003", "--fail-on", "critical"];
    let with = ["--knowledge", dir.path().to_str().unwrap()];
    check_code(&[&["check", "--root", &root], &mark[..]].concat(), 0);
    check_code(&[&["check", "--root", &root], &mark[..], &with[..]].concat(), 1);
}

#[test]
fn what_a_machine_says_never_reaches_the_terminal_raw() {
    let dir = TempDir::new().unwrap();
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[31m\u{202e}\u{9b}2J";
    let put = |path: &str, text: &str| put(&dir, path, text);
    put("etc/hostname", &format!("node{evil}\n"));
    put("etc/os-release", &format!("ID=x\nPRETTY_NAME=\"Evil {evil} Linux\"\n"));
    put("proc/sys/kernel/osrelease", &format!("3.10.0-514.el7.x86_64{evil}\n"));
    put("proc/mounts", "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n");
    put("sys/fs/cgroup/memory/memory.kmem.usage_in_bytes", "0\n");
    put("sys/fs/cgroup/memory/docker/memory.kmem.slabinfo", "slabinfo - version: 2.1\n");
    let caches: String = (1..60).map(|id| format!("dentry({id}:gone{evil}{id})\n")).collect();
    put("sys/kernel/slab.listing", &format!("{caches}# 59 entries\n"));
    put(
        "var/log/messages",
        &format!(
            "kernel: SLUB: Unable to allocate memory on node -1 (gfp=0xd0)\nkernel:   cache: dentry(7:{evil}), object size: 192, buffer size: 192\n"
        ),
    );
    let root = dir.path().to_str().unwrap();
    for arguments in [
        &["check", "--root", root, "--verbose"][..],
        &["check", "--root", root, "--lang", "zh"],
        &["check", "--root", root, "-o", "json"],
        &["check", "--root", root, "-o", "snapshot"],
        &["check", "--root", root, "--only", evil],
        &["explain", evil],
    ] {
        let output = kernmend(arguments).output().unwrap();
        let text = said(&output);
        assert!(text.contains("exit code"), "{text}");
        // JSON has escapes of its own, and asks for none above ASCII.
        let json = arguments.contains(&"-o");
        let raw = |char: &char| match json {
            true => char.is_ascii_control() && *char != '\n',
            false => (char.is_control() && *char != '\n') || *char == '\u{202e}',
        };
        assert_eq!(text.chars().find(raw), None, "{arguments:?}\n{text:?}");
    }
    let shown = stdout(&["check", "--root", root]);
    assert!(shown.contains(r"node\u{1b}]0;owned\u{7}"), "{shown}");
    assert!(shown.contains("ACTIVE    KM-0001"), "{shown}");
}

#[test]
fn a_pipe_gets_no_escape_codes_and_a_wish_for_colour_is_heard() {
    let root = case("kmem-accounting-leak/leaking");
    let arguments = ["check", "--root", root.as_str()];
    let run = |name: &str, value: &str| {
        String::from_utf8(kernmend(&arguments).env(name, value).output().unwrap().stdout).unwrap()
    };
    let plain = stdout(&arguments);
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    assert_eq!(run("NO_COLOR", "1"), plain);
    assert_eq!(run("TERM", "xterm-256color"), plain);
    assert!(run("CLICOLOR_FORCE", "1").contains("\u{1b}["), "colour was asked for");
}

#[test]
fn lines_in_a_pipe_are_at_most_a_hundred_columns() {
    let report = stdout(&["check", "--root", &case("kmem-accounting-leak/leaking"), "--verbose"]);
    let longest = report.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(100), "{longest:?}\n{report}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let root = case("kmem-accounting-leak/leaking");
    let mut child = kernmend(&["check", "--root", &root, "-o", "snapshot"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(said(&output), "exit code 0\n");
}

/// A tar archive of these files.
fn archive(folder: &TempDir, files: &[(&str, &str)]) -> String {
    let path = folder.path().join("node.tar");
    let mut builder = tar::Builder::new(fs::File::create(&path).expect("the folder is ours"));
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content.as_bytes()).expect("the disk has room");
    }
    builder.finish().expect("the disk has room");
    path.to_str().expect("temporary folders have plain names").to_owned()
}

#[test]
fn an_archive_is_judged_as_the_directory_that_it_was_packed_from() {
    let folder = TempDir::new().expect("a folder can be made");
    let path = folder.path().join("case.tar");
    let mut builder = tar::Builder::new(fs::File::create(&path).expect("the folder is ours"));
    builder.follow_symlinks(false);
    let root = case("kmem-accounting-leak/no-container-runtime");
    builder.append_dir_all("node-1", &root).expect("the case is there");
    builder.finish().expect("the disk has room");
    let archive = path.to_str().expect("temporary folders have plain names");
    assert_eq!(session(&["check", "--archive", archive]), session(&["check", "--root", &root]));
}

#[test]
fn what_is_no_archive_is_named_and_what_is_odd_in_one_is_noted() {
    let folder = TempDir::new().expect("a folder can be made");
    let text = folder.path().join("notes.txt");
    fs::write(&text, "nothing\n").expect("the folder is ours");
    let text = text.to_str().expect("temporary folders have plain names");
    let masked = |said: String| said.replace(folder.path().to_str().unwrap_or_default(), "");
    insta::assert_snapshot!(masked(session(&["check", "--archive", text])), @r"
    exit code 3
    error: read the archive `/notes.txt`
    cause: this is not a tar archive, plain or compressed with gzip, xz or zstd
    hint: give a capture of `kernmend collect`, a sosreport, an Insights archive, or a tar that holds proc, sys, etc … as they were on the node
    ");
    let twice = archive(&folder, &[("etc/hostname", "node-1\n"), ("etc/hostname", "node-2\n")]);
    let output = kernmend(&["check", "--archive", &twice, "-o", "json"]).output().expect("it was built");
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(
        String::from_utf8_lossy(&output.stderr),
        @"note: 1 × a name that was there before; the last one is taken, as etc/hostname"
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("node-2"));
}
