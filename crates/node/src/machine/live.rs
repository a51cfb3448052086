//! A real root: the machine's own, or in tests a directory that is laid out like one. No path leads out of it.

mod freeze;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use kernmend_core::document::Digest;
use kernmend_core::document::snapshot::Origin;
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, XattrFlags};
use rustix::io::Errno;
use rustix::system::RebootCommand;
use sha2::{Digest as _, Sha256};

use super::program::{self, Output, Program};
use super::{LockError, MAX_NAMES, Machine, MachineError, Reboot, Status, failed};
use crate::host::open::{self, MAX_LINKS, OpenRootError};
use crate::host::{Kind, Listing, Want};

/// A real root.
#[derive(Debug)]
pub struct Live {
    root: OwnedFd,
    origin: Origin,
}

/// A lock that is held while this lives; the system lets it go with the process.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock is the open file")] OwnedFd);

/// Where SELinux keeps a file's label.
const LABEL: &str = "security.selinux";

/// Where the kernel keeps what a program may do besides.
const CAPABILITIES: &str = "security.capability";

/// Bytes that are copied at a time.
const CHUNK: usize = 256 * 1024;

/// Labels are short words, and capabilities a few numbers; the system's own limit for any attribute is 64 KiB.
const MAX_ATTRIBUTE: usize = 4096;

/// `MSDOS_SUPER_MAGIC`: a file system without permissions and owners of its own.
const VFAT: u64 = 0x4d44;

/// How long systemd may take to say that it reboots, before it is done without it.
const REBOOT: Duration = Duration::from_secs(60);

/// How long what was written may take to reach the disk before a reboot that waits for nothing.
const SYNC: Duration = Duration::from_secs(10);

impl Live {
    /// The machine that this runs on.
    ///
    /// # Errors
    /// Its root can't be opened.
    pub fn machine() -> Result<Self, OpenRootError> {
        Ok(Self { root: open::root(Path::new("/"))?, origin: Origin::Live })
    }

