//! A capture replayed gives the snapshot of the run that recorded it, byte for byte, whatever went wrong in that run;
//! and what went wrong is the reason of a missing fact, never an absence.

use crate::support::{members, pack, record, root, snapshot};
use kernmend_core::diagnose::diagnose;
use kernmend_core::document::Document;
use kernmend_core::document::snapshot::Snapshot;
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_node::host::Host;
use serde_json::{Value, json};

/// Errors of the system by their number: EIO, and what a cut or a missed deadline is where an answer has no such mark.
const FAILED: i32 = 5;
const TOO_LONG: i32 = 27;
const TIMED_OUT: i32 = 110;

fn replay(capture: &[u8], knowledge: &KnowledgeBase) -> String {
    snapshot(&Host::archive(capture, &knowledge.signals).unwrap())
}

fn verdicts(snapshot: &str, knowledge: &KnowledgeBase) -> Vec<String> {
    let report = diagnose(&Document::<Snapshot>::from_json(snapshot).unwrap(), knowledge);
    report.body.findings.iter().map(|finding| format!("{} {:?}", finding.id, finding.verdict)).collect()
}

/// The capture with each answer to `ask` seen through `change`.
fn with(original: &[u8], ask: &str, change: impl Fn(Value) -> Value) -> Vec<u8> {
    let mut changed = 0;
    let mut members = members(original);
    for (_, text) in members.iter_mut().filter(|(name, _)| name.starts_with("answers/")) {
        let lines = text.lines().map(|line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            if line["ask"] == ask {
                line["reply"] = change(line["reply"].take());
                changed += 1;
            }
            line.to_string() + "\n"
        });
        *text = lines.collect();
    }
    assert!(changed > 0, "`{ask}` isn't asked");
    pack(&members)
}

#[test]
fn a_directory_and_its_capture_are_one_snapshot() {
    let knowledge = KnowledgeBase::embedded();
    let root = root();
    let host = || Host::directory(root.path(), &knowledge.signals).unwrap();
    let (capture, recorded) = record(host());
    assert_eq!(replay(&capture, &knowledge), recorded);
    assert_eq!(snapshot(&host()), recorded);
    let (again, replayed) = record(Host::archive(&capture[..], &knowledge.signals).unwrap());
    assert_eq!(replayed, recorded);
    assert_eq!(members(&again), members(&capture), "a capture of a replay is the capture");
    // The node is made so that these can be seen at all.
    let value: Value = serde_json::from_str(&recorded).unwrap();
    assert_eq!(value["cgroups"]["memory"]["value"]["accounting"]["on"], 2, "{recorded}");
    assert_eq!(value["slab"]["value"]["dead_ids"]["at_least"], 1, "{recorded}");
    assert!(!value["logs"][0]["hits"].as_array().unwrap().is_empty(), "{recorded}");
}

#[test]
fn the_machine_and_its_capture_are_one_snapshot() {
    let knowledge = KnowledgeBase::embedded();
    let host = || Host::live(&knowledge.signals).unwrap();
    let (capture, recorded) = record(host());
    assert_eq!(replay(&capture, &knowledge), recorded);
    assert_eq!(verdicts(&snapshot(&host()), &knowledge), verdicts(&recorded, &knowledge));
}

/// How the answer to a question can go wrong, and the reason that it must then be.
fn faults(reply: &Value) -> Vec<(Value, &'static str)> {
    let kind = reply.as_object().unwrap().keys().next().unwrap().clone();
    let failed = |number| json!({ kind.clone(): { "failed": number } });
    let mut cut = reply.clone();
    match kind.as_str() {
        "content" | "listing" if !cut[&kind]["got"].is_null() => cut[&kind]["got"]["cut"] = true.into(),
        "window" => cut["window"]["got"]["reading"]["cut"] = true.into(),
        _ => cut = failed(TOO_LONG),
    }
    vec![
        (failed(FAILED), "read_failed"),
        (failed(TOO_LONG), "cut"),
        (failed(TIMED_OUT), "deadline_exceeded"),
        (cut, "cut"),
    ]
}

