//! Names with places to fill, such as `ubuntu-{version}`. Text only: which names exist is `streams.toml`'s to say.

use std::fmt;

/// A name with holes. `rhel{version}` has one, `flatcar` none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Hole(String),
}

/// Why a text is no template.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TemplateError {
    /// A brace stands alone, or nothing stands between two.
    #[error("braces have to enclose a name, as in `rhel{{version}}`")]
    Braces,
    /// No text and no hole.
    #[error("a stream has to have a name")]
    Empty,
}

impl Template {
    pub(super) fn parse(mut text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        while !text.is_empty() {
            let (before, rest) =
                text.split_once('{').map_or((text, None), |(before, rest)| (before, Some(rest)));
            if before.contains('}') {
                return Err(TemplateError::Braces);
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let Some(rest) = rest else { break };
            let (hole, rest) = rest.split_once('}').ok_or(TemplateError::Braces)?;
            if hole.is_empty() || hole.contains('{') {
                return Err(TemplateError::Braces);
            }
            parts.push(Part::Hole(hole.to_owned()));
            text = rest;
        }
        if parts.is_empty() { Err(TemplateError::Empty) } else { Ok(Self { parts }) }
    }

    /// The names of its holes.
    pub(super) fn holes(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Hole(name) => Some(name.as_str()),
        })
    }

    /// The name with every hole filled; `None` if a value is missing.
    pub(super) fn fill<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Option<String> {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => Some(text.as_str()),
                Part::Hole(name) => value(name),
            })
            .collect()
    }

    /// Whether `name` is one of these, and what fills its hole there (empty for a template without one). A hole takes a
    /// number with dots, so that `rhel{version}` is not `rhel5-rt`. A template with several holes has no such names.
    pub(super) fn value_in<'n>(&self, name: &'n str) -> Option<&'n str> {
        let (before, rest): (&str, _) = match self.parts.as_slice() {
            [Part::Text(text), rest @ ..] => (text, rest),
            rest => ("", rest),
        };
        let rest_of_name = name.strip_prefix(before)?;
        match rest {
            [] => rest_of_name.is_empty().then_some(""),
            [Part::Hole(_)] => Some(rest_of_name).filter(|value| is_version(value)),
            [Part::Hole(_), Part::Text(after)] => {
                rest_of_name.strip_suffix(after.as_str()).filter(|v| is_version(v))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Hole(name) => write!(f, "{{{name}}}"),
        })
    }
}

fn is_version(value: &str) -> bool {
    value.starts_with(|c: char| c.is_ascii_digit()) && value.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        Template::parse(text).unwrap()
    }

    #[test]
    fn holes_are_filled() {
        let value = |name: &str| match name {
            "year" => Some("22"),
            "month" => Some("03"),
            _ => None,
        };
        assert_eq!(template("euler-{year}.{month}").fill(value).as_deref(), Some("euler-22.03"));
        assert_eq!(template("euler-{version}").fill(value), None);
        assert_eq!(template("talos").fill(value).as_deref(), Some("talos"));
    }

    #[test]
    fn a_name_is_recognised_and_its_version_found() {
        assert_eq!(template("ol{version}-uek").value_in("ol8-uek"), Some("8"));
        assert_eq!(template("ubuntu-{version}").value_in("ubuntu-22.04"), Some("22.04"));
        assert_eq!(template("rhel{version}").value_in("rhel5-rt"), None);
        assert_eq!(template("rhel{version}").value_in("rhel"), None);
        assert_eq!(template("cos").value_in("cos"), Some(""));
        assert_eq!(template("cos").value_in("coreos"), None);
    }

    #[test]
    fn a_template_is_written_as_it_was_read() {
        assert_eq!(template("a{b}c{d}").to_string(), "a{b}c{d}");
        assert_eq!(template("a{b}c{d}").holes().collect::<Vec<_>>(), ["b", "d"]);
    }

    #[test]
    fn lone_braces_are_refused() {
        for text in ["a{b", "a}b", "a{}", "a{b{c}}"] {
            assert_eq!(Template::parse(text), Err(TemplateError::Braces), "{text}");
        }
        assert_eq!(Template::parse(""), Err(TemplateError::Empty));
    }
}
