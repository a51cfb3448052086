//! Opens paths below a root so that no link leads out of it. It opens for reading only.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use kernmend_core::document::snapshot::Origin;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Why a root could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("open the root directory `{path}`")]
pub struct OpenRootError {
    /// The root.
    pub path: String,
    /// What the system said.
    #[source]
    pub source: std::io::Error,
}

/// As many links as Linux itself follows in one path.
pub(crate) const MAX_LINKS: u32 = 40;

/// `PROC_SUPER_MAGIC`, `SYSFS_MAGIC`, `CGROUP_SUPER_MAGIC`, `CGROUP2_SUPER_MAGIC`, `DEBUGFS_MAGIC` and `TRACEFS_MAGIC`
/// of `linux/magic.h`.
const KERNEL_FILE_SYSTEMS: [u64; 6] =
    [0x9fa0, 0x6265_6572, 0x0027_e0eb, 0x6367_7270, 0x6462_6720, 0x7472_6163];

/// Opens the root itself.
pub(crate) fn root(path: &Path) -> Result<OwnedFd, OpenRootError> {
    rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| OpenRootError {
            path: path.display().to_string(),
            source: std::io::Error::from(errno),
        })
}

/// Opens `path` below `root`. On the live machine the root is the system's own, and the links of `/proc/PID/exe` are
/// followed as the kernel does; in a directory every link stays inside.
pub(crate) fn open(root: &OwnedFd, path: &str, flags: OFlags, origin: Origin) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC;
    let relative = relative(path);
    match origin {
        Origin::Live => rustix::fs::openat(root, relative, flags, Mode::empty()),
        // Neither a text nor an archive has files of its own; what isn't the live machine is never followed outside.
        Origin::Directory | Origin::Archive | Origin::Text => {
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            match rustix::fs::openat2(root, relative, flags, Mode::empty(), resolve) {
                // A kernel before 5.6 has no openat2, and a seccomp filter that doesn't know it says EPERM.
                Err(Errno::NOSYS | Errno::PERM) => open_stepwise(root, relative, flags),
                // A rename under our feet: the kernel asks to try again, and walking by hand needs no second try.
                Err(Errno::AGAIN) => open_stepwise(root, relative, flags),
                answer => answer,
            }
        }
    }
}

/// The target of the link at `path`.
pub(super) fn read_link(root: &OwnedFd, path: &str, origin: Origin) -> Result<String, Errno> {
    let (parent, name) = path.rsplit_once('/').ok_or(Errno::INVAL)?;
    let parent = open(root, parent, OFlags::PATH | OFlags::DIRECTORY, origin)?;
    let target = rustix::fs::readlinkat(&parent, name, Vec::new())?;
    Ok(target.to_string_lossy().into_owned())
}

/// Whether a directory belongs to the kernel's own file systems.
pub(super) fn is_kernel_file_system(fd: &OwnedFd) -> bool {
    rustix::fs::fstatfs(fd).is_ok_and(|stat| KERNEL_FILE_SYSTEMS.contains(&stat.f_type.cast_unsigned()))
}

fn relative(path: &str) -> &str {
    match path.trim_start_matches('/') {
        "" => ".",
        relative => relative,
    }
}

/// Walks `path` one name at a time with the directories on the way held open, so that `..` goes back to a directory
/// that we came through, and an absolute link starts again at the root.
fn open_stepwise(root: &OwnedFd, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut way: Vec<(OwnedFd, String)> = Vec::new();
    let mut names: VecDeque<String> = path.split('/').map(str::to_owned).collect();
    let mut links = 0;
    while let Some(name) = names.pop_front() {
        match name.as_str() {
            "" | "." => continue,
            ".." => {
                way.pop();
                continue;
            }
            _ => {}
        }
        let here = way.last().map_or(root.as_fd(), |(fd, _)| fd.as_fd());
        let step_flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let step = rustix::fs::openat(here, &*name, step_flags, Mode::empty())?;
        let kind = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&step)?.st_mode);
        if kind == rustix::fs::FileType::Symlink {
            links += 1;
            if links > MAX_LINKS {
                return Err(Errno::LOOP);
            }
            let target = rustix::fs::readlinkat(&step, "", Vec::new())?;
            let target = target.to_str().map_err(|_| Errno::ILSEQ)?;
            if target.starts_with('/') {
                way.clear();
            }
            for name in target.split('/').rev() {
                names.push_front(name.to_owned());
            }
        } else {
            way.push((step, name));
        }
    }
    // What is held by its path alone can't be read. It is opened again by its name in the directory above; should
    // somebody have put a link there meanwhile, NOFOLLOW refuses it.
    let Some((_, name)) = way.pop() else {
        return rustix::fs::openat(root, ".", flags, Mode::empty());
    };
    let above = way.last().map_or(root.as_fd(), |(fd, _)| fd.as_fd());
    rustix::fs::openat(above, &*name, flags | OFlags::NOFOLLOW, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Reads what `path` leads to, by openat2 and by walking; both must agree.
    fn check(dir: &Path, path: &str, expected: Result<&str, Errno>) {
        let root = root(dir).unwrap();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let content = |fd: OwnedFd| std::io::read_to_string(fs::File::from(fd)).unwrap();
        let by_kernel = open(&root, path, OFlags::RDONLY, Origin::Directory).map(content);
        let by_steps = open_stepwise(&root, relative(path), flags).map(content);
        assert_eq!(by_kernel.as_deref(), expected.as_ref().copied(), "openat2: {path}");
        assert_eq!(by_steps.as_deref(), expected.as_ref().copied(), "stepwise: {path}");
    }

    #[test]
    fn links_are_followed_inside_the_root_and_never_out_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        fs::create_dir_all(at("root/run/log")).unwrap();
        fs::create_dir_all(at("root/var")).unwrap();
        fs::create_dir_all(at("root/etc")).unwrap();
        fs::write(at("secret"), "outside").unwrap();
        fs::write(at("root/secret"), "inside").unwrap();
        fs::write(at("root/run/log/kern.log"), "line").unwrap();
        symlink("/run", at("root/var/run")).unwrap();
        symlink("../../../../../secret", at("root/etc/up")).unwrap();
        symlink("/secret", at("root/etc/absolute")).unwrap();
        symlink("loop", at("root/etc/loop")).unwrap();
        symlink("gone", at("root/etc/dangling")).unwrap();
        let root = at("root");
        check(&root, "/var/run/log/kern.log", Ok("line"));
        check(&root, "/etc/up", Ok("inside"));
        check(&root, "/etc/absolute", Ok("inside"));
        check(&root, "/../secret", Ok("inside"));
        check(&root, "/etc/../../etc/./up", Ok("inside"));
        check(&root, "/etc/loop", Err(Errno::LOOP));
        check(&root, "/etc/dangling", Err(Errno::NOENT));
        check(&root, "/secret/below", Err(Errno::NOTDIR));
    }
}
