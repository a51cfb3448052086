//! `hung ANSWER PLACE… -- PROGRAM [ARGUMENT…]`: runs a program while the files and directories at PLACE… belong to a
//! file server that answers nothing, and writes how it went into the file ANSWER. It must be run in a mount namespace of
//! its own, as by `unshare --mount`: so the machine doesn't see the server, and it goes with this program.

use std::fmt::Write as _;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use lab::hung::Server;
use rustix::fs::{Mode, OFlags};
use rustix::mount::mount_bind;
use rustix::process::{Pid, WaitOptions};

/// A program that still runs after this is broken; the test says what it should take.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long those that were told to die may take where nothing holds them.
const DYING: Duration = Duration::from_secs(3);

/// The bit of SIGKILL in a set of pending signals.
const KILL: u64 = 1 << 8;

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hung: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = "usage: hung ANSWER PLACE… -- PROGRAM [ARGUMENT…]";
    let end = arguments.iter().position(|word| word == "--").ok_or(usage)?;
    let ([answer, places @ ..], [_, program, rest @ ..]) = arguments.split_at(end) else {
        return Err(usage.into());
    };
    // What the children leave behind becomes ours.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    // Opened before anything hangs.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = rustix::fs::open("/proc", flags, Mode::empty())?;

    let directory = tempfile::tempdir()?;
    let server = Server::mount(directory.path())?;
    for place in places {
        let is_directory = fs::metadata(place)?.is_dir();
        let file = server.file();
        mount_bind(if is_directory { directory.path() } else { &file }, Path::new(place))?;
    }
    server.hang();

    let started = Instant::now();
    // Looking for a program in the PATH could hang as well.
    if !Path::new(program).is_absolute() {
        return Err(usage.into());
    }
    let mut child = Command::new(program).args(rest).spawn()?;
    let mut status = None;
    while status.is_none() && started.elapsed() < PATIENCE {
        status = child.try_wait()?;
        pause();
    }
    let wall = started.elapsed();
    if status.is_none() {
        child.kill()?;
    }

    let told = Instant::now();
    let mut left = orphans(&proc)?;
    while left.iter().any(|orphan| !orphan.is_held()) && told.elapsed() < DYING {
        pause();
        left = orphans(&proc)?;
    }
    server.end()?;
    let ended = Instant::now();
    while !orphans(&proc)?.is_empty() && ended.elapsed() < DYING {
        pause();
    }
    let stays = orphans(&proc)?.len();

    let code = status.and_then(|status| status.code());
    let mut text = String::new();
    writeln!(text, "code {}", code.map_or("none".to_owned(), |code| code.to_string()))?;
    writeln!(text, "milliseconds {}", wall.as_millis())?;
    writeln!(text, "held {}", left.iter().filter(|orphan| orphan.is_held()).count())?;
    writeln!(text, "alive {}", left.iter().filter(|orphan| !orphan.is_held()).count())?;
    writeln!(text, "stays {stays}")?;
    Ok(fs::write(answer, text)?)
}

/// A process that outlived the one that started it.
struct Orphan {
    state: char,
    killed: bool,
}

impl Orphan {
    /// Whether it would be dead if the kernel let it go.
    fn is_held(&self) -> bool {
        self.state == 'D' && self.killed
    }
}

/// Our children, after those that died were taken away.
fn orphans(proc: &OwnedFd) -> Result<Vec<Orphan>, Error> {
    while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
    let this = Pid::as_raw(Some(rustix::process::getpid())).to_string();
    let mut found = Vec::new();
    for entry in rustix::fs::Dir::read_from(proc)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let path = format!("{name}/status");
        // A process can end while we look.
        let Ok(file) = rustix::fs::openat(proc, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) else {
            continue;
        };
        let Ok(status) = std::io::read_to_string(fs::File::from(file)) else { continue };
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if field("PPid:") == Some(&this) {
            let pending = |name| field(name).and_then(|set| u64::from_str_radix(set, 16).ok()).unwrap_or(0);
            found.push(Orphan {
                state: field("State:").and_then(|state| state.chars().next()).unwrap_or('?'),
                killed: (pending("SigPnd:") | pending("ShdPnd:")) & KILL != 0,
            });
        }
    }
    Ok(found)
}

fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}
