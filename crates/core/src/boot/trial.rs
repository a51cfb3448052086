//! The trial of a kernel: the script that boots it once, whether a configuration reads that script, and the names by which the
//! two kernels are told to it. Nothing is written or planned here.
//!
//! The script's invariant: the kernel on trial is booted at most once, and only when GRUB has written down that it was. In every
//! other case (GRUB can't write, the counter is used up, a variable is missing) the kernel that is proven is booted; without the
//! variables the script changes nothing. A panic, a hang that a watchdog ends or a power cycle in the trial ends on the proven
//! kernel. GRUB doesn't flush the disk's own cache: a power cut in the first moments can bring back the counter, and with it one
//! more trial.

use super::choose::{How, Matcher, of_menu, walk};
use super::grub::{self, Given, Surroundings};
use super::{BootConfiguration, MenuEntry, Value};

/// The script, which is the whole content of kernmend's `custom.cfg`.
pub const SCRIPT: &str = include_str!("trial.cfg");

/// The variable that names the proven kernel.
pub const GOOD: &str = "kernmend_good";

/// The variable that names the kernel on trial.
pub const ENTRY: &str = "kernmend_entry";

/// The variable that is `1` until the trial was begun, and `0` from then on.
pub const TRIES: &str = "kernmend_tries";

/// The directory from which a configuration reads `custom.cfg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directory {
    /// That of the configuration itself (`$config_directory`).
    OfConfiguration,
    /// GRUB's own (`$prefix`), where its modules are: configurations from before GRUB 2.00 know no other.
    Prefix,
}

impl Directory {
    /// The path of the file that is read: `configuration` is the path of the configuration, `prefix` GRUB's own directory.
    #[must_use]
    pub fn custom_cfg(self, configuration: &str, prefix: &str) -> String {
        let directory = match self {
            Self::OfConfiguration => configuration.rsplit_once('/').map_or(".", |(directory, _)| directory),
            Self::Prefix => prefix,
        };
        format!("{directory}/custom.cfg")
    }
}

/// Where `custom.cfg` has to lie for a configuration to read it and take the default that it sets. None where the configuration
/// doesn't read it, sets another default after it, hands over to another configuration, or leaves one of these to what only the
/// machine knows.
#[must_use]
pub fn hook(configuration: &str) -> Option<Directory> {
    const WANTED: &str = "kernmend's default";
    let custom = format!("set default=\"{WANTED}\"\n");
    let custom = Given::Is(("custom.cfg", custom.as_str()));
    let surroundings = Surroundings { custom, entries: Given::Missing, ..Surroundings::default() };
    let (read, directory) = grub::run_and_watch("grub.cfg", configuration, surroundings);
    let is_last_word = read.default.is_some_and(|default| default.value == Value::Known(WANTED.to_owned()));
    let is_live = read.refused.is_none() && read.hands_over_to.is_none() && !read.too_large;
    directory.filter(|_| is_last_word && is_live)
}

