//! `kernmend build` on real sources of runc: what it makes is made with real compilers, run, and watched while it starts
//! containers on this machine's cgroup v1. What it refuses, and what fails, has its real cause. Kubelets are in
//! `build_kubelet.rs`: each takes minutes.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

#[path = "build_runtimes/container.rs"]
mod container;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kernmend_core::document::build::Build;
use kernmend_core::document::snapshot::Class;
use kernmend_core::document::{Digest, Document};
use kernmend_core::program::{Features, Presence};
use lab::build::{KUBERNETES, debian_11, module, tree};
use lab::debian::upstream;
use lab::go::{GO_1_24, Link, RUNC_RC9, RUNC_RC93};
use lab::kernmend;
use tempfile::TempDir;

/// Runs `kernmend build runc` with the program at `FOLDER/runc`.
fn build(folder: &Path, version: &str, source: &Path, more: &[&str]) -> Output {
    let output = folder.join("runc");
    let words = [
        "build",
        "runc",
        "--version",
        version,
        "--source",
        source.to_str().unwrap(),
        "-o",
        output.to_str().unwrap(),
    ];
    let mut build = kernmend::command(words);
    if !more.contains(&"--root") && !more.contains(&"--go") {
        build.arg("--go").arg(GO_1_24.root().unwrap());
    }
    build.args(more).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What was built, once it is there as it should be.
fn built(folder: &Path, output: &Output) -> Build {
    assert_eq!(output.status.code(), Some(0), "{}", said(output));
    let program = fs::read(folder.join("runc")).unwrap();
    let text = fs::read_to_string(folder.join("runc.provenance.json")).unwrap();
    let build = Document::<Build>::from_json(&text).unwrap().body;
    assert_eq!(build.program.digest, Digest::of(&program));
    assert_eq!(build.program.classification.class, Class::Off);
    let present = Presence::Present;
    assert_eq!(
        build.program.features,
        Some(Features { selinux: present, apparmor: present, seccomp: present })
    );
    assert_eq!(fs::metadata(folder.join("runc")).unwrap().permissions().mode() & 0o777, 0o755);
    let checked = Command::new("sha256sum").args(["-c", "runc.sha256"]).current_dir(folder).output().unwrap();
    assert!(checked.status.success(), "{}", said(&checked));
    assert!(fs::read_to_string(folder.join("runc.log")).unwrap().contains("nokmem"));
    build
}

/// The codes of what was refused, by words of theirs.
fn refused(output: &Output, words: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(words.iter().all(|words| said.contains(words)), "{words:?}: {said}");
}

/// Everything in a tree, by path, with what would change if somebody wrote to it.
fn listing(tree: &Path) -> BTreeMap<PathBuf, (i64, i64, u64)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![tree.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let is = fs::symlink_metadata(&path).unwrap();
            if is.is_dir() {
                folders.push(path.clone());
            }
            found.insert(path, (is.mtime(), is.mtime_nsec(), is.len()));
        }
    }
    found
}

/// A copy of a tree that may be changed.
fn copy(tree: &Path) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    run(Command::new("cp").arg("-a").arg(tree.join(".")).arg(folder.path()));
    folder
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Accounting as Go builds it by itself, and as `kernmend build` does.
#[test]
fn the_static_runc_leaves_kernel_memory_alone_and_the_plain_one_does_not() {
    let tree = tree(RUNC_RC93).unwrap();
    let before = listing(&tree);
    let folder = tempfile::tempdir().unwrap();
    let output = build(folder.path(), "v1.0.0-rc93", &tree, &[]);
    let build = built(folder.path(), &output);
    assert_eq!(listing(&tree), before, "the tree was changed");
    assert_eq!(build.argv[..3], ["make", "-B", "runc"]);
    assert!(build.escapes.contains(&"CVE-2024-21626".to_owned()) && said(&output).contains("CVE-2024-21626"));
    let demands = build.program.demands.unwrap();
    assert_eq!((demands.interpreter, demands.glibc), (None, None));
    assert!(build.program.version.starts_with("runc version 1.0.0-rc93\n"), "{}", build.program.version);

    let plain = lab::go::runc(RUNC_RC93, "seccomp", Link::Plain, GO_1_24).unwrap();
    let writes = |runc: &Path| container::kernel_memory_writes(runc);
    assert_eq!(writes(&plain).len(), 2);
    assert_eq!(writes(&folder.path().join("runc")), [""; 0]);
}

