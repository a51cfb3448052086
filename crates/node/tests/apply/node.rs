//! A node in a directory: Debian's files, a GRUB that does what the trial's script says, and a kernel that writes what it
//! boots with to `/proc`. It is written without the project's own parser of menus, which is under test.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kernmend_core::boot::default::Defaults;
use kernmend_core::boot::environment::{Environment, rewrite};
use kernmend_core::boot::trial::SCRIPT;
use kernmend_core::document::Digest;

pub(crate) const RELEASE: &str = "6.1.0-18-amd64";
/// Another kernel that is installed.
pub(crate) const OTHER: &str = "6.1.0-21-amd64";
pub(crate) const NEW: &str = "cgroup.memory=nokmem";
pub(crate) const MARK: &str = "kernmend.trial=0123456789ab";
pub(crate) const ID: &str = "gnulinux-simple-6b2d4d3c";
pub(crate) const TRIAL_ID: &str = "kernmend-trial";

/// What a program holds that can't be started.
pub(crate) const BROKEN: &str = "broken";

pub(crate) const KUBELET: &str = "/usr/bin/kubelet";
pub(crate) const RUNC: &str = "/usr/sbin/runc";

/// The units of a node with runtimes, and the programs that they run.
const UNITS: [(&str, &str); 2] =
    [("kubelet.service", KUBELET), ("containerd.service", "/usr/bin/containerd")];

/// What befalls the trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Good,
    /// The kernel dies.
    Dies,
    /// It comes up, and the kubelet doesn't.
    Unhealthy,
}

/// What a node holds: permissions and content, a directory has none.
pub(crate) type Tree = BTreeMap<String, (u32, Option<Digest>)>;

pub(crate) struct Node {
    directory: tempfile::TempDir,
    pub(crate) fate: Fate,
    pub(crate) uptime: Duration,
    /// Whether somebody asked for a reboot that hasn't happened yet.
    pub(crate) is_rebooting: bool,
    /// How often the trial was booted.
    pub(crate) trials: usize,
    boots: usize,
    /// What the units run that run, on a node with runtimes.
    units: BTreeMap<&'static str, String>,
    /// The boots that came as far as to write their log to the disk, by their ids.
    logged: Vec<String>,
}

