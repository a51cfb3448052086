//! Hides names and addresses in answers: the host's name, and IPv4, IPv6 and MAC addresses. Each becomes the same stand-in
//! wherever it stands, so that lines that speak of one thing still do.

use std::collections::BTreeMap;

use super::answer::{Answer, Content};
use super::request::{Reply, Request};

/// The stand-ins that were given so far.
#[derive(Debug, Default)]
pub(super) struct Redactor {
    hosts: Vec<String>,
    addresses: BTreeMap<String, String>,
}

/// Files that tell the host's name, and are asked first.
const NAMES: [&str; 2] = ["/proc/sys/kernel/hostname", "/etc/hostname"];

impl Redactor {
    /// The answer with stand-ins.
    pub(super) fn redact(&mut self, request: &Request, reply: Reply) -> Reply {
        match reply {
            Reply::Content(Answer::Got(content)) => {
                if let Request::Read { path, .. } = request
                    && NAMES.contains(&path.as_str())
                {
                    self.learn(&content.text());
                }
                // What isn't text holds no name that anybody could read.
                match String::from_utf8(content.bytes) {
                    Ok(text) => {
                        let bytes = self.text(&text).into_bytes();
                        Reply::Content(Answer::Got(Content { bytes, cut: content.cut }))
                    }
                    Err(error) => {
                        Reply::Content(Answer::Got(Content { bytes: error.into_bytes(), cut: content.cut }))
                    }
                }
            }
            Reply::Window(Answer::Got(mut window)) => {
                for hit in &mut window.scan.hits {
                    hit.sample = self.text(&hit.sample);
                    for value in hit.fields.values_mut() {
                        *value = self.text(value);
                    }
                }
                Reply::Window(Answer::Got(window))
            }
            other => other,
        }
    }

    /// Remembers the host's names: with its domain, and without.
    fn learn(&mut self, name: &str) {
        let name = name.trim();
        let short = name.split('.').next().unwrap_or(name);
        for name in [name, short] {
            // A name of one or two letters stands in too many words.
            if name.len() > 2 && name != "localhost" && !self.hosts.iter().any(|known| known == name) {
                self.hosts.push(name.to_owned());
            }
        }
    }

    /// A text with stand-ins for the names and addresses in it.
    fn text(&mut self, text: &str) -> String {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '_');
        let mut redacted = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            redacted.push_str(&self.word(word));
            let skip = behind.chars().next().map_or(0, char::len_utf8);
            redacted.push_str(&behind[..skip]);
            rest = &behind[skip..];
        }
        redacted
    }

    /// A word, or its stand-in. What follows an address behind a colon, as a port, and a full stop at the end stay.
    fn word(&mut self, word: &str) -> String {
        if self.hosts.iter().any(|name| name == word) {
            return "redacted-host".to_owned();
        }
        let core = word.trim_end_matches(['.', ':', '-']);
        let (address, tail) = match core.split_once(':') {
            Some((address, _)) if address.parse::<std::net::Ipv4Addr>().is_ok() => {
                (address, &word[address.len()..])
            }
            _ => (core, &word[core.len()..]),
        };
        if self.hosts.iter().any(|name| name == address) {
            return format!("redacted-host{tail}");
        }
        match address_kind(address) {
            Some(kind) => format!("{}{tail}", self.stand_in(address, kind)),
            None => word.to_owned(),
        }
    }

    fn stand_in(&mut self, address: &str, kind: &str) -> String {
        let number = self.addresses.len() + 1;
        self.addresses.entry(address.to_owned()).or_insert_with(|| format!("{kind}-{number}")).clone()
    }
}

/// What kind of address a word is; addresses that say nothing about a machine are left alone.
fn address_kind(word: &str) -> Option<&'static str> {
    if let Ok(address) = word.parse::<std::net::Ipv4Addr>() {
        return (!address.is_loopback() && !address.is_unspecified()).then_some("ipv4");
    }
    if word.matches(':').count() == 5
        && word.len() == 17
        && word.bytes().all(|b| b == b':' || b.is_ascii_hexdigit())
    {
        return Some("mac");
    }
    // A time of day such as 12:30:45 is no address: one needs a double colon or seven single ones.
    let address: std::net::Ipv6Addr = word.parse().ok()?;
    (!address.is_loopback() && !address.is_unspecified()).then_some("ipv6")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_has_one_stand_in() {
        let mut redactor = Redactor::default();
        redactor.learn("node-14.example.com\n");
        let text = "node-14 kernel: from 10.0.0.7:8472 to 10.0.0.8, node-14.example.com. 10.0.0.7 \
            fe80::1 aa:bb:cc:dd:ee:ff 127.0.0.1 12:30:45 3.10.0-514.el7 (node-14)";
        assert_eq!(
            redactor.text(text),
            "redacted-host kernel: from ipv4-1:8472 to ipv4-2, redacted-host. ipv4-1 \
             ipv6-3 mac-4 127.0.0.1 12:30:45 3.10.0-514.el7 (redacted-host)"
        );
    }
}
