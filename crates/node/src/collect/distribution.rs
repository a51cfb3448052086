//! The distribution: os-release, or the release files that stood in its place before.

use kernmend_core::document::Fact;
use kernmend_core::document::snapshot::Distribution;
use kernmend_core::format::distribution::{os_release, release_file};

use super::{SMALL, first_told};
use crate::host::Host;

/// Where a distribution says what it is, the most telling place first.
pub(crate) const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
pub(crate) const RELEASE_FILES: [&str; 4] =
    ["/etc/centos-release", "/etc/oracle-release", "/etc/redhat-release", "/etc/SuSE-release"];

pub(super) fn collect(host: &Host<'_>) -> Fact<Distribution> {
    let sources =
        OS_RELEASE.map(|path| (path, true)).into_iter().chain(RELEASE_FILES.map(|path| (path, false)));
    let told = first_told(sources.map(|(path, is_os_release)| {
        host.text(path, SMALL)
            .parse(|text| if is_os_release { Ok(os_release(text)) } else { release_file(text) })
    }));
    told.map(|distribution| with_minor_release(host, distribution))
}

/// os-release of EL7 names only the major release; the release file beside it says which minor one it is.
fn with_minor_release(host: &Host<'_>, mut distribution: Distribution) -> Distribution {
    let is_el = [&distribution.id].into_iter().chain(&distribution.id_like).any(|id| id == "rhel");
    if !is_el || distribution.version_id.contains('.') {
        return distribution;
    }
    let files = RELEASE_FILES.iter().filter_map(|path| host.text(path, SMALL).value().cloned());
    let minor = files.filter_map(|text| release_file(&text).ok()).find(|told| {
        told.version_id.strip_prefix(&distribution.version_id).is_some_and(|minor| minor.starts_with('.'))
    });
    if let Some(told) = minor {
        distribution.pretty_name = told.pretty_name;
    }
    distribution
}
