//! What keeps a plan from starting: each refusal has its reason, what it was seen by, and the command that mends it. What
//! can't be told counts as standing in the way where it could lose the node.

use super::{Node, PROGRAM, Wish};
use crate::boot::choose::{Surprise, SurpriseKind};
use crate::boot::environment::EnvironmentProblem;
use crate::boot::writable::{Obstacle, Writable};
use crate::document::Fact;
use crate::document::plan::{Refusal, Remark};
use crate::document::snapshot::{CgroupMode, InstalledKernel, KernelFile, Maintainer, PodKind, Snapshot};
use crate::version::upstream::compare;

/// Bytes that must be free where the trial's script and the menu are written: both, several times over.
const MIN_FREE: u64 = 4 << 20;

/// Pods that are named in a refusal; the count has them all.
const MAX_EVIDENCE: usize = 10;

/// Programs that bring pods to a node.
const KUBELETS: [&str; 4] = ["kubelet", "k3s", "rke2", "k0s"];

/// A refusal from its parts.
pub(super) fn refusal<const N: usize>(
    code: &str,
    values: [(&str, String); N],
    evidence: impl IntoIterator<Item = impl AsRef<str>>,
    command: &str,
) -> Refusal {
    Refusal {
        reason: Remark::new(code, values),
        evidence: evidence.into_iter().map(|place| place.as_ref().to_owned()).collect(),
        command: command.to_owned(),
    }
}

fn bare(code: &str, evidence: &str, command: &str) -> Refusal {
    refusal(code, [], [evidence], command)
}

/// The same fell back here before.
pub(super) fn fell_back_before() -> Refusal {
    bare("fell-back-before", "/var/lib/kernmend/history", "kernmend status")
}

/// Everything that stands in the way of a change of what boots, with a reboot or without one.
pub(super) fn refusals(node: &Node<'_>, wish: &Wish, reboots: bool) -> Vec<Refusal> {
    let snapshot = &node.snapshot.body;
    let mut refusals = basics(node);
    refusals.extend(loader(node));
    refusals.extend(space(snapshot));
    refusals.extend(if reboots { people(snapshot, wish) } else { others_at_work(snapshot) });
    refusals
}

/// What stands in the way of any change that is to last, and to be gone on with after a reboot.
pub(super) fn basics(node: &Node<'_>) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if node.machine_id.is_empty() {
        refusals.push(bare("no-machine-id", "/etc/machine-id", "systemd-machine-id-setup"));
    }
    if !node.is_installed {
        refusals.push(refusal(
            "not-installed",
            [("path", PROGRAM.to_owned())],
            [PROGRAM],
            "kernmend install",
        ));
    }
    refusals.extend(image_based(&node.snapshot.body));
    refusals
}

/// Systems that are made from images: what is changed by hand there is lost or refused.
fn image_based(snapshot: &Snapshot) -> Option<Refusal> {
    const TOOLS: [(&str, &str); 4] = [
        ("ostree", "rpm-ostree kargs --append=ARGUMENT"),
        ("talos", "talosctl patch machineconfig"),
        ("bottlerocket", "apiclient set"),
        ("flatcar", "vi /usr/share/oem/grub.cfg"),
    ];
    let system = snapshot.maintenance.image.value()?;
    let command = TOOLS.iter().find(|(name, _)| name == system).map_or("", |(_, command)| command);
    Some(refusal("image-based", [("system", system.clone())], [snapshot.maintenance.image.from()], command))
}

