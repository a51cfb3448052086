//! Whether one package gives what another asks for, or may not stand beside it, by the rules of its family.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::document::bundle::{Family, Operator, Package, Relation, Versions};
use crate::version::{self, Order};

/// The order that versions of a family have.
#[must_use]
pub const fn order(family: Family) -> Order {
    match family {
        Family::Rpm => Order::Rpm,
        Family::Deb => Order::Deb,
    }
}

/// Whether a package gives what is asked for: it is called so, says so, or has that file among `programs`.
#[must_use]
pub fn gives(family: Family, package: &Package, programs: &BTreeSet<String>, wanted: &Relation) -> bool {
    let own = Versions { operator: Operator::Equal, version: package.version.clone() };
    let is_named = package.name == wanted.name && meets(family, Some(&own), wanted.version.as_ref());
    is_named
        || programs.contains(&wanted.name)
        || package.provides.iter().any(|given| {
            given.name == wanted.name && meets(family, given.version.as_ref(), wanted.version.as_ref())
        })
}

/// What a package says that keeps it from standing beside another.
#[must_use]
pub fn conflict<'p>(family: Family, one: &'p Package, other: &Package) -> Option<&'p Relation> {
    let none = BTreeSet::new();
    one.conflicts.iter().find(|relation| gives(family, other, &none, relation))
}

/// Whether versions that are given meet those that are asked for. RPM takes what is given without a version for any
/// (`rpmdsCompare`); Debian for none (policy, 7.5).
fn meets(family: Family, given: Option<&Versions>, wanted: Option<&Versions>) -> bool {
    let Some(wanted) = wanted else { return true };
    let Some(given) = given else { return family == Family::Rpm };
    let (older, equal, newer) = sides(given.operator);
    let (wants_older, wants_equal, wants_newer) = sides(wanted.operator);
    match compare(family, &given.version, &wanted.version) {
        Ordering::Less => newer || wants_older,
        Ordering::Greater => older || wants_newer,
        Ordering::Equal => equal && wants_equal || older && wants_older || newer && wants_newer,
    }
}

/// Whether an operator means older ones, the version itself, newer ones.
const fn sides(operator: Operator) -> (bool, bool, bool) {
    match operator {
        Operator::Less => (true, false, false),
        Operator::AtMost => (true, true, false),
        Operator::Equal => (false, true, false),
        Operator::AtLeast => (false, true, true),
        Operator::Greater => (false, false, true),
    }
}

/// Where one of two versions of RPM names no release, any will do.
fn compare(family: Family, a: &str, b: &str) -> Ordering {
    let without_release = |version: &str| version.rsplit_once('-').map(|(version, _)| version.to_owned());
    match (family, without_release(a), without_release(b)) {
        (Family::Rpm, Some(a), None) => version::rpm::compare(&a, b),
        (Family::Rpm, None, Some(b)) => version::rpm::compare(a, &b),
        _ => version::compare(order(family), a, b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(text: &str) -> Option<Versions> {
        let (operator, version) = text.split_once(' ')?;
        let operator = match operator {
            "<" => Operator::Less,
            "<=" => Operator::AtMost,
            "=" => Operator::Equal,
            ">=" => Operator::AtLeast,
            _ => Operator::Greater,
        };
        Some(Versions { operator, version: version.to_owned() })
    }

    #[test]
    fn versions_meet_as_each_family_has_it() {
        use Family::{Deb, Rpm};
        for (family, given, wanted, expected) in [
            (Rpm, "= 6.9.7-1.el7", ">= 6.9", true),
            (Rpm, "= 6.9.7-1.el7", "= 6.9.7", true),
            (Rpm, "= 6.9.7-1.el7", "= 6.9.7-2.el7", false),
            (Rpm, "= 6.9.7", "> 6.9.7-2", false),
            (Rpm, "", "= 1", true),
            (Rpm, "< 3", "> 2", true),
            (Rpm, "< 3", "> 3", false),
            (Rpm, "<= 3", ">= 3", true),
            (Rpm, "= 1:1-1", "< 2-1", false),
            (Deb, "= 4.12~deb12u1", ">= 4.3~", true),
            (Deb, "= 4.12", "< 4.12", false),
            (Deb, "", "= 1", false),
            (Deb, "= 1", "", true),
            (Deb, "= 1.0-1", "= 1.0", false),
        ] {
            let found = meets(family, versions(given).as_ref(), versions(wanted).as_ref());
            assert_eq!(found, expected, "{family:?}: {given} for {wanted}");
        }
    }
}
