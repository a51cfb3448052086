//! Kernel, runtime and kubelet logs: which there are, what they cover, and the signals in them. The text stays where it
//! is.

use kernmend_core::document::snapshot::{Kernel, LogKind, LogWindow, Origin};
use kernmend_core::document::{Fact, Reason, Why};
use kernmend_core::scan::Scan;

use super::first_told;
use crate::host::{Answer, Host, Known, Log, Want, Window, WindowReading};

/// The newest part of each log that is scanned.
pub(crate) const NEWEST: u64 = 64 << 20;

/// Log files, and whose words they hold. `/dmesg.txt` is the kernel log of a captured root, and `/journal.txt` what the
/// journal's own program printed there; an archive has its own names for them.
pub(crate) const FILES: &[(&str, LogKind)] = &[
    ("/dmesg.txt", LogKind::Kernel),
    ("/journal.txt", LogKind::System),
    ("/var/log/kern.log", LogKind::Kernel),
    ("/var/log/messages", LogKind::System),
    ("/var/log/syslog", LogKind::System),
    ("/var/log/kubelet.log", LogKind::Program),
    ("/var/log/docker.log", LogKind::Program),
    ("/var/log/containerd.log", LogKind::Program),
    ("/var/log/crio.log", LogKind::Program),
    ("/var/lib/rancher/k3s/agent/containerd/containerd.log", LogKind::Program),
    ("/var/lib/rancher/rke2/agent/containerd/containerd.log", LogKind::Program),
    ("/var/lib/rancher/rke2/agent/logs/kubelet.log", LogKind::Program),
];

/// Where the journal's own files are, in one folder for each machine: they are read by its own program.
const JOURNALS: [&str; 2] = ["/var/log/journal", "/run/log/journal"];

/// A folder of journals has one machine's own and perhaps those of machines that send theirs; whether there is any is
/// all that is asked.
const MAX_JOURNALS: usize = 16;

/// Collects every log that there is.
pub(super) fn collect(host: &Host<'_>, kernel: &Kernel, collected_at: &Fact<i64>) -> Vec<LogWindow> {
    let boot = kernel.booted_at.value().copied();
    let to_ms = |seconds: Option<i64>| seconds.map(|seconds| seconds.saturating_mul(1000));
    let (booted_ms, collected_ms) = (to_ms(boot), to_ms(collected_at.value().copied()));
    let mut asked: Vec<(Log, LogKind)> = Vec::new();
    if host.origin() == Origin::Live {
        asked.push((Log::Kmsg, LogKind::Kernel));
    }
    asked.extend(FILES.iter().map(|(path, kind)| (Log::File((*path).to_owned()), *kind)));
    let mut logs = Vec::new();
    let journals = [(Known::JournalKernel, LogKind::Kernel), (Known::JournalUnits, LogKind::Program)];
    let places = JOURNALS.map(|path| journal(host, path));
    match first_told(places) {
        Fact::Known { .. } => asked.extend(journals.map(|(known, kind)| (Log::Command(known), kind))),
        // Whether there is a journal can't be told, and so there may be one that wasn't read.
        Fact::Unknown { why } if why.reason != Reason::NotCaptured => {
            logs.extend(journals.map(|(known, kind)| unread(&known.line(), kind, Some(why.clone()))));
        }
        Fact::Absent { .. } | Fact::Unknown { .. } => {}
    }
    for (log, kind) in asked {
        let name = log.name();
        match host.window(&log, NEWEST, booted_ms, collected_ms) {
            Answer::Got(found) => logs.push(window(&name, kind, found, boot)),
            // A log that wasn't captured may not exist; one that can't be read does.
            answer @ Answer::Failed(_) => logs.push(unread(&name, kind, answer.obstacle(&name))),
            Answer::Absent | Answer::NotCaptured => {}
        }
    }
    logs
}

/// The journal in a folder. Packages make an empty folder, also where no journal is ever written.
fn journal(host: &Host<'_>, path: &str) -> Fact<()> {
    match host.list(path, Want::Directories, MAX_JOURNALS) {
        Answer::Got(listing) if listing.is_empty() => Fact::Absent { from: path.to_owned() },
        answer => answer.map(|_| ()).fact(path),
    }
}

fn window(log: &str, kind: LogKind, found: Window, boot: Option<i64>) -> LogWindow {
    let Window { reading, scan } = found;
    let covers_boot = covers_boot(log, &reading, &scan, boot);
    let mut window = scan.into_window(log, kind);
    window.gaps.splice(0..0, reading.gaps);
    LogWindow { sources: reading.sources, cut: reading.cut, covers_boot, ..window }
}

/// A log that is there and can't be read.
fn unread(log: &str, kind: LogKind, obstacle: Option<Why>) -> LogWindow {
    let gaps: Vec<Why> = obstacle.into_iter().collect();
    let covers_boot = match gaps.first() {
        Some(why) => Fact::Unknown { why: why.clone() },
        None => Fact::unknown(Reason::NotTold, log, ""),
    };
    LogWindow {
        log: log.to_owned(),
        kind,
        sources: Vec::new(),
        bytes: 0,
        cut: false,
        covers_boot,
        first: None,
        last: None,
        hits: Vec::new(),
        gaps,
    }
}

/// A log covers the boot where it begins before it, or with it.
fn covers_boot(log: &str, reading: &WindowReading, scan: &Scan, boot: Option<i64>) -> Fact<bool> {
    let begins_before = |boot: i64| {
        scan.first.and_then(|first| first.unix_ms).map(|first| first <= boot.saturating_mul(1000))
    };
    if scan.starts_at_boot && !reading.cut {
        return Fact::known(true, log);
    }
    match boot.and_then(begins_before) {
        Some(before) => Fact::known(before, log),
        // Records that the kernel has overwritten were of this boot.
        None if reading.cut => Fact::known(false, log),
        None => Fact::unknown(Reason::NotTold, log, ""),
    }
}
