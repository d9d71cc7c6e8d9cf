//! Go's conventions for command lines.

use std::ffi::OsString;

use crate::duration;
use crate::quote::Quoted;

use super::number::{IntError, parse_bool, parse_int};
use super::settings::Value;
use super::{Flag, Kind};

/// Why a command line is refused: the line that is printed before the usage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "an error's message is its doc")]
pub enum UsageError {
    #[error("flag provided but not defined: -{name}{}", hint(.nearest.as_ref()))]
    Unknown { name: String, nearest: Option<&'static str> },
    #[error("bad flag syntax: {argument}")]
    Syntax { argument: String },
    #[error("flag needs an argument: -{name}")]
    NoValue { name: &'static str },
    #[error("invalid value {} for flag -{name}: {cause}", Quoted(.value))]
    Value { name: &'static str, value: String, cause: String },
    #[error("invalid boolean value {} for -{name}: {cause}", Quoted(.value))]
    BooleanValue { name: &'static str, value: String, cause: String },
    #[error("unexpected argument {}{}", Quoted(.argument), boolean_hint(.after.as_ref()))]
    Unexpected { argument: String, after: Option<&'static str> },
    #[error("the argument {argument:?} is not UTF-8")]
    NotUtf8 { argument: OsString },
}

fn hint(nearest: Option<&&'static str>) -> String {
    nearest.map(|name| format!("\ndid you mean -{name}?")).unwrap_or_default()
}

fn boolean_hint(after: Option<&&'static str>) -> String {
    after
        .map(|name| format!("; -{name} is a boolean, its value is given as -{name}=false"))
        .unwrap_or_default()
}

/// What a command line asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Parsed {
    /// Print the usage.
    Help,
    /// The flags that were given, by their index in the table, each once.
    Values(Vec<(usize, Value)>),
}

/// The arguments from the first on that is no flag.
#[derive(Debug, PartialEq)]
pub(super) struct Rest {
    pub(super) arguments: Vec<String>,
    /// The boolean flag just before, if it had no value.
    after: Option<&'static str>,
}

impl Rest {
    fn new(first: Option<String>, args: impl Iterator<Item = OsString>, after: Option<&'static str>) -> Self {
        let others = args.map(|argument| argument.to_string_lossy().into_owned());
        Self { arguments: first.into_iter().chain(others).collect(), after }
    }

    /// Nothing may be left.
    pub(super) fn refuse(self) -> Result<(), UsageError> {
        let after = self.after;
        self.arguments
            .into_iter()
            .next()
            .map_or(Ok(()), |argument| Err(UsageError::Unexpected { argument, after }))
    }
}

/// Reads the arguments behind the program's name, up to the first that is no flag.
pub(super) fn parse(
    flags: &[&Flag],
    args: impl IntoIterator<Item = OsString>,
) -> Result<(Parsed, Rest), UsageError> {
    let mut given: Vec<(usize, Value)> = Vec::new();
    let mut args = args.into_iter();
    // A boolean flag without a value, just before: the argument that follows it is probably meant as its value.
    let mut bare_boolean = None;
    while let Some(argument) = args.next().map(utf8).transpose()? {
        if argument == "--" {
            return Ok((Parsed::Values(given), Rest::new(None, args, None)));
        }
        let body = match argument.strip_prefix('-') {
            Some(rest) if !rest.is_empty() => rest.strip_prefix('-').unwrap_or(rest),
            _ => return Ok((Parsed::Values(given), Rest::new(Some(argument), args, bare_boolean))),
        };
        if body.starts_with(['-', '=']) {
            return Err(UsageError::Syntax { argument });
        }
        let (name, value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (body, None),
        };
        let Some(index) = flags.iter().position(|flag| flag.name() == name) else {
            if matches!(name, "h" | "help") {
                return Ok((Parsed::Help, Rest::new(None, std::iter::empty(), None)));
            }
            return Err(UsageError::Unknown { name: name.to_owned(), nearest: nearest(flags, name) });
        };
        let flag = flags[index];
        bare_boolean = (flag.is_boolean() && value.is_none()).then_some(flag.name());
        let text = match value {
            Some(value) => value,
            None if flag.is_boolean() => "true".to_owned(),
            None => args.next().map(utf8).transpose()?.ok_or(UsageError::NoValue { name: flag.name() })?,
        };
        give(&mut given, index, parse_value(flag, text)?);
    }
    Ok((Parsed::Values(given), Rest::new(None, args, None)))
}

/// The last one wins, and lists grow.
fn give(given: &mut Vec<(usize, Value)>, index: usize, value: Value) {
    let Some((_, former)) = given.iter_mut().find(|(other, _)| *other == index) else {
        given.push((index, value));
        return;
    };
    match (former, value) {
        (Value::Texts(texts), Value::Texts(more)) => texts.extend(more),
        (Value::Floats(numbers), Value::Floats(more)) => numbers.extend(more),
        (former, value) => *former = value,
    }
}

fn parse_value(flag: &Flag, text: String) -> Result<Value, UsageError> {
    let parsed = match flag.kind() {
        Kind::Bool => parse_bool(&text).map(Value::Bool).map_err(|_| "parse error".to_owned()),
        Kind::Int => parse_int(&text).map(Value::Int).map_err(|cause| match cause {
            IntError::Syntax => "parse error".to_owned(),
            IntError::Range => "value out of range".to_owned(),
            IntError::LeadingZero => {
                "a leading zero is ambiguous; leave it out, or write 0o for octal".to_owned()
            }
        }),
        Kind::Duration => {
            duration::parse_ns(&text).map(|ns| Value::Duration { ns }).map_err(|_| "parse error".to_owned())
        }
        Kind::Float => match text.parse() {
            Ok(number) => Ok(Value::Float(number)),
            Err(_) => Err("parse error".to_owned()),
        },
        Kind::Text => flag.check(&text).map(|()| Value::Text(text.clone())),
        Kind::Texts => flag.check(&text).map(|()| Value::Texts(vec![text.clone()])),
        Kind::Floats => parse_floats(&text).map(Value::Floats).ok_or_else(|| "parse error".to_owned()),
        Kind::Choice(choice) => (choice.parse)(&text).map(Value::Choice),
    };
    let name = flag.name();
    parsed.map_err(|cause| {
        if flag.is_boolean() {
            UsageError::BooleanValue { name, value: text, cause }
        } else {
            UsageError::Value { name, value: text, cause }
        }
    })
}

/// Numbers with commas between them.
pub(super) fn parse_floats(text: &str) -> Option<Vec<f64>> {
    text.split(',').map(|part| part.trim().parse().ok().filter(|number: &f64| number.is_finite())).collect()
}

/// The time that a comparison takes grows with the length of both names.
const NAME_BYTES_MAX: usize = 100;

/// The name that a mistyped one was probably meant to be. An underscore counts as a dash.
pub fn nearest_name<'a>(names: impl Iterator<Item = &'a str>, given: &str) -> Option<&'a str> {
    if NAME_BYTES_MAX < given.len() {
        return None;
    }
    let plain = |name: &str| name.replace('_', "-").to_ascii_lowercase();
    let given = plain(given);
    let distance = |name: &str| strsim::damerau_levenshtein(&plain(name), &given);
    let (distance, name) = names.map(|name| (distance(name), name)).min_by_key(|(distance, _)| *distance)?;
    // More than a third of the letters wrong is another word.
    (distance * 3 <= name.len()).then_some(name)
}

fn nearest(flags: &[&Flag], given: &str) -> Option<&'static str> {
    nearest_name(flags.iter().map(|flag| flag.name()), given)
}

fn utf8(argument: OsString) -> Result<String, UsageError> {
    argument.into_string().map_err(|argument| UsageError::NotUtf8 { argument })
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;
    use std::time::Duration;

    use super::*;
    use crate::options::{Choice, LEVEL, boolean, choice, duration, float, floats, int, text, texts};

    /// As `tls-required` will be: a boolean with a third value.
    static REQUIRED: Choice = Choice {
        is_boolean: true,
        parse: |word| match word.to_ascii_lowercase().as_str() {
            "tcp-https" => Ok(1),
            word => parse_bool(word).map(|value| if value { 2 } else { 0 }),
        },
    };

    /// As `tls-min-version` will be.
    static TLS_VERSION: Choice = Choice {
        is_boolean: false,
        parse: |word| match word {
            "tls1.0" => Ok(769),
            _ => Err(format!("unknown tlsVersionOption {}", Quoted(word))),
        },
    };

    fn table() -> Vec<Flag> {
        vec![
            boolean("snappy", true, ""),
            boolean("deflate", true, ""),
            int("max-rdy-count", 2500, ""),
            duration("msg-timeout", Duration::from_mins(1), ""),
            text("data-path", "", ""),
            texts("lookupd-tcp-address", ""),
            floats("percentile", ""),
            float("sample", 1.0, ""),
            choice("log-level", &LEVEL, "info", ""),
            choice("tls-required", &REQUIRED, "false", ""),
            choice("tls-min-version", &TLS_VERSION, "tls1.0", ""),
            boolean("worker-id", false, ""),
        ]
    }

    fn parse_args(args: &[&str]) -> Result<Parsed, UsageError> {
        let table = table();
        let (parsed, rest) = parse(&table.iter().collect::<Vec<_>>(), args.iter().map(OsString::from))?;
        rest.refuse().map(|()| parsed)
    }

    /// The values by name, in the order in which they were first given.
    #[track_caller]
    fn check(args: &[&str], expected: &[(&str, Value)]) {
        let Ok(Parsed::Values(given)) = parse_args(args) else { panic!("{:?}", parse_args(args)) };
        let table = table();
        let given: Vec<_> = given.into_iter().map(|(index, value)| (table[index].name(), value)).collect();
        assert_eq!(given, expected, "{args:?}");
    }

    #[track_caller]
    fn check_error(args: &[&str], expected: &str) {
        assert_eq!(parse_args(args).unwrap_err().to_string(), expected, "{args:?}");
    }

    fn texts_of(texts: &[&str]) -> Value {
        Value::Texts(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn one_dash_or_two_and_a_value_behind_a_blank_or_a_sign() {
        let expected = [("max-rdy-count", Value::Int(5))];
        check(&["-max-rdy-count", "5"], &expected);
        check(&["--max-rdy-count", "5"], &expected);
        check(&["-max-rdy-count=5"], &expected);
        check(&["--max-rdy-count=5"], &expected);
        check(&["--max-rdy-count=0x_5", "--"], &expected);
        check(&[], &[]);
        check(&["--data-path="], &[("data-path", Value::Text(String::new()))]);
        check(&["--data-path=a=b"], &[("data-path", Value::Text("a=b".to_owned()))]);
        check(&["--data-path", "-x"], &[("data-path", Value::Text("-x".to_owned()))]);
        check(&["-sample=.25"], &[("sample", Value::Float(0.25))]);
        check(&["--max-rdy-count", "-5"], &[("max-rdy-count", Value::Int(-5))]);
        check(&["--msg-timeout", "1m30s"], &[("msg-timeout", Value::Duration { ns: 90_000_000_000 })]);
    }

    #[test]
    fn a_boolean_takes_a_value_only_behind_a_sign() {
        check(&["-snappy"], &[("snappy", Value::Bool(true))]);
        check(&["-snappy=F"], &[("snappy", Value::Bool(false))]);
        check(
            &["-snappy", "-max-rdy-count=1"],
            &[("snappy", Value::Bool(true)), ("max-rdy-count", Value::Int(1))],
        );
        check(&["-tls-required"], &[("tls-required", Value::Choice(2))]);
        check(&["-tls-required=TCP-https"], &[("tls-required", Value::Choice(1))]);
    }

    #[test]
    fn the_last_value_wins_and_lists_grow() {
        check(&["-max-rdy-count=1", "-max-rdy-count=2"], &[("max-rdy-count", Value::Int(2))]);
        check(
            &["-lookupd-tcp-address=a", "-snappy", "-lookupd-tcp-address", "b,c"],
            &[("lookupd-tcp-address", texts_of(&["a", "b,c"])), ("snappy", Value::Bool(true))],
        );
        check(
            &["-percentile=1,0.99", "-percentile= .5"],
            &[("percentile", Value::Floats(vec![1.0, 0.99, 0.5]))],
        );
    }

    /// `--worker-id 5 --data-path=/d` silently lost the data path.
    #[test]
    fn an_argument_that_is_no_flag_is_an_error() {
        check_error(
            &["--worker-id", "5", "--data-path=/d"],
            "unexpected argument \"5\"; -worker-id is a boolean, its value is given as -worker-id=false",
        );
        check_error(&["--worker-id=true", "5"], "unexpected argument \"5\"");
        check_error(&["-max-rdy-count", "5", "6"], "unexpected argument \"6\"");
        check_error(&["--", "x"], "unexpected argument \"x\"");
        check_error(&["-"], "unexpected argument \"-\"");
        check_error(&[""], "unexpected argument \"\"");
    }

    #[test]
    fn wrong_flags_are_refused_in_the_words_of_the_reference() {
        for (args, expected) in [
            (&["-nope"][..], "flag provided but not defined: -nope"),
            (&["--nope=5"], "flag provided but not defined: -nope"),
            (&["---snappy"], "bad flag syntax: ---snappy"),
            (&["-=5"], "bad flag syntax: -=5"),
            (&["-max-rdy-count"], "flag needs an argument: -max-rdy-count"),
            (&["-msg-timeout=60"], "invalid value \"60\" for flag -msg-timeout: parse error"),
            (&["-max-rdy-count=1e3"], "invalid value \"1e3\" for flag -max-rdy-count: parse error"),
            (&["-sample=x"], "invalid value \"x\" for flag -sample: parse error"),
            (&["-percentile=1,x"], "invalid value \"1,x\" for flag -percentile: parse error"),
            (&["-percentile=NaN"], "invalid value \"NaN\" for flag -percentile: parse error"),
            (
                &["-max-rdy-count", "9223372036854775808"],
                "invalid value \"9223372036854775808\" for flag -max-rdy-count: value out of range",
            ),
            (&["-deflate=maybe"], "invalid boolean value \"maybe\" for -deflate: parse error"),
            (&["--worker-id=5"], "invalid boolean value \"5\" for -worker-id: parse error"),
            (
                &["-tls-required=maybe"],
                "invalid boolean value \"maybe\" for -tls-required: strconv.ParseBool: parsing \"maybe\": invalid syntax",
            ),
            (
                &["-tls-min-version=ssl3.0"],
                "invalid value \"ssl3.0\" for flag -tls-min-version: unknown tlsVersionOption \"ssl3.0\"",
            ),
            (
                &["-log-level", "warning"],
                "invalid value \"warning\" for flag -log-level: \
                 invalid log level 'warning' (debug, info, warn, error, fatal)",
            ),
            (
                &["-max-rdy-count=010"],
                "invalid value \"010\" for flag -max-rdy-count: \
                 a leading zero is ambiguous; leave it out, or write 0o for octal",
            ),
        ] {
            check_error(args, expected);
        }
    }

    #[test]
    fn the_nearest_flag_is_suggested_on_a_line_of_its_own() {
        for (given, near) in [
            ("-msg-timeuot=5s", "msg-timeout"),
            ("--max_rdy_count=1", "max-rdy-count"),
            ("-Snappy", "snappy"),
            ("-lookupd-tcp-addresses=a", "lookupd-tcp-address"),
        ] {
            let name = given.trim_start_matches('-').split('=').next().unwrap();
            let expected = format!("flag provided but not defined: -{name}\ndid you mean -{near}?");
            check_error(&[given], &expected);
        }
        let long = "x".repeat(100_000);
        check_error(&[&format!("-{long}")], &format!("flag provided but not defined: -{long}"));
    }

    #[test]
    fn help_is_asked_for_by_h_and_help() {
        for argument in ["-h", "--h", "-help", "--help", "-help=x"] {
            assert_eq!(parse_args(&["-snappy", argument]), Ok(Parsed::Help));
        }
        check_error(&["-nope", "-h"], "flag provided but not defined: -nope");
    }

    #[test]
    fn an_argument_that_is_not_utf8_is_refused() {
        let table = table();
        let error =
            parse(&table.iter().collect::<Vec<_>>(), [OsString::from_vec(vec![b'-', 0xff])]).unwrap_err();
        assert_eq!(error.to_string(), r#"the argument "-\xFF" is not UTF-8"#);
    }
}
