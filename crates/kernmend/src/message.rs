//! The texts of the command line, in the language of the reader. They stand in `messages/`, one catalogue a language;
//! the build makes a function of each and holds the languages equal. No other file of this crate holds a sentence.

use kernmend_core::document::report::Verdict;
use kernmend_core::document::snapshot::Class;
use kernmend_core::document::{Reason, Why};
pub(crate) use kernmend_core::knowledge::advisory::Language;
use kernmend_core::program::Ground;

/// The texts in one language.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Messages(pub(crate) Language);

include!(concat!(env!("OUT_DIR"), "/messages.rs"));

impl Messages {
    /// The word for a verdict.
    pub(crate) fn verdict(self, verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Clear => self.verdict_clear(),
            Verdict::Unknown => self.verdict_unknown(),
            Verdict::Exposed => self.verdict_exposed(),
            Verdict::Active => self.verdict_active(),
            Verdict::Critical => self.verdict_critical(),
        }
    }

    /// The word for what a program does.
    pub(crate) fn class(self, class: Class) -> &'static str {
        match class {
            Class::On => self.class_on(),
            Class::OnDemand => self.class_on_demand(),
            Class::Off => self.class_off(),
            Class::Ignored => self.class_ignored(),
            Class::NotLibcontainer => self.class_not_libcontainer(),
            Class::Unknown => self.class_unknown(),
        }
    }

    /// A ground of a classification.
    pub(crate) fn ground(self, ground: Ground) -> &'static str {
        match ground {
            Ground::NotAProgram => self.ground_not_a_program(),
            Ground::DamagedProgram => self.ground_damaged_program(),
            Ground::MaybePacked => self.ground_maybe_packed(),
            Ground::SearchedInPart => self.ground_searched_in_part(),
            Ground::NotGo => self.ground_not_go(),
            Ground::NoCgroupCode => self.ground_no_cgroup_code(),
            Ground::MarkersOutsideGo => self.ground_markers_outside_go(),
            Ground::MarkersWithoutCode => self.ground_markers_without_code(),
            Ground::MarkersContradict => self.ground_markers_contradict(),
            Ground::VersionContradicts => self.ground_version_contradicts(),
            Ground::EnablesAccounting => self.ground_enables_accounting(),
            Ground::VersionOnDemand => self.ground_version_on_demand(),
            Ground::ExplicitLimitOnly => self.ground_explicit_limit_only(),
            Ground::DisabledBuild => self.ground_disabled_build(),
            Ground::SilentlyWithout => self.ground_silently_without(),
            Ground::AccountingRemoved => self.ground_accounting_removed(),
            Ground::TagKnown => self.ground_tag_known(),
            Ground::TagUnknown => self.ground_tag_unknown(),
            Ground::TagIgnored => self.ground_tag_ignored(),
            Ground::TagAgrees => self.ground_tag_agrees(),
            Ground::TagWithoutEffect => self.ground_tag_without_effect(),
            Ground::TagContradicts => self.ground_tag_contradicts(),
        }
    }

    /// What stood in the way of a fact, with what was asked and what the system said.
    pub(crate) fn why(self, why: &Why) -> String {
        let reason = match why.reason {
            Reason::NotCaptured => self.reason_not_captured(),
            Reason::PermissionDenied => self.reason_permission_denied(),
            Reason::ReadFailed => self.reason_read_failed(),
            Reason::Cut => self.reason_cut(),
            Reason::Malformed => self.reason_malformed(),
            Reason::DeadlineExceeded => self.reason_deadline_exceeded(),
            Reason::LeftOut => self.reason_left_out(),
            Reason::NotTold => self.reason_not_told(),
            Reason::Contradicted => self.reason_contradicted(),
        };
        let details: Vec<&str> =
            [why.path.as_str(), why.detail.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
        if details.is_empty() { reason.to_owned() } else { format!("{reason} ({})", details.join(": ")) }
    }

    /// What people call a fact, or the log in which a signal would be.
    pub(crate) fn fact_or_signal(self, name: &str) -> String {
        self.fact(name).map_or_else(|| self.log_for(name), str::to_owned)
    }
}

/// The language that the environment asks for.
pub(crate) fn language_of_environment(variable: impl Fn(&str) -> Option<String>) -> Language {
    let set =
        ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    match set {
        Some(value) if value.starts_with("zh") => Language::Zh,
        _ => Language::En,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_has_a_name_for_people() {
        for name in kernmend_core::diagnose::fact::names() {
            for language in Language::ALL {
                assert!(Messages(language).fact(name).is_some(), "{name} in {language:?}");
            }
        }
    }

    #[test]
    fn the_environment_chooses_by_the_locales_own_precedence() {
        let language = |all: &str, lang: &str| {
            language_of_environment(|name| match name {
                "LC_ALL" => Some(all.to_owned()),
                "LANG" => Some(lang.to_owned()),
                _ => None,
            })
        };
        assert_eq!(language("", "zh_CN.UTF-8"), Language::Zh);
        assert_eq!(language("C", "zh_CN.UTF-8"), Language::En);
        assert_eq!(language("", "de_DE.UTF-8"), Language::En);
    }
}
