//! What the streams of the repository say, and what the reader says to a file that is wrong.

use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;
use crate::knowledge::KnowledgeBase;

fn streams() -> &'static Streams {
    static STREAMS: OnceLock<Streams> = OnceLock::new();
    STREAMS.get_or_init(|| KnowledgeBase::embedded().streams)
}

fn os_release(text: &str) -> Distribution {
    let field = |line: &str| line.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    let fields: BTreeMap<String, String> = text.split(';').filter_map(field).collect();
    let value = |key: &str| fields.get(key).cloned().unwrap_or_default();
    Distribution {
        id: value("ID"),
        version_id: value("VERSION_ID"),
        pretty_name: value("PRETTY_NAME"),
        id_like: value("ID_LIKE").split_whitespace().map(str::to_owned).collect(),
        fields,
    }
}

fn pretty(name: &str) -> Distribution {
    os_release(&format!("PRETTY_NAME={name}"))
}

/// Checks what the string alone tells: all streams that it may be, in order, joined by `|`.
fn check_release(cases: &[(&str, &str)]) {
    let streams = streams();
    for (release, expected) in cases {
        let reading = streams.of_release(release);
        assert_eq!(reading.streams.join("|"), *expected, "{}", reading.why);
        for stream in &reading.streams {
            assert!(streams.knows(stream), "`{stream}` of `{release}` has no order");
        }
    }
}

/// Checks the one stream that os-release tells; `unknown` for none or several.
fn check_system(cases: &[(&str, &str)]) {
    let streams = streams();
    for (os, expected) in cases {
        let reading = streams.identify(None, Some(&os_release(os)));
        assert_eq!(reading.stream().unwrap_or("unknown"), *expected, "{}", reading.why);
    }
}

fn check_both(cases: &[(&str, &str, &str)]) {
    let streams = streams();
    for (release, os, expected) in cases {
        let reading = streams.identify(Some(release), Some(&os_release(os)));
        assert_eq!(reading.streams.join("|"), *expected, "{}", reading.why);
    }
}

fn check_problems(text: &str, expected: &[&str]) {
    let found = Streams::from_toml(text).err().unwrap_or_default();
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
}

#[test]
fn red_hat_and_what_is_built_for_it() {
    check_release(&[
        ("2.6.32-754.35.1.el6.x86_64", "rhel6"),
        ("3.10.0-1127.19.1.el7.x86_64", "rhel7"),
        ("3.10.0-693.11.6.el7.x86_64.debug", "rhel7"),
        ("3.10.0-957.5.1.el7.centos.plus.x86_64", "rhel7"),
        ("2.6.33.9-rt31.75.el6rt.x86_64", "rhel6-rt"),
        ("4.18.0-193.14.2.el8_2.aarch64", "rhel8"),
        ("4.18.0-147.3.1.el8.x86_64", "rhel8"),
        ("5.14.0-284.30.1.el9_2.x86_64+debug", "rhel9"),
        ("6.12.0-55.12.1.el10_0.s390x", "rhel10"),
        ("4.4.241-1.el7.elrepo.x86_64", "elrepo7"),
        ("6.9.7-1.el9.elrepo.x86_64", "elrepo9"),
        ("4.14.35-2025.400.8.el7uek.x86_64", "ol7-uek"),
        ("6.15.0-2.el9ueknext.x86_64", "ol9-ueknext"),
        ("3.10.0-962.3.2.lve1.5.40.el7.x86_64", "cloudlinux-7"),
        ("3.10.0-1127.8.2.vz7.151.14", "virtuozzo-7"),
    ]);
}

#[test]
fn centos_stream_is_told_by_its_build_numbers() {
    check_release(&[
        ("4.18.0-305.el8.x86_64", "rhel8"),
        ("4.18.0-326.el8.x86_64", "centos-stream8"),
        ("5.14.0-391.el9.x86_64", "centos-stream9"),
        ("5.14.0-391.el9.aarch64+64k", "centos-stream9"),
        ("6.12.0-66.el10.ppc64le", "centos-stream10"),
        ("5.12.0-0.rc4.31.el9.x86_64", "centos-stream9|rhel9"),
    ]);
    check_both(&[
        ("4.18.0-305.el8.x86_64", "ID=centos;NAME=CentOS Stream;VERSION_ID=8", "centos-stream8"),
        ("5.14.0-391.el9.x86_64", "ID=rocky;VERSION_ID=9.3", "rhel9"),
    ]);
}

