//! Sessions of `kernmend kernel`: releases, tables of nodes and their JSON, what is printed and the exit codes.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use kernmend_core::document::Document;
use kernmend_core::document::kernels::{Kernels, Told};
use tempfile::TempDir;

const NODES: &str = "\
NAME   STATUS   ROLES    AGE   VERSION    INTERNAL-IP   EXTERNAL-IP   OS-IMAGE                         KERNEL-VERSION           CONTAINER-RUNTIME
cp-1   Ready    master   1y    v1.16.10   10.0.0.1      <none>        CentOS Linux 7 (Core)            3.10.0-693.el7.x86_64    docker://18.9.1
w-1    Ready    <none>   1y    v1.16.10   10.0.0.2      <none>        CentOS Linux 7 (Core)            3.10.0-1160.el7.x86_64   docker://18.9.1
w-2    Ready    <none>   1y    v1.16.9    10.0.0.3      <none>        CentOS Linux 7 (Core)            3.10.0-693.el7.x86_64    docker://19.3.12
w-3    Ready    <none>   3d    v1.30.1    10.0.0.4      <none>        Ubuntu 22.04.4 LTS               5.15.0-101-generic       containerd://1.7.2
w-4    Ready    <none>   3d    v1.30.1    10.0.0.5      <none>        Windows Server 2019 Datacenter   10.0.17763.5576          containerd://1.7.2
";

fn kernel(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kernmend"));
    command.arg("kernel").args(arguments).env_clear().stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    kernel(arguments).output().expect("the binary was built for this test")
}

fn with_stdin(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = kernel(arguments);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary was built for this test");
    child.stdin.take().expect("it is piped").write_all(input).expect("it reads all of its input");
    child.wait_with_output().expect("it ends by itself")
}

/// What was printed, as one text with the exit code in front.
fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
    let code = output.status.code().expect("it ends by itself");
    format!("exit code {code}\n{}{}", text(&output.stdout), text(&output.stderr))
}

fn document(output: &Output) -> Kernels {
    let text = std::str::from_utf8(&output.stdout).expect("output is UTF-8");
    Document::<Kernels>::from_json(text).expect("it prints a document").body
}

