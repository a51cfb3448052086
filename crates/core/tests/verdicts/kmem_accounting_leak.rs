//! The rows of `kmem-accounting-leak`: kernel, accounting, dead ids and who switches accounting on.

use kernmend_core::document::Bounds;
use kernmend_core::document::report::Verdict::{Active, Clear, Critical, Exposed, Unknown};
use kernmend_core::document::snapshot::{Class, SlabCaches};
use kernmend_core::slab::SlabCount;

use crate::node::{Node, accounting, at_least, hit, kernel_log, system_log, with};
use crate::{check, check_open, check_signs, judge};

const ADVISORY: &str = "kmem-accounting-leak";

/// CentOS 7.3, whose kernel has no parser for nokmem.
const EL7_3: &str = "3.10.0-514.el7.x86_64";
/// CentOS 7.9, whose kernel has one.
const EL7_9: &str = "3.10.0-1160.el7.x86_64";

const NOKMEM: &str = "ro quiet cgroup.memory=nokmem";

fn el7(release: &str) -> Node {
    Node::unknown().kernel(release).arguments("ro quiet").v1(Bounds::exact(100))
}

/// A node whose accounting is on in all cgroups that were looked at.
fn on(release: &str) -> Node {
    el7(release).accounting(accounting(99, 0, 0))
}

/// A node whose accounting is off in all of them.
fn off(release: &str) -> Node {
    el7(release).accounting(accounting(0, 99, 0))
}

fn dead(count: u64) -> Bounds {
    Bounds::exact(count)
}

fn enospc() -> kernmend_core::document::snapshot::Hit {
    let fields = [("hierarchy", "memory"), ("path", "/sys/fs/cgroup/memory/kubepods/pod1")];
    hit("cgroup-mkdir-enospc", &fields, 3, Some((500, 900)))
}

#[test]
fn kernels_that_are_not_affected_are_clear_whatever_the_state() {
    for release in [
        "4.0.0",
        "4.4.241-1.el7.elrepo.x86_64",
        "4.18.0-305.el8.x86_64",
        "5.10.0-33-amd64",
        "6.1.0-26-amd64",
        "3.7.10",
    ] {
        check(release, &Node::unknown().kernel(release), ADVISORY, Clear);
        check(release, &on(release).dead_ids(dead(40_000)), ADVISORY, Clear);
    }
    check("version 2", &Node::unknown().kernel("6.1.0-26-amd64").v2(63_000, 30_000), ADVISORY, Clear);
    check("hybrid", &on("5.4.0-91-generic").hybrid(), ADVISORY, Clear);
}

#[test]
fn other_kernels_of_3_x_are_affected_where_accounting_is_built_in() {
    for release in ["3.8.0", "3.13.0-24-generic", "3.16.0-4-amd64", "3.19.8"] {
        let node = Node::unknown().kernel(release);
        check(release, &node.clone().option("CONFIG_MEMCG_KMEM", "y"), ADVISORY, Exposed);
        check(release, &node.clone().option("CONFIG_MEMCG_KMEM", "n"), ADVISORY, Clear);
        let open = judge(&node, ADVISORY);
        assert_eq!(open.verdict, Unknown, "{release}");
        let first = &open.undecided[0];
        assert_eq!((first.fact.as_str(), first.could_be), ("kmem_built", Critical), "{release}");
    }
}

