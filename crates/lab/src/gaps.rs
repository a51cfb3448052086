//! The facts of a document that are absent or unknown, with the place where each stands.

use serde_json::Value;

/// Keys that name an element of a list better than its position does.
const NAMING: [&str; 4] = ["path", "log", "name", "id"];

/// A fact without a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// Where it stands, as `kernel.release` or `programs.found[/usr/bin/runc].version`.
    pub place: String,
    /// `absent` or `unknown`.
    pub state: String,
    /// What the document says about it.
    pub detail: String,
}

/// All gaps of a document, in the order of their places.
#[must_use]
pub fn find(document: &Value) -> Vec<Gap> {
    let mut gaps = Vec::new();
    walk(document, "", &mut gaps);
    gaps.sort();
    gaps
}

fn walk(value: &Value, place: &str, gaps: &mut Vec<Gap>) {
    match value {
        Value::Object(fields) => {
            match fields.get("state").and_then(Value::as_str) {
                Some(state @ ("absent" | "unknown")) => {
                    let detail = fields.get("why").or(fields.get("from"));
                    gaps.push(Gap {
                        place: place.to_owned(),
                        state: state.to_owned(),
                        detail: detail.map(Value::to_string).unwrap_or_default(),
                    });
                }
                // The place of what is inside a known fact is the place of the fact.
                Some("known") => walk(&fields["value"], place, gaps),
                _ => {
                    for (key, value) in fields {
                        let dot = if place.is_empty() { "" } else { "." };
                        walk(value, &format!("{place}{dot}{key}"), gaps);
                    }
                }
            }
        }
        Value::Array(elements) => {
            for (position, element) in elements.iter().enumerate() {
                let name = NAMING.iter().find_map(|key| element.get(key)?.as_str());
                let name = name.map_or_else(|| position.to_string(), str::to_owned);
                walk(element, &format!("{place}[{name}]"), gaps);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn gaps_are_found_at_any_depth() {
        let document = json!({
            "a": {"state": "absent", "from": "/proc/a"},
            "b": {"state": "known", "value": {"c": {"state": "unknown", "why": {"reason": "cut"}}}, "from": "/b"},
            "d": [{"path": "/bin/d", "version": {"state": "unknown", "why": {}}}, {"e": {"state": "absent"}}],
            "f": {"state": "known", "value": 1, "from": "/f"},
            "g": {"state": "running"},
        });
        let found: Vec<_> =
            find(&document).into_iter().map(|gap| format!("{} {}", gap.place, gap.state)).collect();
        assert_eq!(found, ["a absent", "b.c unknown", "d[/bin/d].version unknown", "d[1].e absent"]);
    }
}
