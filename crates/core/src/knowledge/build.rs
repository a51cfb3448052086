//! What it takes to build runc and the kubelet: `knowledge/builds.toml` says it for ranges of versions, with the known escapes
//! of each. It decides nothing about a build; `crate::build` does.

use std::ops::Range;

use super::problem::{Problem, Problems};
use super::table::{self, Placed, Table};
use crate::condition::Comparison;
use crate::program::Component;
use crate::version::release::Release;

/// All that is known about builds.
#[derive(Debug, Clone)]
pub struct Builds {
    rows: Vec<Row>,
    escapes: Vec<Escape>,
}

/// The versions of one program that are built in one way, or not at all.
#[derive(Debug, Clone)]
struct Row {
    component: Component,
    versions: Vec<Bound>,
    tag: Tag,
}

/// What the sources of a version know of the tag `nokmem`.
#[derive(Debug, Clone)]
pub enum Tag {
    /// Nothing: a build with it accounts all the same.
    Absent,
    /// It takes the accounting out.
    Works(Box<Way>),
    /// They no longer account, with the tag or without it.
    Needless,
}

/// How a version is built.
#[derive(Debug, Clone)]
pub struct Way {
    /// Where its sources find what they vendor.
    pub layout: Layout,
    /// The Go that it needs.
    pub go: Vec<Bound>,
    /// The Go with which its own makefiles work without a network.
    pub make_go: Vec<Bound>,
    /// The build tags.
    pub tags: Vec<String>,
    /// Those of a static build, on top.
    pub static_tags: Vec<String>,
    /// C libraries whose headers it needs, by their names for pkg-config.
    pub libraries: Vec<String>,
    /// The packages whose variables hold its version.
    pub stamps: Vec<String>,
}

/// Where sources find what they vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Below GOPATH, by the path of their package.
    Gopath,
    /// By go.mod.
    Modules,
}

/// A bound of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    comparison: Comparison,
    version: Release,
}

impl Bound {
    /// Whether a version keeps to it.
    #[must_use]
    pub fn holds(self, version: Release) -> bool {
        self.comparison.holds(version.cmp(&self.version))
    }

    /// The version that it is about.
    #[must_use]
    pub const fn version(self) -> Release {
        self.version
    }

    fn read(bound: &Placed<&str>, problems: &mut Problems<'_>) -> Option<Self> {
        let signs = [(">=", Comparison::AtLeast), ("<", Comparison::Less)];
        let found = signs.into_iter().find_map(|(sign, comparison)| {
            let version = Release::parse(bound.value.strip_prefix(sign)?.trim())?;
            Some(Self { comparison, version })
        });
        if found.is_none() {
            problems.add(
                &bound.place,
                format!("`{}` is not a bound like `>= 1.0.0-rc6` or `< 1.13`", bound.value),
            );
        }
        found
    }
}

/// A known way out of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escape {
    /// `CVE-2019-5736`.
    pub id: String,
    /// The first version that has it, where not all before it do.
    pub since: Option<Release>,
    /// The first version without it.
    pub mended: Release,
}

impl Builds {
    /// Reads the file.
    pub fn read(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new(file, text);
        let builds = table::read(text, &mut problems, |mut top, problems| {
            let rows: Vec<(Row, Range<usize>)> =
                top.tables("build", problems).into_iter().filter_map(|table| row(table, problems)).collect();
            disjoint(&rows, problems);
            let escapes = top
                .tables("escape", problems)
                .into_iter()
                .filter_map(|table| escape(table, problems))
                .collect();
            top.finish(problems);
            Self { rows: rows.into_iter().map(|(row, _)| row).collect(), escapes }
        });
        problems.or(builds)
    }

    /// What the sources of a version know of the tag; nothing for a version that no row is about.
    #[must_use]
    pub fn tag(&self, component: Component, version: Release) -> Option<&Tag> {
        let row = self.rows.iter().find(|row| row.component == component && row.contains(version));
        row.map(|row| &row.tag)
    }

    /// The known escapes of a version of runc, in the order of the file.
    pub fn escapes(&self, version: Release) -> impl Iterator<Item = &Escape> {
        self.escapes.iter().filter(move |escape| {
            version < escape.mended && escape.since.is_none_or(|since| since <= version)
        })
    }
}

