//! The file systems that an upgrade writes to, and what lies below them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::Fact;

/// The file systems that an upgrade writes to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Storage {
    /// The one of `/`.
    pub root: Fact<FileSystem>,
    /// The one of `/boot`; that of `/` where `/boot` is no mount of its own.
    pub boot: Fact<FileSystem>,
}

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileSystem {
    /// Where it is mounted.
    pub mounted_at: String,
    /// What kind it is: `ext4`, `xfs`, `vfat`, ….
    pub kind: String,
    /// The device, as the kernel was given it.
    pub source: String,
    /// Whether it is mounted for reading only; not there where the capture doesn't tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// The devices below it, each before those that it is made of.
    pub layers: Fact<Vec<Layer>>,
    /// How much room there is.
    pub space: Fact<Space>,
}

/// A block device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Layer {
    /// The kernel's name for it: `sda1`, `dm-0`, `nvme0n1`.
    pub name: String,
    /// What it is.
    pub kind: LayerKind,
    /// The modules that drive a disk, from the disk up to its bus; built-in ones too. Empty where none is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<String>,
}

/// What a block device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LayerKind {
    /// A disk, or what a controller or a hypervisor gives out for one.
    Disk,
    /// A part of the device below.
    Partition,
    /// A logical volume.
    Lvm,
    /// An encrypted device.
    Crypt,
    /// Several ways to one disk, or a part of that.
    Multipath,
    /// An array of the kernel's own.
    Mdraid,
    /// Another device of the device mapper, or one of which only the name is known.
    Mapper,
    /// Anything else: a loop device, a network block device.
    Other,
}

/// How much room a file system has, as root can use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Space {
    /// Bytes that are free.
    pub free: u64,
    /// Bytes in all.
    pub size: u64,
    /// Files that can still be made; not there where the file system has no such bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_inodes: Option<u64>,
}
