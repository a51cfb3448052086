//! Runtimes that are put in place on a whole machine, with Debian's containerd and runc and a container that runs: it
//! survives all of it. What can't be started here, or doesn't keep the node healthy, is not in force afterwards; nor is
//! half of it, whenever the power goes.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use std::fs;

use kernmend_core::document::Document;
use kernmend_core::document::journal::{Event, Pass};
use kernmend_core::document::plan::{Act, Plan, Remark, Step};
use lab::debian::{Package, Packages};
use lab::node::{Node, Outcome, PLAN, PROGRAM};
use lab::vm::image::{DEBIAN_12, Image};
use lab::vm::{Bus, Kept, announce};

const CONTAINERD: Package = Package { suite: "bookworm", name: "containerd" };
const RUNC: Package = Package { suite: "bookworm", name: "runc" };

/// What is installed: from which package, by its path in it and on the node.
const FILES: [(Package, &str, &str); 4] = [
    (CONTAINERD, "/usr/bin/containerd", "755"),
    (CONTAINERD, "/usr/bin/containerd-shim-runc-v2", "755"),
    (CONTAINERD, "/lib/systemd/system/containerd.service", "644"),
    (RUNC, "/usr/sbin/runc", "755"),
];

const UNITS: [&str; 2] = ["kubelet.service", "containerd.service"];

const PACKAGE: &str = "\\nPackage: runc\\nStatus: install ok installed\\nArchitecture: amd64\\n\
    Maintainer: nobody\\nVersion: 1\\nDescription: x\\n";

/// Perl under the name of the kubelet: it is what answers on the kubelet's port.
const KUBELET: &str = "[Unit]\nDescription=A kubelet\n[Service]\nExecStart=/usr/bin/kubelet /root/healthz.pl\n\
    Restart=always\n[Install]\nWantedBy=multi-user.target\n";
const HEALTHZ: &str = r#"use IO::Socket::INET;
my $port = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 10248, Listen => 5, ReuseAddr => 1) or die;
while (my $caller = $port->accept) {
    while (<$caller>) { last if /^\r?$/ }
    print $caller "HTTP/1.0 200 OK\r\n\r\nok";
    close $caller;
}
"#;

/// A container that runs until the machine goes down.
const CONTAINER: &str = r#"{
  "ociVersion": "1.0.0",
  "process": { "user": { "uid": 0, "gid": 0 }, "args": ["/usr/bin/sleep", "infinity"], "cwd": "/" },
  "root": { "path": "rootfs" },
  "mounts": [
    { "destination": "/proc", "type": "proc", "source": "proc" },
    { "destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro"] },
    { "destination": "/lib", "type": "bind", "source": "/lib", "options": ["rbind", "ro"] },
    { "destination": "/lib64", "type": "bind", "source": "/lib64", "options": ["rbind", "ro"] }
  ],
  "linux": {
    "resources": { "memory": { "limit": 67108864 } },
    "namespaces": [{ "type": "pid" }, { "type": "mount" }]
  }
}"#;

const WITH: [&str; 4] = ["--with", "runc=/root/runc", "--with", "containerd=/root/containerd"];

/// Everything that a plan may change here.
const STATE: &str = "find /etc/systemd /usr/sbin/runc /usr/bin/containerd -printf '%y %m %u %p %l\\n' | sort
find /etc/systemd /usr/sbin/runc /usr/bin/containerd -type f -exec sha256sum {} + | sort";

/// A node with a kubelet and containerd, and what should take the places of two programs.
fn node() -> Node {
    let packages = Packages::get(&[CONTAINERD, RUNC]).unwrap();
    let content = |package, path: &str| fs::read(packages.path(package, path)).unwrap();
    let mut node = Node::new(DEBIAN_12, Bus::VirtioBlk);
    for (package, path, mode) in FILES {
        node.vm.push(&content(package, path), path, mode).unwrap();
    }
    node.write("/etc/systemd/system/kubelet.service", KUBELET, "644");
    node.write("/root/healthz.pl", HEALTHZ, "644");
    // As dpkg leaves it behind.
    node.write("/var/lib/dpkg/info/runc.list", "/usr/sbin/runc\n", "644");
    node.run(&["sh", "-c", &format!("printf '{PACKAGE}' >> /var/lib/dpkg/status")]);
    node.run(&["cp", "/usr/bin/perl", "/usr/bin/kubelet"]);
    node.run(&["systemctl", "enable", "--now", UNITS[0], UNITS[1]]);
    // The same programs, and other files.
    for (from, to) in [("/usr/sbin/runc", "/root/runc"), ("/usr/bin/containerd", "/root/containerd")] {
        node.run(&["cp", from, to]);
        node.run(&["sh", "-c", &format!("echo >> {to}")]);
    }
    node
}

