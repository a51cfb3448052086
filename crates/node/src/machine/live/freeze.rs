//! A file system is frozen and thawed, which puts all of its journal in its place. Whoever died between the two would leave a root
//! that nobody can write to any more, so signals that end a process wait for that time.

use std::ffi::c_int;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::io::Errno;
use rustix::ioctl::{NoArg, Opcode, ioctl, opcode};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

/// `FIFREEZE` and `FITHAW` of `linux/fs.h`.
const FREEZE: Opcode = opcode::read_write::<i32>(b'X', 119);
const THAW: Opcode = opcode::read_write::<i32>(b'X', 120);

/// What ends a process that doesn't look after it: a lost terminal, a person, systemd. Nobody can hold back SIGKILL; systemd
/// sends that a minute and a half later.
const ENDING: [c_int; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/// Freezes a file system and thaws it. Where that can't be done, what was synced has to do.
pub(super) fn and_thaw(directory: &OwnedFd) -> Result<(), Errno> {
    let held = hold().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    let frozen = match call::<FREEZE>(directory) {
        // Once more than fails: a root that stays frozen is a node that is lost.
        Ok(()) => match call::<THAW>(directory).or_else(|_| call::<THAW>(directory)) {
            // Somebody thawed it before.
            Err(Errno::INVAL) => Ok(()),
            thawed => thawed,
        },
        // Somebody else froze it, with the same effect, and thaws it. Some file systems have no journal, and a container may
        // not freeze its.
        Err(Errno::BUSY | Errno::OPNOTSUPP | Errno::NOTTY | Errno::INVAL | Errno::PERM) => Ok(()),
        Err(errno) => Err(errno),
    };
    if let Some(signal) = held.release() {
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
    frozen
}

#[expect(unsafe_code, reason = "the system has no other way to freeze a file system")]
fn call<const OPCODE: Opcode>(directory: &OwnedFd) -> Result<(), Errno> {
    // SAFETY: the kernel doesn't look at the argument of either (`ioctl_fsfreeze`, `ioctl_fsthaw` in `fs/ioctl.c`).
    unsafe { ioctl(directory, NoArg::<OPCODE>::new()) }
}

/// Signals that wait.
struct Held {
    /// Whether they end the process, as they do without us.
    may_end: Arc<AtomicBool>,
    /// The last that came.
    came: Arc<AtomicUsize>,
}

/// Lets signals wait until they are released. Their handlers stay for good, and do then what a
/// signal does to who doesn't look after it.
fn hold() -> io::Result<&'static Held> {
    static HELD: OnceLock<Held> = OnceLock::new();
    let held = match HELD.get() {
        Some(held) => held,
        None => {
            let (may_end, came) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
            for signal in ENDING {
                signal_hook::flag::register_conditional_default(signal, Arc::clone(&may_end))?;
                let number = usize::try_from(signal).map_err(io::Error::other)?;
                signal_hook::flag::register_usize(signal, Arc::clone(&came), number)?;
            }
            HELD.get_or_init(|| Held { may_end, came })
        }
    };
    held.may_end.store(false, Ordering::SeqCst);
    Ok(held)
}

impl Held {
    /// Lets them end the process again, and gives the one that came meanwhile.
    fn release(&self) -> Option<c_int> {
        self.may_end.store(true, Ordering::SeqCst);
        let came = c_int::try_from(self.came.swap(0, Ordering::SeqCst)).unwrap_or(0);
        (came != 0).then_some(came)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_would_end_it_waits() {
        let held = hold().unwrap();
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert_eq!(held.release(), Some(SIGTERM));
        assert_eq!(hold().unwrap().release(), None);
    }
}
