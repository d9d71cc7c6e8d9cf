//! JSON as the reference reads and prints it.

use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

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

/// Reads one object or `null`, and hands each key, in lower case, and its value, as JSON, to `set`, which returns `None`
/// for a value of the wrong type. `null` counts as absent; invalid UTF-8 in strings is replaced.
///
/// `None` if the body is not that, or a value is refused. `set` may have been called before that is known.
pub(crate) fn read_fields(body: &[u8], set: impl FnMut(&str, &str) -> Option<()>) -> Option<()> {
    // Replacing first is the same as replacing within strings: outside of them the replacement is an error too.
    let text = String::from_utf8_lossy(body);
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    Fields(set).deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()
}

/// The text of a JSON string; halves of surrogate pairs are replaced.
pub(crate) fn string(json: &str) -> Option<String> {
    if !json.starts_with('"') {
        return None;
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    deserializer.deserialize_bytes(LossyString).ok()
}

/// Takes a string as bytes, because `serde_json` refuses a lone surrogate in a string and passes it in bytes.
struct LossyString;

impl Visitor<'_> for LossyString {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

struct Fields<F>(F);

impl<'de, F: FnMut(&str, &str) -> Option<()>> DeserializeSeed<'de> for Fields<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, F: FnMut(&str, &str) -> Option<()>> Visitor<'de> for Fields<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            let key = string(key.get()).map(|key| key.to_ascii_lowercase());
            let is_set = key.and_then(|key| match value.get() {
                "null" => Some(()),
                json => (self.0)(&key, json),
            });
            is_set.ok_or_else(|| A::Error::custom("a value of another type"))?;
        }
        Ok(())
    }
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
