//! The pod sandboxes in containerd's own database, with the labels of their pods. Of a record only what tells a pod's kind
//! leaves this file.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek};

use kernmend_core::format::pods::{Sandbox, labelled};
use rustix::io::Errno;

use super::answer::{Answer, Content, errno_of};
use super::bolt::{Bucket, Database, Entry};

/// Sandboxes of one node, with those that have ended and weren't cleaned up.
const MAX_SANDBOXES: usize = 10_000;

/// Bytes of a label; longer ones are none that is asked for.
const MAX_LABEL: usize = 1024;

/// A busy runtime makes a transaction now and then; between two of them there is time for this.
const TRIES: u32 = 3;

/// Reads the sandboxes, as what [`kernmend_core::format::pods::Sandbox`] is written as.
pub(super) fn read(file: &mut (impl Read + Seek)) -> Answer<Content> {
    for _ in 0..TRIES {
        match sandboxes(file) {
            Ok(Some(found)) => {
                let bytes = serde_json::to_vec(&found).expect("sandboxes are plain data");
                return Answer::Got(Content { bytes, cut: found.len() >= MAX_SANDBOXES });
            }
            Ok(None) => {}
            Err(error) => return Answer::Failed(errno_of(&error)),
        }
    }
    Answer::Failed(Errno::AGAIN)
}

/// The sandboxes; nothing where the database changed meanwhile.
fn sandboxes(file: &mut (impl Read + Seek)) -> io::Result<Option<Vec<Sandbox>>> {
    let mut database = Database::open(file)?.ok_or(Errno::BADMSG)?;
    let mut bucket = Some(database.root());
    // `metadata/buckets.go` of containerd: version, namespace, kind of record.
    for name in ["v1", "k8s.io", "containers"] {
        bucket = match bucket {
            Some(parent) => database.bucket(&parent, name)?,
            None => None,
        };
    }
    let mut found = Vec::new();
    if let Some(containers) = bucket {
        database.each(&containers, &mut |database, _, entry| {
            if let Entry::Bucket(container) = entry
                && found.len() < MAX_SANDBOXES
                && let Some(labels) = database.bucket(&container, "labels")?
            {
                found.extend(labelled(&words(database, &labels)?));
            }
            Ok(())
        })?;
    }
    Ok(database.is_unchanged()?.then_some(found))
}

fn words<F: Read + Seek>(
    database: &mut Database<'_, F>,
    bucket: &Bucket,
) -> io::Result<BTreeMap<String, String>> {
    let mut words = BTreeMap::new();
    database.each(bucket, &mut |_, name, entry| {
        if let Entry::Value(value) = entry
            && value.len() <= MAX_LABEL
            && let (Ok(name), Ok(value)) = (str::from_utf8(name), String::from_utf8(value))
        {
            words.insert(name.to_owned(), value);
        }
        Ok(())
    })?;
    Ok(words)
}
