//! Quoting as in the reference's error texts.

use std::fmt::{self, Display, Formatter, Write};

/// Displays a text in double quotes, with everything that does not print escaped the way the reference does it.
#[derive(Debug)]
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                '\x07' => f.write_str("\\a")?,
                '\x08' => f.write_str("\\b")?,
                '\x0b' => f.write_str("\\v")?,
                '\x0c' => f.write_str("\\f")?,
                '\'' => f.write_char(c)?,
                c if c.is_ascii_control() => write!(f, "\\x{:02x}", u32::from(c))?,
                c if c.is_ascii() || c.escape_debug().len() == 1 => f.write_char(c)?,
                c if u32::from(c) <= 0xffff => write!(f, "\\u{:04x}", u32::from(c))?,
                c => write!(f, "\\U{:08x}", u32::from(c))?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(Quoted(text).to_string(), expected);
    }

    #[test]
    fn what_does_not_print_is_escaped() {
        check("maybe", r#""maybe""#);
        check("a\"b\\c'd", r#""a\"b\\c'd""#);
        check("\n\r\t\x07\x08\x0b\x0c", r#""\n\r\t\a\b\v\f""#);
        check("\0\x1b\x7f", r#""\x00\x1b\x7f""#);
        check("é世", "\"é世\"");
        check("\u{85}\u{2028}\u{e0001}", r#""\u0085\u2028\U000e0001""#);
    }
}
