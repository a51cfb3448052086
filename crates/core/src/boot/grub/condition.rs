//! `[ … ]` and `test`: three answers, since what files are there is for the machine to say.

use super::machine::Field;

/// Judges the words of a test. `exists` tells whether a file is there.
pub(super) fn judge(words: &[Field], exists: &dyn Fn(&str) -> Option<bool>) -> Option<bool> {
    let mut test = Test { words, at: 0, exists, depth: 0 };
    let answer = test.either();
    if test.at < words.len() { None } else { answer }
}

struct Test<'a> {
    words: &'a [Field],
    at: usize,
    exists: &'a dyn Fn(&str) -> Option<bool>,
    depth: usize,
}

impl Test<'_> {
    fn word(&self, ahead: usize) -> Option<&Field> {
        self.words.get(self.at + ahead)
    }

    fn is(&self, ahead: usize, text: &str) -> bool {
        self.word(ahead).is_some_and(|word| word.is_known() && word.text == text)
    }

    fn either(&mut self) -> Option<bool> {
        let mut answer = self.both();
        while self.is(0, "-o") {
            self.at += 1;
            let next = self.both();
            answer = match (answer, next) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
        }
        answer
    }

    fn both(&mut self) -> Option<bool> {
        let mut answer = self.one();
        while self.is(0, "-a") {
            self.at += 1;
            let next = self.one();
            answer = match (answer, next) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
        }
        answer
    }

    fn one(&mut self) -> Option<bool> {
        let mut negated = false;
        // A word that stands alone is a text, `!` too.
        while self.is(0, "!") && self.word(1).is_some() {
            self.at += 1;
            negated = !negated;
        }
        self.plain().map(|answer| answer != negated)
    }

    fn plain(&mut self) -> Option<bool> {
        // Unary operators first, but where the next word compares the two around it.
        let first = self.word(0).cloned();
        let Some(first) = first else { return Some(false) };
        if let Some(answer) = self.comparison() {
            self.at += 3;
            return answer;
        }
        if first.text == "(" && first.is_known() && self.depth < 16 {
            self.depth += 1;
            self.at += 1;
            let answer = self.either();
            self.depth -= 1;
            if !self.is(0, ")") {
                return None;
            }
            self.at += 1;
            return answer;
        }
        if let (true, Some(operand)) = (first.is_known(), self.word(1).cloned()) {
            let operator = first.text.as_str();
            match operator {
                "-n" | "-z" => {
                    self.at += 2;
                    return operand.is_known().then(|| operand.text.is_empty() == (operator == "-z"));
                }
                "-f" | "-e" | "-d" | "-s" => {
                    self.at += 2;
                    return if operand.is_known() { (self.exists)(&operand.text) } else { None };
                }
                _ => {}
            }
        }
        self.at += 1;
        first.is_known().then_some(!first.text.is_empty())
    }

    /// The answer of a comparison that begins here, where one does.
    fn comparison(&self) -> Option<Option<bool>> {
        let (left, operator, right) = (self.word(0)?, self.word(1)?, self.word(2)?);
        if !operator.is_known() {
            return None;
        }
        let known = left.is_known() && right.is_known();
        let texts = |equal: bool| known.then(|| (left.text == right.text) == equal);
        let numbers = |holds: fn(i64, i64) -> bool| {
            let (left, right) = (left.text.parse().ok()?, right.text.parse().ok()?);
            known.then(|| holds(left, right))
        };
        Some(match operator.text.as_str() {
            "=" | "==" => texts(true),
            "!=" => texts(false),
            "-eq" => numbers(|left, right| left == right),
            "-ne" => numbers(|left, right| left != right),
            "-lt" => numbers(|left, right| left < right),
            "-le" => numbers(|left, right| left <= right),
            "-gt" => numbers(|left, right| left > right),
            "-ge" => numbers(|left, right| left >= right),
            _ => return None,
        })
    }
}
