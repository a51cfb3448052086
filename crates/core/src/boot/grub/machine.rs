//! Runs a script: variables, the menu, and what an entry loads. The work for one text is bounded.

use std::collections::BTreeMap;
use std::mem;
use std::rc::Rc;

use super::super::bls::BlsEntry;
use super::super::{
    BootConfiguration, EntryKind, MenuEntry, Place, Setting, Unclear, Value, Variable, is_linux, release_of,
};
use super::condition;
use super::syntax::{Body, Piece, Script, Statement, Word};
use super::{Given, Surroundings, known};

/// What is done for one text: statements, and the bytes that they move. A real configuration takes thousands.
const BUDGET: u64 = 400_000;

/// Functions that call each other, no deeper.
const MAX_CALLS: usize = 8;

/// Menus in menus, no deeper.
const MAX_MENUS: usize = 8;

/// A variable that a text makes longer is cut.
const MAX_VALUE: usize = 16 * 1024;

/// Variables of the machine: GRUB sets them, and they differ between machines.
const OF_MACHINE: [&str; 8] =
    ["grub_platform", "grub_cpu", "root", "boot", "cmdpath", "net_default_server", "lockdown", "shim_lock"];

/// A word after expansion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Field {
    /// The text; a variable that isn't known stands as it was written.
    pub(super) text: String,
    unknown: Option<Unclear>,
    open: Vec<String>,
}

impl Field {
    pub(super) fn is_known(&self) -> bool {
        self.unknown.is_none()
    }
}

/// What a piece of script changes.
#[derive(Debug, Clone, Default)]
struct State {
    variables: BTreeMap<String, Setting>,
    parameters: Vec<Field>,
    kernel: Option<Kernel>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Kernel {
    path: String,
    arguments: Vec<Field>,
    linux: bool,
}

/// A menu's entry before it is opened.
struct Item {
    submenu: bool,
    title: String,
    id: String,
    parameters: Vec<Field>,
    body: Option<Body>,
    certain: bool,
    place: Place,
}

pub(super) struct Machine<'a> {
    surroundings: Surroundings<'a>,
    file: String,
    state: State,
    functions: BTreeMap<String, Body>,
    menu: Vec<Item>,
    /// What the last command gave back; none where only the machine knows.
    status: Option<bool>,
    /// How many conditions around this place are not known.
    uncertain: usize,
    calls: usize,
    spent: u64,
    returning: bool,
    configuration: BootConfiguration,
}

impl<'a> Machine<'a> {
    pub(super) fn new(file: &str, surroundings: Surroundings<'a>) -> Self {
        Self {
            surroundings,
            file: file.to_owned(),
            state: State::default(),
            functions: BTreeMap::new(),
            menu: Vec::new(),
            status: Some(true),
            uncertain: 0,
            calls: 0,
            spent: 0,
            returning: false,
            configuration: BootConfiguration::default(),
        }
    }

    pub(super) fn run(&mut self, script: &Script) {
        self.body(&script.body);
        let (menu, state) = (mem::take(&mut self.menu), mem::take(&mut self.state));
        self.configuration.default = state.variables.get("default").cloned();
        self.configuration.timeout = state.variables.get("timeout").cloned();
        self.open(menu, &state, &[], true);
    }

    pub(super) fn finish(mut self, refused: Option<Place>) -> BootConfiguration {
        self.configuration.too_large = self.spent > BUDGET;
        self.configuration.refused = self.configuration.refused.or(refused);
        self.configuration
    }

    /// Whether there is work left to spend.
    fn spend(&mut self, cost: usize) -> bool {
        self.spent = self.spent.saturating_add(1 + cost as u64);
        self.spent <= BUDGET
    }

    fn place(&self, line: usize) -> Place {
        Place { file: self.file.clone(), line }
    }

    // The menu.

