//! Proofs as people get them: `kernmend verify` over roots that are written here, and the page that `kernmend report` makes
//! of a proof. `BLESS=1 cargo test --test proof` writes the proof and the pages in `tests/proof`; a person reviews them.

// A program would look for `tests/run.rs`, which cargo would take for another test.
#[path = "proof/run.rs"]
mod run;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kernmend_core::document::Document;
use kernmend_core::document::journal::{Entry, Journal};
use kernmend_core::document::journal::{Event, FailedCheck, Outcome};
use kernmend_core::document::plan::{Act, Check};
use kernmend_core::document::proof::{Conclusion, Objection, Proof};

use run::{Node, ON_TRIAL, committed, fell_back};

fn kernmend(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kernmend"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command.output().expect("the binary was built for this test")
}

/// What was printed, with the exit code in front and the root's own path taken away.
fn session(arguments: &[&str], root: &Path) -> String {
    let output = kernmend(arguments);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("output is UTF-8");
    let code = output.status.code().expect("it ends by itself");
    let text = text.replace(root.to_str().expect("a temporary path is UTF-8"), "ROOT");
    // The digests change with every field of a document.
    let digest =
        |piece: &str| piece.get(64..).map(|rest| format!("…{rest}")).expect("a digest has 64 digits");
    let mut pieces = text.split("sha256:");
    let first = pieces.next().unwrap_or_default().to_owned();
    let text = pieces.fold(first, |text, piece| text + "sha256:" + &digest(piece));
    format!("exit code {code}\n{text}")
}

fn verified(node: &Node) -> String {
    session(&["verify", "--root", node.path()], node.dir())
}

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proof").join(name)
}

/// Holds a text against the file of this name.
#[track_caller]
fn hold(name: &str, text: &str) {
    let path = kept(name);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, text).expect("the checkout can be written to");
    }
    let expected = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(text == expected, "`{name}` differs: BLESS=1 writes it anew, and a diff shows what");
}

