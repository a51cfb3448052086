//! What package managers and the C library say of themselves: to whom a file belongs, and which version it is.

use crate::program::Glibc;

/// Reads `dpkg-query --search PATH`: `PACKAGE[:ARCHITECTURE][, …]: PATH` a line, and lines about diversions. The first
/// package is the one whose update writes the file.
#[must_use]
pub fn dpkg_owner(text: &str) -> Option<String> {
    let line = text.lines().find(|line| !line.starts_with("diversion by "))?;
    let (packages, _) = line.split_once(": /")?;
    let package = packages.split([',', ':']).next()?.trim();
    is_name(package).then(|| package.to_owned())
}

/// Reads `rpm --query --file --queryformat '%{NAME}\n' PATH`: the name, or a sentence where there is none.
#[must_use]
pub fn rpm_owner(text: &str) -> Option<String> {
    let name = text.lines().next()?.trim();
    is_name(name).then(|| name.to_owned())
}

/// Reads `getconf GNU_LIBC_VERSION`: `glibc 2.36`.
#[must_use]
pub fn library(text: &str) -> Option<Glibc> {
    text.trim().strip_prefix("glibc ")?.parse().ok()
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_of_a_file_is_told() {
        for (text, expected) in [
            ("runc: /usr/sbin/runc\n", Some("runc")),
            ("libc6:amd64, libc6:i386: /usr/share/doc/libc6\n", Some("libc6")),
            (
                "diversion by dash from: /bin/sh\ndiversion by dash to: /bin/sh.distrib\ndash: /bin/sh\n",
                Some("dash"),
            ),
            ("dpkg-query: no path found matching pattern /x\n", None),
            ("", None),
        ] {
            assert_eq!(dpkg_owner(text).as_deref(), expected, "{text}");
        }
        for (text, expected) in [
            ("containerd.io\n", Some("containerd.io")),
            ("file /usr/bin/x is not owned by any package\n", None),
            ("error: file /x: No such file or directory\n", None),
            ("", None),
        ] {
            assert_eq!(rpm_owner(text).as_deref(), expected, "{text}");
        }
        assert_eq!(library("glibc 2.36\n"), "2.36".parse().ok());
        assert_eq!(library("musl\n"), None);
    }
}