    /// Opens the entries of a menu: runs what each of them would run.
    fn open(&mut self, menu: Vec<Item>, state: &State, path: &[usize], certain: bool) {
        for (index, item) in menu.into_iter().enumerate() {
            if !self.spend(state.variables.len()) {
                return;
            }
            let path = [path, &[index]].concat();
            let certain = certain && item.certain;
            self.state = State { parameters: item.parameters, kernel: None, ..state.clone() };
            self.status = Some(true);
            self.uncertain = 0;
            if let Some(body) = &item.body {
                self.body(body);
            }
            self.returning = false;
            let inner = mem::take(&mut self.state);
            let children = mem::take(&mut self.menu);
            let kernel = inner.kernel.as_ref().filter(|_| !item.submenu);
            let mut open_variables: Vec<String> = kernel
                .iter()
                .flat_map(|kernel| &kernel.arguments)
                .flat_map(|field| field.open.clone())
                .collect();
            open_variables.sort();
            open_variables.dedup();
            self.configuration.entries.push(MenuEntry {
                kind: match kernel {
                    _ if item.submenu => EntryKind::Submenu,
                    Some(kernel) if kernel.linux => EntryKind::Linux,
                    _ => EntryKind::Other,
                },
                title: item.title,
                id: item.id,
                path: path.clone(),
                release: kernel.and_then(|kernel| release_of(&kernel.path)),
                arguments: kernel
                    .map(|kernel| kernel.arguments.iter().map(|field| field.text.clone()).collect())
                    .unwrap_or_default(),
                kernel: kernel.map(|kernel| kernel.path.clone()),
                open_variables,
                certain,
                place: item.place,
            });
            if item.submenu && path.len() < MAX_MENUS {
                self.open(children, &inner, &path, certain);
            }
        }
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
        // GRUB takes no entry without a title.
        let Some(title) = parameters.first().map(|field| field.text.clone()) else {
            self.configuration.refused.get_or_insert(Place { file: self.file.clone(), line });
            self.item(submenu, String::new(), None, parameters, body, line);
            return;
        };
        self.item(submenu, title, id, parameters, body, line);
    }

