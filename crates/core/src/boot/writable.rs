//! Whether GRUB can write to its environment block where it lies. It writes to the blocks of the file, past any driver of
//! Linux's, so what counts is what GRUB itself makes of the disk; how Linux has it mounted doesn't matter.
//!
//! Measured in virtual machines: ext4, xfs and vfat on plain disks can be written to; btrfs says `sparse file not allowed`,
//! LVM says `diskfilter writes are not supported`, and mdraid takes the same code (`grub-core/disk/diskfilter.c`,
//! `grub-core/commands/loadenv.c`). Debian's `00_header` lists the file systems. What is neither known to work nor known to
//! fail is unknown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::environment::{Environment, EnvironmentProblem, USUAL_SIZE};
use crate::document::snapshot::{FileSystem, LayerKind};
use crate::document::{Fact, Reason, Why};

/// File systems whose blocks GRUB is known to write to.
const WRITES: [&str; 5] = ["ext2", "ext3", "ext4", "vfat", "xfs"];

/// File systems that GRUB reads and never writes to, as Debian's `00_header` lists them, by Linux's names.
const READS: [&str; 7] = ["btrfs", "cpiofs", "newc", "odc", "romfs", "squashfs", "zfs"];

/// Whether GRUB can write to its environment block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Writable {
    /// It can.
    Yes,
    /// It can't: a one-shot would be taken at every boot.
    No {
        /// What keeps it from that.
        obstacle: Obstacle,
        /// The file system, the device or the file that does.
        by: String,
    },
    /// It can't be told.
    Unknown {
        /// Why not.
        why: Why,
    },
}

/// What keeps GRUB from writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// There is no block: GRUB makes none.
    NoBlock,
    /// What stands there is no block.
    Malformed,
    /// A link leads from GRUB's own directory to another file system, where GRUB doesn't follow.
    LeadsAway,
    /// The file system is one that GRUB only reads.
    FileSystem,
    /// The file system lies on a device that GRUB only reads.
    Device,
}

/// An environment block where it lies.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// Its path in GRUB's own directory.
    pub path: &'a str,
    /// The file system of another file that a link leads to, if it isn't that of the directory.
    pub leads_to: Option<&'a str>,
    /// What it holds.
    pub environment: &'a Environment,
    /// The file system that it lies on.
    pub file_system: &'a Fact<FileSystem>,
}

