//! Rust source as a row of words, by the compiler's own rules for what is a comment, a string or a name. It looks into
//! the arguments of macros too, which a syntax tree doesn't.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A name, a punctuation mark, a bracket or a literal.
#[derive(Debug)]
pub(crate) struct Word {
    /// Its text; of literals, nothing is kept.
    pub(crate) text: String,
    /// Its line, from 1.
    pub(crate) line: usize,
    /// Whether it is within `#[…]` or `#![…]`.
    pub(crate) in_attribute: bool,
    /// Whether it is within an item that only tests are built with.
    pub(crate) in_test: bool,
}

/// A path that begins with `std`, `use` trees spelt out.
#[derive(Debug)]
pub(crate) struct StdPath {
    /// The names after `std`; none where std itself is meant.
    pub(crate) names: Vec<String>,
    /// Its line, from 1.
    pub(crate) line: usize,
    /// Whether it is within an item that only tests are built with.
    pub(crate) in_test: bool,
}

/// A source file.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// All of its words in their order.
    pub(crate) words: Vec<Word>,
    /// All paths into std, in macros too.
    pub(crate) std_paths: Vec<StdPath>,
}

impl Source {
    /// Reads a file's text. Documentation comments are comments here.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let tokens: TokenStream = text.parse().map_err(|error| format!("{error}"))?;
        let mut source = Self::default();
        source.read(tokens, false, false);
        Ok(source)
    }

    fn push(&mut self, text: impl Into<String>, line: usize, in_attribute: bool, in_test: bool) {
        self.words.push(Word { text: text.into(), line, in_attribute, in_test });
    }

    fn read(&mut self, tokens: TokenStream, in_attribute: bool, in_test: bool) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        // From `#[cfg(test)]` to the end of its item: the next braces, or the next semicolon.
        let mut test_item = false;
        for (at, tree) in trees.iter().enumerate() {
            let line = tree.span().start().line;
            let is_test = in_test || test_item;
            match tree {
                TokenTree::Ident(name) => {
                    let name = name.to_string();
                    if name == "std" && begins_path(&trees[..at]) {
                        self.std_path(&trees[at + 1..], line, is_test);
                    }
                    self.push(name, line, in_attribute, is_test);
                }
                TokenTree::Punct(mark) => {
                    if mark.as_char() == ';' {
                        test_item = false;
                    }
                    self.push(mark.as_char(), line, in_attribute, is_test);
                }
                TokenTree::Literal(_) => self.push("", line, in_attribute, is_test),
                TokenTree::Group(group) => {
                    let attribute = group.delimiter() == Delimiter::Bracket && follows_hash(&trees[..at]);
                    if attribute && is_cfg_test(&group.stream()) {
                        test_item = true;
                    }
                    let (open, close) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Brace => ("{", "}"),
                        Delimiter::Bracket => ("[", "]"),
                        Delimiter::None => ("", ""),
                    };
                    self.push(open, line, in_attribute, is_test);
                    self.read(group.stream(), in_attribute || attribute, is_test);
                    self.push(close, group.span().end().line, in_attribute, is_test);
                    if group.delimiter() == Delimiter::Brace {
                        test_item = false;
                    }
                }
            }
        }
    }

    /// Notes what follows `std`: a path, a tree of paths, or std itself.
    fn std_path(&mut self, after: &[TokenTree], line: usize, in_test: bool) {
        match after {
            [TokenTree::Punct(a), TokenTree::Punct(b), rest @ ..]
                if a.as_char() == ':' && b.as_char() == ':' =>
            {
                self.tree(rest, &[], line, in_test);
            }
            _ => self.std_paths.push(StdPath { names: Vec::new(), line, in_test }),
        }
    }

    fn tree(&mut self, trees: &[TokenTree], before: &[String], line: usize, in_test: bool) {
        match trees {
            [TokenTree::Ident(name), rest @ ..] => {
                let names = [before, &[name.to_string()]].concat();
                let line = name.span().start().line;
                match rest {
                    [TokenTree::Punct(a), TokenTree::Punct(b), rest @ ..]
                        if a.as_char() == ':'
                            && b.as_char() == ':'
                            && !matches!(rest, [TokenTree::Punct(angle), ..] if angle.as_char() == '<') =>
                    {
                        self.tree(rest, &names, line, in_test);
                    }
                    _ => self.std_paths.push(StdPath { names, line, in_test }),
                }
            }
            [TokenTree::Group(group), ..] if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let comma =
                    |tree: &TokenTree| matches!(tree, TokenTree::Punct(mark) if mark.as_char() == ',');
                for branch in inner.split(comma).filter(|branch| !branch.is_empty()) {
                    self.tree(branch, before, line, in_test);
                }
            }
            [TokenTree::Punct(star), ..] if star.as_char() == '*' => {
                self.std_paths.push(StdPath { names: [before, &["*".to_owned()]].concat(), line, in_test });
            }
            _ => self.std_paths.push(StdPath { names: before.to_vec(), line, in_test }),
        }
    }
}

/// Whether a name after these words begins a path, and isn't a later part of one or a field.
fn begins_path(before: &[TokenTree]) -> bool {
    let mark = |back: usize| match before.len().checked_sub(back).map(|at| &before[at]) {
        Some(TokenTree::Punct(mark)) => Some(mark.as_char()),
        _ => None,
    };
    match (mark(1), mark(2)) {
        (Some(':'), Some(':')) => {
            !matches!(before.len().checked_sub(3).map(|at| &before[at]), Some(TokenTree::Ident(_)))
        }
        (Some('.'), other) => other == Some('.'),
        _ => true,
    }
}

fn follows_hash(before: &[TokenTree]) -> bool {
    let is =
        |tree: &TokenTree, wanted: char| matches!(tree, TokenTree::Punct(mark) if mark.as_char() == wanted);
    match before {
        [.., hash, bang] if is(bang, '!') => is(hash, '#'),
        [.., hash] => is(hash, '#'),
        [] => false,
    }
}

/// Whether an attribute is `cfg(test)` or `test`.
fn is_cfg_test(attribute: &TokenStream) -> bool {
    matches!(attribute.to_string().replace(' ', "").as_str(), "cfg(test)" | "test")
}
