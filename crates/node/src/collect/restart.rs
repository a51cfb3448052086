//! What waits for a restart: kernels that are installed beside the running one, the distribution's own wish, and
//! processes that still run a replaced binary.

use kernmend_core::document::snapshot::{Distribution, Restart};
use kernmend_core::document::{Fact, Reason};

use super::process::Processes;
use crate::host::{Answer, Host, Kind, Want};

/// Where modules are: a kernel that is installed has a folder there with an index.
const MODULES: [&str; 2] = ["/lib/modules", "/usr/lib/modules"];

/// Kernels on one machine.
const MAX_KERNELS: usize = 1000;

pub(super) fn collect(host: &Host<'_>, distribution: &Fact<Distribution>, processes: &Processes) -> Restart {
    Restart {
        installed_kernels: installed_kernels(host),
        reboot_required: reboot_required(host, distribution),
        replaced_binaries: processes.replaced(),
    }
}

fn installed_kernels(host: &Host<'_>) -> Fact<Vec<String>> {
    let mut first = None;
    for dir in MODULES {
        match host.list(dir, Want::All, MAX_KERNELS) {
            // Archives of selected files have the modules of one kernel or of none.
            Answer::Got(listing) if listing.cut => {
                return Fact::unknown(Reason::Cut, dir, "");
            }
            Answer::Got(listing) => {
                let has_index =
                    |name: &&str| host.identity(&format!("{dir}/{name}/modules.dep")).got().is_some();
                let mut kernels: Vec<String> = listing
                    .iter()
                    .filter(|(_, kind)| matches!(kind, Kind::Directory | Kind::Untold))
                    .map(|(name, _)| name)
                    .filter(has_index)
                    .map(str::to_owned)
                    .collect();
                kernels.sort();
                return Fact::known(kernels, dir);
            }
            answer => {
                first.get_or_insert(answer.map(|_| Vec::new()).fact(dir));
            }
        }
    }
    first.unwrap_or_else(|| Fact::unknown(Reason::NotTold, MODULES[0], ""))
}

/// Debian and Ubuntu leave a file when a package asks for a reboot; others have no such sign.
fn reboot_required(host: &Host<'_>, distribution: &Fact<Distribution>) -> Fact<bool> {
    const PATH: &str = "/run/reboot-required";
    let Some(distribution) = distribution.value() else {
        return Fact::unknown(Reason::NotTold, PATH, "");
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
