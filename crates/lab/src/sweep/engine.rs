//! Runs the product's own code over one file, by its format, and puts what it says into a [`Reading`]. A format without a
//! reader gives an empty one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use kernmend_core::boot::Value as Setting;
use kernmend_core::boot::reading::{Boot, Source, of_text};
use kernmend_core::condition::{Facts as _, Value};
use kernmend_core::diagnose::diagnose;
use kernmend_core::diagnose::fact::SnapshotFacts;
use kernmend_core::document::report::{Report, Weight};
use kernmend_core::document::snapshot::{CgroupMode, LogKind, Origin, Snapshot};
use kernmend_core::document::{Document, Fact};
use kernmend_core::format::cgroup::{self, Accounting, Slabinfo, accounting};
use kernmend_core::format::distribution::{hostnamectl, os_release};
use kernmend_core::format::kernel;
use kernmend_core::format::nodes::{self, decode};
use kernmend_core::kernel::kernels;
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_core::knowledge::stream;
use kernmend_core::program::parse_version_output;
use kernmend_core::scan::{Clock, Scanner};
use kernmend_node::collect::collect;
use kernmend_node::host::Host;

use super::folder::RELEASE;
use super::judge::Reading;
use crate::LabError;

/// The advisory that the keys `leak` and `accounting` are about.
const LEAK: &str = "kmem-accounting-leak";

/// The programs whose versions are asked for.
const PROGRAMS: [&str; 5] = ["runc", "containerd", "docker", "kubelet", "crio"];

/// The keys that nodes answer.
const ALL_WORDS: [&str; 7] = ["kernel", "stream", "base", "kubelet", "containerd", "docker", "crio"];

/// The engine over one folder.
#[derive(Debug)]
pub struct Engine {
    knowledge: KnowledgeBase,
    folder: PathBuf,
}

