//! Hides names and addresses in answers: the host's name, and IPv4, IPv6 and MAC addresses. Each becomes the same stand-in
//! wherever it stands, so that lines that speak of one thing still do.
//!
//! Paths stay as they are: they are what the next question is about. So does what the kernel, a distribution or a program
//! says of itself: a host may be called `memory` or `debian`, and nothing would be left to diagnose.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::answer::{Answer, Content};
use super::request::{Reply, Request};

/// The stand-ins that were given so far.
#[derive(Debug, Default)]
pub(super) struct Redactor {
    /// The longest first.
    hosts: Vec<String>,
    addresses: BTreeMap<String, String>,
}

/// Files that tell the host's name, and are asked first.
const NAMES: [&str; 2] = ["/proc/sys/kernel/hostname", "/etc/hostname"];

const HOST: &str = "redacted-host";

impl Redactor {
    /// The answer with stand-ins.
    pub(super) fn redact(&mut self, request: &Request, reply: Reply) -> Reply {
        match (request, reply) {
            (Request::Read { path, .. }, Reply::Content(Answer::Got(content))) if !speaks_of_itself(path) => {
                let text = content.text();
                if NAMES.contains(&path.as_str()) {
                    self.learn(&text);
                }
                let mut bytes = self.text(&text).into_bytes();
                // A block of another size would look like one that an editor spoiled.
                if path.ends_with("/grubenv") {
                    bytes.resize(content.bytes.len(), b'#');
                }
                Reply::Content(Answer::Got(Content { bytes, cut: content.cut }))
            }
            (_, Reply::Window(Answer::Got(mut window))) => {
                for hit in &mut window.scan.hits {
                    hit.sample = self.text(&hit.sample);
                    for value in hit.fields.values_mut() {
                        *value = self.text(value);
                    }
                }
                Reply::Window(Answer::Got(window))
            }
            (_, other) => other,
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
        self.hosts.sort_by_key(|name| std::cmp::Reverse(name.len()));
    }

    /// A text with stand-ins for the names and addresses in it.
    fn text(&mut self, text: &str) -> String {
        let mut redacted = String::with_capacity(text.len());
        let mut rest = text;
        let mut before = ' ';
        while let Some(first) = rest.chars().next() {
            let found = if before.is_ascii_alphanumeric() { None } else { self.find(rest, before) };
            match found {
                Some((len, stand_in)) => {
                    redacted.push_str(&stand_in);
                    // What stands in has ended a word, so what follows is none's continuation.
                    before = ' ';
                    rest = &rest[len..];
                }
                None => {
                    redacted.push(first);
                    before = first;
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        redacted
    }

    /// The length of the name or address that the text begins with, and its stand-in.
    fn find(&mut self, text: &str, before: char) -> Option<(usize, String)> {
        let ends = |len: usize| !text[len..].starts_with(|c: char| c.is_ascii_alphanumeric());
        let host = self.hosts.iter().find(|name| text.starts_with(name.as_str()) && ends(name.len()));
        if let Some(name) = host {
            return Some((name.len(), HOST.to_owned()));
        }
        let (len, kind) = mac(text)
            .map(|len| (len, "mac"))
            .or_else(|| ipv6(text, before).map(|len| (len, "ipv6")))
            .or_else(|| ipv4(text).map(|len| (len, "ipv4")))
            .filter(|(len, _)| ends(*len))?;
        Some((len, self.stand_in(&text[..len], kind)))
    }

    fn stand_in(&mut self, address: &str, kind: &str) -> String {
        let number = self.addresses.len() + 1;
        let address = address.to_ascii_lowercase();
        self.addresses.entry(address).or_insert_with(|| format!("{kind}-{number}")).clone()
    }
}

/// Whether a file holds what the kernel, the distribution or a program says of itself.
fn speaks_of_itself(path: &str) -> bool {
    const FILES: [&str; 5] =
        ["/proc/cgroups", "/proc/meminfo", "/proc/modules", "/proc/stat", "/proc/uptime"];
    FILES.contains(&path)
        || path.starts_with("/sys/")
        || (path.starts_with("/proc/sys/") && !NAMES.contains(&path))
        || (path.starts_with("/proc/") && path.ends_with("/mounts"))
        || path.ends_with("-release")
        || super::projection::is_projected(path)
}

/// The length of six or more hexadecimal pairs between colons or dashes: a hardware address, or the head of a frame.
fn mac(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let pair = |at: usize| bytes.get(at..at + 2).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit));
    let separator = *bytes.get(2).filter(|byte| matches!(byte, b':' | b'-'))?;
    let mut len = if pair(0) { 2 } else { return None };
    while bytes.get(len) == Some(&separator) && pair(len + 1) {
        len += 3;
    }
    (len >= 17).then_some(len)
}

/// The length of an IPv6 address that says something about a machine. A time of day is none: an address has a double
/// colon, or seven single ones.
fn ipv6(text: &str, before: char) -> Option<usize> {
    if before == ':' {
        return None;
    }
    let part = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let run = text.bytes().take_while(|byte| part(*byte)).count();
    let word = text[..run].trim_end_matches('.');
    let address =
        [word, word.trim_end_matches(':')].into_iter().find(|word| word.parse::<Ipv6Addr>().is_ok())?;
    let parsed: Ipv6Addr = address.parse().ok()?;
    (!parsed.is_loopback() && !parsed.is_unspecified()).then_some(address.len())
}

/// The length of an IPv4 address that says something about a machine. What follows behind a full stop can be a port.
fn ipv4(text: &str) -> Option<usize> {
    let mut len = 0;
    for part in 0..4 {
        if part > 0 {
            len += text[len..].starts_with('.').then_some(1)?;
        }
        let digits = text[len..].bytes().take_while(u8::is_ascii_digit).count();
        len += (1..=3).contains(&digits).then_some(digits)?;
    }
    let address: Ipv4Addr = text[..len].parse().ok()?;
    (!address.is_loopback() && !address.is_unspecified()).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_has_one_stand_in() {
        let mut redactor = Redactor::default();
        redactor.learn("node-14.example.com\n");
        for (text, expected) in [
            ("node-14 kernel: 10.0.0.7:8472 to 10.0.0.8.", "redacted-host kernel: ipv4-1:8472 to ipv4-2."),
            ("node-14.example.com. 10.0.0.7/24 (node-14)", "redacted-host. ipv4-1/24 (redacted-host)"),
            ("fe80::1%eth0 [fe80::1]:80 aa:bb:cc:dd:ee:ff", "ipv6-3%eth0 [ipv6-3]:80 mac-4"),
            ("AA:BB:CC:DD:EE:FF fe80::1:", "mac-4 ipv6-3:"),
            (
                "ip=10.0.0.7::10.0.0.8:255.255.255.0:node-14:eth0",
                "ip=ipv4-1::ipv4-2:ipv4-5:redacted-host:eth0",
            ),
            (
                "node-14:6443 kubelet_node-14 node-14-eth0",
                "redacted-host:6443 kubelet_redacted-host redacted-host-eth0",
            ),
            ("10.0.0.7.443 > 10.0.0.8-10.0.0.7", "ipv4-1.443 > ipv4-2-ipv4-1"),
            ("MAC=aa:bb:cc:dd:ee:ff:11:22:33:44:55:66:08:00 x", "MAC=mac-6 x"),
            ("node-140 my-node-14", "node-140 my-redacted-host"),
            (
                "127.0.0.1 ::1 12:30:45 3.10.0-514.26.2.el7 a::b 0.0.0.0",
                "127.0.0.1 ::1 12:30:45 3.10.0-514.26.2.el7 ipv6-7 0.0.0.0",
            ),
            ("é10.0.0.7é", "éipv4-1é"),
        ] {
            assert_eq!(redactor.text(text), expected);
        }
    }

    #[test]
    fn what_says_what_a_machine_is_stays_whatever_the_host_is_called() {
        let content = |text: &str| Reply::Content(Answer::Got(Content { bytes: text.into(), cut: false }));
        let mut redactor = Redactor::default();
        let mut check = |path: &str, before: &str, after: &str| {
            let request = Request::Read { path: path.to_owned(), max: 100 };
            let Reply::Content(Answer::Got(found)) = redactor.redact(&request, content(before)) else {
                panic!("{path}");
            };
            assert_eq!(found.text(), after, "{path}");
        };
        check("/proc/sys/kernel/hostname", "memory\n", "redacted-host\n");
        check("/proc/cgroups", "memory 3 9 1\n", "memory 3 9 1\n");
        check("/proc/1/mounts", "cgroup /a cgroup rw,memory\n", "cgroup /a cgroup rw,memory\n");
        check("/etc/os-release", "ID=memory\n", "ID=memory\n");
        check("/proc/cmdline", "x=memory ip=10.1.1.1\n", "x=redacted-host ip=ipv4-1\n");
        let bytes = Reply::Content(Answer::Got(Content { bytes: b"\xff memory".to_vec(), cut: false }));
        let request = Request::Read { path: "/proc/version".to_owned(), max: 100 };
        let Reply::Content(Answer::Got(found)) = redactor.redact(&request, bytes) else { panic!() };
        assert_eq!(found.text(), "\u{fffd} redacted-host", "one strange byte hides nothing");
    }
}
