//! The envelope that every document shares, its digest, and the [`Fact`] that a reading of a machine is.
//!
//! A document is data: nothing here decides anything. Documents hold no floating point number and no unordered map,
//! so that equal documents have equal bytes.

pub mod build;
pub mod bundle;
pub mod journal;
pub mod kernels;
pub mod news;
pub mod plan;
pub mod proof;
pub mod report;
pub mod signals;
pub mod snapshot;

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A kind of document: what its body is called and which major version of it this build writes and reads.
pub trait Body: Serialize + DeserializeOwned + JsonSchema {
    /// The name in the schema string, `snapshot` for one.
    const NAME: &'static str;
    /// The major version. Within it fields are only added; a reader ignores those that it doesn't know.
    const MAJOR: u32;
}

/// One versioned document: `Snapshot`, `Report` and, with their issues, `Plan`, `Journal` and `Proof`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Document<B> {
    /// `kernmend/NAME/MAJOR`.
    pub schema: String,
    /// Digest of the document that this one was made from; a snapshot has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Digest>,
    /// The version of kernmend that wrote it.
    pub tool: String,
    /// What the document says.
    #[serde(flatten)]
    pub body: B,
}

/// Why a text is not a document that this build can read.
#[derive(Debug, thiserror::Error)]
pub enum ReadDocumentError {
    /// Not JSON, or JSON of another shape.
    #[error("not a {expected} document")]
    Malformed {
        /// The schema that was expected.
        expected: String,
        /// What the parser says, with line and column.
        #[source]
        source: serde_json::Error,
    },
    /// A document, but of another kind or of another major version.
    #[error("this is a `{found}` document, and this version reads `{expected}`: {}", mend(.found, .expected))]
    Schema {
        /// The schema that the document names.
        found: String,
        /// The schema that was expected.
        expected: String,
    },
}

fn mend(found: &str, expected: &str) -> String {
    let split = |s: &str| -> Option<(String, u32)> {
        let (name, major) = s.strip_prefix("kernmend/")?.split_once('/')?;
        Some((name.to_owned(), major.parse().ok()?))
    };
    match (split(found), split(expected)) {
        (Some((a, f)), Some((b, e))) if a == b && f > e => {
            format!("read it with a kernmend that knows major {f} of the {a} schema")
        }
        (Some((a, f)), Some((b, _))) if a == b => {
            format!("it was written by an older kernmend, and one that knows major {f} reads it")
        }
        _ => "give the document of the right kind".to_owned(),
    }
}

impl<B: Body> Document<B> {
    /// Wraps a body that this build made, from the document with the digest `parent`.
    pub fn new(body: B, parent: Option<Digest>) -> Self {
        Self { schema: Self::expected_schema(), parent, tool: env!("CARGO_PKG_VERSION").to_owned(), body }
    }

    /// The schema string of this kind of document.
    #[must_use]
    pub fn expected_schema() -> String {
        format!("kernmend/{}/{}", B::NAME, B::MAJOR)
    }

    /// Reads a document; the schema is judged first, so that another major is named as that and not as a missing field.
    pub fn from_json(text: &str) -> Result<Self, ReadDocumentError> {
        #[derive(Deserialize)]
        struct Envelope {
            schema: String,
        }
        let expected = Self::expected_schema();
        let malformed = |source| ReadDocumentError::Malformed { expected: expected.clone(), source };
        let envelope: Envelope = serde_json::from_str(text).map_err(malformed)?;
        if envelope.schema != expected {
            return Err(ReadDocumentError::Schema { found: envelope.schema, expected });
        }
        serde_json::from_str(text).map_err(malformed)
    }

    /// The JSON that is written to files and to standard output: indented, keys in the order of the schema.
    #[must_use]
    pub fn to_json(&self) -> String {
        let json =
            serde_json::to_string_pretty(self).expect("documents hold only strings as keys, and no floats");
        escape_invisible(&json)
    }

    /// The JSON as one line, for documents that follow each other in a stream.
    #[must_use]
    pub fn to_json_line(&self) -> String {
        let json = serde_json::to_string(self).expect("documents hold only strings as keys, and no floats");
        escape_invisible(&json)
    }

    /// The digest of the canonical bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&canonical(&serde_json::to_value(self).expect("documents are plain data")))
    }
}

