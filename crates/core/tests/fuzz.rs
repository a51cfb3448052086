//! Every reader of outside input that is core's, with input that is almost right: no panic, no endless work, and what is
//! accepted can be used.

#[path = "fuzz/mutate.rs"]
mod mutate;

use std::collections::{BTreeMap, BTreeSet};

use kernmend_core::boot;
use kernmend_core::boot::bls::BlsEntry;
use kernmend_core::boot::change::entry::{bls_with_arguments, own_entry, own_entry_of_bls};
use kernmend_core::boot::change::settings::Settings;
use kernmend_core::boot::environment::Environment;
use kernmend_core::boot::reading::Boot;
use kernmend_core::condition::Condition;
use kernmend_core::diagnose::diagnose;
use kernmend_core::document::kernels::Kernels;
use kernmend_core::document::news::News;
use kernmend_core::document::report::Report;
use kernmend_core::document::signals::Signals;
use kernmend_core::document::snapshot::Snapshot;
use kernmend_core::document::{Digest, Document};
use kernmend_core::format::{cgroup, distribution, kernel, machine, mounts, nodes, pods};
use kernmend_core::kernel::kernels;
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_core::knowledge::expression::Expression;
use kernmend_core::knowledge::signal::SignalSet;
use kernmend_core::knowledge::stream::Streams;
use kernmend_core::knowledge::template::Template;
use kernmend_core::program::{BuildInfo, Component, parse_version_output, version_of};
use kernmend_core::scan::{Clock, Scanner};
use kernmend_core::slab::{SlabCount, memcg_cache};
use kernmend_core::version::{Order, compare};
use mutate::mutated;
use proptest::prelude::*;

/// How many inputs a reader gets: a plain run has to stay under two minutes with all the others. `PROPTEST_CASES`, which
/// is 256 where nobody sets it, makes it more: `PROPTEST_CASES=25600` is a hundred times as many.
fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: cases.saturating_mul(default.cases) / 256, failure_persistence: None, ..default }
}

fn seeds(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn knowledge() -> &'static KnowledgeBase {
    static KNOWLEDGE: std::sync::LazyLock<KnowledgeBase> = std::sync::LazyLock::new(KnowledgeBase::embedded);
    &KNOWLEDGE
}

/// A snapshot with something of each kind in it.
const SNAPSHOT: &str = include_str!("fuzz/snapshot.json");

/// Files of the knowledge, one of each kind.
const FILES: &[(&str, &str)] = &[
    ("features.toml", include_str!("../../../knowledge/features.toml")),
    ("streams.toml", include_str!("../../../knowledge/streams.toml")),
    ("signals/kernel.toml", include_str!("../../../knowledge/signals/kernel.toml")),
    (
        "advisories/memory/KM-0001-kmem-accounting-leak.md",
        include_str!("../../../knowledge/advisories/memory/KM-0001-kmem-accounting-leak.md"),
    ),
    (
        "advisories/memory/KM-0001-kmem-accounting-leak.zh.md",
        include_str!("../../../knowledge/advisories/memory/KM-0001-kmem-accounting-leak.zh.md"),
    ),
];

/// Conditions that are right.
const CONDITIONS: [&str; 3] = [
    "seen(unregister-netdevice: duration >= 60s and ago <= 30s)",
    "not (kernel < 4.17 or stuck_netns_seconds >= 60s)",
    "kernel < 4.17",
];

