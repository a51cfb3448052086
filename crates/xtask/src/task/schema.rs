//! `cargo xtask schema`: writes the JSON schemas of the documents to `schemas/`, as kernmend itself prints them; and the
//! comparison that `check` makes with what is committed.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::program::Program;
use crate::run::Run;
use crate::workspace::Workspace;

/// The documents that have a committed schema.
const DOCUMENTS: [&str; 10] =
    ["boot", "build", "bundle", "snapshot", "report", "kernels", "news", "plan", "proof", "signals"];

/// Builds kernmend and writes the schemas.
pub(crate) fn run(workspace: &Workspace) -> ExitCode {
    let mut run = Run::new("schema");
    let built = run.stage("release build", || workspace.build_release());
    let _ = run.stage("schemas", || write(workspace, built.as_deref()));
    run.finish()
}

fn file(document: &str) -> String {
    format!("schemas/{document}.json")
}

fn generate(workspace: &Workspace, kernmend: &Path, document: &str) -> Result<String, Failure> {
    let text = Program::new(kernmend, &workspace.root).args(["schema", document]).output()?;
    if serde_json::from_str::<serde_json::Map<_, _>>(&text).is_err() {
        return Err(Failure::problem(format!("`kernmend schema {document}` printed no JSON object")));
    }
    Ok(text)
}

fn write(workspace: &Workspace, built: Result<&Path, &Failure>) -> Result<(), Failure> {
    let kernmend = built.map_err(Failure::again)?;
    for document in DOCUMENTS {
        let text = generate(workspace, kernmend, document)?;
        let path = workspace.root.join(file(document));
        let failed = |source| Failure::File { act: "writing", path: path.clone(), source };
        fs::create_dir_all(workspace.root.join("schemas")).map_err(failed)?;
        fs::write(&path, text).map_err(failed)?;
        println!("wrote {}", file(document));
    }
    Ok(())
}

/// Compares what kernmend prints with what is committed, byte for byte.
pub(crate) fn compare(workspace: &Workspace, built: Result<&Path, &Failure>) -> Result<(), Failure> {
    let kernmend = built.map_err(Failure::again)?;
    let mut problems = Vec::new();
    for document in DOCUMENTS {
        let pair = generate(workspace, kernmend, document)
            .and_then(|generated| Ok((generated, workspace.read(&file(document))?)));
        match pair {
            Ok((generated, committed)) => {
                if let Some(difference) = difference(&committed, &generated) {
                    problems.push(format!("{} has drifted: {difference}", file(document)));
                }
            }
            Err(failure) => problems.push(failure.chain()),
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    problems.push("`cargo xtask schema` writes them anew".to_owned());
    Err(Failure::Problems(problems))
}

/// Where two texts differ first.
fn difference(committed: &str, generated: &str) -> Option<String> {
    if committed == generated {
        return None;
    }
    let mut number = 1;
    let (mut old, mut new) = (committed.lines(), generated.lines());
    loop {
        match (old.next(), new.next()) {
            (None, None) => return Some("the line ends differ".to_owned()),
            (old, new) if old == new => number += 1,
            (old, new) => {
                let quote = |line: Option<&str>| {
                    line.map_or_else(|| "the end of the file".to_owned(), |line| format!("`{}`", line.trim()))
                };
                return Some(format!("line {number} is {} and should be {}", quote(old), quote(new)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn drift_is_named_by_its_first_line() {
        for (committed, generated, expected) in [
            ("a\nb\n", "a\nb\n", None),
            ("a\nb\n", "a\n  c\n", Some("line 2 is `b` and should be `c`")),
            ("a\n", "a\nb\n", Some("line 2 is the end of the file and should be `b`")),
            ("a\n", "a", Some("the line ends differ")),
        ] {
            assert_eq!(difference(committed, generated).as_deref(), expected, "{committed:?} {generated:?}");
        }
    }
}
