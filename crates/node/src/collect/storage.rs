//! The file systems of `/` and `/boot`: where they are mounted, the devices below them with the modules that drive these,
//! and how much room there is.

use kernmend_core::document::snapshot::{FileSystem, Layer, LayerKind, Storage};
use kernmend_core::document::{Fact, Reason};
use kernmend_core::format::mounts::{self, Mounted};

use super::{LARGE, SMALL, first_told, resolved};
use crate::host::{Answer, Host, Listing, Want};

/// Where mounts are told: with the numbers of their devices, and without. The first process sees what the machine has;
/// kernmend itself may run in a container.
const MOUNTINFO: [&str; 2] = ["/proc/1/mountinfo", "/proc/self/mountinfo"];
const MOUNTS: [&str; 3] = ["/proc/1/mounts", "/proc/self/mounts", "/proc/mounts"];

/// Devices below one file system, each once.
const MAX_LAYERS: usize = 64;

/// What is mounted.
pub(super) fn mounts(host: &Host<'_>) -> Fact<Vec<Mounted>> {
    let with_devices =
        MOUNTINFO.into_iter().map(|path| host.text(path, LARGE).map(|text| mounts::mountinfo(&text)));
    let without = MOUNTS.into_iter().map(|path| host.text(path, LARGE).map(|text| mounts::mounts(&text)));
    match first_told(with_devices.chain(without)) {
        // Without `/proc` it isn't known what is mounted; that is not to say that nothing is.
        Fact::Absent { from } => Fact::unknown(Reason::NotTold, from, ""),
        told => told,
    }
}

pub(super) fn collect(host: &Host<'_>, mounts: &Fact<Vec<Mounted>>) -> Storage {
    Storage { root: file_system_of(host, mounts, "/"), boot: file_system_of(host, mounts, "/boot") }
}

/// Where the file system is mounted that a path without links lies on.
pub(super) fn holder_of<'a>(mounts: &'a Fact<Vec<Mounted>>, path: &str) -> Option<&'a str> {
    mounts::holder(mounts.value()?, path).map(|mount| mount.place.as_str())
}

/// The file system that a path without links lies on.
pub(super) fn file_system_of(host: &Host<'_>, mounts: &Fact<Vec<Mounted>>, path: &str) -> Fact<FileSystem> {
    let held = mounts.clone().parse(|mounts| {
        mounts::holder(mounts, path).cloned().ok_or_else(|| format!("nothing holds `{path}`"))
    });
    held.map(|mount| FileSystem {
        layers: layers(host, &mount),
        space: host.space(&mount.place).fact(&mount.place),
        mounted_at: mount.place,
        kind: mount.kind,
        source: mount.source,
        read_only: mount.read_only,
    })
}

/// The devices below a mounted file system.
fn layers(host: &Host<'_>, mount: &Mounted) -> Fact<Vec<Layer>> {
    let by_number = mount
        .device
        .filter(|(major, _)| *major > 0)
        .map(|(major, minor)| format!("/sys/dev/block/{major}:{minor}"));
    let by_name = || {
        let name = mount.source.strip_prefix("/dev/")?;
        let node =
            if name.starts_with("mapper/") { resolved(host, &mount.source) } else { mount.source.clone() };
        Some(format!("/sys/class/block/{}", node.rsplit('/').next()?))
    };
    let Some(path) = by_number.or_else(by_name) else {
        return Fact::unknown(Reason::NotTold, &*mount.source, "");
    };
    match host.link(&path) {
        Answer::Got(_) => {
            let mut found = Vec::new();
            match below(host, &resolved(host, &path), &mut found) {
                Ok(()) => Fact::known(found, path),
                Err(unread) => unread,
            }
        }
        // Its name alone tells something.
        answer => match kind_by_name(&mount.source) {
            Some(kind) => {
                let name = mount.source.trim_start_matches("/dev/").to_owned();
                Fact::known(vec![Layer { name, kind, modules: Vec::new() }], &*mount.source)
            }
            None => answer.map(|_| Vec::new()).fact(&path),
        },
    }
}

