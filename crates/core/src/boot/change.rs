//! What a boot loader's files hold after a change: settings, entries, the trial's own entry. Texts go in and come out; no
//! file is opened. What can't be read for sure is not changed: the caller hears why.

pub mod entry;
pub mod settings;

/// A boot argument's place in a list: words between white space, in or behind quotes.
fn is_edge(char: char) -> bool {
    char.is_ascii_whitespace() || matches!(char, '"' | '\'')
}

/// A text without a word, wherever it stands as a whole word; one space beside it goes with it.
fn without_word(text: &str, word: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, from) = rest.split_at(at);
        let after = &from[word.len()..];
        let starts = result.chars().next_back();
        let starts = before.chars().next_back().or(starts);
        let is_whole = starts.is_none_or(|char| is_edge(char) || char == '=')
            && after.chars().next().is_none_or(is_edge);
        if !is_whole {
            let step = at + rest[at..].chars().next().map_or(1, char::len_utf8);
            result.push_str(&rest[..step]);
            rest = &rest[step..];
            continue;
        }
        result.push_str(before);
        rest = match (result.ends_with(' '), after.strip_prefix(' ')) {
            (true, _) => {
                result.pop();
                after
            }
            (false, Some(after)) => after,
            (false, None) => after,
        };
    }
    result + rest
}

/// Arguments after a change, in their order; what is new stands last.
#[must_use]
pub fn arguments_changed(arguments: &[String], set: &[String], remove: &[String]) -> Vec<String> {
    let kept = arguments.iter().filter(|argument| !remove.contains(argument) && !set.contains(argument));
    kept.chain(set).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_taken_out_as_a_whole() {
        for (text, expected) in [
            ("GRUB_X=\"a nokmem b\"", "GRUB_X=\"a b\""),
            ("GRUB_X=\"nokmem b\"", "GRUB_X=\"b\""),
            ("GRUB_X=\"a nokmem\"", "GRUB_X=\"a\""),
            ("GRUB_X=\"nokmem\"", "GRUB_X=\"\""),
            ("GRUB_X=nokmem", "GRUB_X="),
            ("options nokmem nokmem c", "options c"),
            ("GRUB_X=\"a x.nokmem nokmem2 b\"", "GRUB_X=\"a x.nokmem nokmem2 b\""),
        ] {
            assert_eq!(without_word(text, "nokmem"), expected, "{text}");
        }
    }

    #[test]
    fn arguments_keep_their_order() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let changed = arguments_changed(&words("ro quiet a=1"), &words("a=2 ro"), &words("a=1"));
        assert_eq!(changed, words("quiet a=2 ro"));
    }
}
