//! What is refused, and what is done, as tables.

use super::product::{Product, judge, remarks};
use super::recipe::{Place, Recipe, recipe};
use super::*;
use crate::document::Reason;
use crate::document::snapshot::Class;
use crate::knowledge::KnowledgeBase;
use crate::program::{Classification, Demands, Features, Ground, Machine, Presence};

const PLACE: Place<'static> = Place { work: "/w", path: "/go/bin:/usr/bin" };

fn wish(component: Component, version: &str) -> Wish {
    let version = Release::parse(version).unwrap();
    Wish { component, version, linkage: Linkage::Static, force: false }
}

fn runc(version: &str) -> Wish {
    wish(Component::Runc, version)
}

fn kubelet(version: &str) -> Wish {
    wish(Component::Kubelet, version)
}

fn source(version: &str) -> Source {
    Source {
        version: Fact::known(version.to_owned(), "VERSION"),
        commit: Fact::known("abc".to_owned(), "git"),
        knows_tag: true,
        is_vendored: true,
        has_makefile: true,
    }
}

fn toolchain(go: &str) -> Toolchain {
    Toolchain {
        go: Fact::known(go.to_owned(), "go version"),
        tools: TOOLS.into(),
        libraries: ["libseccomp".to_owned()].into(),
        archives: ["libseccomp.a", "libc.a"].map(str::to_owned).into(),
        free: Fact::known(8 << 30, "/w"),
    }
}

/// The way of a version that is built.
fn way_of(wish: &Wish) -> Way {
    way(wish, &KnowledgeBase::embedded().builds).unwrap().clone()
}

fn made(wish: &Wish, source: &Source, toolchain: &Toolchain) -> Recipe {
    let way = way_of(wish);
    assert_eq!(weigh(wish, &way, source, toolchain), []);
    recipe(wish, &way, source, toolchain, PLACE)
}

#[test]
fn versions_for_which_it_makes_no_sense_are_refused() {
    let builds = KnowledgeBase::embedded().builds;
    for (wish, expected) in [
        (runc("1.0.0-rc5"), Some("build-tag-absent")),
        (runc("1.0.0-rc6"), Some("build-overwritable")),
        (Wish { force: true, ..runc("1.0.0-rc6") }, None),
        (Wish { force: true, ..runc("1.0.0-rc5") }, Some("build-tag-absent")),
        (runc("1.0.0-rc7"), None),
        (runc("1.0.0-rc93"), None),
        (runc("1.0.0-rc94"), Some("build-tag-needless")),
        (runc("1.1.12"), Some("build-tag-needless")),
        (kubelet("1.13.12"), Some("build-tag-absent")),
        (kubelet("1.14.0"), None),
        (kubelet("1.21.1"), None),
        (kubelet("1.21.2"), Some("build-tag-needless")),
    ] {
        let refused = way(&wish, &builds).err().map(|refusal| refusal.reason.code);
        assert_eq!(refused.as_deref(), expected, "{wish:?}");
    }
}

#[test]
fn the_file_of_the_tag_is_that_of_the_sources() {
    let path = recipe::tagged();
    assert_eq!(path.rsplit_once('/'), Some(("libcontainer/cgroups/fs", "kmem_disabled.go")));
}

