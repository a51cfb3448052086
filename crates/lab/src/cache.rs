//! What is dear to make and the same for all runs: kept in the user's cache folder, one entry for each key. An entry is
//! there whole or not at all. Nothing is removed but what a cut run left.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use kernmend_core::document::Digest;

use crate::LabError;

/// The entry of a kind for a recipe, made by `make` in the empty directory that it is given where there is none yet.
/// Whoever else wants the same entry waits, in this process and in others.
pub(crate) fn entry<E: From<LabError>>(
    kind: &str,
    recipe: &str,
    make: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<PathBuf, E> {
    let kind = folder()?.join(kind);
    fs::create_dir_all(&kind).map_err(LabError::file("creating", &kind))?;
    let key = Digest::of(recipe.as_bytes()).to_string();
    let key = key.trim_start_matches("sha256:");
    let entry = kind.join(key);
    let lock = kind.join(format!("{key}.lock"));
    let held = File::create(&lock).map_err(LabError::file("creating", &lock))?;
    held.lock().map_err(LabError::file("locking", &lock))?;
    if entry.is_dir() {
        return Ok(entry);
    }
    // Made beside it and renamed when whole. What is there already is of a run that was cut: its lock is gone.
    let unfinished = kind.join(format!("{key}.unfinished"));
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(LabError::file("removing", &unfinished))?;
    }
    fs::create_dir(&unfinished).map_err(LabError::file("creating", &unfinished))?;
    if let Err(error) = make(&unfinished) {
        // The error of the making says more than one of the tidying.
        drop(fs::remove_dir_all(&unfinished));
        return Err(error);
    }
    fs::rename(&unfinished, &entry).map_err(LabError::file("renaming to", &entry))?;
    Ok(entry)
}

/// The user's cache folder for kernmend.
fn folder() -> Result<PathBuf, LabError> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    let missing = LabError::Missing {
        missing: "no folder for what is kept between runs",
        mend: "set HOME or XDG_CACHE_HOME",
    };
    Ok(base.ok_or(missing)?.join("kernmend"))
}
