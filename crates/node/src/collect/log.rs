//! Kernel, runtime and kubelet logs: which there are, what they cover, and the signals in them. The text stays where it
//! is.

use std::time::Duration;

use kernmend_core::document::snapshot::{Kernel, LogKind, LogWindow, Origin};
use kernmend_core::document::{Fact, Reason, Why};
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_core::scan::{Clock, Scan, Scanner};

use super::SMALL;
use crate::host::{Answer, Host, Known, Log, Want, WindowReading};

/// The newest part of each log that is scanned.
const NEWEST: u64 = 64 << 20;

/// How long the journal may take to answer.
const JOURNAL_DEADLINE: Duration = Duration::from_secs(20);

/// Log files, and whose words they hold. `/dmesg.txt` is the kernel log of a captured root.
const FILES: &[(&str, LogKind)] = &[
    ("/dmesg.txt", LogKind::Kernel),
    ("/var/log/kern.log", LogKind::Kernel),
    ("/var/log/messages", LogKind::System),
    ("/var/log/syslog", LogKind::System),
    ("/var/log/kubelet.log", LogKind::Program),
    ("/var/log/docker.log", LogKind::Program),
    ("/var/log/containerd.log", LogKind::Program),
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
pub(super) fn collect(
    host: &Host,
    knowledge: &KnowledgeBase,
    kernel: &Kernel,
    collected_at: &Fact<i64>,
) -> Vec<LogWindow> {
    let boot = kernel.booted_at.value().copied();
    let to_ms = |seconds: Option<i64>| seconds.map(|seconds| seconds.saturating_mul(1000));
    let clock = Clock {
        booted_at_unix_ms: to_ms(boot),
        collected_at_unix_ms: to_ms(collected_at.value().copied()),
        zone: zone(host),
    };
    let mut logs = Vec::new();
    let mut add =
        |log: &str, kind: LogKind, read: &mut dyn FnMut(&mut Scanner<'_>) -> Answer<WindowReading>| {
            let mut scanner = Scanner::new(&knowledge.signals, clock.clone());
            match read(&mut scanner) {
                Answer::Got(reading) => logs.push(window(log, kind, reading, scanner.finish(), boot)),
                Answer::Absent => {}
                answer => {
                    // A log that wasn't captured may not exist; one that can't be read does.
                    if let Answer::Failed(_) = answer {
                        logs.push(unread(log, kind, answer.obstacle(log)));
                    }
                }
            }
        };
    if host.origin() == Origin::Live {
        add("/dev/kmsg", LogKind::Kernel, &mut |scanner| {
            host.window(Log::Kmsg, NEWEST, &mut |bytes| scanner.push(bytes))
        });
    }
    for (path, kind) in FILES {
        add(path, *kind, &mut |scanner| {
            host.window(Log::File(path), NEWEST, &mut |bytes| scanner.push(bytes))
        });
    }
    if JOURNALS.iter().any(|path| has_journal(host, path)) {
        for (known, kind) in
            [(Known::JournalKernel, LogKind::Kernel), (Known::JournalUnits, LogKind::Program)]
        {
            let name = known.argv().join(" ");
            add(&name, kind, &mut |scanner| journal(host, &known, scanner));
        }
    }
    logs
}

/// Whether a folder holds a journal. Packages make an empty one, also where no journal is ever written.
fn has_journal(host: &Host, path: &str) -> bool {
    match host.list(path, Want::Directories, MAX_JOURNALS) {
        Answer::Got(listing) => !listing.is_empty(),
        Answer::Absent | Answer::NotCaptured => false,
        Answer::Failed(_) => true,
    }
}

/// The journal is read by its own program, which only a live machine has.
fn journal(host: &Host, known: &Known, scanner: &mut Scanner<'_>) -> Answer<WindowReading> {
    let limit = usize::try_from(NEWEST).unwrap_or(usize::MAX);
    host.command(known, limit, JOURNAL_DEADLINE).map(|content| {
        scanner.push(&content.bytes);
        WindowReading {
            sources: vec![known.argv().join(" ")],
            bytes: content.bytes.len() as u64,
            cut: content.cut,
            gaps: Vec::new(),
        }
    })
}

fn window(log: &str, kind: LogKind, reading: WindowReading, scan: Scan, boot: Option<i64>) -> LogWindow {
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
    let begins_before =
        |boot: i64| scan.first.and_then(|first| first.unix_ms).map(|first| first <= boot * 1000);
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

/// The zone of the stamps in the node's logs.
fn zone(host: &Host) -> jiff::tz::TimeZone {
    let file = host.read("/etc/localtime", SMALL).got();
    let zone = file.and_then(|content| jiff::tz::TimeZone::tzif("local", &content.bytes).ok());
    zone.unwrap_or(jiff::tz::TimeZone::UTC)
}
