//! Kernels, the boot loader's files and what lies below them.

use kernmend_core::boot::writable::{Obstacle, Writable};
use kernmend_core::document::Fact;
use kernmend_core::document::snapshot::{InstalledKernel, LayerKind};

use crate::root::Root;

const GRUB: &str = "\
if [ -s $prefix/grubenv ]; then\n  load_env\nfi\n\
if [ \"${next_entry}\" ] ; then\n  set default=\"${next_entry}\"\n  set next_entry=\n  save_env next_entry\n\
else\n  set default=\"${saved_entry}\"\nfi\n\
menuentry 'New' --id new {\n  linux /vmlinuz-4.18.0-80.el8.x86_64 root=/dev/sda2 rd.luks.key=hunter2\n  initrd /x\n}\n\
menuentry 'Old' --id old {\n  linux /vmlinuz-3.10.0-514.el7.x86_64 root=/dev/sda2\n}\n";

fn block(lines: &str) -> String {
    format!("{:#<1024}", format!("# GRUB Environment Block\n{lines}"))
}

/// A node whose `/boot` is a partition of its own on a disk behind virtio.
fn node() -> Root {
    let root = Root::new(&[
        ("/etc/os-release", "ID=\"rhel\"\nVERSION_ID=\"8.0\"\nID_LIKE=\"fedora\"\n"),
        ("/etc/default/grub", "GRUB_DEFAULT=saved\nGRUB_CMDLINE_LINUX=\"quiet token=hunter2\"\n"),
        ("/boot/grub2/grub.cfg", GRUB),
        ("/boot/grub2/grubenv", &block("saved_entry=old\n")),
        ("/boot/vmlinuz-3.10.0-514.el7.x86_64", "image"),
        ("/boot/initramfs-3.10.0-514.el7.x86_64.img", "ram"),
        ("/boot/config-3.10.0-514.el7.x86_64", "CONFIG_MEMCG_KMEM=y\nCONFIG_SOFT_WATCHDOG=m\n"),
        ("/lib/modules/3.10.0-514.el7.x86_64/modules.dep", "x\n"),
        ("/boot/vmlinuz-4.18.0-80.el8.x86_64", "image"),
        ("/boot/initramfs-4.18.0-80.el8.x86_64.img", ""),
        (
            "/proc/1/mountinfo",
            "22 1 253:0 / / rw shared:1 - xfs /dev/mapper/vg-root rw,attr2\n\
             40 22 252:1 / /boot rw,noatime shared:20 - ext4 /dev/vda1 rw,password=hunter2\n",
        ),
        ("/sys/devices/pci0000:00/0000:00:05.0/virtio2/block/vda/vda1/partition", "1\n"),
        ("/sys/devices/pci0000:00/0000:00:05.0/virtio2/block/vda/vda2/partition", "2\n"),
        ("/sys/devices/virtual/block/dm-0/dm/uuid", "LVM-abc\n"),
    ]);
    root.link("/sys/dev/block/252:1", "../../devices/pci0000:00/0000:00:05.0/virtio2/block/vda/vda1");
    root.link("/sys/dev/block/253:0", "../../devices/virtual/block/dm-0");
    root.link(
        "/sys/devices/virtual/block/dm-0/slaves/vda2",
        "../../../../pci0000:00/0000:00:05.0/virtio2/block/vda/vda2",
    );
    root.link(
        "/sys/devices/pci0000:00/0000:00:05.0/virtio2/driver",
        "../../../../bus/virtio/drivers/virtio_blk",
    );
    root.link("/sys/bus/virtio/drivers/virtio_blk/module", "../../../../module/virtio_blk");
    root.link("/sys/devices/pci0000:00/0000:00:05.0/driver", "../../../bus/pci/drivers/virtio-pci");
    root.link("/sys/bus/pci/drivers/virtio-pci/module", "../../../../module/virtio_pci");
    root
}

