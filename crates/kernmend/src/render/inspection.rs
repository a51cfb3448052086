//! A program file as text for people: its class, the grounds in words, what it needs to run, and the way out where it
//! accounts.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use kernmend_core::document::snapshot::Class;
use kernmend_core::program::{Demands, Features, Inspection, Presence};

use super::{BOLD, LABEL_AT, LABEL_WIDTH, labelled, pad, printable, width};
use crate::message::Messages;

/// The file and what can be said of it.
pub(crate) fn inspection(found: &Inspection, messages: Messages) -> String {
    let class = found.classification.class;
    let style = match class {
        Class::On => AnsiColor::Red.on_default().bold(),
        Class::OnDemand => AnsiColor::Red.on_default(),
        Class::Unknown => AnsiColor::Cyan.on_default(),
        Class::Off | Class::Ignored => AnsiColor::Green.on_default(),
        Class::NotLibcontainer => Style::new(),
    };
    let word = pad(messages.class(class), LABEL_AT + LABEL_WIDTH);
    let tags = (!found.tags.is_empty()).then(|| messages.tags(found.tags.join(",")));
    let about = [found.version.clone(), found.go.clone(), tags].into_iter().flatten();
    let about = about.map(|part| printable(&part)).collect::<Vec<_>>().join(" · ");
    let mut text = format!("{style}{word}{style:#}{BOLD}{}{BOLD:#}  {about}", printable(&found.path));
    text.truncate(text.trim_end().len());
    text.push('\n');

    let mut line = |label: &str, sentence: &str| {
        let _ = write!(text, "{}", labelled(label, sentence, &[], width()));
    };
    let why = found.classification.why.iter().map(|ground| messages.ground(*ground));
    line(messages.label_why(), &why.collect::<Vec<_>>().join("; "));
    if let Some(demands) = &found.demands {
        line(messages.label_needs(), &needs(demands, messages));
    }
    if let Some(features) = found.features {
        line(messages.label_features(), &with_features(features, messages));
    }
    if matches!(class, Class::On | Class::OnDemand) {
        let next = match found.classification.knows_tag {
            Some(true) => messages.next_rebuild(),
            Some(false) => messages.next_replace(),
            None => messages.next_rebuild_or_replace(),
        };
        line(messages.label_next(), next);
    }
    text
}

/// What it asks of a machine.
pub(super) fn needs(demands: &Demands, messages: Messages) -> String {
    let linked = match &demands.interpreter {
        Some(interpreter) => interpreter.clone(),
        None => messages.needs_nothing().to_owned(),
    };
    let glibc = demands.glibc.map(|version| messages.needs_glibc(version));
    [Some(demands.machine.name().to_owned()), Some(linked), glibc]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" · ")
}

/// The features by what is known of them.
pub(super) fn with_features(features: Features, messages: Messages) -> String {
    let all = [("SELinux", features.selinux), ("AppArmor", features.apparmor), ("seccomp", features.seccomp)];
    let list = |presence| {
        let names = all.iter().filter(|(_, found)| *found == presence).map(|(name, _)| *name);
        names.collect::<Vec<_>>().join(", ")
    };
    let of = |presence, text: fn(Messages, String) -> String| {
        Some(list(presence)).filter(|names| !names.is_empty()).map(|names| text(messages, names))
    };
    let parts = [
        of(Presence::Present, Messages::features_present),
        of(Presence::Stubbed, Messages::features_stubbed),
        of(Presence::NotTold, Messages::features_not_told),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}
