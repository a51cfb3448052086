//! What must hold of the release build, since it is what runs on nodes: the profile's settings, and that the program
//! stays small and needs nothing that an old node lacks.

use std::fs;
use std::path::Path;

use object::Endianness;
use object::elf::DT_NEEDED;
use object::read::elf::{Dyn as _, ElfFile64, ProgramHeader as _};

use crate::failure::Failure;
use crate::workspace::Workspace;

/// The largest program that we are willing to copy to five thousand nodes. A dependency that breaks it is weighed anew.
const LARGEST: usize = 16 << 20;

/// Checks the profile in `Cargo.toml` and the built program.
pub(crate) fn check(workspace: &Workspace, built: Result<&Path, &Failure>) -> Result<(), Failure> {
    let mut problems = profile(&workspace.read("Cargo.toml")?)?;
    let kernmend = built.map_err(Failure::again)?;
    let program = fs::read(kernmend).map_err(|source| Failure::File {
        act: "reading",
        path: kernmend.to_owned(),
        source,
    })?;
    let size = program.len();
    println!("kernmend: {:.1} MiB of {} MiB", size as f64 / f64::from(1 << 20), LARGEST >> 20);
    if size > LARGEST {
        problems.push(format!("the release build has {size} bytes, and {LARGEST} is the most"));
    }
    match needs(&program) {
        Ok(needs) if needs.is_empty() => println!("kernmend: static, needs no interpreter and no library"),
        Ok(needs) => problems.push(format!("the release build needs {}", needs.join(", "))),
        Err(error) => problems.push(format!("the release build is not an ELF program: {error}")),
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure::Problems(problems)) }
}

/// What a program asks of the machine before it runs: an interpreter (the dynamic loader), and libraries.
fn needs(program: &[u8]) -> Result<Vec<String>, object::Error> {
    let elf = ElfFile64::<Endianness>::parse(program)?;
    let endian = elf.endian();
    let mut needs = Vec::new();
    for segment in elf.elf_program_headers() {
        if segment.interpreter(endian, program)?.is_some() {
            needs.push("an interpreter".to_owned());
        }
        if let Some(entries) = segment.dynamic(endian, program)? {
            let libraries = entries.iter().filter(|entry| entry.d_tag(endian) == DT_NEEDED).count();
            needs.extend((libraries > 0).then(|| format!("{libraries} libraries")));
        }
    }
    Ok(needs)
}

/// What is wrong with the release profile of a manifest.
fn profile(manifest: &str) -> Result<Vec<String>, Failure> {
    let manifest: toml::Table = toml::from_str(manifest)
        .map_err(|error| Failure::problem(format!("`Cargo.toml` is not TOML: {error}")))?;
    let release = manifest.get("profile").and_then(|profile| profile.get("release"));
    let Some(release) = release.and_then(toml::Value::as_table) else {
        return Ok(vec!["`Cargo.toml` has no [profile.release]".to_owned()]);
    };
    // Each with the reason that is printed when it doesn't hold.
    let wanted = [
        ("opt-level", toml::Value::Integer(3), "a log scan is bounded by the processor"),
        ("lto", toml::Value::from("fat"), "the program must stay small"),
        ("strip", toml::Value::from("symbols"), "the program must stay small"),
        (
            "panic",
            toml::Value::from("unwind"),
            "a panic must become an internal error with its own exit code",
        ),
    ];
    let mut problems: Vec<String> = wanted
        .iter()
        .filter(|(key, value, _)| release.get(*key) != Some(value))
        .map(|(key, value, why)| format!("profile.release.{key} must be {value}: {why}"))
        .collect();
    for key in ["debug", "debug-assertions", "incremental"] {
        if release.get(key).is_some_and(|value| value != &toml::Value::Boolean(false)) {
            problems.push(format!("profile.release.{key} must stay off: it would reach the nodes"));
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::profile;

    const GOOD: &str =
        "[profile.release]\nopt-level = 3\nlto = \"fat\"\nstrip = \"symbols\"\npanic = \"unwind\"\n";

    #[test]
    fn a_program_that_needs_the_loader_is_seen() {
        // This test program is an ordinary one.
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let needs = super::needs(&own).unwrap();
        assert!(needs.iter().any(|need| need == "an interpreter"), "{needs:?}");
        assert!(needs.iter().any(|need| need.ends_with(" libraries")), "{needs:?}");
        assert!(super::needs(b"#!/bin/sh").is_err());
    }

    #[test]
    fn each_setting_is_missed() {
        assert_eq!(profile(GOOD).unwrap(), Vec::<String>::new());
        for line in GOOD.lines().skip(1) {
            let problems = profile(&GOOD.replace(line, "")).unwrap();
            let key = line.split(' ').next().unwrap();
            assert_eq!(problems.len(), 1, "{line}");
            assert!(problems[0].starts_with(&format!("profile.release.{key} must be")), "{problems:?}");
        }
        assert_eq!(profile(&format!("{GOOD}debug = true\n")).unwrap().len(), 1);
        assert_eq!(profile("").unwrap(), ["`Cargo.toml` has no [profile.release]"]);
    }
}