#[test]
fn other_rpm_distributions() {
    check_release(&[
        ("6.3.12-200.fc38.x86_64", "fedora-38"),
        ("6.4.0-0.rc6.20230614git1.fc39.x86_64", "fedora-39"),
        ("4.14.320-243.544.amzn2.x86_64", "amzn2"),
        ("6.1.94-99.176.amzn2023.aarch64", "amzn2023"),
        ("4.19.91-24.1.al7.x86_64", "alinux2"),
        ("5.10.112-11.1.al8.aarch64", "alinux3"),
        ("5.10.134-17.2.an8.x86_64", "anolis-8"),
        ("6.6.47-12.tl4.x86_64", "tencentos-4"),
        ("5.4.119-1-tlinux4-0008", "tencentos-3"),
        ("5.10.0-153.12.0.92.oe2203sp2.aarch64", "openeuler-22.03"),
        ("4.19.90-2112.8.0.0131.oe1.x86_64", "openeuler-20.03"),
        ("4.19.90-25.10.v2101.ky10.aarch64", "kylin-v10"),
        ("4.19.90-2109.1.0.0108.up2.uel20.x86_64", "uos-20"),
        ("4.18.0-147.5.2.4.h694.eulerosv2r10.x86_64", "euleros-2.10"),
        ("5.10.0-60.18.0.50.r865_35.hce2.x86_64", "hce-2"),
        ("6.1.83-3.ph5-esx", "photon-5"),
        ("5.15.145.2-1.cm2", "mariner-2"),
        ("6.6.43.1-7.azl3", "azurelinux-3"),
    ]);
}

#[test]
fn suse_service_packs_are_told_by_their_build_numbers() {
    check_release(&[
        ("4.4.162-94.72-default", "sles-12.3"),
        ("3.12.61-52.66-default", "sles-12"),
        ("4.4.103-92.53-default", "sles-12.2"),
        ("4.12.14-122.110-default", "sles-12.5"),
        ("4.12.14-197.83-default", "sles-15.1"),
        ("5.3.18-24.96-default", "sles-15.2"),
        ("5.3.18-59.37-default", "sles-15.3|opensuse-leap-15.3"),
        ("5.14.21-150500.55.12-default", "sles-15.5|opensuse-leap-15.5"),
        ("6.4.0-150600.10.5-azure", "sles-15.6|opensuse-leap-15.6"),
        ("5.3.18-lp152.60-default", "opensuse-leap-15.2"),
        ("6.8.1-1-default", "opensuse-tumbleweed"),
    ]);
    check_both(&[("6.4.0-150600.23.7-default", "ID=opensuse-leap;VERSION_ID=15.6", "opensuse-leap-15.6")]);
}

#[test]
fn ubuntu_series_share_their_release_strings() {
    check_release(&[
        ("4.4.0-210-generic", "ubuntu-16.04|ubuntu-14.04"),
        ("5.15.0-91-generic", "ubuntu-22.04|ubuntu-20.04"),
        ("6.5.0-1017-aws", "ubuntu-23.10|ubuntu-22.04"),
        ("6.8.0-1009-nvidia-64k", "ubuntu-24.04|ubuntu-22.04"),
        ("5.15.0-1021-newcloud", "ubuntu-22.04|ubuntu-20.04"),
        ("6.1.0-1036-oem", "ubuntu-22.04"),
        ("6.3.0-060300rc5-generic", "upstream"),
        ("5.11.0-7620-generic", "pop-21.04|pop-20.04"),
    ]);
    check_both(&[
        ("5.15.0-91-generic", "ID=ubuntu;VERSION_ID=20.04", "ubuntu-20.04"),
        (
            "5.15.0-91-generic",
            "ID=linuxmint;ID_LIKE=ubuntu debian;VERSION_ID=21.1;UBUNTU_CODENAME=jammy",
            "ubuntu-22.04",
        ),
        // A container's os-release, not the node's.
        ("5.15.0-91-generic", "ID=debian;VERSION_ID=12", "ubuntu-22.04|ubuntu-20.04"),
        // A series that came out after this file.
        ("9.3.0-12-generic", "ID=ubuntu;VERSION_ID=30.04", "ubuntu-30.04"),
    ]);
}

