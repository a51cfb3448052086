//! The snapshot: all facts of one node at one moment, as they were read. It holds readings, never conclusions; what
//! they mean is `diagnose`'s to say. Log text doesn't enter it, only the signals that were seen.

mod hardware;
mod kernels;
mod pods;
mod services;
mod storage;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::hardware::{Firmware, Hardware, Interface, LoadedModule, Watchdog};
pub use self::kernels::{InstalledKernel, KernelFile};
pub use self::pods::{Pod, PodKind, Pods};
pub use self::services::{ControlPlanePart, HeldLock, Maintainer, Maintenance, Service, Services};
pub use self::storage::{FileSystem, Layer, LayerKind, Space, Storage};
use super::{Body, Bounds, Digest, Fact, Reason, Why};
use crate::boot::reading::Boot;
use crate::program::{Classification, Demands, Features};

/// All facts of one node at one moment.
///
/// Changes of `kernmend/snapshot/1`: `origin` can be `archive`; `pods`, `boot`, `kernels`, `storage`, `hardware`, `services`, `maintenance`,
/// `restart.reboot_wanted_by`, and `demands` and `features` of a program are new. What an older version
/// didn't write is not captured, and isn't written again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// What was read.
    pub origin: Origin,
    /// The node's name for itself.
    pub hostname: Fact<String>,
    /// When it was read, in seconds since 1970 by the node's own clock: boot time and uptime.
    pub collected_at: Fact<i64>,
    /// The running kernel.
    pub kernel: Kernel,
    /// The distribution.
    pub distribution: Fact<Distribution>,
    /// Control groups.
    pub cgroups: Cgroups,
    /// The slab caches in `/sys/kernel/slab`.
    pub slab: Fact<SlabCaches>,
    /// `/proc/meminfo`, in bytes; `HugePages_*` are numbers of pages.
    pub memory: Fact<BTreeMap<String, u64>>,
    /// Container runtimes and kubelets.
    pub programs: Programs,
    /// The logs that were read, and the signals in them.
    pub logs: Vec<LogWindow>,
    /// Tasks that can't be killed and stand in the code that tears network namespaces down or sets them up.
    pub stuck_tasks: Fact<Vec<StuckTask>>,
    /// Loaded kernel modules.
    pub modules: Fact<Vec<String>>,
    /// Kernel limits by their sysctl name.
    pub limits: BTreeMap<String, Fact<i64>>,
    /// What waits for a restart.
    pub restart: Restart,
    /// What boots next, and the boot loader's files that say so.
    #[serde(default, skip_serializing_if = "is_unread")]
    pub boot: Fact<Boot>,
    /// Kernels that are installed, by their release.
    #[serde(default, skip_serializing_if = "is_unread")]
    pub kernels: Fact<Vec<InstalledKernel>>,
    /// The file systems that an upgrade writes to.
    #[serde(default, skip_serializing_if = "is_unread")]
    pub storage: Storage,
    /// Pods.
    #[serde(default, skip_serializing_if = "is_unread")]
    pub pods: Pods,
    /// What a new kernel would have to bring.
    #[serde(default, skip_serializing_if = "is_unread")]
    pub hardware: Hardware,
    /// What of Kubernetes runs here besides pods.
    #[serde(default, skip_serializing_if = "is_unread")]
    pub services: Services,
    /// Who else installs packages or reboots here.
    #[serde(default, skip_serializing_if = "is_unread")]
    pub maintenance: Maintenance,
    /// What did not answer before its deadline, also where the fact was then found elsewhere; the first 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unanswered: Vec<Why>,
}

/// Whether nothing was read of a part.
fn is_unread<T: Default + PartialEq>(part: &T) -> bool {
    *part == T::default()
}

impl Body for Snapshot {
    const NAME: &'static str = "snapshot";
    const MAJOR: u32 = 1;
}

impl Snapshot {
    /// A snapshot in which nothing is known but that it was not captured. What a text tells by itself is filled in.
    #[must_use]
    pub fn of_nothing(origin: Origin) -> Self {
        fn no<T>(path: &str) -> Fact<T> {
            Fact::unknown(Reason::NotCaptured, path, "")
        }
        Self {
            origin,
            hostname: no("/proc/sys/kernel/hostname"),
            collected_at: no("/proc/stat"),
            kernel: Kernel {
                release: no("/proc/sys/kernel/osrelease"),
                version: no("/proc/version"),
                arguments: no("/proc/cmdline"),
                options: no("/proc/config.gz"),
                taints: no("/proc/sys/kernel/tainted"),
                boot_id: no("/proc/sys/kernel/random/boot_id"),
                uptime: no("/proc/uptime"),
                booted_at: no("/proc/stat"),
            },
            distribution: no("/etc/os-release"),
            cgroups: Cgroups {
                mode: no("/proc/mounts"),
                controllers: no("/proc/cgroups"),
                memory: no("/proc/mounts"),
                dying_v2: no("/proc/mounts"),
            },
            slab: no("/sys/kernel/slab"),
            memory: no("/proc/meminfo"),
            programs: Programs {
                found: Vec::new(),
                gaps: vec![Why {
                    reason: Reason::NotCaptured,
                    path: "/proc".to_owned(),
                    detail: String::new(),
                }],
            },
            logs: Vec::new(),
            stuck_tasks: no("/proc"),
            modules: no("/proc/modules"),
            limits: BTreeMap::new(),
            restart: Restart {
                installed_kernels: no("/lib/modules"),
                reboot_required: no("/run/reboot-required"),
                reboot_wanted_by: Fact::default(),
                replaced_binaries: no("/proc"),
            },
            boot: Fact::default(),
            kernels: Fact::default(),
            storage: Storage::default(),
            pods: Pods::default(),
            hardware: Hardware::default(),
            services: Services::default(),
            maintenance: Maintenance::default(),
            unanswered: Vec::new(),
        }
    }
}

