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
