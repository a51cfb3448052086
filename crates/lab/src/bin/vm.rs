//! `vm list` names the images of the lab; `vm up IMAGE` boots a machine with a fresh disk of one, with its serial console
//! on this terminal, until it is off or the person leaves. What was done in it is then gone.

use std::env;
use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use lab::vm::image::{self, Image};
use lab::vm::{Bus, Vm};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

const USAGE: &str = "usage: vm list | vm up IMAGE";

/// The key that leaves, as in telnet: Control and `]`.
const LEAVE: u8 = 0x1d;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["list"] => {
            for recipe in image::ALL {
                println!("{}", recipe.name);
            }
            Ok(())
        }
        ["up", name] => up(name),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "vm: {error}{}",
                error.source().map(|source| format!(": {source}")).unwrap_or_default()
            );
            ExitCode::FAILURE
        }
    }
}

fn up(name: &str) -> Result<(), Box<dyn Error>> {
    let recipe = image::ALL.into_iter().find(|recipe| recipe.name == name);
    let recipe = recipe.ok_or_else(|| format!("there is no image `{name}`; `vm list` names them"))?;
    println!("{name}: taken from the cache, or made, which takes minutes");
    let image = Image::get(recipe)?;
    let kernels = image.kernels();
    println!("boots {}; {} is installed too", kernels.default, kernels.other);
    println!("root is logged in on the console; leave with Control-], and the machine is gone");
    let mut vm = Vm::new(&image, Bus::VirtioBlk)?;
    vm.power_on()?;
    let (screen, mut keyboard) = vm.terminal()?;
    let (leave, left) = mpsc::channel();
    let ended = leave.clone();
    let watched = thread::spawn(move || {
        let shown = screen.copy_to(&mut io::stdout());
        let _ = ended.send(());
        shown
    });
    vm.wait_for_boot()?;
    vm.run(&["systemctl", "enable", "--now", "lab-console.service"])?;
    let _raw = Raw::set()?;
    thread::spawn(move || {
        let mut key = [0];
        let mut keys = io::stdin();
        while keys.read_exact(&mut key).is_ok() && key[0] != LEAVE && keyboard.write_all(&key).is_ok() {}
        let _ = leave.send(());
    });
    left.recv()?;
    drop(vm);
    watched.join().map_err(|_| "the console's thread failed")??;
    Ok(())
}

/// A terminal that passes every key on as it is, until this is dropped.
struct Raw(Option<Termios>);

impl Raw {
    fn set() -> io::Result<Self> {
        // Standard input may be a pipe; then there is nothing to set.
        let Ok(before) = tcgetattr(io::stdin()) else { return Ok(Self(None)) };
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self(Some(before)))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // The terminal may be gone.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}
