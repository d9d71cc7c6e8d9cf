//! A line of the log as one JSON object, for programs that collect logs.

use std::borrow::Cow;
use std::io::{self, Write};

use jiff::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::ser::Formatter;

use super::Level;
use super::bounded::{CUT_MARK, LINE_BYTES_MAX, is_unsafe};
use super::fields::{Fields, Value};

/// The keys that each line may have. A field of such a name gets another one.
const OWN_KEYS: [&str; 4] = ["time", "level", "program", "message"];

/// The object, without a line break: time, level, program unless it is empty, text, fields in the event's order.
///
/// It has room for a line break below [`LINE_BYTES_MAX`]: where it would be longer, its longest texts are cut.
pub(super) fn line(program: &str, now: Timestamp, level: Level, fields: &Fields) -> String {
    let mut text_bytes_max = LINE_BYTES_MAX;
    loop {
        let line = Object { program, now, level, fields, text_bytes_max }.render();
        // Without texts there is nothing of a peer in it.
        if line.len() < LINE_BYTES_MAX || text_bytes_max == 0 {
            return line;
        }
        // A byte may become up to six in JSON, so that only trying tells what fits.
        text_bytes_max = text_bytes_max / 4 * 3;
    }
}

struct Object<'a> {
    program: &'a str,
    now: Timestamp,
    level: Level,
    fields: &'a Fields,
    /// Up to this length texts are whole.
    text_bytes_max: usize,
}

impl Object<'_> {
    fn render(&self) -> String {
        let mut bytes = Vec::new();
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, EscapeUnsafe);
        self.serialize(&mut serializer).expect("texts, numbers and booleans under texts become JSON");
        String::from_utf8(bytes).expect("JSON is UTF-8")
    }

    fn cut<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if text.len() <= self.text_bytes_max {
            return Cow::Borrowed(text);
        }
        let end = text.floor_char_boundary(self.text_bytes_max);
        Cow::Owned(format!("{}{CUT_MARK}", &text[..end]))
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time", &format_args!("{:.6}", self.now))?;
        map.serialize_entry("level", &self.level.label().to_ascii_lowercase())?;
        if !self.program.is_empty() {
            map.serialize_entry("program", &self.cut(self.program))?;
        }
        map.serialize_entry("message", &self.cut(&self.fields.text))?;
        let mut taken: Vec<Cow<'_, str>> = OWN_KEYS.map(Cow::Borrowed).into();
        for (name, value) in &self.fields.values {
            let key = free_key(name, &taken);
            match value {
                Value::Text(text) => map.serialize_entry(&key, &self.cut(text))?,
                other => map.serialize_entry(&key, other)?,
            }
            taken.push(key);
        }
        map.end()
    }
}

