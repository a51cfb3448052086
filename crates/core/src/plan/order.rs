//! The steps of a remedy in their order. A way that would not be safe here is no error: it comes to refusals, each with
//! what mends it.

use std::collections::BTreeMap;

use super::preflight::refusal;
use super::{HEALTH_SCRIPTS, Node, Wish, mark, units};
use crate::boot::change::arguments_changed;
use crate::boot::change::entry::{bls_with_arguments, own_entry, own_entry_of_bls};
use crate::boot::change::settings::Settings;
use crate::boot::choose::Matcher;
use crate::boot::grub::Given;
use crate::boot::{EntryKind, MenuEntry, Setting, guard, trial};
use crate::document::Digest;
use crate::document::plan::{
    Act, Check, Expected, Plan, Probation, Refusal, Remark, Remedy, Running, Stage, Step, Trial,
};

/// A plan's steps.
pub(super) struct Ordered {
    pub(super) steps: Vec<Step>,
    pub(super) trial: Option<Trial>,
    pub(super) probation: Option<Probation>,
    pub(super) remarks: Vec<Remark>,
}

/// A change of what boots.
struct Change<'a> {
    /// The entry that boots what runs.
    old: &'a MenuEntry,
    /// The entry that the trial is a copy of.
    target: &'a MenuEntry,
    set: Vec<String>,
    remove: Vec<String>,
    expected: Expected,
    fallback: Expected,
    /// What shows that it took effect.
    effects: Vec<Check>,
    /// Whether the default has to name another entry.
    moves_default: bool,
}

/// Puts the steps of a remedy in order.
pub(super) fn steps(
    node: &Node<'_>,
    wish: &Wish,
    remedy: &Remedy,
    plan: &Plan,
) -> Result<Ordered, Vec<Refusal>> {
    let Some((menu, text)) = &node.files.configuration else {
        let what = if node.boot.file.is_empty() { "/boot".to_owned() } else { node.boot.file.clone() };
        return Err(vec![refusal("not-grub", [("what", what.clone())], [what], "kernmend boot")]);
    };
    let old = running_entry(node, &plan.node.running)?;
    if let Some(pin) = pin(node, remedy, &plan.node.running, old) {
        let steps = commit(node, &pin, menu)?;
        return Ok(Ordered { steps, trial: None, probation: None, remarks: Vec::new() });
    }
    let change = change(node, remedy, &plan.node.running, old)?;
    let mark = format!("kernmend.trial={}", mark(node, remedy));
    let scaffold = scaffold(node, wish, &change, &mark, (menu, text))?;
    let commit = commit(node, &change, menu)?;
    let is_guarded = scaffold.iter().any(|step| {
        matches!(&step.act, Act::File { content: Some(content), .. } if content.contains(guard::ARGUMENT))
    });
    let mut health = vec![Check::Kernel];
    health.extend(change.effects.iter().cloned());
    health.extend(what_ran(node));
    health.extend(plan.advisory.iter().map(|advisory| Check::Fault { advisory: advisory.clone() }));
    health.push(Check::Scripts { directory: HEALTH_SCRIPTS.to_owned() });
    let patience = wish.patience;
    Ok(Ordered {
        steps: [scaffold, commit].concat(),
        trial: Some(Trial {
            mark,
            expected: change.expected,
            fallback: change.fallback,
            health,
            health_deadline: patience.health,
            dead_man: patience.dead_man,
        }),
        probation: None,
        remarks: vec![
            Remark::new("default-moves-last", []),
            Remark::new("caught-panic", [("seconds", patience.panic.to_string())]),
            Remark::new("caught-lockup", [("seconds", (2 * patience.lockup).to_string())]),
            Remark::new("caught-user-space", [("seconds", patience.dead_man.to_string())]),
            Remark::new(if is_guarded { "caught-initramfs" } else { "initramfs-not-caught" }, []),
            Remark::new("not-caught", []),
            Remark::new("trial-arguments-stay", []),
        ],
    })
}

/// What boots next where that isn't what runs, as after a newer kernel was installed.
fn other_default<'a>(node: &Node<'a>, running: &Running) -> Option<&'a MenuEntry> {
    node.boot.chosen().filter(|other| other.release.as_ref() != Some(&running.release))
}

/// Makes what runs the default where another kernel is. There is nothing to try in it.
fn pin<'a>(node: &Node<'a>, remedy: &Remedy, running: &Running, old: &'a MenuEntry) -> Option<Change<'a>> {
    let is_wanted = matches!(remedy, Remedy::InstalledKernel { release } if *release == running.release);
    let known = old.arguments.iter().filter(|argument| !argument.starts_with('$'));
    let expected = Expected { present: known.cloned().collect(), ..bare(&running.release) };
    other_default(node, running).filter(|_| is_wanted)?;
    Some(Change { expected, ..moved(running, old, old) })
}

