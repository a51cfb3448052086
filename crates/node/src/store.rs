//! What kernmend keeps on a node, in `/var/lib/kernmend`: the journal of the plan that is being run or was run last, those
//! of plans before it, the content of files that were replaced, programs that are put in place and those that were, and what
//! failed boots left behind. It writes ahead of
//! what is done and reads it back; what follows from it is `kernmend_core::journal`'s to say.

use kernmend_core::document::journal::{Entry, Event, Journal, Outcome, ReadJournalError};
use kernmend_core::document::plan::{Expected, Plan};
use kernmend_core::document::{Digest, Document};

use crate::machine::{Lock, LockError, Machine, MachineError};

/// The directory.
pub const DIRECTORY: &str = kernmend_core::plan::swap::STORE;
/// The journal of the plan that is being run, or was run last.
pub const JOURNAL: &str = "/var/lib/kernmend/journal";
const HISTORY: &str = "/var/lib/kernmend/history";
const BEFORE: &str = "/var/lib/kernmend/before";
const KEPT: &str = "/var/lib/kernmend/kept";
/// What failed boots left behind.
pub const EVIDENCE: &str = "/var/lib/kernmend/evidence";
const LOCK: &str = "/var/lib/kernmend/lock";

/// A plan holds the files that it writes, and a line of a journal what a check said; this is far beyond both.
pub const MAX_JOURNAL: usize = 64 << 20;

/// Files that a plan replaces are settings and menus.
pub const MAX_KEPT: usize = 16 << 20;

/// What is kept concerns nobody but root: it holds files that others may not read.
const PRIVATE_DIRECTORY: u32 = 0o700;
pub(crate) const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_PROGRAM: u32 = 0o700;

/// The store, held by one process.
#[derive(Debug)]
pub struct Store {
    current: Option<Current>,
    _lock: Lock,
}

/// The journal of a plan, as it stands in the file.
#[derive(Debug, Clone)]
pub struct Current {
    /// The plan.
    pub plan: Document<Plan>,
    /// What happened since, in order.
    pub events: Vec<Event>,
}

/// Why the store can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is in use.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// It can't be read or written.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The journal is damaged. Nothing was changed.
    #[error("read `{path}`")]
    Journal {
        /// The journal's file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: ReadJournalError,
    },
    /// A plan is under way, and another one was to be begun.
    #[error("the plan {0} is under way")]
    UnderWay(Digest),
    /// What is needed to take a step back isn't there any more, or isn't what was kept.
    #[error("what was kept as `{0}` is gone or damaged")]
    NotKept(String),
}

/// A trial that fell back: what was tried is not tried again here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FellBack {
    /// The plan.
    pub plan: Digest,
    /// What should have come up.
    pub expected: Expected,
}

impl Store {
    /// Opens the store, which is made where there is none, and holds it. A last line of the journal that is torn is cut
    /// off, as if it had never been written.
    ///
    /// # Errors
    /// Somebody else holds it, it can't be read or written, or the journal is damaged; then nothing of it was changed.
    pub fn open(machine: &mut impl Machine) -> Result<Self, StoreError> {
        machine.make_directory(DIRECTORY, PRIVATE_DIRECTORY)?;
        let lock = machine.lock(LOCK)?;
        for directory in [HISTORY, BEFORE, KEPT, EVIDENCE] {
            machine.make_directory(directory, PRIVATE_DIRECTORY)?;
        }
        let mut current = None;
        if let Some(bytes) = machine.read(JOURNAL, MAX_JOURNAL)? {
            let journal = parse(JOURNAL, &bytes)?;
            if journal.whole < bytes.len() {
                machine.truncate(JOURNAL, journal.whole as u64)?;
            }
            current = Some(Current::of(journal));
        }
        Ok(Self { current, _lock: lock })
    }

    /// The plan that is being run, or was run last.
    #[must_use]
    pub fn current(&self) -> Option<&Current> {
        self.current.as_ref()
    }

    /// Begins the journal of a plan. The journal of the plan before it goes to the history.
    ///
    /// # Errors
    /// Another plan is under way, or it can't be written.
    pub fn begin(&mut self, machine: &mut impl Machine, plan: &Document<Plan>) -> Result<(), StoreError> {
        if let Some(current) = &self.current {
            if current.outcome().is_none() {
                return Err(StoreError::UnderWay(current.plan.digest()));
            }
            let bytes = machine.read(JOURNAL, MAX_JOURNAL)?.unwrap_or_default();
            machine.replace(&history(&current.plan.digest()), &bytes, PRIVATE_FILE)?;
        }
        machine.replace(JOURNAL, Journal::first_line(plan).as_bytes(), PRIVATE_FILE)?;
        self.current = Some(Current { plan: plan.clone(), events: Vec::new() });
        // What the plan before it replaced can't be asked back any more.
        for directory in [BEFORE, KEPT] {
            for name in machine.list(directory)? {
                machine.remove(&format!("{directory}/{name}"))?;
            }
        }
        Ok(())
    }

