//! Reads the text of a condition. An error names the place in the text; nothing is repaired.

use super::{Comparison, Condition, Literal};

/// Why a text is not a condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseConditionError {
    /// Where, in bytes from the start of the text.
    pub at: usize,
    /// What is wrong there.
    pub message: String,
}

/// Deeper nesting is a mistake, and would use up the stack.
const MAX_DEPTH: usize = 32;

impl Condition {
    /// Reads a condition.
    pub fn parse(text: &str) -> Result<Self, ParseConditionError> {
        let mut parser = Parser { text, at: 0, depth: 0 };
        let condition = parser.any()?;
        match parser.peek() {
            "" => Ok(condition),
            token => Err(parser.error(format!("`{token}` is not expected here"))),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, message: impl Into<String>) -> ParseConditionError {
        ParseConditionError { at: self.at, message: message.into() }
    }

    /// The next token, without taking it; empty at the end.
    fn peek(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
        let len = match trimmed.chars().next() {
            None => 0,
            Some(first) if is_word(first) => trimmed.find(|c| !is_word(c)).unwrap_or(trimmed.len()),
            Some('<' | '>' | '=' | '!') if trimmed[1..].starts_with('=') => 2,
            Some(other) => other.len_utf8(),
        };
        &trimmed[..len]
    }

    fn take(&mut self) -> &'a str {
        let token = self.peek();
        self.at += token.len();
        token
    }

    fn takes(&mut self, token: &str) -> bool {
        let found = self.peek() == token;
        if found {
            self.take();
        }
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), ParseConditionError> {
        if self.takes(token) {
            return Ok(());
        }
        let message = match self.peek() {
            "" => format!("`{token}` is missing at the end"),
            found => format!("`{token}` is expected here, not `{found}`"),
        };
        Err(self.error(message))
    }

    fn any(&mut self) -> Result<Condition, ParseConditionError> {
        self.chain("or", Self::all, Condition::Any)
    }

    fn all(&mut self) -> Result<Condition, ParseConditionError> {
        self.chain("and", Self::one, Condition::All)
    }

    fn chain(
        &mut self,
        word: &str,
        part: impl Fn(&mut Self) -> Result<Condition, ParseConditionError>,
        join: impl Fn(Vec<Condition>) -> Condition,
    ) -> Result<Condition, ParseConditionError> {
        let first = part(self)?;
        if self.peek() != word {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.takes(word) {
            parts.push(part(self)?);
        }
        Ok(join(parts))
    }

    fn one(&mut self) -> Result<Condition, ParseConditionError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("this is nested too deeply"));
        }
        let condition = self.one_at_depth();
        self.depth -= 1;
        condition
    }

    fn one_at_depth(&mut self) -> Result<Condition, ParseConditionError> {
        if self.takes("not") {
            return Ok(Condition::Not(Box::new(self.one()?)));
        }
        if self.takes("(") {
            let condition = self.any()?;
            self.expect(")")?;
            return Ok(condition);
        }
        if self.takes("known") {
            self.expect("(")?;
            let name = self.fact()?;
            self.expect(")")?;
            return Ok(Condition::Known(name));
        }
        if self.takes("seen") {
            self.expect("(")?;
            let signal = self.name("a signal")?;
            let condition = if self.takes(":") { Some(Box::new(self.any()?)) } else { None };
            self.expect(")")?;
            return Ok(Condition::Seen(signal, condition));
        }
        if self.peek().contains('-') {
            return self.name("a sign").map(Condition::Sign);
        }
        let name = self.fact()?;
        match self.comparison() {
            Some(comparison) => Ok(Condition::Compare(name, comparison, self.literal()?)),
            None => Ok(Condition::Fact(name)),
        }
    }

    fn fact(&mut self) -> Result<String, ParseConditionError> {
        let token = self.peek();
        if token.contains('-') {
            return Err(self
                .error(format!("`{token}` is not the name of a fact: those have `_` between their words")));
        }
        self.name("a fact")
    }

    fn name(&mut self, what: &str) -> Result<String, ParseConditionError> {
        let token = self.peek();
        let is_name = token.starts_with(|c: char| c.is_ascii_lowercase())
            && token.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
            && !matches!(token, "and" | "or" | "not");
        if !is_name {
            return Err(self.error(match token {
                "" => format!("the name of {what} is missing at the end"),
                token => format!("`{token}` is not the name of {what}"),
            }));
        }
        Ok(self.take().to_owned())
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let comparison = match self.peek() {
            "<" => Comparison::Less,
            "<=" => Comparison::AtMost,
            "==" => Comparison::Equal,
            "!=" => Comparison::Unequal,
            ">=" => Comparison::AtLeast,
            ">" => Comparison::More,
            _ => return None,
        };
        self.take();
        Some(comparison)
    }

    fn literal(&mut self) -> Result<Literal, ParseConditionError> {
        let token = self.peek();
        if token.starts_with(|c: char| c.is_ascii_digit()) {
            if token.contains('.') {
                let version =
                    token.parse().map_err(|_| self.error(format!("`{token}` is not a kernel version")))?;
                self.take();
                return Ok(Literal::Version(version));
            }
            let number = self.number()?;
            if self.takes("%") {
                self.expect("of")?;
                return Ok(Literal::Percent(number, self.number()?));
            }
            return Ok(Literal::Number(number));
        }
        self.name("a value").map(Literal::Word)
    }

    /// A number, with `_` between digits and a unit of time behind it.
    fn number(&mut self) -> Result<u64, ParseConditionError> {
        let token = self.peek();
        let digits_end = token.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(token.len());
        let factor = match &token[digits_end..] {
            "" | "s" => 1,
            "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            unit => return Err(self.error(format!("`{unit}` is not a unit: s, min, h and d are"))),
        };
        let digits = token[..digits_end].replace('_', "");
        let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        let number = number.ok_or_else(|| self.error(format!("`{token}` is not a number that fits")))?;
        self.take();
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, at: usize, message: &str) {
        let error = Condition::parse(text).unwrap_err();
        assert_eq!((error.at, error.message.as_str()), (at, message), "{text}");
    }

    #[test]
    fn errors_name_the_place() {
        check("", 0, "the name of a fact is missing at the end");
        check("dead >= ", 8, "the name of a value is missing at the end");
        check("dead >= 3x", 8, "`x` is not a unit: s, min, h and d are");
        check("dead >= 99999999999999999999", 8, "`99999999999999999999` is not a number that fits");
        check("(yes and no", 11, "`)` is missing at the end");
        check("yes no", 4, "`no` is not expected here");
        check("yes and and", 8, "`and` is not the name of a fact");
        check(
            "known(dead-ids)",
            6,
            "`dead-ids` is not the name of a fact: those have `_` between their words",
        );
        check("Dead", 0, "`Dead` is not the name of a fact");
        check("seen(x", 6, "`)` is missing at the end");
        check("ü", 0, "`ü` is not the name of a fact");
        check(&"(".repeat(100), 32, "this is nested too deeply");
        check(&"not ".repeat(100), 127, "this is nested too deeply");
    }

    #[test]
    fn and_binds_closer_than_or() {
        assert_eq!(Condition::parse("a or b and c"), Condition::parse("a or (b and c)"));
        assert_ne!(Condition::parse("a or b and c"), Condition::parse("(a or b) and c"));
    }
}