#[track_caller]
fn page(arguments: &[&str]) -> String {
    let output = kernmend(&[&["report"], arguments, &["--html", "-"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a page is UTF-8")
}

#[test]
fn a_leak_that_was_mended_is_proven_gone() {
    let node = committed();
    insta::assert_snapshot!(verified(&node), @"
    exit code 0
    PROVEN  k8s-node-14
       fault          KM-0001  kernel memory accounting leak: CRITICAL → clear
       plan           boot with cgroup.memory=nokmem: committed, 2019-11-23 14:33:18Z
       runs           3.10.0-1160.el7.x86_64 with cgroup.memory=nokmem, as it should
       watched        20 min from the end of the plan to this look; what comes slowly may take longer to
                      show
       besides        KM-0002  memory cgroup ids run out: ACTIVE → clear
       not decided    KM-0004  a network device that is never released: not all of it could be told

    proof  sha256:…
    ");
    let json = String::from_utf8(kernmend(&["verify", "--root", node.path(), "-o", "json"]).stdout).unwrap();
    hold("proof.json", &json);
    let written = node.dir().join("proof.json");
    let output = kernmend(&["verify", "--root", node.path(), "--write", written.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(fs::read_to_string(written).unwrap(), json);
}

#[test]
fn the_page_is_whole_in_both_languages_and_fetches_nothing() {
    let proof = kept("proof.json");
    let proof = proof.to_str().unwrap();
    for language in ["en", "zh"] {
        let page = page(&[proof, "--lang", language]);
        hold(&format!("page.{language}.html"), &page);
        for forbidden in ["<script", "http:", "https:", "url(", "@import", "style=", " src=", " href="] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
    }
}

#[test]
fn a_node_that_fell_back_is_told_as_that() {
    insta::assert_snapshot!(verified(&fell_back()), @"
    exit code 1
    NOT PROVEN  k8s-node-14
       fault          KM-0001  kernel memory accounting leak: CRITICAL → ACTIVE
       plan           boot with cgroup.memory=nokmem: fell back, 2019-11-23 14:43:40Z
       runs           3.10.0-1160.el7.x86_64 without cgroup.memory=nokmem, as it should
       against it     the trial failed and the node fell back: what should mend the fault is not in
                      force
       against it     the fault is still at work: ACTIVE

    proof  sha256:…
    ");
}

#[test]
fn the_page_of_a_failed_trial_says_what_failed() {
    let node = fell_back();
    let json = kernmend(&["verify", "--root", node.path(), "-o", "json"]).stdout;
    let path = node.write("proof.json", &String::from_utf8(json).unwrap());
    let page = page(&[path.to_str().unwrap()]);
    for said in [
        "NOT PROVEN",
        "the trial failed and the node fell back",
        "failed: kubelet.service active: inactive since 120 s",
        "taken back: write /boot/grub2/custom.cfg",
        "reboot into what ran before",
    ] {
        assert!(page.contains(said), "{said}");
    }
}

#[test]
fn without_a_journal_there_is_nothing_to_prove() {
    let node = Node::after();
    insta::assert_snapshot!(verified(&node), @"
    exit code 3
    error: no plan was run here: there is no `/var/lib/kernmend/journal`
    hint: `kernmend plan` weighs the ways out; --root DIR reads a directory laid out like a root file system
    ");
}

#[test]
fn a_damaged_journal_is_no_proof() {
    let node = committed();
    let journal = node.dir().join("var/lib/kernmend/journal");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replacen("\"event\":\"booted\"", "\"event\":", 1)).unwrap();
    let said = verified(&node);
    assert!(said.starts_with("exit code 3\nerror: read the journal"), "{said}");
    assert!(said.contains("line 2 of the journal is damaged"), "{said}");
}

#[test]
fn without_the_report_from_before_it_cant_be_told() {
    let node = committed();
    let mut journal = node.journal();
    journal.plan.body.report = None;
    let entries: String = journal.entries.iter().map(Entry::line).collect();
    node.write("var/lib/kernmend/journal", &(Journal::first_line(&journal.plan) + &entries));
    let said = verified(&node);
    assert!(said.starts_with("exit code 2\nCAN'T BE TOLD"), "{said}");
    assert!(said.contains("the report from which the plan was made"), "{said}");
}

#[test]
fn what_a_machine_says_is_text_on_the_page() {
    let mut proof = Document::<Proof>::from_json(&fs::read_to_string(kept("proof.json")).unwrap()).unwrap();
    let hostile =
        "</td></table><script>alert(1)</script><img src=x onerror=alert(2)>\"'\u{1b}]0;x\u{7}\u{202e}";
    let long = "<b>".repeat(40_000);
    let body = &mut proof.body;
    body.conclusion = Conclusion::NotProven;
    body.objections = vec![Objection::SignsRemain { signs: vec!["dead-ids".to_owned()] }];
    body.plan.body.node.hostname = hostile.to_owned();
    body.plan.body.node.machine_id = long.clone();
    body.at_work.expected = None;
    for step in &mut body.plan.body.steps {
        if let Act::File { path, content, .. } = &mut step.act {
            *path = hostile.to_owned();
            *content = Some(long.clone());
        }
    }
    for report in [Some(&mut body.after), body.before.as_mut()].into_iter().flatten() {
        for finding in &mut report.body.findings {
            finding.title = hostile.to_owned();
            finding.id = hostile.to_owned();
            for evidence in &mut finding.evidence {
                evidence.text = long.clone();
                evidence.sign = hostile.to_owned();
                evidence.from.push(hostile.to_owned());
            }
        }
    }
    let failed = FailedCheck { check: Check::Unit { name: hostile.to_owned() }, seen: long.clone() };
    body.entries[1].event = Event::Judged { healthy: false, failed: vec![failed], untold: Vec::new() };
    body.entries[2].event = Event::Evidence { files: vec![hostile.to_owned(); 3] };
    body.entries[3].at = i64::MIN;
    body.entries[4].at = i64::MAX;
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("hostile.json");
    fs::write(&path, proof.to_json()).unwrap();
    for language in ["en", "zh"] {
        let page = page(&[path.to_str().unwrap(), "--lang", language]);
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<b>"));
        assert!(!page.contains(['\u{1b}', '\u{7}', '\u{202e}']));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(page.len() < 400_000, "{}", page.len());
    }
}

#[test]
fn reports_and_snapshots_are_pages_too() {
    let node = Node::before();
    for output in ["json", "snapshot"] {
        let document = kernmend(&["check", "--root", node.path(), "-o", output]).stdout;
        let path = node.write("document.json", &String::from_utf8(document).unwrap());
        let page = page(&[path.to_str().unwrap()]);
        assert!(page.contains("<span class=\"verdict critical\">CRITICAL</span>"), "{output}");
        assert!(page.contains("ids of cgroups that are gone") || page.contains("of cgroups that are gone"));
    }
}

#[test]
fn what_is_no_document_is_refused() {
    let node = Node::after();
    for (text, said) in [
        ("{}", "is no proof, report or snapshot"),
        ("nothing", "is no proof, report or snapshot"),
        (
            "{\"schema\": \"kernmend/proof/2\"}",
            "read it with a kernmend that knows major 2 of the proof schema",
        ),
    ] {
        let path = node.write("document.json", text);
        let output = session(&["report", path.to_str().unwrap(), "--html", "-"], node.dir());
        assert!(output.starts_with("exit code 3\n") && output.contains(said), "{output}");
    }
}

#[test]
fn the_outcome_stands_in_the_journal_that_was_written_here() {
    // The roots of these tests are runs as the journal's own rules have them.
    for (node, outcome) in [(committed(), Outcome::Committed), (fell_back(), Outcome::FellBack)] {
        let journal = node.journal();
        let events: Vec<Event> = journal.events().cloned().collect();
        for length in ON_TRIAL..events.len() - 1 {
            let next = kernmend_core::journal::next(&journal.plan.body, &events[..length]);
            assert!(!matches!(next, kernmend_core::journal::Next::Stuck(_)), "{length}: {next:?}");
        }
        assert_eq!(kernmend_core::journal::outcome(&journal.plan.body, &events), Some(outcome));
    }
}