    /// Writes down what happened, or is about to. Once this has failed nothing more may be done: it would not be known.
    ///
    /// # Errors
    /// It can't be written.
    ///
    /// # Panics
    /// No plan was begun.
    pub fn append(&mut self, machine: &mut impl Machine, event: Event) -> Result<(), StoreError> {
        let current = self.current.as_mut().expect("a plan was begun before anything is written about it");
        let entry = Entry { at: machine.now(), event };
        machine.append(JOURNAL, entry.line().as_bytes())?;
        current.events.push(entry.event);
        Ok(())
    }

    /// Keeps content that is about to be replaced.
    ///
    /// # Errors
    /// It can't be written.
    pub fn keep(machine: &mut impl Machine, content: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(content);
        machine.replace(&kept(&digest), content, PRIVATE_FILE)?;
        Ok(digest)
    }

    /// Keeps a program of any length, which can be started where it is kept. One that is kept already is left.
    ///
    /// # Errors
    /// It can't be written, or doesn't hold that.
    pub fn keep_program(
        machine: &mut impl Machine,
        path: &str,
        content: &Digest,
    ) -> Result<(), MachineError> {
        let kept = Self::program(content);
        if machine.digest(&kept)?.as_ref() == Some(content) {
            return Ok(());
        }
        machine.copy(path, &kept, content, PRIVATE_PROGRAM)
    }

    /// Where a program is kept.
    #[must_use]
    pub fn program(content: &Digest) -> String {
        format!("{KEPT}/{}", hex(content))
    }

    /// Content that was kept.
    ///
    /// # Errors
    /// It is gone, or isn't what was kept.
    pub fn kept(machine: &impl Machine, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let path = kept(digest);
        let content = machine.read(&path, MAX_KEPT)?;
        content.filter(|content| Digest::of(content) == *digest).ok_or(StoreError::NotKept(path))
    }

    /// The trials that fell back here, of this plan and of those before it. A journal of the history that is damaged is left
    /// out: it can't tell what it tells.
    ///
    /// # Errors
    /// The history can't be read.
    pub fn fell_back(machine: &impl Machine) -> Result<Vec<FellBack>, StoreError> {
        let mut journals: Vec<Current> = Self::look(machine)?.into_iter().map(Current::of).collect();
        for name in machine.list(HISTORY)? {
            let path = format!("{HISTORY}/{name}");
            let bytes = machine.read(&path, MAX_JOURNAL)?.unwrap_or_default();
            journals.extend(Journal::parse(&bytes).ok().map(Current::of));
        }
        let fallen = journals.into_iter().filter_map(|journal| {
            let is_fallen = journal
                .events
                .iter()
                .any(|event| matches!(event, Event::Ended { outcome } if *outcome == Outcome::FellBack));
            let expected = journal.plan.body.trial.as_ref().map(|trial| trial.expected.clone());
            is_fallen.then_some(())?;
            Some(FellBack { plan: journal.plan.digest(), expected: expected? })
        });
        Ok(fallen.collect())
    }

    /// Reads the journal without holding the store, for those who only look.
    ///
    /// # Errors
    /// It can't be read, or is damaged.
    pub fn look(machine: &impl Machine) -> Result<Option<Journal>, StoreError> {
        let bytes = machine.read(JOURNAL, MAX_JOURNAL)?;
        bytes.map(|bytes| parse(JOURNAL, &bytes)).transpose()
    }
}

impl Current {
    fn of(journal: Journal) -> Self {
        let Journal { plan, entries, .. } = journal;
        Self { plan, events: entries.into_iter().map(|entry| entry.event).collect() }
    }

    /// How it ended, where it has.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        kernmend_core::journal::outcome(&self.plan.body, &self.events)
    }
}

fn parse(path: &str, bytes: &[u8]) -> Result<Journal, StoreError> {
    Journal::parse(bytes).map_err(|source| StoreError::Journal { path: path.to_owned(), source })
}

/// The digits of a digest.
fn hex(digest: &Digest) -> String {
    digest.to_string().trim_start_matches("sha256:").to_owned()
}

fn kept(digest: &Digest) -> String {
    format!("{BEFORE}/{}", hex(digest))
}

fn history(plan: &Digest) -> String {
    format!("{HISTORY}/{}.journal", short(plan))
}

/// The first twelve digits of a digest: the name by which people are shown a plan.
pub(crate) fn short(plan: &Digest) -> String {
    hex(plan)[..12].to_owned()
}
