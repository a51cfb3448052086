//! Regular expressions of knowledge files: checked when they are read, compiled when they are first used. Most runs use
//! a few of some three hundred, and compiling all of them would take most of the time of such a run.
//!
//! An expression is over bytes and not over characters: logs hold anything, and byte classes compile to a tenth of the
//! size. So `.` is a byte, `\d`, `\w`, `\s`, `\b` and `(?i)` are ASCII's, and what needs tables of characters is refused,
//! whatever features the regex crates were built with.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::OnceLock;

use regex::bytes::{Captures, Regex, RegexBuilder};
use regex_syntax::ast::{self, Ast, Flag, Visitor};
use regex_syntax::hir::translate::TranslatorBuilder;
use regex_syntax::hir::{Hir, HirKind};

use super::problem::Problems;
use super::table::Placed;

/// The most that an expression may weigh, in bytes and classes that its automaton tells apart: ten times what the
/// heaviest built-in one does. Compiled, it takes a few megabytes at the most.
const WEIGHT_MAX: usize = 1 << 14;

/// An expression that can be compiled.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    groups: Vec<String>,
    /// Of these every match holds at least one; none where that can't be said.
    literals: Vec<Vec<u8>>,
    compiled: OnceLock<Regex>,
}

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseExpressionError {
    /// It isn't written as expressions are.
    #[error("not a regular expression: {0}")]
    Syntax(String),
    /// It would need the tables of all scripts.
    #[error("expressions are over bytes here: `(?u)` and `\\p{{…}}` aren't known")]
    Characters,
    /// It would take too much memory.
    #[error(
        "this is too large a regular expression: its repetitions make it weigh {weight} of at most {WEIGHT_MAX}"
    )]
    TooHeavy {
        /// What it weighs.
        weight: usize,
    },
}

impl Expression {
    /// Checks an expression, and gives its structure too, for who looks for words in it.
    ///
    /// # Errors
    /// It can't be compiled, or compiled it would be too large.
    pub fn parse(text: &str) -> Result<(Self, Hir), ParseExpressionError> {
        let tree = ast::parse::Parser::new().parse(text).map_err(|error| syntax(error.kind()))?;
        ast::visit(&tree, BytesOnly)?;
        // The same settings as for the compiler, so that it refuses nothing that passed here.
        let mut translator = TranslatorBuilder::new().unicode(false).utf8(false).build();
        let hir = translator.translate(text, &tree).map_err(|error| syntax(error.kind()))?;
        let weight = weight(&hir);
        if weight > WEIGHT_MAX {
            return Err(ParseExpressionError::TooHeavy { weight });
        }
        let mut groups = Vec::new();
        collect_groups(&hir, &mut groups);
        let literals = literals(&hir).unwrap_or_default();
        Ok((Self { text: text.to_owned(), groups, literals, compiled: OnceLock::new() }, hir))
    }

    /// Reads an expression of a file.
    pub(super) fn read(text: &Placed<&str>, problems: &mut Problems<'_>) -> Option<(Self, Hir)> {
        Self::parse(text.value).map_err(|error| problems.add(&text.place, error.to_string())).ok()
    }

    /// The names of its groups.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(String::as_str)
    }

    /// Whether it gives this group a name.
    #[must_use]
    pub fn has_group(&self, name: &str) -> bool {
        self.groups().any(|group| group == name)
    }

    /// The same expression for programs that search with the regex crate as it comes, ripgrep for one: it is over bytes
    /// there too, and without groups that catch anything, so that many can be joined though they name the same ones.
    #[must_use]
    pub fn portable(&self) -> String {
        let tree = ast::parse::Parser::new().parse(&self.text).expect("it was parsed before");
        let mut changes = Changes::default();
        ast::visit(&tree, &mut changes).unwrap_or_else(|never| match never {});
        let mut text = String::from("(?-u:");
        let mut from = 0;
        for (range, replacement) in changes.0 {
            text.push_str(&self.text[from..range.start]);
            text.push_str(&replacement);
            from = range.end;
        }
        text.push_str(&self.text[from..]);
        text.push(')');
        text
    }

    /// The compiled expression.
    #[must_use]
    pub fn compiled(&self) -> &Regex {
        self.compiled.get_or_init(|| {
            RegexBuilder::new(&self.text)
                .unicode(false)
                // The weight is bounded.
                .size_limit(usize::MAX)
                .build()
                .expect("its syntax was checked with the settings of this builder")
        })
    }

    /// The first match in `text`. A text without the literals that a match has is passed over without compiling.
    #[must_use]
    pub fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        let holds = |literal: &Vec<u8>| memchr::memmem::find(text.as_bytes(), literal).is_some();
        if !self.literals.is_empty() && !self.literals.iter().any(holds) {
            return None;
        }
        self.compiled().captures(text.as_bytes())
    }
}

