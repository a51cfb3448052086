//! What a program asks of the machine that is to run it: a processor, a loader and a C library. It says what the
//! program's tables say, and nothing of whether a machine has it.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a program asks of the machine that is to run it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Demands {
    /// The processor.
    pub machine: Machine,
    /// The loader that it names; none where it is static.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<String>,
    /// The lowest version of the GNU C library that has all it asks for; none where it asks for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glibc: Option<Glibc>,
}

/// A kind of processor that nodes have, with its byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Machine {
    /// 64-bit x86.
    #[serde(rename = "x86-64")]
    X86_64,
    /// 32-bit x86.
    #[serde(rename = "i386")]
    I386,
    /// 64-bit ARM.
    #[serde(rename = "aarch64")]
    Aarch64,
    /// 32-bit ARM.
    #[serde(rename = "arm")]
    Arm,
    /// 64-bit POWER, the low byte first.
    #[serde(rename = "ppc64le")]
    Ppc64Le,
    /// IBM Z.
    #[serde(rename = "s390x")]
    S390x,
    /// 64-bit RISC-V.
    #[serde(rename = "riscv64")]
    Riscv64,
    /// 64-bit LoongArch.
    #[serde(rename = "loongarch64")]
    Loongarch64,
    /// Another one.
    #[serde(rename = "other")]
    Other,
}

impl Machine {
    /// The machine of an ELF file: the number in `e_machine`, whether addresses have 64 bits, and whether the high byte
    /// comes first. The numbers are those of the generic ELF specification.
    #[must_use]
    pub const fn of_elf(number: u16, wide: bool, big: bool) -> Self {
        match (number, wide, big) {
            (3, false, false) => Self::I386,
            (21, true, false) => Self::Ppc64Le,
            (22, true, true) => Self::S390x,
            (40, false, false) => Self::Arm,
            (62, true, false) => Self::X86_64,
            (183, true, false) => Self::Aarch64,
            (243, true, false) => Self::Riscv64,
            (258, true, false) => Self::Loongarch64,
            _ => Self::Other,
        }
    }

    /// Its name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86-64",
            Self::I386 => "i386",
            Self::Aarch64 => "aarch64",
            Self::Arm => "arm",
            Self::Ppc64Le => "ppc64le",
            Self::S390x => "s390x",
            Self::Riscv64 => "riscv64",
            Self::Loongarch64 => "loongarch64",
            Self::Other => "other",
        }
    }
}

/// A version of the GNU C library. They are in the order of their releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Glibc(#[schemars(with = "String", regex(pattern = r"^\d+\.\d+(\.\d+)?$"))] [u16; 3]);

/// A text that is no version of the C library.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no version of the GNU C library")]
pub struct ParseGlibcError(String);

impl Glibc {
    /// The version that a program needs by one of the names that it asks of a library: `GLIBC_2.34` for one.
    #[must_use]
    pub fn of_symbol_version(name: &str) -> Option<Self> {
        match name.strip_prefix("GLIBC_")? {
            // Relocations in a packed form: the name is there so that older libraries refuse the program.
            "ABI_DT_RELR" => Some(Self([2, 36, 0])),
            number => number.parse().ok(),
        }
    }
}

impl FromStr for Glibc {
    type Err = ParseGlibcError;

    /// Reads `2.17` or `2.2.5`.
    fn from_str(text: &str) -> Result<Self, ParseGlibcError> {
        let error = || ParseGlibcError(text.to_owned());
        let parts = text.split('.').map(str::parse).collect::<Result<Vec<u16>, _>>().map_err(|_| error())?;
        match parts[..] {
            [major, minor] => Ok(Self([major, minor, 0])),
            [major, minor, patch] => Ok(Self([major, minor, patch])),
            _ => Err(error()),
        }
    }
}

impl TryFrom<String> for Glibc {
    type Error = ParseGlibcError;

    fn try_from(text: String) -> Result<Self, ParseGlibcError> {
        text.parse()
    }
}

impl From<Glibc> for String {
    fn from(version: Glibc) -> Self {
        version.to_string()
    }
}

impl fmt::Display for Glibc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}")?;
        if patch > 0 { write!(f, ".{patch}") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_the_order_of_releases() {
        let versions = ["2.2.5", "2.3", "2.17", "2.34", "3.0"].map(|text| text.parse::<Glibc>().unwrap());
        assert!(versions.is_sorted());
        assert_eq!(versions.map(|version| version.to_string()), ["2.2.5", "2.3", "2.17", "2.34", "3.0"]);
    }

    #[test]
    fn only_numbers_are_versions() {
        for (name, version) in [
            ("GLIBC_2.34", Some("2.34")),
            ("GLIBC_2.2.5", Some("2.2.5")),
            ("GLIBC_ABI_DT_RELR", Some("2.36")),
            ("GLIBC_PRIVATE", None),
            ("GLIBC_2", None),
            ("GLIBC_2.", None),
            ("GLIBC_2.1.2.3", None),
            ("GLIBC_2.70000", None),
            ("GLIBCXX_3.4", None),
            ("LIBSECCOMP_0.0", None),
        ] {
            let found = Glibc::of_symbol_version(name).map(|version| version.to_string());
            assert_eq!(found.as_deref(), version, "{name}");
        }
    }

    #[test]
    fn a_machine_has_the_name_that_json_gives_it() {
        let known = [3, 21, 22, 40, 62, 183, 243, 258, 8].into_iter().flat_map(|number| {
            [(true, true), (true, false), (false, false)]
                .map(|(wide, big)| Machine::of_elf(number, wide, big))
        });
        for machine in known {
            assert_eq!(serde_json::to_value(machine).unwrap(), machine.name());
        }
        assert_eq!(Machine::of_elf(62, true, false), Machine::X86_64);
        assert_eq!(Machine::of_elf(62, false, false), Machine::Other, "x86-64 with 32-bit addresses");
    }
}
