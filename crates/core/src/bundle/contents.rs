//! What the files of one package are of kernels. The reader of a package says which files there are and hands over those
//! that are asked for; nothing is opened here.

use std::collections::{BTreeMap, BTreeSet};

use crate::boot::release_of;
use crate::document::bundle::{Configuration, Image, Kind, Module, Space};
use crate::document::{Digest, Fact};
use crate::format::image;

/// The longest build configuration that is read: today's have 300 kB.
pub const MAX_CONFIGURATION: usize = 4 << 20;

/// The longest list of built-in modules that is read: today's have 20 kB.
pub const MAX_BUILT_IN: usize = 4 << 20;

/// Where a kernel's modules are, below the root.
const MODULES: [&str; 2] = ["lib/modules/", "usr/lib/modules/"];

/// Where programs and their settings are: what packages ask for by path is one of these.
const PROGRAMS: [&str; 5] = ["bin/", "sbin/", "usr/bin/", "usr/sbin/", "etc/"];

/// Where a package keeps what is about itself.
const ABOUT: [&str; 3] = ["usr/share/bug/", "usr/share/doc/", "usr/share/lintian/"];

/// A file whose content is asked for, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// The first [`image::HEAD`] bytes of a kernel's image.
    Image,
    /// A build configuration.
    Configuration,
    /// The list of modules that are built in.
    BuiltIn,
}

impl Want {
    /// How many bytes are asked for.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Image => image::HEAD,
            Self::Configuration => MAX_CONFIGURATION,
            Self::BuiltIn => MAX_BUILT_IN,
        }
    }
}

/// What a package holds of one kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Its image.
    pub image: Option<Image>,
    /// Its build configuration.
    pub configuration: Option<Configuration>,
    /// Where its symbols are.
    pub system_map: Option<String>,
    /// Its modules.
    pub modules: BTreeSet<Module>,
    /// The modules that are built in.
    pub built_in: Option<Vec<String>>,
}

/// What a package holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Of each kernel.
    pub kernels: BTreeMap<String, Held>,
    /// Programs and settings that others may ask for by path, with a slash at the beginning.
    pub programs: BTreeSet<String>,
    /// Bytes.
    pub space: Space,
    debug: bool,
    headers: bool,
    firmware: bool,
    other: bool,
}

/// A part of a kernel, by its path.
enum Part<'a> {
    Image,
    Configuration,
    SystemMap,
    BuiltIn,
    /// Its path below the directory of the kernel's modules.
    Module(&'a str),
}

/// The part of a kernel that a path is, and of which.
fn part(path: &str) -> Option<(String, Part<'_>)> {
    if let Some(name) = path.strip_prefix("boot/") {
        if name.contains('/') {
            return None;
        }
        for (prefix, part) in [("config-", Part::Configuration), ("System.map-", Part::SystemMap)] {
            if let Some(release) = name.strip_prefix(prefix) {
                return Some((release.to_owned(), part));
            }
        }
        return Some((release_of(name)?, Part::Image));
    }
    let below = MODULES.iter().find_map(|place| path.strip_prefix(place))?;
    let (release, file) = below.split_once('/')?;
    let part = match file {
        "vmlinuz" => Part::Image,
        "config" => Part::Configuration,
        "System.map" => Part::SystemMap,
        "modules.builtin" => Part::BuiltIn,
        _ => Part::Module(module_name(file).map(|_| file)?),
    };
    Some((release.to_owned(), part))
}

/// The name of a module by its file: `kernel/net/nf-x.ko.xz` is `nf_x`.
#[must_use]
pub fn module_name(path: &str) -> Option<String> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = [".ko", ".ko.xz", ".ko.gz", ".ko.zst"].iter().find_map(|ending| name.strip_suffix(ending))?;
    (!stem.is_empty()).then(|| stem.replace('-', "_"))
}

