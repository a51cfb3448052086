//! How long a node is away for a plan: from the order to reboot until its trial was judged healthy, beside one bare reboot
//! of the same machine. Both begin at the same moment of the same machine's life, turn by turn.

use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

use kernmend_core::document::Document;
use kernmend_core::document::plan::Plan;
use kernmend_core::plan::PROGRAM;

use crate::kernmend;
use crate::vm::image::{DEBIAN_12, Image};
use crate::vm::{Bus, Kept, Vm, announce};

const PLAN: &str = "/root/plan.json";

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
        let mut vm = Vm::resumed(&Image::get(DEBIAN_12)?, Bus::VirtioBlk)?;
        vm.push(&fs::read(kernmend::path())?, "/root/kernmend", "755")?;
        vm.run(&["/root/kernmend", "install"])?;
        vm.announce_journal()?;
        vm.run(&[PROGRAM, "plan", "--remedy", "nokmem", "--write", PLAN])?;
        let plan: Document<Plan> = Document::from_json(&vm.run(&["cat", PLAN])?)?;
        Ok(Self { digest: plan.digest().to_string(), kept: vm.keep()? })
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