#[test]
fn critical_needs_accounting_dead_ids_and_ids_that_run_out_or_a_mkdir_that_failed() {
    // 100 are live.
    for (count, verdict) in [(62_159, Critical), (62_158, Active), (32, Active), (31, Exposed)] {
        check(&format!("{count} dead"), &on(EL7_3).dead_ids(dead(count)), ADVISORY, verdict);
    }
    let mixed = el7(EL7_3).accounting(accounting(1, 98, 0)).dead_ids(dead(62_159));
    check("on in one cgroup", &mixed, ADVISORY, Critical);
    check("off everywhere", &off(EL7_3).dead_ids(dead(62_159)), ADVISORY, Active);
    check("not told", &el7(EL7_3).dead_ids(dead(62_159)), ADVISORY, Active);

    for signal in ["cgroup-mkdir-enospc", "cgroup-mkdir-enomem"] {
        let failed = |hierarchy| {
            let run = hit(signal, &[("hierarchy", hierarchy)], 3, Some((500, 900)));
            on(EL7_3).uptime(86_400).log(with(system_log(), run))
        };
        check(signal, &failed("memory").dead_ids(dead(32)), ADVISORY, Critical);
        check(signal, &failed("memory,hugetlb").dead_ids(dead(32)), ADVISORY, Critical);
        check(signal, &failed("memory").dead_ids(dead(31)), ADVISORY, Exposed);
        check(signal, &failed("cpuset").dead_ids(dead(32)), ADVISORY, Active);
        check(signal, &failed("unified").dead_ids(dead(32)), ADVISORY, Active);
        let no_memory_named = hit(signal, &[("path", "/system.slice/a.service")], 1, Some((500, 500)));
        let node = on(EL7_3).uptime(86_400).dead_ids(dead(32)).log(with(system_log(), no_memory_named));
        check(signal, &node, ADVISORY, Active);
    }
}

#[test]
fn a_mkdir_that_failed_before_the_boot_does_not_count() {
    let before = hit("cgroup-mkdir-enospc", &[("hierarchy", "memory")], 3, Some((-500, -90)));
    let node = on(EL7_3).uptime(86_400).dead_ids(dead(40)).log(with(system_log(), before));
    check("before", &node, ADVISORY, Active);
    let after = hit("cgroup-mkdir-enospc", &[("hierarchy", "memory")], 3, Some((-500, 0)));
    let node = on(EL7_3).uptime(86_400).dead_ids(dead(40)).log(with(system_log(), after));
    check("until after", &node, ADVISORY, Critical);
}

#[test]
fn thirty_two_dead_ids_are_a_leak_whatever_the_accounting_says_now() {
    for (row, node) in [("on", on(EL7_9)), ("off", off(EL7_9)), ("not told", el7(EL7_9))] {
        check(row, &node.clone().dead_ids(dead(32)), ADVISORY, Active);
        check(row, &node.dead_ids(dead(31)), ADVISORY, Exposed);
    }
}

#[test]
fn fewer_dead_ids_are_shown_and_can_be_transient() {
    let signs = |count| {
        let found = judge(&on(EL7_3).dead_ids(dead(count)), ADVISORY);
        found.evidence.into_iter().map(|evidence| evidence.sign).collect::<Vec<_>>()
    };
    assert_eq!(signs(0), ["accounting-on"]);
    assert_eq!(signs(1), ["few-dead-ids", "accounting-on"]);
    assert_eq!(signs(31), ["few-dead-ids", "accounting-on"]);
    assert_eq!(signs(32), ["dead-ids", "accounting-on"]);
}

#[test]
fn a_peak_in_the_past_is_no_leak() {
    let entries: Vec<String> = (1..=5_000).map(|id| format!("dentry({id}:pod{id})")).collect();
    let names: Vec<String> = (1..=5_000).map(|id| format!("pod{id}")).collect();
    let mut count = SlabCount::new(entries.iter().map(String::as_str), 5_000, None);
    names.iter().for_each(|name| count.live(name, Some(())));
    let caches = count.finish(0);
    assert_eq!((caches.highest_id, caches.dead_ids), (Some(5_000), dead(0)));
    let node = Node::unknown().kernel(EL7_3).v1(Bounds::exact(5_001)).accounting(accounting(1_024, 0, 0));
    check_signs("5,000 live", &node.slab(caches), ADVISORY, Exposed, &["accounting-on"]);
}

#[test]
fn a_name_that_lives_again_without_accounting_leaves_its_old_id_dead() {
    let entries: Vec<String> = (1..=32).map(|id| format!("dentry({id}:pod{id})")).collect();
    let count = |accounted: &[&str]| -> SlabCaches {
        let mut count = SlabCount::new(entries.iter().map(String::as_str), 32, None);
        // A live cgroup whose accounting is off isn't noted at all.
        accounted.iter().for_each(|name| count.live(name, Some(())));
        count.finish(0)
    };
    check("all live again, off", &off(EL7_3).slab(count(&[])), ADVISORY, Active);
    check("one of them on", &on(EL7_3).slab(count(&["pod7"])), ADVISORY, Exposed);
}

