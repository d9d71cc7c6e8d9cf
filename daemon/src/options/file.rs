//! The configuration file.

use std::fs;
use std::io;

use toml::Value as Toml;

use crate::duration;

use super::command_line::{nearest_name, parse_floats};
use super::number::{parse_bool, parse_decimal};
use super::settings::{Settings, Source, Value};
use super::{Flag, Kind};

/// Why a configuration file is refused. The texts are the reference's, as far as it has one.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "an error's message is its doc")]
pub enum FileError {
    #[error("failed to load config file {path} - open {path}: {}", reason(.cause))]
    Open {
        path: String,
        #[source]
        cause: io::Error,
    },
    #[error("failed to load config file {path} - toml: line {line}: {cause}")]
    Syntax { path: String, line: usize, cause: String },
    #[error("failed parsing {key} {value}")]
    Choice { key: String, value: String },
    #[error("Resolve failed to coerce value {value} ({default}) for field {field} - {cause}")]
    Coerce { value: String, default: String, field: String, cause: String },
}

/// Puts the file's values into the settings and returns a warning for each key that is not used.
pub(super) fn load(path: &str, flags: &[&Flag], settings: &mut Settings) -> Result<Vec<String>, FileError> {
    let text = fs::read_to_string(path).map_err(|cause| FileError::Open { path: path.to_owned(), cause })?;
    apply(path, &text, flags, settings)
}

fn apply(path: &str, text: &str, flags: &[&Flag], settings: &mut Settings) -> Result<Vec<String>, FileError> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let offset = error.span().map_or(0, |span| span.start);
        let line = text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1;
        FileError::Syntax { path: path.to_owned(), line, cause: error.message().replace('\n', " ") }
    })?;
    // As in the reference, words are checked before everything else.
    for is_choice in [true, false] {
        for (index, flag) in flags.iter().enumerate() {
            let Some(value) = flag.config_key().and_then(|key| table.get(key)) else { continue };
            let is_overruled = settings.source_at(index) == Source::Flag;
            if matches!(flag.kind(), Kind::Choice(_)) == is_choice && (is_choice || !is_overruled) {
                settings.give(index, coerce(flag, value)?, Source::File);
            }
        }
    }
    let is_known = |key: &str| flags.iter().any(|flag| flag.config_key() == Some(key));
    Ok(table.keys().filter(|key| !is_known(key)).map(|key| unused(path, flags, key)).collect())
}

fn unused(path: &str, flags: &[&Flag], key: &str) -> String {
    let by_flag = flags.iter().find(|flag| flag.name().replace('-', "_") == key);
    match by_flag.map(|flag| flag.config_key()) {
        Some(None) => {
            format!("{path}: {key} can only be given on the command line, it is ignored in the file")
        }
        Some(Some(meant)) => {
            format!("{path}: unknown key {key:?} is ignored; the key of this option is {meant}")
        }
        None => match nearest_name(flags.iter().filter_map(|flag| flag.config_key()), key) {
            Some(near) => format!("{path}: unknown key {key:?} is ignored; did you mean {near}?"),
            None => format!("{path}: unknown key {key:?} is ignored"),
        },
    }
}

/// The operating system's text without the number that Rust adds, in lower case as the reference has it.
fn reason(cause: &io::Error) -> String {
    let text = cause.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
}

fn coerce(flag: &Flag, value: &Toml) -> Result<Value, FileError> {
    let key = flag.config_key().unwrap_or_default();
    let coerced = match flag.kind() {
        Kind::Choice(choice) => {
            let refused = |_| FileError::Choice { key: key.to_owned(), value: show(value) };
            return (choice.parse)(&show(value)).map(Value::Choice).map_err(refused);
        }
        Kind::Bool => to_bool(value).map(Value::Bool),
        Kind::Int => to_int(value).map(Value::Int),
        Kind::Duration => to_ns(value).map(|ns| Value::Duration { ns }),
        Kind::Float => {
            let number = show(value).parse().map(Value::Float);
            number.map_err(|_| format!("want a number, not {}", article(value)))
        }
        Kind::Text => match value {
            Toml::String(text) => Ok(Value::Text(text.clone())),
            _ => Err(format!("want a string, not {}", article(value))),
        },
        Kind::Texts => to_texts(value).map(Value::Texts),
        Kind::Floats => to_floats(value).map(Value::Floats),
    };
    coerced.map_err(|cause| FileError::Coerce {
        value: show(value),
        default: flag.default().display(),
        field: field_name(key),
        cause,
    })
}

