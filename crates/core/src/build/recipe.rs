//! How a program is built, to the last word: argument vector, the whole environment, where its tree lies, the files that are
//! written for it and the file that comes out. Nothing of the caller's environment is in it: settings of Go, of make and of
//! Kubernetes' makefiles that somebody left there have changed what came out, or kept it from coming.

use std::collections::BTreeMap;

use super::{Linkage, Source, Toolchain, Wish, is_by_make};
use crate::knowledge::build::{Layout, Way};
use crate::program::{Component, Marker};
use crate::version::release::Release;

/// A file that only sources with the tag have, below the tree of runc. Its path is a marker of programs: written here it
/// would be in kernmend's own.
#[must_use]
pub fn tagged() -> String {
    let [folder, file] = [Marker::LibcontainerFs, Marker::DisabledSource].map(Marker::needle);
    String::from_utf8_lossy(&[folder, file].concat()).into_owned()
}

/// Where a kubelet's tree has runc's.
pub const VENDORED_RUNC: &str = "vendor/github.com/opencontainers/runc";
/// A package that every one of these programs takes from others, and a tree has where it holds what it needs. The zip of a Go
/// module has a folder `vendor` too, with nothing in it but a list.
pub const VENDORED: &str = "vendor/golang.org/x/sys/unix";

/// One build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// The argument vector.
    pub argv: Vec<String>,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// Where it is run, below the folder of work.
    pub directory: String,
    /// Files that are written before, below the folder of work, with their content.
    pub files: Vec<(String, String)>,
    /// The file that comes out, below the folder of work.
    pub output: String,
}

/// Where a build takes place, as it is seen from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The folder of work.
    pub work: &'a str,
    /// The folders in which programs are looked for, as `PATH` has them.
    pub path: &'a str,
}

/// The repository of a program's project.
#[must_use]
pub const fn upstream(component: Component) -> &'static str {
    match component {
        Component::Kubelet => "https://github.com/kubernetes/kubernetes",
        _ => "https://github.com/opencontainers/runc",
    }
}

/// Where the tree lies, below the folder of work: there Go finds what it vendors without a go.mod, and with one it is as good
/// as any other.
#[must_use]
pub const fn tree(component: Component) -> &'static str {
    match component {
        Component::Kubelet => "gopath/src/k8s.io/kubernetes",
        _ => "gopath/src/github.com/opencontainers/runc",
    }
}

/// Folders of a tree that aren't taken along: its history, and what an earlier build left, which can keep a new one from
/// being made.
pub const LEFT_BEHIND: [&str; 2] = [".git", "_output"];

