//! What a distribution calls itself: os-release, the release files before it, and the output of `hostnamectl`.

use std::collections::BTreeMap;

use crate::document::snapshot::Distribution;

/// Reads os-release.
#[must_use]
pub fn os_release(text: &str) -> Distribution {
    let fields: BTreeMap<String, String> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), unquote(value.trim())))
        .collect();
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    Distribution {
        id: field("ID"),
        version_id: field("VERSION_ID"),
        pretty_name: field("PRETTY_NAME"),
        id_like: field("ID_LIKE").split_whitespace().map(str::to_owned).collect(),
        fields: fields.clone(),
    }
}

/// A value as a shell reads it: quotes go, and a backslash keeps what follows (not inside single quotes).
fn unquote(value: &str) -> String {
    let mut text = String::new();
    let mut quote = None;
    let mut chars = value.chars();
    while let Some(char) = chars.next() {
        match (char, quote) {
            ('\\', None | Some('"')) => text.extend(chars.next()),
            ('"' | '\'', None) => quote = Some(char),
            (char, Some(open)) if char == open => quote = None,
            (char, _) => text.push(char),
        }
    }
    text
}

/// Reads `/etc/redhat-release` and its like. `CentOS release 6.5 (Final)`: the words before `release` are the name, the
/// number behind it the version.
///
/// # Errors
/// Where the file says nothing.
pub fn release_file(text: &str) -> Result<Distribution, String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).ok_or("the file is empty")?;
    let (name, rest) = line.split_once(" release ").unwrap_or((line, ""));
    let id = match name {
        name if name.starts_with("CentOS") => "centos",
        name if name.starts_with("Red Hat") => "rhel",
        name if name.starts_with("Oracle") => "ol",
        name if name.starts_with("SUSE") => "sles",
        _ => "",
    };
    Ok(Distribution {
        id: id.to_owned(),
        version_id: rest.split_whitespace().next().unwrap_or_default().to_owned(),
        ..called(line)
    })
}

/// A distribution of which only the name for people is known.
#[must_use]
pub fn called(pretty_name: &str) -> Distribution {
    Distribution {
        id: String::new(),
        version_id: String::new(),
        pretty_name: pretty_name.to_owned(),
        id_like: Vec::new(),
        fields: BTreeMap::new(),
    }
}

/// What `hostnamectl` prints about the system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hostnamectl {
    /// The distribution, by its name for people.
    pub distribution: Option<Distribution>,
    /// The running kernel's release.
    pub release: Option<String>,
}

/// Reads the output of `hostnamectl`.
#[must_use]
pub fn hostnamectl(text: &str) -> Hostnamectl {
    let value = |label: &str| {
        text.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            (found.trim() == label).then(|| value.trim()).filter(|value| !value.is_empty())
        })
    };
    Hostnamectl {
        distribution: value("Operating System").map(called),
        // The kernel's name stands before its release.
        release: value("Kernel").and_then(|kernel| kernel.split_whitespace().nth(1)).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_a_shell_reads_them() {
        let text = "# comment\nID=\"centos\"\nVERSION_ID='7'\nID_LIKE=\"rhel fedora\"\nPRETTY_NAME=\"A \\\"B\\\" \\$\"\n\nBROKEN\n";
        let distribution = os_release(text);
        assert_eq!(distribution.id, "centos");
        assert_eq!(distribution.version_id, "7");
        assert_eq!(distribution.id_like, ["rhel", "fedora"]);
        assert_eq!(distribution.pretty_name, "A \"B\" $");
        assert_eq!(unquote("\"open"), "open");
        assert_eq!(unquote("end\\"), "end");
    }

    #[test]
    fn old_release_files_tell_name_and_version() {
        let distribution = release_file("\nCentOS Linux release 7.3.1611 (Core) \n").unwrap();
        assert_eq!((distribution.id.as_str(), distribution.version_id.as_str()), ("centos", "7.3.1611"));
        assert!(release_file(" \n").is_err());
    }

    #[test]
    fn hostnamectl_tells_distribution_and_kernel() {
        let text = "   Static hostname: node-1\n  Operating System: CentOS Linux 7 (Core)\n       \
            CPE OS Name: cpe:/o:centos:centos:7\n            Kernel: Linux 3.10.0-1127.el7.x86_64\n";
        let found = hostnamectl(text);
        let pretty = found.distribution.map(|distribution| distribution.pretty_name);
        assert_eq!(pretty.as_deref(), Some("CentOS Linux 7 (Core)"));
        assert_eq!(found.release.as_deref(), Some("3.10.0-1127.el7.x86_64"));
        assert_eq!(hostnamectl("Kernel: \nOperating System:\n"), Hostnamectl::default());
    }
}
