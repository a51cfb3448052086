//! What a new kernel would have to bring: firmware that checks signatures, watchdogs, drivers, and modules in use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::Fact;

/// Firmware, watchdogs, drivers and modules in use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hardware {
    /// What started the boot loader.
    pub firmware: Fact<Firmware>,
    /// Whether the firmware refuses what isn't signed; absent where it can't.
    pub secure_boot: Fact<bool>,
    /// Devices that reset the machine when nobody calls them any more; an empty list is none.
    pub watchdogs: Fact<Vec<Watchdog>>,
    /// Loaded modules.
    pub modules: Fact<Vec<LoadedModule>>,
    /// Network interfaces with a device of their own; not those that the kernel makes up.
    pub interfaces: Fact<Vec<Interface>>,
    /// Whether a kernel is loaded that takes over after a panic.
    pub crash_kernel: Fact<bool>,
}

/// What started the boot loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Firmware {
    /// UEFI.
    Uefi,
    /// A BIOS, or what stands in its place.
    Bios,
}

/// A watchdog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Watchdog {
    /// The kernel's name for it, `watchdog0`.
    pub name: String,
    /// The driver's name for it, `iTCO_wdt` or `Software Watchdog`.
    pub identity: Fact<String>,
    /// Seconds until it resets the machine.
    pub timeout: Fact<u64>,
    /// Whether it runs.
    pub active: Fact<bool>,
}

/// A loaded module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoadedModule {
    /// Its name, with underscores.
    pub name: String,
    /// How many hold it; 0 is nobody, and a module that can't be unloaded isn't counted.
    pub users: u64,
    /// The letters of `/proc/modules`: `O` is out of tree, `P` proprietary, `E` unsigned, `F` forced, `C` staging.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub taints: String,
}

impl LoadedModule {
    /// Whether it is none of the kernel's own: a new kernel doesn't bring it.
    #[must_use]
    pub fn is_out_of_tree(&self) -> bool {
        self.taints.contains(['O', 'P'])
    }
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Whether it is up.
    pub up: Fact<bool>,
    /// The module of its driver, a built-in one too; absent where the kernel names none.
    pub module: Fact<String>,
}
