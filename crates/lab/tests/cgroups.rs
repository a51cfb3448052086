//! A node whose memory hierarchy is as full as it can get: 65,535 real control groups.

use kernmend_core::document::report::{Report, Verdict};
use kernmend_core::document::snapshot::Snapshot;
use kernmend_core::document::{Bounds, Document};
use lab::cgroup_farm::CgroupFarm;
use lab::kernmend;
use lab::measure;
use lab::node_root::NodeRoot;

/// All ids that a kernel has for memory cgroups.
const GROUPS: u64 = 65_535;

/// What a node can spare on top of its own work, in bytes.
const PEAK: u64 = 12 << 20;

#[test]
fn a_full_memory_hierarchy_is_counted_exactly_and_cheaply() {
    let farm = CgroupFarm::plant(GROUPS).unwrap();
    let root = NodeRoot::new(farm.top(), GROUPS).unwrap();
    let run = |format: &str, code: i32| {
        let mut command = kernmend::command(["check", "-o", format, "--root"]);
        command.arg(root.path());
        let (output, usage) = measure::run(&command).unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "-o {format}: {said}");
        println!("-o {format}: {} KiB", usage.peak >> 10);
        assert!(usage.peak <= PEAK, "-o {format} took {} KiB of {} KiB", usage.peak >> 10, PEAK >> 10);
        String::from_utf8(output.stdout).unwrap()
    };

    let snapshot = Document::<Snapshot>::from_json(&run("snapshot", 0)).unwrap().body;
    let memory = snapshot.cgroups.memory.value().expect("the memory hierarchy is there");
    assert_eq!(memory.directories, Bounds::exact(GROUPS));
    assert_eq!(memory.path, "/sys/fs/cgroup/memory", "paths are the node's own");

    // Only a report is judged.
    let report = Document::<Report>::from_json(&run("json", 1)).unwrap().body;
    let finding = report.findings.iter().find(|finding| finding.name == "memcg-id-exhaustion");
    assert_eq!(finding.map(|finding| finding.verdict), Some(Verdict::Critical), "{finding:?}");
}
