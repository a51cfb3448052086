//! Streams: the lines of kernels that distributions ship, each with its own order of versions. Tells the stream of a
//! kernel from its release string and from os-release.
//!
//! The streams and the ways to know them are data (`knowledge/streams.toml`); no distribution is named in this code. A
//! reading never guesses: what several streams could be stays several, and the reading says why.

mod build;
mod read;
mod template;

use std::collections::BTreeMap;

use jiff::civil::Date;

use self::template::Template;
use super::expression::{self, Expression};
use super::problem::Problem;
use crate::document::snapshot::Distribution;
use crate::version::{KernelVersion, Order};

/// What is known of streams.
#[derive(Debug, Clone)]
pub struct Streams {
    declared: Vec<Declared>,
    releases: Vec<ReleaseRule>,
    systems: Vec<SystemRule>,
    builds: Vec<BuildRule>,
    architectures: Vec<String>,
}

/// A stream, or all streams whose names differ only in a version.
#[derive(Debug, Clone)]
struct Declared {
    name: Template,
    order: Order,
    eol: EndOfLife,
    /// By version: the stream that os-release names where this kernel was installed on top.
    userland: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
enum EndOfLife {
    Unknown,
    Date(Date),
    /// By the version in the name; by the series of the kernel (`5.10`) for a name without one.
    ByVersion(BTreeMap<String, Date>),
}

/// A way to know streams from a release string. The first rule whose pattern matches decides.
#[derive(Debug, Clone)]
struct ReleaseRule {
    pattern: Expression,
    /// What it may be, by the string alone.
    streams: Vec<Target>,
    /// What it may also be, if os-release says so.
    also: Vec<Target>,
    /// What it is where os-release names none of these.
    otherwise: Vec<Target>,
    series: Option<Series>,
    why: String,
}

/// A way to know streams from os-release. The first rule whose conditions all hold decides.
#[derive(Debug, Clone)]
struct SystemRule {
    /// `ID` is one of these, in any case of letters.
    id: Vec<String>,
    /// `ID_LIKE` has one of these.
    like: Vec<String>,
    /// Each of these fields matches. The groups fill the names.
    fields: BTreeMap<String, Expression>,
    /// `PRETTY_NAME` matches, where only that is known.
    pretty: Option<Expression>,
    streams: Vec<Target>,
    series: Option<Series>,
}

/// A way to know streams from what a kernel or its build options say about the build. The first rule whose pattern
/// matches decides.
#[derive(Debug, Clone)]
struct BuildRule {
    pattern: Expression,
    streams: Vec<Target>,
    series: Option<Series>,
    /// Only the first version of the series: the one that the kernel was made for.
    own: bool,
}

/// Versions by a key: what the group `key` caught, or that without its last numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Series(BTreeMap<String, Vec<String>>);

/// A stream that a rule leads to.
#[derive(Debug, Clone)]
struct Target {
    name: Template,
    /// Which of the declared ones it belongs to.
    declared: usize,
}

/// What a release string, os-release, or both together tell about the stream of a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The streams that it may be, the likelier ones first.
    pub streams: Vec<String>,
    /// Those that it may also be of which only the version is not known, as patterns: `debian-{version}`.
    pub open: Vec<String>,
    /// The upstream version that the release string begins with; with os-release alone there is none.
    pub version: Option<KernelVersion>,
    /// What of the release string to compare with versions of packages in the stream's order: without the architecture
    /// and the flavour.
    pub package_version: Option<String>,
    /// What told it, for people.
    pub why: String,
}

impl Reading {
    /// The stream, if it can only be one.
    #[must_use]
    pub fn stream(&self) -> Option<&str> {
        match self.streams.as_slice() {
            [stream] if self.open.is_empty() => Some(stream),
            _ => None,
        }
    }

    /// Whether it is this stream, or could be.
    #[must_use]
    pub fn may_be(&self, stream: &str) -> bool {
        self.streams.iter().any(|candidate| candidate == stream)
    }

    /// The upstream release `x.y.z` that the kernel is based on. It tells what the kernel started from, not what was
    /// ported back to it.
    #[must_use]
    pub fn base(&self) -> Option<KernelVersion> {
        self.version.map(KernelVersion::base)
    }
}

impl Streams {
    /// Reads `streams.toml`.
    ///
    /// # Errors
    /// All problems of the file.
    pub fn from_toml(text: &str) -> Result<Self, Vec<Problem>> {
        Self::from_toml_file("streams.toml", text)
    }

    /// Reads a file of streams, which problems call by this name.
    ///
    /// # Errors
    /// All problems of the file.
    pub fn from_toml_file(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        read::read(file, text)
    }