impl Row {
    fn contains(&self, version: Release) -> bool {
        self.versions.iter().all(|bound| bound.holds(version))
    }
}

fn row(mut table: Table<'_>, problems: &mut Problems<'_>) -> Option<(Row, Range<usize>)> {
    let place = table.place();
    let component = table.required_string("component", problems);
    let component = component.and_then(|name| match name.value {
        "runc" => Some(Component::Runc),
        "kubelet" => Some(Component::Kubelet),
        other => {
            problems.add(&name.place, format!("`{other}` is neither runc nor kubelet"));
            None
        }
    });
    let versions = bounds(&table.strings("versions", problems), problems);
    let tag = table.required_string("tag", problems);
    let tag = tag.and_then(|tag| match tag.value {
        "absent" => Some(Tag::Absent),
        "needless" => Some(Tag::Needless),
        "works" => way(&mut table, problems).map(|way| Tag::Works(Box::new(way))),
        other => {
            problems.add(&tag.place, format!("`{other}` is none of absent, works, needless"));
            None
        }
    });
    table.finish(problems);
    Some((Row { component: component?, versions, tag: tag? }, place))
}

fn way(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Way> {
    let layout = table.required_string("layout", problems).and_then(|layout| match layout.value {
        "gopath" => Some(Layout::Gopath),
        "modules" => Some(Layout::Modules),
        other => {
            problems.add(&layout.place, format!("`{other}` is neither gopath nor modules"));
            None
        }
    });
    let go = bounds(table.required_string("go", problems).as_slice(), problems);
    let make_go = bounds(table.string("make-go", problems).as_slice(), problems);
    let mut words = |key| -> Vec<String> {
        table.strings(key, problems).into_iter().map(|word| word.value.to_owned()).collect()
    };
    let (tags, static_tags) = (words("tags"), words("static-tags"));
    let (libraries, stamps) = (words("libraries"), words("stamps"));
    // Kubernetes' makefiles cut a tag off at its first hyphen, and what follows is lost without a word.
    for tag in tags.iter().chain(&static_tags) {
        if !tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            problems.add(&table.place(), format!("the tag `{tag}` holds more than letters, digits and `_`"));
        }
    }
    if !tags.iter().any(|tag| tag == "nokmem") {
        problems.add(&table.place(), "`tags` lacks `nokmem`");
    }
    if stamps.is_empty() {
        problems.add(&table.place(), "`stamps` names no package");
    }
    Some(Way { layout: layout?, go, make_go, tags, static_tags, libraries, stamps })
}

fn bounds(bounds: &[Placed<&str>], problems: &mut Problems<'_>) -> Vec<Bound> {
    bounds.iter().filter_map(|bound| Bound::read(bound, problems)).collect()
}

/// A version that two rows are about would be built by the order of the file.
fn disjoint(rows: &[(Row, Range<usize>)], problems: &mut Problems<'_>) {
    for (index, (row, place)) in rows.iter().enumerate() {
        // Ranges that overlap share the bound at which one of them begins.
        let mut edges = rows.iter().flat_map(|(row, _)| &row.versions).map(|bound| bound.version);
        let before = &rows[..index];
        let shared = edges.find(|edge| {
            row.contains(*edge)
                && before.iter().any(|(other, _)| other.component == row.component && other.contains(*edge))
        });
        if let Some(version) = shared {
            problems.add(place, format!("version {version} is in the range of a table before it too"));
        }
    }
}

