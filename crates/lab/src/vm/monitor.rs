//! QEMU's monitor: what a person with access to the machine itself can do, and no guest. The protocol is QMP, one JSON
//! object a line, and QEMU speaks first.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::until;

/// Time for QEMU to answer: it writes the guest's memory to a disk at most.
const PATIENCE: Duration = Duration::from_secs(300);

/// The monitor of one run of a machine.
#[derive(Debug)]
pub(crate) struct Monitor {
    listener: UnixListener,
    stream: Option<BufReader<UnixStream>>,
}

impl Monitor {
    /// A monitor that QEMU connects to before the machine's first instruction.
    pub(crate) fn new(listener: UnixListener) -> Self {
        Self { listener, stream: None }
    }

    /// Gives a command of the human monitor. It answers with nothing but an error's text.
    pub(crate) fn order(&mut self, command: &str) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        if self.stream.is_none() {
            // Who calls has heard of the guest, so QEMU is connected, or has ended.
            self.listener.set_nonblocking(true)?;
            let (stream, _) = self.listener.accept()?;
            let stream = self.stream.insert(BufReader::new(stream));
            call(stream, "qmp_capabilities", &json!({}), deadline)?;
        }
        let stream = self.stream.as_mut().expect("it was just made where it was missing");
        let said = call(stream, "human-monitor-command", &json!({ "command-line": command }), deadline)?;
        match said.as_str().map(str::trim) {
            Some("") => Ok(()),
            _ => Err(io::Error::other(format!("`{command}`: {said}"))),
        }
    }
}

fn call(
    stream: &mut BufReader<UnixStream>,
    command: &str,
    arguments: &Value,
    deadline: Instant,
) -> io::Result<Value> {
    let request = json!({ "execute": command, "arguments": arguments });
    stream.get_mut().write_all(format!("{request}\n").as_bytes())?;
    loop {
        stream.get_ref().set_read_timeout(Some(until(deadline)))?;
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let mut answer: Value = serde_json::from_str(&line)?;
        if let Some(value) = answer.get_mut("return") {
            return Ok(value.take());
        }
        if let Some(error) = answer.get("error") {
            return Err(io::Error::other(format!("`{command}`: {error}")));
        }
        // A greeting or an event.
    }
}