/// The kind of a device by its name in `/dev`. What a disk's name is, a disk need not be.
fn kind_by_name(source: &str) -> Option<LayerKind> {
    let name = source.strip_prefix("/dev/")?;
    if name.starts_with("mapper/") || name.starts_with("dm-") {
        Some(LayerKind::Mapper)
    } else if name.starts_with("md") {
        Some(LayerKind::Mdraid)
    } else {
        None
    }
}

/// Adds the device whose folder in `/sys/devices` this is, and those that it is made of.
fn below(host: &Host<'_>, folder: &str, found: &mut Vec<Layer>) -> Result<(), Fact<Vec<Layer>>> {
    let unread = |path: &str, answer: Answer<()>| answer.map(|()| Vec::new()).fact(path);
    let (above, name) = folder.rsplit_once('/').unwrap_or_default();
    if found.len() >= MAX_LAYERS {
        return Err(Fact::unknown(Reason::Cut, folder, ""));
    }
    if found.iter().any(|layer| layer.name == name) {
        return Ok(());
    }
    let add = |found: &mut Vec<Layer>, kind, modules| {
        found.push(Layer { name: name.to_owned(), kind, modules });
    };
    let partition = format!("{folder}/partition");
    match host.identity(&partition) {
        Answer::Got(_) => {
            add(found, LayerKind::Partition, Vec::new());
            return below(host, above, found);
        }
        Answer::Absent | Answer::NotCaptured => {}
        answer @ Answer::Failed(_) => return Err(unread(&partition, answer.map(|_| ()))),
    }
    let kind = if name.starts_with("dm-") {
        let uuid = host.text(&format!("{folder}/dm/uuid"), SMALL);
        kind_of_mapper(uuid.value().map_or("", |text| text.trim()))
    } else if name.starts_with("md") {
        LayerKind::Mdraid
    } else if folder.contains("/virtual/") && !name.starts_with("nvme") {
        LayerKind::Other
    } else {
        add(found, LayerKind::Disk, drivers(host, folder));
        return Ok(());
    };
    add(found, kind, Vec::new());
    let slaves = format!("{folder}/slaves");
    match host.list(&slaves, Want::All, MAX_LAYERS) {
        Answer::Got(listing) => below_all(host, &slaves, &listing, found),
        // A loop device has none.
        Answer::Absent => Ok(()),
        answer => Err(unread(&slaves, answer.map(|_| ()))),
    }
}

fn below_all(
    host: &Host<'_>,
    slaves: &str,
    listing: &Listing,
    found: &mut Vec<Layer>,
) -> Result<(), Fact<Vec<Layer>>> {
    for name in listing.sorted() {
        below(host, &resolved(host, &format!("{slaves}/{name}")), found)?;
    }
    Ok(())
}

/// The kind of a device of the device mapper by the identity that its maker gave it.
fn kind_of_mapper(uuid: &str) -> LayerKind {
    // Partitions have `partN-` before it.
    let maker = uuid.rsplit_once("mpath-").map_or(uuid, |_| "mpath-");
    match maker.split('-').next() {
        Some("LVM") => LayerKind::Lvm,
        Some("CRYPT") => LayerKind::Crypt,
        Some("mpath") => LayerKind::Multipath,
        _ => LayerKind::Mapper,
    }
}

/// The modules of the drivers from a disk up to its bus, without those that several of them name again.
fn drivers(host: &Host<'_>, folder: &str) -> Vec<String> {
    let mut modules: Vec<String> = Vec::new();
    let mut folder = folder;
    while let Some((above, _)) = folder.rsplit_once('/').filter(|(above, _)| *above != "/sys/devices") {
        let target = host.link(&format!("{above}/driver/module")).got();
        let module = target.as_deref().and_then(|target| target.rsplit('/').next()).map(str::to_owned);
        modules.extend(module.filter(|module| !modules.contains(module)));
        folder = above;
    }
    modules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_device_is_told_by_its_maker() {
        for (uuid, expected) in [
            ("LVM-abc", LayerKind::Lvm),
            ("CRYPT-LUKS2-abc-luks", LayerKind::Crypt),
            ("mpath-36001", LayerKind::Multipath),
            ("part1-mpath-36001", LayerKind::Multipath),
            ("", LayerKind::Mapper),
            ("DMRAID-x", LayerKind::Mapper),
        ] {
            assert_eq!(kind_of_mapper(uuid), expected, "{uuid}");
        }
    }
}
