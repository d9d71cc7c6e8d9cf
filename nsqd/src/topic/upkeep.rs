//! What is done to a topic at leisure: syncs, checkpoints, giving room back.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use tracing::error;

use super::topic::Topic;
use crate::{channel::Channel, clock, log::Log};

/// Messages of a segment that are looked at for compaction, at most.
const COMPACTED_MAX: usize = 1 << 16;

impl Topic {
    /// On the storage thread: waits until what was published is on the disk.
    pub(super) fn sync_log(&self) {
        let tail = self.log.tail();
        if let Err(cause) = self.log.sync() {
            error!(topic = %self.name, %cause, "sync failed; the segment takes no more messages, see /ping");
        }
        self.synced_tail.store(tail, Ordering::Relaxed);
    }

    /// Like [`Topic::sync_log`], after something else has brought it to the disk.
    pub(super) fn note_synced(&self, tail: u64) {
        self.synced_tail.store(tail, Ordering::Relaxed);
        self.log.note_synced(tail);
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    pub(super) fn tail(&self) -> u64 {
        self.log.tail()
    }

    /// Lets channels drop what is too much or too old, and gives segments back. Is asked for again while messages wait that
    /// grow old.
    pub(super) fn settle(&self) {
        let now = clock::unix_ns();
        let mut grows_old = false;
        for channel in &self.inner.read().channels {
            channel.settle();
            grows_old |= channel.enforce(now);
        }
        self.release();
        if grows_old {
            self.note_change();
        }
    }

    /// Gives segments back that no channel needs.
    pub(crate) fn release(&self) {
        let channels = self.inner.read().channels.clone();
        let fan_out = self.fan_out.get(&self.log);
        self.log.release(clock::unix_ns(), |base, tail| {
            // Beyond the fan-out a message waits for channels to come; below it, for those that are there.
            fan_out < tail || channels.iter().any(|channel| channel.needs(base, tail))
        });
    }

    /// Whether it has more than the segment that is written to.
    pub(super) fn has_old_segments(&self) -> bool {
        !self.is_exiting() && 1 < self.log.segments()
    }

    /// On the storage thread: gives the room back that old segments take for a few messages.
    pub(super) fn compact(&self, now_unix_ns: u64) {
        if self.is_exiting() {
            return;
        }
        let fan_out = self.fan_out.get(&self.log);
        let channels = self.inner.read().channels.clone();
        let needed = |base, tail| {
            let mut all = BTreeSet::new();
            for channel in (tail <= fan_out).then_some(&channels)? {
                all.extend(channel.outstanding(base, tail, COMPACTED_MAX)?);
            }
            (all.len() <= COMPACTED_MAX).then(|| all.into_iter().collect())
        };
        if let Err(cause) = self.log.compact(now_unix_ns, needed) {
            error!(topic = %self.name, %cause, "cannot compact old segments; it is tried again");
        }
    }

    /// On the storage thread: writes what changed of its channels and of itself.
    pub(super) fn save(&self, sync: bool) {
        if self.is_exiting() {
            return;
        }
        for damage in self.log.take_damage() {
            self.environment.alarms.raise_damage(self.name.as_str(), &damage);
        }
        self.bury_all();
        for channel in self.inner.read().channels.clone() {
            if let Err(cause) = channel.save(sync) {
                let channel = channel.name();
                error!(topic = %self.name, %channel, %cause, "cannot write a checkpoint; it is tried again");
                self.note_change();
            }
        }
    }

    /// Writes one channel's checkpoint now, so that a killed process remembers it.
    pub(crate) fn save_channel(&self, channel: &Channel) {
        if let Err(cause) = channel.save(false) {
            error!(topic = %self.name, channel = %channel.name(), %cause, "cannot write a channel's checkpoint; it is tried again");
            self.note_change();
        }
    }
}
