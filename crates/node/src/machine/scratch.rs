//! A folder to work in, which goes away with what was done in it: trees are copied and unpacked into it, and nothing that an
//! archive or a tree names can lead out of it. It knows nothing of what is built there.

use std::fs::{self, DirBuilder, File};
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use kernmend_core::document::Digest;
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use tar::EntryType;

use super::MachineError;

/// A folder that is removed when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

/// Members of an archive, and bytes in them: a kubelet's tree has 20,000 and 300 MB.
const MAX_MEMBERS: usize = 500_000;
const MAX_UNPACKED: u64 = 8 << 30;

/// The first bytes of compressed files.
const GZIP: &[u8] = &[0x1f, 0x8b];
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

impl Scratch {
    /// Makes a folder in `parent`, for its owner alone.
    ///
    /// # Errors
    /// It can't be made.
    pub fn new(parent: &Path) -> Result<Self, MachineError> {
        for number in 0_u32.. {
            let path = parent.join(format!("kernmend-build-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => {}
                Err(error) => return Err(because("make the directory", &path)(error)),
            }
        }
        unreachable!("the last number gives an answer")
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a folder in it, with those above.
    ///
    /// # Errors
    /// It can't be made.
    pub fn folder(&self, name: &str) -> Result<PathBuf, MachineError> {
        let path = self.path.join(name);
        fs::create_dir_all(&path).map_err(because("make the directory", &path))?;
        Ok(path)
    }

    /// Writes a file in it.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), MachineError> {
        let path = self.path.join(name);
        fs::write(&path, content).map_err(because("write", &path))
    }

    /// Removes a file in it; nothing where there is none.
    ///
    /// # Errors
    /// It can't be removed.
    pub fn remove(&self, name: &str) -> Result<(), MachineError> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(because("remove", &path)(error)),
            _ => Ok(()),
        }
    }

    /// Copies a tree to the folder `name`, but for the folders at its top that `without` names; gives the digest of what was
    /// copied. What is neither file, folder nor link is passed over.
    ///
    /// # Errors
    /// Something can't be read or written.
    pub fn copy(&self, tree: &Path, name: &str, without: &[&str]) -> Result<Digest, MachineError> {
        let to = self.folder(name)?;
        let mut hasher = Sha256::new();
        copy(tree, &to, Path::new(""), without, &mut hasher)?;
        Ok(Digest::from_bytes(hasher.finalize().into()))
    }

    /// Unpacks an archive into the folder `name`, and gives the folder that holds all of it.
    ///
    /// # Errors
    /// It is no archive, a name in it leads out of it, it is out of all bounds, or it can't be read or written.
    pub fn unpack(&self, archive: &Path, name: &str) -> Result<PathBuf, MachineError> {
        let to = self.folder(name)?;
        unpack(archive, &to).map_err(because("unpack", archive))?;
        // What `git archive` and people make has one folder at its top.
        let mut entries = fs::read_dir(&to).map_err(because("list", &to))?;
        let first = entries.next().transpose().map_err(because("list", &to))?.map(|entry| entry.path());
        Ok(first.filter(|first| entries.next().is_none() && first.is_dir()).unwrap_or(to))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Whoever built something has it by now; what can't be removed is left.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A file that is written to while something runs, in the place of the one before it.
#[derive(Debug)]
pub struct Log(File);

impl Log {
    /// Begins it.
    ///
    /// # Errors
    /// It can't be made.
    pub fn begin(path: &Path) -> Result<Self, MachineError> {
        File::create(path).map(Self).map_err(because("write", path))
    }

    /// Adds to it.
    ///
    /// # Errors
    /// It can't be written.
    pub fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        io::Write::write_all(&mut self.0, bytes)
    }
}

fn because(act: &'static str, path: &Path) -> impl Fn(io::Error) -> MachineError {
    let shown = path.display().to_string();
    move |source| MachineError::new(act, &shown, source)
}

