//! Plans for a node with Debian's menu, held against what the boot parser says of the files that they write; and the
//! checker, held against plans that were tampered with.

use std::collections::BTreeMap;

mod swap;

use super::check::{Problem, check};
use super::*;
use crate::boot::choose::{Choice, Matcher};
use crate::boot::grub::Given;
use crate::boot::reading::of_files;
use crate::document::Fact;
use crate::document::plan::{Act, Check, Stage};
use crate::document::snapshot::{
    CgroupMode, Distribution, FileSystem, InstalledKernel, KernelFile, Layer, LayerKind, Origin, Pod,
    PodKind, Space,
};

const MENU: &str = "/boot/grub/grub.cfg";
const CUSTOM: &str = "/boot/grub/custom.cfg";
const BLOCK: &str = "/boot/grub/grubenv";
const RELEASE: &str = "6.1.0-50-amd64";
const OTHER: &str = "6.1.0-49-amd64";
const SETTINGS: &str = "GRUB_DEFAULT=0\nGRUB_TIMEOUT=0\nGRUB_CMDLINE_LINUX=\"console=ttyS0 systemd.unified_cgroup_hierarchy=0\"\n";

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn block(variables: &[(&str, &str)]) -> Vec<u8> {
    let mut text = "# GRUB Environment Block\n".to_owned();
    for (name, value) in variables {
        text += &format!("{name}={value}\n");
    }
    let mut bytes = text.into_bytes();
    bytes.resize(1024, b'#');
    bytes
}

/// A node as it is before anything was done.
struct Lab {
    snapshot: Document<Snapshot>,
    report: Document<Report>,
    files: BootFiles,
    knowledge: KnowledgeBase,
    fell_back: Vec<Expected>,
    site: Site,
}

impl Lab {
    fn new() -> Self {
        let knowledge = KnowledgeBase::embedded();
        let mut snapshot = Snapshot::of_nothing(Origin::Live);
        snapshot.hostname = Fact::known("node-1".to_owned(), "/proc/sys/kernel/hostname");
        snapshot.kernel.release = Fact::known(RELEASE.to_owned(), "/proc/sys/kernel/osrelease");
        let arguments = format!(
            "BOOT_IMAGE=/boot/vmlinuz-{RELEASE} root=UUID=AB ro console=ttyS0 systemd.unified_cgroup_hierarchy=0"
        );
        snapshot.kernel.arguments = Fact::known(words(&arguments), "/proc/cmdline");
        let debian = Distribution {
            id: "debian".to_owned(),
            version_id: "12".to_owned(),
            pretty_name: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            id_like: Vec::new(),
            fields: BTreeMap::new(),
        };
        snapshot.distribution = Fact::known(debian, "/etc/os-release");
        snapshot.kernels = Fact::known(vec![installed(RELEASE), installed(OTHER)], "/boot");
        let snapshot = Document::new(snapshot, None);
        let report = crate::diagnose::diagnose(&snapshot, &knowledge);
        let files = BootFiles {
            configuration: Some((MENU.to_owned(), include_str!("tests/grub.cfg").to_owned())),
            custom: Given::Missing,
            environments: vec![(BLOCK.to_owned(), block(&[]))],
            environments_complete: true,
            entries: Given::Missing,
            defaults: vec![("/etc/default/grub".to_owned(), SETTINGS.to_owned())],
            matcher: Some(Matcher::Upstream),
            block_on: Fact::known(on("ext4", "/dev/vda1"), "/proc/mounts"),
            ..BootFiles::default()
        };
        Self { snapshot, report, files, knowledge, fell_back: Vec::new(), site: Site::default() }
    }

    fn plan(&self, remedy: Remedy) -> Plan {
        self.plan_for(&Wish { remedy: Some(remedy), ..Wish::default() })
    }