/// Whether GRUB can write to this block.
#[must_use]
pub fn judge(block: &Block<'_>) -> Writable {
    let no = |obstacle, by: &str| Writable::No { obstacle, by: by.to_owned() };
    let unknown = |reason, path: &str, detail: String| Writable::Unknown {
        why: Why { reason, path: path.to_owned(), detail },
    };
    if !block.environment.is_readable() {
        return no(Obstacle::Malformed, block.path);
    }
    if let Some(place) = block.leads_to {
        return no(Obstacle::LeadsAway, place);
    }
    let system = match block.file_system {
        Fact::Known { value, .. } => value,
        Fact::Unknown { why } => return Writable::Unknown { why: why.clone() },
        Fact::Absent { from } => return unknown(Reason::NotTold, from, String::new()),
    };
    if READS.contains(&system.kind.as_str()) {
        return no(Obstacle::FileSystem, &system.kind);
    }
    let layers = match &system.layers {
        Fact::Known { value, .. } => value,
        Fact::Unknown { why } => return Writable::Unknown { why: why.clone() },
        Fact::Absent { from } => return unknown(Reason::NotTold, from, String::new()),
    };
    let is_read_only =
        |kind: LayerKind| matches!(kind, LayerKind::Lvm | LayerKind::Mdraid | LayerKind::Mapper);
    if layers.iter().any(|layer| is_read_only(layer.kind)) {
        return no(Obstacle::Device, &system.source);
    }
    if !WRITES.contains(&system.kind.as_str()) {
        return unknown(Reason::NotTold, &system.mounted_at, system.kind.clone());
    }
    let is_plain = |kind: LayerKind| matches!(kind, LayerKind::Disk | LayerKind::Partition);
    if layers.is_empty() {
        return unknown(Reason::NotTold, &system.source, String::new());
    }
    if let Some(other) = layers.iter().find(|layer| !is_plain(layer.kind)) {
        return unknown(Reason::NotTold, &system.source, other.name.clone());
    }
    if block.environment.problem == Some(EnvironmentProblem::OddSize) {
        let detail = format!("{} bytes instead of {USUAL_SIZE}", block.environment.size);
        return unknown(Reason::Malformed, block.path, detail);
    }
    Writable::Yes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::snapshot::Layer;

    fn block(lines: &str, size: usize) -> Environment {
        let mut bytes = [b"# GRUB Environment Block\n", lines.as_bytes()].concat();
        bytes.resize(size, b'#');
        Environment::parse(&bytes)
    }

    fn system(kind: &str, layers: &[LayerKind]) -> Fact<FileSystem> {
        let layer = |kind: &LayerKind| Layer { name: "x".to_owned(), kind: *kind, modules: Vec::new() };
        let system = FileSystem {
            mounted_at: "/boot".to_owned(),
            kind: kind.to_owned(),
            source: "/dev/x".to_owned(),
            read_only: Some(false),
            layers: Fact::known(layers.iter().map(layer).collect(), "/sys/dev/block"),
            space: Fact::default(),
        };
        Fact::known(system, "/proc/1/mountinfo")
    }

    fn told(environment: &Environment, leads_to: Option<&str>, file_system: &Fact<FileSystem>) -> String {
        match judge(&Block { path: "/boot/grub2/grubenv", leads_to, environment, file_system }) {
            Writable::Yes => "yes".to_owned(),
            Writable::No { obstacle, by } => format!("{obstacle:?} {by}"),
            Writable::Unknown { why } => format!("unknown {:?} {}", why.reason, why.detail),
        }
    }

    #[test]
    fn the_measured_table_holds() {
        use LayerKind::{Crypt, Disk, Lvm, Mapper, Mdraid, Multipath, Other, Partition};
        let whole = block("saved_entry=a\n", USUAL_SIZE);
        for (kind, layers, expected) in [
            ("ext4", &[Partition, Disk][..], "yes"),
            ("xfs", &[Partition, Disk], "yes"),
            ("vfat", &[Partition, Disk], "yes"),
            ("ext4", &[Disk], "yes"),
            ("btrfs", &[Partition, Disk], "FileSystem btrfs"),
            ("zfs", &[], "FileSystem zfs"),
            ("xfs", &[Lvm, Partition, Disk], "Device /dev/x"),
            ("ext4", &[Mdraid, Partition, Disk, Partition, Disk], "Device /dev/x"),
            ("ext4", &[Lvm, Crypt, Partition, Disk], "Device /dev/x"),
            ("ext4", &[Mapper], "Device /dev/x"),
            ("ext4", &[Crypt, Partition, Disk], "unknown NotTold x"),
            ("ext4", &[Multipath, Disk, Disk], "unknown NotTold x"),
            ("ext4", &[Other], "unknown NotTold x"),
            ("ext4", &[], "unknown NotTold "),
            ("f2fs", &[Partition, Disk], "unknown NotTold f2fs"),
        ] {
            assert_eq!(told(&whole, None, &system(kind, layers)), expected, "{kind} on {layers:?}");
        }
    }

    #[test]
    fn what_is_no_block_can_t_be_written_to_and_one_of_an_odd_size_was_not_measured() {
        let plain = system("ext4", &[LayerKind::Partition, LayerKind::Disk]);
        let path = "Malformed /boot/grub2/grubenv";
        assert_eq!(told(&Environment::parse(b""), None, &plain), path);
        assert_eq!(told(&Environment::parse(b"saved_entry=a\n"), None, &plain), path);
        assert_eq!(told(&block("a=b\n", 1020), None, &plain), "unknown Malformed 1020 bytes instead of 1024");
        assert_eq!(told(&block("a=b\n", USUAL_SIZE), Some("/boot/efi"), &plain), "LeadsAway /boot/efi");
    }

    #[test]
    fn what_was_not_read_is_the_reason() {
        let whole = block("", USUAL_SIZE);
        let denied = Fact::unknown(Reason::PermissionDenied, "/proc/1/mountinfo", "");
        assert_eq!(told(&whole, None, &denied), "unknown PermissionDenied ");
        assert_eq!(told(&whole, None, &Fact::default()), "unknown NotCaptured ");
    }
}
