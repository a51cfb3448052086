//! What the journal of a plan says, on the console: the host hears of it at once, also early in a boot, when no command
//! can be asked yet. Nothing but a unit of its own is added to the guest.

use kernmend_core::document::journal::Pass;

use super::{Vm, VmError};

const UNIT: &str = "lab-announce.service";

/// It follows the file by the system's own notices, not by the clock. It is silent about what others print between its
/// lines: the kernel's messages, which wait for nobody, are switched off.
const TEXT: &str = "[Unit]
Description=Tell the host of the lab what the journal of a plan says
DefaultDependencies=no
After=local-fs.target

[Service]
ExecStartPre=/usr/bin/dmesg --console-level 1
ExecStart=/usr/bin/tail --lines=+2 --follow=name --retry /var/lib/kernmend/journal
StandardOutput=tty
TTYPath=/dev/ttyS0

[Install]
WantedBy=sysinit.target
";

/// What is on the console when the reboot into the trial was ordered.
pub const REBOOTING: &str = "\"event\":\"rebooting\",\"into\":\"trial\"";
/// What is on the console when the trial was judged to be healthy.
pub const HEALTHY: &str = "\"event\":\"judged\",\"healthy\":true";
/// What is on the console when a plan is over.
pub const ENDED: &str = "\"event\":\"ended\"";

/// What is on the console when a step is about to be done or taken back.
#[must_use]
pub fn started(step: usize, pass: Pass) -> String {
    of("started", step, pass)
}

/// What is on the console when a step is done, or taken back.
#[must_use]
pub fn done(step: usize, pass: Pass) -> String {
    of("done", step, pass)
}

fn of(event: &str, step: usize, pass: Pass) -> String {
    let pass = match pass {
        Pass::Act => "act",
        Pass::Undo => "undo",
    };
    format!("\"event\":\"{event}\",\"step\":{step},\"pass\":\"{pass}\"")
}

impl Vm {
    /// Has the guest say from now on, in this boot and in each that follows, what the journal says. A boot begins with
    /// what it says already.
    pub fn announce_journal(&mut self) -> Result<(), VmError> {
        // Where the directory isn't there the system can't give notice of a file in it.
        self.run(&["mkdir", "--parents", "--mode", "700", "/var/lib/kernmend"])?;
        self.push(TEXT.as_bytes(), &format!("/etc/systemd/system/{UNIT}"), "644")?;
        self.run(&["systemctl", "enable", "--now", UNIT]).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use kernmend_core::document::journal::{Destination, Entry, Event, Outcome};

    use super::*;

    #[test]
    fn what_is_waited_for_is_what_the_journal_says() {
        let said = |event| Entry { at: 1, event }.line();
        for (event, text) in [
            (Event::Rebooting { into: Destination::Trial }, REBOOTING.to_owned()),
            (Event::Judged { healthy: true, failed: Vec::new(), untold: Vec::new() }, HEALTHY.to_owned()),
            (Event::Ended { outcome: Outcome::FellBack }, ENDED.to_owned()),
            (Event::Started { step: 12, pass: Pass::Undo, undo: None }, started(12, Pass::Undo)),
            (Event::Done { step: 3, pass: Pass::Act }, done(3, Pass::Act)),
        ] {
            assert!(said(event).contains(&text), "{text}");
        }
    }
}