    fn item(
        &mut self,
        submenu: bool,
        title: String,
        id: Option<String>,
        parameters: Vec<Field>,
        body: Option<Body>,
        line: usize,
    ) {
        self.menu.push(Item {
            submenu,
            id: id.unwrap_or_else(|| title.clone()),
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
            self.item(false, title, Some(id.clone()), Vec::new(), Some(Rc::clone(&script.body)), 0);
            if let Some(item) = self.menu.last_mut() {
                item.place = Place { file: file.clone(), line: 0 };
            }
        }
    }

    // Statements.

    fn body(&mut self, body: &Body) {
        for statement in body.iter() {
            if self.returning || !self.spend(0) {
                return;
            }
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Command { words, block, line } => self.command(words, block.as_ref(), *line),
            Statement::If { arms, otherwise } => self.arms(arms, otherwise),
            Statement::For { name, words, body } => {
                let fields = self.expand(words);
                for field in fields {
                    if self.returning || !self.spend(0) {
                        return;
                    }
                    self.assign(name, Some(&field), 0, None);
                    self.body(body);
                }
            }
            Statement::While { until, condition, body } => loop {
                if self.returning || !self.spend(0) {
                    return;
                }
                self.body(condition);
                match self.status.map(|status| status != *until) {
                    Some(true) => self.body(body),
                    Some(false) => return,
                    None => return self.perhaps(|machine| machine.body(body)),
                }
            },
            Statement::Function { name, body } => {
                self.functions.insert(name.clone(), Rc::clone(body));
            }
        }
    }

    fn arms(&mut self, arms: &[(Body, Body)], otherwise: &Body) {
        let Some(((condition, body), rest)) = arms.split_first() else {
            self.status = Some(true);
            return self.body(otherwise);
        };
        self.body(condition);
        match self.status {
            Some(true) => self.body(body),
            Some(false) => self.arms(rest, otherwise),
            None => {
                if !self.spend(self.state.variables.len()) {
                    return;
                }
                let before = self.state.clone();
                self.uncertain += 1;
                self.body(body);
                let taken = mem::replace(&mut self.state, before);
                self.returning = false;
                self.arms(rest, otherwise);
                self.returning = false;
                self.uncertain -= 1;
                self.merge(taken);
            }
        }
    }

    /// Runs what may run or not.
    fn perhaps(&mut self, run: impl FnOnce(&mut Self)) {
        if !self.spend(self.state.variables.len()) {
            return;
        }
        let before = self.state.clone();
        self.uncertain += 1;
        run(self);
        self.uncertain -= 1;
        self.returning = false;
        self.merge(before);
    }

    /// What differs between two ways is not known.
    fn merge(&mut self, other: State) {
        self.status = None;
        let own = mem::take(&mut self.state.variables);
        let mut merged = BTreeMap::new();
        let mut rest = other.variables;
        let is_empty = |setting: &Setting| setting.value == known("");
        for (name, setting) in own {
            let setting = match rest.remove(&name) {
                Some(theirs) if theirs.value == setting.value => setting,
                None if is_empty(&setting) => setting,
                theirs => unclear(&setting, theirs.as_ref()),
            };
            merged.insert(name, setting);
        }
        for (name, theirs) in rest {
            let setting = if is_empty(&theirs) { theirs } else { unclear(&theirs, None) };
            merged.insert(name, setting);
        }
        self.state.variables = merged;
        self.state.kernel = self.state.kernel.take().or(other.kernel);
    }

    // Words.

    fn lookup(&self, name: &str) -> Value {
        if let Ok(number) = name.parse::<usize>() {
            // The title is `$1`, and `$0` is the command.
            let field = number.checked_sub(1).and_then(|at| self.state.parameters.get(at));
            return match field {
                Some(Field { unknown: Some(unclear), .. }) => Value::Unknown(*unclear),
                field => known(field.map_or("", |field| &field.text)),
            };
        }
        match name {
            "#" => return Value::Known(self.state.parameters.len().to_string()),
            "?" => {
                return self
                    .status
                    .map_or(Value::Unknown(Unclear::MachineDecides), |ok| known(if ok { "0" } else { "1" }));
            }
            "@" | "*" => {
                let texts: Vec<&str> =
                    self.state.parameters.iter().map(|field| field.text.as_str()).collect();
                return Value::Known(texts.join(" "));
            }
            _ => {}
        }
        match self.state.variables.get(name) {
            Some(setting) => setting.value.clone(),
            // GRUB tells its scripts what it can do, and both GRUBs that are told apart here can do all of it.
            None if name.starts_with("feature_") => known("y"),
            None if matches!(name, "prefix" | "config_directory") => known("(boot)/grub"),
            None if OF_MACHINE.contains(&name) => Value::Unknown(Unclear::MachineDecides),
            None => known(""),
        }
    }

    fn expand(&mut self, words: &[Word]) -> Vec<Field> {
        let mut fields = Vec::new();
        for word in words {
            self.expand_word(word, true, &mut fields);
        }
        fields
    }

    fn expand_word(&mut self, word: &Word, splits: bool, fields: &mut Vec<Field>) {
        let mut current: Option<Field> = None;
        for piece in word {
            let length = current.as_ref().map_or(0, |field| field.text.len());
            if !self.spend(length / 64) {
                return;
            }
            match piece {
                Piece::Text { text, .. } => append(current.get_or_insert_default(), text),
                Piece::Variable { name, quoted } => match self.lookup(name) {
                    Value::Unknown(unclear) => {
                        let field = current.get_or_insert_default();
                        append(field, &format!("${name}"));
                        field.unknown.get_or_insert(unclear);
                        field.open.push(name.clone());
                    }
                    Value::Known(value) if *quoted || !splits => {
                        self.spend(value.len() / 64);
                        append(current.get_or_insert_default(), &value);
                    }
                    Value::Known(value) => {
                        self.spend(value.len() / 16);
                        let blank = |char: char| matches!(char, ' ' | '\t' | '\n');
                        for (index, part) in value.split(blank).enumerate() {
                            if index > 0 {
                                fields.extend(current.take());
                            }
                            if !part.is_empty() {
                                append(current.get_or_insert_default(), part);
                            }
                        }
                    }
                },
            }
        }
        fields.extend(current);
    }

    // Variables.

    fn assign(&mut self, name: &str, field: Option<&Field>, line: usize, from: Option<Variable>) {
        let place = self.place(line);
        match field {
            None => {
                self.state.variables.remove(name);
            }
            Some(field) => {
                let value = match field.unknown {
                    Some(unclear) => Value::Unknown(unclear),
                    None => Value::Known(field.text.clone()),
                };
                self.state.variables.insert(name.to_owned(), Setting { value, place, from });
            }
        }
    }

    fn unknown_variable(&mut self, name: &str, line: usize) {
        let field = Field { unknown: Some(Unclear::MachineDecides), ..Field::default() };
        self.assign(name, Some(&field), line, None);
    }

    /// `NAME=VALUE`, as `set` and a command line of its own take it.
    fn assignment(&mut self, word: &Word, line: usize) -> bool {
        let Some(Piece::Text { text, .. }) = word.first() else { return false };
        let Some((name, _)) = text.split_once('=') else { return false };
        let name = name.to_owned();
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
        let mut fields = Vec::new();
        self.expand_word(word, false, &mut fields);
        let mut field = fields.pop().unwrap_or_default();
        field.text = field.text.split_once('=').map_or(String::new(), |(_, value)| value.to_owned());
        self.assign(&name, Some(&field), line, from);
        true
    }

    fn load_environment(&mut self, words: &[Field], line: usize) {
        let mut words = words.iter().skip(1).map(|field| field.text.as_str());
        let (mut file, mut only) = (None, Vec::new());
        while let Some(word) = words.next() {
            match word {
                "-f" | "--file" => file = words.next(),
                word if word.starts_with("--file=") => file = Some(&word["--file=".len()..]),
                word if word.starts_with('-') => {}
                word => only.push(word.to_owned()),
            }
        }
        self.status = Some(true);
        // A file of another name isn't the block that was looked at.
        if file.is_some_and(|file| !file.ends_with("grubenv")) {
            return;
        }
        let wanted = |name: &str| only.is_empty() || only.iter().any(|only| only == name);
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

    // Commands.

    fn command(&mut self, words: &[Word], block: Option<&Body>, line: usize) {
        let Some(first) = words.first() else { return };
        if words.len() == 1 && self.assignment(first, line) {
            self.status = Some(true);
            return;
        }
        let mut fields = self.expand(words);
        let Some(name) = fields.first().map(|field| field.text.clone()) else {
            self.status = Some(true);
            return;
        };
        if let Some(body) = self.functions.get(&name).cloned() {
            if self.calls < MAX_CALLS {
                let outer = mem::replace(&mut self.state.parameters, fields.split_off(1));
                self.calls += 1;
                self.status = Some(true);
                self.body(&body);
                self.calls -= 1;
                self.returning = false;
                self.state.parameters = outer;
            }
            return;
        }
        let argument = |index: usize| fields.get(index).map(|field| field.text.clone());
        self.status = Some(true);
        match name.as_str() {
            "menuentry" => self.entry(false, fields, block.cloned(), line),
            "submenu" => self.entry(true, fields, block.cloned(), line),
            "set" => {
                if let Some(word) = words.get(1) {
                    self.assignment(word, line);
                }
            }
            "unset" => fields[1..].iter().for_each(|field| drop(self.state.variables.remove(&field.text))),
            "load_env" => self.load_environment(&fields, line),
            "[" | "test" => {
                let end = if name == "[" { fields.len().saturating_sub(1) } else { fields.len() };
                let surroundings = self.surroundings;
                self.status = condition::judge(fields.get(1..end).unwrap_or_default(), &|path| {
                    Self::exists(surroundings, path)
                });
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
                        self.assign(&variable, Some(&field), line, None);
                    }
                    Value::Unknown(_) => self.unknown_variable(&variable, line),
                }
            }
            "true" | "insmod" | "echo" | "export" | "save_env" | "initrd" | "initrd16" | "initrdefi"
            | "setparams" | "multiboot" | "multiboot2" | "terminal_output" | "terminal_input"
            | "devicetree" | "xen_hypervisor" => {}
            // The rest looks at the machine; some commands put what they see into a variable.
            _ => {
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
                if name == "read" {
                    self.unknown_variable(&argument(1).unwrap_or_default(), line);
                }
                self.status = None;
            }
        }
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
        let is_custom = path.rsplit('/').next() == Some("custom.cfg");
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

fn append(field: &mut Field, text: &str) {
    let room = MAX_VALUE.saturating_sub(field.text.len());
    let end = (0..=text.len().min(room)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    field.text.push_str(&text[..end]);
}

/// A setting of which two ways say different things. That the environment block isn't known weighs more than the rest: it
/// can be given.
fn unclear(own: &Setting, theirs: Option<&Setting>) -> Setting {
    let reasons = [Some(own), theirs].into_iter().flatten().filter_map(|setting| match setting.value {
        Value::Unknown(unclear) => Some(unclear),
        Value::Known(_) => None,
    });
    Setting { value: Value::Unknown(reasons.min().unwrap_or(Unclear::MachineDecides)), ..own.clone() }
}
