//! The decision rule as a table: what each kind of build holds, and what it is.

use super::*;

/// The markers of a row, by the letters that the table below uses.
fn markers(letters: &str) -> Markers {
    let marker = |letter| match letter {
        'J' => Marker::JoinedText,
        'E' => Marker::EnableFunction,
        'L' => Marker::KmemLimit,
        'D' => Marker::DisabledText,
        'F' => Marker::DisabledSource,
        'K' => Marker::KmemSource,
        'T' => Marker::KmemTcpLimit,
        'C' => Marker::LibcontainerFs,
        'O' => Marker::CgroupLibrary,
        _ => panic!("no marker {letter}"),
    };
    letters.chars().map(marker).collect()
}

fn content(letters: &str) -> Content {
    Content {
        markers: markers(letters),
        extent: Extent::Whole,
        form: Form::Program,
        go: GoSigns { build_id: true, function_table: true, build_info: false },
        build_info: None,
        demands: None,
    }
}

fn tagged(letters: &str) -> Content {
    Content { build_info: Some(BuildInfo::parse("build\t-tags=seccomp,nokmem\n")), ..content(letters) }
}

const PLAIN_OLD: &str = "JELTC";
const PLAIN: &str = "JELKTC";

#[test]
fn every_kind_of_build_has_its_class() {
    // name, markers, version, class, whether the source knows the tag
    let rows = [
        ("runc", PLAIN_OLD, Some("1.0.0-rc2"), Class::On, Some(false)),
        ("runc", PLAIN_OLD, Some("1.0.0-rc2-49-gd223e2ad"), Class::OnDemand, Some(false)),
        ("kubelet", PLAIN_OLD, Some("v1.8.15"), Class::OnDemand, Some(false)),
        ("kubelet", PLAIN_OLD, Some("v1.13.12"), Class::On, Some(false)),
        ("runc", PLAIN_OLD, None, Class::On, Some(false)),
        ("runc", PLAIN_OLD, Some("1.0.0-rc3"), Class::On, Some(false)),
        ("docker-runc", PLAIN_OLD, Some("1.0.0-rc5"), Class::On, Some(false)),
        ("runc", PLAIN, Some("1.0.0-rc6"), Class::On, Some(true)),
        ("runc", "TC", Some("1.0.0-rc6"), Class::Off, Some(true)),
        ("runc", PLAIN, Some("1.0.0-rc10"), Class::On, Some(true)),
        ("runc", PLAIN, Some("1.0.0~rc93+ds1"), Class::On, Some(true)),
        ("runc", PLAIN, None, Class::On, Some(true)),
        ("runc", "DFTC", Some("1.0.0-rc10"), Class::Off, Some(true)),
        ("runc", "DFTC", None, Class::Off, Some(true)),
        ("runc", "C", Some("1.0.0-rc95"), Class::Ignored, Some(false)),
        ("runc", "C", Some("1.1.5+ds1"), Class::Ignored, Some(false)),
        ("runc", "C", None, Class::Ignored, Some(false)),
        ("runc", "O", Some("1.3.6"), Class::Ignored, Some(false)),
        ("runc", "O", None, Class::Ignored, Some(false)),
        ("kubelet", PLAIN, Some("v1.15.3"), Class::On, Some(true)),
        ("kubelet", "TC", Some("v1.15.3"), Class::Off, Some(true)),
        ("kubelet", "TC", None, Class::Off, Some(true)),
        ("kubelet", PLAIN, Some("v1.20.15"), Class::On, Some(true)),
        ("kubelet", "DFTC", Some("v1.20.15+nokmem"), Class::Off, Some(true)),
        ("kubelet", "C", Some("v1.22.17"), Class::Ignored, Some(false)),
        ("kubelet", "O", Some("v1.37.2"), Class::Ignored, Some(false)),
        ("runc", "JLTC", None, Class::OnDemand, Some(false)),
        ("dockerd", "LT", Some("20.10.24"), Class::NotLibcontainer, None),
        ("containerd", "", Some("1.6.20"), Class::NotLibcontainer, None),
    ];
    for (name, letters, version, class, knows_tag) in rows {
        let found = classify(&content(letters), name, version);
        assert_eq!(
            (found.class, found.knows_tag),
            (class, knows_tag),
            "{name} {letters} {version:?} {found:?}"
        );
        assert!(!found.why.is_empty());
    }
}

#[test]
fn a_program_of_another_language_proves_nothing_about_libcontainer() {
    let other = |letters| Content { go: GoSigns::default(), ..content(letters) };
    let rows = [
        ("crun", "LT", Class::NotLibcontainer, Ground::NotGo),
        ("kernmend", "", Class::NotLibcontainer, Ground::NotGo),
        ("scanner", "JELDFKTCO", Class::Unknown, Ground::MarkersOutsideGo),
        ("scanner", PLAIN, Class::Unknown, Ground::MarkersOutsideGo),
        ("runc", "C", Class::Unknown, Ground::MarkersOutsideGo),
    ];
    for (name, letters, class, why) in rows {
        let found = classify(&other(letters), name, None);
        assert_eq!((found.class, found.why[0]), (class, why), "{name}");
    }
}