/// What GRUB can't do here, or would do besides.
fn loader(node: &Node<'_>) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let (block, problem) = match (node.files.environments.first(), &node.boot.environment) {
        (Some((file, _)), Some(environment)) => (file.as_str(), environment.problem),
        _ => return refusals,
    };
    let directory = block.rsplit_once('/').map_or("/", |(directory, _)| directory);
    let editor = if directory.starts_with("/boot/grub/") || directory == "/boot/grub" {
        "grub-editenv"
    } else {
        "grub2-editenv"
    };
    match problem {
        Some(EnvironmentProblem::Empty | EnvironmentProblem::NoHeader) => {
            let values = [("file", block.to_owned())];
            refusals.push(refusal(
                "environment-malformed",
                values,
                [block],
                &format!("{editor} {block} create"),
            ));
        }
        Some(EnvironmentProblem::OddSize) | None => {}
    }
    match &node.boot.writable {
        Some(Writable::No { by, obstacle }) if *obstacle != Obstacle::Malformed => {
            refusals.push(refusal(
                "environment-not-writable",
                [("by", by.clone())],
                [block, "/proc/mounts"],
                "findmnt -T /boot",
            ));
        }
        Some(Writable::Unknown { why }) => {
            let values = [("by", format!("{} ({})", why.path, why.detail))];
            refusals.push(refusal("environment-not-told", values, [block], "findmnt -T /boot"));
        }
        Some(Writable::Yes | Writable::No { .. }) | None => {}
    }
    for Surprise { kind, value, place } in &node.boot.next.surprises {
        match kind {
            SurpriseKind::OneShotPending => refusals.push(refusal(
                "one-shot-pending",
                [("entry", value.clone())],
                [&place.file],
                &format!("{editor} {block} unset next_entry"),
            )),
            SurpriseKind::WaitsForEver => {
                refusals.push(refusal(
                    "menu-waits",
                    [],
                    [&place.file],
                    "sed -i s/^GRUB_TIMEOUT=.*/GRUB_TIMEOUT=5/ /etc/default/grub && update-grub",
                ));
            }
            _ => {}
        }
    }
    refusals
}

/// Whose work a reboot would end or disturb.
pub(super) fn people(snapshot: &Snapshot, wish: &Wish) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let name = snapshot.hostname.value().map_or("NODE", String::as_str);
    // What can't be told counts as still here.
    let staying =
        snapshot.pods.found.iter().filter(|pod| !matches!(pod.kind, PodKind::Static | PodKind::Daemonset));
    let staying: Vec<String> = staying.map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect();
    let runs_kubelet =
        snapshot.services.running.iter().any(|service| KUBELETS.contains(&service.program.as_str()));
    let gaps: Vec<String> =
        snapshot.pods.gaps.iter().filter(|_| runs_kubelet).map(|why| why.path.clone()).collect();
    let is_empty = staying.is_empty() && gaps.is_empty();
    if !is_empty && !wish.with_pods {
        let count = if staying.is_empty() { "?".to_owned() } else { staying.len().to_string() };
        refusals.push(Refusal {
            reason: Remark::new("pods-here", [("count", count)]),
            evidence: staying.into_iter().take(MAX_EVIDENCE).chain(gaps).collect(),
            command: format!("kubectl drain {name} --ignore-daemonsets --delete-emptydir-data"),
        });
    }
    refusals.extend(control_plane(snapshot, wish));
    refusals.extend(others_at_work(snapshot));
    refusals
}

/// A control plane that would be gone for a while.
pub(super) fn control_plane(snapshot: &Snapshot, wish: &Wish) -> Option<Refusal> {
    let parts = &snapshot.services.control_plane;
    if wish.control_plane || parts.is_empty() {
        return None;
    }
    let mut names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    names.dedup();
    Some(Refusal {
        reason: Remark::new("control-plane-here", [("what", names.join(", "))]),
        evidence: parts.iter().map(|part| part.from.clone()).collect(),
        command: "kernmend plan --control-plane".to_owned(),
    })
}

/// Who else installs, upgrades or reboots.
pub(super) fn others_at_work(snapshot: &Snapshot) -> Vec<Refusal> {
    const REBOOT: [&str; 7] = [
        "kured",
        "zincati",
        "locksmithd",
        "update_engine",
        "flatcar-linux-update",
        "brupop-agent",
        "system-upgrade-controller",
    ];
    let mut refusals = Vec::new();
    let work = &snapshot.maintenance;
    let programs = work.programs.value().into_iter().flatten();
    let (reboot, install): (Vec<&Maintainer>, Vec<&Maintainer>) =
        programs.partition(|program| REBOOT.iter().any(|name| program.name.contains(name)));
    let name = |list: &[&Maintainer]| list.iter().map(|one| one.name.clone()).collect::<Vec<_>>().join(", ");
    let from = |list: &[&Maintainer]| list.iter().map(|one| one.from.clone()).collect::<Vec<_>>();
    if !reboot.is_empty() {
        refusals.push(Refusal {
            reason: Remark::new("other-remediator", [("what", name(&reboot))]),
            evidence: from(&reboot),
            command: "kubectl -n kube-system get pods -o wide".to_owned(),
        });
    }
    let locks = work.locks.value().into_iter().flatten();
    let mut busy: Vec<String> = install.iter().map(|one| one.name.clone()).collect();
    let mut seen = from(&install);
    for lock in locks {
        busy.push(lock.path.clone());
        seen.push(lock.pid.map_or_else(|| lock.path.clone(), |pid| format!("/proc/{pid}")));
    }
    if !busy.is_empty() {
        refusals.push(Refusal {
            reason: Remark::new("packages-at-work", [("what", busy.join(", "))]),
            evidence: seen,
            command: "ps aux".to_owned(),
        });
    }
    let unfinished: Vec<&String> = work.unfinished_packages.value().into_iter().flatten().collect();
    if let Some(first) = unfinished.first() {
        refusals.push(refusal(
            "packages-at-work",
            [("what", (*first).clone())],
            [work.unfinished_packages.from()],
            "dpkg --configure -a",
        ));
    }
    refusals
}

