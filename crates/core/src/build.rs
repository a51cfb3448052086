//! Whether a runc or a kubelet can be built with kernel memory accounting off, and how: from the version that is asked for,
//! and facts about the sources and the toolchain, to refusals or to a recipe. It runs nothing and reads no file; what comes
//! out of a recipe is held against it by `product`.

pub mod fault;
pub mod product;
pub mod recipe;
pub mod remark;

use std::collections::BTreeSet;

use crate::document::Fact;
use crate::document::plan::{Refusal, Remark};
use crate::knowledge::build::{Bound, Builds, Layout, Tag, Way};
use crate::program::{Component, Glibc};
use crate::version::release::Release;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// runc or the kubelet.
    pub component: Component,
    /// The version.
    pub version: Release,
    /// What the program may need of the node that it will run on.
    pub linkage: Linkage,
    /// Whether a version with an escape that needs no other fault is built all the same.
    pub force: bool,
}

/// What a program may need of the node that it will run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linkage {
    /// No library.
    Static,
    /// A glibc of this version, and libraries beside it.
    Glibc(Glibc),
}

/// What a tree of sources is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The version that it says it is, or only its first two numbers where it tells no more.
    pub version: Fact<String>,
    /// The commit that it is of.
    pub commit: Fact<String>,
    /// Whether the files are there that only a source with the tag has.
    pub knows_tag: bool,
    /// Whether what it needs of others is in it.
    pub is_vendored: bool,
    /// Whether its own makefiles are in it.
    pub has_makefile: bool,
}

/// What is there to build with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// The version of Go.
    pub go: Fact<String>,
    /// The programs that are there, of those that are asked for.
    pub tools: BTreeSet<&'static str>,
    /// C libraries whose headers are there, by their names for pkg-config.
    pub libraries: BTreeSet<String>,
    /// Archives of libraries, for a static program, as `libseccomp.a`.
    pub archives: BTreeSet<String>,
    /// Bytes that are free where it is built.
    pub free: Fact<u64>,
}

/// The programs that a build may need, each asked for by `--version`.
pub const TOOLS: [&str; 5] = ["bash", "gcc", "make", "pkg-config", "rsync"];

/// The archives that a static program of a component is linked from.
#[must_use]
pub fn archives(way: &Way) -> Vec<String> {
    let needs_c = !way.libraries.is_empty();
    let libraries = way.libraries.iter().map(|library| format!("{library}.a"));
    libraries.chain(needs_c.then(|| "libc.a".to_owned())).collect()
}

/// How the version is built, where its sources can be built with the accounting off at all.
///
/// # Errors
/// They can't, or needn't, or nobody should run what comes out.
pub fn way<'b>(wish: &Wish, builds: &'b Builds) -> Result<&'b Way, Refusal> {
    let (component, version) = (wish.component.name().to_owned(), wish.version.to_string());
    let values = [("component", component), ("version", version)];
    let refuse = |code| refusal(Remark::new(code, values), &[], "");
    let way = match builds.tag(wish.component, wish.version) {
        Some(Tag::Works(way)) => way,
        Some(Tag::Absent) => return Err(refuse("build-tag-absent")),
        Some(Tag::Needless) => return Err(refuse("build-tag-needless")),
        None => return Err(refuse("build-not-known")),
    };
    let first_safe = Release::parse(WITHOUT_OVERWRITING).expect("it is written as one");
    if wish.component == Component::Runc && wish.version < first_safe && !wish.force {
        return Err(refuse("build-overwritable"));
    }
    Ok(way)
}

/// The first runc that a container can't overwrite on the host (CVE-2019-5736), which takes no other fault.
const WITHOUT_OVERWRITING: &str = "1.0.0-rc7";

/// Bytes that a build takes: a kubelet's tree, its generated files, and two links of it.
const fn room(component: Component) -> u64 {
    match component {
        Component::Kubelet => 4 << 30,
        _ => 512 << 20,
    }
}

/// Whether the version's own makefiles are used: they are what its project tested.
fn is_by_make(way: &Way, source: &Source, toolchain: &Toolchain) -> bool {
    let go = toolchain.go.value().and_then(|go| Release::parse(go));
    source.has_makefile && way.make_go.iter().all(|bound| go.is_none_or(|go| bound.holds(go)))
}

/// All that stands in the way of a build.
#[must_use]
pub fn weigh(wish: &Wish, way: &Way, source: &Source, toolchain: &Toolchain) -> Vec<Refusal> {
    let mut found = of_source(wish, source);
    found.extend(of_toolchain(wish, way, source, toolchain));
    found
}

