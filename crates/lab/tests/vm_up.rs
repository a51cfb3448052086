//! `vm up`, a machine for a person: a shell on the console, and no machine is left when its program is gone.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use std::fs;
use std::io::{Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// A program that was told to end and is still there after this is broken.
const PATIENCE: Duration = Duration::from_secs(300);

fn up() -> Child {
    Command::new(env!("CARGO_BIN_EXE_vm"))
        .args(["up", "debian-12"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads until a text is there.
fn read_until(stream: &mut impl Read, text: &str) {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(text.as_bytes()) {
        let more = stream.read(&mut byte).unwrap();
        assert!(more > 0, "no `{text}` in:\n{}", String::from_utf8_lossy(&read));
        read.extend(byte);
    }
}

/// The processes that a process has started.
fn children(process: u32) -> Vec<Pid> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let lists = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("children")).unwrap());
    let lists: Vec<String> = lists.collect();
    let pids = lists.iter().flat_map(|list| list.split_whitespace());
    pids.map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap()).collect()
}

#[test]
fn a_person_has_a_shell_and_leaves() {
    let mut vm = up();
    let (mut keyboard, mut screen) = (vm.stdin.take().unwrap(), vm.stdout.take().unwrap());
    read_until(&mut screen, "root@node:~# ");
    // The echo of what is typed doesn't have the sum.
    keyboard.write_all(b"echo \"$(tty) $((6 * 7)).\"\n").unwrap();
    read_until(&mut screen, "/dev/ttyS0 42.");
    keyboard.write_all(&[0x1d]).unwrap();
    assert!(vm.wait().unwrap().success());
}

#[test]
fn the_machine_dies_with_its_program() {
    let mut vm = up();
    let mut screen = vm.stdout.take().unwrap();
    read_until(&mut screen, "Linux version ");
    let machines: Vec<_> =
        children(vm.id()).into_iter().map(|pid| pidfd_open(pid, PidfdFlags::empty()).unwrap()).collect();
    assert_eq!(machines.len(), 1);
    // It has no time to tidy up.
    vm.kill().unwrap();
    vm.wait().unwrap();
    let mut watched = [PollFd::new(&machines[0], PollFlags::IN)];
    let patience = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
    assert_eq!(poll(&mut watched, Some(&patience)).unwrap(), 1, "the machine is still there");
}
