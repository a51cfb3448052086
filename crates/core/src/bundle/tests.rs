//! Tables of what was offered and what is made of it.

use super::*;
use crate::document::bundle::{Dependency, Module, Operator, Relation, Space, Versions};
use crate::format::deb;

/// A package by its name, version and architecture, with what it holds.
fn offer(family: Family, name: &str, version: &str, architecture: &str, paths: &[&str]) -> Offer {
    let mut contents = Contents::default();
    for path in paths {
        contents.file(path, 1);
    }
    let file = file_name(family, name, version, architecture).unwrap();
    Offer {
        file: format!("in/{file}"),
        family,
        package: Package {
            kind: contents.kind(name),
            digest: Digest::of(format!("{file} {paths:?}").as_bytes()),
            file,
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: architecture.to_owned(),
            vendor: None,
            size: 1,
            space: Space::default(),
            requires: Vec::new(),
            provides: Vec::new(),
            conflicts: Vec::new(),
            replaces: Vec::new(),
            scriptlets: Vec::new(),
            signed_by: Vec::new(),
        },
        contents,
    }
}

impl Offer {
    fn requires(mut self, text: &str) -> Self {
        self.package.requires = deb::dependencies(text, false).unwrap();
        self
    }

    fn conflicts(mut self, text: &str) -> Self {
        self.package.conflicts = deb::relations(text).unwrap();
        self
    }

    fn provides(mut self, text: &str) -> Self {
        self.package.provides = deb::relations(text).unwrap();
        self
    }
}

fn kernel_ml(version: &str) -> Offer {
    let release = format!("{version}.x86_64");
    let paths = [
        format!("boot/vmlinuz-{release}"),
        format!("boot/System.map-{release}"),
        format!("lib/modules/{release}/kernel/a-b.ko.xz"),
    ];
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    offer(Family::Rpm, "kernel-ml", version, "x86_64", &paths)
}

fn rpm(name: &str, paths: &[&str]) -> Offer {
    offer(Family::Rpm, name, "6.9.7-1.el7.elrepo", "x86_64", paths)
}

/// What came of it in one line each: what is inside, and what isn't with the reason.
fn told(offers: Vec<Offer>, wanted: &Wanted) -> Result<(Vec<String>, Vec<String>), String> {
    let bundle = choose(offers, Vec::new(), wanted).map_err(|refusal| refusal.to_string())?;
    let inside = bundle.packages.iter().map(|package| package.name.clone()).collect();
    let outside = bundle.left_out.iter().map(|left| {
        let name = left.file.trim_start_matches("in/");
        match &left.reason {
            Reason::NotAPackage => format!("{name}: no package"),
            Reason::Duplicate { of } => format!("{name}: as {of}"),
            Reason::OtherArchitecture { architecture } => format!("{name}: for {architecture}"),
            Reason::OtherRelease { release } => format!("{name}: of {release}"),
            Reason::Conflicts { with, by } => format!("{name}: conflict with {with} by {}", by.name),
            Reason::NotNeeded { kind } => format!("{name}: {kind:?}"),
        }
    });
    Ok((inside, outside.collect()))
}

fn any() -> Wanted {
    Wanted::default()
}

#[test]
fn what_belongs_to_the_newest_kernel_goes_in_and_the_rest_is_named() {
    let offers = vec![
        kernel_ml("6.9.7-1.el7.elrepo").requires("linux-firmware, perf-thing | other-thing"),
        kernel_ml("5.4.278-1.el7.elrepo"),
        rpm("kernel-ml-headers", &["usr/include/linux/a.h"]).conflicts("kernel-headers"),
        rpm("kernel-ml-tools", &["usr/bin/cpupower"]).conflicts("kernel-tools"),
        rpm("kernel-ml-tools-libs", &["usr/lib64/libcpupower.so.0"]),
        rpm("kernel-ml-devel", &["usr/src/kernels/6.9.7/Makefile"]),
        rpm("linux-firmware", &["lib/firmware/a"]).requires("somewhere-else"),
        rpm("iwl-firmware", &["lib/firmware/b"]),
        offer(Family::Rpm, "kernel-ml-doc", "6.9.7-1.el7.elrepo", "noarch", &["usr/share/x/a"]),
        offer(Family::Rpm, "kernel-ml-libs", "6.9.7-1.el7.elrepo", "aarch64", &["usr/lib64/a"]),
    ];
    let (inside, outside) = told(offers.clone(), &any()).unwrap();
    assert_eq!(inside, ["kernel-ml", "linux-firmware"]);
    assert_eq!(
        outside,
        [
            "iwl-firmware-6.9.7-1.el7.elrepo.x86_64.rpm: Firmware",
            "kernel-ml-5.4.278-1.el7.elrepo.x86_64.rpm: of 5.4.278-1.el7.elrepo.x86_64",
            "kernel-ml-devel-6.9.7-1.el7.elrepo.x86_64.rpm: Headers",
            "kernel-ml-doc-6.9.7-1.el7.elrepo.noarch.rpm: Other",
            "kernel-ml-headers-6.9.7-1.el7.elrepo.x86_64.rpm: Headers",
            "kernel-ml-libs-6.9.7-1.el7.elrepo.aarch64.rpm: for aarch64",
            "kernel-ml-tools-6.9.7-1.el7.elrepo.x86_64.rpm: Tools",
            "kernel-ml-tools-libs-6.9.7-1.el7.elrepo.x86_64.rpm: Tools",
        ]
    );
    let bundle = choose(offers, Vec::new(), &any()).unwrap();
    let needs: Vec<&str> = bundle.needs.iter().map(|need| need.dependency.text.as_str()).collect();
    assert_eq!(needs, ["perf-thing | other-thing", "somewhere-else"]);
    assert_eq!(bundle.needs[1].by, ["linux-firmware-6.9.7-1.el7.elrepo.x86_64.rpm"]);
    let module = Module { name: "a_b".to_owned(), path: "kernel/a-b.ko.xz".to_owned() };
    assert_eq!(bundle.kernel.modules, [module]);
    assert!(matches!(bundle.kernel.built_in, Fact::Absent { .. }));
}

