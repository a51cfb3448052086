//! One look at all processes: which binary each runs, and which can't be killed for what they stand in.

use kernmend_core::document::snapshot::{LogWindow, Origin, ReplacedBinary, StuckTask};
use kernmend_core::document::{Fact, Reason, Why};

use super::SMALL;
use crate::host::{Answer, Host, Want};

/// As many as a kernel can have process ids (`PID_MAX_LIMIT`).
const MAX_PROCESSES: usize = 4 << 20;

/// Threads of one process that are looked at.
const MAX_THREADS: usize = 10_000;

/// The functions in which tasks wait for a network device that is never released.
const NETNS_FUNCTIONS: [&str; 2] = ["cleanup_net", "copy_net_ns"];

/// A process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// The path of its binary, as it was when it started; kernel threads have none.
    pub(super) binary: Option<String>,
    /// Whether that file was replaced or removed since.
    pub(super) replaced: bool,
}

/// The processes of the machine.
#[derive(Debug)]
pub(super) struct Processes {
    pub(super) all: Vec<Process>,
    /// What keeps these from being all, or from being known whole.
    pub(super) gap: Option<Why>,
}

impl Processes {
    pub(super) fn read(host: &Host<'_>) -> Self {
        let listing = match host.list("/proc", Want::Directories, MAX_PROCESSES) {
            Answer::Got(listing) => listing,
            answer => {
                let not_there =
                    Why { reason: Reason::NotCaptured, path: "/proc".to_owned(), detail: String::new() };
                return Self { all: Vec::new(), gap: Some(answer.obstacle("/proc").unwrap_or(not_there)) };
            }
        };
        let mut processes = Self { all: Vec::new(), gap: None };
        if listing.cut {
            processes.gap = Some(cut("/proc", listing.total));
        }
        let mut denied = 0_u64;
        let mut first = None;
        for pid in listing.iter().filter_map(|(name, _)| name.parse().ok()) {
            let path = format!("/proc/{pid}/exe");
            let (binary, replaced) = match host.link(&path) {
                Answer::Got(target) => match target.strip_suffix(" (deleted)") {
                    Some(path) => (Some(path.to_owned()), true),
                    None => (Some(target), false),
                },
                // A kernel thread has no binary, and a process can end while we look.
                Answer::Absent => (None, false),
                answer => {
                    denied += 1;
                    first = first.or_else(|| answer.obstacle(&path));
                    (None, false)
                }
            };
            processes.all.push(Process { pid, binary, replaced });
        }
        if let Some(why) = first.as_mut()
            && denied > 1
        {
            let of = format!("{denied} of {}", processes.all.len());
            why.detail = if why.detail.is_empty() { of } else { format!("{of}: {}", why.detail) };
        }
        processes.gap = processes.gap.or(first);
        // A copy of `/proc` holds the processes that somebody chose to keep.
        let is_copy = matches!(host.identity("/proc/kernmend-is-not-there"), Answer::NotCaptured);
        if is_copy && processes.gap.is_none() {
            processes.gap =
                Some(Why { reason: Reason::NotCaptured, path: "/proc".to_owned(), detail: String::new() });
        }
        processes
    }

    /// The processes whose binary was replaced or removed.
    pub(super) fn replaced(&self) -> Fact<Vec<ReplacedBinary>> {
        if let Some(why) = &self.gap {
            return Fact::Unknown { why: why.clone() };
        }
        let replaced =
            self.all.iter().filter(|process| process.replaced).filter_map(|process| {
                Some(ReplacedBinary { pid: process.pid, path: process.binary.clone()? })
            });
        Fact::known(replaced.collect(), "/proc/*/exe")
    }

