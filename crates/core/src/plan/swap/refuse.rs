//! What keeps a swap from being done, by the files themselves and by what they meet on the node; and what is to be known of
//! it. What can't be told stands in the way where it could leave the node without a runtime.

use super::{LIBCONTAINER, Manager, Owner, Replacement, STORE, Site, Swap, copies, kind};
use crate::document::plan::{Refusal, Remark};
use crate::document::snapshot::{CgroupMode, Class, Program, Service, Snapshot};
use crate::plan::check::is_runtime_unit;
use crate::plan::preflight::{basics, control_plane, others_at_work, people, refusal};
use crate::plan::{Node, Wish};
use crate::program::{Inspection, Presence};

/// A runc from here on makes cgroups in the controller `misc`, and a kubelet from there on removes them
/// (opencontainers/runc#3849, kubernetes/kubernetes#117647).
const USES_MISC: [u64; 3] = [1, 1, 6];
const KNOWS_MISC: [u64; 3] = [1, 26, 0];

/// Services that hold an API server in their own process.
const SERVERS: [&str; 3] = ["k3s", "rke2", "k0s"];

/// All that stands in the way.
pub(super) fn refusals(
    node: &Node<'_>,
    wish: &Wish,
    swaps: &[Swap<'_>],
    stops: &[&Service],
    reboots: bool,
) -> Vec<Refusal> {
    let snapshot = &node.snapshot.body;
    let mut refusals = basics(node);
    for file in &wish.with {
        refusals.extend(unfit(file));
        refusals.extend(foreign(file, swaps, node.site));
    }
    refusals.extend(swaps.iter().filter_map(lacking));
    refusals.extend(room(node.site, swaps));
    refusals.extend(misc_trap(snapshot, swaps));
    for service in stops {
        refusals.extend(service_that_stops(service, node.site, wish, reboots));
    }
    if reboots {
        refusals.extend(people(snapshot, wish));
    } else {
        // Without a reboot an API server is lost only with the process that holds it.
        if stops.iter().any(|service| SERVERS.contains(&service.program.as_str())) {
            refusals.extend(control_plane(snapshot, wish));
        }
        refusals.extend(others_at_work(snapshot));
    }
    refusals
}

/// The way is known, and what is to be put in place isn't.
pub(super) fn without_files(snapshot: &Snapshot) -> Refusal {
    let copies = ["runc", "kubelet"].into_iter().flat_map(|program| copies(snapshot, program));
    let paths: Vec<&str> = copies.map(|copy| copy.path.as_str()).collect();
    let command = "kernmend plan KM-0001 --with runc=FILE --with kubelet=FILE";
    refusal("needs-replacement", [], paths, command)
}

/// A file that can't do what it should, wherever it is put.
fn unfit(file: &Replacement) -> Option<Refusal> {
    let Inspection { path, classification, .. } = &file.is;
    let must_show = LIBCONTAINER.contains(&kind(&file.program));
    let code = match classification.class {
        Class::On | Class::OnDemand => "replacement-accounts",
        Class::Unknown => "replacement-not-told",
        Class::NotLibcontainer if must_show => "replacement-not-told",
        Class::Off | Class::Ignored | Class::NotLibcontainer => return None,
    };
    Some(refusal(code, [("file", path.clone())], [path], &inspect(path)))
}

/// A file that doesn't fit this machine, as far as its tables tell: the rest shows when it is tried.
fn foreign(file: &Replacement, swaps: &[Swap<'_>], site: &Site) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let path = &file.is.path;
    let Some(demands) = &file.is.demands else { return refusals };
    let here = swaps.iter().find_map(|swap| Some(swap.copy.demands.value()?.machine));
    if let Some(here) = here.filter(|here| *here != demands.machine) {
        let values = [
            ("file", path.clone()),
            ("machine", demands.machine.name().to_owned()),
            ("here", here.name().to_owned()),
        ];
        refusals.push(refusal("replacement-other-machine", values, [path], &inspect(path)));
    }
    let Some(needs) = demands.glibc else { return refusals };
    let needs_value = ("needs", needs.to_string());
    match site.glibc.value() {
        Some(has) if *has >= needs => {}
        Some(has) => {
            let values = [("file", path.clone()), needs_value, ("has", has.to_string())];
            refusals.push(refusal("replacement-newer-glibc", values, [path], &inspect(path)));
        }
        None => {
            let values = [("file", path.clone()), needs_value];
            refusals.push(refusal("glibc-not-told", values, [path], "getconf GNU_LIBC_VERSION"));
        }
    }
    refusals
}

/// A file that can't confine containers in a way that the copy can: those that ask for it would not start.
fn lacking(swap: &Swap<'_>) -> Option<Refusal> {
    let (has, gets) = (swap.copy.features.value()?, swap.file.is.features?);
    let ways = [
        ("SELinux", has.selinux, gets.selinux),
        ("AppArmor", has.apparmor, gets.apparmor),
        ("seccomp", has.seccomp, gets.seccomp),
    ];
    let is_lost = |has, gets| (has, gets) == (Presence::Present, Presence::Stubbed);
    let lost = ways.into_iter().filter(|(_, has, gets)| is_lost(*has, *gets));
    let lost: Vec<&str> = lost.map(|(name, ..)| name).collect();
    let path = &swap.file.is.path;
    let values = [("file", path.clone()), ("what", lost.join(", ")), ("path", swap.copy.path.clone())];
    (!lost.is_empty()).then(|| refusal("replacement-lacks", values, [path], &inspect(path)))
}

fn inspect(path: &str) -> String {
    format!("kernmend inspect {path}")
}

/// Room for all that is written, on each file system as if all of it were written there: the new files in the store, the old
/// ones, and one more of each where it is put.
fn room(site: &Site, swaps: &[Swap<'_>]) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let place = |path: &str| site.places.get(path);
    let size = |swap: &Swap<'_>| {
        let before = place(&swap.copy.path).and_then(|place| place.size.value().copied());
        2 * swap.file.size + before.unwrap_or(swap.file.size)
    };
    let need: u64 = swaps.iter().map(size).sum();
    let paths = swaps.iter().map(|swap| swap.copy.path.as_str()).chain([STORE]);
    for (path, place) in paths.filter_map(|path| Some((path, place(path)?))) {
        if let Some(space) = place.space.value()
            && (space.free < need || space.free_inodes == Some(0))
        {
            let free = format!("{} MiB of {} MiB", space.free >> 20, need >> 20);
            let values = [("where", path.to_owned()), ("free", free)];
            refusals.push(refusal("no-space", values, [path], &format!("df -h {path}; df -i {path}")));
        }
    }
    refusals
}

/// A service that can't be stopped and started, or must not be.
fn service_that_stops(service: &Service, site: &Site, wish: &Wish, reboots: bool) -> Option<Refusal> {
    let process = format!("/proc/{}/cgroup", service.pid);
    let Some(unit) = service.unit.value() else {
        return Some(refusal("no-unit", [("program", service.program.clone())], [process], ""));
    };
    if !is_runtime_unit(unit) {
        let command = format!("systemctl status {unit}");
        return Some(refusal("unit-not-known", [("unit", unit.clone())], [process], &command));
    }
    // Its containers would end with it: that moves pods, whatever they are moved for.
    let ends_containers = matches!(service.program.as_str(), "docker" | "dockerd")
        && !site.live_restore
        && !reboots
        && !wish.with_pods;
    ends_containers.then(|| {
        let values = [("unit", unit.clone())];
        refusal("containers-would-end", values, ["/etc/docker/daemon.json"], "kernmend plan --with-pods")
    })
}

/// A runc that makes cgroups which the kubelet doesn't remove.
fn misc_trap(snapshot: &Snapshot, swaps: &[Swap<'_>]) -> Option<Refusal> {
    let has_misc = snapshot.cgroups.controllers.value().is_some_and(|all| all.contains_key("misc"));
    let is_v1 = matches!(snapshot.cgroups.mode.value(), Some(CgroupMode::V1 | CgroupMode::Hybrid));
    if !has_misc || !is_v1 {
        return None;
    }
    let runc = swaps.iter().find_map(|swap| {
        let version = swap.file.is.version.as_deref().filter(|_| kind(&swap.copy.path) == "runc")?;
        (numbers(version)? >= USES_MISC).then_some(version)
    })?;
    let (path, kubelet) = copies(snapshot, "kubelet").find_map(|copy| {
        let swap = swaps.iter().find(|swap| swap.copy.path == copy.path);
        let after = swap.map_or_else(|| copy.version.value(), |swap| swap.file.is.version.as_ref())?;
        (numbers(after)? < KNOWS_MISC).then_some((&copy.path, after))
    })?;
    let values = [("runc", runc.to_owned()), ("kubelet", kubelet.clone())];
    Some(refusal("misc-trap", values, ["/proc/cgroups", path], ""))
}

/// Copies that switch accounting on and stay.
pub(super) fn left_on<'a>(
    snapshot: &'a Snapshot,
    swaps: &'a [Swap<'_>],
) -> impl Iterator<Item = &'a Program> {
    let is_on = |copy: &&Program| copy.classification.value().is_some_and(|found| found.class == Class::On);
    let all = LIBCONTAINER.into_iter().flat_map(|program| copies(snapshot, program)).filter(is_on);
    all.filter(|copy| !swaps.iter().any(|swap| swap.copy.path == copy.path))
}

