//! Tests of the scanner as a whole: what is found in lines of every shape, and that neither chunks nor odd bytes
//! change it.

use jiff::tz::{Offset, TimeZone};
use proptest::prelude::*;

use super::*;
use crate::knowledge::KnowledgeBase;

fn set() -> &'static SignalSet {
    static SET: std::sync::OnceLock<SignalSet> = std::sync::OnceLock::new();
    SET.get_or_init(|| KnowledgeBase::embedded().signals)
}

fn unix(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

fn scan_chunks<'c>(set: &SignalSet, clock: Clock, chunks: impl IntoIterator<Item = &'c [u8]>) -> Scan {
    let mut scanner = Scanner::new(set, clock);
    chunks.into_iter().for_each(|chunk| scanner.push(chunk));
    scanner.finish()
}

fn scan(text: &str) -> Scan {
    scan_chunks(set(), Clock::default(), [text.as_bytes()])
}

/// `signal field=value … xCOUNT`, one for each hit.
fn show(scan: &Scan) -> Vec<String> {
    scan.hits
        .iter()
        .map(|hit| {
            let fields: String = hit.fields.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            format!("{}{fields} x{}", hit.signal, hit.count)
        })
        .collect()
}

#[test]
fn the_stamp_of_every_prefix_is_read() {
    let clock = Clock {
        booted_at_unix_ms: None,
        collected_at_unix_ms: Some(unix("2026-03-01T00:00:00Z")),
        zone: TimeZone::fixed(Offset::from_hours(1).unwrap()),
    };
    let set = set();
    let check = |before: &str, uptime_ms: Option<i64>, calendar: Option<&str>| {
        let line = format!("{before}unregister_netdevice: waiting for lo to become free. Usage count = 1\n");
        let scan = scan_chunks(set, clock.clone(), [line.as_bytes()]);
        assert_eq!(scan.hits.len(), 1, "{before}");
        let moment = scan.hits[0].first.unwrap_or(Moment { uptime_ms: None, unix_ms: None });
        assert_eq!((moment.uptime_ms, moment.unix_ms), (uptime_ms, calendar.map(unix)), "{before}");
    };
    let kernel = Some(12_345_678);
    check("", None, None);
    check("[12345.678901] ", kernel, None);
    check("[    5.678901] ", Some(5_678), None);
    check("<6>[12345.678901] ", kernel, None);
    check("kern  :info  : [12345.678901] ", kernel, None);
    check("[12345.678901][ T1280] ", kernel, None);
    check("[12345.678901] node-1 kernel: ", kernel, None);
    check("6,1234,12345678901,-;", kernel, None);
    check("6,1234,12345678901,-,caller=T1280;", kernel, None);
    check("Nov 24 07:51:29 node-1 kernel: ", None, Some("2025-11-24T06:51:29Z"));
    check("Feb  1 07:51:29 node-1 kernel: [12345.678901] ", kernel, Some("2026-02-01T06:51:29Z"));
    check("Feb  1 07:51:29 node-1 kernel:[12345.678901] ", kernel, Some("2026-02-01T06:51:29Z"));
    check("Feb 01 07:51:29.250 node-1 kernel: ", None, Some("2026-02-01T06:51:29.250Z"));
    check("<4>Feb  1 07:51:29 node-1 kernel: ", None, Some("2026-02-01T06:51:29Z"));
    check("Feb  1 2024 07:51:29 node-1 kernel: ", None, Some("2024-02-01T06:51:29Z"));
    check("2025-11-24T07:51:29.123456+02:00 node-1 kernel: ", None, Some("2025-11-24T05:51:29.123Z"));
    check("2025-11-24T07:51:29+0200 node-1 kernel: ", None, Some("2025-11-24T05:51:29Z"));
    check("2025-11-24T07:51:29,123456+02:00 ", None, Some("2025-11-24T05:51:29.123Z"));
    check("2025-11-24 07:51:29 ", None, Some("2025-11-24T06:51:29Z"));
    check("2025/11/24 07:51:29 ", None, Some("2025-11-24T06:51:29Z"));
    check("<14>1 2025-11-24T07:51:29Z node-1 kernel - - - ", None, Some("2025-11-24T07:51:29Z"));
    check("Mon 2025-11-24 07:51:29 CET node-1 kernel: ", None, Some("2025-11-24T06:51:29Z"));
    check("Mon 2025-11-24 07:51:29 UTC node-1 kernel: ", None, Some("2025-11-24T07:51:29Z"));
    check("1763970689.123456 node-1 kernel: ", None, Some("2025-11-24T07:51:29.123Z"));
    check("[Mon Nov 24 07:51:29 2025] ", None, Some("2025-11-24T06:51:29Z"));
    check("[Mo Nov 24 07:51:29 2025] ", None, Some("2025-11-24T06:51:29Z"));
    check("[Do Mär 13 07:51:29 2025] ", None, Some("2025-03-13T06:51:29Z"));
    check("[一 11月 24 07:51:29 2025] ", None, Some("2025-11-24T06:51:29Z"));
    check("[lun. déc.  1 07:51:29 2025] ", None, Some("2025-12-01T06:51:29Z"));
    check("[Xyz Qrs 24 07:51:29 2025] ", None, None);
    check("E1124 07:51:29.123456   12345 dev.go:123] ", None, Some("2025-11-24T06:51:29.123Z"));
    check("2025-11-24T07:51:29.123456789Z stderr F ", None, Some("2025-11-24T07:51:29.123Z"));
    check(
        "2025-11-24T07:51:29.5Z stderr F E1124 08:51:29.1 1 dev.go:1] ",
        None,
        Some("2025-11-24T07:51:29.500Z"),
    );
    check("time=\"2025-11-24T07:51:29Z\" level=error msg=\"", None, Some("2025-11-24T07:51:29Z"));
    check(
        "Feb  1 07:51:29 n dockerd[7]: time=\"2026-02-01T06:51:29.5Z\" level=info msg=\"",
        None,
        Some("2026-02-01T06:51:29Z"),
    );
    check("{\"time\":\"2025-11-24T07:51:29Z\",\"log\":\"", None, Some("2025-11-24T07:51:29Z"));
    check(
        "{\"__REALTIME_TIMESTAMP\":\"1763970689123456\",\"MESSAGE\":\"",
        None,
        Some("2025-11-24T07:51:29.123Z"),
    );
    check("> [12345.678901] ", kernel, None);
    check("14:58:45 kernel: ", None, None);
    check("[...] ", None, None);
    check("[ +10.395966] ", None, None);
    check("[99999999999999999999.678901] ", None, None);
    check("Feb 31 07:51:29 node-1 kernel: ", None, None);
    check("1999-99-99T99:99:99Z ", None, None);
}

