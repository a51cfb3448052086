//! A container that a runtime has to start: with a memory limit, as pods have one, and kernmend itself in it, which looks at
//! its own cgroup. Nothing of it is left behind, whoever died in it before.

use kernmend_core::plan::PROGRAM;
use serde_json::json;

use super::{Runner, ended};
use crate::machine::{Machine, MachineError, Output, Program};
use crate::store::{DIRECTORY, PRIVATE_FILE};

/// The container's name, and that of its cgroup.
const ID: &str = "kernmend-try";

/// Bytes that it may use: many times what kernmend takes to look at two files.
const LIMIT: u64 = 64 << 20;

const PRIVATE_DIRECTORY: u32 = 0o700;

/// The bundle's directories, the outer first: those on which the runtime mounts something are made beforehand, so that all
/// that there is is known.
const DIRECTORIES: [&str; 8] = [
    "",
    "/state",
    "/rootfs",
    "/rootfs/proc",
    "/rootfs/dev",
    "/rootfs/sys",
    "/rootfs/sys/fs",
    "/rootfs/sys/fs/cgroup",
];

/// On which the program is mounted.
const MOUNTED: &str = "/rootfs/kernmend";
const CONFIGURATION: &str = "/config.json";

/// Whether a container of this runtime does its work and ends; `unaccounted` is whether it also must be without kernel memory
/// accounting.
pub(super) fn runs<M: Machine>(
    run: &mut Runner<'_, M>,
    runtime: &str,
    unaccounted: bool,
) -> Result<(), String> {
    let deadline = run.apply.options.check;
    let machine = &mut *run.apply.machine;
    let bundle = format!("{DIRECTORY}/container");
    let state = format!("{bundle}/state");
    let forget = Program::Forget { runtime: runtime.to_owned(), state: state.clone(), id: ID.to_owned() };
    let program = Program::Container {
        runtime: runtime.to_owned(),
        state: state.clone(),
        bundle: bundle.clone(),
        id: ID.to_owned(),
    };
    let clear = |machine: &mut M| -> Result<(), MachineError> {
        if machine.is_directory(&format!("{state}/{ID}"))? {
            machine.run(&forget, deadline)?;
        }
        [CONFIGURATION, MOUNTED].iter().try_for_each(|file| machine.remove(&format!("{bundle}{file}")))?;
        DIRECTORIES.iter().rev().try_for_each(|one| machine.remove_directory(&format!("{bundle}{one}")))
    };
    let go = |machine: &mut M| -> Result<Output, MachineError> {
        clear(machine)?;
        for directory in DIRECTORIES {
            machine.make_directory(&format!("{bundle}{directory}"), PRIVATE_DIRECTORY)?;
        }
        machine.replace(&format!("{bundle}{MOUNTED}"), b"", PRIVATE_FILE)?;
        let text = configuration(unaccounted).to_string();
        machine.replace(&format!("{bundle}{CONFIGURATION}"), text.as_bytes(), PRIVATE_FILE)?;
        machine.run(&program, deadline)
    };
    let said = go(machine);
    let cleared = clear(machine);
    match said.map_err(|error| error.line())? {
        Output { code: Some(0), .. } => cleared.map_err(|error| error.line()),
        output => Err(ended(&program, &output)),
    }
}

/// What the runtime is told, by the runtime specification of 1.0.0, which every runc since 1.0.0-rc6 reads. The network is
/// the machine's own: to make one and to remove it is what some kernels don't survive.
fn configuration(unaccounted: bool) -> serde_json::Value {
    let mut arguments = vec!["/kernmend", "contained"];
    arguments.extend(unaccounted.then_some("--unaccounted"));
    let kinds = ["pid", "ipc", "uts", "mount"].map(|kind| json!({ "type": kind }));
    json!({
        "ociVersion": "1.0.0",
        "process": {
            "user": { "uid": 0, "gid": 0 },
            "args": arguments,
            "env": ["PATH=/"],
            "cwd": "/",
            "noNewPrivileges": true,
        },
        "root": { "path": "rootfs", "readonly": true },
        "hostname": ID,
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            {
                "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
            },
            {
                "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                "options": ["nosuid", "noexec", "nodev", "relatime", "ro"],
            },
            { "destination": "/kernmend", "type": "bind", "source": PROGRAM, "options": ["bind", "ro"] },
        ],
        "linux": {
            "cgroupsPath": format!("/{ID}"),
            "resources": { "memory": { "limit": LIMIT } },
            "namespaces": kinds,
        },
    })
}
