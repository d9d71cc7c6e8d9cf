//! Texts in a line of the log: escaping, quoting, length.

use std::fmt::{self, Write};

/// A longer line is cut, so that a peer's value can neither fill the disk nor the memory.
pub const LINE_BYTES_MAX: usize = 8 * 1024;

/// What stands at the end of a line that was cut.
pub(super) const CUT_MARK: &str = "...";

/// A text that takes up to a number of bytes and drops the rest.
#[derive(Debug)]
pub(super) struct Bounded {
    text: String,
    room: usize,
    is_cut: bool,
}

impl Bounded {
    pub(super) fn new(text: String, bytes_max: usize) -> Self {
        let room = bytes_max.saturating_sub(text.len() + CUT_MARK.len() + 1);
        Self { text, room, is_cut: false }
    }

    /// The text, with a mark if something was dropped.
    pub(super) fn finish(mut self) -> String {
        if self.is_cut {
            self.text.push_str(CUT_MARK);
        }
        self.text
    }

    /// Appends a text with its control characters escaped.
    pub(super) fn push_escaped(&mut self, text: &str) {
        for c in text.chars() {
            if is_unsafe(c) { self.push_escape(c) } else { self.push(c) }
        }
    }

    /// Appends a value: as it is if it is one plain word, else in quotes.
    pub(super) fn push_value(&mut self, value: &str) {
        if is_word(value) || is_quoted(value) {
            self.push_escaped(value);
            return;
        }
        self.push('"');
        for c in value.chars() {
            match c {
                '"' => self.push_all("\\\""),
                '\\' => self.push_all("\\\\"),
                c if is_unsafe(c) => self.push_escape(c),
                c => self.push(c),
            }
        }
        self.push('"');
    }

    fn push_escape(&mut self, c: char) {
        match c {
            '\n' => self.push_all("\\n"),
            '\r' => self.push_all("\\r"),
            '\t' => self.push_all("\\t"),
            c if c.is_ascii() => self.push_all(&format!("\\x{:02x}", u32::from(c))),
            c => self.push_all(&format!("\\u{{{:x}}}", u32::from(c))),
        }
    }

    fn push(&mut self, c: char) {
        self.push_all(c.encode_utf8(&mut [0; 4]));
    }

    /// Appends all or, once something did not fit, nothing any more.
    fn push_all(&mut self, text: &str) {
        if self.is_cut || self.room < text.len() {
            self.is_cut = true;
            return;
        }
        self.room -= text.len();
        self.text.push_str(text);
    }
}

impl Write for Bounded {
    /// Appends the text as it is.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.push(c);
        }
        Ok(())
    }
}

/// Control characters, line and paragraph separators, and the marks that reverse a terminal's writing direction.
pub(super) fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_word(value: &str) -> bool {
    !value.is_empty()
        && !value.contains(|c: char| c.is_whitespace() || is_unsafe(c) || matches!(c, '"' | '=' | '\\'))
}

/// Whether the value is already one quoted text, as the `Debug` form of a string is.
fn is_quoted(value: &str) -> bool {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return false;
    };
    let mut is_escaped = false;
    for c in inner.chars() {
        match c {
            '"' if !is_escaped => return false,
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    !is_escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_value(value: &str, expected: &str) {
        let mut line = Bounded::new(String::new(), LINE_BYTES_MAX);
        line.push_value(value);
        assert_eq!(line.finish(), expected);
    }

    #[test]
    fn plain_words_stay_bare() {
        check_value("127.0.0.1:4150", "127.0.0.1:4150");
        check_value("é", "é");
        check_value("-5", "-5");
    }

    #[test]
    fn what_could_pass_for_another_field_is_quoted() {
        check_value("", "\"\"");
        check_value("a b", "\"a b\"");
        check_value("a=b", "\"a=b\"");
        check_value("a\\", "\"a\\\\\"");
        check_value("\"a\"", "\"a\"");
        check_value("\"a b\\\"\"", "\"a b\\\"\"");
        check_value("\" x=\"", "\" x=\"");
        check_value("\"a\" x=\"b\"", "\"\\\"a\\\" x=\\\"b\\\"\"");
        check_value("\"a\\\"", "\"\\\"a\\\\\\\"\"");
        check_value("\"", "\"\\\"\"");
    }

    /// A client's name with a line break in it would else write log lines of its own.
    #[test]
    fn control_characters_are_escaped() {
        check_value("a\n[nsqd] b", "\"a\\n[nsqd] b\"");
        check_value("\r\t\0\x1b[2J\x7f", "\"\\r\\t\\x00\\x1b[2J\\x7f\"");
        check_value("\u{85}\u{2028}\u{202e}", "\"\\u{85}\\u{2028}\\u{202e}\"");
        let mut line = Bounded::new(String::new(), LINE_BYTES_MAX);
        line.push_escaped("T\n(\\)");
        assert_eq!(line.finish(), "T\\n(\\)");
    }

    #[test]
    fn a_long_line_is_cut() {
        let mut line = Bounded::new("start".to_owned(), 16);
        line.push_escaped("1234567890");
        line.push_escaped("x");
        let text = line.finish();
        assert_eq!(text, "start1234567...");
        assert!(text.len() < 16, "room for the line break");
    }
}
