//! What is mounted where: the lines of `/proc/PID/mountinfo` and, where there is none, of `/proc/mounts`.

use super::cgroup::unescape;

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    /// Where it is mounted.
    pub place: String,
    /// The number of its device; file systems over several devices have one of their own, with 0 as the major number.
    pub device: Option<(u32, u32)>,
    /// What kind of file system it is.
    pub kind: String,
    /// The device, as the kernel was given it.
    pub source: String,
    /// Whether it is mounted for reading only.
    pub read_only: Option<bool>,
}

/// Reads `/proc/PID/mountinfo`: `ID PARENT MAJOR:MINOR ROOT PLACE OPTIONS [FIELD…] - KIND SOURCE OPTIONS`
/// (`Documentation/filesystems/proc.rst` of Linux, 3.5).
#[must_use]
pub fn mountinfo(text: &str) -> Vec<Mounted> {
    let line = |line: &str| {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(2);
        let (device, place, options) = (mount.next()?, mount.nth(1)?, mount.next()?);
        let mut system = system.split(' ');
        let (kind, source) = (system.next()?, system.next()?);
        let (major, minor) = device.split_once(':')?;
        Some(Mounted {
            place: unescape(place),
            device: Some((major.parse().ok()?, minor.parse().ok()?)),
            kind: kind.to_owned(),
            source: unescape(source),
            read_only: Some(is_read_only(options) || system.next().is_some_and(is_read_only)),
        })
    };
    text.lines().filter_map(line).collect()
}

/// Reads `/proc/mounts`. Older captures hold no options.
#[must_use]
pub fn mounts(text: &str) -> Vec<Mounted> {
    let line = |line: &str| {
        let mut columns = line.split_ascii_whitespace();
        let (source, place, kind) = (columns.next()?, columns.next()?, columns.next()?);
        let options = columns.next().filter(|options| *options != "-");
        Some(Mounted {
            place: unescape(place),
            device: None,
            kind: kind.to_owned(),
            source: unescape(source),
            read_only: options.map(is_read_only),
        })
    };
    text.lines().filter_map(line).collect()
}

fn is_read_only(options: &str) -> bool {
    options.split(',').any(|option| option == "ro")
}

/// The file system that a path without links lies on. Of several on one place the last is seen.
#[must_use]
pub fn holder<'a>(mounts: &'a [Mounted], path: &str) -> Option<&'a Mounted> {
    let holds = |place: &str| {
        place == "/" || path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    mounts.iter().filter(|mount| holds(&mount.place)).max_by_key(|mount| mount.place.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTINFO: &str = "\
22 1 253:0 / / rw,relatime shared:1 - xfs /dev/mapper/vg-root rw,attr2\n\
40 22 8:1 / /boot ro,relatime shared:20 master:1 - ext4 /dev/sda1 rw\n\
41 40 8:2 / /boot/efi rw - vfat /dev/sda2 ro,fmask=0077\n\
42 22 0:40 /@x /srv/a\\040b rw - btrfs /dev/sdb1 rw,subvol=/@x\n\
nonsense\n";

    #[test]
    fn a_path_is_held_by_the_nearest_mount() {
        let found = mountinfo(MOUNTINFO);
        assert_eq!(found.len(), 4);
        for (path, source, read_only) in [
            ("/", "/dev/mapper/vg-root", false),
            ("/bootstrap", "/dev/mapper/vg-root", false),
            ("/boot", "/dev/sda1", true),
            ("/boot/grub2/grubenv", "/dev/sda1", true),
            ("/boot/efi/EFI/x", "/dev/sda2", true),
            ("/srv/a b/c", "/dev/sdb1", false),
        ] {
            let held = holder(&found, path).unwrap();
            assert_eq!((held.source.as_str(), held.read_only), (source, Some(read_only)), "{path}");
        }
        assert_eq!(holder(&found, "/").unwrap().device, Some((253, 0)));
        assert_eq!(holder(&[], "/"), None);
    }

    #[test]
    fn without_mountinfo_less_is_told() {
        let found = mounts("/dev/sda1 / ext4 ro,noatime 0 0\n/dev/sda2 /boot ext4 - 0 0\nx\n");
        let told: Vec<_> = found.iter().map(|mount| (mount.place.as_str(), mount.read_only)).collect();
        assert_eq!(told, [("/", Some(true)), ("/boot", None)]);
    }
}
