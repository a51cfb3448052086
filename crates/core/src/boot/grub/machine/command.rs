//! The commands of a script: those that GRUB has, and what each of them changes here. Most of them change nothing that matters
//! for what boots next.

use std::mem;
use std::rc::Rc;

use super::super::super::bls::BlsEntry;
use super::super::super::trial::Directory;
use super::super::super::{Place, Setting, Unclear, Value, Variable, is_linux};
use super::super::syntax::{Body, Piece, Script, Word};
use super::super::{Given, Surroundings, condition};
use super::{CONFIG_DIRECTORY, Field, Item, Kernel, MAX_CALLS, Machine, PREFIX};

impl Machine<'_> {
    pub(super) fn command(&mut self, words: &[Word], block: Option<&Body>, line: usize) {
        let Some(first) = words.first() else { return };
        let fields = self.expand(words);
        self.status = Some(true);
        let Some(name) = fields.first().map(|field| field.text.clone()) else { return };
        let argument = |index: usize| fields.get(index).map(|field| field.text.clone());
        match name.as_str() {
            "menuentry" => self.entry(false, fields, block.cloned(), line),
            "submenu" => self.entry(true, fields, block.cloned(), line),
            "set" => {
                if let (Some(word), Some(field)) = (words.get(1), fields.get(1)) {
                    self.assignment(word, field, line);
                }
            }
            "unset" => {
                for field in &fields[1..] {
                    self.state.variables.remove(&field.text);
                    self.state.exported.remove(&field.text);
                }
            }
            "export" => self.state.exported.extend(fields[1..].iter().map(|field| field.text.clone())),
            "load_env" => self.load_environment(&fields, line),
            "save_env" => self.status = self.saves(&fields),
            "[" | "test" => {
                let surroundings = self.surroundings;
                self.status = condition::judge(&fields[1..], &|path| Self::exists(surroundings, path));
            }
            "!" => {
                self.command(&words[1..], None, line);
                self.status = self.status.map(|status| !status);
            }
            "false" => self.status = Some(false),
            "return" => {
                self.returning = true;
                self.status = argument(1).map_or(Some(true), |status| Some(status == "0"));
            }
            "blscfg" => self.boot_loader_entries(),
            "linux" | "linux16" | "linuxefi" | "module" | "module2" | "xen_module" | "kernel" => {
                self.load(&name, fields);
            }
            "source" | "." => self.source(argument(1).as_deref().unwrap_or_default()),
            "configfile" => self.configuration.hands_over_to = argument(1),
            "increment" | "decrement" => {
                let variable = argument(1).unwrap_or_default();
                let step = if name == "increment" { 1 } else { -1 };
                match self.lookup(&variable) {
                    Value::Known(value) => {
                        let number = value.parse::<i64>().unwrap_or(0).saturating_add(step);
                        let field = Field { text: number.to_string(), ..Field::default() };
                        self.assign(&variable, &field, line, None);
                    }
                    Value::Unknown(_) => self.unknown_variable(&variable, line),
                }
            }
            "true" | "insmod" | "echo" | "initrd" | "initrd16" | "initrdefi" | "setparams" | "multiboot"
            | "multiboot2" | "terminal_output" | "terminal_input" | "devicetree" | "xen_hypervisor" => {}
            // A function is what GRUB has no command for.
            name => match self.functions.get(name).cloned() {
                Some(body) => self.call(&body, fields),
                None if self.assignment(first, &fields[0], line) => {}
                None => self.look_at_machine(&fields, line),
            },
        }
    }

    fn call(&mut self, body: &Body, mut fields: Vec<Field>) {
        if self.calls >= MAX_CALLS {
            return;
        }
        let outer = mem::replace(&mut self.state.parameters, fields.split_off(1));
        self.calls += 1;
        self.body(body);
        self.calls -= 1;
        self.returning = false;
        self.state.parameters = outer;
    }

    /// The rest looks at the machine; some commands put what they see into a variable.
    fn look_at_machine(&mut self, fields: &[Field], line: usize) {
        let argument = |index: usize| fields.get(index).map(|field| field.text.clone());
        for (index, field) in fields.iter().enumerate().skip(1) {
            let variable = match field.text.strip_prefix("--set") {
                Some("") => argument(index + 1),
                Some(rest) => rest.strip_prefix('=').map(str::to_owned),
                None if field.text == "-s" => argument(index + 1),
                None => None,
            };
            if let Some(variable) = variable {
                // `regexp --set 1:name` names the group too.
                let variable = variable.rsplit(':').next().unwrap_or_default().to_owned();
                self.unknown_variable(&variable, line);
            }
        }
        if argument(0).as_deref() == Some("read") {
            self.unknown_variable(&argument(1).unwrap_or_default(), line);
        }
        self.status = None;
    }

    fn entry(&mut self, submenu: bool, words: Vec<Field>, body: Option<Body>, line: usize) {
        let mut id = None;
        let mut parameters: Vec<Field> = Vec::new();
        let mut words = words.into_iter().skip(1).peekable();
        while let Some(word) = words.next() {
            match word.text.as_str() {
                // Red Hat's tools write `--users $grub_users --id …`, and the variable is mostly empty.
                "--users" if words.peek().is_some_and(|next| next.text.starts_with("--")) => {}
                option @ ("--class" | "--users" | "--hotkey" | "--source" | "--id") => {
                    // A value that looks like an option is none: GRUB says so and goes on without the entry. (A word that
                    // looks like one and isn't is a word. Both seen in grub-emu 2.06.)
                    let Some(value) =
                        words.next().filter(|value| value.text.len() < 2 || !value.text.starts_with('-'))
                    else {
                        return;
                    };
                    if option == "--id" {
                        id = Some(value.text);
                    }
                }
                "--unrestricted" => {}
                text if text.starts_with("--id=") => id = Some(text["--id=".len()..].to_owned()),
                text if ["--class=", "--users=", "--hotkey=", "--source="]
                    .iter()
                    .any(|option| text.starts_with(option)) => {}
                _ => parameters.push(word),
            }
        }
        let title = parameters.first().map(|field| field.text.clone());
        self.item(submenu, title, id, parameters, body, line);
    }

    fn item(
        &mut self,
        submenu: bool,
        title: Option<String>,
        id: Option<String>,
        parameters: Vec<Field>,
        body: Option<Body>,
        line: usize,
    ) {
        self.menu.push(Item {
            submenu,
            id: id.or_else(|| title.clone()).unwrap_or_default(),
            title,
            parameters,
            body,
            certain: self.uncertain == 0,
            place: self.place(line),
        });
    }

    /// The entries of the Boot Loader Specification, each as the script that `blscfg` makes of it.
    fn boot_loader_entries(&mut self) {
        let Given::Is(entries) = self.surroundings.entries else {
            self.configuration.entries_missing |= self.surroundings.entries == Given::Not;
            return;
        };
        for entry in entries {
            let BlsEntry { file, id, title, linux: Some(linux), options, .. } = entry else { continue };
            if !self.spend(options.len()) {
                return;
            }
            let script = Script::parse(&format!("linux {linux} {options}"));
            let title = title.as_ref().unwrap_or(linux).clone();
            self.item(false, Some(title), Some(id.clone()), Vec::new(), Some(Rc::clone(&script.body)), 0);
            if let Some(item) = self.menu.last_mut() {
                item.place = Place { file: file.clone(), line: 0 };
            }
        }
    }

    /// `NAME=VALUE`, as `set` and a command line of its own take it: one word after expansion, and what is split off is lost.
    /// `word` is how it was written.
    fn assignment(&mut self, word: &Word, field: &Field, line: usize) -> bool {
        let Some((name, value)) = field.text.split_once('=') else { return false };
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return false;
        }
        let from = match word.as_slice() {
            // The quotes of `default="${saved_entry}"` leave an empty piece.
            [Piece::Text { text, .. }, rest @ ..] if text.ends_with('=') => {
                let mut rest =
                    rest.iter().filter(|piece| !matches!(piece, Piece::Text { text, .. } if text.is_empty()));
                match (rest.next(), rest.next()) {
                    (Some(Piece::Variable { name, .. }), None) => {
                        self.state.variables.get(name).and_then(|setting| setting.from.clone())
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        self.assign(name, &Field { text: value.to_owned(), ..field.clone() }, line, from);
        true
    }

    /// Whether GRUB writes variables to the block that was looked at.
    fn saves(&self, fields: &[Field]) -> Option<bool> {
        match (file_option(fields), self.surroundings.environment) {
            (Some(file), _) if !file.ends_with("grubenv") => None,
            (_, Given::Is((_, environment))) if environment.is_readable() => self.surroundings.writable,
            (_, Given::Is(_) | Given::Missing) => Some(false),
            (_, Given::Not) => None,
        }
    }

    fn load_environment(&mut self, words: &[Field], line: usize) {
        let file = file_option(words);
        let only: Vec<&str> = words
            .iter()
            .skip(1)
            .map(|field| field.text.as_str())
            .filter(|word| !word.starts_with('-') && file != Some(word))
            .collect();
        self.status = Some(true);
        // A file of another name isn't the block that was looked at.
        if file.is_some_and(|file| !file.ends_with("grubenv")) {
            return;
        }
        let wanted = |name: &str| only.is_empty() || only.contains(&name);
        match self.surroundings.environment {
            Given::Not if wanted("saved_entry") => {
                let setting = Setting {
                    value: Value::Unknown(Unclear::EnvironmentNotGiven),
                    place: self.place(line),
                    from: Some(Variable { name: "saved_entry".to_owned(), file: String::new() }),
                };
                self.state.variables.insert("saved_entry".to_owned(), setting);
            }
            Given::Is((file, environment)) => {
                for (name, value) in environment.variables.iter().filter(|(name, _)| wanted(name)) {
                    let place = Place { file: file.to_owned(), line: 0 };
                    let from = Some(Variable { name: name.clone(), file: file.to_owned() });
                    let setting = Setting { value: Value::Known(value.clone()), place, from };
                    self.state.variables.insert(name.clone(), setting);
                }
            }
            Given::Not | Given::Missing => {}
        }
    }

    /// Whether a file is there, where its name tells which one it is.
    fn exists(surroundings: Surroundings<'_>, path: &str) -> Option<bool> {
        let is = |name: &str| path.rsplit('/').next() == Some(name);
        if is("grubenv") {
            return match surroundings.environment {
                Given::Not => Some(true),
                Given::Missing => Some(false),
                Given::Is((_, environment)) => Some(environment.size > 0),
            };
        }
        if is("custom.cfg") {
            return match surroundings.custom {
                Given::Not => None,
                Given::Missing => Some(false),
                Given::Is(_) => Some(true),
            };
        }
        None
    }

    fn load(&mut self, command: &str, fields: Vec<Field>) {
        let mut fields = fields.into_iter().skip(1).skip_while(|field| field.text.starts_with("--"));
        let Some(path) = fields.next().map(|field| field.text) else { return };
        let is_module = command.contains("module");
        let name = path.rsplit('/').next().unwrap_or_default();
        // Under Xen, and behind other loaders, the kernel is the first module that is called like one.
        if is_module
            && (self.state.kernel.is_some()
                || !["vmlinu", "bzImage", "Image", "kernel"].iter().any(|prefix| name.starts_with(prefix)))
        {
            return;
        }
        let arguments = fields.enumerate();
        let arguments =
            arguments.filter(|(index, field)| !(is_module && *index == 0 && field.text == "placeholder"));
        let arguments = arguments.map(|(_, field)| field).collect();
        self.state.kernel = Some(Kernel { linux: is_linux(&path), path, arguments });
    }

    fn source(&mut self, path: &str) {
        self.status = None;
        let directory = path.strip_suffix("/custom.cfg");
        let is_custom = directory.is_some();
        if self.uncertain == 0 {
            self.custom_from = match directory {
                Some(CONFIG_DIRECTORY) => Some(Directory::OfConfiguration),
                Some(PREFIX) => Some(Directory::Prefix),
                _ => self.custom_from,
            };
        }
        let Given::Is((file, text)) = self.surroundings.custom else { return };
        if !is_custom || self.calls >= MAX_CALLS || !self.spend(text.len() / 16) {
            return;
        }
        let script = Script::parse(text);
        let outer = mem::replace(&mut self.file, file.to_owned());
        if let Some(line) = script.refused_at {
            let place = self.place(line);
            self.configuration.refused.get_or_insert(place);
        }
        self.calls += 1;
        self.body(&script.body);
        self.calls -= 1;
        self.file = outer;
        self.status = Some(true);
    }
}

/// The file that `load_env` and `save_env` are told to take.
fn file_option(fields: &[Field]) -> Option<&str> {
    let mut words = fields.iter().skip(1).map(|field| field.text.as_str());
    while let Some(word) = words.next() {
        match word {
            "-f" | "--file" => return words.next(),
            word => {
                if let Some(file) = word.strip_prefix("--file=") {
                    return Some(file);
                }
            }
        }
    }
    None
}
