//! GRUB's script language: text in, statements out, by the quoting rules of GRUB's own lexer. A text that GRUB would
//! refuse is read as far as it makes sense, and the first line that GRUB stumbles over is told. It executes nothing.

use std::rc::Rc;

/// Blocks nest no deeper than this; what lies deeper is refused, so that no input can exhaust the stack.
const MAX_DEPTH: usize = 24;

/// A sequence of statements, shared by the functions and entries that hold it.
pub(super) type Body = Rc<Vec<Statement>>;

/// One statement.
#[derive(Debug)]
pub(super) enum Statement {
    /// A command with its words and, for `menuentry` and `submenu`, its block.
    Command { words: Vec<Word>, block: Option<Body>, line: usize },
    /// `if`, its `elif`s and its `else`.
    If { arms: Vec<(Body, Body)>, otherwise: Body },
    /// `for NAME in WORDS`.
    For { name: String, words: Vec<Word>, body: Body },
    /// `while`, or `until`.
    While { until: bool, condition: Body, body: Body },
    /// `function NAME`.
    Function { name: String, body: Body },
}

/// A word as written: pieces that are put together when it is expanded.
pub(super) type Word = Vec<Piece>;

/// A piece of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text as it is.
    Text { text: String, quoted: bool },
    /// The value of a variable; outside quotes it is split at white space.
    Variable { name: String, quoted: bool },
}

/// A script that was read.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) body: Body,
    /// The first line that GRUB refuses.
    pub(super) refused_at: Option<usize>,
}

impl Script {
    /// Reads a text.
    pub(super) fn parse(text: &str) -> Self {
        let mut lexer =
            Lexer { chars: text.chars().peekable(), line: 1, tokens: Vec::new(), refused_at: None };
        lexer.run();
        let mut parser = Parser { tokens: lexer.tokens, at: 0, depth: 0, refused_at: lexer.refused_at };
        let mut body = Vec::new();
        while parser.at < parser.tokens.len() {
            body.extend(parser.statements(&[]));
            // What ends a block that was never begun.
            if parser.at < parser.tokens.len() {
                parser.refuse();
                parser.at += 1;
            }
        }
        Self { body: Rc::new(body), refused_at: parser.refused_at }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Symbol {
    /// The word, and its text where it is a plain one.
    Word(Word),
    End,
    Open,
    Close,
    Operator,
}

#[derive(Debug)]
struct Token {
    symbol: Symbol,
    line: usize,
}

struct Lexer<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    line: usize,
    tokens: Vec<Token>,
    refused_at: Option<usize>,
}

impl Lexer<'_> {
    fn run(&mut self) {
        while let Some(&char) = self.chars.peek() {
            let symbol = match char {
                ' ' | '\t' | '\r' => {
                    self.next();
                    continue;
                }
                '#' => {
                    while self.chars.peek().is_some_and(|char| *char != '\n') {
                        self.next();
                    }
                    continue;
                }
                '\n' | ';' => Symbol::End,
                '{' => Symbol::Open,
                '}' => Symbol::Close,
                '|' | '&' | '<' | '>' => Symbol::Operator,
                _ => {
                    let line = self.line;
                    let word = self.word();
                    if !word.is_empty() {
                        self.tokens.push(Token { symbol: Symbol::Word(word), line });
                    }
                    continue;
                }
            };
            let line = self.line;
            self.next();
            self.tokens.push(Token { symbol, line });
        }
    }

    fn next(&mut self) -> Option<char> {
        let char = self.chars.next();
        if char == Some('\n') {
            self.line += 1;
        }
        char
    }

    fn word(&mut self) -> Word {
        let mut word = Word::new();
        while let Some(&char) = self.chars.peek() {
            match char {
                ' ' | '\t' | '\r' | '\n' | ';' | '{' | '}' | '|' | '&' | '<' | '>' => break,
                '\'' => self.single(&mut word),
                '"' => self.double(&mut word),
                '$' => self.dollar(&mut word, false),
                '\\' => {
                    self.next();
                    match self.next() {
                        // A line that goes on.
                        Some('\n') => {}
                        // Red Hat's GRUB passes `\x20` through, so that the kernel sees it; its installers rest on that.
                        Some('x') if self.is_hexadecimal() => {
                            text(&mut word, '\\', false);
                            text(&mut word, 'x', false);
                        }
                        Some(escaped) => text(&mut word, escaped, true),
                        None => text(&mut word, '\\', false),
                    }
                }
                _ => {
                    self.next();
                    text(&mut word, char, false);
                }
            }
        }
        word
    }

