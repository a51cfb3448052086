//! Bundles of real packages: Debian's kernels, and a stand-in for those of Enterprise Linux that rpm's own programs made and
//! signed; broken ones; and a gigabyte of them in bounded memory.

#![expect(clippy::unwrap_used, reason = "the helpers of tests, as the tests, stop at the first surprise")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kernmend_core::document::Document;
use kernmend_core::document::bundle::{Bundle, Kind, Reason};
use lab::debian::{Package, kernel};
use lab::enterprise::Kernel;
use lab::{kernmend, measure};
use tempfile::TempDir;

/// The most that `bundle create` may hold: what decompressing one package takes, and the lists of its files.
const MAX_MEMORY: u64 = 160 << 20;

const BOOKWORM: Package = Package { suite: "bookworm", name: "linux-image-cloud-amd64" };
const TRIXIE: Package = Package { suite: "trixie", name: "linux-image-cloud-amd64" };

fn bundle(arguments: &[&str], paths: &[&Path]) -> Output {
    let mut command = kernmend::command(["bundle"]);
    command.args(arguments).args(paths).output().unwrap()
}

/// The exit code, and what was said on standard error.
fn said(output: &Output) -> (i32, String) {
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A bundle that was made, with what it says.
struct Made {
    folder: TempDir,
    bundle: Bundle,
}

impl Made {
    fn of(paths: &[&Path], options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("k.bundle");
        let arguments = [&["create", "-o", file.to_str().unwrap()], options].concat();
        let output = bundle(&arguments, paths);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output).1);
        let shown = bundle(&["inspect", "-o", "json"], &[&file]);
        let document = Document::<Bundle>::from_json(std::str::from_utf8(&shown.stdout).unwrap()).unwrap();
        Self { folder, bundle: document.body }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("k.bundle")
    }
}

#[test]
fn debians_kernels_are_known_by_their_packages() {
    let base = |suite| Package { suite, name: "linux-base" };
    let runs_hooks = [(BOOKWORM, "6.1.", "/etc/kernel/postinst.d"), (TRIXIE, "6.12.", "linux-run-hooks")];
    for (meta, series, hooks) in runs_hooks {
        let folder = kernel(meta, &[base(meta.suite)]).unwrap();
        let made = Made::of(&[&folder], &[]);
        let kernel = &made.bundle.kernel;
        assert!(kernel.release.starts_with(series), "{}", kernel.release);
        assert_eq!(kernel.image.signed.value(), Some(&true));
        assert_eq!(kernel.image.release.value(), Some(&kernel.release));
        let modules: Vec<&str> = kernel.modules.iter().map(|module| module.name.as_str()).collect();
        assert!(modules.len() > 500 && modules.contains(&"virtio_net"), "{}", modules.len());
        assert!(kernel.built_in.value().unwrap().len() > 50);
        assert_eq!(kernel.configuration.value().unwrap().options["CONFIG_MEMCG"], "y");
        let names: Vec<&str> = made.bundle.packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["linux-base", &format!("linux-image-{}", kernel.release)]);
        let [left] = &made.bundle.left_out[..] else { panic!("{:?}", made.bundle.left_out) };
        assert_eq!(left.reason, Reason::NotNeeded { kind: Kind::Meta });
        assert!(made.bundle.needs.iter().any(|need| need.dependency.text == "kmod"));
        let calls = &made.bundle.packages[1].scriptlets.iter().find(|s| s.when == "postinst").unwrap().calls;
        assert!(calls.contains(&hooks.to_owned()), "{calls:?}");
        let checked = bundle(&["verify"], &[&made.file()]);
        assert_eq!(checked.status.code(), Some(0), "{}", said(&checked).1);
        // Anything can unpack it, and the package is the one that was offered.
        let listed = Command::new("tar").arg("-tf").arg(made.file()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&listed.stdout).lines().count(), 3);
    }
}

