//! What must hold of the source as a whole: the purity of core, the arrows between the crates, and the house rules that
//! no lint of the compiler knows. It reads the source and asks cargo, without network, and changes nothing.

// A program would look for `tests/source.rs`, which cargo would take for another test.
#[path = "tidy/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use source::{Source, Word};

/// Modules of std that act on the world or ask it.
const IMPURE_MODULES: [&str; 6] = ["fs", "process", "net", "env", "thread", "os"];

/// Names that read a clock, differ between runs or reach the terminal, wherever they come from.
const IMPURE_NAMES: [&str; 8] =
    ["SystemTime", "Instant", "HashMap", "HashSet", "RandomState", "stdin", "stdout", "stderr"];

/// Crates whose business it is to talk to a person.
const TALKERS: [&str; 3] = ["kernmend", "xtask", "lab"];

/// Which crates of the workspace each crate may rest on, in what is built of it.
const ARROWS: [(&str, &[&str]); 5] = [
    ("kernmend-core", &[]),
    ("kernmend-node", &["kernmend-core"]),
    ("kernmend", &["kernmend-core", "kernmend-node"]),
    ("lab", &["kernmend-core", "kernmend-node"]),
    ("xtask", &[]),
];

/// Where what isn't a test may change files: the one way to change a machine, and files that an option names.
/// What builds the program writes beside what it builds.
const WRITERS: [&str; 6] = [
    "crates/node/src/machine/",
    "crates/kernmend/src/command/bundle/output.rs",
    "crates/kernmend/src/command/collect.rs",
    "crates/kernmend/src/command.rs",
    "crates/kernmend/build.rs",
    "crates/core/build.rs",
];

/// Functions of `std::fs` and `std::os::unix::fs` that change files.
const CHANGING: [&str; 17] = [
    "chown",
    "copy",
    "create_dir",
    "create_dir_all",
    "fchown",
    "hard_link",
    "lchown",
    "remove_dir",
    "remove_dir_all",
    "remove_file",
    "rename",
    "set_permissions",
    "set_times",
    "soft_link",
    "symlink",
    "write",
    "OpenOptions",
];

/// Flags of a file that is opened to be changed.
const OPENING: [&str; 4] = ["CREATE", "RDWR", "TRUNC", "WRONLY"];

/// Names by which files and machines are changed, wherever they come from.
const CHANGING_ANYWHERE: [&str; 26] = [
    "OpenOptions",
    "RebootCommand",
    "chmodat",
    "chownat",
    "fallocate",
    "fchmod",
    "fchown",
    "fremovexattr",
    "fsetxattr",
    "ftruncate",
    "linkat",
    "lremovexattr",
    "lsetxattr",
    "mkdirat",
    "mknodat",
    "pwrite",
    "removexattr",
    "renameat",
    "renameat_with",
    "set_len",
    "setxattr",
    "symlinkat",
    "syncfs",
    "unlinkat",
    "utimensat",
    "write_all_at",
];

fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).expect("this crate lies two levels below the root").to_owned()
}

