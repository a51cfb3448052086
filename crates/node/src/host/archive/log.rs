//! Logs of an archive: the newest part of each, in chunks that are compressed. All together stay within one bound; where
//! it is reached, the log that takes most loses its oldest chunk.

use std::collections::VecDeque;
use std::io::{self, Read};

use crate::host::window::{LogFile, Poured, Sink};

/// What one chunk holds, decompressed.
const CHUNK: usize = 256 * 1024;

/// Text becomes a tenth; this is for what doesn't.
const MAX_PACKED: usize = 32 << 20;

/// The fastest that zstd offers: it keeps up with the unpacking.
const LEVEL: i32 = 1;

/// What a log takes besides its chunks.
const OVERHEAD: usize = 256;

/// A chunk that can't be unpacked can only be a fault of ours or of the memory.
const BROKEN_CHUNK: &str = "a chunk of the log can't be unpacked";

#[derive(Debug)]
struct Chunk {
    packed: Box<[u8]>,
    bytes: usize,
}

/// What was kept of one log.
#[derive(Debug, Default)]
pub(super) struct Log {
    chunks: VecDeque<Chunk>,
    /// Decompressed bytes in them.
    bytes: u64,
    packed: usize,
    /// Whether it had older bytes.
    cut: bool,
    /// Why it ends where it does, where that isn't its end.
    broken: Option<String>,
}

/// All logs of an archive.
#[derive(Debug, Default)]
pub(super) struct Logs {
    logs: Vec<Log>,
    packed: usize,
}

impl Logs {
    /// Keeps the newest `newest` bytes of what `reader` gives. An error of the archive itself is given back; `broken` tells
    /// one of the log's own compression from it.
    pub(super) fn keep(
        &mut self,
        mut reader: impl Read,
        newest: u64,
        mut broken: impl FnMut(&io::Error) -> bool,
    ) -> io::Result<u32> {
        let number = u32::try_from(self.logs.len()).map_err(io::Error::other)?;
        self.logs.push(Log::default());
        self.packed += OVERHEAD;
        let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let (len, result) = fill(&mut reader, &mut chunk);
            if len > 0 {
                let packed = compressor.compress(&chunk[..len])?.into_boxed_slice();
                self.push(number, Chunk { packed, bytes: len }, newest);
            }
            match result {
                Ok(()) if len == chunk.len() => {}
                Ok(()) => return Ok(number),
                Err(error) if broken(&error) => {
                    self.logs[number as usize].broken = Some(error.to_string());
                    return Ok(number);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn push(&mut self, number: u32, chunk: Chunk, newest: u64) {
        self.packed += chunk.packed.len();
        let log = &mut self.logs[number as usize];
        log.bytes += chunk.bytes as u64;
        log.packed += chunk.packed.len();
        log.chunks.push_back(chunk);
        while log.chunks.front().is_some_and(|oldest| log.bytes - oldest.bytes as u64 >= newest) {
            self.packed -= log.drop_oldest();
        }
        while self.packed > MAX_PACKED {
            let Some(largest) = self.logs.iter_mut().max_by_key(|log| log.packed) else { return };
            match largest.drop_oldest() {
                // All that is left is what the logs themselves take.
                0 => return,
                dropped => self.packed -= dropped,
            }
        }
    }

    /// Whether so many logs were begun that there is no room for another.
    pub(super) fn is_full(&self) -> bool {
        self.logs.len() * OVERHEAD > MAX_PACKED / 2
    }

    pub(super) fn get(&self, number: u32) -> &Log {
        &self.logs[number as usize]
    }
}

impl Log {
    fn drop_oldest(&mut self) -> usize {
        let Some(oldest) = self.chunks.pop_front() else { return 0 };
        self.bytes -= oldest.bytes as u64;
        self.packed -= oldest.packed.len();
        self.cut = true;
        oldest.packed.len()
    }
}

impl LogFile for &Log {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn is_cut(&self) -> bool {
        self.cut
    }

    fn pour(self: Box<Self>, take: u64, sink: Sink<'_>) -> (u64, io::Result<()>) {
        let mut skip = self.bytes.saturating_sub(take);
        let mut poured = 0;
        for chunk in &self.chunks {
            if skip >= chunk.bytes as u64 {
                skip -= chunk.bytes as u64;
                continue;
            }
            let Ok(plain) = zstd::bulk::decompress(&chunk.packed, chunk.bytes) else {
                return (poured, Err(io::Error::other(BROKEN_CHUNK)));
            };
            let wanted = &plain[usize::try_from(skip).expect("below a length")..];
            skip = 0;
            sink(Poured::Bytes(wanted));
            poured += wanted.len() as u64;
        }
        match &self.broken {
            Some(why) => (poured, Err(io::Error::other(why.clone()))),
            None => (poured, Ok(())),
        }
    }
}

/// Reads until the buffer is full or there is no more; also after an error it tells how much was read.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> (usize, io::Result<()>) {
    let mut len = 0;
    while len < buffer.len() {
        match reader.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (len, Err(error)),
        }
    }
    (len, Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(log: &Log, take: u64) -> String {
        let mut text = Vec::new();
        let (bytes, result) = Box::new(log).pour(take, &mut |poured| {
            if let Poured::Bytes(bytes) = poured {
                text.extend_from_slice(bytes);
            }
        });
        result.unwrap();
        assert_eq!(bytes, text.len() as u64);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_newest_bytes_of_a_log_are_kept() {
        let text: String = (0..200_000).map(|number| format!("line {number}\n")).collect();
        let mut logs = Logs::default();
        let whole = logs.keep(text.as_bytes(), u64::MAX, |_| false).unwrap();
        let newest = logs.keep(text.as_bytes(), 300_000, |_| false).unwrap();
        assert_eq!(text_of(logs.get(whole), u64::MAX), text);
        assert!(!logs.get(whole).is_cut());
        let log = logs.get(newest);
        assert!(log.is_cut() && log.bytes() >= 300_000 && log.bytes() < 300_000 + 2 * CHUNK as u64);
        assert_eq!(text_of(log, 300_000), text[text.len() - 300_000..]);
        assert_eq!(text_of(logs.get(whole), 7), text[text.len() - 7..]);
    }

    #[test]
    fn logs_that_can_t_be_compressed_share_their_bound() {
        let mut state = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(40 << 20)
        .collect();
        let mut logs = Logs::default();
        let numbers = [0, 1].map(|_| logs.keep(&noise[..], u64::MAX, |_| false).unwrap());
        assert!(logs.packed <= MAX_PACKED);
        for number in numbers {
            let bytes = logs.get(number).bytes();
            assert!(logs.get(number).is_cut() && bytes > 14 << 20, "{bytes}");
        }
    }
}