/// A change of the default alone.
fn moved<'a>(running: &Running, old: &'a MenuEntry, target: &'a MenuEntry) -> Change<'a> {
    Change {
        old,
        target,
        set: Vec::new(),
        remove: Vec::new(),
        expected: bare(target.release.as_ref().unwrap_or(&running.release)),
        fallback: bare(&running.release),
        effects: Vec::new(),
        moves_default: true,
    }
}

/// A kernel, whatever its arguments.
fn bare(release: &str) -> Expected {
    Expected { release: release.to_owned(), present: Vec::new(), absent: Vec::new() }
}

fn change<'a>(
    node: &Node<'a>,
    remedy: &Remedy,
    running: &Running,
    old: &'a MenuEntry,
) -> Result<Change<'a>, Vec<Refusal>> {
    // What is taken back leaves the menu as it was: then it has to boot what runs now.
    if let Some(other) = other_default(node, running) {
        return Err(vec![refusal(
            "default-is-another",
            [("title", other.title.clone()), ("release", running.release.clone())],
            [&other.place.file],
            &format!("kernmend plan --remedy kernel={}", running.release),
        )]);
    }
    match remedy {
        Remedy::BootParameter { set, remove } => {
            let has = |argument: &&String| running.arguments.contains(argument);
            let remove: Vec<String> = remove.iter().filter(has).cloned().collect();
            if set.iter().all(|argument| has(&argument)) && remove.is_empty() {
                return Err(vec![refusal("already-so", [("what", set.join(" "))], ["/proc/cmdline"], "")]);
            }
            let new: Vec<String> = set.iter().filter(|argument| !has(argument)).cloned().collect();
            Ok(Change {
                old,
                target: old,
                expected: Expected { present: set.clone(), absent: remove.clone(), ..bare(&running.release) },
                fallback: Expected { present: remove.clone(), absent: new, ..bare(&running.release) },
                effects: effects(set),
                set: set.clone(),
                remove,
                moves_default: false,
            })
        }
        Remedy::InstalledKernel { release } if *release == running.release => {
            Err(vec![refusal("already-so", [("what", release.clone())], ["uname -r"], "")])
        }
        Remedy::InstalledKernel { release } => {
            let target = entry_of(node, release, old).ok_or_else(|| {
                vec![refusal(
                    "target-not-in-menu",
                    [("release", release.clone())],
                    [&node.boot.file],
                    "kernmend boot",
                )]
            })?;
            Ok(moved(running, old, target))
        }
        // These have no steps of ours: the plan says what to do by hand.
        _ => Err(Vec::new()),
    }
}

/// What must be seen of an argument's effect: its presence on the command line proves nothing.
fn effects(set: &[String]) -> Vec<Check> {
    let mut effects = Vec::new();
    for argument in set {
        match argument.split_once('=') {
            Some(("cgroup.memory", values)) if values.split(',').any(|value| value == "nokmem") => {
                effects.push(Check::AccountingOff);
            }
            Some(("systemd.unified_cgroup_hierarchy", "1" | "yes" | "true")) => {
                effects.push(Check::CgroupVersion { version: 2 });
            }
            Some(("systemd.unified_cgroup_hierarchy", "0" | "no" | "false")) => {
                effects.push(Check::CgroupVersion { version: 1 });
            }
            _ => {}
        }
    }
    effects
}

/// The entry that boots what runs: its kernel, and no argument that doesn't run.
fn running_entry<'a>(node: &Node<'a>, running: &Running) -> Result<&'a MenuEntry, Vec<Refusal>> {
    let fits = |entry: &&MenuEntry| {
        entry.kind == EntryKind::Linux
            && entry.release.as_deref() == Some(&running.release)
            && entry
                .arguments
                .iter()
                .all(|argument| argument.starts_with('$') || running.arguments.contains(argument))
    };
    let chosen = node.boot.chosen().filter(fits);
    // Of several the one that leaves least unsaid: a recovery entry has arguments of its own, and doesn't fit.
    let best =
        chosen.or_else(|| node.boot.linux_entries().filter(fits).max_by_key(|entry| entry.arguments.len()));
    best.ok_or_else(|| {
        vec![refusal(
            "fallback-not-in-menu",
            [("release", running.release.clone())],
            [&node.boot.file],
            "kernmend boot",
        )]
    })
}

