//! A node in a virtual machine on which plans are made and run, as a person does it: by the program under test. What goes
//! wrong ends the test; nothing here is of use to anybody else.

use std::error::Error;
use std::fs;

use kernmend_core::document::Document;
use kernmend_core::document::journal::{Event, Journal};
use kernmend_core::document::plan::Plan;

use crate::kernmend;
use crate::vm::image::{Image, Recipe};
use crate::vm::{Bus, Vm, VmError};

/// Where the program is put.
pub use kernmend_core::plan::PROGRAM;

/// Where plans are written.
pub const PLAN: &str = "/root/plan.json";

/// How a plan ended, by the exit code of `kernmend status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It stays.
    Committed,
    /// It was taken back when that was asked for.
    RolledBack,
    /// A step failed before the trial, and all was taken back.
    Undone,
    /// The trial failed.
    FellBack,
}

/// What a program came to, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it said, on both of its outputs.
    pub text: String,
}

/// The node.
#[derive(Debug)]
pub struct Node {
    /// Its machine.
    pub vm: Vm,
    /// What it came from.
    pub image: Image,
}

impl Node {
    /// A node that runs its default kernel, with the program installed.
    #[must_use]
    pub fn new(recipe: Recipe, bus: Bus) -> Self {
        let image = must(Image::get(recipe));
        let mut vm = must(Vm::resumed(&image, bus));
        must(vm.push(&must(fs::read(kernmend::path())), "/root/kernmend", "755"));
        must(vm.run(&["/root/kernmend", "install"]));
        Self { vm, image }
    }

    /// The kernel that boots by itself, and the other one.
    #[must_use]
    pub fn kernels(&self) -> (String, String) {
        let kernels = self.image.kernels();
        (kernels.default.clone(), kernels.other.clone())
    }

    /// Runs a command that must succeed, and gives its output.
    pub fn run(&mut self, words: &[&str]) -> String {
        must(self.vm.run(words))
    }

    /// Makes or replaces a file.
    pub fn write(&mut self, path: &str, content: &str, mode: &str) {
        must(self.vm.push(content.as_bytes(), path, mode));
    }

    /// Whether a command succeeds.
    pub fn test(&mut self, words: &[&str]) -> bool {
        must(self.vm.exec(words)).status.success()
    }

    /// The command line of the running kernel.
    pub fn cmdline(&mut self) -> String {
        must(self.vm.cmdline())
    }

    /// The release of the running kernel.
    pub fn release(&mut self) -> String {
        must(self.vm.kernel())
    }

    /// Runs the program under test to its end.
    pub fn kernmend(&mut self, words: &[&str]) -> Said {
        let output = must(self.vm.exec(&[&[PROGRAM], words].concat()));
        let text = [output.stdout, output.stderr].concat();
        Said { code: output.status.code(), text: String::from_utf8_lossy(&text).into_owned() }
    }

    /// Makes a plan that may start.
    ///
    /// # Panics
    /// It may not.
    pub fn plan(&mut self, options: &[&str]) -> Document<Plan> {
        let said = self.kernmend(&[&["plan", "--write", PLAN], options].concat());
        assert_eq!(said.code, Some(0), "{}", said.text);
        must(Document::from_json(&self.run(&["cat", PLAN])))
    }

    /// Makes a plan that may not start, and gives the codes of its refusals.
    ///
    /// # Panics
    /// It may.
    pub fn refusals(&mut self, options: &[&str]) -> Vec<String> {
        let said = self.kernmend(&[&["plan", "--write", PLAN], options].concat());
        assert_eq!(said.code, Some(5), "{}", said.text);
        let plan: Document<Plan> = must(Document::from_json(&self.run(&["cat", PLAN])));
        plan.body.refusals.into_iter().map(|refusal| refusal.reason.code).collect()
    }

