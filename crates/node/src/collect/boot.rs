//! The boot loader's files: configuration, environment block, entries, and the settings that they are made of. It reads
//! what GRUB itself would read from the disk; what boots next is for `kernmend_core::boot` to say.

use std::collections::BTreeSet;

use kernmend_core::boot::Matcher;
use kernmend_core::boot::grub::Given;
use kernmend_core::boot::reading::{Boot, BootFiles, Source, of_files};
use kernmend_core::document::snapshot::Distribution;
use kernmend_core::document::{Fact, Reason, Why};
use kernmend_core::format::mounts::Mounted;

use super::{SMALL, distribution, resolved, storage};
use crate::host::{Answer, Host, Listing, Want};

/// Configurations are a few kilobytes; one with hundreds of kernels fits.
const CONFIGURATION: usize = 1 << 20;

/// No more entries of a directory are read.
const MAX_ENTRIES: usize = 512;

/// Where GRUB's own directory is: Red Hat's and SUSE's name first.
const DIRECTORIES: [&str; 2] = ["/boot/grub2", "/boot/grub"];

/// Where vendors' directories are on the EFI system partition.
const EFI: &str = "/boot/efi/EFI";

/// What `kernel-install` makes new entries with.
const KERNEL_CMDLINE: &str = "/etc/kernel/cmdline";

const LEGACY: [&str; 2] = ["/boot/grub/grub.conf", "/boot/grub/menu.lst"];

/// Reads the boot loader's files, and says what boots next.
#[must_use]
pub fn collect(host: &Host<'_>) -> Boot {
    of_files(&read(host))
}

/// The boot loader's files as they are, for those who change them or judge what they would be.
#[must_use]
pub fn read(host: &Host<'_>) -> BootFiles {
    files(host, &storage::mounts(host))
}

/// What boots next as a fact of a snapshot.
pub(super) fn fact(host: &Host<'_>, mounts: &Fact<Vec<Mounted>>) -> Fact<Boot> {
    let boot = of_files(&files(host, mounts));
    match (boot.source, boot.open.first()) {
        (Source::Nothing, Some(why)) => Fact::Unknown { why: why.clone() },
        (Source::Nothing, None) => Fact::Absent { from: DIRECTORIES[0].to_owned() },
        _ => Fact::known(boot.clone(), boot.file),
    }
}

fn files(host: &Host<'_>, mounts: &Fact<Vec<Mounted>>) -> BootFiles {
    let mut files = BootFiles::default();
    let efi = vendors(host, &mut files.open);
    let on_efi = efi.iter().map(String::as_str);
    // Firmware starts GRUB from the EFI system partition where there is one; what lies there may only hand over.
    let directories: Vec<&str> = if booted_by_efi(host) {
        on_efi.chain(DIRECTORIES).collect()
    } else {
        DIRECTORIES.into_iter().chain(on_efi).collect()
    };
    for directory in &directories {
        let path = format!("{directory}/grub.cfg");
        let Some(text) = text(host, &path, CONFIGURATION, &mut files.open) else { continue };
        let hands_over = text.lines().any(|line| line.trim_start().starts_with("configfile"))
            && !text.lines().any(|line| line.trim_start().starts_with("menuentry"));
        if files.configuration.is_none() || !hands_over {
            files.configuration = Some((path, text));
        }
        if !hands_over {
            break;
        }
    }
    let own = files.configuration.as_ref().and_then(|(path, _)| path.rsplit_once('/')).map(|(own, _)| own);
    let own = own.unwrap_or(directories[0]).to_owned();
    let ordered = [own.as_str()].into_iter().chain(directories.iter().copied().filter(|other| *other != own));
    environments(host, ordered, &mut files);
    let custom = format!("{own}/custom.cfg");
    files.custom = match host.read(&custom, CONFIGURATION) {
        Answer::Got(content) => Given::Is((custom, content.text())),
        Answer::Absent => Given::Missing,
        answer @ (Answer::NotCaptured | Answer::Failed(_)) => {
            files.open.extend(answer.obstacle(&custom));
            Given::Not
        }
    };
    files.entries = entries(host, &mut files.open);
    files.defaults = defaults(host, &mut files.open);
    files.kernel_cmdline = match host.read(KERNEL_CMDLINE, SMALL) {
        Answer::Got(content) => Given::Is((KERNEL_CMDLINE.to_owned(), content.text())),
        Answer::Absent => Given::Missing,
        Answer::NotCaptured | Answer::Failed(_) => Given::Not,
    };
    for path in LEGACY {
        if files.configuration.is_none() && files.legacy.is_none() {
            let found = text(host, path, CONFIGURATION, &mut files.open);
            files.legacy = found.map(|text| (path.to_owned(), text));
        }
    }
    files.matcher = distribution::collect(host).value().and_then(matcher);
    if let Some((path, _)) = files.environments.first() {
        let target = resolved(host, path);
        files.block_on = storage::file_system_of(host, mounts, &target);
        files.block_leads_to = match (storage::holder_of(mounts, path), storage::holder_of(mounts, &target)) {
            (Some(here), Some(there)) if here != there => Some(there.to_owned()),
            _ => None,
        };
    }
    files.open.sort();
    files.open.dedup();
    files
}

