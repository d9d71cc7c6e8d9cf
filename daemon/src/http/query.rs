//! The query of a request.

use super::respond::Refusal;

/// Decoded parameters, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(Vec<u8>, Vec<u8>)>);

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// `INVALID_REQUEST`: a bad escape, or a `;`.
    pub fn parse(query: &str) -> Result<Self, Refusal> {
        let invalid = || Refusal::bad("INVALID_REQUEST");
        let mut parameters = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            if part.contains(';') {
                return Err(invalid());
            }
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            parameters.push((unescape(name).ok_or_else(invalid)?, unescape(value).ok_or_else(invalid)?));
        }
        Ok(Self(parameters))
    }

    /// The first value of that name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(key, _)| key == name.as_bytes()).map(|(_, value)| value.as_slice())
    }

    /// Whether it is there and says neither `false` nor `0`, or is not there and `default` holds.
    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, |value| !matches!(value, b"false" | b"0"))
    }
}

/// Undoes form encoding. `None` for an escape without two hex digits.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => u8::try_from(digit(bytes.next())? << 4 | digit(bytes.next())?).ok()?,
            other => other,
        });
    }
    Some(out)
}

/// The path with its escapes undone, if they are escapes.
pub fn unescape_path(path: &str) -> Option<String> {
    String::from_utf8(unescape(&path.replace('+', "%2B"))?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, name: &str, expected: Option<&str>) {
        let parameters = Query::parse(query).unwrap();
        assert_eq!(parameters.get(name), expected.map(str::as_bytes), "{query}");
    }

    /// Protects: NSQ's reading of queries: the first value counts, `+` is a blank, names are case-sensitive.
    #[test]
    fn queries_are_read_as_forms() {
        check("topic=a&topic=b", "topic", Some("a"));
        check("topic=a%23ephemeral", "topic", Some("a#ephemeral"));
        check("topic=a+b", "topic", Some("a b"));
        check("Topic=a", "topic", None);
        check("topic", "topic", Some(""));
        check("a=1&&topic=x=y", "topic", Some("x=y"));
    }

    #[test]
    fn bad_escapes_and_semicolons_are_refused() {
        for query in ["topic=a%zz", "topic=a%2", "topic=a;b=c", "a=1&;", "%"] {
            assert_eq!(Query::parse(query), Err(Refusal::bad("INVALID_REQUEST")), "{query}");
        }
    }
}
