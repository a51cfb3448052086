//! Thirty-six messages of kernels from 3.10 to 6.x that a node's monitor should know, each beside one that looks like it
//! and means something else. The kinds are those on which the rules of other detectors were measured: by them
//! node-problem-detector misses 21, and the kernel monitor of the EKS node monitoring agent 24.
//!
//! The texts are written for this test from the format strings of the kernel source that each row names.

use kernmend_core::knowledge::KnowledgeBase;
use kernmend_core::scan::{Clock, Scanner};

struct Row {
    /// The file in the kernel source whose format string it is, and the kernels.
    source: &'static str,
    message: &'static str,
    signal: &'static str,
    /// What must not be taken for it.
    near_miss: &'static str,
}

const fn row(
    source: &'static str,
    message: &'static str,
    signal: &'static str,
    near_miss: &'static str,
) -> Row {
    Row { source, message, signal, near_miss }
}

const ROWS: [Row; 36] = [
    row(
        "arch/x86/mm/fault.c, to 5.0",
        "BUG: unable to handle kernel NULL pointer dereference at 0000000000000050",
        "kernel-oops",
        "BUG: unable to handle it, says the operator, NULL pointer dereference",
    ),
    row(
        "arch/x86/mm/fault.c, from 5.1",
        "BUG: kernel NULL pointer dereference, address: 0000000000000050",
        "kernel-oops",
        "#PF: supervisor read access in kernel mode",
    ),
    row(
        "arch/x86/mm/fault.c, from 5.1",
        "BUG: unable to handle page fault for address: ffffa0c1deadb000",
        "kernel-oops",
        "#PF: error_code(0x0002) - not-present page",
    ),
    row(
        "arch/arm64/mm/fault.c",
        "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000030",
        "kernel-oops",
        "[0000000000000030] user address but active_mm is swapper",
    ),
    row(
        "arch/x86/kernel/dumpstack.c and traps.c, 3.10",
        "divide error: 0000 [#1] SMP ",
        "kernel-oops",
        "traps: java[4711] trap divide error ip:7f10 sp:7f20 error:0 in libx.so[7f00+1000]",
    ),
    row(
        "arch/x86/kernel/dumpstack.c, 4.x with PREEMPT",
        "divide error: 0000 [#2] PREEMPT SMP",
        "kernel-oops",
        "integer divide error in expression",
    ),
    row(
        "arch/x86/kernel/dumpstack.c, from 4.15 with NOPTI or PTI",
        "divide error: 0000 [#1] SMP NOPTI",
        "kernel-oops",
        "Kernel/User page tables isolation: enabled",
    ),
    row(
        "arch/x86/kernel/dumpstack.c, from 6.10 with Oops in front",
        "Oops: divide error: 0000 [#1] PREEMPT SMP PTI",
        "kernel-oops",
        "oops=panic panic_on_warn=1",
    ),
    row(
        "arch/x86/kernel/traps.c",
        "general protection fault: 0000 [#1] SMP",
        "kernel-oops",
        "traps: nginx[812] general protection fault ip:55d0 sp:7ffc error:0 in nginx[55c0+1000]",
    ),
    row(
        "lib/bug.c",
        "kernel BUG at fs/inode.c:1442!",
        "kernel-oops",
        "please report a kernel BUG at bugzilla",
    ),
    row(
        "kernel/rcutree.c, kernel/rcu/tree_stall.h",
        "INFO: rcu_sched detected stalls on CPUs/tasks: { 3} (detected by 1, t=60002 jiffies, g=81, c=80, q=12)",
        "rcu-stall",
        "rcu: \tRCU CPU stall warnings suppressed (rcu_cpu_stall_suppress)",
    ),
    row(
        "kernel/watchdog.c, kernel/watchdog_hld.c",
        "NMI watchdog: Watchdog detected hard LOCKUP on cpu 11",
        "hard-lockup",
        "NMI watchdog: enabled on all CPUs, permanently consumes one hw-PMU counter.",
    ),
    row(
        "kernel/watchdog.c, 3.10",
        "BUG: soft lockup - CPU#7 stuck for 22s! [kubelet:2201]",
        "soft-lockup",
        "Kernel panic - not syncing: softlockup: hung tasks",
    ),
    row(
        "kernel/watchdog.c, from 4.14",
        "watchdog: BUG: soft lockup - CPU#7 stuck for 26s! [kworker/7:1:88]",
        "soft-lockup",
        "watchdog: Delayed init of the lockup detector failed: -19",
    ),
    row(
        "mm/slub.c, to 4.5",
        "SLUB: Unable to allocate memory on node -1 (gfp=0xd0)",
        "slub-failure",
        "SLUB: HWalign=64, Order=0-3, MinObjects=0, CPUs=8, Nodes=1",
    ),
    row(
        "mm/page_alloc.c",
        "runc: page allocation failure: order:6, mode:0xc0d0",
        "page-allocation-failure",
        "warn_alloc: page allocation stalls for 10012ms, order:0",
    ),
    row(
        "mm/slab_common.c",
        "kmem_cache_create(nf_conntrack_ffff9a01c2b48000) failed with error -12",
        "slab-cache-failure",
        "kmem_cache_create_memcg+0x1ae/0x2b0",
    ),
    row(
        "net/core/dev.c",
        "unregister_netdevice: waiting for eth0 to become free. Usage count = 1",
        "unregister-netdevice",
        "eth0 (unregistering): Released all slaves",
    ),
    row(
        "net/core/dev.c",
        "unregister_netdevice: waiting for cali1234 to become free. Usage count = 2",
        "unregister-netdevice",
        "unregister_netdevice_queue+0x91/0x120",
    ),
    row(
        "net/core/dev.c",
        "unregister_netdevice: waiting for eth0.100 to become free. Usage count = 1",
        "unregister-netdevice",
        "8021q: adding VLAN 0 to HW filter on device eth0.100",
    ),
    row(
        "net/core/dev.c",
        "unregister_netdevice: waiting for br-12ab34 to become free. Usage count = 1",
        "unregister-netdevice",
        "br-12ab34: port 1(veth0) entered disabled state",
    ),
    row(
        "kernel/hung_task.c",
        "INFO: task docker:3120 blocked for more than 120 seconds.",
        "hung-task",
        "docker          D ffff88081a0b0000     0  3120      1 0x00000080",
    ),
    row(
        "kernel/hung_task.c",
        "INFO: task dockerd:3121 blocked for more than 120 seconds.",
        "hung-task",
        "INFO: task dockerd:3121 is blocked on a mutex likely owned by task runc:3300.",
    ),
    row(
        "kernel/hung_task.c",
        "INFO: task containerd:3122 blocked for more than 120 seconds.",
        "hung-task",
        "containerd: request blocked for more than 120 seconds",
    ),
    row(
        "kernel/hung_task.c",
        "INFO: task runc:[2:INIT]:3123 blocked for more than 122 seconds.",
        "hung-task",
        "\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message.",
    ),
    row(
        "kernel/hung_task.c",
        "INFO: task kworker/u16:2:3124 blocked for more than 120 seconds.",
        "hung-task",
        "Future hung task reports are suppressed, see sysctl kernel.hung_task_warnings",
    ),
    row(
        "kernel/hung_task.c, from 6.17",
        "INFO: task jbd2/sda1-8:412 blocked in I/O wait for more than 245 seconds.",
        "hung-task",
        "INFO: lockdep is turned off.",
    ),
    row(
        "fs/ext4/super.c",
        "EXT4-fs (sdb1): Remounting filesystem read-only",
        "readonly-remount",
        "EXT4-fs (sdb1): re-mounted. Opts: (null)",
    ),
    row(
        "fs/btrfs/super.c",
        "BTRFS info (device sdc): forced readonly",
        "readonly-remount",
        "BTRFS info (device sdc): disk space caching is enabled",
    ),
    row(
        "fs/xfs/xfs_fsops.c",
        "XFS (dm-3): Log I/O Error Detected.  Shutting down filesystem",
        "readonly-remount",
        "XFS (dm-3): Unmounting Filesystem",
    ),
    row(
        "arch/x86/kernel/cpu/mce/core.c",
        "mce: [Hardware Error]: CPU 4: Machine Check: 0 Bank 5: be00000000800400",
        "machine-check",
        "mce: CPU4: Package temperature/speed normal",
    ),
    row(
        "net/core/neighbour.c",
        "neighbour: arp_cache: neighbor table overflow!",
        "neighbour-table-overflow",
        "neighbour: ndisc_cache: table of 1024 entries is being resized",
    ),
    row(
        "net/netfilter/nf_conntrack_core.c",
        "nf_conntrack: nf_conntrack: table full, dropping packet",
        "conntrack-table-full",
        "nf_conntrack: default automatic helper assignment has been turned off",
    ),
    row(
        "mm/memcontrol.c and mm/oom_kill.c, 3.10",
        "Memory cgroup out of memory: Kill process 812 (nginx) score 1974 or sacrifice child",
        "memcg-oom",
        "Out of memory: Kill process 812 (nginx) score 310 or sacrifice child",
    ),
    row(
        "mm/oom_kill.c, from 4.19",
        "Memory cgroup out of memory: Killed process 812 (nginx) total-vm:812kB, anon-rss:410kB, file-rss:0kB",
        "memcg-oom",
        "memory: usage 409600kB, limit 409600kB, failcnt 512",
    ),
    row(
        "mm/oom_kill.c",
        "Out of memory: Kill process 812 (nginx) score 310 or sacrifice child",
        "global-oom",
        "Memory cgroup out of memory: Kill process 812 (nginx) score 1974 or sacrifice child",
    ),
];

/// The names of the signals in a text.
fn found(knowledge: &KnowledgeBase, text: &str) -> Vec<String> {
    let mut scanner = Scanner::new(&knowledge.signals, Clock::default());
    scanner.push(text.as_bytes());
    scanner.finish().hits.into_iter().map(|hit| hit.signal).collect()
}

#[test]
fn every_message_is_known_and_nothing_that_looks_like_it() {
    let knowledge = KnowledgeBase::embedded();
    for Row { source, message, signal, near_miss } in &ROWS {
        // As the kernel's buffer, a log of syslog, and the device give them.
        for prefix in ["", "[ 8123.000001] ", "Nov 24 07:51:29 node-1 kernel: ", "4,1207,8123000001,-;"] {
            let line = format!("{prefix}{message}\n");
            assert_eq!(found(&knowledge, &line), [*signal], "{source}: {line}");
            let line = format!("{prefix}{near_miss}\n");
            let found = found(&knowledge, &line);
            assert!(!found.iter().any(|name| name == signal), "{source}: {line} is taken for {signal}");
        }
    }
}
