//! Nodes in whatever text names them: tables and descriptions that `kubectl` prints, its JSON and YAML, `hostnamectl`,
//! `docker info`, `uname -a`. Where a text has none of these, the words in it that may be kernel releases. It takes what
//! it understands and passes over the rest; whether a word is a kernel's release is for those to say who know streams.

mod json;
mod label;
mod table;

use std::borrow::Cow;

use self::label::Labels;
use self::table::Table;
use crate::version::KernelVersion;

/// Longer words are no names, releases or versions, and are passed over.
const LONGEST_WORD: usize = 256;

/// More nodes than one cluster has; what follows is left out.
const MOST_NODES: usize = 100_000;

/// A node as a text shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// Its name, where the text has one.
    pub name: Option<String>,
    /// The running kernel's release.
    pub release: String,
    /// The distribution, by its name for people.
    pub os_image: Option<String>,
    /// The kubelet's version.
    pub kubelet: Option<String>,
    /// The container runtime and its version, `containerd://1.7.13`.
    pub runtime: Option<String>,
}

impl Node {
    /// Whether it runs another kernel than Linux.
    #[must_use]
    pub fn is_other_system(&self) -> bool {
        self.os_image.as_deref().is_some_and(|image| image.starts_with("Windows"))
    }
}

/// A word that may be a kernel's release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The word.
    pub release: String,
    /// Whether it can only be one: it is all that its line has, or stands where a kernel's report of a fault names it.
    pub certain: bool,
}

/// What a text names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The nodes, in the order of the text.
    pub nodes: Vec<Node>,
    /// Where there are no nodes: the words that may be releases, each once.
    pub mentions: Vec<Mention>,
}

/// Finds the nodes of a text.
#[must_use]
pub fn read(text: &str) -> Found {
    let text = without_escapes(text);
    let mut nodes = json::nodes(&text);
    if nodes.is_empty() {
        nodes = of_lines(&text);
    }
    nodes.truncate(MOST_NODES);
    let mentions = if nodes.is_empty() { mentions(&text) } else { Vec::new() };
    Found { nodes, mentions }
}

/// Text as it is stored: UTF-8 or, as shells on Windows write it, UTF-16 with a mark. What is no text becomes `U+FFFD`.
#[must_use]
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let wide = |unit: fn([u8; 2]) -> u16| {
        let units = bytes[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>()
    };
    match bytes {
        [0xff, 0xfe, ..] => Cow::Owned(wide(u16::from_le_bytes)),
        [0xfe, 0xff, ..] => Cow::Owned(wide(u16::from_be_bytes)),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest),
        _ => String::from_utf8_lossy(bytes),
    }
}

/// The text without the sequences that colour it on a terminal: `ESC [`, parameters, and the byte that ends it.
pub(super) fn without_escapes(text: &str) -> Cow<'_, str> {
    if !text.contains("\u{1b}[") {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|char: char| matches!(char, '@'..='~')).map_or(part.len(), |at| at + 1);
        plain.push_str(&part[end..]);
    }
    Cow::Owned(plain)
}

/// The value, where it says something: tables write `<none>` and `<unknown>` for nothing.
fn value(text: &str) -> Option<String> {
    let text = text.trim();
    let says_nothing = text.is_empty() || text.starts_with('<') || text.len() > LONGEST_WORD;
    (!says_nothing).then(|| text.to_owned())
}

/// A value that is one word and begins as a kernel's release does.
fn release(text: &str) -> Option<String> {
    let word = value(text)?;
    let plausible = !word.contains(char::is_whitespace) && KernelVersion::of_release(&word).is_ok();
    plausible.then_some(word)
}

fn of_lines(text: &str) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut table: Option<Table<'_>> = None;
    let mut labels = Labels::default();
    for line in text.lines() {
        if let Some(head) = Table::head(line) {
            table = Some(head);
        } else if let Some(node) = table.as_ref().and_then(|table| table.row(line)) {
            nodes.push(node);
        } else if let Some(node) = uname(line) {
            nodes.push(node);
        } else {
            labels.line(line, &mut nodes);
        }
        if nodes.len() >= MOST_NODES {
            return nodes;
        }
    }
    labels.finish(&mut nodes);
    nodes
}

/// `uname -a`, also behind a prompt, and the line that `/proc/version` and a kernel's first message are.
fn uname(line: &str) -> Option<Node> {
    let start = line.find("Linux ")?;
    let mut words = line[start..].split_ascii_whitespace().skip(1);
    let (first, second) = (words.next()?, words.next()?);
    if first == "version" {
        return Some(Node { release: release(second)?, ..Node::default() });
    }
    // The number of the build follows.
    words.next().filter(|word| word.starts_with('#'))?;
    Some(Node { name: value(first), release: release(second)?, ..Node::default() })
}

/// What stands before a release in the names of files and packages.
const PREFIXES: [&str; 9] = [
    "vmlinuz-",
    "vmlinux-",
    "initramfs-",
    "initrd.img-",
    "linux-image-",
    "kernel-core-",
    "kernel-",
    "config-",
    "System.map-",
];

/// What stands behind it.
const SUFFIXES: [&str; 4] = [".rpm", ".img", ".deb", ".conf"];

/// The words that may be releases.
fn mentions(text: &str) -> Vec<Mention> {
    let mut found: Vec<Mention> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for line in text.lines() {
        let parts = |char: char| char.is_whitespace() || "\"'`,;()[]{}<>=/|*".contains(char);
        let words =
            || line.split(parts).map(|word| word.trim_matches([':', '.'])).filter(|word| !word.is_empty());
        let alone = words().nth(1).is_none();
        for word in words() {
            let bare = PREFIXES.iter().find_map(|prefix| word.strip_prefix(prefix)).unwrap_or(word);
            let bare = SUFFIXES.iter().find_map(|suffix| bare.strip_suffix(suffix)).unwrap_or(bare);
            let Some(release) = release(bare).filter(|release| is_likely(release)) else { continue };
            if seen.insert(release.clone()) && found.len() < MOST_NODES {
                found.push(Mention { release, certain: alone || is_reported(line, word) });
            }
        }
    }
    found
}

/// A report of a fault names the kernel between its taints and the number of its build: `Not tainted 4.15.0 #3`.
fn is_reported(line: &str, word: &str) -> bool {
    let Some((before, behind)) = line.split_once(word) else { return false };
    before.to_ascii_lowercase().contains("tainted") && behind.trim_start().starts_with('#')
}

/// Kernels are of 2.6 or of a later series, and 10 is far away; most other programs are not.
fn is_likely(release: &str) -> bool {
    let version = KernelVersion::of_release(release);
    version.is_ok_and(|version| (2..10).contains(&version.major) && (version.major > 2 || version.minor == 6))
}

#[cfg(test)]
mod tests;
