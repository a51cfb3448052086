//! What goes into a bundle: which of the packages that were offered belong to one kernel, what they ask of each other and of
//! the node, and what is left out. It decides over packages that were read, and reads none.

pub mod closure;
pub mod contents;
pub mod scriptlet;

use std::collections::{BTreeMap, BTreeSet};

use crate::bundle::closure::{conflict, gives, order};
use crate::bundle::contents::{Contents, Held};
use crate::document::bundle::{Bundle, Family, Image, Kernel, Kind, LeftOut, Need, Package, Reason};
use crate::document::{Digest, Fact};
use crate::version;

/// Architectures that fit any other.
const ANY: [&str; 2] = ["noarch", "all"];

/// A package that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Where it was found.
    pub file: String,
    /// What installs it.
    pub family: Family,
    /// What it says of itself.
    pub package: Package,
    /// What it holds.
    pub contents: Contents,
}

/// What somebody asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The kernel's release; the newest where there is none.
    pub release: Option<String>,
    /// The architecture; the only one where there is none.
    pub architecture: Option<String>,
}

/// Why what was offered makes no bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no package.
    #[error("there is no package in it")]
    NoPackage,
    /// There are packages of two families.
    #[error("`{rpm}` is an RPM package and `{deb}` a Debian package: no node takes both")]
    MixedFamilies {
        /// One of one family.
        rpm: String,
        /// One of the other.
        deb: String,
    },
    /// No package holds the image of a kernel.
    #[error("none of the packages holds the image of a kernel: {}", packages.join(", "))]
    NoKernel {
        /// The first few.
        packages: Vec<String>,
    },
    /// There are kernels for several architectures.
    #[error("there are kernels for {}", architectures.join(" and "))]
    MixedArchitectures {
        /// Which.
        architectures: Vec<String>,
    },
    /// No kernel is for the architecture that is wanted.
    #[error("no kernel is for `{wanted}`; there are some for {}", architectures.join(", "))]
    NoArchitecture {
        /// What is wanted.
        wanted: String,
        /// What there is.
        architectures: Vec<String>,
    },
    /// The kernel that is wanted isn't there.
    #[error("there is no kernel `{wanted}`; there are {}", releases.join(", "))]
    NoRelease {
        /// What is wanted.
        wanted: String,
        /// What there is.
        releases: Vec<String>,
    },
    /// No kernel is newer than all others.
    #[error("none of these kernels is newer than the others: {}", releases.join(", "))]
    Ambiguous {
        /// Which.
        releases: Vec<String>,
    },
    /// Two packages hold the image of a kernel of one release.
    #[error("two packages hold a kernel that is called `{release}`: `{first}` and `{second}`")]
    SameRelease {
        /// The release.
        release: String,
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// Two packages of one name and version differ.
    #[error("`{first}` and `{second}` say that they are one package, and differ")]
    SamePackage {
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// An image is called otherwise than it says of itself, so that it would look for its modules elsewhere.
    #[error("the image `{path}` in `{file}` says that it is `{release}`")]
    Misnamed {
        /// The package.
        file: String,
        /// The image.
        path: String,
        /// What it says.
        release: String,
    },
    /// Packages of the kernel can't be installed together.
    #[error("`{first}` and `{second}` can't be installed together")]
    Conflict {
        /// One.
        first: String,
        /// The other.
        second: String,
    },
}

/// Chooses the packages of one kernel. `left_out` is what was no package.
///
/// # Errors
/// Where it can't be told which kernel is meant, or where its packages can't be.
pub fn choose(
    mut offers: Vec<Offer>,
    mut left_out: Vec<LeftOut>,
    wanted: &Wanted,
) -> Result<Bundle, Refusal> {
    offers.sort_by(|a, b| (&a.package.file, &a.file).cmp(&(&b.package.file, &b.file)));
    let family = family(&offers)?;
    let offers = without_duplicates(offers, &mut left_out)?;
    let (offers, release, architecture) = kernel(offers, family, wanted, &mut left_out)?;

    let mut inside = vec![false; offers.len()];
    for (inside, offer) in inside.iter_mut().zip(&offers) {
        *inside = offer.contents.kernels.contains_key(&release)
            && matches!(offer.package.kind, Kind::Image | Kind::Modules);
    }
    let chosen = |inside: &[bool]| -> Vec<&Offer> {
        offers.iter().zip(inside).filter(|(_, inside)| **inside).map(|(offer, _)| offer).collect()
    };
    for (index, one) in chosen(&inside).iter().enumerate() {
        for other in &chosen(&inside)[index + 1..] {
            if at_odds(family, &one.package, &other.package).is_some() {
                let (first, second) = (one.file.clone(), other.file.clone());
                return Err(Refusal::Conflict { first, second });
            }
        }
    }
    // What is asked for is taken in where it is here, until nothing new is asked for.
    let mut against = BTreeMap::new();
    loop {
        let have = chosen(&inside);
        let asked = have.iter().flat_map(|offer| &offer.package.requires).flat_map(|dependency| {
            let is_given =
                dependency.any.iter().any(|relation| have.iter().any(|offer| offer.gives(family, relation)));
            dependency.any.iter().filter(move |_| !is_given)
        });
        let found = asked.into_iter().find_map(|relation| {
            let candidates = offers.iter().enumerate().filter(|(at, offer)| {
                !inside[*at]
                    && !against.contains_key(at)
                    && may_be_pulled_in(offer)
                    && offer.gives(family, relation)
            });
            candidates.map(|(at, _)| at).next()
        });
        let Some(at) = found else { break };
        match have
            .iter()
            .find_map(|offer| Some((offer, at_odds(family, &offers[at].package, &offer.package)?)))
        {
            Some((offer, by)) => {
                let reason = Reason::Conflicts { with: offer.package.file.clone(), by: by.clone() };
                against.insert(at, reason);
            }
            None => inside[at] = true,
        }
    }

    let needs = needs(family, &chosen(&inside));
    let kernel = merge(release, &chosen(&inside))?;
    for (at, offer) in offers.iter().enumerate().filter(|(at, _)| !inside[*at]) {
        let reason = against.remove(&at).unwrap_or_else(|| offer.why_not(&kernel.release));
        left_out.push(LeftOut { file: offer.file.clone(), reason });
    }
    left_out.sort();
    let packages = chosen(&inside).into_iter().map(|offer| offer.package.clone()).collect();
    Ok(Bundle { family, architecture, kernel, packages, needs, left_out })
}

impl Offer {
    fn gives(&self, family: Family, relation: &crate::document::bundle::Relation) -> bool {
        gives(family, &self.package, &self.contents.programs, relation)
    }

    fn fits(&self, architecture: &str) -> bool {
        self.package.architecture == architecture || ANY.contains(&self.package.architecture.as_str())
    }

    /// The kernels that it holds the images of.
    fn images(&self) -> impl Iterator<Item = (&String, &Image)> {
        self.contents.kernels.iter().filter_map(|(release, held)| Some((release, held.image.as_ref()?)))
    }

    /// Why it is left out of the bundle of a kernel that it fits.
    fn why_not(&self, release: &str) -> Reason {
        let other = self.contents.kernels.keys().find(|other| *other != release);
        match (self.package.kind, other) {
            (Kind::Image | Kind::Modules, Some(other)) => Reason::OtherRelease { release: other.clone() },
            (kind, _) => Reason::NotNeeded { kind },
        }
    }
}

/// Whether a package may come in because another asks for it. A package without files would let later kernels in, and the
/// rest is asked for by nothing that a kernel needs to run.
fn may_be_pulled_in(offer: &Offer) -> bool {
    matches!(offer.package.kind, Kind::Firmware | Kind::Tools | Kind::Other)
}

fn at_odds<'p>(
    family: Family,
    one: &'p Package,
    other: &'p Package,
) -> Option<&'p crate::document::bundle::Relation> {
    conflict(family, one, other).or_else(|| conflict(family, other, one))
}

