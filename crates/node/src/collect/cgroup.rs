//! Control groups: which versions are mounted, what `/proc/cgroups` counts, how many memory cgroups live, whether their
//! kernel memory accounting is on, and which ids in `/sys/kernel/slab` belong to none of them.
//!
//! A node can have a million cgroups. Each directory is listed once; `memory.kmem.*` is read only where it tells
//! something: of the first cgroups, and of each that bears the name of an entry of `/sys/kernel/slab`.

use kernmend_core::document::snapshot::{AccountingCounts, Cgroups, MemoryHierarchy, Origin, SlabCaches};
use kernmend_core::document::{Bounds, Fact, Reason, Why};
use kernmend_core::format::cgroup::{self, Accounting, Mount, Slabinfo, accounting, controllers, mode};
use kernmend_core::slab::SlabCount;
use rustix::io::Errno;

use super::{LARGE, SMALL, first_told};
use crate::host::{Answer, Host, Kind, Listing, Stage, Want};

/// Mounts, as the first process sees them: kernmend itself may run in a container.
const MOUNTS: [&str; 3] = ["/proc/1/mounts", "/proc/self/mounts", "/proc/mounts"];

/// `/sys/kernel/slab` of a node that leaks has had 140,000 entries.
const MAX_SLAB_ENTRIES: usize = 300_000;

/// Directories in one cgroup: the whole id space, and half as many again.
const MAX_CHILDREN: usize = 100_000;

/// How many cgroups are asked for their accounting; inheritance makes neighbours alike, so a part tells enough.
const MAX_INSPECTED: u64 = 1024;

/// How many children of a cgroup a captured root keeps at most: where so many are there, others may be missing.
const KEPT_CHILDREN: usize = 6;

/// Where the walk over cgroups stops: deeper ones can't have been made by a container runtime.
const MAX_DEPTH: usize = 128;

/// How often the progress of the walk is told.
const TELL_EVERY: u64 = 1024;

pub(super) struct CgroupsAndSlab {
    pub(super) cgroups: Cgroups,
    pub(super) slab: Fact<SlabCaches>,
}

/// The hierarchy that carries the memory controller, where nothing else is asked for.
pub(crate) fn memory(host: &Host<'_>) -> Fact<MemoryHierarchy> {
    collect(host).cgroups.memory
}

pub(super) fn collect(host: &Host<'_>) -> CgroupsAndSlab {
    let mounts = mounts(host);
    let controllers = host.text("/proc/cgroups", SMALL).parse(|text| controllers(text));
    let place = memory_place(host, &mounts);

    let listing = host.list("/sys/kernel/slab", Want::All, MAX_SLAB_ENTRIES);
    let mut slab = match &listing {
        Answer::Got(listing) => Some(start_slab(listing)),
        _ => None,
    };
    let version = place.clone().map(|place| (place.version, place.path));
    let memory = match place {
        Fact::Known { value, from } => match Walk::new(host, &value, &mut slab).run() {
            Ok(found) => Fact::Known { value: found, from },
            Err(why) => Fact::Unknown { why },
        },
        Fact::Absent { from } => Fact::Absent { from },
        Fact::Unknown { why } => Fact::Unknown { why },
    };
    let unseen = memory.value().map_or(0, |(_, unseen)| *unseen);
    let memory = memory.map(|(hierarchy, _)| hierarchy);
    let slab = match (slab, &memory) {
        // Without the live cgroups no id can be told to be dead.
        (Some(_), Fact::Unknown { why }) => Fact::Unknown { why: why.clone() },
        (Some(slab), _) => Fact::known(slab.finish(unseen), "/sys/kernel/slab"),
        (None, _) => listing.map(|_| SlabCaches::default()).fact("/sys/kernel/slab"),
    };
    CgroupsAndSlab {
        cgroups: Cgroups {
            mode: mounts
                .map(|mounts| mode(&mounts))
                .parse(|mode| mode.ok_or("no cgroup file system is mounted".into())),
            controllers,
            dying_v2: dying(host, version),
            memory,
        },
        slab,
    }
}

fn mounts(host: &Host<'_>) -> Fact<Vec<Mount>> {
    let told =
        first_told(MOUNTS.into_iter().map(|path| host.text(path, LARGE).map(|text| cgroup::mounts(&text))));
    match told {
        // Without `/proc` it isn't known what is mounted; that is not to say that nothing is.
        Fact::Absent { from } => Fact::unknown(Reason::NotTold, from, ""),
        told => told,
    }
}

