//! The file of a bundle: the same for the same packages, and refused where a byte of it isn't as it was.

use std::fs;

use kernmend_core::bundle::Wanted;
use kernmend_node::bundle::{inspect, minisign, verify};

use kernmend_node::package::openpgp::Keyring;

use crate::make::{Rpm, bundle, bundle_of, check, deb, folder, kernel, tar};

fn packages() -> [(&'static str, Vec<u8>); 2] {
    let modules = |path: &str| vec![(format!("lib/modules/6.1.0-56-amd64/kernel/{path}"), vec![3; 1000])];
    [
        ("image.deb", deb("linux-image-6.1.0-56-amd64", "6.1.192-2", "amd64", "", &kernel("6.1.0-56-amd64"))),
        ("extra.deb", deb("linux-modules-extra", "6.1.192-2", "amd64", "", &modules("z.ko"))),
    ]
}

fn whole() -> Vec<u8> {
    let packages = packages();
    bundle_of(&[(packages[0].0, &packages[0].1), (packages[1].0, &packages[1].1)]).expect("they make one").1
}

#[test]
fn the_same_packages_give_the_same_bytes_wherever_they_lie() {
    let [(_, image), (_, extra)] = packages();
    let one = whole();
    let packed = tar(&[("y".to_owned(), extra.clone()), ("x".to_owned(), image.clone())]);
    let folder = folder(&[("a.tar", &packed)]);
    let (_, two) = bundle(&folder.path().join("a.tar"), &Wanted::default()).unwrap();
    assert!(one == two, "nothing of where they were found is in it");
}

#[test]
fn a_bundle_is_a_tar_archive_that_anything_can_unpack() {
    let whole = whole();
    let mut archive = tar::Archive::new(&whole[..]);
    let names = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
    assert_eq!(
        names.collect::<Vec<_>>(),
        [
            "bundle.json",
            "packages/linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb",
            "packages/linux-modules-extra_6.1.192-2_amd64.deb"
        ]
    );
}

#[test]
fn no_byte_can_be_changed_and_none_be_missing() {
    let whole = whole();
    assert_eq!(check(&whole), Ok(()));
    let said = inspect(&mut &whole[..]).unwrap();
    for at in (0..whole.len()).step_by(23) {
        let mut changed = whole.clone();
        changed[at] ^= 0x01;
        // Of the document, who wrote it isn't told by the packages, and what it leaves out is told by them.
        if let Ok(checked) = verify(&mut &changed[..], &Keyring::default(), &|_| ()) {
            assert_eq!(checked.bundle, said.body, "byte {at}");
        }
    }
    for end in (0..whole.len()).step_by(131) {
        assert!(check(&whole[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn what_is_wrong_with_a_bundle_is_told() {
    let whole = whole();
    let text = String::from_utf8_lossy(&whole);
    let json = text[512..].split_once("\n}\n").unwrap().0.to_owned() + "\n}\n";
    let edited = |from: &str, to: &str| {
        assert!(json.contains(from), "{from}");
        rebuilt(&whole, &json.replacen(from, to, 1))
    };
    let longer = [&whole[..], &[0]].concat();
    let mut renamed = whole.clone();
    let head = 512 + json.len().next_multiple_of(512);
    renamed[head] = b'/';
    for (bytes, expected) in [
        (Vec::new(), "this is no bundle: it doesn't begin with a member `bundle.json`"),
        (
            tar(&[("x".to_owned(), vec![1])]),
            "this is no bundle: it doesn't begin with a member `bundle.json`",
        ),
        (whole[..whole.len() - 1].to_vec(), "it is cut off in `its end`"),
        (longer, "something follows its last package"),
        (
            renamed,
            "the head of `packages/linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb` isn't as kernmend writes it: the \
             bundle was packed anew or changed",
        ),
        (
            edited("\"value\": false", "\"value\": true"),
            "its document says of the packages what they don't say: /kernel/image/signed/value",
        ),
        (
            edited("\"a_b\"", "\"virtio_blk\""),
            "its document says of the packages what they don't say: /kernel/modules/0/name",
        ),
        (
            edited("kernmend/bundle/1", "kernmend/bundle/2"),
            "its document: this is a `kernmend/bundle/2` document, and this version reads `kernmend/bundle/1`: read it \
             with a kernmend that knows major 2 of the bundle schema",
        ),
    ] {
        assert_eq!(check(&bytes), Err(expected.to_owned()));
    }
    let mut other_image = whole.clone();
    other_image[head + 512 + 700] ^= 1;
    let found = check(&other_image).unwrap_err();
    assert!(found.contains("linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb"), "{found}");
    let size = json.lines().rfind(|line| line.contains("\"size\"") && line.starts_with("      ")).unwrap();
    let huge = check(&edited(size, "      \"size\": 99999999999,")).unwrap_err();
    assert_eq!(huge, "its document says nonsense: a package has 99999999999 bytes");
}

/// A bundle with another document, laid out as it should be.
fn rebuilt(whole: &[u8], json: &str) -> Vec<u8> {
    let old = 512
        + usize::from_str_radix(std::str::from_utf8(&whole[124..135]).expect("digits"), 8).expect("a number");
    let mut header = tar::Header::new_ustar();
    header.set_path("bundle.json").expect("it is short");
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(json.len() as u64);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(json.bytes());
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes.extend(&whole[old.next_multiple_of(512)..]);
    bytes
}

#[test]
fn what_makes_no_bundle_is_refused_with_its_cause() {
    let [(_, image), _] = packages();
    let rpm = Rpm::new("kernel-ml", kernel("6.9.7-1.el7.elrepo.x86_64")).bytes();
    let unsigned =
        deb("linux-image-6.1.0-56-amd64-unsigned", "6.1.192-2", "amd64", "", &kernel("6.1.0-56-amd64"));
    let arm = deb("linux-image-6.1.0-56-arm64", "6.1.192-2", "arm64", "", &kernel("6.1.0-56-arm64"));
    let mut files = kernel("6.1.0-56-amd64");
    files[0].1 = crate::make::image("6.1.0-55-amd64");
    let misnamed = deb("linux-image-6.1.0-56-amd64", "6.1.192-2", "amd64", "", &files);
    let tools = deb("perf", "1", "amd64", "", &[("usr/bin/perf".to_owned(), vec![1])]);
    for (files, expected) in [
        (
            [("a.deb", &image), ("b.rpm", &rpm)],
            "`b.rpm` is an RPM package and `a.deb` a Debian package: no node takes both",
        ),
        (
            [("a.deb", &image), ("b.deb", &unsigned)],
            "two packages hold a kernel that is called `6.1.0-56-amd64`: `b.deb` and `a.deb`",
        ),
        ([("a.deb", &image), ("b.deb", &arm)], "there are kernels for amd64 and arm64"),
        (
            [("a.deb", &misnamed), ("b.deb", &tools)],
            "the image `/boot/vmlinuz-6.1.0-56-amd64` in `a.deb` says that it is `6.1.0-55-amd64`",
        ),
        (
            [("a.deb", &tools), ("b.deb", &tools)],
            "none of the packages holds the image of a kernel: perf_1_amd64.deb",
        ),
    ] {
        let files = files.map(|(name, content)| (name, &content[..]));
        assert_eq!(bundle_of(&files).map(drop), Err(expected.to_owned()));
    }
    assert_eq!(bundle_of(&[("x", b"1")]).map(drop), Err("there is no package in it".to_owned()));
}

#[test]
fn an_archive_that_is_cut_off_is_named_and_not_the_package_in_it() {
    let [(_, image), (_, extra)] = packages();
    let packed = tar(&[("image.deb".to_owned(), image), ("extra.deb".to_owned(), extra)]);
    let folder = folder(&[("a.tar", &packed[..packed.len() - 2000]), ("b.txt", b"text")]);
    let found = |name: &str| {
        let path = folder.path().join(name);
        let error = bundle(&path, &Wanted::default()).unwrap_err();
        error.replace(&path.display().to_string(), name)
    };
    assert_eq!(found("a.tar"), "read the archive `a.tar`: it is cut off at `extra.deb`");
    assert_eq!(found("b.txt"), "`b.txt` is no RPM package, no Debian package, and no tar archive of some");
    assert!(found("c").starts_with("read `c`: No such file"));
}

#[test]
fn a_link_that_leads_back_up_ends() {
    let [(name, image), _] = packages();
    let folder = folder(&[(name, &image), ("d/e", b"")]);
    std::os::unix::fs::symlink("../..", folder.path().join("d/up")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).unwrap();
    let (document, _) = bundle(folder.path(), &Wanted::default()).unwrap();
    assert_eq!(document.body.left_out.len(), 3);
    fs::remove_file(folder.path().join("dangling")).unwrap();
}

/// Signed by minisign 0.11 with a key that was thrown away.
const KEY: &str = "RWQa8HkLQBrDJ80Eo2F4ACUhICfJoYmqR7CGEXE4UNa0NgijQxCyjsS+";
const SIGNATURE: &str = "untrusted comment: signature from minisign secret key\n\
    RUQa8HkLQBrDJ7k1NJn/57nHdtLOmzQRKO1yhfUl9gKgRbS5FYZ0TdiszKYiJf/MjicRHL9NReZiPpDpvu+Y/WBDVq7nsdRp7Qk=\n\
    trusted comment: of a test\n\
    VnoK3HuhtBtaAwBUlZUKzx8cyGe6SpVVQ2Xg71bWv4m9+mY5E99m16aYo+8AWQ7QVig0ZCefv6aJwxtlJtHHAQ==\n";

#[test]
fn a_signature_stands_for_the_bytes_that_were_signed() {
    let check = |bytes: &[u8], signature: &str, key: &str| {
        minisign::check(&mut &bytes[..], signature, key).map_err(|error| error.to_string())
    };
    let file = format!("untrusted comment: minisign public key\n{KEY}\n");
    for key in [KEY, &file] {
        assert_eq!(check(b"a bundle\n", SIGNATURE, key).as_deref(), Ok("of a test"));
    }
    let wrong = "the bundle isn't what was signed with this key";
    assert_eq!(check(b"a bundle!\n", SIGNATURE, KEY), Err(wrong.to_owned()));
    let comment = SIGNATURE.replace("of a test", "of a kernel");
    assert_eq!(check(b"a bundle\n", &comment, KEY), Err(wrong.to_owned()));
    assert!(check(b"a bundle\n", "nothing", KEY).is_err());
    assert!(check(b"a bundle\n", SIGNATURE, "nothing").is_err());
}