/// What of runc and kubelet fits, and what is left on.
pub(super) fn pairing(node: &Node<'_>, swaps: &[Swap<'_>]) -> Vec<Remark> {
    let snapshot = &node.snapshot.body;
    let left = left_on(snapshot, swaps).map(|copy| {
        let code = if kind(&copy.path) == "runc" { "runc-stays-on" } else { "kubelet-stays-on" };
        Remark::new(code, [("path", copy.path.clone())])
    });
    let mut remarks: Vec<Remark> = left.collect();
    for swap in swaps.iter().filter(|swap| kind(&swap.copy.path) == "kubelet") {
        let minor = |version: &str| numbers(version).map(|[major, minor, _]| (major, minor));
        if let (Some(from), Some(to)) = (swap.copy.version.value(), &swap.file.is.version)
            && minor(from) != minor(to)
        {
            let values = [("from", from.clone()), ("to", to.clone())];
            remarks.push(Remark::new("kubelet-other-minor", values));
        }
    }
    remarks.sort();
    remarks.dedup();
    remarks
}

/// The packages whose next update puts the old programs back, with what holds them.
pub(super) fn packages(node: &Node<'_>, swaps: &[Swap<'_>]) -> Vec<Remark> {
    let owner = |swap: &Swap<'_>| node.site.places.get(&swap.copy.path)?.owner.value();
    let owned = swaps.iter().filter_map(|swap| Some((swap, owner(swap)?)));
    owned
        .map(|(swap, Owner { package, manager })| {
            let command = match manager {
                Manager::Dpkg => format!("apt-mark hold {package}"),
                Manager::Rpm => format!("yum versionlock add {package}"),
            };
            let values =
                [("path", swap.copy.path.clone()), ("package", package.clone()), ("command", command)];
            Remark::new("package-puts-back", values)
        })
        .collect()
}

/// The three numbers that a version begins with.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let text = version.trim_start_matches('v');
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let mut parts = text[..end].split('.').map(str::parse::<u64>);
    let [major, minor] = [parts.next()?.ok()?, parts.next()?.ok()?];
    Some([major, minor, parts.next().and_then(Result::ok).unwrap_or(0)])
}
