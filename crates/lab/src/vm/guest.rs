//! The host's end of the channel into a guest: commands go in, and what came of them comes out. In the guest the program
//! `guest/agent.pl` answers. It runs one command at a time, and no shell.
//!
//! When the agent starts it says so and names the boot. A command is three numbers of 32 bits (its own, the bytes of the
//! words, the bytes of standard input), the words with a zero byte between them, and the input. The answer is four (the
//! command's number, the wait status, the bytes of the two outputs) and the outputs. Numbers have the network's order.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Output};
use std::time::Instant;

use super::until;

/// The name of the port in the guest, below `/dev/virtio-ports`.
pub(crate) const PORT: &str = "kernmend.lab";

/// What the agent says when it starts, before the boot's id. No answer begins so: no command has such a number.
const HELLO: &[u8; 15] = b"\0kernmend boot ";

/// Characters of a boot's id, which is a UUID.
const BOOT_ID: usize = 36;

/// The program, the unit and the rule that start it when its port is there; for the image.
pub(crate) const AGENT: &str = include_str!("guest/agent.pl");
/// The agent's unit.
pub(crate) const AGENT_UNIT: &str = include_str!("guest/agent.service");
/// The rule by which udev wants the unit.
pub(crate) const AGENT_RULE: &str = include_str!("guest/agent.rules");
/// A unit, not enabled, with which a person gets a shell on the serial console.
pub(crate) const CONSOLE_UNIT: &str = include_str!("guest/console.service");

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Silence {
    /// The deadline has passed.
    Late,
    /// The machine is off.
    Off,
    /// The guest has booted anew in the middle.
    Rebooted,
    /// The channel itself failed.
    Channel(io::Error),
}

impl From<io::Error> for Silence {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Self::Late,
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Self::Off,
            _ => Self::Channel(error),
        }
    }
}

/// The channel of one run of a machine.
#[derive(Debug)]
pub(crate) struct Guest {
    stream: UnixStream,
    /// The number of the last command.
    asked: u32,
    /// What was read and is somebody else's to understand: the beginning of a boot's first words.
    unread: Vec<u8>,
}