/// A change of the facts, and the refusal that follows.
type Cause = (fn(&mut Source, &mut Toolchain), &'static str);

fn check_refusals(wish: &Wish, go: &str, says: &str, causes: &[Cause]) {
    let way = way_of(wish);
    for (change, expected) in causes {
        let (mut source, mut toolchain) = (source(says), toolchain(go));
        assert_eq!(weigh(wish, &way, &source, &toolchain), []);
        change(&mut source, &mut toolchain);
        let refusals = weigh(wish, &way, &source, &toolchain);
        let codes: Vec<&str> = refusals.iter().map(|refusal| refusal.reason.code.as_str()).collect();
        assert_eq!(codes, [*expected], "{refusals:?}");
        assert!(!refusals[0].evidence.is_empty(), "{expected}");
        let known = remark::CODES.iter().find(|(code, _)| code == expected).unwrap();
        let values: Vec<&str> = refusals[0].reason.values.keys().map(String::as_str).collect();
        let mut names = known.1.to_vec();
        names.sort_unstable();
        assert_eq!(values, names, "{expected}");
    }
}

#[test]
fn each_cause_has_its_refusal() {
    check_refusals(
        &runc("1.0.0-rc93"),
        "1.26.8",
        "1.0.0-rc93",
        &[
            (|s, _| s.version = Fact::known("1.0.0-rc92".to_owned(), "VERSION"), "build-other-version"),
            (|s, _| s.version = Fact::known("1.0.0-rc93+dev".to_owned(), "VERSION"), "build-other-version"),
            (|s, _| s.knows_tag = false, "build-source-without-tag"),
            (|s, _| s.is_vendored = false, "build-not-vendored"),
            (|_, t| t.go = Fact::known("1.12.17".to_owned(), "go version"), "build-go-too-old"),
            (|_, t| t.go = Fact::known("devel".to_owned(), "go version"), "build-go-not-known"),
            (|_, t| t.go = Fact::unknown(Reason::ReadFailed, "go version", ""), "build-no-go"),
            (|_, t| assert!(t.tools.remove("gcc")), "build-no-tool"),
            (|_, t| assert!(t.tools.remove("make")), "build-no-tool"),
            (|_, t| assert!(t.tools.remove("pkg-config")), "build-no-tool"),
            (|_, t| assert!(t.libraries.remove("libseccomp")), "build-no-headers"),
            (|_, t| assert!(t.archives.remove("libseccomp.a")), "build-no-archive"),
            (|_, t| assert!(t.archives.remove("libc.a")), "build-no-archive"),
            (|_, t| t.free = Fact::known(1 << 20, "/w"), "build-no-space"),
        ],
    );
    check_refusals(
        &kubelet("1.20.2"),
        "1.15.15",
        "1.20",
        &[
            (|s, _| s.version = Fact::known("1.20.1".to_owned(), "git"), "build-other-version"),
            (|s, _| s.version = Fact::known("1.19".to_owned(), "CHANGELOG"), "build-other-version"),
            (|_, t| assert!(t.tools.remove("rsync")), "build-no-tool"),
            (|_, t| t.go = Fact::known("1.14.4".to_owned(), "go version"), "build-go-too-old"),
        ],
    );
}

#[test]
fn what_a_build_does_not_need_may_be_missing() {
    // runc by the go command, and not static: no make, no archives.
    let wish = Wish { linkage: Linkage::Glibc("2.17".parse().unwrap()), ..runc("1.0.0-rc93") };
    let source = Source { has_makefile: false, ..source("1.0.0-rc93") };
    let mut toolchain = toolchain("1.26.8");
    toolchain.archives.clear();
    toolchain.tools.remove("make");
    assert_eq!(weigh(&wish, &way_of(&wish), &source, &toolchain), []);
    // A static kubelet takes no C at all.
    let wish = kubelet("1.20.2");
    toolchain.libraries.clear();
    toolchain.tools.clear();
    let unknown = Source { version: Fact::unknown(Reason::NotTold, "", ""), ..source };
    assert_eq!(weigh(&wish, &way_of(&wish), &unknown, &toolchain), []);
}

#[test]
fn runc_is_made_with_all_its_tags_on_the_command_line() {
    let words = |version: &str, linkage| {
        let wish = Wish { linkage, ..runc(version) };
        made(&wish, &source(version), &toolchain("1.26.8")).argv
    };
    assert_eq!(
        words("1.0.0-rc93", Linkage::Static),
        [
            "make",
            "-B",
            "runc",
            "BUILDTAGS=seccomp nokmem netgo osusergo static_build",
            "COMMIT=abc",
            "EXTRA_FLAGS=-buildmode=exe",
            "EXTRA_LDFLAGS=-w -extldflags -static",
        ]
    );
    assert_eq!(
        words("1.0.0-rc9", Linkage::Glibc("2.17".parse().unwrap())),
        ["make", "-B", "runc", "BUILDTAGS=seccomp selinux apparmor nokmem", "COMMIT=abc"]
    );
}

#[test]
fn the_go_command_stands_in_for_makefiles() {
    let tree = source;
    let source = |version| Source { has_makefile: false, ..tree(version) };
    let wish = runc("1.0.0-rc93");
    assert_eq!(
        made(&wish, &source("1.0.0-rc93"), &toolchain("1.26.8")).argv,
        [
            "go",
            "build",
            "-mod=vendor",
            "-tags",
            "seccomp,nokmem,netgo,osusergo,static_build",
            "-ldflags",
            "-X main.version=1.0.0-rc93 -X main.gitCommit=abc -w -extldflags -static",
            "-o",
            "runc",
            ".",
        ]
    );
    // Go 1.12 takes no commas; a kubelet of 1.15 is made by its makefiles with it, and by the go command with a newer one.
    let wish = kubelet("1.15.3");
    let recipe = made(&wish, &source("1.15.3"), &toolchain("1.12.17"));
    assert_eq!((recipe.argv[2].as_str(), recipe.argv[3].as_str()), ("-tags", "nokmem"));
    assert_eq!(recipe.environment["CGO_ENABLED"], "0");
    let newer = made(&wish, &tree("1.15.3"), &toolchain("1.26.8"));
    assert_eq!(newer.argv[0], "go");
    assert!(newer.argv[5].contains("-X k8s.io/kubernetes/pkg/version.gitVersion=v1.15.3"), "{newer:?}");
    let older = made(&wish, &tree("1.15.3"), &toolchain("1.12.17"));
    assert_eq!(older.argv[0], "make");
    let old_runc = made(&runc("1.0.0-rc9"), &source("1.0.0-rc9"), &toolchain("1.12.17"));
    assert_eq!(old_runc.argv[3], "seccomp selinux apparmor nokmem netgo osusergo static_build");
}

#[test]
fn a_kubelet_is_made_by_its_makefiles_with_one_flag() {
    let recipe = made(&kubelet("1.20.2"), &source("1.20"), &toolchain("1.15.15"));
    assert_eq!(recipe.argv, ["make", "WHAT=cmd/kubelet"]);
    assert_eq!(recipe.environment["GOFLAGS"], "-tags=nokmem");
    assert_eq!(recipe.environment["KUBE_STATIC_OVERRIDES"], "kubelet");
    assert_eq!(recipe.environment["KUBE_GIT_VERSION_FILE"], "/w/version.sh");
    assert_eq!(recipe.output, "gopath/src/k8s.io/kubernetes/_output/local/go/bin/kubelet");
    let (name, content) = &recipe.files[0];
    assert_eq!(name, "version.sh");
    assert!(
        content.contains("KUBE_GIT_VERSION='v1.20.2'\nKUBE_GIT_MAJOR='1'\nKUBE_GIT_MINOR='20'\n"),
        "{content}"
    );
}

#[test]
fn the_environment_is_whole_and_ones_own() {
    let recipe = made(&runc("1.0.0-rc9"), &source("1.0.0-rc9"), &toolchain("1.9.7"));
    let environment: Vec<String> =
        recipe.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        environment,
        [
            "CGO_ENABLED=1",
            "GO111MODULE=off",
            "GOCACHE=/w/cache",
            "GOENV=off",
            "GOFLAGS=",
            "GOPATH=/w/gopath",
            "GOPROXY=off",
            "GOTOOLCHAIN=local",
            "HOME=/w/home",
            "LC_ALL=C",
            "PATH=/go/bin:/usr/bin",
            "TMPDIR=/w/tmp",
        ]
    );
    assert_eq!(recipe.directory, "gopath/src/github.com/opencontainers/runc");
}