fn state(node: &mut Node) -> String {
    node.run(&["sh", "-c", STATE])
}

/// The processes of the units.
fn processes(node: &mut Node) -> String {
    node.run(&["systemctl", "show", "--property=MainPID,ActiveState", UNITS[0], UNITS[1]])
}

fn are_active(node: &mut Node) -> bool {
    UNITS.iter().all(|unit| node.test(&["systemctl", "is-active", "--quiet", unit]))
}

/// Runs the plan that was made last to its end, and gives the exit code.
fn apply(node: &mut Node, plan: &Document<Plan>) -> Option<i32> {
    let digest = plan.digest().to_string();
    let said = node.kernmend(&["apply", PLAN, "--approve", &digest, "--foreground"]);
    println!("{}", said.text);
    said.code
}

/// What failed, and whether a unit was stopped for it.
fn failure(node: &mut Node, plan: &Document<Plan>) -> (String, bool) {
    let is_unit = |step: usize| matches!(plan.body.steps[step].act, Act::Unit { .. });
    let mut why = String::new();
    let mut stopped = false;
    for event in node.events() {
        match event {
            Event::Failed { why: said, .. } => why = said,
            Event::Started { step, pass: Pass::Act, .. } => stopped |= is_unit(step),
            _ => {}
        }
    }
    (why, stopped)
}

/// The bytes of a replacement, changed in one place.
fn patch(node: &mut Node, from: &[u8], to: &[u8]) {
    let mut content = node.vm.pull("/root/runc.good").unwrap();
    let at = content.windows(from.len()).position(|window| window == from).unwrap();
    content[at..at + to.len()].copy_from_slice(to);
    node.vm.push(&content, "/root/runc", "755").unwrap();
}

#[test]
fn runtimes_are_swapped_beneath_a_container_that_runs() {
    let mut node = node();
    node.run(&["mkdir", "-p", "/root/survivor/rootfs"]);
    node.write("/root/survivor/config.json", CONTAINER, "600");
    node.run(&["runc", "run", "--detach", "--bundle", "/root/survivor", "survivor"]);
    let survivor = |node: &mut Node| {
        let state = node.run(&["runc", "state", "survivor"]);
        let state: serde_json::Value = serde_json::from_str(&state).unwrap();
        (state["pid"].as_u64().unwrap(), state["status"].as_str().unwrap().to_owned())
    };
    let (running, before) = (survivor(&mut node), state(&mut node));
    assert_eq!(running.1, "running");

    let plan = node.plan(&WITH);
    assert!(!plan.body.probation.as_ref().unwrap().reboots, "this kernel accounts always");
    let holds = |remark: &Remark| {
        remark.code == "package-puts-back" && remark.values["command"] == "apt-mark hold runc"
    };
    assert!(plan.body.remarks.iter().any(holds), "{:?}", plan.body.remarks);
    assert_eq!(apply(&mut node, &plan), Some(0));
    let after = state(&mut node);
    let digest = |node: &mut Node, path: &str| node.run(&["sha256sum", path])[..64].to_owned();
    for (path, source) in [("/usr/sbin/runc", "/root/runc"), ("/usr/bin/containerd", "/root/containerd")] {
        assert_eq!(digest(&mut node, path), digest(&mut node, source), "{path}");
    }
    assert_eq!(survivor(&mut node), running);
    node.leaves_nothing_behind();
    assert!(!node.test(&["test", "-e", "/var/lib/kernmend/container"]));
    assert!(are_active(&mut node));
    // What is in force already is nothing to plan.
    assert_eq!(node.refusals(&WITH), ["already-so"]);

    assert_eq!(node.kernmend(&["rollback"]).code, Some(0));
    assert_eq!(state(&mut node), before);
    assert_eq!(survivor(&mut node), running);
    node.leaves_nothing_behind();

    // One that passes what can be told beforehand, and then doesn't keep the node healthy.
    node.write("/etc/kernmend/health.d/10-pods", "#!/bin/sh\ncmp -s /usr/sbin/runc /root/old\n", "755");
    node.run(&["cp", "/usr/sbin/runc", "/root/old"]);
    let plan = node.plan(&[&WITH[..], &["--health-deadline", "30"]].concat());
    assert_eq!(apply(&mut node, &plan), Some(6));
    assert_eq!(state(&mut node), before);
    assert_eq!(survivor(&mut node), running);
    node.leaves_nothing_behind();
    assert_ne!(before, after);
}

