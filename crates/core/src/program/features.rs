//! Which of the kernel's ways to confine a container a build of libcontainer can use: each has a source file that a
//! build tag chooses, and a stub in its place. A container that asks for one that was left out doesn't start.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::marker::Marker;
use super::{Content, Extent};

/// Which ways to confine a container a program can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Features {
    /// Labels of SELinux.
    pub selinux: Presence,
    /// Profiles of AppArmor.
    pub apparmor: Presence,
    /// Filters of system calls.
    pub seccomp: Presence,
}

/// Whether a program has a feature, by the names of the source files that it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// It has.
    Present,
    /// It was built with a stub in its place.
    Stubbed,
    /// Neither is in it, or both are.
    NotTold,
}

impl Features {
    /// The features of a program that holds libcontainer's cgroup code; nothing for others, which use these source
    /// files for other things.
    #[must_use]
    pub fn of(content: &Content) -> Option<Self> {
        let has = |marker| content.markers.contains(marker);
        let presence = |present: bool, stubbed: bool| match (present, stubbed) {
            (true, false) => Presence::Present,
            (false, true) => Presence::Stubbed,
            (true, true) | (false, false) => Presence::NotTold,
        };
        let selinux = has(Marker::SelinuxSource);
        // Of the stub sometimes nothing is left but the library around it: that the source is absent must be sure.
        let label_alone = has(Marker::LabelSource) && !selinux && content.extent == Extent::Whole;
        content.has_cgroup_code().then(|| Self {
            selinux: presence(selinux, has(Marker::SelinuxStub) || label_alone),
            apparmor: presence(
                has(Marker::ApparmorSource) || has(Marker::ApparmorLinuxSource),
                has(Marker::ApparmorStub),
            ),
            seccomp: presence(has(Marker::SeccompSource), has(Marker::SeccompStubText)),
        })
    }
}

#[cfg(test)]
mod tests {
    use Presence::{NotTold, Present, Stubbed};

    use super::*;
    use crate::program::{Form, GoSigns, Markers};

    fn content(markers: &[Marker]) -> Content {
        Content {
            markers: markers.iter().copied().collect::<Markers>(),
            extent: Extent::Whole,
            form: Form::Program,
            go: GoSigns { build_id: true, ..GoSigns::default() },
            build_info: None,
            demands: None,
        }
    }

    #[test]
    fn a_feature_is_told_by_its_source_or_its_stub() {
        use Marker::{
            ApparmorLinuxSource, ApparmorSource, ApparmorStub, CgroupLibrary, LabelSource, LibcontainerFs,
            SeccompSource, SeccompStubText, SelinuxSource, SelinuxStub,
        };
        // What was found in genuine builds: rc9 with all tags, rc9 and rc91 without, 1.2 with and without seccomp, 1.5.
        let rows: [(&[Marker], [Presence; 3]); 7] = [
            (&[LibcontainerFs, SelinuxSource, ApparmorSource, SeccompSource], [Present, Present, Present]),
            (&[LibcontainerFs, LabelSource, ApparmorStub, SeccompStubText], [Stubbed, Stubbed, Stubbed]),
            (&[LibcontainerFs, SelinuxStub, ApparmorStub, SeccompSource], [Stubbed, Stubbed, Present]),
            (
                &[LibcontainerFs, LabelSource, SelinuxSource, ApparmorLinuxSource, SeccompSource],
                [Present, Present, Present],
            ),
            (
                &[LibcontainerFs, LabelSource, SelinuxSource, ApparmorLinuxSource, SeccompStubText],
                [Present, Present, Stubbed],
            ),
            (
                &[CgroupLibrary, SelinuxSource, ApparmorSource, ApparmorLinuxSource],
                [Present, Present, NotTold],
            ),
            (
                &[LibcontainerFs, SelinuxSource, SelinuxStub, SeccompSource, SeccompStubText],
                [NotTold, NotTold, NotTold],
            ),
        ];
        for (markers, [selinux, apparmor, seccomp]) in rows {
            let found = Features::of(&content(markers));
            assert_eq!(found, Some(Features { selinux, apparmor, seccomp }), "{markers:?}");
        }
    }

    #[test]
    fn what_is_told_by_absence_is_not_told_of_a_beginning() {
        let beginning = content(&[Marker::LibcontainerFs, Marker::LabelSource, Marker::ApparmorStub]);
        let found = Features::of(&Content { extent: Extent::Beginning, ..beginning });
        assert_eq!(found, Some(Features { selinux: NotTold, apparmor: Stubbed, seccomp: NotTold }));
    }

    #[test]
    fn other_programs_have_no_features() {
        assert_eq!(Features::of(&content(&[Marker::SelinuxSource, Marker::LabelSource])), None);
    }
}