/// The environment in which Go is run: that of a build, and of the questions before it. Without `GOENV=off` Go reads settings
/// from a file of the user's, and an old one fails on flags of a newer one there.
#[must_use]
pub fn environment(place: Place<'_>, layout: Layout) -> BTreeMap<String, String> {
    let work = |folder: &str| format!("{}/{folder}", place.work);
    let modules = match layout {
        Layout::Gopath => "off",
        Layout::Modules => "on",
    };
    let entries = [
        ("PATH", place.path.to_owned()),
        ("HOME", work("home")),
        ("TMPDIR", work("tmp")),
        ("LC_ALL", "C".to_owned()),
        ("GOPATH", work("gopath")),
        ("GOCACHE", work("cache")),
        ("GOENV", "off".to_owned()),
        ("GOFLAGS", String::new()),
        ("GOPROXY", "off".to_owned()),
        ("GOTOOLCHAIN", "local".to_owned()),
        ("GO111MODULE", modules.to_owned()),
        ("CGO_ENABLED", "1".to_owned()),
    ];
    entries.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Folders that are made in the folder of work, since the environment names them.
pub const FOLDERS: [&str; 4] = ["home", "tmp", "cache", "gopath"];

/// How it is built. Nothing may stand in the way of it.
#[must_use]
pub fn recipe(wish: &Wish, way: &Way, source: &Source, toolchain: &Toolchain, place: Place<'_>) -> Recipe {
    let recipe = Recipe {
        argv: Vec::new(),
        environment: environment(place, way.layout),
        directory: tree(wish.component).to_owned(),
        files: Vec::new(),
        output: format!("{}/{}", tree(wish.component), wish.component.name()),
    };
    let commit = source.commit.value().map_or("", String::as_str);
    match (wish.component, is_by_make(way, source, toolchain)) {
        (Component::Kubelet, true) => harness(recipe, wish, commit, place),
        (_, true) => makefile(recipe, wish, way, commit),
        (_, false) => go(recipe, wish, way, toolchain, commit),
    }
}

/// The tags of a build.
fn tags(wish: &Wish, way: &Way) -> Vec<String> {
    let more: &[String] = if wish.linkage == Linkage::Static { &way.static_tags } else { &[] };
    [&way.tags[..], more].concat()
}

/// runc's makefile. It takes a program that is there for done, whatever it was built with; hence `-B`. Its variables count
/// only on the command line in some versions, and it separates tags by blanks, which every Go takes.
fn makefile(mut recipe: Recipe, wish: &Wish, way: &Way, commit: &str) -> Recipe {
    let mut argv = vec!["make".to_owned(), "-B".to_owned(), "runc".to_owned()];
    argv.push(format!("BUILDTAGS={}", tags(wish, way).join(" ")));
    argv.push(format!("COMMIT={commit}"));
    if wish.linkage == Linkage::Static {
        // The makefile asks for a position independent program before it; Go takes the last word.
        argv.push("EXTRA_FLAGS=-buildmode=exe".to_owned());
        argv.push(format!("EXTRA_LDFLAGS={STATIC}"));
    }
    recipe.argv = argv;
    recipe
}

/// The linker's words for a static program.
const STATIC: &str = "-w -extldflags -static";

/// Kubernetes' makefiles. They take GOFLAGS apart by a pattern, and anything but this one flag comes out of it as another; the
/// version is told by a file, since the variables of that name are overruled by what `git archive` wrote into the tree.
fn harness(mut recipe: Recipe, wish: &Wish, commit: &str, place: Place<'_>) -> Recipe {
    const VERSION: &str = "version.sh";
    let set = |recipe: &mut Recipe, name: &str, value: String| {
        recipe.environment.insert(name.to_owned(), value);
    };
    recipe.argv = ["make", "WHAT=cmd/kubelet"].map(str::to_owned).to_vec();
    set(&mut recipe, "GOFLAGS", "-tags=nokmem".to_owned());
    set(&mut recipe, "KUBE_GIT_VERSION_FILE", format!("{}/{VERSION}", place.work));
    // They set GO111MODULE themselves, and a word from outside is in their way.
    recipe.environment.remove("GO111MODULE");
    recipe.environment.remove("CGO_ENABLED");
    if wish.linkage == Linkage::Static {
        set(&mut recipe, "KUBE_STATIC_OVERRIDES", "kubelet".to_owned());
    }
    let (major, minor) = wish.version.major_minor();
    let variables = [
        ("KUBE_GIT_COMMIT", commit.to_owned()),
        ("KUBE_GIT_TREE_STATE", "clean".to_owned()),
        ("KUBE_GIT_VERSION", wish.version.tag()),
        ("KUBE_GIT_MAJOR", major.to_string()),
        ("KUBE_GIT_MINOR", minor.to_string()),
    ];
    let content = variables.iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
    recipe.files.push((VERSION.to_owned(), content));
    // Where it is linked to; the other names of it are links by paths that hold only where it was built.
    recipe.output = format!("{}/_output/local/go/bin/kubelet", recipe.directory);
    recipe
}

/// The go command itself, as the makefiles would call it.
fn go(mut recipe: Recipe, wish: &Wish, way: &Way, toolchain: &Toolchain, commit: &str) -> Recipe {
    let is_static = wish.linkage == Linkage::Static;
    let needs_c = !way.libraries.is_empty();
    let mut argv = vec!["go".to_owned(), "build".to_owned()];
    if way.layout == Layout::Modules {
        argv.push("-mod=vendor".to_owned());
    }
    // Go takes commas from 1.13 on, and blanks still; one that takes no blanks any more is not known.
    let version = toolchain.go.value().and_then(|go| Release::parse(go));
    let has_commas = version.zip(Release::parse("1.13")).is_some_and(|(go, first)| go >= first);
    let separator = if has_commas { "," } else { " " };
    argv.extend(["-tags".to_owned(), tags(wish, way).join(separator)]);
    if !is_static && wish.component == Component::Runc {
        argv.push("-buildmode=pie".to_owned());
    }
    let mut words = Vec::new();
    for package in &way.stamps {
        let (version, hash) = match wish.component {
            Component::Kubelet => (("gitVersion", wish.version.tag()), "gitCommit"),
            _ => (("version", wish.version.to_string()), "gitCommit"),
        };
        words.push(format!("-X {package}.{}={}", version.0, version.1));
        words.push(format!("-X {package}.{hash}={commit}"));
        if wish.component == Component::Kubelet {
            let (major, minor) = wish.version.major_minor();
            words.push(format!("-X {package}.gitMajor={major}"));
            words.push(format!("-X {package}.gitMinor={minor}"));
            words.push(format!("-X {package}.gitTreeState=clean"));
        }
    }
    if is_static && needs_c {
        words.push(STATIC.to_owned());
    } else if is_static {
        recipe.environment.insert("CGO_ENABLED".to_owned(), "0".to_owned());
    }
    argv.extend(["-ldflags".to_owned(), words.join(" "), "-o".to_owned(), wish.component.name().to_owned()]);
    argv.push(if wish.component == Component::Kubelet { "./cmd/kubelet" } else { "." }.to_owned());
    recipe.argv = argv;
    recipe
}
