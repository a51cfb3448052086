//! The versions of container runtimes and kubelets: read from build information and from what the programs print, and
//! what a version says about the accounting in its source. It doesn't order versions of distributions.

use std::cmp::Ordering;

use super::{BuildInfo, Marker};

/// A program that kernmend knows by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// The OCI runtime that libcontainer belongs to.
    Runc,
    /// The OCI runtime written in C.
    Crun,
    /// containerd, its shims and its client.
    Containerd,
    /// Docker's daemon and client.
    Docker,
    /// The kubelet, and `hyperkube`, which contains it.
    Kubelet,
    /// CRI-O.
    Crio,
    /// k3s, which contains a kubelet.
    K3s,
}

impl Component {
    /// Knows a program by its file name or path.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.rsplit('/').next().unwrap_or(name);
        // Docker's packages up to 18.06 named their copies `docker-runc` and `docker-containerd`, and CRI-O's `crio-runc`.
        let name = name.strip_prefix("docker-").or_else(|| name.strip_prefix("crio-")).unwrap_or(name);
        Some(match name {
            "runc" | "runc-current" => Self::Runc,
            "crun" => Self::Crun,
            "ctr" => Self::Containerd,
            _ if name.starts_with("containerd") => Self::Containerd,
            "docker" | "dockerd" | "dockerd-current" => Self::Docker,
            "kubelet" | "hyperkube" => Self::Kubelet,
            "crio" | "cri-o" => Self::Crio,
            "k3s" | "k3s-server" | "k3s-agent" => Self::K3s,
            _ if name.starts_with("runc-") || name.starts_with("runc.") => Self::Runc,
            _ if name.starts_with("kubelet-") || name.starts_with("kubelet.") => Self::Kubelet,
            _ => return None,
        })
    }

    /// The name of the component.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Runc => "runc",
            Self::Crun => "crun",
            Self::Containerd => "containerd",
            Self::Docker => "docker",
            Self::Kubelet => "kubelet",
            Self::Crio => "crio",
            Self::K3s => "k3s",
        }
    }

    /// Knows a program by the path of its main package.
    #[must_use]
    pub fn from_package(path: &str) -> Option<Self> {
        let under = |module: &str| path == module || path.starts_with(&format!("{module}/"));
        Some(if path == "github.com/opencontainers/runc" {
            Self::Runc
        } else if matches!(path, "k8s.io/kubernetes/cmd/kubelet" | "k8s.io/kubernetes/cmd/hyperkube") {
            Self::Kubelet
        } else if under("github.com/containerd/containerd") {
            Self::Containerd
        } else if ["github.com/docker/docker", "github.com/moby/moby", "github.com/docker/cli"]
            .into_iter()
            .any(under)
        {
            Self::Docker
        } else if ["github.com/cri-o/cri-o", "github.com/kubernetes-incubator/cri-o"].into_iter().any(under) {
            Self::Crio
        } else if ["github.com/k3s-io/k3s", "github.com/rancher/k3s"].into_iter().any(under) {
            Self::K3s
        } else {
            return None;
        })
    }

    /// The ends of the linker variables that hold its version, and the modules that it is released as. The package
    /// before such an end differs: sources moved, and a vendored package's path begins with that of the tree.
    const fn sources(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Runc => (&["main.version"], &["github.com/opencontainers/runc"]),
            Self::Crun => (&[], &[]),
            Self::Containerd => (
                &["containerd/containerd/version.Version", "containerd/containerd/v2/version.Version"],
                &["github.com/containerd/containerd", "github.com/containerd/containerd/v2"],
            ),
            Self::Docker => (
                &["dockerversion.Version", "docker/cli/cli/version.Version"],
                &["github.com/docker/docker", "github.com/moby/moby/v2", "github.com/docker/cli"],
            ),
            Self::Kubelet => (
                &["k8s.io/component-base/version.gitVersion", "k8s.io/kubernetes/pkg/version.gitVersion"],
                &["k8s.io/kubernetes"],
            ),
            Self::Crio => (
                &[
                    "cri-o/internal/version.Version",
                    "cri-o/internal/pkg/version.Version",
                    "cri-o/version.Version",
                ],
                &["github.com/cri-o/cri-o"],
            ),
            Self::K3s => (&["k3s/pkg/version.Version"], &["github.com/k3s-io/k3s", "github.com/rancher/k3s"]),
        }
    }
}

