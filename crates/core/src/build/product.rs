//! What came out of a build, held against what was asked for. An exit code of 0 proves nothing here: makefiles skip what they
//! take for done, and tags get lost on their way to the compiler.

use super::{Linkage, Wish};
use crate::document::plan::Remark;
use crate::document::snapshot::Class;
use crate::program::{Classification, Component, Ground, parse_version_output};
use crate::version::release::Release;

/// What was seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// What its content says of accounting.
    pub classification: Classification,
    /// What it printed for `--version`, and its exit code; none where a signal ended it.
    pub version: (Option<i32>, String),
}

/// What is wrong with it; nothing where it is what was asked for.
#[must_use]
pub fn judge(wish: &Wish, product: &Product) -> Vec<Remark> {
    let mut found = Vec::new();
    let Classification { class, why, .. } = &product.classification;
    if *class != Class::Off {
        let why = why.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        found.push(Remark::new("build-still-accounts", [("why", why)]));
    }
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

/// What to know of a program before it is put on a node.
#[must_use]
pub fn remarks(wish: &Wish, product: &Product, escapes: &[String]) -> Vec<Remark> {
    let mut found = Vec::new();
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