impl Node {
    pub(crate) fn new(fate: Fate) -> Self {
        // Every effect is synced to the disk; memory is a disk that is quick at that.
        let memory = Path::new("/dev/shm");
        let directory = tempfile::Builder::new().prefix("kernmend-").tempdir_in(memory);
        let directory = directory.or_else(|_| tempfile::tempdir()).unwrap();
        let mut node = Self {
            directory,
            fate,
            uptime: Duration::ZERO,
            is_rebooting: false,
            trials: 0,
            boots: 0,
            units: BTreeMap::new(),
            logged: Vec::new(),
        };
        let mut block = b"# GRUB Environment Block\n".to_vec();
        block.resize(1024, b'#');
        node.write("/boot/grub/grubenv", block);
        fs::create_dir_all(node.at("/var/lib")).unwrap();
        node.write("/etc/machine-id", "0123\n");
        node.write("/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
        node.write("/etc/default/grub", settings(""));
        for release in [RELEASE, OTHER] {
            node.write(&format!("/boot/vmlinuz-{release}"), "kernel");
            node.write(&format!("/boot/initrd.img-{release}"), "initramfs");
            node.write(&format!("/lib/modules/{release}/modules.dep"), "kernel/fs/ext4/ext4.ko:\n");
        }
        node.write("/etc/hostname", "n\n");
        node.write("/sys/fs/cgroup/memory/kubepods/memory.kmem.slabinfo", "");
        node.write("/sys/fs/cgroup/memory/kubepods/memory.kmem.usage_in_bytes", "0\n");
        node.write(
            "/proc/1/mounts",
            "/dev/sda1 / ext4 rw 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n",
        );
        // A partition of a plain disk, which GRUB can write to.
        let disk = "devices/pci0000:00/ata1/host0/block/sda/sda1";
        node.write(&format!("/sys/{disk}/partition"), "1\n");
        fs::create_dir_all(node.at("/sys/class/block")).unwrap();
        symlink(format!("../../{disk}"), node.at("/sys/class/block/sda1")).unwrap();
        let head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";
        node.write(
            "/proc/net/route",
            format!("{head}eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"),
        );
        node.write("/etc/kernmend/health.d/10-storage", "a script");
        node.write("/sys/fs/pstore/README", "");
        node.remove("/sys/fs/pstore/README");
        node.write("/boot/grub/grub.cfg", node.generated());
        fs::set_permissions(node.at("/boot/grub/grub.cfg"), fs::Permissions::from_mode(0o444)).unwrap();
        node.boot();
        node
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), content).unwrap();
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.at(path)).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.at(path).exists()
    }

    pub(crate) fn is_marked(&self) -> bool {
        self.read("/proc/cmdline").contains("kernmend.trial=")
    }

    /// The menu that the settings make.
    pub(crate) fn generated(&self) -> String {
        let mut settings = Defaults::default();
        for path in ["/etc/default/grub", "/etc/default/grub.d/zz-kernmend.cfg"] {
            if self.has(path) {
                settings.source(path, &self.read(path));
            }
        }
        let default = match settings.get("GRUB_DEFAULT").map(|setting| setting.value.as_str()) {
            Some("saved") => "${saved_entry}",
            other => other.unwrap(),
        };
        menu(&settings.arguments().unwrap().join(" "), default)
    }

    /// Everything but what runs and what kernmend keeps: path, permissions and content.
    pub(crate) fn tree(&self) -> Tree {
        let mut found = BTreeMap::new();
        let mut open = vec![self.root().to_owned()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(self.root()).unwrap().to_str().unwrap().to_owned();
                if ["proc", "sys", "var"].contains(&name.as_str()) {
                    continue;
                }
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                if path.is_dir() {
                    open.push(path);
                    found.insert(name, (mode, None));
                } else {
                    found.insert(name, (mode, Some(Digest::of(&fs::read(path).unwrap()))));
                }
            }
        }
        found
    }

    /// From the power button to a kernel that stays up.
    pub(crate) fn boot(&mut self) {
        self.is_rebooting = false;
        self.uptime = Duration::from_secs(20);
        loop {
            let (kernel, arguments) = self.grub();
            let is_trial = arguments.contains("kernmend.trial=");
            self.trials += usize::from(is_trial);
            self.boots += 1;
            if is_trial && self.fate == Fate::Dies {
                self.write("/sys/fs/pstore/dmesg-efi-1", "Kernel panic - not syncing");
                continue;
            }
            let release = kernel.trim_start_matches("/boot/vmlinuz-");
            self.write("/proc/cmdline", format!("BOOT_IMAGE={kernel} {arguments}\n"));
            self.write("/proc/sys/kernel/osrelease", format!("{release}\n"));
            let id = format!("boot-{}", self.boots);
            self.write("/proc/sys/kernel/random/boot_id", format!("{id}\n"));
            self.logged.push(id);
            for (unit, _) in UNITS {
                self.set(unit, true);
            }
            return;
        }
    }

    /// Puts a kubelet, runc and containerd on the node, and what should take their places into `/root`.
    pub(crate) fn with_runtimes(mut self) -> Self {
        for (path, content) in [
            (KUBELET, "old kubelet"),
            ("/opt/kube/bin/kubelet", "an older kubelet"),
            (RUNC, "old runc"),
            ("/usr/bin/containerd", "old containerd"),
            ("/root/kubelet", "new kubelet"),
            ("/root/runc", "new runc"),
            ("/root/containerd", "new containerd"),
        ] {
            self.write(path, content);
            fs::set_permissions(self.at(path), fs::Permissions::from_mode(0o755)).unwrap();
        }
        self.boot();
        self
    }

    /// Stops a unit, or starts it anew.
    pub(crate) fn set(&mut self, unit: &str, active: bool) {
        let (unit, path) = UNITS.into_iter().find(|(known, _)| *known == unit).unwrap();
        self.units.remove(unit);
        if active && self.has(path) {
            self.units.insert(unit, self.read(path));
        }
    }

    /// Whether a unit of this node was stopped, and not started since.
    pub(crate) fn is_stopped(&self, unit: &str) -> bool {
        UNITS.iter().any(|(known, path)| *known == unit && self.has(path)) && !self.units.contains_key(unit)
    }

    pub(crate) fn is_swapped(&self) -> bool {
        self.has(KUBELET) && self.read(KUBELET) == "new kubelet"
    }

    /// Whether every unit runs, and runs what is on the disk.
    pub(crate) fn runs_what_it_holds(&self) -> bool {
        let mut units = UNITS.iter().filter(|(_, path)| self.has(path));
        units.all(|(unit, path)| self.units.get(unit) == Some(&self.read(path)))
    }

    /// The boots as `journalctl --list-boots` tells of them.
    pub(crate) fn list_of_boots(&self) -> String {
        let distances = (0..self.logged.len()).rev();
        let lines = distances.zip(&self.logged).map(|(distance, id)| {
            let sign = if distance == 0 { "" } else { "-" };
            format!("{sign}{distance} {} Tue 2026-11-24 10:00:00 UTC\n", id.replace('-', ""))
        });
        lines.collect()
    }

    /// What GRUB boots: the image and its arguments.
    fn grub(&self) -> (String, String) {
        let mut text = self.read("/boot/grub/grub.cfg");
        let block = fs::read(self.at("/boot/grub/grubenv")).unwrap();
        let environment = Environment::parse(&block);
        let get = |name: &str| environment.get(name).map(str::to_owned);
        let mut wanted =
            if text.contains("set default=\"${saved_entry}\"") { get("saved_entry") } else { None };
        if self.has("/boot/grub/custom.cfg") {
            text += &self.read("/boot/grub/custom.cfg");
            wanted = get("kernmend_good").or(wanted);
            if let (Some(entry), Some("1")) = (get("kernmend_entry"), get("kernmend_tries").as_deref()) {
                let lowered = BTreeMap::from([("kernmend_tries".to_owned(), Some("0".to_owned()))]);
                self.write("/boot/grub/grubenv", rewrite(&block, &lowered).unwrap());
                wanted = Some(entry);
            }
        }
        let mut entries = Vec::new();
        for line in text.lines().map(str::trim) {
            if line.starts_with("menuentry ") {
                let words = line.split_ascii_whitespace().skip_while(|word| !word.contains("id"));
                let id = words.clone().nth(1).unwrap().trim_matches('\'');
                entries.push((id.to_owned(), None));
            } else if let Some(rest) = line.strip_prefix("linux ") {
                entries.last_mut().unwrap().1 = rest.split_once(' ');
            }
        }
        let found = entries.iter().find(|(id, _)| wanted.as_ref() == Some(id)).unwrap_or(&entries[0]);
        let (kernel, arguments) = found.1.unwrap();
        (kernel.to_owned(), arguments.to_owned())
    }
}

