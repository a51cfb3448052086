//! A bundle as text: the kernel, what it has and lacks, what it is known for, what it needs, and what was left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use kernmend_core::bundle::Refusal;
use kernmend_core::document::Fact;
use kernmend_core::document::bundle::{Bundle, Family, Kernel, Kind, LeftOut, Package, Reason};
use kernmend_core::format::nodes::{Found, Mention};
use kernmend_core::kernel;
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_core::knowledge::template::{bytes, grouped};
use kernmend_node::bundle::Checked;

use super::{BOLD, DIM, Page, printable, wrap};
use crate::message::Messages;

/// So many of what a node must have are named; the kernels of some distributions ask for every symbol.
const SHOWN: usize = 20;

/// A bundle on one screen.
pub(crate) fn bundle(bundle: &Bundle, knowledge: &KnowledgeBase, messages: Messages) -> String {
    let page = Page::new(knowledge, messages);
    let mut text = String::new();
    let family = match bundle.family {
        Family::Rpm => messages.family_rpm(),
        Family::Deb => messages.family_deb(),
    };
    let head = [printable(&bundle.kernel.release), printable(&bundle.architecture), family.to_owned()];
    for line in wrap(&head.join(" · "), page.width) {
        let _ = writeln!(text, "{BOLD}{line}{BOLD:#}");
    }
    let mut add = |label: &str, sentence: &str| text.push_str(&page.line(label, sentence, &[]));
    add(messages.label_image(), &image(&bundle.kernel, messages));
    add(messages.label_modules(), &modules(&bundle.kernel, messages));
    add(messages.label_options(), &options(&bundle.kernel, messages));
    let boot: u64 = bundle.packages.iter().map(|package| package.space.boot).sum();
    let elsewhere: u64 = bundle.packages.iter().map(|package| package.space.elsewhere).sum();
    add(messages.label_space(), &messages.bundle_space(bytes(boot), bytes(elsewhere)));
    let calls: BTreeSet<&str> = bundle
        .packages
        .iter()
        .flat_map(|package| &package.scriptlets)
        .flat_map(|scriptlet| &scriptlet.calls)
        .map(String::as_str)
        .collect();
    if !calls.is_empty() {
        add(messages.label_calls(), &calls.into_iter().collect::<Vec<_>>().join(", "));
    }

    let mention = Mention { release: bundle.kernel.release.clone(), certain: true };
    let known = kernel::kernels([&Found { nodes: Vec::new(), mentions: vec![mention] }], knowledge);
    for kernel in &known.body.kernels {
        page.exposures(&kernel.exposures, &mut text);
    }

    let _ = writeln!(text, "\n{BOLD}{}{BOLD:#}", messages.bundle_packages(bundle.packages.len()));
    for package in &bundle.packages {
        text.push_str(&page.line("", &package_line(package, messages), &[]));
    }
    let needs = bundle.needs.iter().map(|need| need.dependency.text.as_str());
    let needs: BTreeSet<&str> = needs.collect();
    if !needs.is_empty() {
        let more = needs.len().saturating_sub(SHOWN);
        let mut shown = needs.into_iter().take(SHOWN).map(str::to_owned).collect::<Vec<_>>().join(", ");
        if more > 0 {
            let _ = write!(shown, ", {}", messages.and_more(more));
        }
        text.push_str(&page.line(messages.label_needs(), &shown, &[]));
    }
    for (reason, files) in alike(&bundle.left_out, messages) {
        let sentence = format!("{}: {reason}", files.join(", "));
        text.push_str(&page.line(messages.label_left_out(), &sentence, &[]));
    }
    text
}

