//! Turns the message catalogues into functions, one a text, and fails where the languages differ in a key or in the
//! values that a text shows. What is generated is `Messages`; a text that nobody asks for is dead code to the compiler.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

/// The catalogues: file name and variant of `Language`.
const LANGUAGES: [(&str, &str); 2] = [("en", "En"), ("zh", "Zh")];

type Catalogue = BTreeMap<String, BTreeMap<String, String>>;

fn main() {
    let catalogues: Vec<(&str, Catalogue)> = LANGUAGES
        .iter()
        .map(|(file, variant)| {
            let path = format!("messages/{file}.toml");
            println!("cargo::rerun-if-changed={path}");
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("read `{path}`: {error}"));
            (*variant, toml::from_str(&text).unwrap_or_else(|error| panic!("`{path}`: {error}")))
        })
        .collect();
    check(&catalogues);
    let (_, first) = &catalogues[0];

    let mut code = String::from("impl Messages {\n");
    for (key, text) in &first["text"] {
        let values = in_order(text);
        let parameters: String =
            values.iter().map(|value| format!(", {value}: impl std::fmt::Display")).collect();
        let arms: String = catalogues
            .iter()
            .map(|(variant, all)| format!("Language::{variant} => format!({:?}), ", all["text"][key]))
            .collect();
        // A text that shows no value is lent, not made.
        if values.is_empty() {
            let arms: String = catalogues
                .iter()
                .map(|(variant, all)| format!("Language::{variant} => {:?}, ", all["text"][key]))
                .collect();
            writeln!(code, "    pub(crate) fn {key}(self) -> &'static str {{ match self.0 {{ {arms} }} }}")
                .expect("a string");
        } else {
            writeln!(
                code,
                "    pub(crate) fn {key}(self{parameters}) -> String {{ match self.0 {{ {arms} }} }}"
            )
            .expect("a string");
        }
    }
    for (section, about) in [
        ("fact", "What people call a fact"),
        ("remark", "The words for what a plan says, with its values in braces"),
    ] {
        writeln!(code, "    /// {about}.\n    pub(crate) fn {section}(self, name: &str) -> Option<&'static str> {{ match (name, self.0) {{")
            .expect("a string");
        for key in first[section].keys() {
            for (variant, all) in &catalogues {
                writeln!(code, "        ({key:?}, Language::{variant}) => Some({:?}),", all[section][key])
                    .expect("a string");
            }
        }
        code.push_str("        _ => None,\n    } }\n");
    }
    let arms: String = catalogues
        .iter()
        .map(|(variant, all)| format!("Language::{variant} => format!({:?}), ", all["signal"]["log"]))
        .collect();
    writeln!(
        code,
        "    pub(crate) fn log_for(self, signal: &str) -> String {{ match self.0 {{ {arms} }} }}\n}}"
    )
    .expect("a string");

    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("messages.rs"), code).expect("write the generated messages");
}

/// Compares every catalogue with the first.
fn check(catalogues: &[(&str, Catalogue)]) {
    let (_, first) = &catalogues[0];
    for (language, catalogue) in &catalogues[1..] {
        let sections = |catalogue: &Catalogue| catalogue.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(sections(first), sections(catalogue), "{language}: the sections differ");
        for (section, texts) in first {
            let other = &catalogue[section];
            let keys = |texts: &BTreeMap<String, String>| texts.keys().cloned().collect::<BTreeSet<_>>();
            assert_eq!(keys(texts), keys(other), "{language}: the keys of [{section}] differ");
            for (key, text) in texts {
                let (here, there) = (values(text), values(&other[key]));
                assert_eq!(here, there, "{language}: `{section}.{key}` shows other values");
            }
        }
    }
}

/// The names in braces.
fn values(text: &str) -> BTreeSet<&str> {
    in_order(text).into_iter().collect()
}

/// The names in braces, each once, as they follow each other in the text: the parameters of its function.
fn in_order(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for (name, _) in text.split('{').skip(1).filter_map(|rest| rest.split_once('}')) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
