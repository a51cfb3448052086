//! The sources of a build: fetched, unpacked or copied into the folder of work, and what they say of themselves. The caller's
//! tree is only read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use kernmend_core::build::recipe::{LEFT_BEHIND, VENDORED, VENDORED_RUNC, tagged, tree, upstream};
use kernmend_core::build::{Source, Wish, fault};
use kernmend_core::document::{Digest, Fact, Reason};
use kernmend_core::program::Component;

use super::{BuildError, LONG, Progress, SHORT, Site};
use crate::machine::MachineError;
use crate::machine::tool::{Job, Place, Tool, run};

/// Where sources come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// The tag of the version in its project's repository.
    Upstream,
    /// The tag of the version in another repository.
    Repository(String),
    /// A directory.
    Directory(PathBuf),
    /// A tar archive, compressed or not.
    Archive(PathBuf),
}

impl From {
    /// Knows what is meant by a word: a directory or a file that is there, or else the address of a repository. Nothing where it
    /// is none of these.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let path = Path::new(word);
        if path.is_dir() {
            Some(Self::Directory(path.to_owned()))
        } else if path.is_file() {
            Some(Self::Archive(path.to_owned()))
        } else {
            let is_address = word.contains("://") || (word.contains('@') && word.contains(':'));
            is_address.then(|| Self::Repository(word.to_owned()))
        }
    }

    /// How people know it.
    pub(super) fn name(&self, wish: &Wish) -> String {
        match self {
            Self::Upstream => upstream(wish.component).to_owned(),
            Self::Repository(address) => address.clone(),
            Self::Directory(path) | Self::Archive(path) => path.display().to_string(),
        }
    }
}

/// What of the caller's environment git needs to get out of a network that lets nothing out by itself, or to be let in.
const NETWORK: [&str; 10] = [
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSH_AUTH_SOCK",
];

/// Longer than any file that is read to know a tree.
const MAX_TELLING: usize = 1 << 20;

/// Gets the sources to where they are built; gives what they are, and their digest.
pub(super) fn get(
    site: &Site<'_>,
    tell: &mut dyn FnMut(Progress<'_>),
) -> Result<(Source, Digest), BuildError> {
    let wish = &site.order.wish;
    let from = match &site.order.from {
        From::Directory(path) => {
            tell(Progress::Reading);
            path.clone()
        }
        From::Archive(path) => {
            tell(Progress::Reading);
            let unusable = |error: MachineError| BuildError::Source {
                from: path.display().to_string(),
                said: vec![error.source.to_string()],
            };
            site.scratch.unpack(path, "unpacked").map_err(unusable)?
        }
        from @ (From::Upstream | From::Repository(_)) => {
            let address = from.name(wish);
            tell(Progress::Fetching(&address));
            let cloned = clone(site, &address)?;
            tell(Progress::Reading);
            cloned
        }
    };
    let to = tree(wish.component);
    let digest = site.scratch.copy(&from, to, &LEFT_BEHIND)?;
    Ok((look(site, &from, &site.scratch.path().join(to)), digest))
}

/// Clones the tag of the version, on the host: a build has no network.
fn clone(site: &Site<'_>, address: &str) -> Result<PathBuf, BuildError> {
    const INTO: &str = "cloned";
    let tag = site.order.wish.version.tag();
    let arguments = ["clone", "--quiet", "--depth=1", "--branch", &tag, "--", address, INTO];
    let (code, said) = git(site, &arguments, "")?;
    if code == Some(0) {
        return Ok(site.scratch.path().join(INTO));
    }
    Err(BuildError::Source { from: address.to_owned(), said: fault::cause(&said) })
}

/// Runs git on the host, in the folder of work.
fn git(site: &Site<'_>, arguments: &[&str], directory: &str) -> Result<(Option<i32>, String), MachineError> {
    let work = site.scratch.path().display();
    let mut environment: BTreeMap<String, String> =
        NETWORK.into_iter().filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))).collect();
    let own = [
        ("PATH", Place::Host.path(None)),
        ("HOME", format!("{work}/home")),
        ("LC_ALL", "C".to_owned()),
        ("GIT_TERMINAL_PROMPT", "0".to_owned()),
        // Its questions would write to the caller's tree otherwise.
        ("GIT_OPTIONAL_LOCKS", "0".to_owned()),
    ];
    environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
    let job = Job {
        tool: Tool::Git,
        arguments: arguments.iter().map(ToString::to_string).collect(),
        environment,
        directory: directory.to_owned(),
    };
    let mut said = Vec::new();
    let mut heard = |bytes: &[u8]| {
        said.extend_from_slice(bytes);
        Ok(())
    };
    let deadline = if directory.is_empty() && arguments[0] == "clone" { LONG } else { SHORT };
    let work = site.scratch.path();
    let code = run(&Place::Host, &job, work, None, deadline, site.order.is_stopped, &mut heard)?;
    Ok((code, String::from_utf8_lossy(&said).trim().to_owned()))
}

