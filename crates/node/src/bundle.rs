//! Bundles: one plain tar archive of a document and the packages that it names. What goes into one is decided by
//! `kernmend_core::bundle`; here files are read, and bytes are written to what the caller gives. Only a bundle that is
//! byte for byte as it is written here is read, so a hostile archive has nothing to be hostile with.

mod input;
mod layout;
pub mod minisign;
mod read;
mod write;

use std::io;

use kernmend_core::bundle::Refusal;
use kernmend_core::document::ReadDocumentError;

pub use self::input::Inputs;
pub use self::read::{Checked, inspect, verify};
pub use self::write::create;
use crate::host::ReadArchiveError;
use crate::package::ReadPackageError;

/// What is being done, for whoever waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage<'a> {
    /// This package is read.
    Reading(&'a str),
    /// This package is written.
    Writing(&'a str),
}

/// Is told what is being done.
pub type Teller<'a> = &'a dyn Fn(Stage<'_>);

/// Why no bundle was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// A file or a directory can't be read.
    #[error("read `{path}`")]
    Read {
        /// Which.
        path: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It is neither a package nor an archive of some.
    #[error("`{0}` is no RPM package, no Debian package, and no tar archive of some")]
    Foreign(String),
    /// An archive is broken.
    #[error("read the archive `{path}`")]
    Archive {
        /// Which.
        path: String,
        /// What is wrong.
        #[source]
        source: ReadArchiveError,
    },
    /// There is more than is looked at.
    #[error("there are more than {0} files")]
    TooMany(usize),
    /// A package can't be used.
    #[error("`{file}` can't be used")]
    Package {
        /// Which.
        file: String,
        /// What is wrong.
        #[source]
        source: ReadPackageError,
    },
    /// What was offered makes no bundle.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A package is another one than a moment ago.
    #[error("`{0}` changed while it was read")]
    Changed(String),
    /// The bundle can't be written.
    #[error("write the bundle")]
    Write(#[source] io::Error),
}

/// Why a file is no bundle that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadBundleError {
    /// It can't be read.
    #[error("read it")]
    Read(#[source] io::Error),
    /// It is something else.
    #[error("this is no bundle: it doesn't begin with a member `{}`", layout::DOCUMENT)]
    Foreign,
    /// Its document can't be read.
    #[error("its document")]
    Document(#[from] ReadDocumentError),
    /// Its document says what no bundle says.
    #[error("its document says nonsense: {0}")]
    Nonsense(String),
    /// It ends too early.
    #[error("it is cut off in `{0}`")]
    Truncated(String),
    /// It isn't laid out as kernmend does it.
    #[error("the head of `{0}` isn't as kernmend writes it: the bundle was packed anew or changed")]
    Layout(String),
    /// Something follows its end.
    #[error("something follows its last package")]
    Tail,
    /// A package isn't the one that the document names.
    #[error("`{0}` isn't the package that the document names: its bytes were changed")]
    Digest(String),
    /// A package in it is broken.
    #[error("`{file}` can't be used")]
    Package {
        /// Which.
        file: String,
        /// What is wrong.
        #[source]
        source: ReadPackageError,
    },
    /// Its packages make no bundle.
    #[error("its packages make no bundle")]
    Refused(#[source] Refusal),
    /// The document says of the packages what they don't say themselves.
    #[error("its document says of the packages what they don't say: {0}")]
    Untrue(String),
}