#[test]
fn an_unknown_series_stays_open() {
    let reading = streams().of_release("9.3.0-12-generic");
    assert_eq!(
        (reading.streams.is_empty(), reading.open.as_slice()),
        (true, &["ubuntu-{version}".to_owned()][..])
    );
    // Kali and Debian's testing name their kernels alike.
    let reading = streams().of_release("6.10.9-amd64");
    assert_eq!((reading.stream(), reading.may_be("kali")), (None, true));
}

#[test]
fn what_a_kernel_says_of_its_build_chooses_among_what_is_open() {
    let streams = streams();
    let check = |release: &str, build: &str, expected: &str| {
        let reading = streams.narrow(streams.of_release(release), build);
        assert_eq!(reading.streams.join("|"), expected, "{}", reading.why);
    };
    let built =
        |number: &str| format!("Linux version 5.4.0-99-generic (builder@host) (gcc) {number} SMP Mon Jan 3");
    check("5.4.0-99-generic", &built("#112~18.04.1-Ubuntu"), "ubuntu-18.04");
    check("5.4.0-99-generic", &built("#112-Ubuntu"), "ubuntu-20.04");
    check("5.4.0-99-generic", "Ubuntu 5.4.0-99.112~18.04.1-generic 5.4.162", "ubuntu-18.04");
    check("5.4.0-99-generic", "Ubuntu 5.4.0-99.112-generic 5.4.162", "ubuntu-20.04");
    check("9.3.0-12-generic", "Ubuntu 9.3.0-12.14~30.04.2-generic 9.3.4", "ubuntu-30.04");
    check("3.10.0-957.el7.x86_64", &built("#112-Ubuntu"), "rhel7");
    check(
        "5.4.0-99-generic",
        "Linux version 5.4.0-99-generic (gcc (Debian 9.3.0-22))",
        "ubuntu-20.04|ubuntu-18.04",
    );
}

#[test]
fn debian_and_what_is_built_on_it() {
    check_release(&[
        ("3.16.0-11-amd64", "debian-8"),
        ("4.19.0-21-cloud-arm64", "debian-10"),
        ("6.1.0-13-rt-amd64", "debian-12"),
        ("4.19.0-0.bpo.9-amd64", "debian-9"),
        ("6.1.0-0.deb11.13-amd64", "debian-11"),
        ("6.12.12+bpo-cloud-amd64", "debian-12"),
        ("6.12.38+deb13-amd64", "debian-13"),
        ("5.9.0-kali4-amd64", "kali"),
        ("5.15.131-2-pve", "proxmox-7"),
        ("6.6.28+rpt-rpi-v8", "raspbian-12"),
        ("5.10.17-v7+", "raspbian-10"),
    ]);
    check_both(&[
        ("6.14.5-1-pve", "ID=debian;VERSION_ID=12", "proxmox-8"),
        ("6.12.25+rpt-rpi-v8", "ID=debian;VERSION_ID=13", "raspbian-13"),
        ("6.12.25+rpt-rpi-v8", "ID=raspbian;VERSION_ID=12", "raspbian-12"),
        ("5.10.0-21-amd64", "ID=debian;VERSION_ID=12", "debian-11"),
    ]);
}

