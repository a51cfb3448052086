//! The facts that conditions name, worked out from a snapshot. One function a fact; each says what it rests on. No
//! thresholds: those are the advisories'.

use std::collections::BTreeMap;

use crate::condition::{Condition, Facts, Missing, Reading, Runs, Type, Value};
use crate::document::snapshot::{
    AccountingCounts, Class, Hit, LogKind, LogWindow, MemoryHierarchy, Program, SlabCaches, Snapshot,
};
use crate::document::{Bounds, Fact, Reason, Why};
use crate::knowledge::KnowledgeBase;
use crate::knowledge::advisory::Advisory;
use crate::knowledge::feature::{NOKMEM, PRIVATE_MEMCG_IDS};
use crate::knowledge::range::KernelIdentity;
use crate::version::KernelVersion;

/// Ids of memory cgroups: 1 to 65,535 (`MEM_CGROUP_ID_MAX` and, before it, the 16 bits of a css id).
const MEMCG_IDS: u64 = 65_535;

/// From here on kernel memory accounting is on unless it is switched off at boot (4.5 made it so for version 2, 4.6 is
/// what the distributions ship of it).
const ACCOUNTED_BY_DEFAULT: KernelVersion = KernelVersion::new(4, 6, 0);

/// From here on a removed cgroup stays as long as pages are charged to it, and `/proc/cgroups` counts it.
const DYING_ARE_COUNTED: KernelVersion = KernelVersion::new(3, 19, 0);

/// Names of cgroups are up to 80 characters long, and a sentence has to stay readable.
const SHOWN_EXAMPLES: usize = 2;

/// What every run of a signal has, in seconds and lines, beside the signal's own fields.
pub const RUN_FACTS: [&str; 3] = ["duration", "ago", "lines"];

/// The facts, with their types.
const FACTS: &[(&str, Type)] = &[
    ("accounted_cgroups", Type::Count),
    ("accounting_off", Type::Bool),
    ("accounting_off_everywhere", Type::Bool),
    ("accounting_on", Type::Bool),
    ("affected", Type::Bool),
    ("boot_arguments", Type::Word),
    ("dead_examples", Type::Word),
    ("dead_ids", Type::Count),
    ("dying_cgroups", Type::Count),
    ("exhaustion_date", Type::Word),
    ("inspected_cgroups", Type::Count),
    ("kernel", Type::Version),
    ("kernel_release", Type::Word),
    ("kmem_built", Type::Bool),
    ("leak_rate", Type::Count),
    ("live_cgroups", Type::Count),
    ("log_covers_boot", Type::Bool),
    ("memory_controller", Type::Bool),
    ("nokmem_effective", Type::Bool),
    ("nokmem_given", Type::Bool),
    ("nokmem_honoured", Type::Bool),
    ("num_cgroups", Type::Count),
    ("private_memcg_ids", Type::Bool),
    ("slab_unreclaimable", Type::Count),
    ("stuck_netns_seconds", Type::Count),
    ("stuck_netns_tasks", Type::Count),
    ("switcher_names", Type::Word),
    ("switchers_off", Type::Bool),
    ("switchers_on", Type::Count),
    ("uptime", Type::Count),
    ("used_ids", Type::Count),
];

/// The names of all facts.
pub fn names() -> impl Iterator<Item = &'static str> {
    FACTS.iter().map(|(name, _)| *name)
}

/// The type of the fact of this name.
#[must_use]
pub fn type_of(name: &str) -> Option<Type> {
    FACTS.iter().find(|(fact, _)| *fact == name).map(|(_, kind)| *kind)
}

/// The stream of the running kernel; more than one name where the facts leave a choice.
#[must_use]
pub fn stream(snapshot: &Snapshot, knowledge: &KnowledgeBase) -> Fact<String> {
    let streams = identify(snapshot, knowledge).streams;
    if streams.is_empty() {
        return Fact::unknown(Reason::NotTold, snapshot.kernel.release.from(), "");
    }
    let names: Vec<String> = streams.into_iter().map(|(name, _)| name).collect();
    Fact::known(names.join(" | "), snapshot.kernel.release.from())
}

