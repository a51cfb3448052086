//! RPM packages: what is read of them, and what broken ones come to.

use kernmend_core::bundle::Wanted;
use kernmend_core::document::bundle::{Kind, Operator, Reason};

use crate::make::{Rpm, Sums, Value, bundle, bundle_of, check, folder, kernel, left_out, tar, xz};

const RELEASE: &str = "6.9.7-1.el7.elrepo.x86_64";

fn texts(texts: &[&str]) -> Value {
    Value::Texts(texts.iter().map(ToString::to_string).collect())
}

fn kernel_ml() -> Rpm<'static> {
    Rpm::new("kernel-ml", kernel(RELEASE)).with(vec![
        (1049, texts(&["dracut", "linux-firmware", "(a if b)", "rpmlib(PayloadIsXz)"])),
        (1048, Value::Words(vec![0x0c | 1 << 9, 0, 0, 0x0a | 1 << 24])),
        (1050, texts(&["001-7", "", "", "5.2-1"])),
        (1047, texts(&["kernel"])),
        (1112, Value::Words(vec![8])),
        (1113, texts(&["6.9.7-1.el7.elrepo"])),
        (1152, Value::Text("/sbin/new-kernel-pkg --package kernel-ml --install X\n".to_owned())),
        (1154, texts(&["/bin/sh"])),
    ])
}

#[test]
fn a_kernel_comes_out_of_an_archive_without_what_conflicts() {
    let one = |name, path: &str| Rpm::new(name, vec![(path.to_owned(), vec![1])]);
    let mut other = Rpm::new("kernel-ml", kernel("5.4.278-1.el7.elrepo.x86_64"));
    other.version = "5.4.278";
    let mut foreign = Rpm::new("kernel-tools", vec![("usr/bin/x".to_owned(), vec![1])]);
    foreign.architecture = "aarch64";
    let files = [
        ("rpms/kernel-ml.rpm", kernel_ml()),
        ("rpms/old.rpm", other),
        ("rpms/headers.rpm", one("kernel-ml-headers", "usr/include/linux/a.h")),
        ("rpms/tools.rpm", one("kernel-ml-tools", "usr/bin/cpupower")),
        ("rpms/tools-libs.rpm", one("kernel-ml-tools-libs", "usr/lib64/libcpupower.so.0")),
        ("rpms/aarch64.rpm", foreign),
    ];
    let packed = tar(&files.map(|(name, package)| (name.to_owned(), package.bytes())));
    for (name, content) in [("rpms.tar", packed.clone()), ("rpms.tar.xz", xz(&packed))] {
        let folder = folder(&[(name, &content)]);
        let (document, bytes) = bundle(&folder.path().join(name), &Wanted::default()).unwrap();
        let made = &document.body;
        assert_eq!((made.kernel.release.as_str(), made.architecture.as_str()), (RELEASE, "x86_64"));
        assert_eq!(made.packages.len(), 1);
        let package = &made.packages[0];
        assert_eq!(package.file, "kernel-ml-6.9.7-1.el7.elrepo.x86_64.rpm");
        assert_eq!(package.provides[0].version.as_ref().unwrap().operator, Operator::Equal);
        assert_eq!(package.scriptlets[0].when, "posttrans");
        assert_eq!(package.scriptlets[0].calls, ["new-kernel-pkg"]);
        let needs: Vec<(&str, bool)> =
            made.needs.iter().map(|need| (need.dependency.text.as_str(), need.dependency.early)).collect();
        assert_eq!(
            needs,
            [
                ("(a if b)", false),
                ("dracut >= 001-7", true),
                ("linux-firmware", false),
                ("rpmlib(PayloadIsXz) <= 5.2-1", false)
            ]
        );
        let not_needed = |kind| Reason::NotNeeded { kind };
        let other = |release: &str| Reason::OtherRelease { release: release.to_owned() };
        assert_eq!(
            left_out(&document),
            [
                ("aarch64.rpm".to_owned(), Reason::OtherArchitecture { architecture: "aarch64".to_owned() }),
                ("headers.rpm".to_owned(), not_needed(Kind::Headers)),
                ("old.rpm".to_owned(), other("5.4.278-1.el7.elrepo.x86_64")),
                ("tools-libs.rpm".to_owned(), not_needed(Kind::Tools)),
                ("tools.rpm".to_owned(), not_needed(Kind::Tools)),
            ]
        );
        assert_eq!(check(&bytes), Ok(()));
    }
}

#[test]
fn packages_of_old_and_new_rpm_are_held_against_their_digests() {
    for sums in [Sums::Old, Sums::New] {
        let mut package = kernel_ml();
        package.sums = sums;
        let whole = package.bytes();
        assert!(bundle_of(&[("a.rpm", &whole)]).is_ok());
        let (header, payload) = match sums {
            Sums::Old => ("header isn't what the sha1", "header and payload isn't what the md5"),
            _ => ("header isn't what the sha256", "payload isn't what the digest"),
        };
        let end = whole.len();
        let at_name = whole.windows(10).position(|window| window == b"kernel-ml\0").unwrap();
        for (at, expected) in [(end - 200, payload), (end - 1, payload), (at_name, header)] {
            let mut broken = whole.clone();
            broken[at] ^= 1;
            let found = bundle_of(&[("a.rpm", &broken)]).unwrap_err();
            assert_eq!(found, format!("`a.rpm` can't be used: its {expected} in the package says"), "{at}");
        }
    }
}

#[test]
fn a_broken_package_is_refused_with_what_is_broken() {
    let whole = kernel_ml().bytes();
    let mut without_sums = kernel_ml();
    without_sums.sums = Sums::None;
    let mut lead = whole.clone();
    lead[4] = 4;
    let mut listed = kernel_ml();
    listed.more.push((1028, Value::Words(vec![1])));
    let bzip2 = kernel_ml().with(vec![(1125, Value::Text("bzip2".to_owned()))]);
    for (package, expected) in [
        (whole[..whole.len() - 9].to_vec(), "it is cut off in payload"),
        (whole[..50].to_vec(), "it is cut off in lead"),
        (whole[..110].to_vec(), "it is cut off in header of signatures"),
        (whole[..300].to_vec(), "it is cut off in header"),
        (without_sums.bytes(), "it holds no digest of its payload"),
        (lead, "its lead is broken: its version is 4, and 3 is read"),
        (
            listed.bytes(),
            "its list of files is broken: `config-6.9.7-1.el7.elrepo.x86_64` has no directory, mode or size",
        ),
        (bzip2.bytes(), "its payload is compressed with `bzip2`, which isn't read"),
    ] {
        let found = bundle_of(&[("a.rpm", &package)]).unwrap_err();
        assert_eq!(found, format!("`a.rpm` can't be used: {expected}"));
    }
}

#[test]
fn no_byte_of_a_header_makes_it_panic() {
    let whole = kernel_ml().bytes();
    let payload = whole.windows(6).rposition(|window| window == b"\xfd7zXZ\0").unwrap();
    let mut without_digest = whole.clone();
    // Without the digest of the header, whatever is in it is read.
    let tag = without_digest.windows(4).position(|window| window == 273_u32.to_be_bytes()).unwrap();
    without_digest[tag] = 1;
    for at in 96..payload {
        for value in [0x00, 0x7f, 0xff] {
            let mut broken = without_digest.clone();
            broken[at] = value;
            let _ = bundle_of(&[("a.rpm", &broken)]);
        }
    }
}