impl Guest {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self { stream, asked: 0, unread: Vec::new() }
    }

    /// Waits for a boot whose agent hasn't been heard yet, and gives its id. What an earlier boot still said is passed
    /// over.
    pub(crate) fn hello(&mut self, deadline: Instant) -> Result<String, Silence> {
        let mut last = [0; HELLO.len()];
        while last != *HELLO {
            last.rotate_left(1);
            last[HELLO.len() - 1] = self.take(1, deadline)?[0];
        }
        let id = self.take(BOOT_ID, deadline)?;
        Ok(String::from_utf8_lossy(&id).into_owned())
    }

    /// Runs a command with an input, and gives what came of it.
    pub(crate) fn ask(&mut self, words: &[&str], input: &[u8], deadline: Instant) -> Result<Output, Silence> {
        self.tell(words, input, deadline)?;
        loop {
            let head = self.take(16, deadline)?;
            let number = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().expect("four bytes"));
            let of = number(0);
            if of > self.asked {
                // Who waits for a boot then hears of this one.
                self.unread = head;
                return Err(Silence::Rebooted);
            }
            let status = ExitStatus::from_raw(number(4).cast_signed());
            let stdout = self.take(number(8) as usize, deadline)?;
            let stderr = self.take(number(12) as usize, deadline)?;
            // The answer to a command that was only told is passed over.
            if of == self.asked {
                return Ok(Output { status, stdout, stderr });
            }
        }
    }

    /// Has a command run, without waiting for what comes of it.
    pub(crate) fn tell(&mut self, words: &[&str], input: &[u8], deadline: Instant) -> Result<(), Silence> {
        self.asked += 1;
        let words = words.join("\0");
        let mut request = Vec::with_capacity(12 + words.len() + input.len());
        for number in [self.asked as usize, words.len(), input.len()] {
            let number = u32::try_from(number).map_err(|_| io::Error::from(ErrorKind::FileTooLarge))?;
            request.extend(number.to_be_bytes());
        }
        request.extend(words.as_bytes());
        request.extend(input);
        self.stream.set_write_timeout(Some(until(deadline)))?;
        Ok(self.stream.write_all(&request)?)
    }

    /// Waits until the machine is off.
    pub(crate) fn end(&mut self, deadline: Instant) -> Result<(), Silence> {
        loop {
            match self.take(1, deadline) {
                Ok(_) => {}
                Err(Silence::Off) => return Ok(()),
                Err(other) => return Err(other),
            }
        }
    }

    fn take(&mut self, bytes: usize, deadline: Instant) -> Result<Vec<u8>, Silence> {
        let mut taken = vec![0; bytes];
        let mut len = bytes.min(self.unread.len());
        for (byte, unread) in taken.iter_mut().zip(self.unread.drain(..len)) {
            *byte = unread;
        }
        while len < bytes {
            self.stream.set_read_timeout(Some(until(deadline)))?;
            match self.stream.read(&mut taken[len..]) {
                Ok(0) => return Err(Silence::Off),
                Ok(read) => len += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A channel on whose other end something was said.
    fn said(bytes: &[u8]) -> (Guest, UnixStream) {
        let (mut agent, stream) = UnixStream::pair().unwrap();
        agent.write_all(bytes).unwrap();
        (Guest::new(stream), agent)
    }

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    const ID: &str = "0f0e0d0c-0b0a-0908-0706-050403020100";

    #[test]
    fn a_boot_in_the_middle_of_a_command_is_heard_by_who_waits_for_one() {
        let (mut guest, _agent) = said(&[&HELLO[..], ID.as_bytes()].concat());
        assert!(matches!(guest.ask(&["true"], &[], far()), Err(Silence::Rebooted)));
        assert_eq!(guest.hello(far()).unwrap(), ID);
    }

    #[test]
    fn a_boot_is_heard_after_the_end_of_an_answer() {
        let (mut guest, agent) = said(&[b"half an answ\0kernmend ", &HELLO[..], ID.as_bytes()].concat());
        assert_eq!(guest.hello(far()).unwrap(), ID);
        assert!(matches!(guest.hello(Instant::now()), Err(Silence::Late)));
        drop(agent);
        assert!(matches!(guest.hello(far()), Err(Silence::Off)));
    }

    #[test]
    fn an_answer_is_taken_apart() {
        let answer = [0, 0, 0, 1, 0, 0, 3, 0, 0, 0, 0, 2, 0, 0, 0, 3, b'o', b'k', b'b', b'a', b'd'];
        let (mut guest, mut agent) = said(&answer);
        let output = guest.ask(&["echo", "a b"], b"input", far()).unwrap();
        assert_eq!(
            (output.status.code(), &output.stdout[..], &output.stderr[..]),
            (Some(3), &b"ok"[..], &b"bad"[..])
        );
        let mut request = [0; 25];
        agent.read_exact(&mut request).unwrap();
        assert_eq!(&request, b"\0\0\0\x01\0\0\0\x08\0\0\0\x05echo\0a binput");
    }

    #[test]
    fn an_answer_that_nobody_waits_for_is_passed_over() {
        let answer = |number, text| [0, 0, 0, number, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, text];
        let (mut guest, _agent) = said(&[answer(1, b'a'), answer(2, b'b')].concat());
        guest.tell(&["true"], b"", far()).unwrap();
        assert_eq!(guest.ask(&["true"], b"", far()).unwrap().stdout, b"b");
    }

    #[test]
    fn a_boot_instead_of_an_answer_is_told() {
        let (mut guest, _agent) = said(&[&HELLO[..], ID.as_bytes()].concat());
        assert!(matches!(guest.ask(&["true"], b"", far()), Err(Silence::Rebooted)));
    }

    #[test]
    fn an_answer_that_is_cut_off_is_none() {
        let (mut guest, agent) = said(&[0, 0, 0, 1, 0, 0]);
        drop(agent);
        assert!(matches!(guest.ask(&["true"], b"", far()), Err(Silence::Off)));
    }
}
