//! Durations as NSQ writes and reads them: `1m30s`, `1.5h`, `250ms`.
//!
//! A value is a signed count of nanoseconds in an `i64`; statistics print it with [`format()`], flags and files are read
//! with [`parse_ns`].

use std::fmt::Write;
use std::time::Duration;

use crate::quote::Quoted;

const NS_PER_US: u64 = 1_000;
const NS_PER_MS: u64 = 1_000_000;
const NS_PER_S: u64 = 1_000_000_000;

/// Why a text is not a duration. The texts are the reference's, which end up in start errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "an error's message is its doc")]
pub enum DurationError {
    #[error("time: invalid duration {}", Quoted(.text))]
    Invalid { text: String },
    #[error("time: missing unit in duration {}", Quoted(.text))]
    MissingUnit { text: String },
    #[error("time: unknown unit {} in duration {}", Quoted(.unit), Quoted(.text))]
    UnknownUnit { unit: String, text: String },
}

/// Reads a duration and returns it in nanoseconds.
///
/// An optional sign, then decimal numbers with their units, from `ns us µs ms s m h`; `0` alone needs no unit. What is
/// finer than a nanosecond is cut off.
///
/// # Errors
/// [`DurationError`], also if the value does not fit.
pub fn parse_ns(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid { text: text.to_owned() };
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let limit = u128::from(i64::MIN.unsigned_abs());
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (whole, after_whole) = split_digits(rest);
        let (fraction, after_number) = match after_whole.strip_prefix('.') {
            Some(after_point) => split_digits(after_point),
            None => ("", after_whole),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_end =
            after_number.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after_number.len());
        let (unit, after_unit) = after_number.split_at(unit_end);
        if unit.is_empty() {
            return Err(DurationError::MissingUnit { text: text.to_owned() });
        }
        let Some(unit_ns) = unit_ns(unit) else {
            return Err(DurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() });
        };
        total += part_ns(whole, fraction, unit_ns).filter(|ns| *ns <= limit).ok_or_else(invalid)?;
        if limit < total {
            return Err(invalid());
        }
        rest = after_unit;
    }
    let signed = i128::try_from(total).map_err(|_| invalid())?;
    i64::try_from(if negative { -signed } else { signed }).map_err(|_| invalid())
}

/// Writes a duration: `1h0m0s`, `1m30s`, `2.5s`, `250ms`, `1.738µs`, `0s`.
///
/// What does not fit in an `i64` of nanoseconds (292 years) is shown as that limit.
pub fn format(duration: Duration) -> String {
    format_ns(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}

/// [`format()`] for a signed count of nanoseconds.
pub fn format_ns(ns: i64) -> String {
    let mut out = String::with_capacity(16);
    if ns < 0 {
        out.push('-');
    }
    let magnitude = ns.unsigned_abs();
    match magnitude {
        0 => out.push_str("0s"),
        1..NS_PER_US => push_decimal(&mut out, magnitude, 1, "ns"),
        NS_PER_US..NS_PER_MS => push_decimal(&mut out, magnitude, NS_PER_US, "µs"),
        NS_PER_MS..NS_PER_S => push_decimal(&mut out, magnitude, NS_PER_MS, "ms"),
        NS_PER_S.. => {
            let minutes = magnitude / (60 * NS_PER_S);
            if 60 <= minutes {
                push_decimal(&mut out, minutes / 60, 1, "h");
            }
            if 1 <= minutes {
                push_decimal(&mut out, minutes % 60, 1, "m");
            }
            push_decimal(&mut out, magnitude % (60 * NS_PER_S), NS_PER_S, "s");
        }
    }
    out
}

/// Appends `value / unit` as a decimal number without trailing zeros, then the unit's name.
fn push_decimal(out: &mut String, value: u64, unit: u64, name: &str) {
    let digits = unit.ilog10() as usize;
    write!(out, "{}", value / unit).expect("a String takes everything");
    let fraction = value % unit;
    if fraction != 0 {
        let fraction = format!("{fraction:0digits$}");
        out.push('.');
        out.push_str(fraction.trim_end_matches('0'));
    }
    out.push_str(name);
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn unit_ns(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // U+00B5 is the micro sign, U+03BC the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => NS_PER_US,
        "ms" => NS_PER_MS,
        "s" => NS_PER_S,
        "m" => 60 * NS_PER_S,
        "h" => 3600 * NS_PER_S,
        _ => return None,
    })
}

