//! `kernmend build kubelet` on the real sources, by their own makefiles, in a root of Debian 11. It takes about five minutes of
//! processor time and is therefore a tier of its own: `cargo xtask test --tier builds`.

use std::fs;
use std::process::Command;

use kernmend_core::document::Document;
use kernmend_core::document::build::Build;
use kernmend_core::document::snapshot::Class;
use kernmend_core::program::Presence;
use lab::build::{KUBERNETES, debian_11};
use lab::debian::upstream;
use lab::kernmend;

#[test]
fn a_kubelet_is_built_static_and_without_accounting() {
    let (root, archive) = (debian_11().unwrap(), upstream(KUBERNETES).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("kubelet");
    let words = ["build", "kubelet", "--version", "v1.20.2", "--source", archive.to_str().unwrap()];
    let mut build = kernmend::command(words);
    build.arg("--root").arg(&root).arg("-o").arg(&program);
    let output = build.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");

    let text = fs::read_to_string(folder.path().join("kubelet.provenance.json")).unwrap();
    let build = Document::<Build>::from_json(&text).unwrap().body;
    assert_eq!(build.argv, ["make", "WHAT=cmd/kubelet"]);
    assert_eq!(build.program.classification.class, Class::Off);
    assert_eq!(build.program.demands.map(|demands| (demands.interpreter, demands.glibc)), Some((None, None)));
    assert_ne!(build.program.features.map(|features| features.selinux), Some(Presence::Stubbed));
    assert_eq!(build.source.version.value().map(String::as_str), Some("1.20.2"));

    // It runs here too, on another system than the one that it was built in.
    let version = Command::new(&program).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&version.stdout), "Kubernetes v1.20.2\n");
}
