//! How plans end, each end once: what is then in force, what is left behind, and what is said.

use std::io::ErrorKind;

use kernmend_core::document::journal::{Destination, Event, Journal, Outcome, Pass};
use kernmend_core::document::plan::{Act, Check, Plan, Refusal, Remark, Stage};
use kernmend_core::document::{Digest, Document};
use kernmend_core::journal::Stuck;
use kernmend_node::apply::{ApplyError, Ending};
use kernmend_node::machine::{LockError, Reboot};
use kernmend_node::store::{Store, StoreError};

use super::mortal::Mortal;
use super::node::{self, Fate, NEW};
use super::plan::{CUSTOM, EMERGENCY, MENU, PREPARED, SETTINGS, expected, plan};

pub(crate) fn events(mortal: &Mortal) -> Vec<Event> {
    Store::look(mortal).unwrap().unwrap().events().cloned().collect()
}

fn failure(mortal: &Mortal) -> (usize, String) {
    let found = events(mortal).into_iter().find_map(|event| match event {
        Event::Failed { step, why, .. } => Some((step, why)),
        _ => None,
    });
    found.expect("a step failed")
}

#[test]
fn a_good_trial_is_committed_and_taken_back_when_asked() {
    let mut mortal = Mortal::new(Fate::Good);
    let (before, plan) = (mortal.node.tree(), plan(&mortal.node));
    assert_eq!(mortal.drive(&plan), Ending::Over(Outcome::Committed));
    assert_eq!(mortal.node.trials, 1);
    assert_eq!(mortal.reboots, [Reboot::Orderly]);
    let mut expected = before.clone();
    let holds = |text: &str| Some(Digest::of(text.as_bytes()));
    expected.get_mut("etc/default/grub").unwrap().1 = holds(&node::settings(NEW));
    expected.get_mut("boot/grub/grub.cfg").unwrap().1 = holds(&mortal.node.generated());
    for directory in ["etc/systemd", "etc/systemd/system", "etc/systemd/system/emergency.target.d"] {
        expected.insert(directory.to_owned(), (0o40755, None));
    }
    expected.insert(PREPARED.trim_start_matches('/').to_owned(), (0o100_644, holds(EMERGENCY)));
    assert_eq!(mortal.node.tree(), expected);
    // The boots after it are what was committed, without the mark.
    mortal.node.boot();
    assert!(mortal.node.read("/proc/cmdline").contains(NEW) && !mortal.node.is_marked());
    assert_eq!(mortal.resume().unwrap(), Ending::Over(Outcome::Committed));

    let mut asked = false;
    let ending = mortal.drive_by(|mortal| {
        if std::mem::replace(&mut asked, true) { mortal.resume() } else { mortal.roll_back() }
    });
    assert_eq!(ending, Ending::Over(Outcome::RolledBack));
    assert_eq!(mortal.node.tree(), before);
    assert!(!mortal.node.read("/proc/cmdline").contains(NEW));
    assert!(matches!(mortal.roll_back(), Err(ApplyError::NothingToTakeBack(Outcome::RolledBack))));
}

/// The files that were kept of the failed boot.
fn evidence(mortal: &Mortal) -> Vec<String> {
    let files = events(mortal).into_iter().find_map(|event| match event {
        Event::Evidence { files } => Some(files),
        _ => None,
    });
    files.unwrap()
}

#[test]
fn a_trial_that_dies_leaves_the_node_as_it_was_with_the_evidence() {
    let mut mortal = Mortal::new(Fate::Dies);
    let (before, plan) = (mortal.node.tree(), plan(&mortal.node));
    assert_eq!(mortal.drive(&plan), Ending::Over(Outcome::FellBack));
    assert_eq!((mortal.node.trials, mortal.node.tree()), (1, before));
    // Its log didn't come to the disk, and that of the boot before it isn't of the trial.
    let files = evidence(&mortal);
    assert_eq!(files.len(), 1);
    assert_eq!(mortal.node.read(&files[0]), "Kernel panic - not syncing");
    let mut store = Store::open(&mut mortal).unwrap();
    let fell_back = Store::fell_back(&mortal).unwrap();
    assert_eq!(fell_back.len(), 1);
    assert_eq!((&fell_back[0].plan, &fell_back[0].expected), (&plan.digest(), &expected(&[NEW], &[])));
    // It is remembered when other plans have come.
    let mut other = plan.clone();
    other.body.advisory = None;
    store.begin(&mut mortal, &other).unwrap();
    assert_eq!(Store::fell_back(&mortal).unwrap(), fell_back);
    assert_eq!(mortal.node.tree(), Mortal::new(Fate::Dies).node.tree());
}

