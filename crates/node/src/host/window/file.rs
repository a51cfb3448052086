//! One file of a log, plain or compressed: how long it is, and its newest bytes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::{CHUNK, Poured, Sink};

/// What a compressed file is decompressed to at most.
pub(in crate::host) const MAX_DECOMPRESSED: u64 = 1 << 30;

/// What decompressing one file may use: `xz -9` asks for 65 MiB, and `zstd -19` for 8.
pub(crate) const MEMORY: u64 = 80 << 20;

/// One file of a log, opened.
pub(in crate::host) trait LogFile {
    /// The bytes of it that can be given, decompressed.
    fn bytes(&self) -> u64;

    /// Whether it has older bytes that can't be given.
    fn is_cut(&self) -> bool;

    /// Gives its newest `take` bytes to `sink`; also after an error it tells how much it gave.
    fn pour(self: Box<Self>, take: u64, sink: Sink<'_>) -> (u64, io::Result<()>);
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Xz,
    Zstd,
}

impl Compression {
    /// The compression, and the name without its ending.
    pub(in crate::host) fn of(name: &str) -> (Self, &str) {
        [(".gz", Self::Gzip), (".xz", Self::Xz), (".zst", Self::Zstd)]
            .into_iter()
            .find_map(|(ending, compression)| Some((compression, name.strip_suffix(ending)?)))
            .unwrap_or((Self::None, name))
    }

    /// The plain content of `file`; decompressing it uses about `memory` bytes at most.
    pub(crate) fn reader<'a>(self, file: impl Read + 'a, memory: u64) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::None => Box::new(file),
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(file)),
            Self::Xz => {
                let stream =
                    liblzma::stream::Stream::new_auto_decoder(memory, liblzma::stream::CONCATENATED)?;
                Box::new(liblzma::read::XzDecoder::new_stream(file, stream))
            }
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(file)?;
                // The window is nearly all that it holds.
                decoder.window_log_max(memory.ilog2())?;
                Box::new(decoder)
            }
        })
    }
}

/// A file that is read directly.
pub(in crate::host) struct FileOnDisk {
    file: File,
    compression: Compression,
    bytes: u64,
}

impl FileOnDisk {
    /// Takes an open file; its name says how it is compressed.
    pub(in crate::host) fn open(mut file: File, name: &str) -> io::Result<Self> {
        let (compression, _) = Compression::of(name);
        let bytes = match compression {
            Compression::None => file.metadata()?.len(),
            // How long it is can only be told by decompressing it once. A broken end is met again when it is read.
            _ => {
                let mut reader = compression.reader(file.try_clone()?, MEMORY)?.take(MAX_DECOMPRESSED);
                let mut buffer = vec![0; CHUNK];
                let mut bytes = 0;
                while let Ok(len @ 1..) = reader.read(&mut buffer) {
                    bytes += len as u64;
                }
                file.seek(SeekFrom::Start(0))?;
                bytes
            }
        };
        Ok(Self { file, compression, bytes })
    }
}

impl LogFile for FileOnDisk {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn is_cut(&self) -> bool {
        false
    }

    fn pour(mut self: Box<Self>, take: u64, sink: Sink<'_>) -> (u64, io::Result<()>) {
        let mut poured = 0;
        let result = (|| {
            let mut buffer = vec![0; CHUNK];
            let mut skip = self.bytes.saturating_sub(take);
            let mut left = take;
            if self.compression == Compression::None {
                self.file.seek(SeekFrom::Start(skip))?;
                skip = 0;
            }
            let mut reader = self.compression.reader(self.file, MEMORY)?;
            loop {
                let len = match reader.read(&mut buffer) {
                    Ok(len) => len,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error),
                };
                if len == 0 || left == 0 {
                    return Ok(());
                }
                let skipped = skip.min(len as u64);
                skip -= skipped;
                let wanted = (len as u64 - skipped).min(left);
                let start = usize::try_from(skipped).expect("not above a length");
                let end = start + usize::try_from(wanted).expect("not above a length");
                sink(Poured::Bytes(&buffer[start..end]));
                left -= wanted;
                poured += wanted;
            }
        })();
        (poured, result)
    }
}