    /// Whether two hexadecimal digits come next.
    fn is_hexadecimal(&self) -> bool {
        let mut ahead = self.chars.clone();
        (0..2).all(|_| ahead.next().is_some_and(|char| char.is_ascii_hexdigit()))
    }

    fn single(&mut self, word: &mut Word) {
        let opened = self.line;
        self.next();
        mark(word);
        loop {
            match self.next() {
                Some('\'') => return,
                Some(char) => text(word, char, true),
                None => return self.refuse(opened),
            }
        }
    }

    fn double(&mut self, word: &mut Word) {
        let opened = self.line;
        self.next();
        mark(word);
        loop {
            match self.chars.peek() {
                Some('"') => {
                    self.next();
                    return;
                }
                Some('$') => self.dollar(word, true),
                Some('\\') => {
                    self.next();
                    match self.chars.peek().copied() {
                        Some('\n') => {
                            self.next();
                        }
                        Some(char @ ('$' | '\\' | '"')) => {
                            self.next();
                            text(word, char, true);
                        }
                        _ => text(word, '\\', true),
                    }
                }
                Some(&char) => {
                    self.next();
                    text(word, char, true);
                }
                None => return self.refuse(opened),
            }
        }
    }

    /// `$NAME`, `${NAME}`, `$1`, `$?`, or the translated string `$"…"`.
    fn dollar(&mut self, word: &mut Word, quoted: bool) {
        self.next();
        let braced = self.chars.peek() == Some(&'{');
        if braced {
            self.next();
        }
        let mut name = String::new();
        match self.chars.peek().copied() {
            Some('"') if !braced && !quoted => return self.double(word),
            Some(char @ ('?' | '#' | '*' | '@')) => {
                self.next();
                name.push(char);
            }
            Some(first) if first.is_ascii_alphanumeric() || first == '_' => {
                let digits = first.is_ascii_digit();
                while let Some(&char) = self.chars.peek() {
                    let goes_on = if digits {
                        char.is_ascii_digit()
                    } else {
                        char.is_ascii_alphanumeric() || char == '_'
                    };
                    if !goes_on {
                        break;
                    }
                    self.next();
                    name.push(char);
                }
            }
            _ => {}
        }
        let closed = !braced || self.chars.peek() == Some(&'}');
        if braced && closed {
            self.next();
        }
        if name.is_empty() || !closed {
            self.refuse(self.line);
            text(word, '$', quoted);
            name.chars().for_each(|char| text(word, char, quoted));
        } else {
            word.push(Piece::Variable { name, quoted });
        }
    }

    fn refuse(&mut self, line: usize) {
        self.refused_at.get_or_insert(line);
    }
}

/// Quotes make a word even where nothing stands between them.
fn mark(word: &mut Word) {
    if !matches!(word.last(), Some(Piece::Text { quoted: true, .. })) {
        word.push(Piece::Text { text: String::new(), quoted: true });
    }
}