#[test]
fn a_trial_that_is_not_healthy_by_the_deadline_reboots_into_the_old_kernel() {
    let mut mortal = Mortal::new(Fate::Unhealthy);
    let (before, plan) = (mortal.node.tree(), plan(&mortal.node));
    assert_eq!(mortal.drive(&plan), Ending::Over(Outcome::FellBack));
    assert_eq!((mortal.node.trials, mortal.node.tree()), (1, before));
    assert_eq!(mortal.reboots, [Reboot::Orderly; 2]);
    let judged = events(&mortal).into_iter().find_map(|event| match event {
        Event::Judged { healthy: false, failed, .. } => Some(failed),
        _ => None,
    });
    let judged = judged.unwrap();
    assert_eq!(judged.len(), 1);
    assert_eq!(judged[0].seen, "`kubelet.service` is failed");
    assert_eq!(judged[0].check, Check::Unit { name: "kubelet.service".to_owned() });
    let files = evidence(&mortal);
    assert_eq!(files.len(), 1);
    assert_eq!(mortal.node.read(&files[0]), "Linux version 6.1\n");
}

#[test]
fn whoever_reboots_by_hand_does_the_trial() {
    let mut mortal = Mortal::new(Fate::Good);
    let plan = plan(&mortal.node);
    mortal.no_reboot = true;
    for _ in 0..2 {
        assert_eq!(mortal.start(&plan).unwrap(), Ending::RebootByHand(Destination::Trial));
    }
    assert_eq!(mortal.reboots, []);
    mortal.node.boot();
    assert_eq!(mortal.resume().unwrap(), Ending::Over(Outcome::Committed));
}

#[test]
fn nothing_is_touched_by_a_plan_that_may_not_start() {
    let mut mortal = Mortal::new(Fate::Good);
    let (before, good) = (mortal.node.tree(), plan(&mortal.node));
    let mut check = |change: fn(&mut Plan), expected: &str| {
        let mut plan = good.clone();
        change(&mut plan.body);
        assert_eq!(mortal.start(&plan).unwrap_err().to_string(), expected);
        assert_eq!((mortal.effects.len(), mortal.node.has("/var/lib/kernmend")), (0, false), "{expected}");
    };
    let refuse = |plan: &mut Plan| {
        let reason = Remark::new("no-space", []);
        plan.refusals.push(Refusal { reason, evidence: Vec::new(), command: String::new() });
    };
    check(refuse, "the plan has 1 refusals");
    check(|plan| plan.steps.clear(), "the plan has no steps");
    check(
        |plan| plan.steps[6].stage = Stage::Prepare,
        "the plan breaks 1 rules: step 6 touches `/etc/default/grub`, which decides what boots by default, before the trial \
         was passed",
    );
    check(
        |plan| plan.node.machine_id = "4567".to_owned(),
        "the plan is for the machine `4567`, and this is `0123`",
    );
    let line = "BOOT_IMAGE=/boot/vmlinuz-6.1.0-18-amd64 root=UUID=6b2d4d3c ro quiet";
    check(
        |plan| plan.node.running.arguments.push("x".to_owned()),
        &format!(
            "the plan was made while `6.1.0-18-amd64 {line} x` ran, and now `6.1.0-18-amd64 {line}` runs"
        ),
    );
    assert!(matches!(mortal.resume(), Err(ApplyError::NothingUnderWay)));
    assert_eq!(mortal.node.tree(), before);
}

#[test]
fn a_node_that_changed_since_the_plan_was_made_is_left_as_it_is_now() {
    // A file that the first steps write, and one that is committed.
    for (path, content, outcome, step) in [
        (CUSTOM, "set timeout=9\n", Outcome::Undone, 2),
        (SETTINGS, "GRUB_DEFAULT=1\n", Outcome::FellBack, 6),
    ] {
        let mut mortal = Mortal::new(Fate::Good);
        let plan = plan(&mortal.node);
        let planned = mortal.node.has(path).then(|| Digest::of(mortal.node.read(path).as_bytes()));
        mortal.node.write(path, content);
        let before = mortal.node.tree();
        assert_eq!(mortal.drive(&plan), Ending::Over(outcome));
        assert_eq!(mortal.node.tree(), before, "{path}");
        let planned = planned.map_or("nothing".to_owned(), |digest| digest.to_string());
        let now = Digest::of(content.as_bytes());
        let why = format!("`{path}` was changed since the plan was made: it held {planned}, and now {now}");
        assert_eq!(failure(&mortal), (step, why));
    }
}

#[test]
fn an_environment_that_cant_be_written_fails_the_step() {
    for (block, why) in [
        ("", "`/boot/grub/grubenv`: it doesn't begin with the line of an environment block"),
        (
            "# GRUB Environment Block\n###",
            "`/boot/grub/grubenv`: the variables take 111 bytes and the block has 28",
        ),
    ] {
        let mut mortal = Mortal::new(Fate::Good);
        let plan = plan(&mortal.node);
        mortal.node.write("/boot/grub/grubenv", block);
        let before = mortal.node.tree();
        assert_eq!(mortal.drive(&plan), Ending::Over(Outcome::Undone));
        assert_eq!((mortal.node.tree(), failure(&mortal)), (before, (3, why.to_owned())));
    }
}

