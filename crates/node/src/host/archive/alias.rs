//! Which members of a sosreport or an Insights archive answer a question about a file that isn't in it: they keep what
//! commands printed, and not always the file that the command read. What can't be told from a command is not told.

use super::keep::Keep;
use crate::host::listing::{Kind, Listing};

/// How the answer stands in the member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `Linux HOST RELEASE …`, as `uname -a` prints it.
    Uname,
    /// One word.
    Word,
    /// `NAME = VALUE`, as `sysctl -a` prints it.
    Sysctl,
    /// `Tue Nov 24 09:02:40 UTC 2026`: with the moment of boot it tells the seconds since.
    Date,
    /// `09:02:40 up 3 days, 1:11, …`: minutes, and no seconds.
    Uptime,
    /// The table of `lsmod`, whose head `/proc/modules` doesn't have.
    Modules,
    /// `SOURCE on PLACE type KIND (OPTIONS)`.
    Mounts,
}

/// The members that can answer for a file, the most telling first.
pub(super) struct Alias {
    pub(super) file: &'static str,
    pub(super) members: &'static [&'static str],
    pub(super) form: Form,
}

/// Names of a sosreport's members: its plugins `kernel`, `host`, `date` and `filesys` (4.0 as Debian packages it); `general` is the
/// plugin that `host` and `date` were part of before 3.6. Names of an Insights archive's members: the archive specifications of its
/// own reader. Both write a command's words with `_` between them and `.` for `/`.
pub(super) const ALIASES: &[Alias] = &[
    Alias {
        file: "/proc/sys/kernel/osrelease",
        members: &["sos_commands/kernel/uname_-a", "insights_commands/uname_-a"],
        form: Form::Uname,
    },
    Alias {
        file: "/proc/sys/kernel/hostname",
        members: &[
            "sos_commands/host/hostname",
            "sos_commands/general/hostname",
            "insights_commands/hostname",
            "insights_commands/hostname_-f",
        ],
        form: Form::Word,
    },
    // Any file below `/proc/sys`.
    Alias {
        file: "/proc/sys/",
        members: &["sos_commands/kernel/sysctl_-a", "insights_commands/sysctl_-a"],
        form: Form::Sysctl,
    },
    Alias {
        file: "/proc/uptime",
        members: &[
            "sos_commands/date/date_--utc",
            "sos_commands/date/date",
            "sos_commands/general/date",
            "insights_commands/date_--utc",
            "insights_commands/date",
        ],
        form: Form::Date,
    },
    Alias {
        file: "/proc/uptime",
        members: &["sos_commands/host/uptime", "sos_commands/general/uptime", "insights_commands/uptime"],
        form: Form::Uptime,
    },
    Alias {
        file: "/proc/modules",
        members: &["sos_commands/kernel/lsmod", "insights_commands/lsmod"],
        form: Form::Modules,
    },
    Alias {
        file: "/proc/mounts",
        members: &["sos_commands/filesys/mount_-l", "insights_commands/mount"],
        form: Form::Mounts,
    },
];

/// The members that list a directory with `ls -l`. Insights takes no such list of slab caches.
pub(super) const LISTINGS: &[(&str, &str)] =
    &[("/sys/kernel/slab", "sos_commands/kernel/ls_-lt_.sys.kernel.slab")];

/// The members that hold the lines of a log, the most telling first. Plugins of a sosreport are `kernel`, `logs` and those of
/// the programs; a log that is longer than its bound lies in `sos_strings`, with a link in the place of the member.
pub(super) const LOGS: &[(&str, &[&str])] = &[
    (
        "/dmesg.txt",
        &[
            "sos_commands/kernel/dmesg",
            "sos_commands/general/dmesg",
            "insights_commands/dmesg",
            "var/log/dmesg",
        ],
    ),
    (
        "/journal.txt",
        &[
            "sos_commands/logs/journalctl_--no-pager_--catalog_--boot",
            "sos_commands/logs/journalctl_--no-pager_--boot",
            "sos_commands/logs/journalctl_--no-pager",
        ],
    ),
    ("/var/log/kubelet.log", &["sos_commands/kubernetes/journalctl_--no-pager_--unit_kubelet"]),
    ("/var/log/docker.log", &["sos_commands/docker/journalctl_--no-pager_--unit_docker"]),
    ("/var/log/crio.log", &["sos_commands/crio/journalctl_--no-pager_--unit_crio"]),
    ("/var/log/containerd.log", &["sos_commands/containerd/journalctl_--no-pager_--unit_containerd"]),
];

/// A list of 140,000 slab caches, with the other columns of `ls`.
const MAX_OUTPUT: usize = 16 << 20;

