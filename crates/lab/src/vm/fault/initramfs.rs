//! The archive that a kernel takes as its initramfs: cpio in the form "newc" (the kernel's
//! `Documentation/driver-api/early-userspace/buffer-format.rst`), not compressed.

use std::fmt::Write as _;

/// A file that everyone may run.
const MODE: u32 = 0o100_755;

/// The name that ends an archive.
const TRAILER: &str = "TRAILER!!!";

/// An archive of files, by their paths from the root.
pub(super) fn archive(files: &[(String, &str)]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (number, (path, content)) in (1..).zip(files) {
        add(&mut archive, number, MODE, path, content.as_bytes());
    }
    add(&mut archive, 0, 0, TRAILER, &[]);
    archive
}

fn add(archive: &mut Vec<u8>, inode: u32, mode: u32, path: &str, content: &[u8]) {
    let len = |bytes: usize| u32::try_from(bytes).expect("the lab's own files are small");
    let mut head = "070701".to_owned();
    // Inode, mode, owner, group, links, time, size, two device numbers of two parts each, the name with its zero, and a
    // sum that this form doesn't have.
    let fields = [inode, mode, 0, 0, 1, 0, len(content.len()), 0, 0, 0, 0, len(path.len() + 1), 0];
    for field in fields {
        write!(head, "{field:08x}").expect("writing to a string can't fail");
    }
    archive.extend(head.bytes().chain(path.bytes()).chain([0]));
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive.extend(content);
    archive.resize(archive.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn cpio_reads_what_is_written() {
        let files = [("init".to_owned(), "#!/bin/sh\n"), ("usr/lib/empty.ko".to_owned(), "")];
        for (files, listed) in [(&files[..], "init\nusr/lib/empty.ko\n"), (&[], "")] {
            let mut cpio = Command::new("cpio")
                .args(["--list", "--quiet"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            cpio.stdin.take().unwrap().write_all(&archive(files)).unwrap();
            let output = cpio.wait_with_output().unwrap();
            assert!(output.status.success());
            assert_eq!(String::from_utf8(output.stdout).unwrap(), listed);
        }
    }
}
