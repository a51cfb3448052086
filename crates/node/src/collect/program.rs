//! Container runtimes and kubelets: those that run, and every other copy on disk, each judged by its content. A node
//! often has more than one of a kind, and the one in the PATH need not be the one that is used.

use std::collections::BTreeMap;
use std::time::Duration;

use kernmend_core::document::snapshot::{Class, Origin, Program, Programs};
use kernmend_core::document::{Digest, Fact, Reason, Why};
use kernmend_core::program::{Component, Demands, Features, classify, parse_version_output, version_of};

use super::SMALL;
use super::process::Processes;
use crate::host::markers::{MOST_BYTES, MarkerScan};
use crate::host::{Answer, Host, Kind, Known, Listing, Want};

/// Folders that hold programs, of distributions and of those who install beside them. A file that is found in several is
/// called by the first.
pub(crate) const PLACES: &[&str] = &[
    "/home/kubernetes/bin",
    "/opt/bin",
    "/opt/containerd/bin",
    "/opt/k0s/bin",
    "/opt/kube/bin",
    "/opt/kubernetes/bin",
    "/usr/bin",
    "/usr/lib/cri-o-runc/sbin",
    "/usr/lib/docker",
    "/usr/libexec/crio",
    "/usr/libexec/docker",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/sbin",
    "/var/lib/k0s/bin",
    "/var/lib/rancher/rke2/bin",
    // In a merged `/usr` these are other names of the ones above.
    "/bin",
    "/sbin",
];

/// Folders of which each subfolder is one installation with a `bin` of its own.
pub(crate) const INSTALLATIONS: &[&str] = &["/var/lib/rancher/k3s/data", "/var/lib/rancher/rke2/data"];

/// Where a runtime's configuration names the binary that it calls.
pub(crate) const CONFIGURATIONS: &[&str] =
    &["/etc/containerd/config.toml", "/etc/crio/crio.conf", "/etc/docker/daemon.json"];

/// Entries of one folder of programs.
const MAX_ENTRIES: usize = 20_000;

/// Bytes that are read of all programs together; a node with several versions of all of them has 1 GiB.
const MAX_PROGRAMS: u64 = 2 << 30;

/// What `--version` prints, and how long it may take on a node that is short of everything.
const MAX_VERSION_OUTPUT: usize = 64 * 1024;
const VERSION_DEADLINE: Duration = Duration::from_secs(5);

/// The name of the component that a path is a copy of.
pub(super) fn name_of(path: &str) -> Option<&'static str> {
    Component::from_name(path).map(Component::name)
}

pub(super) fn collect(host: &Host<'_>, processes: &Processes) -> Programs {
    let mut gaps: Vec<Why> = processes.gap.iter().cloned().collect();
    // By path; a file that is there under several names, as in a merged `/usr`, once.
    let mut copies: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    let mut replaced: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for process in &processes.all {
        if let Some(path) = process.binary.as_deref().filter(|path| name_of(path).is_some()) {
            let found = if process.replaced { &mut replaced } else { &mut copies };
            found.entry(path.to_owned()).or_default().push(process.pid);
        }
    }
    let mut identities: BTreeMap<(u64, u64), String> = BTreeMap::new();
    for path in copies.keys() {
        if let Answer::Got(identity) = host.identity(path) {
            identities.entry(identity).or_insert_with(|| path.clone());
        }
    }
    for path in on_disk(host, &mut gaps) {
        match host.identity(&path) {
            Answer::Got(identity) => {
                identities.entry(identity).or_insert_with(|| {
                    copies.insert(path.clone(), Vec::new());
                    path.clone()
                });
            }
            answer => gaps.extend(answer.obstacle(&path)),
        }
    }
    // Those that run first: of others there can be any number.
    let gone = replaced.into_iter().map(|(path, processes)| (path, processes, true));
    let copies = copies.into_iter().map(|(path, processes)| (path, processes, false));
    let mut all: Vec<_> = gone.chain(copies).collect();
    all.sort_by_key(|(_, processes, _)| processes.is_empty());
    let mut left = MAX_PROGRAMS;
    let mut found: Vec<Program> = Vec::new();
    for (path, processes, replaced) in all {
        found.push(program(host, path, processes, replaced, &mut left));
    }
    found.sort_by(|a, b| (&a.path, a.replaced).cmp(&(&b.path, b.replaced)));
    Programs { found, gaps }
}