#[test]
fn distributions_for_containers_and_small_machines() {
    check_release(&[
        ("6.1.90-flatcar", "flatcar"),
        ("4.19.50-coreos-r1", "coreos"),
        ("6.1.75+", "cos"),
        ("6.6.29-talos", "talos"),
        ("5.10.124-linuxkit", "linuxkit"),
        ("5.15.133.1-microsoft-standard-WSL2", "wsl"),
        ("4.4.0-18362-Microsoft", "wsl"),
        ("6.10.11-orbstack-00280-g1a2b3c4d5e6f", "orbstack"),
        ("6.9.3-arch1-1", "arch"),
        ("6.1.68-0-virt", "alpine-3.18"),
        ("6.6.21-1-lts", "arch|alpine-3.20|alpine-3.19"),
    ]);
}

#[test]
fn upstream_forms() {
    check_release(&[
        ("6.3.0-rc4", "upstream"),
        ("6.3.0-rc4+", "upstream"),
        ("5.3.0+", "upstream"),
        ("6.2.0-next-20230301", "upstream"),
        ("5.15.70-rt50", "upstream"),
        ("5.19.0-03811-g0123456789ab", "upstream"),
        ("4.2.5", "upstream"),
        ("3.10.0", ""),
        ("4.18.0", ""),
        ("6.1.61-acme3", ""),
        ("", ""),
        ("x86_64", ""),
    ]);
}

#[test]
fn a_bare_version_is_judged_by_whose_kernels_look_so() {
    check_both(&[
        ("5.15.102", "ID=bottlerocket;VERSION_ID=1.13.0", "bottlerocket"),
        ("5.15.102", "ID=nixos;VERSION_ID=23.05", "nixos-23.05"),
        ("5.15.102", "ID=centos;VERSION_ID=7", "upstream"),
        ("3.10.0", "ID=centos;VERSION_ID=7", "upstream"),
        ("6.1.75+", "ID=cos;VERSION_ID=113", "cos"),
        ("6.1.75+", "ID=ubuntu;VERSION_ID=22.04", "upstream"),
        // Nothing is known of how that distribution names its kernels.
        ("3.10.0", "ID=acmeos;VERSION_ID=2", "acmeos-2|upstream"),
        ("6.7.3", "ID=acmeos;VERSION_ID=2", "acmeos-2|upstream"),
        ("6.7.3", "ID=fedora;VERSION_ID=39", "upstream"),
        ("6.1.61-acme3", "ID=acmeos;VERSION_ID=2", "acmeos-2"),
        ("6.1.61-acme3", "ID=debian;VERSION_ID=12", ""),
    ]);
}

#[test]
fn the_kernel_is_what_its_own_release_string_says() {
    check_both(&[
        ("5.4.203-1.el7.elrepo.x86_64", "ID=centos;VERSION_ID=7", "elrepo7"),
        ("5.4.17-2136.304.4.1.el7uek.x86_64", "ID=ol;VERSION_ID=7.9", "ol7-uek"),
        ("3.10.0-1160.2.2.el7.x86_64", "ID=ol;VERSION_ID=7.9", "rhel7"),
        ("4.18.0-372.16.1.el8_6.x86_64", "ID=centos;VERSION_ID=7", "rhel8"),
        ("6.3.0-rc4", "ID=fedora;VERSION_ID=38", "upstream"),
        ("5.15.0-91-generic", "ID=freebsd;VERSION_ID=13.2", "ubuntu-22.04|ubuntu-20.04"),
    ]);
    let reading =
        streams().identify(Some("4.18.0-372.16.1.el8_6.x86_64"), Some(&pretty("CentOS Linux 7 (Core)")));
    assert_eq!(
        reading.why,
        "`4.18.0-372.16.1.el8_6.x86_64`: `.el` is the mark of RHEL and its rebuilds, \
         though the distribution calls itself `CentOS Linux 7 (Core)`"
    );
}