/// JSON whose strings hold no character that a terminal could take for a command, or that turns the direction of
/// writing. Outside strings JSON has none.
fn escape_invisible(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for char in json.chars() {
        if is_invisible(char) && char != '\n' {
            let _ = write!(escaped, "\\u{:04x}", u32::from(char));
        } else {
            escaped.push(char);
        }
    }
    escaped
}

/// Control characters, those of ISO 6429 included, and the marks of Unicode that turn the direction of writing.
#[must_use]
pub fn is_invisible(char: char) -> bool {
    let turns = matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    char.is_control() || turns
}

/// The JSON schema of a document, indented, with a newline at its end.
#[must_use]
pub fn schema<T: JsonSchema>() -> String {
    let schema = schemars::schema_for!(T);
    serde_json::to_string_pretty(&schema).expect("a schema is plain data") + "\n"
}

/// The canonical bytes of a JSON value: no white space, keys in byte order. White space and key order of a written
/// file therefore don't change its digest, and fields that a reader doesn't know still count.
#[must_use]
pub fn canonical(value: &serde_json::Value) -> Vec<u8> {
    // serde_json's map is ordered by key as long as its `preserve_order` feature is off: a test holds that.
    serde_json::to_vec(value).expect("a JSON value serialises")
}

/// A sha256, written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(#[schemars(with = "String", regex(pattern = r"^sha256:[0-9a-f]{64}$"))] [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest that a hasher came to.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = || format!("`{text}` is not `sha256:` and 64 hexadecimal digits");
        let hex = text
            .strip_prefix("sha256:")
            .filter(|hex| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
            .ok_or_else(wrong)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

/// A number between two bounds: what was counted where not all could be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bounds {
    /// Not less than this.
    pub at_least: u64,
    /// Not more than this, where there is such a bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u64>,
}

impl Bounds {
    /// Exactly so many.
    #[must_use]
    pub const fn exact(count: u64) -> Self {
        Self { at_least: count, at_most: Some(count) }
    }

    /// The number, where the bounds leave one.
    #[must_use]
    pub fn as_exact(self) -> Option<u64> {
        self.at_most.filter(|most| *most == self.at_least)
    }

    /// The sum of two numbers.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let at_most = self.at_most.zip(other.at_most).map(|(a, b)| a.saturating_add(b));
        Self { at_least: self.at_least.saturating_add(other.at_least), at_most }
    }

    /// The difference of two numbers, not below 0.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            at_least: other.at_most.map_or(0, |most| self.at_least.saturating_sub(most)),
            at_most: self.at_most.map(|most| most.saturating_sub(other.at_least)),
        }
    }
}

/// What was read, or why it could not be read. A fact that is missing is never an error and never a guess.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Fact<T> {
    /// It was read.
    Known {
        /// What was read.
        value: T,
        /// The file, or the command, that says so.
        from: String,
    },
    /// It is known that there is none: the place where it would be is there, complete, and doesn't hold it.
    Absent {
        /// Where it would be.
        from: String,
    },
    /// It could not be read.
    Unknown {
        /// What stood in the way.
        why: Why,
    },
}

/// A fact that a document doesn't hold: an older version wrote it, or nobody asked.
impl<T> Default for Fact<T> {
    fn default() -> Self {
        Self::unknown(Reason::NotCaptured, "", "")
    }
}

impl<T> Fact<T> {
    /// A value and the file or command that says so.
    pub fn known(value: T, from: impl Into<String>) -> Self {
        Self::Known { value, from: from.into() }
    }

    /// Something that could not be read, and why.
    pub fn unknown(reason: Reason, path: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Unknown { why: Why { reason, path: path.into(), detail: detail.into() } }
    }