#[test]
fn off_everywhere_is_clear_only_where_nothing_can_switch_it_on() {
    let node = |release: &str| off(release).dead_ids(dead(0));
    let runc = "/usr/bin/runc";
    let kubelet = "/usr/bin/kubelet";
    check("no runtime", &node(EL7_3).all_programs(), ADVISORY, Clear);
    for class in [Class::Off, Class::Ignored, Class::NotLibcontainer] {
        check("off", &node(EL7_3).program(runc, class).all_programs(), ADVISORY, Clear);
    }
    for class in [Class::On, Class::OnDemand, Class::Unknown] {
        let mixed = node(EL7_3).program(kubelet, Class::Off).program(runc, class).all_programs();
        check("one that may", &mixed, ADVISORY, Exposed);
    }
    check("not all were looked at", &node(EL7_3).program(runc, Class::Off), ADVISORY, Exposed);
    check("a few dead ids can be transient", &off(EL7_3).dead_ids(dead(31)).all_programs(), ADVISORY, Clear);

    let unseen =
        kernmend_core::document::snapshot::AccountingCounts { not_looked_at: 1, ..accounting(0, 1_024, 0) };
    let sampled = node(EL7_3).accounting(unseen).all_programs();
    check("one cgroup was not looked at", &sampled, ADVISORY, Exposed);
}

#[test]
fn off_everywhere_is_not_clear_while_ids_may_be_dead() {
    let node = off(EL7_3).all_programs();
    check_open("no slab", &node, ADVISORY, Unknown, &[("dead_ids", Active)]);
    let cut = Bounds { at_least: 0, at_most: Some(32) };
    check_open("a cut listing", &node.clone().dead_ids(cut), ADVISORY, Unknown, &[("dead_ids", Active)]);
    let bounded = Bounds { at_least: 0, at_most: Some(31) };
    check("bounds below the mark", &node.dead_ids(bounded), ADVISORY, Clear);
}

#[test]
fn accounting_that_is_not_told_leaves_an_affected_kernel_exposed() {
    check_open(
        "the kernel alone",
        &Node::unknown().kernel(EL7_3),
        ADVISORY,
        Exposed,
        &[
            ("accounting_on", Critical),
            ("live_cgroups", Critical),
            ("dead_ids", Critical),
            ("cgroup-mkdir-enomem", Critical),
            ("cgroup-mkdir-enospc", Critical),
        ],
    );
    check("no memory controller", &Node::unknown().kernel(EL7_3).no_memory_controller(), ADVISORY, Exposed);
    let silent = el7(EL7_3).accounting(accounting(0, 0, 99)).dead_ids(dead(0)).all_programs();
    check("silence is no answer on 3.10", &silent, ADVISORY, Exposed);
}

#[test]
fn a_kernel_that_is_not_known_is_judged_by_its_caches_alone() {
    let node = Node::unknown().v1(Bounds::exact(100));
    let on = node.clone().accounting(accounting(99, 0, 0));
    check("32 dead, on", &on.clone().dead_ids(dead(32)), ADVISORY, Active);
    check("31 dead, on", &on.dead_ids(dead(31)), ADVISORY, Unknown);
    let off = node.clone().accounting(accounting(0, 99, 0));
    check("32 dead, off", &off.dead_ids(dead(32)), ADVISORY, Unknown);
    check("32 dead, not told", &node.dead_ids(dead(32)), ADVISORY, Unknown);
    check("version 2", &Node::unknown().v2(100, 0), ADVISORY, Unknown);
}

#[test]
fn nokmem_counts_where_the_kernel_has_a_parser_for_it() {
    let given = |node: Node| node.arguments(NOKMEM).dead_ids(dead(0));
    check_signs("with parser", &given(off(EL7_9)), ADVISORY, Clear, &["nokmem-in-force"]);
    check("the first kernel with it", &given(off("3.10.0-1062.4.1.el7.x86_64")), ADVISORY, Clear);
    check("the last one without", &given(off("3.10.0-1062.1.2.el7.x86_64")), ADVISORY, Exposed);
    check_signs(
        "without parser, off",
        &given(off(EL7_3)),
        ADVISORY,
        Exposed,
        &["accounting-off", "switchers-not-told", "nokmem-ignored"],
    );
    check_signs(
        "without parser, on",
        &given(on(EL7_3)),
        ADVISORY,
        Exposed,
        &["accounting-on", "nokmem-ignored"],
    );
    let other = off(EL7_9).arguments("cgroup.memory=nosocket").dead_ids(dead(0));
    check("another word of the same argument", &other, ADVISORY, Exposed);
    let both = off(EL7_9).arguments("cgroup.memory=nosocket,nokmem").dead_ids(dead(0));
    check("two words", &both, ADVISORY, Clear);
    check("accounting is not told", &given(el7(EL7_9)), ADVISORY, Exposed);
    check("on in spite of it", &given(on(EL7_9)), ADVISORY, Exposed);
}