/// What a snapshot was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The machine itself.
    Live,
    /// A directory that is laid out like a root file system.
    Directory,
    /// An archive: a sosreport, an Insights archive, or a tar of such a directory.
    Archive,
    /// A text that somebody handed over: a log, a file or the output of a command.
    Text,
}

/// The running kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kernel {
    /// As `uname -r` prints it.
    pub release: Fact<String>,
    /// `/proc/version`.
    pub version: Fact<String>,
    /// The boot arguments, in order.
    pub arguments: Fact<Vec<String>>,
    /// The build options that kernmend asks about: `y`, `m`, a value, or `n` for those that are not set.
    pub options: Fact<BTreeMap<String, String>>,
    /// The taint bits of `/proc/sys/kernel/tainted`.
    pub taints: Fact<u64>,
    /// A fresh random identity of each boot.
    pub boot_id: Fact<String>,
    /// Seconds since boot.
    pub uptime: Fact<u64>,
    /// The moment of boot in seconds since 1970, by the node's clock (`btime` of `/proc/stat`).
    pub booted_at: Fact<i64>,
}

/// `/etc/os-release`, or what stands in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Distribution {
    /// `ID`, `centos` for one.
    pub id: String,
    /// `VERSION_ID`; empty on rolling distributions.
    pub version_id: String,
    /// `PRETTY_NAME`.
    pub pretty_name: String,
    /// `ID_LIKE`, in order.
    pub id_like: Vec<String>,
    /// All keys of the file.
    pub fields: BTreeMap<String, String>,
}

/// Which control group versions are mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CgroupMode {
    /// Version 1 hierarchies only.
    V1,
    /// Version 2 only.
    V2,
    /// Both, whether or not version 2 carries controllers.
    Hybrid,
}

/// Control groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cgroups {
    /// Which versions are mounted.
    pub mode: Fact<CgroupMode>,
    /// `/proc/cgroups` by controller.
    pub controllers: Fact<BTreeMap<String, Controller>>,
    /// The hierarchy that carries the memory controller; absent where none does.
    pub memory: Fact<MemoryHierarchy>,
    /// `nr_dying_descendants` of the version 2 root: removed cgroups that something still holds.
    pub dying_v2: Fact<u64>,
}

/// A line of `/proc/cgroups`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Controller {
    /// Hierarchy number, 0 when it isn't mounted as version 1.
    pub hierarchy: u64,
    /// The number of cgroups, counting those that are gone but held (except on 3.10).
    pub num_cgroups: u64,
    /// Whether it is enabled.
    pub enabled: bool,
}

/// The hierarchy that carries the memory controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryHierarchy {
    /// Version 1 or 2.
    pub version: u8,
    /// Where it is mounted.
    pub path: String,
    /// Live directories, the root included.
    pub directories: Bounds,
    /// Kernel memory accounting of the version 1 cgroups below the root.
    pub accounting: AccountingCounts,
}

/// What `memory.kmem.*` of the cgroups below the root says, counted over those that were looked at. The root proves
/// nothing: 3.10 answers EIO there whatever the state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountingCounts {
    /// slabinfo has its header, or usage is above 0.
    pub on: u64,
    /// slabinfo answers EIO, as 3.10 does where accounting is off.
    pub refused: u64,
    /// slabinfo is empty and usage is 0: off, or nothing used yet (from 5.9 on slabinfo is always empty).
    pub silent: u64,
    /// Neither file could be read.
    pub not_told: u64,
    /// Cgroups that were not looked at.
    pub not_looked_at: u64,
    /// Whether the files exist at all in any cgroup: `false` means a kernel without them.
    pub files: bool,
    /// One file that shows accounting on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example_on: Option<String>,
    /// One file that shows accounting off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example_off: Option<String>,
}

/// `/sys/kernel/slab`, counted. Entries `cache(N:cgroup)` are caches of one memory cgroup: N is its id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlabCaches {
    /// Entries of the directory.
    pub entries: u64,
    /// Entries with a cgroup's id in their name.
    pub memcg_entries: u64,
    /// Real directories; links are aliases, and on 7.3 dangling leftovers. Absent where the listing doesn't tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directories: Option<u64>,
    /// Distinct ids.
    pub ids: u64,
    /// Ids whose cgroup name is the name of no live directory whose accounting is on.
    pub dead_ids: Bounds,
    /// The highest id: a high-water mark, not a fill level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest_id: Option<u64>,
    /// A few dead entries, for evidence.
    pub examples: Vec<String>,
}