fn family(offers: &[Offer]) -> Result<Family, Refusal> {
    let of = |family| offers.iter().find(|offer| offer.family == family).map(|offer| offer.file.clone());
    match (of(Family::Rpm), of(Family::Deb)) {
        (Some(rpm), Some(deb)) => Err(Refusal::MixedFamilies { rpm, deb }),
        (Some(_), None) => Ok(Family::Rpm),
        (None, Some(_)) => Ok(Family::Deb),
        (None, None) => Err(Refusal::NoPackage),
    }
}

/// Each package once.
fn without_duplicates(offers: Vec<Offer>, left_out: &mut Vec<LeftOut>) -> Result<Vec<Offer>, Refusal> {
    let mut seen: BTreeMap<String, (Digest, String)> = BTreeMap::new();
    let mut kept = Vec::new();
    for offer in offers {
        match seen.get(&offer.package.file) {
            Some((digest, first)) if *digest == offer.package.digest => {
                left_out.push(LeftOut { file: offer.file, reason: Reason::Duplicate { of: first.clone() } });
            }
            Some((_, first)) => {
                return Err(Refusal::SamePackage { first: first.clone(), second: offer.file });
            }
            None => {
                seen.insert(offer.package.file.clone(), (offer.package.digest.clone(), offer.file.clone()));
                kept.push(offer);
            }
        }
    }
    Ok(kept)
}

