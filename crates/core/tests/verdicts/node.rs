//! A node that is made up fact by fact. Of [`Node::unknown`] nothing is known, and each setter tells one thing.

use std::collections::BTreeMap;

use kernmend_core::document::snapshot::{
    AccountingCounts, CgroupMode, Cgroups, Class, Controller, Hit, Kernel, LogKind, LogWindow,
    MemoryHierarchy, Moment, Origin, Program, Programs, Restart, SlabCaches, Snapshot, StuckTask,
};
use kernmend_core::document::{Bounds, Fact, Reason, Why};
use kernmend_core::program::Classification;

const MEMORY: &str = "/sys/fs/cgroup/memory";

/// The moment of boot of every node here whose boot is known, in seconds since 1970.
pub(crate) const BOOT: i64 = 1_700_000_000;

/// A snapshot in the making.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) snapshot: Snapshot,
}

fn why(path: &str) -> Why {
    Why { reason: Reason::NotCaptured, path: path.to_owned(), detail: String::new() }
}

fn not_known<T>(path: &str) -> Fact<T> {
    Fact::Unknown { why: why(path) }
}

/// So many, and perhaps more.
pub(crate) const fn at_least(count: u64) -> Bounds {
    Bounds { at_least: count, at_most: None }
}

/// Cgroups below the root by what they say of their accounting: on, refused with EIO, silent.
pub(crate) const fn accounting(on: u64, refused: u64, silent: u64) -> AccountingCounts {
    AccountingCounts {
        on,
        refused,
        silent,
        not_told: 0,
        not_looked_at: 0,
        files: true,
        example_on: None,
        example_off: None,
    }
}

impl Node {
    pub(crate) fn unknown() -> Self {
        let snapshot = Snapshot {
            origin: Origin::Directory,
            hostname: not_known("/etc/hostname"),
            collected_at: not_known("/proc/stat"),
            kernel: Kernel {
                release: not_known("/proc/sys/kernel/osrelease"),
                version: not_known("/proc/version"),
                arguments: not_known("/proc/cmdline"),
                options: not_known("/proc/config.gz"),
                taints: not_known("/proc/sys/kernel/tainted"),
                boot_id: not_known("/proc/sys/kernel/random/boot_id"),
                uptime: not_known("/proc/uptime"),
                booted_at: not_known("/proc/stat"),
            },
            distribution: not_known("/etc/os-release"),
            cgroups: Cgroups {
                mode: not_known("/proc/mounts"),
                controllers: not_known("/proc/cgroups"),
                memory: not_known("/proc/mounts"),
                dying_v2: not_known("/sys/fs/cgroup/cgroup.stat"),
            },
            slab: not_known("/sys/kernel/slab"),
            memory: not_known("/proc/meminfo"),
            programs: Programs { found: Vec::new(), gaps: vec![why("/usr/bin")] },
            logs: Vec::new(),
            stuck_tasks: not_known("/proc"),
            modules: not_known("/proc/modules"),
            limits: BTreeMap::new(),
            restart: Restart {
                installed_kernels: not_known("/lib/modules"),
                reboot_wanted_by: Fact::default(),
                reboot_required: not_known("/run/reboot-required"),
                replaced_binaries: not_known("/proc"),
            },
            ..Snapshot::of_nothing(Origin::Directory)
        };
        Self { snapshot }
    }

    pub(crate) fn kernel(mut self, release: &str) -> Self {
        self.snapshot.kernel.release = Fact::known(release.to_owned(), "/proc/sys/kernel/osrelease");
        self
    }

    pub(crate) fn arguments(mut self, arguments: &str) -> Self {
        let words = arguments.split_whitespace().map(str::to_owned).collect();
        self.snapshot.kernel.arguments = Fact::known(words, "/proc/cmdline");
        self
    }

    pub(crate) fn option(mut self, name: &str, value: &str) -> Self {
        let options = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        self.snapshot.kernel.options = Fact::known(options, "/proc/config.gz");
        self
    }

    /// Booted at [`BOOT`], and looked at so many seconds later.
    pub(crate) fn uptime(mut self, seconds: u32) -> Self {
        self.snapshot.kernel.booted_at = Fact::known(BOOT, "/proc/stat");
        self.snapshot.kernel.uptime = Fact::known(u64::from(seconds), "/proc/uptime");
        self.snapshot.collected_at = Fact::known(BOOT + i64::from(seconds), "/proc/stat");
        self
    }

    fn hierarchy(mut self, version: u8, path: &str, directories: Bounds, counts: AccountingCounts) -> Self {
        let mode = if version == 1 { CgroupMode::V1 } else { CgroupMode::V2 };
        self.snapshot.cgroups.mode = Fact::known(mode, "/proc/mounts");
        let hierarchy = MemoryHierarchy { version, path: path.to_owned(), directories, accounting: counts };
        self.snapshot.cgroups.memory = Fact::known(hierarchy, "/proc/mounts");
        self
    }

    /// So many live memory cgroups of version 1, of whose accounting nothing is told.
    pub(crate) fn v1(self, directories: Bounds) -> Self {
        self.hierarchy(1, MEMORY, directories, AccountingCounts::default())
    }

    /// So many live memory cgroups of version 2, and so many that are dying.
    pub(crate) fn v2(mut self, directories: u64, dying: u64) -> Self {
        self.snapshot.cgroups.dying_v2 = Fact::known(dying, "/sys/fs/cgroup/cgroup.stat");
        self.hierarchy(2, "/sys/fs/cgroup", Bounds::exact(directories), AccountingCounts::default())
    }