#[test]
fn a_release_is_said_on_one_screen() {
    insta::assert_snapshot!(said(&run(&["5.15.0-101-generic"])), @r"
    exit code 0
    ubuntu-22.04, end of life 2027-04-01 | ubuntu-20.04, end of life 2025-05-31
       5.15.0-101-generic  based on 5.15.0
       stream         `5.15.0-101-generic`: a build number and a flavour as Ubuntu writes them; a
                      hardware enablement kernel has the name of the series that it comes from
       not told       KM-0002 memcg-id-exhaustion, KM-0003 dying-memcgs, KM-0004 unregister-netdevice;
                      the release alone doesn't tell
       clear          KM-0001 kmem-accounting-leak
       nokmem         these kernels heed cgroup.memory=nokmem
       memcg ids      given back when a cgroup is removed

       tells more     kernmend check, on a node
    ");
}

#[test]
fn nodes_are_grouped_by_what_can_be_said_of_their_kernels() {
    insta::assert_snapshot!(said(&with_stdin(&["-"], NODES.as_bytes())), @r"
    exit code 1
    rhel7, end of life 2024-06-30
       3.10.0-1160.el7.x86_64  based on 3.10.0 · CentOS Linux 7 (Core) · nodes: 1 · v1.16.10 ·
                               docker://18.9.1
       EXPOSED        KM-0001  kernel memory accounting leak · can come to critical
       EXPOSED        KM-0004  a network device that is never released · can come to critical
       not told       KM-0002 memcg-id-exhaustion; the release alone doesn't tell
       clear          KM-0003 dying-memcgs
       nokmem         these kernels heed cgroup.memory=nokmem
       memcg ids      kept until the last page of a removed cgroup is gone

    rhel7, end of life 2024-06-30
       3.10.0-693.el7.x86_64  based on 3.10.0 · CentOS Linux 7 (Core) · nodes: 2 · v1.16.10, v1.16.9 ·
                              docker://18.9.1, docker://19.3.12
       EXPOSED        KM-0001  kernel memory accounting leak · can come to critical
       EXPOSED        KM-0004  a network device that is never released · can come to critical
       not told       KM-0002 memcg-id-exhaustion; the release alone doesn't tell
       clear          KM-0003 dying-memcgs
       nokmem         these kernels ignore cgroup.memory=nokmem
       memcg ids      kept until the last page of a removed cgroup is gone

    ubuntu-22.04, end of life 2027-04-01
       5.15.0-101-generic  based on 5.15.0 · Ubuntu 22.04.4 LTS · nodes: 1 · v1.30.1 ·
                           containerd://1.7.2
       not told       KM-0002 memcg-id-exhaustion, KM-0003 dying-memcgs, KM-0004 unregister-netdevice;
                      the release alone doesn't tell
       clear          KM-0001 kmem-accounting-leak
       nokmem         these kernels heed cgroup.memory=nokmem
       memcg ids      given back when a cgroup is removed

    left out, since they run another system than Linux: 1

       sources        KM-0001: Red Hat's bug 1507149 is quoted as fixed in 3.10.0-1075.el7; independent
                      tests still saw the leak on 3.10.0-1127 and 3.10.0-1160.88.1. kernmend takes every
                      EL7 kernel for affected on which nokmem is not in force.
       sources        KM-0001: Docker's installer for 18.09.1 and later is said to build runc without
                      accounting on EL7; users found runc of 18.09.1 and 19.03.14 with it. kernmend
                      judges each file by its content.
       sources        KM-0004: Commit 4ee806d51176 was announced as the fix in January 2018; kernels
                      with it, Ubuntu's 4.15.0-20 among them, printed the line again. kernmend doesn't
                      take it for a fix.
       sources        KM-0004: ipv6.disable=1 kept a cluster of 48 machines clean for a year; another
                      tester found it to help only in part.
       tells more     kernmend check, on a node
    ");
}

#[test]
fn verbose_lists_the_nodes_and_what_told_the_stream() {
    let text = said(&with_stdin(&["-v", "-"], NODES.as_bytes()));
    for line in ["      cp-1  v1.16.10 · docker://18.9.1\n", "      w-3  v1.30.1 · containerd://1.7.2\n"] {
        assert!(text.contains(line), "{text}");
    }
    assert!(text.contains("is the mark of RHEL and its rebuilds"), "{text}");
}

#[test]
fn json_is_the_document_whatever_the_text_was() {
    let folder = TempDir::new().expect("the system has a place for temporary files");
    let path = folder.path().join("nodes.json");
    let node = |name: &str| {
        serde_json::json!({
            "kind": "Node",
            "metadata": { "name": name },
            "status": { "nodeInfo": {
                "kernelVersion": "3.10.0-693.el7.x86_64",
                "osImage": "CentOS Linux 7 (Core)",
                "kubeletVersion": "v1.16.10",
                "containerRuntimeVersion": "docker://18.9.1",
            } },
        })
    };
    let list = serde_json::json!({ "kind": "List", "items": [node("b"), node("a")] });
    fs::write(&path, list.to_string()).expect("the folder can be written");
    let found = document(&run(&["-o", "json", path.to_str().expect("a readable name")]));
    let [kernel] = &found.kernels[..] else { panic!("{found:?}") };
    assert_eq!((kernel.release.as_str(), kernel.honours_nokmem), ("3.10.0-693.el7.x86_64", Told::No));
    assert_eq!(kernel.nodes.iter().filter_map(|node| node.name.as_deref()).collect::<Vec<_>>(), ["a", "b"]);

    // A shell on Windows writes UTF-16.
    let wide: Vec<u8> =
        [0xfe_ffu16].into_iter().chain(NODES.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let found = document(&with_stdin(&["-o", "json", "-"], &wide));
    assert_eq!((found.kernels.len(), found.other_systems), (3, 1));
}

#[test]
fn the_exit_code_tells_whether_a_kernel_is_exposed() {
    for (arguments, expected) in [
        (&["3.10.0-693.el7.x86_64"][..], 1),
        (&["3.10.0-693.el7.x86_64", "--fail-on", "critical"], 1),
        (&["6.1.0-18-amd64"], 0),
        (&["6.1.0-18-amd64", "--fail-on", "exposed"], 0),
        (&["6.1.0-18-amd64", "Linux h 3.10.0-693.el7.x86_64 #1 SMP"], 1),
        (&["/dev/null"], 3),
        (&["no-release"], 3),
        (&[], 3),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(expected), "{arguments:?}\n{}", said(&output));
    }
}

#[test]
fn what_is_no_release_is_refused_with_the_way_out() {
    insta::assert_snapshot!(said(&run(&["no-release"])), @r"
    exit code 3
    error: `no-release` is neither a file nor a kernel release
    hint: give a release as `uname -r` prints it, a file, or - for standard input
    ");
    insta::assert_snapshot!(said(&with_stdin(&["-"], b"nothing of the kind\n")), @r"
    exit code 3
    error: there is no kernel release in `-`
    hint: give a release as `uname -r` prints it, a file, or - for standard input
    ");
}

#[test]
fn what_came_from_a_text_is_never_raw() {
    let text = NODES.replace("cp-1 ", "cp\u{1b}]0;\u{7}").replace("Ubuntu 22", "\u{202e}Ubuntu 22");
    for arguments in [&["-v", "-"][..], &["-o", "json", "-"]] {
        let output = said(&with_stdin(arguments, text.as_bytes()));
        assert!(!output.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{output:?}");
    }
}
