//! A node in a virtual machine on which plans are made and run, as a person does it: by the published program.

use std::fs;

use kernmend_core::document::Document;
use kernmend_core::document::plan::Plan;
use lab::kernmend;
use lab::vm::image::{Image, Recipe};
use lab::vm::{Bus, Vm, VmError};

/// Where the program is put.
pub(crate) const PROGRAM: &str = "/usr/local/sbin/kernmend";
const PLAN: &str = "/root/plan.json";

/// How a plan ended, by the exit code of `kernmend status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Committed,
    RolledBack,
    Undone,
    FellBack,
}

pub(crate) struct Node {
    pub(crate) vm: Vm,
    pub(crate) image: Image,
}

impl Node {
    pub(crate) fn new(recipe: Recipe, bus: Bus) -> Self {
        let image = Image::get(recipe).unwrap();
        let mut vm = Vm::resumed(&image, bus).unwrap();
        vm.push(&fs::read(kernmend::path()).unwrap(), "/root/kernmend", "755").unwrap();
        vm.run(&["/root/kernmend", "install"]).unwrap();
        Self { vm, image }
    }

    /// The kernel that boots by itself, and the other one.
    pub(crate) fn kernels(&self) -> (String, String) {
        let kernels = self.image.kernels();
        (kernels.default.clone(), kernels.other.clone())
    }

    pub(crate) fn run(&mut self, words: &[&str]) -> String {
        self.vm.run(words).unwrap()
    }

    pub(crate) fn test(&mut self, words: &[&str]) -> bool {
        self.vm.exec(words).unwrap().status.success()
    }

    pub(crate) fn cmdline(&mut self) -> String {
        self.vm.cmdline().unwrap()
    }

    pub(crate) fn release(&mut self) -> String {
        self.vm.kernel().unwrap()
    }

    /// Makes a plan that may start.
    pub(crate) fn plan(&mut self, options: &[&str]) -> Document<Plan> {
        let mut words = vec![PROGRAM, "plan", "--write", PLAN];
        words.extend(options);
        let output = self.vm.exec(&words).unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}{error}");
        Document::from_json(&self.run(&["cat", PLAN])).unwrap()
    }

    /// Makes a plan that may not start, for this reason among others.
    pub(crate) fn refuses(&mut self, options: &[&str], reason: &str) {
        let mut words = vec![PROGRAM, "plan", "--output", "json"];
        words.extend(options);
        let output = self.vm.exec(&words).unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let plan: Document<Plan> = Document::from_json(&said).unwrap();
        assert!(plan.body.refusals.iter().any(|refusal| refusal.reason.code == reason), "{said}");
    }

    /// Makes a plan and has it run; the reboot into the trial is under way when it returns.
    pub(crate) fn apply(&mut self, options: &[&str]) -> Document<Plan> {
        let plan = self.plan(options);
        self.start(&plan);
        plan
    }

    /// Has the plan run that was made last; the reboot into the trial is under way when it returns.
    pub(crate) fn start(&mut self, plan: &Document<Plan>) {
        let digest = plan.digest().to_string();
        self.vm.tell(&[PROGRAM, "apply", PLAN, "--approve", &digest]).unwrap();
    }

    /// Has what was done taken back; the reboot is under way when it returns.
    pub(crate) fn roll_back(&mut self) {
        self.vm.tell(&[PROGRAM, "rollback"]).unwrap();
    }

    /// Waits through all reboots until the plan is over, and says how it ended.
    pub(crate) fn ends(&mut self) -> Outcome {
        loop {
            self.vm.wait_for_boot().unwrap();
            match self.vm.exec(&[PROGRAM, "status", "--follow", "--output", "json"]) {
                Ok(output) => {
                    let said = String::from_utf8_lossy(&output.stdout).into_owned();
                    let last = said.lines().last().unwrap_or_default().to_owned();
                    return match (output.status.code(), last) {
                        (Some(6), _) => Outcome::FellBack,
                        (Some(4), _) => Outcome::Undone,
                        (Some(0), last) if last.contains("\"rolled-back\"") => Outcome::RolledBack,
                        (Some(0), last) if last.contains("\"committed\"") => Outcome::Committed,
                        other => panic!("{other:?}\n{said}"),
                    };
                }
                Err(VmError::Rebooted { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Cuts the power and switches on again.
    pub(crate) fn power_cycle(&mut self) {
        self.vm.run(&["sync"]).unwrap();
        self.vm.power_cut();
        self.vm.power_on().unwrap();
        self.vm.wait_for_boot().unwrap();
    }

    /// Nothing of the trial is left: no unit, no script of GRUB's, no variable.
    pub(crate) fn leaves_nothing_behind(&mut self) {
        let units = self.run(&["find", "/etc/systemd", "-name", "*kernmend*"]);
        let boot = self.run(&["find", "/boot", "-name", "*kernmend*", "-o", "-name", "custom.cfg"]);
        let variables = self.run(&["grub-editenv", "/boot/grub/grubenv", "list"]);
        assert_eq!((units.as_str(), boot.as_str()), ("", ""));
        assert!(!variables.contains("kernmend"), "{variables}");
        let empty = self.run(&["find", "/etc/systemd/system", "-type", "d", "-empty"]);
        assert!(!empty.contains(".d"), "{empty}");
    }
}
