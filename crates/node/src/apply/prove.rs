//! The step that proves what boots next by the live configuration, read as the boot loader reads it. It changes nothing.

use std::collections::BTreeMap;

use kernmend_core::boot::choose::Choice;
use kernmend_core::boot::environment::{Environment, rewrite};
use kernmend_core::boot::reading::{Boot, BootFiles, of_files};
use kernmend_core::boot::trial::{ENTRY, GOOD, TRIES};
use kernmend_core::boot::writable::Writable;
use kernmend_core::document::Why;
use kernmend_core::document::plan::{Expected, Running, Stage};

use super::Runner;
use crate::collect::boot;
use crate::host::Host;
use crate::machine::Machine;

/// GRUB's own entry for once, which it unsets when it takes it; the trial's counter is lowered instead.
const ONE_SHOT: &str = "next_entry";

/// In which light the live configuration is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// As it is.
    Now,
    /// As it will be without the trial's variables: when a trial was passed they still name the old kernel, and come down
    /// once the new one is the default.
    WithoutTrial,
}

impl View {
    /// How a step of this stage looks at it.
    pub(super) fn of(stage: Stage) -> Self {
        match stage {
            Stage::Commit => Self::WithoutTrial,
            Stage::Prepare | Stage::Scaffold | Stage::Watch | Stage::Arrive => Self::Now,
        }
    }

    /// The boot loader's files.
    pub(super) fn files<M: Machine>(self, run: &Runner<'_, M>) -> Result<BootFiles, String> {
        let mut files = boot::read(&host(run)?);
        if self == Self::WithoutTrial
            && let Some((path, block)) = files.environments.first_mut()
            && Environment::parse(block).is_readable()
        {
            let changes = [GOOD, ENTRY, TRIES].map(|name| (name.to_owned(), None));
            *block = rewrite(block, &changes.into()).map_err(|error| format!("`{path}`: {error}"))?;
        }
        Ok(files)
    }
}

/// Whether what boots next is this, what boots after it is that, and these files are there.
pub(super) fn holds<M: Machine>(
    run: &Runner<'_, M>,
    view: View,
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
    let read = view.files(run)?;
    let boot = of_files(&read);
    if afterwards.is_some() {
        is_writable(boot.writable.as_ref())?;
    }
    boots(&boot, next).map_err(|why| format!("next {why}"))?;
    if let Some(expected) = afterwards {
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

/// Whether GRUB can write down that it has taken what was for once; what isn't known to work is no ground to stand on.
fn is_writable(writable: Option<&Writable>) -> Result<(), String> {
    match writable {
        Some(Writable::Yes) => Ok(()),
        Some(Writable::No { obstacle, by }) => Err(format!(
            "GRUB can't write its environment block ({obstacle:?}, `{by}`): what is for once would stay"
        )),
        Some(Writable::Unknown { why: Why { path, detail, .. } }) => {
            Err(format!("whether GRUB can write its environment block can't be told: `{path}` {detail}"))
        }
        None => Err("there is no environment block: nothing is for once".to_owned()),
    }
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
