//! kernmend's trial of a kernel, booted by GRUB from real configurations: the new kernel once, then the old one for good; and the
//! old one at once where GRUB can't write down that the trial began. kernmend's reading of the same files has to foretell each boot.

#![expect(clippy::unwrap_used, reason = "the helpers of tests, as the tests, stop at the first surprise")]

#[path = "boot_oracle/real.rs"]
mod real;

use kernmend_core::boot::bls::BlsEntry;
use kernmend_core::boot::trial::{self, Directory};
use kernmend_core::boot::{EntryKind, Matcher, MenuEntry};
use lab::grub_emu::compare::{Comparison, compare, place, read};
use lab::grub_emu::{Answer, Disk, Files, Grub, block, side_by_side};

/// A trial in one configuration.
struct Trial<'a> {
    name: &'a str,
    configuration: &'a str,
    entries: &'a [BlsEntry],
    /// The names of the new and the old kernel's entries.
    names: [String; 2],
    /// Where the two begin, in GRUB's words.
    places: [String; 2],
    /// Whether both have one id.
    shares_id: bool,
}

/// The trials of a configuration's first kernel, each with one of the others as the one that is proven; or why there are none.
fn trials<'a>(
    name: &'a str,
    configuration: &'a str,
    entries: &'a [BlsEntry],
) -> Result<Vec<Trial<'a>>, &'static str> {
    // GRUB in user space has one directory for both.
    let Some(Directory::OfConfiguration | Directory::Prefix) = trial::hook(configuration) else {
        return Err("it doesn't read custom.cfg last");
    };
    let environment = block(&[]);
    let files = Files { configuration, environment: Some(&environment), entries, ..Files::default() };
    let read = read(&files, true);
    let is_kernel = |entry: &MenuEntry| entry.kind == EntryKind::Linux && entry.certain;
    let kernels: Vec<usize> = (0..read.entries.len()).filter(|at| is_kernel(&read.entries[*at])).collect();
    let [new, others @ ..] = kernels.as_slice() else { return Err("it has no kernel") };
    let trial = |old: &usize| {
        let pair = [&read.entries[*new], &read.entries[*old]];
        let name_of = |at| trial::name_of(&read, at, &[Matcher::Upstream]);
        Some(Trial {
            name,
            configuration,
            entries,
            names: [name_of(*new)?, name_of(*old)?],
            places: pair.map(place),
            shares_id: pair[0].id == pair[1].id,
        })
    };
    let trials: Vec<Trial<'_>> = others.iter().filter_map(trial).collect();
    if trials.is_empty() { Err("it has no two kernels with names of their own") } else { Ok(trials) }
}

impl Trial<'_> {
    fn block(&self) -> Vec<u8> {
        let [new, old] = &self.names;
        block(&[(trial::GOOD, old), (trial::ENTRY, new), (trial::TRIES, "1")])
    }

    fn files<'a>(&'a self, environment: &'a [u8]) -> Files<'a> {
        Files {
            configuration: self.configuration,
            environment: Some(environment),
            custom: Some(trial::SCRIPT),
            entries: self.entries,
        }
    }

    /// Holds a boot against what it should be, and against what kernmend foretold from the files as they were before it.
    fn check(&self, boot: &str, environment: &[u8], writable: bool, answer: &Answer, place: &str) {
        let Answer::Chose(chosen) = answer else { panic!("{} {boot}: {answer:?}", self.name) };
        assert_eq!(chosen.place, place, "{} {boot}", self.name);
        let compared = compare(&self.files(environment), writable, answer);
        assert_eq!(compared, Comparison::Agrees, "{} {boot}", self.name);
    }

    fn check_all(&self, grub: &Grub) {
        let [new, old] = &self.places;
        let pending = self.block();
        let refused = grub.boot(&self.files(&pending)).unwrap();
        self.check("where GRUB can't write", &pending, false, &refused, old);
        let mut disk: Disk<'_> = grub.disk(&self.files(&pending)).unwrap();
        for (boot, place) in [("first", new), ("second", old), ("third", old)] {
            let before = disk.environment().unwrap();
            let answer = disk.boot().unwrap();
            self.check(boot, &before, true, &answer, place);
        }
    }
}

#[test]
fn the_new_kernel_is_booted_once_and_the_old_one_wherever_that_cant_be_written_down() {
    let Some(folder) = real::Folder::beside_this_checkout() else { return };
    let mut all = Vec::new();
    let mut configurations = 0;
    for (name, text) in &folder.configurations {
        match trials(name, text, &folder.entries) {
            Ok(trials) => {
                configurations += 1;
                all.extend(trials);
            }
            Err(why) => real::say(&format!("no trial in {name}: {why}")),
        }
    }
    let grub = Grub::new().unwrap();
    side_by_side(&all, |trial| trial.check_all(&grub));
    let shared = all.iter().filter(|trial| trial.shares_id).count();
    let done = format!(
        "{} trials in {configurations} real configurations; in {shared} both kernels share one id",
        all.len()
    );
    real::say(&done);
    assert!(configurations >= 12 && shared >= 3, "{done}");
}

#[test]
fn a_trial_in_a_configuration_of_each_style_needs_no_folder() {
    const HOOK: &str = "if [ -f  ${config_directory}/custom.cfg ]; then\n  source ${config_directory}/custom.cfg\n\
        elif [ -z \"${config_directory}\" -a -f  $prefix/custom.cfg ]; then\n  source $prefix/custom.cfg\nfi\n";
    const HEAD: &str = "if [ -s $prefix/grubenv ]; then\n  load_env\nfi\nset default=\"${saved_entry}\"\n";
    let entry =
        |title: &str, id: &str| format!("menuentry '{title}' --id '{id}' {{\n  linux /vmlinuz ro\n}}\n");
    let grub = Grub::new().unwrap();
    for (name, menu) in [
        ("ids", entry("new", "k-2") + &entry("old", "k-1")),
        ("one id for both, as grubby makes it", entry("new", "k") + &entry("old", "k")),
        (
            "submenus",
            format!("submenu 'a>b' --id 'sub' {{\n{}{}}}\n", entry("new", "1"), entry("old", "x>1")),
        ),
        ("numbers in front", entry("2 new", "new") + &entry("old", "9a-4.18")),
    ] {
        let configuration = format!("{HEAD}{menu}{HOOK}");
        let trials = trials(name, &configuration, &[]).unwrap_or_else(|why| panic!("{name}: {why}"));
        trials.iter().for_each(|trial| trial.check_all(&grub));
    }
}