/// Where the memory controller is mounted.
fn memory_place(host: &Host<'_>, mounts: &Fact<Vec<Mount>>) -> Fact<Mount> {
    let Fact::Known { value: mounts, from } = mounts else {
        return mounts.clone().parse(|_| Err(String::new()));
    };
    let v1 = |mount: &&Mount| mount.version == 1 && mount.options.iter().any(|option| option == "memory");
    // The same hierarchy can be mounted again elsewhere, into containers for one: the shortest path is the system's.
    let shortest =
        |mounts: &mut dyn Iterator<Item = &Mount>| mounts.min_by_key(|mount| mount.path.len()).cloned();
    if let Some(mount) = shortest(&mut mounts.iter().filter(v1)) {
        return Fact::known(mount, from);
    }
    let Some(mount) = shortest(&mut mounts.iter().filter(|mount| mount.version == 2)) else {
        return Fact::Absent { from: from.clone() };
    };
    let path = format!("{}/cgroup.controllers", mount.path);
    match host.text(&path, SMALL) {
        Fact::Known { value, .. } if value.split_whitespace().any(|name| name == "memory") => {
            Fact::known(mount, path)
        }
        Fact::Known { from, .. } | Fact::Absent { from } => Fact::Absent { from },
        Fact::Unknown { why } => Fact::Unknown { why },
    }
}

/// `nr_dying_descendants` of the version 2 root.
fn dying(host: &Host<'_>, memory: Fact<(u8, String)>) -> Fact<u64> {
    let path = match memory {
        Fact::Known { value: (2, path), .. } => path,
        Fact::Known { from, .. } | Fact::Absent { from } => return Fact::Absent { from },
        Fact::Unknown { why } => return Fact::Unknown { why },
    };
    host.text(&format!("{path}/cgroup.stat"), SMALL).parse(|text| {
        let number = text.lines().find_map(|line| line.strip_prefix("nr_dying_descendants "));
        number
            .and_then(|number| number.trim().parse().ok())
            .ok_or_else(|| "there is no nr_dying_descendants".into())
    })
}

fn start_slab(listing: &Listing) -> SlabCount<'_> {
    let told = listing.iter().all(|(_, kind)| kind != Kind::Untold);
    let directories = listing.iter().filter(|(_, kind)| *kind == Kind::Directory).count() as u64;
    SlabCount::new(
        listing.iter().map(|(name, _)| name),
        listing.total,
        (told && !listing.cut).then_some(directories),
    )
}

/// The walk over all memory cgroups.
struct Walk<'a, 'b, 'h> {
    host: &'a Host<'h>,
    path: String,
    version: u8,
    slab: &'a mut Option<SlabCount<'b>>,
    directories: u64,
    /// Whether a directory could not be listed, or the walk was bounded.
    incomplete: bool,
    counts: AccountingCounts,
    /// Of the children of each cgroup that may have more than a capture kept: whether one has accounting on.
    full_parent_has_on: bool,
}

impl<'a, 'b, 'h> Walk<'a, 'b, 'h> {
    fn new(host: &'a Host<'h>, place: &Mount, slab: &'a mut Option<SlabCount<'b>>) -> Self {
        Self {
            host,
            path: place.path.clone(),
            version: place.version,
            slab,
            directories: 1,
            incomplete: false,
            counts: AccountingCounts::default(),
            full_parent_has_on: false,
        }
    }

    /// Gives the hierarchy, and how many live cgroups may have accounting on without having been seen.
    fn run(mut self) -> Result<(MemoryHierarchy, u64), Why> {
        self.counts.files = self.version == 1 && self.has_kmem_files();
        self.descend()?;
        let captured = captured_count(self.host, "dirs_in_memory_hierarchy");
        let directories = match captured {
            Some(all) if all >= self.directories => Bounds::exact(all),
            _ => {
                Bounds { at_least: self.directories, at_most: (!self.incomplete).then_some(self.directories) }
            }
        };
        let not_kept = directories.at_least - self.directories;
        self.counts.not_looked_at += not_kept;
        // Children of a cgroup are alike: where those that were kept are off, those that weren't are taken for off too.
        let unseen = if self.full_parent_has_on { not_kept } else { 0 };
        let hierarchy =
            MemoryHierarchy { version: self.version, path: self.path, directories, accounting: self.counts };
        Ok((hierarchy, unseen))
    }

    fn has_kmem_files(&self) -> bool {
        let there = |name: &str| {
            !matches!(
                self.host.read(&format!("{}/{name}", self.path), SMALL),
                Answer::Absent | Answer::NotCaptured
            )
        };
        ["memory.kmem.usage_in_bytes", "memory.kmem.limit_in_bytes", "memory.kmem.slabinfo"]
            .into_iter()
            .any(there)
    }

    /// Goes through the tree depth first. What is held at any time is the listings on the way down, and one path.
    fn descend(&mut self) -> Result<(), Why> {
        let mut path = self.path.clone();
        let mut levels: Vec<Level> = Vec::new();
        levels.extend(self.top()?);
        while let Some(level) = levels.last_mut() {
            path.truncate(level.path_len);
            let Some((name, _)) = level.children.get(level.next) else {
                levels.pop();
                continue;
            };
            level.next += 1;
            let is_full = level.children.len() >= KEPT_CHILDREN;
            path.push('/');
            path.push_str(name);
            self.directories += 1;
            if self.directories.is_multiple_of(TELL_EVERY) {
                self.host.at(Stage::Cgroups(self.directories));
            }
            self.inspect(&path, is_full);
            if levels.len() >= MAX_DEPTH {
                self.incomplete = true;
                continue;
            }
            let below = self.level(&path);
            levels.extend(below);
        }
        Ok(())
    }

