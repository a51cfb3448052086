//! The programs that may be run on a machine to change it, or to tell how it does. The list is closed, nothing goes through
//! a shell, each has a deadline, and of what it says no more than a bounded end is kept.

use std::collections::VecDeque;
use std::io::{self, PipeReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kernmend_core::plan::PROGRAM;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};

/// A program that may be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// Makes a boot menu from its settings.
    Menu {
        /// Its argument vector without the option for the output.
        generator: Vec<String>,
        /// The file that it writes.
        output: String,
    },
    /// Makes systemd read its unit files again.
    DaemonReload,
    /// Brings the machine down and up.
    Reboot {
        /// Whether nothing is waited for.
        at_once: bool,
    },
    /// Tells whether a unit of systemd is active, by its exit code.
    IsActive {
        /// The unit.
        unit: String,
    },
    /// Runs a plan in a unit of systemd's own, which goes on when the terminal is lost.
    Detached {
        /// The plan's file.
        plan: String,
        /// Its digest.
        digest: String,
        /// Whether reboots are left to a person.
        no_reboot: bool,
    },
    /// The boots that the system's journal knows, by their distance from this one and their ids.
    Boots,
    /// The last lines of the kernel's log of the boot before this one, of those that the system's journal knows.
    PreviousKernelLog,
    /// Stops a unit of systemd, or starts it anew: one that runs goes on with what was put in place.
    Unit {
        /// The unit.
        unit: String,
        /// Whether it runs afterwards.
        active: bool,
    },
    /// Makes a program tell its version: that it does is all that is asked.
    Version {
        /// Its path.
        path: String,
        /// What it is: containerd's shims have a word of their own for it.
        program: String,
    },
    /// Runs the container of a bundle to its end.
    Container {
        /// The runtime's path.
        runtime: String,
        /// Where it keeps what it knows.
        state: String,
        /// The folder with the container's configuration.
        bundle: String,
        /// The container's name.
        id: String,
    },
    /// Ends a container that was left behind, and forgets it.
    Forget {
        /// The runtime's path.
        runtime: String,
        /// Where it keeps what it knows.
        state: String,
        /// The container's name.
        id: String,
    },
    /// A check that a person put into a directory of checks.
    Check {
        /// Its path.
        path: String,
    },
}

/// The generators of menus, and the options that they may be given.
const GENERATORS: [&str; 2] = ["grub-mkconfig", "grub2-mkconfig"];
const GENERATOR_OPTIONS: [&str; 2] = ["--no-grubenv-update", "--update-bls-cmdline"];

/// Lines of a log that are kept: the end of a kernel that died says why.
const LOG_LINES: &str = "--lines=2000";

/// Bytes of output that are kept, the last ones.
const MAX_OUTPUT: usize = 256 * 1024;

/// How often a child is asked whether it has ended: one that closes its output early can't be waited for otherwise.
const TICK: Duration = Duration::from_millis(20);

impl Program {
    /// The unit in which a plan is run.
    pub const DETACHED_UNIT: &str = "kernmend-apply.service";

    /// The argument vector; none for a generator that isn't on the list.
    #[must_use]
    pub fn argv(&self) -> Option<Vec<String>> {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        Some(match self {
            Self::Menu { generator, output } => {
                let (program, options) = generator.split_first()?;
                let name = program.rsplit('/').next().unwrap_or_default();
                let known = |option: &String| GENERATOR_OPTIONS.contains(&option.as_str());
                if !GENERATORS.contains(&name) || !options.iter().all(known) {
                    return None;
                }
                [generator.clone(), vec!["-o".to_owned(), output.clone()]].concat()
            }
            Self::DaemonReload => owned(&["systemctl", "daemon-reload"]),
            Self::Reboot { at_once: false } => owned(&["systemctl", "reboot"]),
            Self::Reboot { at_once: true } => owned(&["systemctl", "--force", "--force", "reboot"]),
            Self::IsActive { unit } => owned(&["systemctl", "is-active", "--", unit]),
            Self::Detached { plan, digest, no_reboot } => {
                let unit = format!("--unit={}", Self::DETACHED_UNIT);
                let mut argv = owned(&["systemd-run", &unit, "--collect", "--quiet", "--", PROGRAM, "apply"]);
                argv.extend(owned(&[plan, "--approve", digest, "--foreground"]));
                argv.extend(no_reboot.then(|| "--no-reboot".to_owned()));
                argv
            }
            Self::Boots => owned(&["journalctl", "--no-pager", "--quiet", "--list-boots"]),
            Self::PreviousKernelLog => {
                owned(&["journalctl", "--no-pager", "--quiet", "--dmesg", "--boot=-1", LOG_LINES])
            }
            Self::Unit { unit, active: true } => owned(&["systemctl", "restart", "--", unit]),
            Self::Unit { unit, active: false } => owned(&["systemctl", "stop", "--", unit]),
            Self::Version { path, program } if program.starts_with("containerd-shim") => owned(&[path, "-v"]),
            Self::Version { path, .. } => owned(&[path, "--version"]),
            Self::Container { runtime, state, bundle, id } => {
                owned(&[runtime, "--root", state, "run", "--bundle", bundle, id])
            }
            Self::Forget { runtime, state, id } => {
                owned(&[runtime, "--root", state, "delete", "--force", id])
            }
            Self::Check { path } => owned(&[path]),
        })
    }

