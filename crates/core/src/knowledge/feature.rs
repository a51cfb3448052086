//! What kernels can do: `knowledge/features.toml` says of a feature which kernels have it and which lack it. A kernel
//! that is named by neither may have it or not: then the state of the machine decides.

use std::collections::BTreeMap;

use super::problem::Problem;
use super::range::{KernelIdentity, Range};
use super::source::Source;

/// The features that the engine asks for, which the file must therefore have.
pub const NOKMEM: &str = "nokmem";
/// Memory cgroup ids that are given back when a cgroup is removed, and not when its last page is.
pub const PRIVATE_MEMCG_IDS: &str = "private-memcg-ids";

/// The features.
#[derive(Debug, Clone)]
pub struct Features(BTreeMap<String, Feature>);

#[derive(Debug, Clone)]
struct Feature {
    has: Vec<Range>,
    lacks: Vec<Range>,
}

impl Features {
    /// Reads the file.
    pub fn read(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let mut source = Source::new(file, text, 0);
        let mut table = source.parse(text);
        let mut features = BTreeMap::new();
        for mut table in table.tables("feature", &mut source) {
            let name = table.required("name", &mut source);
            // What it is, for people.
            table.required("about", &mut source);
            let mut ranges = |key: &str| -> Vec<Range> {
                let tables = table.tables(key, &mut source);
                let mut read = |mut table: super::source::Table<'_>| {
                    let range = Range::read(&mut table, &mut source);
                    table.finish(&mut source);
                    range
                };
                tables.into_iter().filter_map(&mut read).collect()
            };
            let feature = Feature { has: ranges("has"), lacks: ranges("lacks") };
            table.finish(&mut source);
            if let Some(name) = name
                && features.insert(name.value.clone(), feature).is_some()
            {
                source.problem(name.at, format!("there are two features `{}`", name.value));
            }
        }
        table.finish(&mut source);
        for name in [NOKMEM, PRIVATE_MEMCG_IDS] {
            if !features.contains_key(name) {
                source.problem(0, format!("the feature `{name}` is missing"));
            }
        }
        let problems = source.finish();
        if problems.is_empty() { Ok(Self(features)) } else { Err(problems) }
    }

    /// Whether the kernel has the feature; nothing where that isn't known.
    #[must_use]
    pub fn has(&self, feature: &str, kernel: &KernelIdentity) -> Option<bool> {
        let Feature { has, lacks } = self.0.get(feature)?;
        let within = |ranges: &[Range]| ranges.iter().any(|range| range.contains(kernel) == Some(true));
        if within(has) {
            Some(true)
        } else if within(lacks) {
            Some(false)
        } else {
            None
        }
    }
}
