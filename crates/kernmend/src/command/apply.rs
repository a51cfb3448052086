//! `apply`, `rollback`, `boot-check`, `status` and `install`: what a plan does to this machine, and how far it has come. The
//! work is `kernmend_node::apply`'s.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use kernmend_core::document::Document;
use kernmend_core::document::journal::{Entry, Event, Journal, Outcome};
use kernmend_core::document::plan::Plan;
use kernmend_core::journal;
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_core::plan::{PROGRAM, check};
use kernmend_node::apply::{self, ApplyError, Ending, Options, Progress};
use kernmend_node::machine::{Live, Machine as _, Program};
use kernmend_node::store::Store;

use super::{print, source};
use crate::args::Apply;
use crate::failure::Failure;
use crate::message::Messages;
use crate::render;

/// A plan holds the files that it writes.
const MAX_PLAN: u64 = 64 << 20;

/// A digest that is given in short has so many digits at least.
const MIN_DIGITS: usize = 12;

/// How often the journal is looked at by who follows it.
const LOOK: Duration = Duration::from_millis(500);

/// The program that will be found after a reboot is no longer than this.
const MAX_PROGRAM: u64 = 256 << 20;

/// `apply`.
pub(crate) fn run(
    asked: &Apply,
    knowledge: &KnowledgeBase,
    dir: Option<&Path>,
    messages: Messages,
) -> Result<ExitCode, Failure> {
    let Some(path) = &asked.plan else {
        return go(Way::Resume, knowledge, dir, asked.no_reboot, messages);
    };
    let plan = read(path, messages)?;
    approve(&plan, path, asked.approve.as_deref(), messages)?;
    let problems = check::check(&plan.body);
    if !problems.is_empty() {
        let mut failure = Failure::input(messages.error_plan_broken());
        failure.causes = problems.iter().map(ToString::to_string).collect();
        return Err(failure);
    }
    if !plan.body.refusals.is_empty() || plan.body.steps.is_empty() {
        print(&render::plan(&plan, None, messages), messages)?;
        return Err(Failure::refused(messages.error_refused()));
    }
    if asked.foreground {
        return go(Way::Start(&plan), knowledge, dir, asked.no_reboot, messages);
    }
    let mut machine = machine(messages)?;
    // What may not start is told here, and not by a unit in the system's journal.
    let ready = apply::Apply {
        machine: &mut machine,
        host: &|| source::guarded(None, knowledge, dir),
        knowledge,
        options: Options::default(),
        progress: &mut |_| (),
    };
    ready.may_start(&plan).map_err(|error| stopped(&error, messages))?;
    detach(&mut machine, asked, path, &plan, messages)
}

/// `rollback`.
pub(crate) fn roll_back(
    knowledge: &KnowledgeBase,
    dir: Option<&Path>,
    no_reboot: bool,
    messages: Messages,
) -> Result<ExitCode, Failure> {
    go(Way::RollBack, knowledge, dir, no_reboot, messages)
}

/// `boot-check`: goes on after a reboot, or ends a trial that was not passed in time.
pub(crate) fn boot_check(
    fall_back: bool,
    knowledge: &KnowledgeBase,
    dir: Option<&Path>,
    messages: Messages,
) -> Result<ExitCode, Failure> {
    if !fall_back {
        return go(Way::Resume, knowledge, dir, false, messages);
    }
    let failure = || Failure::internal(messages.error_apply());
    let mut machine = Live::machine().map_err(|error| failure().because(&error))?;
    if apply::dead_man(&mut machine).map_err(|error| failure().because(&error))? {
        anstream::eprintln!("{}", messages.fallen_back_now());
    }
    Ok(ExitCode::SUCCESS)
}

/// `status`.
pub(crate) fn status(follow: bool, json: bool, messages: Messages) -> Result<ExitCode, Failure> {
    let failure = || Failure::input(messages.error_status());
    let mut machine = Live::machine().map_err(|error| failure().because(&error))?;
    let mut shown = 0;
    loop {
        let journal = Store::look(&machine).map_err(|error| failure().because(&error))?;
        let Some(journal) = journal else {
            print(&format!("{}\n", messages.status_nothing()), messages)?;
            return Ok(ExitCode::SUCCESS);
        };
        let events: Vec<Event> = journal.events().cloned().collect();
        let outcome = journal::outcome(&journal.plan.body, &events);
        if json || follow {
            shown = show(&journal, shown, json, messages)?;
        } else {
            print(&render::status(&journal, messages), messages)?;
        }
        if let Some(outcome) = outcome
            && (json || follow)
            && let Some(Entry { at, event }) = journal.entries.last()
            && !matches!(event, Event::Ended { .. })
        {
            // The power went just before it was written down.
            let end = Entry { at: *at, event: Event::Ended { outcome } };
            print(&line(&journal, &end, json, messages), messages)?;
        }
        if !follow || outcome.is_some() {
            return Ok(code_of(outcome));
        }
        machine.wait(LOOK);
    }
}

