//! Versions of runc, Kubernetes and Go as their projects tag them: three numbers, and a candidate for the release where it
//! isn't one yet. Versions of distributions have orders of their own and aren't read here.

use std::fmt;

/// A version that a project released, in the project's order: `1.0.0-rc10` is before `1.0.0-rc93`, and that before `1.0.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    major: u32,
    minor: u32,
    patch: u32,
    stage: Stage,
}

/// How far a version has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Candidate { number: u32, dotted: bool },
    Final,
}

impl Release {
    /// Reads `1.0.0-rc93`, `v1.2.0-rc.1`, `1.20.15`, and of Go `1.15` and `1.26rc1` too. What is built of something else than a
    /// tag (`-dirty`, `+dev`) is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (numbers, candidate) = match text.split_once("rc") {
            Some((numbers, candidate)) => (numbers.strip_suffix('-').unwrap_or(numbers), Some(candidate)),
            None => (text, None),
        };
        let mut parts = numbers.split('.');
        let (major, minor) = (number(parts.next()?)?, number(parts.next()?)?);
        let patch = parts.next().map_or(Some(0), number)?;
        let stage = match candidate {
            Some(candidate) => Stage::Candidate {
                number: number(candidate.strip_prefix('.').unwrap_or(candidate))?,
                dotted: candidate.starts_with('.'),
            },
            None => Stage::Final,
        };
        parts.next().is_none().then_some(Self { major, minor, patch, stage })
    }

    /// The first two numbers.
    #[must_use]
    pub const fn major_minor(self) -> (u32, u32) {
        (self.major, self.minor)
    }

    /// The tag of the version in its project's repository.
    #[must_use]
    pub fn tag(self) -> String {
        format!("v{self}")
    }
}

/// Decimal digits and nothing else.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        match self.stage {
            Stage::Candidate { number, dotted: false } => write!(f, "-rc{number}"),
            Stage::Candidate { number, dotted: true } => write!(f, "-rc.{number}"),
            Stage::Final => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_their_projects_made_them() {
        let ordered = [
            "1.0.0-rc6",
            "v1.0.0-rc10",
            "1.0.0-rc90",
            "1.0.0-rc93",
            "1.0.0",
            "1.1.12",
            "1.2.0-rc.1",
            "1.2.0",
        ];
        let read: Vec<Release> = ordered.iter().map(|text| Release::parse(text).unwrap()).collect();
        assert!(read.is_sorted_by(|a, b| a < b), "{read:?}");
        for (text, release) in ordered.iter().zip(&read) {
            assert_eq!(release.to_string(), text.trim_start_matches('v'));
        }
        assert_eq!(Release::parse("1.15").unwrap().to_string(), "1.15.0");
        assert_eq!(Release::parse("1.26rc1").unwrap().to_string(), "1.26.0-rc1");
    }

    #[test]
    fn what_no_project_tagged_is_none() {
        for text in [
            "",
            "1",
            "v",
            "1.0.0-rc93+dev",
            "1.0.0-rc",
            "1.20.2-dirty",
            "1.20.2+nokmem",
            "a.b.c",
            "1.2.3.4",
            "1.+2.3",
            "1.0.0-rc93-12-gabc",
            "1..2",
            "99999999999.0.0",
        ] {
            assert_eq!(Release::parse(text), None, "{text}");
        }
    }
}