/// `whole.fraction` times the unit; `None` if it is out of any range.
fn part_ns(whole: &str, fraction: &str, unit_ns: u64) -> Option<u128> {
    // Digits behind the eighteenth are below a nanosecond even for hours, and 10^18 × 3.6 × 10^12 fits.
    const FRACTION_DIGITS_MAX: usize = 18;
    let unit_ns = u128::from(unit_ns);
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = &fraction[..fraction.len().min(FRACTION_DIGITS_MAX)];
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    whole.checked_mul(unit_ns)?.checked_add(fraction * unit_ns / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    #[track_caller]
    fn check(text: &str, ns: i64) {
        assert_eq!(parse_ns(text), Ok(ns), "{text}");
    }

    #[track_caller]
    fn check_error(text: &str, expected: &str) {
        assert_eq!(parse_ns(text).unwrap_err().to_string(), expected);
    }

    #[track_caller]
    fn check_format(ns: i64, expected: &str) {
        assert_eq!(format_ns(ns), expected);
        assert_eq!(parse_ns(expected), Ok(ns));
    }

    #[test]
    fn numbers_with_units_add_up() {
        check("1m30s", 90 * S);
        check("1.5h", 5400 * S);
        check(".5s", S / 2);
        check("5.s", 5 * S);
        check("250ms", S / 4);
        check("100us", 100_000);
        check("100µs", 100_000);
        check("100μs", 100_000);
        check("7ns", 7);
        check("0", 0);
        check("-0", 0);
        check("+5s", 5 * S);
        check("-1m", -60 * S);
        check("1h1h", 7200 * S);
        check("0.0000000019s", 1);
        check("0.100000000000000000000s", S / 10);
        check("9223372036854775807ns", i64::MAX);
        check("-9223372036854775808ns", i64::MIN);
    }

    #[test]
    fn what_is_no_duration_is_refused_in_the_words_of_the_reference() {
        check_error("abc", r#"time: invalid duration "abc""#);
        check_error("", r#"time: invalid duration """#);
        check_error("-", r#"time: invalid duration "-""#);
        check_error(".s", r#"time: invalid duration ".s""#);
        check_error("5", r#"time: missing unit in duration "5""#);
        check_error("1m5", r#"time: missing unit in duration "1m5""#);
        check_error("1d", r#"time: unknown unit "d" in duration "1d""#);
        check_error("1 s", r#"time: unknown unit " s" in duration "1 s""#);
        check_error("9223372036854775808ns", r#"time: invalid duration "9223372036854775808ns""#);
        check_error("2562048h", r#"time: invalid duration "2562048h""#);
        check_error(&"9".repeat(60), &format!("time: missing unit in duration \"{}\"", "9".repeat(60)));
        let long = format!("{}h", "9".repeat(60));
        check_error(&long, &format!("time: invalid duration \"{long}\""));
        check_error("s\n", r#"time: invalid duration "s\n""#);
    }

    #[test]
    fn durations_print_as_in_the_reference() {
        check_format(0, "0s");
        check_format(1, "1ns");
        check_format(1_738, "1.738µs");
        check_format(1_100, "1.1µs");
        check_format(25_000_000, "25ms");
        check_format(1_000_001, "1.000001ms");
        check_format(S, "1s");
        check_format(S + 1, "1.000000001s");
        check_format(60 * S, "1m0s");
        check_format(90 * S + S / 2, "1m30.5s");
        check_format(3600 * S, "1h0m0s");
        check_format(100 * 3600 * S + 5 * 60 * S, "100h5m0s");
        check_format(-1_500_000, "-1.5ms");
        check_format(i64::MAX, "2562047h47m16.854775807s");
        check_format(i64::MIN, "-2562047h47m16.854775808s");
        assert_eq!(format(Duration::from_millis(1500)), "1.5s");
        assert_eq!(format(Duration::MAX), format_ns(i64::MAX));
    }
}
