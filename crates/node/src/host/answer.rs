//! What a machine answers when it is asked: the value, that there is none, or what stood in the way. Answers can be
//! written down and read back, which is what a capture is made of.

use kernmend_core::document::{Fact, Reason, Why};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// What the machine answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<T> {
    /// What was asked for.
    Got(T),
    /// It is known that there is none.
    Absent,
    /// It isn't in the directory or archive, and the place isn't complete enough to say that it is absent.
    NotCaptured,
    /// The system refused, or failed.
    #[serde(with = "errno")]
    Failed(Errno),
}

impl<T> Answer<T> {
    /// The answer as a fact about `path`.
    pub fn fact(self, path: &str) -> Fact<T> {
        match self {
            Self::Got(value) => Fact::known(value, path),
            Self::Absent => Fact::Absent { from: path.to_owned() },
            Self::NotCaptured => Fact::unknown(Reason::NotCaptured, path, ""),
            Self::Failed(errno) => Fact::Unknown { why: why(errno, path) },
        }
    }

    /// The answer with its value seen through `f`.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Got(value) => Answer::Got(f(value)),
            Self::Absent => Answer::Absent,
            Self::NotCaptured => Answer::NotCaptured,
            Self::Failed(errno) => Answer::Failed(errno),
        }
    }

    /// The value, where there is one.
    pub fn got(self) -> Option<T> {
        match self {
            Self::Got(value) => Some(value),
            Self::Absent | Self::NotCaptured | Self::Failed(_) => None,
        }
    }

    /// What stood in the way, where something did; an absence doesn't.
    pub fn obstacle(&self, path: &str) -> Option<Why> {
        match self {
            Self::Got(_) | Self::Absent => None,
            Self::NotCaptured => {
                Some(Why { reason: Reason::NotCaptured, path: path.to_owned(), detail: String::new() })
            }
            Self::Failed(errno) => Some(why(*errno, path)),
        }
    }
}

impl<T> From<Result<T, Errno>> for Answer<T> {
    fn from(result: Result<T, Errno>) -> Self {
        match result {
            Ok(value) => Self::Got(value),
            Err(errno) => Self::Failed(errno),
        }
    }
}

/// An error of the system as the reason of a missing fact.
pub(super) fn why(errno: Errno, path: &str) -> Why {
    let reason = match errno {
        Errno::ACCESS | Errno::PERM => Reason::PermissionDenied,
        Errno::TIMEDOUT => Reason::DeadlineExceeded,
        Errno::FBIG => Reason::Cut,
        Errno::CANCELED => Reason::LeftOut,
        _ => Reason::ReadFailed,
    };
    let said = std::io::Error::from(errno).to_string();
    let detail = match reason {
        // The system's words for it speak of connections.
        Reason::DeadlineExceeded => String::new(),
        // The number says nothing that the words don't.
        _ => said.split(" (os error").next().unwrap_or_default().to_owned(),
    };
    Why { reason, path: path.to_owned(), detail }
}

/// The errno of an IO error; one that has none is an EIO.
pub(super) fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error)
}

/// Errors of the system are written as their number on Linux.
pub(super) mod errno {
    use rustix::io::Errno;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    pub(in super::super) fn serialize<S: Serializer>(
        errno: &Errno,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        errno.raw_os_error().serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Errno, D::Error> {
        let number = i32::deserialize(deserializer)?;
        // Linux has fewer than 4,096 (`MAX_ERRNO`); another number was not written by us.
        if (1..4096).contains(&number) {
            Ok(Errno::from_raw_os_error(number))
        } else {
            Err(serde::de::Error::custom(format!("{number} is not an error number")))
        }
    }
}

/// What was read of a file, or of the output of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// At most as many bytes as were asked for.
    #[serde(with = "bytes")]
    pub bytes: Vec<u8>,
    /// Whether there are more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

impl Content {
    /// The content as text; what isn't UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Bytes are written as text where they are UTF-8, so that people can read a capture, and in hexadecimal elsewhere.
mod bytes {
    use std::fmt::Write as _;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Bytes {
        Text(String),
        Hex(String),
    }

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Bytes::Text(text.to_owned()),
            Err(_) => Bytes::Hex(bytes.iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            })),
        }
        .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let wrong = || serde::de::Error::custom("not hexadecimal");
        match Bytes::deserialize(deserializer)? {
            Bytes::Text(text) => Ok(text.into_bytes()),
            Bytes::Hex(hex) if hex.len().is_multiple_of(2) && hex.is_ascii() => {
                let pairs = hex.as_bytes().chunks_exact(2);
                let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
                pairs.map(byte).collect::<Option<Vec<u8>>>().ok_or_else(wrong)
            }
            Bytes::Hex(_) => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_back_as_they_were_written() {
        let content = |bytes: &[u8], cut| Answer::Got(Content { bytes: bytes.to_vec(), cut });
        for answer in [
            content(b"text\n", false),
            content(b"\xff\x00", true),
            content(b"", false),
            Answer::Absent,
            Answer::NotCaptured,
            Answer::Failed(Errno::IO),
        ] {
            let text = serde_json::to_string(&answer).unwrap();
            assert_eq!(serde_json::from_str::<Answer<Content>>(&text).unwrap(), answer, "{text}");
        }
        assert!(serde_json::from_str::<Answer<Content>>(r#"{"failed":-1}"#).is_err());
        assert!(serde_json::from_str::<Answer<Content>>(r#"{"got":{"bytes":{"hex":"0"}}}"#).is_err());
        assert!(serde_json::from_str::<Answer<Content>>(r#"{"got":{"bytes":{"hex":"+0"}}}"#).is_ok());
    }
}