impl Contents {
    /// What is asked for of the regular file at `path`, which has no slash at the beginning.
    #[must_use]
    pub fn want(path: &str) -> Option<Want> {
        match part(path)?.1 {
            Part::Image => Some(Want::Image),
            Part::Configuration => Some(Want::Configuration),
            Part::BuiltIn => Some(Want::BuiltIn),
            Part::SystemMap | Part::Module(_) => None,
        }
    }

    /// Takes note of a regular file.
    pub fn file(&mut self, path: &str, size: u64) {
        let space = if path.starts_with("boot/") { &mut self.space.boot } else { &mut self.space.elsewhere };
        *space = space.saturating_add(size);
        if PROGRAMS.iter().any(|place| path.starts_with(place)) {
            self.programs.insert(format!("/{path}"));
        }
        if let Some((release, part)) = part(path) {
            let held = self.kernels.entry(release).or_default();
            match part {
                Part::Image => held.offer_image(path, size),
                Part::SystemMap => held.system_map = Some(format!("/{path}")),
                Part::Module(file) => {
                    let name = module_name(file).unwrap_or_default();
                    held.modules.insert(Module { name, path: file.to_owned() });
                }
                Part::Configuration | Part::BuiltIn => {}
            }
            return;
        }
        match path {
            _ if path.starts_with("usr/lib/debug/") => self.debug = true,
            _ if path.starts_with("usr/src/") || path.starts_with("usr/include/") => self.headers = true,
            _ if path.starts_with("lib/firmware/") || path.starts_with("usr/lib/firmware/") => {
                self.firmware = true;
            }
            _ if ABOUT.iter().any(|place| path.starts_with(place)) => {}
            _ => self.other = true,
        }
    }

    /// Takes the beginning of a kernel's image.
    pub fn image(&mut self, path: &str, head: &[u8]) {
        let Some((release, Part::Image)) = part(path) else { return };
        let from = format!("/{path}");
        let told = |value: Option<_>| {
            value.map_or(Fact::Absent { from: from.clone() }, |value| Fact::known(value, &from))
        };
        let Some(Held { image: Some(image), .. }) = self.kernels.get_mut(&release) else { return };
        if image.path == from {
            image.release = told(image::release(head));
            image.signed = image::is_signed(head)
                .map_or(Fact::Absent { from: from.clone() }, |signed| Fact::known(signed, &from));
        }
    }

    /// Takes a build configuration with the options that are asked about.
    pub fn configuration(&mut self, path: &str, digest: Digest, options: BTreeMap<String, String>) {
        if let Some((release, Part::Configuration)) = part(path) {
            let configuration = Configuration { path: format!("/{path}"), digest, options };
            self.kernels.entry(release).or_default().configuration.get_or_insert(configuration);
        }
    }

    /// Takes the list of modules that are built in.
    pub fn built_in(&mut self, path: &str, text: &str) {
        if let Some((release, Part::BuiltIn)) = part(path) {
            let names: BTreeSet<String> = text.lines().filter_map(module_name).collect();
            self.kernels.entry(release).or_default().built_in = Some(names.into_iter().collect());
        }
    }

    /// What the package that is called `name` is for.
    #[must_use]
    pub fn kind(&self, name: &str) -> Kind {
        let parts: Vec<&str> = name.split('-').collect();
        let is_called = |words: &[&str]| words.iter().any(|word| parts.contains(word));
        if self.kernels.values().any(|held| held.image.is_some()) {
            return Kind::Image;
        }
        if self.debug {
            return Kind::Debug;
        }
        if self.kernels.values().any(|held| !held.modules.is_empty()) {
            return Kind::Modules;
        }
        match () {
            () if is_called(&["tools", "perf", "bpftool", "cpupower", "kbuild", "libs"]) => Kind::Tools,
            () if self.headers => Kind::Headers,
            () if self.firmware => Kind::Firmware,
            () if self.other || !self.kernels.is_empty() => Kind::Other,
            () => Kind::Meta,
        }
    }
}