/// The paths of all copies on disk; names that are links come after those that aren't.
fn on_disk(host: &Host<'_>, gaps: &mut Vec<Why>) -> Vec<String> {
    let mut places: Vec<String> = PLACES.iter().map(|place| (*place).to_owned()).collect();
    for installation in INSTALLATIONS {
        let answer = host.list(installation, Want::Directories, MAX_ENTRIES);
        gaps.extend(answer.obstacle(installation));
        let names = answer.got();
        gaps.extend(names.as_ref().filter(|listing| listing.cut).map(|listing| cut(installation, listing)));
        places.extend(
            names.iter().flat_map(Listing::iter).map(|(name, _)| format!("{installation}/{name}/bin")),
        );
    }
    let mut paths = Vec::new();
    for place in places {
        let answer = host.list(&place, Want::All, MAX_ENTRIES);
        gaps.extend(answer.obstacle(&place));
        let Answer::Got(listing) = answer else { continue };
        if listing.cut {
            gaps.push(cut(&place, &listing));
        }
        let programs =
            listing.iter().filter(|(name, kind)| *kind != Kind::Directory && name_of(name).is_some());
        paths.extend(programs.map(|(name, kind)| (kind == Kind::Link, format!("{place}/{name}"))));
    }
    for path in CONFIGURATIONS {
        let answer = host.read(path, SMALL);
        gaps.extend(answer.obstacle(path));
        if let Answer::Got(content) = answer {
            if content.cut {
                gaps.push(Why { reason: Reason::Cut, path: (*path).to_owned(), detail: String::new() });
            }
            paths.extend(configured_paths(&content.text()).into_iter().map(|path| (false, path)));
        }
    }
    paths.sort_by_key(|(is_link, _)| *is_link);
    paths.into_iter().map(|(_, path)| path).collect()
}

fn cut(path: &str, listing: &Listing) -> Why {
    Why { reason: Reason::Cut, path: path.to_owned(), detail: format!("{} entries", listing.total) }
}

/// Whether a word is the absolute path of a known program.
pub(crate) fn names_program(word: &str) -> bool {
    word.starts_with('/') && name_of(word).is_some()
}

/// The paths of known programs that stand in quotes in a configuration, whatever its language: nothing else of it gets
/// here.
fn configured_paths(text: &str) -> Vec<String> {
    let quoted = text.lines().flat_map(|line| line.split('"').skip(1).step_by(2));
    quoted.filter(|path| names_program(path)).map(str::to_owned).collect()
}

fn program(host: &Host<'_>, path: String, processes: Vec<u32>, replaced: bool, left: &mut u64) -> Program {
    // A file that was replaced is still there for the process that runs it; and one that runs in a container can have a
    // path that is another's here.
    let readable = match processes.first() {
        Some(pid) if host.origin() == Origin::Live => format!("/proc/{pid}/exe"),
        _ => path.clone(),
    };
    let scan = if *left == 0 {
        Fact::unknown(Reason::Cut, &path, format!("programs have more than {MAX_PROGRAMS} bytes"))
    } else {
        host.markers(&readable, MOST_BYTES.min(*left)).fact(&path)
    };
    *left = left.saturating_sub(scan.value().map_or(0, |scan| scan.bytes));
    let version = scan.and_then(|scan, _| version(host, &path, scan, replaced));
    let classification = scan.and_then(|scan, from| {
        Fact::known(classify(&scan.content, &path, version.value().map(String::as_str)), from)
    });
    let class = classification.value().map(|found| found.class);
    Program {
        name: name_of(&path).unwrap_or_default().to_owned(),
        digest: scan.and_then(digest),
        tags: scan
            .value()
            .and_then(|scan| scan.content.build_info.as_ref())
            .map_or_else(Vec::new, |info| info.tags().map(str::to_owned).collect()),
        demands: scan.and_then(demands),
        features: scan.and_then(|scan, from| features(scan, from, class)),
        classification,
        version,
        path,
        processes,
        replaced,
    }
}

fn digest(scan: &MarkerScan, from: &str) -> Fact<Digest> {
    match &scan.digest {
        Some(digest) => Fact::known(digest.clone(), from),
        None => Fact::unknown(Reason::Cut, from, format!("longer than {} bytes", scan.bytes)),
    }
}

fn demands(scan: &MarkerScan, from: &str) -> Fact<Demands> {
    match &scan.content.demands {
        Some(demands) => Fact::known(demands.clone(), from),
        None => Fact::unknown(Reason::NotTold, from, ""),
    }
}

fn features(scan: &MarkerScan, from: &str, class: Option<Class>) -> Fact<Features> {
    match (Features::of(&scan.content), class) {
        (Some(features), _) => Fact::known(features, from),
        (None, Some(Class::NotLibcontainer)) => Fact::Absent { from: from.to_owned() },
        (None, _) => Fact::unknown(Reason::NotTold, from, ""),
    }
}

/// The version that the build information tells, or else the program itself on a live machine.
fn version(host: &Host<'_>, path: &str, scan: &MarkerScan, replaced: bool) -> Fact<String> {
    if let Some(version) = scan.content.build_info.as_ref().and_then(|info| version_of(info, path)) {
        return Fact::known(version, path);
    }
    if replaced {
        return Fact::unknown(Reason::NotTold, path, "");
    }
    let known = Known::Version(path.to_owned());
    let command = known.argv().join(" ");
    let output = host.command(&known, MAX_VERSION_OUTPUT, VERSION_DEADLINE);
    output.fact(&command).parse(|output| {
        parse_version_output(path, &output.text()).ok_or_else(|| "it prints no version".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_runtimes_are_found_in_configurations() {
        assert_eq!(configured_paths("\"/opt/nokmem/runc\"\n\"/run/state\"\n"), ["/opt/nokmem/runc"]);
        let json = r#"{"runtimes": {"old": {"path": "/usr/local/sbin/runc-1.0"}}, "data-root": "/data"}"#;
        assert_eq!(configured_paths(json), ["/usr/local/sbin/runc-1.0"]);
    }
}
