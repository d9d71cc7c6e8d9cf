//! Durations as Go writes them: `1h30m`, `250ms`, `1.5s`.

use std::{fmt::Write, time::Duration};

use protocol::quote;

const NS_PER_US: u64 = 1_000;
const NS_PER_MS: u64 = 1_000_000;
const NS_PER_S: u64 = 1_000_000_000;
/// Digits behind the point beyond these are below a nanosecond in every unit.
const FRACTION_DIGITS_MAX: usize = 18;

/// Reads a duration, as nanoseconds.
///
/// # Errors
/// Go's text.
pub(super) fn parse_ns(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quoted(text));
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (whole, after) = split_digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), split_digits);
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", quoted(text)));
        }
        let Some(unit_ns) = unit_ns(unit) else {
            return Err(format!("time: unknown unit {} in duration {}", quoted(unit), quoted(text)));
        };
        total += part_ns(whole, fraction, unit_ns).ok_or_else(invalid)?;
        if i128::from(i64::MAX) < total {
            return Err(invalid());
        }
        rest = after;
    }
    i64::try_from(if is_negative { -total } else { total }).map_err(|_| invalid())
}

/// Writes a duration: `1h0m0s`, `1m30s`, `2.5s`, `250ms`, `0s`.
pub(crate) fn format(duration: Duration) -> String {
    format_ns(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}

/// [`format()`] for a signed count of nanoseconds.
pub(super) fn format_ns(ns: i64) -> String {
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

/// Text as Go quotes it.
pub(super) fn quoted(text: &str) -> String {
    quote(text.as_bytes())
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
fn part_ns(whole: &str, fraction: &str, unit_ns: u64) -> Option<i128> {
    let unit_ns = i128::from(unit_ns);
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = fraction.get(..FRACTION_DIGITS_MAX).unwrap_or(fraction);
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let fraction: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let ns = whole.checked_mul(unit_ns)?.checked_add(fraction * unit_ns / scale)?;
    (ns <= i128::from(i64::MAX)).then_some(ns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: i64 = 1_000_000_000;

    #[track_caller]
    fn check(text: &str, expected: Result<i64, &str>) {
        assert_eq!(parse_ns(text), expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn numbers_with_units_add_up() {
        check("1m30s", Ok(90 * S));
        check("1.5h", Ok(5400 * S));
        check(".5s", Ok(S / 2));
        check("100µs", Ok(100_000));
        check("0", Ok(0));
        check("-1m", Ok(-60 * S));
    }

    #[test]
    fn what_is_no_duration_is_refused_in_go_s_words() {
        check("abc", Err(r#"time: invalid duration "abc""#));
        check("", Err(r#"time: invalid duration """#));
        check("5", Err(r#"time: missing unit in duration "5""#));
        check("1d", Err(r#"time: unknown unit "d" in duration "1d""#));
        check("2562048h", Err(r#"time: invalid duration "2562048h""#));
    }

    proptest! {
        #[test]
        fn durations_survive_the_round_trip(ns in -i64::MAX..i64::MAX) {
            prop_assert_eq!(parse_ns(&format_ns(ns)), Ok(ns));
        }

        #[test]
        fn no_text_panics(text in "[-+]?[0-9.]{0,30}[a-zµ.0-9]{0,6}") {
            let _ = parse_ns(&text);
        }
    }
}
