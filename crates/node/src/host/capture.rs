//! A capture: a zstd-compressed tar with a header and the answers of one machine, errors and cuts included. It is
//! written as the answers come and read in one pass; both in bounded memory. Replayed, it gives the answers that the run
//! which recorded it was given.
//!
//! It holds answers and not files, so there is no second list of what to capture; a question that a later version asks
//! and the recording one didn't is answered as not captured. Of logs it holds the signals, and of programs what was found
//! in them: neither a log's text nor a program enters it.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::io::{self, Read, Write};

use kernmend_core::document::snapshot::Origin;
use serde::{Deserialize, Serialize};
use tar::Entry;

use super::answer::Answer;
use super::archive::{Members, Metered, ReadArchiveError};
use super::request::{Reply, Request};

/// The format. Within a major, kinds of answers are only added.
const SCHEMA: &str = "kernmend/capture/1";

/// The first member.
pub(super) const HEADER: &str = "kernmend-capture.json";

/// Answers of one member: small enough to be held, large enough to compress well.
const MEMBER: usize = 1 << 20;

/// What a capture may hold, each answer with what it costs to hold it: a node with 65,535 cgroups makes 30 MB.
const MAX_BYTES: u64 = 128 << 20;

/// What an answer costs beside its own length when it is held: the smallest ones must not make a capture of this size
/// take many times as much.
const HELD: u64 = 160;

/// The line of a long listing can be long, but not longer than a member that holds nothing else.
const MAX_MEMBER: u64 = 48 << 20;

/// The header of a capture.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Header {
    schema: String,
    tool: String,
    origin: Origin,
    redacted: bool,
}

/// A question and its answer.
#[derive(Serialize)]
struct Line<'a> {
    ask: std::borrow::Cow<'a, str>,
    reply: &'a Reply,
}

/// Why a capture could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write the capture")]
pub struct CaptureError(#[source] pub io::Error);

/// Writes answers as they come.
pub(super) struct Recorder<'a> {
    tar: tar::Builder<zstd::stream::write::Encoder<'static, Box<dyn Write + 'a>>>,
    buffer: Vec<u8>,
    members: u32,
    /// What a reader accepts beyond what was written.
    left: u64,
    /// The first thing that went wrong; what follows is not written.
    failed: Option<io::Error>,
}

impl<'a> Recorder<'a> {
    pub(super) fn start(file: impl Write + 'a, origin: Origin, redacted: bool) -> Result<Self, CaptureError> {
        const LEVEL: i32 = 3;
        let file: Box<dyn Write + 'a> = Box::new(file);
        let encoder = zstd::stream::write::Encoder::new(file, LEVEL).map_err(CaptureError)?;
        let mut recorder = Self {
            tar: tar::Builder::new(encoder),
            buffer: Vec::new(),
            members: 0,
            left: MAX_BYTES,
            failed: None,
        };
        let header = Header {
            schema: SCHEMA.to_owned(),
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            origin,
            redacted,
        };
        let header = serde_json::to_vec_pretty(&header).expect("a header is plain data");
        recorder.append(HEADER, &header).map_err(CaptureError)?;
        Ok(recorder)
    }

    pub(super) fn record(&mut self, request: &Request, reply: &Reply) {
        if self.failed.is_some() {
            return;
        }
        self.failed = self.write(request, reply).err();
    }

    fn write(&mut self, request: &Request, reply: &Reply) -> io::Result<()> {
        let start = self.buffer.len();
        serde_json::to_writer(&mut self.buffer, &Line { ask: request.key().into(), reply })?;
        self.buffer.push(b'\n');
        let len = (self.buffer.len() - start) as u64;
        // What can't be read again is better not written.
        let left = self.left.checked_sub(len + HELD).filter(|_| len <= MAX_MEMBER - MEMBER as u64);
        self.left = left.ok_or(io::ErrorKind::FileTooLarge)?;
        if self.buffer.len() >= MEMBER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.members += 1;
        let buffer = std::mem::take(&mut self.buffer);
        self.append(&format!("answers/{:06}.jsonl", self.members), &buffer)?;
        self.buffer = buffer;
        self.buffer.clear();
        Ok(())
    }

    fn append(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        self.tar.append_data(&mut header, name, content)
    }

    pub(super) fn finish(mut self) -> Result<(), CaptureError> {
        if let Some(error) = self.failed.take() {
            return Err(CaptureError(error));
        }
        self.flush()
            .and_then(|()| self.tar.into_inner())
            .and_then(zstd::stream::write::Encoder::finish)
            .and_then(|mut file| file.flush())
            .map_err(CaptureError)
    }
}

/// The answers of a capture.
pub(super) struct Recording {
    pub(super) origin: Origin,
    /// The answers to one question in the order in which they were given; the last one stands for all that follow.
    answers: RefCell<BTreeMap<String, VecDeque<Box<str>>>>,
}

