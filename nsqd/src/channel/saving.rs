//! A channel's way to its checkpoint and back.

use std::sync::Arc;

use super::{
    channel::{Channel, Setup},
    checkpoint::{Checkpoint, write_atomically},
    skips::Skips,
    state::State,
};

impl Channel {
    /// A channel as it was at its last checkpoint, which is `exact` if nothing happened after it.
    pub(crate) fn restore(setup: Setup, checkpoint: Checkpoint, exact: bool) -> Arc<Self> {
        let Checkpoint { paused, mut window, cursor, mut skipped, requeued, deferred } = checkpoint;
        // What was finished after the checkpoint may be gone with its segment: it neither waits nor counts.
        let gaps = if exact { Vec::new() } else { setup.log.gaps(window.low_water()) };
        let changed = !gaps.is_empty();
        for (from, to) in gaps {
            window.acknowledge_range(from, to.min(cursor));
            if cursor < to {
                skipped.push((from.max(cursor), to));
            }
        }
        skipped.sort_unstable();
        let skips = Skips::new(setup.bound, cursor, skipped);
        let state = State::restore(window, cursor, skips, requeued, deferred);
        let counted_from = setup.fan_out.get(&setup.log);
        // What else the checkpoint does not say comes of it in the same way at the next start.
        Self::with_state(setup, state, paused, counted_from, changed)
    }

    /// Writes the checkpoint if anything changed since the last one. For the storage thread, or before the channel
    /// is known to anybody.
    ///
    /// # Errors
    /// The old checkpoint stays; it is tried again at the next change.
    pub(crate) fn save(&self, sync: bool) -> std::io::Result<()> {
        let Some(path) = &self.setup.path else { return Ok(()) };
        let _one_at_a_time = self.saving.lock();
        let checkpoint = {
            let mut inner = self.inner.lock();
            if !inner.changed || inner.exiting {
                return Ok(());
            }
            inner.changed = false;
            Checkpoint {
                paused: inner.paused,
                window: inner.state.window().clone(),
                cursor: inner.state.cursor(),
                skipped: inner.state.skips().ranges().collect(),
                requeued: inner.state.requeued().collect(),
                deferred: inner.state.deferred().collect(),
            }
        };
        write_atomically(path, &checkpoint.encode(), sync).inspect_err(|_| self.inner.lock().changed = true)
    }

    /// As [`Channel::save`], also if nothing changed.
    ///
    /// # Errors
    /// The checkpoint cannot be written.
    pub(crate) fn save_again(&self, sync: bool) -> std::io::Result<()> {
        self.inner.lock().changed = true;
        self.save(sync)
    }

    /// Removes the checkpoint of a deleted channel.
    pub(crate) fn remove_file(&self) -> std::io::Result<()> {
        match &self.setup.path {
            Some(path) => std::fs::remove_file(path),
            None => Ok(()),
        }
    }
}
