//! Container runtimes of Debian's releases, and their relatives: fetched together, so that whoever wants one of them has the
//! same folder in the cache.

use super::{DebianError, Package, Packages};

/// runc 1.0.0-rc93, the last release that accounts.
pub const RUNC_11: Package = Package { suite: "bullseye", name: "runc" };
/// runc 1.1, which doesn't.
pub const RUNC_12: Package = Package { suite: "bookworm", name: "runc" };
/// crun, which isn't Go's.
pub const CRUN: Package = Package { suite: "bookworm", name: "crun" };
/// A library that crun needs and that few machines have.
pub const YAJL: Package = Package { suite: "bookworm", name: "libyajl2" };
/// containerd, which leaves control groups to runc.
pub const CONTAINERD: Package = Package { suite: "bookworm", name: "containerd" };
/// Docker's daemon, which does too.
pub const DOCKER: Package = Package { suite: "bookworm", name: "docker.io" };

/// All of them.
///
/// # Errors
///
/// As [`Packages::get`].
pub fn get() -> Result<Packages, DebianError> {
    Packages::get(&[RUNC_11, RUNC_12, CRUN, YAJL, CONTAINERD, DOCKER])
}