/// The name that means an entry and no other, to whichever GRUB is here.
fn name_of(node: &Node<'_>, entry: &MenuEntry, menu: &str) -> Result<String, Vec<Refusal>> {
    let configuration = &node.boot.configuration;
    let index = configuration.entries.iter().position(|other| std::ptr::eq(other, entry));
    let name = index.and_then(|index| trial::name_of(configuration, index, &matchers(node)));
    name.ok_or_else(|| {
        vec![refusal("fallback-not-named", [("title", entry.title.clone())], [menu], "kernmend boot")]
    })
}

/// The entry of another kernel that is likest to the one that runs.
fn entry_of<'a>(node: &Node<'a>, release: &str, old: &MenuEntry) -> Option<&'a MenuEntry> {
    let is_it = |entry: &&MenuEntry| entry.release.as_deref() == Some(release);
    let differs = |entry: &&MenuEntry| {
        let only = |a: &MenuEntry, b: &MenuEntry| {
            a.arguments.iter().filter(|argument| !b.arguments.contains(argument)).count()
        };
        only(entry, old) + only(old, entry)
    };
    node.boot.linux_entries().filter(is_it).min_by_key(differs)
}

pub(super) fn file(stage: Stage, path: &str, before: Option<&str>, content: String) -> Step {
    let before = before.map(|text| Digest::of(text.as_bytes()));
    Step { stage, act: Act::File { path: path.to_owned(), before, content: Some(content), mode: 0o644 } }
}

fn environment<const N: usize>(stage: Stage, block: &str, variables: [(&str, &str); N]) -> Step {
    let variables: BTreeMap<String, Option<String>> =
        variables.into_iter().map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).collect();
    Step { stage, act: Act::Environment { block: block.to_owned(), variables } }
}

/// What stands for the time of the trial: who watches it, the menu's script, and the variables that arm it.
fn scaffold(
    node: &Node<'_>,
    wish: &Wish,
    change: &Change<'_>,
    mark: &str,
    (menu, text): (&str, &str),
) -> Result<Vec<Step>, Vec<Refusal>> {
    let Some((block, _)) = node.files.environments.first() else {
        return Err(vec![refusal(
            "no-environment-block",
            [],
            ["/boot"],
            &format!("grub-editenv {}/grubenv create", directory(menu)),
        )]);
    };
    let good = name_of(node, change.old, menu)?;
    let Some(hook) = trial::hook(text) else {
        return Err(vec![refusal("no-hook", [("file", menu.to_owned())], [menu], &regenerate(menu))]);
    };
    let custom_path = hook.custom_cfg(menu, directory(menu));
    let custom = match &node.files.custom {
        Given::Is((path, text)) if *path == custom_path => Some(text.as_str()),
        Given::Missing => None,
        Given::Is(_) | Given::Not => {
            return Err(vec![refusal(
                "custom-not-read",
                [],
                [&custom_path],
                &format!("sudo cat {custom_path}"),
            )]);
        }
    };
    let id = format!("kernmend-trial-{}", mark.rsplit('=').next().unwrap_or_default());
    let title = format!("kernmend: trial of {}", change.expected.release);
    let set: Vec<String> = change.set.iter().cloned().chain(trial_arguments(node, wish, mark)).collect();
    let remove: Vec<String> = change.remove.iter().cloned().chain(replaced(change.target, &set)).collect();
    let of_bls = bls_text(node, change.target);
    let own = match of_bls {
        Some(entry) => own_entry_of_bls(text, entry, &id, &title, &set, &remove),
        None if change.target.place.file == menu => {
            own_entry(text, change.target, &id, &title, &set, &remove)
        }
        None => None,
    };
    let Some(own) = own else {
        return Err(vec![refusal(
            "entry-not-plain",
            [("title", change.target.title.clone())],
            [&change.target.place.file],
            "kernmend boot",
        )]);
    };
    let guard = guard(node, change, &own, &id, wish.patience.dead_man);
    let own = guard.as_ref().map_or(own, |guard| guard.entry.clone());
    let before = custom.unwrap_or_default();
    let separator = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    let content = format!("{before}{separator}{own}{}", trial::SCRIPT);

    let mut steps: Vec<Step> =
        units::watch().into_iter().map(|unit| file(Stage::Watch, unit.path, None, unit.content)).collect();
    let dead_man = units::dead_man(mark, wish.patience.dead_man);
    steps.extend(dead_man.into_iter().map(|unit| file(Stage::Scaffold, unit.path, None, unit.content)));
    let mut files = kernel_files(node, [&change.expected.release, &change.fallback.release]);
    if let Some(Guard { path, content, .. }) = guard {
        steps.push(file(Stage::Scaffold, &path, None, content));
        files.push(path);
    }
    steps.push(file(Stage::Scaffold, &custom_path, custom, content));
    let armed = [(trial::GOOD, good.as_str()), (trial::ENTRY, &id), (trial::TRIES, "1")];
    steps.push(environment(Stage::Scaffold, block, armed));
    steps.push(Step {
        stage: Stage::Scaffold,
        act: Act::Prove { boots: change.expected.clone(), afterwards: Some(change.fallback.clone()), files },
    });
    steps.push(environment(Stage::Arrive, block, [(trial::TRIES, "0")]));
    Ok(steps)
}

