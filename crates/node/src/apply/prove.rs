//! The step that proves what boots next by the live configuration, read as the boot loader reads it. It changes nothing.

use std::collections::BTreeMap;

use kernmend_core::boot::choose::Choice;
use kernmend_core::boot::environment::{Environment, rewrite};
use kernmend_core::boot::reading::{Boot, BootFiles, of_files};
use kernmend_core::document::plan::{Expected, Running};

use super::Runner;
use super::environment::TRIES;
use crate::collect::boot;
use crate::host::Host;
use crate::machine::Machine;

/// GRUB's own entry for once, which it unsets when it takes it; the trial's counter is lowered instead.
const ONE_SHOT: &str = "next_entry";

/// Whether what boots next is this, what boots after it is that, and these files are there.
pub(super) fn holds<M: Machine>(
    run: &Runner<'_, M>,
    next: &Expected,
    afterwards: Option<&Expected>,
    files: &[String],
) -> Result<(), String> {
    for path in files {
        match run.apply.machine.status(path).map_err(|error| error.line())? {
            Some(status) if status.size > 0 => {}
            Some(_) => return Err(format!("`{path}` is empty")),
            None => return Err(format!("there is no `{path}`")),
        }
    }
    let read = boot::collect(&host(run)?);
    boots(&of_files(&read), next).map_err(|why| format!("next {why}"))?;
    if let Some(expected) = afterwards {
        if let Some(by) = &read.unwritable {
            return Err(format!(
                "GRUB can't write its environment block on `{by}`: what is for once would stay"
            ));
        }
        boots(&of_files(&spent(read)?), expected).map_err(|why| format!("after that {why}"))?;
    }
    Ok(())
}

/// Whether this is what boots.
pub(super) fn boots(boot: &Boot, expected: &Expected) -> Result<(), String> {
    let Some(entry) = boot.chosen() else {
        let Choice::Unknown(why) = boot.next.choice else { return Err("nothing boots".to_owned()) };
        return Err(format!("can't be told: {why:?}"));
    };
    let title = &entry.title;
    if let Some(variable) = entry.open_variables.first() {
        return Err(format!("`{title}` boots, and its arguments hold `{variable}`, which can't be told"));
    }
    let Some(release) = entry.release.clone() else {
        return Err(format!("`{title}` boots, whose kernel has no release in its name"));
    };
    let boots = Running { release, arguments: entry.arguments.clone() };
    if expected.is(&boots) {
        return Ok(());
    }
    let Expected { release, present, absent } = expected;
    let (present, absent) = (present.join(" "), absent.join(" "));
    Err(format!(
        "`{title}` boots {}, and it should be {release} with `{present}` and without `{absent}`",
        super::line(&boots)
    ))
}

/// The files as the boot loader leaves them behind.
fn spent(mut files: BootFiles) -> Result<BootFiles, String> {
    let Some((path, block)) = files.environments.first_mut() else {
        return Err("there is no environment block: nothing is for once".to_owned());
    };
    let mut changes = BTreeMap::from([(ONE_SHOT.to_owned(), None)]);
    if Environment::parse(block).raw(TRIES).is_some() {
        changes.insert(TRIES.to_owned(), Some("0".to_owned()));
    }
    *block = rewrite(block, &changes).map_err(|error| format!("`{path}`: {error}"))?;
    Ok(files)
}

/// Opens what is read.
pub(super) fn host<'a, M: Machine>(run: &Runner<'a, M>) -> Result<Host<'a>, String> {
    (run.apply.host)().map_err(|error| format!("{error}: {}", error.source))
}