#[test]
fn distributions_by_os_release() {
    check_system(&[
        ("ID=rhel;VERSION_ID=7.9", "rhel7"),
        ("ID=almalinux;VERSION_ID=9.2", "rhel9"),
        ("ID=acmelinux;ID_LIKE=rhel fedora;VERSION_ID=3;PLATFORM_ID=platform:el8", "rhel8"),
        ("ID=rhcos;VERSION_ID=4.14;RHEL_VERSION=9.2;PLATFORM_ID=platform:el9", "rhel9"),
        ("ID=rhcos;VERSION_ID=4.6;PLATFORM_ID=platform:el8", "rhel8"),
        ("ID=centos;NAME=CentOS Stream;VERSION_ID=9", "centos-stream9"),
        ("ID=ol;VERSION_ID=8.5", "unknown"),
        ("ID=tencentos;ID_LIKE=rhel fedora;VERSION_ID=3.2;PLATFORM_ID=platform:el8", "tencentos-3"),
        ("ID=amzn;VERSION_ID=2017.09", "amzn1"),
        ("ID=alinux;ID_LIKE=rhel;VERSION_ID=2.1903", "alinux2"),
        ("ID=openEuler;VERSION_ID=24.03", "openeuler-24.03"),
        ("ID=kylin;VERSION_ID=V10", "kylin-v10"),
        ("ID=sles;VERSION_ID=15.5", "sles-15.5"),
        ("ID=opensuse;NAME=openSUSE Leap;VERSION_ID=42.3", "opensuse-leap-42.3"),
        ("ID=opensuse-tumbleweed;VERSION_ID=20240101", "opensuse-tumbleweed"),
        ("ID=debian", "unknown"),
        ("ID=linux;NAME=Talos;VERSION_ID=v1.5.0", "talos"),
        ("ID=Deepin;VERSION_ID=20.9", "deepin-20.9"),
        ("ID=AcmeOS;VERSION_ID=4.2", "acmeos-4.2"),
        ("ID=acmeos;VERSION_ID=v4.2 (Spring)", "acmeos-v4.2"),
        ("ID=acmeos", "unknown"),
        ("ID=freebsd;VERSION_ID=13.2", "unknown"),
    ]);
}

#[test]
fn distributions_by_the_name_that_they_have_for_people() {
    check_system(&[
        ("PRETTY_NAME=Ubuntu 20.04.2 LTS", "ubuntu-20.04"),
        ("PRETTY_NAME=CentOS Linux 8 (Core)", "rhel8"),
        ("PRETTY_NAME=CentOS Stream 9", "centos-stream9"),
        ("PRETTY_NAME=Red Hat Enterprise Linux CoreOS 414.92.202311061957-0 (Plow)", "rhel9"),
        ("PRETTY_NAME=Red Hat Enterprise Linux Server 7.6 (Maipo)", "rhel7"),
        ("PRETTY_NAME=Oracle Linux Server 7.9", "unknown"),
        ("PRETTY_NAME=SUSE Linux Enterprise Server 15 SP4", "sles-15.4"),
        ("PRETTY_NAME=SUSE Linux Enterprise Server 12", "sles-12"),
        ("PRETTY_NAME=Bottlerocket OS 1.15.1 (aws-k8s-1.27)", "bottlerocket"),
        ("PRETTY_NAME=Container-Optimized OS from Google", "cos"),
        ("PRETTY_NAME=Talos (v1.6.2)", "talos"),
        ("PRETTY_NAME=Amazon Linux 2023.3.20240108", "amzn2023"),
        ("PRETTY_NAME=Acme Linux 3", "unknown"),
    ]);
}

#[test]
fn nothing_known_is_nothing_told() {
    let reading = streams().identify(None, None);
    assert_eq!((reading.stream(), reading.base(), reading.streams.len()), (None, None, 0));
}

#[test]
fn package_versions_are_what_package_versions_compare_with() {
    let streams = streams();
    let check = |release: &str, expected: &str| {
        assert_eq!(streams.of_release(release).package_version.as_deref(), Some(expected));
    };
    check("3.10.0-957.el7.x86_64", "3.10.0-957.el7");
    check("5.14.0-284.30.1.el9_2.x86_64+debug", "5.14.0-284.30.1.el9_2");
    check("5.15.0-91-generic", "5.15.0-91");
    check("6.1.0-13-rt-amd64", "6.1.0-13");
    check("5.14.21-150500.55.12-default", "5.14.21-150500.55.12");
    check("6.1.90-flatcar", "6.1.90-flatcar");
}

