//! The kernel's arguments, its build options with what they tell of the build, and its memory totals.

use std::collections::BTreeMap;

use super::nodes::without_escapes;
use crate::version::KernelVersion;

/// Boot arguments, as the kernel splits them: at white space outside double quotes.
#[must_use]
pub fn arguments(text: &str) -> Vec<String> {
    let mut quoted = false;
    text.trim()
        .split(|char: char| {
            quoted ^= char == '"';
            char.is_ascii_whitespace() && !quoted
        })
        .filter(|argument| !argument.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The options that a build configuration sets, with their values as they stand there.
pub fn build_options(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter(|line| line.starts_with("CONFIG_")).filter_map(|line| line.trim_end().split_once('='))
}

/// The options that Docker's script `check-config.sh` speaks of, as a build configuration would set them; `n` is one that
/// isn't set. A line is `- CONFIG_X: enabled (as module)`, in whatever it is quoted and coloured.
#[must_use]
pub fn checked_options(text: &str) -> BTreeMap<String, &'static str> {
    let text = without_escapes(text);
    let line = |line: &str| {
        let option = &line[line.find("CONFIG_")?..];
        let end =
            option.find(|char: char| !char.is_ascii_alphanumeric() && char != '_').unwrap_or(option.len());
        let (name, state) = option.split_at(end);
        let state = state.strip_prefix(':')?.trim_start();
        let value = match state.strip_prefix("enabled") {
            Some(how) if how.contains("module") => "m",
            Some(_) => "y",
            None if state.starts_with("missing") => "n",
            None => return None,
        };
        Some((name.to_owned(), value))
    };
    text.lines().filter_map(line).collect()
}

/// What a build configuration says of the kernel that it was made for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Build {
    /// The version in its head.
    pub version: Option<String>,
    /// The release, where head and options tell more than the version.
    pub release: Option<String>,
    /// What Ubuntu signs its kernels with: `Ubuntu PACKAGE-FLAVOUR UPSTREAM`.
    pub signature: Option<String>,
    /// The compiler's name for itself.
    pub compiler: Option<String>,
    /// Whether it has the option of a salt for build ids, which all later ones have but for Debian's.
    pub has_salt: bool,
}

impl Build {
    /// The upstream version that the kernel is based on. A signature names it; a release of Ubuntu's doesn't.
    #[must_use]
    pub fn base(&self) -> Option<KernelVersion> {
        let signed = self.signature.as_deref().and_then(|signature| signature.split_whitespace().nth(2));
        let told = [signed, self.version.as_deref(), self.release.as_deref()];
        told.into_iter()
            .flatten()
            .find_map(|text| KernelVersion::of_release(text).ok())
            .map(KernelVersion::base)
    }
}

/// The head stands in the first lines.
const HEAD_LINES: usize = 10;

/// Reads what a build configuration says of its kernel.
#[must_use]
pub fn build(text: &str) -> Build {
    let option = |name: &str| {
        let (_, value) = build_options(text).find(|(found, _)| *found == name)?;
        Some(value.trim_matches('"')).filter(|value| !value.is_empty())
    };
    let head = text.lines().take(HEAD_LINES).find_map(head);
    let signature = option("CONFIG_VERSION_SIGNATURE");
    // Red Hat and Debian salt the build id with the release.
    let salt = option("CONFIG_BUILD_SALT").filter(|salt| KernelVersion::of_release(salt).is_ok());
    let signed = || {
        let mut words = signature?.split_whitespace().skip(1);
        let (package, flavour) = words.next()?.rsplit_once('-')?;
        let (version, build) = package.rsplit_once('-')?;
        let build = build.split(['.', '~']).next()?;
        Some(format!("{version}-{build}-{flavour}"))
    };
    let local = || match (head?, option("CONFIG_LOCALVERSION")) {
        (head, Some(local)) if !head.ends_with(local) => Some(format!("{head}{local}")),
        (head, _) => is_more_than_version(head).then(|| head.to_owned()),
    };
    Build {
        version: head.map(str::to_owned),
        release: salt.map(str::to_owned).or_else(signed).or_else(local),
        signature: signature.map(str::to_owned),
        compiler: option("CONFIG_CC_VERSION_TEXT").map(str::to_owned),
        has_salt: build_options(text).any(|(name, _)| name == "CONFIG_BUILD_SALT"),
    }
}