impl Engine {
    /// The engine of this build, over the files of `folder`.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { knowledge: KnowledgeBase::embedded(), folder: folder.to_owned() }
    }

    /// The names of the signals that it knows.
    pub fn signals(&self) -> impl Iterator<Item = &str> {
        self.knowledge.signals.signals().iter().map(|signal| signal.name.as_str())
    }

    /// What the engine says of a file, or of a release string.
    pub fn read(&self, format: &str, subject: &str) -> Result<Reading, LabError> {
        let mut reading = match format {
            RELEASE => self.release(subject),
            "captured-root" => self.captured_root(subject)?,
            "log" => {
                let bytes = self.bytes(subject)?;
                let kernels = self.kernels(&decode(&bytes), &["kernel", "base", "stream"]);
                with(self.log(&bytes), kernels)
            }
            "nodes-wide" | "nodes-json" | "nodes-describe" | "listing" => {
                self.kernels(&decode(&self.bytes(subject)?), &ALL_WORDS)
            }
            "text" => {
                let bytes = self.bytes(subject)?;
                let text = decode(&bytes);
                let kernels = self.kernels(&text, &["kernel", "base", "stream"]);
                with(with(self.log(&bytes), versions(&text)), kernels)
            }
            "proc-slabinfo" => self.log(&self.bytes(subject)?),
            "check-config" => {
                let text = self.text(subject)?;
                let options = kernel::checked_options(&text).into_iter();
                let options = options.map(|(name, value)| (name, value.to_owned())).collect();
                Reading { options: Some(options), ..Reading::default() }
            }
            "os-release" => {
                streams(None, &self.knowledge.streams.identify(None, Some(&os_release(&self.text(subject)?))))
            }
            "hostnamectl" => self.hostnamectl(&self.text(subject)?),
            "version-output" => {
                let text = self.text(subject)?;
                with(versions(&text), self.kernels(&text, &["kernel", "stream"]))
            }
            "cmdline" => {
                Reading { arguments: Some(kernel::arguments(&self.text(subject)?)), ..Reading::default() }
            }
            "grub-cfg" | "grub1-conf" | "grubenv" | "default-grub" | "bls-entry" | "grubby-info" => {
                self.boot(subject, &self.bytes(subject)?)
            }
            "kconfig" => {
                let text = self.text(subject)?;
                let build = kernel::build(&text);
                let told = self.knowledge.streams.of_build(&build);
                with(options(&text), streams(build.release, &told))
            }
            "proc-cgroups" => self.proc_cgroups(&self.text(subject)?),
            "proc-meminfo" => {
                let mut snapshot = Snapshot::of_nothing(Origin::Text);
                snapshot.memory = fact(kernel::memory_totals(&self.text(subject)?));
                self.leak(snapshot)
            }
            "proc-mounts" => {
                let cgroup = cgroup::mode(&cgroup::mounts(&self.text(subject)?)).map(mode);
                with(self.log(&self.bytes(subject)?), words([("cgroup", cgroup)]))
            }
            "pid-cgroup" => {
                let memberships = cgroup::memberships(&self.text(subject)?);
                words([("cgroup", cgroup::mode_of_process(&memberships).map(mode))])
            }
            "kmem-slabinfo" => {
                let is_empty = self.bytes(subject)?.is_empty();
                kmem(accounting(if is_empty { Slabinfo::Empty } else { Slabinfo::Filled }, None))
            }
            "kmem-number" => {
                let is_usage = subject.ends_with("memory.kmem.usage_in_bytes");
                let usage = self.text(subject)?.trim().parse().ok().filter(|_| is_usage);
                // One number alone is nothing that a diagnosis could rest on.
                let leak = self.leak(Snapshot::of_nothing(Origin::Text));
                with(leak, kmem(accounting(Slabinfo::NotRead, usage)))
            }
            _ => Reading::default(),
        };
        reading.known_signals = self.signals().map(str::to_owned).collect();
        Ok(reading)
    }

    fn bytes(&self, subject: &str) -> Result<Vec<u8>, LabError> {
        let path = self.folder.join(subject);
        fs::read(&path).map_err(LabError::file("reading", path))
    }

    fn text(&self, subject: &str) -> Result<String, LabError> {
        Ok(String::from_utf8_lossy(&self.bytes(subject)?).into_owned())
    }

    fn release(&self, release: &str) -> Reading {
        let told = self.knowledge.streams.of_release(release);
        words([
            ("uname-base", told.base().map(|base| base.to_string())),
            ("uname-stream", Some(told.stream().unwrap_or("unknown").to_owned())),
        ])
    }

    /// What the command `kernel` finds in a text, for these keys.
    fn kernels(&self, text: &str, keys: &[&'static str]) -> Reading {
        let mut words: BTreeMap<&'static str, Vec<String>> =
            keys.iter().map(|key| (*key, Vec::new())).collect();
        let mut say = |key: &str, word: Option<String>| {
            if let (Some(said), Some(word)) = (words.get_mut(key), word) {
                said.push(word);
            }
        };
        for kernel in kernels([&nodes::read(text)], &self.knowledge).body.kernels {
            let stream = match (kernel.streams.as_slice(), kernel.open.is_empty()) {
                ([stream], true) => stream.name.clone(),
                _ => "unknown".to_owned(),
            };
            say("kernel", Some(kernel.release));
            say("stream", Some(stream));
            say("base", kernel.base);
            for node in kernel.nodes {
                say("kubelet", node.kubelet);
                if let Some((program, version)) =
                    node.runtime.as_deref().and_then(|text| text.split_once("://"))
                {
                    let program = if program == "cri-o" { "crio" } else { program };
                    say(program, Some(version.to_owned()));
                }
            }
        }
        Reading { words, ..Reading::default() }
    }

    fn hostnamectl(&self, text: &str) -> Reading {
        let found = hostnamectl(text);
        let told = self.knowledge.streams.identify(found.release.as_deref(), found.distribution.as_ref());
        streams(found.release, &told)
    }

    fn captured_root(&self, subject: &str) -> Result<Reading, LabError> {
        let path = self.folder.join(subject);
        let host = Host::directory(&path, &self.knowledge.signals).map_err(|error| LabError::File {
            act: "opening",
            path,
            source: error.source,
        })?;
        let snapshot = Document::new(collect(&host), None);
        let report = diagnose(&snapshot, &self.knowledge).body;
        let snapshot = snapshot.body;
        let memory = snapshot.cgroups.controllers.value().and_then(|all| all.get("memory"));
        let told = self
            .knowledge
            .streams
            .identify(snapshot.kernel.release.value().map(String::as_str), snapshot.distribution.value());
        let stream = match report.node.stream.value() {
            Some(stream) if !stream.contains(" | ") => stream.clone(),
            _ => "unknown".to_owned(),
        };
        let reading = words([
            ("accounting", Some(self.accounting(&snapshot))),
            ("cgroup", snapshot.cgroups.mode.value().copied().map(mode)),
            ("memcg-ids", memory.map(|memory| memory.num_cgroups.to_string())),
            ("kernel", snapshot.kernel.release.value().cloned()),
            ("base", told.base().map(|base| base.to_string())),
            ("stream", Some(stream)),
        ]);
        Ok(Reading {
            signals: Some(snapshot.logs.into_iter().flat_map(|window| window.hits).collect()),
            verdicts: Some(
                report.findings.into_iter().map(|finding| (finding.name, finding.verdict)).collect(),
            ),
            arguments: snapshot.kernel.arguments.value().cloned(),
            ..reading
        })
    }

    /// What the facts of the leak's advisory say about the accounting of the cgroups that were looked at.
    fn accounting(&self, snapshot: &Snapshot) -> String {
        let advisory = self.knowledge.advisory(LEAK).expect("the advisory is embedded");
        let facts = SnapshotFacts::new(snapshot, &self.knowledge, advisory);
        let is = |fact: &str, value: bool| {
            facts.fact(fact).is_ok_and(|reading| reading.value == Value::Bool(value))
        };
        let state = if is("accounting_off", true) {
            "off"
        } else if is("accounting_on", true) {
            "on"
        } else {
            "unknown"
        };
        state.to_owned()
    }

    fn log(&self, bytes: &[u8]) -> Reading {
        let mut scanner = Scanner::new(&self.knowledge.signals, Clock::default());
        scanner.push(bytes);
        let window = scanner.finish().into_window("-", LogKind::System);
        let hits = window.hits.clone();
        let mut snapshot = Snapshot::of_nothing(Origin::Text);
        snapshot.logs.push(window);
        Reading { signals: Some(hits), ..self.leak(snapshot) }
    }

    /// A file of a boot loader, recognised by its content.
    fn boot(&self, subject: &str, bytes: &[u8]) -> Reading {
        let Some(boot) = of_text(subject, bytes) else {
            return words([("default-entry", Some("unknown".to_owned())), ("entries", Some("0".to_owned()))]);
        };
        let releases: BTreeSet<&str> =
            boot.linux_entries().filter_map(|entry| entry.release.as_deref()).collect();
        let told: Vec<stream::Reading> =
            releases.iter().map(|release| self.knowledge.streams.of_release(release)).collect();
        let mut reading = words([
            ("entries", Some(boot.linux_entries().count().to_string())),
            ("base", told.first().and_then(|told| Some(told.base()?.to_string()))),
        ]);
        let streams: BTreeSet<&str> = told.iter().map(|told| told.stream().unwrap_or("unknown")).collect();
        reading.words.insert("stream", streams.iter().map(|stream| (*stream).to_owned()).collect());
        reading.words.insert("kernel", releases.iter().map(|release| (*release).to_owned()).collect());
        reading.words.insert("default-entry", default_entry(&boot));
        let of_entries = boot.linux_entries().flat_map(|entry| entry.arguments.iter().cloned());
        let of_entries: Vec<String> = of_entries.collect();
        let has_any = boot.source != Source::Settings && boot.source != Source::Environment;
        reading.arguments = boot.arguments.clone().or(has_any.then_some(of_entries));
        reading
    }

    fn proc_cgroups(&self, text: &str) -> Reading {
        let controllers = cgroup::controllers(text);
        let memory = controllers.as_ref().ok().and_then(|all| all.get("memory"));
        let ids = memory.map(|memory| memory.num_cgroups.to_string());
        let mut snapshot = Snapshot::of_nothing(Origin::Text);
        snapshot.cgroups.controllers = fact(controllers);
        let mut reading = self.leak(snapshot);
        reading.words.extend(words([("memcg-ids", ids)]).words);
        reading
    }

    /// Whether the leak is named as a candidate.
    fn leak(&self, snapshot: Snapshot) -> Reading {
        let report: Report = diagnose(&Document::new(snapshot, None), &self.knowledge).body;
        let finding = report.findings.iter().find(|finding| finding.name == LEAK);
        let suspected = finding.is_some_and(|finding| {
            finding.evidence.iter().any(|sign| matches!(sign.weight, Weight::Shows | Weight::Exhausts))
        });
        words([("leak", Some(if suspected { "suspected" } else { "no" }.to_owned()))])
    }
}

