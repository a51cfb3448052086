//! What is kept of files that hold more than kernmend may know: secrets never enter an answer, and so neither a snapshot
//! nor a capture. What isn't listed here is kept as it is: kernel files, release files, sidecars.

use std::io::Read;

use kernmend_core::format::kernel::arguments;
use kernmend_core::format::pods;
use serde::Serialize;

use super::answer::Content;
use super::command::Known;
use crate::collect::{DPKG_STATUS, Form, LIVE_RESTORE, OPTIONS, form_of, names_program};

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
            if !is_upgraded(place) {
                return kind.starts_with("cgroup").then(|| line.to_owned());
            }
            let options = access(columns.next().unwrap_or_default());
            Some(format!("{device} {place} {kind} {options} 0 0"))
        }),
        path if path.ends_with("/mountinfo") && path.starts_with("/proc/") => lines(&content, |line| {
            let (mount, system) = line.split_once(" - ")?;
            let mount: Vec<&str> = mount.split(' ').collect();
            let [id, parent, device, root, place, options, ..] = mount[..] else { return None };
            let mut system = system.split(' ');
            let (kind, source) = (system.next()?, system.next()?);
            let (options, other) = (access(options), access(system.next().unwrap_or_default()));
            is_upgraded(place)
                .then(|| format!("{id} {parent} {device} {root} {place} {options} - {kind} {source} {other}"))
        }),
        // Of a thousand packages only the state is asked for.
        DPKG_STATUS => lines(&content, |line| {
            ["Package: ", "Status: "].iter().any(|of| line.starts_with(of)).then(|| line.to_owned())
        }),
        path if is_of_boot_loader(path) => boot_loader(&content, path),
        path if RUNTIMES.contains(&path) => lines(&content, |line| {
            let words = line.split(['"', '\'']).skip(1).step_by(2);
            let programs: Vec<String> =
                words.filter(|word| names_program(word)).map(|path| format!("\"{path}\"")).collect();
            let comment = line.trim_start().starts_with('#');
            let bare: String = line.split_whitespace().collect();
            let stays = bare.contains(LIVE_RESTORE).then_some(LIVE_RESTORE);
            let kept = [programs.concat(), stays.unwrap_or_default().to_owned()].concat();
            (!kept.is_empty() && !comment).then_some(kept)
        }),
        "/proc/config.gz" => options(&decompress(&content)),
        path if is_configuration(path) => options(&content),
        path => match form_of(path) {
            // One that is cut belongs to a container with a long environment: a sandbox has none.
            Some(Form::Bundle) => record(pods::bundle(&content.bytes).as_ref()),
            Some(Form::Docker) => record(pods::docker(&content.bytes).as_ref()),
            None => content,
        },
    }
}

/// Keeps of a command's output what may be kept.
pub(super) fn project_output(known: &Known, content: Content) -> Content {
    match known {
        Known::Sandboxes { .. } => record(pods::crictl(&content.bytes).as_ref()),
        Known::JournalKernel
        | Known::JournalUnits
        | Known::Version(_)
        | Known::Library
        | Known::DpkgOwner(_)
        | Known::RpmOwner(_) => content,
    }
}

/// What was understood, written as it is read back; nothing where that is nothing.
fn record(understood: Option<&impl Serialize>) -> Content {
    let bytes = understood.map(|understood| serde_json::to_vec(understood).expect("it is plain data"));
    Content { bytes: bytes.unwrap_or_default(), cut: false }
}

/// Whether an upgrade writes to what is mounted here.
fn is_upgraded(place: &str) -> bool {
    matches!(place, "/" | "/boot" | "/efi") || place.starts_with("/boot/")
}

/// The one mount option that is kept.
fn access(options: &str) -> &'static str {
    if options.split(',').any(|option| option == "ro") { "ro" } else { "rw" }
}

/// Whether a file is one of a boot loader's, in which kernels' arguments stand.
pub(super) fn is_of_boot_loader(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    (path.starts_with("/boot/")
        && (name == "grubenv" || [".cfg", ".conf", ".lst"].iter().any(|end| name.ends_with(end))))
        || path.starts_with("/etc/default/grub")
}

