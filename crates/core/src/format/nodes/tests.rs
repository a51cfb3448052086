//! Tests of the reader of nodes: tables in the formats that people paste, and bytes that are none of them.

//! Texts in the forms that people paste, written for these tests, and pieces of them in any order.

use proptest::prelude::*;

use super::*;

/// One line a node: name, release, system, kubelet, runtime.
fn lines(text: &str) -> Vec<String> {
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let line = |node: &Node| {
        [&or(&node.name), &node.release, &or(&node.os_image), &or(&node.kubelet), &or(&node.runtime)]
            .map(String::as_str)
            .join(" | ")
    };
    read(text).nodes.iter().map(line).collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(lines(text), expected, "{text}");
}

#[test]
fn wide_tables_are_read_by_their_heads() {
    let head = "NAME   STATUS   ROLES    AGE   VERSION   INTERNAL-IP   EXTERNAL-IP   OS-IMAGE                KERNEL-VERSION           CONTAINER-RUNTIME\n";
    let row = "n1     Ready    <none>   1d    v1.9.1    10.0.0.1      <none>        CentOS Linux 7 (Core)   3.10.0-693.el7.x86_64    docker://17.3.3\n";
    let expected = "n1 | 3.10.0-693.el7.x86_64 | CentOS Linux 7 (Core) | v1.9.1 | docker://17.3.3";
    check(&format!("{head}{row}"), &[expected]);
    check(&format!("$ kubectl get nodes -o wide\r\n{head}{row}\r\n$ "), &[expected]);
    // Cells that moved, as where a name was made shorter.
    check(&format!("{head}{}", row.replace("n1     ", "n1   ")), &[expected]);
    // The first head is gone.
    check(&format!("{}{row}", head.replace("NAME", "    ")), &[expected]);
    // An empty cell.
    check(&format!("{head}{}", row.replace("<none>   1d", "         1d")), &[expected]);
    // Blanks were folded, or are tabs.
    let folded = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
    check(&format!("{}{}", folded(head), folded(row)), &[expected]);
    check(&format!("{head}{}", folded(row)), &[expected]);
    let tabs = "n1\tReady\t<none>\t1d\tv1.9.1\t10.0.0.1\t<none>\tCentOS Linux 7 (Core)\t3.10.0-693.el7.x86_64\tdocker://17.3.3\n";
    check(&format!("{head}{tabs}"), &[expected]);
    // Coloured.
    check(&format!("{head}{}", row.replace("Ready", "\u{1b}[32mReady\u{1b}[0m")), &[expected]);
    // Columns of one's own, and a node that says nothing yet.
    check(
        "NAME   KERNEL-VERSION      OS-IMAGE\na      6.12.6-talos        Talos (v1.9.1)\nb      <none>              <none>\n",
        &["a | 6.12.6-talos | Talos (v1.9.1) | - | -"],
    );
}