#[test]
fn docker_stamps_stand_behind_the_text() {
    let scan = scan(concat!(
        r#"{"log":"unregister_netdevice: waiting for lo to become free. Usage count = 1\n","stream":"stderr","#,
        r#""time":"2025-11-24T07:51:29.5Z"}"#
    ));
    assert_eq!(scan.hits[0].first.unwrap().unix_ms, Some(unix("2025-11-24T07:51:29.500Z")));
}

#[test]
fn an_episode_is_one_run_and_a_pause_ends_it() {
    let line = |seconds: u32, device: &str| {
        format!(
            "[{seconds:5}.000000] unregister_netdevice: waiting for {device} to become free. Usage count = 1\n"
        )
    };
    let log: String = [10, 20, 30, 40]
        .map(|s| line(s, "lo"))
        .into_iter()
        .chain([line(45, "eth0"), line(300, "lo")])
        .collect();
    let scan = scan(&log);
    assert_eq!(
        show(&scan),
        [
            "unregister-netdevice count=1 device=lo x4",
            "unregister-netdevice count=1 device=eth0 x1",
            "unregister-netdevice count=1 device=lo x1",
        ]
    );
    let times = (scan.hits[0].first.unwrap().uptime_ms, scan.hits[0].last.unwrap().uptime_ms);
    assert_eq!(times, (Some(10_000), Some(40_000)));
    assert_eq!((scan.first.unwrap().uptime_ms, scan.last.unwrap().uptime_ms), (Some(10_000), Some(300_000)));
}

