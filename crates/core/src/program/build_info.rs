//! Go build information as text: module path, modules with their replacements, and the settings of the build. It
//! doesn't find the text in a file, and it draws no conclusion from it.

use serde::{Deserialize, Serialize};

/// A Go module as build information names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// The module's path.
    pub path: String,
    /// Its version; `(devel)` for a main module that was built from its own tree.
    pub version: String,
    /// Its checksum, where it has one.
    pub sum: Option<String>,
    /// The module that was built in its place.
    pub replacement: Option<Box<Module>>,
}

impl Module {
    /// The module whose code was built: the replacement, where there is one.
    #[must_use]
    pub fn effective(&self) -> &Self {
        self.replacement.as_deref().unwrap_or(self)
    }
}

/// What Go's toolchain notes about a build: since Go 1.13 with modules, since 1.18 with settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildInfo {
    /// The toolchain's version, `go1.19.8` for one.
    pub go: Option<String>,
    /// The path of the main package.
    pub path: Option<String>,
    /// The main module.
    pub main: Option<Module>,
    /// The modules that it was built from.
    pub dependencies: Vec<Module>,
    /// The settings in their order, `-tags` or `GOARCH` for one.
    pub settings: Vec<(String, String)>,
}

impl BuildInfo {
    /// Reads the text form: one tab separated record a line. Lines of other kinds are left out, so that build
    /// information of a later toolchain can be read for what is known of it.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut info = Self::default();
        // A replacement belongs to the module of the line before, whichever kind that was.
        let mut last_is_main = false;
        for line in text.lines() {
            let (kind, rest) = line.split_once('\t').unwrap_or((line, ""));
            match kind {
                "go" => info.go = Some(rest.to_owned()),
                "path" => info.path = Some(rest.to_owned()),
                "mod" => {
                    info.main = Some(module(rest));
                    last_is_main = true;
                }
                "dep" => {
                    info.dependencies.push(module(rest));
                    last_is_main = false;
                }
                "=>" => {
                    let replaced =
                        if last_is_main { info.main.as_mut() } else { info.dependencies.last_mut() };
                    if let Some(replaced) = replaced {
                        replaced.replacement = Some(Box::new(module(rest)));
                    }
                }
                "build" => info.settings.extend(setting(rest)),
                _ => {}
            }
        }
        info
    }

    /// The value of a setting.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// The build tags that were given. Which of them the source knows is another matter.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        let tags = self.setting("-tags").unwrap_or_default();
        tags.split([',', ' ']).filter(|tag| !tag.is_empty())
    }

    /// The module whose code was built for `path`: a replacement wins.
    #[must_use]
    pub fn module(&self, path: &str) -> Option<&Module> {
        self.main.iter().chain(&self.dependencies).find(|module| module.path == path).map(Module::effective)
    }

    /// The variables that the linker was told to set (`-X name=value`), in their order.
    #[must_use]
    pub fn stamps(&self) -> Vec<(String, String)> {
        let mut words = words(self.setting("-ldflags").unwrap_or_default()).into_iter();
        let mut stamps = Vec::new();
        while let Some(word) = words.next() {
            let assignment = match word.strip_prefix("-X").or_else(|| word.strip_prefix("--X")) {
                Some("") => words.next(),
                Some(joined) => joined.strip_prefix('=').map(str::to_owned),
                None => None,
            };
            let assignment = assignment.as_deref().and_then(|assignment| assignment.split_once('='));
            stamps.extend(assignment.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        stamps
    }
}

fn module(record: &str) -> Module {
    let mut fields = record.split('\t').map(str::to_owned);
    Module {
        path: fields.next().unwrap_or_default(),
        version: fields.next().unwrap_or_default(),
        sum: fields.next().filter(|sum| !sum.is_empty()),
        replacement: None,
    }
}

fn setting(record: &str) -> Option<(String, String)> {
    let (key, rest) = if record.starts_with('"') || record.starts_with('`') {
        unquote(record)?
    } else {
        let end = record.find('=')?;
        (record[..end].to_owned(), &record[end..])
    };
    let value = rest.strip_prefix('=')?;
    let value =
        if value.starts_with('"') || value.starts_with('`') { unquote(value)?.0 } else { value.to_owned() };
    Some((key, value))
}

/// Reads one Go string literal from the beginning of `text`: its value and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut chars = text.chars();
    if chars.next()? == '`' {
        let (value, rest) = chars.as_str().split_once('`')?;
        return Some((value.to_owned(), rest));
    }
    // Bytes, since `\xNN` names one byte of possibly more that make a character.
    let mut value = Vec::new();
    loop {
        match chars.next()? {
            '"' => return Some((String::from_utf8_lossy(&value).into_owned(), chars.as_str())),
            '\\' => match chars.next()? {
                'a' => value.push(0x07),
                'b' => value.push(0x08),
                'f' => value.push(0x0c),
                'n' => value.push(b'\n'),
                'r' => value.push(b'\r'),
                't' => value.push(b'\t'),
                'v' => value.push(0x0b),
                'x' => value.push(u8::try_from(hexadecimal(&mut chars, 2)?).ok()?),
                'u' => push_char(&mut value, char::from_u32(hexadecimal(&mut chars, 4)?)?),
                'U' => push_char(&mut value, char::from_u32(hexadecimal(&mut chars, 8)?)?),
                plain @ ('\\' | '"' | '\'') => push_char(&mut value, plain),
                _ => return None,
            },
            plain => push_char(&mut value, plain),
        }
    }
}

