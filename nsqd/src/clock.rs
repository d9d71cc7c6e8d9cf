//! The clocks. Core code is given the time; only the shell reads it, once a batch.

use std::time::{SystemTime, UNIX_EPOCH};

/// Wall time: what is kept on the disk and shown. May be set back and forth.
pub(crate) fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Wall time in whole seconds.
pub(crate) fn unix_seconds() -> i64 {
    i64::try_from(unix_ns() / 1_000_000_000).unwrap_or(i64::MAX)
}

/// A clock that only rises, in ns since the first call. For deadlines that do not outlive the process.
pub(crate) fn mono_ns() -> u64 {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Seconds of unix time as RFC 3339 in the local zone.
pub(crate) fn rfc_3339(unix: i64) -> String {
    let zoned = jiff::Timestamp::from_second(unix).map(|time| time.to_zoned(jiff::tz::TimeZone::system()));
    zoned.map_or_else(
        |_| String::new(),
        |zoned| zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string().replace("+00:00", "Z"),
    )
}
