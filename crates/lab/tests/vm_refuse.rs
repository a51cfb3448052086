//! Plans that may not start on this machine, or can't go on: each is refused or stopped with a clear error, and the node is as
//! it was.

use kernmend_core::document::Document;
use kernmend_core::document::journal::Journal;
use kernmend_core::document::plan::{Act, Plan};
use lab::node::{Node, Outcome, PLAN, Said};
use lab::vm::Bus;
use lab::vm::image::{DEBIAN_12, DEBIAN_12_BTRFS, DEBIAN_12_LVM, DEBIAN_12_XFS};

const NOKMEM: [&str; 2] = ["--remedy", "nokmem"];

#[test]
fn where_grub_can_write_nothing_down_nothing_is_tried() {
    for recipe in [DEBIAN_12_LVM, DEBIAN_12_BTRFS] {
        let mut node = Node::new(recipe, Bus::VirtioBlk);
        let before = node.state();
        assert_eq!(node.refusals(&NOKMEM), ["environment-not-writable"], "{}", recipe.name);
        let plan: Document<Plan> =
            Document::from_json(&node.run(&["cat", PLAN])).expect("it is the plan that was written");
        let said = apply(&mut node, &plan.digest().to_string());
        assert_eq!(said.code, Some(5), "{}", said.text);
        assert_eq!(node.state(), before);
        assert!(!node.test(&["test", "-e", "/var/lib/kernmend"]), "nothing was begun");
    }
}

/// Has a plan run in the foreground, as its unit would, which must not come as far as a reboot.
fn apply(node: &mut Node, digest: &str) -> Said {
    node.kernmend(&["apply", PLAN, "--approve", digest, "--foreground"])
}

/// Writes a plan that was changed, and gives its digest.
fn edit(node: &mut Node, plan: &Document<Plan>, change: impl FnOnce(&mut Plan)) -> String {
    let mut plan = plan.clone();
    change(&mut plan.body);
    node.write(PLAN, &plan.to_json(), "600");
    plan.digest().to_string()
}