#[test]
fn streams_have_an_order_and_an_end() {
    let streams = streams();
    assert_eq!(streams.order("rhel7"), Some(Order::Rpm));
    assert_eq!(streams.order("ubuntu-22.04"), Some(Order::Deb));
    assert_eq!(streams.order("upstream"), Some(Order::Upstream));
    assert_eq!(streams.order("acmeos-4.2"), None);
    let end =
        |stream: &str, series: Option<&str>| streams.end_of_life(stream, series).map(|date| date.to_string());
    assert_eq!(end("rhel7", Some("3.10")).as_deref(), Some("2024-06-30"));
    assert_eq!(end("upstream", Some("5.4")).as_deref(), Some("2025-12-03"));
    assert_eq!(end("upstream", None), None);
    assert_eq!(end("fedora-38", None), None);
}

#[test]
fn every_expression_compiles() {
    let Streams { releases, systems, builds, .. } = streams();
    let of_systems = systems.iter().flat_map(|rule| rule.fields.values().chain(&rule.pretty));
    let of_builds = builds.iter().map(|rule| &rule.pattern);
    for expression in releases.iter().map(|rule| &rule.pattern).chain(of_builds).chain(of_systems) {
        let _ = expression.compiled();
    }
}

#[test]
fn every_problem_of_a_file_is_found_in_one_run() {
    check_problems(
        r#"surplus = 1
[series.used]
"5.4" = "20.04"
[series.unused]
[[stream]]
name = "a-{version}"
order = "alphabetical"
eol = "soon"
[[stream]]
name = "b-{release}"
order = "rpm"
[[stream]]
name = "c"
order = "rpm"
[[release]]
pattern = '(?<x'
why = ""
[[release]]
pattern = 'c(?<x>\d)'
streams = ["c", "d", "c{"]
series = "used"
[[os]]
streams = ["c"]
[[os]]
id = "c"
series = "absent"
"#,
        &[
            "streams.toml:1:1: `surplus` is not a key here; known are `architectures`, `series`, `stream`, `release`, `build`, `os`",
            "streams.toml:3:9: an array of strings belongs here, not a string",
            "streams.toml:4:9: no rule uses the series `unused`",
            "streams.toml:7:9: `alphabetical` is no order; there are `rpm`, `deb`, `upstream`",
            "streams.toml:8:7: a date such as 2024-06-30 belongs here, not a string",
            "streams.toml:10:8: the only hole of a stream's name is `{version}`",
            "streams.toml:16:11: not a regular expression: unclosed capture group name",
            "streams.toml:18:1: `why` is missing",
            "streams.toml:20:17: no `[[stream]]` declares `d`",
            "streams.toml:20:22: `c{`: braces have to enclose a name, as in `rhel{version}`",
            "streams.toml:21:10: a series needs a group `key` in the pattern",
            "streams.toml:22:1: one of `id`, `like`, `fields` and `pretty` has to be there",
            "streams.toml:24:1: one of `id`, `like`, `fields` and `pretty` has to be there",
            "streams.toml:25:6: an array of strings belongs here, not a string",
            "streams.toml:26:10: there is no series `absent`",
        ],
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn no_text_makes_a_reading_fail(
        release in "\\PC{0,30}|[0-9]\\.[0-9]{1,2}\\.[0-9]-[0-9a-z.+~_-]{0,20}", os in "\\PC{0,30}") {
        let streams = streams();
        let _ = streams.of_release(&release);
        let _ = streams.identify(Some(&release), Some(&pretty(&os)));
        let _ = streams.identify(Some(&release), Some(&os_release(&format!("ID={os};VERSION_ID={release}"))));
    }

    #[test]
    fn no_file_makes_the_reader_panic(text in "(\\[\\[(stream|release|os)\\]\\]\n|(name|order|streams|pattern) = ('a'|\\['\\{'\\]|1)\n){0,8}") {
        let _ = Streams::from_toml(&text);
    }
}
