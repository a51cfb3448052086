//! The stream of a kernel by its build configuration, which often has the upstream version and not the release.

use super::{Reading, Streams};
use crate::format::kernel::Build;

impl Streams {
    /// Tells the streams of the kernel that a build configuration was made for. Where that names no release, the rules
    /// for builds are asked about `VERSION unsalted COMPILER`, or `VERSION COMPILER`.
    #[must_use]
    pub fn of_build(&self, build: &Build) -> Reading {
        let of_release = |release: &String| {
            let reading = self.of_release(release);
            match &build.signature {
                Some(signature) => self.narrow(reading, signature),
                None => reading,
            }
        };
        let reading = build.release.as_ref().map_or_else(|| self.of_unnamed(build), of_release);
        Reading { version: build.base().or(reading.version), ..reading }
    }

    fn of_unnamed(&self, build: &Build) -> Reading {
        let words =
            [build.version.as_deref(), (!build.has_salt).then_some("unsalted"), build.compiler.as_deref()];
        let text = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let told = self.builds.iter().find_map(|rule| rule.told_by(&text));
        let streams = told.map_or_else(Vec::new, |told| told.streams);
        Reading::of_system(streams, format!("it was built as `{text}`"))
    }
}
