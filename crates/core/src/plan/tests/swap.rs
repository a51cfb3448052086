//! Plans that put other runtimes in place: which copies, what stops for it, what has to hold, and what is refused.

use super::*;
use crate::document::plan::Remark;
use crate::document::snapshot::{
    AccountingCounts, Class, Controller, MemoryHierarchy, Program, Service, Services,
};
use crate::document::{Bounds, Reason};
use crate::plan::swap::{Manager, Owner, Place, STORE};
use crate::program::{Classification, Demands, Features, Ground, Inspection, Machine, Presence};

const EL7: &str = "3.10.0-957.el7.x86_64";

fn class(class: Class) -> Classification {
    let why = match class {
        Class::On => Ground::EnablesAccounting,
        Class::Off => Ground::DisabledBuild,
        Class::Ignored => Ground::AccountingRemoved,
        _ => Ground::NotAProgram,
    };
    Classification { class, knows_tag: None, why: vec![why] }
}

fn copy(path: &str, version: &str, content: &str, processes: &[u32]) -> Program {
    Program {
        name: crate::program::Component::from_name(path).unwrap().name().to_owned(),
        path: path.to_owned(),
        version: Fact::known(version.to_owned(), path),
        digest: Fact::known(Digest::of(content.as_bytes()), path),
        classification: Fact::known(class(Class::On), path),
        tags: Vec::new(),
        processes: processes.to_vec(),
        replaced: false,
        demands: Fact::known(demands(Machine::X86_64, None), path),
        features: Fact::known(features(Presence::Present), path),
    }
}

fn demands(machine: Machine, glibc: Option<&str>) -> Demands {
    Demands { machine, interpreter: None, glibc: glibc.map(|version| version.parse().unwrap()) }
}

fn features(seccomp: Presence) -> Features {
    Features { selinux: Presence::Present, apparmor: Presence::NotTold, seccomp }
}

fn replacement(program: &str, version: &str, is: Class) -> Replacement {
    let digest = Digest::of(format!("new {program}").as_bytes());
    let is = Inspection {
        path: format!("/root/{program}"),
        classification: class(is),
        version: Some(version.to_owned()),
        go: None,
        tags: Vec::new(),
        digest: Some(digest.clone()),
        demands: Some(demands(Machine::X86_64, None)),
        features: Some(features(Presence::Present)),
    };
    Replacement { program: program.to_owned(), size: 10 << 20, digest, is }
}

fn service(program: &str, pid: u32, unit: &str) -> Service {
    Service { program: program.to_owned(), pid, unit: Fact::known(unit.to_owned(), "/proc") }
}

/// A node of CentOS 7 with a kubelet and containerd, whose accounting is on in so many cgroups.
fn lab(on: u64) -> Lab {
    let mut lab = Lab::new();
    let body = &mut lab.snapshot.body;
    body.kernel.release = Fact::known(EL7.to_owned(), "/proc/sys/kernel/osrelease");
    body.kernels = Fact::known(vec![installed(EL7)], "/boot");
    body.cgroups.mode = Fact::known(CgroupMode::V1, "/proc/mounts");
    let memory = MemoryHierarchy {
        version: 1,
        path: "/sys/fs/cgroup/memory".to_owned(),
        directories: Bounds::exact(9),
        accounting: AccountingCounts { on, refused: 8, files: true, ..AccountingCounts::default() },
    };
    body.cgroups.memory = Fact::known(memory, "/sys/fs/cgroup/memory");
    body.programs.found = vec![
        copy("/usr/bin/containerd", "1.4.3", "containerd", &[20]),
        copy("/usr/bin/containerd-shim-runc-v2", "1.4.3", "shim", &[30]),
        copy("/usr/bin/kubelet", "1.18.20", "kubelet", &[10]),
        copy("/usr/bin/runc", "1.0.0-rc92", "runc", &[]),
    ];
    body.programs.gaps.clear();
    body.services = Services {
        running: vec![
            service("kubelet", 10, "kubelet.service"),
            service("containerd", 20, "containerd.service"),
            service("containerd", 30, "containerd.service"),
        ],
        ..Services::default()
    };
    body.services.gaps.clear();
    lab
}

fn with(files: &[Replacement]) -> Wish {
    Wish { with: files.to_vec(), with_pods: true, ..Wish::default() }
}

