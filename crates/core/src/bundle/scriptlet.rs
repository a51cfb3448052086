//! Which programs a package's scriptlet calls that change what boots. It looks for their names and follows no flow: what
//! it finds may be called.

use std::collections::BTreeSet;

/// Programs that make or index a kernel's files, or change what a boot loader starts.
const PROGRAMS: [&str; 26] = [
    "depmod",
    "dracut",
    "grub-editenv",
    "grub-mkconfig",
    "grub-reboot",
    "grub-set-default",
    "grub2-editenv",
    "grub2-mkconfig",
    "grub2-reboot",
    "grub2-set-default",
    "grubby",
    "installkernel",
    "kernel-install",
    "linux-check-removal",
    "linux-run-hooks",
    "linux-update-symlinks",
    "mkinitramfs",
    "mkinitrd",
    "new-kernel-pkg",
    "reboot",
    "run-parts",
    "update-bootloader",
    "update-grub",
    "update-grub2",
    "update-initramfs",
    "weak-modules",
];

/// Folders of programs that run when a kernel is installed or removed.
const HOOKS: &str = "/etc/kernel/";

/// The programs that a text calls, in the order of their names, and the folders of hooks that it runs.
#[must_use]
pub fn calls(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let is_of_word = |char: char| char.is_ascii_alphanumeric() || "_-./".contains(char);
    let mut found = BTreeSet::new();
    for word in lines.flat_map(|line| line.split(|char| !is_of_word(char))) {
        let name = word.rsplit('/').next().unwrap_or(word);
        if PROGRAMS.binary_search(&name).is_ok() {
            found.insert(name.to_owned());
        } else if word.starts_with(HOOKS) && word.ends_with(".d") {
            found.insert(word.to_owned());
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_sorted_so_that_they_can_be_searched() {
        assert!(PROGRAMS.is_sorted());
    }

    #[test]
    fn what_changes_the_next_boot_is_found() {
        for (text, expected) in [
            ("/bin/kernel-install add $V /lib/modules/$V/vmlinuz || exit $?\n", &["kernel-install"][..]),
            (
                "if [ -x /sbin/weak-modules ]\nthen\n  /sbin/weak-modules --add-kernel $V\nfi\n\
                 /sbin/new-kernel-pkg --package kernel-ml --mkinitrd --dracut --depmod --update $V\n",
                &["new-kernel-pkg", "weak-modules"],
            ),
            (
                "depmod $version\n    DEB_MAINT_PARAMS=\"$*\" run-parts --arg=$version /etc/kernel/postinst.d\n",
                &["/etc/kernel/postinst.d", "depmod", "run-parts"],
            ),
            ("linux-run-hooks image postinst $version $image_path -- \"$@\"\n", &["linux-run-hooks"]),
            ("# update-grub\necho my-update-grub grubbyx\n", &[]),
            ("$(grubby --default-kernel)\"dracut\";", &["dracut", "grubby"]),
        ] {
            assert_eq!(calls(text), expected, "{text}");
        }
    }
}
