//! Being told by the kernel that files grow and that names change hands, through inotify. Where that can't be had (it has
//! limits that a sick node exhausts), what is followed has to be looked at from time to time; nothing is lost by it.

use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

/// Links that are followed from a name to its file: the kernel's own limit.
const LINKS: usize = 40;

/// How often to look where the kernel tells nothing.
const LOOK_BLIND: Duration = Duration::from_secs(1);

/// How often to look all the same: the kernel doesn't tell what other machines do to a network file system.
const LOOK: Duration = Duration::from_secs(10);

/// A watch on a file; none where there is no more room for one.
pub(super) type Watch = Option<i32>;

/// All that is watched.
#[derive(Debug)]
pub(super) struct Watches {
    inotify: Option<OwnedFd>,
    is_blind: bool,
}

impl Watches {
    pub(super) fn new() -> Self {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok();
        Self { is_blind: inotify.is_none(), inotify }
    }

    /// What becomes readable when something has changed.
    pub(super) fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(OwnedFd::as_fd)
    }

    /// How long nobody needs to look when nothing is told.
    pub(super) fn look_again(&self) -> Duration {
        if self.is_blind { LOOK_BLIND } else { LOOK }
    }

    /// Watches the directories in which the name and the links behind it stand, for another file that takes the name.
    ///
    /// # Errors
    /// The directory of the name itself can't be looked at.
    pub(super) fn watch_names(&mut self, path: &Path) -> io::Result<()> {
        let directory = directory_of(path);
        directory.metadata()?;
        let mut path = path.to_owned();
        for _ in 0..LINKS {
            let directory = directory_of(&path).to_owned();
            let names = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ATTRIB | WatchFlags::ONLYDIR;
            self.watch(&directory, names);
            let Ok(target) = path.read_link() else { break };
            path = directory.join(target);
        }
        Ok(())
    }

    /// Watches the file that has this name, for what is written to it.
    pub(super) fn watch_file(&mut self, path: &Path) -> Watch {
        self.watch(path, WatchFlags::MODIFY)
    }

    /// Gives up a watch on a file, unless the file that takes its place has the same.
    pub(super) fn forget(&mut self, old: Option<Watch>, kept: Option<Watch>) {
        if let (Some(inotify), Some(Some(watch))) = (&self.inotify, old)
            && kept != old
        {
            // It is gone by itself where the file is.
            let _ = inotify::remove_watch(inotify, watch);
        }
    }

    /// Takes what was told: that something was is all that counts.
    pub(super) fn drain(&mut self) {
        let Some(inotify) = &self.inotify else { return };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(inotify, &mut buffer);
        while events.next().is_ok() {}
    }

    fn watch(&mut self, path: &Path, flags: WatchFlags) -> Watch {
        let watch = self.inotify.as_ref().and_then(|inotify| inotify::add_watch(inotify, path, flags).ok());
        self.is_blind |= watch.is_none();
        watch
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str() != OsStr::new("") => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}