/// The layout of before Go's modules, in another system's root with another Go, from a repository; with a glibc.
#[test]
fn an_old_runc_is_built_in_a_root_from_a_repository() {
    let root = debian_11().unwrap();
    let before = listing(&root);
    let tree = copy(&tree(RUNC_RC9).unwrap());
    let git = |words: &[&str]| {
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"];
        run(Command::new("git").args(who).args(words).current_dir(tree.path())).trim().to_owned()
    };
    git(&["init", "--quiet"]);
    git(&["add", "--all", "--force"]);
    git(&["commit", "--quiet", "--message=rc9"]);
    git(&["tag", "v1.0.0-rc9"]);
    let commit = git(&["rev-parse", "HEAD"]);
    let folder = tempfile::tempdir().unwrap();
    let address = format!("file://{}", tree.path().display());
    let (root_word, glibc) = (["--root", root.to_str().unwrap()], ["--glibc", "2.31"]);
    let output = build(folder.path(), "1.0.0-rc9", Path::new(&address), &[root_word, glibc].concat());
    let build = built(folder.path(), &output);
    assert!(build.go.starts_with("1.15."), "{}", build.go);
    assert_eq!(build.source.commit.value(), Some(&commit));
    let demands = build.program.demands.unwrap();
    assert!(demands.interpreter.is_some() && demands.glibc <= "2.31".parse().ok(), "{demands:?}");
    assert!(build.program.version.contains(&commit), "{}", build.program.version);
    assert!(build.argv.contains(&"BUILDTAGS=seccomp selinux apparmor nokmem".to_owned()), "{:?}", build.argv);
    assert_eq!(listing(&root), before, "the root was changed");
    assert_eq!(container::kernel_memory_writes(&folder.path().join("runc")), [""; 0]);
}

/// The same without a root, from an archive.
#[test]
fn an_old_runc_is_built_on_the_host_from_an_archive() {
    let tree = tree(RUNC_RC9).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("runc.tar.xz");
    run(Command::new("tar").arg("-cJf").arg(&archive).arg("-C").arg(&tree).arg("."));
    let output = build(folder.path(), "v1.0.0-rc9", &archive, &[]);
    assert_eq!(built(folder.path(), &output).place, "host");
}

#[test]
fn sources_that_would_not_do_are_refused() {
    let tree = tree(RUNC_RC93).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let look = |version, source: &Path| build(folder.path(), version, source, &[]);
    refused(&look("1.0.0-rc92", &tree), &["the sources are of 1.0.0-rc93, not of 1.0.0-rc92"]);
    // The zip of a module has a folder for what it vendors, and nothing in it.
    refused(&look("1.0.0-rc93", &module(RUNC_RC93).unwrap()), &["isn't in them (vendor)", "go mod vendor"]);
    let without_tag = copy(&tree);
    fs::remove_file(without_tag.path().join("libcontainer/cgroups/fs/kmem_disabled.go")).unwrap();
    refused(&look("1.0.0-rc93", without_tag.path()), &["no file for the tag nokmem"]);
    refused(&look("1.0.0-rc6", &tree), &["CVE-2019-5736", "--force"]);
    refused(&look("1.0.0-rc5", &tree), &["have no build tag nokmem"]);
    refused(&look("1.0.0-rc94", &tree), &["no longer touches kernel memory accounting"]);
    let missing = build(folder.path(), "1.0.0-rc93", Path::new("file:///nowhere/runc.git"), &[]);
    assert_eq!(missing.status.code(), Some(3), "{}", said(&missing));
    assert!(said(&missing).contains("--source"), "{}", said(&missing));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a refused build leaves nothing");
}

/// Whoever stops a build has nothing of it left: no folder, no compiler at work.
#[test]
fn a_build_that_is_stopped_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let room = tempfile::tempdir().unwrap();
    let tree = tree(RUNC_RC93).unwrap();
    let output = folder.path().join("runc");
    let words = ["build", "runc", "--version", "1.0.0-rc93", "--source", tree.to_str().unwrap()];
    let mut build = kernmend::command(words);
    build.arg("--go").arg(GO_1_24.root().unwrap()).arg("-o").arg(&output).env("TMPDIR", room.path());
    let mut child = build.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "building"), "it never came to that");
    run(Command::new("kill").args(["-INT", &child.id().to_string()]));
    let said: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(4), "{said:?}");
    assert_eq!(fs::read_dir(room.path()).unwrap().count(), 0);
    assert!(!output.exists());
    let at_work =
        fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read_link(entry.ok()?.path().join("cwd")).ok());
    assert_eq!(at_work.filter(|cwd| cwd.starts_with(room.path())).count(), 0);
}

/// A root whose upper layer may lack what it has, while this lives.
struct Layered {
    folder: TempDir,
}

