//! What waits for a restart: kernels that are installed beside the running one, the distribution's own wish, and
//! processes that still run a replaced binary.

use kernmend_core::document::snapshot::{Distribution, Restart};
use kernmend_core::document::{Fact, Reason};

use super::process::Processes;
use super::{SMALL, first_told};
use crate::host::{Answer, Host, Kind, Want};

/// Where modules are: a kernel that is installed has a folder there with an index.
const MODULES: [&str; 2] = ["/lib/modules", "/usr/lib/modules"];

/// Kernels on one machine.
const MAX_KERNELS: usize = 1000;

pub(super) fn collect(host: &Host<'_>, distribution: &Fact<Distribution>, processes: &Processes) -> Restart {
    Restart {
        installed_kernels: installed_kernels(host),
        reboot_required: reboot_required(host, distribution),
        reboot_wanted_by: reboot_wanted_by(host),
        replaced_binaries: processes.replaced(),
    }
}

fn installed_kernels(host: &Host<'_>) -> Fact<Vec<String>> {
    first_told(MODULES.map(|dir| kernels_in(host, dir)))
}

fn kernels_in(host: &Host<'_>, dir: &str) -> Fact<Vec<String>> {
    let listing = match host.list(dir, Want::All, MAX_KERNELS) {
        Answer::Got(listing) if listing.cut => {
            return Fact::unknown(Reason::Cut, dir, format!("{} entries", listing.total));
        }
        Answer::Got(listing) => listing,
        answer => return answer.map(|_| Vec::new()).fact(dir),
    };
    let mut kernels = Vec::new();
    let folders = listing.iter().filter(|(_, kind)| matches!(kind, Kind::Directory | Kind::Untold));
    for (name, _) in folders {
        let index = format!("{dir}/{name}/modules.dep");
        match host.identity(&index) {
            Answer::Got(_) => kernels.push(name.to_owned()),
            answer @ Answer::Failed(_) => return answer.map(|_| Vec::new()).fact(&index),
            Answer::Absent | Answer::NotCaptured => {}
        }
    }
    kernels.sort();
    Fact::known(kernels, dir)
}

/// The packages that asked for a reboot, one a line and some of them more than once.
fn reboot_wanted_by(host: &Host<'_>) -> Fact<Vec<String>> {
    host.text("/run/reboot-required.pkgs", SMALL).map(|text| {
        let mut packages: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        packages.sort();
        packages.dedup();
        packages
    })
}

/// Debian and Ubuntu leave a file when a package asks for a reboot; others have no such sign.
fn reboot_required(host: &Host<'_>, distribution: &Fact<Distribution>) -> Fact<bool> {
    const PATH: &str = "/run/reboot-required";
    let distribution = match distribution {
        Fact::Known { value, .. } => value,
        Fact::Absent { .. } => return Fact::unknown(Reason::NotTold, PATH, ""),
        Fact::Unknown { why } => return Fact::Unknown { why: why.clone() },
    };
    let names = distribution.id_like.iter().chain([&distribution.id]);
    if !names.into_iter().any(|name| matches!(name.as_str(), "debian" | "ubuntu")) {
        return Fact::unknown(Reason::NotTold, PATH, "");
    }
    match host.identity(PATH) {
        Answer::Got(_) => Fact::known(true, PATH),
        Answer::Absent => Fact::known(false, PATH),
        answer => answer.map(|_| false).fact(PATH),
    }
}