/// The steps in short.
fn said(plan: &Plan) -> Vec<String> {
    assert_eq!((plan.refusals.as_slice(), check(plan)), ([].as_slice(), Vec::new()));
    let steps = plan.steps.iter().map(|step| match &step.act {
        Act::Keep { source, .. } => format!("keep {source}"),
        Act::Try { program, unaccounted, .. } => format!("try {program} {unaccounted}"),
        Act::File { .. } => format!("{:?}", step.stage).to_lowercase(),
        Act::Unit { name, active: true } => format!("start {name}"),
        Act::Unit { name, active: false } => format!("stop {name}"),
        Act::Program { path, .. } => format!("put {path}"),
        act => panic!("{act:?}"),
    });
    steps.collect()
}

fn codes(remarks: &[Remark]) -> Vec<&str> {
    remarks.iter().map(|remark| remark.code.as_str()).collect()
}

#[test]
fn both_runtimes_are_tried_before_the_kubelet_stops_and_it_starts_with_the_new_ones() {
    let files =
        [replacement("kubelet", "1.18.20", Class::Off), replacement("runc", "1.0.0-rc92", Class::Off)];
    let plan = lab(3).plan_for(&with(&files));
    let mut said = said(&plan);
    said[..4].sort();
    assert_eq!(
        said,
        [
            "keep /root/kubelet",
            "keep /root/runc",
            "try kubelet true",
            "try runc true",
            "watch",
            "watch",
            "stop kubelet.service",
            "put /usr/bin/kubelet",
            "put /usr/bin/runc",
            "start kubelet.service",
        ]
    );
    assert_eq!(plan.remedy, Some(Remedy::RebuiltRuntime));
    // The pods' cgroups hand it on until the next boot.
    let probation = plan.probation.unwrap();
    assert!(probation.reboots && probation.health.contains(&Check::AccountingOff));
    let runtime = Check::Container { runtime: "/usr/bin/runc".to_owned(), unaccounted: true };
    assert!(probation.health.contains(&runtime));
    for unit in ["kubelet.service", "containerd.service"] {
        assert!(probation.health.contains(&Check::Unit { name: unit.to_owned() }));
    }
    assert_eq!(codes(&plan.remarks), ["swapped-as-a-whole", "swap-reboots", "old-programs-kept"]);
}

#[test]
fn what_is_left_on_is_told_and_not_held_against_what_is_replaced() {
    let plan = lab(3).plan_for(&with(&[replacement("runc", "1.1.15", Class::Ignored)]));
    assert!(codes(&plan.remarks).contains(&"kubelet-stays-on"));
    let probation = plan.probation.unwrap();
    assert!(probation.reboots && !probation.health.contains(&Check::AccountingOff));
}

#[test]
fn where_nothing_is_accounted_yet_nothing_is_rebooted_and_no_pod_moves() {
    let mut lab = lab(0);
    lab.snapshot.body.pods = crate::document::snapshot::Pods {
        gaps: vec![crate::document::Why {
            reason: Reason::NotTold,
            path: "pods".to_owned(),
            detail: String::new(),
        }],
        ..lab.snapshot.body.pods.clone()
    };
    let wish = |files: &[Replacement]| Wish { with_pods: false, ..with(files) };
    let plan = lab.plan_for(&wish(&[replacement("runc", "1.1.15", Class::Ignored)]));
    assert_eq!(said(&plan)[4..], ["stop kubelet.service", "put /usr/bin/runc", "start kubelet.service"]);
    assert!(!plan.probation.as_ref().unwrap().reboots);
    assert_eq!(plan.remedy, Some(Remedy::NewerRuntime));
    let expected = ["swapped-as-a-whole", "containers-stay", "old-programs-kept", "kubelet-stays-on"];
    assert_eq!(codes(&plan.remarks), expected);
    lab.snapshot.body.cgroups.memory = Fact::unknown(Reason::NotTold, "/sys/fs/cgroup", "");
    let plan = lab.plan_for(&wish(&[replacement("runc", "1.1.15", Class::Ignored)]));
    assert_eq!(plan.refusals[0].reason.code, "pods-here", "what can't be told is rebooted");
}

#[test]
fn every_copy_is_replaced_and_those_that_are_new_already_are_left() {
    let mut lab = lab(0);
    lab.snapshot.body.programs.found.extend([
        copy("/opt/kube/bin/kubelet", "1.16.2", "other kubelet", &[]),
        copy("/usr/local/bin/kubelet", "1.18.20", "new kubelet", &[]),
        Program { replaced: true, ..copy("/opt/bin/kubelet", "1.15.3", "gone", &[11]) },
        copy("/usr/bin/hyperkube", "1.15.3", "all in one", &[]),
    ]);
    let plan = lab.plan_for(&with(&[replacement("kubelet", "1.18.20", Class::Off)]));
    let put: Vec<String> = said(&plan).into_iter().filter(|step| step.starts_with("put")).collect();
    assert_eq!(put, ["put /usr/bin/kubelet", "put /opt/kube/bin/kubelet"]);
    // A kubelet of another minor is put in the place of one.
    let minor = plan.remarks.iter().find(|remark| remark.code == "kubelet-other-minor").unwrap();
    assert_eq!(minor.values["from"], "1.16.2");
}

