//! What kernmend knows, as data: advisories, the signals of logs, the streams of kernels and what they can do, how runtimes
//! are built. It is
//! read from texts that the caller hands over, raw to checked; it decides nothing about a machine.

pub mod advisory;
pub mod build;
pub mod expression;
pub mod feature;
pub mod problem;
pub mod range;
pub mod signal;
pub mod stream;
pub mod table;
pub mod template;

use std::collections::{BTreeMap, BTreeSet};

use self::advisory::Advisory;
use self::build::Builds;
use self::feature::Features;
use self::problem::Problem;
use self::signal::SignalSet;
use self::stream::Streams;

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// All that kernmend knows.
#[derive(Debug)]
pub struct KnowledgeBase {
    /// The advisories, by id.
    pub advisories: Vec<Advisory>,
    /// The signals.
    pub signals: SignalSet,
    /// The streams.
    pub streams: Streams,
    /// What kernels can do.
    pub features: Features,
    /// What it takes to build runtimes.
    pub builds: Builds,
}

impl KnowledgeBase {
    /// The knowledge that this build carries.
    ///
    /// # Panics
    /// Never in a build that passed its tests: one of them reads the embedded files.
    #[must_use]
    pub fn embedded() -> Self {
        Self::read(&BTreeMap::from_iter(EMBEDDED.iter().copied()), &BTreeSet::new())
            .expect("a test reads the embedded knowledge")
    }

    /// The date of the embedded knowledge, without reading more of it than that.
    #[must_use]
    pub fn embedded_date() -> &'static str {
        let dates = EMBEDDED.iter().filter(|(path, _)| path.starts_with("advisories/"));
        let date = |text: &'static str| {
            text.lines().find_map(|line| line.strip_prefix("date = \"")?.strip_suffix('"'))
        };
        dates.filter_map(|(_, text)| date(text)).max().unwrap_or_default()
    }

    /// The embedded files with those of `files` added, or put in the place of those of the same path. What was added is
    /// linted: its signals have to match the lines that they say they match.
    ///
    /// # Errors
    /// Every problem of every file.
    pub fn with(files: &BTreeMap<String, String>) -> Result<Self, Vec<Problem>> {
        let mut all: BTreeMap<&str, &str> = EMBEDDED.iter().copied().collect();
        all.extend(files.iter().map(|(path, text)| (path.as_str(), text.as_str())));
        Self::read(&all, &files.keys().map(String::as_str).collect())
    }

    /// Reads knowledge files: path below the knowledge folder, and text; the files that `linted` names are linted too.
    fn read(files: &BTreeMap<&str, &str>, linted: &BTreeSet<&str>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut file_problem = |file: &str, message: String| {
            problems.push(Problem { file: file.to_owned(), line: 1, column: 1, message });
        };
        let mut signal_files = Vec::new();
        let mut advisory_files = Vec::new();
        let (mut streams_file, mut features_file, mut builds_file) = ("", "", "");
        for (path, text) in files {
            if path.starts_with("signals/") && path.ends_with(".toml") {
                signal_files.push((*path, *text));
            } else if path.starts_with("advisories/") && path.ends_with(".zh.md") {
                let english = path.replace(".zh.md", ".md");
                if !files.contains_key(english.as_str()) {
                    file_problem(path, format!("there is no `{english}`"));
                }
            } else if path.starts_with("advisories/") && path.ends_with(".md") {
                let chinese = path.replace(".md", ".zh.md");
                match files.get_key_value(chinese.as_str()) {
                    Some(chinese) => advisory_files.push(((*path, *text), (*chinese.0, *chinese.1))),
                    None => file_problem(path, format!("there is no `{chinese}`")),
                }
            } else if *path == "streams.toml" {
                streams_file = text;
            } else if *path == "features.toml" {
                features_file = text;
            } else if *path == "builds.toml" {
                builds_file = text;
            } else {
                file_problem(path, "this is not the place of a knowledge file".to_owned());
            }
        }
        let mut note = |result: Vec<Problem>| problems.extend(result);
        let signals = SignalSet::read(&signal_files, linted).map_err(&mut note).ok();
        let streams = Streams::from_toml(streams_file).map_err(&mut note).ok();
        let features = Features::read("features.toml", features_file).map_err(&mut note).ok();
        let builds = Builds::read("builds.toml", builds_file).map_err(&mut note).ok();
        let names: BTreeSet<&str> = match &signals {
            Some(signals) => signals.signals().iter().map(|signal| signal.name.as_str()).collect(),
            None => BTreeSet::new(),
        };
        let mut advisories = Vec::new();
        // Without signals every advisory would be told that its signals are missing.
        if signals.is_some() {
            for (english, chinese) in advisory_files {
                match Advisory::read(english, chinese, &names) {
                    Ok(advisory) => advisories.push(advisory),
                    Err(found) => note(found),
                }
            }
        }
        advisories.sort_by(|a, b| a.id.cmp(&b.id));
        for pair in advisories.windows(2) {
            if pair[0].id == pair[1].id || pair[0].name == pair[1].name {
                note(vec![Problem {
                    file: format!("advisories/{}/{}-{}.md", pair[1].area, pair[1].id, pair[1].name),
                    line: 1,
                    column: 1,
                    message: format!("its id or its name is also that of {}-{}", pair[0].id, pair[0].name),
                }]);
            }
        }
        match (signals, streams, features, builds) {
            (Some(signals), Some(streams), Some(features), Some(builds)) if problems.is_empty() => {
                Ok(Self { advisories, signals, streams, features, builds })
            }
            _ => {
                problems.sort();
                Err(problems)
            }
        }
    }

    /// The advisory with this id or this name.
    #[must_use]
    pub fn advisory(&self, id_or_name: &str) -> Option<&Advisory> {
        self.advisories
            .iter()
            .find(|advisory| advisory.id.eq_ignore_ascii_case(id_or_name) || advisory.name == id_or_name)
    }

    /// The date of the newest advisory, `YYYY-MM-DD`.
    #[must_use]
    pub fn date(&self) -> &str {
        self.advisories.iter().map(|advisory| advisory.date.as_str()).max().unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(problems: &[Problem]) -> String {
        problems.iter().map(|problem| format!("{problem}\n")).collect()
    }

    #[test]
    fn the_embedded_knowledge_has_no_problem() {
        let files: BTreeMap<&str, &str> = EMBEDDED.iter().copied().collect();
        let problems =
            KnowledgeBase::read(&files, &files.keys().copied().collect()).err().unwrap_or_default();
        assert!(problems.is_empty(), "\n{}", list(&problems));
    }

    #[test]
    fn what_is_added_is_linted() {
        let signal = |matches: &str| {
            format!(
                "[[signal]]\nname = 'own'\nabout = 'a'\nprinted-by = 'b'\npatterns = ['own fault (?P<n>[0-9]+)']\n\
                 matches = [{{ lines = '{matches}', fields = {{ n = '3' }} }}]\nrejects = []\n"
            )
        };
        let with =
            |text: String| KnowledgeBase::with(&BTreeMap::from([("signals/own.toml".to_owned(), text)]));
        assert_eq!(list(&with(signal("own fault 3")).err().unwrap_or_default()), "");
        assert_eq!(
            list(&with(signal("own fault 4")).err().unwrap_or_default()),
            "signals/own.toml:6:22: `own` matches with other fields: n = \"4\"\n"
        );
    }
}
