//! A line of the log in NSQ's format.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Level;
use super::bounded::{Bounded, LINE_BYTES_MAX};
use super::fields::Fields;

/// Local time. The zone (`TZ`, or the system's) is looked up once.
#[derive(Debug, Clone)]
pub(crate) struct Clock(TimeZone);

impl Clock {
    pub(crate) fn local() -> Self {
        Self(TimeZone::system())
    }

    #[cfg(test)]
    pub(crate) fn in_zone(name: &str) -> Self {
        Self(TimeZone::posix(name).unwrap())
    }

    /// `2026/11/20 21:22:44`.
    pub(crate) fn seconds(&self, now: Timestamp) -> String {
        let time = self.0.to_datetime(now);
        format!(
            "{:04}/{:02}/{:02} {:02}:{:02}:{:02}",
            time.year(),
            time.month(),
            time.day(),
            time.hour(),
            time.minute(),
            time.second()
        )
    }
}

/// What every line begins with: `<prefix>2026/11/20 21:22:44.003666 INFO: `.
pub(crate) fn start(prefix: &str, clock: &Clock, now: Timestamp, level: Level) -> String {
    let micros = now.subsec_nanosecond().rem_euclid(1_000_000_000) / 1_000;
    format!("{prefix}{}.{micros:06} {}: ", clock.seconds(now), level.label())
}

/// What a utility's own lines begin with: `2026/11/20 21:22:44 `.
pub(super) fn plain_start(clock: &Clock, now: Timestamp) -> String {
    format!("{} ", clock.seconds(now))
}

/// What the lines of NSQ's client library begin with: `2026/11/20 21:22:44 INF  `, before a number of three digits.
pub(super) fn library_start(clock: &Clock, now: Timestamp, level: Level) -> String {
    format!("{} {:<4} ", clock.seconds(now), level.short_label())
}

/// A line of NSQ's: the text, and behind it ` key=value` for each field.
pub(super) fn line(start: String, fields: &Fields) -> String {
    let mut line = Bounded::new(start, LINE_BYTES_MAX);
    line.push_escaped(&fields.text);
    for (name, value) in &fields.values {
        line.push_escaped(" ");
        line.push_escaped(name);
        line.push_escaped("=");
        line.push_value(&value.to_string());
    }
    line.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_as_in_nsq() {
        let now: Timestamp = "2026-11-20T21:22:44.003666999Z".parse().unwrap();
        let utc = start("[nsqd] ", &Clock::in_zone("UTC0"), now, Level::Info);
        assert_eq!(utc, "[nsqd] 2026/11/20 21:22:44.003666 INFO: ");
        let winter = start("", &Clock::in_zone("CET-1CEST,M3.5.0,M10.5.0/3"), now, Level::Warn);
        assert_eq!(winter, "2026/11/20 22:22:44.003666 WARNING: ");
        let clock = Clock::in_zone("UTC0");
        assert_eq!(plain_start(&clock, now), "2026/11/20 21:22:44 ");
        assert_eq!(library_start(&clock, now, Level::Warn), "2026/11/20 21:22:44 WRN  ");
    }
}