fn text(host: &Host<'_>, path: &str, max: usize, open: &mut Vec<Why>) -> Option<String> {
    let answer = host.read(path, max);
    open.extend(answer.obstacle(path));
    let content = answer.got()?;
    if content.cut {
        open.push(Why {
            reason: Reason::Cut,
            path: path.to_owned(),
            detail: format!("longer than {max} bytes"),
        });
        return None;
    }
    Some(content.text())
}

fn booted_by_efi(host: &Host<'_>) -> bool {
    matches!(host.list("/sys/firmware/efi", Want::All, 1), Answer::Got(_))
}

/// The vendors' directories on the EFI system partition, but for the one that is only a fallback.
fn vendors(host: &Host<'_>, open: &mut Vec<Why>) -> Vec<String> {
    let answer = host.list(EFI, Want::Directories, MAX_ENTRIES);
    open.extend(answer.obstacle(EFI));
    let mut found: Vec<String> = Vec::new();
    for (name, _) in answer.got().iter().flat_map(Listing::iter) {
        if !name.eq_ignore_ascii_case("boot") {
            found.push(format!("{EFI}/{name}"));
        }
    }
    found.sort();
    found
}

/// Environment blocks, each file once: `/boot/grub2/grubenv` is a link into the EFI system partition on EL7.
fn environments<'a>(host: &Host<'_>, directories: impl Iterator<Item = &'a str>, files: &mut BootFiles) {
    let mut seen = BTreeSet::new();
    files.environments_complete = true;
    for directory in directories {
        let path = format!("{directory}/grubenv");
        let answer = host.read(&path, SMALL);
        if let Some(why) = answer.obstacle(&path) {
            files.environments_complete = false;
            files.open.push(why);
        }
        let Some(content) = answer.got() else { continue };
        if host.identity(&path).got().is_none_or(|identity| seen.insert(identity)) {
            files.environments.push((path, content.bytes));
        }
    }
}

fn entries(host: &Host<'_>, open: &mut Vec<Why>) -> Given<Vec<(String, String)>> {
    const DIRECTORY: &str = "/boot/loader/entries";
    let answer = host.list(DIRECTORY, Want::All, MAX_ENTRIES);
    open.extend(answer.obstacle(DIRECTORY));
    let listing = match answer {
        Answer::Got(listing) => listing,
        Answer::Absent => return Given::Missing,
        Answer::NotCaptured | Answer::Failed(_) => return Given::Not,
    };
    let mut names: Vec<String> =
        listing.iter().map(|(name, _)| name.to_owned()).filter(|name| name.ends_with(".conf")).collect();
    names.sort();
    let mut found = Vec::new();
    let mut complete = !listing.cut;
    for name in names {
        let path = format!("{DIRECTORY}/{name}");
        match text(host, &path, SMALL, open) {
            Some(text) => found.push((path, text)),
            None => complete = false,
        }
    }
    // With one entry missing every number means another one.
    if complete { Given::Is(found) } else { Given::Not }
}

fn defaults(host: &Host<'_>, open: &mut Vec<Why>) -> Vec<(String, String)> {
    const DROP_INS: &str = "/etc/default/grub.d";
    let mut paths = vec!["/etc/default/grub".to_owned()];
    let answer = host.list(DROP_INS, Want::All, MAX_ENTRIES);
    open.extend(answer.obstacle(DROP_INS));
    let listing = answer.got();
    let mut names: Vec<String> = listing
        .iter()
        .flat_map(Listing::iter)
        .map(|(name, _)| format!("{DROP_INS}/{name}"))
        .filter(|name| name.ends_with(".cfg"))
        .collect();
    names.sort();
    paths.extend(names);
    paths.into_iter().filter_map(|path| Some((path.clone(), text(host, &path, SMALL, open)?))).collect()
}

/// Whose GRUB a distribution has.
fn matcher(distribution: &Distribution) -> Option<Matcher> {
    let has = |names: &[&str]| {
        names
            .iter()
            .any(|name| distribution.id == *name || distribution.id_like.iter().any(|like| like == name))
    };
    if has(&["debian", "ubuntu", "suse", "sles", "opensuse", "arch", "alpine"]) {
        Some(Matcher::Upstream)
    } else if has(&[
        "rhel",
        "fedora",
        "centos",
        "rocky",
        "almalinux",
        "ol",
        "amzn",
        "openEuler",
        "anolis",
        "kylin",
    ]) {
        Some(Matcher::RedHat)
    } else {
        None
    }
}
