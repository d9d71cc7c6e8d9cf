//! How far channels may read.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::log::Log;

/// Follows the tail, which stands for "unlimited".
const FOLLOWS: u64 = u64::MAX;

/// The seq up to which a topic's messages have passed to its channels. It follows the tail of the log while the topic
/// has a channel and is not paused; otherwise it stands still.
#[derive(Debug)]
pub(crate) struct FanOut {
    limit: AtomicU64,
    /// Consumers that stand in line at any channel of the topic.
    pub(crate) waiting: AtomicUsize,
}

impl FanOut {
    /// Stands at `seq`.
    pub(crate) fn held_at(seq: u64) -> Self {
        Self { limit: AtomicU64::new(seq), waiting: AtomicUsize::new(0) }
    }

    #[inline]
    pub(crate) fn get(&self, log: &Log) -> u64 {
        self.limit.load(Ordering::Acquire).min(log.tail())
    }

    /// Where it stands, if it does.
    pub(crate) fn held(&self) -> Option<u64> {
        Some(self.limit.load(Ordering::Acquire)).filter(|limit| *limit != FOLLOWS)
    }

    /// Lets it follow the tail.
    pub(crate) fn follow(&self) {
        self.limit.store(FOLLOWS, Ordering::Release);
    }

    /// Lets it stand at `seq`.
    pub(crate) fn hold(&self, seq: u64) {
        self.limit.store(seq, Ordering::Release);
    }
}