#[test]
fn what_cant_run_here_is_known_before_anything_stops() {
    let mut node = node();
    node.run(&["cp", "/root/runc", "/root/runc.good"]);
    let (before, units) = (state(&mut node), processes(&mut node));
    // For another processor, and for a C library that isn't here.
    patch(&mut node, b"\x3e\x00\x01\x00\x00\x00", b"\xb7\x00\x01\x00\x00\x00");
    assert_eq!(node.refusals(&WITH[..2]), ["replacement-other-machine"]);
    patch(&mut node, b"GLIBC_2.34\0", b"GLIBC_2.99\0");
    assert_eq!(node.refusals(&WITH[..2]), ["replacement-newer-glibc"]);
    // What shows only when it is started.
    patch(&mut node, b"/ld-linux-x86-64.so.2\0", b"/ld-linux-x86-64.so.9\0");
    let plan = node.plan(&WITH[..2]);
    assert_eq!(apply(&mut node, &plan), Some(4));
    let (why, stopped) = failure(&mut node, &plan);
    assert!(why.contains("/var/lib/kernmend/kept/") && !stopped, "{why}");
    assert_eq!((state(&mut node), processes(&mut node)), (before.clone(), units.clone()));
    // This kernel accounts whatever a runtime does: who asks a container to be without it sees that from inside.
    node.run(&["cp", "/root/runc.good", "/root/runc"]);
    let mut plan = node.plan(&WITH[..2]);
    for step in &mut plan.body.steps {
        if let Act::Try { unaccounted, .. } = &mut step.act {
            *unaccounted = true;
        }
    }
    node.write(PLAN, &plan.to_json(), "600");
    assert_eq!(apply(&mut node, &plan), Some(4));
    let (why, stopped) = failure(&mut node, &plan);
    assert!(why.contains("kernel memory accounting is on in this container") && !stopped, "{why}");
    assert_eq!((state(&mut node), processes(&mut node)), (before, units));
    assert!(!node.test(&["test", "-e", "/sys/fs/cgroup/memory/kernmend-try"]));
    node.leaves_nothing_behind();
}

/// When the power is cut: as soon as the journal says that the first such step is done, or that all is healthy.
enum Moment {
    Done(fn(&Step) -> bool),
    Healthy,
}

fn kept(step: &Step) -> bool {
    matches!(step.act, Act::Keep { .. })
}

fn stopped(step: &Step) -> bool {
    matches!(step.act, Act::Unit { active: false, .. })
}

fn replaced(step: &Step) -> bool {
    matches!(step.act, Act::Program { .. })
}

fn started(step: &Step) -> bool {
    matches!(step.act, Act::Unit { active: true, .. })
}

#[test]
fn a_swap_is_whole_after_each_power_cut() {
    let mut node = node();
    node.vm.announce_journal().unwrap();
    let plan = node.plan(&WITH);
    node.run(&["sync"]);
    let Node { vm, image } = node;
    let kept_state = vm.keep().unwrap();
    let mut clean = resumed(&kept_state, &image);
    assert_eq!(apply(&mut clean, &plan), Some(0));
    let committed = state(&mut clean);
    drop(clean);
    for (what, moment, is_by_hand) in [
        ("kept", Moment::Done(kept), true),
        ("stopped", Moment::Done(stopped), false),
        ("one replaced", Moment::Done(replaced), false),
        ("started", Moment::Done(started), false),
        // What goes on by itself comes down next: the cut may fall behind that.
        ("healthy", Moment::Healthy, true),
    ] {
        let mut node = resumed(&kept_state, &image);
        node.start(&plan);
        let text = match moment {
            Moment::Done(is_it) => announce::done(plan.body.steps.iter().position(is_it).unwrap(), Pass::Act),
            Moment::Healthy => announce::HEALTHY.to_owned(),
        };
        node.vm.wait_for_console(&text).unwrap();
        node.power_off_and_on();
        node.vm.wait_for_boot().unwrap();
        if is_by_hand {
            // The cut may have come later than the moment: then somebody is at it already, and this is told so.
            node.vm.tell(&[PROGRAM, "apply"]).unwrap();
        }
        assert_eq!(node.outcome(), Some(Outcome::Committed), "{what}");
        assert_eq!(state(&mut node), committed, "{what}");
        assert!(are_active(&mut node), "{what}");
        println!("{what}: whole");
    }
}

fn resumed(kept: &Kept, image: &Image) -> Node {
    Node { vm: kept.resumed().unwrap(), image: image.clone() }
}