/// Container runtimes and kubelets: those that run and every copy on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Programs {
    /// What was found, by path.
    pub found: Vec<Program>,
    /// What stood in the way of finding all: empty where the places and processes could all be looked at.
    pub gaps: Vec<Why>,
}

/// One copy of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Program {
    /// What it is, whatever its file is called: `runc`, `kubelet`, `containerd`, ….
    pub name: String,
    /// Where it is.
    pub path: String,
    /// Its version.
    pub version: Fact<String>,
    /// The digest of the file.
    pub digest: Fact<Digest>,
    /// Whether it switches kernel memory accounting on, by its content.
    pub classification: Fact<Classification>,
    /// The build tags that its Go build information names.
    pub tags: Vec<String>,
    /// What it asks of the machine that is to run it.
    #[serde(default, skip_serializing_if = "is_unread")]
    pub demands: Fact<Demands>,
    /// Which of the kernel's ways to confine a container it can use; absent where it holds none of libcontainer's cgroup
    /// code.
    #[serde(default, skip_serializing_if = "is_unread")]
    pub features: Fact<Features>,
    /// The processes that run it.
    pub processes: Vec<u32>,
    /// Whether a process still runs a file that was replaced or removed since.
    pub replaced: bool,
}

/// Whether a program switches kernel memory accounting on, judged by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// It switches accounting on.
    On,
    /// Only where a container asks for a kernel memory limit.
    OnDemand,
    /// Built without accounting.
    Off,
    /// Its source doesn't touch accounting any more.
    Ignored,
    /// It doesn't use libcontainer's cgroup code. This proves nothing about safety.
    NotLibcontainer,
    /// Not told by its content.
    Unknown,
}

/// A stretch of a log, and the signals in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogWindow {
    /// Which log.
    pub log: String,
    /// Whose words are in it.
    pub kind: LogKind,
    /// The files that were read, newest first, or the command.
    pub sources: Vec<String>,
    /// Bytes that were scanned.
    pub bytes: u64,
    /// Whether older lines exist that were not read.
    pub cut: bool,
    /// Whether it reaches back to the boot.
    pub covers_boot: Fact<bool>,
    /// The earliest moment in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Moment>,
    /// The latest moment in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Moment>,
    /// The signals, folded.
    pub hits: Vec<Hit>,
    /// What could not be read of it.
    pub gaps: Vec<Why>,
}

/// Whose words a log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogKind {
    /// The kernel's alone.
    Kernel,
    /// The kernel's and others'.
    System,
    /// A program's.
    Program,
}

/// A moment in a log. The kernel counts from boot, other programs by the calendar; where the moment of boot is known,
/// both are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Moment {
    /// Milliseconds since boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_ms: Option<i64>,
    /// Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unix_ms: Option<i64>,
}

/// A run of equal signals: lines of one signal with the same identifying fields, each not later after the one before
/// than the signal's own gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hit {
    /// The name of the signal.
    pub signal: String,
    /// The fields of the first line.
    pub fields: BTreeMap<String, String>,
    /// How many lines.
    pub count: u64,
    /// The first line's moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Moment>,
    /// The last line's moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Moment>,
    /// The matched part of the first line.
    pub sample: String,
}

/// A task in uninterruptible sleep in the code of network namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StuckTask {
    /// Its process id.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// The kernel function that it stands in: `cleanup_net` or `copy_net_ns`.
    pub function: String,
    /// Seconds for which it has stood there, at least: known where the kernel's hung task detector named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_for: Option<u64>,
}

/// What waits for a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Restart {
    /// Kernels that are installed: those with modules.
    pub installed_kernels: Fact<Vec<String>>,
    /// Whether the distribution asks for a reboot.
    pub reboot_required: Fact<bool>,
    /// The packages that ask for it.
    #[serde(default, skip_serializing_if = "is_unread")]
    pub reboot_wanted_by: Fact<Vec<String>>,
    /// Processes whose binary was replaced or removed since they started.
    pub replaced_binaries: Fact<Vec<ReplacedBinary>>,
}

/// A process whose binary was replaced or removed since it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplacedBinary {
    /// The process.
    pub pid: u32,
    /// The path that it was started from.
    pub path: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    #[test]
    fn what_an_older_version_did_not_write_is_not_captured_and_not_written_again() {
        let document = Document::new(Snapshot::of_nothing(Origin::Directory), None);
        let json = document.to_json();
        for part in ["pods", "boot", "kernels", "storage", "hardware", "services", "maintenance"] {
            assert!(!json.contains(&format!("  \"{part}\": ")), "{part}");
        }
        assert!(!json.contains("reboot_wanted_by"), "{json}");
        let read = Document::<Snapshot>::from_json(&json).unwrap();
        assert_eq!((read.digest(), &read), (document.digest(), &document));
        assert_eq!(read.body.kernels, Fact::default());
    }
}