/// `/etc/default/grub` with these arguments for all kernels.
pub(crate) fn settings(arguments: &str) -> String {
    format!(
        "GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"{arguments}\"\n"
    )
}

/// The trial's `custom.cfg`.
pub(crate) fn custom() -> String {
    let arguments = format!("root=UUID=6b2d4d3c ro {NEW} quiet panic=10 {MARK}");
    let entry = entry("kernmend trial", TRIAL_ID, RELEASE, &arguments);
    // Where it stands the variable for the option may not be there any more.
    format!(
        "{}{SCRIPT}",
        entry.replace(&format!("$menuentry_id_option '{TRIAL_ID}'"), &format!("--id {TRIAL_ID}"))
    )
}

fn entry(title: &str, id: &str, release: &str, arguments: &str) -> String {
    format!(
        "menuentry '{title}' --class debian $menuentry_id_option '{id}' {{\n\tinsmod ext2\n\t\
         linux /boot/vmlinuz-{release} {arguments}\n\tinitrd /boot/initrd.img-{release}\n}}\n"
    )
}

/// As Debian 12's `grub-mkconfig` makes it, without the parts that draw.
fn menu(arguments: &str, default: &str) -> String {
    let words = format!("root=UUID=6b2d4d3c ro {arguments}");
    let entries = [
        entry("Debian GNU/Linux", ID, RELEASE, &words),
        entry("Debian GNU/Linux, with Linux 6.1.0-21", "gnulinux-other-6b2d4d3c", OTHER, &words),
    ]
    .concat();
    MENU.replace("DEFAULT", default).replace("ENTRIES", &entries)
}

const MENU: &str = r#"#
# DO NOT EDIT THIS FILE
#
# It is automatically generated by grub-mkconfig using templates
# from /etc/grub.d and settings from /etc/default/grub
#
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="DEFAULT"
fi
if [ x"${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
else
  menuentry_id_option=""
fi
export menuentry_id_option
set timeout=5
ENTRIES
if [ -f  ${config_directory}/custom.cfg ]; then
  source ${config_directory}/custom.cfg
elif [ -z "${config_directory}" -a -f  $prefix/custom.cfg ]; then
  source $prefix/custom.cfg
fi
"#;
