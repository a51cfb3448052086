//! Nodes on which a plan was run: the root as it is afterwards, with the journal and the report that were kept in it.

use std::fs;
use std::path::{Path, PathBuf};

use kernmend_core::document::journal::{Destination, Entry, Event, FailedCheck, Journal, Outcome, Pass};
use kernmend_core::document::plan::{
    Act, Check, Expected, Plan, PlannedNode, Remark, Remedy, Risk, Running, Stage, Standing, Step, Trial, Way,
};
use kernmend_core::document::report::Report;
use kernmend_core::document::{Digest, Document};
use tempfile::TempDir;

const RELEASE: &str = "3.10.0-1160.el7.x86_64";
const MARK: &str = "kernmend.trial=5f0c2b7a91de";
const ARGUMENTS: &str = "BOOT_IMAGE=/vmlinuz-3.10.0-1160.el7.x86_64 root=/dev/mapper/vg0-root ro quiet";
const NOKMEM: &str = "cgroup.memory=nokmem";

/// When the plan was begun: 2019-11-23 14:30:00 UTC.
const BEGUN: i64 = 1_574_519_400;
/// Events before the trial boot's own, whichever way it ends.
pub(crate) const ON_TRIAL: usize = 12;

/// A root that is removed when it is dropped.
pub(crate) struct Node {
    dir: TempDir,
}

impl Node {
    /// As it leaked: a case of which all slab caches were listed, on a kernel that heeds the argument.
    pub(crate) fn before() -> Self {
        let node = Self::of_case("kmem-accounting-leak/leaking");
        let later = Self::after();
        fs::copy(later.dir().join("etc/os-release"), node.dir().join("etc/os-release"))
            .expect("both are there");
        fs::remove_file(node.dir().join("etc/centos-release")).expect("it is there");
        node.write("proc/sys/kernel/osrelease", &format!("{RELEASE}\n"));
        node.write("proc/cmdline", &format!("{ARGUMENTS}\n"));
        let dead = (1..=61_120).map(|id| format!("dentry({id}:{:016x})\n", id * 7_919));
        let names: String = ["dentry\n".to_owned()].into_iter().chain(dead).collect();
        node.write("sys/kernel/slab.listing", &format!("{names}# 61121 entries\n"));
        node
    }

    /// As it is with the argument in force, without a journal.
    pub(crate) fn after() -> Self {
        let node = Self::of_case("kmem-accounting-leak/nokmem-with-parser");
        node.write("etc/hostname", "k8s-node-14\n");
        node
    }

    fn of_case(name: &str) -> Self {
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases").join(name);
        let node = Self { dir: TempDir::new().expect("a temporary directory") };
        copy(&case, node.dir.path());
        node
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self) -> &str {
        self.dir.path().to_str().expect("a temporary path is UTF-8")
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().expect("it lies in the root")).expect("the directory is ours");
        fs::write(&path, text).expect("the directory is ours");
        path
    }

    pub(crate) fn journal(&self) -> Journal {
        let bytes = fs::read(self.dir.path().join("var/lib/kernmend/journal")).expect("it was written");
        Journal::parse(&bytes).expect("it is a journal")
    }

    /// Keeps what a run leaves on a node, and lets it have been up for `uptime` seconds after the last boot.
    fn keep(&self, entries: &[Entry], booted_at: i64, uptime: i64) {
        let before = super::kernmend(&["check", "--root", Self::before().path(), "-o", "json"]).stdout;
        let before = String::from_utf8(before).expect("a report is UTF-8");
        let before = Document::<Report>::from_json(&before).expect("it is a report");
        let parent = Some(before.digest());
        let plan = Document::new(Plan { report: Some(before), ..plan() }, parent);
        let lines: String = entries.iter().map(Entry::line).collect();
        self.write("var/lib/kernmend/journal", &(Journal::first_line(&plan) + &lines));
        self.write("proc/stat", &format!("btime {booted_at}\n"));
        self.write("proc/uptime", &format!("{uptime}.00 0.00\n"));
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("the case is there") {
        let entry = entry.expect("the case can be read to its end");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&target).expect("the directory is ours");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("the directory is ours");
        }
    }
}

