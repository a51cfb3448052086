//! `/etc/default/grub` and its drop-ins: the settings from which the configuration is made, as the shell that sources them
//! sees them. What boots next is decided by what was made of them, not by them.

use std::collections::BTreeMap;

use crate::format::kernel::arguments;

/// Settings, the later file before the earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Defaults {
    settings: BTreeMap<String, Setting>,
}

/// A value and where it was set last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The value, quotes and comments taken away.
    pub value: String,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

impl Defaults {
    /// Adds a file that is sourced after those before.
    pub fn source(&mut self, file: &str, text: &str) {
        let mut rest = Shell { text, at: 0, line: 1 };
        while rest.at < text.len() {
            let line = rest.line;
            if let Some((name, value)) = rest.assignment(&self.settings) {
                self.settings.insert(name, Setting { value, file: file.to_owned(), line });
            }
            rest.skip_line();
        }
    }

    /// A setting.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.settings.get(name)
    }

    /// GRUB's own settings.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Setting)> {
        let named = self.settings.iter().map(|(name, setting)| (name.as_str(), setting));
        named.filter(|(name, _)| name.starts_with("GRUB_"))
    }

    /// Whether any setting of GRUB is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The arguments that the normal entries of each kernel get. None where no file says anything of them.
    #[must_use]
    pub fn arguments(&self) -> Option<Vec<String>> {
        let values: Vec<&str> = ["GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT"]
            .into_iter()
            .filter_map(|name| Some(self.get(name)?.value.as_str()))
            .collect();
        (!values.is_empty()).then(|| arguments(&values.join(" ")))
    }
}

/// The part of the shell's language that settings are written in.
struct Shell<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Shell<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.at += char.len_utf8();
        self.line += usize::from(char == '\n');
        Some(char)
    }

    fn skip_line(&mut self) {
        while self.next().is_some_and(|char| char != '\n') {}
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(char) = self.peek().filter(|char| char.is_ascii_alphanumeric() || *char == '_') {
            name.push(char);
            self.next();
        }
        name
    }

    /// `NAME=VALUE` at the start of a line, with `export` before it or not.
    fn assignment(&mut self, known: &BTreeMap<String, Setting>) -> Option<(String, String)> {
        loop {
            while self.peek().is_some_and(|char| char == ' ' || char == '\t') {
                self.next();
            }
            let name = self.name();
            match self.peek() {
                Some('=') if !name.is_empty() => {
                    self.next();
                    return Some((name, self.value(known)));
                }
                Some('+') if !name.is_empty() && self.text[self.at..].starts_with("+=") => {
                    self.at += 2;
                    let before = known.get(&name).map(|setting| setting.value.clone()).unwrap_or_default();
                    let added = self.value(known);
                    return Some((name, before + &added));
                }
                Some(' ') if name == "export" => {}
                _ => return None,
            }
        }
    }

    fn value(&mut self, known: &BTreeMap<String, Setting>) -> String {
        let mut value = String::new();
        let mut quote = None;
        while let Some(char) = self.peek() {
            match (quote, char) {
                (None, ' ' | '\t' | '\n' | '\r' | ';' | '#' | '&' | '|') => break,
                (None, '\'' | '"') => {
                    quote = Some(char);
                    self.next();
                }
                (Some(open), _) if open == char => {
                    quote = None;
                    self.next();
                }
                (Some('\''), _) => {
                    value.push(char);
                    self.next();
                }
                (_, '\\') => {
                    self.next();
                    match self.next() {
                        Some('\n') | None => {}
                        Some(escaped @ ('"' | '\\' | '$' | '`')) => value.push(escaped),
                        Some(escaped) if quote.is_none() => value.push(escaped),
                        Some(escaped) => value.extend(['\\', escaped]),
                    }
                }
                (_, '$') => self.dollar(&mut value, known),
                (_, '`') => {
                    value.push(char);
                    self.next();
                    while let Some(char) = self.next() {
                        value.push(char);
                        if char == '`' {
                            break;
                        }
                    }
                }
                _ => {
                    value.push(char);
                    self.next();
                }
            }
        }
        value
    }

    /// A variable of the files so far, nothing for one that isn't set; a command stays as it is written.
    fn dollar(&mut self, value: &mut String, known: &BTreeMap<String, Setting>) {
        self.next();
        match self.peek() {
            Some('(') => {
                value.push('$');
                let mut depth = 0_usize;
                while let Some(char) = self.next() {
                    value.push(char);
                    match char {
                        '(' => depth += 1,
                        ')' => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            Some('{') => {
                self.next();
                let name = self.name();
                while self.next().is_some_and(|char| char != '}') {}
                value.extend(known.get(&name).map(|setting| setting.value.as_str()));
            }
            _ => {
                let name = self.name();
                if name.is_empty() {
                    value.push('$');
                }
                value.extend(known.get(&name).map(|setting| setting.value.as_str()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[&str]) -> Defaults {
        let mut defaults = Defaults::default();
        for (index, text) in files.iter().enumerate() {
            defaults.source(&index.to_string(), text);
        }
        defaults
    }

    #[test]
    fn assignments_are_read_as_the_shell_reads_them() {
        for (text, expected) in [
            ("GRUB_DEFAULT=saved\n", "saved"),
            ("  export GRUB_DEFAULT='1>2'", "1>2"),
            ("GRUB_DEFAULT=saved  ### “0”\n", "saved"),
            ("#GRUB_DEFAULT=0\nGRUB_DEFAULT=\"a \\\"b\\\" c\"\n", "a \"b\" c"),
            ("X=1\nGRUB_DEFAULT=\"a$X${X}b\"\n", "a11b"),
            ("GRUB_DEFAULT=\"$(sed 's, release .*$,,g' /etc/x)\"\n", "$(sed 's, release .*$,,g' /etc/x)"),
            ("GRUB_DEFAULT=a\\\nb\n", "ab"),
            ("GRUB_DEFAULT=0\r\nGRUB_DEFAULT=saved\r\n", "saved"),
            ("GRUB_DEFAULT=a\nGRUB_DEFAULT+=b\n", "ab"),
        ] {
            let defaults = read(&[text]);
            assert_eq!(
                defaults.get("GRUB_DEFAULT").map(|setting| setting.value.as_str()),
                Some(expected),
                "{text}"
            );
        }
        assert!(read(&["nothing here\n= 3\n"]).is_empty());
    }

    #[test]
    fn a_drop_in_is_before_the_file() {
        let defaults = read(&["GRUB_TIMEOUT=5\nGRUB_DEFAULT=saved\n", "\nGRUB_DEFAULT=0\n"]);
        let setting = defaults.get("GRUB_DEFAULT").unwrap();
        assert_eq!((setting.value.as_str(), setting.file.as_str(), setting.line), ("0", "1", 2));
    }

    #[test]
    fn the_arguments_of_normal_entries_are_both_lists() {
        let defaults =
            read(&["GRUB_CMDLINE_LINUX_DEFAULT=\"quiet $unset\"\nGRUB_CMDLINE_LINUX='ro  net.ifnames=0'\n"]);
        assert_eq!(defaults.arguments().unwrap(), ["ro", "net.ifnames=0", "quiet"]);
        assert_eq!(read(&["GRUB_DEFAULT=0"]).arguments(), None);
    }
}
