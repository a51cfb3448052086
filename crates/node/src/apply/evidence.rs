//! What a failed boot left behind is kept before anything else is done: the next panic would write over it. What can't
//! be kept is done without, since the node has to come back to what it was first.

use kernmend_core::document::Digest;
use kernmend_core::document::journal::{Destination, Event};
use kernmend_core::document::plan::{Plan, Running};

use super::Runner;
use crate::machine::{Machine, Program};
use crate::store::{EVIDENCE, PRIVATE_FILE, short};

/// Where the kernel finds again what it wrote when it died.
const PSTORE: &str = "/sys/fs/pstore";

/// One record is a few kilobytes.
const MAX_RECORD: usize = 1 << 20;

/// A panic leaves a handful of records.
const MAX_RECORDS: usize = 32;

/// Whether this is the boot after a trial that failed, and nothing was kept of that yet.
pub(super) fn is_due(plan: &Plan, events: &[Event]) -> bool {
    let Some(trial) = &plan.trial else { return false };
    let (mut is_tried, mut is_due) = (false, false);
    let mut boot = None;
    for event in events {
        match event {
            Event::Rebooting { into: Destination::Trial } => is_tried = true,
            Event::Booted { running, .. } if running.arguments.contains(&trial.mark) => {
                (is_tried, is_due) = (true, false);
            }
            Event::Booted { boot_id, .. } => {
                let is_another = boot.replace(boot_id).is_some_and(|before| before != boot_id);
                is_due |= is_tried && is_another;
            }
            Event::Judged { healthy: true, .. } | Event::Evidence { .. } | Event::Ended { .. } => {
                (is_tried, is_due) = (false, false);
            }
            _ => {}
        }
    }
    is_due
}

/// Keeps it, and gives the files.
pub(super) fn keep<M: Machine>(run: &mut Runner<'_, M>) -> Vec<String> {
    let plan = run.store.current().map_or_else(|| Digest::of(b""), |current| current.plan.digest());
    let others = others(&run.plan, run.events());
    let deadline = run.apply.options.check;
    let machine = &mut *run.apply.machine;
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    for name in machine.list(PSTORE).unwrap_or_default().into_iter().take(MAX_RECORDS) {
        if let Ok(Some(record)) = machine.read(&format!("{PSTORE}/{name}"), MAX_RECORD) {
            found.push((format!("pstore-{name}"), record));
        }
    }
    // Without a journal that outlives a boot there is none.
    let mut say = |program| machine.run(&program, deadline).ok().filter(|output| output.code == Some(0));
    if let Some(boots) = say(Program::Boots)
        && previous(&boots.text).is_some_and(|boot| !others.contains(&boot))
        && let Some(log) = say(Program::PreviousKernelLog)
        && !log.text.is_empty()
    {
        found.push(("kernel.log".to_owned(), log.text.into_bytes()));
    }
    let mut files = Vec::new();
    for (name, content) in found {
        let path = format!("{EVIDENCE}/{}-{name}", short(&plan));
        if machine.replace(&path, &content, PRIVATE_FILE).is_ok() {
            files.push(path);
        }
    }
    files
}

/// The boots that are known to be none of the trial. A trial that dies before its log is on the disk leaves none, and the one
/// before this boot is then that of a kernel that did well.
fn others(plan: &Plan, events: &[Event]) -> Vec<String> {
    let is_trial =
        |running: &Running| plan.trial.as_ref().is_some_and(|trial| running.arguments.contains(&trial.mark));
    let other = |event: &Event| match event {
        Event::Booted { boot_id, running } if !is_trial(running) => Some(boot_id.replace('-', "")),
        _ => None,
    };
    events.iter().filter_map(other).collect()
}

/// The id of the boot before this one, of those that the journal knows.
fn previous(boots: &str) -> Option<String> {
    let boots = boots.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let found = boots.filter(|words| words.first() == Some(&"-1")).find_map(|words| words.get(1).copied());
    found.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_before_this_one_is_found_in_lists_of_old_and_new() {
        // systemd 219 and 252, and 257 with its heads.
        let old = "-1 6b65726e6d656e64a000000000000001 Mon 2026-11-23 10:00:00 UTC\u{2014}Mon 2026-11-23 11:00:00 UTC\n \
                   0 6b65726e6d656e64a000000000000002 Tue 2026-11-24 10:00:00 UTC\u{2014}Tue 2026-11-24 11:00:00 UTC\n";
        let new =
            format!("IDX BOOT ID                          FIRST ENTRY                 LAST ENTRY\n {old}");
        for list in [old, &new] {
            assert_eq!(previous(list).as_deref(), Some("6b65726e6d656e64a000000000000001"), "{list}");
        }
        assert_eq!(previous("0 6b65726e6d656e64a000000000000002 Tue"), None);
    }
}