/// What is kept of a command's output.
pub(super) fn keep(path: &str) -> Keep {
    let answers = ALIASES.iter().any(|alias| alias.members.contains(&path))
        || LISTINGS.iter().any(|(_, member)| *member == path);
    if answers { Keep::Whole(MAX_OUTPUT) } else { Keep::Nothing }
}

/// Whether a member holds the lines of a log.
pub(super) fn is_log(path: &str) -> bool {
    path.starts_with("sos_strings/") || LOGS.iter().any(|(_, members)| members.contains(&path))
}

/// The content of `file` by what a command printed. `booted_at` is in seconds since 1970.
pub(super) fn tell(form: Form, file: &str, printed: &str, booted_at: Option<i64>) -> Option<String> {
    match form {
        Form::Uname => printed.strip_prefix("Linux ")?.split_whitespace().nth(1).map(str::to_owned),
        Form::Word => {
            let mut words = printed.split_whitespace();
            let word = words.next()?;
            words.next().is_none().then(|| word.to_owned())
        }
        Form::Sysctl => {
            let name = file.strip_prefix("/proc/sys/")?.replace('/', ".");
            let value = |line: &str| {
                let (found, value) = line.split_once('=')?;
                (found.trim_end() == name).then(|| value.trim().to_owned())
            };
            printed.lines().find_map(value)
        }
        Form::Date => {
            let since = seconds_of_date(printed)?.checked_sub(booted_at?)?;
            (since >= 0).then(|| format!("{since}.00"))
        }
        Form::Uptime => Some(format!("{}.00", seconds_of_uptime(printed)?)),
        Form::Modules => {
            let (head, modules) = printed.split_once('\n')?;
            head.starts_with("Module ").then(|| modules.to_owned())
        }
        Form::Mounts => {
            let mounts: String = printed.lines().filter_map(mount).collect();
            (!mounts.is_empty()).then_some(mounts)
        }
    }
}