/// What ends a trial that hangs in its initramfs.
struct Guard {
    /// The archive's file.
    path: String,
    content: String,
    /// The entry that loads it.
    entry: String,
}

/// None where the target has no initramfs of which it is known where it is and how the entry names it.
fn guard(node: &Node<'_>, change: &Change<'_>, own: &str, id: &str, seconds: u64) -> Option<Guard> {
    let kernels = node.snapshot.body.kernels.value()?;
    let target = kernels.iter().find(|kernel| kernel.release == change.expected.release)?;
    let (directory, initramfs) = target.initramfs.value()?.path.rsplit_once('/')?;
    let entry = guard::guarded(own, initramfs, id)?;
    Some(Guard { path: format!("{directory}/{id}"), content: guard::initramfs(seconds), entry })
}

/// What makes the change last.
fn commit(node: &Node<'_>, change: &Change<'_>, menu: &str) -> Result<Vec<Step>, Vec<Refusal>> {
    let mut steps = Vec::new();
    let mut settings = Settings::new(&node.files.defaults, reads_drop_ins(node));
    let not_understood = |error: crate::boot::change::settings::NotUnderstood| {
        let values = [("setting", error.setting), ("file", error.file.clone())];
        vec![refusal("settings-not-understood", values, [&error.file], "")]
    };
    let is_of_bls = bls_text(node, change.target).is_some();
    if !change.set.is_empty() || !change.remove.is_empty() {
        settings.change_arguments(&change.set, &change.remove).map_err(not_understood)?;
        if is_of_bls {
            steps.extend(bls_entries(node, change)?);
        }
    }
    if change.moves_default {
        let (block, _) = node.files.environments.first().ok_or_else(Vec::new)?;
        let name = name_of(node, change.target, menu)?;
        steps.push(environment(Stage::Commit, block, [("saved_entry", &name)]));
        // Where the default is a constant, a saved entry has no effect: the settings must look for it.
        let live = node.boot.configuration.default.as_ref().and_then(Setting::variable);
        let follows = live == Some("saved_entry");
        if !follows {
            settings.change_default("saved").map_err(not_understood)?;
        }
    }
    let edits = settings.edits();
    for edit in &edits {
        steps.push(file(Stage::Commit, &edit.path, edit.before.as_deref(), edit.content.clone()));
    }
    // Entries of the Boot Loader Specification carry their arguments themselves; the menu is made of the settings else.
    let boots = change.expected.clone();
    if !edits.is_empty() && (!is_of_bls || change.moves_default) {
        steps.push(Step {
            stage: Stage::Commit,
            act: Act::Menu { generator: vec![generator(menu).to_owned()], menu: menu.to_owned(), boots },
        });
    } else {
        let files = kernel_files(node, [&change.expected.release]);
        steps.push(Step { stage: Stage::Commit, act: Act::Prove { boots, afterwards: None, files } });
    }
    Ok(steps)
}

/// The entries of the Boot Loader Specification with the new arguments, rescue entries left as they are.
fn bls_entries(node: &Node<'_>, change: &Change<'_>) -> Result<Vec<Step>, Vec<Refusal>> {
    let mut steps = Vec::new();
    let Given::Is(entries) = &node.files.entries else { return Ok(steps) };
    // Kernels that are installed later take their arguments from here.
    if let Given::Is((path, text)) = &node.files.kernel_cmdline {
        let words: Vec<String> = text.split_ascii_whitespace().map(str::to_owned).collect();
        let changed = arguments_changed(&words, &change.set, &change.remove);
        if changed != words {
            steps.push(file(Stage::Commit, path, Some(text), changed.join(" ") + "\n"));
        }
    }
    for (path, text) in entries.iter().filter(|(path, _)| !path.contains("-0-rescue")) {
        let changed = bls_with_arguments(text, &change.set, &change.remove)
            .ok_or_else(|| vec![refusal("entry-not-plain", [("title", path.clone())], [path], "")])?;
        if changed != *text {
            steps.push(file(Stage::Commit, path, Some(text), changed));
        }
    }
    Ok(steps)
}