    /// Version 2 is mounted too.
    pub(crate) fn hybrid(mut self) -> Self {
        self.snapshot.cgroups.mode = Fact::known(CgroupMode::Hybrid, "/proc/mounts");
        self
    }

    pub(crate) fn no_memory_controller(mut self) -> Self {
        self.snapshot.cgroups.memory = Fact::Absent { from: "/proc/mounts".to_owned() };
        self
    }

    /// What the cgroups below the root say, on top of a hierarchy that is known.
    pub(crate) fn accounting(mut self, counts: AccountingCounts) -> Self {
        let Fact::Known { value, .. } = &mut self.snapshot.cgroups.memory else {
            panic!("accounting is that of a hierarchy");
        };
        value.accounting = counts;
        self
    }

    /// `num_cgroups` of the memory controller.
    pub(crate) fn num_cgroups(mut self, count: u64) -> Self {
        let controller = Controller { hierarchy: 3, num_cgroups: count, enabled: true };
        let controllers = BTreeMap::from([("memory".to_owned(), controller)]);
        self.snapshot.cgroups.controllers = Fact::known(controllers, "/proc/cgroups");
        self
    }

    pub(crate) fn slab(mut self, caches: SlabCaches) -> Self {
        self.snapshot.slab = Fact::known(caches, "/sys/kernel/slab");
        self
    }

    /// So many ids that belong to no live cgroup.
    pub(crate) fn dead_ids(self, dead_ids: Bounds) -> Self {
        let ids = dead_ids.at_least;
        self.slab(SlabCaches { entries: ids, memcg_entries: ids, ids, dead_ids, ..SlabCaches::default() })
    }

    /// A program that was found; with [`Node::all_programs`] it is known that there are no others.
    pub(crate) fn program(mut self, path: &str, class: Class) -> Self {
        let name = path.rsplit('/').next().expect("a path has a last part");
        self.snapshot.programs.found.push(Program {
            name: name.to_owned(),
            path: path.to_owned(),
            version: Fact::known("1.0.0".to_owned(), path),
            digest: not_known(path),
            classification: Fact::known(Classification { class, knows_tag: None, why: Vec::new() }, path),
            tags: Vec::new(),
            demands: not_known(path),
            features: not_known(path),
            processes: Vec::new(),
            replaced: false,
        });
        self
    }

    /// All places where programs can be were looked at.
    pub(crate) fn all_programs(mut self) -> Self {
        self.snapshot.programs.gaps.clear();
        self
    }

    /// A task that has stood in `cleanup_net` for so many seconds at least.
    pub(crate) fn stuck(mut self, blocked_for: Option<u64>) -> Self {
        let task = StuckTask {
            pid: 77,
            name: "kworker/u8:1".to_owned(),
            function: "cleanup_net".to_owned(),
            blocked_for,
        };
        self.snapshot.stuck_tasks = Fact::known(vec![task], "/proc");
        self
    }

    pub(crate) fn no_stuck_tasks(mut self) -> Self {
        self.snapshot.stuck_tasks = Fact::known(Vec::new(), "/proc");
        self
    }

    pub(crate) fn log(mut self, log: LogWindow) -> Self {
        self.snapshot.logs.push(log);
        self
    }
}

/// A log of the kernel that reaches back to the boot and holds nothing.
pub(crate) fn kernel_log() -> LogWindow {
    LogWindow {
        log: "/var/log/kern.log".to_owned(),
        kind: LogKind::Kernel,
        sources: vec!["/var/log/kern.log".to_owned()],
        bytes: 4096,
        cut: false,
        covers_boot: Fact::known(true, "/var/log/kern.log"),
        first: None,
        last: None,
        hits: Vec::new(),
        gaps: Vec::new(),
    }
}

/// A log of all programs and the kernel, of which it isn't known how far back it reaches.
pub(crate) fn system_log() -> LogWindow {
    LogWindow {
        log: "/var/log/messages".to_owned(),
        kind: LogKind::System,
        sources: vec!["/var/log/messages".to_owned()],
        covers_boot: Fact::unknown(Reason::NotTold, "/var/log/messages", ""),
        ..kernel_log()
    }
}

/// The log with one more run of a signal.
pub(crate) fn with(mut log: LogWindow, hit: Hit) -> LogWindow {
    log.last = hit.last.or(log.last);
    log.hits.push(hit);
    log
}

/// Lines of a signal, the first and the last at these seconds since [`BOOT`].
pub(crate) fn hit(signal: &str, fields: &[(&str, &str)], count: u64, span: Option<(i64, i64)>) -> Hit {
    let mut fields: BTreeMap<String, String> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    // What the scanner finds in the wordings of the time.
    if signal.starts_with("cgroup-mkdir") {
        fields.entry("wording".to_owned()).or_insert_with(|| "other".to_owned());
    }
    let moment =
        |seconds: i64| Moment { uptime_ms: Some(seconds * 1000), unix_ms: Some((BOOT + seconds) * 1000) };
    Hit {
        signal: signal.to_owned(),
        fields,
        count,
        first: span.map(|(first, _)| moment(first)),
        last: span.map(|(_, last)| moment(last)),
        sample: String::new(),
    }
}
