//! The document `news`: what is new of one signal in a log that is followed. It is told while the log grows, so it has no
//! parent, and it judges nothing: the report at the end does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Body;
use super::snapshot::Hit;

/// What is new of one signal. Lines that come quickly are told together.
///
/// Changes of `kernmend/news/1`: none yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct News {
    /// The log.
    pub log: String,
    /// Lines of this signal in the log so far.
    pub lines: u64,
    /// Those among them that nothing told of before.
    pub new: u64,
    /// The run that the latest of them belongs to.
    pub run: Hit,
}

impl Body for News {
    const NAME: &'static str = "news";
    const MAJOR: u32 = 1;
}
