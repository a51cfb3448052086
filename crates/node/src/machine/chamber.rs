//! Enters a root file system to build there: the folder of work becomes its `/tmp`, and it gets the devices and the processes
//! of the host. All of that is in a mount namespace of its own and gone with it; the root itself isn't changed. It doesn't
//! make that namespace: `unshare` does, which starts this program in it.

use std::convert::Infallible;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, mount_bind, mount_bind_recursive, mount_change};

use super::tool::{INSIDE, TOOLCHAIN};
use super::{MachineError, failed};

/// What a root gets of the host.
const LENT: [&str; 2] = ["/dev", "/proc"];

/// The act that fails where a root was entered and the program isn't in it.
pub const RUN: &str = "run";

/// Enters a root and becomes a program in it. Where that works, this doesn't return.
///
/// # Errors
/// This is no mount namespace of its own, the root lacks a folder, or the program isn't there.
pub fn enter(
    root: &Path,
    work: &Path,
    go: Option<&Path>,
    directory: &str,
    argv: &[String],
) -> Result<Infallible, MachineError> {
    let (program, arguments) = argv.split_first().ok_or_else(|| MachineError::new(RUN, "", Errno::INVAL))?;
    if !is_apart().map_err(|source| MachineError::new("look at", OWN, source))? {
        return Err(MachineError::new("mount in", "the host's own mount namespace", Errno::PERM));
    }
    let shown = |path: &Path| path.display().to_string();
    // Nothing that is mounted from here on is seen outside.
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(failed("make private", "/"))?;
    for path in LENT {
        let inside = root.join(path.trim_start_matches('/'));
        mount_bind_recursive(path, &inside).map_err(failed("mount", &shown(&inside)))?;
    }
    if let Some(go) = go {
        let inside = work.join(TOOLCHAIN);
        mount_bind(go, &inside).map_err(failed("mount", &shown(&inside)))?;
    }
    let inside = root.join(INSIDE.trim_start_matches('/'));
    mount_bind_recursive(work, &inside).map_err(failed("mount", &shown(&inside)))?;
    rustix::process::chroot(root).map_err(failed("enter", &shown(root)))?;
    rustix::process::chdir(directory).map_err(failed("enter", directory))?;
    Err(MachineError::new(RUN, program, Command::new(program).args(arguments).exec()))
}

const OWN: &str = "/proc/self/ns/mnt";

/// Whether this process is in another mount namespace than the one that started it.
fn is_apart() -> io::Result<bool> {
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    Ok(std::fs::read_link(OWN)? != std::fs::read_link(format!("/proc/{parent}/ns/mnt"))?)
}