fn of_source(wish: &Wish, source: &Source) -> Vec<Refusal> {
    let mut found = Vec::new();
    let evidence = [source.version.from()];
    if let Some(says) = source.version.value().filter(|says| !is_version(says, wish.version)) {
        let values = [("says", says.clone()), ("version", wish.version.to_string())];
        let command = format!(
            "git clone --depth 1 --branch {} {}",
            wish.version.tag(),
            recipe::upstream(wish.component)
        );
        found.push(refusal(Remark::new("build-other-version", values), &evidence, &command));
    }
    if !source.knows_tag {
        found.push(refusal(Remark::new("build-source-without-tag", []), &[&recipe::tagged()], ""));
    }
    if !source.is_vendored {
        found.push(refusal(Remark::new("build-not-vendored", []), &[recipe::VENDORED], "go mod vendor"));
    }
    found
}

fn of_toolchain(wish: &Wish, way: &Way, source: &Source, toolchain: &Toolchain) -> Vec<Refusal> {
    let mut found = Vec::new();
    match toolchain.go.value().map(|go| (go, Release::parse(go))) {
        Some((go, Some(version))) => {
            if let Some(bound) = way.go.iter().find(|bound| !bound.holds(version)) {
                let values = [("go", go.clone()), ("least", short(*bound))];
                found.push(refusal(
                    Remark::new("build-go-too-old", values),
                    &[toolchain.go.from()],
                    "--go DIR",
                ));
            }
        }
        Some((go, None)) => {
            let values = [("go", go.clone())];
            found.push(refusal(
                Remark::new("build-go-not-known", values),
                &[toolchain.go.from()],
                "--go DIR",
            ));
        }
        None => found.push(refusal(Remark::new("build-no-go", []), &[toolchain.go.from()], "--go DIR")),
    }
    let by_make = is_by_make(way, source, toolchain);
    let is_kubelet = wish.component == Component::Kubelet;
    let needs_c = !way.libraries.is_empty() || wish.linkage != Linkage::Static;
    let needed = [
        // runc's makefiles name it too, before there were modules.
        ("bash", by_make && way.layout == Layout::Gopath),
        ("gcc", needs_c),
        ("make", by_make),
        ("pkg-config", !way.libraries.is_empty()),
        ("rsync", by_make && is_kubelet),
    ];
    for (tool, _) in needed.into_iter().filter(|(tool, needed)| *needed && !toolchain.tools.contains(tool)) {
        let command = format!("apt-get install {tool}");
        found.push(refusal(Remark::new("build-no-tool", [("tool", tool.to_owned())]), &[tool], &command));
    }
    for library in way.libraries.iter().filter(|library| !toolchain.libraries.contains(*library)) {
        let evidence = format!("pkg-config --exists {library}");
        let command = format!("apt-get install {library}-dev");
        found.push(refusal(
            Remark::new("build-no-headers", [("library", library.clone())]),
            &[&evidence],
            &command,
        ));
    }
    if wish.linkage == Linkage::Static {
        // Where the headers are missing the archive is too, and one package brings both.
        let missing = archives(way).into_iter().filter(|archive| {
            let library = archive.trim_end_matches(".a");
            let is_told =
                way.libraries.iter().any(|known| known == library) && !toolchain.libraries.contains(library);
            !toolchain.archives.contains(archive) && !is_told
        });
        for archive in missing {
            let evidence = format!("gcc -print-file-name={archive}");
            found.push(refusal(
                Remark::new("build-no-archive", [("archive", archive)]),
                &[&evidence],
                "--glibc 2.17",
            ));
        }
    }
    let needed = room(wish.component);
    if let Some(free) = toolchain.free.value().filter(|free| **free < needed) {
        let bytes = crate::knowledge::template::bytes;
        let values =
            [("where", toolchain.free.from().to_owned()), ("free", bytes(*free)), ("needed", bytes(needed))];
        found.push(refusal(Remark::new("build-no-space", values), &[toolchain.free.from()], "TMPDIR=DIR"));
    }
    found
}

/// Whether what a tree says of its version is the one that is asked for, as far as it says it.
fn is_version(says: &str, asked: Release) -> bool {
    let (major, minor) = asked.major_minor();
    let short = format!("{major}.{minor}");
    if says.split('.').count() > 2 { Release::parse(says) == Some(asked) } else { says == short }
}

/// Whether a tree says that it is of just this version, and not only of its first two numbers.
fn is_told(source: &Source, version: Release) -> bool {
    let says = source.version.value().filter(|says| says.split('.').count() > 2);
    says.and_then(|says| Release::parse(says)) == Some(version)
}

/// A bound's version as Go's own versions are written: `1.13`, and not `1.13.0`.
fn short(bound: Bound) -> String {
    let version = bound.version().to_string();
    version.strip_suffix(".0").map_or(version.clone(), str::to_owned)
}

fn refusal(reason: Remark, evidence: &[&str], command: &str) -> Refusal {
    let evidence = evidence.iter().filter(|text| !text.is_empty()).map(ToString::to_string).collect();
    Refusal { reason, evidence, command: command.to_owned() }
}

#[cfg(test)]
mod tests;
