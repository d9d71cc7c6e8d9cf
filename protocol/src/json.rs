//! JSON as the reference prints it.

use serde::Serialize;

/// `value` as JSON without white space, with `<`, `>`, `&`, U+2028 and U+2029 escaped.
///
/// All five can stand in strings only, so that escaping the finished text is enough.
pub(crate) fn to_escaped_json(value: &impl Serialize) -> String {
    let plain = serde_json::to_string(value).expect("structs of numbers, flags and strings always serialize");
    if !plain.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return plain;
    }
    let mut escaped = String::with_capacity(plain.len() + 16);
    for c in plain.chars() {
        match c {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_html_could_trip_over_is_escaped() {
        assert_eq!(to_escaped_json(&"a<b>&\u{2028}\u{2029}\"é"), r#""a\u003cb\u003e\u0026\u2028\u2029\"é""#);
        assert_eq!(to_escaped_json(&"plain"), r#""plain""#);
    }
}
