//! HTML, written so that nothing which came from outside can be anything but text: names of elements and attributes are
//! constants of this program, and every text and value is escaped here and nowhere else.

use std::fmt::Write as _;

use crate::message::Messages;
use crate::render::printable;

/// A text that is longer than this, in characters, is cut and says so: the document has the rest.
const LONGEST: usize = 2_000;

/// Elements that have no content and no end tag.
const VOID: [&str; 1] = ["meta"];

/// Elements that stand in a line of text.
const INLINE: [&str; 6] = ["span", "strong", "code", "b", "time", "title"];

/// An attribute with its value.
pub(super) type Attribute<'a> = (&'static str, &'a str);

/// HTML in the making.
#[derive(Debug)]
pub(super) struct Html {
    text: String,
    messages: Messages,
}

impl Html {
    /// Begins a document.
    pub(super) fn document(messages: Messages) -> Self {
        Self { text: "<!DOCTYPE html>\n".to_owned(), messages }
    }

    /// The document as far as it was written.
    pub(super) fn finish(self) -> String {
        self.text
    }

    /// An element with what `content` puts into it.
    pub(super) fn element(
        &mut self,
        name: &'static str,
        attributes: &[Attribute<'_>],
        content: impl FnOnce(&mut Self),
    ) {
        let _ = write!(self.text, "<{name}");
        for (attribute, value) in attributes {
            let _ = write!(self.text, " {attribute}=\"");
            self.escaped(value);
            self.text.push('"');
        }
        self.text.push('>');
        if !VOID.contains(&name) {
            content(self);
            let _ = write!(self.text, "</{name}>");
        }
        if !INLINE.contains(&name) {
            self.text.push('\n');
        }
    }

    /// An element that holds a text.
    pub(super) fn leaf(&mut self, name: &'static str, attributes: &[Attribute<'_>], text: &str) {
        self.element(name, attributes, |html| html.text(text));
    }

    /// A text of one line: what can't be seen is made visible, the ends of lines too.
    pub(super) fn text(&mut self, text: &str) {
        self.bounded(text, Self::escaped);
    }

    /// A text of several lines.
    pub(super) fn lines(&mut self, text: &str) {
        self.bounded(text, |html, text| {
            for (number, line) in text.split('\n').enumerate() {
                if number > 0 {
                    html.text.push('\n');
                }
                html.escaped(line);
            }
        });
    }

    fn bounded(&mut self, text: &str, write: impl Fn(&mut Self, &str)) {
        let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(end, _)| end);
        let (kept, rest) = text.split_at(end);
        write(self, kept);
        if !rest.is_empty() {
            let cut = self.messages.page_cut(rest.chars().count());
            self.leaf("span", &[("class", "cut")], &cut);
        }
    }

    /// The style sheet, a constant of this program.
    pub(super) fn style(&mut self, sheet: &'static str) {
        let _ = write!(self.text, "<style>\n{sheet}</style>\n");
    }

    fn escaped(&mut self, text: &str) {
        for char in printable(text).chars() {
            match char {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                '\'' => self.text.push_str("&#39;"),
                other => self.text.push(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Language;

    fn written(write: impl FnOnce(&mut Html)) -> String {
        let mut html = Html::document(Messages(Language::En));
        write(&mut html);
        html.finish().trim_start_matches("<!DOCTYPE html>\n").trim_end().to_owned()
    }

    #[test]
    fn what_came_from_outside_is_text_wherever_it_stands() {
        let hostile = "</p><script>alert(\"1\" & '2')</script>\u{1b}[31m\u{202e}\0";
        let safe = "&lt;/p&gt;&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;\\u{1b}[31m\\u{202e}\\u{0}";
        assert_eq!(written(|html| html.leaf("p", &[], hostile)), format!("<p>{safe}</p>"));
        let attribute = written(|html| html.leaf("p", &[("title", hostile)], "x"));
        assert_eq!(attribute, format!("<p title=\"{safe}\">x</p>"));
        assert_eq!(written(|html| html.leaf("pre", &[], "a\nb")), "<pre>a\\u{a}b</pre>");
        assert_eq!(
            written(|html| html.element("pre", &[], |html| html.lines("a\r\n<b"))),
            "<pre>a\\u{d}\n&lt;b</pre>"
        );
    }

    #[test]
    fn a_text_without_end_is_cut_and_says_so() {
        let long = "内".repeat(100_000);
        for write in [Html::text, Html::lines] {
            let html = written(|html| write(html, &long));
            assert_eq!(html.matches('内').count(), LONGEST);
            assert!(html.ends_with("… 98000 more characters</span>"), "{}", &html[html.len() - 60..]);
        }
        let whole = "x".repeat(LONGEST);
        assert_eq!(written(|html| html.text(&whole)), whole);
    }

    #[test]
    fn elements_without_content_have_no_end() {
        assert_eq!(
            written(|html| html.element("meta", &[("charset", "utf-8")], |_| ())),
            "<meta charset=\"utf-8\">"
        );
    }
}
