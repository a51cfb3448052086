//! Collects the snapshot of a machine through a [`Host`]. It reads and parses, and concludes nothing; what can't be
//! read becomes a fact that says why. One source of facts a file.

pub mod boot;
mod cgroup;
mod distribution;
mod kernel;
mod log;
mod process;
mod program;
mod restart;
mod simple;

use kernmend_core::document::snapshot::Snapshot;

pub(crate) use self::kernel::OPTIONS;
use self::process::Processes;
pub(crate) use self::program::names_program;
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
    Snapshot {
        origin: host.origin(),
        hostname,
        collected_at,
        restart: restart::collect(host, &distribution, &processes),
        stuck_tasks: processes.stuck_in_netns(host, &logs),
        programs: program::collect(host, &processes),
        memory: simple::memory(host),
        modules: simple::modules(host),
        limits: simple::limits(host),
        slab: cgroups.slab,
        cgroups: cgroups.cgroups,
        kernel,
        distribution,
        logs,
    }
}
