//! What keeps a swap from being done, by the files themselves and by what they meet on the node; and what is to be known of
//! it. What can't be told stands in the way where it could leave the node without a runtime.

use super::{LIBCONTAINER, Manager, Owner, Replacement, STORE, Site, Swap, copies, kind};
use crate::document::Fact;
use crate::document::plan::{Refusal, Remark};
use crate::document::snapshot::{CgroupMode, Class, Program, Service, Snapshot};
use crate::plan::check::is_runtime_unit;
use crate::plan::preflight::{basics, control_plane, others_at_work, people, refusal};
use crate::plan::{Node, Wish};

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
    }
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
    let class = file.classification.class;
    let why = || {
        let why: Vec<String> = file.classification.why.iter().map(ToString::to_string).collect();
        why.join("; ")
    };
    let inspect = format!("kernmend inspect {}", file.path);
    let must_show = LIBCONTAINER.contains(&kind(&file.program));
    let code = match class {
        Class::On | Class::OnDemand => "replacement-accounts",
        Class::Unknown => "replacement-not-told",
        Class::NotLibcontainer if must_show => "replacement-not-told",
        Class::Off | Class::Ignored | Class::NotLibcontainer => return None,
    };
    Some(refusal(code, [("file", file.path.clone()), ("why", why())], [&file.path], &inspect))
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
    let runc = swaps.iter().find(|swap| {
        kind(&swap.copy.path) == "runc" && numbers(&swap.file.version).is_some_and(|it| it >= USES_MISC)
    })?;
    let (path, version) = after(snapshot, swaps, "kubelet")
        .find(|(_, version)| numbers(version).is_some_and(|version| version < KNOWS_MISC))?;
    let told = |version: &Fact<String>| version.value().cloned().unwrap_or_default();
    let values = [("runc", told(&runc.file.version)), ("kubelet", told(version))];
    Some(refusal("misc-trap", values, ["/proc/cgroups", path], ""))
}

/// The copies of a program as they are after the swap: where each is, and its version then.
fn after<'a>(
    snapshot: &'a Snapshot,
    swaps: &'a [Swap<'_>],
    program: &'a str,
) -> impl Iterator<Item = (&'a str, &'a Fact<String>)> {
    copies(snapshot, program).map(|copy| {
        let swap = swaps.iter().find(|swap| swap.copy.path == copy.path);
        (copy.path.as_str(), swap.map_or(&copy.version, |swap| &swap.file.version))
    })
}

/// What of runc and kubelet fits, and what is left on.
pub(super) fn pairing(node: &Node<'_>, swaps: &[Swap<'_>]) -> Vec<Remark> {
    let snapshot = &node.snapshot.body;
    let mut remarks = Vec::new();
    let is_on = |copy: &Program| {
        let class = copy.classification.value().map(|found| found.class);
        matches!(class, Some(Class::On | Class::OnDemand))
    };
    for (program, code) in [("kubelet", "kubelet-stays-on"), ("runc", "runc-stays-on")] {
        let is_swapped = |copy: &&Program| swaps.iter().any(|swap| swap.copy.path == copy.path);
        let left = copies(snapshot, program).find(|copy| is_on(copy) && !is_swapped(copy));
        remarks.extend(left.map(|copy| Remark::new(code, [("path", copy.path.clone())])));
    }
    for swap in swaps.iter().filter(|swap| kind(&swap.copy.path) == "kubelet") {
        let minor = |version: &Fact<String>| numbers(version).map(|[major, minor, _]| (major, minor));
        let (old, new) = (&swap.copy.version, &swap.file.version);
        if let (Some(before), Some(after)) = (minor(old), minor(new))
            && before != after
        {
            let told = |version: &Fact<String>| version.value().cloned().unwrap_or_default();
            remarks.push(Remark::new("kubelet-other-minor", [("from", told(old)), ("to", told(new))]));
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
fn numbers(version: &Fact<String>) -> Option<[u64; 3]> {
    let text = version.value()?.trim_start_matches('v');
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let mut parts = text[..end].split('.').map(str::parse::<u64>);
    let [major, minor] = [parts.next()?.ok()?, parts.next()?.ok()?];
    Some([major, minor, parts.next().and_then(Result::ok).unwrap_or(0)])
}
