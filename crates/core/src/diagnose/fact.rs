//! The facts that conditions name, worked out from a snapshot. One function a fact; each says what it rests on. No
//! thresholds: those are the advisories'.

mod memory;

use std::collections::BTreeMap;

use crate::condition::{Condition, Facts, Missing, Reading, Runs, Type, Value};
use crate::document::snapshot::{AccountingCounts, Class, Hit, LogKind, LogWindow, Program, Snapshot};
use crate::document::{Bounds, Fact, Reason, Why};
use crate::knowledge::KnowledgeBase;
use crate::knowledge::advisory::Advisory;
use crate::knowledge::feature::{NOKMEM, PRIVATE_MEMCG_IDS};
use crate::knowledge::range::KernelIdentity;
use crate::version::KernelVersion;

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
