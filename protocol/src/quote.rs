//! Names in the error texts, quoted as the reference quotes them.

use std::fmt::Write;

use unicode_general_category::{GeneralCategory, get_general_category};

/// `raw` in double quotes, such that the result is valid UTF-8 and shows every byte.
///
/// `"` and `\` get a backslash; control characters become `\a \b \f \n \r \t \v` or `\x..`; bytes that are not UTF-8
/// become `\x..`; other unprintable code points `\u....` or `\U........`. The rest stays.
///
/// Source: quoting in error texts, NSQ TCP protocol.
pub fn quote(raw: &[u8]) -> String {
    let mut quoted = String::with_capacity(raw.len() + 2);
    quoted.push('"');
    for chunk in raw.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_char(&mut quoted, c));
        chunk.invalid().iter().for_each(|&byte| push_byte(&mut quoted, byte));
    }
    quoted.push('"');
    quoted
}

fn push_char(out: &mut String, c: char) {
    match c {
        '"' | '\\' => {
            out.push('\\');
            out.push(c);
        }
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        '\0'..'\x20' | '\x7f' => push_byte(out, c as u8),
        _ if is_printable(c) => out.push(c),
        _ => push_code_point(out, u32::from(c)),
    }
}

fn push_byte(out: &mut String, byte: u8) {
    write!(out, "\\x{byte:02x}").expect("writing to a String cannot fail");
}

fn push_code_point(out: &mut String, code: u32) {
    let written = if code < 0x1_0000 { write!(out, "\\u{code:04x}") } else { write!(out, "\\U{code:08x}") };
    written.expect("writing to a String cannot fail");
}

/// Letters, marks, numbers, punctuation, symbols and the ASCII blank; no other white space.
fn is_printable(c: char) -> bool {
    use GeneralCategory as G;
    c == ' '
        || !matches!(
            get_general_category(c),
            G::Control
                | G::Format
                | G::LineSeparator
                | G::ParagraphSeparator
                | G::PrivateUse
                | G::SpaceSeparator
                | G::Surrogate
                | G::Unassigned
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_recorded_name_is_quoted_alike() {
        assert_eq!(quote("a\"b\\".as_bytes()), r#""a\"b\\""#);
        assert_eq!(quote(b"a\"b\\\xff\x01\xc3\xa9\xe2\x80\xa8"), "\"a\\\"b\\\\\\xff\\x01\u{e9}\\u2028\"");
    }

    #[test]
    fn every_class_of_character_has_its_form() {
        assert_eq!(quote(b""), r#""""#);
        assert_eq!(quote(b"a b"), r#""a b""#);
        assert_eq!(quote(b"\x07\x08\x0c\n\r\t\x0b"), r#""\a\b\f\n\r\t\v""#);
        assert_eq!(quote(b"\0\x1f\x7f"), r#""\x00\x1f\x7f""#);
        assert_eq!(
            quote("\u{85}\u{a0}\u{ad}\u{e000}\u{feff}".as_bytes()),
            r#""\u0085\u00a0\u00ad\ue000\ufeff""#
        );
        assert_eq!(quote("\u{10ffff}\u{e0001}".as_bytes()), r#""\U0010ffff\U000e0001""#);
        assert_eq!(quote("日本\u{301}😀\u{fffd}".as_bytes()), "\"日本\u{301}😀\u{fffd}\"");
        assert_eq!(quote(b"\xed\xa0\x80\xe2\x80A"), r#""\xed\xa0\x80\xe2\x80A""#);
    }

    proptest! {
        #[test]
        fn nothing_unprintable_is_left(raw in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(quote(&raw).chars().all(is_printable));
        }
    }
}