fn to_bool(value: &Toml) -> Result<bool, String> {
    match value {
        Toml::Boolean(value) => Ok(*value),
        Toml::String(text) => parse_bool(text),
        Toml::Integer(1) => Ok(true),
        Toml::Integer(0) => Ok(false),
        Toml::Integer(_) => Err("want true or false, or 1 or 0".to_owned()),
        _ => Err(format!("want true or false, not {}", article(value))),
    }
}

fn to_int(value: &Toml) -> Result<i64, String> {
    match value {
        Toml::Integer(value) => Ok(*value),
        Toml::String(text) => parse_decimal(text),
        _ => Err(format!("want an integer, not {}", article(value))),
    }
}

fn to_ns(value: &Toml) -> Result<i64, String> {
    const NS_PER_MS: i64 = 1_000_000;
    match value {
        Toml::String(text) => duration::parse_ns(text).map_err(|error| error.to_string()),
        Toml::Integer(ms) => {
            ms.checked_mul(NS_PER_MS).ok_or_else(|| "more milliseconds than a duration can hold".to_owned())
        }
        _ => Err(format!("want a duration as \"5s\", or an integer of milliseconds, not {}", article(value))),
    }
}

/// Blanks around a text are dropped, and so are empty texts.
fn to_texts(value: &Toml) -> Result<Vec<String>, String> {
    let texts: Vec<&str> = match value {
        Toml::String(text) => text.split(',').collect(),
        Toml::Array(items) => items.iter().map(text_item).collect::<Result<_, _>>()?,
        _ => return Err(format!("want an array of strings, not {}", article(value))),
    };
    Ok(texts.into_iter().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect())
}

fn text_item(item: &Toml) -> Result<&str, String> {
    item.as_str().ok_or_else(|| format!("want an array of strings, not of {}", plural(item)))
}

fn to_floats(value: &Toml) -> Result<Vec<f64>, String> {
    match value {
        Toml::String(text) if text.trim().is_empty() => Ok(Vec::new()),
        Toml::String(text) => {
            parse_floats(text).ok_or_else(|| "want numbers with commas between them".to_owned())
        }
        Toml::Array(items) => items.iter().map(float_item).collect(),
        _ => Err(format!("want an array of numbers, not {}", article(value))),
    }
}

fn float_item(item: &Toml) -> Result<f64, String> {
    match item {
        Toml::Float(number) if number.is_finite() => Ok(*number),
        // Exact up to 2^53, far beyond what a list of numbers is for.
        Toml::Integer(number) => {
            i32::try_from(*number).map(f64::from).map_err(|_| format!("{number} is too large"))
        }
        Toml::Float(number) => Err(format!("want finite numbers, not {number}")),
        _ => Err(format!("want an array of numbers, not of {}", plural(item))),
    }
}

fn article(value: &Toml) -> &'static str {
    match value {
        Toml::String(_) => "a string",
        Toml::Integer(_) => "an integer",
        Toml::Float(_) => "a float",
        Toml::Boolean(_) => "a boolean",
        Toml::Datetime(_) => "a date",
        Toml::Array(_) => "an array",
        Toml::Table(_) => "a table",
    }
}

fn plural(value: &Toml) -> &'static str {
    match value {
        Toml::String(_) => "strings",
        Toml::Integer(_) => "integers",
        Toml::Float(_) => "floats",
        Toml::Boolean(_) => "booleans",
        Toml::Datetime(_) => "dates",
        Toml::Array(_) => "arrays",
        Toml::Table(_) => "tables",
    }
}

/// A value as the reference shows it: strings without quotes, arrays as `[a b]`.
fn show(value: &Toml) -> String {
    match value {
        Toml::String(text) => text.clone(),
        Toml::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
        other => other.to_string(),
    }
}

