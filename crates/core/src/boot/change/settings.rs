//! `/etc/default/grub` and its drop-ins after a change. Every change is read back as the shell would read it: what doesn't
//! come out as it should is refused.

use super::without_word;
use crate::boot::default::Defaults;

/// Where the main settings are.
const MAIN: &str = "/etc/default/grub";

/// Our own drop-in, the last to be read: where a distribution reads drop-ins, its files stay as they are.
pub const DROP_IN: &str = "/etc/default/grub.d/zz-kernmend.cfg";

/// What our drop-in begins with.
const HEAD: &str = "# Written by kernmend. `kernmend rollback` takes it back.\n";

/// The variables that hold boot arguments.
const ARGUMENTS: [&str; 2] = ["GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT"];

/// Settings that are being changed.
#[derive(Debug, Clone)]
pub struct Settings {
    original: Vec<(String, String)>,
    files: Vec<(String, String)>,
    reads_drop_ins: bool,
}

/// A file that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The file.
    pub path: String,
    /// What it holds now; none where there is no such file.
    pub before: Option<String>,
    /// What it should hold.
    pub content: String,
}

/// The settings can't be changed with certainty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}` in `{file}` is not written in a way that can be changed for sure")]
pub struct NotUnderstood {
    /// The setting.
    pub setting: String,
    /// The file that sets it, or should.
    pub file: String,
}

impl Settings {
    /// The files in the order in which they are read. `reads_drop_ins` says whether this distribution's generator reads
    /// those in `/etc/default/grub.d`.
    #[must_use]
    pub fn new(files: &[(String, String)], reads_drop_ins: bool) -> Self {
        Self { original: files.to_vec(), files: files.to_vec(), reads_drop_ins }
    }

    /// Changes the boot arguments of all normal entries.
    ///
    /// # Errors
    /// The settings would not give what they should.
    pub fn change_arguments(&mut self, set: &[String], remove: &[String]) -> Result<(), NotUnderstood> {
        let before = self.read().arguments().unwrap_or_default();
        for word in remove {
            for (_, text) in &mut self.files {
                *text = each_line(text, |line| {
                    if ARGUMENTS.iter().any(|name| assigns(line, name)) {
                        without_word(line, word)
                    } else {
                        line.to_owned()
                    }
                });
            }
        }
        let missing: Vec<&String> = set.iter().filter(|word| !before.contains(word)).collect();
        for word in missing {
            self.append(ARGUMENTS[0], word)?;
        }
        let after = self.read().arguments().unwrap_or_default();
        let should = super::arguments_changed(&before, set, remove);
        let sorted = |mut list: Vec<String>| {
            list.sort();
            list.dedup();
            list
        };
        if sorted(after) == sorted(should) { Ok(()) } else { Err(self.not_understood(ARGUMENTS[0])) }
    }

    /// Changes the setting that chooses the default.
    ///
    /// # Errors
    /// The settings would not give what they should.
    pub fn change_default(&mut self, value: &str) -> Result<(), NotUnderstood> {
        const NAME: &str = "GRUB_DEFAULT";
        if self.read().get(NAME).is_some_and(|setting| setting.value == value) {
            return Ok(());
        }
        let line = format!("{NAME}={value}");
        let place = self.read().get(NAME).map(|setting| (setting.file.clone(), setting.line));
        match place {
            Some((file, number)) if !self.reads_drop_ins || file == DROP_IN => {
                self.replace_line(&file, number, |_| Some(line.clone()))
                    .ok_or_else(|| self.not_understood(NAME))?;
            }
            _ => self.add_line(&line).ok_or_else(|| self.not_understood(NAME))?,
        }
        let is_so = self.read().get(NAME).is_some_and(|setting| setting.value == value);
        if is_so { Ok(()) } else { Err(self.not_understood(NAME)) }
    }

