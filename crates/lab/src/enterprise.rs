//! A stand-in for the kernel packages of Enterprise Linux, which can't be had on every machine: made by rpm's own `rpmbuild`
//! from the files of Debian's kernel, with scriptlets, relations and companions like those of ELRepo's `kernel-ml` for EL7, and
//! signed. What it can't stand in for is named in `docs/stand-ins.md`.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian::{DebianError, Package, kernel};
use crate::{LabError, cache, command};

/// Changes when packages in the cache are made in another way.
const RECIPE: &str = include_str!("enterprise/kernel-ml.spec");

/// A package of modules.
const LARGE: &str = include_str!("enterprise/large.spec");

/// Whose packages they are, in the name of the key.
const SIGNER: &str = "kernmend lab";

/// The packages.
#[derive(Debug, Clone)]
pub struct Kernel {
    root: PathBuf,
    /// What `uname -r` prints of it: Debian's own release, which is in the image.
    pub release: String,
}

impl Kernel {
    /// The packages, from the cache, or made.
    ///
    /// # Errors
    ///
    /// Where Debian's kernel can't be fetched, or rpm's programs fail.
    pub fn get(meta: Package) -> Result<Self, DebianError> {
        let folder = kernel(meta, &[])?;
        let image = names(&folder)?.into_iter().find(|name| {
            name.starts_with("linux-image-") && name[12..].starts_with(|first: char| first.is_ascii_digit())
        });
        let image = image.ok_or_else(|| DebianError::NotFetched(meta.name.to_owned()))?;
        let release = image["linux-image-".len()..].split('_').next().unwrap_or_default().to_owned();
        let recipe = format!("{RECIPE}\n{image}");
        let root = cache::entry("enterprise", &recipe, |root| make(root, &folder.join(&image), &release))?;
        Ok(Self { root, release })
    }

    /// `rpms.tar`, as people carry them: kernel, headers, tools and their library.
    #[must_use]
    pub fn archive(&self) -> PathBuf {
        self.root.join("rpms.tar")
    }

    /// The package of the kernel alone.
    #[must_use]
    pub fn package(&self) -> PathBuf {
        self.root.join("kernel-ml.rpm")
    }

    /// The same package, packed as old rpm and new rpm do: with a compressor's name.
    #[must_use]
    pub fn packed(&self, compressor: &str) -> PathBuf {
        self.root.join(format!("kernel-ml.{compressor}.rpm"))
    }

    /// Writes a package with one module of the same kernel, of so many bytes that nothing makes smaller; it isn't signed.
    ///
    /// # Errors
    ///
    /// Where rpm's programs fail, or there is no room.
    pub fn large(&self, size: u64, to: &Path) -> Result<(), LabError> {
        let work = tempfile::tempdir().map_err(LabError::file("making a folder in", std::env::temp_dir()))?;
        let work = work.path();
        let module = work.join(format!("root/lib/modules/{}/extra/large.ko", self.release));
        let folder = module.parent().unwrap_or(work);
        fs::create_dir_all(folder).map_err(LabError::file("creating", folder))?;
        let chance = Path::new("/dev/urandom");
        let mut chance = File::open(chance).map_err(LabError::file("opening", chance))?.take(size);
        let mut file = File::create(&module).map_err(LabError::file("creating", &module))?;
        io::copy(&mut chance, &mut file).map_err(LabError::file("writing", &module))?;
        let spec = work.join("large.spec");
        fs::write(&spec, LARGE).map_err(LabError::file("writing", &spec))?;
        let mut build = Command::new("rpmbuild");
        build.args(["-bb", "--quiet", "--target=x86_64", "--define=_binary_payload w0.gzdio"]);
        build.arg(format!("--define=_topdir {}", work.join("top").display()));
        build.arg(format!("--define=lab_files {}", work.join("root").display()));
        command::run(build.arg(&spec))?;
        let made = work.join("top/RPMS/x86_64/kmod-large-1-1.x86_64.rpm");
        fs::copy(&made, to).map(drop).map_err(LabError::file("copying to", to))
    }