/// What kernels lack that have to boot: one that was removed by half is found here, and not by the next boot.
pub(super) fn kernels(node: &Node<'_>, releases: [&str; 2]) -> Vec<Refusal> {
    let snapshot = &node.snapshot.body;
    let mut refusals = Vec::new();
    let mut releases = releases.to_vec();
    releases.dedup();
    for release in releases {
        let known = snapshot.kernels.value().into_iter().flatten().find(|kernel| kernel.release == release);
        let Some(kernel) = known else {
            refusals.push(incomplete(release, "vmlinuz, initramfs, modules", "/boot"));
            continue;
        };
        let is_there =
            |file: &Fact<KernelFile>| file.value().is_some_and(|file| file.size.value() != Some(&0));
        if lacks_cgroup_v1(snapshot, kernel) {
            let values = [("release", release.to_owned())];
            refusals.push(refusal(
                "cgroup-v1-not-built",
                values,
                [kernel.options.from()],
                "kernmend plan --remedy cgroup-v2",
            ));
        }
        if !is_there(&kernel.image) {
            refusals.push(incomplete(release, "vmlinuz", kernel.image.from()));
        }
        if !is_there(&kernel.initramfs) {
            refusals.push(incomplete(release, "initramfs", kernel.initramfs.from()));
        }
        if kernel.modules.value() != Some(&true) {
            refusals.push(incomplete(release, "modules.dep", kernel.modules.from()));
        }
    }
    refusals
}

/// Whether a kernel has no memory controller for control groups of version 1, on a node that has those: kubelet and runtime
/// would not come up. It can be left out since 6.11 (`CONFIG_MEMCG_V1`).
fn lacks_cgroup_v1(snapshot: &Snapshot, kernel: &InstalledKernel) -> bool {
    const SINCE: &str = "6.11.0";
    let is_v1 = matches!(snapshot.cgroups.mode.value(), Some(CgroupMode::V1 | CgroupMode::Hybrid));
    let has_option = compare(&kernel.release, SINCE).is_ge();
    let is_built = kernel.options.value().and_then(|options| options.get("CONFIG_MEMCG_V1"));
    is_v1 && has_option && is_built.is_some_and(|value| value == "n")
}

fn incomplete(release: &str, what: &str, evidence: &str) -> Refusal {
    let values = [("release", release.to_owned()), ("what", what.to_owned())];
    refusal("kernel-incomplete", values, [evidence], "ls -l /boot /lib/modules")
}

/// Room for what is written. Where it can't be told nothing is said: a write that fails is undone.
fn space(snapshot: &Snapshot) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for file_system in [&snapshot.storage.boot, &snapshot.storage.root].into_iter().filter_map(Fact::value) {
        let Some(space) = file_system.space.value() else { continue };
        let at = &file_system.mounted_at;
        if space.free < MIN_FREE || space.free_inodes == Some(0) {
            let values = [("where", at.clone()), ("free", format!("{} KiB", space.free >> 10))];
            refusals.push(refusal("no-space", values, [at], &format!("df -h {at}; df -i {at}")));
        }
        if file_system.read_only == Some(true) {
            let values = [("what", at.clone())];
            refusals.push(refusal(
                "read-only",
                values,
                ["/proc/mounts"],
                &format!("mount -o remount,rw {at}"),
            ));
        }
    }
    refusals
}
