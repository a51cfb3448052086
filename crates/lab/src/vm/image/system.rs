//! A Debian on a disk, without a boot loader: packages are installed by mmdebstrap into a folder, some files are laid
//! over it, and the folder becomes the root file system of a partitioned disk. That needs root and no loop device, no
//! mount and no module of the host's kernel.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{BootOn, Debian, Kernels, Recipe};
use crate::debian::bootstrap;
use crate::vm::VmError;
use crate::vm::guest::{AGENT, AGENT_RULE, AGENT_UNIT, CONSOLE_UNIT};
use crate::{LabError, cache, command};

/// The raw disk of a system, in its folder of the cache.
pub(super) const DISK: &str = "disk.raw";
/// Its kernel and initramfs, to boot it before it has a boot loader.
pub(super) const KERNEL: &str = "vmlinuz";
/// The initramfs.
pub(super) const INITRD: &str = "initrd.img";

/// The partition for `/boot`, for nodes that have it apart.
pub(super) const BOOT_PARTITION: &str = "/dev/vda2";
/// The partition of the root file system.
pub(super) const ROOT_PARTITION: &str = "/dev/vda3";
/// The root file system's UUID; GRUB's menu names entries by it.
pub(super) const ROOT_UUID: &str = "6b65726e-6d65-6e64-a000-000000000001";

/// Sizes in MiB: what boots by BIOS begins after the first, then room for GRUB itself, `/boot`, and the root.
const MIB: u64 = 1 << 20;
const GRUB_SIZE: u64 = 1;
const BOOT_SIZE: u64 = 512;
const ROOT_SIZE: u64 = 4096;

/// Packages of every node; the kernels come on top.
const PACKAGES: [&str; 9] =
    ["systemd-sysv", "udev", "dbus", "kmod", "initramfs-tools", "grub-pc", "iproute2", "procps", "zstd"];

/// Packages to make a `/boot` apart. They would slow every boot.
const FILE_SYSTEMS: [&str; 3] = ["xfsprogs", "btrfs-progs", "lvm2"];

/// Files that must be there before packages are installed. An initramfs with these modules is half the size of one with
/// all, and half the time to load.
const EARLY: [(&str, &str); 2] = [
    ("etc/initramfs-tools/conf.d/lab", "MODULES=list\n"),
    (
        "usr/share/initramfs-tools/modules.d/lab",
        "virtio_pci\nvirtio_blk\nvirtio_scsi\nsd_mod\next4\ncrc32c_generic\n",
    ),
];

/// Units that cost seconds of a boot and mean nothing here.
const MASKED: [&str; 8] = [
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "dpkg-db-backup.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "serial-getty@ttyS0.service",
    "systemd-logind.service",
];

impl Debian {
    /// The suites that it is installed from.
    fn suites(self) -> &'static [&'static str] {
        match self {
            // Its security archive names packages that it has no more.
            Self::V11 => &["bullseye"],
            Self::V12 => &["bookworm", "bookworm-security"],
            Self::V13 => &["trixie", "trixie-security"],
        }
    }

    /// The packages of two kernels. Those of 11 and 12 both have a memory controller for cgroup v1.
    fn kernels(self) -> [&'static str; 2] {
        match self {
            Self::V11 => ["linux-image-5.10.0-30-cloud-amd64", "linux-image-cloud-amd64"],
            Self::V12 => ["linux-image-6.1.0-47-cloud-amd64", "linux-image-cloud-amd64"],
            Self::V13 => ["linux-image-cloud-amd64", "linux-image-amd64"],
        }
    }

    /// Which of the two boots by itself: what its release holds and the other's doesn't.
    fn default_kernel(self) -> &'static str {
        match self {
            Self::V11 => "-30-",
            Self::V12 => "-47-",
            Self::V13 => "-cloud-",
        }
    }

    /// What stands in GRUB's settings for the kernel's command line.
    fn arguments(self) -> &'static str {
        match self {
            Self::V11 | Self::V12 => "console=ttyS0 systemd.unified_cgroup_hierarchy=0",
            Self::V13 => "console=ttyS0",
        }
    }
}

fn packages(recipe: Recipe) -> Vec<&'static str> {
    let apart: &[&str] = if recipe.boot == BootOn::Root { &[] } else { &FILE_SYSTEMS };
    [&PACKAGES, &recipe.debian.kernels()[..], apart].concat()
}

