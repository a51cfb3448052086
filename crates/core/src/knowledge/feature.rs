//! What kernels can do: `knowledge/features.toml` says of a feature which kernels have it and which lack it. A kernel
//! that is named by neither may have it or not: then the state of the machine decides.

use std::collections::BTreeMap;

use super::problem::{Problem, Problems};
use super::range::{KernelIdentity, Range};
use super::table::{self, Table};

/// The features that the engine asks for, which the file must therefore have.
pub const NOKMEM: &str = "nokmem";
/// Memory cgroup ids that are given back when a cgroup is removed, and not when its last page is.
pub const PRIVATE_MEMCG_IDS: &str = "private-memcg-ids";

/// Kernel memory of cgroups of version 1 that is accounted whether somebody asks for it or not.
pub const ACCOUNTS_ALWAYS: &str = "kmem-accounting-always";

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
        let mut problems = Problems::new(file, text);
        let features = table::read(text, &mut problems, |mut table, problems| {
            let mut features = BTreeMap::new();
            for mut table in table.tables("feature", problems) {
                let name = table.required_string("name", problems);
                // What it is, for people.
                table.required_string("about", problems);
                let has = ranges(table.tables("has", problems), problems);
                let lacks = ranges(table.tables("lacks", problems), problems);
                table.finish(problems);
                if let Some(name) = name
                    && features.insert(name.value.to_owned(), Feature { has, lacks }).is_some()
                {
                    problems.add(&name.place, format!("there are two features `{}`", name.value));
                }
            }
            for name in [NOKMEM, PRIVATE_MEMCG_IDS, ACCOUNTS_ALWAYS] {
                if !features.contains_key(name) {
                    problems.add(&table.place(), format!("the feature `{name}` is missing"));
                }
            }
            table.finish(problems);
            features
        });
        problems.or(Self(features))
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

fn ranges(tables: Vec<Table<'_>>, problems: &mut Problems<'_>) -> Vec<Range> {
    let mut ranges = Vec::new();
    for mut table in tables {
        ranges.extend(Range::read(&mut table, problems));
        table.finish(problems);
    }
    ranges
}