/// What was left out, with one reason each.
fn alike(left_out: &[LeftOut], messages: Messages) -> BTreeMap<String, Vec<&str>> {
    let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for left in left_out {
        let reason = match &left.reason {
            Reason::NotAPackage => messages.left_no_package().to_owned(),
            Reason::Duplicate { of } => messages.left_duplicate(of),
            Reason::OtherArchitecture { architecture } => messages.left_architecture(architecture),
            Reason::OtherRelease { release } => messages.left_release(release),
            Reason::Conflicts { with, by } => messages.left_conflicts(with, &by.name),
            Reason::NotNeeded { kind } => messages.left_not_needed(kind_name(*kind, messages)),
        };
        let name = left.file.rsplit(['/', ':']).next().unwrap_or(&left.file);
        alike.entry(reason).or_default().push(name);
    }
    alike
}

fn image(kernel: &Kernel, messages: Messages) -> String {
    let signed = match &kernel.image.signed {
        Fact::Known { value: true, .. } => messages.image_signed(),
        Fact::Known { value: false, .. } => messages.image_unsigned(),
        Fact::Absent { .. } | Fact::Unknown { .. } => messages.image_not_told(),
    };
    format!("{} · {} · {signed}", kernel.image.path, bytes(kernel.image.size))
}

fn modules(kernel: &Kernel, messages: Messages) -> String {
    let files = grouped(kernel.modules.len() as u64);
    match kernel.built_in.value() {
        Some(names) => messages.bundle_modules(files, grouped(names.len() as u64)),
        None => messages.bundle_modules_alone(files),
    }
}

/// The options that are asked about and not built.
fn options(kernel: &Kernel, messages: Messages) -> String {
    let Some(configuration) = kernel.configuration.value() else {
        return messages.options_not_told().to_owned();
    };
    let missing = configuration.options.iter().filter(|(_, value)| *value == "n");
    let missing: Vec<&str> = missing.map(|(name, _)| name.trim_start_matches("CONFIG_")).collect();
    if missing.is_empty() {
        return messages.options_all().to_owned();
    }
    messages.options_missing(missing.join(", "))
}

fn package_line(package: &Package, messages: Messages) -> String {
    let kind = kind_name(package.kind, messages);
    let signed = (!package.signed_by.is_empty()).then(|| messages.signed_by(package.signed_by.join(", ")));
    let parts = [Some(package.file.clone()), Some(kind.to_owned()), Some(bytes(package.size)), signed];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn kind_name(kind: Kind, messages: Messages) -> &'static str {
    match kind {
        Kind::Image => messages.kind_image(),
        Kind::Modules => messages.kind_modules(),
        Kind::Debug => messages.kind_debug(),
        Kind::Headers => messages.kind_headers(),
        Kind::Firmware => messages.kind_firmware(),
        Kind::Tools => messages.kind_tools(),
        Kind::Meta => messages.kind_meta(),
        Kind::Source => messages.kind_source(),
        Kind::Other => messages.kind_other(),
    }
}

/// What to do about a refusal.
pub(crate) fn bundle_hint(refusal: &Refusal, messages: Messages) -> Option<&'static str> {
    match refusal {
        Refusal::Ambiguous { .. } | Refusal::NoRelease { .. } => Some(messages.hint_release()),
        Refusal::MixedArchitectures { .. } | Refusal::NoArchitecture { .. } => Some(messages.hint_arch()),
        Refusal::SameRelease { .. } | Refusal::SamePackage { .. } => Some(messages.hint_one_of_them()),
        _ => None,
    }
}

/// What a check of all bytes came to.
pub(crate) fn checked(checked: &Checked, messages: Messages) -> String {
    let bundle = &checked.bundle;
    let mut text = String::new();
    let size: u64 = bundle.packages.iter().map(|package| package.size).sum();
    let whole = messages.bundle_whole(
        printable(&bundle.kernel.release),
        bundle.packages.len(),
        bytes(size),
        &checked.digest,
    );
    let _ = writeln!(text, "{whole}");
    if bundle.family == Family::Deb {
        let _ = writeln!(text, "{DIM}{}{DIM:#}", messages.deb_unsigned());
    }
    text
}

/// That a signature stands for the bundle.
pub(crate) fn signed(comment: &str, messages: Messages) -> String {
    messages.bundle_signed(printable(comment)) + "\n"
}