/// A runc as it should be: static, with all features.
fn product(text: &str) -> Product {
    let classification =
        Classification { class: Class::Off, knows_tag: Some(true), why: vec![Ground::DisabledBuild] };
    let present = Presence::Present;
    Product {
        classification,
        demands: Some(Demands { machine: Machine::X86_64, interpreter: None, glibc: None }),
        features: Some(Features { selinux: present, apparmor: present, seccomp: present }),
        version: (Some(0), text.to_owned()),
    }
}

fn check_product(wish: &Wish, text: &str, change: fn(&mut Product), expected: &[&str]) {
    let mut product = product(text);
    change(&mut product);
    let codes: Vec<String> =
        judge(wish, &way_of(wish), &product).into_iter().map(|remark| remark.code).collect();
    assert_eq!(codes, expected, "{wish:?} {product:?}");
}

#[test]
fn what_came_out_is_held_against_what_was_asked() {
    const RUNC: &str = "runc version 1.0.0-rc93\ncommit: abc\n";
    const KUBELET: &str = "Kubernetes v1.20.2\n";
    let runc = runc("1.0.0-rc93");
    check_product(&runc, RUNC, |_| (), &[]);
    check_product(&runc, RUNC, |p| p.classification.class = Class::On, &["build-still-accounts"]);
    check_product(&runc, RUNC, |p| p.classification.class = Class::Unknown, &["build-still-accounts"]);
    check_product(&runc, "runc version 1.0.0-rc92\n", |_| (), &["build-reports-other"]);
    check_product(&runc, RUNC, |p| p.version.0 = Some(127), &["build-does-not-run"]);
    check_product(&runc, RUNC, |p| p.version.0 = None, &["build-does-not-run"]);
    check_product(&runc, RUNC, |p| p.demands = None, &["build-needs-not-told"]);
    let loader = |p: &mut Product| {
        let demands = p.demands.as_mut().unwrap();
        demands.interpreter = Some("/lib64/ld-linux-x86-64.so.2".to_owned());
        demands.glibc = Some("2.34".parse().unwrap());
    };
    check_product(&runc, RUNC, loader, &["build-not-static"]);
    let bounded = |most: &str| Wish { linkage: Linkage::Glibc(most.parse().unwrap()), ..runc.clone() };
    check_product(&bounded("2.17"), RUNC, loader, &["build-needs-glibc"]);
    check_product(&bounded("2.34"), RUNC, loader, &[]);
    check_product(
        &runc,
        RUNC,
        |p| p.features.as_mut().unwrap().apparmor = Presence::Stubbed,
        &["build-lost-feature"],
    );
    check_product(
        &runc,
        RUNC,
        |p| p.features.as_mut().unwrap().seccomp = Presence::NotTold,
        &["build-lost-feature"],
    );

    let kubelet = kubelet("1.20.2");
    // It holds no more of these than it uses.
    let little = |p: &mut Product| {
        let features = p.features.as_mut().unwrap();
        features.apparmor = Presence::Stubbed;
        features.seccomp = Presence::NotTold;
    };
    check_product(&kubelet, KUBELET, little, &[]);
    check_product(
        &kubelet,
        KUBELET,
        |p| p.features.as_mut().unwrap().selinux = Presence::Stubbed,
        &["build-lost-feature"],
    );
    for other in
        ["Kubernetes v0.0.0-master+$Format:%h$\n", "Kubernetes v1.20.2-dirty\n", "Kubernetes v1.20.1\n"]
    {
        check_product(&kubelet, other, |_| (), &["build-reports-other"]);
    }
}

#[test]
fn what_to_know_of_it_is_said() {
    let codes = |wish: &Wish, says: &str, ground: Ground, escapes: &[&str]| -> Vec<String> {
        let mut product = product("");
        product.classification.why = vec![ground];
        let escapes: Vec<String> = escapes.iter().map(ToString::to_string).collect();
        remarks(wish, &source(says), &product, &escapes).into_iter().map(|remark| remark.code).collect()
    };
    assert_eq!(
        codes(&runc("1.0.0-rc93"), "1.0.0-rc93", Ground::DisabledBuild, &["CVE-2024-21626"]),
        ["build-explicit-limit-fails", "build-escapes"]
    );
    assert_eq!(
        codes(&kubelet("1.15.3"), "1.15", Ground::SilentlyWithout, &[]),
        ["build-version-not-told", "build-silently-without", "build-no-name-service"]
    );
}