    /// Makes a plan and has it run; the reboot into the trial is under way when it returns.
    pub fn apply(&mut self, options: &[&str]) -> Document<Plan> {
        let plan = self.plan(options);
        self.start(&plan);
        plan
    }

    /// Has the plan run that was made last; the reboot into the trial is under way when it returns.
    pub fn start(&mut self, plan: &Document<Plan>) {
        let digest = plan.digest().to_string();
        must(self.vm.tell(&[PROGRAM, "apply", PLAN, "--approve", &digest]));
    }

    /// Has what was done taken back; the reboot is under way when it returns.
    pub fn roll_back(&mut self) {
        must(self.vm.tell(&[PROGRAM, "rollback"]));
    }

    /// Waits through all reboots until the plan is over, and says how it ended.
    ///
    /// # Panics
    /// No kernel comes up, or the program says something else.
    pub fn ends(&mut self) -> Outcome {
        loop {
            must(self.vm.wait_for_boot());
            if let Some(outcome) = self.outcome() {
                return outcome;
            }
        }
    }

    /// Follows the plan in this boot until it is over, and says how it ended; nothing where the node reboots first.
    ///
    /// # Panics
    /// The program says something else.
    pub fn outcome(&mut self) -> Option<Outcome> {
        let output = match self.vm.exec(&[PROGRAM, "status", "--follow", "--output", "json"]) {
            Ok(output) => output,
            Err(VmError::Rebooted { .. }) => return None,
            Err(error) => panic!("{error}"),
        };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let last = said.lines().last().unwrap_or_default();
        Some(match (output.status.code(), last) {
            (Some(6), _) => Outcome::FellBack,
            (Some(4), _) => Outcome::Undone,
            (Some(0), last) if last.contains("\"rolled-back\"") => Outcome::RolledBack,
            (Some(0), last) if last.contains("\"committed\"") => Outcome::Committed,
            other => panic!("{other:?}\n{said}"),
        })
    }

    /// What the journal of the last plan says.
    pub fn events(&mut self) -> Vec<Event> {
        let journal = must(self.vm.pull("/var/lib/kernmend/journal"));
        must(Journal::parse(&journal)).events().cloned().collect()
    }

    /// Cuts the power and switches on again. Waiting for what comes of it is another call.
    pub fn power_off_and_on(&mut self) {
        self.vm.power_cut();
        must(self.vm.power_on());
    }

    /// Cuts the power of a node at rest, and waits for the next boot.
    pub fn power_cycle(&mut self) {
        self.run(&["sync"]);
        self.power_off_and_on();
        must(self.vm.wait_for_boot());
    }

    /// Nothing of the trial is left: no unit, no script of GRUB's, no variable.
    ///
    /// # Panics
    /// Something is.
    pub fn leaves_nothing_behind(&mut self) {
        let units = self.run(&["find", "/etc/systemd", "-name", "*kernmend*"]);
        let boot = self.run(&["find", "/boot", "-name", "*kernmend*", "-o", "-name", "custom.cfg"]);
        let variables = self.run(&["grub-editenv", "/boot/grub/grubenv", "list"]);
        assert_eq!((units.as_str(), boot.as_str()), ("", ""));
        assert!(!variables.contains("kernmend"), "{variables}");
        let empty = self.run(&["find", "/etc/systemd/system", "-type", "d", "-empty"]);
        assert!(!empty.contains(".d"), "{empty}");
    }

    /// All settings, all that GRUB reads, and the kernels: files by their digests, links by their targets, and directories.
    pub fn state(&mut self) -> String {
        let files = self.run(&["find", "/etc", "/boot", "-type", "f", "-exec", "sha256sum", "{}", "+"]);
        let names = self.run(&["find", "/etc", "/boot", "-printf", "%M %u %g %p %l\\n"]);
        let mut lines: Vec<&str> = files.lines().chain(names.lines()).collect();
        lines.sort_unstable();
        lines.join("\n")
    }
}

/// What has to succeed.
fn must<T, E: Error>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}