/// The text that a group of a match caught; none where it caught nothing, or no whole characters.
pub(super) fn group<'t>(captures: &Captures<'t>, name: &str) -> Option<&'t str> {
    captures.name(name).and_then(|group| std::str::from_utf8(group.as_bytes()).ok())
}

fn syntax(kind: &impl ToString) -> ParseExpressionError {
    ParseExpressionError::Syntax(kind.to_string())
}

/// What [`Expression::portable`] writes in the place of parts of an expression, in their order.
#[derive(Default)]
struct Changes(Vec<(Range<usize>, String)>);

impl Visitor for &mut Changes {
    type Output = ();
    type Err = Infallible;

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }

    fn visit_pre(&mut self, tree: &Ast) -> Result<(), Infallible> {
        match tree {
            Ast::Group(group) => {
                let start = group.span.start.offset;
                let end = match &group.kind {
                    // The name and the `>` behind it.
                    ast::GroupKind::CaptureName { name, .. } => name.span.end.offset + 1,
                    ast::GroupKind::CaptureIndex(_) => start + 1,
                    ast::GroupKind::NonCapturing(_) => return Ok(()),
                };
                self.0.push((start..end, "(?:".to_owned()));
            }
            // Older versions take no character beyond ASCII where an expression is over bytes.
            Ast::Literal(literal) if !literal.c.is_ascii() => {
                let span = &literal.span;
                self.0.push((span.start.offset..span.end.offset, format!("(?u:{})", literal.c)));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Refuses what depends on tables of characters.
struct BytesOnly;

impl BytesOnly {
    fn flags(flags: &ast::Flags) -> Result<(), ParseExpressionError> {
        match flags.flag_state(Flag::Unicode) {
            Some(true) => Err(ParseExpressionError::Characters),
            _ => Ok(()),
        }
    }
}

impl Visitor for BytesOnly {
    type Output = ();
    type Err = ParseExpressionError;

    fn finish(self) -> Result<(), Self::Err> {
        Ok(())
    }

    fn visit_pre(&mut self, tree: &Ast) -> Result<(), Self::Err> {
        match tree {
            Ast::Flags(set) => Self::flags(&set.flags),
            Ast::Group(group) => group.flags().map_or(Ok(()), Self::flags),
            Ast::ClassUnicode(_) => Err(ParseExpressionError::Characters),
            _ => Ok(()),
        }
    }

    fn visit_class_set_item_pre(&mut self, item: &ast::ClassSetItem) -> Result<(), Self::Err> {
        match item {
            ast::ClassSetItem::Unicode(_) => Err(ParseExpressionError::Characters),
            _ => Ok(()),
        }
    }
}

/// The number of bytes and ranges of bytes that an automaton for the expression has to tell apart.
fn weight(hir: &Hir) -> usize {
    let sum = |parts: &[Hir]| parts.iter().map(weight).fold(1, usize::saturating_add);
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(class) => match class {
            regex_syntax::hir::Class::Bytes(class) => class.ranges().len().max(1),
            regex_syntax::hir::Class::Unicode(class) => class.ranges().len().saturating_mul(8).max(1),
        },
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            weight(&repetition.sub).saturating_mul(usize::try_from(times).unwrap_or(usize::MAX))
        }
        HirKind::Capture(capture) => weight(&capture.sub).saturating_add(2),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => sum(parts),
    }
}

fn collect_groups(hir: &Hir, groups: &mut Vec<String>) {
    match hir.kind() {
        HirKind::Capture(capture) => {
            groups.extend(capture.name.iter().map(ToString::to_string));
            collect_groups(&capture.sub, groups);
        }
        HirKind::Repetition(repetition) => collect_groups(&repetition.sub, groups),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().for_each(|part| collect_groups(part, groups));
        }
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => {}
    }
}