#[test]
fn the_devices_below_a_file_system_are_told_with_their_drivers() {
    let snapshot = node().snapshot();
    let layers = |file_system: &Fact<kernmend_core::document::snapshot::FileSystem>| {
        let layers = file_system.value().unwrap().layers.value().unwrap().clone();
        layers.into_iter().map(|layer| (layer.name, layer.kind, layer.modules.join(" "))).collect::<Vec<_>>()
    };
    let disk = || ("vda".to_owned(), LayerKind::Disk, "virtio_blk virtio_pci".to_owned());
    let part = |name: &str| (name.to_owned(), LayerKind::Partition, String::new());
    assert_eq!(layers(&snapshot.storage.boot), [part("vda1"), disk()]);
    let volume = ("dm-0".to_owned(), LayerKind::Lvm, String::new());
    assert_eq!(layers(&snapshot.storage.root), [volume, part("vda2"), disk()]);
    let boot = snapshot.storage.boot.value().unwrap();
    assert_eq!(
        (boot.kind.as_str(), boot.source.as_str(), boot.read_only),
        ("ext4", "/dev/vda1", Some(false))
    );
    assert!(boot.space.value().is_none(), "the room on the disk under this test is not the node's");
}

#[test]
fn the_boot_document_is_in_the_snapshot_without_secrets() {
    let snapshot = node().snapshot();
    let boot = snapshot.boot.value().unwrap();
    assert_eq!(boot.chosen().unwrap().release.as_deref(), Some("3.10.0-514.el7.x86_64"));
    assert_eq!(boot.writable, Some(Writable::Yes));
    assert!(boot.settings.contains_key("GRUB_DEFAULT"));
    let text = serde_json::to_string(&snapshot).unwrap();
    assert!(
        text.contains("rd.luks.key=***") && text.contains("token=***") && !text.contains("hunter2"),
        "{text}"
    );
}

#[test]
fn where_grub_can_t_write_the_document_says_so() {
    let root = node();
    root.put(
        "/proc/1/mountinfo",
        "22 1 253:0 / / rw shared:1 - xfs /dev/mapper/vg-root rw\n40 22 252:1 / /boot/efi rw - vfat /dev/vda1 rw\n",
    );
    let writable = |root: &Root| root.snapshot().boot.value().unwrap().writable.clone();
    let no = |obstacle, by: &str| Some(Writable::No { obstacle, by: by.to_owned() });
    assert_eq!(writable(&root), no(Obstacle::Device, "/dev/mapper/vg-root"));

    std::fs::remove_file(root.path("/boot/grub2/grubenv")).unwrap();
    root.put("/boot/efi/EFI/redhat/grubenv", block("saved_entry=old\n"));
    root.link("/boot/grub2/grubenv", "../efi/EFI/redhat/grubenv");
    assert_eq!(writable(&root), no(Obstacle::LeadsAway, "/boot/efi"));
    root.put("/boot/efi/EFI/redhat/grubenv", "");
    assert_eq!(writable(&root), no(Obstacle::Malformed, "/boot/grub2/grubenv"));
    std::fs::remove_file(root.path("/boot/grub2/grubenv")).unwrap();
    std::fs::remove_file(root.path("/boot/efi/EFI/redhat/grubenv")).unwrap();
    assert_eq!(writable(&root), no(Obstacle::NoBlock, "/boot/grub2/grub.cfg"));
}

#[test]
fn kernels_are_told_whole_or_not() {
    let snapshot = node().snapshot();
    let [old, new] = &snapshot.kernels.value().unwrap()[..] else { panic!("{:?}", snapshot.kernels) };
    let size =
        |kernel: &InstalledKernel| kernel.initramfs.value().and_then(|file| file.size.value().copied());
    assert_eq!(
        (old.release.as_str(), size(old), old.modules.value()),
        ("3.10.0-514.el7.x86_64", Some(3), Some(&true))
    );
    assert_eq!(old.image.value().unwrap().path, "/boot/vmlinuz-3.10.0-514.el7.x86_64");
    let options = old.options.value().unwrap();
    assert_eq!((options["CONFIG_MEMCG_KMEM"].as_str(), options["CONFIG_MEMCG_V1"].as_str()), ("y", "n"));
    assert_eq!(
        (new.release.as_str(), size(new), new.modules.value()),
        ("4.18.0-80.el8.x86_64", Some(0), Some(&false))
    );
    assert!(new.options.value().is_none());
}