impl Layered {
    fn without(root: &Path, missing: &[&str]) -> Self {
        let layered = Self { folder: tempfile::tempdir().unwrap() };
        let [upper, work, merged] = ["upper", "work", "merged"].map(|name| layered.folder.path().join(name));
        // A directory of a file system that can't be an upper layer, as that of a container often is, needs one of its own.
        run(Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(layered.folder.path()));
        for folder in [&upper, &work, &merged] {
            fs::create_dir(folder).unwrap();
        }
        let layers =
            format!("lowerdir={},upperdir={},workdir={}", root.display(), upper.display(), work.display());
        run(Command::new("mount").args(["-t", "overlay", "overlay", "-o", &layers]).arg(&merged));
        for path in missing {
            fs::remove_file(merged.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        }
        layered
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("merged")
    }
}

impl Drop for Layered {
    fn drop(&mut self) {
        run(Command::new("umount").arg(self.path()));
        run(Command::new("umount").arg(self.folder.path()));
    }
}

#[test]
fn a_toolchain_that_would_not_do_is_refused() {
    let root = debian_11().unwrap();
    let tree = tree(RUNC_RC93).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let libraries = "usr/lib/x86_64-linux-gnu";
    let archive = format!("{libraries}/libseccomp.a");
    let about = format!("{libraries}/pkgconfig/libseccomp.pc");
    for (missing, words) in [
        (&[archive.as_str()][..], &["libseccomp.a is missing", "--glibc"][..]),
        (&[&about], &["headers of libseccomp are missing", "apt-get install libseccomp-dev"]),
        (&["usr/bin/gcc"], &["there is no gcc"]),
        (&["usr/bin/make", "usr/bin/go"], &["there is no make", "no go command", "--go"]),
    ] {
        let layered = Layered::without(&root, missing);
        let output = build(folder.path(), "1.0.0-rc93", &tree, &["--root", layered.path().to_str().unwrap()]);
        refused(&output, words);
    }
    // A Go that says what it is and is too old for this version.
    let old = folder.path().join("go/bin");
    fs::create_dir_all(&old).unwrap();
    fs::write(old.join("go"), "#!/bin/sh\necho go version go1.12.17 linux/amd64\n").unwrap();
    fs::set_permissions(old.join("go"), fs::Permissions::from_mode(0o755)).unwrap();
    let go = folder.path().join("go");
    let output = build(folder.path(), "1.0.0-rc93", &tree, &["--go", go.to_str().unwrap()]);
    refused(&output, &["Go 1.12.17 is too old: 1.13"]);
    let output = build(
        folder.path(),
        "1.0.0-rc93",
        &tree,
        &["--go", go.to_str().unwrap(), "--root", root.to_str().unwrap()],
    );
    refused(&output, &["Go 1.12.17 is too old: 1.13"]);

    // A kubelet's makefiles copy with rsync.
    let sources = upstream(KUBERNETES).unwrap();
    let words = ["build", "kubelet", "--version", "v1.20.2", "--source", sources.to_str().unwrap()];
    let layered = Layered::without(&root, &["usr/bin/rsync"]);
    let mut build = kernmend::command(words);
    build.arg("-o").arg(folder.path().join("kubelet")).arg("--root").arg(layered.path()).arg("--go").arg(&go);
    refused(&build.output().unwrap(), &["there is no rsync", "Go 1.12.17 is too old: 1.15"]);
    assert!(!folder.path().join("kubelet").exists());
}

#[test]
fn a_build_that_fails_shows_why_and_writes_no_program() {
    let tree = copy(&tree(RUNC_RC93).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let broken = tree.path().join("main.go");
    let text = fs::read_to_string(&broken).unwrap();
    fs::write(&broken, format!("{text}\nvar broken = nothingOfThatName\n")).unwrap();
    let output = build(folder.path(), "1.0.0-rc93", tree.path(), &[]);
    let said_failed = said(&output);
    assert_eq!(output.status.code(), Some(4), "{said_failed}");
    assert!(said_failed.contains("undefined: nothingOfThatName"), "{said_failed}");
    assert!(said_failed.contains("runc.log"), "{said_failed}");
    assert!(folder.path().join("runc.log").exists() && !folder.path().join("runc").exists());

    // What this machine's own glibc gives is more than an old node has.
    fs::write(&broken, text).unwrap();
    let output = build(folder.path(), "1.0.0-rc93", tree.path(), &["--glibc", "2.2"]);
    let said_unproven = said(&output);
    assert_eq!(output.status.code(), Some(4), "{said_unproven}");
    assert!(said_unproven.contains("may need 2.2 at most"), "{said_unproven}");
    assert!(!folder.path().join("runc").exists());

    // A makefile that loses the tag ends well, and what it made accounts.
    let makefile = tree.path().join("Makefile");
    let text = fs::read_to_string(&makefile).unwrap();
    let losing = text.replace("-tags \"$(BUILDTAGS)\"", "-tags seccomp");
    assert_ne!(text, losing);
    fs::write(&makefile, losing).unwrap();
    let output = build(folder.path(), "1.0.0-rc93", tree.path(), &["--glibc", "9.99"]);
    let said_unproven = said(&output);
    assert_eq!(output.status.code(), Some(4), "{said_unproven}");
    assert!(said_unproven.contains("doesn't show that accounting is off"), "{said_unproven}");
    assert!(!folder.path().join("runc").exists());
}
