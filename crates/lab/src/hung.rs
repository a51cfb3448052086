//! Files and directories of a file server that takes every request and answers none. Whoever asks sleeps in the kernel,
//! and no signal wakes it until the server is gone: what a dead NFS server, a dead FUSE program or a dead disk does to
//! those who look at it.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::LabError;

/// Larger than any request (`FUSE_MIN_READ_BUFFER` is 8 KiB, and what is written to the server is never read).
const REQUEST: usize = 1 << 20;

/// Operations of `linux/fuse.h`.
const LOOKUP: u32 = 1;
const GETATTR: u32 = 3;
const INIT: u32 = 26;

/// ENOSYS, as the kernel wants it.
const NOT_IMPLEMENTED: i32 = -38;

/// The version of the protocol that is spoken: the reply to INIT has its present length since 7.23.
const VERSION: [u32; 2] = [7, 31];

/// The number of the root directory, and of the one file in it.
const ROOT: u64 = 1;
const NODE: u64 = 2;
const DIRECTORY_MODE: u32 = 0o040_755;
const FILE_MODE: u32 = 0o100_644;

/// How long the kernel may believe what it was told, in seconds: longer than any test.
const VALID: u64 = 3600;

/// A mounted file server.
#[derive(Debug)]
pub struct Server {
    directory: PathBuf,
    hangs: Arc<AtomicBool>,
}

impl Server {
    /// Mounts the server at a directory. It answers until [`Server::hang`].
    pub fn mount(directory: &Path) -> Result<Self, LabError> {
        let failed = |act| LabError::file(act, directory);
        let device = File::options()
            .read(true)
            .write(true)
            .open("/dev/fuse")
            .map_err(LabError::file("opening", "/dev/fuse"))?;
        let options =
            format!("fd={},rootmode={DIRECTORY_MODE:o},user_id=0,group_id=0,allow_other", device.as_raw_fd());
        let options = CString::new(options).expect("numbers hold no zero byte");
        mount("hung", directory, "fuse", MountFlags::NOSUID | MountFlags::NODEV, &*options)
            .map_err(|error| failed("mounting a file server at")(error.into()))?;
        let hangs = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&hangs);
        // It ends when the server is unmounted.
        std::thread::spawn(move || serve(device, &told));
        let server = Self { directory: directory.to_owned(), hangs };
        // Before the kernel and the server have greeted each other, those who ask could still be killed.
        std::fs::metadata(server.file()).map_err(failed("asking the file server at"))?;
        Ok(server)
    }

    /// The path of its one file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.directory.join("file")
    }

    /// From now on nothing is answered.
    pub fn hang(&self) {
        self.hangs.store(true, Ordering::SeqCst);
    }

    /// Ends the server: those that wait for it get an error.
    pub fn end(&self) -> io::Result<()> {
        // Forced, which ends the connection even though others still stand in the mount.
        match unmount(&self.directory, UnmountFlags::FORCE) {
            Ok(()) | Err(rustix::io::Errno::BUSY) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn serve(mut device: File, hangs: &AtomicBool) {
    let mut request = vec![0; REQUEST];
    // ENODEV: it was unmounted.
    while let Ok(len) = device.read(&mut request) {
        if hangs.load(Ordering::SeqCst) {
            continue;
        }
        let number = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().expect("four bytes"));
        let long = |at: usize| u64::from_ne_bytes(request[at..at + 8].try_into().expect("eight bytes"));
        if len < 40 {
            continue;
        }
        let (operation, unique, node) = (number(4), long(8), long(16));
        let answer = match operation {
            INIT => {
                let mut words = [0_u32; 16];
                words[..2].copy_from_slice(&VERSION);
                // Bytes of one write, and the granularity of times in nanoseconds.
                words[5] = 4096;
                words[6] = 1;
                words.iter().flat_map(|word| word.to_ne_bytes()).collect()
            }
            LOOKUP => {
                let head = [NODE, 0, VALID, VALID, 0];
                [head.iter().flat_map(|word| word.to_ne_bytes()).collect(), attributes(NODE)].concat()
            }
            GETATTR => {
                let head = [VALID, 0];
                [head.iter().flat_map(|word| word.to_ne_bytes()).collect(), attributes(node)].concat()
            }
            // The kernel does without those that it then knows to be missing.
            _ => Vec::new(),
        };
        let error = if answer.is_empty() { NOT_IMPLEMENTED } else { 0 };
        let len = u32::try_from(16 + answer.len()).expect("answers are short");
        let mut reply = len.to_ne_bytes().to_vec();
        reply.extend(error.to_ne_bytes());
        reply.extend(unique.to_ne_bytes());
        reply.extend(answer);
        // One that nobody waits for any more is refused.
        let _ = device.write_all(&reply);
    }
}

/// `struct fuse_attr`.
fn attributes(node: u64) -> Vec<u8> {
    let mode = if node == ROOT { DIRECTORY_MODE } else { FILE_MODE };
    // Number, size, blocks and three times; their nanoseconds, mode, links, owner, group, device, block size, flags.
    let longs = [node, 4096, 8, 0, 0, 0];
    let words = [0, 0, 0, mode, 1, 0, 0, 0, 4096, 0];
    let longs = longs.iter().flat_map(|long: &u64| long.to_ne_bytes());
    longs.chain(words.iter().flat_map(|word: &u32| word.to_ne_bytes())).collect()
}
