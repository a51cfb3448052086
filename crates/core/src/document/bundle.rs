//! The bundle document: what is in a file of kernel packages for offline use. It stands at the head of that file, before
//! the packages that it names.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Body, Digest, Fact};

/// The packages of one kernel for one family of distributions and one architecture.
///
/// Changes of `kernmend/bundle/1`: none yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bundle {
    /// What installs the packages.
    pub family: Family,
    /// The architecture, in the packages' own word: `x86_64`, `amd64`.
    pub architecture: String,
    /// The kernel.
    pub kernel: Kernel,
    /// The packages, in the order in which they stand in the file.
    pub packages: Vec<Package>,
    /// What they ask for that none of them brings: the node must have it.
    pub needs: Vec<Need>,
    /// What was offered and isn't in the file.
    pub left_out: Vec<LeftOut>,
}

impl Body for Bundle {
    const NAME: &'static str = "bundle";
    const MAJOR: u32 = 1;
}

/// A family of distributions, by what installs their packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// RPM packages.
    Rpm,
    /// Debian packages.
    Deb,
}

/// A kernel as its packages hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kernel {
    /// Its release, as `uname -r` will print it.
    pub release: String,
    /// What a boot loader starts.
    pub image: Image,
    /// How it was built.
    pub configuration: Fact<Configuration>,
    /// Where its symbols are.
    pub system_map: Fact<String>,
    /// Its modules, by name; more than one of a name where one replaces another.
    pub modules: Vec<Module>,
    /// Names of modules that are built in, so that no file of them is missing; with underscores, sorted.
    pub built_in: Fact<Vec<String>>,
}

/// The image of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Image {
    /// Where it is installed.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Whether it holds a signature for Secure Boot; whose isn't said.
    pub signed: Fact<bool>,
    /// The release that it says of itself.
    pub release: Fact<String>,
}

/// How a kernel was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Configuration {
    /// Where it is installed.
    pub path: String,
    /// Of its bytes.
    pub digest: Digest,
    /// The build options that kernmend asks about, as of the running kernel, where it speaks of them; `n` is one that isn't
    /// set.
    pub options: BTreeMap<String, String>,
}

/// A module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Module {
    /// Its name, with underscores.
    pub name: String,
    /// Where it is below the directory of the kernel's modules.
    pub path: String,
}

/// A package in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Package {
    /// Its file's name.
    pub file: String,
    /// Its name.
    pub name: String,
    /// Epoch, where it has one, version and release.
    pub version: String,
    /// Its architecture; `noarch` and `all` fit any.
    pub architecture: String,
    /// Who says that he made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Of its file.
    pub digest: Digest,
    /// Bytes of its file.
    pub size: u64,
    /// What it is for.
    pub kind: Kind,
    /// Bytes that its files take, by where they go.
    pub space: Space,
    /// What it asks for.
    pub requires: Vec<Dependency>,
    /// What it gives besides itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provides: Vec<Relation>,
    /// What may not be installed beside it; Debian's `Breaks` too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Relation>,
    /// What it puts out, or takes files from: RPM's `Obsoletes`, Debian's `Replaces`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<Relation>,
    /// What runs when it is installed or removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scriptlets: Vec<Scriptlet>,
    /// Ids of the keys that it is signed with, 16 hexadecimal digits each; Debian's aren't signed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signed_by: Vec<String>,
}

/// What a package is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It holds the image of a kernel.
    Image,
    /// It holds modules.
    Modules,
    /// It holds symbols for debuggers.
    Debug,
    /// It holds what is needed to build against a kernel.
    Headers,
    /// It holds firmware for devices.
    Firmware,
    /// It holds programs that come with a kernel.
    Tools,
    /// It holds nothing but what is about itself: it may pull others in.
    Meta,
    /// It holds what other packages are built from.
    Source,
    /// It holds something else.
    Other,
}

/// Bytes that the files of a package take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Space {
    /// Below `/boot`.
    pub boot: u64,
    /// Elsewhere.
    pub elsewhere: u64,
}

/// Something that a package asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Dependency {
    /// As the package writes it.
    pub text: String,
    /// One of these will do. Empty where the text is a boolean expression of RPM, which isn't resolved here.
    pub any: Vec<Relation>,
    /// Whether it is needed before the package's own scriptlets run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub early: bool,
}

/// A name and which versions of it are meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Relation {
    /// A package, a capability or a file.
    pub name: String,
    /// Which versions; any where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Versions>,
}

/// Versions on one side of one, or that one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Versions {
    /// The side.
    pub operator: Operator,
    /// The version, with its epoch where it has one.
    pub version: String,
}

/// How a version is held against another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Operator {
    /// Older.
    #[serde(rename = "<")]
    Less,
    /// Older, or it.
    #[serde(rename = "<=")]
    AtMost,
    /// It.
    #[serde(rename = "=")]
    Equal,
    /// It, or newer.
    #[serde(rename = ">=")]
    AtLeast,
    /// Newer.
    #[serde(rename = ">")]
    Greater,
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Equal => "=",
            Self::AtLeast => ">=",
            Self::Greater => ">",
        })
    }
}

/// What a package runs when it is installed or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scriptlet {
    /// When, in the packages' own word: `posttrans`, `postinst`, `trigger`.
    pub when: String,
    /// What runs it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub interpreter: String,
    /// Programs that it calls, of those that change what boots; for Debian's `triggers`, its lines.
    pub calls: Vec<String>,
    /// Of its text.
    pub digest: Digest,
}

/// What the node must have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Need {
    /// What is asked for.
    #[serde(flatten)]
    pub dependency: Dependency,
    /// The files of the packages that ask for it.
    pub by: Vec<String>,
}

/// Something that was offered and isn't in the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// Its name where it was found.
    pub file: String,
    /// Why.
    pub reason: Reason,
}

/// Why something was left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum Reason {
    /// It is no package.
    NotAPackage,
    /// It is the same file as another that was offered.
    Duplicate {
        /// The other.
        of: String,
    },
    /// It is for another architecture.
    OtherArchitecture {
        /// Which.
        architecture: String,
    },
    /// It belongs to another kernel.
    OtherRelease {
        /// Which.
        release: String,
    },
    /// It may not be installed beside a package that is in the file.
    Conflicts {
        /// Which.
        with: String,
        /// What says so.
        by: Relation,
    },
    /// The kernel runs without it.
    NotNeeded {
        /// What it is for.
        kind: Kind,
    },
}
