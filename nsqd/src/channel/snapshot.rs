//! A channel as statistics show it.

use std::sync::Arc;

use super::{
    channel::{Channel, Delivered},
    latency::{Finished, Sketch},
    rules::Losses,
    state::Counts,
};
use crate::client::Client;

/// What statistics show of a channel.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) counts: Counts,
    pub(crate) message_count: u64,
    pub(crate) requeue_count: u64,
    pub(crate) timeout_count: u64,
    /// By [`Locality`](crate::client::Locality).
    pub(crate) delivered: Delivered,
    pub(crate) paused: bool,
    pub(crate) clients: Vec<Arc<Client>>,
    /// The latencies of the last minutes, where percentiles are wanted.
    pub(crate) losses: Losses,
    pub(crate) latencies: Option<Sketch>,
    pub(crate) finished: Finished,
}

impl Channel {
    /// Reads it, after what is too old or too much was dropped.
    pub(crate) fn snapshot(&self, now_unix_ns: u64) -> Snapshot {
        let mut inner = self.inner.lock();
        let fan_out = self.fan_out();
        inner.state.settle(fan_out);
        self.enforce_locked(&mut inner, now_unix_ns);
        Snapshot {
            counts: inner.state.counts(&self.setup.log, fan_out, now_unix_ns),
            message_count: fan_out.saturating_sub(inner.counted_from),
            requeue_count: inner.requeue_count,
            timeout_count: inner.timeout_count,
            delivered: inner.delivered,
            paused: inner.paused,
            clients: inner.consumers.clone(),
            losses: inner.state.losses(),
            latencies: inner.latency.sketch(now_unix_ns),
            finished: inner.latency.finished().clone(),
        }
    }
}
