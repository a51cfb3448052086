//! A file that is written under no name, and gets one when it is whole: of a run that ends before, nothing is left.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

/// A file that has no name yet, or on a file system that knows none such, one that goes away with it.
pub(super) struct Output {
    file: File,
    part: PathBuf,
    has_name: bool,
}

impl Output {
    /// A file that is to become `path`.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let mut part = std::ffi::OsString::from(".");
        part.push(name);
        part.push(format!(".{}.part", std::process::id()));
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let part = folder.join(part);
        let mode = Mode::from_raw_mode(0o644);
        let unnamed = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let (file, has_name) = match rustix::fs::open(folder, unnamed, mode) {
            Ok(file) => (file, false),
            // What a file system, or a kernel, says that has none without a name.
            Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::ISDIR) => {
                let named = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
                (rustix::fs::open(&part, named, mode)?, true)
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Self { file: File::from(file), part, has_name })
    }

    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Puts it in the place of `path`, when it is on the disk.
    pub(super) fn put(mut self, path: &Path) -> io::Result<()> {
        use std::os::fd::AsRawFd as _;
        self.file.sync_all()?;
        if !self.has_name {
            let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            rustix::fs::linkat(CWD, own, CWD, &self.part, AtFlags::SYMLINK_FOLLOW)?;
            self.has_name = true;
        }
        std::fs::rename(&self.part, path)?;
        self.has_name = false;
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.has_name {
            let _ = std::fs::remove_file(&self.part);
        }
    }
}