/// The reference's name of an option's field, which its error texts show: `mem_queue_size` is `MemQueueSize`.
fn field_name(key: &str) -> String {
    key.split('_')
        .map(|word| match word {
            "id" | "tcp" | "http" | "https" | "udp" | "tls" | "ca" | "e2e" => word.to_ascii_uppercase(),
            "nsqlookupd" => "NSQLookupd".to_owned(),
            _ => {
                let mut chars = word.chars();
                chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::options::{Choice, LEVEL, boolean, choice, floats, int, text, texts};

    static REQUIRED: Choice = Choice {
        is_boolean: true,
        parse: |word| match word {
            "tcp-https" => Ok(1),
            word => parse_bool(word).map(|value| if value { 2 } else { 0 }),
        },
    };

    fn table() -> Vec<Flag> {
        vec![
            boolean("snappy", true, ""),
            int("mem-queue-size", 10_000, ""),
            int("node-id", 7, "").key("id"),
            crate::options::duration("msg-timeout", Duration::from_mins(1), ""),
            text("statsd-prefix", "nsq.%s", ""),
            texts("lookupd-tcp-address", "").key("nsqlookupd_tcp_addresses"),
            floats("e2e-processing-latency-percentile", "").key("e2e_processing_latency_percentiles"),
            choice("log-level", &LEVEL, "info", ""),
            choice("tls-required", &REQUIRED, "false", ""),
            boolean("verbose", false, "").flag_only(),
        ]
    }

    fn load_text(text: &str) -> Result<(Settings, Vec<String>), FileError> {
        let table = table();
        let flags: Vec<&Flag> = table.iter().collect();
        let mut settings = Settings::new(table.iter());
        let warnings = apply("x.toml", text, &flags, &mut settings)?;
        Ok((settings, warnings))
    }

    #[track_caller]
    fn check(text: &str, key: &str, expected: &Value) {
        let (settings, warnings) = load_text(text).unwrap();
        assert_eq!(settings.by_key(key), Some(expected), "{text}");
        assert_eq!(warnings, [""; 0]);
    }

    #[track_caller]
    fn check_error(text: &str, expected: &str) {
        assert_eq!(load_text(text).unwrap_err().to_string(), expected, "{text}");
    }

    #[track_caller]
    fn check_cause(text: &str, expected: &str) {
        let Err(FileError::Coerce { cause, .. }) = load_text(text) else { panic!("{text} is accepted") };
        assert_eq!(cause, expected, "{text}");
    }

    fn texts_of(texts: &[&str]) -> Value {
        Value::Texts(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn integers() {
        check("mem_queue_size = 5", "mem_queue_size", &Value::Int(5));
        check("mem_queue_size = \"42\"", "mem_queue_size", &Value::Int(42));
        check("id = 42", "id", &Value::Int(42));
        check_error(
            "mem_queue_size = \"a\"",
            "Resolve failed to coerce value a (10000) for field MemQueueSize - \
             strconv.ParseInt: parsing \"a\": invalid syntax",
        );
        check_cause("mem_queue_size = 1.5", "want an integer, not a float");
        check_cause("mem_queue_size = true", "want an integer, not a boolean");
    }

    #[test]
    fn durations_are_texts_or_milliseconds() {
        let check_ms =
            |text: &str, ms: i64| check(text, "msg_timeout", &Value::Duration { ns: ms * 1_000_000 });
        check_ms("msg_timeout = \"5s\"", 5000);
        check_ms("msg_timeout = 60", 60);
        check_ms("msg_timeout = 120000", 120_000);
        check_error(
            "msg_timeout = \"abc\"",
            "Resolve failed to coerce value abc (1m0s) for field MsgTimeout - time: invalid duration \"abc\"",
        );
        check_cause("msg_timeout = \"5\"", "time: missing unit in duration \"5\"");
        check_cause("msg_timeout = 9223372036854775807", "more milliseconds than a duration can hold");
        let want = "want a duration as \"5s\", or an integer of milliseconds, not a";
        check_cause("msg_timeout = 1.5", &format!("{want} float"));
        check_cause("msg_timeout = true", &format!("{want} boolean"));
    }

    /// The reference takes 1 for false and 0 for true.
    #[test]
    fn booleans() {
        check("snappy = false", "snappy", &Value::Bool(false));
        check("snappy = \"0\"", "snappy", &Value::Bool(false));
        check("snappy = 0", "snappy", &Value::Bool(false));
        check("snappy = 1", "snappy", &Value::Bool(true));
        check_cause("snappy = 2", "want true or false, or 1 or 0");
        check_cause("snappy = 1.0", "want true or false, not a float");
        check_cause("snappy = \"yes\"", "strconv.ParseBool: parsing \"yes\": invalid syntax");
    }

    #[test]
    fn texts_come_from_strings_only() {
        check("statsd_prefix = \"\"", "statsd_prefix", &Value::Text(String::new()));
        check_error(
            "statsd_prefix = 5",
            "Resolve failed to coerce value 5 (nsq.%s) for field StatsdPrefix - want a string, not an integer",
        );
    }

    #[test]
    fn lists_of_texts() {
        let key = "nsqlookupd_tcp_addresses";
        check(&format!("{key} = [\"a:1\", \"b:1\"]"), key, &texts_of(&["a:1", "b:1"]));
        check(&format!("{key} = \"a, b,,\""), key, &texts_of(&["a", "b"]));
        check(&format!("{key} = \"\""), key, &texts_of(&[]));
        check(&format!("{key} = []"), key, &texts_of(&[]));
        check(&format!("{key} = [\" a \", \"\"]"), key, &texts_of(&["a"]));
        check_error(
            &format!("{key} = [\"a\", 5]"),
            "Resolve failed to coerce value [a 5] ([]) for field NSQLookupdTCPAddresses - \
             want an array of strings, not of integers",
        );
        check_cause(&format!("{key} = 5"), "want an array of strings, not an integer");
    }

    #[test]
    fn lists_of_numbers_keep_their_order_and_take_integers() {
        let key = "e2e_processing_latency_percentiles";
        check(&format!("{key} = [0.5, 1, 0.99]"), key, &Value::Floats(vec![0.5, 1.0, 0.99]));
        check(&format!("{key} = \"1, 0.99\""), key, &Value::Floats(vec![1.0, 0.99]));
        check(&format!("{key} = \"\""), key, &Value::Floats(vec![]));
        check_error(
            &format!("{key} = [\"a\"]"),
            "Resolve failed to coerce value [a] ([]) for field E2EProcessingLatencyPercentiles - \
             want an array of numbers, not of strings",
        );
        check_cause(&format!("{key} = \"1,x\""), "want numbers with commas between them");
        check_cause(&format!("{key} = [nan]"), "want finite numbers, not NaN");
        check_cause(&format!("{key} = [9000000000]"), "9000000000 is too large");
    }

    #[test]
    fn words_are_checked_first() {
        check("log_level = \"WARN\"", "log_level", &Value::Choice(3));
        check("tls_required = \"tcp-https\"", "tls_required", &Value::Choice(1));
        check("tls_required = 1", "tls_required", &Value::Choice(2));
        check("tls_required = true", "tls_required", &Value::Choice(2));
        check_error("tls_required = \"maybe\"", "failed parsing tls_required maybe");
        check_error("log_level = 2", "failed parsing log_level 2");
        check_error("mem_queue_size = \"a\"\nlog_level = \"bogus\"", "failed parsing log_level bogus");
    }

    #[test]
    fn what_is_not_used_is_told() {
        let text = "node_id = 1\nverbose = true\nmem_queue_sise = 1\nzzz = 1\n[table]\nid = 2\n";
        let (settings, warnings) = load_text(text).unwrap();
        assert_eq!(settings.by_key("id"), Some(&Value::Int(7)));
        let expected = [
            "x.toml: unknown key \"mem_queue_sise\" is ignored; did you mean mem_queue_size?",
            "x.toml: unknown key \"node_id\" is ignored; the key of this option is id",
            "x.toml: unknown key \"table\" is ignored",
            "x.toml: verbose can only be given on the command line, it is ignored in the file",
            "x.toml: unknown key \"zzz\" is ignored",
        ];
        assert_eq!(warnings, expected);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error() {
        let table = table();
        let mut settings = Settings::new(table.iter());
        let flags: Vec<&Flag> = table.iter().collect();
        let error = load("/no/such/file", &flags, &mut settings).unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to load config file /no/such/file - open /no/such/file: no such file or directory"
        );
        let error = load_text("id = 1\nid = 2\n").unwrap_err().to_string();
        assert!(
            error.starts_with("failed to load config file x.toml - toml: line 2: duplicate key"),
            "{error}"
        );
        assert!(!error.contains('\n'));
        assert!(load_text("id = ").is_err());
    }

    #[test]
    fn fields_have_the_names_of_the_reference() {
        for (key, field) in [
            ("id", "ID"),
            ("broadcast_http_port", "BroadcastHTTPPort"),
            ("e2e_processing_latency_window_time", "E2EProcessingLatencyWindowTime"),
            ("nsqlookupd_tcp_addresses", "NSQLookupdTCPAddresses"),
            ("tls_root_ca_file", "TLSRootCAFile"),
            ("statsd_udp_packet_size", "StatsdUDPPacketSize"),
        ] {
            assert_eq!(field_name(key), field);
        }
    }
}