    /// Tells the streams that a kernel may belong to, by its release string (`uname -r`) alone.
    #[must_use]
    pub fn of_release(&self, release: &str) -> Reading {
        let reading = self.read_release(release);
        let why = reading.why.clone();
        self.as_told(&reading, why)
    }

    /// Narrows a reading down by what a kernel says about its build: `/proc/version`, `/proc/version_signature`, or
    /// `CONFIG_VERSION_SIGNATURE` of its build options. Such text only ever chooses among the streams that the reading
    /// leaves open; anyone's compiler can have built anyone's kernel.
    #[must_use]
    pub fn narrow(&self, reading: Reading, build: &str) -> Reading {
        let named = self.builds.iter().find_map(|rule| rule.told_by(build));
        let named = named.map_or_else(Vec::new, |told| told.streams);
        let is_open = |stream: &str| {
            let declared = self.declared_of(stream).map(|index| self.declared[index].name.to_string());
            declared.is_some_and(|pattern| reading.open.contains(&pattern))
        };
        let streams: Vec<String> =
            named.into_iter().filter(|stream| reading.may_be(stream) || is_open(stream)).collect();
        if reading.stream().is_some() || streams.is_empty() {
            return reading;
        }
        let why = format!("{}; it was built as `{build}`", reading.why);
        Reading { streams, open: Vec::new(), why, ..reading }
    }

    /// Tells the streams that the own kernels of a distribution may belong to, by the fields of os-release.
    #[must_use]
    pub fn of_os_release(
        &self,
        id: &str,
        version_id: &str,
        id_like: &[String],
        fields: &BTreeMap<String, String>,
    ) -> Reading {
        let field = |name: &str| match name {
            "ID" => Some(id),
            "VERSION_ID" => Some(version_id),
            _ => fields.get(name).map(String::as_str),
        };
        let field = |name: &str| field(name).filter(|value| !value.is_empty());
        let told = self.systems.iter().find_map(|rule| rule.told_by_fields(id, id_like, &field));
        let streams = match told {
            Some(told) => told.streams,
            None => own_name(id, version_id).into_iter().collect(),
        };
        Reading::of_system(streams, format!("os-release has ID `{id}` and VERSION_ID `{version_id}`"))
    }

    /// Tells the streams that the own kernels of a distribution may belong to, by the name that it has for people: all
    /// that `kubectl get nodes` and `hostnamectl` show of os-release.
    #[must_use]
    pub fn of_pretty_name(&self, pretty_name: &str) -> Reading {
        let told = self.systems.iter().find_map(|rule| rule.told_by_name(pretty_name));
        let streams = told.map_or_else(Vec::new, |told| told.streams);
        Reading::of_system(streams, format!("the distribution calls itself `{pretty_name}`"))
    }

    /// Tells the stream by all that is known. os-release decides among the streams that the release string leaves open;
    /// where the two contradict each other, the kernel is what its own release string says. A distribution without `id`
    /// is known by its pretty name.
    #[must_use]
    pub fn identify(&self, release: Option<&str>, os: Option<&Distribution>) -> Reading {
        let system = os.map(|os| {
            if os.id.is_empty() {
                self.of_pretty_name(&os.pretty_name)
            } else {
                self.of_os_release(&os.id, &os.version_id, &os.id_like, &os.fields)
            }
        });
        match (release, system) {
            (Some(release), Some(system)) if !system.streams.is_empty() => self.combine(release, &system),
            (Some(release), _) => self.of_release(release),
            (None, Some(system)) => system,
            (None, None) => {
                Reading::of_system(Vec::new(), "neither release nor os-release is known".to_owned())
            }
        }
    }

    /// The order of versions in a stream; `None` for a stream that the file doesn't declare.
    #[must_use]
    pub fn order(&self, stream: &str) -> Option<Order> {
        self.declared_of(stream).map(|index| self.declared[index].order)
    }

    /// The last day on which the stream gets fixes without a contract, if the file tells. `series` is the kernel's
    /// upstream series (`5.10`), which is what ends where a stream has no versions of its own.
    #[must_use]
    pub fn end_of_life(&self, stream: &str, series: Option<&str>) -> Option<Date> {
        let declared = &self.declared[self.declared_of(stream)?];
        match &declared.eol {
            EndOfLife::Unknown => None,
            EndOfLife::Date(date) => Some(*date),
            EndOfLife::ByVersion(dates) => {
                let version = declared.name.value_in(stream).filter(|version| !version.is_empty());
                dates.get(version.or(series)?).copied()
            }
        }
    }

    /// Whether the file declares a stream of this name: what an advisory may speak of.
    #[must_use]
    pub fn knows(&self, stream: &str) -> bool {
        self.declared_of(stream).is_some()
    }