#[test]
fn a_runtime_stops_for_itself_and_no_shim_stops_anybody() {
    let files = [
        replacement("containerd", "1.6.20", Class::NotLibcontainer),
        replacement("containerd-shim-runc-v2", "1.6.20", Class::NotLibcontainer),
    ];
    let plan = lab(0).plan_for(&with(&files[1..]));
    assert_eq!(
        said(&plan)[4..],
        ["stop kubelet.service", "put /usr/bin/containerd-shim-runc-v2", "start kubelet.service"]
    );
    let plan = lab(0).plan_for(&with(&files[..1]));
    assert_eq!(
        said(&plan)[4..],
        [
            "stop kubelet.service",
            "stop containerd.service",
            "put /usr/bin/containerd",
            "start containerd.service",
            "start kubelet.service",
        ]
    );
}

#[test]
fn k3s_is_one_unit_and_its_runc_lies_in_its_data() {
    let mut lab = lab(0);
    let body = &mut lab.snapshot.body;
    let runc = "/var/lib/rancher/k3s/data/0123/bin/runc";
    body.programs.found =
        vec![copy("/usr/local/bin/k3s", "1.20.4", "k3s", &[10]), copy(runc, "1.0.0-rc92", "runc", &[])];
    body.services.running = vec![service("k3s", 10, "k3s.service"), service("containerd", 11, "k3s.service")];
    let files = [replacement("runc", "1.1.15", Class::Ignored), replacement("k3s", "1.20.4", Class::Off)];
    let plan = lab.plan_for(&with(&files));
    assert_eq!(
        said(&plan)[6..],
        [
            "stop k3s.service".to_owned(),
            format!("put {runc}"),
            "put /usr/local/bin/k3s".to_owned(),
            "start k3s.service".to_owned(),
        ]
    );
}

#[test]
fn copies_of_docker_and_of_red_hat_count_by_what_they_are() {
    let mut lab = lab(0);
    lab.snapshot.body.programs.found = vec![
        copy("/usr/bin/docker-runc", "1.0.0-rc3", "a", &[]),
        copy("/usr/libexec/docker/docker-runc-current", "1.0.0-rc2", "b", &[]),
        copy("/usr/bin/docker-containerd", "1.4.3", "c", &[]),
        copy("/usr/bin/dockerd", "19.3", "d", &[40]),
    ];
    lab.snapshot.body.services.running = vec![service("dockerd", 40, "docker.service")];
    let plan = lab.plan_for(&with(&[replacement("docker-runc", "1.1.15", Class::Ignored)]));
    assert_eq!(said(&plan)[4..], ["put /usr/bin/docker-runc", "put /usr/libexec/docker/docker-runc-current"]);
    // Docker's own daemon takes its containers with it, unless it was told to leave them.
    let wish = Wish { with_pods: false, ..with(&[replacement("dockerd", "20.10", Class::NotLibcontainer)]) };
    let plan = lab.plan_for(&wish);
    assert_eq!(plan.refusals[0].reason.code, "containers-would-end");
    lab.site.live_restore = true;
    let plan = lab.plan_for(&wish);
    assert_eq!(said(&plan)[4..], ["stop docker.service", "put /usr/bin/dockerd", "start docker.service"]);
    // It goes down with its containerd, and has to come up again after it.
    lab.snapshot.body.programs.found[2].processes = vec![41];
    lab.snapshot.body.services.running.push(service("containerd", 41, "containerd.service"));
    let plan = lab.plan_for(&with(&[replacement("containerd", "1.6.20", Class::NotLibcontainer)]));
    assert_eq!(
        said(&plan)[4..],
        [
            "stop docker.service",
            "stop containerd.service",
            "put /usr/bin/docker-containerd",
            "start containerd.service",
            "start docker.service",
        ]
    );
}

