//! Firmware, watchdogs, modules in use, network drivers and the crash kernel, as `/sys` and `/proc` tell them.

use kernmend_core::document::snapshot::{Firmware, Hardware, Interface, Watchdog};
use kernmend_core::document::{Fact, Reason};
use kernmend_core::format::machine::modules;

use super::{LARGE, SMALL, first_told};
use crate::host::{Answer, Host, Listing, Want};

const EFI: &str = "/sys/firmware/efi";

/// The variable of the UEFI Specification, and where the kernel shows it: since 3.8 with four bytes of attributes before the
/// value, and before that alone.
const SECURE_BOOT: [(&str, usize); 2] = [
    ("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", 4),
    ("/sys/firmware/efi/vars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c/data", 0),
];

const WATCHDOGS: &str = "/sys/class/watchdog";
const INTERFACES: &str = "/sys/class/net";

/// A node with a thousand pods has as many interfaces, two for each.
const MAX_INTERFACES: usize = 10_000;
const MAX_WATCHDOGS: usize = 64;

pub(super) fn collect(host: &Host<'_>) -> Hardware {
    let firmware = firmware(host);
    Hardware {
        secure_boot: secure_boot(host, &firmware),
        firmware,
        watchdogs: watchdogs(host),
        modules: host.text("/proc/modules", LARGE).map(|text| modules(&text)),
        interfaces: interfaces(host),
        crash_kernel: flag(host, "/sys/kernel/kexec_crash_loaded"),
    }
}

fn firmware(host: &Host<'_>) -> Fact<Firmware> {
    match host.list(EFI, Want::All, 1) {
        Answer::Got(_) => Fact::known(Firmware::Uefi, EFI),
        Answer::Absent => Fact::known(Firmware::Bios, EFI),
        answer => answer.map(|_| Firmware::Bios).fact(EFI),
    }
}

fn secure_boot(host: &Host<'_>, firmware: &Fact<Firmware>) -> Fact<bool> {
    match firmware {
        Fact::Known { value: Firmware::Bios, from } => return Fact::Absent { from: from.clone() },
        Fact::Unknown { why } => return Fact::Unknown { why: why.clone() },
        Fact::Known { value: Firmware::Uefi, .. } | Fact::Absent { .. } => {}
    }
    let told = SECURE_BOOT.map(|(path, at)| {
        let bytes = host.read(path, SMALL).map(|content| content.bytes).fact(path);
        bytes.parse(|bytes| bytes.get(at).map(|byte| *byte == 1).ok_or_else(|| "it is too short".to_owned()))
    });
    match first_told(told) {
        // The variables need not be mounted.
        Fact::Absent { from } => Fact::unknown(Reason::NotTold, from, ""),
        told => told,
    }
}

fn flag(host: &Host<'_>, path: &str) -> Fact<bool> {
    host.text(path, SMALL).parse(|text| match text.trim() {
        "0" => Ok(false),
        "1" => Ok(true),
        other => Err(format!("`{other}` is neither 0 nor 1")),
    })
}

/// The names in a folder of `/sys/class`, in order.
fn names(host: &Host<'_>, path: &str, max: usize) -> Fact<Vec<String>> {
    let names = |listing: Listing| listing.sorted().into_iter().map(str::to_owned).collect();
    match host.list(path, Want::All, max) {
        Answer::Got(listing) if listing.cut => {
            Fact::unknown(Reason::Cut, path, format!("{} entries", listing.total))
        }
        answer => answer.map(names).fact(path),
    }
}

fn watchdogs(host: &Host<'_>) -> Fact<Vec<Watchdog>> {
    let watchdog = |name: String| {
        let file = |of: &str| format!("{WATCHDOGS}/{name}/{of}");
        let text = |of: &str| host.text(&file(of), SMALL).map(|text| text.trim().to_owned());
        Watchdog {
            identity: text("identity"),
            timeout: text("timeout")
                .parse(|text| text.parse().map_err(|_| format!("`{text}` is not a number"))),
            active: text("state").map(|state| state == "active"),
            name,
        }
    };
    match names(host, WATCHDOGS, MAX_WATCHDOGS) {
        Fact::Absent { from } => Fact::known(Vec::new(), from),
        told => told.map(|names| names.into_iter().map(watchdog).collect()),
    }
}

fn interfaces(host: &Host<'_>) -> Fact<Vec<Interface>> {
    let interface = |name: String| {
        let folder = format!("{INTERFACES}/{name}");
        // What the kernel made up itself has no device.
        let device = host.identity(&format!("{folder}/device"));
        matches!(device, Answer::Got(_)).then_some(())?;
        let module = format!("{folder}/device/driver/module");
        let target = host.link(&module).fact(&module);
        Some(Interface {
            up: host.text(&format!("{folder}/operstate"), SMALL).map(|state| state.trim() == "up"),
            module: target.map(|target| target.rsplit('/').next().unwrap_or_default().to_owned()),
            name,
        })
    };
    names(host, INTERFACES, MAX_INTERFACES).map(|names| names.into_iter().filter_map(interface).collect())
}
