//! Looks at one program file by its path, away from any snapshot: what a build made, what is about to be put in place of
//! another. It reads the file once and runs nothing.

use std::fs::File;
use std::io;
use std::path::Path;

use kernmend_core::program::Inspection;
use rustix::fs::{Mode, OFlags};

use crate::host::markers::{MOST_BYTES, ScanError, scan};

/// Why a file could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The system doesn't let it be opened.
    #[error(transparent)]
    Open(#[from] io::Error),
    /// It is a directory, a FIFO, a device: opening one can block, or be an act.
    #[error("it is not a regular file")]
    NotAFile,
    /// It could not be read to its end.
    #[error(transparent)]
    Scan(#[from] ScanError),
}

/// Reads a program file, at most [`MOST_BYTES`] of it, and judges it by its content. Links are followed.
///
/// # Errors
///
/// Where it is no regular file or can't be read. A file that is no program, or damaged, is no error: it is judged unknown.
pub fn inspect(path: &Path) -> Result<Inspection, InspectError> {
    let scan = scan(&mut &open(path)?, MOST_BYTES)?;
    Ok(Inspection::of(&path.to_string_lossy(), &scan.content, scan.digest))
}

fn open(path: &Path) -> Result<File, InspectError> {
    // Before it is opened, since opening a device can be an act, and after, since somebody may have exchanged it.
    if !path.metadata()?.is_file() {
        return Err(InspectError::NotAFile);
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(InspectError::NotAFile) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use kernmend_core::document::Digest;
    use kernmend_core::document::snapshot::Class;
    use kernmend_core::program::{Ground, Machine};
    use rustix::fs::CWD;

    use super::*;

    #[test]
    fn a_program_is_looked_at_by_its_path() {
        let path = std::env::current_exe().unwrap();
        let found = inspect(&path).unwrap();
        assert_eq!(found.digest, Some(Digest::of(&fs::read(&path).unwrap())));
        assert_eq!((found.path.as_str(), found.version), (path.to_str().unwrap(), None));
        assert_eq!(found.classification.class, Class::NotLibcontainer);
        assert_eq!(found.features, None);
        let expected = if cfg!(target_arch = "aarch64") { Machine::Aarch64 } else { Machine::X86_64 };
        assert_eq!(found.demands.unwrap().machine, expected);
    }

    #[test]
    fn what_is_no_program_is_unknown_and_what_is_no_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("runc");
        fs::write(&script, "#!/bin/sh\nexec runc.real \"$@\"\n").unwrap();
        let found = inspect(&script).unwrap();
        assert_eq!(
            (found.classification.class, found.classification.why),
            (Class::Unknown, vec![Ground::NotAProgram])
        );
        assert_eq!((found.demands, found.features), (None, None));

        let fifo = dir.path().join("fifo");
        rustix::fs::mkfifoat(CWD, &fifo, Mode::RUSR).unwrap();
        for path in [dir.path(), fifo.as_path(), Path::new("/dev/zero")] {
            assert!(matches!(inspect(path), Err(InspectError::NotAFile)), "{}", path.display());
        }
        assert!(matches!(inspect(&dir.path().join("none")), Err(InspectError::Open(_))));
    }
}
