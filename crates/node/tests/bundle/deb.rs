//! Debian packages: what is read of them, and what broken ones come to.

use kernmend_core::document::bundle::{Kind, Reason};

use crate::make::{ar, bundle_of, check, deb, kernel, left_out, tar, xz};

const RELEASE: &str = "6.1.0-56-amd64";

fn image() -> Vec<u8> {
    let more = "Depends: linux-base (>= 4.3~), a | b\nPre-Depends: c\nConflicts: d (<< 2)\nMaintainer: m\n";
    deb("linux-image-6.1.0-56-amd64", "6.1.192-2", "amd64", more, &kernel(RELEASE))
}

#[test]
fn a_kernel_is_known_by_what_its_package_holds() {
    let base = deb("linux-base", "4.12", "all", "", &[("usr/bin/linux-version".to_owned(), vec![1])]);
    let headers = deb(
        "linux-headers",
        "6.1.192-2",
        "amd64",
        "",
        &[("usr/src/linux-headers/Makefile".to_owned(), vec![1])],
    );
    let files: [(&str, &[u8]); 4] = [
        ("a/image.deb", &image()),
        ("b.deb", &base),
        ("headers.deb", &headers),
        ("notes.txt", b"no package"),
    ];
    let (document, bytes) = bundle_of(&files).unwrap();
    let bundle = &document.body;
    assert_eq!((bundle.kernel.release.as_str(), bundle.architecture.as_str()), (RELEASE, "amd64"));
    assert_eq!(bundle.kernel.image.signed.value(), Some(&false));
    assert_eq!(bundle.kernel.image.release.value().map(String::as_str), Some(RELEASE));
    assert_eq!(bundle.kernel.modules[0].name, "a_b");
    assert_eq!(bundle.kernel.built_in.value(), Some(&vec!["ext4".to_owned()]));
    let options = &bundle.kernel.configuration.value().unwrap().options;
    let options: Vec<_> = options.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(options, [("CONFIG_MEMCG", "y"), ("CONFIG_MEMCG_V1", "n")]);
    let files: Vec<&str> = bundle.packages.iter().map(|package| package.file.as_str()).collect();
    assert_eq!(files, ["linux-base_4.12_all.deb", "linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb"]);
    let needs: Vec<(&str, bool)> =
        bundle.needs.iter().map(|need| (need.dependency.text.as_str(), need.dependency.early)).collect();
    assert_eq!(needs, [("a | b", false), ("c", true)]);
    assert_eq!(bundle.packages[1].scriptlets[0].calls, ["/etc/kernel/postinst.d", "run-parts"]);
    assert_eq!(
        left_out(&document),
        [
            ("headers.deb".to_owned(), Reason::NotNeeded { kind: Kind::Headers }),
            ("notes.txt".to_owned(), Reason::NotAPackage)
        ]
    );
    assert_eq!(check(&bytes), Ok(()));
}

#[test]
fn a_broken_package_is_refused_with_what_is_broken() {
    let whole = image();
    let control = |text: &str| {
        let control = tar(&[("control".to_owned(), text.as_bytes().to_vec())]);
        ar(&[("debian-binary", b"2.0\n"), ("control.tar.xz", &xz(&control)), ("data.tar.xz", &xz(&tar(&[])))])
    };
    let with_sum = |sums: &str, path: &str, content: &[u8]| {
        let control = tar(&[
            ("control".to_owned(), b"Package: a\nVersion: 1\nArchitecture: all\n".to_vec()),
            ("md5sums".to_owned(), sums.as_bytes().to_vec()),
        ]);
        let data = tar(&[(path.to_owned(), content.to_vec())]);
        ar(&[("debian-binary", b"2.0\n"), ("control.tar", &control), ("data.tar", &data)])
    };
    let mut flipped = whole.clone();
    let at = flipped.len() - 200;
    flipped[at] ^= 1;
    for (package, expected) in [
        (whole[..whole.len() - 9].to_vec(), "it is cut off in data"),
        (whole[..180].to_vec(), "it is cut off in control"),
        (whole[..70].to_vec(), "it is cut off in version"),
        (whole[..40].to_vec(), "it is cut off in archive"),
        (
            with_sum("d41d8cd98f00b204e9800998ecf8427e  usr/a\n", "usr/a", b"b"),
            "its file `/usr/a` isn't what the md5sums in the package says",
        ),
        (
            with_sum("d41d8cd98f00b204e9800998ecf8427e  usr/b\n", "usr/a", b"b"),
            "its data is broken: `/usr/b` has a sum and isn't in it",
        ),
        (control("Package: a\nVersion: 1\n"), "its control is broken: it has no field `architecture`"),
        (
            control("Package: ../a\nVersion: 1\nArchitecture: all\n"),
            "its header is broken: its name, version or architecture is no plain word",
        ),
        (
            control("Package: a\nVersion: 1\nArchitecture: all\nDepends: (\n"),
            "its control is broken: `(` names no package",
        ),
        (ar(&[("debian-binary", b"3.0\n")]), "its version is broken: it isn't 2"),
        (
            ar(&[("debian-binary", b"2.0\n"), ("x", b"1")]),
            "its archive is broken: the member `x` has no place in it",
        ),
        (
            ar(&[("debian-binary", b"2.0\n"), ("data.tar", &tar(&[]))]),
            "its archive is broken: its data comes first",
        ),
        (ar(&[("debian-binary", b"2.0\n")]), "it is cut off in archive"),
        (
            ar(&[("debian-binary", b"2.0\n"), ("control.tar.bz2", b"BZh91AY")]),
            "its payload is compressed with `bzip2`, which isn't read",
        ),
    ] {
        let found = bundle_of(&[("a.deb", &package)]).unwrap_err();
        assert_eq!(found, format!("`a.deb` can't be used: {expected}"));
    }
    let found = bundle_of(&[("a.deb", &flipped)]).unwrap_err();
    assert!(found.starts_with("`a.deb` can't be used: its data: it is damaged at"), "{found}");
}

#[test]
fn what_a_package_holds_never_leads_out() {
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.as_old_mut().name[..8].copy_from_slice(b"../../x\0");
    header.set_cksum();
    let mut data = header.as_bytes().to_vec();
    data.resize(2048, 0);
    let control = tar(&[("control".to_owned(), b"Package: a\nVersion: 1\nArchitecture: all\n".to_vec())]);
    let package = ar(&[("debian-binary", b"2.0\n"), ("control.tar", &control), ("data.tar", &data)]);
    let found = bundle_of(&[("a.deb", &package)]).unwrap_err();
    assert_eq!(found, "`a.deb` can't be used: its data is broken: the name `../../x` leads out of it");
}