#[test]
fn where_it_is_not_known_whether_there_is_a_parser_the_state_decides() {
    // The release of a rebuilt kernel doesn't tell from which EL7 it was built.
    let given = |node: Node| node.arguments(NOKMEM).dead_ids(dead(0));
    check("off", &given(off("3.10.0")), ADVISORY, Clear);
    check_signs("on", &given(on("3.10.0")), ADVISORY, Exposed, &["accounting-on", "nokmem-ignored"]);
    let silent = given(el7("3.10.0").accounting(accounting(0, 0, 99)));
    check("silent", &silent, ADVISORY, Exposed);
}

#[test]
fn arguments_that_are_not_known_leave_the_state_to_decide() {
    let node = Node::unknown().kernel(EL7_9).v1(Bounds::exact(100)).accounting(accounting(0, 99, 0));
    check("off", &node.clone().dead_ids(dead(0)), ADVISORY, Exposed);
    check("off, no runtime", &node.dead_ids(dead(0)).all_programs(), ADVISORY, Clear);
}

#[test]
fn a_cut_listing_raises_and_never_lowers() {
    let cut = |least, most| on(EL7_3).dead_ids(Bounds { at_least: least, at_most: Some(most) });
    let mkdirs = [("cgroup-mkdir-enomem", Critical), ("cgroup-mkdir-enospc", Critical)];
    let few = [&mkdirs[..], &[("dead_ids", Critical), ("used_ids", Critical)]].concat();
    check_open("few seen", &cut(10, 90_000), ADVISORY, Exposed, &few);
    let leak = [&mkdirs[..], &[("used_ids", Critical)]].concat();
    check_open("a leak seen", &cut(32, 90_000), ADVISORY, Active, &leak);
    check("nearly all seen", &cut(62_159, 90_000), ADVISORY, Critical);
    let unbounded = on(EL7_3).dead_ids(at_least(32));
    check("no bound above", &unbounded, ADVISORY, Active);
}

#[test]
fn what_could_make_a_leak_critical_is_named() {
    let node = on(EL7_3).dead_ids(dead(40)).uptime(86_400);
    check_open(
        "no log",
        &node,
        ADVISORY,
        Active,
        &[("cgroup-mkdir-enomem", Critical), ("cgroup-mkdir-enospc", Critical)],
    );
    let covered = kernel_log();
    let mut system = system_log();
    system.covers_boot = covered.covers_boot;
    check_open("a log since boot", &node.log(system), ADVISORY, Active, &[]);
}

#[test]
fn who_switches_it_on_is_told() {
    let node =
        on(EL7_3).dead_ids(dead(0)).program("/usr/bin/runc", Class::On).program("/usr/bin/crun", Class::Off);
    let found = judge(&node, ADVISORY);
    let by = found.evidence.iter().find(|evidence| evidence.sign == "switched-on-by").expect("it holds");
    assert_eq!(by.text, "runc 1.0.0, built with accounting");
    assert_eq!(by.from, ["/usr/bin/runc"]);
}