fn running(more: &[&str]) -> Running {
    let arguments = ARGUMENTS.split(' ').chain(more.iter().copied());
    Running { release: RELEASE.to_owned(), arguments: arguments.map(str::to_owned).collect() }
}

fn expected(present: &[&str], absent: &[&str]) -> Expected {
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    Expected { release: RELEASE.to_owned(), present: words(present), absent: words(absent) }
}

fn plan() -> Plan {
    let file = |path: &str, before: Option<&str>, content: &str| Act::File {
        path: path.to_owned(),
        before: before.map(|before| Digest::of(before.as_bytes())),
        content: Some(content.to_owned()),
        mode: 0o644,
    };
    let environment = |value: &str| Act::Environment {
        block: "/boot/grub2/grubenv".to_owned(),
        variables: [("kernmend_trial".to_owned(), Some(value.to_owned()))].into(),
    };
    let unit = "[Unit]\nDescription=kernmend goes on with a plan\n\n[Service]\nType=oneshot\n\
                ExecStart=/usr/local/sbin/kernmend resume\n";
    let entry = format!(
        "if [ \"$kernmend_trial\" = \"1\" ]; then\n  set kernmend_trial=0\n  save_env kernmend_trial\n  \
         set default=kernmend-trial\nfi\nmenuentry 'kernmend trial' --id kernmend-trial {{\n  \
         linux16 /vmlinuz-{RELEASE} root=/dev/mapper/vg0-root ro quiet {NOKMEM} {MARK}\n  \
         initrd16 /initramfs-{RELEASE}.img\n}}\n"
    );
    let settings =
        |more: &str| format!("GRUB_TIMEOUT=5\nGRUB_DEFAULT=saved\nGRUB_CMDLINE_LINUX=\"quiet{more}\"\n");
    let steps = [
        (Stage::Watch, file("/etc/systemd/system/kernmend-resume.service", None, unit)),
        (Stage::Scaffold, file("/boot/grub2/custom.cfg", None, &entry)),
        (Stage::Scaffold, environment("1")),
        (
            Stage::Scaffold,
            Act::Prove {
                boots: expected(&[NOKMEM], &[]),
                afterwards: Some(expected(&[], &[NOKMEM])),
                files: vec![format!("/boot/vmlinuz-{RELEASE}")],
            },
        ),
        (Stage::Arrive, environment("0")),
        (Stage::Commit, file("/etc/default/grub", Some(&settings("")), &settings(&format!(" {NOKMEM}")))),
        (
            Stage::Commit,
            Act::Menu {
                generator: vec!["grub2-mkconfig".to_owned()],
                menu: "/boot/grub2/grub.cfg".to_owned(),
                boots: expected(&[NOKMEM], &[]),
            },
        ),
    ];
    Plan {
        node: PlannedNode {
            hostname: "k8s-node-14".to_owned(),
            machine_id: "0b6f2f6f1c1e4c5d9b0c3f1e7a5d2c44".to_owned(),
            running: running(&[]),
        },
        advisory: Some("KM-0001".to_owned()),
        remedy: Some(Remedy::BootParameter { set: vec![NOKMEM.to_owned()], remove: Vec::new() }),
        ways: vec![
            Way {
                remedy: Remedy::BootParameter { set: vec![NOKMEM.to_owned()], remove: Vec::new() },
                standing: Standing::Open,
                reboots: true,
                moves_pods: true,
                minutes: Some(5),
                risk: Risk::Low,
                side_effects: vec![Remark::new("nokmem-no-limits", [])],
                rests_on: vec![Remark::new("honours-nokmem", [("release", RELEASE.to_owned())])],
            },
            Way {
                remedy: Remedy::InstalledKernel { release: "3.10.0-1127.el7.x86_64".to_owned() },
                standing: Standing::Out {
                    why: vec![Remark::new(
                        "installed-has-fault",
                        [("release", "3.10.0-1127.el7.x86_64".to_owned())],
                    )],
                },
                reboots: true,
                moves_pods: true,
                minutes: None,
                risk: Risk::Medium,
                side_effects: Vec::new(),
                rests_on: Vec::new(),
            },
        ],
        refusals: Vec::new(),
        steps: steps.map(|(stage, act)| Step { stage, act }).into(),
        trial: Some(Trial {
            mark: MARK.to_owned(),
            expected: expected(&[NOKMEM], &[]),
            fallback: expected(&[], &[NOKMEM]),
            health: vec![
                Check::Kernel,
                Check::AccountingOff,
                Check::DefaultRoute,
                Check::Unit { name: "kubelet.service".to_owned() },
                Check::Http { port: 10_248, path: "/healthz".to_owned() },
                Check::Fault { advisory: "KM-0001".to_owned() },
            ],
            health_deadline: 600,
            dead_man: 900,
        }),
        probation: None,
        report: None,
        remarks: vec![
            Remark::new("default-moves-last", []),
            Remark::new("caught-panic", [("seconds", "10".to_owned())]),
            Remark::new("not-caught", []),
        ],
    }
}

