//! Entries of a boot menu after a change: the trial's own entry, made from one that boots today, and the arguments of an
//! entry of the Boot Loader Specification.

use super::{arguments_changed, without_word};
use crate::boot::MenuEntry;

/// Commands that load a kernel of Linux.
pub(crate) const LINUX: [&str; 4] = ["linux", "linux16", "linuxefi", "linux32"];

/// A command that would save the trial as the default.
const SAVES: &str = "savedefault";

/// The text of an entry of its own: what `entry` does, with these arguments changed, under the id `id`. `text` is the
/// configuration that holds it. None where the entry isn't written plainly enough to be copied for sure.
#[must_use]
pub fn own_entry(
    text: &str,
    entry: &MenuEntry,
    id: &str,
    title: &str,
    set: &[String],
    remove: &[String],
) -> Option<String> {
    let block = block_at(text, entry.place.line)?;
    let (head, body) = block.split_once('{')?;
    let body = body.trim_end().strip_suffix('}')?;
    let mut lines = Vec::new();
    let mut kernels = 0;
    for line in body.lines() {
        let trimmed = line.trim();
        let command = trimmed.split_ascii_whitespace().next().unwrap_or_default();
        if LINUX.contains(&command) {
            kernels += 1;
            if trimmed.contains(['"', '\'', '\\', ';', '#']) {
                return None;
            }
            let words: Vec<String> = trimmed.split_ascii_whitespace().map(str::to_owned).collect();
            let (kernel, arguments) = words.split_at_checked(2)?;
            let changed = arguments_changed(arguments, set, remove);
            lines.push(format!("\t{} {}", kernel.join(" "), changed.join(" ")));
        } else if !trimmed.is_empty() && command != SAVES {
            lines.push(format!("\t{trimmed}"));
        }
    }
    // A loop or a condition around the kernel, or a second kernel, is more than a copy can promise.
    if kernels != 1 || title.contains('\'') {
        return None;
    }
    // With a password set, an entry without this asks for it.
    let open = if head.split_ascii_whitespace().any(|word| word == "--unrestricted") {
        " --unrestricted"
    } else {
        ""
    };
    Some(format!("menuentry '{title}' --id {id}{open} {{\n{}\n}}\n", lines.join("\n")))
}

/// The text of an entry of its own for an entry of the Boot Loader Specification, whose text is `text`. `configuration` is
/// the script that reads it: it says where such entries' files are.
#[must_use]
pub fn own_entry_of_bls(
    configuration: &str,
    text: &str,
    id: &str,
    title: &str,
    set: &[String],
    remove: &[String],
) -> Option<String> {
    let value = |key: &str| {
        let mut values = text.lines().filter_map(|line| {
            let (name, value) = line.trim().split_once([' ', '\t'])?;
            (name == key).then(|| value.trim())
        });
        let first = values.next();
        values.next().is_none().then_some(first)
    };
    let linux = value("linux")??;
    let options = value("options")?.unwrap_or_default();
    let initrd = value("initrd")?;
    if title.contains('\'')
        || [linux, options, initrd.unwrap_or_default()].iter().any(|v| v.contains(['"', '\'', '\\', ';']))
    {
        return None;
    }
    let words: Vec<String> = options.split_ascii_whitespace().map(str::to_owned).collect();
    let arguments = arguments_changed(&words, set, remove).join(" ");
    // Red Hat's 10_linux looks the device up as `boot` beside `root`; the entries' paths are below it.
    let device = if configuration.contains("--set=boot ") { "($boot)" } else { "" };
    let initrd = initrd.map(|files| {
        let files: Vec<String> =
            files.split_ascii_whitespace().map(|file| format!("{}{file}", prefix(device, file))).collect();
        format!("\tinitrd {}\n", files.join(" "))
    });
    Some(format!(
        "menuentry '{title}' --id {id} --unrestricted {{\n\tlinux {device}{linux} {arguments}\n{}}}\n",
        initrd.unwrap_or_default()
    ))
}

/// Variables such as `$tuned_initrd` bring their own device.
fn prefix<'a>(device: &'a str, file: &str) -> &'a str {
    if file.starts_with('/') { device } else { "" }
}

/// An entry of the Boot Loader Specification with other arguments. None where it has no line for them, or several.
#[must_use]
pub fn bls_with_arguments(text: &str, set: &[String], remove: &[String]) -> Option<String> {
    let mut found = 0;
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let is_options =
            line.trim_start().starts_with("options ") || line.trim_start().starts_with("options\t");
        if !is_options {
            lines.push(line.to_owned());
            continue;
        }
        found += 1;
        let mut line = remove.iter().chain(set).fold(line.to_owned(), |line, word| without_word(&line, word));
        line.truncate(line.trim_end().len());
        for word in set {
            line.push(' ');
            line.push_str(word);
        }
        lines.push(line);
    }
    (found == 1).then(|| lines.join("\n"))
}