    /// A directory that is laid out like a root. It runs no programs, doesn't reboot, and no file system is frozen for it.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn directory(path: &Path) -> Result<Self, OpenRootError> {
        Ok(Self { root: open::root(path)?, origin: Origin::Directory })
    }

    fn open(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        open::open(&self.root, path, flags, self.origin)
    }

    /// Opens a regular file, which alone can be one of ours: a FIFO would wait, and opening a device can be an act.
    fn open_file(&self, path: &str, flags: OFlags) -> Result<(File, rustix::fs::Stat), Errno> {
        regular(&rustix::fs::fstat(self.open(path, OFlags::PATH)?)?)?;
        let fd = self.open(path, flags | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let stat = rustix::fs::fstat(&fd)?;
        regular(&stat)?;
        Ok((File::from(fd), stat))
    }

    /// The directory in which the file at `path` is, and its name there; a link at the end is followed, and its target need
    /// not be there.
    fn place(&self, path: &str) -> Result<(OwnedFd, String), Errno> {
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            let (parent, name) = split(&path)?;
            let directory = self.open(parent, OFlags::RDONLY | OFlags::DIRECTORY)?;
            path = match rustix::fs::readlinkat(&directory, name, Vec::new()) {
                Err(Errno::INVAL | Errno::NOENT) => return Ok((directory, name.to_owned())),
                Err(errno) => return Err(errno),
                Ok(target) => match target.to_str().map_err(|_| Errno::ILSEQ)? {
                    target if target.starts_with('/') => target.to_owned(),
                    target => format!("{parent}/{target}"),
                },
            };
        }
        Err(Errno::LOOP)
    }

    fn replaced(
        &self,
        path: &str,
        mode: u32,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        let (directory, name) = self.place(path)?;
        // Hidden, so that nobody who reads the directory takes it for one of its files; one that is there was left by a
        // kernmend that died, since only one is at work.
        let part = format!(".{name}.kernmend-part");
        unlinked(&directory, &part)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&directory, &*part, flags, Mode::from_raw_mode(0o600))?;
        let mut file = File::from(file);
        let written = fill(&mut file).and_then(|()| Ok(Self::written(&directory, &name, &file, mode)?));
        let put = written.and_then(|()| Ok(rustix::fs::renameat(&directory, &*part, &directory, &*name)?));
        if put.is_err() {
            // What was written takes room that may be what was missing.
            let _ = unlinked(&directory, &part);
        }
        put?;
        Ok(rustix::fs::fsync(&directory)?)
    }

    /// Makes a file that was filled like the one whose place it takes.
    fn written(directory: &OwnedFd, name: &str, file: &File, mode: u32) -> Result<(), Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::openat(directory, name, flags, Mode::empty()) {
            Ok(old) => resemble(&old, file)?,
            Err(Errno::NOENT) => rustix::fs::fchmod(file, Mode::from_raw_mode(mode))
                .or_else(|errno| if has_no_owners(file) { Ok(()) } else { Err(errno) })?,
            Err(errno) => return Err(errno),
        }
        file.sync_all().map_err(errno_of)
    }

    fn kept(&self, path: &str) -> Result<(), Errno> {
        let (directory, own) = self.place(path)?;
        let kept = second_name(&own);
        let link = || rustix::fs::linkat(&directory, &*own, &directory, &*kept, AtFlags::empty());
        let linked = match link() {
            // Left by one that died: what he replaced may not be settled yet.
            Err(Errno::EXIST) => {
                self.settled(path)?;
                unlinked(&directory, &kept)?;
                link()
            }
            linked => linked,
        };
        match linked {
            Ok(()) | Err(Errno::NOENT) => rustix::fs::fsync(&directory),
            Err(Errno::PERM | Errno::OPNOTSUPP) if has_no_owners(&directory) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    fn let_go_of(&self, path: &str) -> Result<(), Errno> {
        let (directory, own) = self.place(path)?;
        unlinked(&directory, &second_name(&own))?;
        rustix::fs::fsync(&directory)
    }

    fn overwritten(&self, path: &str, content: &[u8]) -> Result<(), Errno> {
        let (file, stat) = self.open_file(path, OFlags::WRONLY)?;
        if u64::try_from(stat.st_size) != Ok(content.len() as u64) {
            return Err(Errno::INVAL);
        }
        file.write_all_at(content, 0).map_err(errno_of)?;
        file.sync_all().map_err(errno_of)
    }

    fn settled(&self, path: &str) -> Result<(), Errno> {
        let (directory, _) = self.place(path)?;
        rustix::fs::syncfs(&directory)?;
        // In a directory there is no boot loader to read it, and its file system is somebody else's.
        if self.origin == Origin::Live { freeze::and_thaw(&directory) } else { Ok(()) }
    }
}

impl Machine for Live {
    fn read(&self, path: &str, max: usize) -> Result<Option<Vec<u8>>, MachineError> {
        let read = || {
            let (file, _) = self.open_file(path, OFlags::RDONLY)?;
            let mut bytes = Vec::new();
            file.take(max as u64 + 1).read_to_end(&mut bytes).map_err(errno_of)?;
            if bytes.len() > max { Err(Errno::FBIG) } else { Ok(bytes) }
        };
        there(read()).map_err(failed("read", path))
    }

    fn digest(&self, path: &str) -> Result<Option<Digest>, MachineError> {
        let digest = || {
            let (mut file, _) = self.open_file(path, OFlags::RDONLY)?;
            stream(&mut file, &mut io::sink()).map_err(errno_of)
        };
        there(digest()).map_err(failed("read", path))
    }

    fn status(&self, path: &str) -> Result<Option<Status>, MachineError> {
        let status = || {
            let stat = rustix::fs::fstat(self.open(path, OFlags::PATH)?)?;
            regular(&stat)?;
            Ok(Status { size: u64::try_from(stat.st_size).unwrap_or(0), mode: stat.st_mode & 0o7777 })
        };
        there(status()).map_err(failed("look at", path))
    }

    fn is_directory(&self, path: &str) -> Result<bool, MachineError> {
        let stat = self.open(path, OFlags::PATH).and_then(rustix::fs::fstat);
        let stat = there(stat).map_err(failed("look at", path))?;
        Ok(stat.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory))
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, MachineError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
        let listing = self.open(directory, flags).and_then(|fd| Listing::read(fd, Want::All, MAX_NAMES));
        let listing = there(listing).map_err(failed("list", directory))?;
        let entries = listing.iter().flat_map(Listing::iter);
        let files = entries.filter(|(_, kind)| *kind != Kind::Directory).map(|(name, _)| name.to_owned());
        let mut names: Vec<String> = files.collect();
        names.sort();
        Ok(names)
    }

    fn make_directory(&mut self, path: &str, mode: u32) -> Result<(), MachineError> {
        let make = || {
            let (directory, name) = self.place(path)?;
            match rustix::fs::mkdirat(&directory, &*name, Mode::from_raw_mode(mode)) {
                Ok(()) => rustix::fs::fsync(&directory),
                Err(Errno::EXIST) => self.open(path, OFlags::PATH | OFlags::DIRECTORY).map(drop),
                Err(errno) => Err(errno),
            }
        };
        make().map_err(failed("make the directory", path))
    }

    fn remove_directory(&mut self, path: &str) -> Result<(), MachineError> {
        let remove = || {
            let (parent, name) = split(path)?;
            let directory = self.open(parent, OFlags::RDONLY | OFlags::DIRECTORY)?;
            match rustix::fs::unlinkat(&directory, name, AtFlags::REMOVEDIR) {
                Ok(()) => rustix::fs::fsync(&directory),
                Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
                Err(errno) => Err(errno),
            }
        };
        there(remove()).map(drop).map_err(failed("remove the directory", path))
    }

    fn replace(&mut self, path: &str, content: &[u8], mode: u32) -> Result<(), MachineError> {
        let replaced = self.replaced(path, mode, |file| file.write_all(content));
        replaced.map_err(|source| MachineError::new("replace", path, source))
    }

    fn copy(&mut self, from: &str, path: &str, content: &Digest, mode: u32) -> Result<(), MachineError> {
        let (mut source, _) = self.open_file(from, OFlags::RDONLY).map_err(failed("read", from))?;
        let copied = self.replaced(path, mode, |file| {
            let found = stream(&mut source, file)?;
            if found == *content {
                return Ok(());
            }
            Err(io::Error::other(format!("`{from}` holds {found}, and should hold {content}")))
        });
        copied.map_err(|source| MachineError::new("replace", path, source))
    }

    fn keep(&mut self, path: &str) -> Result<(), MachineError> {
        self.kept(path).map_err(failed("keep", path))
    }

    fn let_go(&mut self, path: &str) -> Result<(), MachineError> {
        there(self.let_go_of(path)).map(drop).map_err(failed("let go of", path))
    }

    fn overwrite(&mut self, path: &str, content: &[u8]) -> Result<(), MachineError> {
        self.overwritten(path, content).map_err(failed("write over", path))
    }

    fn remove(&mut self, path: &str) -> Result<(), MachineError> {
        let remove = || {
            let (parent, name) = split(path)?;
            let directory = self.open(parent, OFlags::RDONLY | OFlags::DIRECTORY)?;
            unlinked(&directory, name)?;
            rustix::fs::fsync(&directory)
        };
        there(remove()).map(drop).map_err(failed("remove", path))
    }

    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<(), MachineError> {
        let append = || {
            let (mut file, _) = self.open_file(path, OFlags::WRONLY | OFlags::APPEND)?;
            file.write_all(bytes).map_err(errno_of)?;
            file.sync_all().map_err(errno_of)
        };
        append().map_err(failed("append to", path))
    }

    fn truncate(&mut self, path: &str, length: u64) -> Result<(), MachineError> {
        let truncate = || {
            let (file, _) = self.open_file(path, OFlags::WRONLY)?;
            file.set_len(length).map_err(errno_of)?;
            file.sync_all().map_err(errno_of)
        };
        truncate().map_err(failed("cut off", path))
    }

    fn settle(&mut self, path: &str) -> Result<(), MachineError> {
        self.settled(path).map_err(failed("settle the file system of", path))
    }

    fn run(&mut self, program: &Program, deadline: Duration) -> Result<Output, MachineError> {
        let run = match self.origin {
            Origin::Live => program::run(program, deadline),
            _ => Err(Errno::NOSYS.into()),
        };
        run.map_err(|source| MachineError::new("run", &program.name(), source))
    }

    fn reboot(&mut self, how: Reboot) -> Result<(), MachineError> {
        if self.origin != Origin::Live {
            return Err(failed("reboot", "the machine")(Errno::NOSYS));
        }
        let at_once = how == Reboot::AtOnce;
        if at_once {
            sync_within(SYNC);
        }
        match self.run(&Program::Reboot { at_once }, REBOOT) {
            Ok(Output { code: Some(0), .. }) => Ok(()),
            // Whoever asks nicely can wait for a person; the dead man can't.
            Ok(output) if !at_once => {
                let said = io::Error::other(output.text.trim().to_owned());
                Err(MachineError::new("reboot", "the machine", said))
            }
            Err(error) if !at_once => Err(error),
            _ => rustix::system::reboot(RebootCommand::Restart).map_err(failed("reboot", "the machine")),
        }
    }

    fn wait(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn uptime(&self) -> Duration {
        Duration::from_secs(u64::try_from(rustix::system::sysinfo().uptime).unwrap_or(0))
    }

    fn now(&self) -> i64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    }

    fn lock(&mut self, path: &str) -> Result<Lock, LockError> {
        let open = || {
            let (directory, name) = self.place(path)?;
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(&directory, &*name, flags, Mode::from_raw_mode(0o600))
        };
        let mut file = File::from(open().map_err(failed("lock", path))?);
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                // Who it is helps, and isn't needed.
                let _ = file.read_to_string(&mut holder);
                let holder = Some(holder.trim().to_owned()).filter(|holder| !holder.is_empty());
                return Err(LockError::Held { holder });
            }
            Err(errno) => return Err(failed("lock", path)(errno).into()),
        }
        // On a full disk the lock holds without a name.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Lock(file.into()))
    }
}