/// The version that build information tells of the program called `name`: the linker's variable before the main
/// module's, since distributions stamp their own. Nothing where neither is recorded.
#[must_use]
pub fn version_of(info: &BuildInfo, name: &str) -> Option<String> {
    let component =
        info.path.as_deref().and_then(Component::from_package).or_else(|| Component::from_name(name))?;
    let (variables, modules) = component.sources();
    let stamps = info.stamps();
    // The linker lets the last of equal variables win.
    let stamped = stamps.iter().rev().find(|(name, _)| {
        variables
            .iter()
            .any(|end| name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('/')))
            || variables.iter().any(|end| name.ends_with(&format!("/{end}")))
    });
    let module = || {
        let main = info.main.as_ref()?;
        modules.contains(&main.path.as_str()).then(|| main.effective().version.as_str())
    };
    let version =
        stamped.map(|(_, version)| version.as_str()).and_then(number).or_else(|| module().and_then(number));
    version.map(str::to_owned)
}

/// The version in what a program called `name` prints for `--version`, or `version` or `info` in Docker's case, or
/// `crictl version`. Programs that print the versions of others too are asked for the one that `name` names: `runc`
/// finds the runtime's in the output of `docker version`. Nothing where there is none.
#[must_use]
pub fn parse_version_output(name: &str, text: &str) -> Option<String> {
    let component = Component::from_name(name);
    let own = name.rsplit('/').next().unwrap_or(name);
    let names: &[&str] = match component {
        Some(Component::Runc) => &["runc"],
        Some(Component::Crun) => &["crun"],
        Some(Component::Containerd) => &["containerd", "ctr"],
        Some(Component::Docker) => &["docker"],
        Some(Component::Kubelet) => &["kubernetes", "kubelet"],
        Some(Component::Crio) => &["crio", "cri-o"],
        Some(Component::K3s) => &["k3s"],
        None => &[],
    };
    let known = |word: &str| {
        word.eq_ignore_ascii_case(own) || names.iter().any(|name| word.eq_ignore_ascii_case(name))
    };
    let found = in_one_line(text, &known)
        .or_else(|| in_cri(text, &known))
        .or_else(|| in_sections(text, component, &known))
        .or_else(|| {
            (component == Some(Component::Docker)).then(|| value_of(text, "Server Version")).flatten()
        });
    found.map(str::to_owned)
}

/// `NAME version V`, `NAME V`, `NAME MODULE V COMMIT` and `NAME version: V`.
fn in_one_line<'t>(text: &'t str, known: &dyn Fn(&str) -> bool) -> Option<&'t str> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let first = words.next()?;
        // Some print the path that they were started by.
        if !known(first.rsplit('/').next()?) {
            return None;
        }
        let second = words.next()?;
        if second.trim_end_matches(':').eq_ignore_ascii_case("version") {
            // Nothing is skipped here: where the version is empty the next word is another thing's.
            return number(words.next()?);
        }
        number(second).or_else(|| {
            // A package path stands between name and version.
            let path = second.contains(['/', '.']) && second.starts_with(|c: char| c.is_ascii_alphabetic());
            if path { number(words.next()?) } else { None }
        })
    })
}

/// What the container runtime interface says of the runtime behind it.
fn in_cri<'t>(text: &'t str, known: &dyn Fn(&str) -> bool) -> Option<&'t str> {
    known(value_of_line(text, "RuntimeName")?).then(|| value_of(text, "RuntimeVersion"))?
}

/// Docker's listing of its parts, each a heading with indented lines.
fn in_sections<'t>(
    text: &'t str,
    component: Option<Component>,
    known: &dyn Fn(&str) -> bool,
) -> Option<&'t str> {
    let docker = component == Some(Component::Docker);
    let mut inside: Option<usize> = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        if trimmed.is_empty() {
            continue;
        }
        let indent = line.len() - trimmed.len();
        if inside.is_some_and(|heading| indent <= heading) {
            inside = None;
        }
        let (key, value) = trimmed.split_once(':').unwrap_or((trimmed, ""));
        let key = key.trim();
        if inside.is_some()
            && key.eq_ignore_ascii_case("version")
            && let Some(found) = number(value)
        {
            return Some(found);
        }
        // Before 18.06 the engine's version stood directly under `Server`.
        let engine = docker && (key == "Engine" || key == "Server");
        let listed = component.is_some() && !docker && known(key) && value.trim().is_empty();
        // In `docker info` the version stands beside the name, for containerd it is a commit there.
        if component.is_some() && !docker && key.strip_suffix(" version").is_some_and(known) {
            return number(value).filter(|found| found.contains('.'));
        }
        if engine || listed {
            inside = Some(indent);
        }
    }
    None
}

fn value_of_line<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().find_map(|line| {
        let (k, value) = line.split_once(':')?;
        (k.trim() == key).then(|| value.trim())
    })
}

fn value_of<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    number(value_of_line(text, key)?)
}

/// The first word, where it is a version: a number, with or without `v` before it, and whatever its maker added.
fn number(text: &str) -> Option<&str> {
    let word = text.split_whitespace().next()?.trim_end_matches([',', ';', ')']);
    let digits = word.strip_prefix('v').unwrap_or(word);
    // An unstamped kubelet of a module build says `v0.0.0-master+$Format:%h$`.
    let placeholder = word.contains('$') || digits.starts_with("0.0.0");
    let plain = word.bytes().all(|byte| byte.is_ascii_graphic());
    (digits.starts_with(|c: char| c.is_ascii_digit()) && plain && !placeholder).then_some(word)
}