#[test]
fn a_boot_ends_all_runs() {
    let hung = "INFO: task dd:7 blocked for more than 120 seconds.\n";
    let banner = "Linux version 4.19.0 (builder@host) (gcc) #1 SMP\n";
    let check = |log: &str, starts_at_boot: bool, runs: usize| {
        let scan = scan(log);
        assert_eq!((scan.starts_at_boot, scan.hits.len()), (starts_at_boot, runs), "{log}");
    };
    check(&format!("[  900.0] {hung}[    0.000000] {banner}[  950.0] {hung}"), true, 2);
    check(&format!("[  900.0] {hung}[  950.0] {hung}"), false, 1);
    check(&format!("[    0.000000] microcode\n[  950.0] {hung}"), true, 1);
    check(&format!("Nov 24 07:51:29 node-1 kernel: {banner}"), true, 0);
    check("Nov 24 07:51:29 node-1 agent: saw Linux version 4.19.0\n", false, 0);
}

#[test]
fn continuations_are_those_of_the_same_speaker() {
    let slub = "kernel: SLUB: Unable to allocate memory on node -1 (gfp=0xd0)\n";
    let cache = |name: &str| format!("kernel:   cache: {name}, object size: 192, buffer size: 192\n");
    let check = |log: String, expected: &[&str]| assert_eq!(show(&scan(&log)), expected, "{log}");
    check(
        format!("{slub}{slub}{}{}", cache("a(1:x)"), cache("b")),
        &[
            "slub-failure cache=a cgroup=x gfp=0xd0 memcg=1 owner=other wording=plain x1",
            "slub-failure cache=b gfp=0xd0 memcg=none wording=plain x1",
        ],
    );
    check(
        format!("{slub}Nov 24 07:51:29 n other:   cache: b, object size: 1\n{}", cache("a(1:x)")),
        &["slub-failure cache=a cgroup=x gfp=0xd0 memcg=1 owner=other wording=plain x1"],
    );
    check(
        format!("{slub}{}{}", "kernel: -\n".repeat(9), cache("a")),
        &["slub-failure gfp=0xd0 wording=plain x1"],
    );
    check(cache("a"), &[]);
}

#[test]
fn wrapped_and_glued_messages_are_found() {
    let check = |log: &str, expected: &[&str]| assert_eq!(show(&scan(log)), expected, "{log}");
    check(
        "[1.0] INFO: task dd:7 blocked\nfor more than 120\nseconds.",
        &["hung-task pid=7 seconds=120 task=dd x1"],
    );
    check(
        "[1.0] INFO: task dd:7\n  blocked for more than 120 seconds.",
        &["hung-task pid=7 seconds=120 task=dd x1"],
    );
    check("[1.0] INFO: task dd:7\n[2.0] blocked for more than 120 seconds.", &[]);
    check(
        "[1.0] INFO: task a:7 blocked for more than 120 seconds.[2.0] INFO: task b:8 blocked for more than 120 seconds.",
        &["hung-task pid=7 seconds=120 task=a x1", "hung-task pid=8 seconds=120 task=b x1"],
    );
    check("mkdir /sys/fs/cgroup/memory/a\nunrelated: no space left on device", &[]);
}

#[test]
fn lines_that_say_it_twice_count_once() {
    let error = "mkdir /sys/fs/cgroup/memory/a: no space left on device";
    assert_eq!(
        show(&scan(&format!("{error}, skipping: {error}\n{error}\n"))),
        ["cgroup-mkdir-enospc hierarchy=memory path=/sys/fs/cgroup/memory/a wording=other x2"]
    );
}