    fn plan_for(&self, wish: &Wish) -> Plan {
        let boot = of_files(&self.files);
        let node = Node {
            snapshot: &self.snapshot,
            report: &self.report,
            files: &self.files,
            boot: &boot,
            machine_id: "0123456789abcdef0123456789abcdef",
            is_installed: true,
            fell_back: &self.fell_back,
            site: &self.site,
        };
        let plan = plan(&node, &self.knowledge, wish);
        assert_eq!(plan.parent, Some(self.report.digest()));
        plan.body
    }

    /// The files after the steps of some stages.
    fn after(&self, plan: &Plan, stages: &[Stage]) -> BootFiles {
        let mut files = self.files.clone();
        let mut variables: BTreeMap<String, String> = BTreeMap::new();
        for step in plan.steps.iter().filter(|step| stages.contains(&step.stage)) {
            match &step.act {
                Act::File { path, content: Some(content), .. } if path == CUSTOM => {
                    files.custom = Given::Is((path.clone(), content.clone()));
                }
                Act::Environment { block, variables: set } if block == BLOCK => {
                    for (name, value) in set {
                        variables.insert(name.clone(), value.clone().unwrap_or_default());
                    }
                }
                _ => {}
            }
        }
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        files.environments = vec![(BLOCK.to_owned(), block(&variables))];
        files
    }
}

fn installed(release: &str) -> InstalledKernel {
    let file = |path: String| {
        Fact::known(KernelFile { path: path.clone(), size: Fact::known(1, path.clone()) }, path)
    };
    InstalledKernel {
        release: release.to_owned(),
        image: file(format!("/boot/vmlinuz-{release}")),
        initramfs: file(format!("/boot/initrd.img-{release}")),
        modules: Fact::known(true, format!("/lib/modules/{release}/modules.dep")),
        options: Fact::default(),
    }
}

fn on(kind: &str, source: &str) -> FileSystem {
    FileSystem {
        mounted_at: "/".to_owned(),
        kind: kind.to_owned(),
        source: source.to_owned(),
        read_only: Some(false),
        layers: Fact::known(
            vec![Layer { name: "vda1".to_owned(), kind: LayerKind::Partition, modules: Vec::new() }],
            "/sys",
        ),
        space: Fact::known(Space { free: 1 << 30, size: 1 << 31, free_inodes: None }, "/"),
    }
}

fn nokmem() -> Remedy {
    Remedy::BootParameter { set: words("cgroup.memory=nokmem"), remove: Vec::new() }
}

fn chosen(files: &BootFiles) -> (String, Vec<String>) {
    let boot = of_files(files);
    let Choice::Entry(_) = boot.next.choice else { panic!("{:?}", boot.next) };
    let entry = boot.chosen().unwrap();
    (entry.release.clone().unwrap(), entry.arguments.clone())
}

fn check_trial(remedy: Remedy, release: &str, argument: Option<&str>) -> Plan {
    let lab = Lab::new();
    let plan = lab.plan(remedy);
    assert_eq!((plan.refusals.as_slice(), check(&plan)), ([].as_slice(), Vec::new()));
    // Armed, the parser of `kernmend boot` says that the trial boots; once its counter is down, what runs now.
    let armed = chosen(&lab.after(&plan, &[Stage::Scaffold]));
    let trial = plan.trial.as_ref().unwrap();
    assert_eq!(armed.0, release);
    assert!(armed.1.contains(&trial.mark) && armed.1.contains(&"panic=10".to_owned()), "{armed:?}");
    assert!(argument.is_none_or(|argument| armed.1.contains(&argument.to_owned())));
    let down = chosen(&lab.after(&plan, &[Stage::Scaffold, Stage::Arrive]));
    assert_eq!(down.0, RELEASE);
    assert!(!down.1.contains(&trial.mark));
    plan
}