/// Shows what of a journal wasn't shown yet, for a program or for people, and gives how much that is in all.
fn show(journal: &Journal, shown: usize, json: bool, messages: Messages) -> Result<usize, Failure> {
    let lines = journal.entries.iter().skip(shown).map(|entry| line(journal, entry, json, messages));
    print(&lines.collect::<String>(), messages)?;
    Ok(journal.entries.len())
}

/// What an entry says, to a program or to people.
fn line(journal: &Journal, entry: &Entry, json: bool, messages: Messages) -> String {
    if json { entry.line() } else { render::event(&journal.plan.body, entry.at, &entry.event, messages) }
}

/// `install`.
pub(crate) fn install(messages: Messages) -> Result<ExitCode, Failure> {
    let failure = || Failure::input(messages.error_install(PROGRAM));
    let mut program = Vec::new();
    let own = fs::File::open("/proc/self/exe").map_err(|error| failure().because(&error))?;
    own.take(MAX_PROGRAM).read_to_end(&mut program).map_err(|error| failure().because(&error))?;
    let mut machine = Live::machine().map_err(|error| failure().because(&error))?;
    let directory = PROGRAM.rsplit_once('/').map_or("/", |(directory, _)| directory);
    machine.make_directory(directory, 0o755).map_err(|error| failure().because(&error))?;
    machine.replace(PROGRAM, &program, 0o755).map_err(|error| failure().because(&error))?;
    print(&format!("{}\n", messages.installed(PROGRAM)), messages)?;
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path, messages: Messages) -> Result<Document<Plan>, Failure> {
    let failure = || Failure::input(messages.error_plan_read(path.display()));
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| failure().because(&error))?;
    file.take(MAX_PLAN).read_to_string(&mut text).map_err(|error| failure().because(&error))?;
    Document::from_json(&text).map_err(|error| failure().because(&error))
}

/// Whoever gives a plan's digest has read it.
fn approve(
    plan: &Document<Plan>,
    path: &Path,
    given: Option<&str>,
    messages: Messages,
) -> Result<(), Failure> {
    let digest = plan.digest().to_string();
    let hint = || messages.hint_approve(path.display(), render::short(&digest));
    let Some(given) = given else {
        print(&render::plan(plan, None, messages), messages)?;
        return Err(Failure::input(messages.error_not_approved()).hint(hint()));
    };
    let digits = given.strip_prefix("sha256:").unwrap_or(given);
    if digits.len() >= MIN_DIGITS && digest["sha256:".len()..].starts_with(digits) {
        return Ok(());
    }
    Err(Failure::input(messages.error_approve(render::short(&digest), render::printable(given))))
}

/// A unit of systemd does it, so that a terminal that is lost changes nothing; what it does is shown as long as there is one.
fn detach(
    machine: &mut Live,
    asked: &Apply,
    path: &Path,
    plan: &Document<Plan>,
    messages: Messages,
) -> Result<ExitCode, Failure> {
    let failure = || Failure::internal(messages.error_detach()).hint(messages.hint_foreground());
    let path = fs::canonicalize(path).map_err(|error| failure().because(&error))?;
    let program = Program::Detached {
        plan: path.display().to_string(),
        digest: plan.digest().to_string(),
        no_reboot: asked.no_reboot,
    };
    let look = |machine: &Live| {
        Store::look(machine).map_err(|error| Failure::internal(messages.error_status()).because(&error))
    };
    // The same plan may have been run before: what it came to then is not what comes of it now.
    let before = look(machine)?;
    let output = machine.run(&program, Duration::from_secs(60)).map_err(|error| failure().because(&error))?;
    if output.code != Some(0) {
        let mut failure = failure();
        failure.causes.push(output.text);
        return Err(failure);
    }
    let mut shown = 0;
    loop {
        let now = look(machine)?.filter(|journal| journal.plan.digest() == plan.digest());
        if let Some(journal) = now.filter(|journal| Some(journal) != before.as_ref()) {
            shown = show(&journal, shown, false, messages)?;
            match journal.entries.last().map(|entry| &entry.event) {
                Some(Event::Ended { outcome }) => return Ok(code_of(Some(*outcome))),
                Some(Event::Rebooting { .. }) => {
                    let words =
                        if asked.no_reboot { messages.status_by_hand() } else { messages.status_rebooting() };
                    print(&format!("{words}\n"), messages)?;
                    return Ok(ExitCode::SUCCESS);
                }
                _ => {}
            }
        }
        let is_active = Program::IsActive { unit: Program::DETACHED_UNIT.to_owned() };
        let active =
            machine.run(&is_active, Duration::from_secs(30)).map_err(|error| failure().because(&error))?;
        if active.code != Some(0) {
            // It ended without an end of the plan: what it said is in the system's journal.
            let mut failure = Failure::internal(messages.error_apply());
            failure.hints.push(format!("journalctl -u {}", Program::DETACHED_UNIT));
            return Err(failure);
        }
        machine.wait(LOOK);
    }
}

