//! JSON as NSQ's utilities read and write it, with numbers as they were written.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::value::RawValue;

/// An object's fields; of equal names the last counts.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Fields<'a>(#[serde(borrow)] pub(crate) BTreeMap<Cow<'a, str>, &'a RawValue>);

/// Values are rewritten down to this depth; what lies deeper is passed on as it is written.
const DEPTH_MAX: usize = 100;

/// The body as text. What a Go program would take, and Rust would not, becomes U+FFFD, as there: bytes that are no UTF-8,
/// and escaped halves of UTF-16 pairs.
pub(crate) fn lenient(body: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(body);
    if !text.contains("\\ud") && !text.contains("\\uD") {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(start) = rest.find('\\') {
        let (before, escape) = rest.split_at(start);
        out.push_str(before);
        let (taken, replaced) = match (half(escape), escape.get(6..).and_then(half)) {
            (Some(Half::High), Some(Half::Low)) => (12, None),
            (Some(_), _) => (6, Some("\\ufffd")),
            // The escaped letter, if there is one, goes along, so that a backslash is not taken for a beginning.
            (None, _) => (1 + escape[1..].chars().next().map_or(0, char::len_utf8), None),
        };
        out.push_str(replaced.unwrap_or(&escape[..taken]));
        rest = &escape[taken..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[derive(Clone, Copy)]
enum Half {
    High,
    Low,
}

/// Whether a text begins with an escaped half of a pair.
fn half(text: &str) -> Option<Half> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xd800..=0xdbff => Some(Half::High),
        0xdc00..=0xdfff => Some(Half::Low),
        _ => None,
    }
}

/// Appends a value: compact, names sorted, texts escaped as Go does, numbers as they are.
pub(crate) fn push_value(out: &mut Vec<u8>, value: &RawValue) {
    push(out, value, 0);
}

fn push(out: &mut Vec<u8>, value: &RawValue, depth: usize) {
    let text = value.get();
    let is_pushed = match text.as_bytes().first() {
        _ if depth == DEPTH_MAX => false,
        Some(b'{') => serde_json::from_str(text).map(|fields| push_object(out, &fields, depth)).is_ok(),
        Some(b'[') => serde_json::from_str(text).map(|values| push_list(out, values, depth)).is_ok(),
        Some(b'"') => {
            serde_json::from_str(text).map(|content: Cow<'_, str>| push_text(out, &content)).is_ok()
        }
        _ => false,
    };
    if !is_pushed {
        out.extend_from_slice(text.as_bytes());
    }
}

fn push_object(out: &mut Vec<u8>, Fields(fields): &Fields<'_>, depth: usize) {
    out.push(b'{');
    for (index, (name, value)) in fields.iter().enumerate() {
        if index != 0 {
            out.push(b',');
        }
        push_text(out, name);
        out.push(b':');
        push(out, value, depth + 1);
    }
    out.push(b'}');
}

fn push_list(out: &mut Vec<u8>, values: Vec<&RawValue>, depth: usize) {
    out.push(b'[');
    for (index, value) in values.into_iter().enumerate() {
        if index != 0 {
            out.push(b',');
        }
        push(out, value, depth + 1);
    }
    out.push(b']');
}

/// Appends a text in quotes. Besides what JSON asks for, `<>&` and the two line separators are escaped.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for letter in text.chars() {
        match letter {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            '\0'..='\x1f' | '<' | '>' | '&' => {
                let byte = letter as u8;
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
            '\u{2028}' => out.extend_from_slice(b"\\u2028"),
            '\u{2029}' => out.extend_from_slice(b"\\u2029"),
            letter => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn rewritten(text: &str) -> String {
        let mut out = Vec::new();
        let raw: &RawValue = serde_json::from_str(text).unwrap();
        push_value(&mut out, raw);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(rewritten(r#""\u0001\u001f\b\f\"\\""#), r#""\u0001\u001f\b\f\"\\""#);
    }

    #[test]
    fn what_go_takes_is_taken() {
        assert_eq!(lenient(b"\"a\xffb\""), "\"a\u{fffd}b\"");
        for (given, expected) in [
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\ud83dx\uDE00""#, r#""\ufffdx\ufffd""#),
            (r#""\\ud83d""#, r#""\\ud83d""#),
            (r#""\\\ud83d\n\u00e9""#, r#""\\\ufffd\n\u00e9""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            ("\\ud", "\\ud"),
            ("\\u\u{e9}\u{e9}\\ud8", "\\u\u{e9}\u{e9}\\ud8"),
            ("\\ud8\\", "\\ud8\\"),
        ] {
            assert_eq!(lenient(given.as_bytes()), expected);
        }
    }

    /// A body may nest as deep as it is long.
    #[test]
    fn depth_has_a_bound() {
        let deep = format!("{} 1{}", "[".repeat(10_000), "]".repeat(10_000));
        let raw: Box<RawValue> = RawValue::from_string(deep.clone()).unwrap();
        let mut out = Vec::new();
        push_value(&mut out, &raw);
        assert_eq!(String::from_utf8(out).unwrap(), deep);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 30, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Rewriting changes how a value is written, not the value.
        #[test]
        fn a_value_stays_the_same(value in values()) {
            // Floats are compared as they are read from the text, which is not always exact.
            let given = serde_json::to_string_pretty(&value).unwrap();
            let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            prop_assert_eq!(read(&rewritten(&given)), read(&given));
        }

        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            lenient(&bytes);
        }

        #[test]
        fn any_escapes_are_taken(text in "[\\\\ud8cDe0é]{0,30}") {
            lenient(text.as_bytes());
        }
    }
}