    /// The key that they are signed with, as `rpm --import` takes it.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.root.join("RPM-GPG-KEY-lab")
    }
}

/// Names in a folder, in order.
fn names(folder: &Path) -> Result<Vec<String>, LabError> {
    let entries = fs::read_dir(folder).map_err(LabError::file("listing", folder))?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}

fn make(root: &Path, image: &Path, release: &str) -> Result<(), DebianError> {
    let work = tempfile::tempdir().map_err(LabError::file("making a folder in", std::env::temp_dir()))?;
    let work = work.path();
    let files = work.join("files");
    command::run(Command::new("dpkg-deb").arg("-x").arg(image).arg(&files))?;
    let spec = work.join("kernel-ml.spec");
    fs::write(&spec, RECIPE).map_err(LabError::file("writing", &spec))?;
    let build = |compression: &str| {
        let define = |name: &str, value: &str| format!("--define={name} {value}");
        let top = work.join(compression);
        let mut command = Command::new("rpmbuild");
        command.args(["-bb", "--quiet", "--target=x86_64"]);
        command.arg(define("_topdir", &top.display().to_string()));
        command.arg(define("_binary_payload", compression));
        command.arg(define("lab_files", &files.display().to_string()));
        command.arg(define("lab_release", release));
        command::run(command.arg(&spec).env("SOURCE_DATE_EPOCH", "0").env("HOME", work))?;
        Ok::<_, LabError>(top.join("RPMS/x86_64"))
    };
    let main = build("w0.xzdio")?;
    let mut packages = Vec::new();
    for name in names(&main)? {
        packages.push(main.join(name));
    }
    let kernel = |folder: &Path| -> Result<PathBuf, LabError> {
        let found = names(folder)?
            .into_iter()
            .find(|name| name.starts_with("kernel-ml-6") || name.starts_with("kernel-ml-5"));
        Ok(folder.join(found.unwrap_or_default()))
    };
    let copies = [
        (kernel(&main)?, root.join("kernel-ml.rpm")),
        (kernel(&build("w1.zstdio")?)?, root.join("kernel-ml.zstd.rpm")),
        (kernel(&build("w1.gzdio")?)?, root.join("kernel-ml.gzip.rpm")),
    ];

    let home = work.join("gnupg");
    fs::create_dir(&home).map_err(LabError::file("creating", &home))?;
    let gpg = |arguments: &[&str]| {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(&home).args(["--batch", "--quiet", "--passphrase", ""]).args(arguments);
        command::run(&mut command)
    };
    gpg(&["--quick-generate-key", SIGNER, "rsa2048", "sign", "never"])?;
    let key = gpg(&["--armor", "--export", SIGNER])?;
    let at = root.join("RPM-GPG-KEY-lab");
    fs::write(&at, key).map_err(LabError::file("writing", &at))?;
    let signed = packages.iter().chain(copies.iter().skip(1).map(|(from, _)| from));
    let mut sign = Command::new("rpmsign");
    sign.arg("--define=__gpg /usr/bin/gpg");
    sign.arg(format!("--define=_gpg_name {SIGNER}")).arg(format!("--define=_gpg_path {}", home.display()));
    command::run(sign.arg("--addsign").args(signed).env("GNUPGHOME", &home))?;
    // Its agent would outlive the folder.
    let mut agent = Command::new("gpgconf");
    command::run(agent.arg("--homedir").arg(&home).args(["--kill", "all"]))?;

    for (from, to) in copies {
        fs::copy(&from, &to).map_err(LabError::file("copying to", &to))?;
    }
    let at = root.join("rpms.tar");
    File::create(&at).map_err(LabError::file("creating", &at))?;
    let mut tar = Command::new("tar");
    command::run(tar.arg("-C").arg(&main).arg("-cf").arg(&at).args(names(&main)?))?;
    Ok(())
}