#[test]
fn json_is_read_wherever_the_nodes_stand_in_it() {
    let info = r#"{"kernelVersion":"5.10.127+","osImage":"Container-Optimized OS from Google","kubeletVersion":"v1.23.8","containerRuntimeVersion":"containerd://1.5.13","operatingSystem":"linux"}"#;
    let node = |name: &str| {
        format!(
            r#"{{"kind":"Node","metadata":{{"name":"{name}","ownerReferences":[{{"name":"x"}}]}},"status":{{"images":[{{"names":["a"],"sizeBytes":1.5}}],"nodeInfo":{info}}}}}"#
        )
    };
    let line = |name: &str| {
        format!("{name} | 5.10.127+ | Container-Optimized OS from Google | v1.23.8 | containerd://1.5.13")
    };
    let (a, b) = (line("a"), line("b"));
    check(&node("a"), &[&a]);
    let list = format!(r#"{{"kind":"List","items":[{},{}],"metadata":{{"name":""}}}}"#, node("a"), node("b"));
    check(&list, &[&a, &b]);
    check(&format!("$ kubectl get nodes -o json\n{list}\n$ "), &[&a, &b]);
    check(&format!("[{},{}]", node("a"), node("b")), &[&a, &b]);
    check(&format!("{}\n{}", node("a"), node("b")), &[&a, &b]);
    check(info, &[&line("-")]);
    // The text breaks off in the second node.
    check(&list[..list.len() - 300], &[&a]);
    check(
        r#"{"Name":"h","ServerVersion":"20.10.8","KernelVersion":"3.10.0-957.el7.x86_64","OperatingSystem":"CentOS Linux 7 (Core)"}"#,
        &["h | 3.10.0-957.el7.x86_64 | CentOS Linux 7 (Core) | - | docker://20.10.8"],
    );
    let deep = "[".repeat(100_000);
    check(&deep, &[]);
}

#[test]
fn yaml_and_descriptions_are_read_by_their_labels() {
    let item = |name: &str, release: &str| {
        format!(
            "- apiVersion: v1\n  kind: Node\n  metadata:\n    annotations:\n      name: wrong\n    labels:\n      a: b\n    name: {name}\n    \
             ownerReferences:\n    - name: wrong\n  status:\n    volumesAttached:\n    - name: wrong\n    nodeInfo:\n      \
             containerRuntimeVersion: containerd://1.7.2\n      kernelVersion: {release}\n      kubeletVersion: v1.30.1\n      \
             operatingSystem: linux\n      osImage: \"Ubuntu 22.04.4 LTS\"\n"
        )
    };
    let line = |name: &str, release: &str| {
        format!("{name} | {release} | Ubuntu 22.04.4 LTS | v1.30.1 | containerd://1.7.2")
    };
    let list = format!(
        "apiVersion: v1\nitems:\n{}{}kind: List\nmetadata:\n  resourceVersion: \"\"\n",
        item("a", "5.15.0-101-generic"),
        item("b", "6.8.0-52-generic")
    );
    check(&list, &[&line("a", "5.15.0-101-generic"), &line("b", "6.8.0-52-generic")]);
    let described = |name: &str| {
        format!(
            "Name:               {name}\nRoles:              <none>\nLabels:             kubernetes.io/os=linux\nSystem Info:\n  \
             Machine ID:                 1\n  Kernel Version:             3.10.0-1160.el7.x86_64\n  \
             OS Image:                   CentOS Linux 7 (Core)\n  Operating System:           linux\n  \
             Container Runtime Version:  docker://19.3.12\n  Kubelet Version:            v1.16.10\nEvents:  <none>\n\n"
        )
    };
    let line = |name: &str| {
        format!("{name} | 3.10.0-1160.el7.x86_64 | CentOS Linux 7 (Core) | v1.16.10 | docker://19.3.12")
    };
    check(&(described("a") + &described("b")), &[&line("a"), &line("b")]);
    let nameless = |text: String| text.split_once("System Info").unwrap().1.to_owned();
    check(&(nameless(described("a")) + &nameless(described("b"))), &[&line("-"), &line("-")]);
}

#[test]
fn outputs_of_one_machine_are_read() {
    check(
        " Static hostname: h\n       Icon name: computer-vm\nOperating System: Rocky Linux 9.0\n          Kernel: Linux 5.14.0-70.13.1.el9_0.x86_64\n",
        &["h | 5.14.0-70.13.1.el9_0.x86_64 | Rocky Linux 9.0 | - | -"],
    );
    check(
        "Server Version: 1.9.1\nKernel Version: 3.10.0-327.el7.x86_64\nOperating System: CentOS Linux 7 (Core)\nName: h\n",
        &["h | 3.10.0-327.el7.x86_64 | CentOS Linux 7 (Core) | - | docker://1.9.1"],
    );
    check(
        "[root@h ~]# uname -a\nLinux h 4.19.0-16-amd64 #1 SMP Debian 4.19.181-1 (2021-03-19) x86_64 GNU/Linux\n",
        &["h | 4.19.0-16-amd64 | - | - | -"],
    );
    check(
        "[    0.000000] Linux version 5.4.0-88-generic (build@host) (gcc) #99-Ubuntu SMP\n",
        &["- | 5.4.0-88-generic | - | - | -"],
    );
}

#[test]
fn where_nothing_is_a_node_words_are_mentioned() {
    let mentioned = |text: &str| {
        let found = read(text).mentions;
        found.into_iter().map(|mention| (mention.release, mention.certain)).collect::<Vec<_>>()
    };
    assert_eq!(mentioned("3.10.0-693.el7.x86_64\n"), [("3.10.0-693.el7.x86_64".to_owned(), true)]);
    assert_eq!(mentioned("CPU: 0 PID: 1 Comm: x Not tainted 4.15.0 #3\n"), [("4.15.0".to_owned(), true)]);
    assert_eq!(
        mentioned("/boot/vmlinuz-6.1.0-18-amd64, then 5.10.0. Not 1.28.3, 10.0.0.1 or 2.4.1\n"),
        [("6.1.0-18-amd64".to_owned(), false), ("5.10.0".to_owned(), false)]
    );
}

#[test]
fn utf_16_is_text_too() {
    let text = "NAME  KERNEL-VERSION\na     6.12.6-talos\n";
    let units: Vec<u16> = text.encode_utf16().collect();
    let little = [0xfe_ffu16].iter().chain(&units).flat_map(|unit| unit.to_le_bytes()).collect::<Vec<_>>();
    let big = [0xfe_ffu16].iter().chain(&units).flat_map(|unit| unit.to_be_bytes()).collect::<Vec<_>>();
    for bytes in [little, big, [b"\xef\xbb\xbf", text.as_bytes()].concat(), text.as_bytes().to_vec()] {
        assert_eq!(decode(&bytes), text);
    }
    assert_eq!(decode(b"\xff\xfea"), "");
}

/// Pieces of the formats, so that the readers meet.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("NAME  STATUS  OS-IMAGE  KERNEL-VERSION  VERSION\n".to_owned()),
        Just("KERNEL-VERSION".to_owned()),
        Just("metadata:\n  name: é\n".to_owned()),
        Just("{\"status\":{\"nodeInfo\":{\"kernelVersion\":\"5.1.2-a\"".to_owned()),
        Just("Linux version ".to_owned()),
        Just("Kernel Version: ".to_owned()),
        Just("3.10.0-693.el7.x86_64".to_owned()),
        Just("\u{1b}[".to_owned()),
        "[ \t\n:{}\\[\\]\",-]{0,6}",
        "\\PC{0,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&decode(&bytes));
    }

    #[test]
    fn pieces_in_any_order_are_read(pieces in proptest::collection::vec(piece(), 0..24)) {
        for node in read(&pieces.concat()).nodes {
            prop_assert!(!node.release.is_empty());
        }
    }
}