#[test]
fn an_argument_is_tried_and_then_set_for_good() {
    let plan = check_trial(nokmem(), RELEASE, Some("cgroup.memory=nokmem"));
    let trial = plan.trial.as_ref().unwrap();
    assert!(trial.health.contains(&Check::AccountingOff));
    let mark = trial.mark.strip_prefix("kernmend.trial=").unwrap();
    let guard = format!("/boot/kernmend-trial-{mark}");
    let file = |wanted: &str| {
        plan.steps.iter().find_map(|step| match &step.act {
            Act::File { path, content: Some(content), .. } if path == wanted => Some(content.as_str()),
            _ => None,
        })
    };
    assert!(file(&guard).unwrap().contains("(sleep 900; "), "it waits as long as the dead man's timer");
    assert!(file(CUSTOM).unwrap().contains(&format!("\tinitrd\t/boot/initrd.img-{RELEASE} {guard}\n")));
    let said: Vec<&str> = plan.remarks.iter().map(|remark| remark.code.as_str()).collect();
    assert!(said.contains(&"caught-initramfs"), "{said:?}");
    assert_eq!(trial.fallback.absent, ["cgroup.memory=nokmem"]);
    let commit: Vec<&Act> =
        plan.steps.iter().filter(|step| step.stage == Stage::Commit).map(|step| &step.act).collect();
    let [Act::File { path, content: Some(content), .. }, Act::Menu { generator, menu, boots }] = commit[..]
    else {
        panic!("{commit:?}");
    };
    assert_eq!(path, "/etc/default/grub.d/zz-kernmend.cfg");
    assert!(content.ends_with("GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX cgroup.memory=nokmem\"\n"));
    assert_eq!((generator[0].as_str(), menu.as_str()), ("/usr/sbin/grub-mkconfig", MENU));
    assert_eq!(boots, &trial.expected);
}

#[test]
fn entries_of_the_boot_loader_specification_carry_the_argument_themselves() {
    const ENTRIES: &str = "/boot/loader/entries/";
    let entry = |release: &str| {
        let text = format!(
            "title Red Hat Enterprise Linux ({release})\nversion {release}\nlinux /vmlinuz-{release}\n\
             initrd /initramfs-{release}.img $tuned_initrd\noptions root=UUID=AB ro console=ttyS0 \
             systemd.unified_cgroup_hierarchy=0\nid rhel-{release}\n"
        );
        (format!("{ENTRIES}0123456789abcdef0123456789abcdef-{release}.conf"), text)
    };
    let mut lab = Lab::new();
    lab.files.configuration =
        Some(("/boot/grub2/grub.cfg".to_owned(), include_str!("tests/bls.cfg").to_owned()));
    lab.files.matcher = Some(Matcher::RedHat);
    lab.files.entries = Given::Is(vec![entry(OTHER), entry(RELEASE)]);
    let saved = format!("0123456789abcdef0123456789abcdef-{RELEASE}");
    lab.files.environments = vec![("/boot/grub2/grubenv".to_owned(), block(&[("saved_entry", &saved)]))];
    lab.files.kernel_cmdline = Given::Is(("/etc/kernel/cmdline".to_owned(), "root=UUID=AB ro\n".to_owned()));
    let mut rhel = lab.snapshot.body.distribution.value().unwrap().clone();
    rhel.id = "rhel".to_owned();
    lab.snapshot.body.distribution = Fact::known(rhel, "/etc/os-release");

    let plan = lab.plan(nokmem());
    assert_eq!((plan.refusals.as_slice(), check(&plan)), ([].as_slice(), Vec::new()));
    let custom = plan.steps.iter().find_map(|step| match &step.act {
        Act::File { path, content: Some(content), .. } if path == "/boot/grub2/custom.cfg" => Some(content),
        _ => None,
    });
    let kernel = format!("\tlinux ($boot)/vmlinuz-{RELEASE} root=UUID=AB ro console=ttyS0");
    assert!(custom.unwrap().contains(&kernel) && custom.unwrap().contains("rd.emergency=reboot"));
    let good = plan.steps.iter().find_map(|step| match &step.act {
        Act::Environment { variables, .. } => variables.get("kernmend_good").cloned().flatten(),
        _ => None,
    });
    assert_eq!(good, Some(saved));
    let committed: Vec<(&str, &str)> = plan
        .steps
        .iter()
        .filter(|step| step.stage == Stage::Commit)
        .filter_map(|step| match &step.act {
            Act::File { path, content: Some(content), .. } => Some((path.as_str(), content.as_str())),
            _ => None,
        })
        .collect();
    let has = |path: &str| {
        committed
            .iter()
            .any(|(file, content)| file.contains(path) && content.contains("cgroup.memory=nokmem"))
    };
    assert!(
        has("/etc/kernel/cmdline") && has("/etc/default/grub") && has(RELEASE) && has(OTHER),
        "{committed:?}"
    );
    assert!(!plan.steps.iter().any(|step| matches!(step.act, Act::Menu { .. })), "no menu is made anew");
}