fn escape(mut table: Table<'_>, problems: &mut Problems<'_>) -> Option<Escape> {
    let id = table.required_string("id", problems);
    let version = |text: Option<Placed<&str>>, problems: &mut Problems<'_>| {
        let text = text?;
        let version = Release::parse(text.value);
        if version.is_none() {
            problems.add(&text.place, format!("`{}` is not a version like `1.0.0-rc7`", text.value));
        }
        version
    };
    let since = table.string("since", problems);
    let since = version(since, problems);
    let mended = table.required_string("mended", problems);
    let mended = version(mended, problems);
    // Where it is from, for whoever doubts it.
    table.required_string("source", problems);
    table.finish(problems);
    Some(Escape { id: id?.value.to_owned(), since, mended: mended? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knowledge::KnowledgeBase;

    fn problems(text: &str) -> Vec<String> {
        let problems = Builds::read("b", text).err().unwrap_or_default();
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_version_has_one_answer() {
        let builds = KnowledgeBase::embedded().builds;
        for (component, version, expected) in [
            (Component::Runc, "1.0.0-rc5", "absent"),
            (Component::Runc, "1.0.0-rc6", "seccomp selinux apparmor nokmem"),
            (Component::Runc, "1.0.0-rc92", "seccomp selinux apparmor nokmem"),
            (Component::Runc, "1.0.0-rc93", "seccomp nokmem"),
            (Component::Runc, "1.0.0-rc94", "needless"),
            (Component::Runc, "1.4.0-rc.1", "needless"),
            (Component::Kubelet, "1.13.12", "absent"),
            (Component::Kubelet, "1.15.3", "nokmem"),
            (Component::Kubelet, "1.20.15", "selinux nokmem"),
            (Component::Kubelet, "1.21.1", "selinux nokmem"),
            (Component::Kubelet, "1.21.2", "needless"),
            (Component::Kubelet, "1.37.2", "needless"),
        ] {
            let found = match builds.tag(component, Release::parse(version).unwrap()) {
                Some(Tag::Absent) => "absent".to_owned(),
                Some(Tag::Needless) => "needless".to_owned(),
                Some(Tag::Works(way)) => way.tags.join(" "),
                None => "no row".to_owned(),
            };
            assert_eq!(found, expected, "{} {version}", component.name());
        }
    }

    #[test]
    fn escapes_are_those_of_the_version() {
        let builds = KnowledgeBase::embedded().builds;
        let of = |version| -> Vec<String> {
            let version = Release::parse(version).unwrap();
            builds.escapes(version).map(|escape| escape.id.clone()).collect()
        };
        assert!(of("1.0.0-rc6").contains(&"CVE-2019-5736".to_owned()));
        assert!(!of("1.0.0-rc9").iter().any(|id| id == "CVE-2019-5736" || id == "CVE-2019-16884"));
        assert!(!of("1.0.0-rc92").contains(&"CVE-2024-21626".to_owned()));
        assert!(of("1.0.0-rc93").contains(&"CVE-2024-21626".to_owned()));
        assert_eq!(of("1.2.8"), [""; 0]);
    }

    #[test]
    fn what_a_row_lacks_is_told_with_its_place() {
        let row = "[[build]]\ncomponent = 'runc'\nversions = ['>= 1.0.0']\ntag = 'works'\nlayout = 'modules'\ngo = '>= 1.13'\n";
        assert_eq!(
            problems(&format!("{row}tags = ['a-b']\n")),
            [
                "b:1:1: `stamps` names no package",
                "b:1:1: `tags` lacks `nokmem`",
                "b:1:1: the tag `a-b` holds more than letters, digits and `_`"
            ]
        );
        let whole = format!("{row}tags = ['nokmem']\nstamps = ['main']\n");
        assert_eq!(problems(&whole), [""; 0]);
        assert_eq!(
            problems(&format!(
                "{whole}{}",
                "[[build]]\ncomponent = 'runc'\nversions = ['< 1.0.1']\ntag = 'absent'\n"
            )),
            ["b:9:1: version 1.0.0 is in the range of a table before it too"]
        );
        assert_eq!(
            problems("[[build]]\ncomponent = 'crun'\nversions = ['1.0']\ntag = 'gone'\n"),
            [
                "b:2:13: `crun` is neither runc nor kubelet",
                "b:3:13: `1.0` is not a bound like `>= 1.0.0-rc6` or `< 1.13`",
                "b:4:7: `gone` is none of absent, works, needless",
            ]
        );
        assert_eq!(
            problems("[[escape]]\nid = 'CVE'\nmended = 'x'\n"),
            ["b:1:1: `source` is missing", "b:3:10: `x` is not a version like `1.0.0-rc7`"]
        );
    }
}
