//! What a failed boot left behind is kept before anything else is done: the next panic would write over it. What can't
//! be kept is done without, since the node has to come back to what it was first.

use kernmend_core::document::Digest;
use kernmend_core::document::journal::{Destination, Event};
use kernmend_core::document::plan::Plan;

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
    let deadline = run.apply.options.check;
    let machine = &mut *run.apply.machine;
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    for name in machine.list(PSTORE).unwrap_or_default().into_iter().take(MAX_RECORDS) {
        if let Ok(Some(record)) = machine.read(&format!("{PSTORE}/{name}"), MAX_RECORD) {
            found.push((format!("pstore-{name}"), record));
        }
    }
    // Without a journal that outlives a boot there is none.
    if let Ok(output) = machine.run(&Program::PreviousKernelLog, deadline)
        && output.code == Some(0)
        && !output.text.is_empty()
    {
        found.push(("kernel.log".to_owned(), output.text.into_bytes()));
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
