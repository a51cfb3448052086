//! Firmware, watchdogs, drivers, services, and who else installs packages or reboots.

use kernmend_core::document::snapshot::{Firmware, Snapshot};
use kernmend_core::document::{Fact, Reason};

use crate::root::Root;

/// A control plane node with a package that is half configured.
fn node() -> Root {
    let root = Root::new(&[
        ("/etc/os-release", "ID=ubuntu\nID_LIKE=debian\n"),
        ("/etc/kubernetes/manifests/kube-apiserver.yaml", "token: hunter2\n"),
        ("/proc/100/cgroup", "0::/system.slice/kubelet.service\n"),
        ("/proc/101/cgroup", "0::/kubepods.slice/kubepods-pod1.slice/cri-1.scope\n"),
        ("/proc/102/cgroup", "0::/system.slice/apt-daily-upgrade.service\n"),
        ("/proc/103/cgroup", "0::/kubepods.slice/kubepods-pod2.slice/cri-2.scope\n"),
        ("/proc/locks", "1: POSIX  ADVISORY  WRITE 102 08:01:7 0 EOF\n"),
        ("/proc/modules", "nvidia 1 3 - Live 0x0 (POE)\nvirtio_net 1 0 - Live 0x0\n"),
        (
            "/var/lib/dpkg/status",
            "Package: a\nStatus: install ok installed\nConffiles:\n hunter2\n\nPackage: linux-image-x\nStatus: install ok half-configured\n",
        ),
        ("/var/lib/dpkg/lock", ""),
        ("/run/reboot-required", "*** System restart required ***\n"),
        ("/run/reboot-required.pkgs", "linux-image-x\nlibc6\nlinux-image-x\n"),
        ("/run/ostree-booted", ""),
        ("/sys/firmware/efi/fw_platform_size", "64\n"),
        ("/sys/class/watchdog/watchdog0/identity", "iTCO_wdt\n"),
        ("/sys/class/watchdog/watchdog0/timeout", "30\n"),
        ("/sys/class/watchdog/watchdog0/state", "inactive\n"),
        ("/sys/class/net/eth0/operstate", "up\n"),
        ("/sys/class/net/veth1/operstate", "up\n"),
        ("/sys/kernel/kexec_crash_loaded", "0\n"),
    ]);
    root.put("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", [6, 0, 0, 0, 1]);
    root.directory("/sys/class/net/eth0/device/driver");
    root.link("/sys/class/net/eth0/device/driver/module", "../../../../module/virtio_net");
    root.link("/proc/100/exe", "/usr/bin/kubelet");
    root.link("/proc/101/exe", "/usr/local/bin/etcd");
    root.link("/proc/102/exe", "/usr/bin/apt-get");
    root.link("/proc/103/exe", "/usr/bin/dpkg");
    root
}

#[test]
fn what_a_new_kernel_would_have_to_bring() {
    let hardware = node().snapshot().hardware;
    assert_eq!(hardware.firmware.value(), Some(&Firmware::Uefi));
    assert_eq!(hardware.secure_boot.value(), Some(&true));
    assert_eq!(hardware.crash_kernel.value(), Some(&false));
    let [watchdog] = &hardware.watchdogs.value().unwrap()[..] else { panic!("{:?}", hardware.watchdogs) };
    assert_eq!(watchdog.identity.value().map(String::as_str), Some("iTCO_wdt"));
    assert_eq!((watchdog.timeout.value(), watchdog.active.value()), (Some(&30), Some(&false)));
    let [interface] = &hardware.interfaces.value().unwrap()[..] else { panic!("{:?}", hardware.interfaces) };
    assert_eq!((interface.name.as_str(), interface.up.value()), ("eth0", Some(&true)));
    assert_eq!(interface.module.value().map(String::as_str), Some("virtio_net"));
    let foreign = hardware.modules.value().unwrap().iter().filter(|module| module.is_out_of_tree());
    assert_eq!(foreign.map(|module| module.name.as_str()).collect::<Vec<_>>(), ["nvidia"]);
}

#[test]
fn what_runs_here_and_in_which_unit() {
    let services = node().snapshot().services;
    let [kubelet] = &services.running[..] else { panic!("{:?}", services.running) };
    assert_eq!((kubelet.program.as_str(), kubelet.pid), ("kubelet", 100));
    assert_eq!(kubelet.unit.value().map(String::as_str), Some("kubelet.service"));
    let parts: Vec<_> =
        services.control_plane.iter().map(|part| (part.name.as_str(), part.from.as_str())).collect();
    assert_eq!(
        parts,
        [("etcd", "/proc/101/exe"), ("kube-apiserver", "/etc/kubernetes/manifests/kube-apiserver.yaml")]
    );
}

#[test]
fn who_else_is_at_work() {
    let snapshot: Snapshot = node().snapshot();
    let maintenance = &snapshot.maintenance;
    let programs: Vec<_> =
        maintenance.programs.value().unwrap().iter().map(|program| program.name.as_str()).collect();
    assert_eq!(programs, ["apt-get"], "what a pod does with packages, it does to its own");
    assert_eq!(maintenance.unfinished_packages.value().unwrap(), &["linux-image-x half-configured"]);
    assert_eq!(maintenance.image.value().map(String::as_str), Some("ostree"));
    let of_a_copy = Fact::unknown(Reason::NotCaptured, "/proc/locks", "");
    assert_eq!(maintenance.locks, of_a_copy, "its files have other numbers");
    assert_eq!(snapshot.restart.reboot_wanted_by.value().unwrap(), &["libc6", "linux-image-x"]);
    assert!(!serde_json::to_string(&snapshot).unwrap().contains("hunter2"));
}