/// Puts each fault into the answers to `ask`. The fact at `place` must then be unknown for that reason; where `is_bound`
/// accepts it, it may be a bound instead.
fn check(ask: &str, place: &str, is_bound: impl Fn(&Value) -> bool) {
    let knowledge = KnowledgeBase::embedded();
    let root = root();
    let (original, _) = record(Host::directory(root.path(), &knowledge.signals).unwrap());
    let all = members(&original);
    let lines = all.iter().flat_map(|(_, text)| text.lines());
    let lines: Vec<Value> = lines.filter_map(|line| serde_json::from_str(line).ok()).collect();
    let reply = &lines.iter().find(|line| line["ask"] == ask).unwrap_or_else(|| panic!("{ask}"))["reply"];
    for (fault, reason) in faults(reply) {
        let broken = with(&original, ask, |_| fault.clone());
        let (second, first) = record(Host::archive(&broken[..], &knowledge.signals).unwrap());
        assert_eq!(replay(&second, &knowledge), first, "{ask}: {fault}");
        let value: Value = serde_json::from_str(&first).unwrap();
        let fact = value.pointer(place).unwrap_or_else(|| panic!("{place} in {first}"));
        let among = fact.as_array().is_some_and(|list| list.iter().any(|why| why["reason"] == reason));
        let says = fact["why"]["reason"] == reason || among;
        assert!(says || is_bound(fact), "{ask}: {fault} became {fact}");
        let named = value["unanswered"].as_array().is_some_and(|list| !list.is_empty());
        assert_eq!(named, fault.to_string().contains("110"), "{ask}: {fault}: {}", value["unanswered"]);
        assert!(verdicts(&first, &knowledge).len() > 1);
    }
}

fn never(_: &Value) -> bool {
    false
}

#[test]
fn faults_of_read() {
    for (ask, place) in [
        ("read /proc/meminfo", "/memory"),
        ("read /proc/uptime", "/kernel/uptime"),
        ("read /proc/uptime", "/collected_at"),
        ("read /proc/stat", "/collected_at"),
        ("read /proc/sys/kernel/osrelease", "/kernel/options"),
        ("read /boot/config-3.10.0-514.el7.x86_64", "/kernel/options"),
        ("read /proc/cgroups", "/cgroups/controllers"),
        ("read /proc/1/mounts", "/cgroups/mode"),
        ("read /proc/1/mounts", "/cgroups/memory"),
        ("read /proc/1/mounts", "/cgroups/dying_v2"),
        ("read /proc/1/mounts", "/slab"),
        ("read /proc/sys/kernel/pid_max", "/limits/kernel.pid_max"),
        ("read /proc/modules", "/modules"),
        ("read /etc/os-release", "/distribution"),
        ("read /etc/os-release", "/restart/reboot_required"),
    ] {
        check(ask, place, never);
    }
    // Another place tells it.
    check("read /proc/sys/kernel/hostname", "/hostname", |fact| fact["from"] == "/etc/hostname");
    check("read /etc/containerd/config.toml", "/programs/gaps", never);
}

#[test]
fn a_fault_of_reading_the_accounting_of_a_cgroup() {
    let path = "read /sys/fs/cgroup/memory/kubepods/pod1/memory.kmem.slabinfo";
    // EIO is what 3.10 answers where accounting is off; whatever else comes counts for nothing, and the beginning of the
    // file proves that accounting is on.
    check(path, "/cgroups/memory/value/accounting", |counts| {
        let count = |name: &str| counts[name].as_u64().unwrap_or(0);
        count("on") + count("refused") + count("not_told") == 2 && count("silent") == 0
    });
}

#[test]
fn faults_of_link() {
    check("link /proc/7/exe", "/restart/replaced_binaries", never);
    check("link /proc/7/exe", "/programs/gaps", never);
}

#[test]
fn faults_of_identity() {
    check("identity /lib/modules/3.10.0-514.el7.x86_64/modules.dep", "/restart/installed_kernels", never);
    check("identity /usr/bin/runc", "/programs/gaps", never);
}

