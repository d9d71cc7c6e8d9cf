//! What the threads of one run share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;

use anyhow::Result;

/// Progress of a run, and the wish to end it early.
#[derive(Debug, Default, Clone)]
pub(crate) struct Run {
    done: Arc<AtomicU64>,
    failed: Arc<AtomicBool>,
}

impl Run {
    /// Counts messages that are through. Once per batch.
    pub(crate) fn add_done(&self, messages: u64) {
        self.done.fetch_add(messages, Ordering::Relaxed);
    }

    /// Messages that are through.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Whether some thread failed, so that the others should end.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Passes `result` on; a failure ends the other threads at their next look.
    pub(crate) fn watch<T>(&self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        result
    }
}

/// Waits for all threads, then gives their results or the first failure.
pub(crate) fn join_all<T>(threads: Vec<ScopedJoinHandle<'_, Result<T>>>) -> Result<Vec<T>> {
    let results: Vec<_> =
        threads.into_iter().map(|thread| thread.join().expect("a panic aborts the process")).collect();
    results.into_iter().collect()
}
