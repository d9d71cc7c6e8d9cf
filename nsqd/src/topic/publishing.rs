//! Publishing to a topic.

use std::sync::atomic::{Ordering, fence};

use super::{
    commit::{Committed, Waiters},
    publish_error::PublishError,
    topic::Topic,
};
use crate::log::{Storage, SyncFailed};

/// From the message that makes a sync due to the sync: at full speed the next thousands are covered by it too. OK does
/// not wait for it.
const SYNC_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

impl Topic {
    /// Publishes a batch, all or nothing, and returns its seqs, from and behind. `body_bytes` is the sum of the bodies'
    /// sizes.
    ///
    /// # Errors
    /// [`PublishError`]; nothing was stored.
    pub(crate) fn publish<'a>(
        &self,
        bodies: impl Iterator<Item = &'a [u8]>,
        messages: usize,
        body_bytes: usize,
        deadline_unix_ns: Option<u64>,
        now_unix_ns: u64,
    ) -> Result<(u64, u64), PublishError> {
        if self.is_exiting() {
            return Err(PublishError::Exiting);
        }
        let gate = self.pass_gate(messages, now_unix_ns)?;
        let accepted = self.room_for(messages);
        let mut seqs = (0, 0);
        if accepted != 0 {
            let now = i64::try_from(now_unix_ns).unwrap_or(i64::MAX);
            let (bodies, accepted_bytes) = (bodies.take(accepted), body_bytes);
            let tail = if accepted == messages {
                self.log.append(bodies, messages, accepted_bytes, deadline_unix_ns, now)?
            } else {
                let kept: Vec<&[u8]> = bodies.collect();
                let bytes = kept.iter().map(|body| body.len()).sum();
                self.log.append(kept.into_iter(), accepted, bytes, deadline_unix_ns, now)?
            };
            // The wake-up takes locks that those who change policies hold.
            drop(gate);
            // Pairs with the fence of a consumer that joins the line: it sees the message, or this sees the line.
            fence(Ordering::SeqCst);
            if self.fan_out.waiting.load(Ordering::Relaxed) != 0 {
                self.wake_consumers();
            }
            self.note_publish(tail);
            seqs = (tail - accepted as u64, tail);
        }
        self.trim(now_unix_ns);
        self.message_count.fetch_add(messages as u64, Ordering::Relaxed);
        self.message_bytes.fetch_add(body_bytes as u64, Ordering::Relaxed);
        Ok(seqs)
    }

    /// What to wait for until the messages `from..to`, just published, are on the disk; `None` if their publisher is not
    /// to wait: see [`Topic::waits_for_disk`].
    pub(crate) fn commit(&self, from: u64, to: u64) -> Option<Committed> {
        let commits = self.environment.commits.as_ref().filter(|_| self.waits_for_disk())?;
        Some(commits.ask(self.me.upgrade()?, from, to))
    }

    pub(super) fn storage(&self) -> &Storage {
        &self.environment.storage
    }

    /// Seq up to which its messages have passed to the channels.
    pub(super) fn fan_out(&self) -> u64 {
        self.fan_out.get(&self.log)
    }

    pub(super) fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    /// See [`Log::is_durable`].
    pub(super) fn is_durable(&self, from: u64, to: u64) -> Result<(), SyncFailed> {
        self.log.is_durable(from, to)
    }

    /// How many of so many messages an ephemeral topic keeps: beyond its bound the newest are dropped, as in NSQ.
    fn room_for(&self, messages: usize) -> usize {
        if self.folder.is_some() {
            return messages;
        }
        let Some(held) = self.fan_out.held() else { return messages };
        let depth = self.log.tail().saturating_sub(held);
        let room = self.environment.ephemeral_depth_max.saturating_sub(depth);
        messages.min(usize::try_from(room).unwrap_or(usize::MAX))
    }

    pub(super) fn wake_consumers(&self) {
        for channel in &self.inner.read().channels {
            channel.wake_first();
        }
    }

    #[inline]
    fn note_publish(&self, tail: u64) {
        self.note_change();
        if self.folder.is_some() {
            let unsynced = tail - self.synced_tail.load(Ordering::Relaxed).min(tail);
            if self.environment.sync_every <= unsynced && !self.sync_asked.load(Ordering::Relaxed) {
                self.ask_for_sync();
            }
        } else if self.settled_tail.load(Ordering::Relaxed) + self.environment.ephemeral_depth_max < tail {
            self.settled_tail.store(tail, Ordering::Relaxed);
            self.settle();
        }
    }

    /// Has syncs and checkpoints made within the sync interval.
    #[inline]
    pub(crate) fn note_change(&self) {
        if !self.is_dirty.load(Ordering::Relaxed)
            && let Some(me) = self.me.upgrade()
        {
            self.environment.housekeeping.note(me);
        }
    }

    #[cold]
    fn ask_for_sync(&self) {
        let Some(me) = self.me.upgrade() else { return };
        if !self.sync_asked.swap(true, Ordering::Relaxed) {
            let asked = self.environment.storage.run_after(SYNC_PAUSE, move || {
                me.sync_log();
                me.sync_asked.store(false, Ordering::Relaxed);
            });
            if !asked {
                self.sync_asked.store(false, Ordering::Relaxed);
            }
        }
    }
}
