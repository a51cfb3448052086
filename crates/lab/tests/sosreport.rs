//! A real sosreport of this machine, made by Debian's own package as root, is read as support would send it; what it lacks is
//! told, and nothing is taken for absent that it doesn't hold.

#![expect(clippy::unwrap_used, reason = "the helpers of tests, as the tests, stop at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kernmend_core::document::report::Report;
use kernmend_core::document::snapshot::{Origin, Snapshot};
use kernmend_core::document::{Body, Document, Fact, Reason};
use lab::kernmend;

/// The plugins that copy what kernmend asks for; all of them together take minutes.
const PLUGINS: &str = "block,cgroups,date,filesys,host,kernel,logs,memory,process,release,system,systemd";

/// Seconds that one plugin may take.
const PLUGIN_TIMEOUT: &str = "40";

/// Makes a sosreport in the folder; gives the archive.
fn sos_report(folder: &Path) -> PathBuf {
    let output = Command::new("sos")
        .args(["report", "--batch", "--quiet", "--name", "lab", "--tmp-dir"])
        .arg(folder)
        .args(["--only-plugins", PLUGINS, "--plugin-timeout", PLUGIN_TIMEOUT])
        .output()
        .expect("`cargo xtask test` installs the package sosreport");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut archives = paths.filter(|path| path.to_string_lossy().contains(".tar."));
    archives
        .find(|path| path.extension().is_some_and(|ending| ending != "md5" && ending != "sha256"))
        .unwrap()
}

fn check<B: Body>(archive: &Path, format: &str) -> B {
    let archive = archive.to_str().unwrap();
    let output = kernmend::command(["check", "--archive", archive, "-o", format]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let document: Document<B> =
        Document::from_json(&text).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    document.body
}

fn is_not_captured<T>(fact: &Fact<T>) -> bool {
    matches!(fact, Fact::Unknown { why } if why.reason == Reason::NotCaptured)
}

fn here(path: &str) -> String {
    fs::read_to_string(path).unwrap().trim().to_owned()
}

#[test]
fn a_real_sosreport_is_read_and_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let archive = sos_report(folder.path());
    let snapshot: Snapshot = check(&archive, "snapshot");

    assert_eq!(snapshot.origin, Origin::Archive);
    assert_eq!(snapshot.kernel.release.value(), Some(&here("/proc/sys/kernel/osrelease")));
    assert_eq!(snapshot.kernel.boot_id.value(), Some(&here("/proc/sys/kernel/random/boot_id")));
    assert_eq!(snapshot.hostname.value(), Some(&here("/proc/sys/kernel/hostname")));
    assert_eq!(snapshot.distribution.value().unwrap().id, "debian");
    assert!(snapshot.memory.value().unwrap()["MemTotal"] > 0);
    assert!(snapshot.limits["kernel.pid_max"].value().is_some());
    // The clock's own second of the report, told by a command, and the moment of boot, told by a file.
    let uptime: f64 = here("/proc/uptime").split(' ').next().unwrap().parse().unwrap();
    let since = uptime - *snapshot.kernel.uptime.value().unwrap() as f64;
    assert!((-2.0..120.0).contains(&since), "{since} seconds ago");

    assert!(snapshot.cgroups.mode.value().is_some(), "{:?}", snapshot.cgroups.mode);
    let controllers = snapshot.cgroups.controllers.value().unwrap();
    assert!(controllers.contains_key("cpu"), "{controllers:?}");
    let slab = snapshot.slab.value().unwrap();
    assert!(slab.entries > 0 && slab.directories.is_some(), "{slab:?}");
    let dmesg = snapshot.logs.iter().find(|log| log.log == "/dmesg.txt").unwrap();
    assert_eq!(dmesg.sources, ["/sos_commands/kernel/dmesg"]);
    assert!(dmesg.bytes > 0);

    // Neither programs nor the links of processes are in it, and the modules of other kernels aren't.
    assert!(snapshot.restart.replaced_binaries.value().is_none());
    assert!(is_not_captured(&snapshot.kernel.version));
    assert!(snapshot.restart.installed_kernels.value().is_none());
    assert!(snapshot.stuck_tasks.value().is_none());
    assert!(snapshot.programs.gaps.iter().any(|gap| gap.path == "/usr/bin"));
    if let Some(memory) = snapshot.cgroups.memory.value() {
        assert_eq!(memory.directories.at_most, None, "it may have left cgroups out");
    }

    let report: Report = check(&archive, "json");
    let lacks = |reason: Reason| {
        report.findings.iter().flat_map(|finding| &finding.undecided).any(|open| open.why.reason == reason)
    };
    assert!(lacks(Reason::NotCaptured) || lacks(Reason::Cut), "{:?}", report.findings);
    let text = kernmend::command(["check", "--archive", archive.to_str().unwrap()]).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("not captured") || text.contains("in part only"), "{text}");
}