    /// The files that differ now.
    #[must_use]
    pub fn edits(&self) -> Vec<Edit> {
        let before =
            |path: &String| self.original.iter().find(|(file, _)| file == path).map(|(_, text)| text);
        let differs = |(path, text): &&(String, String)| before(path) != Some(text);
        let edit = |(path, text): &(String, String)| Edit {
            path: path.clone(),
            before: before(path).cloned(),
            content: text.clone(),
        };
        self.files.iter().filter(differs).map(edit).collect()
    }

    fn read(&self) -> Defaults {
        let mut defaults = Defaults::default();
        for (file, text) in &self.files {
            defaults.source(file, text);
        }
        defaults
    }

    fn not_understood(&self, setting: &str) -> NotUnderstood {
        let file = self.read().get(setting).map_or_else(|| MAIN.to_owned(), |setting| setting.file.clone());
        NotUnderstood { setting: setting.to_owned(), file }
    }

    /// Adds a word to a list of words.
    fn append(&mut self, name: &str, word: &str) -> Result<(), NotUnderstood> {
        if self.reads_drop_ins {
            let line = format!("{name}=\"${name} {word}\"");
            return self.add_line(&line).ok_or_else(|| self.not_understood(name));
        }
        let place = self.read().get(name).map(|setting| (setting.file.clone(), setting.line));
        let added = match place {
            Some((file, number)) => self.replace_line(&file, number, |line| with_word(line, word)),
            None => self.add_line(&format!("{name}=\"{word}\"")),
        };
        added.ok_or_else(|| self.not_understood(name))
    }