    fn declared_of(&self, stream: &str) -> Option<usize> {
        find_declared(&self.declared, stream)
    }

    fn read_release<'a>(&'a self, release: &'a str) -> ReleaseReading<'a> {
        let version = KernelVersion::of_release(release).ok();
        let matched = self.releases.iter().find_map(|rule| Some((rule, rule.pattern.captures(release)?)));
        let Some((rule, captures)) = matched else {
            return ReleaseReading {
                version,
                package_version: self.without_architecture(release),
                told: Told::default(),
                also: Told::default(),
                otherwise: Told::default(),
                known_form: false,
                why: format!("`{release}` has the form of no known stream"),
            };
        };
        let group = |name: &str| expression::group(&captures, name);
        let told = |targets: &[Target]| Told::fill(targets, rule.series.as_ref(), &group);
        ReleaseReading {
            version,
            package_version: group("package").unwrap_or_else(|| self.without_architecture(release)),
            told: told(&rule.streams),
            also: told(&rule.also),
            otherwise: told(&rule.otherwise),
            known_form: true,
            why: format!("`{release}`: {}", rule.why),
        }
    }

    fn combine(&self, release: &str, system: &Reading) -> Reading {
        let kernel = self.read_release(release);
        let both = [&kernel.told, &kernel.also].map(|told| self.agreement(told, &system.streams));
        if let Some(agreed) = both.into_iter().find(|agreed| !agreed.is_empty()) {
            return kernel.finish(agreed, format!("{}; {}", kernel.why, system.why));
        }
        let (os_streams, contradiction) = (&system.streams, format!("{}, though {}", kernel.why, system.why));
        let has_known_form = os_streams.iter().any(|stream| self.has_known_form(stream));
        if !kernel.known_form || !kernel.otherwise.streams.is_empty() {
            // The release string is nobody's own. A distribution whose kernels have a form of their own didn't build
            // it; one of which that isn't known may have.
            let otherwise = kernel.otherwise.streams.clone();
            if has_known_form {
                return kernel.finish(otherwise, contradiction);
            }
            let streams = os_streams.iter().cloned().chain(otherwise).collect();
            return kernel.finish(streams, format!("{}; {}", kernel.why, system.why));
        }
        self.as_told(&kernel, contradiction)
    }

    /// What the release string alone says.
    fn as_told(&self, kernel: &ReleaseReading<'_>, why: String) -> Reading {
        let open = kernel.told.families.iter().map(|&index| self.declared[index].name.to_string()).collect();
        Reading { open, ..kernel.finish(kernel.told.streams.clone(), why) }
    }

    /// The streams that the kernel may be and os-release names, or names the userland of.
    fn agreement(&self, kernel: &Told, os_streams: &[String]) -> Vec<String> {
        let named = os_streams.iter().filter(|&stream| {
            let family = || self.declared_of(stream).is_some_and(|index| kernel.families.contains(&index));
            kernel.streams.contains(stream) || family()
        });
        let named: Vec<String> = named.cloned().collect();
        if !named.is_empty() {
            return named;
        }
        let on_os = |declared: &Declared, version: &str| {
            declared.userland.get(version).is_some_and(|userland| os_streams.contains(userland))
        };
        let told = kernel.streams.iter().filter(|stream| {
            let declared = self.declared_of(stream).map(|index| &self.declared[index]);
            declared.is_some_and(|d| d.name.value_in(stream).is_some_and(|version| on_os(d, version)))
        });
        let open = kernel.families.iter().flat_map(|&index| {
            let declared = &self.declared[index];
            let versions = declared.userland.keys().filter(|version| on_os(declared, version));
            versions.filter_map(|version| declared.name.fill(|_| Some(version)))
        });
        told.cloned().chain(open).collect()
    }

    /// Whether a rule tells kernels of this stream from their release string.
    fn has_known_form(&self, stream: &str) -> bool {
        let Some(declared) = self.declared_of(stream) else { return false };
        let mut targets = self.releases.iter().flat_map(|rule| rule.streams.iter().chain(&rule.also));
        targets.any(|target| target.declared == declared)
    }

    /// The release without `.x86_64` and what follows it.
    fn without_architecture<'r>(&self, release: &'r str) -> &'r str {
        let ends_word = |rest: &str| rest.is_empty() || rest.starts_with(['.', '+']);
        let cut = release.match_indices('.').find(|(dot, _)| {
            let word = &release[dot + 1..];
            self.architectures.iter().any(|name| word.strip_prefix(name.as_str()).is_some_and(ends_word))
        });
        cut.map_or(release, |(dot, _)| &release[..dot])
    }
}

