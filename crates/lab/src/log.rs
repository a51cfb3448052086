//! Logs to scan: lines as kernels, kubelets and container runtimes print them, with as many known ones among them as are
//! asked for. They are the same in every run, so that they can be kept in the user's cache.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use crate::{LabError, cache};

/// Bytes of a log that differ; a longer one repeats them.
const BLOCK: usize = 8 << 20;

/// Changes when logs become others.
const LAYOUT: u32 = 1;

/// Lines that say nothing. `@` is a number.
const SILENT: [&str; 10] = [
    "node-14 kernel: [@.@] IPv6: ADDRCONF(NETDEV_CHANGE): cali@: link becomes ready",
    "node-14 kernel: [@.@] docker0: port @(veth@) entered forwarding state",
    "node-14 kernel: [@.@] audit: type=1400 audit(@.@:@): apparmor=\"STATUS\" operation=\"profile_load\" profile=\"unconfined\" name=\"docker-default\" pid=@ comm=\"apparmor_parser\"",
    "node-14 kubelet[1204]: I1124 07:51:29.@    1204 reconciler.go:224] operationExecutor.VerifyControllerAttachedVolume started for volume \"default-token-@\" (UniqueName: \"kubernetes.io/secret/@-default-token-@\") pod \"api-@\" (UID: \"@-11e9\")",
    "node-14 kubelet[1204]: W1124 07:51:29.@    1204 kubelet_getters.go:292] Path \"/var/lib/kubelet/pods/@/volumes\" does not exist",
    "node-14 kubelet[1204]: E1124 07:51:29.@    1204 pod_workers.go:190] Error syncing pod @-11e9 (\"api-@_default(@)\"), skipping: failed to \"StartContainer\" for \"api\" with CrashLoopBackOff: \"Back-off 5m0s restarting failed container=api pod=api-@_default(@)\"",
    "node-14 dockerd[998]: time=\"2026-11-24T07:51:29.@Z\" level=info msg=\"shim reaped\" id=@@@@",
    "node-14 dockerd[998]: time=\"2026-11-24T07:51:29.@Z\" level=warning msg=\"failed to retrieve runc version: unknown output format: runc version spec 1.0.0\"",
    "node-14 systemd[1]: Started Session @ of user root.",
    "node-14 etcd[2201]: read-only range request \"key:\\\"/registry/health\\\" \" with result \"range_response_count:0 size:5\" took too long (@.@ms) to execute",
];

/// Lines that are known, one signal each.
const KNOWN: [&str; 4] = [
    "node-14 kernel: [@.@] unregister_netdevice: waiting for lo to become free. Usage count = 1",
    "node-14 kernel: [@.@] INFO: task dockerd:@ blocked for more than 120 seconds.",
    "node-14 kernel: [@.@] Memory cgroup out of memory: Kill process @ (java) score 1974 or sacrifice child",
    "node-14 kubelet[1204]: E1124 07:51:29.@    1204 pod_workers.go:190] Error syncing pod @: mkdir /sys/fs/cgroup/memory/kubepods/burstable/pod@: no space left on device",
];

/// How many lines are known ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// None.
    None,
    /// One of a thousand.
    Few,
    /// Every one.
    All,
}

/// A number that looks like chance and is the same in every run (a linear congruential generator, Knuth's constants).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

/// `count` lines.
#[must_use]
pub fn lines(known: Known, count: u64) -> String {
    let mut numbers = Numbers(7);
    let mut text = String::new();
    (0..count).for_each(|number| line(known, number, &mut numbers, &mut text));
    text
}

fn line(known: Known, number: u64, numbers: &mut Numbers, text: &mut String) {
    let is_known = match known {
        Known::None => false,
        Known::Few => number % 1000 == 500,
        Known::All => true,
    };
    let templates: &[&str] = if is_known { &KNOWN } else { &SILENT };
    let choice = usize::try_from(numbers.next()).unwrap_or(0) % templates.len();
    let seconds = number / 50;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    write!(text, "Nov 24 {hour:02}:{minute:02}:{second:02} ").expect("writing to a string can't fail");
    for (at, part) in templates[choice].split('@').enumerate() {
        if at > 0 {
            write!(text, "{:06}", numbers.next() % 1_000_000).expect("writing to a string can't fail");
        }
        text.push_str(part);
    }
    text.push('\n');
}

/// A file in the cache with at least `bytes` bytes of lines.
///
/// # Errors
/// It can't be written, or the user has no cache folder.
pub fn file(known: Known, bytes: u64) -> Result<PathBuf, LabError> {
    const FILE: &str = "log";
    let folder = cache::entry("logs", &format!("{LAYOUT} {known:?} {bytes}"), |folder| {
        write(known, bytes, &folder.join(FILE))
    })?;
    Ok(folder.join(FILE))
}

fn write(known: Known, bytes: u64, path: &Path) -> Result<(), LabError> {
    let mut numbers = Numbers(7);
    let mut block = String::new();
    let mut number = 0;
    while block.len() < BLOCK {
        line(known, number, &mut numbers, &mut block);
        number += 1;
    }
    let failed = || LabError::file("writing", path);
    let mut file = BufWriter::new(File::create(path).map_err(failed())?);
    for _ in 0..bytes.div_ceil(block.len() as u64) {
        file.write_all(block.as_bytes()).map_err(failed())?;
    }
    file.flush().map_err(failed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernmend_core::knowledge::KnowledgeBase;
    use kernmend_core::scan::{Clock, Scanner};

    #[test]
    fn as_many_lines_are_known_as_were_asked_for() {
        let signals = KnowledgeBase::embedded().signals;
        for (known, expected) in [(Known::None, 0), (Known::Few, 3), (Known::All, 3000)] {
            let mut scanner = Scanner::new(&signals, Clock::default());
            scanner.push(lines(known, 3000).as_bytes());
            let scan = scanner.finish();
            let counted: u64 = scan.hits.iter().map(|hit| hit.count).sum();
            assert_eq!((scan.lines, counted + scan.dropped_hits), (3000, expected), "{known:?}");
        }
    }
}