/// What a tree is. `from` is where its history is, where it has one; `at` is the copy.
fn look(site: &Site<'_>, from: &Path, at: &Path) -> Source {
    let component = site.order.wish.component;
    let has = |path: &str| at.join(path).exists();
    let (runc, makefile) = match component {
        Component::Kubelet => (format!("{VENDORED_RUNC}/"), "hack/lib/golang.sh"),
        _ => (String::new(), "Makefile"),
    };
    let version = if component == Component::Kubelet { kubelet(site, from, at) } else { runc_version(at) };
    Source {
        version,
        commit: commit(site, from),
        knows_tag: has(&format!("{runc}{}", tagged())),
        is_vendored: has(VENDORED),
        has_makefile: has("Makefile") && has(makefile),
    }
}

fn commit(site: &Site<'_>, tree: &Path) -> Fact<String> {
    let question = ["rev-parse", "--verify", "HEAD"];
    ask(site, tree, &question)
}

/// Asks git about a tree that has its history with it. One inside another repository would be told that one's.
fn ask(site: &Site<'_>, tree: &Path, question: &[&str]) -> Fact<String> {
    let name = format!("git {}", question.join(" "));
    if !tree.join(".git").exists() {
        return Fact::unknown(Reason::NotTold, tree.display().to_string(), "no .git");
    }
    let shown = tree.display().to_string();
    let arguments = [&["-c", "safe.directory=*", "-C", &shown], question].concat();
    match git(site, &arguments, "") {
        Ok((Some(0), said)) if !said.is_empty() => Fact::known(said, name),
        Ok((_, said)) => Fact::unknown(Reason::NotTold, name, said.lines().next().unwrap_or_default()),
        Err(error) => Fact::unknown(Reason::ReadFailed, name, error.line()),
    }
}

fn text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    (text.len() <= MAX_TELLING).then_some(text)
}

/// runc has its version in a file.
fn runc_version(at: &Path) -> Fact<String> {
    match text(&at.join("VERSION")) {
        Some(version) => Fact::known(version.trim().to_owned(), "VERSION"),
        None => Fact::unknown(Reason::NotTold, "VERSION", ""),
    }
}

/// Kubernetes has its version in its tags alone; `git archive` writes the tag into a script, and the lists of changes tell the
/// first two numbers.
fn kubelet(site: &Site<'_>, from: &Path, at: &Path) -> Fact<String> {
    const SCRIPT: &str = "hack/lib/version.sh";
    const CHANGES: &str = "CHANGELOG";
    let tagged = ask(site, from, &["describe", "--tags", "--exact-match", "--match", "v*"]);
    if tagged.value().is_some() {
        return tagged;
    }
    let script = text(&at.join(SCRIPT)).unwrap_or_default();
    let tag = script.split_once("'tag: v").and_then(|(_, rest)| rest.split_once('\'')).map(|(tag, _)| tag);
    if let Some(tag) = tag {
        return Fact::known(tag.to_owned(), SCRIPT);
    }
    let names = fs::read_dir(at.join(CHANGES)).into_iter().chain(fs::read_dir(at)).flatten();
    let minors = names.filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        let (major, minor) = name.strip_prefix("CHANGELOG-")?.strip_suffix(".md")?.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    });
    match minors.max() {
        Some((major, minor)) => Fact::known(format!("{major}.{minor}"), CHANGES),
        None => Fact::unknown(Reason::NotTold, CHANGES, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_names_what_is_there_or_an_address() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.tar");
        fs::write(&file, "").unwrap();
        let parse = |path: &Path| From::parse(path.to_str().unwrap());
        assert_eq!(parse(directory.path()), Some(From::Directory(directory.path().to_owned())));
        assert_eq!(parse(&file), Some(From::Archive(file.clone())));
        for address in ["https://example.org/runc", "git@example.org:a/b.git", "file:///srv/runc.git"] {
            assert_eq!(From::parse(address), Some(From::Repository(address.to_owned())));
        }
        assert_eq!(parse(&directory.path().join("missing")), None);
    }
}