#[test]
fn what_cannot_be_judged_is_unknown() {
    let full = content(PLAIN);
    let harmless = content("C");
    let none = content("");
    let shreds = GoSigns { function_table: true, ..GoSigns::default() };
    let rows = [
        (Content { form: Form::Other, ..full.clone() }, Ground::NotAProgram),
        (Content { form: Form::Damaged, ..full.clone() }, Ground::DamagedProgram),
        (Content { form: Form::Damaged, ..harmless.clone() }, Ground::DamagedProgram),
        (Content { form: Form::Bare, ..none.clone() }, Ground::MaybePacked),
        (Content { form: Form::Bare, go: shreds, ..harmless.clone() }, Ground::MaybePacked),
        (Content { form: Form::Bare, go: GoSigns::default(), ..none.clone() }, Ground::MaybePacked),
        (Content { extent: Extent::Beginning, ..harmless.clone() }, Ground::SearchedInPart),
        (Content { extent: Extent::Beginning, ..content("DFTC") }, Ground::SearchedInPart),
        (Content { extent: Extent::Beginning, ..none.clone() }, Ground::SearchedInPart),
        (Content { extent: Extent::Beginning, go: GoSigns::default(), ..none }, Ground::SearchedInPart),
        (content("JEL"), Ground::MarkersWithoutCode),
    ];
    for (content, why) in rows {
        let found = classify(&content, "runc", None);
        assert_eq!((found.class, found.why[0]), (Class::Unknown, why), "{content:?}");
    }
    let seen_early = Content { extent: Extent::Beginning, ..full };
    assert_eq!(classify(&seen_early, "runc", None).class, Class::On, "what was seen needs nothing more");
    let no_sections = Content { form: Form::Bare, ..harmless };
    assert_eq!(classify(&no_sections, "runc", None).class, Class::Ignored, "section headers are not needed");
}

/// A build that accounts keeps at least one sign of it, whichever single marker is damaged.
#[test]
fn no_accounting_build_becomes_harmless_by_losing_one_marker() {
    for build in [PLAIN_OLD, PLAIN] {
        for lost in build.chars() {
            let rest: String = build.chars().filter(|letter| *letter != lost).collect();
            let found = classify(&content(&rest), "runc", None);
            assert!(matches!(found.class, Class::On | Class::OnDemand | Class::Unknown), "{rest}: {found:?}");
        }
    }
    // With the file of the tagged sources there the function must be there too.
    assert_eq!(classify(&content("JLKTC"), "runc", None).class, Class::Unknown);
}

#[test]
fn no_set_of_markers_is_called_harmless_with_a_sign_of_accounting_in_it() {
    let letters = "JELDFKTCO";
    for bits in 0..1 << letters.len() {
        let set: String =
            letters.char_indices().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, c)| c).collect();
        let found = classify(&content(&set), "runc", None);
        let accounts = set.contains(['J', 'E', 'K']);
        let harmless = matches!(found.class, Class::Off | Class::Ignored | Class::NotLibcontainer);
        assert!(!(accounts && harmless), "{set}: {found:?}");
        let code = set.contains(['C', 'O']);
        assert!(code || matches!(found.class, Class::NotLibcontainer | Class::Unknown), "{set}: {found:?}");
    }
}

#[test]
fn a_version_that_accounts_makes_missing_markers_suspicious() {
    let rows = [
        ("runc", "C", "1.0.0-rc93"),
        ("runc", "TC", "1.0.0-rc93"),
        ("runc", "C", "1.0.0-rc5"),
        ("kubelet", "C", "v1.20.15"),
        ("kubelet", "TC", "v1.18.0"),
    ];
    for (name, letters, version) in rows {
        let found = classify(&content(letters), name, Some(version));
        assert_eq!(
            (found.class, found.why[0]),
            (Class::Unknown, Ground::VersionContradicts),
            "{letters} {version}"
        );
    }
    // The other way round the content wins: a version can be stamped at will.
    assert_eq!(classify(&content(PLAIN), "runc", Some("1.1.5")).class, Class::On);
}

#[test]
fn files_of_limits_in_a_larger_program_are_explained_by_its_version() {
    assert_eq!(classify(&content("LTC"), "k3s", Some("v1.28.5+k3s1")).class, Class::Ignored);
    assert_eq!(classify(&content("LTC"), "k3s", None).class, Class::Unknown);
    assert_eq!(classify(&content("LTC"), "k3s", Some("v1.20.5+k3s1")).class, Class::Unknown);
}

#[test]
fn the_recorded_tag_is_weighed_against_the_content() {
    let rows = [
        (PLAIN_OLD, Class::On, Ground::TagIgnored),
        (PLAIN, Class::On, Ground::TagContradicts),
        ("DFTC", Class::Off, Ground::TagAgrees),
        ("TC", Class::Off, Ground::TagAgrees),
        ("C", Class::Ignored, Ground::TagWithoutEffect),
    ];
    for (letters, class, why) in rows {
        let found = classify(&tagged(letters), "runc", None);
        assert_eq!((found.class, found.why.last()), (class, Some(&why)), "{letters}");
    }
}

#[test]
fn the_library_inside_tells_more_than_the_program_around_it() {
    let built = |module: &str| Content {
        build_info: Some(BuildInfo::parse(&format!("path\tk8s.io/kubernetes/cmd/kubelet\n{module}"))),
        ..content("C")
    };
    let old = built("dep\tgithub.com/opencontainers/runc\tv1.0.0-rc93\th1:x\n");
    assert_eq!(classify(&old, "kubelet", Some("v1.22.0")).class, Class::Unknown);
    let replaced = built(
        "dep\tgithub.com/opencontainers/runc\tv1.0.0-rc93\n=>\tgithub.com/opencontainers/runc\tv1.0.2\th1:x\n",
    );
    assert_eq!(classify(&replaced, "kubelet", Some("v1.21.1")).class, Class::Ignored);
}

#[test]
fn codes_of_grounds_stay_the_same() {
    let codes =
        serde_json::to_string(&[Ground::EnablesAccounting, Ground::TagUnknown, Ground::NotGo]).unwrap();
    assert_eq!(codes, r#"["enables-accounting","tag-unknown","not-go"]"#);
}