/// The text from a line on to the brace that closes what it opens.
fn block_at(text: &str, line: usize) -> Option<&str> {
    let start = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum::<usize>();
    let block = text.get(start..)?;
    let mut depth = 0_usize;
    let mut quote = None;
    let mut before = '\n';
    let mut is_comment = false;
    for (at, char) in block.char_indices() {
        match (quote, char) {
            (_, '\n') if is_comment => is_comment = false,
            _ if is_comment => {}
            (None, '#') if before.is_ascii_whitespace() => is_comment = true,
            (None, '\'' | '"') if before != '\\' => quote = Some(char),
            (Some(open), _) if open == char && (open == '\'' || before != '\\') => quote = None,
            // `${name}` is no block.
            (None, '{') if before != '$' => depth += 1,
            (None, '{') => return None,
            (None, '}') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return block.get(..=at);
                }
            }
            _ => {}
        }
        before = char;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::grub;

    const MENU: &str = "set default=0\nsubmenu 'More' {\n\tmenuentry 'Linux' --class a --unrestricted --id 'gnulinux-6.1' {\n\
        \t\tsavedefault\n\t\tload_video\n\n\t\tif [ x$grub_platform = xxen ]; then insmod xzio; fi\n\t\t# an odd } here\n\
        \t\tlinux\t/vmlinuz-6.1 root=UUID=1 ro  quiet \n\t\tinitrd\t/initrd.img-6.1\n\t}\n}\n";

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_trial_is_a_copy_of_an_entry_with_its_own_arguments_and_id() {
        let configuration = grub::run("grub.cfg", MENU, grub::Surroundings::default());
        let entry = configuration.entries.iter().find(|entry| entry.id == "gnulinux-6.1").unwrap();
        let text = own_entry(MENU, entry, "trial", "A trial", &words("panic=10"), &words("quiet")).unwrap();
        assert_eq!(
            text,
            "menuentry 'A trial' --id trial --unrestricted {\n\tload_video\n\
             \tif [ x$grub_platform = xxen ]; then insmod xzio; fi\n\t# an odd } here\n\
             \tlinux /vmlinuz-6.1 root=UUID=1 ro panic=10\n\tinitrd\t/initrd.img-6.1\n}\n"
        );
        let again = grub::run("custom.cfg", &text, grub::Surroundings::default());
        assert_eq!(again.entries[0].arguments, words("root=UUID=1 ro panic=10"));
        assert_eq!((again.entries[0].id.as_str(), again.refused.clone()), ("trial", None));
    }

    #[test]
    fn what_isnt_plain_is_not_copied() {
        for body in [
            "\tlinux /a x=\"b c\"\n",
            "\tlinux /a\n\tlinux /b\n",
            "\tchainloader /x\n",
            "\tset a=${b}\n\tlinux /a\n",
        ] {
            let text = format!("menuentry 'x' {{\n{body}}}\n");
            let configuration = grub::run("grub.cfg", &text, grub::Surroundings::default());
            let entry = &configuration.entries[0];
            assert_eq!(own_entry(&text, entry, "t", "T", &[], &[]), None, "{body}");
        }
    }

    #[test]
    fn an_entry_of_the_boot_loader_specification_becomes_one_of_the_script() {
        let bls = "title A\nversion 5\nlinux /vmlinuz-5\ninitrd /initramfs-5.img $tuned_initrd\noptions $kernelopts a=1\n";
        let text =
            own_entry_of_bls("search --set=boot X\n", bls, "t", "T", &words("b=2"), &words("a=1")).unwrap();
        assert_eq!(
            text,
            "menuentry 'T' --id t --unrestricted {\n\tlinux ($boot)/vmlinuz-5 $kernelopts b=2\n\
             \tinitrd ($boot)/initramfs-5.img $tuned_initrd\n}\n"
        );
        assert_eq!(own_entry_of_bls("", "title A\n", "t", "T", &[], &[]), None);
    }

    #[test]
    fn arguments_of_such_an_entry_change_in_place() {
        let changed = bls_with_arguments("title A\noptions root=x a=1 ro\n", &words("b=2"), &words("a=1"));
        assert_eq!(changed.as_deref(), Some("title A\noptions root=x ro b=2\n"));
        assert_eq!(bls_with_arguments("title A\n", &words("b"), &[]), None);
    }
}