#[test]
fn an_archive_of_enterprise_linux_gives_its_kernel_alone() {
    let kernel = Kernel::get(BOOKWORM).unwrap();
    let archive = kernel.archive();
    let key = kernel.key();
    let made = Made::of(&[&archive], &["--keyring", key.to_str().unwrap()]);
    assert_eq!(made.bundle.kernel.release, kernel.release);
    let [package] = &made.bundle.packages[..] else { panic!("{:?}", made.bundle.packages) };
    assert_eq!((package.name.as_str(), package.architecture.as_str()), ("kernel-ml", "x86_64"));
    assert_eq!(package.signed_by.len(), 1);
    let left: Vec<(String, &Reason)> = made
        .bundle
        .left_out
        .iter()
        .map(|left| {
            (
                left.file.rsplit(':').next().unwrap().replace("-6.1.192-1.el7.elrepo.x86_64.rpm", ""),
                &left.reason,
            )
        })
        .collect();
    let not_needed = |kind| Reason::NotNeeded { kind };
    assert_eq!(
        left,
        [
            ("kernel-ml-headers".to_owned(), &not_needed(Kind::Headers)),
            ("kernel-ml-tools".to_owned(), &not_needed(Kind::Tools)),
            ("kernel-ml-tools-libs".to_owned(), &not_needed(Kind::Tools)),
        ]
    );
    let needs: Vec<(&str, bool)> =
        made.bundle.needs.iter().map(|need| (need.dependency.text.as_str(), need.dependency.early)).collect();
    for expected in
        [("dracut >= 001-7", true), ("linux-firmware >= 20100806-2", true), ("(kmod if systemd)", false)]
    {
        assert!(needs.contains(&expected), "{needs:?}");
    }
    let posttrans = package.scriptlets.iter().find(|scriptlet| scriptlet.when == "posttrans").unwrap();
    assert_eq!(posttrans.calls, ["new-kernel-pkg", "weak-modules"]);
    let checked = bundle(&["verify", "--keyring", key.to_str().unwrap()], &[&made.file()]);
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked).1);

    // rpm lists the same files and asks for the same.
    let rpm = |arguments: &[&str]| {
        let output = Command::new("rpm").args(arguments).arg(kernel.package()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let modules = rpm(&["-qpl", "--nosignature"]).lines().filter(|line| line.ends_with(".ko")).count();
    assert_eq!(made.bundle.kernel.modules.len(), modules);
    let asked = rpm(&["-qp", "--requires", "--nosignature"]);
    let mut asked: Vec<&str> = asked.lines().collect();
    asked.dedup();
    let mut texts: Vec<&str> = package.requires.iter().map(|dependency| dependency.text.as_str()).collect();
    texts.dedup();
    assert_eq!(texts, asked);
}

#[test]
fn each_way_of_packing_is_read() {
    let kernel = Kernel::get(BOOKWORM).unwrap();
    let plain = Made::of(&[&kernel.package()], &[]);
    for compressor in ["gzip", "zstd"] {
        let made = Made::of(&[&kernel.packed(compressor)], &[]);
        assert_eq!(made.bundle.kernel, plain.bundle.kernel, "{compressor}");
    }
}

#[test]
fn what_was_tampered_with_is_refused_with_its_cause() {
    let kernel = Kernel::get(BOOKWORM).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(kernel.package()).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let changed = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    // Another key than the one that signed.
    let other = Command::new("gpg")
        .args(["--batch", "--quiet", "--passphrase", "", "--homedir"])
        .arg(folder.path())
        .args(["--quick-generate-key", "other", "rsa2048", "sign", "never"])
        .status()
        .unwrap();
    assert!(other.success());
    let exported = Command::new("gpg")
        .arg("--homedir")
        .arg(folder.path())
        .args(["--armor", "--export"])
        .output()
        .unwrap();
    let other = file("other.asc", &exported.stdout);
    let _ = Command::new("gpgconf").arg("--homedir").arg(folder.path()).args(["--kill", "all"]).status();
    // The signature's own bytes: the first of the header of signatures that no digest covers.
    let signature =
        whole.windows(3).position(|bytes| bytes == [0x89, 0x01, 0x33] || bytes == [0x89, 0x01, 0x3b]);
    let mut unsigned = whole.clone();
    unsigned[signature.unwrap() + 200] ^= 1;

    let key = kernel.key();
    let (lab, other) = (["--keyring", key.to_str().unwrap()], ["--keyring", other.to_str().unwrap()]);
    for (name, bytes, options, expected) in [
        (
            "payload.rpm",
            changed(whole.len() - 5000),
            &[][..],
            "its payload isn't what the digest in the package says",
        ),
        ("cut.rpm", whole[..whole.len() - 5000].to_vec(), &[], "it is cut off in payload"),
        ("signature.rpm", unsigned, &lab, "and that isn't so"),
        ("whole.rpm", whole.clone(), &other, "it isn't signed with a key of the keyring"),
    ] {
        let path = file(name, &bytes);
        let out = folder.path().join("out");
        let output = bundle(&[&["create", "-o", out.to_str().unwrap()], options].concat(), &[&path]);
        let (code, text) = said(&output);
        assert_eq!(code, 5, "{name}: {text}");
        assert!(text.contains(expected), "{name}: {text}");
        assert!(!out.exists());
    }
}

#[test]
fn minisign_signs_a_bundle_and_a_changed_one_is_refused() {
    let made = Made::of(&[&Kernel::get(BOOKWORM).unwrap().package()], &[]);
    let (public, secret) = (made.folder.path().join("key.pub"), made.folder.path().join("key"));
    let minisign = |arguments: &[&std::ffi::OsStr]| {
        let output = Command::new("minisign").args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    minisign(&["-G".as_ref(), "-W".as_ref(), "-p".as_ref(), public.as_ref(), "-s".as_ref(), secret.as_ref()]);
    minisign(&["-S".as_ref(), "-s".as_ref(), secret.as_ref(), "-m".as_ref(), made.file().as_ref()]);
    let key = public.to_str().unwrap();
    let checked = bundle(&["verify", "--public-key", key], &[&made.file()]);
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked).1);
    let mut file = File::options().append(true).open(made.file()).unwrap();
    file.write_all(b"x").unwrap();
    let (code, text) = said(&bundle(&["verify", "--public-key", key], &[&made.file()]));
    assert_eq!(code, 5, "{text}");
    assert!(text.contains("the bundle isn't what was signed with this key"), "{text}");
}

#[test]
fn a_gigabyte_of_packages_is_read_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let image = Kernel::get(BOOKWORM).unwrap();
    fs::copy(image.package(), folder.path().join("kernel-ml.rpm")).unwrap();
    let size = 1 << 30;
    image.large(size, &folder.path().join("large.rpm")).unwrap();
    let mut command = kernmend::command(["bundle", "create", "-o"]);
    command.arg(folder.path().join("out")).arg(folder.path());
    let (output, usage) = measure::run(&command).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output).1);
    assert!(fs::metadata(folder.path().join("out")).unwrap().len() > size, "all of it is in the bundle");
    assert!(usage.peak < MAX_MEMORY, "{} MiB", usage.peak >> 20);
}