    /// Tasks in state D in the code of network namespaces. A thread's own stack is looked at only where its process has
    /// a binary that makes namespaces; all others show in their main thread.
    pub(super) fn stuck_in_netns(&self, host: &Host<'_>, logs: &[LogWindow]) -> Fact<Vec<StuckTask>> {
        if self.all.is_empty() || (host.origin() != Origin::Live && self.gap.is_some()) {
            let unread = Why { reason: Reason::NotCaptured, path: "/proc".to_owned(), detail: String::new() };
            return Fact::Unknown { why: self.gap.clone().unwrap_or(unread) };
        }
        let mut stuck = Vec::new();
        let mut obstacle = self.gap.clone().filter(|gap| gap.reason == Reason::Cut);
        for process in &self.all {
            let threaded =
                process.binary.as_deref().is_some_and(|path| super::program::name_of(path).is_some());
            let tasks = if threaded {
                let dir = format!("/proc/{}/task", process.pid);
                match host.list(&dir, Want::Directories, MAX_THREADS) {
                    Answer::Got(listing) => {
                        if listing.cut {
                            obstacle = obstacle.or_else(|| Some(cut(&dir, listing.total)));
                        }
                        listing.iter().map(|(name, _)| format!("{dir}/{name}")).collect()
                    }
                    answer => {
                        obstacle = obstacle.or_else(|| answer.obstacle(&dir));
                        Vec::new()
                    }
                }
            } else {
                vec![format!("/proc/{}", process.pid)]
            };
            for task in tasks {
                match stuck_task(host, &task, logs) {
                    Ok(found) => stuck.extend(found),
                    Err(why) => obstacle = obstacle.or(Some(why)),
                }
            }
        }
        match obstacle {
            // One that was found proves what those that can't be looked at could only add to.
            Some(why) if stuck.is_empty() => Fact::Unknown { why },
            _ => Fact::known(stuck, "/proc/*/stack"),
        }
    }
}

fn cut(path: &str, total: u64) -> Why {
    Why { reason: Reason::Cut, path: path.to_owned(), detail: format!("{total} entries") }
}

/// The task, if it is in state D in one of the functions.
fn stuck_task(host: &Host<'_>, task: &str, logs: &[LogWindow]) -> Result<Option<StuckTask>, Why> {
    let stat = match host.text(&format!("{task}/stat"), SMALL) {
        Fact::Known { value, .. } => value,
        // It ended while we looked.
        Fact::Absent { .. } => return Ok(None),
        Fact::Unknown { why } => return Err(why),
    };
    let Some((pid, name)) = uninterruptible(&stat) else { return Ok(None) };
    let path = format!("{task}/stack");
    let stack = match host.text(&path, SMALL) {
        Fact::Known { value, .. } => value,
        Fact::Absent { .. } => return Ok(None),
        Fact::Unknown { why } => return Err(why),
    };
    let function = NETNS_FUNCTIONS.into_iter().find(|function| stack.contains(function));
    Ok(function.map(|function| StuckTask {
        pid,
        name,
        function: function.to_owned(),
        blocked_for: blocked_for(pid, logs),
    }))
}

/// Id and name of a task whose `stat` says that it is in state D.
fn uninterruptible(stat: &str) -> Option<(u32, String)> {
    // The name stands in parentheses and can hold any character.
    let (head, rest) = stat.rsplit_once(')')?;
    let (pid, name) = head.split_once('(')?;
    rest.trim_start().starts_with('D').then_some(())?;
    Some((pid.trim().parse().ok()?, name.to_owned()))
}

/// The longest time for which the hung task detector says that this task is blocked.
fn blocked_for(pid: u32, logs: &[LogWindow]) -> Option<u64> {
    let pid = pid.to_string();
    let hits = logs.iter().flat_map(|window| &window.hits);
    let hung = hits.filter(|hit| hit.signal == "hung-task" && hit.fields.get("pid") == Some(&pid));
    hung.filter_map(|hit| hit.fields.get("seconds")?.parse().ok()).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tasks_in_state_d_count_whatever_their_name() {
        assert_eq!(uninterruptible("42 (kworker/u8:1) D 2 0 0"), Some((42, "kworker/u8:1".to_owned())));
        assert_eq!(uninterruptible("43 (odd) D) S 2 0 0"), None);
        assert_eq!(uninterruptible("44 (odd) S) D 2"), Some((44, "odd) S".to_owned())));
        assert_eq!(uninterruptible(""), None);
    }
}
