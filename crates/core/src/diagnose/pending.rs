//! What a reboot would change: the kernel that runs, the one that boots next and the newest that is installed need not be
//! the same, and each of them explains why a fault is still there, or will come back.

use std::cmp::Ordering;

use crate::document::report::Pending;
use crate::document::snapshot::Snapshot;
use crate::version::{KernelVersion, rpm};

/// What is pending, as far as it is known.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Pending> {
    let mut found = Vec::new();
    if let Some(running) = snapshot.kernel.release.value() {
        let next = snapshot.boot.value().and_then(|boot| boot.chosen()?.release.as_ref());
        if let Some(next) = next.filter(|next| *next != running) {
            found.push(Pending::OtherKernel { release: next.clone() });
        }
        let with_modules = snapshot.restart.installed_kernels.value().into_iter().flatten();
        let newest = with_modules.max_by(|a, b| compare(a, b));
        let is_newer = |newest: &&String| {
            [Some(running), next].into_iter().flatten().all(|other| compare(newest, other).is_gt())
        };
        if let Some(newest) = newest.filter(is_newer) {
            found.push(Pending::NewerKernel { release: newest.clone() });
        }
    }
    if snapshot.restart.reboot_required.value() == Some(&true) {
        let packages = snapshot.restart.reboot_wanted_by.value().cloned().unwrap_or_default();
        found.push(Pending::Reboot { packages });
    }
    found
}

/// Which of two releases on one machine is the newer one: by the version that they are based on, then as packages of RPM,
/// whose order is that of Debian for what releases consist of.
fn compare(a: &str, b: &str) -> Ordering {
    let base = |release: &str| KernelVersion::of_release(release).ok();
    base(a).cmp(&base(b)).then_with(|| rpm::compare(a, b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Fact;
    use crate::document::snapshot::Origin;

    #[test]
    fn releases_of_one_machine_have_an_order() {
        for (older, newer) in [
            ("3.10.0-514.el7.x86_64", "3.10.0-1160.el7.x86_64"),
            ("3.10.0-1160.el7.x86_64", "5.4.278-1.el7.elrepo.x86_64"),
            ("5.10.0-8-amd64", "5.10.0-18-amd64"),
            ("5.15.0-101-generic", "6.8.0-52-generic"),
        ] {
            assert_eq!(compare(older, newer), Ordering::Less, "{older} {newer}");
        }
    }

    #[test]
    fn what_is_newer_than_the_running_kernel_waits() {
        let mut snapshot = Snapshot::of_nothing(Origin::Text);
        assert_eq!(find(&snapshot), []);
        snapshot.kernel.release = Fact::known("5.10.0-8-amd64".to_owned(), "/proc");
        let mut check = |installed: &[&str], expected: &[Pending]| {
            let installed = installed.iter().map(|release| (*release).to_owned()).collect();
            snapshot.restart.installed_kernels = Fact::known(installed, "/lib/modules");
            assert_eq!(find(&snapshot), expected);
        };
        check(&["5.10.0-8-amd64", "4.19.0-6-amd64"], &[]);
        let release = "5.10.0-18-amd64".to_owned();
        check(&["5.10.0-18-amd64", "5.10.0-8-amd64"], &[Pending::NewerKernel { release }]);
        snapshot.restart.reboot_required = Fact::known(true, "/run/reboot-required");
        assert_eq!(find(&snapshot).last(), Some(&Pending::Reboot { packages: Vec::new() }));
    }
}
