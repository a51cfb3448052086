//! The archive that a kernel takes as its initramfs: cpio in the form "newc" (the kernel's
//! `Documentation/driver-api/early-userspace/buffer-format.rst`), not compressed. It only writes; what kernels of
//! distributions come with is read by nobody here.

/// One entry of an archive.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its path from the root, without a slash in front.
    pub path: &'a str,
    /// Kind and permissions, as `stat` gives them.
    pub mode: u32,
    /// What a file holds.
    pub content: &'a str,
    /// The major and minor number of a device.
    pub device: (u32, u32),
}

impl<'a> Entry<'a> {
    /// A file that everyone may run.
    #[must_use]
    pub const fn program(path: &'a str, content: &'a str) -> Self {
        Self { path, mode: 0o100_755, content, device: (0, 0) }
    }

    /// A directory.
    #[must_use]
    pub const fn directory(path: &'a str) -> Self {
        Self { path, mode: 0o040_755, content: "", device: (0, 0) }
    }
}

/// The entry that ends an archive.
const TRAILER: Entry<'_> = Entry { path: "TRAILER!!!", mode: 0, content: "", device: (0, 0) };

/// An archive of these, in their order: a directory has to come before what is in it.
#[must_use]
pub fn archive(entries: &[Entry<'_>]) -> String {
    let mut archive = String::new();
    for (number, entry) in (1..).zip(entries) {
        add(&mut archive, number, entry);
    }
    add(&mut archive, 0, &TRAILER);
    archive
}

fn add(archive: &mut String, inode: usize, entry: &Entry<'_>) {
    let (major, minor) = entry.device;
    let (mode, size, name) = (entry.mode, entry.content.len(), entry.path.len() + 1);
    archive.push_str("070701");
    // Inode, mode, owner, group, links, time, size, the file system's device, the entry's own, the name with its zero, and
    // a sum that this form doesn't have.
    archive.push_str(&format!("{inode:08x}{mode:08x}{0:08x}{0:08x}{1:08x}{0:08x}{size:08x}", 0, 1));
    archive.push_str(&format!("{0:08x}{0:08x}{major:08x}{minor:08x}{name:08x}{0:08x}", 0));
    archive.push_str(entry.path);
    archive.push('\0');
    pad(archive);
    archive.push_str(entry.content);
    pad(archive);
}

fn pad(archive: &mut String) {
    while !archive.len().is_multiple_of(4) {
        archive.push('\0');
    }
}
