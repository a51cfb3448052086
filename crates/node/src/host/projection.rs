//! What is kept of files that hold more than kernmend may know: secrets never enter an answer, and so neither a snapshot
//! nor a capture. What isn't listed here is kept as it is: kernel files, release files, sidecars.

use std::io::Read;

use kernmend_core::format::kernel::arguments;

use super::answer::Content;
use crate::collect::{OPTIONS, names_program};

/// What a compressed configuration is decompressed to at most; one has a quarter of a megabyte.
const MAX_CONFIGURATION: u64 = 4 << 20;

/// Keeps of a file what may be kept.
pub(super) fn project(path: &str, content: Content) -> Content {
    match path {
        "/proc/cmdline" => lines(&content, |line| Some(mask_arguments(line))),
        // Mount options of network file systems have held passwords.
        path if path.ends_with("/mounts") && path.starts_with("/proc/") => lines(&content, |line| {
            let mut columns = line.split_whitespace();
            let (device, place, kind) = (columns.next()?, columns.next()?, columns.next()?);
            // Whether GRUB can write depends on what is below its files; the options don't matter there.
            let of_boot = place == "/" || place == "/boot" || place.starts_with("/boot/");
            let kept = of_boot.then(|| format!("{device} {place} {kind} - 0 0"));
            kept.or_else(|| kind.starts_with("cgroup").then(|| line.to_owned()))
        }),
        // The hash of the menu's password; the line stays, so that lines keep their numbers.
        path if path.starts_with("/boot/") && path.ends_with(".cfg") => lines(&content, |line| {
            let is_password = line.trim_start().starts_with("password");
            Some(if is_password { "password -".to_owned() } else { line.to_owned() })
        }),
        path if RUNTIMES.contains(&path) => lines(&content, |line| {
            let words = line.split(['"', '\'']).skip(1).step_by(2);
            let programs: Vec<String> =
                words.filter(|word| names_program(word)).map(|path| format!("\"{path}\"")).collect();
            let comment = line.trim_start().starts_with('#');
            (!programs.is_empty() && !comment).then(|| programs.concat())
        }),
        "/proc/config.gz" => options(&decompress(&content)),
        path if is_configuration(path) => options(&content),
        _ => content,
    }
}

/// Configurations of runtimes: credentials of registries stand in these.
const RUNTIMES: [&str; 3] = ["/etc/containerd/config.toml", "/etc/crio/crio.conf", "/etc/docker/daemon.json"];

/// Whether a path is one where a kernel's build configuration can be.
fn is_configuration(path: &str) -> bool {
    path == "/proc/config.gz"
        || path.ends_with("/.config")
        || path.contains("/config-")
        || path.ends_with("/config")
}

/// Whether of a file only known words are kept: names of programs, or of build options.
pub(super) fn is_projected(path: &str) -> bool {
    RUNTIMES.contains(&path) || is_configuration(path)
}

/// The lines for which `keep` gives something, as it gives it.
fn lines(content: &Content, keep: impl Fn(&str) -> Option<String>) -> Content {
    let text = content.text();
    let mut bytes = Vec::new();
    for line in text.lines().filter_map(keep) {
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
    }
    Content { bytes, cut: content.cut }
}

/// Boot arguments with the values of those masked that are secret: by their name, or by what they hold.
fn mask_arguments(line: &str) -> String {
    let mask = |argument: String| match argument.split_once('=') {
        // `talos.config=https://host/?token=…` and `inst.ks=https://user:password@host/`.
        Some((name, value)) if is_secret(name) || is_secret(value) || value.contains('@') => {
            format!("{name}=***")
        }
        _ => argument,
    };
    arguments(line).into_iter().map(mask).collect::<Vec<_>>().join(" ")
}

/// Whether the name of a setting says that its value is secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "secret", "token", "credential", "key", "auth"].iter().any(|word| name.contains(word))
}

/// A build configuration's head, which names the version, and the options that are asked about.
fn options(content: &Content) -> Content {
    lines(content, |line| {
        let name = line.split_once('=').map_or(line, |(name, _)| name);
        (OPTIONS.binary_search(&name).is_ok() || line.contains(" Kernel Configuration"))
            .then(|| line.to_owned())
    })
}

/// The plain content of a gzip file. One that is broken becomes as much as could be read of it.
fn decompress(content: &Content) -> Content {
    let mut bytes = Vec::new();
    let decoder = flate2::read::MultiGzDecoder::new(&content.bytes[..]);
    let whole = decoder.take(MAX_CONFIGURATION).read_to_end(&mut bytes).is_ok();
    Content { cut: content.cut || !whole || bytes.len() as u64 == MAX_CONFIGURATION, bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, before: &str, after: &str) {
        let content = Content { bytes: before.as_bytes().to_vec(), cut: false };
        assert_eq!(project(path, content).text(), after, "{path}");
    }

    #[test]
    fn secrets_don_t_enter() {
        check(
            "/proc/cmdline",
            "ro rd.luks.key=/k password=hunter2 quiet cgroup.memory=nokmem\n",
            "ro rd.luks.key=*** password=*** quiet cgroup.memory=nokmem\n",
        );
        check(
            "/proc/cmdline",
            "a.password=\"hunter 2\" ks=https://me:hunter2@host/x\tb=https://host/?token=hunter2 x=\"y z\"",
            "a.password=*** ks=*** b=*** x=\"y z\"\n",
        );
        check(
            "/proc/1/mounts",
            "//nas/x /mnt cifs rw,password=hunter2 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n",
            "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n",
        );
        check(
            "/proc/mounts",
            "/dev/sda1 /boot ext4 rw,secret 0 0\n/dev/sdb1 /bootx ext4 rw 0 0\n",
            "/dev/sda1 /boot ext4 - 0 0\n",
        );
        check(
            "/boot/grub/grub.cfg",
            "set a=1\n  password_pbkdf2 root grub.x.hash\nset b=2",
            "set a=1\npassword -\nset b=2\n",
        );
        check(
            "/etc/containerd/config.toml",
            "[plugins.auth]\n  password = \"hunter2\"\n  BinaryName = \"/opt/bin/runc\"\n# \"/old/runc\"\nx = '/b/crun'\n",
            "\"/opt/bin/runc\"\n\"/b/crun\"\n",
        );
        check("/boot/config-5.10", "CONFIG_SLUB=y\nCONFIG_SYSTEM_TRUSTED_KEYS=\"x\"\n", "CONFIG_SLUB=y\n");
        check("/etc/os-release", "ID=debian\n", "ID=debian\n");
    }
}
