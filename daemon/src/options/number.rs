//! Integers and booleans as Go reads them.

use crate::quote::Quoted;

/// Why a text is not an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IntError {
    Syntax,
    Range,
    /// Read as octal by the reference, as decimal by most people.
    LeadingZero,
}

/// An integer of the command line: a sign, then decimal digits or `0x`, `0o`, `0b` and theirs, with single underscores
/// between digits.
pub(super) fn parse_int(text: &str) -> Result<i64, IntError> {
    let (sign, magnitude) = match text.as_bytes().first() {
        Some(b'-') => ("-", &text[1..]),
        Some(b'+') => ("", &text[1..]),
        _ => ("", text),
    };
    let prefix = magnitude.get(..2).unwrap_or_default().to_ascii_lowercase();
    let (radix, digits) = match prefix.as_str() {
        "0x" => (16, &magnitude[2..]),
        "0o" => (8, &magnitude[2..]),
        "0b" => (2, &magnitude[2..]),
        _ => (10, magnitude),
    };
    // An underscore may follow the prefix and stand between digits, one at a time.
    let digits_after_prefix = if radix == 10 { digits } else { digits.strip_prefix('_').unwrap_or(digits) };
    let are_digits = digits_after_prefix
        .split('_')
        .all(|run| !run.is_empty() && run.bytes().all(|b| char::from(b).is_digit(radix)));
    if !are_digits {
        return Err(IntError::Syntax);
    }
    if radix == 10 && digits.len() > 1 && digits.starts_with('0') {
        return Err(IntError::LeadingZero);
    }
    let plain = format!("{sign}{}", digits_after_prefix.replace('_', ""));
    i64::from_str_radix(&plain, radix).map_err(|_| IntError::Range)
}

/// An integer in a string of the configuration file: decimal digits only. The error is worded as in the reference.
pub(super) fn parse_decimal(text: &str) -> Result<i64, String> {
    let error = |cause: &str| format!("strconv.ParseInt: parsing {}: {cause}", Quoted(text));
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(error("invalid syntax"));
    }
    text.parse().map_err(|_| error("value out of range"))
}

/// A boolean, on the command line and in a string of the file. The error is worded as in the reference.
pub(super) fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {}: invalid syntax", Quoted(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<i64, IntError>) {
        assert_eq!(parse_int(text), expected, "{text}");
    }

    #[test]
    fn integers_are_read_in_every_base() {
        for (text, value) in [
            ("0", 0),
            ("42", 42),
            ("-42", -42),
            ("+42", 42),
            ("0x10", 16),
            ("0X1f", 31),
            ("-0x10", -16),
            ("0b11", 3),
            ("0o7", 7),
            ("1_000", 1000),
            ("0x_ff_ff", 65535),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            check(text, Ok(value));
        }
    }

    #[test]
    fn what_is_no_integer_is_refused() {
        for text in
            ["", "-", "1e3", "1.0", " 1", "1_", "_1", "1__0", "0x", "0x__1", "0b2", "0o8", "--1", "+-1", "ä"]
        {
            check(text, Err(IntError::Syntax));
        }
        check("9223372036854775808", Err(IntError::Range));
        check("-9223372036854775809", Err(IntError::Range));
        check("0xffffffffffffffff", Err(IntError::Range));
    }

    /// `010` means 8 to the reference.
    #[test]
    fn a_leading_zero_is_refused() {
        for text in ["010", "00", "-01", "0_1"] {
            check(text, Err(IntError::LeadingZero));
        }
    }

    #[test]
    fn strings_of_the_file_are_decimal() {
        assert_eq!(parse_decimal("42"), Ok(42));
        assert_eq!(parse_decimal("-010"), Ok(-10));
        for text in ["a", "", "0x10", "1_000", "1.5", "+-1"] {
            let expected = format!("strconv.ParseInt: parsing \"{text}\": invalid syntax");
            assert_eq!(parse_decimal(text), Err(expected));
        }
        let expected = r#"strconv.ParseInt: parsing "9223372036854775808": value out of range"#;
        assert_eq!(parse_decimal("9223372036854775808"), Err(expected.to_owned()));
    }

    #[test]
    fn booleans_have_six_spellings_each() {
        for text in ["1", "t", "T", "true", "TRUE", "True"] {
            assert_eq!(parse_bool(text), Ok(true));
        }
        for text in ["0", "f", "F", "false", "FALSE", "False"] {
            assert_eq!(parse_bool(text), Ok(false));
        }
        for text in ["yes", "on", "", "tRUE", " true", "2"] {
            assert!(parse_bool(text).is_err(), "{text}");
        }
    }
}
