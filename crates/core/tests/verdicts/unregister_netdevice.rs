//! The rows of `unregister-netdevice`: episodes by length and end, tasks that are stuck, and what the log covers.

use kernmend_core::document::report::Verdict::{Active, Clear, Critical, Exposed, Unknown};
use kernmend_core::document::snapshot::Hit;
use kernmend_core::document::{Fact, Reason};

use crate::node::{Node, hit, kernel_log, system_log, with};
use crate::{check, check_open, check_signs, judge};

const ADVISORY: &str = "unregister-netdevice";
const OLD: &str = "3.10.0-693.el7.x86_64";
const NEW: &str = "5.10.0-33-amd64";

/// The moment of collection of all nodes here, in seconds since boot.
const NOW: u32 = 100_000;

fn node(release: &str) -> Node {
    Node::unknown().kernel(release).uptime(NOW).no_stuck_tasks()
}

/// Lines for one device over `duration` seconds, the last one `ago` seconds before the collection.
fn episode(duration: i64, ago: i64) -> Hit {
    let last = i64::from(NOW) - ago;
    let lines = u64::try_from(duration / 10 + 1).expect("not below 0");
    hit("unregister-netdevice", &[("device", "lo"), ("count", "1")], lines, Some((last - duration, last)))
}

fn seen(release: &str, run: Hit) -> Node {
    node(release).log(with(kernel_log(), run))
}

#[test]
fn an_episode_of_a_minute_that_goes_on_is_critical_on_every_kernel() {
    for release in [OLD, NEW] {
        for (duration, ago, verdict) in [
            (60, 30, Critical),
            (60, 0, Critical),
            (86_400, 5, Critical),
            (59, 30, Exposed),
            (60, 31, Active),
        ] {
            let row = format!("{release}: {duration} s, {ago} s ago");
            check(&row, &seen(release, episode(duration, ago)), ADVISORY, verdict);
        }
    }
}

#[test]
fn an_episode_that_ended_is_active_for_an_hour() {
    for (ago, verdict) in [(31, Active), (3_600, Active), (3_601, Exposed), (90_000, Exposed)] {
        check(&format!("{ago} s ago"), &seen(NEW, episode(600, ago)), ADVISORY, verdict);
    }
}

#[test]
fn short_episodes_are_exposed_however_late_they_are() {
    for (duration, ago) in [(59, 0), (0, 0), (20, 31), (50, 7_000)] {
        for release in [OLD, NEW] {
            let row = format!("{release}: {duration} s, {ago} s ago");
            check_signs(
                &row,
                &seen(release, episode(duration, ago)),
                ADVISORY,
                Exposed,
                if release == OLD { &["transient-wait", "old-kernel"] } else { &["transient-wait"] },
            );
        }
    }
}

#[test]
fn the_worst_of_several_episodes_decides() {
    let log = with(with(kernel_log(), episode(600, 50_000)), episode(20, 10));
    check("a long one that ended, a short one now", &node(NEW).log(log), ADVISORY, Exposed);
    let log = with(with(kernel_log(), episode(20, 10)), episode(600, 3_000));
    check("a long one lately", &node(NEW).log(log), ADVISORY, Active);
    let log = with(with(kernel_log(), episode(600, 3_000)), episode(61, 9));
    check("a long one now", &node(NEW).log(log), ADVISORY, Critical);
}

#[test]
fn stuck_tasks_count_together_with_a_line() {
    let stuck = |seconds| node(NEW).stuck(seconds);
    let line = || with(kernel_log(), episode(0, 9_000));
    let signs = ["tasks-stuck", "wait-beside-stuck-tasks"];
    check_signs("60 s and a line", &stuck(Some(60)).log(line()), ADVISORY, Critical, &signs);
    check("59 s and a line", &stuck(Some(59)).log(line()), ADVISORY, Exposed);
    check_open(
        "not timed, and a line",
        &stuck(None).log(line()),
        ADVISORY,
        Exposed,
        &[("stuck_netns_seconds", Critical)],
    );
    check_signs("not timed", &stuck(None).log(line()), ADVISORY, Exposed, &["transient-wait"]);
    check("60 s, no line", &stuck(Some(60)).log(kernel_log()), ADVISORY, Clear);
    let old = with(kernel_log(), episode(0, i64::from(NOW) + 50));
    check("60 s, a line before the boot", &stuck(Some(60)).log(old), ADVISORY, Clear);
}

#[test]
fn without_a_line_the_kernel_decides_where_the_log_covers_the_boot() {
    for (release, verdict) in [
        (OLD, Exposed),
        ("4.16.18", Exposed),
        ("4.17.0", Clear),
        ("4.18.0-305.el8.x86_64", Clear),
        (NEW, Clear),
    ] {
        check(release, &node(release).log(kernel_log()), ADVISORY, verdict);
    }
    let of_another_boot = with(kernel_log(), episode(600, i64::from(NOW) + 1));
    check("lines before the boot", &node(NEW).log(of_another_boot), ADVISORY, Clear);
}

#[test]
fn a_log_that_is_missing_or_does_not_cover_the_boot_clears_nothing() {
    let mut late = kernel_log();
    late.covers_boot = Fact::known(false, "/var/log/kern.log");
    late.cut = true;
    for (row, log) in [("late", Some(late)), ("not told", Some(system_log())), ("none", None)] {
        let with_log = |release| log.clone().into_iter().fold(node(release), Node::log);
        for (release, verdict) in
            [("4.16.18", Exposed), ("4.17.0", Unknown), ("4.18.0-305.el8.x86_64", Unknown)]
        {
            let open = [("unregister-netdevice", Critical)];
            check_open(&format!("{row}: {release}"), &with_log(release), ADVISORY, verdict, &open);
        }
    }
    let mut late = kernel_log();
    late.covers_boot = Fact::known(false, "/var/log/kern.log");
    let open = judge(&node(NEW).log(late), ADVISORY).undecided;
    assert_eq!(open[0].why.reason, Reason::Cut, "a part of the log is there");
    check("no kernel", &Node::unknown().uptime(NOW).log(kernel_log()), ADVISORY, Unknown);
}

#[test]
fn with_nothing_but_a_log_its_last_line_is_the_moment() {
    let log = |run: Hit, later: i64| {
        let mut log = with(system_log(), run);
        let end = hit("", &[], 1, Some((0, i64::from(NOW) + later)));
        log.last = end.last;
        Node::unknown().log(log)
    };
    for (duration, later, verdict) in [
        (60, 0, Critical),
        (60, 30, Critical),
        (60, 31, Active),
        (60, 3_600, Active),
        (60, 3_601, Exposed),
        (59, 0, Exposed),
        (10, 0, Exposed),
        (0, 0, Unknown),
    ] {
        let row = format!("{duration} s, the log goes on for {later} s");
        check(&row, &log(episode(duration, 0), later), ADVISORY, verdict);
    }
}

#[test]
fn lines_without_a_time_are_seen_and_not_timed() {
    let run = |lines| hit("unregister-netdevice", &[("device", "lo")], lines, None);
    check("of an old kernel", &node(OLD).log(with(kernel_log(), run(40))), ADVISORY, Exposed);
    check("two of an unknown node", &Node::unknown().log(with(system_log(), run(2))), ADVISORY, Exposed);
    check("one of an unknown node", &Node::unknown().log(with(system_log(), run(1))), ADVISORY, Unknown);
}