/// The streams that a rule leads to for one string.
#[derive(Debug, Clone, Default)]
struct Told {
    /// Those whose name is complete.
    streams: Vec<String>,
    /// Those of which only the version is missing, by their place among the declared ones.
    families: Vec<usize>,
}

impl Told {
    fn fill<'v>(
        targets: &[Target],
        series: Option<&Series>,
        group: &impl Fn(&str) -> Option<&'v str>,
    ) -> Self {
        let versions = series.zip(group("key")).map_or(&[] as &[_], |(series, key)| series.versions(key));
        let mut told = Self::default();
        for target in targets {
            let names: Vec<String> = if versions.is_empty() {
                target.name.fill(group).into_iter().collect()
            } else {
                let with = |version: &String| {
                    target
                        .name
                        .fill(|hole| if hole == "version" { Some(version.as_str()) } else { group(hole) })
                };
                versions.iter().filter_map(with).collect()
            };
            if names.is_empty() {
                told.families.push(target.declared);
            }
            for name in names {
                if !told.streams.contains(&name) {
                    told.streams.push(name);
                }
            }
        }
        told
    }
}

struct ReleaseReading<'a> {
    version: Option<KernelVersion>,
    package_version: &'a str,
    told: Told,
    also: Told,
    otherwise: Told,
    known_form: bool,
    why: String,
}

impl ReleaseReading<'_> {
    fn finish(&self, streams: Vec<String>, why: String) -> Reading {
        let package_version = Some(self.package_version.to_owned());
        Reading { streams, open: Vec::new(), version: self.version, package_version, why }
    }
}

impl Reading {
    const fn of_system(streams: Vec<String>, why: String) -> Self {
        Self { streams, open: Vec::new(), version: None, package_version: None, why }
    }
}

impl SystemRule {
    fn told_by_fields<'v>(
        &self,
        id: &str,
        id_like: &[String],
        field: &impl Fn(&str) -> Option<&'v str>,
    ) -> Option<Told> {
        if self.id.is_empty() && self.like.is_empty() && self.fields.is_empty() {
            return None;
        }
        let is_one_of =
            |names: &[String], value: &str| names.iter().any(|name| name.eq_ignore_ascii_case(value));
        let id_holds = self.id.is_empty() || is_one_of(&self.id, id);
        let like_holds = self.like.is_empty() || id_like.iter().any(|like| is_one_of(&self.like, like));
        if !id_holds || !like_holds {
            return None;
        }
        let captures: Option<Vec<_>> =
            self.fields.iter().map(|(name, pattern)| pattern.captures(field(name)?)).collect();
        let captures = captures?;
        let group = |name: &str| captures.iter().find_map(|found| expression::group(found, name));
        Some(Told::fill(&self.streams, self.series.as_ref(), &group))
    }

    fn told_by_name(&self, pretty_name: &str) -> Option<Told> {
        let captures = self.pretty.as_ref()?.captures(pretty_name)?;
        let group = |name: &str| expression::group(&captures, name);
        Some(Told::fill(&self.streams, self.series.as_ref(), &group))
    }
}

impl BuildRule {
    fn told_by(&self, build: &str) -> Option<Told> {
        let captures = self.pattern.captures(build)?;
        let group = |name: &str| expression::group(&captures, name);
        let mut told = Told::fill(&self.streams, self.series.as_ref(), &group);
        if self.own {
            told.streams.truncate(1);
        }
        Some(told)
    }
}

impl Series {
    fn versions(&self, mut key: &str) -> &[String] {
        loop {
            if let Some(versions) = self.0.get(key) {
                return versions;
            }
            let Some((shorter, _)) = key.rsplit_once('.') else { return &[] };
            key = shorter;
        }
    }
}

/// The name of a stream of a distribution that no rule speaks of: made as those are that are known.
fn own_name(id: &str, version_id: &str) -> Option<String> {
    let version_id = version_id.split_whitespace().next()?;
    let version = version_id.strip_prefix(['v', 'V']).unwrap_or(version_id);
    let is_version = version.starts_with(|c: char| c.is_ascii_digit());
    (!id.is_empty() && is_version).then(|| format!("{}-{version_id}", id.to_ascii_lowercase()))
}

/// The declared stream that a name belongs to: the one of exactly that name before those with a version.
fn find_declared(declared: &[Declared], name: &str) -> Option<usize> {
    let value = |stream: &Declared| stream.name.value_in(name);
    let exact = declared.iter().position(|stream| value(stream) == Some(""));
    exact.or_else(|| declared.iter().position(|stream| value(stream).is_some()))
}

#[cfg(test)]
mod tests;