#[test]
fn cgroups_are_switched_by_the_argument_in_the_place_of_the_old_one() {
    let hierarchy = |version| format!("systemd.unified_cgroup_hierarchy={version}");
    let remedy = Remedy::BootParameter { set: vec![hierarchy(1)], remove: vec![hierarchy(0)] };
    let plan = check_trial(remedy, RELEASE, Some(&hierarchy(1)));
    let trial = plan.trial.unwrap();
    assert!(trial.health.contains(&Check::CgroupVersion { version: 2 }));
    assert_eq!((trial.expected.absent, trial.fallback.present), (vec![hierarchy(0)], vec![hierarchy(0)]));
}

#[test]
fn another_kernel_becomes_the_default_where_the_default_was_a_constant() {
    let plan = check_trial(Remedy::InstalledKernel { release: OTHER.to_owned() }, OTHER, None);
    let commit: Vec<&Act> =
        plan.steps.iter().filter(|step| step.stage == Stage::Commit).map(|step| &step.act).collect();
    let [Act::Environment { variables, .. }, Act::File { content: Some(content), .. }, Act::Menu { .. }] =
        commit[..]
    else {
        panic!("{commit:?}");
    };
    let entry = format!("gnulinux-advanced-AB>gnulinux-{OTHER}-advanced-AB");
    assert_eq!(variables["saved_entry"].as_deref(), Some(entry.as_str()));
    assert!(content.ends_with("GRUB_DEFAULT=saved\n"));
}

#[test]
fn what_stands_in_custom_cfg_stays_there() {
    let mut lab = Lab::new();
    lab.files.custom = Given::Is((CUSTOM.to_owned(), "set color=1".to_owned()));
    let plan = lab.plan(nokmem());
    let custom = plan.steps.iter().find_map(|step| match &step.act {
        Act::File { path, content, before, .. } if path == CUSTOM => {
            Some((content.clone().unwrap(), before.clone()))
        }
        _ => None,
    });
    let (content, before) = custom.unwrap();
    assert!(content.starts_with("set color=1\nmenuentry 'kernmend: trial of "));
    assert_eq!(before, Some(Digest::of(b"set color=1")));
}

fn move_to(release: &str) -> Remedy {
    Remedy::InstalledKernel { release: release.to_owned() }
}

/// Changes the menu.
fn edit(from: &'static str, to: &'static str) -> impl Fn(&mut Lab) {
    move |lab: &mut Lab| {
        let (_, text) = lab.files.configuration.as_mut().unwrap();
        assert!(text.contains(from));
        *text = text.replace(from, to);
    }
}

