//! The machine that the tests run on, seen by root: every fact that is absent or unknown is expected here, with the
//! reason, and no other is. The reason itself is looked for on the machine, so that the table holds on another one too.

#![expect(clippy::unwrap_used, reason = "the helpers of tests, as the tests, stop at the first surprise")]

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use kernmend_core::document::Document;
use kernmend_core::document::snapshot::{Class, Snapshot};
use lab::{gaps, kernmend};

/// A fact that can't be had on a machine like this.
struct Expected {
    /// Where it stands.
    place: &'static str,
    state: &'static str,
    why: &'static str,
    /// Whether the reason is there, asked without kernmend.
    is_so: fn() -> bool,
}

const EXPECTED: [Expected; 13] = [
    Expected {
        place: "boot",
        state: "absent",
        why: "the virtual machine's kernel comes from outside: there is no boot loader",
        is_so: || !Path::new("/boot/grub").exists() && !Path::new("/boot/grub2").exists(),
    },
    Expected {
        place: "cgroups.dying_v2",
        state: "absent",
        why: "the memory controller is in a hierarchy of version 1, and `nr_dying_descendants` is version 2's",
        is_so: || {
            let cgroups = fs::read_to_string("/proc/cgroups").unwrap_or_default();
            let memory = cgroups.lines().find(|line| line.starts_with("memory\t"));
            memory.is_some_and(|line| line.split('\t').nth(1) != Some("0"))
        },
    },
    Expected {
        place: "hardware.crash_kernel",
        state: "absent",
        why: "the kernel is built without kexec",
        is_so: || !Path::new("/sys/kernel/kexec_crash_loaded").exists(),
    },
    Expected {
        place: "hardware.interfaces[eth0].module",
        state: "absent",
        why: "the driver is built in, in a kernel without modules",
        is_so: || !Path::new("/sys/class/net/eth0/device/driver/module").exists(),
    },
    Expected {
        place: "hardware.modules",
        state: "absent",
        why: "the kernel is built without loadable modules, and has no `/proc/modules`",
        is_so: || !Path::new("/proc/modules").exists(),
    },
    Expected {
        place: "hardware.secure_boot",
        state: "absent",
        why: "the firmware is none of UEFI's",
        is_so: || !Path::new("/sys/firmware/efi").exists(),
    },
    Expected {
        place: "kernels",
        state: "absent",
        why: "the virtual machine's kernel comes from outside: no package of one is installed",
        is_so: || !Path::new("/lib/modules").exists(),
    },
    Expected {
        place: "maintenance.image",
        state: "absent",
        why: "the system is made of packages",
        is_so: || !Path::new("/run/ostree-booted").exists(),
    },
    Expected {
        place: "maintenance.programs",
        state: "unknown",
        why: "a security module of the kernel keeps the first process from root, so that its binary isn't known",
        is_so: || {
            fs::read_link("/proc/1/exe").is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
        },
    },
    Expected {
        place: "modules",
        state: "absent",
        why: "the kernel is built without loadable modules, and has no `/proc/modules`",
        is_so: || !Path::new("/proc/modules").exists(),
    },
    Expected {
        place: "restart.installed_kernels",
        state: "absent",
        why: "the virtual machine's kernel comes from outside: no package of one is installed",
        is_so: || !Path::new("/lib/modules").exists(),
    },
    Expected {
        place: "restart.reboot_wanted_by",
        state: "absent",
        why: "no package asks for a reboot",
        is_so: || !Path::new("/run/reboot-required.pkgs").exists(),
    },
    Expected {
        place: "restart.replaced_binaries",
        state: "unknown",
        why: "a security module of the kernel keeps the first process from root, so that its binary isn't known",
        is_so: || {
            fs::read_link("/proc/1/exe").is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
        },
    },
];

fn snapshot() -> String {
    let output = kernmend::command(["check", "-o", "snapshot"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0..=2)), "{}: {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_gap_is_expected_with_its_reason() {
    let text = snapshot();
    let snapshot = Document::<Snapshot>::from_json(&text).unwrap().body;
    // A program without libcontainer has no features of it, whatever it is called and wherever it lies.
    let has_none = |place: &str| {
        let programs = snapshot.programs.found.iter();
        programs.filter(|program| place == format!("programs.found[{}].features", program.path)).any(
            |program| {
                program.classification.value().is_some_and(|found| found.class == Class::NotLibcontainer)
            },
        )
    };
    let found: BTreeMap<String, (String, String)> = gaps::find(&serde_json::from_str(&text).unwrap())
        .into_iter()
        .map(|gap| (gap.place, (gap.state, gap.detail)))
        .collect();
    let mut problems = Vec::new();
    for (place, (state, detail)) in &found {
        let expected = EXPECTED
            .iter()
            .any(|expected| expected.place == place && expected.state == state && (expected.is_so)());
        if !(expected || state == "absent" && has_none(place)) {
            problems.push(format!("`{place}` is {state}, and nothing here says why it would be: {detail}"));
        }
    }
    for Expected { place, state, why, is_so } in EXPECTED {
        if is_so() && found.get(place).is_none_or(|(found, _)| found != state) {
            problems.push(format!("`{place}` should be {state}, since {why}"));
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn real_runtimes_are_told_by_their_content() {
    let snapshot = Document::<Snapshot>::from_json(&snapshot()).unwrap().body;
    for (path, class) in [("/usr/sbin/runc", Class::Ignored), ("/usr/bin/crun", Class::NotLibcontainer)] {
        let program = snapshot.programs.found.iter().find(|program| program.path == path);
        let program = program.unwrap_or_else(|| panic!("`{path}` wasn't found"));
        let found = program.classification.value().map(|classification| classification.class);
        assert_eq!(found, Some(class), "{path}: {:?}", program.classification);
    }
}