    /// The value, where it is known.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known { value, .. } => Some(value),
            Self::Absent { .. } | Self::Unknown { .. } => None,
        }
    }

    /// The file or command behind the fact, whatever came of it.
    pub fn from(&self) -> &str {
        match self {
            Self::Known { from, .. } | Self::Absent { from } => from,
            Self::Unknown { why } => &why.path,
        }
    }

    /// The same fact with its value seen through `f`.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Known { value, from } => Fact::Known { value: f(value), from },
            Self::Absent { from } => Fact::Absent { from },
            Self::Unknown { why } => Fact::Unknown { why },
        }
    }

    /// The fact that `f` makes of the value and its source; what is missing stays so for the same reason.
    pub fn and_then<U>(&self, f: impl FnOnce(&T, &str) -> Fact<U>) -> Fact<U> {
        match self {
            Self::Known { value, from } => f(value, from),
            Self::Absent { from } => Fact::Absent { from: from.clone() },
            Self::Unknown { why } => Fact::Unknown { why: why.clone() },
        }
    }

    /// The same fact with its value parsed by `f`; what `f` refuses is malformed.
    pub fn parse<U>(self, f: impl FnOnce(&T) -> Result<U, String>) -> Fact<U> {
        match self {
            Self::Known { value, from } => match f(&value) {
                Ok(value) => Fact::Known { value, from },
                Err(detail) => Fact::unknown(Reason::Malformed, from, detail),
            },
            Self::Absent { from } => Fact::Absent { from },
            Self::Unknown { why } => Fact::Unknown { why },
        }
    }
}

/// What stood in the way of a fact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Why {
    /// The kind of obstacle.
    pub reason: Reason,
    /// The file or command that was asked; empty where nothing was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What the system or the parser said; empty where there is nothing to add.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// The kinds of obstacle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It isn't in this directory or archive, and the place isn't complete enough to say that it is absent.
    NotCaptured,
    /// The system refuses to show it to this user.
    PermissionDenied,
    /// The system answered with another error.
    ReadFailed,
    /// There is more of it than is read.
    Cut,
    /// It was read and isn't what it should be.
    Malformed,
    /// It did not answer before its deadline.
    DeadlineExceeded,
    /// It takes long to read, and was left out on request.
    LeftOut,
    /// This kernel or this machine has no way to tell.
    NotTold,
    /// Facts contradict each other.
    Contradicted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    struct Sample {
        zebra: u64,
        apple: Fact<String>,
    }

    impl Body for Sample {
        const NAME: &'static str = "sample";
        const MAJOR: u32 = 2;
    }

    fn sample() -> Document<Sample> {
        Document::new(Sample { zebra: 1, apple: Fact::known("a".to_owned(), "/proc/a") }, None)
    }

    #[test]
    fn canonical_bytes_depend_on_content_alone() {
        let document = sample();
        let spaced: serde_json::Value = serde_json::from_str(&document.to_json()).unwrap();
        let bytes = canonical(&spaced);
        let apple = bytes.windows(7).position(|w| w == b"\"apple\"").unwrap();
        let zebra = bytes.windows(7).position(|w| w == b"\"zebra\"").unwrap();
        assert!(apple < zebra, "keys are in byte order");
        assert_eq!(Digest::of(&bytes), document.digest());
    }

    #[test]
    fn another_major_is_named_as_that() {
        let text = sample().to_json().replace("kernmend/sample/2", "kernmend/sample/3");
        let error = Document::<Sample>::from_json(&text).unwrap_err().to_string();
        assert_eq!(
            error,
            "this is a `kernmend/sample/3` document, and this version reads `kernmend/sample/2`: \
             read it with a kernmend that knows major 3 of the sample schema"
        );
    }

    #[test]
    fn json_holds_no_invisible_character_and_reads_back_the_same() {
        let mut document = sample();
        document.body.apple = Fact::known("a\u{1b}[31m\u{9b}\u{202e}\u{7f} 内核".to_owned(), "/x");
        let json = document.to_json();
        assert!(!json.chars().any(|char| is_invisible(char) && char != '\n'), "{json}");
        assert!(json.contains("内核"));
        assert_eq!(Document::<Sample>::from_json(&json).unwrap(), document);
    }

    #[test]
    fn unknown_fields_are_ignored_and_a_round_trip_is_exact() {
        let text = sample().to_json().replacen('{', "{\"later\": [1],", 1);
        assert_eq!(Document::<Sample>::from_json(&text).unwrap(), sample());
    }

    #[test]
    fn digests_read_back_and_refuse_nonsense() {
        let digest = Digest::of(b"kernmend");
        assert_eq!(Digest::try_from(digest.to_string()).unwrap(), digest);
        for wrong in [
            "",
            "sha256:",
            "md5:00",
            &format!("sha256:{}", "g".repeat(64)),
            &format!("sha256:{}", "+1".repeat(32)),
        ] {
            assert!(Digest::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