#[test]
fn a_package_that_would_put_the_old_one_back_is_named() {
    let mut lab = lab(0);
    let owner = Owner { package: "runc".to_owned(), manager: Manager::Dpkg };
    let place = Place { owner: Fact::known(owner, "dpkg"), ..Place::default() };
    lab.site.places.insert("/usr/bin/runc".to_owned(), place);
    let plan = lab.plan_for(&with(&[replacement("runc", "1.1.15", Class::Ignored)]));
    let remark = plan.remarks.iter().find(|remark| remark.code == "package-puts-back").unwrap();
    assert_eq!(remark.values["command"], "apt-mark hold runc");
}

fn check_refused(change: impl Fn(&mut Lab, &mut Wish), code: &str) {
    let mut lab = lab(0);
    let mut wish = with(&[replacement("runc", "1.1.15", Class::Ignored)]);
    change(&mut lab, &mut wish);
    let plan = lab.plan_for(&wish);
    let codes: Vec<&str> = plan.refusals.iter().map(|refusal| refusal.reason.code.as_str()).collect();
    assert_eq!(codes, [code]);
    assert_eq!((plan.steps.len(), plan.probation.is_none(), check(&plan)), (0, true, Vec::new()), "{code}");
    let reason = &plan.refusals[0].reason;
    let (_, names) = remark::CODES.iter().find(|(known, _)| *known == reason.code).unwrap();
    let mut names = names.to_vec();
    names.sort_unstable();
    assert_eq!(reason.values.keys().map(String::as_str).collect::<Vec<_>>(), names, "{code}");
    assert!(!plan.refusals[0].evidence.is_empty(), "{code}");
}

#[test]
fn what_could_leave_the_node_without_a_runtime_is_refused_by_its_name() {
    check_refused(
        |_, wish| (wish.with, wish.remedy) = (Vec::new(), Some(Remedy::NewerRuntime)),
        "needs-replacement",
    );
    check_refused(|_, wish| wish.with[0].is.classification = class(Class::On), "replacement-accounts");
    check_refused(|_, wish| wish.with[0].is.classification = class(Class::Unknown), "replacement-not-told");
    check_refused(
        |_, wish| wish.with[0].is.classification = class(Class::NotLibcontainer),
        "replacement-not-told",
    );
    check_refused(
        |_, wish| wish.with[0].is.demands = Some(demands(Machine::Aarch64, None)),
        "replacement-other-machine",
    );
    check_refused(
        |_, wish| wish.with[0].is.demands = Some(demands(Machine::X86_64, Some("2.17"))),
        "glibc-not-told",
    );
    check_refused(
        |lab, wish| {
            lab.site.glibc = Fact::known("2.17".parse().unwrap(), "getconf");
            wish.with[0].is.demands = Some(demands(Machine::X86_64, Some("2.34")));
        },
        "replacement-newer-glibc",
    );
    check_refused(
        |_, wish| wish.with[0].is.features = Some(features(Presence::Stubbed)),
        "replacement-lacks",
    );
    check_refused(|_, wish| wish.with[0].digest = Digest::of(b"runc"), "already-so");
    check_refused(|_, wish| wish.with[0].program = "crio".to_owned(), "no-copy");
    check_refused(
        |_, wish| wish.with.push(replacement("docker-runc", "1.1.15", Class::Ignored)),
        "replacement-twice",
    );
    check_refused(
        |lab, _| lab.snapshot.body.programs.found[3].digest = Fact::unknown(Reason::Cut, "/usr/bin/runc", ""),
        "copy-not-read",
    );
    check_refused(
        |lab, _| {
            let unit = Fact::Absent { from: "/proc/10/cgroup".to_owned() };
            lab.snapshot.body.services.running[0].unit = unit;
        },
        "no-unit",
    );
    check_refused(
        |lab, _| lab.snapshot.body.services.running[0] = service("kubelet", 10, "database.service"),
        "unit-not-known",
    );
    let space = |free| Place {
        size: Fact::known(9 << 20, "/usr/bin/runc"),
        space: Fact::known(Space { free, size: 1 << 40, free_inodes: None }, "/usr/bin/runc"),
        owner: Fact::default(),
    };
    // The new one twice, and the old one; it is as long as the new one where that can't be told.
    for (path, free) in [(STORE, (30 << 20) - 1), ("/usr/bin/runc", (29 << 20) - 1)] {
        check_refused(|lab, _| drop(lab.site.places.insert(path.to_owned(), space(free))), "no-space");
    }
    check_refused(
        |lab, _| {
            let misc = Controller { hierarchy: 14, num_cgroups: 1, enabled: true };
            lab.snapshot.body.cgroups.controllers =
                Fact::known(BTreeMap::from([("misc".to_owned(), misc)]), "/proc/cgroups");
        },
        "misc-trap",
    );
}