/// The name that means this entry and no other, to each of these GRUBs: its id where that is unique, else its title, behind those
/// of the submenus that lead to it; never a number, which means another entry once a kernel comes or goes. None where there is no
/// such name (EL7's `grubby` gives the kernel that it adds the id of the one that it copies), or where entries are missing here.
#[must_use]
pub fn name_of(configuration: &BootConfiguration, index: usize, matchers: &[Matcher]) -> Option<String> {
    let entries = &configuration.entries;
    let path = entries.get(index)?.path.as_slice();
    if configuration.entries_missing || path.is_empty() {
        return None;
    }
    let mut name: Option<String> = None;
    for depth in (1..=path.len()).rev() {
        let menu: Vec<&MenuEntry> = entries
            .iter()
            .filter(|other| other.path.len() == depth && other.path.starts_with(&path[..depth - 1]))
            .collect();
        let at = path[depth - 1];
        let entry = menu.get(at)?;
        let is_unique = |name: &&String| {
            menu.iter().filter(|other| other.id == **name || other.title == **name).count() == 1
        };
        // GRUB takes a single `>` for the way into a submenu.
        let whole = |own: &String| {
            [Some(own.replace('>', ">>")), name.clone()].into_iter().flatten().collect::<Vec<_>>().join(">")
        };
        let is_followed = |whole: &String| {
            matchers.iter().all(|matcher| {
                matches!(of_menu(&menu, whole, *matcher), Ok(Some((found, How::Id | How::Title))) if found == at)
            })
        };
        name = Some([&entry.id, &entry.title].into_iter().filter(is_unique).map(whole).find(is_followed)?);
    }
    name.filter(|name| {
        let leads_here =
            |matcher| matches!(walk(entries, Some(name), matcher), Ok((found, _)) if found == index);
        matchers.iter().copied().all(leads_here)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::choose::Choice;
    use crate::boot::environment::Environment;
    use crate::boot::reading::{BootFiles, of_files};
    use crate::boot::{Unclear, next_boot};
    use crate::document::Fact;
    use crate::document::snapshot::{FileSystem, Layer, LayerKind};

    const ENTRIES: &str = "menuentry new --id k-2 {\n linux /vmlinuz-2.0\n}\nmenuentry old --id k-1 {\n linux /vmlinuz-1.0\n}\n";
    const HOOK: &str = "if [ -f  ${config_directory}/custom.cfg ]; then\n  source ${config_directory}/custom.cfg\n\
         elif [ -z \"${config_directory}\" -a -f  $prefix/custom.cfg ]; then\n  source $prefix/custom.cfg;\nfi\n";

    fn chosen(variables: &str, head: &str, writable: Option<bool>) -> Result<String, Unclear> {
        let block = format!("# GRUB Environment Block\n{variables}");
        let environment = Environment::parse(format!("{block:#<1024}").as_bytes());
        let surroundings = Surroundings {
            environment: Given::Is(("grubenv", &environment)),
            custom: Given::Is(("custom.cfg", SCRIPT)),
            entries: Given::Missing,
            writable,
        };
        let read = grub::run("grub.cfg", &format!("{head}{ENTRIES}{HOOK}"), surroundings);
        match next_boot(&read, None, Matcher::Upstream).choice {
            Choice::Entry(index) => Ok(read.entries[index].id.clone()),
            Choice::Unknown(unclear) => Err(unclear),
        }
    }

    #[test]
    fn the_kernel_on_trial_is_booted_once_and_only_when_that_is_written_down() {
        let pending = "kernmend_good=k-1\nkernmend_entry=k-2\nkernmend_tries=1\n";
        for (variables, writable, expected) in [
            (pending, Some(true), Ok("k-2")),
            (pending, Some(false), Ok("k-1")),
            (pending, None, Err(Unclear::MachineDecides)),
            ("kernmend_good=k-1\nkernmend_entry=k-2\nkernmend_tries=0\n", Some(true), Ok("k-1")),
            ("kernmend_good=k-1\nkernmend_entry=k-2\n", Some(true), Ok("k-1")),
            ("kernmend_good=k-1\nkernmend_tries=1\n", Some(true), Ok("k-1")),
            ("kernmend_entry=k-2\nkernmend_tries=1\n", Some(true), Ok("k-2")),
        ] {
            let expected = expected.map(str::to_owned);
            // Without the kernel that is proven the script does nothing, and the first entry is the new one here.
            assert_eq!(chosen(variables, "", writable), expected, "{variables} {writable:?}");
        }
        // Somebody's own choice for one boot stands.
        assert_eq!(
            chosen(pending, "set boot_once=true\nset default=k-1\n", Some(true)),
            Ok("k-1".to_owned())
        );
    }

    #[test]
    fn a_reading_says_what_boots_in_the_trial_and_after_it() {
        let block = "# GRUB Environment Block\nkernmend_good=k-1\nkernmend_entry=k-2\nkernmend_tries=1\n";
        let layer = Layer { name: "sda1".to_owned(), kind: LayerKind::Partition, modules: Vec::new() };
        let system = FileSystem {
            mounted_at: "/boot".to_owned(),
            kind: "ext4".to_owned(),
            source: "/dev/sda1".to_owned(),
            read_only: Some(false),
            layers: Fact::known(vec![layer], "/sys/dev/block"),
            space: Fact::default(),
        };
        let files = BootFiles {
            configuration: Some(("grub.cfg".to_owned(), format!("{ENTRIES}{HOOK}"))),
            custom: Given::Is(("custom.cfg".to_owned(), SCRIPT.to_owned())),
            environments: vec![("grubenv".to_owned(), format!("{block:#<1024}").into_bytes())],
            block_on: Fact::known(system, "/proc/mounts"),
            matcher: Some(Matcher::Upstream),
            ..BootFiles::default()
        };
        let boot = of_files(&files);
        assert_eq!((boot.next.choice, boot.afterwards), (Choice::Entry(0), Some(Choice::Entry(1))));
    }

    #[test]
    fn the_hook_is_there_where_custom_cfg_has_the_last_word() {
        for (text, expected) in [
            (HOOK.to_owned(), Some(Directory::OfConfiguration)),
            (
                "if [ -f  $prefix/custom.cfg ]; then source $prefix/custom.cfg; fi".to_owned(),
                Some(Directory::Prefix),
            ),
            (format!("set default=0\n{HOOK}{ENTRIES}"), Some(Directory::OfConfiguration)),
            (format!("{HOOK}set default=0\n"), None),
            (format!("if cpuid -l; then\n{HOOK}fi\n"), None),
            (format!("{HOOK}if cpuid -l; then set default=0; fi\n"), None),
            (format!("{HOOK}configfile /grub.cfg\n"), None),
            (format!("{HOOK}menuentry 'x {{\n"), None),
            ("source /somewhere/custom.cfg\n".to_owned(), None),
            (ENTRIES.to_owned(), None),
        ] {
            assert_eq!(hook(&text), expected, "{text}");
        }
        let path = |directory: Directory| directory.custom_cfg("/boot/efi/EFI/x/grub.cfg", "/boot/grub2");
        assert_eq!(path(Directory::OfConfiguration), "/boot/efi/EFI/x/custom.cfg");
        assert_eq!(path(Directory::Prefix), "/boot/grub2/custom.cfg");
    }

    #[test]
    fn an_entry_is_named_by_what_is_its_own_and_never_by_a_number() {
        use Matcher::{RedHat, Upstream};
        let text = "menuentry new --id same {}\nmenuentry old --id same {}\nmenuentry 'a>b' --id 'x>y' {}\n\
                    menuentry '4.18 last' --id 9a-4.18 {}\nmenuentry 'two words' --id '1 a' {}\nmenuentry t --id i {}\n\
                    menuentry t --id j {}\nmenuentry i2 --id t2 {}\nmenuentry t2 --id k {}\n\
                    submenu More --id sub {\n menuentry new --id same {}\n menuentry 'in one' --id 2 {}\n}\n";
        let read = grub::run("grub.cfg", text, Surroundings::default());
        let index = |number: &str| read.entries.iter().position(|entry| entry.number() == number).unwrap();
        for (number, matchers, expected) in [
            // One id for two kernels: by title.
            ("0", &[Upstream, RedHat][..], Some("new")),
            ("1", &[Upstream, RedHat], Some("old")),
            ("2", &[Upstream, RedHat], Some("x>>y")),
            // Upstream reads the number in front.
            ("3", &[Upstream], None),
            ("3", &[RedHat], Some("9a-4.18")),
            ("3", &[Upstream, RedHat], None),
            ("4", &[Upstream], Some("two words")),
            ("5", &[Upstream], Some("i")),
            ("6", &[Upstream], Some("j")),
            // What is the id of one and the title of another names neither.
            ("7", &[Upstream], Some("i2")),
            ("8", &[Upstream], Some("k")),
            ("9>0", &[Upstream], Some("sub>same")),
            ("9>1", &[Upstream], Some("sub>in one")),
            // Behind an id some of Red Hat's GRUBs take nothing with a blank.
            ("9>1", &[RedHat], Some("sub>2")),
            ("9>1", &[Upstream, RedHat], Some("More>in one")),
        ] {
            assert_eq!(name_of(&read, index(number), matchers).as_deref(), expected, "{number} {matchers:?}");
        }
        assert_eq!(name_of(&read, read.entries.len(), &[Upstream]), None);
    }
}