impl Recording {
    /// Reads the answers that follow the header, which is the first member.
    pub(super) fn read<'a, 'b>(
        mut header: Entry<'a, Metered<'b>>,
        members: &mut Members<'a, 'b>,
    ) -> Result<Self, ReadArchiveError> {
        let mut left = MAX_BYTES;
        let header = Self::header(&text(&mut header, members, &mut left)?)?;
        let mut answers: BTreeMap<String, VecDeque<Box<str>>> = BTreeMap::new();
        while let Some(mut member) = members.next()? {
            let text = text(&mut member, members, &mut left)?;
            let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
            if !name.starts_with("answers/") {
                continue;
            }
            for line in text.lines() {
                #[derive(Deserialize)]
                struct Asked<'a> {
                    #[serde(borrow)]
                    ask: std::borrow::Cow<'a, str>,
                    #[serde(borrow)]
                    reply: &'a serde_json::value::RawValue,
                }
                let asked: Asked<'_> =
                    serde_json::from_str(line).map_err(|error| members.failure(&name, error.into()))?;
                if left < HELD {
                    return Err(ReadArchiveError::TooLarge { bytes: MAX_BYTES });
                }
                left -= HELD;
                let known = answers.entry(asked.ask.into_owned()).or_default();
                known.push_back(asked.reply.get().into());
            }
        }
        Ok(Self { origin: header.origin, answers: RefCell::new(answers) })
    }

    fn header(text: &str) -> Result<Header, ReadArchiveError> {
        #[derive(Deserialize)]
        struct Envelope {
            schema: String,
        }
        let damaged = |error: serde_json::Error| ReadArchiveError::Damaged {
            member: HEADER.to_owned(),
            source: error.into(),
        };
        let envelope: Envelope = serde_json::from_str(text).map_err(damaged)?;
        if envelope.schema != SCHEMA {
            return Err(ReadArchiveError::Schema { found: envelope.schema, expected: SCHEMA });
        }
        serde_json::from_str(text).map_err(damaged)
    }

    /// The recorded answer. One that this version can't read was given by a later one, or damaged.
    pub(super) fn answer(&self, request: &Request) -> Reply {
        let mut answers = self.answers.borrow_mut();
        let Some(recorded) = answers.get_mut(&request.key()) else {
            return request.refused(Answer::NotCaptured);
        };
        let text = match recorded.len() {
            0 | 1 => recorded.front().cloned(),
            _ => recorded.pop_front(),
        };
        let reply = text.and_then(|text| serde_json::from_str(&text).ok());
        reply.unwrap_or_else(|| request.refused(Answer::<Infallible>::Failed(super::MISMATCH)))
    }
}

/// A whole member as text.
fn text(
    member: &mut Entry<'_, Metered<'_>>,
    members: &Members<'_, '_>,
    left: &mut u64,
) -> Result<String, ReadArchiveError> {
    let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
    let size = member.size();
    if size > (*left).min(MAX_MEMBER) {
        return Err(ReadArchiveError::TooLarge { bytes: MAX_BYTES - *left + size });
    }
    *left -= size;
    let mut text = String::new();
    member.read_to_string(&mut text).map_err(|error| members.failure(&name, error))?;
    if (text.len() as u64) < size {
        return Err(members.failure(&name, io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::answer::Content;
    use crate::host::archive::{Archive, Opened};

    fn read(path: &str) -> Request {
        Request::Read { path: path.to_owned(), max: 100 }
    }

    fn content(text: &str) -> Reply {
        Reply::Content(Answer::Got(Content { bytes: text.as_bytes().to_vec(), cut: false }))
    }

    fn text_of(reply: Reply) -> String {
        match reply {
            Reply::Content(Answer::Got(content)) => content.text(),
            other => format!("{other:?}"),
        }
    }

    fn record(answers: &[(&str, &str)]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut recorder = Recorder::start(&mut file, Origin::Live, false).unwrap();
        answers.iter().for_each(|(path, text)| recorder.record(&read(path), &content(text)));
        recorder.finish().unwrap();
        file
    }

    #[test]
    fn answers_come_back_in_the_order_in_which_they_were_given() {
        let file = record(&[("/a", "one"), ("/b", "other"), ("/a", "two")]);
        let recording = open(&file).unwrap();
        assert_eq!(recording.origin, Origin::Live);
        let answer = |path| text_of(recording.answer(&read(path)));
        assert_eq!([answer("/a"), answer("/a"), answer("/a")], ["one", "two", "two"]);
        assert_eq!(answer("/b"), "other");
        assert_eq!(answer("/c"), "Content(NotCaptured)");
    }

    fn open(file: &[u8]) -> Result<Recording, ReadArchiveError> {
        match Archive::open(file)? {
            Opened::Recording(recording) => Ok(recording),
            Opened::Archive(_) => panic!("this is no capture"),
        }
    }

    #[test]
    fn a_capture_that_can_t_be_read_is_named_as_that() {
        let error = |bytes: &[u8]| open(bytes).err().map(|error| error.to_string()).unwrap_or_default();
        let whole = record(&[("/a", &"x".repeat(5000))]);
        assert!(error(&whole[..whole.len() / 2]).contains("cut off"), "{}", error(&whole[..whole.len() / 2]));
        let other = |schema: &str| {
            let mut tar = tar::Builder::new(zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap());
            let text = format!("{{\"schema\": \"{schema}\"}}");
            let mut header = tar::Header::new_ustar();
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, HEADER, text.as_bytes()).unwrap();
            tar.into_inner().unwrap().finish().unwrap()
        };
        assert_eq!(
            error(&other("kernmend/capture/2")),
            "this is a `kernmend/capture/2`, and this version reads `kernmend/capture/1`"
        );
    }
}