/// The kernel that is meant and its architecture, with the packages that fit this one.
fn kernel(
    offers: Vec<Offer>,
    family: Family,
    wanted: &Wanted,
    left_out: &mut Vec<LeftOut>,
) -> Result<(Vec<Offer>, String, String), Refusal> {
    let with_image = |offer: &&Offer| offer.images().next().is_some();
    let mut architectures: Vec<String> =
        offers.iter().filter(with_image).map(|offer| offer.package.architecture.clone()).collect();
    architectures.sort();
    architectures.dedup();
    let architecture = match (&wanted.architecture, &architectures[..]) {
        (_, []) => {
            let packages = offers.iter().map(|offer| offer.package.file.clone()).take(5).collect();
            return Err(Refusal::NoKernel { packages });
        }
        (Some(wanted), found) if found.contains(wanted) => wanted.clone(),
        (Some(wanted), _) => return Err(Refusal::NoArchitecture { wanted: wanted.clone(), architectures }),
        (None, [only]) => only.clone(),
        (None, _) => return Err(Refusal::MixedArchitectures { architectures }),
    };
    let (offers, others): (Vec<Offer>, Vec<Offer>) =
        offers.into_iter().partition(|offer| offer.fits(&architecture));
    left_out.extend(others.into_iter().map(|offer| LeftOut {
        file: offer.file,
        reason: Reason::OtherArchitecture { architecture: offer.package.architecture },
    }));

    let mut by_release: BTreeMap<&String, &Offer> = BTreeMap::new();
    for offer in &offers {
        for (release, image) in offer.images() {
            if let Some(first) = by_release.insert(release, offer) {
                return Err(Refusal::SameRelease {
                    release: release.clone(),
                    first: first.file.clone(),
                    second: offer.file.clone(),
                });
            }
            // Without a name of its own it can't be said to be misnamed.
            if let Some(says) = image.release.value().filter(|says| *says != release) {
                let (path, release) = (image.path.clone(), says.clone());
                return Err(Refusal::Misnamed { file: offer.file.clone(), path, release });
            }
        }
    }
    let names = |releases: &[&&String]| releases.iter().map(|release| (**release).clone()).collect();
    let releases: Vec<&&String> = by_release.keys().collect();
    let release = match &wanted.release {
        Some(wanted) if by_release.contains_key(wanted) => wanted.clone(),
        Some(wanted) => {
            return Err(Refusal::NoRelease { wanted: wanted.clone(), releases: names(&releases) });
        }
        None => {
            let newer = |a: &&Offer, b: &&Offer| {
                version::compare(order(family), &a.package.version, &b.package.version)
            };
            let newest = by_release.values().copied().max_by(newer).expect("one package has an image");
            let best: Vec<&&String> = releases
                .into_iter()
                .filter(|release| newer(&by_release[**release], &newest).is_eq())
                .collect();
            match best[..] {
                [only] => (*only).clone(),
                _ => return Err(Refusal::Ambiguous { releases: names(&best) }),
            }
        }
    };
    Ok((offers, release, architecture))
}

