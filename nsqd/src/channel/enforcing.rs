//! A channel applies its rules by itself.

use std::sync::atomic::Ordering;

use super::{
    channel::{Channel, Inner},
    rules::Rules,
    state::Pending,
};
use crate::log::{Log, Run};

/// Messages that are to go elsewhere; in flight until then.
#[derive(Debug)]
pub(crate) struct Dead {
    pub(crate) epoch: u32,
    pub(crate) messages: Vec<(Pending, Run)>,
}

impl Channel {
    /// Applies these from now on, also to the messages that are there.
    pub(crate) fn set_rules(&self, rules: Rules, now_unix_ns: u64) {
        let mut inner = self.inner.lock();
        inner.state.set_rules(rules);
        self.enforce_locked(&mut inner, now_unix_ns);
        self.note_dead(&inner);
        self.wake_line(inner);
    }

    pub(crate) fn rules(&self) -> Rules {
        self.inner.lock().state.rules()
    }

    /// Drops what is too old or too much. Returns whether messages wait that become too old.
    pub(crate) fn enforce(&self, now_unix_ns: u64) -> bool {
        let mut inner = self.inner.lock();
        if inner.exiting {
            return false;
        }
        self.enforce_locked(&mut inner, now_unix_ns);
        inner.state.rules().ttl_ns.is_some() && inner.state.has_waiting(self.fan_out())
    }

    pub(super) fn enforce_locked(&self, inner: &mut Inner, now_unix_ns: u64) {
        if !inner.state.rules().discards() {
            return;
        }
        loop {
            let fan_out = self.fan_out();
            inner.changed |= inner.state.discard(&self.setup.log, fan_out, now_unix_ns);
            // What could not be looked at is looked at when it is there.
            match inner.state.take_unloaded() {
                Some(segment) if !self.ask_for(inner, &segment) => {}
                _ => break,
            }
        }
        self.arm(inner);
    }

    /// Whether messages wait for [`Channel::take_dead`].
    pub(crate) fn has_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed) != 0
    }

    pub(super) fn note_dead(&self, inner: &Inner) {
        self.dead.store(inner.state.dead(), Ordering::Relaxed);
    }

    /// At most `max` messages that were delivered too often. For a thread that may wait for the disk.
    pub(crate) fn take_dead(&self, max: usize) -> Dead {
        let log: &Log = &self.setup.log;
        let mut inner = self.inner.lock();
        let mut messages = Vec::new();
        if !inner.exiting {
            inner.state.take_dead(log, max, &mut messages);
            inner.changed = true;
        }
        self.note_dead(&inner);
        Dead { epoch: inner.epoch, messages }
    }

    /// These are elsewhere now.
    pub(crate) fn finish_dead(&self, epoch: u32, seqs: &[u64]) {
        self.finish(epoch, seqs, &[], 0);
        self.inner.lock().state.count_dead_lettered(seqs.len() as u64);
    }

    /// They could not be put elsewhere.
    pub(crate) fn return_dead(&self, epoch: u32, messages: impl Iterator<Item = Pending>) {
        let mut inner = self.inner.lock();
        if inner.epoch == epoch && !inner.exiting {
            messages.for_each(|message| inner.state.requeue(message, None));
        }
        self.note_dead(&inner);
    }
}