/// Files that are laid over the installed packages, with their modes.
fn files(recipe: Recipe) -> [(&'static str, u32, String); 9] {
    let grub = format!(
        "GRUB_DEFAULT=saved\nGRUB_TIMEOUT=0\nGRUB_TERMINAL=serial\nGRUB_CMDLINE_LINUX_DEFAULT=\nGRUB_CMDLINE_LINUX=\"{}\"\n",
        recipe.debian.arguments()
    );
    [
        ("etc/fstab", 0o644, format!("UUID={ROOT_UUID} / ext4 errors=remount-ro 0 1\n")),
        ("etc/hostname", 0o644, "node\n".to_owned()),
        ("etc/hosts", 0o644, "127.0.0.1 localhost node\n".to_owned()),
        // With one, the first boot isn't taken for the machine's first.
        ("etc/machine-id", 0o444, "6b65726e6d656e64a000000000000002\n".to_owned()),
        ("etc/default/grub.d/lab.cfg", 0o644, grub),
        ("usr/local/sbin/lab-agent", 0o755, AGENT.to_owned()),
        ("etc/systemd/system/lab-agent.service", 0o644, AGENT_UNIT.to_owned()),
        ("etc/systemd/system/lab-console.service", 0o644, CONSOLE_UNIT.to_owned()),
        ("etc/udev/rules.d/99-lab.rules", 0o644, AGENT_RULE.to_owned()),
    ]
}

/// Everything that the disk depends on.
pub(super) fn text(recipe: Recipe) -> String {
    let sizes = [GRUB_SIZE, BOOT_SIZE, ROOT_SIZE];
    format!(
        "system 1\n{:?}\n{:?}\n{:?}\n{EARLY:?}\n{:?}\n{MASKED:?}\n{ROOT_UUID}\n{sizes:?}\n",
        recipe.debian.suites(),
        packages(recipe),
        recipe.debian.default_kernel(),
        files(recipe),
    )
}

/// The folder with the system, from the cache or made.
pub(super) fn get(recipe: Recipe) -> Result<PathBuf, VmError> {
    cache::entry("vm", &text(recipe), |folder| make(folder, recipe))
}

fn make(folder: &Path, recipe: Recipe) -> Result<(), VmError> {
    let root = folder.join("root");
    install(folder, &root, recipe)?;
    for (path, mode, content) in files(recipe) {
        write(&root.join(path), mode, &content)?;
    }
    for unit in MASKED {
        let path = root.join("etc/systemd/system").join(unit);
        symlink("/dev/null", &path).map_err(LabError::file("linking", &path))?;
    }
    let kernels = kernels(&root, recipe)?;
    kernels.write(folder)?;
    for (name, kept) in [("vmlinuz", KERNEL), ("initrd.img", INITRD)] {
        let from = root.join(format!("boot/{name}-{}", kernels.default));
        fs::copy(&from, folder.join(kept)).map_err(LabError::file("copying", &from))?;
    }
    disk(folder, &root)?;
    fs::remove_dir_all(&root).map_err(LabError::file("removing", &root))?;
    Ok(())
}

/// Installs the packages into the folder `root`.
fn install(folder: &Path, root: &Path, recipe: Recipe) -> Result<(), VmError> {
    let early = folder.join("early");
    for (path, content) in EARLY {
        write(&early.join(path), 0o644, content)?;
    }
    bootstrap(folder, root, recipe.debian.suites(), &packages(recipe), Some("early"))?;
    fs::remove_dir_all(&early).map_err(LabError::file("removing", &early))?;
    Ok(())
}

fn write(path: &Path, mode: u32, content: &str) -> Result<(), LabError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(LabError::file("creating", folder))?;
    }
    fs::write(path, content).map_err(LabError::file("writing", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(LabError::file("changing", path))
}

/// The kernels that are installed in `root`.
fn kernels(root: &Path, recipe: Recipe) -> Result<Kernels, VmError> {
    let modules = root.join("lib/modules");
    let entries = fs::read_dir(&modules).map_err(LabError::file("listing", &modules))?;
    let releases = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let (mut default, mut other): (Vec<String>, Vec<String>) =
        releases.partition(|release| release.contains(recipe.debian.default_kernel()));
    match (default.pop(), other.pop()) {
        (Some(default_kernel), Some(other_kernel)) if default.is_empty() && other.is_empty() => {
            Ok(Kernels { default: default_kernel, other: other_kernel })
        }
        _ => Err(VmError::Image(format!("not just two kernels in `{}`", modules.display()))),
    }
}

/// Makes the disk, with `root` as its root file system.
fn disk(folder: &Path, root: &Path) -> Result<(), VmError> {
    let path = folder.join(DISK);
    let disk = fs::File::create(&path).map_err(LabError::file("creating", &path))?;
    // As much again at the end for the second copy of the partition table.
    let size = (1 + GRUB_SIZE + BOOT_SIZE + ROOT_SIZE + 1) * MIB;
    disk.set_len(size).map_err(LabError::file("sizing", &path))?;
    let table = folder.join("partitions");
    let lines = format!(
        "label: gpt\nstart=1MiB, size={GRUB_SIZE}MiB, type=21686148-6449-6E6F-744E-656564454649\n\
         size={BOOT_SIZE}MiB\nsize={ROOT_SIZE}MiB\n"
    );
    fs::write(&table, lines).map_err(LabError::file("writing", &table))?;
    let table = fs::File::open(&table).map_err(LabError::file("opening", &table))?;
    command::run(Command::new("sfdisk").args(["--quiet", "--no-reread"]).arg(&path).stdin(table))?;
    let offset = (1 + GRUB_SIZE + BOOT_SIZE) * MIB;
    let mut mkfs = Command::new("mkfs.ext4");
    // All of its tables are written now, and not by the guest's kernel later.
    mkfs.args(["-q", "-F", "-U", ROOT_UUID, "-E"]);
    mkfs.arg(format!("offset={offset},lazy_itable_init=0,lazy_journal_init=0"));
    command::run(mkfs.arg("-d").arg(root).arg(&path).arg(format!("{ROOT_SIZE}M")))?;
    Ok(())
}
