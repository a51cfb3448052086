//! Tests of what a release alone tells of a kernel.

//! What kernels are known for by their releases, held against tables.

use super::*;

fn of(text: &str) -> Kernels {
    kernels([&nodes::read(text)], &KnowledgeBase::embedded()).body
}

/// `KM-0001 yes critical` for one.
fn faults(kernel: &Kernel) -> Vec<String> {
    let word = |told: Told| match told {
        Told::Yes => "yes",
        Told::No => "no",
        Told::NotTold => "not told",
    };
    let fault = |fault: &Exposure| format!("{} {} {}", fault.id, word(fault.affected), fault.could_be.name());
    kernel.exposures.iter().map(fault).collect()
}

#[test]
fn a_release_tells_stream_base_end_and_faults() {
    for (release, stream, base, nokmem, private, expected) in [
        (
            "3.10.0-693.el7.x86_64",
            "rhel7 2024-06-30",
            "3.10.0",
            Told::No,
            Told::No,
            ["KM-0001 yes critical", "KM-0004 yes critical", "KM-0002 not told critical", "KM-0003 no clear"],
        ),
        (
            "4.18.0-553.el8_10.x86_64",
            "rhel8 2029-05-31",
            "4.18.0",
            Told::Yes,
            Told::Yes,
            [
                "KM-0002 not told critical",
                "KM-0003 not told critical",
                "KM-0004 not told critical",
                "KM-0001 no clear",
            ],
        ),
        (
            "4.4.0-21-custom",
            "",
            "4.4.0",
            Told::No,
            Told::NotTold,
            [
                "KM-0004 yes critical",
                "KM-0002 not told critical",
                "KM-0003 not told critical",
                "KM-0001 no clear",
            ],
        ),
    ] {
        let found = of(release).kernels;
        let [kernel] = &found[..] else { panic!("{release}: {found:?}") };
        let name = |told: &Stream| format!("{} {}", told.name, told.end_of_life.as_deref().unwrap_or("-"));
        let told: Vec<String> = kernel.streams.iter().map(name).collect();
        assert_eq!((told.join(", ").as_str(), kernel.base.as_deref()), (stream, Some(base)), "{release}");
        assert_eq!((kernel.honours_nokmem, kernel.private_memcg_ids), (nokmem, private), "{release}");
        assert_eq!(faults(kernel), expected, "{release}");
    }
}

#[test]
fn contradictions_are_those_of_faults_that_are_not_ruled_out() {
    let found = of("4.18.0-553.el8_10.x86_64").kernels;
    for fault in &found[0].exposures {
        let has_some = !KnowledgeBase::embedded().advisory(&fault.id).unwrap().contradictions.is_empty();
        assert_eq!(!fault.contradictions.is_empty(), has_some && fault.affected != Told::No, "{}", fault.id);
    }
}

#[test]
fn kernels_are_grouped_the_worst_first_and_other_systems_are_counted() {
    let text = "\
NAME  STATUS  ROLES   AGE  VERSION  INTERNAL-IP  EXTERNAL-IP  OS-IMAGE                       KERNEL-VERSION               CONTAINER-RUNTIME
c     Ready   <none>  1d   v1.30.1  10.0.0.3     <none>       Ubuntu 22.04.4 LTS             5.15.0-101-generic           containerd://1.7.2
b     Ready   <none>  1d   v1.9.1   10.0.0.2     <none>       CentOS Linux 7 (Core)          3.10.0-1160.el7.x86_64       docker://17.3.3
a     Ready   <none>  1d   v1.9.1   10.0.0.1     <none>       CentOS Linux 7 (Core)          3.10.0-1160.el7.x86_64       docker://17.3.3
w     Ready   <none>  1d   v1.30.1  10.0.0.4     <none>       Windows Server 2019 Datacenter 10.0.17763.5576              containerd://1.7.2
";
    let found = of(text);
    let groups: Vec<(&str, Vec<&str>)> = found
        .kernels
        .iter()
        .map(|kernel| {
            (kernel.release.as_str(), kernel.nodes.iter().filter_map(|n| n.name.as_deref()).collect())
        })
        .collect();
    assert_eq!(groups, [("3.10.0-1160.el7.x86_64", vec!["a", "b"]), ("5.15.0-101-generic", vec!["c"])]);
    assert_eq!(found.other_systems, 1);
    assert_eq!(found.kernels[1].streams[0].name, "ubuntu-22.04");
}

#[test]
fn of_words_among_others_only_releases_of_known_streams_count() {
    let releases = |text: &str| of(text).kernels.into_iter().map(|kernel| kernel.release).collect::<Vec<_>>();
    assert_eq!(
        releases(
            "it broke on kernel-3.10.0-693.el7.x86_64.rpm with systemd 2.19 and 3.2.1-weird, see (4.19.0-16-amd64)."
        ),
        ["3.10.0-693.el7.x86_64", "4.19.0-16-amd64"]
    );
    assert_eq!(releases("4.9.337-own\n"), ["4.9.337-own"]);
    assert_eq!(releases("nothing of the kind, 10.0.0.1, v1.28.3, 20.10.8"), Vec::<String>::new());
}
