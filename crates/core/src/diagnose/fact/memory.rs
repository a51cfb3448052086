//! The facts about control groups of memory: whether kernel memory is accounted, which ids are in use, and how they leak.

use crate::condition::{Missing, Reading, Value};
use crate::document::snapshot::{AccountingCounts, MemoryHierarchy, SlabCaches};
use crate::document::{Bounds, Reason};
use crate::knowledge::feature::{NOKMEM, PRIVATE_MEMCG_IDS};
use crate::version::KernelVersion;

use super::{Answer, SnapshotFacts, from_fact, missing, not_known};

/// Ids of memory cgroups: 1 to 65,535 (`MEM_CGROUP_ID_MAX` and, before it, the 16 bits of a css id).
const MEMCG_IDS: u64 = 65_535;

/// From here on kernel memory accounting is on unless it is switched off at boot (4.5 made it so for version 2, 4.6 is
/// what the distributions ship of it).
const ACCOUNTED_BY_DEFAULT: KernelVersion = KernelVersion::new(4, 6, 0);

/// From here on a removed cgroup stays as long as pages are charged to it, and `/proc/cgroups` counts it.
const DYING_ARE_COUNTED: KernelVersion = KernelVersion::new(3, 19, 0);

impl SnapshotFacts<'_> {
    pub(super) fn memory(&self, fact: &str) -> Result<&MemoryHierarchy, Missing> {
        self.snapshot.cgroups.memory.value().ok_or_else(|| not_known(fact, &self.snapshot.cgroups.memory))
    }

    /// The kmem files of version 1; version 2 has none, and no switch but the boot argument.
    pub(super) fn accounting(&self, fact: &str) -> Result<&AccountingCounts, Missing> {
        Ok(&self.memory(fact)?.accounting)
    }

    fn slab(&self, fact: &str) -> Result<&SlabCaches, Missing> {
        self.snapshot.slab.value().ok_or_else(|| not_known(fact, &self.snapshot.slab))
    }

    /// Whether kernel memory accounting is built in: the option says so, or its files are there.
    pub(super) fn kmem_built(&self) -> Answer {
        let from_option = || {
            let options = &self.snapshot.kernel.options;
            let value = options.value()?.get("CONFIG_MEMCG_KMEM")?;
            Some(Reading { value: Value::Bool(value == "y"), from: vec![options.from().to_owned()] })
        };
        if let Ok(memory) = self.memory("kmem_built")
            && memory.accounting.files
        {
            return Ok(Reading { value: Value::Bool(true), from: vec![memory.path.clone()] });
        }
        from_option().ok_or_else(|| not_known("kmem_built", &self.snapshot.kernel.options))
    }

    pub(super) fn nokmem_given(&self) -> Answer {
        let arguments = &self.snapshot.kernel.arguments;
        let given =
            arguments.value().ok_or_else(|| not_known("nokmem_given", arguments))?.iter().any(|argument| {
                argument
                    .strip_prefix("cgroup.memory=")
                    .is_some_and(|options| options.split(',').any(|o| o == "nokmem"))
            });
        Ok(Reading { value: Value::Bool(given), from: vec![arguments.from().to_owned()] })
    }

    /// Whether `nokmem` is in force: given, and the kernel has the parser. Where it isn't known whether it has, the state
    /// decides.
    pub(super) fn nokmem_effective(&self) -> Answer {
        let given = self.nokmem_given()?;
        if given.value == Value::Bool(false) {
            return Ok(given);
        }
        match self.feature("nokmem_honoured", NOKMEM) {
            Ok(honoured) => Ok(Reading { value: honoured.value, from: given.from }),
            Err(untold) => {
                let accounting = self.accounting("nokmem_effective")?;
                if accounting.on > 0 {
                    Ok(Reading {
                        value: Value::Bool(false),
                        from: accounting.example_on.iter().cloned().collect(),
                    })
                } else if accounting.refused > 0 {
                    Ok(Reading { value: Value::Bool(true), from: given.from })
                } else {
                    Err(untold)
                }
            }
        }
    }

    pub(super) fn accounting_on(&self) -> Answer {
        let accounting = self.accounting("accounting_on")?;
        let from = || accounting.example_on.iter().cloned().collect();
        if accounting.on > 0 {
            return Ok(Reading { value: Value::Bool(true), from: from() });
        }
        self.accounting_off_everywhere("accounting_on")
            .map(|off| Reading { value: Value::Bool(off.value != Value::Bool(true)), from: off.from })
    }

    /// Whether accounting is off in every cgroup that was looked at, and at least one was.
    pub(super) fn accounting_off(&self, fact: &str) -> Answer {
        let memory = self.memory(fact)?;
        let counts = &memory.accounting;
        let from = counts.example_off.iter().chain(&counts.example_on).take(1).cloned().collect();
        if counts.on > 0 {
            return Ok(Reading { value: Value::Bool(false), from });
        }
        // Silence means off only where accounting would be on by itself and is switched off at boot.
        let silence_is_off = counts.silent == 0
            || (self.kernel()? >= ACCOUNTED_BY_DEFAULT
                && self.nokmem_effective()?.value == Value::Bool(true));
        if counts.refused + counts.silent > 0 && counts.not_told == 0 && silence_is_off {
            return Ok(Reading { value: Value::Bool(true), from });
        }
        Err(missing(fact, Reason::NotTold, &memory.path, ""))
    }

    pub(super) fn accounting_off_everywhere(&self, fact: &str) -> Answer {
        let off = self.accounting_off(fact)?;
        let memory = self.memory(fact)?;
        let unseen = memory.accounting.not_looked_at;
        if off.value == Value::Bool(true) && unseen > 0 {
            return Err(missing(fact, Reason::Cut, &memory.path, &unseen.to_string()));
        }
        Ok(off)
    }

    pub(super) fn live_cgroups(&self) -> Result<(Bounds, String), Missing> {
        let memory = self.memory("live_cgroups")?;
        Ok((memory.directories, memory.path.clone()))
    }

    pub(super) fn dead_ids(&self) -> Result<(Bounds, String), Missing> {
        let caches = self.slab("dead_ids")?;
        Ok((caches.dead_ids, self.snapshot.slab.from().to_owned()))
    }

    pub(super) fn num_cgroups(&self, fact: &str) -> Result<(u64, String), Missing> {
        let controllers = &self.snapshot.cgroups.controllers;
        let known = controllers.value().ok_or_else(|| not_known(fact, controllers))?;
        let from = controllers.from();
        let memory = known.get("memory").ok_or_else(|| missing(fact, Reason::NotTold, from, ""))?;
        Ok((memory.num_cgroups, from.to_owned()))
    }

    /// How many of the 65,535 ids are in use. On 3.10 an id is in use by a live cgroup or by the caches of a dead one;
    /// from 3.19 to 4.6 by whatever still holds the cgroup; later, and with version 2, by live cgroups alone.
    pub(super) fn used_ids(&self) -> Answer {
        let (live, live_from) = self.live_cgroups()?;
        let version_2 = self.memory("used_ids")?.version == 2;
        let count = |bounds, from| Ok(Reading { value: Value::Count(bounds), from });
        if version_2 {
            return count(live, vec![live_from]);
        }
        if self.kernel()? < DYING_ARE_COUNTED {
            return match self.dead_ids() {
                Ok((dead, dead_from)) => count(live.plus(dead), vec![dead_from, live_from]),
                // Without `name(N:cgroup)` entries to be read, the live ones are a lower bound.
                Err(_) => count(Bounds { at_least: live.at_least, at_most: None }, vec![live_from]),
            };
        }
        match self.feature("private_memcg_ids", PRIVATE_MEMCG_IDS) {
            Ok(Reading { value: Value::Bool(true), .. }) => count(live, vec![live_from]),
            Ok(_) => {
                let (all, from) = self.num_cgroups("used_ids")?;
                count(Bounds::exact(all), vec![from])
            }
            Err(_) => {
                let (all, from) = self.num_cgroups("used_ids")?;
                count(Bounds { at_least: live.at_least.min(all), at_most: Some(all) }, vec![from, live_from])
            }
        }
    }

    pub(super) fn dying_cgroups(&self) -> Answer {
        let memory = self.memory("dying_cgroups")?;
        if memory.version == 2 {
            return from_fact("dying_cgroups", &self.snapshot.cgroups.dying_v2, |dying| Value::count(*dying));
        }
        if self.kernel()? < DYING_ARE_COUNTED {
            return Err(missing("dying_cgroups", Reason::NotTold, self.snapshot.kernel.release.from(), ""));
        }
        let (all, from) = self.num_cgroups("dying_cgroups")?;
        let dying = Bounds::exact(all).minus(memory.directories);
        Ok(Reading { value: Value::Count(dying), from: vec![from, memory.path.clone()] })
    }

    /// Dead ids by uptime, as ids a day: an average since boot and not a trend.
    pub(super) fn leak_rate(&self) -> Answer {
        let (dead, from) = self.dead_ids()?;
        let uptime = self.uptime()?;
        let seconds = if let Value::Count(bounds) = uptime.value { bounds.at_least.max(1) } else { 1 };
        let rate = u128::from(dead.at_least) * 86_400 / u128::from(seconds);
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        let bounds = Bounds { at_least: rate, at_most: dead.as_exact().map(|_| rate) };
        Ok(Reading { value: Value::Count(bounds), from: [vec![from], uptime.from].concat() })
    }

    /// The day on which the ids run out if they go on leaking at the average rate since boot.
    pub(super) fn exhaustion_date(&self) -> Answer {
        let fact = "exhaustion_date";
        let rate = self.leak_rate()?;
        let used = self.used_ids()?;
        let now = &self.snapshot.collected_at;
        let (Value::Count(rate_bounds), Value::Count(used_bounds)) = (&rate.value, &used.value) else {
            return Err(missing(fact, Reason::NotTold, "", ""));
        };
        let left = i64::try_from(MEMCG_IDS.saturating_sub(used_bounds.at_least)).unwrap_or(i64::MAX);
        let rate_a_day = i64::try_from(rate_bounds.at_least).ok().filter(|rate| *rate > 0);
        let seconds = rate_a_day.map(|rate| left.saturating_mul(86_400) / rate);
        let now_seconds = now.value().ok_or_else(|| not_known(fact, now))?;
        let date = seconds
            .and_then(|seconds| now_seconds.checked_add(seconds))
            .and_then(|then| jiff::Timestamp::from_second(then).ok())
            .map(|then| jiff::tz::TimeZone::UTC.to_datetime(then).date().to_string());
        let date = date.ok_or_else(|| missing(fact, Reason::NotTold, now.from(), ""))?;
        Ok(Reading { value: Value::Word(date), from: [rate.from, used.from].concat() })
    }
}