#[test]
fn a_menu_that_would_boot_something_else_is_not_put_in_place() {
    let other = node::settings("");
    for menu in [
        String::new(),
        "menuentry 'x' {\n linux /boot/vmlinuz-5.10 ro\n}\n".to_owned(),
        other,
        "if [".to_owned(),
    ] {
        let mut mortal = Mortal::new(Fate::Good);
        let (before, plan) = (mortal.node.tree(), plan(&mortal.node));
        mortal.menu = Some(menu);
        assert_eq!(mortal.drive(&plan), Ending::Over(Outcome::FellBack));
        assert_eq!(mortal.node.tree(), before);
        let (step, why) = failure(&mortal);
        assert!(step == 7 && why.starts_with("by the new menu "), "{why}");
    }
}

#[test]
fn what_was_proven_is_proven_again_before_the_reboot() {
    let mut mortal = Mortal::new(Fate::Good);
    let (before, plan) = (mortal.node.tree(), plan(&mortal.node));
    mortal.no_reboot = true;
    assert_eq!(mortal.start(&plan).unwrap(), Ending::RebootByHand(Destination::Trial));
    let initramfs = format!("/boot/initrd.img-{}", node::RELEASE);
    mortal.node.write(&initramfs, "");
    mortal.no_reboot = false;
    assert_eq!(mortal.resume().unwrap(), Ending::Over(Outcome::Undone));
    assert_eq!(failure(&mortal), (4, format!("`{initramfs}` is empty")));
    mortal.node.write(&initramfs, "initramfs");
    assert_eq!((mortal.node.tree(), mortal.reboots.len()), (before, 0));
}

#[test]
fn a_boot_that_cant_be_for_once_is_not_tried() {
    let mut mortal = Mortal::new(Fate::Good);
    let (before, plan) = (mortal.node.tree(), plan(&mortal.node));
    mortal.node.write("/proc/1/mounts", "/dev/mapper/vg-root / ext4 rw 0 0\n");
    assert_eq!(mortal.drive(&plan), Ending::Over(Outcome::Undone));
    let why =
        "GRUB can't write its environment block (Device, `/dev/mapper/vg-root`): what is for once would stay";
    assert_eq!((mortal.node.tree(), failure(&mortal)), (before, (4, why.to_owned())));
}

#[test]
fn nothing_is_left_where_boot_cant_be_written() {
    let mut mortal = Mortal::new(Fate::Good);
    let (before, plan) = (mortal.node.tree(), plan(&mortal.node));
    mortal.fails = Box::new(|act, path, _| {
        let writes = ["replace", "overwrite", "keep", "remove"].contains(&act) && path.starts_with("/boot");
        writes.then_some(ErrorKind::ReadOnlyFilesystem)
    });
    assert_eq!(mortal.drive(&plan), Ending::Over(Outcome::Undone));
    assert_eq!(mortal.node.tree(), before);
    assert_eq!(failure(&mortal), (2, format!("keep `{CUSTOM}`: read-only filesystem or storage medium")));
}

#[test]
fn what_cant_be_taken_back_is_left_to_a_person_and_tried_once_more_when_asked() {
    let mut mortal = Mortal::new(Fate::Good);
    let (before, plan) = (mortal.node.tree(), plan(&mortal.node));
    assert_eq!(mortal.drive(&plan), Ending::Over(Outcome::Committed));
    let committed = mortal.node.read(SETTINGS);
    mortal.node.write(SETTINGS, "# by hand\n");
    let Ending::Stuck(Stuck::Undo { step: 6, why }) = mortal.roll_back().unwrap() else {
        panic!("{:?}", events(&mortal))
    };
    assert!(
        why.starts_with("`/etc/default/grub` was changed since the plan was made: it held sha256:"),
        "{why}"
    );
    let tree = mortal.node.tree();
    assert!(matches!(mortal.resume().unwrap(), Ending::Stuck(_)));
    assert_eq!(mortal.node.tree(), tree, "nothing more is touched");
    mortal.node.write(SETTINGS, committed);
    let mut asked = false;
    let ending = mortal.drive_by(|mortal| {
        if std::mem::replace(&mut asked, true) { mortal.resume() } else { mortal.roll_back() }
    });
    assert_eq!(ending, Ending::Over(Outcome::RolledBack));
    assert_eq!(mortal.node.tree(), before);
}

