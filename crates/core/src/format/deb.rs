//! The small files of a Debian package: its control file, the fields that name other packages, its sums.

use crate::document::bundle::{Dependency, Operator, Relation, Versions};

/// The fields of a control file's one paragraph, with lines that go on joined by line ends.
///
/// # Errors
/// Where a line is neither a field nor one that goes on.
pub fn fields(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if line.starts_with([' ', '\t']) {
            let (_, value) = fields.last_mut().ok_or("it begins in the middle of a field")?;
            value.push('\n');
            value.push_str(line.trim());
        } else {
            let (name, value) =
                line.split_once(':').ok_or_else(|| format!("`{line}` is no field of a control file"))?;
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    Ok(fields)
}

/// A field that lists what a package depends on: `a (>= 1) | b, c`. What is only for other architectures is kept: which
/// one it is installed on isn't known here.
///
/// # Errors
/// Where an entry isn't a relation.
pub fn dependencies(field: &str, early: bool) -> Result<Vec<Dependency>, String> {
    let entries = field.split(',').map(|entry| entry.split_whitespace().collect::<Vec<_>>().join(" "));
    let dependency = |text: String| {
        let any = text.split('|').map(relation).collect::<Result<_, _>>()?;
        Ok(Dependency { text, any, early })
    };
    entries.filter(|entry| !entry.is_empty()).map(dependency).collect()
}

/// A field that lists relations without alternatives: `Conflicts`, `Breaks`, `Replaces`, `Provides`.
///
/// # Errors
/// Where an entry isn't a relation.
pub fn relations(field: &str) -> Result<Vec<Relation>, String> {
    field.split(',').filter(|entry| !entry.trim().is_empty()).map(relation).collect()
}

fn relation(text: &str) -> Result<Relation, String> {
    let broken = || format!("`{}` names no package", text.trim());
    let text = text.trim();
    // `name:any [arch …] <profile>`: what comes behind doesn't change what is named.
    let end = text.find(|char: char| char.is_whitespace() || "([<".contains(char)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let name = name.split(':').next().unwrap_or(name);
    if name.is_empty() || !name.starts_with(|char: char| char.is_ascii_alphanumeric()) {
        return Err(broken());
    }
    let Some((_, rest)) = rest.split_once('(') else {
        return Ok(Relation { name: name.to_owned(), version: None });
    };
    let (inner, _) = rest.split_once(')').ok_or_else(broken)?;
    let inner = inner.trim();
    let end = inner.find(|char| !"<>=".contains(char)).ok_or_else(broken)?;
    let (operator, version) = inner.split_at(end);
    let operator = match operator {
        "<<" => Operator::Less,
        // The old `<` and `>` mean the same (deb-control(5)).
        "<=" | "<" => Operator::AtMost,
        "=" => Operator::Equal,
        ">=" | ">" => Operator::AtLeast,
        ">>" => Operator::Greater,
        _ => return Err(broken()),
    };
    let version = Versions { operator, version: version.trim().to_owned() };
    Ok(Relation { name: name.to_owned(), version: Some(version) })
}

/// The lines of `md5sums`: a file's path below the root, and the sum in hexadecimal digits.
pub fn sums(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let (sum, path) = line.split_once(char::is_whitespace)?;
        Some((path.trim_start().trim_start_matches("./"), sum))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(field: &str, expected: Result<&str, &str>) {
        let found = dependencies(field, false).map(|all| {
            let relation = |relation: &Relation| match &relation.version {
                Some(Versions { operator, version }) => format!("{} {operator:?} {version}", relation.name),
                None => relation.name.clone(),
            };
            let any = |one: &Dependency| one.any.iter().map(relation).collect::<Vec<_>>().join(" or ");
            all.iter().map(any).collect::<Vec<_>>().join("; ")
        });
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{field}");
    }

    #[test]
    fn alternatives_and_versions_are_kept() {
        check(
            "kmod, linux-base (>= 4.3~), initramfs-tools (>= 0.120+deb8u2) | linux-initramfs-tool",
            Ok("kmod; linux-base AtLeast 4.3~; initramfs-tools AtLeast 0.120+deb8u2 or linux-initramfs-tool"),
        );
        check("a(<<1:2-3),b (>>4) [amd64 !i386] <!nocheck>", Ok("a Less 1:2-3; b Greater 4"));
        check("python3:any (= 3.11)\n , c (<= 1)", Ok("python3 Equal 3.11; c AtMost 1"));
        check("", Ok(""));
        check("a (1)", Err("`a (1)` names no package"));
        check("a (>= 1", Err("`a (>= 1` names no package"));
        check("(>= 1)", Err("`(>= 1)` names no package"));
    }

    #[test]
    fn a_control_file_is_its_fields() {
        let text = "Package: a\nDescription: short\n long\n .\nDepends: b,\n c\n";
        let found = fields(text).unwrap();
        let found: Vec<(&str, &str)> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(found, [("package", "a"), ("description", "short\nlong\n."), ("depends", "b,\nc")]);
        assert!(fields(" b").is_err());
        assert!(fields("nothing").is_err());
    }

    #[test]
    fn sums_have_their_paths() {
        let found: Vec<_> = sums("00ff  boot/a b\n11  ./c\nodd\n").collect();
        assert_eq!(found, [("boot/a b", "00ff"), ("c", "11")]);
    }
}