fn push_char(value: &mut Vec<u8>, char: char) {
    value.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
}

fn hexadecimal(chars: &mut std::str::Chars<'_>, digits: u32) -> Option<u32> {
    (0..digits).try_fold(0_u32, |number, _| number.checked_mul(16)?.checked_add(chars.next()?.to_digit(16)?))
}

/// Splits linker flags as the go command does: at white space, except within single or double quotes.
fn words(flags: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for char in flags.chars() {
        match quote {
            Some(open) if char == open => quote = None,
            Some(_) => word.get_or_insert_default().push(char),
            None if char == '\'' || char == '"' => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            None if char.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "path\texample.org/tool/cmd/tool\n\
        mod\texample.org/tool\t(devel)\t\n\
        dep\tgithub.com/opencontainers/runc\tv1.0.0-rc10\th1:abc=\n\
        =>\tgithub.com/fork/runc\tv1.0.0-rc93\th1:def=\n\
        dep\texample.org/local\tv0.1.0\n\
        =>\t./local\t\n\
        later\tsomething new\n\
        build\t-compiler=gc\n\
        build\t-ldflags=\"-s -X main.version=1.2.3 -X=main.commit=\\\"a b\\\" '-X main.odd=1' -X 'main.date=2 Jan'\"\n\
        build\t-tags=seccomp,nokmem\n\
        build\t\"odd key\"=`raw`\n\
        build\tGOARCH=amd64\n";

    #[test]
    fn modules_and_their_replacements_are_read() {
        let info = BuildInfo::parse(TEXT);
        assert_eq!(info.path.as_deref(), Some("example.org/tool/cmd/tool"));
        assert_eq!(info.main.as_ref().map(|m| m.version.as_str()), Some("(devel)"));
        let runc = info.module("github.com/opencontainers/runc").unwrap();
        assert_eq!((runc.path.as_str(), runc.version.as_str()), ("github.com/fork/runc", "v1.0.0-rc93"));
        assert_eq!(info.module("example.org/local").unwrap().path, "./local");
        assert_eq!(info.module("example.org/none"), None);
    }

    #[test]
    fn a_replacement_of_the_main_module_stays_with_it() {
        let info = BuildInfo::parse("mod\ta\tv1\n=>\tb\tv2\ndep\tc\tv3\n");
        assert_eq!(info.module("a").unwrap().path, "b");
        assert_eq!(info.module("c").unwrap().path, "c");
    }

    #[test]
    fn settings_are_read_quoted_or_plain() {
        let info = BuildInfo::parse(TEXT);
        assert_eq!(info.tags().collect::<Vec<_>>(), ["seccomp", "nokmem"]);
        assert_eq!(info.setting("odd key"), Some("raw"));
        assert_eq!(info.setting("GOARCH"), Some("amd64"));
        let stamps = info.stamps();
        let stamps: Vec<_> = stamps.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(stamps, [("main.version", "1.2.3"), ("main.commit", "a b"), ("main.date", "2 Jan")]);
    }

    #[test]
    fn escapes_are_those_of_go() {
        let cases = [
            (r#""a\tb\n""#, Some("a\tb\n")),
            (r#""\x41é\U0001F600""#, Some("Aé😀")),
            (r#""\xc3\xa9""#, Some("é")),
            (r#""open"#, None),
            (r#""\q""#, None),
            (r#""\uD800""#, None),
            ("`open", None),
        ];
        for (text, expected) in cases {
            assert_eq!(unquote(text).map(|(value, _)| value).as_deref(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(?s)((mod|dep|=>|build|path)?[\t=\"`\\\\a-z\n-]{0,12}){0,8}|.{0,60}") {
            let info = BuildInfo::parse(&text);
            let _ = (info.stamps(), info.tags().count());
        }
    }
}