#[test]
fn what_was_kept_and_is_damaged_is_not_put_back() {
    let mut mortal = Mortal::new(Fate::Good);
    let plan = plan(&mortal.node);
    assert_eq!(mortal.drive(&plan), Ending::Over(Outcome::Committed));
    let name = Digest::of(node::settings("").as_bytes()).to_string();
    mortal.node.write(&name.replace("sha256:", "/var/lib/kernmend/before/"), "rubbish");
    let ending = mortal.roll_back().unwrap();
    let Ending::Stuck(Stuck::Undo { step: 6, why }) = ending else { panic!("{ending:?}") };
    assert!(why.ends_with("is gone or damaged"), "{why}");
    assert_eq!(mortal.node.read(SETTINGS), node::settings(NEW));
}

#[test]
fn the_dead_man_ends_a_trial_that_has_not_come_to_its_end_and_nothing_else() {
    let mut mortal = Mortal::new(Fate::Good);
    let plan = plan(&mortal.node);
    assert!(!mortal.dead_man(), "nothing is tried");
    assert_eq!(mortal.start(&plan).unwrap(), Ending::Rebooting(Destination::Trial));
    assert!(!mortal.dead_man(), "not yet the trial");
    mortal.node.boot();
    let journal = mortal.node.read("/var/lib/kernmend/journal");
    assert!(mortal.dead_man());
    assert_eq!(mortal.reboots, [Reboot::Orderly, Reboot::AtOnce]);
    assert_eq!(mortal.node.read("/var/lib/kernmend/journal"), journal, "nothing is written beside a run");
    mortal.node.write("/var/lib/kernmend/journal", "rubbish");
    assert!(mortal.dead_man(), "nobody else would end it");
    mortal.node.write("/var/lib/kernmend/journal", &journal);
    assert_eq!(mortal.resume().unwrap(), Ending::Over(Outcome::Committed));
    assert!(mortal.node.is_marked() && !mortal.dead_man(), "it is over");
}

#[test]
fn the_store_is_held_by_one_and_begins_one_plan_at_a_time() {
    let mut mortal = Mortal::new(Fate::Good);
    let plan = plan(&mortal.node);
    mortal.no_reboot = true;
    let _ = mortal.start(&plan).unwrap();
    let store = Store::open(&mut mortal).unwrap();
    let Err(ApplyError::Store(StoreError::Lock(LockError::Held { holder }))) = mortal.start(&plan) else {
        panic!("held twice")
    };
    assert_eq!(holder, Some(std::process::id().to_string()));
    drop(store);
    let mut other = plan.clone();
    other.body.advisory = None;
    let error = mortal.start(&other).unwrap_err();
    assert_eq!(error.to_string(), format!("the plan {} is under way", plan.digest()));
}

#[test]
fn a_damaged_journal_is_named_and_nothing_is_touched() {
    let mut mortal = Mortal::new(Fate::Good);
    let plan = plan(&mortal.node);
    assert_eq!(mortal.start(&plan).unwrap(), Ending::Rebooting(Destination::Trial));
    let journal = mortal.node.read("/var/lib/kernmend/journal");
    let damaged = journal.replacen("\"booted\"", "\"bo\0ted\"", 1);
    mortal.node.write("/var/lib/kernmend/journal", &damaged);
    let before = mortal.node.tree();
    let Err(ApplyError::Store(error)) = mortal.resume() else { panic!("a damaged journal was read") };
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        (error.to_string(), source),
        ("read `/var/lib/kernmend/journal`".to_owned(), "line 2 of the journal is damaged".to_owned(),)
    );
    assert_eq!(mortal.node.read("/var/lib/kernmend/journal"), damaged);
    assert_eq!(mortal.node.tree(), before);
}

#[test]
fn the_journal_begins_with_the_plan_and_writes_ahead() {
    let mut mortal = Mortal::new(Fate::Good);
    let plan: Document<Plan> = plan(&mortal.node);
    assert_eq!(mortal.drive(&plan), Ending::Over(Outcome::Committed));
    let journal = Journal::parse(mortal.node.read("/var/lib/kernmend/journal").as_bytes()).unwrap();
    assert_eq!(journal.plan.digest(), plan.digest());
    let events: Vec<&Event> = journal.events().collect();
    for (at, event) in events.iter().enumerate() {
        let Event::Done { step, pass } = event else { continue };
        let Event::Started { step: started, pass: way, undo } = events[at - 1] else {
            panic!("{:?} before {event:?}", events[at - 1])
        };
        assert_eq!((started, way), (step, pass));
        let is_proof = matches!(plan.body.steps[*step].act, Act::Prove { .. });
        assert_eq!(undo.is_some(), *pass == Pass::Act && !is_proof, "{event:?}");
    }
    assert!(mortal.node.has(MENU) && !mortal.node.has(&format!("{MENU}.kernmend-old")));
}
