//! How long the disk takes.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

/// Upper bounds in ns.
pub const SYNC_BOUNDS_NS: [u64; 10] = [
    100_000,
    300_000,
    1_000_000,
    3_000_000,
    10_000_000,
    30_000_000,
    100_000_000,
    300_000_000,
    1_000_000_000,
    10_000_000_000,
];

/// Syncs since the start, by how long they took.
#[derive(Debug, Default)]
pub struct SyncTimes {
    buckets: [AtomicU64; SYNC_BOUNDS_NS.len() + 1],
    sum_ns: AtomicU64,
}

impl SyncTimes {
    /// Runs a sync and counts it.
    pub fn time<T>(&self, sync: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let result = sync();
        let ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let bucket = SYNC_BOUNDS_NS.iter().position(|bound| ns <= *bound).unwrap_or(SYNC_BOUNDS_NS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(ns, Ordering::Relaxed);
        result
    }

    /// Counts by [`SYNC_BOUNDS_NS`], each without those below, last those that took longer than any; and the sum, in ns.
    pub fn read(&self) -> ([u64; SYNC_BOUNDS_NS.len() + 1], u64) {
        let counts = std::array::from_fn(|bucket| self.buckets[bucket].load(Ordering::Relaxed));
        (counts, self.sum_ns.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sync_is_counted_once() {
        let times = SyncTimes::default();
        assert_eq!(times.time(|| 7), 7);
        times.time(|| std::thread::sleep(std::time::Duration::from_millis(1)));
        let (counts, sum_ns) = times.read();
        assert_eq!(counts.iter().sum::<u64>(), 2);
        assert!(1_000_000 <= sum_ns && counts[0] + counts[1] + counts[2] <= 1, "{counts:?}");
    }
}
