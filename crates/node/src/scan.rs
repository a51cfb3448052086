//! Reads logs that somebody hands over, files and streams, compressed or not, through one scanner. It keeps none of
//! their text, and it doesn't look at the machine that it runs on but for its time zone.

mod utf16;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use kernmend_core::knowledge::signal::SignalSet;
use kernmend_core::scan::{Clock, Scan, Scanner};

use self::utf16::{Endian, Utf16};

/// Bytes that are read at a time.
const CHUNK: usize = 256 * 1024;

/// What decompressing one xz file may use: `xz -9` asks for 65 MiB.
const XZ_MEMORY: u64 = 80 << 20;

/// The longest of the marks that tell how a file is encoded.
pub(crate) const MAGIC: usize = 6;

/// A log could not be read.
#[derive(Debug, thiserror::Error)]
#[error("read the log `{path}`")]
pub struct ReadLogError {
    /// The file.
    pub path: String,
    /// What the system or the decompressor says.
    #[source]
    pub source: io::Error,
}

/// When a file was written last, in milliseconds since 1970. A stamp without a year is read as of then.
#[must_use]
pub fn written_at(path: &Path) -> Option<i64> {
    unix_ms(path.metadata().and_then(|metadata| metadata.modified()).ok()?)
}

/// This moment, in milliseconds since 1970.
pub(crate) fn now() -> Option<i64> {
    unix_ms(SystemTime::now())
}

/// A moment in milliseconds since 1970.
pub(crate) fn unix_ms(time: SystemTime) -> Option<i64> {
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// How the bytes of a log are encoded, by those that it begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Lines as they are.
    Lines,
    Gzip,
    Xz,
    Zstd,
    /// As shells on Windows write what they catch.
    Utf16(Endian),
}

impl Encoding {
    pub(crate) fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0xff, 0xfe, ..] => Self::Utf16(Endian::Little),
            [0xfe, 0xff, ..] => Self::Utf16(Endian::Big),
            _ => Self::Lines,
        }
    }
}

/// Scans files in this order as one log, and what `stream` gives in the place of the name `-`.
///
/// # Errors
/// One of them can't be read, or is compressed and damaged.
pub fn scan(
    paths: &[impl AsRef<Path>],
    mut stream: impl Read,
    signals: &SignalSet,
    progress: impl Fn(&Path, u64),
) -> Result<Scan, ReadLogError> {
    let newest = paths.iter().filter_map(|path| written_at(path.as_ref())).max();
    let clock =
        Clock { booted_at_unix_ms: None, collected_at_unix_ms: newest.or_else(now), zone: local_zone() };
    let mut scanner = Scanner::new(signals, clock);
    let mut bytes = 0;
    for path in paths {
        let path = path.as_ref();
        let failed = |source| ReadLogError { path: path.display().to_string(), source };
        let mut push = |chunk: &[u8]| {
            bytes += chunk.len() as u64;
            progress(path, bytes);
            scanner.push(chunk);
        };
        if path == Path::new("-") {
            pour(&mut stream, &mut push).map_err(failed)?;
        } else {
            pour(File::open(path).map_err(failed)?, &mut push).map_err(failed)?;
        }
        scanner.end_file();
    }
    Ok(scanner.finish())
}

/// Gives all bytes to `sink`, decoded where they begin as an encoded file does.
fn pour(mut from: impl Read, sink: &mut impl FnMut(&[u8])) -> io::Result<()> {
    let mut head = Vec::with_capacity(MAGIC);
    from.by_ref().take(MAGIC as u64).read_to_end(&mut head)?;
    let whole = io::Cursor::new(head.clone()).chain(from);
    let mut reader: Box<dyn Read + '_> = match Encoding::of(&head) {
        Encoding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(whole)),
        Encoding::Xz => {
            let stream = liblzma::stream::Stream::new_auto_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)?;
            Box::new(liblzma::read::XzDecoder::new_stream(whole, stream))
        }
        Encoding::Zstd => Box::new(zstd::stream::read::Decoder::new(whole)?),
        Encoding::Utf16(endian) => Box::new(Utf16::new(whole, endian)),
        Encoding::Lines => Box::new(whole),
    };
    let mut buffer = vec![0; CHUNK];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => sink(&buffer[..len]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The zone that stamps without one are read in: this machine's, since nothing tells the log's own.
pub(crate) fn local_zone() -> TimeZone {
    let file = std::fs::read("/etc/localtime").ok();
    file.and_then(|bytes| TimeZone::tzif("local", &bytes).ok()).unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use kernmend_core::knowledge::KnowledgeBase;

    use super::*;

    const LINES: &[u8] = b"[  100.0] unregister_netdevice: waiting for lo to become free. Usage count = 1\n\
        [  110.0] unregister_netdevice: waiting for lo to become free. Usage count = 1\n";

    #[test]
    fn compressed_files_and_streams_are_read_as_the_plain_ones() {
        let dir = tempfile::tempdir().unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(LINES).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(LINES).unwrap();
        let files = [
            LINES.to_vec(),
            gzip.finish().unwrap(),
            xz.finish().unwrap(),
            zstd::encode_all(LINES, 1).unwrap(),
        ];
        let signals = KnowledgeBase::embedded().signals;
        for (index, content) in files.iter().enumerate() {
            let path = dir.path().join(index.to_string());
            std::fs::write(&path, content).unwrap();
            let of_file = scan(&[&path], io::empty(), &signals, |_, _| ()).unwrap();
            let of_stream = scan(&["-"], &content[..], &signals, |_, _| ()).unwrap();
            for scan in [of_file, of_stream] {
                assert_eq!(scan.bytes, LINES.len() as u64);
                assert_eq!(scan.hits.iter().map(|hit| hit.count).collect::<Vec<_>>(), [2]);
            }
        }
        for swap in [u16::to_le_bytes, u16::to_be_bytes] {
            let units = std::iter::once(0xfeff).chain(LINES.iter().map(|byte| u16::from(*byte)));
            let wide: Vec<u8> = units.flat_map(swap).collect();
            let scan = scan(&["-"], &wide[..], &signals, |_, _| ()).unwrap();
            assert_eq!((scan.lines, scan.bytes), (2, LINES.len() as u64));
            assert_eq!(scan.hits.iter().map(|hit| hit.count).collect::<Vec<_>>(), [2]);
        }
        let cut = dir.path().join("cut.gz");
        std::fs::write(&cut, &files[1][..files[1].len() - 5]).unwrap();
        assert!(scan(&[&cut], io::empty(), &signals, |_, _| ()).is_err());
        assert!(scan(&[dir.path()], io::empty(), &signals, |_, _| ()).is_err());
    }
}