#[test]
fn a_kernel_in_parts_is_whole() {
    let release = "5.15.0-101-generic";
    let deb = |name: &str, paths: &[String]| {
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        offer(Family::Deb, name, "5.15.0-101.111", "amd64", &paths)
    };
    let offers = vec![
        deb("linux-image-5.15.0-101-generic", &[format!("boot/vmlinuz-{release}")])
            .requires("kmod, linux-base (>= 4.5), linux-modules-5.15.0-101-generic"),
        deb("linux-modules-5.15.0-101-generic", &[format!("lib/modules/{release}/kernel/a.ko")]),
        deb("linux-modules-extra-5.15.0-101-generic", &[format!("lib/modules/{release}/kernel/b.ko")]),
        offer(Family::Deb, "linux-base", "4.5ubuntu9", "all", &["usr/bin/linux-version"]),
        deb("linux-image-generic", &[]).requires("linux-image-5.15.0-101-generic"),
        deb("linux-headers-5.15.0-101-generic", &["usr/src/x/Makefile".to_owned()]),
    ];
    let (inside, outside) = told(offers, &any()).unwrap();
    assert_eq!(
        inside,
        [
            "linux-base",
            "linux-image-5.15.0-101-generic",
            "linux-modules-5.15.0-101-generic",
            "linux-modules-extra-5.15.0-101-generic"
        ]
    );
    assert_eq!(
        outside,
        [
            "linux-headers-5.15.0-101-generic_5.15.0-101.111_amd64.deb: Headers",
            "linux-image-generic_5.15.0-101.111_amd64.deb: Meta"
        ]
    );
}

#[test]
fn what_is_asked_for_and_conflicts_is_left_out_by_name() {
    let offers = vec![
        kernel_ml("6.9.7-1.el7.elrepo").requires("helper").conflicts("old-thing (<< 3)"),
        rpm("helper-a", &["usr/bin/a"]).provides("helper, old-thing (= 2)"),
    ];
    let (inside, outside) = told(offers, &any()).unwrap();
    assert_eq!(inside, ["kernel-ml"]);
    assert_eq!(
        outside,
        [
            "helper-a-6.9.7-1.el7.elrepo.x86_64.rpm: conflict with kernel-ml-6.9.7-1.el7.elrepo.x86_64.rpm by old-thing"
        ]
    );
}

#[test]
fn a_file_of_another_is_what_is_asked_for() {
    let relation = Relation { name: "/usr/sbin/x".to_owned(), version: None };
    let mut kernel = kernel_ml("6.9.7-1.el7.elrepo");
    kernel.package.requires =
        vec![Dependency { text: "/usr/sbin/x".to_owned(), any: vec![relation], early: true }];
    let (inside, _) = told(vec![kernel, rpm("x", &["usr/sbin/x"])], &any()).unwrap();
    assert_eq!(inside, ["kernel-ml", "x"]);
}

