//! `build`: a runc or a kubelet with kernel memory accounting off, from its sources; and `enter`, which that starts in a root
//! file system. The work is `kernmend_node::build`'s.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kernmend_core::knowledge::build::Builds;
use kernmend_node::build::{self, BuildError, From, Order, beside};
use kernmend_node::machine::chamber;
use kernmend_node::machine::tool::{NOT_ENTERED, NOT_THERE, Place};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::print;
use crate::args::{Build, BuildSite, Enter};
use crate::failure::Failure;
use crate::message::Messages;
use crate::render::{self, BuildProgress};

/// Where there is room, and more than in a `/tmp` in memory.
const ROOM: &str = "/var/tmp";

pub(crate) fn run(asked: &Build, builds: &Builds, messages: Messages) -> Result<ExitCode, Failure> {
    let absolute = |path: &Path| {
        let failure = || Failure::input(messages.error_read(path.display()));
        fs::canonicalize(path).map_err(|error| failure().because(&error))
    };
    let place = match &asked.site {
        BuildSite::Host => Place::Host,
        BuildSite::Root(root) if rustix::process::geteuid().is_root() => {
            Place::Root { root: absolute(root)?, program: own_program(messages)? }
        }
        BuildSite::Root(_) => return Err(Failure::input(messages.error_build_root())),
        BuildSite::Container(engine, image) => Place::Container { engine: *engine, image: image.clone() },
    };
    let go = match &asked.go {
        Some(go) => Some(absolute(go)?),
        None if place == Place::Host => env::var_os("PATH").and_then(|path| go_in(&path)),
        None => None,
    };
    let (parent, name) = (asked.output.parent(), asked.output.file_name());
    let parent = parent.filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = name.ok_or_else(|| Failure::input(messages.error_write_file(asked.output.display())))?;
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        // Without it a signal ends kernmend at once, and what it made stays.
        let _ = signal_hook::flag::register(signal, Arc::clone(&stopped));
    }
    let progress = BuildProgress::start(messages);
    let order = Order {
        wish: asked.wish.clone(),
        from: asked.from.clone(),
        place,
        go,
        output: absolute(parent)?.join(name),
        room: absolute(&env::var_os("TMPDIR").map_or_else(|| ROOM.into(), PathBuf::from))?,
        is_stopped: &|| {
            progress.still();
            stopped.load(Ordering::Relaxed)
        },
    };
    let built = build::build(&order, builds, &mut |at| progress.tell(at));
    progress.end();
    let output = order.output;
    let is_fetched = matches!(asked.from, From::Upstream | From::Repository(_));
    let document = built.map_err(|error| failed(&error, is_fetched, messages))?;
    print(&render::built(&document.body, &output, &beside(&output, ".log"), messages), messages)?;
    Ok(ExitCode::SUCCESS)
}

/// What a root file system is entered with. The file itself may be called otherwise than it was when it was started.
fn own_program(messages: Messages) -> Result<PathBuf, Failure> {
    env::current_exe().map_err(|error| Failure::internal(messages.error_build()).because(&error))
}

/// The folder of the go command that the caller would start.
fn go_in(path: &std::ffi::OsStr) -> Option<PathBuf> {
    let found = env::split_paths(path).map(|folder| folder.join("go")).find(|go| go.is_file())?;
    // Distributions have a link in the path.
    let real = fs::canonicalize(found).ok()?;
    real.parent()?.parent().map(Path::to_owned)
}

fn failed(error: &BuildError, is_fetched: bool, messages: Messages) -> Failure {
    match error {
        BuildError::Refused(refusals) => {
            let mut failure = Failure::refused(messages.error_build_refused());
            for refusal in refusals {
                let (cause, hint) = render::refusal(refusal, messages);
                failure.causes.push(cause);
                failure.hints.extend(hint);
            }
            failure
        }
        BuildError::Source { from, said } => {
            let mut failure = Failure::input(messages.error_build_source(from));
            failure.causes.extend(said.iter().cloned());
            failure.hints.extend(is_fetched.then(|| messages.hint_build_source().to_owned()));
            failure
        }
        BuildError::Failed { fault, cause, log } => {
            let mut failure = Failure::internal(messages.error_build_failed());
            failure.causes.extend(fault.iter().map(|fault| render::words(fault, messages)));
            failure.causes.extend(cause.iter().cloned());
            failure.hint(messages.hint_build_log(log.display()))
        }
        BuildError::Unproven { wrong, why, log } => {
            let mut failure = Failure::internal(messages.error_build_unproven());
            failure.causes.extend(wrong.iter().map(|wrong| render::words(wrong, messages)));
            failure.causes.extend(why.iter().map(|ground| messages.ground(*ground).to_owned()));
            failure.hint(messages.hint_build_log(log.display()))
        }
        error => Failure::internal(messages.error_build()).because(error),
    }
}

/// Becomes a program in a root file system. It has no language: what it says is read by the build that started it.
pub(crate) fn enter(asked: &Enter) -> ExitCode {
    let Enter { root, work, go, directory, argv } = asked;
    let Err(error) = chamber::enter(root, work, go.as_deref(), directory, argv);
    anstream::eprintln!("{}", render::printable(&error.line()));
    let code = if error.act == chamber::RUN { NOT_THERE } else { NOT_ENTERED };
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}
