//! `bench [NAME…]`: measures kernmend beside a peer in the same run, turn by turn, and prints the ratios. The best of
//! several turns counts on both sides: what disturbs a measurement only ever adds to it.

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use kernmend_core::document::Document;
use kernmend_core::document::snapshot::Snapshot;
use lab::cgroup_farm::CgroupFarm;
use lab::debian::runtimes::{self, CONTAINERD, CRUN, DOCKER, RUNC_12};
use lab::debian::{self, Package, Packages};
use lab::downtime::{self, Away};
use lab::enterprise;
use lab::kernmend;
use lab::log::{self, Known};
use lab::measure::{self, Usage};
use lab::node_root::NodeRoot;
use lab::table::{Row, Table};

type Bench = fn() -> Result<Vec<Row>, Box<dyn Error>>;

const BENCHES: [(&str, Bench); 7] = [
    ("cgroup-walk", cgroup_walk),
    ("state", state),
    ("programs", programs),
    ("logs", logs),
    ("follow", follow),
    ("downtime", downtime),
    ("bundle", bundle),
];

const RIPGREP: Package = Package { suite: "bookworm", name: "ripgrep" };

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
        ours: milliseconds(ours),
        peer: milliseconds(peer),
        unit: "ms",
        goal,
    };
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

/// The state of this machine, without programs and logs, beside the script of moby that looks at a kernel's
/// configuration, and its own peak beside what we allow ourselves.
fn state() -> Result<Vec<Row>, Box<dyn Error>> {
    const ALLOWED_PEAK: f64 = 12.0;
    let packages = runtimes::get()?;
    let script = packages.path(DOCKER, "usr/share/docker.io/contrib/check-config.sh");
    let check = kernmend::command(["check", "--quick"]);
    let mut peer = Command::new("bash");
    peer.arg(script);
    // The script ends with 1 where the kernel lacks something.
    let (ours, peer) = turns(&check, &peer)?;
    let (whole, _) = turns(&kernmend::command(["check"]), &Command::new("true"))?;
    let peak = |what: &str, usage: Usage| Row {
        what: what.to_owned(),
        ours: mib(usage.peak),
        peer: ALLOWED_PEAK,
        unit: "MiB",
        goal: Some(1.0),
    };
    Ok(vec![
        Row {
            what: "check without programs and logs: processor time".to_owned(),
            ours: milliseconds(ours.processor),
            peer: milliseconds(peer.processor),
            unit: "ms",
            goal: Some(1.0 / 20.0),
        },
        peak("check without programs and logs: peak of what is allowed", ours),
        peak("check: peak of what is allowed", whole),
    ])
}

/// What it costs to judge the content of programs, beside `sha256sum` of the same files: the difference between a look
/// with them and one without.
fn programs() -> Result<Vec<Row>, Box<dyn Error>> {
    let packages = runtimes::get()?;
    let files = [
        (DOCKER, "usr/sbin/dockerd"),
        (CONTAINERD, "usr/bin/containerd"),
        (CONTAINERD, "usr/bin/containerd-shim-runc-v2"),
        (RUNC_12, "usr/sbin/runc"),
        (CRUN, "usr/bin/crun"),
    ];
    let root = tempfile::tempdir()?;
    let place = root.path().join("usr/bin");
    fs::create_dir_all(&place)?;
    let mut peer = Command::new("sha256sum");
    for (package, path) in files {
        let file = packages.path(package, path);
        fs::copy(&file, place.join(file.file_name().unwrap_or_default()))?;
        peer.arg(file);
    }
    let check = |quick: &[&str]| {
        let mut check = kernmend::command(["check", "--root"]);
        check.arg(root.path()).args(quick);
        check
    };
    let (with, peer) = turns(&check(&[]), &peer)?;
    let (without, _) = turns(&check(&["--quick"]), &Command::new("true"))?;
    let ours = with.processor.saturating_sub(without.processor);
    Ok(vec![Row {
        what: format!("content of {} programs: processor time", files.len()),
        ours: milliseconds(ours),
        peer: milliseconds(peer.processor),
        unit: "ms",
        goal: Some(1.5),
    }])
}

/// What it costs to look for all signals in logs, beside ripgrep with the same patterns in one thread.
fn logs() -> Result<Vec<Row>, Box<dyn Error>> {
    const ALLOWED_PEAK: f64 = 32.0;
    let rg = Packages::get(&[RIPGREP])?.path(RIPGREP, "usr/bin/rg");
    let dir = tempfile::tempdir()?;
    let patterns = dir.path().join("patterns");
    fs::write(&patterns, kernmend::command(["signals", "--patterns"]).output()?.stdout)?;
    let beside = |log: &Path, options: &[&str]| {
        let mut ours = kernmend::command(["scan"]);
        ours.arg(log);
        let mut peer = Command::new(&rg);
        peer.args(["-j1", "-c"]).args(options).arg("-f").arg(&patterns).arg(log);
        turns(&ours, &peer)
    };
    let few = log::file(Known::Few, 1 << 30)?;
    let packed = dir.path().join("log.gz");
    let mut gzip = GzEncoder::new(File::create(&packed)?, Compression::default());
    io::copy(&mut File::open(log::file(Known::Few, 256 << 20)?)?, &mut gzip)?;
    gzip.finish()?;
    let mut rows = Vec::new();
    let mut peak = 0;
    for (what, log, options, goal) in [
        ("log of 1 GiB, 0.1 % of its lines known", few, &[][..], Some(0.5)),
        ("log of 256 MiB, no line known", log::file(Known::None, 256 << 20)?, &[][..], None),
        ("log of 32 MiB, every line known", log::file(Known::All, 32 << 20)?, &[][..], None),
        ("gzip of a log of 256 MiB", packed, &["-z"][..], None),
    ] {
        let (ours, peer) = beside(&log, options)?;
        peak = peak.max(ours.peak);
        rows.push(Row {
            what: format!("{what}: processor time"),
            ours: milliseconds(ours.processor),
            peer: milliseconds(peer.processor),
            unit: "ms",
            goal,
        });
    }
    rows.push(Row {
        what: "scan of these logs: peak of what is allowed".to_owned(),
        ours: mib(peak),
        peer: ALLOWED_PEAK,
        unit: "MiB",
        goal: Some(1.0),
    });
    Ok(rows)
}

