//! A small root, and the snapshot of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use kernmend_core::document::Document;
use kernmend_core::document::snapshot::Snapshot;
use kernmend_core::knowledge::KnowledgeBase;
use kernmend_node::collect::collect;
use kernmend_node::host::Host;
use tempfile::TempDir;

/// A directory that is laid out like a root file system.
pub(crate) struct Root(TempDir);

impl Root {
    /// A root that holds these files.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let root = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            root.put(path, text);
        }
        root
    }

    /// Where a path of the root is on the machine of the test.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    fn place(&self, path: &str) -> PathBuf {
        let place = self.path(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        place
    }

    /// Writes a file.
    pub(crate) fn put(&self, path: &str, text: impl AsRef<[u8]>) {
        fs::write(self.place(path), text).unwrap();
    }

    /// Makes a link.
    pub(crate) fn link(&self, path: &str, target: &str) {
        symlink(target, self.place(path)).unwrap();
    }

    /// Makes a directory.
    pub(crate) fn directory(&self, path: &str) {
        fs::create_dir_all(self.place(path)).unwrap();
    }

    /// The snapshot, which the capture of it gives again.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let knowledge = KnowledgeBase::embedded();
        let mut capture = Vec::new();
        let host =
            Host::directory(self.0.path(), &knowledge.signals).unwrap().record_to(&mut capture).unwrap();
        let found = collect(&host);
        host.finish().unwrap();
        let replayed = collect(&Host::archive(&capture[..], &knowledge.signals).unwrap());
        assert_eq!(replayed, found);
        let document = Document::new(found, None);
        assert_eq!(Document::from_json(&document.to_json()).unwrap(), document);
        document.body
    }
}
