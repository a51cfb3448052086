//! Kernels that are installed, and whether they are whole.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::Fact;

/// A kernel that is installed: its image is in `/boot` or beside its modules, or its modules are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstalledKernel {
    /// As `uname -r` would print it.
    pub release: String,
    /// The image that a boot loader starts.
    pub image: Fact<KernelFile>,
    /// The first root file system. One without a byte is broken.
    pub initramfs: Fact<KernelFile>,
    /// Whether the index of its modules is there (`modules.dep`).
    pub modules: Fact<bool>,
    /// The build options that kernmend asks about, as of the running kernel.
    pub options: Fact<BTreeMap<String, String>>,
}

/// A file of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KernelFile {
    /// Where it is.
    pub path: String,
    /// How long it is in bytes.
    pub size: Fact<u64>,
}