/// All files below a directory of the workspace, but for what is built or belongs to git; paths from the root.
fn files(directory: &str) -> Vec<String> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display())) {
            let entry = entry.expect("a directory that opens can be read");
            let kind = entry.file_type().expect("a directory tells the kinds of its entries");
            // In a second work tree `.git` is a file.
            if ["target", ".git"].iter().any(|skipped| entry.file_name() == *skipped) {
                continue;
            }
            if kind.is_dir() {
                walk(&entry.path(), found);
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    let root = root();
    let mut found = Vec::new();
    walk(&root.join(directory), &mut found);
    let relative = |path: PathBuf| Some(path.strip_prefix(&root).ok()?.to_str()?.to_owned());
    let mut paths: Vec<String> =
        found.into_iter().map(|path| relative(path).expect("our files have readable names")).collect();
    paths.sort();
    assert!(!paths.is_empty(), "nothing in `{directory}`");
    paths
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn rust_files(directory: &str) -> impl Iterator<Item = (String, Source)> {
    files(directory).into_iter().filter(|path| path.ends_with(".rs")).map(|path| {
        let source = Source::parse(&read(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        (path, source)
    })
}

/// The crate that a file belongs to, by its folder in `crates`.
fn owner(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}

/// Whether a file is built for tests only.
fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.contains("/benches/") || path.ends_with("/tests.rs")
}

fn hold(rule: &str, problems: &[String]) {
    assert!(problems.is_empty(), "{rule}:\n  {}", problems.join("\n  "));
}

/// Where a pure crate's source acts on the world, asks it, or depends on chance. The words of tests count too: a test
/// of a pure function needs none of them.
fn impurities(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for path in &source.std_paths {
        let module = path.names.first().map(String::as_str);
        match module {
            Some(module) if IMPURE_MODULES.contains(&module) => {
                found.push((path.line, format!("std::{}", path.names.join("::"))));
            }
            // A name for std itself, or all of it, would hide the rest from this test.
            None | Some("*" | "self") => found.push((path.line, "std under another name".to_owned())),
            Some(_) => {}
        }
    }
    for (at, Word { text, line, .. }) in source.words.iter().enumerate() {
        if IMPURE_NAMES.contains(&text.as_str()) || text == "unsafe" {
            found.push((*line, text.clone()));
        }
        // A clock is asked by a function of its type; a method of that name is our own.
        let back = |steps: usize| at.checked_sub(steps).map(|at| source.words[at].text.as_str());
        if text == "now" && (back(1), back(2)) == (Some(":"), Some(":")) && back(3) != Some("Self") {
            found.push((*line, "now".to_owned()));
        }
    }
    found.sort();
    found.dedup();
    found
}

#[test]
fn core_is_pure() {
    let mut problems = Vec::new();
    for (path, source) in rust_files("crates/core/src") {
        problems.extend(impurities(&source).into_iter().map(|(line, what)| format!("{path}:{line}: {what}")));
    }
    hold("core does no input or output and reads no clock, environment or chance", &problems);
}

#[test]
fn impurities_are_seen_in_every_spelling() {
    for (text, expected) in [
        ("fn f() { std::fs::read(p); }", &["std::fs::read"][..]),
        ("fn f() { ::std::env::var(p); }", &["std::env::var"]),
        ("use std::{fmt, fs::{self, File}, io};", &["std::fs::File", "std::fs::self"]),
        ("use std::{\n  collections::{BTreeMap, HashMap},\n  net,\n};", &["HashMap", "std::net"]),
        ("use std as s;", &["std under another name"]),
        ("use std::*;", &["std under another name"]),
        ("use std::{self as s};", &["std under another name"]),
        ("extern crate std as s;", &["std under another name"]),
        ("fn f() { format!(\"{}\", std::process::id()); }", &["std::process::id"]),
        ("fn f() { jiff::Timestamp::now(); Zoned::now() }", &["now"]),
        ("fn f() { x.unwrap_or_else(Timestamp::now) }", &["now"]),
        ("fn now(&self) { self.now(); Self::now(self) }", &[]),
        ("fn f(now: i64, known: u8) -> i64 { now }", &[]),
        ("// std::fs\n/* HashMap */ /// std::env\nfn f() { \"std::fs HashMap\"; r#\"Instant\"#; }", &[]),
        ("use std::{fmt, io::Read, collections::BTreeMap};", &[]),
        ("fn f() { env!(\"CARGO_PKG_VERSION\"); crate::fs::x(); self.env.thread() }", &[]),
    ] {
        let source = Source::parse(text).expect(text);
        let mut found: Vec<String> = impurities(&source).into_iter().map(|(_, what)| what).collect();
        found.sort();
        found.dedup();
        assert_eq!(found, expected, "{text}");
    }
}

/// Where a source that isn't a test changes files, or the machine.
fn changes(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for path in source.std_paths.iter().filter(|path| !path.in_test) {
        let names: Vec<&str> = path.names.iter().map(String::as_str).collect();
        if let ["fs" | "os", .., last] = names[..]
            && (CHANGING.contains(&last) || last == "*")
        {
            found.push((path.line, format!("std::{}", names.join("::"))));
        }
    }
    for window in source.words.windows(4) {
        let [a, b, c, d] = window else { unreachable!("windows of four") };
        let last = d.text.as_str();
        let changes = match [a.text.as_str(), b.text.as_str(), c.text.as_str()] {
            ["fs", ":", ":"] => CHANGING.contains(&last),
            ["File", ":", ":"] => last.starts_with("create"),
            ["OFlags", ":", ":"] => OPENING.contains(&last),
            _ => false,
        };
        if (changes || CHANGING_ANYWHERE.contains(&last)) && !d.in_test && !d.in_attribute {
            found.push((d.line, last.to_owned()));
        }
    }
    found
}

#[test]
fn one_module_changes_the_machine() {
    let mut problems = Vec::new();
    let product = ["crates/core", "crates/node", "crates/kernmend"].into_iter().flat_map(rust_files);
    for (path, source) in product.filter(|(path, _)| !is_test(path)) {
        if !WRITERS.iter().any(|writer| path.starts_with(writer)) {
            problems
                .extend(changes(&source).into_iter().map(|(line, what)| format!("{path}:{line}: {what}")));
        }
    }
    hold("whatever changes a machine is a verb of `Machine`", &problems);
}

#[test]
fn changes_of_a_machine_are_seen_in_every_spelling() {
    for (text, expected) in [
        ("fn f() { fs::write(p, b); std::fs::rename(a, b); }", 3),
        ("use std::fs::{self, remove_file};", 1),
        ("use std::fs::*;", 1),
        ("fn f() { std::os::unix::fs::symlink(a, b); }", 2),
        ("fn f() { fs::File::create(p); File::create_new(p); fs::OpenOptions::new(); }", 3),
        ("fn f() { rustix::fs::unlinkat(d, n, AtFlags::empty()); OFlags::WRONLY | OFlags::CREATE; }", 3),
        ("fn f(file: &File) { file.set_len(0); }", 1),
        ("use std::fs;\n#[cfg(test)]\nmod tests { fn f() { fs::write(p, b); std::fs::copy(a, b); } }", 0),
        (
            "#[serde(rename = \"x\")] struct A; fn f() { fs::read(p); x.write(b); self.hard_link(a, b); WatchFlags::CREATE; }",
            0,
        ),
    ] {
        let source = Source::parse(text).expect(text);
        let found = changes(&source);
        assert_eq!(found.len(), expected, "{text}: {found:?}");
    }
}

#[test]
fn arrows_between_crates_run_one_way() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("metadata lists packages");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();

    let ours: BTreeSet<String> = packages.iter().map(|package| text(&package["name"])).collect();
    let known: BTreeSet<String> = ARROWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(ours, known, "each crate of the workspace has its arrows here");

    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages {
        let dependencies = package["dependencies"].as_array().expect("packages list dependencies");
        // Dependencies of tests count too: what only tests use is still an arrow that somebody will follow.
        let to = dependencies.iter().map(|d| text(&d["name"])).filter(|name| ours.contains(name)).collect();
        arrows.insert(text(&package["name"]), to);
    }
    let mut problems = Vec::new();
    for (name, may) in ARROWS {
        for to in arrows[name].iter().filter(|to| !may.contains(&to.as_str())) {
            problems.push(format!("{name} -> {to}"));
        }
    }
    hold("core <- node <- kernmend, and nothing rests on lab or xtask", &problems);

    let published: Vec<String> = packages
        .iter()
        .filter(|package| ["lab", "xtask"].contains(&text(&package["name"]).as_str()))
        .filter(|package| package["publish"] != serde_json::json!([]))
        .map(|package| text(&package["name"]))
        .collect();
    hold("what only contributors use is not published", &published);
    let members: Vec<String> = metadata["workspace_default_members"]
        .as_array()
        .expect("metadata lists the default members")
        .iter()
        .map(text)
        .filter(|id| ["/lab#", "/xtask#"].iter().any(|part| id.contains(part)))
        .collect();
    hold("a plain `cargo test` needs no root: lab and xtask are no default members", &members);
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> = files("crates")
        .into_iter()
        .filter(|path| path.ends_with(".rs"))
        .filter(|path| {
            let text = read(path);
            !text
                .strip_prefix("//! ")
                .is_some_and(|rest| rest.starts_with(|first: char| !first.is_whitespace()))
        })
        .collect();
    hold("a file opens with `//!`", &silent);
}

/// Words of a source that the house doesn't use, with what to do.
fn unwelcome(path: &str, source: &Source) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    let talks = TALKERS.contains(&owner(path)) || path.ends_with("/build.rs");
    for window in source.words.windows(4) {
        let [a, b, c, d] = window else { unreachable!("windows of four") };
        let texts = [a.text.as_str(), b.text.as_str(), c.text.as_str(), d.text.as_str()];
        let tested = is_test(path) || b.in_test;
        match texts {
            [".", "unwrap", "(", ")"] if !tested => {
                found.push((b.line, "unwrap(): `expect` says why it can't fail"));
            }
            ["allow", "(", ..] if a.in_attribute => {
                found.push((a.line, "allow: `expect` with a reason, so that it goes when it isn't needed"));
            }
            ["println" | "eprintln" | "print" | "eprint", "!", ..]
                if !talks && !is_test(path) && !a.in_test =>
            {
                found.push((a.line, "printing is the command line's"));
            }
            ["process", ":", ":", "exit" | "abort"] if !talks && !is_test(path) => {
                found.push((a.line, "ending is the command line's"));
            }
            _ => {}
        }
    }
    found
}

#[test]
fn the_house_rules_hold() {
    let mut problems = Vec::new();
    for (path, source) in rust_files("crates") {
        problems.extend(
            unwelcome(&path, &source).into_iter().map(|(line, what)| format!("{path}:{line}: {what}")),
        );
    }
    hold("words that the house doesn't use", &problems);
}

#[test]
fn the_house_rules_see_what_they_forbid() {
    for (path, text, expected) in [
        ("crates/node/src/a.rs", "fn f() { x.unwrap(); }", 1),
        ("crates/node/src/a.rs", "fn f() { x.unwrap_or(1); unwrap(); }", 0),
        ("crates/node/src/a.rs", "#[cfg(test)]\nmod tests { fn f() { x.unwrap(); } }", 0),
        (
            "crates/node/src/a.rs",
            "#[cfg(test)] #[must_use]\nfn f() { x.unwrap(); }\nfn g() { x.unwrap(); }",
            1,
        ),
        ("crates/node/src/a.rs", "#[cfg(test)]\nuse a::b;\nfn g() { x.unwrap(); }", 1),
        ("crates/node/src/a.rs", "#[cfg(not(test))]\nfn g() { x.unwrap(); }", 1),
        ("crates/node/src/a/tests.rs", "fn f() { x.unwrap(); }", 0),
        ("crates/node/tests/a.rs", "fn f() { x.unwrap(); }", 0),
        ("crates/node/src/a.rs", "#[allow(dead_code)] fn f() {}", 1),
        ("crates/node/src/a.rs", "#![allow(dead_code)] fn f() {}", 1),
        ("crates/node/tests/a.rs", "#[cfg_attr(x, allow(dead_code))] fn f() {}", 1),
        ("crates/node/src/a.rs", "#[expect(dead_code, reason = \"allow(x)\")] fn f() { self.allow(1) }", 0),
        ("crates/node/src/a.rs", "fn f() { println!(\"\"); eprint!(\"\"); }", 2),
        ("crates/node/build.rs", "fn f() { println!(\"\"); }", 0),
        ("crates/kernmend/src/main.rs", "fn f() { println!(\"\"); std::process::exit(1); }", 0),
        ("crates/core/src/a.rs", "use std::process;\nfn f() { process::exit(1); }", 1),
        ("crates/node/src/a.rs", "// println!()\nfn f() { \"x.unwrap()\"; writeln!(f, \"\"); }", 0),
    ] {
        let source = Source::parse(text).expect(text);
        let found = unwelcome(path, &source);
        assert_eq!(found.len(), expected, "{path}: {text}: {found:?}");
    }
}

/// Where a text names a path below `folder`.
fn names_folder(text: &str, folder: &str) -> Option<usize> {
    text.match_indices(folder).map(|(at, _)| at).find(|at| {
        let before = text[..*at].chars().next_back();
        let after = text[at + folder.len()..].chars().next();
        !before.is_some_and(|c| c.is_alphanumeric() || "/._-$}".contains(c)) && after == Some('/')
    })
}

#[test]
fn no_file_names_the_machine_that_it_was_written_on() {
    /// Folders that mean the same everywhere.
    const COMMON: [&str; 9] = ["/", "/home", "/root", "/tmp", "/var/tmp", "/mnt", "/opt", "/srv", "/usr/src"];
    let root = root();
    let folders: Vec<&str> =
        root.ancestors().take(2).filter_map(Path::to_str).filter(|folder| !COMMON.contains(folder)).collect();
    let mut problems = Vec::new();
    for path in files(".") {
        // What isn't text is no source.
        let Ok(text) = fs::read_to_string(root.join(&path)) else { continue };
        for folder in &folders {
            if let Some(at) = names_folder(&text, folder) {
                problems.push(format!("{path}:{}: {folder}", text[..at].lines().count().max(1)));
            }
        }
    }
    hold("paths are relative, or the node's", &problems);
}

#[test]
fn a_folder_is_named_only_as_a_whole() {
    for (text, expected) in [
        ("see /build/x", true),
        ("\"/build/\"", true),
        ("/var/lib/build/x", false),
        ("/builder/x", false),
        ("/build", false),
        ("{root}/build/x", false),
    ] {
        assert_eq!(names_folder(text, "/build").is_some(), expected, "{text}");
    }
}
