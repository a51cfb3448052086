//! Sessions of `kernmend scan`: logs from files and from standard input, as text and as documents.

use std::io::Write as _;
use std::process::{Command, Stdio};

use kernmend_core::document::Document;
use kernmend_core::document::signals::Signals;

/// Gives `log` to `kernmend scan - ARGUMENTS`; what is printed, with the exit code in front.
fn scan(log: &str, arguments: &[&str]) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kernmend"))
        .args(["scan", "-"])
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary was built for this test");
    let mut stdin = child.stdin.take().expect("it was asked for");
    stdin.write_all(log.as_bytes()).expect("it reads all of its input");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends by itself");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
    format!("exit code {:?}\n{}{}", output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn lines_that_name_the_leak_make_it_a_candidate() {
    let log = "[ 8123.1] SLUB: Unable to allocate memory on node -1 (gfp=0xd0)\n\
        [ 8123.1]   cache: dentry(1207:4c0ffee4c0ffee), object size: 192, buffer size: 192\n\
        [ 8423.1] SLUB: Unable to allocate memory on node -1 (gfp=0xd0)\n\
        [ 8423.1]   cache: dentry(1207:4c0ffee4c0ffee), object size: 192, buffer size: 192\n\
        [ 8424.0] nothing that is known\n";
    insta::assert_snapshot!(scan(log, &[]), @r"
    exit code Some(2)
    - · 5 lines, 326 B, from [ 8123.100] to [ 8424.000]

    2 × slub-failure  cache=dentry cgroup=4c0ffee4c0ffee gfp=0xd0 memcg=1207 owner=container wording=plain
        [ 8123.100] – [ 8423.100], over 5 min, one every 5 min

    with nothing but a log, these are candidates:
    unknown   KM-0001  kernel memory accounting leak
       log            2 × SLUB can't allocate memory for the cache dentry of the cgroup 4c0ffee4c0ffee
                      -
       tells more     kernmend check, on the node: it could be critical
       next           kernmend explain KM-0001
    ");
}

#[test]
fn a_device_that_is_still_waited_for_at_the_end_of_the_log_is_critical() {
    let line = |at: u32| {
        format!("[{at:5}.0] unregister_netdevice: waiting for lo to become free. Usage count = 1\n")
    };
    let log: String = (0..10).map(|turn| line(100 + 10 * turn)).collect();
    let said = scan(&log, &[]);
    assert!(said.starts_with("exit code Some(1)"), "{said}");
    assert!(said.contains("CRITICAL  KM-0004"), "{said}");
}

/// Whether the line says when it was doesn't matter: one is a sign, and no more.
#[test]
fn a_single_line_makes_its_fault_a_candidate() {
    let line = "unregister_netdevice: waiting for lo to become free. Usage count = 1";
    insta::assert_snapshot!(scan(line, &[]), @r"
    exit code Some(2)
    - · 1 lines, 68 B

    1 × unregister-netdevice  count=1 device=lo

    with nothing but a log, these are candidates:
    unknown   KM-0004  a network device that is never released
       log            1 × waiting for lo over 0 s; so short a wait is transient                        -
       tells more     kernmend check, on the node: it could be critical
       next           kernmend explain KM-0004
    ");
    let said = scan(&format!("[   77.0] {line}\n"), &[]);
    assert!(said.starts_with("exit code Some(2)") && said.contains("KM-0004"), "{said}");
    // A failure that names a newer runc speaks for no leak, and for the ids of memory cgroups.
    let said = scan(
        "unable to apply cgroup configuration: mkdir /sys/fs/cgroup/memory/docker/1: no space left on device",
        &[],
    );
    assert!(said.contains("KM-0002") && !said.contains("KM-0001"), "{said}");
}

#[test]
fn lines_that_look_alike_name_nothing() {
    for log in [
        "",
        "kernel: Out of memory: Kill process 12 (java) score 900 or sacrifice child\n",
        "cp: error writing '/data/x': No space left on device\n",
        "mkdir: cannot create directory '/sys/fs/cgroup/kubepods/x': No space left on device\n",
        "SLUB: Unable to allocate memory on node -1, gfp=0x6000c0(GFP_KERNEL)\n cache: kmalloc-64, object size: 64\n",
    ] {
        let said = scan(log, &[]);
        assert!(said.starts_with("exit code Some(0)"), "{log}\n{said}");
    }
}

#[test]
fn documents_and_the_other_language() {
    let log = "mkdir: cannot create directory '/sys/fs/cgroup/memory/8': No space left on device\n";
    assert!(scan(log, &["-o", "json"]).contains("\"schema\": \"kernmend/report/1\""));
    assert!(scan(log, &["-o", "snapshot"]).contains("\"signal\": \"cgroup-mkdir-enospc\""));
    let said = scan(log, &["--lang", "zh"]);
    assert!(said.contains("仅凭日志"), "{said}");
    assert!(!said.contains('?'), "{said}");
}

#[test]
fn nothing_of_a_log_reaches_the_terminal_raw() {
    let log =
        "\u{1b}]0;title\u{7}INFO: task a\u{1b}[31mb\u{9b}2J\u{202e}c:7 blocked for more than 120 seconds.\n";
    for format in ["text", "json", "snapshot"] {
        let said = scan(log, &["-o", format]);
        assert!(said.contains("hung-task") || format == "json", "{said}");
        let raw = |char: char| char != '\n' && (char.is_control() || char == '\u{202e}');
        assert!(!said.contains(raw), "{said:?}");
    }
}

#[test]
fn the_known_lines_are_listed_and_can_be_searched_for_by_others() {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kernmend"));
        let output = command.arg("signals").args(arguments).env_clear().output().expect("it was built");
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).expect("output is UTF-8")
    };
    let text = run(&[]);
    assert!(text.contains("unregister-netdevice\n   A network device is being removed"), "{text}");
    let document = Document::<Signals>::from_json(&run(&["-o", "json"])).expect("it is one").body;
    let patterns: Vec<String> = document.signals.into_iter().flat_map(|signal| signal.patterns).collect();
    assert_eq!(run(&["--patterns"]).lines().collect::<Vec<_>>(), patterns);
    assert!(patterns.len() > 60 && patterns.iter().all(|pattern| pattern.starts_with("(?-u:")));
}