/// What packages ask for that none of them gives.
fn needs(family: Family, packages: &[&Offer]) -> Vec<Need> {
    let mut needs = BTreeMap::new();
    for offer in packages {
        for dependency in &offer.package.requires {
            let is_given = dependency
                .any
                .iter()
                .any(|relation| packages.iter().any(|other| other.gives(family, relation)));
            if !is_given {
                let by: &mut BTreeSet<String> = needs.entry(dependency.clone()).or_default();
                by.insert(offer.package.file.clone());
            }
        }
    }
    let need = |(dependency, by): (_, BTreeSet<String>)| Need { dependency, by: by.into_iter().collect() };
    needs.into_iter().map(need).collect()
}

/// A kernel out of what its packages hold of it.
fn merge(release: String, packages: &[&Offer]) -> Result<Kernel, Refusal> {
    let held: Vec<&Held> = packages.iter().filter_map(|offer| offer.contents.kernels.get(&release)).collect();
    let image = held.iter().find_map(|held| held.image.clone()).ok_or_else(|| Refusal::NoKernel {
        packages: packages.iter().map(|offer| offer.package.file.clone()).collect(),
    })?;
    let in_modules = format!("/lib/modules/{release}");
    let modules: BTreeSet<_> = held.iter().flat_map(|held| &held.modules).cloned().collect();
    let configuration = held.iter().find_map(|held| held.configuration.clone());
    let system_map = held.iter().find_map(|held| held.system_map.clone());
    let built_in = held.iter().find_map(|held| held.built_in.clone());
    let absent = |name: &str| format!("/boot/{name}-{release}");
    Ok(Kernel {
        image,
        configuration: match configuration {
            Some(found) => Fact::Known { from: found.path.clone(), value: found },
            None => Fact::Absent { from: absent("config") },
        },
        system_map: match system_map {
            Some(path) => Fact::known(path.clone(), path),
            None => Fact::Absent { from: absent("System.map") },
        },
        built_in: match built_in {
            Some(names) => Fact::known(names, format!("{in_modules}/modules.builtin")),
            None => Fact::Absent { from: format!("{in_modules}/modules.builtin") },
        },
        modules: modules.into_iter().collect(),
        release,
    })
}

/// The name that a package's file has in a bundle. None where what it calls itself isn't a plain word.
#[must_use]
pub fn file_name(family: Family, name: &str, version: &str, architecture: &str) -> Option<String> {
    let is_plain = |word: &str, more: &str| {
        !word.is_empty()
            && word.len() < 128
            && word.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
            && word.chars().all(|char| char.is_ascii_alphanumeric() || more.contains(char))
    };
    let are_plain = is_plain(name, "+-._") && is_plain(version, "+-._~^:") && is_plain(architecture, "_-");
    are_plain.then(|| match family {
        Family::Rpm => {
            let version = version.split_once(':').map_or(version, |(_, version)| version);
            format!("{name}-{version}.{architecture}.rpm")
        }
        // As apt does it: a file system may know no colon.
        Family::Deb => format!("{name}_{}_{architecture}.deb", version.replace(':', "%3a")),
    })
}

#[cfg(test)]
mod tests;