#[test]
fn faults_of_list() {
    check("list /lib/modules", "/restart/installed_kernels", never);
    check("list /usr/bin", "/programs/gaps", never);
    check("list /sys/kernel/slab", "/slab", |slab| {
        // What is told to be cut and names no more entries than it has is a lower bound.
        slab["value"]["directories"].is_null() && slab["value"]["entries"] == 2
    });
}

#[test]
fn faults_of_directories() {
    check("directories /proc", "/restart/replaced_binaries", never);
    // Whether there is a journal: then there may be one that wasn't read.
    check("directories /var/log/journal", "/logs/0/covers_boot", never);
    check("directories /proc", "/stuck_tasks", |tasks| {
        // One that was found proves that it hangs.
        tasks["value"].as_array().is_some_and(|tasks| !tasks.is_empty())
    });
    let lower_bound = |fact: &Value| {
        let directories = &fact["value"]["directories"];
        directories["at_least"].as_u64().is_some_and(|least| least > 1) && directories["at_most"].is_null()
    };
    check("directories /sys/fs/cgroup/memory", "/cgroups/memory", lower_bound);
    check("directories /sys/fs/cgroup/memory/kubepods", "/cgroups/memory", lower_bound);
}

#[test]
fn faults_of_window() {
    check("window /var/log/kern.log", "/logs/0/covers_boot", |covers| {
        // A log that is cut doesn't reach back to the boot.
        covers["value"] == false
    });
}

#[test]
fn faults_of_markers() {
    check("markers /usr/bin/runc", "/programs/found/0/classification", never);
    check("markers /usr/bin/runc", "/programs/found/0/digest", never);
}

#[test]
fn faults_of_command() {
    check("command /usr/bin/runc --version", "/programs/found/0/version", never);
}

#[test]
fn an_answer_of_another_kind_than_the_question_is_a_failed_reading() {
    let knowledge = KnowledgeBase::embedded();
    let root = root();
    let (original, _) = record(Host::directory(root.path(), &knowledge.signals).unwrap());
    for wrong in [
        json!({"link": {"got": "/x"}}),
        json!({"content": {"got": [1, 2]}}),
        json!({"content": {"failed": 70_000}}),
        json!({"of-a-later-version": 1}),
        json!(17),
    ] {
        let broken = with(&original, "read /proc/meminfo", |_| wrong.clone());
        let (second, first) = record(Host::archive(&broken[..], &knowledge.signals).unwrap());
        assert_eq!(replay(&second, &knowledge), first, "{wrong}");
        let value: Value = serde_json::from_str(&first).unwrap();
        assert_eq!(value["memory"]["why"]["reason"], "read_failed", "{wrong}");
        assert_eq!(value["memory"]["why"]["path"], "/proc/meminfo", "{wrong}");
    }
}

#[test]
fn a_capture_that_is_cut_anywhere_is_refused() {
    let knowledge = KnowledgeBase::embedded();
    let root = root();
    let (whole, recorded) = record(Host::directory(root.path(), &knowledge.signals).unwrap());
    for len in (0..whole.len()).step_by(7).chain(whole.len() - 8..whole.len()) {
        // Where only the end mark of the compression is missing, all answers are there.
        match Host::archive(&whole[..len], &knowledge.signals) {
            Ok(host) => assert_eq!(snapshot(&host), recorded, "{len} of {}", whole.len()),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

#[test]
fn a_capture_of_another_major_is_named_as_that() {
    let knowledge = KnowledgeBase::embedded();
    let root = root();
    let (whole, _) = record(Host::directory(root.path(), &knowledge.signals).unwrap());
    let mut members = members(&whole);
    members[0].1 = members[0].1.replace("kernmend/capture/1", "kernmend/capture/2");
    let error = Host::archive(&pack(&members)[..], &knowledge.signals).err().unwrap().to_string();
    assert_eq!(error, "this is a `kernmend/capture/2`, and this version reads `kernmend/capture/1`");
}
