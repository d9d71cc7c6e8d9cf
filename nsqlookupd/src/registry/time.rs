//! Times, as the registry is given them.

use std::time::Duration;

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Of a clock that only rises. By it things expire, so that a clock that is set makes no node vanish.
    pub mono_ns: u64,
    /// Since 1970, for those who are told.
    pub unix_ns: u64,
}

impl Now {
    /// The time that has passed since `earlier`; zero if that is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.mono_ns.saturating_sub(earlier.mono_ns))
    }
}

/// How long what was said holds.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// So long after IDENTIFY or its last PING a producer is active, this moment included.
    pub inactive_producer_timeout: Duration,
    /// So long a tombstone holds, this moment excluded.
    pub tombstone_lifetime: Duration,
}

impl Lifetimes {
    pub(super) fn is_active(&self, last_update: Now, now: Now) -> bool {
        now.since(last_update) <= self.inactive_producer_timeout
    }

    pub(super) fn holds(&self, tombstoned_at: Now, now: Now) -> bool {
        now.since(tombstoned_at) < self.tombstone_lifetime
    }
}