/// What two readers say of one file; to a key that both answer, the second has the answer.
fn with(mut first: Reading, second: Reading) -> Reading {
    first.words.extend(second.words);
    first
}

/// A reading of words alone.
fn words<const N: usize>(answers: [(&'static str, Option<String>); N]) -> Reading {
    let words = answers.map(|(key, word)| (key, word.into_iter().collect()));
    Reading { words: words.into(), ..Reading::default() }
}

/// The names of the entry that boots next.
fn default_entry(boot: &Boot) -> Vec<String> {
    if let Some(entry) = boot.chosen() {
        return entry.release.iter().chain([&entry.id, &entry.title]).cloned().collect();
    }
    // An environment block alone names an entry; that there is one is for the configuration to say.
    match boot.next.why.as_ref().map(|setting| &setting.value) {
        Some(Setting::Known(name)) if boot.source == Source::Environment => vec![name.clone()],
        _ => vec!["unknown".to_owned()],
    }
}

/// The stream and base of a kernel.
fn streams(release: Option<String>, told: &stream::Reading) -> Reading {
    words([
        ("kernel", release),
        ("base", told.base().map(|base| base.to_string())),
        ("stream", Some(told.stream().unwrap_or("unknown").to_owned())),
    ])
}

fn fact<T>(read: Result<T, String>) -> Fact<T> {
    Fact::known((), "-").parse(|()| read)
}

fn mode(mode: CgroupMode) -> String {
    match mode {
        CgroupMode::V1 => "v1",
        CgroupMode::V2 => "v2",
        CgroupMode::Hybrid => "hybrid",
    }
    .to_owned()
}

fn kmem(accounting: Accounting) -> Reading {
    let state = match accounting {
        Accounting::On => "on",
        Accounting::Refused => "off",
        Accounting::Silent | Accounting::NotTold => "unknown",
    };
    words([("accounting", Some(state.to_owned()))])
}

fn versions(text: &str) -> Reading {
    words(PROGRAMS.map(|program| (program, parse_version_output(program, text))))
}

fn options(text: &str) -> Reading {
    let set = kernel::build_options(text).map(|(name, value)| (name.to_owned(), value.to_owned()));
    Reading { options: Some(set.collect()), ..Reading::default() }
}
