//! What came out of a build, held against what was asked for. An exit code of 0 proves nothing here: makefiles skip what they
//! take for done, and tags get lost on their way to the compiler.

use super::{Linkage, Source, Wish, is_told};
use crate::document::plan::Remark;
use crate::document::snapshot::Class;
use crate::knowledge::build::Way;
use crate::program::{Classification, Component, Demands, Features, Ground, Presence, parse_version_output};
use crate::version::release::Release;

/// What was seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// What its content says of accounting.
    pub classification: Classification,
    /// What it asks of a machine; nothing where its tables don't tell.
    pub demands: Option<Demands>,
    /// Which ways to confine a container it can use.
    pub features: Option<Features>,
    /// What it printed for `--version`, and its exit code; none where a signal ended it.
    pub version: (Option<i32>, String),
}

/// What is wrong with it; nothing where it is what was asked for.
#[must_use]
pub fn judge(wish: &Wish, way: &Way, product: &Product) -> Vec<Remark> {
    let mut found = Vec::new();
    if product.classification.class != Class::Off {
        found.push(Remark::new("build-still-accounts", []));
    }
    found.extend(too_much(wish, product.demands.as_ref()));
    found.extend(lost(wish, way, product.features));
    let (code, text) = &product.version;
    match parse_version_output(wish.component.name(), text) {
        _ if *code != Some(0) => {
            let says = text.lines().next().unwrap_or_default().to_owned();
            found.push(Remark::new("build-does-not-run", [("says", says)]));
        }
        says => {
            let is_asked = says.as_deref().and_then(Release::parse) == Some(wish.version);
            if !is_asked {
                let says = says.unwrap_or_else(|| text.trim().to_owned());
                let values = [("says", says), ("version", wish.version.to_string())];
                found.push(Remark::new("build-reports-other", values));
            }
        }
    }
    found
}

/// What it needs of a node beyond what it may.
fn too_much(wish: &Wish, demands: Option<&Demands>) -> Option<Remark> {
    let Some(Demands { interpreter, glibc, .. }) = demands else {
        return Some(Remark::new("build-needs-not-told", []));
    };
    match wish.linkage {
        Linkage::Static => {
            let needs = interpreter.clone().or_else(|| Some(format!("glibc {}", (*glibc)?)))?;
            Some(Remark::new("build-not-static", [("needs", needs)]))
        }
        Linkage::Glibc(most) => {
            let needs = glibc.filter(|needs| *needs > most)?;
            Some(Remark::new("build-needs-glibc", [("needs", needs.to_string()), ("most", most.to_string())]))
        }
    }
}

/// Ways to confine a container that it should have and doesn't. A kubelet starts no containers: of what a runc must have it
/// has what its tags put in, and that by itself need not show.
fn lost(wish: &Wish, way: &Way, features: Option<Features>) -> Vec<Remark> {
    let told = features.map(|features| {
        [("SELinux", features.selinux), ("AppArmor", features.apparmor), ("seccomp", features.seccomp)]
    });
    let is_lost = |name: &str, presence| match wish.component {
        Component::Runc => presence != Presence::Present,
        _ => presence == Presence::Stubbed && way.tags.iter().any(|tag| tag.eq_ignore_ascii_case(name)),
    };
    let lost = told.into_iter().flatten().filter(|(name, presence)| is_lost(name, *presence));
    lost.map(|(name, _)| Remark::new("build-lost-feature", [("feature", name.to_owned())])).collect()
}

/// What to know of a program before it is put on a node.
#[must_use]
pub fn remarks(wish: &Wish, source: &Source, product: &Product, escapes: &[String]) -> Vec<Remark> {
    let mut found = Vec::new();
    if !is_told(source, wish.version) {
        found.push(Remark::new("build-version-not-told", [("version", wish.version.to_string())]));
    }
    match product.classification.why.first() {
        Some(Ground::SilentlyWithout) => found.push(Remark::new("build-silently-without", [])),
        _ if wish.component == Component::Runc => found.push(Remark::new("build-explicit-limit-fails", [])),
        _ => {}
    }
    if wish.component == Component::Kubelet && wish.linkage == Linkage::Static {
        found.push(Remark::new("build-no-name-service", []));
    }
    if !escapes.is_empty() {
        found.push(Remark::new("build-escapes", [("ids", escapes.join(", "))]));
    }
    found
}
