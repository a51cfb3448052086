//! Judges by its content whether a program switches kernel memory accounting on: markers, Go build information and
//! version go in, a class and its grounds come out. It reads no file, and it never takes plain absence for safety:
//! a file is called harmless only where it shows, positively, a source that can't account or was built not to.
//!
//! The accounting of cgroup version 1 is switched on by libcontainer, the Go library in runc and in the kubelet. Which
//! strings a build of it holds follows from its sources: the build tag `nokmem` chose between two files of
//! `cgroups/fs` from 1.0.0-rc6 to rc93, had no meaning before, and since rc94 no source touches the accounting.

mod build_info;
mod demands;
mod features;
mod inspection;
mod marker;
mod version;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use build_info::{BuildInfo, Module};
pub use demands::{Demands, Glibc, Machine, ParseGlibcError};
pub use features::{Features, Presence};
pub use inspection::Inspection;
pub use marker::{Marker, Markers};
pub use version::{Component, parse_version_output, version_of};

use crate::document::snapshot::Class;
use version::Era;

/// How much of a file was searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extent {
    /// All of it, so that a marker that was not seen isn't there.
    Whole,
    /// Its beginning: a marker that was not seen may still be there.
    Beginning,
}

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// An ELF program whose tables and segments all lie in the file.
    Program,
    /// An ELF program without section headers: somebody took them away, or it is packed.
    Bare,
    /// An ELF file that is cut or contradicts itself.
    Damaged,
    /// No ELF program: a script, an object file, an archive.
    Other,
}

/// What tells that a file was made by the Go toolchain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoSigns {
    /// It has the note with Go's build id.
    pub build_id: bool,
    /// It has the table that maps program counters to functions.
    pub function_table: bool,
    /// It has the header of Go's build information (Go 1.13 and later).
    pub build_info: bool,
}

impl GoSigns {
    /// Whether there is any of them.
    #[must_use]
    pub const fn any(self) -> bool {
        self.build_id || self.function_table || self.build_info
    }
}

/// What was seen in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The markers that occur in it.
    pub markers: Markers,
    /// How much of it was searched for them.
    pub extent: Extent,
    /// What kind of file it is.
    pub form: Form,
    /// What tells that it is Go's.
    pub go: GoSigns,
    /// Its Go build information, where it has any that can be read.
    pub build_info: Option<BuildInfo>,
    /// What it asks of a machine; nothing where its tables don't tell.
    #[serde(default)]
    pub demands: Option<Demands>,
}

impl Content {
    /// Whether libcontainer's cgroup code is in it.
    fn has_cgroup_code(&self) -> bool {
        self.markers.contains(Marker::LibcontainerFs) || self.markers.contains(Marker::CgroupLibrary)
    }
}

/// One ground of a classification: a code that stays the same in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ground {
    /// It is no ELF program.
    NotAProgram,
    /// It is an ELF file, but cut or inconsistent.
    DamagedProgram,
    /// It has no section headers and shows no sign of what it is made of: it may be packed.
    MaybePacked,
    /// Only its beginning was searched.
    SearchedInPart,
    /// It was not made by the Go toolchain.
    NotGo,
    /// It holds none of libcontainer's cgroup code.
    NoCgroupCode,
    /// It holds marker strings without being a Go program: a scanner, or documentation.
    MarkersOutsideGo,
    /// It holds marker strings without the code that they belong to.
    MarkersWithoutCode,
    /// The markers in it fit no known source.
    MarkersContradict,
    /// The markers in it don't fit its version.
    VersionContradicts,
    /// The function that switches accounting on is in it.
    EnablesAccounting,
    /// Sources of this version switch accounting on for explicit kernel limits only.
    VersionOnDemand,
    /// It can write a kernel memory limit, but the function that accounts everything was removed.
    ExplicitLimitOnly,
    /// It says that accounting was disabled when it was built.
    DisabledBuild,
    /// It handles the TCP limit and has no code for the kernel memory limit, as sources of 1.0.0-rc6 with the tag.
    SilentlyWithout,
    /// Its source no longer has code for kernel memory accounting.
    AccountingRemoved,
    /// Its source knows the tag `nokmem`.
    TagKnown,
    /// Its source doesn't know the tag `nokmem`: building it again with the tag changes nothing.
    TagUnknown,
    /// It was built with the tag `nokmem`, and its source ignored that.
    TagIgnored,
    /// It was built with the tag `nokmem`, and its content agrees.
    TagAgrees,
    /// It was built with the tag `nokmem`, which has no meaning any more in its source.
    TagWithoutEffect,
    /// It was built with the tag `nokmem`, and its content disagrees.
    TagContradicts,
}

/// What a program is, by its content, and on which grounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[must_use = "a classification is the answer to the question that was asked"]
pub struct Classification {
    /// The class.
    pub class: Class,
    /// Whether its source knows the build tag `nokmem`; nothing where the content doesn't tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knows_tag: Option<bool>,
    /// The grounds, the deciding one first.
    pub why: Vec<Ground>,
}

impl Classification {
    fn unknown(why: Ground) -> Self {
        Self { class: Class::Unknown, knows_tag: None, why: vec![why] }
    }
}

/// Judges a program called `name` (a file name or a path) by its content. Its version, where the caller knows it
/// better than the build information does, narrows the answer and exposes contradictions; it never makes a file
/// harmless by itself.
pub fn classify(content: &Content, name: &str, version: Option<&str>) -> Classification {
    match content.form {
        Form::Other => return Classification::unknown(Ground::NotAProgram),
        Form::Damaged => return Classification::unknown(Ground::DamagedProgram),
        Form::Program | Form::Bare => {}
    }
    let era = version::era(content.build_info.as_ref(), name, version);
    let mut found = judge(content, era);
    if content.build_info.as_ref().is_some_and(|info| info.tags().any(|tag| tag == "nokmem")) {
        found.why.extend(weigh_tag(&found));
    }
    found
}