/// Directory and name of a path.
fn split(path: &str) -> Result<(&str, &str), Errno> {
    let (parent, name) = path.rsplit_once('/').ok_or(Errno::INVAL)?;
    if matches!(name, "" | "." | "..") { Err(Errno::INVAL) } else { Ok((parent, name)) }
}

fn second_name(name: &str) -> String {
    format!("{name}.kernmend-old")
}

/// The answer about a file that may be missing.
fn there<T>(answer: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn regular(stat: &rustix::fs::Stat) -> Result<(), Errno> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err(Errno::ISDIR),
        _ => Err(Errno::INVAL),
    }
}

fn unlinked(directory: &OwnedFd, name: &str) -> Result<(), Errno> {
    let is_missing = || {
        let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
        matches!(stat, Err(Errno::NOENT))
    };
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        // A file system that is read-only says so before it looks, and nothing is to be done there.
        Err(Errno::ROFS) if is_missing() => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Gives a new file what the old one has besides its content.
fn resemble(old: &OwnedFd, new: &File) -> Result<(), Errno> {
    let (was, is) = (rustix::fs::fstat(old)?, rustix::fs::fstat(new)?);
    regular(&was)?;
    hand_on(LABEL, old, new)?;
    if has_no_owners(new) {
        return Ok(());
    }
    if (was.st_uid, was.st_gid) != (is.st_uid, is.st_gid) {
        let (user, group) = (rustix::fs::Uid::from_raw(was.st_uid), rustix::fs::Gid::from_raw(was.st_gid));
        rustix::fs::fchown(new, Some(user), Some(group))?;
    }
    // After the owner: a change of owner takes bits and capabilities away.
    rustix::fs::fchmod(new, Mode::from_raw_mode(was.st_mode & 0o7777))?;
    hand_on(CAPABILITIES, old, new)
}

/// Gives a new file an attribute of the old one, where that has it.
fn hand_on(name: &str, old: &OwnedFd, new: &File) -> Result<(), Errno> {
    let mut value = [0; MAX_ATTRIBUTE];
    match rustix::fs::fgetxattr(old, name, &mut value[..]) {
        Ok(length) => rustix::fs::fsetxattr(new, name, &value[..length], XattrFlags::empty()),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Copies a file to its end, and gives the digest of what it holds.
fn stream(from: &mut File, to: &mut impl Write) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return Ok(Digest::from_bytes(hash.finalize().into())),
            Ok(length) => {
                hash.update(&chunk[..length]);
                to.write_all(&chunk[..length])?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn has_no_owners(fd: impl std::os::fd::AsFd) -> bool {
    rustix::fs::fstatfs(fd).is_ok_and(|stat| stat.f_type.cast_unsigned() == VFAT)
}

/// Writes to the disks what waits for it, for no longer than this: a dead file server would hold it for ever.
fn sync_within(time: Duration) {
    let (done, waiting) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        rustix::fs::sync();
        let _ = done.send(());
    });
    let _ = waiting.recv_timeout(time);
}

#[expect(clippy::needless_pass_by_value, reason = "it stands behind `map_err`")]
fn errno_of(error: io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error)
}

#[cfg(test)]
mod tests;