    /// The children of the root. Where it can't be listed nothing is known of the hierarchy.
    fn top(&mut self) -> Result<Option<Level>, Why> {
        let why = |reason, detail: &str| Why { reason, path: self.path.clone(), detail: detail.to_owned() };
        match self.host.list(&self.path, Want::Directories, MAX_CHILDREN) {
            Answer::Got(children) => {
                self.incomplete |= children.cut;
                let path_len = self.path.len();
                Ok((!children.is_empty()).then_some(Level { children, next: 0, path_len }))
            }
            // The first process sees other mounts than we do.
            Answer::Absent => Err(why(Reason::Contradicted, "it is mounted, and it isn't there")),
            // Of a captured root the number can be known all the same.
            Answer::NotCaptured => {
                self.incomplete = true;
                Ok(None)
            }
            answer @ Answer::Failed(_) => {
                Err(answer.obstacle(&self.path).unwrap_or_else(|| why(Reason::ReadFailed, "")))
            }
        }
    }

    fn level(&mut self, path: &str) -> Option<Level> {
        match self.host.list(path, Want::Directories, MAX_CHILDREN) {
            Answer::Got(children) => {
                self.incomplete |= children.cut;
                // A leaf needs no level of its own.
                (!children.is_empty()).then_some(Level { children, next: 0, path_len: path.len() })
            }
            // A cgroup may be removed between being listed and being looked at.
            Answer::Absent => None,
            Answer::NotCaptured | Answer::Failed(_) => {
                self.incomplete = true;
                None
            }
        }
    }

    /// Asks one cgroup below the root for its accounting, if the answer matters.
    fn inspect(&mut self, path: &str, is_full: bool) {
        if !self.counts.files {
            return;
        }
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_asked = self.slab.as_ref().is_some_and(|slab| slab.asks(name));
        let counts = &mut self.counts;
        if !is_asked && counts.on + counts.refused + counts.silent + counts.not_told >= MAX_INSPECTED {
            counts.not_looked_at += 1;
            return;
        }
        let (accounting, file) = ask(self.host, path);
        match accounting {
            Accounting::On => {
                counts.on += 1;
                counts.example_on.get_or_insert(file);
                self.full_parent_has_on |= is_full;
            }
            Accounting::Refused => {
                counts.refused += 1;
                counts.example_off.get_or_insert(file);
            }
            Accounting::Silent => {
                counts.silent += 1;
                counts.example_off.get_or_insert(file);
            }
            Accounting::NotTold => counts.not_told += 1,
        }
        if let (true, Some(slab)) = (is_asked, self.slab.as_mut()) {
            match accounting {
                Accounting::On => slab.live(name, Some(())),
                Accounting::NotTold | Accounting::Silent => slab.live(name, None),
                Accounting::Refused => {}
            }
        }
    }
}

/// A number that a captured root gives of a hierarchy of which it kept only a part.
fn captured_count(host: &Host<'_>, name: &str) -> Option<u64> {
    if host.origin() == Origin::Live {
        return None;
    }
    let counts = host.text("/_counts.txt", SMALL);
    let line = |line: &str| line.trim().strip_prefix(name)?.trim().parse().ok();
    counts.value()?.lines().find_map(line)
}

struct Level {
    children: Listing,
    next: usize,
    path_len: usize,
}

/// The file that shows accounting to be on in the cgroup that a container sees as its own; none where it is off, or the
/// kernel has no such files.
#[must_use]
pub fn accounted(host: &Host<'_>) -> Option<String> {
    let (told, from) = ask(host, "/sys/fs/cgroup/memory");
    (told == Accounting::On).then_some(from)
}

/// Asks a cgroup for its accounting; also gives the file that says it.
fn ask(host: &Host<'_>, path: &str) -> (Accounting, String) {
    let slabinfo = format!("{path}/memory.kmem.slabinfo");
    let answer = match host.read(&slabinfo, SMALL) {
        Answer::Got(content) if content.bytes.is_empty() => Slabinfo::Empty,
        Answer::Got(_) => return (accounting(Slabinfo::Filled, None), slabinfo),
        Answer::Failed(Errno::IO) => Slabinfo::Refused,
        Answer::Absent | Answer::NotCaptured => Slabinfo::NotRead,
        Answer::Failed(_) => Slabinfo::Failed,
    };
    let usage_file = format!("{path}/memory.kmem.usage_in_bytes");
    let usage = host.text(&usage_file, SMALL).value().and_then(|text| text.trim().parse::<u64>().ok());
    let told = accounting(answer, usage);
    let by_usage = matches!(told, Accounting::On | Accounting::Silent);
    (told, if by_usage { usage_file } else { slabinfo })
}
