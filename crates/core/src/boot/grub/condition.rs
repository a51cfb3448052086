//! `[ … ]` and `test`, as GRUB's own loop reads them from left to right (`grub-core/commands/test.c`): three answers, since
//! what files are there is for the machine to say.

use super::super::choose::leading_number;
use super::machine::Field;

/// Parentheses nest no deeper.
const MAX_DEPTH: usize = 16;

/// Judges the words of a test. `exists` tells whether a file is there.
pub(super) fn judge(words: &[Field], exists: &dyn Fn(&str) -> Option<bool>) -> Option<bool> {
    let words = match words {
        [words @ .., last] if last.text == "]" => words,
        words => words,
    };
    Test { words, at: 0, exists, depth: 0 }.group()
}

struct Test<'a> {
    words: &'a [Field],
    at: usize,
    exists: &'a dyn Fn(&str) -> Option<bool>,
    depth: usize,
}

impl<'a> Test<'a> {
    /// What is said up to the end, or to the parenthesis that closes. Nothing said is true.
    fn group(&mut self) -> Option<bool> {
        let (mut any, mut every, mut inverted) = (Some(false), Some(true), false);
        while let Some(word) = self.words.get(self.at) {
            let answer = if let Some(answer) = self.comparison() {
                self.at += 3;
                answer
            } else if let Some(answer) = self.property() {
                self.at += 2;
                answer
            } else {
                self.at += 1;
                match known(word) {
                    Some(")") => break,
                    Some("!") => {
                        inverted = !inverted;
                        continue;
                    }
                    Some("-a") => continue,
                    Some("-o") => {
                        (any, every) = (or(any, every), Some(true));
                        continue;
                    }
                    Some("(") if self.depth >= MAX_DEPTH => return None,
                    Some("(") => {
                        self.depth += 1;
                        let inner = self.group();
                        self.depth -= 1;
                        inner
                    }
                    text => text.map(|text| !text.is_empty()),
                }
            };
            every = and(every, answer.map(|answer| answer != inverted));
            inverted = false;
        }
        or(any, every)
    }

    /// The answer of a comparison that begins here, where one does.
    fn comparison(&self) -> Option<Option<bool>> {
        let [left, operator, right] = self.words.get(self.at..self.at + 3)? else { return None };
        let operator = known(operator)?;
        let texts = |holds: fn(&str, &str) -> bool| Some(holds(known(left)?, known(right)?));
        let numbers =
            |holds: fn(&i64, &i64) -> bool| Some(holds(&number(known(left)?), &number(known(right)?)));
        Some(match operator {
            "=" | "==" => texts(|left, right| left == right),
            "!=" => texts(|left, right| left != right),
            "<" => texts(|left, right| left < right),
            "<=" => texts(|left, right| left <= right),
            ">" => texts(|left, right| left > right),
            ">=" => texts(|left, right| left >= right),
            "-eq" => numbers(i64::eq),
            "-ne" => numbers(i64::ne),
            "-lt" => numbers(i64::lt),
            "-le" => numbers(i64::le),
            "-gt" => numbers(i64::gt),
            "-ge" => numbers(i64::ge),
            // Numbers behind a common begin, and times of files.
            "-pgt" | "-plt" => None,
            other if other.starts_with("-nt") || other.starts_with("-ot") => None,
            _ => return None,
        })
    }

    /// The answer about one word that begins here, where one does.
    fn property(&self) -> Option<Option<bool>> {
        let [operator, operand] = self.words.get(self.at..self.at + 2)? else { return None };
        let operand: Option<&'a str> = known(operand);
        Some(match known(operator)? {
            "-n" => operand.map(|text| !text.is_empty()),
            "-z" => operand.map(str::is_empty),
            "-f" | "-e" | "-d" | "-s" => operand.and_then(self.exists),
            _ => return None,
        })
    }
}

fn known(word: &Field) -> Option<&str> {
    word.is_known().then_some(word.text.as_str())
}

fn or(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

fn and(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    or(left.map(|left| !left), right.map(|right| !right)).map(|either| !either)
}

/// The number that a text begins with, 0 where it begins with none.
fn number(text: &str) -> i64 {
    let text = text.trim_start();
    let (text, sign) = text.strip_prefix('-').map_or((text, 1), |text| (text, -1));
    leading_number(text).map_or(0, |(number, _)| i64::try_from(number).unwrap_or(i64::MAX) * sign)
}