#[test]
fn a_plan_that_is_not_for_this_is_refused() {
    let mut node = Node::new(DEBIAN_12, Bus::VirtioBlk);
    let before = node.state();
    let plan = node.plan(&NOKMEM);
    let approved = plan.digest().to_string();

    edit(&mut node, &plan, |plan| plan.node.hostname = "other".to_owned());
    let said = apply(&mut node, &approved);
    assert_eq!(said.code, Some(3), "what was approved is not what is there: {}", said.text);

    let unsafe_one = edit(&mut node, &plan, |plan| {
        for step in &mut plan.steps {
            if let Act::Environment { variables, .. } = &mut step.act
                && let Some(tries) = variables.get_mut("kernmend_tries")
            {
                *tries = Some("2".to_owned());
            }
        }
    });
    let said = apply(&mut node, &unsafe_one);
    assert_eq!(said.code, Some(3), "{}", said.text);
    assert!(said.text.contains("it would not boot exactly once"), "{}", said.text);

    let other_machine =
        edit(&mut node, &plan, |plan| plan.node.machine_id = "6b65726e6d656e64a000000000000003".to_owned());
    let said = apply(&mut node, &other_machine);
    assert_ne!(said.code, Some(0), "{}", said.text);
    assert!(said.text.contains("the plan is for the machine"), "{}", said.text);

    let other_kernel = edit(&mut node, &plan, |plan| plan.node.running.arguments.push("quiet".to_owned()));
    let said = apply(&mut node, &other_kernel);
    assert_ne!(said.code, Some(0), "{}", said.text);
    assert!(said.text.contains("and now"), "{}", said.text);

    assert_eq!(node.state(), before);
    let said = node.kernmend(&["status"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
}

#[test]
fn two_are_not_at_work_at_once() {
    let mut node = Node::new(DEBIAN_12, Bus::VirtioBlk);
    let approved = node.plan(&NOKMEM).digest().to_string();
    let before = node.state();
    node.run(&["mkdir", "--mode=700", "/var/lib/kernmend"]);
    let held = "flock /var/lib/kernmend/lock sh -c 'systemd-notify --ready; sleep infinity'";
    let service = ["systemd-run", "--unit=lab-lock", "--service-type=notify", "--property=NotifyAccess=all"];
    node.run(&[&service[..], &["sh", "-c", held]].concat());
    let said = apply(&mut node, &approved);
    assert_ne!(said.code, Some(0), "{}", said.text);
    assert!(said.text.contains("another kernmend is at work"), "{}", said.text);
    assert_eq!(node.state(), before);
}

#[test]
fn without_room_for_the_journal_nothing_is_begun() {
    let mut node = Node::new(DEBIAN_12, Bus::VirtioBlk);
    let approved = node.plan(&NOKMEM).digest().to_string();
    let before = node.state();
    node.run(&["mkdir", "--mode=700", "/var/lib/kernmend"]);
    node.run(&["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", "/var/lib/kernmend"]);
    let said = apply(&mut node, &approved);
    assert_eq!(said.code, Some(4), "{}", said.text);
    assert!(said.text.contains("No space left on device"), "{}", said.text);
    assert_eq!(node.state(), before);
}

/// One block more each time, until there is room for all of it: the disk is full at one line after the other.
#[test]
fn a_disk_that_is_full_on_the_way_stops_the_run_and_loses_nothing() {
    const STORE: &str = "/var/lib/kernmend";
    const BLOCK: usize = 1024;
    const REST: &str = "/var/lib/kernmend/rest";
    let mut node = Node::new(DEBIAN_12, Bus::VirtioBlk);
    let plan = node.plan(&NOKMEM);
    let approved = plan.digest().to_string();
    let before = node.state();
    node.run(&["mkdir", "--mode=700", STORE]);
    let mut stopped = 0;
    for blocks in Journal::first_line(&plan).len() / BLOCK.. {
        node.run(&["truncate", "--size=0", "/root/disk"]);
        node.run(&["truncate", "--size=1M", "/root/disk"]);
        node.run(&["mkfs.ext2", "-q", "-b", &BLOCK.to_string(), "-m", "0", "/root/disk"]);
        node.run(&["mount", "-o", "loop", "/root/disk", STORE]);
        let free: usize = node.run(&["stat", "--file-system", "--format=%f", STORE]).trim().parse().unwrap();
        let rest = format!("count={}", free - blocks);
        node.run(&["dd", "if=/dev/zero", "of=/var/lib/kernmend/rest", "bs=1024", &rest]);
        let said = node.kernmend(&["apply", PLAN, "--approve", &approved, "--foreground", "--no-reboot"]);
        let is_through = said.code == Some(0);
        let is_begun = node.test(&["grep", "--quiet", "\"event\"", "/var/lib/kernmend/journal"]);
        if !is_through {
            assert_eq!(said.code, Some(4), "{blocks}: {}", said.text);
            assert!(said.text.contains("No space left on device"), "{blocks}: {}", said.text);
        }
        node.run(&["rm", REST]);
        if is_begun && !is_through {
            stopped += 1;
            // With room it goes on to where the reboot would be.
            let said = node.kernmend(&["apply", "--no-reboot"]);
            assert_eq!(said.code, Some(0), "{blocks}: {}", said.text);
        }
        if is_begun {
            let said = node.kernmend(&["rollback"]);
            assert_eq!(said.code, Some(0), "{blocks}: {}", said.text);
        }
        node.run(&["umount", STORE]);
        node.leaves_nothing_behind();
        assert_eq!(node.state(), before, "{blocks}");
        if is_through {
            break;
        }
    }
    assert!(stopped > 1, "the disk was full {stopped} times after the run had begun");
}

#[test]
fn a_boot_that_cannot_be_written_to_is_left_alone() {
    let mut node = Node::new(DEBIAN_12_XFS, Bus::VirtioBlk);
    let approved = node.plan(&NOKMEM).digest().to_string();
    let before = node.state();
    node.run(&["mount", "-o", "remount,ro", "/boot"]);
    let said = apply(&mut node, &approved);
    assert_eq!(said.code, Some(4), "a plan of before stops at it: {}", said.text);
    assert_eq!(node.state(), before, "{}", said.text);
    node.leaves_nothing_behind();
    let refused = node.refusals(&NOKMEM);
    assert!(refused.contains(&"read-only".to_owned()), "{refused:?}");
    node.run(&["mount", "-o", "remount,rw", "/boot"]);
    node.apply(&NOKMEM);
    assert_eq!(node.ends(), Outcome::Committed, "GRUB writes on XFS");
    assert!(node.cmdline().contains("cgroup.memory=nokmem"));
    node.leaves_nothing_behind();
}
