//! Ends a trial that hangs before its root file system is there. No timer of systemd runs by then, and no detector of the
//! kernel's sees a script that waits for ever. So the trial's entry loads one more initramfs behind its own, whose first
//! process leaves a clock running and hands over to the ordinary one at once. It must not touch anything else of the start.
//!
//! Once the root file system is there the clock has no effect: programs and directories of the initramfs are deleted by
//! then (klibc's and busybox's `run-init` and `switch_root` do that), or systemd has ended it (`systemctl switch-root` of
//! dracut's initramfs ends all processes).

use super::cpio::{Entry, archive};

/// The boot argument that makes it the first process.
pub const ARGUMENT: &str = "rdinit=/kernmend/init";

/// Commands that load an initramfs.
const INITRD: [&str; 4] = ["initrd", "initrd16", "initrdefi", "initrd32"];

/// The archive that reboots the machine where `seconds` after the start of its first process the root file system isn't
/// there. It takes a shell, `sleep` and `mount`, which initramfs-tools and dracut always put in.
#[must_use]
pub fn initramfs(seconds: u64) -> String {
    // `/proc` may not be there, or may be somebody else's; one that was mounted at a place of our own before would still be
    // there after the change of the root.
    let init = format!(
        "#!/bin/sh\n# Written by kernmend for the time of a trial.\nPATH=/sbin:/usr/sbin:/bin:/usr/bin\n\
         (sleep {seconds}; mount -t proc proc /kernmend/proc; echo b > /kernmend/proc/sysrq-trigger) &\n\
         exec /init \"$@\"\n"
    );
    archive(&[
        Entry::directory("kernmend"),
        Entry::directory("kernmend/proc"),
        Entry::program("kernmend/init", &init),
        // A shell takes it as the input of what it leaves running, and devices are there only later.
        Entry::directory("dev"),
        Entry { path: "dev/null", mode: 0o020_666, content: "", device: (1, 3) },
    ])
}

/// A menu entry that loads the archive too. `initramfs` is the name of the file that the kernel's own is in, and `own` that
/// of the archive, which lies beside it. None where the entry isn't written plainly enough, or has a first process of its own.
#[must_use]
pub fn guarded(entry: &str, initramfs: &str, own: &str) -> Option<String> {
    let mut lines = Vec::new();
    let (mut kernels, mut loaded) = (0, 0);
    for line in entry.lines() {
        let mut words = line.split_ascii_whitespace();
        let command = words.next().unwrap_or_default();
        if super::change::entry::LINUX.contains(&command) {
            if words.any(|word| word.starts_with("rdinit=") || word.starts_with("noinitrd")) {
                return None;
            }
            kernels += 1;
            lines.push(format!("{line} {ARGUMENT}"));
        } else if INITRD.contains(&command) {
            if line.contains(['"', '\'', '\\', ';', '#']) {
                return None;
            }
            let is_it = |word: &&str| word.rsplit_once('/').is_some_and(|(_, name)| name == initramfs);
            let (directory, _) = words.find(is_it)?.rsplit_once('/')?;
            loaded += 1;
            lines.push(format!("{line} {directory}/{own}"));
        } else {
            lines.push(line.to_owned());
        }
    }
    (kernels == 1 && loaded == 1).then(|| lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_loads_the_archive_behind_its_own_initramfs() {
        let entry = "menuentry 'T' {\n\tlinux /vmlinuz-6 ro\n\tinitrd\t/ucode.img /initrd.img-6\n}\n";
        assert_eq!(
            guarded(entry, "initrd.img-6", "kernmend-trial-1").as_deref(),
            Some(
                "menuentry 'T' {\n\tlinux /vmlinuz-6 ro rdinit=/kernmend/init\n\
                 \tinitrd\t/ucode.img /initrd.img-6 /kernmend-trial-1\n}\n"
            )
        );
        let device = "\tlinux ($boot)/vmlinuz-6\n\tinitrd ($boot)/initramfs-6.img $tuned_initrd\n";
        let text = guarded(device, "initramfs-6.img", "k").unwrap();
        assert!(text.ends_with("\tinitrd ($boot)/initramfs-6.img $tuned_initrd ($boot)/k\n"), "{text}");
        for entry in [
            "\tlinux /vmlinuz-6 ro\n",
            "\tlinux /vmlinuz-6 rdinit=/x\n\tinitrd /initrd.img-6\n",
            "\tlinux /vmlinuz-6\n\tinitrd /initrd.img-5\n",
            "\tlinux /vmlinuz-6\n\tinitrd \"/initrd.img-6\"\n",
            "\tinitrd /initrd.img-6\n",
        ] {
            assert_eq!(guarded(entry, "initrd.img-6", "k"), None, "{entry}");
        }
    }
}
