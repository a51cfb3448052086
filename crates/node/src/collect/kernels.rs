//! Kernels that are installed: image, first root file system, index of modules, and build options of each.

use std::collections::BTreeSet;

use kernmend_core::boot::release_of;
use kernmend_core::document::snapshot::{InstalledKernel, KernelFile};
use kernmend_core::document::{Fact, Reason};

use super::kernel::options;
use crate::host::{Answer, Host, Listing, Want};

const BOOT: &str = "/boot";

/// Files in `/boot`; a node with forty kernels has two hundred.
const MAX_FILES: usize = 4096;

/// Kernels on one machine.
const MAX_KERNELS: usize = 200;

/// Where modules are, and with them the image on systems that keep all of a kernel in one place.
const MODULES: [&str; 2] = ["/lib/modules", "/usr/lib/modules"];

/// `installed` are the kernels that have modules.
pub(super) fn collect(host: &Host<'_>, installed: &Fact<Vec<String>>) -> Fact<Vec<InstalledKernel>> {
    let boot = host.list(BOOT, Want::All, MAX_FILES);
    let obstacle = boot.obstacle(BOOT);
    let boot = boot.got();
    if let Some(listing) = boot.as_ref().filter(|listing| listing.cut && listing.len() >= MAX_FILES) {
        return Fact::unknown(Reason::Cut, BOOT, format!("{} entries", listing.total));
    }
    let names: Vec<&str> = boot.iter().flat_map(Listing::iter).map(|(name, _)| name).collect();
    let mut releases: BTreeSet<String> = names.iter().filter_map(|name| release_of(name)).collect();
    match (installed, obstacle) {
        (Fact::Known { value, .. }, _) => releases.extend(value.iter().cloned()),
        (Fact::Unknown { why }, _) if releases.is_empty() => return Fact::Unknown { why: why.clone() },
        (_, Some(why)) if releases.is_empty() => return Fact::Unknown { why },
        _ => {}
    }
    if releases.len() > MAX_KERNELS {
        return Fact::unknown(Reason::Cut, BOOT, format!("{} kernels", releases.len()));
    }
    if releases.is_empty() {
        return Fact::Absent { from: BOOT.to_owned() };
    }
    let kernel = |release: String| InstalledKernel {
        image: image(host, &names, &release),
        initramfs: file(host, &names, &|name| is_initramfs_of(name, &release), "initramfs"),
        modules: modules(host, &release),
        options: options(host, &release, false),
        release,
    };
    Fact::known(releases.into_iter().map(kernel).collect(), BOOT)
}

fn image(host: &Host<'_>, names: &[&str], release: &str) -> Fact<KernelFile> {
    let in_boot = file(host, names, &|name| release_of(name).as_deref() == Some(release), "vmlinuz");
    if in_boot.value().is_some() {
        return in_boot;
    }
    let beside = MODULES.map(|place| format!("{place}/{release}/vmlinuz"));
    let found = beside.into_iter().find(|path| matches!(host.identity(path), Answer::Got(_)));
    found.map_or(in_boot, |path| whole(host, path))
}

/// The file in `/boot` whose name is the right one.
fn file(host: &Host<'_>, names: &[&str], is_it: &dyn Fn(&str) -> bool, what: &str) -> Fact<KernelFile> {
    match names.iter().find(|name| is_it(name)) {
        Some(name) => whole(host, format!("{BOOT}/{name}")),
        // What a listing of selected files lacks may be there.
        None => match host.identity(&format!("{BOOT}/{what}-kernmend-is-not-there")) {
            Answer::NotCaptured => Fact::unknown(Reason::NotCaptured, BOOT, ""),
            answer => match answer.obstacle(BOOT) {
                Some(why) => Fact::Unknown { why },
                None => Fact::Absent { from: BOOT.to_owned() },
            },
        },
    }
}

fn whole(host: &Host<'_>, path: String) -> Fact<KernelFile> {
    let from = path.clone();
    Fact::known(KernelFile { size: host.size(&path).fact(&path), path }, from)
}

/// Whether a file is the first root file system of a release, as dracut, initramfs-tools and SUSE name it.
fn is_initramfs_of(name: &str, release: &str) -> bool {
    let rest = ["initramfs-", "initrd.img-", "initrd-"].iter().find_map(|start| name.strip_prefix(start));
    rest.is_some_and(|rest| rest == release || rest.strip_suffix(".img") == Some(release))
}

fn modules(host: &Host<'_>, release: &str) -> Fact<bool> {
    let here = MODULES.into_iter().filter(|place| matches!(host.identity(place), Answer::Got(_)));
    let indices = here.map(|place| format!("{place}/{release}/modules.dep"));
    let told = super::first_told(indices.map(|path| host.identity(&path).map(|_| true).fact(&path)));
    match told {
        Fact::Absent { from } => Fact::known(false, from),
        told => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_root_file_system_is_told_by_its_name() {
        for (name, expected) in [
            ("initramfs-3.10.0-514.el7.x86_64.img", true),
            ("initrd.img-3.10.0-514.el7.x86_64", true),
            ("initrd-3.10.0-514.el7.x86_64", true),
            ("initramfs-3.10.0-514.el7.x86_64kdump.img", false),
            ("initramfs-0-rescue-0123.img", false),
            ("vmlinuz-3.10.0-514.el7.x86_64", false),
        ] {
            assert_eq!(is_initramfs_of(name, "3.10.0-514.el7.x86_64"), expected, "{name}");
        }
    }
}