/// The text of the file that an entry is from, where that is one of the Boot Loader Specification.
fn bls_text<'a>(node: &Node<'a>, entry: &MenuEntry) -> Option<&'a str> {
    let Given::Is(entries) = &node.files.entries else { return None };
    entries.iter().find(|(path, _)| *path == entry.place.file).map(|(_, text)| text.as_str())
}

/// What makes a hang end, for the trial alone.
fn trial_arguments(node: &Node<'_>, wish: &Wish, mark: &str) -> Vec<String> {
    let patience = wish.patience;
    let mut arguments = vec![
        mark.to_owned(),
        format!("panic={}", patience.panic),
        "softlockup_panic=1".to_owned(),
        "hung_task_panic=1".to_owned(),
        "nmi_watchdog=panic".to_owned(),
        format!("watchdog_thresh={}", patience.lockup),
        format!("sysctl.kernel.hung_task_timeout_secs={}", patience.hung_task),
        "systemd.crash_reboot=1".to_owned(),
    ];
    // Debian's initramfs takes `panic=` for this; dracut has its own words, the second since 046.
    if !is_like(node, &["debian", "ubuntu"]) {
        arguments.extend(["rd.shell=0", "rd.emergency=reboot"].map(str::to_owned));
    }
    arguments
}

/// Arguments of an entry that new ones take the place of: those with the same name.
fn replaced(entry: &MenuEntry, set: &[String]) -> Vec<String> {
    let name = |argument: &str| argument.split('=').next().unwrap_or_default().to_owned();
    let names: Vec<String> = set.iter().map(|argument| name(argument)).collect();
    entry
        .arguments
        .iter()
        .filter(|argument| names.contains(&name(argument)) && !set.contains(argument))
        .cloned()
        .collect()
}

/// What ran before has to run again.
pub(super) fn what_ran(node: &Node<'_>) -> Vec<Check> {
    let snapshot = &node.snapshot.body;
    let mut checks = Vec::new();
    let mut interfaces = snapshot.hardware.interfaces.value().into_iter().flatten();
    if interfaces.any(|interface| interface.up.value() == Some(&true)) {
        checks.push(Check::DefaultRoute);
    }
    let services = &snapshot.services.running;
    checks.extend(
        services
            .iter()
            .filter_map(|service| service.unit.value())
            .map(|unit| Check::Unit { name: unit.clone() }),
    );
    if services.iter().any(|service| service.program == "kubelet") {
        checks.push(Check::Http { port: 10248, path: "/healthz".to_owned() });
    }
    checks.sort();
    checks.dedup();
    checks
}

/// Files without which a kernel doesn't come up, as the snapshot has them.
fn kernel_files<const N: usize>(node: &Node<'_>, releases: [&String; N]) -> Vec<String> {
    let mut files = Vec::new();
    for kernel in node.snapshot.body.kernels.value().into_iter().flatten() {
        if releases.contains(&&kernel.release) {
            files.extend(kernel.image.value().map(|file| file.path.clone()));
            files.extend(kernel.initramfs.value().map(|file| file.path.clone()));
            files.push(format!("/lib/modules/{}/modules.dep", kernel.release));
        }
    }
    files.sort();
    files.dedup();
    files
}

/// Whose rules choose; where that isn't known, what is named must be found by both.
fn matchers(node: &Node<'_>) -> Vec<Matcher> {
    node.boot.matcher.map_or_else(|| vec![Matcher::Upstream, Matcher::RedHat], |matcher| vec![matcher])
}

/// Debian's `grub-mkconfig` reads `/etc/default/grub.d`, others' doesn't.
fn reads_drop_ins(node: &Node<'_>) -> bool {
    is_like(node, &["debian", "ubuntu"])
}

fn is_like(node: &Node<'_>, names: &[&str]) -> bool {
    node.snapshot.body.distribution.value().is_some_and(|distribution| {
        names
            .iter()
            .any(|name| distribution.id == *name || distribution.id_like.iter().any(|like| like == name))
    })
}

fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(directory, _)| directory)
}

/// The program that makes the menu: its name follows the directory's.
fn generator(menu: &str) -> &'static str {
    if menu.starts_with("/boot/grub/") { "/usr/sbin/grub-mkconfig" } else { "/usr/sbin/grub2-mkconfig" }
}

fn regenerate(menu: &str) -> String {
    format!("{} -o {menu}", generator(menu))
}