/// Literals of which every match holds at least one: the set whose shortest is longest, since long ones are rare.
fn literals(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(vec![literal.0.to_vec()]),
        HirKind::Concat(parts) => {
            let shortest = |set: &Vec<Vec<u8>>| set.iter().map(Vec::len).min();
            parts.iter().filter_map(literals).max_by_key(shortest)
        }
        HirKind::Alternation(branches) => {
            let sets: Option<Vec<_>> = branches.iter().map(literals).collect();
            sets.map(|sets| sets.into_iter().flatten().collect())
        }
        HirKind::Capture(capture) => literals(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => literals(&repetition.sub),
        HirKind::Repetition(_) | HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expression(text: &str) -> Expression {
        Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).0
    }

    #[test]
    fn what_cannot_be_compiled_is_refused_with_the_reason() {
        let check = |text: &str, expected: &str| {
            let error = Expression::parse(text).expect_err(text);
            assert_eq!(error.to_string(), expected, "{text}");
        };
        check("broken(", "not a regular expression: unclosed group");
        check(
            "[b-a]",
            "not a regular expression: invalid character class range, the start must be <= the end",
        );
        check("[é]", "not a regular expression: Unicode not allowed here");
        check(
            "(?:(?:a{200}b){200}){9}",
            "this is too large a regular expression: its repetitions make it weigh 363600 of at most 16384",
        );
        check(
            "a{4000000000}{4000000000}{4000000000}",
            "this is too large a regular expression: its repetitions make it weigh 18446744073709551615 of at most 16384",
        );
    }

    /// The tests are built with tables of characters that the product leaves out: neither may take what needs them.
    #[test]
    fn nothing_depends_on_tables_of_characters() {
        for text in [r"\p{Greek}", r"\pL", r"a(?u)b", r"(?u:\w)", r"(?iu)straße", r"[a\p{L}]", r"(?u)\d"] {
            assert_eq!(Expression::parse(text).err(), Some(ParseExpressionError::Characters), "{text}");
        }
        let matches = |text: &str, line: &str| expression(text).captures(line).is_some();
        assert!(matches("(?i)out of MEMORY", "Out of memory"));
        assert!(!matches("(?i)É", "é"));
        assert!(!matches(r"^\d$", "٣"));
        assert!(matches(r"(?-u)设备上没有空间", "mkdir: 设备上没有空间"));
    }

    #[test]
    fn the_portable_form_catches_nothing_and_takes_characters() {
        let check = |text: &str, expected: &str| assert_eq!(expression(text).portable(), expected);
        check("(?P<a>x)(?<b>y(z))(?:w)", "(?-u:(?:x)(?:y(?:z))(?:w))");
        check(r"a(?:’|”)\([(<]", r"(?-u:a(?:(?u:’)|(?u:”))\([(<])");
        check("没有+", "(?-u:(?u:没)(?u:有)+)");
    }

    #[test]
    fn groups_are_known_before_it_is_compiled() {
        let expression = expression("(?P<a>x)(?:(?<b>y)|(z)(?<c>w){2})*");
        assert_eq!(expression.groups().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(expression.compiled().capture_names().flatten().collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn a_text_without_the_literals_of_a_match_is_passed_over() {
        let check = |text: &str, expected: &[&str]| {
            let found = expression(text).literals;
            assert_eq!(
                found,
                expected.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>(),
                "{text}"
            );
        };
        check(r"\.el(?<version>[0-9]+)uek(?:\.|$)", &["uek"]);
        check(r"^4\.18\.0-(?:80|147)\.el(?<version>8)(?:\.|$)", &["4.18.0-"]);
        check("(?:one|three)+", &["one", "three"]);
        check("(?i)one", &[]);
        check("(?:one)?[0-9]*", &[]);
        let uek = expression(r"\.el[0-9]+uek");
        assert!(uek.captures("6.1.0-13-amd64").is_none() && uek.compiled.get().is_none());
        assert!(uek.captures("4.14.35-2025.400.8.el7uek.x86_64").is_some());
    }

    #[test]
    fn a_group_that_cuts_a_character_is_none() {
        let captures = expression("a(?<x>.)(?<y>.*)").captures("aéz").map(|captures| {
            (group(&captures, "x").map(str::to_owned), group(&captures, "y").map(str::to_owned))
        });
        assert_eq!(captures, Some((None, None)));
        let captures = expression("a(?<x>.*)").captures("aéz").and_then(|c| group(&c, "x"));
        assert_eq!(captures, Some("éz"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

        /// What is checked compiles, and the literals hide no match.
        #[test]
        fn what_passes_the_check_compiles(
            text in r"([ab.é]|\[a-c\]|\[\^a\]|\\w|\\b|\(\?i\)|\(|\(\?:|\)|\||\*|\+|\?|\{2\}|\{1,3\}|\$|\^){0,12}",
            line in "[abcé]{0,8}",
        ) {
            if let Ok((expression, _)) = Expression::parse(&text) {
                let compiled = expression.compiled();
                prop_assert_eq!(expression.captures(&line).is_some(), compiled.is_match(line.as_bytes()));
                let names: Vec<&str> = compiled.capture_names().flatten().collect();
                prop_assert_eq!(expression.groups().collect::<Vec<_>>(), names);
            }
        }
    }
}