/// `Tue Nov 24 09:02:40 UTC 2026` in seconds since 1970. Another zone has a name that doesn't tell its offset.
fn seconds_of_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.lines().next()?.split_whitespace().collect();
    let (month, day, time, afternoon, year) = match words[..] {
        [_, month, day, time, "UTC" | "GMT", year] => (month, day, time, None, year),
        [_, month, day, time, half @ ("AM" | "PM"), "UTC" | "GMT", year] => {
            (month, day, time, Some(half == "PM"), year)
        }
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let mut parts = time.split(':').map(|part| part.parse::<i8>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let hour = match afternoon {
        Some(afternoon) => hour % 12 + if afternoon { 12 } else { 0 },
        None => hour,
    };
    let month = i8::try_from(month).ok()?;
    let date = jiff::civil::DateTime::new(
        year.parse().ok()?,
        month,
        day.parse().ok()?,
        hour,
        minute,
        second.min(59),
        0,
    );
    Some(jiff::tz::TimeZone::UTC.to_timestamp(date.ok()?).ok()?.as_second())
}

/// `… up 3 days,  1:11,  2 users, …` and `… up 26 min, …` in seconds.
fn seconds_of_uptime(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once(" up ")?;
    let mut seconds = None;
    for part in rest.split(',').map(str::trim) {
        let words: Vec<&str> = part.split_whitespace().collect();
        let more = match words[..] {
            [days, "day" | "days"] => days.parse::<u64>().ok()?.checked_mul(86_400)?,
            [hours, "hr" | "hrs"] => hours.parse::<u64>().ok()?.checked_mul(3600)?,
            [minutes, "min" | "mins"] => minutes.parse::<u64>().ok()?.checked_mul(60)?,
            [clock] => {
                let (hours, minutes) = clock.split_once(':')?;
                let hours = hours.parse::<u64>().ok()?.checked_mul(3600)?;
                hours.checked_add(minutes.parse::<u64>().ok()?.checked_mul(60)?)?
            }
            _ => break,
        };
        seconds = Some(seconds.unwrap_or(0_u64).checked_add(more)?);
    }
    seconds
}

/// A line of `mount` as `/proc/mounts` has it.
fn mount(line: &str) -> Option<String> {
    let (source, rest) = line.split_once(" on ")?;
    let (place, rest) = rest.split_once(" type ")?;
    let (kind, rest) = rest.split_once(" (")?;
    let (options, _) = rest.split_once(')')?;
    let escaped = |text: &str| text.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011");
    Some(format!("{} {} {kind} {options} 0 0\n", escaped(source), escaped(place)))
}

/// The entries that `ls -l` printed; nothing where it isn't such a list.
pub(super) fn listing(printed: &str, is_cut: bool, max: usize) -> Option<Listing> {
    let mut lines = printed.lines();
    lines.next().filter(|head| head.starts_with("total "))?;
    let mut listing = Listing::empty();
    for line in lines {
        let Some((kind, name)) = entry(line) else { continue };
        listing.push(name, kind, max);
    }
    listing.cut |= is_cut;
    Some(listing)
}

/// `lrwxrwxrwx 1 root root 0 Nov 24 09:02 NAME -> TARGET`: the name stands behind eight columns, and can hold blanks.
fn entry(line: &str) -> Option<(Kind, &str)> {
    const COLUMNS: usize = 8;
    let kind = match line.as_bytes().first()? {
        b'd' => Kind::Directory,
        b'l' => Kind::Link,
        b'-' => Kind::File,
        _ => return None,
    };
    let mut rest = line;
    for _ in 0..COLUMNS {
        rest = rest.trim_start_matches(' ');
        rest = &rest[rest.find(' ')?..];
    }
    let name = rest.strip_prefix(' ')?;
    let name = match kind {
        Kind::Link => name.split_once(" -> ").map_or(name, |(name, _)| name),
        _ => name,
    };
    (!name.is_empty()).then_some((kind, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(form: Form, file: &str, printed: &str, expected: Option<&str>) {
        assert_eq!(tell(form, file, printed, Some(1_795_500_000)).as_deref(), expected, "{printed}");
    }

    #[test]
    fn commands_tell_what_the_file_would() {
        let uname =
            "Linux node-1 3.10.0-693.el7.x86_64 #1 SMP Tue Aug 22 21:09:27 UTC 2017 x86_64 GNU/Linux\n";
        check(Form::Uname, "", uname, Some("3.10.0-693.el7.x86_64"));
        check(Form::Uname, "", "bash: uname: command not found\n", None);
        check(Form::Word, "", "node-1\n", Some("node-1"));
        check(Form::Word, "", "hostname: Name or service not known\n", None);
        let sysctl = "kernel.tainted = 0\nvm.max_map_count = 65530\nvm.max = \n";
        check(Form::Sysctl, "/proc/sys/vm/max_map_count", sysctl, Some("65530"));
        check(Form::Sysctl, "/proc/sys/vm/max_map", sysctl, None);
        check(Form::Modules, "", "Module   Size  Used by\nxfs 1 0\n", Some("xfs 1 0\n"));
        check(Form::Modules, "", "Libkmod: ERROR\n", None);
        check(
            Form::Mounts,
            "",
            "cgroup on /sys/fs/cgroup/memory type cgroup (rw,nosuid,memory) [label]\nodd\n",
            Some("cgroup /sys/fs/cgroup/memory cgroup rw,nosuid,memory 0 0\n"),
        );
    }

    #[test]
    fn moments_are_told_where_they_are_sure() {
        check(Form::Date, "", "Tue Nov 24 09:02:40 UTC 2026\n", Some("10960.00"));
        check(Form::Date, "", "Tue Nov 24 09:02:40 AM UTC 2026\n", Some("10960.00"));
        check(Form::Date, "", "Tue Nov 24 12:02:40 AM UTC 2026\n", None);
        check(Form::Date, "", "Tue Nov 24 10:02:40 CET 2026\n", None);
        check(Form::Date, "", "Tue Nov 94 10:02:40 UTC 2026\n", None);
        check(Form::Date, "", "\n", None);
        for (text, expected) in [
            (" 09:02:40 up  1:11,  0 user,  load average: 8.68, 6.79, 4.65\n", Some("4260.00")),
            (" 09:02:40 up 3 days,  1:11,  2 users,  load average: 0.00\n", Some("263460.00")),
            (" 09:02:40 up 1 day, 26 min,  1 user,  load average: 0.00\n", Some("87960.00")),
            (" 09:02:40 up 99999999999999999999 days,  1 user\n", None),
            ("no uptime\n", None),
        ] {
            check(Form::Uptime, "", text, expected);
        }
    }

    #[test]
    fn a_listing_tells_names_and_kinds() {
        let printed = "total 0\n\
            lrwxrwxrwx 1 root root 0 Nov 24 09:02 dentry -> :a-0000192\n\
            drwxr-xr-x 2 root root 0 Nov 24 09:02 :a-0000192\n\
            drwxr-xr-x 2 root root 0 Nov 24  2025 dentry(61:a b)\nodd line\n";
        let listing = listing(printed, false, 100).unwrap();
        let entries: Vec<_> = listing.iter().collect();
        assert_eq!(
            entries,
            [("dentry", Kind::Link), (":a-0000192", Kind::Directory), ("dentry(61:a b)", Kind::Directory)]
        );
        assert!(!listing.cut);
        assert!(super::listing("ls: cannot access\n", false, 100).is_none());
    }
}