fn machine(messages: Messages) -> Result<Live, Failure> {
    Live::machine().map_err(|error| Failure::internal(messages.error_apply()).because(&error))
}

/// A run that didn't begin, or had to stop. One that the plan or the machine speaks against is refused.
fn stopped(error: &ApplyError, messages: Messages) -> Failure {
    let failure = match error {
        ApplyError::Refused(_)
        | ApplyError::Empty
        | ApplyError::Unsafe(_)
        | ApplyError::OtherNode { .. }
        | ApplyError::OtherKernel { .. } => Failure::refused(messages.error_refused()),
        _ => Failure::internal(messages.error_apply()),
    };
    failure.because(error)
}

/// Which way a run goes.
#[derive(Clone, Copy)]
enum Way<'a> {
    Start(&'a Document<Plan>),
    Resume,
    RollBack,
}

/// Runs a plan in this process.
fn go(
    way: Way<'_>,
    knowledge: &KnowledgeBase,
    dir: Option<&Path>,
    no_reboot: bool,
    messages: Messages,
) -> Result<ExitCode, Failure> {
    let mut machine = machine(messages)?;
    let host = || source::guarded(None, knowledge, dir);
    let plan = match way {
        Way::Start(plan) => Some(plan.body.clone()),
        Way::Resume | Way::RollBack => Store::look(&machine).ok().flatten().map(|journal| journal.plan.body),
    };
    let mut progress = |at: Progress<'_>| {
        let line = match at {
            Progress::Written(event) => match &plan {
                Some(plan) => render::event(plan, jiff::Timestamp::now().as_second(), event, messages),
                None => String::new(),
            },
            Progress::Waiting(failed) => {
                format!("  {}\n", messages.event_waiting(render::checks(failed, messages)))
            }
        };
        anstream::eprint!("{line}");
    };
    let apply = apply::Apply {
        machine: &mut machine,
        host: &host,
        knowledge,
        options: Options { no_reboot, ..Options::default() },
        progress: &mut progress,
    };
    let ending = match way {
        Way::Start(plan) => apply.start(plan),
        Way::Resume => apply.resume(),
        Way::RollBack => apply.roll_back(),
    };
    let ending = ending.map_err(|error| stopped(&error, messages))?;
    let (words, code) = match &ending {
        Ending::Over(outcome) => {
            let wanted = matches!(way, Way::RollBack).then_some(ExitCode::SUCCESS);
            (
                render::outcome(*outcome, messages).to_owned(),
                wanted.unwrap_or_else(|| code_of(Some(*outcome))),
            )
        }
        Ending::Stuck(stuck) => (render::stuck(stuck, messages), ExitCode::from(4)),
        Ending::Rebooting(_) => (messages.status_rebooting().to_owned(), ExitCode::SUCCESS),
        Ending::RebootByHand(_) => (messages.status_by_hand().to_owned(), ExitCode::SUCCESS),
    };
    print(&format!("{words}\n"), messages)?;
    Ok(code)
}

/// 6 where a trial fell back, 4 where something failed before it; else 0.
fn code_of(outcome: Option<Outcome>) -> ExitCode {
    ExitCode::from(match outcome {
        Some(Outcome::FellBack) => 6,
        Some(Outcome::Undone) => 4,
        Some(Outcome::Committed | Outcome::RolledBack) | None => 0,
    })
}