/// What the source of a version does about accounting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// It accounts for explicit kernel limits only.
    OnDemand,
    /// It accounts, and has no tag against it.
    On,
    /// It has the tag, and a build with it says nothing of it.
    TagSilent,
    /// It has the tag, and a build with it holds the error text.
    Tag,
    /// It has no code for it.
    Removed,
}

/// The era of a program. The revision of libcontainer inside, where build information names it, tells more than the
/// version of the program around it.
pub(super) fn era(info: Option<&BuildInfo>, name: &str, version: Option<&str>) -> Option<Era> {
    if let Some(info) = info {
        // The path is a marker: written here it would be in kernmend's own binary.
        let library = Marker::CgroupLibrary.needle();
        if info.dependencies.iter().any(|module| module.path.as_bytes().ends_with(&library)) {
            return Some(Era::Removed);
        }
        let inside =
            info.module("github.com/opencontainers/runc").and_then(|runc| era_of_runc(&runc.version));
        if inside.is_some() {
            return inside;
        }
    }
    let component = info
        .and_then(|info| info.path.as_deref())
        .and_then(Component::from_package)
        .or(Component::from_name(name));
    let of = |version: &str| match component? {
        Component::Runc => era_of_runc(version),
        Component::Kubelet | Component::K3s => era_of_kubelet(version),
        Component::Crun | Component::Containerd | Component::Docker | Component::Crio => None,
    };
    version.and_then(of).or_else(|| of(&version_of(info?, name)?))
}

/// The era of a runc version, written as runc, a distribution or a Go module writes it.
fn era_of_runc(version: &str) -> Option<Era> {
    let (numbers, rest) = triple(version)?;
    match numbers.cmp(&(1, 0, 0)) {
        Ordering::Less => return None,
        Ordering::Greater => return Some(Era::Removed),
        Ordering::Equal => {}
    }
    let Some((_, candidate)) =
        rest.split_once("rc").filter(|(before, _)| matches!(*before, "-" | "~" | "_" | ""))
    else {
        return Some(Era::Removed);
    };
    let end = candidate.find(|c: char| !c.is_ascii_digit()).unwrap_or(candidate.len());
    let (candidate, after) = candidate.split_at(end);
    let candidate: u32 = candidate.parse().ok()?;
    let era = |candidate| match candidate {
        3..=5 => Some(Era::On),
        6 => Some(Era::TagSilent),
        7..=10 | 90..=93 => Some(Era::Tag),
        94..=99 => Some(Era::Removed),
        _ => None,
    };
    // `-49-gd223e2a` counts the commits since the candidate; `+dev` and `.0.DATE` say that there are some.
    let commits: Option<u32> = after
        .strip_prefix('-')
        .and_then(|after| after.split_once("-g"))
        .and_then(|(count, _)| count.parse().ok());
    if candidate == 2 {
        // Accounting became on demand nine commits after rc2 and came back some time before rc3. The last revision
        // that was seen to be on demand is 49 commits after it; of later ones nothing is known.
        return commits.filter(|count| (9..=49).contains(count)).map(|_| Era::OnDemand);
    }
    let between = commits.is_some_and(|count| count > 0)
        || after.starts_with("+dev")
        || after.starts_with("-dev")
        || after.starts_with(".0.");
    let next = if candidate == 10 { 90 } else { candidate + 1 };
    // A revision between two candidates of different eras may belong to either.
    era(candidate).filter(|found| !between || era(next) == Some(*found))
}

/// The era of a Kubernetes version: from the revision of libcontainer in each release's own list of dependencies.
fn era_of_kubelet(version: &str) -> Option<Era> {
    let ((major, minor, patch), _) = triple(version)?;
    match (major, minor, patch) {
        (1, 0..=8, _) => Some(Era::OnDemand),
        (1, 9..=13, _) => Some(Era::On),
        (1, 14 | 15, _) => Some(Era::TagSilent),
        (1, 16..=20, _) | (1, 21, 0 | 1) => Some(Era::Tag),
        (1, 21.., _) => Some(Era::Removed),
        _ => None,
    }
}

/// The three numbers that a version begins with, and what follows them.
fn triple(version: &str) -> Option<((u32, u32, u32), &str)> {
    let mut rest = version.strip_prefix('v').unwrap_or(version);
    let mut numbers = [0; 3];
    for (i, number) in numbers.iter_mut().enumerate() {
        if i > 0 {
            rest = rest.strip_prefix('.')?;
        }
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        *number = rest[..end].parse().ok()?;
        rest = &rest[end..];
    }
    Some(((numbers[0], numbers[1], numbers[2]), rest))
}

#[cfg(test)]
mod tests;
