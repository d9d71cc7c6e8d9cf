//! The clocks. The registry is given the time; only the shell reads it, once a batch.

use std::{
    sync::LazyLock,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use crate::registry::Now;

/// The time.
pub(crate) fn now() -> Now {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now {
        mono_ns: u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX),
        unix_ns: u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX),
    }
}