/// Copies a folder. `below` is its path from the tree's top, which goes into the digest with its kind and content.
fn copy(
    tree: &Path,
    to: &Path,
    below: &Path,
    without: &[&str],
    hasher: &mut Sha256,
) -> Result<(), MachineError> {
    let listed = fs::read_dir(tree).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = listed.map_err(because("list", tree))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (name, from) = (entry.file_name(), entry.path());
        let (target, below) = (to.join(&name), below.join(&name));
        if below.components().count() == 1 && without.iter().any(|left| name == **left) {
            continue;
        }
        let kind = entry.file_type().map_err(because("look at", &from))?;
        // Lengths before what they are of, so that no two trees give the same bytes.
        let mut tell = |kind: u8, content: &[u8]| {
            let path = below.as_os_str().as_bytes();
            hasher.update([kind]);
            for part in [path, content] {
                hasher.update((part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        };
        if kind.is_dir() {
            tell(b'd', &[]);
            fs::create_dir(&target).map_err(because("make the directory", &target))?;
            copy(&from, &target, &below, without, hasher)?;
        } else if kind.is_symlink() {
            let link = fs::read_link(&from).map_err(because("read", &from))?;
            tell(b'l', link.as_os_str().as_bytes());
            symlink(&link, &target).map_err(because("link", &target))?;
        } else if kind.is_file() {
            let content = fs::read(&from).map_err(because("read", &from))?;
            let mode = entry.metadata().map_err(because("look at", &from))?.permissions().mode();
            tell(if mode & 0o100 == 0 { b'f' } else { b'x' }, &content);
            fs::write(&target, &content).map_err(because("write", &target))?;
            // Writable here, whatever it is there: makefiles write over some of them.
            let permissions = fs::Permissions::from_mode(mode & 0o777 | 0o600);
            fs::set_permissions(&target, permissions).map_err(because("change", &target))?;
        }
    }
    Ok(())
}

fn unpack(archive: &Path, to: &Path) -> io::Result<()> {
    let mut file = BufReader::new(File::open(archive)?);
    let start = io::BufRead::fill_buf(&mut file)?;
    let reader: Box<dyn Read> = if start.starts_with(GZIP) {
        Box::new(flate2::bufread::MultiGzDecoder::new(file))
    } else if start.starts_with(XZ) {
        Box::new(liblzma::bufread::XzDecoder::new(file))
    } else if start.starts_with(ZSTD) {
        Box::new(zstd::Decoder::with_buffer(file)?)
    } else {
        Box::new(file)
    };
    let mut archive = tar::Archive::new(reader);
    archive.set_preserve_permissions(false);
    archive.set_preserve_mtime(false);
    let (mut members, mut bytes) = (0, 0_u64);
    for entry in archive.entries()? {
        let mut entry = entry?;
        members += 1;
        bytes = bytes.saturating_add(entry.size());
        if members > MAX_MEMBERS || bytes > MAX_UNPACKED {
            return Err(Errno::FBIG.into());
        }
        let kind = entry.header().entry_type();
        if !matches!(kind, EntryType::Regular | EntryType::Directory | EntryType::Symlink | EntryType::Link) {
            continue;
        }
        let path = entry.path()?.into_owned();
        // A link is only a name until something is written through it, and that is refused below.
        let leads_out =
            path.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir));
        if leads_out || !entry.unpack_in(to)? {
            return Err(io::Error::other(format!("`{}` leads out of the archive", path.display())));
        }
    }
    if members == 0 { Err(Errno::INVAL.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(members: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, content) in members {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            // The library that writes refuses such names, so they are written by hand.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            if *kind == EntryType::Symlink {
                header.set_link_name(content).unwrap();
                header.set_size(0);
                header.set_cksum();
                builder.append(&header, io::empty()).unwrap();
            } else {
                header.set_size(content.len() as u64);
                header.set_cksum();
                builder.append(&header, content.as_bytes()).unwrap();
            }
        }
        builder.into_inner().unwrap()
    }

    fn unpacked(bytes: &[u8]) -> (tempfile::TempDir, Scratch, Result<PathBuf, MachineError>) {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(parent.path()).unwrap();
        let file = parent.path().join("a.tar");
        fs::write(&file, bytes).unwrap();
        let found = scratch.unpack(&file, "source");
        (parent, scratch, found)
    }

    #[test]
    fn archives_of_every_compression_are_unpacked() {
        let plain = archive(&[
            ("pax", EntryType::XGlobalHeader, "11 comment=\n"),
            ("runc-1/VERSION", EntryType::Regular, "1.0.0-rc93\n"),
            ("runc-1/link", EntryType::Symlink, "VERSION"),
        ]);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut gzip, &plain).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        io::Write::write_all(&mut xz, &plain).unwrap();
        let zst = zstd::encode_all(&plain[..], 1).unwrap();
        for bytes in [plain.clone(), gzip.finish().unwrap(), xz.finish().unwrap(), zst] {
            let (_parent, _scratch, found) = unpacked(&bytes);
            let found = found.unwrap();
            assert!(found.ends_with("source/runc-1"), "{}", found.display());
            assert_eq!(fs::read_to_string(found.join("link")).unwrap(), "1.0.0-rc93\n");
        }
    }

    #[test]
    fn nothing_of_an_archive_lands_outside() {
        for members in [
            &[("../out", EntryType::Regular, "x")][..],
            &[("a/../../out", EntryType::Regular, "x")],
            &[("/out", EntryType::Regular, "x")],
            &[("a", EntryType::Symlink, "../.."), ("a/out", EntryType::Regular, "x")],
        ] {
            let (parent, scratch, found) = unpacked(&archive(members));
            assert!(found.is_err(), "{members:?}");
            let outside = [parent.path().join("out"), scratch.path().join("out"), PathBuf::from("/out")];
            assert!(outside.iter().all(|path| !path.exists()), "{members:?}");
        }
        assert!(unpacked(b"no archive at all").2.is_err());
        assert!(unpacked(b"").2.is_err());
    }

    #[test]
    fn a_copy_leaves_its_tree_alone_and_tells_it_apart() {
        let parent = tempfile::tempdir().unwrap();
        let tree = parent.path().join("tree");
        fs::create_dir_all(tree.join("a/.git")).unwrap();
        fs::create_dir_all(tree.join(".git")).unwrap();
        fs::write(tree.join("a/file"), "x").unwrap();
        symlink("file", tree.join("a/link")).unwrap();
        let before = fs::metadata(tree.join("a")).unwrap().modified().unwrap();
        let digest = || {
            let scratch = Scratch::new(parent.path()).unwrap();
            let digest = scratch.copy(&tree, "to/here", &[".git"]).unwrap();
            let copied = scratch.path().join("to/here");
            assert!(!copied.join(".git").exists() && copied.join("a/.git").exists());
            assert_eq!(fs::read_link(copied.join("a/link")).unwrap(), Path::new("file"));
            digest
        };
        let first = digest();
        assert_eq!(first, digest());
        assert_eq!(fs::metadata(tree.join("a")).unwrap().modified().unwrap(), before);
        fs::write(tree.join(".git/HEAD"), "y").unwrap();
        assert_eq!(first, digest());
        fs::write(tree.join("a/file"), "y").unwrap();
        assert_ne!(first, digest());
        // What a dropped one leaves is nothing.
        let left = fs::read_dir(parent.path()).unwrap().count();
        assert_eq!(left, 1);
    }
}