#[test]
fn the_seeds_are_accepted_as_they_are() {
    let snapshot = Document::<Snapshot>::from_json(SNAPSHOT).unwrap();
    assert!(snapshot.body.logs.iter().any(|window| !window.hits.is_empty()));
    for condition in CONDITIONS {
        assert!(Condition::parse(condition).is_ok(), "{condition}");
    }
    let files = FILES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    assert!(KnowledgeBase::with(&files).is_ok());
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn snapshots(bytes in mutated(seeds(&[SNAPSHOT]))) {
        if let Ok(snapshot) = Document::<Snapshot>::from_json(&text(&bytes)) {
            let report = diagnose(&snapshot, knowledge());
            prop_assert_eq!(report.body.findings.len(), knowledge().advisories.len());
            let again = Document::<Report>::from_json(&report.to_json()).unwrap();
            prop_assert_eq!(again, report);
            let again = Document::<Snapshot>::from_json(&snapshot.to_json()).unwrap();
            prop_assert_eq!(again.digest(), snapshot.digest());
        }
    }

    #[test]
    fn snapshots_whose_numbers_are_extreme(number in any::<i64>(), uptime in any::<u64>(), count in any::<u64>()) {
        let mut value: serde_json::Value = serde_json::from_str(SNAPSHOT).unwrap();
        for (place, number) in [
            ("/collected_at/value", serde_json::json!(number)),
            ("/kernel/booted_at/value", serde_json::json!(number)),
            ("/kernel/uptime/value", serde_json::json!(uptime)),
            ("/slab/value/entries", serde_json::json!(count)),
            ("/slab/value/ids", serde_json::json!(count)),
            ("/slab/value/dead_ids/at_least", serde_json::json!(count)),
            ("/cgroups/memory/value/directories/at_least", serde_json::json!(count)),
            ("/cgroups/controllers/value/memory/num_cgroups", serde_json::json!(count)),
            ("/memory/value/SUnreclaim", serde_json::json!(count)),
        ] {
            *value.pointer_mut(place).unwrap_or_else(|| panic!("{place}")) = number;
        }
        let snapshot = Document::<Snapshot>::from_json(&value.to_string()).unwrap();
        let _ = diagnose(&snapshot, knowledge());
    }

    #[test]
    fn reports(bytes in mutated(vec![diagnose(&Document::from_json(SNAPSHOT).unwrap(), knowledge()).to_json().into_bytes()])) {
        let _ = Document::<Report>::from_json(&text(&bytes));
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn digests(bytes in mutated(seeds(&["sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"]))) {
        if let Ok(digest) = Digest::try_from(text(&bytes)) {
            prop_assert_eq!(digest.to_string(), text(&bytes));
        }
    }

    #[test]
    fn versions(
        all in prop::collection::vec(mutated(seeds(&[
            "3.10.0-514.el7", "1:2.3~rc1-4+b1", "5.10.251", "4.19.0-27", "2.6.32-754.el6^git1", "5.10.0-rc3",
        ])), 3),
    ) {
        let all: Vec<String> = all.iter().map(|bytes| text(bytes)).collect();
        for order in [Order::Rpm, Order::Deb, Order::Upstream] {
            for a in &all {
                prop_assert_eq!(compare(order, a, a), std::cmp::Ordering::Equal);
                for b in &all {
                    prop_assert_eq!(compare(order, a, b), compare(order, b, a).reverse(), "{:?} {:?} {:?}", order, a, b);
                }
            }
            let mut sorted = all.clone();
            sorted.sort_by(|a, b| compare(order, a, b));
        }
    }

    #[test]
    fn releases(bytes in mutated(seeds(&[
        "3.10.0-1160.el7.x86_64", "5.4.0-42-generic", "4.14.35-1902.300.11.el7uek.x86_64", "6.1.0-18-cloud-amd64",
        "5.15.49-linuxkit", "4.19.91-27.al7.x86_64", "5.10.16.3-microsoft-standard-WSL2",
    ]))) {
        static STREAMS: std::sync::LazyLock<Streams> = std::sync::LazyLock::new(|| {
            Streams::from_toml(include_str!("../../../knowledge/streams.toml")).unwrap()
        });
        let reading = STREAMS.identify(Some(&text(&bytes)), None);
        let _ = STREAMS.narrow(reading, &text(&bytes));
        let _ = STREAMS.of_pretty_name(&text(&bytes));
    }

    #[test]
    fn conditions(bytes in mutated(seeds(&CONDITIONS))) {
        let _ = Condition::parse(&text(&bytes));
    }

    #[test]
    fn deep_conditions_are_refused_or_read(depth in 0..20_000_usize, open in prop::sample::select(vec!["(", "not ", "not (", "seen(x: "])) {
        let _ = Condition::parse(&open.repeat(depth));
    }

    #[test]
    fn templates(bytes in mutated(seeds(&["{count} ids of {limit:bytes}, {x|y}", "{{}}", "{a"]))) {
        if let Ok(template) = Template::parse(&text(&bytes)) {
            let values = template.names().into_iter().map(|name| (name.to_owned(), "12345".to_owned())).collect();
            let _ = template.fill(kernmend_core::knowledge::advisory::Language::En, &values);
        }
    }

    #[test]
    fn programs(bytes in mutated(seeds(&[
        "runc version 1.0.0-rc93\ncommit: x\nspec: 1.0.2-dev\n", "Kubernetes v1.15.3\n", "Docker version 18.09.0, build 4d60db4\n",
        "path\tgithub.com/opencontainers/runc\nmod\tgithub.com/opencontainers/runc\t(devel)\t\ndep\ta\tv1\th1:x\n=>\tb\tv2\t\nbuild\t-tags=nokmem,seccomp\n",
    ]))) {
        let text = text(&bytes);
        let info = BuildInfo::parse(&text);
        let _ = (info.tags().count(), info.stamps());
        for name in ["runc", "kubelet", "docker", "containerd", &text] {
            let _ = (Component::from_name(name), parse_version_output(name, &text), version_of(&info, name));
        }
    }

    #[test]
    fn formats(bytes in mutated(seeds(&[
        "ID=\"centos\"\nVERSION_ID='7'\nID_LIKE=\"rhel fedora\"\nPRETTY_NAME=\"A \\\"B\\\" \\$\"\n",
        "CentOS Linux release 7.3.1611 (Core)\n",
        " Static hostname: a\n  Operating System: CentOS Linux 7 (Core)\n            Kernel: Linux 3.10.0-514.el7.x86_64\n",
        "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\ncgroup2 /sys/fs/cgroup/a\\040b cgroup2 rw 0 0\n",
        "TARGET SOURCE FSTYPE OPTIONS\n├─/sys/fs/cgroup cgroup cgroup rw,memory\n",
        "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t3\t9\t1\n",
        "BOOT_IMAGE=/vmlinuz ro dyndbg=\"file a +p\" cgroup.memory=nokmem\n",
        "CONFIG_SLUB=y\n# CONFIG_SLAB is not set\nCONFIG_X=\"a\"\n",
        "MemTotal:       16000000 kB\nHugePages_Total:       0\n",
    ]))) {
        let text = text(&bytes);
        let _ = (distribution::os_release(&text), distribution::release_file(&text));
        let _ = (distribution::hostnamectl(&text), cgroup::mode(&cgroup::mounts(&text)), cgroup::controllers(&text));
        let _ = (kernel::checked_options(&text), kernel::build(&text), cgroup::unescape(&text));
        let _ = (distribution::called(&text), memcg_cache(&text));
        let _ = (kernel::arguments(&text), kernel::build_options(&text).count(), kernel::memory_totals(&text));
    }

    #[test]
    fn what_a_plan_is_made_from(bytes in mutated(seeds(&[
        "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n",
        "/dev/sda1 /boot ext4 rw 0 0\n/dev/mapper/vg-root / xfs ro 0 0\n",
        "nf_conntrack 139264 2 nf_nat,xt_state, Live 0x0000000000000000 (OE)\n",
        "1: POSIX  ADVISORY  WRITE 567 08:01:1234 0 EOF\n",
        "0::/system.slice/kubelet.service\n12:memory:/system.slice/docker.service\n",
        "Package: linux-image\nStatus: install ok half-configured\n\nPackage: x\nStatus: install ok installed\n",
        "{\"annotations\":{\"io.kubernetes.cri.container-type\":\"sandbox\",\"io.kubernetes.cri.sandbox-name\":\"a\"}}",
        "{\"Config\":{\"Labels\":{\"io.kubernetes.docker.type\":\"podsandbox\"}},\"State\":{\"Running\":true}}",
        "{\"items\":[{\"metadata\":{\"name\":\"a\"},\"labels\":{}}]}",
        "kubepods-burstable-pod0123_4567.slice",
    ]))) {
        let text = text(&bytes);
        for mounts in [mounts::mountinfo(&text), mounts::mounts(&text)] {
            let _ = mounts::holder(&mounts, "/boot/grub/grubenv");
        }
        let _ = (machine::modules(&text), machine::locks(&text), machine::unit(&text));
        let _ = (machine::unfinished_packages(&text), pods::uid_of_cgroup(&text), pods::is_static(&text));
        let _ = (pods::bundle(&bytes), pods::docker(&bytes), pods::crictl(&bytes));
    }

    #[test]
    fn what_a_plan_writes(bytes in mutated(seeds(&[
        "GRUB_DEFAULT=saved\nGRUB_CMDLINE_LINUX=\"ro a=1 quiet\"\nexport GRUB_CMDLINE_LINUX_DEFAULT='a=1'\n",
        "GRUB_CMDLINE_LINUX=a=1 # x\n",
        "title A\nlinux /vmlinuz-5\ninitrd /i $tuned_initrd\noptions root=x a=1\n",
        "set default=0\nmenuentry 'A' --id a {\n\tlinux /vmlinuz-5.1 root=x a=1\n\tinitrd /i\n}\n",
    ]))) {
        let text = text(&bytes);
        let (set, remove) = (vec!["b=2".to_owned()], vec!["a=1".to_owned()]);
        let mut settings = Settings::new(&[("/etc/default/grub".to_owned(), text.clone())], false);
        let before = settings.edits();
        if settings.change_arguments(&set, &remove).is_ok() {
            // Read back, as the shell reads it, it is what was asked for.
            let mut defaults = boot::default::Defaults::default();
            let edits = settings.edits();
            defaults.source("f", edits.first().map_or(text.as_str(), |edit| &edit.content));
            let arguments = defaults.arguments().unwrap_or_default();
            prop_assert!(arguments.contains(&set[0]) && !arguments.contains(&remove[0]), "{:?}", arguments);
        }
        prop_assert!(before.is_empty());
        let _ = (bls_with_arguments(&text, &set, &remove), own_entry_of_bls("", &text, "id", "T", &set, &remove));
        let menu = boot::grub::run("f", &text, boot::grub::Surroundings::default());
        for entry in &menu.entries {
            let _ = own_entry(&text, entry, "id", "T", &set, &remove);
        }
        let _ = boot::trial::hook(&text);
    }

    #[test]
    fn slab_entries(all in prop::collection::vec(mutated(seeds(&["dentry(123:abc)", "kmalloc-64(1:a(2:b))", "dentry", "(:)"])), 0..20)) {
        let all: Vec<String> = all.iter().map(|bytes| text(bytes)).collect();
        let mut count = SlabCount::new(all.iter().map(String::as_str), 5, None);
        count.live("abc", None);
        let found = count.finish(3);
        prop_assert!(found.dead_ids.at_most.is_none_or(|most| most >= found.dead_ids.at_least));
    }

    #[test]
    fn boot_files(bytes in mutated(seeds(&[
        "set default=\"${saved_entry}\"\nif [ \"x\" = x ]; then\n load_env\nfi\nmenuentry 'A, with Linux 5.10.0-8-amd64' --id a {\n linux /vmlinuz-5.10.0-8-amd64 root=/dev/sda1 ro\n initrd /i\n}\nsubmenu 'more' {\n menuentry b { linux /vmlinuz-4.19.0-6 ro; }\n}\nblscfg\n",
        "default=0\ntimeout=5\ntitle CentOS (2.6.32-754.el6.x86_64)\n\troot (hd0,0)\n\tkernel /vmlinuz-2.6.32-754.el6.x86_64 ro\n",
        "title A\nversion 4.18.0-80.el8.x86_64\nlinux /vmlinuz-4.18.0-80.el8.x86_64\noptions $kernelopts\nid x\n",
        "index=0\nkernel=/boot/vmlinuz-3.10.0-514.el7.x86_64\nargs=\"ro quiet\"\nroot=/dev/sda1\ntitle=A\n",
        "# GRUB Environment Block\nsaved_entry=a>b\nboot_success=0\n######",
        "GRUB_DEFAULT=saved\nGRUB_CMDLINE_LINUX=\"crashkernel=auto quiet\"\nexport GRUB_TIMEOUT=5\n",
    ]))) {
        if let Some(boot) = boot::reading::of_text("file", &bytes) {
            let document = Document::new(boot, None);
            prop_assert_eq!(&Document::<Boot>::from_json(&document.to_json()).unwrap(), &document);
        }
        let text = text(&bytes);
        let _ = (boot::legacy::parse("f", &text), boot::grubby::parse("f", &text), BlsEntry::parse("f", &text));
        let _ = (Environment::parse(&bytes), Environment::of_listing(&text));
        boot::default::Defaults::default().source("f", &text);
    }

    #[test]
    fn lists_of_nodes(bytes in mutated(seeds(&[
        "NAME  STATUS  ROLES  AGE  VERSION  INTERNAL-IP  OS-IMAGE  KERNEL-VERSION  CONTAINER-RUNTIME\na  Ready  <none>  9d  v1.15.3  192.0.2.1  CentOS Linux 7 (Core)  3.10.0-693.el7.x86_64  docker://18.9.0\n",
        "Name:               a\nSystem Info:\n Kernel Version:             5.4.0-42-generic\n OS Image:                   Ubuntu 18.04.4 LTS\n Container Runtime Version:  containerd://1.3.3\n",
        "{\"items\":[{\"metadata\":{\"name\":\"a\"},\"status\":{\"nodeInfo\":{\"kernelVersion\":\"4.14.186-146.268.amzn2.x86_64\",\"osImage\":\"Amazon Linux 2\"}}}]}",
        "Linux a 3.10.0-1160.el7.x86_64 #1 SMP Mon Oct 19 16:18:59 UTC 2020 x86_64 GNU/Linux\n",
    ]))) {
        let found = nodes::read(&nodes::decode(&bytes));
        let document = kernels([&found], knowledge());
        prop_assert_eq!(&Document::<Kernels>::from_json(&document.to_json()).unwrap(), &document);
    }

    #[test]
    fn documents_of_one_line(bytes in mutated(seeds(&[
        "{\"schema\":\"kernmend/news/1\",\"tool\":\"0\",\"log\":\"-\",\"lines\":2,\"new\":1,\"run\":{\"signal\":\"a\",\"fields\":{\"b\":\"c\"},\"count\":2,\"first\":{\"uptime_ms\":1},\"sample\":\"d\"}}",
        "{\"schema\":\"kernmend/signals/1\",\"tool\":\"0\",\"knowledge\":\"2026-11-24\",\"signals\":[{\"name\":\"a\",\"about\":\"b\",\"printed_by\":\"c\",\"patterns\":[\"d\"]}]}",
    ]))) {
        let text = text(&bytes);
        if let Ok(news) = Document::<News>::from_json(&text) {
            let line = news.to_json_line();
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(Document::<News>::from_json(&line).unwrap(), news);
        }
        if let Ok(signals) = Document::<Signals>::from_json(&text) {
            prop_assert_eq!(Document::<Signals>::from_json(&signals.to_json()).unwrap(), signals);
        }
    }

    /// What is read of an expression compiles, for us and for others.
    #[test]
    fn expressions(bytes in mutated(seeds(&[
        "unregister_netdevice: waiting for (?P<device>[^\\s<>%]{1,64}) to become free\\. Usage count = (?P<count>-?[0-9]{1,20})",
        "(?:mkdir|making) (?<path>/[^\\s’”]+): (?:设备上没有空间|[Nn]o space)(?:, 0[0-7]+\\))?",
    ]))) {
        if let Ok((expression, _)) = Expression::parse(&text(&bytes)) {
            let _ = (expression.compiled(), expression.portable());
        }
    }

    #[test]
    fn scans(
        bytes in mutated(seeds(&[
            "Sep 14 12:00:00 a kernel: [  12.345678] SLUB: Unable to allocate memory on node -1 (gfp=0xd0)\n",
            "2026-01-05T10:00:00.123456+01:00 a kernel: unregister_netdevice: waiting for eth0 to become free. Usage count = 1\n",
            "6,1234,5678901234,-;INFO: task runc:[2:INIT]:1234 blocked for more than 120 seconds.\n SUBSYSTEM=x\n",
            "{\"log\":\"time=\\\"2020\\\" level=error msg=\\\"cannot allocate memory\\\"\\n\",\"stream\":\"stderr\",\"time\":\"2020-01-01T00:00:00Z\"}\n",
        ])),
        cut in any::<prop::sample::Index>(),
        boot in any::<Option<i64>>(),
        collected in any::<Option<i64>>(),
    ) {
        let clock = || Clock { booted_at_unix_ms: boot, collected_at_unix_ms: collected, ..Clock::default() };
        let mut whole = Scanner::new(&knowledge().signals, clock());
        whole.push(&bytes);
        let mut parts = Scanner::new(&knowledge().signals, clock());
        let (a, b) = bytes.split_at(cut.index(bytes.len() + 1));
        parts.push(a);
        parts.push(b);
        prop_assert_eq!(whole.finish(), parts.finish(), "how it was cut doesn't matter");
    }
}

proptest! {
    #![proptest_config(config(60))]

    /// The files of the knowledge: each problem has a place, and there is no panic.
    #[test]
    fn knowledge_of_others(which in any::<prop::sample::Index>(), change in mutated(vec![Vec::new()]), seed in any::<prop::sample::Index>()) {
        let (name, original) = which.get(FILES);
        let at = seed.index(original.len() + 1);
        let at = (0..=at).rev().find(|at| original.is_char_boundary(*at)).unwrap_or(0);
        let changed = format!("{}{}{}", &original[..at], text(&change), &original[at..]);
        let one: BTreeMap<String, String> = [((*name).to_owned(), changed.clone())].into();
        if let Err(problems) = KnowledgeBase::with(&one) {
            prop_assert!(!problems.is_empty());
        }
        let _ = SignalSet::read(&[(name, changed.as_str())], &BTreeSet::from([*name]));
        let _ = Streams::from_toml(&changed);
    }
}