impl Held {
    /// SUSE has an image for debuggers beside the one that is started: `vmlinux-R.gz`.
    fn offer_image(&mut self, path: &str, size: u64) {
        let is_started =
            |path: &str| path.rsplit('/').next().is_some_and(|name| !name.starts_with("vmlinux"));
        let is_better = self.image.as_ref().is_none_or(|have| !is_started(&have.path) && is_started(path));
        if is_better {
            self.image = Some(Image {
                path: format!("/{path}"),
                size,
                signed: Fact::default(),
                release: Fact::default(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(paths: &[&str]) -> Contents {
        let mut contents = Contents::default();
        for path in paths {
            contents.file(path, 10);
        }
        contents
    }

    #[test]
    fn a_package_is_told_by_what_it_holds() {
        for (name, paths, expected) in [
            (
                "linux-image-6.1.0-9-amd64",
                &["boot/vmlinuz-6.1.0-9-amd64", "lib/modules/6.1.0-9-amd64/kernel/a.ko"][..],
                Kind::Image,
            ),
            ("kernel-core", &["lib/modules/4.18.0-80.el8.x86_64/vmlinuz"], Kind::Image),
            ("kernel-modules", &["lib/modules/4.18.0-80.el8.x86_64/kernel/a.ko.xz"], Kind::Modules),
            (
                "linux-modules-6.8.0-1-generic",
                &["usr/lib/modules/6.8.0-1-generic/kernel/a.ko.zst"],
                Kind::Modules,
            ),
            ("kernel-debuginfo", &["usr/lib/debug/lib/modules/1.2.3/a.ko.debug"], Kind::Debug),
            ("kernel-ml-devel", &["usr/src/kernels/6.9.7/Makefile"], Kind::Headers),
            ("kernel-ml-headers", &["usr/include/linux/a.h"], Kind::Headers),
            ("kernel-ml-tools-libs-devel", &["usr/include/cpufreq.h"], Kind::Tools),
            ("linux-firmware", &["lib/firmware/a.bin", "usr/share/doc/x/a"], Kind::Firmware),
            ("kernel-ml-tools", &["usr/bin/cpupower", "etc/a"], Kind::Tools),
            ("perf", &["usr/bin/perf"], Kind::Tools),
            ("linux-base", &["usr/bin/linux-version"], Kind::Other),
            ("linux-image-amd64", &["usr/share/doc/linux-image-amd64/copyright"], Kind::Meta),
            ("kernel", &[], Kind::Meta),
        ] {
            assert_eq!(contents(paths).kind(name), expected, "{name}");
        }
    }

    #[test]
    fn what_a_kernel_is_made_of_is_found() {
        let mut found = contents(&[
            "boot/vmlinux-5.14.21-150500-default.gz",
            "boot/vmlinuz-5.14.21-150500-default",
            "boot/System.map-5.14.21-150500-default",
            "lib/modules/5.14.21-150500-default/kernel/drivers/net/virtio-net.ko.xz",
            "usr/sbin/x",
        ]);
        found.configuration("boot/config-5.14.21-150500-default", Digest::of(b""), BTreeMap::new());
        found.built_in("lib/modules/5.14.21-150500-default/modules.builtin", "kernel/fs/ext4/ext4.ko\nodd\n");
        let held = &found.kernels["5.14.21-150500-default"];
        assert_eq!(held.image.as_ref().unwrap().path, "/boot/vmlinuz-5.14.21-150500-default");
        assert_eq!(held.built_in.as_deref(), Some(&["ext4".to_owned()][..]));
        assert_eq!(held.modules.first().unwrap().name, "virtio_net");
        assert_eq!((found.space.boot, found.space.elsewhere), (30, 20));
        assert_eq!(found.programs.first().unwrap(), "/usr/sbin/x");
        assert_eq!((Contents::want("boot/grub/vmlinuz-1.2"), Contents::want("lib/modules/x")), (None, None));
    }
}
