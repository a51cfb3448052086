//! A process in a pseudo-terminal, watched until it ends, waits for a person, or has had its time.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::process;
use crate::LabError;

/// How it came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The process ended.
    Exited,
    /// It waits at its prompt.
    Prompt,
    /// It waits at its menu.
    Menu,
    /// It waits for a name.
    Asks,
    /// It said that the text is none of its language.
    Refused,
    /// It did none of this.
    TimedOut,
}

/// What shows an end. A title is shown too, and has none of these at the begin of a line.
const SHOWN: [(&str, End); 4] = [
    ("\nerror: syntax error.", End::Refused),
    ("\ngrub> ", End::Prompt),
    ("keys to select which entry is highlighted.", End::Menu),
    ("\nEnter username:", End::Asks),
];

/// What it says of an error, and goes on by itself after 10 seconds.
const PAUSE: &str = "\nPress any key to continue";

/// A process that doesn't outlive its owner.
struct Watched(Child);

impl Drop for Watched {
    fn drop(&mut self) {
        // One that has ended can't be killed, and that is all that can go wrong.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command until it ends or shows that it goes no further, and gives what it wrote.
pub(super) fn run(command: &mut Command, deadline: Duration) -> Result<(End, String), LabError> {
    let (master, slave) = pair().map_err(LabError::file("making a terminal by", "/dev/ptmx"))?;
    let shared = |slave: &OwnedFd| slave.try_clone().map_err(LabError::file("sharing", "/dev/pts"));
    // A terminal that can't move its cursor gets plain text. It is so large that GRUB never stops at the end of a page.
    command.env("TERM", "dumb").env("LINES", "4000").env("COLUMNS", "250");
    command.stdin(shared(&slave)?).stdout(shared(&slave)?).stderr(slave);
    let child = Watched(command.spawn().map_err(process(command))?);
    // The command holds the terminal's other end, which would keep it open.
    for close in [Command::stdin, Command::stdout, Command::stderr] {
        close(command, std::process::Stdio::null());
    }
    let outcome = watch(File::from(master), Instant::now() + deadline);
    drop(child);
    outcome.map_err(LabError::file("reading", "/dev/ptmx"))
}

fn watch(mut master: File, deadline: Instant) -> io::Result<(End, String)> {
    let mut written = Vec::new();
    let mut buffer = [0; 4096];
    let mut keys = 0;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let wait = Timespec::try_from(left).map_err(io::Error::other)?;
        let ready = match poll(&mut [PollFd::new(&master, PollFlags::IN)], Some(&wait)) {
            Err(rustix::io::Errno::INTR) => continue,
            ready => ready?,
        };
        let end = if ready == 0 {
            Some(End::TimedOut)
        } else {
            match master.read(&mut buffer) {
                Ok(0) => Some(End::Exited),
                // A terminal whose other end is closed.
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
                    Some(End::Exited)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
                read => {
                    written.extend_from_slice(&buffer[..read?]);
                    None
                }
            }
        };
        let screen = plain(&String::from_utf8_lossy(&written));
        if screen.matches(PAUSE).count() > keys {
            keys += 1;
            master.write_all(b" ")?;
        }
        match (SHOWN.iter().find(|(text, _)| screen.contains(text)), end) {
            (Some((_, shown)), _) => return Ok((*shown, screen)),
            (None, Some(end)) => return Ok((end, screen)),
            (None, None) => {}
        }
    }
}

/// What was written, without the sequences that set colours and without returns.
fn plain(text: &str) -> String {
    let mut plain = String::from("\n");
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        match char {
            '\x1b' => while rest.next().is_some_and(|char| !char.is_ascii_alphabetic()) {},
            '\r' => {}
            char => plain.push(char),
        }
    }
    plain
}

fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let slave = open(
        ptsname(&master, Vec::new())?.as_c_str(),
        OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    Ok((master, slave))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_seen_for_what_it_is() {
        for (script, expected) in [
            ("echo a; exit 1", End::Exited),
            ("printf '\\033[37mgrub> '; exec cat", End::Prompt),
            (
                "stty -icanon; printf 'Press any key to continue...'; head -c 1; printf ' keys to select which entry is highlighted.'; exec cat",
                End::Menu,
            ),
            // That is a title.
            ("printf ' Booting grub> '", End::Exited),
            ("echo 'error: syntax error.'; exec cat", End::Refused),
        ] {
            let (end, screen) =
                run(Command::new("sh").args(["-c", script]), Duration::from_secs(60)).unwrap();
            assert_eq!(end, expected, "{script}: {screen}");
        }
        let (end, _) = run(&mut Command::new("cat"), Duration::ZERO).unwrap();
        assert_eq!(end, End::TimedOut);
    }
}