#[test]
fn long_lines_are_cut_and_counted() {
    let hung = "INFO: task dd:7 blocked for more than 120 seconds.";
    let long =
        format!("[7.5] {}{hung}{}\n[8.5] {hung}\n", "x".repeat(3 * LINE_MAX + 7), "y".repeat(LINE_MAX));
    let scan = scan(&long);
    assert_eq!((scan.lines, scan.cut_lines), (2, 1));
    assert_eq!(show(&scan), ["hung-task pid=7 seconds=120 task=dd x2"]);
    assert_eq!(scan.hits[0].first.unwrap().uptime_ms, Some(7500), "a piece has the moment of its line");
}

#[test]
fn memory_stays_bounded() {
    let set = set();
    let mut scanner = Scanner::new(set, Clock::default());
    let junk = vec![b'z'; 1 << 20];
    for _ in 0..30 {
        scanner.push(&junk);
        assert!(scanner.carry.capacity() <= 2 * LINE_MAX && scanner.tail.capacity() <= 8 * TAIL);
    }
    scanner.push(b"\n");
    for number in 0..20_000 {
        let line = format!("INFO: task t{number}:7 blocked for more than 1 seconds.\n");
        scanner.push(line.as_bytes());
    }
    let scan = scanner.finish();
    assert_eq!((scan.hits.len(), scan.dropped_hits), (256, 20_000 - 256));
}

#[test]
fn what_follows_a_line_that_was_cut_has_a_moment_of_its_own() {
    let set = set();
    let long = format!("[12.5] {}\n", "x".repeat(LINE_MAX));
    let log = long + "unregister_netdevice: waiting for lo to become free. Usage count = 1\n";
    let (before, after) = log.split_at(LINE_MAX + 7);
    for chunks in [vec![log.as_bytes()], vec![before.as_bytes(), after.as_bytes()]] {
        let scan = scan_chunks(set, Clock::default(), chunks);
        assert_eq!((scan.hits.len(), scan.hits[0].first), (1, None));
    }
}

#[test]
fn samples_are_short_and_hold_no_control_characters() {
    let scan = scan("INFO: task a\u{1b}]0;title\u{7}b:7 blocked for more than 120 seconds.\n");
    assert_eq!(scan.hits.len(), 1);
    assert!(scan.hits[0].sample.chars().all(|c| !c.is_control()), "{}", scan.hits[0].sample);
    assert!(scan.hits[0].fields.values().all(|value| value.chars().all(|c| !c.is_control())));
}

/// What is wrong with the bytes around it hides no signal, and nothing of it gets into what is told.
#[test]
fn bad_bytes_hide_nothing_and_get_nowhere() {
    let hung = "INFO: task dd:7 blocked for more than 120 seconds.";
    let binary: Vec<u8> = (0..=255_u8).cycle().take(100_000).collect();
    let deep = format!("{}{}", "[".repeat(9000), "(".repeat(9000));
    let logs: [(&str, Vec<u8>); 9] = [
        ("binary", [&binary, b"\n".as_slice(), hung.as_bytes(), b"\n", &binary].concat()),
        ("NUL bytes", format!("\0\0\0\n\0{hung}\0\0\n\0").into_bytes()),
        ("carriage returns", format!("\r\n{hung}\r\n\r\r\n").into_bytes()),
        ("no last newline", hung.as_bytes().to_vec()),
        ("a mark of UTF-8", format!("\u{feff}{hung}\n").into_bytes()),
        ("terminal", format!("\u{1b}]0;t\u{7}\u{1b}[1;31m{hung}\u{1b}[0m\u{9b}2J\n").into_bytes()),
        ("a line of 10 MiB", format!("{}\n{hung}\n", "x".repeat(10 << 20)).into_bytes()),
        ("brackets", format!("{deep}\n{hung}\n").into_bytes()),
        ("not UTF-8", [b"\xff\xc0\x80\xed\xa0\x80", hung.as_bytes(), b"\xe2\x80\n"].concat()),
    ];
    for (what, log) in logs {
        let scan = scan_chunks(set(), Clock::default(), log.chunks(4096));
        assert_eq!(show(&scan), ["hung-task pid=7 seconds=120 task=dd x1"], "{what}");
        let told = scan.hits[0].fields.values().chain([&scan.hits[0].sample]);
        assert!(told.into_iter().all(|text| !text.chars().any(char::is_control)), "{what}");
    }
}

