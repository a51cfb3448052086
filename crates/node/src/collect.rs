//! Collects the snapshot of a machine through a [`Host`]. It reads and parses, and concludes nothing; what can't be
//! read becomes a fact that says why. One source of facts a file.

pub mod boot;
mod cgroup;
mod distribution;
mod hardware;
pub(crate) mod kernel;
mod kernels;
mod log;
mod maintenance;
mod pods;
mod process;
mod program;
mod restart;
mod services;
mod simple;
mod site;
mod storage;

use kernmend_core::document::snapshot::Snapshot;
use kernmend_core::document::{Fact, Reason};

pub use self::cgroup::accounted;
pub(crate) use self::cgroup::memory;
pub(crate) use self::distribution::{OS_RELEASE, RELEASE_FILES};
pub(crate) use self::kernel::OPTIONS;
pub(crate) use self::log::{FILES as LOG_FILES, NEWEST};
pub(crate) use self::maintenance::DPKG_STATUS;
pub(crate) use self::pods::{Form, MAX_FILE as MAX_SANDBOX, form_of};
use self::process::Processes;
pub(crate) use self::program::{CONFIGURATIONS, INSTALLATIONS, PLACES, names_program};
pub(crate) use self::site::LIVE_RESTORE;
pub use self::site::site;
use crate::host::Host;

/// Small files of `/proc`, `/sys` and `/etc`.
const SMALL: usize = 64 * 1024;

/// Files of `/proc` that grow with the machine: `/proc/stat` with processors and interrupts, `/proc/modules`,
/// `/proc/mounts` with containers.
const LARGE: usize = 4 << 20;

/// Reads all facts of the machine.
#[must_use]
pub fn collect(host: &Host<'_>) -> Snapshot {
    // Asked first: what is to be redacted is learnt from it.
    let hostname = simple::hostname(host);
    let kernel = kernel::collect(host);
    let distribution = distribution::collect(host);
    let collected_at = kernel::moment(&kernel);
    let processes = Processes::read(host);
    let cgroups = cgroup::collect(host);
    let logs = log::collect(host, &kernel, &collected_at);
    let mounts = storage::mounts(host);
    let restart = restart::collect(host, &distribution, &processes);
    let pods = pods::collect(host);
    let mut snapshot = Snapshot {
        origin: host.origin(),
        hostname,
        collected_at,
        boot: boot::fact(host, &mounts),
        kernels: kernels::collect(host, &restart.installed_kernels),
        storage: storage::collect(host, &mounts),
        restart,
        stuck_tasks: processes.stuck_in_netns(host, &logs),
        programs: program::collect(host, &processes),
        memory: simple::memory(host),
        modules: simple::modules(host),
        limits: simple::limits(host),
        hardware: hardware::collect(host),
        services: services::collect(host, &processes),
        maintenance: maintenance::collect(host, &distribution, &processes, &pods),
        pods,
        slab: cgroups.slab,
        cgroups: cgroups.cgroups,
        kernel,
        distribution,
        logs,
        unanswered: Vec::new(),
    };
    snapshot.unanswered = host.unanswered();
    snapshot
}

/// The path behind a link, one step far; what is no link is itself.
fn resolved(host: &Host<'_>, path: &str) -> String {
    let Some(target) = host.link(path).got() else { return path.to_owned() };
    if target.starts_with('/') {
        return target;
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The first of several places of one fact that tells it. Where none does, what stood in the way says more than that
/// another place holds nothing, or wasn't captured.
fn first_told<T>(places: impl IntoIterator<Item = Fact<T>>) -> Fact<T> {
    fn rank<T>(fact: &Fact<T>) -> u8 {
        match fact {
            Fact::Known { .. } => 0,
            Fact::Unknown { why } if why.reason != Reason::NotCaptured => 1,
            Fact::Unknown { .. } => 2,
            Fact::Absent { .. } => 3,
        }
    }
    let mut best: Option<Fact<T>> = None;
    for fact in places {
        if best.as_ref().is_none_or(|best| rank(&fact) < rank(best)) {
            best = Some(fact);
        }
        if matches!(best, Some(Fact::Known { .. })) {
            break;
        }
    }
    best.unwrap_or_else(|| Fact::unknown(Reason::NotTold, "", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stood_in_the_way_of_one_place_is_no_absence() {
        let absent = || Fact::Absent { from: "/a".to_owned() };
        let unknown = |reason| Fact::unknown(reason, "/b", "");
        let known = || Fact::known(1, "/c");
        let captured = || unknown(Reason::NotCaptured);
        let hung = || unknown(Reason::DeadlineExceeded);
        for (places, expected) in [
            (vec![absent(), known()], known()),
            (vec![hung(), known()], known()),
            (vec![absent(), hung(), captured()], hung()),
            (vec![absent(), captured()], captured()),
            (vec![absent()], absent()),
        ] {
            assert_eq!(first_told(places), expected);
        }
    }
}