    /// The program as people know it.
    #[must_use]
    pub fn name(&self) -> String {
        self.argv().map_or_else(|| format!("{self:?}"), |argv| argv.join(" "))
    }
}

/// What came of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// The end of what it said, on both of its outputs.
    pub text: String,
}

/// Runs a program to its end.
pub(super) fn run(program: &Program, deadline: Duration) -> io::Result<Output> {
    let argv = program.argv().ok_or(Errno::PERM)?;
    let ends = Instant::now() + deadline;
    let mut command = Command::new(&argv[0]);
    command
        .args(&argv[1..])
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C");
    let mut kept = VecDeque::new();
    let mut keep = |bytes: &[u8]| {
        kept.extend(bytes);
        kept.drain(..kept.len().saturating_sub(MAX_OUTPUT));
        Ok(())
    };
    let code = follow(command, &mut keep, &|| (ends <= Instant::now()).then_some(Errno::TIMEDOUT))?;
    let bytes: Vec<u8> = kept.into();
    Ok(Output { code, text: String::from_utf8_lossy(&bytes).into_owned() })
}

/// Runs a command to its end and hands on what it says on both of its outputs; gives its exit code, or none where a signal
/// ended it. It is ended, with all that it started, as soon as `why` gives a reason, which is asked again and again.
pub(super) fn follow(
    mut command: Command,
    heard: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    why: &dyn Fn() -> Option<Errno>,
) -> io::Result<Option<i32>> {
    let (reader, writer) = io::pipe()?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        // So that what it starts ends with it.
        .process_group(0);
    let mut child = command.spawn()?;
    // With it go our own ends of the pipe, which would keep it open.
    drop(command);
    let result = listen(&mut child, reader, heard, why);
    if result.is_err() {
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        // Not waited for: one that the kernel holds would hold us too.
        let _ = child.try_wait();
    }
    result
}

/// Hears what a child says until it has ended.
fn listen(
    child: &mut Child,
    mut pipe: PipeReader,
    heard: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    why: &dyn Fn() -> Option<Errno>,
) -> io::Result<Option<i32>> {
    let mut buffer = [0; 4096];
    loop {
        // What was written before it ended is in the pipe by the time it has: asked first, read afterwards.
        let ended = child.try_wait()?;
        while is_readable(&pipe, if ended.is_some() { Duration::ZERO } else { TICK })? {
            match pipe.read(&mut buffer)? {
                0 => {
                    if ended.is_none() {
                        std::thread::sleep(TICK);
                    }
                    break;
                }
                length => heard(&buffer[..length])?,
            }
            if why().is_some() {
                break;
            }
        }
        if let Some(status) = ended {
            return Ok(status.code());
        }
        if let Some(errno) = why() {
            return Err(errno.into());
        }
    }
}

fn is_readable(pipe: &PipeReader, patience: Duration) -> io::Result<bool> {
    let patience = Timespec::try_from(patience).map_err(|_| io::Error::from(Errno::INVAL))?;
    let mut waiting = [PollFd::new(pipe, PollFlags::IN)];
    match rustix::event::poll(&mut waiting, Some(&patience)) {
        Ok(count) => Ok(count > 0),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_generators_of_menus_make_menus() {
        let argv = |words: &[&str]| {
            let generator = words.iter().map(ToString::to_string).collect();
            Program::Menu { generator, output: "/boot/new".to_owned() }.argv()
        };
        let expected = ["/usr/sbin/grub2-mkconfig", "--no-grubenv-update", "-o", "/boot/new"];
        assert_eq!(argv(&expected[..2]), Some(expected.map(str::to_owned).to_vec()));
        for refused in [&["sh", "-c"][..], &["grub-mkconfig", "-o"], &[], &["grub-mkconfig", "/etc/shadow"]] {
            assert_eq!(argv(refused), None, "{refused:?}");
        }
    }

    fn check(script: &str, deadline: Duration) -> io::Result<Output> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("check");
        std::fs::copy("/bin/sh", directory.path().join("sh")).unwrap();
        std::fs::write(&path, format!("#!{}/sh\n{script}\n", directory.path().display())).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, executable).unwrap();
        run(&Program::Check { path: path.to_str().unwrap().to_owned() }, deadline)
    }

    #[test]
    fn a_program_is_followed_to_its_end_and_its_words_are_kept() {
        const LONG: Duration = Duration::from_secs(60);
        let output = check("echo out; echo err >&2; exit 3", LONG).unwrap();
        assert_eq!(output, Output { code: Some(3), text: "out\nerr\n".to_owned() });
        let output = check("kill -9 $$", LONG).unwrap();
        assert_eq!(output.code, None);
        // One that leaves a child behind with its output has ended all the same.
        let output = check("sleep 60 & echo left", LONG).unwrap();
        assert_eq!(output, Output { code: Some(0), text: "left\n".to_owned() });
        let output =
            check("i=0; while [ $i -lt 40000 ]; do echo 0123456789; i=$((i+1)); done; echo end", LONG);
        let text = output.unwrap().text;
        assert_eq!((text.len(), text.ends_with("9\nend\n")), (MAX_OUTPUT, true));
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        for script in ["sleep 600", "exec >&- 2>&-; sleep 600", "while :; do echo y; done"] {
            let error = check(script, Duration::from_millis(200)).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(Errno::TIMEDOUT.raw_os_error()), "{script}");
        }
        let error = run(&Program::Check { path: "/nowhere/check".to_owned() }, Duration::from_secs(1));
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