fn check_refused(change: impl Fn(&mut Lab), remedy: Remedy, code: &str) {
    let mut lab = Lab::new();
    change(&mut lab);
    let plan = lab.plan(remedy);
    let codes: Vec<&str> = plan.refusals.iter().map(|refusal| refusal.reason.code.as_str()).collect();
    assert_eq!(codes, [code]);
    assert_eq!((plan.steps.len(), plan.trial.is_none(), check(&plan)), (0, true, Vec::new()), "{code}");
    for refusal in &plan.refusals {
        let known = remark::CODES.iter().find(|(known, _)| *known == refusal.reason.code).unwrap();
        let values: Vec<&str> = refusal.reason.values.keys().map(String::as_str).collect();
        let mut names = known.1.to_vec();
        names.sort_unstable();
        assert_eq!(values, names, "{code}");
        assert!(!refusal.evidence.is_empty(), "{code}");
    }
}

#[test]
fn what_could_lose_the_node_is_refused_by_its_name() {
    check_refused(
        |lab| lab.files.block_on = Fact::known(on("btrfs", "/dev/vda1"), "/proc/mounts"),
        nokmem(),
        "environment-not-writable",
    );
    check_refused(
        |lab| lab.snapshot.body.kernels = Fact::known(vec![installed(OTHER)], "/boot"),
        nokmem(),
        "kernel-incomplete",
    );
    check_refused(|lab| lab.files.environments[0].1 = b"x=1\n".to_vec(), nokmem(), "environment-malformed");
    check_refused(|lab| lab.files.configuration = None, nokmem(), "not-grub");
    check_refused(|lab| lab.files.environments.clear(), nokmem(), "no-environment-block");
    check_refused(
        |lab| lab.files.environments[0].1 = block(&[("next_entry", "2")]),
        nokmem(),
        "one-shot-pending",
    );
    check_refused(
        |lab| {
            let mut newer = installed("6.12.9-cloud-amd64");
            let options = BTreeMap::from([("CONFIG_MEMCG_V1".to_owned(), "n".to_owned())]);
            newer.options = Fact::known(options, "/boot/config-6.12.9-cloud-amd64");
            lab.snapshot.body.kernels = Fact::known(vec![installed(RELEASE), newer], "/boot");
            lab.snapshot.body.cgroups.mode = Fact::known(CgroupMode::V1, "/proc/mounts");
            edit(OTHER, "6.12.9-cloud-amd64")(lab);
        },
        move_to("6.12.9-cloud-amd64"),
        "cgroup-v1-not-built",
    );
    check_refused(edit("custom.cfg", "other.cfg"), nokmem(), "no-hook");
    check_refused(edit("set timeout=0", "set timeout=-1"), nokmem(), "menu-waits");
    check_refused(edit(RELEASE, "5.10.0-1-amd64"), nokmem(), "fallback-not-in-menu");
    // A newer kernel was installed and not booted yet.
    check_refused(edit("set default=\"0\"", "set default=\"1>2\""), nokmem(), "default-is-another");
    check_refused(edit("set default=\"0\"", "set default=\"1>2\""), move_to(OTHER), "default-is-another");
    check_refused(|_| {}, move_to("6.12.1"), "target-not-in-menu");
    check_refused(|_| {}, move_to(RELEASE), "already-so");
    check_refused(|lab| lab.files.custom = Given::Not, nokmem(), "custom-not-read");
    check_refused(
        |lab| lab.files.defaults[0].1 = "X=\"console=ttyS0\"\nGRUB_CMDLINE_LINUX=\"$X\"\n".to_owned(),
        Remedy::BootParameter { set: words("x=1"), remove: words("console=ttyS0") },
        "settings-not-understood",
    );
    check_refused(
        |lab| lab.fell_back = vec![lab.plan(nokmem()).trial.unwrap().expected],
        nokmem(),
        "fell-back-before",
    );
}