/// A journal in the making: each event with the seconds since the one before it.
struct Telling {
    at: i64,
    entries: Vec<Entry>,
}

impl Telling {
    /// Up to the trial boot.
    fn to_the_trial() -> Self {
        let mut telling = Self { at: BEGUN, entries: Vec::new() };
        telling.boot(0, 'a', &[]);
        for step in 0..4 {
            telling.step(step, Pass::Act, 1);
        }
        telling.say(1, Event::Rebooting { into: Destination::Trial });
        telling.boot(112, 'b', &[NOKMEM, MARK]);
        telling.step(4, Pass::Act, 1);
        telling
    }

    fn say(&mut self, after: i64, event: Event) {
        self.at += after;
        self.entries.push(Entry { at: self.at, event });
    }

    fn boot(&mut self, after: i64, id: char, more: &[&str]) {
        let boot_id = format!("{}-1d2c-4b3a-9f8e-0a1b2c3d4e5f", id.to_string().repeat(8));
        self.say(after, Event::Booted { boot_id, running: running(more) });
    }

    fn step(&mut self, step: usize, pass: Pass, takes: i64) {
        self.say(0, Event::Started { step, pass, undo: None });
        self.say(takes, Event::Done { step, pass });
    }

    fn back(&mut self, steps: impl IntoIterator<Item = usize>) {
        for step in steps {
            self.step(step, Pass::Undo, 1);
        }
    }
}

/// A node whose leak was mended by a boot argument, twenty minutes after that.
pub(crate) fn committed() -> Node {
    let mut telling = Telling::to_the_trial();
    let booted_at = telling.at - 9;
    telling.say(61, Event::Judged { healthy: true, failed: Vec::new(), untold: Vec::new() });
    telling.step(5, Pass::Act, 1);
    telling.step(6, Pass::Act, 14);
    telling.back([3, 2, 1, 0]);
    telling.say(0, Event::Ended { outcome: Outcome::Committed });
    let node = Node::after();
    node.keep(&telling.entries, booted_at, telling.at - booted_at + 1_200);
    node
}

/// A node whose kubelet didn't come up in the trial, and which leaks again.
pub(crate) fn fell_back() -> Node {
    let mut telling = Telling::to_the_trial();
    let check = Check::Unit { name: "kubelet.service".to_owned() };
    let failed = vec![FailedCheck { check, seen: "inactive since 120 s".to_owned() }];
    telling.say(600, Event::Judged { healthy: false, failed, untold: Vec::new() });
    telling.say(1, Event::Rebooting { into: Destination::Old });
    telling.boot(97, 'c', &[]);
    let booted_at = telling.at - 9;
    telling.back([3, 2, 1, 0]);
    telling.say(0, Event::Ended { outcome: Outcome::FellBack });
    let node = Node::before();
    node.keep(&telling.entries, booted_at, telling.at - booted_at + 60);
    node
}