/// `# Linux/x86 VERSION Kernel Configuration`, and before 2.6.38 `# Linux kernel version: VERSION`.
fn head(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#').trim();
    let version = match text.strip_prefix("Linux kernel version:") {
        Some(version) => version.trim(),
        None => {
            text.strip_prefix("Linux/")?.strip_suffix("Kernel Configuration")?.split_whitespace().nth(1)?
        }
    };
    KernelVersion::of_release(version).is_ok().then_some(version)
}

fn is_more_than_version(text: &str) -> bool {
    !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// `/proc/meminfo`, with kB turned into bytes.
///
/// # Errors
/// Where no line has a name and a number.
pub fn memory_totals(text: &str) -> Result<BTreeMap<String, u64>, String> {
    let line = |line: &str| {
        let (name, rest) = line.split_once(':')?;
        let (number, factor) = match rest.trim().strip_suffix("kB") {
            Some(number) => (number.trim(), 1024),
            None => (rest.trim(), 1),
        };
        Some((name.to_owned(), number.parse::<u64>().ok()?.saturating_mul(factor)))
    };
    let totals: BTreeMap<String, u64> = text.lines().filter_map(line).collect();
    if totals.is_empty() { Err("no line has a name and a number".to_owned()) } else { Ok(totals) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_split_outside_quotes() {
        assert_eq!(
            arguments("ro root=UUID=1  dyndbg=\"file a +p\" cgroup.memory=nokmem\n"),
            ["ro", "root=UUID=1", "dyndbg=\"file a +p\"", "cgroup.memory=nokmem"]
        );
    }

    #[test]
    fn options_that_are_set_are_found() {
        let text = "# CONFIG_MEMCG is not set\nCONFIG_SLUB=y\r\nCONFIG_LSM=\"a=b\"\nnothing\n";
        let found: Vec<_> = build_options(text).collect();
        assert_eq!(found, [("CONFIG_SLUB", "y"), ("CONFIG_LSM", "\"a=b\"")]);
    }

    #[test]
    fn the_state_of_options_is_read_from_the_check_of_them() {
        let text = "> - \u{1b}[1;37mCONFIG_VETH\u{1b}[0m: \u{1b}[1;32menabled (as module)\u{1b}[0m\n\
            - CONFIG_MEMCG: enabled\n\t- CONFIG_KEYS: missing (fail)\n- CONFIG_ODD\n- cgroup hierarchy: properly mounted\n";
        let found = checked_options(text);
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(found, [("CONFIG_KEYS", "n"), ("CONFIG_MEMCG", "y"), ("CONFIG_VETH", "m")]);
    }

    #[test]
    fn a_build_configuration_tells_its_kernel() {
        let head = |version: &str| format!("#\n# Linux/x86 {version} Kernel Configuration\n#\n");
        for (text, release, base) in [
            (head("3.10.0-1160.el7.x86_64"), Some("3.10.0-1160.el7.x86_64"), Some("3.10.0")),
            (head("6.12.6") + "CONFIG_LOCALVERSION=\"-talos\"\n", Some("6.12.6-talos"), Some("6.12.6")),
            (head("6.12.6-own") + "CONFIG_LOCALVERSION=\"-own\"\n", Some("6.12.6-own"), Some("6.12.6")),
            (
                head("4.19.181") + "CONFIG_LOCALVERSION=\"\"\nCONFIG_BUILD_SALT=\"4.19.0-16-amd64\"\n",
                Some("4.19.0-16-amd64"),
                Some("4.19.181"),
            ),
            (
                head("6.8.12") + "CONFIG_VERSION_SIGNATURE=\"Ubuntu 6.8.0-52.53~22.04.1-generic 6.8.12\"\n",
                Some("6.8.0-52-generic"),
                Some("6.8.12"),
            ),
            (head("6.1.76") + "CONFIG_BUILD_SALT=\"\"\n", None, Some("6.1.76")),
            ("# Linux kernel version: 2.6.32-431.el6\n".to_owned(), Some("2.6.32-431.el6"), Some("2.6.32")),
            ("CONFIG_VERSION_SIGNATURE=\"Ubuntu\"\n# Linux/ Kernel Configuration\n".to_owned(), None, None),
        ] {
            let found = build(&text);
            let found_base = found.base().map(|base| base.to_string());
            assert_eq!((found.release.as_deref(), found_base.as_deref()), (release, base), "{text}");
        }
    }

    #[test]
    fn totals_are_in_bytes_and_counts_stay() {
        let totals = memory_totals("MemTotal:  2 kB\nHugePages_Total:   3\nodd\n").unwrap();
        assert_eq!((totals["MemTotal"], totals["HugePages_Total"], totals.len()), (2048, 3, 2));
        assert!(memory_totals("odd: x\n").is_err());
    }
}
