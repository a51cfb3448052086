//! The distribution: os-release, or the release files that stood in its place before.

use std::collections::BTreeMap;

use kernmend_core::document::snapshot::Distribution;
use kernmend_core::document::{Fact, Reason};

use super::SMALL;
use crate::host::Host;

/// Where a distribution says what it is, the most telling place first.
pub(crate) const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
pub(crate) const RELEASE_FILES: [&str; 4] =
    ["/etc/centos-release", "/etc/oracle-release", "/etc/redhat-release", "/etc/SuSE-release"];

pub(super) fn collect(host: &Host<'_>) -> Fact<Distribution> {
    let mut first = None;
    let sources =
        OS_RELEASE.map(|path| (path, true)).into_iter().chain(RELEASE_FILES.map(|path| (path, false)));
    for (path, is_os_release) in sources {
        let fact = host
            .text(path, SMALL)
            .parse(|text| if is_os_release { Ok(parse_os_release(text)) } else { parse_release_file(text) });
        if let Fact::Known { .. } = fact {
            return fact.map(|distribution| with_minor_release(host, distribution));
        }
        first.get_or_insert(fact);
    }
    first.unwrap_or_else(|| Fact::unknown(Reason::NotTold, OS_RELEASE[0], ""))
}

/// os-release of EL7 names only the major release; the release file beside it says which minor one it is.
fn with_minor_release(host: &Host<'_>, mut distribution: Distribution) -> Distribution {
    let is_el = [&distribution.id].into_iter().chain(&distribution.id_like).any(|id| id == "rhel");
    if !is_el || distribution.version_id.contains('.') {
        return distribution;
    }
    let files = RELEASE_FILES.iter().filter_map(|path| host.text(path, SMALL).value().cloned());
    let minor = files.filter_map(|text| parse_release_file(&text).ok()).find(|told| {
        told.version_id.strip_prefix(&distribution.version_id).is_some_and(|minor| minor.starts_with('.'))
    });
    if let Some(told) = minor {
        distribution.pretty_name = told.pretty_name;
    }
    distribution
}

fn parse_os_release(text: &str) -> Distribution {
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

/// `CentOS release 6.5 (Final)`: the words before `release` are the name, the number behind it the version.
fn parse_release_file(text: &str) -> Result<Distribution, String> {
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
        pretty_name: line.to_owned(),
        id_like: Vec::new(),
        fields: BTreeMap::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_a_shell_reads_them() {
        let text = "# comment\nID=\"centos\"\nVERSION_ID='7'\nID_LIKE=\"rhel fedora\"\nPRETTY_NAME=\"A \\\"B\\\" \\$\"\n\nBROKEN\n";
        let distribution = parse_os_release(text);
        assert_eq!(distribution.id, "centos");
        assert_eq!(distribution.version_id, "7");
        assert_eq!(distribution.id_like, ["rhel", "fedora"]);
        assert_eq!(distribution.pretty_name, "A \"B\" $");
        assert_eq!(unquote("\"open"), "open");
        assert_eq!(unquote("end\\"), "end");
    }

    #[test]
    fn old_release_files_tell_name_and_version() {
        let distribution = parse_release_file("\nCentOS Linux release 7.3.1611 (Core) \n").unwrap();
        assert_eq!((distribution.id.as_str(), distribution.version_id.as_str()), ("centos", "7.3.1611"));
        assert!(parse_release_file(" \n").is_err());
    }
}
