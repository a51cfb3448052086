//! What a swap of runtimes rests on besides the snapshot: the C library, what Docker does with its containers, and the room
//! and the packages of the places that are written to. Only a plan asks for it.

use kernmend_core::document::Fact;
use kernmend_core::format::packages;
use kernmend_core::plan::swap::{Manager, Owner, Place, STORE, Site};

use super::{DPKG_STATUS, SMALL};
use crate::host::{Answer, Host, Known};

/// What Docker's configuration holds, without its blanks, where containers go on without its daemon.
pub(crate) const LIVE_RESTORE: &str = "\"live-restore\":true";

const DOCKER: &str = "/etc/docker/daemon.json";

/// Where Red Hat's package manager keeps its database, of old and new.
const RPM: [&str; 2] = ["/var/lib/rpm", "/usr/lib/sysimage/rpm"];

/// How long a package manager may take: it reads the lists of all packages.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);

/// Asks for the places at these paths, and the store.
pub fn site<'a>(host: &Host<'_>, paths: impl IntoIterator<Item = &'a str>) -> Site {
    let is_there = |path: &str| matches!(host.identity(path), Answer::Got(_));
    let manager = if is_there(DPKG_STATUS) {
        Some(Manager::Dpkg)
    } else {
        RPM.into_iter().any(is_there).then_some(Manager::Rpm)
    };
    let mut site = Site {
        glibc: said(host, &Known::Library, packages::library),
        live_restore: host.text(DOCKER, SMALL).value().is_some_and(|text| text.contains(LIVE_RESTORE)),
        ..Site::default()
    };
    for path in paths {
        let place = Place {
            size: host.size(path).fact(path),
            space: host.space(path).fact(path),
            owner: manager.map_or_else(Fact::default, |manager| owner(host, manager, path)),
        };
        site.places.insert(path.to_owned(), place);
    }
    // It may not be there yet; then it will be made on what holds the nearest directory that is.
    let mut above = STORE;
    let space = loop {
        match (host.space(above), above.rsplit_once('/')) {
            (Answer::Absent, Some((parent, _))) if !parent.is_empty() => above = parent,
            (Answer::Absent, Some(_)) => above = "/",
            (answer, _) => break answer.fact(above),
        }
    };
    site.places.insert(STORE.to_owned(), Place { space, ..Place::default() });
    site
}

fn owner(host: &Host<'_>, manager: Manager, path: &str) -> Fact<Owner> {
    let known = match manager {
        Manager::Dpkg => Known::DpkgOwner(path.to_owned()),
        Manager::Rpm => Known::RpmOwner(path.to_owned()),
    };
    let package = |text: &str| match manager {
        Manager::Dpkg => packages::dpkg_owner(text),
        Manager::Rpm => packages::rpm_owner(text),
    };
    said(host, &known, package).map(|package| Owner { package, manager })
}

/// What a command says, where it can be understood.
fn said<T>(host: &Host<'_>, known: &Known, read: impl Fn(&str) -> Option<T>) -> Fact<T> {
    let line = known.line();
    let said = host.command(known, SMALL, DEADLINE).fact(&line);
    said.parse(|content| read(&content.text()).ok_or_else(|| "it says nothing of it".to_owned()))
}