#[test]
fn what_runs_becomes_the_default_without_a_trial() {
    let mut lab = Lab::new();
    edit("set default=\"0\"", "set default=\"1>2\"")(&mut lab);
    // Nothing is rebooted: no pod has to move.
    lab.snapshot.body.pods.found.push(Pod {
        namespace: "web".to_owned(),
        name: "shop".to_owned(),
        uid: String::new(),
        kind: PodKind::Other,
        from: "/var/log/pods".to_owned(),
    });
    let plan = lab.plan(move_to(RELEASE));
    assert_eq!((plan.refusals.as_slice(), check(&plan)), ([].as_slice(), Vec::new()));
    assert_eq!(plan.trial, None);
    let acts: Vec<&Act> = plan.steps.iter().map(|step| &step.act).collect();
    let [Act::Environment { variables, .. }, Act::File { path, .. }, Act::Menu { boots, .. }] = acts[..]
    else {
        panic!("{acts:?}");
    };
    let saved = variables["saved_entry"].as_deref().unwrap();
    assert!(saved.contains(RELEASE), "{saved}");
    assert!(boots.is(&plan.node.running) && !boots.present.is_empty(), "{boots:?}");
    assert_eq!((path.as_str(), boots.release.as_str()), ("/etc/default/grub.d/zz-kernmend.cfg", RELEASE));
}

#[test]
fn without_a_trial_the_default_goes_to_what_runs_alone() {
    let mut lab = Lab::new();
    edit("set default=\"0\"", "set default=\"1>2\"")(&mut lab);
    let good = lab.plan(move_to(RELEASE));
    let touched = |change: &dyn Fn(&mut Expected)| {
        let mut plan = good.clone();
        let Some(Act::Menu { boots, .. }) = plan.steps.last_mut().map(|step| &mut step.act) else {
            unreachable!()
        };
        change(boots);
        check(&plan)
    };
    assert_eq!(touched(&|_| {}), []);
    assert_ne!(touched(&|boots| boots.release = OTHER.to_owned()), []);
    assert_ne!(touched(&|boots| boots.present.push("init=/bin/sh".to_owned())), []);
    let mut unproven = good.clone();
    unproven.steps.pop();
    assert_ne!(check(&unproven), []);
    // A trial that was taken out of its plan leaves a default that nobody tried.
    let mut untried = Plan { trial: None, ..Lab::new().plan(nokmem()) };
    assert_ne!(check(&untried), []);
    untried.steps.retain(|step| step.stage == Stage::Watch);
    assert_eq!(check(&untried), []);
}

