//! Runs a script: variables, the menu, and what an entry loads. The work for one text is bounded.

mod command;

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::rc::Rc;

use super::super::trial::Directory;
use super::super::{
    BootConfiguration, EntryKind, MenuEntry, Place, Setting, Unclear, Value, Variable, release_of,
};
use super::syntax::{Body, Piece, Script, Statement, Word};
use super::{Surroundings, known};

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

/// What stands for GRUB's own directory, and for that of the configuration.
const PREFIX: &str = "(prefix)/grub";
const CONFIG_DIRECTORY: &str = "(configuration)/grub";

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
    /// The variables that submenus see.
    exported: BTreeSet<String>,
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
    /// None where GRUB takes it into no menu.
    title: Option<String>,
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
    custom_from: Option<Directory>,
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
            custom_from: None,
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

    /// The directory from which the script read `custom.cfg`, whatever the machine says.
    pub(super) fn custom_from(&self) -> Option<Directory> {
        self.custom_from
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
        let mut numbers = 0..;
        for item in menu {
            if !self.spend(state.variables.len()) {
                return;
            }
            let number = if item.title.is_some() { numbers.next() } else { None };
            let path = number.map_or(Vec::new(), |number| [path, &[number]].concat());
            let certain = certain && item.certain;
            self.state = State { parameters: item.parameters, kernel: None, ..state.clone() };
            if item.submenu {
                self.state.variables.retain(|name, _| state.exported.contains(name));
            }
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
                title: item.title.unwrap_or_default(),
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
            if item.submenu && (1..MAX_MENUS).contains(&path.len()) {
                self.open(children, &inner, &path, certain);
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
                    self.assign(name, &field, 0, None);
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
        self.state.exported.extend(other.exported);
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
            None if name == "prefix" => known(PREFIX),
            None if name == "config_directory" => known(CONFIG_DIRECTORY),
            None if OF_MACHINE.contains(&name) => Value::Unknown(Unclear::MachineDecides),
            None => known(""),
        }
    }

    fn expand(&mut self, words: &[Word]) -> Vec<Field> {
        let mut fields = Vec::new();
        for word in words {
            self.expand_word(word, &mut fields);
        }
        fields
    }

    fn expand_word(&mut self, word: &Word, fields: &mut Vec<Field>) {
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
                    Value::Known(value) if *quoted => {
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

    fn assign(&mut self, name: &str, field: &Field, line: usize, from: Option<Variable>) {
        let value = match field.unknown {
            Some(unclear) => Value::Unknown(unclear),
            None => Value::Known(field.text.clone()),
        };
        let setting = Setting { value, place: self.place(line), from };
        self.state.variables.insert(name.to_owned(), setting);
    }

    fn unknown_variable(&mut self, name: &str, line: usize) {
        let field = Field { unknown: Some(Unclear::MachineDecides), ..Field::default() };
        self.assign(name, &field, line, None);
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
