//! The byte strings that tell what a build of libcontainer does, and the set of those that occur in a file. It must
//! not put any of them into kernmend's own binary as they are: kernmend would find itself.

use serde::{Deserialize, Serialize};

use std::fmt;
use std::hint::black_box;

/// A byte string that tells something about the program that holds it.
///
/// Which builds hold which was measured on runc 1.0.0-rc2 to 1.5 and on kubelets 1.15 to 1.37, built with and without
/// the tag, stripped, static and position independent, by Go 1.9 to 1.27. Function and file names stand in the table
/// that Go's run time needs for its stack traces, so stripping doesn't remove them. Those of features were measured on runc 1.0.0-rc6 to 1.5 of Go 1.26, and on Debian's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Marker {
    /// The error for a cgroup that is in use when accounting is to be switched on.
    JoinedText,
    /// The name of the function that switches accounting on.
    EnableFunction,
    /// The name of the control file of the kernel memory limit.
    KmemLimit,
    /// The error for a kernel limit in a build with the tag `nokmem`.
    DisabledText,
    /// The name of the source file that the tag chooses.
    DisabledSource,
    /// The name of the source file that stands in its place without the tag.
    KmemSource,
    /// The name of the control file of the TCP buffer limit.
    KmemTcpLimit,
    /// The path of libcontainer's sources for cgroup version 1.
    LibcontainerFs,
    /// The path of the library that runc's cgroup code became with 1.3.
    CgroupLibrary,
    /// The name of the source file with SELinux in it, of the library that libcontainer uses.
    SelinuxSource,
    /// The name of the one in its place without the tag `selinux`, which has a meaning up to 1.0.0-rc92.
    SelinuxStub,
    /// The name of a source file of that library that is linked where [`Marker::SelinuxStub`] is optimised away, and
    /// that newer sources have beside [`Marker::SelinuxSource`].
    LabelSource,
    /// The name of the source file with AppArmor in it, up to 1.0.0-rc92.
    ApparmorSource,
    /// The name of that file since 1.0.0-rc93.
    ApparmorLinuxSource,
    /// The name of the one in its place without the tag `apparmor`, which has a meaning up to 1.0.0-rc92.
    ApparmorStub,
    /// The name of the source file with seccomp in it.
    SeccompSource,
    /// The error for a container with a filter in a build without the tag `seccomp`. The name of the stub's source file
    /// isn't in all of these builds: its functions are so short that the compiler dissolves them.
    SeccompStubText,
}

/// The transformation's key. None of the strings holds the byte, so no transformed string holds a zero.
const KEY: u8 = 0xa5;

/// Transforms a string while the compiler runs: the plain one is then in the source alone.
const fn veil<const N: usize>(plain: &[u8; N]) -> [u8; N] {
    let mut veiled = *plain;
    let mut i = 0;
    while i < N {
        veiled[i] ^= KEY;
        i += 1;
    }
    veiled
}

const JOINED_TEXT: [u8; 56] = veil(b"tasks have already joined this cgroup or it has children");
const ENABLE_FUNCTION: [u8; 28] = veil(b"EnableKernelMemoryAccounting");
const KMEM_LIMIT: [u8; 26] = veil(b"memory.kmem.limit_in_bytes");
const DISABLED_TEXT: [u8; 52] = veil(b"kernel memory accounting disabled in this runc build");
const DISABLED_SOURCE: [u8; 16] = veil(b"kmem_disabled.go");
const KMEM_SOURCE: [u8; 18] = veil(b"cgroups/fs/kmem.go");
const KMEM_TCP_LIMIT: [u8; 30] = veil(b"memory.kmem.tcp.limit_in_bytes");
const LIBCONTAINER_FS: [u8; 24] = veil(b"libcontainer/cgroups/fs/");
const CGROUP_LIBRARY: [u8; 22] = veil(b"opencontainers/cgroups");
const SELINUX_SOURCE: [u8; 27] = veil(b"go-selinux/selinux_linux.go");
const SELINUX_STUB: [u8; 26] = veil(b"go-selinux/selinux_stub.go");
const LABEL_SOURCE: [u8; 25] = veil(b"go-selinux/label/label.go");
const APPARMOR_SOURCE: [u8; 33] = veil(b"libcontainer/apparmor/apparmor.go");
const APPARMOR_LINUX_SOURCE: [u8; 39] = veil(b"libcontainer/apparmor/apparmor_linux.go");
const APPARMOR_STUB: [u8; 42] = veil(b"libcontainer/apparmor/apparmor_disabled.go");
const SECCOMP_SOURCE: [u8; 37] = veil(b"libcontainer/seccomp/seccomp_linux.go");
const SECCOMP_STUB_TEXT: [u8; 50] = veil(b"seccomp: config provided but seccomp not supported");