#[test]
fn numbers_of_any_length_are_text() {
    let nines = "9".repeat(60);
    let log = format!(
        "[{nines}.5] <{nines}>6,{nines},{nines},-;Nov {nines} 07:51:29 n kernel: INFO: task dd:{nines} blocked for more \
         than {nines} seconds.\n{{\"__REALTIME_TIMESTAMP\":\"{nines}\"}} UDP: bad checksum. From 1.2.3.4:{nines} to \
         1.2.3.4:1 ulen {nines}\n9999-99-99T{nines}Z unregister_netdevice: waiting for lo to become free. Usage count = -{nines}\n"
    );
    let scan = scan(&log);
    let expected = [
        format!("hung-task pid={nines} seconds={nines} task=dd x1"),
        format!("udp-bad-checksum from=1.2.3.4:{nines} length={nines} to=1.2.3.4:1 x1"),
        // No kernel prints more digits.
        format!("unregister-netdevice count=-{} device=lo x1", &nines[..20]),
    ];
    assert_eq!(show(&scan), expected);
    assert!(scan.hits.iter().all(|hit| hit.first.is_none()));
}

/// Lines that almost match, again and again: what would take an expression that goes back for ever.
#[test]
fn lines_that_almost_match_are_done_with_in_one_pass() {
    for part in [
        "mkdir /sys/fs/cgroup/memory/",
        "mkdir mkdir ",
        "oom-kill:constraint=A,global_oom,",
        "XFS (dm-0): ",
        "BTRFS info (device a): ",
        "Oops: ",
        "kmem_cache_create(",
        "write /a",
        "inotify watch descriptor ",
        "apparmor=\"DENIED\" operation=\"signal\" profile=\"a\" ",
        "SLUB: Unable to allocate memory on node -1 ",
    ] {
        let line = part.repeat((1 << 18) / part.len()) + "\n";
        let scan = scan(&line.repeat(2));
        assert!(scan.hits.len() <= 2, "{part}: {:?}", show(&scan));
    }
}

/// Bytes that are likely to meet each other badly: parts of messages, stamps, breaks, escapes and anything.
fn log_bytes() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        8 => prop::sample::select(vec![
            "\n", "\r\n", " ", "[12.5] ", "[ T1] ", "Nov 24 07:51:29 n kernel: ", "14:58:45 kernel: ", "kernel: ", "{\"log\":\"",
            "SLUB: Unable to allocate memory on node -1", " (gfp=0xd0)", "  cache: dentry(7:pod), object size: 1",
            "INFO: task dd:7 blocked", " for more than 120 seconds", "unregister_netdevice: waiting for lo",
            " to become free. Usage count = 1", "mkdir '/sys/fs/cgroup/memory/a", "': No space left on device",
            "Linux version 4.19", "\\\"", "&quot;", "\u{1b}[1m",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (LINE_MAX - 40..LINE_MAX + 40).prop_map(|length| vec![b'x'; length]),
    ];
    prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chunks_make_no_difference(log in log_bytes(), cuts in prop::collection::vec(1_usize..90_000, 1..12)) {
        let set = set();
        let whole = scan_chunks(set, Clock::default(), [log.as_slice()]);
        let mut chunks = Vec::new();
        let mut rest = log.as_slice();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, after) = rest.split_at((*cut).min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        prop_assert_eq!(&whole, &scan_chunks(set, Clock::default(), chunks));
        prop_assert_eq!(whole.bytes, log.len() as u64);
        for hit in &whole.hits {
            prop_assert!(hit.sample.len() <= 404);
        }
    }

    #[test]
    fn bytes_one_by_one_make_no_difference(log in prop::collection::vec(any::<u8>(), 0..300)) {
        let set = set();
        prop_assert_eq!(
            scan_chunks(set, Clock::default(), [log.as_slice()]),
            scan_chunks(set, Clock::default(), log.chunks(1))
        );
    }
}
