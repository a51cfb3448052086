//! `bench [NAME…]`: measures kernmend beside a peer in the same run, turn by turn, and prints the ratios. The best of
//! several turns counts on both sides: what disturbs a measurement only ever adds to it.

use std::env;
use std::error::Error;
use std::process::{Command, ExitCode};
use std::time::Duration;

use lab::cgroup_farm::CgroupFarm;
use lab::kernmend;
use lab::measure::{self, Usage};
use lab::node_root::NodeRoot;
use lab::table::{Row, Table};

type Bench = fn() -> Result<Vec<Row>, Box<dyn Error>>;

const BENCHES: [(&str, Bench); 1] = [("cgroup-walk", cgroup_walk)];

/// Turns of each side.
const TURNS: usize = 7;

fn main() -> ExitCode {
    let names: Vec<String> = env::args().skip(1).collect();
    if let Some(wrong) = names.iter().find(|name| BENCHES.iter().all(|(known, _)| known != name)) {
        let known = BENCHES.map(|(name, _)| name).join(", ");
        eprintln!("no bench is called `{wrong}`; there are: {known}");
        return ExitCode::FAILURE;
    }
    let mut table = Table::default();
    let mut failed = false;
    for (name, bench) in BENCHES {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        match bench() {
            Ok(rows) => table.0.extend(rows),
            Err(error) => {
                eprintln!("{name}: {error}{}", error.source().map(|s| format!(": {s}")).unwrap_or_default());
                failed = true;
            }
        }
    }
    print!("{table}");
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// `check` on a node with 65,535 memory cgroups, the whole of it, beside `find -type d` over the same hierarchy.
fn cgroup_walk() -> Result<Vec<Row>, Box<dyn Error>> {
    const GROUPS: u64 = 65_535;
    let farm = CgroupFarm::plant(GROUPS)?;
    let root = NodeRoot::new(farm.top(), GROUPS)?;
    let mut check = kernmend::command(["check", "-o", "snapshot", "--root"]);
    check.arg(root.path());
    let mut find = Command::new("find");
    find.arg(root.memory()).args(["-type", "d"]);
    let (ours, peer) = turns(&check, &find)?;
    let row = |what: &str, ours: Duration, peer: Duration, goal| Row {
        what: format!("{what} of {GROUPS} cgroups"),
        ours: ours.as_secs_f64() * 1e3,
        peer: peer.as_secs_f64() * 1e3,
        unit: "ms",
        goal,
    };
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    Ok(vec![
        row("wall time", ours.wall, peer.wall, Some(1.5)),
        row("processor time", ours.processor, peer.processor, None),
        Row {
            what: "peak memory".to_owned(),
            ours: mib(ours.peak),
            peer: mib(peer.peak),
            unit: "MiB",
            goal: None,
        },
    ])
}

/// The best of both sides, each value for itself.
fn turns(ours: &Command, peer: &Command) -> Result<(Usage, Usage), Box<dyn Error>> {
    let mut best: Option<(Usage, Usage)> = None;
    for _ in 0..TURNS {
        let turn = (once(ours, &[0, 1, 2])?, once(peer, &[0])?);
        let less = |a: Usage, b: Usage| Usage {
            wall: a.wall.min(b.wall),
            processor: a.processor.min(b.processor),
            peak: a.peak.min(b.peak),
        };
        best = Some(best.map_or(turn, |best| (less(best.0, turn.0), less(best.1, turn.1))));
    }
    best.ok_or_else(|| "no turn was run".into())
}

/// One run, which must end with one of `codes`.
fn once(command: &Command, codes: &[i32]) -> Result<Usage, Box<dyn Error>> {
    let (output, usage) = measure::run(command)?;
    if !output.status.code().is_some_and(|code| codes.contains(&code)) {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?} ended with {}: {said}", output.status).into());
    }
    Ok(usage)
}