#[test]
fn a_plan_that_was_tampered_with_is_caught() {
    let lab = Lab::new();
    let good = lab.plan(nokmem());
    let tampered = |change: &dyn Fn(&mut Plan)| {
        let mut plan = good.clone();
        change(&mut plan);
        assert_ne!(plan, good);
        check(&plan)
    };
    let find = |plan: &mut Plan, stage: Stage, path: &str| -> usize {
        let is_it = |step: &crate::document::plan::Step| {
            let target = match &step.act {
                Act::File { path, .. }
                | Act::Environment { block: path, .. }
                | Act::Menu { menu: path, .. } => path,
                Act::Prove { .. }
                | Act::Keep { .. }
                | Act::Try { .. }
                | Act::Unit { .. }
                | Act::Program { .. } => "",
            };
            step.stage == stage && target == path
        };
        plan.steps.iter().position(is_it).unwrap()
    };
    let set = |plan: &mut Plan, name: &str, value: &str| {
        let index = find(plan, Stage::Scaffold, BLOCK);
        let Act::Environment { variables, .. } = &mut plan.steps[index].act else { unreachable!() };
        variables.insert(name.to_owned(), Some(value.to_owned()));
    };
    let trial = |plan: &mut Plan, change: &dyn Fn(&mut Trial)| change(plan.trial.as_mut().unwrap());
    let changes: [&dyn Fn(&mut Plan); 17] = [
        &|plan| set(plan, "kernmend_tries", "2"),
        &|plan| set(plan, "kernmend_good", "1>2"),
        &|plan| set(plan, "kernmend_good", ""),
        &|plan| set(plan, "kernmend_entry", "other"),
        &|plan| set(plan, "saved_entry", "other"),
        &|plan| {
            let index = find(plan, Stage::Scaffold, CUSTOM);
            let Act::File { content: Some(content), .. } = &mut plan.steps[index].act else { unreachable!() };
            *content = content.replace("kernmend_tries=0", "kernmend_tries=1");
        },
        &|plan| {
            let index = find(plan, Stage::Commit, MENU);
            plan.steps[index].stage = Stage::Scaffold;
        },
        &|plan| {
            let index = find(plan, Stage::Commit, "/etc/default/grub.d/zz-kernmend.cfg");
            plan.steps[index].stage = Stage::Prepare;
        },
        &|plan| plan.steps.retain(|step| step.stage != Stage::Arrive),
        &|plan| plan.steps.retain(|step| step.stage != Stage::Watch),
        &|plan| plan.steps.retain(|step| !matches!(step.act, Act::Prove { .. })),
        &|plan| {
            let is_guard =
                |act: &Act| matches!(act, Act::File { path, .. } if path.contains("/kernmend-trial-"));
            plan.steps.retain(|step| !is_guard(&step.act));
        },
        &|plan| trial(plan, &|trial| trial.health.clear()),
        &|plan| trial(plan, &|trial| trial.dead_man = trial.health_deadline),
        &|plan| trial(plan, &|trial| trial.fallback.absent.clear()),
        &|plan| trial(plan, &|trial| trial.fallback.release = "5.10".to_owned()),
        &|plan| {
            let index = find(plan, Stage::Scaffold, CUSTOM);
            let Act::File { path, .. } = &mut plan.steps[index].act else { unreachable!() };
            *path = "/boot/grub/../../etc/custom.cfg".to_owned();
        },
    ];
    for (number, change) in changes.iter().enumerate() {
        assert_ne!(tampered(*change), [] as [Problem; 0], "change {number} went by");
    }
}

#[test]
fn the_ways_out_of_the_leak_are_ranked_with_the_reasons_of_those_that_are_out() {
    let mut lab = Lab::new();
    lab.snapshot.body.kernel.release = Fact::known("3.10.0-693.el7.x86_64".to_owned(), "/proc");
    lab.snapshot.body.kernels = Fact::known(
        vec![
            installed("3.10.0-693.el7.x86_64"),
            installed("3.10.0-1160.el7.x86_64"),
            installed("5.4.278-1.el7.elrepo.x86_64"),
        ],
        "/boot",
    );
    let mut centos = lab.snapshot.body.distribution.value().unwrap().clone();
    centos.id = "centos".to_owned();
    centos.version_id = "7".to_owned();
    lab.snapshot.body.distribution = Fact::known(centos, "/etc/os-release");
    let boot = of_files(&lab.files);
    let node = Node {
        snapshot: &lab.snapshot,
        report: &lab.report,
        files: &lab.files,
        boot: &boot,
        machine_id: "m",
        is_installed: true,
        fell_back: &[],
        site: &lab.site,
    };
    let ways = choose::ways(&node, &lab.knowledge, &Wish::default(), Some("KM-0001"));
    let said: Vec<(String, &str)> = ways
        .iter()
        .map(|way| {
            let state = match &way.standing {
                Standing::Open => "open",
                Standing::ByHand { .. } => "by hand",
                Standing::Out { why } => why[0].code.as_str(),
            };
            (serde_json::to_value(&way.remedy).unwrap()["kind"].as_str().unwrap().to_owned(), state)
        })
        .collect();
    let said: Vec<(&str, &str)> = said.iter().map(|(kind, state)| (kind.as_str(), *state)).collect();
    assert_eq!(
        said,
        [
            ("installed-kernel", "open"),
            ("kernel-upgrade", "by hand"),
            ("newer-runtime", "by hand"),
            ("rebuilt-runtime", "by hand"),
            ("installed-kernel", "installed-has-fault"),
            ("boot-parameter", "ignores-nokmem"),
            ("reboot-before", "not-this-fault"),
        ]
    );
}