#[test]
fn the_forecast_is_an_average_since_boot() {
    // 1,000 ids in ten days: 100 a day; 64,435 are left for 644 days.
    let node = on(EL7_3).dead_ids(dead(1_000)).uptime(864_000);
    let found = judge(&node, ADVISORY);
    let forecast = found.evidence.iter().find(|evidence| evidence.sign == "leak-forecast").expect("it holds");
    assert_eq!(forecast.values["leak_rate"], "100");
    assert_eq!(forecast.values["exhaustion_date"], "2025-08-30");
    let mut undated = node;
    undated.snapshot.collected_at = Node::unknown().snapshot.collected_at;
    let shown = judge(&undated, ADVISORY).evidence;
    assert!(shown.iter().all(|evidence| evidence.sign != "leak-forecast"), "no clock: {shown:#?}");
    let cut = on(EL7_3).dead_ids(at_least(1_000)).uptime(864_000);
    let shown = judge(&cut, ADVISORY).evidence;
    assert!(shown.iter().all(|evidence| evidence.sign != "leak-forecast"), "bounds give no date: {shown:#?}");
}

#[test]
fn with_nothing_but_a_log_the_leak_is_named_as_a_candidate() {
    let log = |run| Node::unknown().log(with(system_log(), run));
    check_signs("a mkdir", &log(enospc()), ADVISORY, Unknown, &["mkdir-enospc"]);
    let enomem = hit("cgroup-mkdir-enomem", &[("hierarchy", "memory")], 1, None);
    check_signs("a mkdir without a time", &log(enomem), ADVISORY, Unknown, &["mkdir-enomem"]);
    let of_a_cgroup = [
        ("cache", "dentry"),
        ("memcg", "7"),
        ("cgroup", "pod1"),
        ("owner", "container"),
        ("wording", "plain"),
    ];
    let slub = hit("slub-failure", &of_a_cgroup, 4, Some((500, 600)));
    check_signs("SLUB", &log(slub.clone()), ADVISORY, Unknown, &["slub-failures"]);
    let kernel = Node::unknown().log(with(kernel_log(), slub));
    check_signs("SLUB in the kernel's own log", &kernel, ADVISORY, Unknown, &["slub-failures"]);
}

#[test]
fn other_lines_do_not_name_the_leak() {
    for (row, run) in [
        ("SLUB without a cgroup", hit("slub-failure", &[("cache", "dentry"), ("memcg", "none")], 9, None)),
        (
            "SLUB in the wording of 4.6",
            hit("slub-failure", &[("owner", "container"), ("wording", "named")], 9, None),
        ),
        ("SLUB of no container", hit("slub-failure", &[("owner", "other"), ("wording", "plain")], 9, None)),
        ("SLUB without a cache", hit("slub-failure", &[("gfp", "0xd0")], 9, None)),
        ("another hierarchy", hit("cgroup-mkdir-enospc", &[("hierarchy", "pids")], 9, None)),
        ("version 2", hit("cgroup-mkdir-enospc", &[("hierarchy", "unified")], 9, None)),
        ("no hierarchy named", hit("cgroup-mkdir-enomem", &[("path", "/system.slice/a")], 9, None)),
        ("an OOM kill", hit("memcg-oom", &[("memcg", "/kubepods/pod1")], 9, None)),
        ("a page allocation failure", hit("page-allocation-failure", &[("order", "4")], 9, None)),
        ("a full disk", hit("disk-full", &[("path", "/var/lib/a")], 9, None)),
    ] {
        check_signs(row, &Node::unknown().log(with(system_log(), run)), ADVISORY, Unknown, &[]);
    }
}

#[test]
fn of_many_runs_the_last_is_shown() {
    let run = |cache, span| {
        let fields = [
            ("cache", cache),
            ("memcg", "7"),
            ("cgroup", "pod1"),
            ("owner", "container"),
            ("wording", "plain"),
        ];
        hit("slub-failure", &fields, 1, Some(span))
    };
    let log = with(with(system_log(), run("dentry", (500, 900))), run("kmalloc-64", (950, 960)));
    let node = on(EL7_3).dead_ids(dead(0)).uptime(1_000).log(with(log, run("inode_cache", (600, 700))));
    let found = judge(&node, ADVISORY).evidence;
    let shown = found.iter().find(|evidence| evidence.sign == "slub-failures").expect("it holds");
    assert_eq!((shown.values["cache"].as_str(), shown.values["ago"].as_str()), ("kmalloc-64", "40"));
}

#[test]
fn many_live_cgroups_of_another_kernel_are_no_evidence_of_the_leak() {
    let node = Node::unknown().kernel("6.1.0-26-amd64").v2(63_000, 0);
    check_signs("version 2", &node, ADVISORY, Clear, &["not-affected"]);
}