#[test]
fn where_the_kernel_accounts_by_itself_a_runtime_changes_nothing_and_who_asks_is_told() {
    let mut lab = lab(5);
    lab.snapshot.body.kernel.release = Fact::known(RELEASE.to_owned(), "/proc/sys/kernel/osrelease");
    let wish = with(&[replacement("runc", "1.1.15", Class::Ignored)]);
    let plan = lab.plan_for(&Wish { advisory: Some("KM-0001".to_owned()), ..wish });
    assert!(!plan.probation.as_ref().unwrap().reboots);
    assert!(codes(&plan.remarks).contains(&"accounts-always"));
    let container = Check::Container { runtime: "/usr/bin/runc".to_owned(), unaccounted: false };
    assert!(plan.probation.unwrap().health.contains(&container));
    let standing = |remedy: Remedy| {
        plan.ways.iter().find(|way| way.remedy == remedy).map(|way| way.standing.clone()).unwrap()
    };
    assert_eq!(standing(Remedy::NewerRuntime), Standing::Open);
    let Standing::Out { why } = standing(Remedy::RebuiltRuntime) else { panic!() };
    assert_eq!(codes(&why), ["accounts-always"]);
}

#[test]
fn a_swap_that_was_tampered_with_is_caught() {
    let files = [replacement("kubelet", "1.18.20", Class::Off), replacement("runc", "1.1.15", Class::Off)];
    let good = lab(3).plan_for(&with(&files));
    let find =
        |plan: &Plan, is_it: fn(&Act) -> bool| plan.steps.iter().position(|step| is_it(&step.act)).unwrap();
    let stop = |plan: &Plan| find(plan, |act| matches!(act, Act::Unit { active: false, .. }));
    let start = |plan: &Plan| find(plan, |act| matches!(act, Act::Unit { active: true, .. }));
    let keep = |plan: &Plan| find(plan, |act| matches!(act, Act::Keep { .. }));
    let tried = |plan: &Plan| find(plan, |act| matches!(act, Act::Try { .. }));
    let put = |plan: &Plan| find(plan, |act| matches!(act, Act::Program { .. }));
    let swap = |plan: &mut Plan, one: usize, other: usize| plan.steps.swap(one, other);
    let changes: [&dyn Fn(&mut Plan); 16] = [
        &|plan| drop(plan.steps.remove(keep(plan))),
        &|plan| drop(plan.steps.remove(tried(plan))),
        &|plan| drop(plan.steps.remove(start(plan))),
        &|plan| drop(plan.steps.remove(stop(plan))),
        &|plan| swap(plan, stop(plan), start(plan)),
        &|plan| swap(plan, keep(plan), stop(plan)),
        &|plan| swap(plan, tried(plan), stop(plan)),
        &|plan| {
            let at = put(plan);
            plan.steps[at].stage = Stage::Commit;
        },
        &|plan| {
            for step in &mut plan.steps {
                if let Act::Unit { name, .. } = &mut step.act {
                    *name = "sshd.service".to_owned();
                }
            }
        },
        &|plan| {
            let at = put(plan);
            let Act::Program { path, .. } = &mut plan.steps[at].act else { unreachable!() };
            *path = "/usr/bin/../sbin/init".to_owned();
        },
        &|plan| {
            let at = put(plan);
            let Act::Program { after, .. } = &mut plan.steps[at].act else { unreachable!() };
            *after = Digest::of(b"something else");
        },
        &|plan| plan.probation = None,
        &|plan| {
            let runtime = "/bin/sh".to_owned();
            let container = Check::Container { runtime, unaccounted: false };
            plan.probation.as_mut().unwrap().health.push(container);
        },
        &|plan| plan.probation.as_mut().unwrap().health.clear(),
        &|plan| plan.probation.as_mut().unwrap().health_deadline = 0,
        &|plan| plan.steps.retain(|step| step.stage != Stage::Watch),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut plan = good.clone();
        change(&mut plan);
        assert_ne!(check(&plan), [] as [Problem; 0], "change {number} went by");
    }
    for (unit, is_one) in [
        ("kubelet.service", true),
        ("k3s-agent.service", true),
        ("snap.microk8s.daemon-kubelite.service", true),
        ("k3sx.service", false),
        ("kubelet.socket", false),
        ("kubelet-x y.service", false),
        ("sshd.service", false),
        ("", false),
    ] {
        assert_eq!(check::is_runtime_unit(unit), is_one, "{unit}");
    }
}