/// A boot loader's file without the hash of the menu's password and without kernels' arguments that are secret. Its lines
/// keep their numbers, and a block its size.
fn boot_loader(content: &Content, path: &str) -> Content {
    const ARGUMENTS: [&str; 9] = [
        "GRUB_CMDLINE",
        "kernel",
        "kernelopts=",
        "linux",
        "module",
        "multiboot",
        "options",
        "set ",
        "tuned_params=",
    ];
    let mut kept = Vec::with_capacity(content.bytes.len());
    for line in content.bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        let start = text.trim_start();
        if start.starts_with("password") {
            kept.extend_from_slice(b"password -\n");
        } else if ARGUMENTS.iter().any(|word| start.starts_with(word)) {
            kept.extend_from_slice(mask_words(&text).as_bytes());
        } else {
            kept.extend_from_slice(line);
        }
    }
    if path.ends_with("/grubenv") {
        kept.resize(content.bytes.len(), b'#');
    }
    Content { bytes: kept, cut: content.cut }
}

/// A line with the values of secret arguments masked, and all else as it is. In these files quotes stand around many
/// arguments, so a value ends at the next white space or quote; one that is quoted itself goes to the end of the line.
fn mask_words(line: &str) -> String {
    let ends = |char: char| char.is_whitespace() || matches!(char, '"' | '\'' | '#');
    let mut kept = String::with_capacity(line.len());
    for word in line.split_inclusive(ends) {
        let argument = word.trim_end_matches(ends);
        let masked = mask(argument.to_owned());
        let opens = argument.trim_end_matches('\\').ends_with('=') && word.ends_with(['"', '\'']);
        let is_quoted = opens && masked != argument;
        kept.push_str(&masked);
        if is_quoted {
            kept.push('\n');
            break;
        }
        kept.push_str(&word[argument.len()..]);
    }
    kept
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

/// The lines for which `keep` gives something, as it gives it. The content isn't copied for that: some of it is long.
fn lines(content: &Content, keep: impl Fn(&str) -> Option<String>) -> Content {
    let mut bytes = Vec::new();
    for line in content.bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(kept) = keep(&String::from_utf8_lossy(line)) {
            bytes.extend_from_slice(kept.as_bytes());
            bytes.push(b'\n');
        }
    }
    Content { bytes, cut: content.cut }
}

/// Boot arguments with the values of those masked that are secret: by their name, or by what they hold.
fn mask_arguments(line: &str) -> String {
    arguments(line).into_iter().map(mask).collect::<Vec<_>>().join(" ")
}

/// An argument, its value masked if it is secret.
fn mask(argument: String) -> String {
    match argument.split_once('=') {
        // `talos.config=https://host/?token=…` and `inst.ks=https://user:password@host/`; `rootflags=subvol=@` is none.
        Some((name, value)) if is_secret(name) || is_secret(value) || has_login(value) => {
            format!("{name}=***")
        }
        _ => argument,
    }
}

/// Whether a value holds `USER:PASSWORD@`.
fn has_login(value: &str) -> bool {
    value.rsplit_once('@').is_some_and(|(before, _)| before.contains(':'))
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
            "/dev/sda1 /boot ext4 rw 0 0\n",
        );
        check(
            "/proc/1/mountinfo",
            "36 35 8:1 / /boot ro,relatime shared:1 - ext4 /dev/sda1 rw,secret\n37 35 0:9 / /mnt rw - cifs //nas/x rw,password=hunter2\n",
            "36 35 8:1 / /boot ro - ext4 /dev/sda1 rw\n",
        );
        check(
            "/etc/default/grub",
            "GRUB_DEFAULT=saved\nGRUB_CMDLINE_LINUX=\"ks=https://me:hunter2@host/ rd.luks.key=hunter2 rootflags=subvol=@ quiet\"\n",
            "GRUB_DEFAULT=saved\nGRUB_CMDLINE_LINUX=\"ks=*** rd.luks.key=*** rootflags=subvol=@ quiet\"\n",
        );
        check(
            "/boot/grub/menu.lst",
            "kernel /vmlinuz a.password=\"hunter 2\" ro\n",
            "kernel /vmlinuz a.password=***\n",
        );
        check(
            "/boot/loader/entries/a.conf",
            "options root=/dev/sda1 token=hunter2 quiet\n",
            "options root=/dev/sda1 token=*** quiet\n",
        );
        check(
            "/boot/grub2/grubenv",
            "# GRUB Environment Block\nsaved_entry=a@b\nkernelopts=ro token=hunter2 \n####",
            "# GRUB Environment Block\nsaved_entry=a@b\nkernelopts=ro token=*** \n########",
        );
        check(
            "/boot/grub/grub.cfg",
            "set a=1\n  password_pbkdf2 root grub.x.hash\nset b=2",
            "set a=1\npassword -\nset b=2",
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
