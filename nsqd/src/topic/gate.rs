//! What a publish has to pass.

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicU64, Ordering},
};

use parking_lot::Mutex;

use crate::channel::Channel;

/// Publishes may be refused.
pub(super) const REFUSES: u8 = 1;
/// Channels may drop messages because of a publish.
pub(super) const TRIMS: u8 = 2;
/// OK waits for the disk.
pub(super) const WAITS: u8 = 4;

/// What a publish has to look at.
#[derive(Debug, Default)]
pub(super) struct Gate {
    flags: AtomicU8,
    /// Held from the look to the publish, so that several publishers do not fill the same place.
    pub(super) limits: Mutex<GateLimits>,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct GateLimits {
    /// Of the messages that wait in the topic itself, while they do not pass to channels.
    pub(super) own: Option<u64>,
    pub(super) channels: Vec<(Arc<Channel>, u64)>,
}

impl Gate {
    /// Before the first policy is applied.
    pub(super) fn new(waits_for_disk: bool) -> Self {
        let gate = Self::default();
        gate.flags.store(if waits_for_disk { WAITS } else { 0 }, Ordering::Relaxed);
        gate
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags.load(Ordering::Relaxed) & flag != 0
    }

    pub(super) fn set(&self, flags: u8) {
        self.flags.store(flags, Ordering::Relaxed);
    }

    pub(super) fn note_refused(&self, messages: u64) {
        self.refused.fetch_add(messages, Ordering::Relaxed);
    }

    /// Messages that were refused since the start.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}
