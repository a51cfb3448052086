//! A plan that uses all kinds of steps: a boot argument is tried by an entry of its own, and committed to the settings.

use std::collections::BTreeMap;

use kernmend_core::document::plan::{Act, Check, Expected, Plan, PlannedNode, Running, Stage, Step, Trial};
use kernmend_core::document::{Digest, Document};
use kernmend_core::format::kernel::arguments;

use super::node::{self, ID, MARK, NEW, Node, RELEASE, TRIAL_ID};

pub(crate) const CUSTOM: &str = "/boot/grub/custom.cfg";
pub(crate) const MENU: &str = "/boot/grub/grub.cfg";
pub(crate) const SETTINGS: &str = "/etc/default/grub";
pub(crate) const WATCH: &str = "/etc/systemd/system/multi-user.target.d/kernmend.conf";
pub(crate) const PREPARED: &str = "/etc/systemd/system/emergency.target.d/kernmend.conf";

pub(crate) const EMERGENCY: &str = "[Unit]\nFailureAction=reboot-force\n";

pub(crate) fn expected(present: &[&str], absent: &[&str]) -> Expected {
    let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    Expected { release: RELEASE.to_owned(), present: owned(present), absent: owned(absent) }
}

pub(crate) fn file(path: &str, before: Option<&str>, content: Option<String>) -> Act {
    let before = before.map(|before| Digest::of(before.as_bytes()));
    Act::File { path: path.to_owned(), before, content, mode: 0o644 }
}

fn variables(variables: &[(&str, Option<&str>)]) -> Act {
    let owned = |(name, value): &(&str, Option<&str>)| ((*name).to_owned(), value.map(str::to_owned));
    Act::Environment {
        block: "/boot/grub/grubenv".to_owned(),
        variables: variables.iter().map(owned).collect::<BTreeMap<_, _>>(),
    }
}

pub(crate) fn plan(node: &Node) -> Document<Plan> {
    let (new, old) = (expected(&[NEW], &[]), expected(&[], &[NEW, MARK]));
    let step = |stage, act| Step { stage, act };
    let steps = vec![
        step(Stage::Prepare, file(PREPARED, None, Some(EMERGENCY.to_owned()))),
        step(Stage::Watch, file(WATCH, None, Some("[Unit]\nWants=kernmend.service\n".to_owned()))),
        step(Stage::Scaffold, file(CUSTOM, None, Some(node::custom()))),
        step(
            Stage::Scaffold,
            variables(&[
                ("kernmend_good", Some(ID)),
                ("kernmend_entry", Some(TRIAL_ID)),
                ("kernmend_tries", Some("1")),
            ]),
        ),
        step(
            Stage::Scaffold,
            Act::Prove {
                boots: new.clone(),
                afterwards: Some(old.clone()),
                files: vec![format!("/boot/vmlinuz-{RELEASE}"), format!("/boot/initrd.img-{RELEASE}")],
            },
        ),
        step(Stage::Arrive, variables(&[("kernmend_tries", Some("0"))])),
        step(Stage::Commit, file(SETTINGS, Some(&node::settings("")), Some(node::settings(NEW)))),
        step(
            Stage::Commit,
            Act::Menu {
                generator: vec!["/usr/sbin/grub-mkconfig".to_owned()],
                menu: MENU.to_owned(),
                boots: new.clone(),
            },
        ),
    ];
    let plan = Plan {
        node: PlannedNode {
            hostname: "n".to_owned(),
            machine_id: "0123".to_owned(),
            running: Running {
                release: RELEASE.to_owned(),
                arguments: arguments(&node.read("/proc/cmdline")),
            },
        },
        advisory: Some("KM-0001".to_owned()),
        remedy: None,
        ways: Vec::new(),
        refusals: Vec::new(),
        steps,
        trial: Some(Trial {
            mark: MARK.to_owned(),
            expected: new,
            fallback: old,
            health: vec![
                Check::Kernel,
                Check::DefaultRoute,
                Check::Unit { name: "kubelet.service".to_owned() },
                Check::Scripts { directory: "/etc/kernmend/health.d".to_owned() },
            ],
            health_deadline: 60,
            dead_man: 900,
        }),
        probation: None,
        remarks: Vec::new(),
        report: None,
    };
    Document::new(plan, None)
}