#[test]
fn what_cannot_be_told_is_refused_with_its_cause() {
    let deb = |name: &str, architecture: &str, path: &str| {
        offer(Family::Deb, name, "6.1.192-2", architecture, &[path])
    };
    let signed = deb("linux-image-6.1.0-56-amd64", "amd64", "boot/vmlinuz-6.1.0-56-amd64");
    let cloud = deb("linux-image-6.1.0-56-cloud-amd64", "amd64", "boot/vmlinuz-6.1.0-56-cloud-amd64");
    let arm = deb("linux-image-6.1.0-56-arm64", "arm64", "boot/vmlinuz-6.1.0-56-arm64");
    let unsigned = deb("linux-image-6.1.0-56-amd64-unsigned", "amd64", "boot/vmlinuz-6.1.0-56-amd64");
    let mut other = signed.clone();
    other.file = "in/again.deb".to_owned();
    other.package.digest = Digest::of(b"other");
    let mut misnamed = signed.clone();
    if let Some(image) = &mut misnamed.contents.kernels.get_mut("6.1.0-56-amd64").unwrap().image {
        image.release = Fact::known("6.1.0-55-amd64".to_owned(), "");
    }
    let of = |release: &str| Wanted { release: Some(release.to_owned()), architecture: None };
    for (offers, wanted, expected) in [
        (vec![], any(), "there is no package in it"),
        (
            vec![signed.clone(), kernel_ml("6.9.7-1")],
            any(),
            "`in/kernel-ml-6.9.7-1.x86_64.rpm` is an RPM package and \
             `in/linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb` a Debian package: no node takes both",
        ),
        (
            vec![rpm("perf", &["usr/bin/perf"])],
            any(),
            "none of the packages holds the image of a kernel: perf-6.9.7-1.el7.elrepo.x86_64.rpm",
        ),
        (vec![signed.clone(), arm], any(), "there are kernels for amd64 and arm64"),
        (
            vec![signed.clone(), unsigned],
            any(),
            "two packages hold a kernel that is called `6.1.0-56-amd64`: \
             `in/linux-image-6.1.0-56-amd64-unsigned_6.1.192-2_amd64.deb` and \
             `in/linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb`",
        ),
        (
            vec![signed.clone(), other],
            any(),
            "`in/again.deb` and `in/linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb` say that they are one package, and \
             differ",
        ),
        (
            vec![signed.clone(), cloud],
            any(),
            "none of these kernels is newer than the others: 6.1.0-56-amd64, 6.1.0-56-cloud-amd64",
        ),
        (
            vec![signed.clone()],
            of("6.1.0-1-amd64"),
            "there is no kernel `6.1.0-1-amd64`; there are 6.1.0-56-amd64",
        ),
        (
            vec![signed.clone()],
            Wanted { release: None, architecture: Some("arm64".to_owned()) },
            "no kernel is for `arm64`; there are some for amd64",
        ),
        (
            vec![misnamed],
            any(),
            "the image `/boot/vmlinuz-6.1.0-56-amd64` in `in/linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb` says that it \
             is `6.1.0-55-amd64`",
        ),
        (
            vec![
                kernel_ml("6.9.7-1").requires("x"),
                offer(Family::Rpm, "kmod-x", "1-1", "x86_64", &["lib/modules/6.9.7-1.x86_64/extra/x.ko"])
                    .conflicts("kernel-ml (>= 6)"),
            ],
            any(),
            "`in/kernel-ml-6.9.7-1.x86_64.rpm` and `in/kmod-x-1-1.x86_64.rpm` can't be installed together",
        ),
    ] {
        assert_eq!(told(offers, &wanted), Err(expected.to_owned()));
    }
}

#[test]
fn a_release_or_an_architecture_that_is_named_decides() {
    let offers = vec![kernel_ml("6.9.7-1"), kernel_ml("5.4.278-1")];
    let wanted = Wanted { release: Some("5.4.278-1.x86_64".to_owned()), architecture: None };
    let (inside, outside) = told(offers, &wanted).unwrap();
    assert_eq!(inside, ["kernel-ml"]);
    assert_eq!(outside, ["kernel-ml-6.9.7-1.x86_64.rpm: of 6.9.7-1.x86_64"]);
    let mut again = kernel_ml("6.9.7-1");
    again.file = "in/z/again.rpm".to_owned();
    let (_, outside) = told(vec![kernel_ml("6.9.7-1"), again], &any()).unwrap();
    assert_eq!(outside, ["z/again.rpm: as in/kernel-ml-6.9.7-1.x86_64.rpm"]);
}

#[test]
fn files_are_named_by_what_is_in_them() {
    for (family, name, version, expected) in [
        (Family::Rpm, "kernel", "2:4.18.0-80.el8", Some("kernel-4.18.0-80.el8.x86_64.rpm")),
        (Family::Deb, "a+b", "1:2~3-4", Some("a+b_1%3a2~3-4_x86_64.deb")),
        (Family::Rpm, "../a", "1", None),
        (Family::Rpm, "a", "1/2", None),
        (Family::Deb, "", "1", None),
    ] {
        assert_eq!(file_name(family, name, version, "x86_64").as_deref(), expected, "{name} {version}");
    }
    let newer = Versions { operator: Operator::Greater, version: "1".to_owned() };
    assert_eq!(serde_json::to_string(&newer).unwrap(), r#"{"operator":">","version":"1"}"#);
}