pub(crate) fn identify(snapshot: &Snapshot, knowledge: &KnowledgeBase) -> KernelIdentity {
    let release = snapshot.kernel.release.value().map(String::as_str);
    let reading = knowledge.streams.identify(release, snapshot.distribution.value());
    let order = |stream: &String| Some((stream.clone(), knowledge.streams.order(stream)?));
    KernelIdentity {
        base: reading.base(),
        streams: reading.streams.iter().filter_map(order).collect(),
        release: reading.package_version.or(release.map(str::to_owned)),
    }
}

/// The facts of one snapshot, as one advisory sees them.
pub struct SnapshotFacts<'a> {
    snapshot: &'a Snapshot,
    knowledge: &'a KnowledgeBase,
    advisory: &'a Advisory,
    kernel: KernelIdentity,
}

type Answer = Result<Reading, Missing>;

impl<'a> SnapshotFacts<'a> {
    /// The facts of `snapshot` for the signs of `advisory`.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot, knowledge: &'a KnowledgeBase, advisory: &'a Advisory) -> Self {
        Self { snapshot, knowledge, advisory, kernel: identify(snapshot, knowledge) }
    }

    fn kernel(&self) -> Result<KernelVersion, Missing> {
        match &self.snapshot.kernel.release {
            Fact::Known { from, value } => {
                self.kernel.base.ok_or_else(|| missing("kernel", Reason::Malformed, from, value))
            }
            other => Err(not_known("kernel", other)),
        }
    }

    fn kernel_from(&self) -> Vec<String> {
        vec![self.snapshot.kernel.release.from().to_owned()]
    }

    /// Whether the kernel is one that the advisory is about.
    fn affected(&self) -> Answer {
        let mut open = None;
        for entry in &self.advisory.affected {
            let in_range = entry.range.contains(&self.kernel);
            if in_range == Some(false) {
                continue;
            }
            let outcome = entry.when.as_ref().map(|when| when.evaluate(self));
            match (in_range, outcome) {
                (Some(true), None) => return Ok(self.about_kernel(true)),
                (_, Some(outcome)) if outcome.holds == Some(false) => {}
                (Some(true), Some(outcome)) if outcome.holds == Some(true) => {
                    return Ok(self.about_kernel(true));
                }
                (Some(true), Some(outcome)) => open = outcome.missing.into_iter().next(),
                _ => open = Some(self.kernel_untold("affected")),
            }
        }
        match open {
            Some(missing) => Err(missing),
            None => Ok(self.about_kernel(false)),
        }
    }

    fn about_kernel(&self, value: bool) -> Reading {
        Reading { value: Value::Bool(value), from: self.kernel_from() }
    }

    /// That the release doesn't tell, or that there is no release.
    fn kernel_untold(&self, fact: &str) -> Missing {
        match &self.snapshot.kernel.release {
            Fact::Known { value, from } => missing(fact, Reason::NotTold, from, value),
            other => not_known(fact, other),
        }
    }

    fn feature(&self, fact: &str, feature: &str) -> Answer {
        let has = self.knowledge.features.has(feature, &self.kernel);
        has.map(|has| self.about_kernel(has)).ok_or_else(|| self.kernel_untold(fact))
    }

    fn memory(&self, fact: &str) -> Result<&MemoryHierarchy, Missing> {
        self.snapshot.cgroups.memory.value().ok_or_else(|| not_known(fact, &self.snapshot.cgroups.memory))
    }

    /// The kmem files of version 1; version 2 has none, and no switch but the boot argument.
    fn accounting(&self, fact: &str) -> Result<&AccountingCounts, Missing> {
        Ok(&self.memory(fact)?.accounting)
    }

    fn slab(&self, fact: &str) -> Result<&SlabCaches, Missing> {
        self.snapshot.slab.value().ok_or_else(|| not_known(fact, &self.snapshot.slab))
    }

    /// Whether kernel memory accounting is built in: the option says so, or its files are there.
    fn kmem_built(&self) -> Answer {
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

    fn nokmem_given(&self) -> Answer {
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
    fn nokmem_effective(&self) -> Answer {
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

    fn accounting_on(&self) -> Answer {
        let accounting = self.accounting("accounting_on")?;
        let from = || accounting.example_on.iter().cloned().collect();
        if accounting.on > 0 {
            return Ok(Reading { value: Value::Bool(true), from: from() });
        }
        self.accounting_off_everywhere("accounting_on")
            .map(|off| Reading { value: Value::Bool(off.value != Value::Bool(true)), from: off.from })
    }

    /// Whether accounting is off in every cgroup that was looked at, and at least one was.
    fn accounting_off(&self, fact: &str) -> Answer {
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

    fn accounting_off_everywhere(&self, fact: &str) -> Answer {
        let off = self.accounting_off(fact)?;
        let memory = self.memory(fact)?;
        let unseen = memory.accounting.not_looked_at;
        if off.value == Value::Bool(true) && unseen > 0 {
            return Err(missing(fact, Reason::Cut, &memory.path, &unseen.to_string()));
        }
        Ok(off)
    }

    fn live_cgroups(&self) -> Result<(Bounds, String), Missing> {
        let memory = self.memory("live_cgroups")?;
        Ok((memory.directories, memory.path.clone()))
    }

    fn dead_ids(&self) -> Result<(Bounds, String), Missing> {
        let caches = self.slab("dead_ids")?;
        Ok((caches.dead_ids, self.snapshot.slab.from().to_owned()))
    }

    fn num_cgroups(&self, fact: &str) -> Result<(u64, String), Missing> {
        let controllers = &self.snapshot.cgroups.controllers;
        let known = controllers.value().ok_or_else(|| not_known(fact, controllers))?;
        let from = controllers.from();
        let memory = known.get("memory").ok_or_else(|| missing(fact, Reason::NotTold, from, ""))?;
        Ok((memory.num_cgroups, from.to_owned()))
    }

    /// How many of the 65,535 ids are in use. On 3.10 an id is in use by a live cgroup or by the caches of a dead one;
    /// from 3.19 to 4.6 by whatever still holds the cgroup; later, and with version 2, by live cgroups alone.
    fn used_ids(&self) -> Answer {
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

    fn dying_cgroups(&self) -> Answer {
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
    fn leak_rate(&self) -> Answer {
        let (dead, from) = self.dead_ids()?;
        let uptime = self.uptime()?;
        let seconds = if let Value::Count(bounds) = uptime.value { bounds.at_least.max(1) } else { 1 };
        let rate = u128::from(dead.at_least) * 86_400 / u128::from(seconds);
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        let bounds = Bounds { at_least: rate, at_most: dead.as_exact().map(|_| rate) };
        Ok(Reading { value: Value::Count(bounds), from: [vec![from], uptime.from].concat() })
    }

    /// The day on which the ids run out if they go on leaking at the average rate since boot.
    fn exhaustion_date(&self) -> Answer {
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

    fn uptime(&self) -> Answer {
        from_fact("uptime", &self.snapshot.kernel.uptime, |seconds| Value::count(*seconds))
    }

    /// The programs that can switch accounting on and are classified so.
    fn switchers(&self, class: &[Class]) -> Vec<&Program> {
        let is = |program: &&Program| class_of(program).is_some_and(|found| class.contains(&found));
        self.snapshot.programs.found.iter().filter(is).collect()
    }

    fn switchers_on(&self) -> Reading {
        let on = self.switchers(&[Class::On]);
        let count = on.len() as u64;
        let at_most = self.snapshot.programs.gaps.is_empty().then_some(count);
        let from = on.into_iter().map(|program| program.path.clone()).collect();
        Reading { value: Value::Count(Bounds { at_least: count, at_most }), from }
    }

    fn switcher_names(&self) -> Reading {
        let name = |program: &&Program| match program.version.value() {
            Some(version) => format!("{} {version}", program.name),
            None => program.name.clone(),
        };
        let on = self.switchers(&[Class::On]);
        let mut names: Vec<String> = on.iter().map(name).collect();
        names.dedup();
        let from = on.into_iter().map(|program| program.path.clone()).collect();
        Reading { value: Value::Word(names.join(", ")), from }
    }

    /// Whether every runtime and kubelet is known not to switch accounting on, or it is known that there is none.
    fn switchers_off(&self) -> Answer {
        let programs = &self.snapshot.programs;
        let off = self.switchers(&[Class::Off, Class::Ignored, Class::NotLibcontainer]).len();
        let on = self.switchers(&[Class::On, Class::OnDemand]).len();
        let from: Vec<String> = programs.found.iter().map(|program| program.path.clone()).collect();
        if on > 0 {
            return Ok(Reading { value: Value::Bool(false), from });
        }
        if let Some(why) = programs.gaps.first() {
            return Err(Missing { fact: "switchers_off".to_owned(), why: why.clone() });
        }
        if off < programs.found.len() {
            let untold = programs.found.iter().find(|program| {
                !matches!(class_of(program), Some(Class::Off | Class::Ignored | Class::NotLibcontainer))
            });
            let path = untold.map_or("", |program| &program.path);
            return Err(missing("switchers_off", Reason::NotTold, path, ""));
        }
        Ok(Reading { value: Value::Bool(true), from })
    }

    /// The longest time that a task has stood in the code of network namespaces.
    fn stuck_netns_seconds(&self) -> Answer {
        from_fact("stuck_netns_seconds", &self.snapshot.stuck_tasks, |tasks| {
            let longest = tasks.iter().filter_map(|task| task.blocked_for).max().unwrap_or(0);
            let timed = tasks.iter().all(|task| task.blocked_for.is_some());
            Value::Count(Bounds { at_least: longest, at_most: timed.then_some(longest) })
        })
    }

    /// Whether the kernel prints the lines of the signal.
    fn is_kernels(&self, signal: &str) -> bool {
        self.knowledge.signals.signals().iter().any(|known| known.name == signal && known.source == "kernel")
    }

    /// The windows in which lines of the signal would be.
    fn windows(&self, signal: &str) -> impl Iterator<Item = &'a LogWindow> {
        let kernel = self.is_kernels(signal);
        self.snapshot.logs.iter().filter(move |window| match window.kind {
            LogKind::Kernel => kernel,
            LogKind::System => true,
            LogKind::Program => !kernel,
        })
    }

    /// The moment of collection in milliseconds by each clock; where it isn't known, the last line of the log is taken.
    fn now(&self, window: &LogWindow) -> (Option<i64>, Option<i64>) {
        let uptime = self.snapshot.kernel.uptime.value().and_then(|seconds| i64::try_from(*seconds).ok());
        let unix = self.snapshot.collected_at.value();
        let last = window.last;
        (
            uptime.map(|seconds| seconds.saturating_mul(1000)).or(last.and_then(|moment| moment.uptime_ms)),
            unix.map(|seconds| seconds.saturating_mul(1000)).or(last.and_then(|moment| moment.unix_ms)),
        )
    }

    /// Whether a run ended after the boot. Lines that bear no time are of this boot in the kernel's own buffer, and
    /// where no boot is known at all.
    fn is_of_this_boot(&self, hit: &Hit, window: &LogWindow) -> bool {
        let booted_ms = self.snapshot.kernel.booted_at.value().map(|seconds| seconds.saturating_mul(1000));
        match (hit.last, booted_ms) {
            (Some(moment), _) if moment.uptime_ms.is_some_and(|uptime| uptime < 0) => false,
            (Some(moment), Some(booted)) => moment.unix_ms.is_none_or(|unix| unix >= booted),
            (Some(_), None) => true,
            (None, booted) => window.kind == LogKind::Kernel || booted.is_none(),
        }
    }

    fn run(&self, hit: &Hit, window: &LogWindow) -> BTreeMap<String, Reading> {
        let from = || vec![window.sources.first().cloned().unwrap_or_else(|| window.log.clone())];
        let reading = |value| Reading { value, from: from() };
        let mut run: BTreeMap<String, Reading> = hit
            .fields
            .iter()
            .map(|(name, value)| (name.clone(), reading(Value::Word(value.clone()))))
            .collect();
        run.insert("lines".to_owned(), reading(Value::count(hit.count)));
        let seconds = |ms: i64| u64::try_from(ms.max(0) / 1000).unwrap_or(0);
        if hit.count == 1 {
            // Also where nothing tells when it was.
            run.insert("duration".to_owned(), reading(Value::count(0)));
        }
        if let (Some(first), Some(last)) = (hit.first, hit.last) {
            let span = |from: Option<i64>, to: Option<i64>| Some(to?.saturating_sub(from?));
            let duration =
                span(first.uptime_ms, last.uptime_ms).or_else(|| span(first.unix_ms, last.unix_ms));
            if let Some(duration) = duration {
                run.insert("duration".to_owned(), reading(Value::count(seconds(duration))));
            }
            let (uptime, unix) = self.now(window);
            let ago = span(last.uptime_ms, uptime).or_else(|| span(last.unix_ms, unix));
            if let Some(ago) = ago {
                run.insert("ago".to_owned(), reading(Value::count(seconds(ago))));
                // To people it means something only where it is known when the facts were read.
                if self.snapshot.kernel.uptime.value().is_some()
                    || self.snapshot.collected_at.value().is_some()
                {
                    run.insert("since".to_owned(), reading(Value::count(seconds(ago))));
                }
            }
        }
        run
    }
}

impl Facts for SnapshotFacts<'_> {
    fn fact(&self, name: &str) -> Answer {
        let bounds =
            |(bounds, from): (Bounds, String)| Reading { value: Value::Count(bounds), from: vec![from] };
        let snapshot = self.snapshot;
        match name {
            "accounted_cgroups" => self.accounting(name).map(|accounting| Reading {
                value: Value::count(accounting.on),
                from: accounting.example_on.iter().cloned().collect(),
            }),
            "accounting_off" => self.accounting_off(name),
            "accounting_off_everywhere" => self.accounting_off_everywhere(name),
            "accounting_on" => self.accounting_on(),
            "affected" => self.affected(),
            "boot_arguments" => {
                from_fact(name, &snapshot.kernel.arguments, |arguments| Value::Word(arguments.join(" ")))
            }
            "dead_examples" => from_fact(name, &snapshot.slab, |slab| {
                let few: Vec<&str> = slab.examples.iter().map(String::as_str).take(SHOWN_EXAMPLES).collect();
                Value::Word(few.join(", "))
            }),
            "dead_ids" => self.dead_ids().map(bounds),
            "dying_cgroups" => self.dying_cgroups(),
            "exhaustion_date" => self.exhaustion_date(),
            "inspected_cgroups" => self.memory(name).map(|memory| {
                let AccountingCounts { on, refused, silent, not_told, .. } = memory.accounting;
                Reading {
                    value: Value::count(on + refused + silent + not_told),
                    from: vec![memory.path.clone()],
                }
            }),
            "kernel" => self
                .kernel()
                .map(|version| Reading { value: Value::Version(version), from: self.kernel_from() }),
            "kernel_release" => {
                from_fact(name, &snapshot.kernel.release, |release| Value::Word(release.clone()))
            }
            "kmem_built" => self.kmem_built(),
            "leak_rate" => self.leak_rate(),
            "live_cgroups" => self.live_cgroups().map(bounds),
            "log_covers_boot" => {
                let covering = snapshot.logs.iter().find(|window| {
                    window.kind != LogKind::Program && window.covers_boot.value() == Some(&true)
                });
                let window = covering.ok_or_else(|| missing(name, Reason::NotTold, "", ""))?;
                Ok(Reading {
                    value: Value::Bool(true),
                    from: window.sources.iter().take(1).cloned().collect(),
                })
            }
            "memory_controller" => match &snapshot.cgroups.memory {
                Fact::Known { from, .. } => {
                    Ok(Reading { value: Value::Bool(true), from: vec![from.clone()] })
                }
                Fact::Absent { from } => Ok(Reading { value: Value::Bool(false), from: vec![from.clone()] }),
                other @ Fact::Unknown { .. } => Err(not_known(name, other)),
            },
            "nokmem_effective" => self.nokmem_effective(),
            "nokmem_given" => self.nokmem_given(),
            "nokmem_honoured" => self.feature(name, NOKMEM),
            "num_cgroups" => self.num_cgroups(name).map(|(count, from)| bounds((Bounds::exact(count), from))),
            "private_memcg_ids" => self.feature(name, PRIVATE_MEMCG_IDS),
            "slab_unreclaimable" => {
                let memory = &snapshot.memory;
                let bytes = memory.value().ok_or_else(|| not_known(name, memory))?.get("SUnreclaim");
                let bytes = bytes.ok_or_else(|| missing(name, Reason::NotTold, memory.from(), ""))?;
                Ok(Reading { value: Value::count(*bytes), from: vec![memory.from().to_owned()] })
            }
            "stuck_netns_seconds" => self.stuck_netns_seconds(),
            "stuck_netns_tasks" => {
                from_fact(name, &snapshot.stuck_tasks, |tasks| Value::count(tasks.len() as u64))
            }
            "switcher_names" => Ok(self.switcher_names()),
            "switchers_off" => self.switchers_off(),
            "switchers_on" => Ok(self.switchers_on()),
            "uptime" => self.uptime(),
            "used_ids" => self.used_ids(),
            _ => Err(missing(name, Reason::NotTold, "", "")),
        }
    }

    fn runs(&self, signal: &str) -> Runs {
        let mut runs = Vec::new();
        let mut covered = false;
        let mut obstacle = None;
        for window in self.windows(signal) {
            let of_this_boot =
                window.hits.iter().filter(|hit| hit.signal == signal && self.is_of_this_boot(hit, window));
            runs.extend(of_this_boot.map(|hit| self.run(hit, window)));
            covered |= window.covers_boot.value() == Some(&true) && window.gaps.is_empty();
            if let Some(gap) = window.gaps.first() {
                obstacle.get_or_insert_with(|| gap.clone());
            } else if window.covers_boot.value() != Some(&true) {
                obstacle.get_or_insert_with(|| Why {
                    reason: if window.covers_boot.value() == Some(&false) {
                        Reason::Cut
                    } else {
                        Reason::NotTold
                    },
                    path: window.log.clone(),
                    detail: String::new(),
                });
            }
        }
        // The first run that fits is the one that is shown, and people want to know of the last.
        runs.sort_by_key(|run| match run.get("ago").map(|ago| &ago.value) {
            Some(Value::Count(ago)) => ago.at_least,
            _ => u64::MAX,
        });
        let missing = (!covered).then(|| Missing {
            fact: signal.to_owned(),
            why: obstacle.unwrap_or(Why {
                reason: Reason::NotCaptured,
                path: if self.is_kernels(signal) { "/dev/kmsg" } else { "/var/log/messages" }.to_owned(),
                detail: String::new(),
            }),
        });
        Runs { runs, missing }
    }

    fn sign(&self, name: &str) -> Option<&Condition> {
        self.advisory.sign(name).map(|sign| &sign.when)
    }
}

fn class_of(program: &Program) -> Option<Class> {
    program.classification.value().map(|found| found.class)
}

fn missing(fact: &str, reason: Reason, path: &str, detail: &str) -> Missing {
    Missing { fact: fact.to_owned(), why: Why { reason, path: path.to_owned(), detail: detail.to_owned() } }
}

/// That a fact is missing because `source` is.
fn not_known<T>(fact: &str, source: &Fact<T>) -> Missing {
    match source {
        Fact::Unknown { why } => Missing { fact: fact.to_owned(), why: why.clone() },
        Fact::Absent { from } | Fact::Known { from, .. } => missing(fact, Reason::NotTold, from, ""),
    }
}

fn from_fact<T>(name: &str, source: &Fact<T>, value: impl FnOnce(&T) -> Value) -> Answer {
    match source {
        Fact::Known { value: known, from } => Ok(Reading { value: value(known), from: vec![from.clone()] }),
        other => Err(not_known(name, other)),
    }
}
