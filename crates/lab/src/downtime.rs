//! How long a node is away for a plan: from the order to reboot until its trial was judged healthy, beside one bare reboot
//! of the same machine. Both begin at the same moment of the same machine's life, turn by turn.

use std::error::Error;
use std::time::{Duration, Instant};

use crate::node::{self, PLAN, PROGRAM};
use crate::vm::image::DEBIAN_12;
use crate::vm::{Bus, Kept, Vm, announce};

/// What the bare reboot says on the console when it begins, as the journal of a plan does.
const BEGINS: &str = "the lab reboots this";

/// What a machine took.
#[derive(Debug, Clone, Copy)]
pub struct Away {
    /// Time on the clock, which counts; on shared cores it is as good as they are idle.
    pub wall: Duration,
    /// Time of the processor, of the whole emulated machine.
    pub processor: Duration,
}

/// A machine with a plan that may begin.
#[derive(Debug)]
pub struct Node {
    kept: Kept,
    digest: String,
}

impl Node {
    /// Makes the plan.
    pub fn new() -> Result<Self, Box<dyn Error>> {
        let mut node = node::Node::new(DEBIAN_12, Bus::VirtioBlk);
        node.vm.announce_journal()?;
        let digest = node.plan(&["--remedy", "nokmem"]).digest().to_string();
        Ok(Self { digest, kept: node.vm.keep()? })
    }

    /// The plan, from its reboot until the trial is healthy.
    pub fn by_plan(&self) -> Result<Away, Box<dyn Error>> {
        let mut vm = self.kept.resumed()?;
        vm.tell(&[PROGRAM, "apply", PLAN, "--approve", &self.digest])?;
        away(&mut vm, announce::REBOOTING, |vm| Ok(vm.wait_for_console(announce::HEALTHY)?))
    }

    /// A bare reboot, until user space is up.
    pub fn bare(&self) -> Result<Away, Box<dyn Error>> {
        let mut vm = self.kept.resumed()?;
        let script = "echo \"$0\" > /dev/ttyS0 && systemctl reboot";
        vm.tell(&["sh", "-c", script, BEGINS])?;
        away(&mut vm, BEGINS, |vm| {
            vm.wait_for_boot()?;
            let state = vm.exec(&["systemctl", "is-system-running", "--wait"])?;
            if state.status.success() { Ok(()) } else { Err(format!("it came up {state:?}").into()) }
        })
    }
}

fn away(
    vm: &mut Vm,
    begin: &str,
    end: impl FnOnce(&mut Vm) -> Result<(), Box<dyn Error>>,
) -> Result<Away, Box<dyn Error>> {
    vm.wait_for_console(begin)?;
    let (clock, before) = (Instant::now(), vm.processor()?);
    end(vm)?;
    Ok(Away { wall: clock.elapsed(), processor: vm.processor()?.saturating_sub(before) })
}