/// A minute of a node that writes 5,000 lines a second, each of them known: what a process that follows takes of what it
/// may. A line that is lost is an error.
fn follow() -> Result<Vec<Row>, Box<dyn Error>> {
    const SECONDS: u32 = 60;
    const LINES: u64 = 5_000;
    const ALLOWED_PEAK: f64 = 16.0;
    let second = log::lines(Known::All, LINES);
    let command = kernmend::command(["scan", "--follow", "-o", "snapshot", "-"]);
    let (output, usage) = measure::fed_by(&command, move |pipe| {
        let begin = Instant::now();
        for at in 0..SECONDS {
            thread::sleep(
                (begin + Duration::from_secs(u64::from(at))).saturating_duration_since(Instant::now()),
            );
            pipe.write_all(second.as_bytes())?;
        }
        Ok(())
    })?;
    let said = String::from_utf8(output.stdout)?;
    let last = said.lines().last().unwrap_or_default();
    let window = Document::<Snapshot>::from_json(last)?.body.logs.swap_remove(0);
    let counted: u64 = window.hits.iter().map(|hit| hit.count).sum();
    if counted != LINES * u64::from(SECONDS) {
        return Err(format!("{counted} lines were counted of {LINES} in each of {SECONDS} seconds").into());
    }
    let row = |what: &str, ours, peer, unit, goal| Row { what: what.to_owned(), ours, peer, unit, goal };
    let all = f64::from(SECONDS) * 1e3;
    Ok(vec![
        row(
            "5,000 known lines a second: peak of what is allowed",
            mib(usage.peak),
            ALLOWED_PEAK,
            "MiB",
            Some(1.0),
        ),
        row("5,000 known lines a second: of a processor", milliseconds(usage.processor), all, "ms", None),
    ])
}

/// How long a node is away for a plan, beside one bare reboot. The middle one of several turns counts: a boot has parts
/// that come out longer or shorter by themselves.
fn downtime() -> Result<Vec<Row>, Box<dyn Error>> {
    const ROUNDS: usize = 5;
    let node = downtime::Node::new()?;
    let (mut plan, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(node.bare()?);
        plan.push(node.by_plan()?);
    }
    let row = |what: &str, time: fn(&Away) -> Duration, goal| {
        let middle = |all: &[Away]| {
            let mut times: Vec<Duration> = all.iter().map(time).collect();
            times.sort();
            milliseconds(times[times.len() / 2])
        };
        let what = format!("reboot into a trial that is healthy, beside a bare one: {what}");
        Row { what, ours: middle(&plan), peer: middle(&bare), unit: "ms", goal }
    };
    Ok(vec![
        row("wall time", |away| away.wall, Some(1.15)),
        row("processor time", |away| away.processor, None),
    ])
}

/// What it costs to make a bundle, beside `sha256sum` over the same packages: 1 GiB of which nothing has to be unpacked, and a
/// kernel of Debian's, which has to be as a whole.
fn bundle() -> Result<Vec<Row>, Box<dyn Error>> {
    const ALLOWED_PEAK: f64 = 160.0;
    let image = Package { suite: "bookworm", name: "linux-image-cloud-amd64" };
    let dir = tempfile::tempdir()?;
    let (rpms, out) = (dir.path().join("rpms"), dir.path().join("out"));
    fs::create_dir(&rpms)?;
    let kernel = enterprise::Kernel::get(image)?;
    fs::copy(kernel.package(), rpms.join("kernel-ml.rpm"))?;
    kernel.large(1 << 30, &rpms.join("large.rpm"))?;
    let mut rows = Vec::new();
    let mut peak = 0;
    for (what, folder) in
        [("1 GiB of RPM packages", rpms), ("a kernel of Debian's", debian::kernel(image, &[])?)]
    {
        let mut ours = kernmend::command(["bundle", "create", "-o"]);
        ours.arg(&out).arg(&folder);
        let mut peer = Command::new("sha256sum");
        for entry in fs::read_dir(&folder)? {
            peer.arg(entry?.path());
        }
        let (ours, peer) = turns(&ours, &peer)?;
        peak = peak.max(ours.peak);
        rows.push(Row {
            what: format!("bundle of {what}: processor time"),
            ours: milliseconds(ours.processor),
            peer: milliseconds(peer.processor),
            unit: "ms",
            goal: None,
        });
    }
    rows.push(Row {
        what: "bundle of these: peak of what is allowed".to_owned(),
        ours: mib(peak),
        peer: ALLOWED_PEAK,
        unit: "MiB",
        goal: Some(1.0),
    });
    Ok(rows)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The best of both sides, each value for itself.
fn turns(ours: &Command, peer: &Command) -> Result<(Usage, Usage), Box<dyn Error>> {
    let mut best: Option<(Usage, Usage)> = None;
    for _ in 0..TURNS {
        let turn = (once(ours, &[0, 1, 2])?, once(peer, &[0, 1])?);
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
