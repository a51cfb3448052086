//! `cargo xtask test`: the one command that passes all tests on a fresh Debian machine, as root. It installs the
//! packages that the tests need. A stage that can't run fails; it never passes by being left out. One tier, `builds`, takes
//! minutes for a few files: it isn't run again while they are what they were when it passed here, which is said.

mod builds;

use std::process::ExitCode;

use super::{dependencies, sweep};
use crate::failure::Failure;
use crate::program::Program;
use crate::run::Run;
use crate::workspace::Workspace;

/// The Debian packages that the tests need, each with the reason.
const PACKAGES: [(&str, &str); 25] = [
    ("chromium", "a real browser for the page of a proof"),
    ("cpio", "the judge of the archives that the lab adds to an initramfs"),
    ("crun", "a real runtime on the live machine that is not built from libcontainer"),
    ("debian-archive-keyring", "the keys of the packages that the lab fetches and looks into"),
    ("e2fsprogs", "disks of virtual machines, and one that GRUB in user space can write to"),
    ("fdisk", "the partitions of virtual machines"),
    ("fonts-wqy-microhei", "Chinese letters in screenshots of that page"),
    ("gcc", "the C in a runc, and a program for its container"),
    ("git", "sources of runtimes are fetched from repositories"),
    ("gnupg", "a key that packages of the lab are signed with"),
    ("grub-emu", "GRUB in user space: the truth about what boots next"),
    ("libc6-dev", "C's library of those runcs, also for static ones"),
    ("libseccomp-dev", "their filters of system calls"),
    ("make", "their makefiles"),
    ("minisign", "the signature of a bundle, made by the ordinary program"),
    ("mmdebstrap", "the Debian of virtual machines"),
    ("pkg-config", "tells their builds where libraries are"),
    ("qemu-system-x86", "virtual machines"),
    ("qemu-utils", "the disks of virtual machines"),
    ("rpm", "RPM packages that stand in for those of Enterprise Linux"),
    ("runc", "a real runtime on the live machine: it ignores kernel memory accounting"),
    ("sosreport", "a real sosreport of this machine, as support asks for it"),
    ("strace", "a runc is watched while it starts a container"),
    ("util-linux", "virtual machines that end with their test"),
    ("xfsprogs", "a disk whose file system keeps its journal to itself for long"),
];

/// Tells the lab where the program under test is.
pub(crate) const PROGRAM_UNDER_TEST: &str = "KERNMEND_UNDER_TEST";

/// Runs all stages, or those of the tier that is named.
pub(crate) fn run(workspace: &Workspace, words: &[&str]) -> ExitCode {
    let mut run = Run::new("test");
    let _ = run.stage("packages", || install(workspace));
    let built = run.stage("release build", || workspace.build_release());
    if !words.is_empty() {
        let _ = run.stage("builds", || builds::run(workspace, built.as_deref()));
        return run.finish();
    }
    // One call for all crates: each choice of packages has its own set of features, and would build the dependencies
    // anew. It runs whatever came of the stages before: the tests that rest on them fail by themselves, and say why.
    let _ = run.stage("tests", || {
        let tests = workspace.cargo(["test", "--workspace", "--no-fail-fast", "--locked"]);
        match &built {
            Ok(kernmend) => tests.env(PROGRAM_UNDER_TEST, kernmend).run(),
            Err(_) => tests.without_env(PROGRAM_UNDER_TEST).run(),
        }
    });
    let _ = run.stage("builds", || builds::run_where_changed(workspace, built.as_deref()));
    let _ = run.stage("sweep", || sweep::required(workspace));
    run.finish()
}

/// Installs the packages that are missing.
fn install(workspace: &Workspace) -> Result<(), Failure> {
    let mut missing = Vec::new();
    for (package, why) in PACKAGES {
        if !installed(workspace, package)? {
            println!("missing: {package} ({why})");
            missing.push(package);
        }
    }
    if missing.is_empty() {
        println!("all {} are there", PACKAGES.len());
        return Ok(());
    }
    let user = Program::new("id", &workspace.root).args(["-u"]).output()?;
    if user.trim() != "0" {
        return Err(Failure::problem(format!(
            "only root can install: run `apt-get install --no-install-recommends {}`",
            missing.join(" ")
        )));
    }
    let apt = |arguments: &[&str]| {
        Program::new("apt-get", &workspace.root)
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .run()
    };
    apt(&["update", "--quiet"])?;
    apt(&[&["install", "--yes", "--quiet", "--no-install-recommends"], missing.as_slice()].concat())
}

/// Whether a Debian package is installed, completely.
fn installed(workspace: &Workspace, package: &str) -> Result<bool, Failure> {
    let query =
        || Program::new("dpkg-query", &workspace.root).args(["--show", "--showformat=${db:Status-Status}"]);
    Ok(query().args([package]).succeeds()? && query().args([package]).output()? == "installed")
}