fn text(word: &mut Word, char: char, quoted: bool) {
    match word.last_mut() {
        Some(Piece::Text { text, quoted: last }) if *last == quoted => text.push(char),
        _ => word.push(Piece::Text { text: char.to_string(), quoted }),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    refused_at: Option<usize>,
}

impl Parser {
    fn symbol(&self) -> Option<&Symbol> {
        self.tokens.get(self.at).map(|token| &token.symbol)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |token| token.line)
    }

    fn refuse(&mut self) {
        let line = self.line();
        // The first problem of the lexer may lie behind this one.
        self.refused_at = Some(self.refused_at.map_or(line, |known| known.min(line)));
    }

    /// The text of a word without quotes and variables, which is what a reserved word is.
    fn plain(&self) -> Option<&str> {
        match self.symbol() {
            Some(Symbol::Word(word)) => match word.as_slice() {
                [Piece::Text { text, quoted: false }] => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    fn take_plain(&mut self, wanted: &str) -> bool {
        let found = self.plain() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn ends(&mut self) {
        while matches!(self.symbol(), Some(Symbol::End)) {
            self.at += 1;
        }
    }

    /// Statements up to one of `terminators`, a closing brace or the end; neither is taken.
    fn statements(&mut self, terminators: &[&str]) -> Vec<Statement> {
        let mut statements = Vec::new();
        loop {
            self.ends();
            match self.symbol() {
                None | Some(Symbol::Close) => return statements,
                Some(Symbol::Open | Symbol::Operator) => {
                    self.refuse();
                    self.at += 1;
                    continue;
                }
                Some(Symbol::Word(_) | Symbol::End) => {}
            }
            if self.plain().is_some_and(|word| terminators.contains(&word)) {
                return statements;
            }
            if self.depth >= MAX_DEPTH {
                self.refuse();
                self.at += 1;
                continue;
            }
            self.depth += 1;
            statements.extend(self.statement());
            self.depth -= 1;
        }
    }

    fn body(&mut self, terminators: &[&str]) -> Body {
        Rc::new(self.statements(terminators))
    }

    fn statement(&mut self) -> Option<Statement> {
        match self.plain() {
            Some("if") => Some(self.conditional()),
            Some("for") => self.for_each(),
            Some(word @ ("while" | "until")) => {
                let until = word == "until";
                self.at += 1;
                let condition = self.body(&["do"]);
                let body = self.looped();
                Some(Statement::While { until, condition, body })
            }
            Some("function") => {
                self.at += 1;
                let name = self.plain().map(str::to_owned);
                self.at += usize::from(name.is_some());
                let body = self.block();
                match (name, body) {
                    (Some(name), Some(body)) => Some(Statement::Function { name, body }),
                    _ => {
                        self.refuse();
                        None
                    }
                }
            }
            Some("then" | "elif" | "else" | "fi" | "do" | "done" | "in" | "case" | "esac" | "select") => {
                self.refuse();
                self.at += 1;
                None
            }
            _ => Some(self.command()),
        }
    }

    fn conditional(&mut self) -> Statement {
        self.at += 1;
        let mut arms = Vec::new();
        loop {
            let condition = self.body(&["then", "elif", "else", "fi"]);
            if !self.take_plain("then") {
                self.refuse();
            }
            let body = self.body(&["elif", "else", "fi"]);
            arms.push((condition, body));
            if !self.take_plain("elif") {
                break;
            }
        }
        let otherwise = if self.take_plain("else") { self.body(&["fi"]) } else { Rc::new(Vec::new()) };
        if !self.take_plain("fi") {
            self.refuse();
        }
        Statement::If { arms, otherwise }
    }

    fn for_each(&mut self) -> Option<Statement> {
        self.at += 1;
        let name = self.plain().map(str::to_owned);
        self.at += usize::from(name.is_some());
        if !self.take_plain("in") {
            self.refuse();
        }
        let mut words = Vec::new();
        while let Some(Symbol::Word(word)) = self.symbol() {
            words.push(word.clone());
            self.at += 1;
        }
        self.ends();
        let body = self.looped();
        Some(Statement::For { name: name?, words, body })
    }

    fn looped(&mut self) -> Body {
        if !self.take_plain("do") {
            self.refuse();
        }
        let body = self.body(&["done"]);
        if !self.take_plain("done") {
            self.refuse();
        }
        body
    }

    /// `{ … }`, where one begins here.
    fn block(&mut self) -> Option<Body> {
        if !matches!(self.symbol(), Some(Symbol::Open)) {
            // GRUB wants the brace on the same line; people break it anyway.
            let at = self.at;
            self.ends();
            if self.at == at || !matches!(self.symbol(), Some(Symbol::Open)) {
                self.at = at;
                return None;
            }
            self.refuse();
        }
        self.at += 1;
        let body = self.body(&[]);
        if self.symbol().is_some() {
            self.at += 1;
        } else {
            self.refuse();
        }
        Some(body)
    }

    fn command(&mut self) -> Statement {
        let line = self.line();
        let takes_block = matches!(self.plain(), Some("menuentry" | "submenu"));
        let mut words = Vec::new();
        loop {
            match self.symbol() {
                Some(Symbol::Word(word)) => {
                    words.push(word.clone());
                    self.at += 1;
                }
                // Redirections and pipes: GRUB's grammar has none.
                Some(Symbol::Operator) => {
                    self.refuse();
                    self.at += 1;
                }
                _ => break,
            }
        }
        let block =
            if takes_block || matches!(self.symbol(), Some(Symbol::Open)) { self.block() } else { None };
        Statement::Command { words, block, line }
    }
}