    /// Adds a line to the file that is ours to add to.
    fn add_line(&mut self, line: &str) -> Option<()> {
        let path = if self.reads_drop_ins { DROP_IN } else { MAIN };
        let text = match self.files.iter_mut().find(|(file, _)| file == path) {
            Some((_, text)) => text,
            None if self.reads_drop_ins => {
                self.files.push((path.to_owned(), HEAD.to_owned()));
                &mut self.files.last_mut()?.1
            }
            None => return None,
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(line);
        text.push('\n');
        Some(())
    }

    fn replace_line(
        &mut self,
        file: &str,
        number: usize,
        with: impl Fn(&str) -> Option<String>,
    ) -> Option<()> {
        let (_, text) = self.files.iter_mut().find(|(path, _)| path == file)?;
        let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
        let line = lines.get_mut(number.checked_sub(1)?)?;
        *line = with(line)?;
        *text = lines.join("\n");
        Some(())
    }
}

fn each_line(text: &str, change: impl Fn(&str) -> String) -> String {
    text.split('\n').map(change).collect::<Vec<_>>().join("\n")
}

fn assigns(line: &str, name: &str) -> bool {
    let line = line.trim_start();
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    line.strip_prefix(name).is_some_and(|rest| rest.starts_with('=') || rest.starts_with("+="))
}

/// `NAME="a b"` with one word more. None where it is written in another way.
fn with_word(line: &str, word: &str) -> Option<String> {
    let (name, value) = line.split_once('=')?;
    let quote = value.chars().next().filter(|char| matches!(char, '"' | '\''));
    let Some(quote) = quote else {
        let end = value.find([' ', '\t', '#', '\r']).unwrap_or(value.len());
        let (value, rest) = value.split_at(end);
        let separator = if value.is_empty() { "" } else { " " };
        return Some(format!("{name}=\"{value}{separator}{word}\"{rest}"));
    };
    let inner = &value[1..];
    let end = inner.find(quote).filter(|end| !inner[..*end].contains('\\'))?;
    let (inner, rest) = inner.split_at(end);
    let is_last = rest[1..].trim_start().is_empty() || rest[1..].trim_start().starts_with('#');
    let separator = if inner.is_empty() || inner.ends_with(' ') { "" } else { " " };
    is_last.then(|| format!("{name}={quote}{inner}{separator}{word}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn check(text: &str, set: &str, remove: &str, expected: Option<&str>) {
        let mut settings = Settings::new(&[(MAIN.to_owned(), text.to_owned())], false);
        let outcome = settings.change_arguments(&words(set), &words(remove));
        let content = settings.edits().first().map_or_else(|| text.to_owned(), |edit| edit.content.clone());
        assert_eq!(outcome.is_ok().then_some(content.as_str()), expected, "{text}");
    }

    #[test]
    fn arguments_are_set_where_they_are_set_today() {
        let nokmem = "cgroup.memory=nokmem";
        check(
            "GRUB_CMDLINE_LINUX=\"ro\"\n",
            nokmem,
            "",
            Some("GRUB_CMDLINE_LINUX=\"ro cgroup.memory=nokmem\"\n"),
        );
        check("GRUB_CMDLINE_LINUX=''\n", nokmem, "", Some("GRUB_CMDLINE_LINUX='cgroup.memory=nokmem'\n"));
        check(
            "GRUB_CMDLINE_LINUX=ro # x\n",
            nokmem,
            "",
            Some("GRUB_CMDLINE_LINUX=\"ro cgroup.memory=nokmem\" # x\n"),
        );
        check("A=1", nokmem, "", Some("A=1\nGRUB_CMDLINE_LINUX=\"cgroup.memory=nokmem\"\n"));
        // Set already, and by the last of two lines.
        check(
            "GRUB_CMDLINE_LINUX=\"a cgroup.memory=nokmem\"",
            nokmem,
            "",
            Some("GRUB_CMDLINE_LINUX=\"a cgroup.memory=nokmem\""),
        );
        check(
            "GRUB_CMDLINE_LINUX=a\nGRUB_CMDLINE_LINUX=\"b\"\n",
            "c",
            "",
            Some("GRUB_CMDLINE_LINUX=a\nGRUB_CMDLINE_LINUX=\"b c\"\n"),
        );
    }

    #[test]
    fn arguments_are_taken_away_wherever_they_stand() {
        check(
            "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet x=1\"\nGRUB_CMDLINE_LINUX=\"x=1 ro\"\n",
            "y",
            "x=1",
            Some("GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"ro y\"\n"),
        );
    }

    #[test]
    fn what_isnt_written_plainly_is_refused() {
        for text in [
            "GRUB_CMDLINE_LINUX=\"a \\\n b\"\n",
            "GRUB_CMDLINE_LINUX=\"$(cat /etc/x)\"; GRUB_CMDLINE_LINUX=b\n",
            "X=\"x=1\"\nGRUB_CMDLINE_LINUX=\"$X\"\n",
        ] {
            check(text, "y", "x=1", None);
        }
    }

    #[test]
    fn a_drop_in_takes_the_change_where_drop_ins_are_read() {
        let main = (MAIN.to_owned(), "GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX=\"ro\"\n".to_owned());
        let mut settings = Settings::new(std::slice::from_ref(&main), true);
        settings.change_arguments(&words("a=1"), &[]).unwrap();
        settings.change_default("saved").unwrap();
        let edits = settings.edits();
        assert_eq!(edits.len(), 1);
        assert_eq!((edits[0].path.as_str(), &edits[0].before), (DROP_IN, &None));
        assert_eq!(
            edits[0].content,
            format!("{HEAD}GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX a=1\"\nGRUB_DEFAULT=saved\n")
        );
        // A second change finds the first.
        let mut later = Settings::new(&[main, (DROP_IN.to_owned(), edits[0].content.clone())], true);
        later.change_arguments(&words("a=2"), &words("a=1")).unwrap();
        assert_eq!(later.read().arguments().unwrap(), ["ro", "a=2"]);
        later.change_default("saved").unwrap();
    }

    #[test]
    fn the_default_goes_back_to_saved_after_a_careless_sed() {
        let text = "GRUB_TIMEOUT=5\nGRUB_DEFAULT=0\nGRUB_DISABLE_SUBMENU=true\n";
        let mut settings = Settings::new(&[(MAIN.to_owned(), text.to_owned())], false);
        settings.change_default("saved").unwrap();
        assert_eq!(settings.edits()[0].content, text.replace("GRUB_DEFAULT=0", "GRUB_DEFAULT=saved"));
    }
}