impl Marker {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::JoinedText,
        Self::EnableFunction,
        Self::KmemLimit,
        Self::DisabledText,
        Self::DisabledSource,
        Self::KmemSource,
        Self::KmemTcpLimit,
        Self::LibcontainerFs,
        Self::CgroupLibrary,
        Self::SelinuxSource,
        Self::SelinuxStub,
        Self::LabelSource,
        Self::ApparmorSource,
        Self::ApparmorLinuxSource,
        Self::ApparmorStub,
        Self::SeccompSource,
        Self::SeccompStubText,
    ];

    const fn veiled(self) -> &'static [u8] {
        match self {
            Self::JoinedText => &JOINED_TEXT,
            Self::EnableFunction => &ENABLE_FUNCTION,
            Self::KmemLimit => &KMEM_LIMIT,
            Self::DisabledText => &DISABLED_TEXT,
            Self::DisabledSource => &DISABLED_SOURCE,
            Self::KmemSource => &KMEM_SOURCE,
            Self::KmemTcpLimit => &KMEM_TCP_LIMIT,
            Self::LibcontainerFs => &LIBCONTAINER_FS,
            Self::CgroupLibrary => &CGROUP_LIBRARY,
            Self::SelinuxSource => &SELINUX_SOURCE,
            Self::SelinuxStub => &SELINUX_STUB,
            Self::LabelSource => &LABEL_SOURCE,
            Self::ApparmorSource => &APPARMOR_SOURCE,
            Self::ApparmorLinuxSource => &APPARMOR_LINUX_SOURCE,
            Self::ApparmorStub => &APPARMOR_STUB,
            Self::SeccompSource => &SECCOMP_SOURCE,
            Self::SeccompStubText => &SECCOMP_STUB_TEXT,
        }
    }

    /// The bytes to look for, made anew at each call: at most 56, none of which is zero.
    #[must_use]
    pub fn needle(self) -> Vec<u8> {
        // Hidden from the optimiser, which else computes the plain strings and stores those.
        let key = black_box(KEY);
        self.veiled().iter().map(|byte| byte ^ key).collect()
    }

    const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// The markers that occur in a file.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Marker>", into = "Vec<Marker>")]
pub struct Markers(u32);

impl From<Vec<Marker>> for Markers {
    fn from(markers: Vec<Marker>) -> Self {
        markers.into_iter().collect()
    }
}

impl From<Markers> for Vec<Marker> {
    fn from(markers: Markers) -> Self {
        markers.iter().collect()
    }
}

impl Markers {
    /// Adds one.
    pub fn insert(&mut self, marker: Marker) {
        self.0 |= marker.bit();
    }

    /// Whether `marker` occurs.
    #[must_use]
    pub const fn contains(self, marker: Marker) -> bool {
        self.0 & marker.bit() != 0
    }

    /// Those that occur, in the order of [`Marker::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Marker> {
        Marker::ALL.into_iter().filter(move |marker| self.contains(*marker))
    }
}

impl FromIterator<Marker> for Markers {
    fn from_iter<I: IntoIterator<Item = Marker>>(markers: I) -> Self {
        let mut set = Self::default();
        markers.into_iter().for_each(|marker| set.insert(marker));
        set
    }
}

impl fmt::Debug for Markers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needles_are_plain_and_stored_ones_are_not() {
        let starts = [
            "tasks",
            "Enable",
            "memory.kmem.l",
            "kernel",
            "kmem_",
            "cgroups/fs/",
            "memory.kmem.t",
            "libcontainer/c",
            "open",
            "go-selinux/selinux_l",
            "go-selinux/selinux_s",
            "go-selinux/label",
            "libcontainer/apparmor/apparmor.",
            "libcontainer/apparmor/apparmor_l",
            "libcontainer/apparmor/apparmor_d",
            "libcontainer/seccomp/seccomp_l",
            "seccomp:",
        ];
        for (marker, start) in Marker::ALL.into_iter().zip(starts) {
            let needle = marker.needle();
            assert!(needle.starts_with(start.as_bytes()), "{marker:?}");
            assert!(needle.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' '), "{marker:?}");
            assert!(marker.veiled().iter().all(|byte| !byte.is_ascii() && *byte != 0), "{marker:?}");
        }
    }

    #[test]
    fn no_needle_is_the_beginning_of_another() {
        for a in Marker::ALL {
            for b in Marker::ALL {
                assert!(a == b || !a.needle().starts_with(&b.needle()), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        for marker in Marker::ALL {
            let set = Markers::from_iter([marker]);
            assert_eq!(set.iter().collect::<Vec<_>>(), [marker]);
        }
        assert_eq!(Markers::default().iter().count(), 0);
    }
}
