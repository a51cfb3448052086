//! The images that machines start from: Debian's own packages, made bootable in a guest by Debian's own tools, and kept
//! in the cache under a digest of the recipe. The archive moves on and a kept image doesn't: it holds the kernels that
//! were there when it was made.

mod node;
mod running;
mod system;

use std::fs;
use std::path::{Path, PathBuf};

use super::{Bus, VmError};
use crate::{LabError, cache};

/// A release of Debian, as a node has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Debian {
    /// 11, bullseye, with cgroup v1.
    V11,
    /// 12, bookworm, with cgroup v1.
    V12,
    /// 13, trixie. Its systemd has no cgroup v1 any more.
    V13,
}

/// Where a node's `/boot` lies. GRUB can write its environment block on the first two and can't on the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootOn {
    /// On the root file system, which is ext4.
    Root,
    /// On a partition with XFS.
    Xfs,
    /// On a partition with btrfs.
    Btrfs,
    /// On a logical volume with ext4.
    Lvm,
}

/// What an image is of: a node that boots the first of two installed kernels, from GRUB's saved default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipe {
    /// The name by which people ask for it.
    pub name: &'static str,
    /// The release.
    pub debian: Debian,
    /// Where `/boot` lies.
    pub boot: BootOn,
}

/// Debian 12 with everything on one ext4.
pub const DEBIAN_12: Recipe = Recipe { name: "debian-12", debian: Debian::V12, boot: BootOn::Root };
/// Debian 12 with `/boot` on XFS.
pub const DEBIAN_12_XFS: Recipe = Recipe { name: "debian-12-xfs", debian: Debian::V12, boot: BootOn::Xfs };
/// Debian 12 with `/boot` on btrfs.
pub const DEBIAN_12_BTRFS: Recipe =
    Recipe { name: "debian-12-btrfs", debian: Debian::V12, boot: BootOn::Btrfs };
/// Debian 12 with `/boot` on LVM.
pub const DEBIAN_12_LVM: Recipe = Recipe { name: "debian-12-lvm", debian: Debian::V12, boot: BootOn::Lvm };
/// Debian 11.
pub const DEBIAN_11: Recipe = Recipe { name: "debian-11", debian: Debian::V11, boot: BootOn::Root };
/// Debian 13.
pub const DEBIAN_13: Recipe = Recipe { name: "debian-13", debian: Debian::V13, boot: BootOn::Root };

/// All images.
pub const ALL: [Recipe; 6] = [DEBIAN_12, DEBIAN_12_XFS, DEBIAN_12_BTRFS, DEBIAN_12_LVM, DEBIAN_11, DEBIAN_13];

/// An image in the cache.
#[derive(Debug, Clone)]
pub struct Image {
    recipe: Recipe,
    disk: PathBuf,
    kernels: Kernels,
}

/// The two kernels of an image, by their releases as `uname -r` has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernels {
    /// The one that boots by itself.
    pub default: String,
    /// The other one.
    pub other: String,
}

/// The file with the names of the kernels.
const KERNELS: &str = "kernels";

impl Image {
    /// The image of a recipe, from the cache or made from the archive, which takes some minutes.
    pub fn get(recipe: Recipe) -> Result<Self, VmError> {
        let folder = cache::entry("vm", &node::text(recipe), |folder| node::make(folder, recipe))?;
        Ok(Self { recipe, disk: folder.join(node::DISK), kernels: Kernels::read(&folder)? })
    }

    /// The kernels.
    #[must_use]
    pub fn kernels(&self) -> &Kernels {
        &self.kernels
    }

    /// The menu entry that boots an installed kernel, as GRUB's tools take it.
    #[must_use]
    pub fn entry(&self, release: &str) -> String {
        node::entry(release)
    }

    /// The disk, which is only ever the ground of others.
    pub(crate) fn disk(&self) -> &Path {
        &self.disk
    }

    /// A disk with the state of a machine that has booted from this image; to be copied.
    pub(crate) fn running(&self, bus: Bus) -> Result<PathBuf, VmError> {
        let recipe = running::text(self.recipe, bus)?;
        let folder = cache::entry("vm", &recipe, |folder| running::make(folder, self, bus))?;
        Ok(folder.join(running::DISK))
    }
}

impl Kernels {
    fn read(folder: &Path) -> Result<Self, VmError> {
        let path = folder.join(KERNELS);
        let text = fs::read_to_string(&path).map_err(LabError::file("reading", &path))?;
        let mut lines = text.lines().map(str::to_owned);
        match (lines.next(), lines.next()) {
            (Some(default), Some(other)) => Ok(Self { default, other }),
            _ => Err(VmError::Image(format!("no two kernels in `{}`", path.display()))),
        }
    }

    fn write(&self, folder: &Path) -> Result<(), LabError> {
        let path = folder.join(KERNELS);
        fs::write(&path, format!("{}\n{}\n", self.default, self.other))
            .map_err(LabError::file("writing", &path))
    }
}
