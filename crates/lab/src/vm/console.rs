//! What a machine writes to its serial console, as it writes it. Nothing is lost: who waits for a text waits on what was
//! written, and not on the time.

use std::io::{self, Read as _, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::until;

/// Lines that an error shows: GRUB's last words and a kernel's panic fit.
const SHOWN: usize = 30;

/// The console of one run of a machine.
#[derive(Debug, Clone)]
pub struct Console(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    written: Mutex<Written>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Written {
    bytes: Vec<u8>,
    /// The machine is off: nothing more comes.
    ended: bool,
}

impl Console {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared { written: Mutex::default(), changed: Condvar::new() }))
    }

    /// Takes in what comes, until the machine is off.
    pub(crate) fn drain(&self, mut stream: UnixStream) {
        let mut buffer = [0; 4096];
        loop {
            let read = match stream.read(&mut buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => 0,
            };
            let mut written = self.lock();
            written.bytes.extend(&buffer[..read]);
            written.ended |= read == 0;
            self.0.changed.notify_all();
            if written.ended {
                return;
            }
        }
    }

    /// What was written after the first `from` bytes, at least one byte; nothing when nothing more comes or the deadline
    /// has passed.
    pub(crate) fn after(&self, from: usize, deadline: Option<Instant>) -> Vec<u8> {
        let mut written = self.lock();
        loop {
            let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if written.bytes.len() > from || written.ended || late {
                return written.bytes.get(from..).unwrap_or_default().to_vec();
            }
            let changed = &self.0.changed;
            written = match deadline {
                None => changed.wait(written).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let waited = changed.wait_timeout(written, until(deadline));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Waits for a text after the first `from` bytes. Gives where it ends, or nothing where it doesn't come.
    pub(crate) fn find(&self, text: &str, from: usize, deadline: Instant) -> Option<usize> {
        let mut from = from;
        let mut seen = Vec::new();
        loop {
            let at = seen.windows(text.len()).position(|window| window == text.as_bytes());
            if let Some(at) = at {
                return Some(from + at + text.len());
            }
            // What could still become the text is looked at again with what follows.
            let passed = (seen.len() + 1).saturating_sub(text.len());
            from += passed;
            seen.drain(..passed);
            let more = self.after(from + seen.len(), Some(deadline));
            if more.is_empty() {
                return None;
            }
            seen.extend(more);
        }
    }

    /// Writes what comes to `screen`, from the begin until the machine is off.
    pub fn copy_to(&self, screen: &mut impl Write) -> io::Result<()> {
        let mut shown = 0;
        loop {
            let more = self.after(shown, None);
            if more.is_empty() {
                return Ok(());
            }
            shown += more.len();
            screen.write_all(&more)?;
            screen.flush()?;
        }
    }

    /// Everything that was written so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }

    /// The last lines, for an error.
    pub(crate) fn last_lines(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(SHOWN)..].join("\n")
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.0.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// A console with something on it, and whoever writes more.
    fn console(written: &str) -> (Console, UnixStream) {
        let (mut machine, stream) = UnixStream::pair().unwrap();
        let console = Console::new();
        let drained = console.clone();
        thread::spawn(move || drained.drain(stream));
        machine.write_all(written.as_bytes()).unwrap();
        (console, machine)
    }

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    #[test]
    fn a_text_is_found_after_those_before_it() {
        let (console, mut machine) = console("one two one");
        let first = console.find("one", 0, far());
        assert_eq!(first, Some(3));
        assert_eq!(console.find("one", 3, far()), Some(11));
        assert_eq!(console.find("two", 0, far()), Some(7));
        // It comes in pieces, and only while it is waited for.
        let waiting = thread::spawn({
            let console = console.clone();
            move || console.find("three four", 3, far())
        });
        for piece in [" thr", "three", " fo", "ur five"] {
            machine.write_all(piece.as_bytes()).unwrap();
        }
        assert_eq!(waiting.join().unwrap(), Some(25));
    }

    #[test]
    fn a_text_that_does_not_come_is_none() {
        let (console, machine) = console("one\n\ntwo\r\nthree");
        assert_eq!(console.find("four", 0, Instant::now()), None);
        drop(machine);
        assert_eq!(console.find("four", 0, far()), None);
        assert_eq!(console.find("three!", 0, far()), None);
        assert_eq!(console.last_lines(), "one\ntwo\nthree");
        let mut screen = Vec::new();
        console.copy_to(&mut screen).unwrap();
        assert_eq!(screen, b"one\n\ntwo\r\nthree");
    }
}
