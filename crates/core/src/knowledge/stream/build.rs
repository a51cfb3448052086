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

#[cfg(test)]
mod tests {
    use crate::format::kernel::build;
    use crate::knowledge::KnowledgeBase;

    #[test]
    fn a_build_configuration_tells_the_stream() {
        let streams = KnowledgeBase::embedded().streams;
        let head = |version: &str| format!("# Linux/x86 {version} Kernel Configuration\n");
        let debian = "CONFIG_CC_VERSION_TEXT=\"gcc-12 (Debian 12.2.0-14) 12.2.0\"\n";
        for (text, stream, base) in [
            (head("3.10.0-1160.el7.x86_64"), Some("rhel7"), "3.10.0"),
            (
                head("5.4.151") + "CONFIG_VERSION_SIGNATURE=\"Ubuntu 5.4.0-1060.63~18.04.1-aws 5.4.151\"\n",
                Some("ubuntu-18.04"),
                "5.4.151",
            ),
            (head("6.1.76") + debian, Some("debian-12"), "6.1.76"),
            // Built by somebody on Debian, and a backport.
            (head("6.1.76") + debian + "CONFIG_BUILD_SALT=\"\"\n", None, "6.1.76"),
            (head("6.12.9") + debian, None, "6.12.9"),
            // A version alone is anybody's.
            (head("6.1.76"), None, "6.1.76"),
        ] {
            let told = streams.of_build(&build(&text));
            let base_told = told.base().map(|base| base.to_string());
            assert_eq!((told.stream(), base_told.as_deref()), (stream, Some(base)), "{text}");
        }
    }
}