/// The name, behind which `_` stands as often as it takes for the key to be another one than those that there are.
fn free_key<'a>(name: &'a str, taken: &[Cow<'_, str>]) -> Cow<'a, str> {
    let mut key = Cow::Borrowed(name);
    while taken.contains(&key) {
        key.to_mut().push('_');
    }
    key
}

/// Escapes what JSON allows in a text and a terminal, or a program that looks for the ends of lines, takes amiss.
struct EscapeUnsafe;

impl Formatter for EscapeUnsafe {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        for part in text.split_inclusive(is_unsafe) {
            let plain = part.strip_suffix(is_unsafe).unwrap_or(part);
            writer.write_all(plain.as_bytes())?;
            // All of them are in Unicode's first plane, so that each is one unit.
            for c in part[plain.len()..].chars() {
                write!(writer, "\\u{:04x}", u32::from(c))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value as Json};

    use super::*;

    fn render(text: &str, values: Vec<(&'static str, Value)>) -> String {
        let now = "2026-11-20T21:22:44.003666999Z".parse().unwrap();
        line("nsqd", now, Level::Warn, &Fields { text: text.to_owned(), values })
    }

    fn text(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    #[track_caller]
    fn parse(line: &str) -> Map<String, Json> {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    #[test]
    fn a_line_is_an_object_with_typed_fields() {
        let values = vec![
            ("count", Value::Int(-3)),
            ("size", Value::Unsigned(u64::MAX)),
            ("ok", Value::Bool(true)),
            ("share", Value::Float(0.5)),
            ("lost", Value::Float(f64::NAN)),
            ("client", text("127.0.0.1:1")),
        ];
        let expected = concat!(
            r#"{"time":"2026-11-20T21:22:44.003666Z","level":"warning","program":"nsqd","message":"kept","#,
            r#""count":-3,"size":18446744073709551615,"ok":true,"share":0.5,"lost":null,"client":"127.0.0.1:1"}"#,
        );
        assert_eq!(render("kept", values), expected);
        let now = Timestamp::UNIX_EPOCH;
        let without_program = line("", now, Level::Fatal, &Fields::default());
        let expected = r#"{"time":"1970-01-01T00:00:00.000000Z","level":"fatal","message":""}"#;
        assert_eq!(without_program, expected);
    }

    /// A peer's text must neither end the line or the text, nor drive an operator's terminal.
    #[test]
    fn what_a_peer_sends_stays_within_its_text() {
        let evil = "a\"b\\c\n\r\t\0\x1b[2J\x7f\u{85}\u{9b}\u{2028}\u{202e}\",\"level\":\"fatal\"}\n{é";
        let line = render(evil, vec![("name", text(evil))]);
        assert!(!line.contains(is_unsafe), "{line}");
        let object = parse(&line);
        assert_eq!(object["message"], evil);
        assert_eq!(object["name"], evil);
        assert_eq!(object["level"], "warning");
        assert!(line.contains(r"\u007f\u0085\u009b\u2028\u202e") && line.contains("{é"), "{line}");
    }

    /// What reads the lines may refuse an object with a key twice, or take the peer's value for ours.
    #[test]
    fn a_field_does_not_replace_what_each_line_has() {
        let names = ["time", "level", "time_", "program", "level", "x", "x"];
        let values = names.into_iter().map(|name| (name, text("peer's"))).collect();
        let line = render("text", values);
        let object = parse(&line);
        let keys = [
            "level", "level_", "level__", "message", "program", "program_", "time", "time_", "time__", "x",
            "x_",
        ];
        assert_eq!(object.keys().collect::<Vec<_>>(), keys);
        assert_eq!((&object["level"], &object["message"]), (&"warning".into(), &"text".into()));
        assert_eq!(line.matches("peer's").count(), names.len());
    }

    /// Cut JSON could not be read, and a text that is cut in the middle of a character is none.
    #[test]
    fn a_long_line_stays_json_within_its_bound() {
        for unit in ["x", "é", "\n", "\u{2028}", "\"", "\u{1f980}"] {
            let long = unit.repeat(50_000);
            for offset in ["", "1", "12", "123"] {
                let values =
                    vec![("a", text(&format!("{offset}{long}"))), ("b", text(&long)), ("c", text("kept"))];
                let line = render(&long, values);
                assert!(line.len() < LINE_BYTES_MAX && LINE_BYTES_MAX / 2 < line.len(), "{}", line.len());
                let object = parse(&line);
                assert_eq!(object["c"], "kept", "short values stay whole");
                for key in ["message", "a", "b"] {
                    let cut = object[key].as_str().unwrap();
                    assert!(cut.ends_with(&format!("{unit}...")), "{cut}");
                }
            }
        }
    }

    /// The largest line that is not cut, and the smallest that is.
    #[test]
    fn a_line_that_just_fits_is_whole() {
        let frame = render("", Vec::new()).len();
        let fits = "x".repeat(LINE_BYTES_MAX - 1 - frame);
        assert_eq!(parse(&render(&fits, Vec::new()))["message"], fits);
        let too_long = render(&format!("{fits}x"), Vec::new());
        assert!(parse(&too_long)["message"].as_str().unwrap().ends_with("x..."));
    }

    #[test]
    fn many_long_fields_fit_too() {
        // Protects the end of the loop: an event may have 32 fields.
        let long = "\u{85}".repeat(5_000);
        let names = ["value"; 32];
        let line = render(&long, names.map(|name| (name, text(&long))).into());
        assert!(line.len() < LINE_BYTES_MAX, "{}", line.len());
        assert_eq!(parse(&line).len(), OWN_KEYS.len() + names.len());
    }
}