/// What the tag in the build information is worth beside what the content showed. The tag alone proves nothing: the
/// toolchain records any tag, also those that no file of the source asks for.
fn weigh_tag(found: &Classification) -> Option<Ground> {
    match (found.class, found.knows_tag) {
        (Class::On | Class::OnDemand, Some(false)) => Some(Ground::TagIgnored),
        (Class::On | Class::OnDemand, _) => Some(Ground::TagContradicts),
        (Class::Off, _) => Some(Ground::TagAgrees),
        (Class::Ignored, _) => Some(Ground::TagWithoutEffect),
        (Class::NotLibcontainer | Class::Unknown, _) => None,
    }
}

fn judge(content: &Content, era: Option<Era>) -> Classification {
    use Marker::{
        DisabledSource, DisabledText, EnableFunction, JoinedText, KmemLimit, KmemSource, KmemTcpLimit,
        LibcontainerFs,
    };
    let unknown = Classification::unknown;
    let has = |marker| content.markers.contains(marker);
    let whole = content.extent == Extent::Whole;

    // The limits' file names alone occur in programs of other kinds (crun, dockerd).
    let accounting = [JoinedText, EnableFunction, DisabledText, DisabledSource, KmemSource];
    let library = content.has_cgroup_code();
    if !content.go.any() {
        return if library || accounting.into_iter().any(has) {
            unknown(Ground::MarkersOutsideGo)
        } else if content.form == Form::Bare {
            unknown(Ground::MaybePacked)
        } else if !whole {
            unknown(Ground::SearchedInPart)
        } else {
            not_libcontainer(vec![Ground::NotGo, Ground::NoCgroupCode])
        };
    }
    if !library {
        return if accounting.into_iter().any(has) {
            unknown(Ground::MarkersWithoutCode)
        } else if content.form == Form::Bare {
            unknown(Ground::MaybePacked)
        } else if !whole {
            unknown(Ground::SearchedInPart)
        } else {
            not_libcontainer(vec![Ground::NoCgroupCode])
        };
    }

    if has(EnableFunction) {
        if !has(LibcontainerFs) {
            return unknown(Ground::MarkersContradict);
        }
        let tag = if has(KmemSource) { Ground::TagKnown } else { Ground::TagUnknown };
        let knows_tag = (whole || has(KmemSource)).then_some(has(KmemSource));
        let mut why = vec![Ground::EnablesAccounting];
        // The sources of that window hold the same strings and call the function for explicit limits only.
        let on_demand = era == Some(Era::OnDemand) && knows_tag == Some(false);
        if on_demand {
            why.insert(0, Ground::VersionOnDemand);
        }
        why.extend(knows_tag.is_some().then_some(tag));
        if has(DisabledText) || has(DisabledSource) {
            why.push(Ground::MarkersContradict);
        }
        let class = if on_demand { Class::OnDemand } else { Class::On };
        return Classification { class, knows_tag, why };
    }
    // From here on something must be absent to be believed.
    if !whole {
        return unknown(Ground::SearchedInPart);
    }
    // Of a packed program shreds are left, a path among them for one; its note and its build information are not.
    if content.form == Form::Bare && !content.go.build_id && !content.go.build_info {
        return unknown(Ground::MaybePacked);
    }
    if has(JoinedText) || has(KmemSource) {
        // A source whose call of the function was taken out; the linker then drops the function. Wherever the file of
        // the tagged sources is linked, the function was too: a file with one and not the other fits nothing known.
        let explicit = has(JoinedText) && has(KmemLimit) && has(LibcontainerFs);
        let disabled = has(DisabledText) || has(DisabledSource);
        if !explicit || disabled || has(KmemSource) {
            return unknown(Ground::MarkersContradict);
        }
        return Classification {
            class: Class::OnDemand,
            knows_tag: Some(false),
            why: vec![Ground::ExplicitLimitOnly, Ground::TagUnknown],
        };
    }
    if has(DisabledText) || has(DisabledSource) {
        if has(KmemLimit) || !has(LibcontainerFs) {
            return unknown(Ground::MarkersContradict);
        }
        return off(Ground::DisabledBuild);
    }
    let removed = || Classification {
        class: Class::Ignored,
        knows_tag: Some(false),
        why: vec![Ground::AccountingRemoved],
    };
    if has(KmemLimit) || (has(KmemTcpLimit) && has(LibcontainerFs)) {
        // Programs that hold more than a kubelet may name these files for another reason, so the version decides first.
        return match era {
            Some(Era::Removed) => removed(),
            Some(Era::TagSilent) | None if !has(KmemLimit) => off(Ground::SilentlyWithout),
            None => unknown(Ground::MarkersContradict),
            Some(_) => unknown(Ground::VersionContradicts),
        };
    }
    match era {
        Some(Era::Removed) | None => removed(),
        Some(_) => unknown(Ground::VersionContradicts),
    }
}

fn not_libcontainer(why: Vec<Ground>) -> Classification {
    Classification { class: Class::NotLibcontainer, knows_tag: None, why }
}

fn off(ground: Ground) -> Classification {
    Classification { class: Class::Off, knows_tag: Some(true), why: vec![ground, Ground::TagKnown] }
}

#[cfg(test)]
mod tests;
