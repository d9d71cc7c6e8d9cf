//! Channels: cursors over a topic's log. Knows nothing of sockets.

#[expect(clippy::module_inception, reason = "the noun of this folder")]
mod channel;
mod checkpoint;
mod discard;
mod enforcing;
mod fan_out;
mod latency;
mod line;
mod peek;
mod rules;
mod saving;
mod skips;
mod snapshot;
mod state;
mod window;

#[cfg(test)]
mod discard_tests;
#[cfg(test)]
mod restore_tests;
#[cfg(test)]
mod state_tests;

pub(crate) use self::{
    channel::{Channel, JoinError, Setup, Taken},
    checkpoint::{Checkpoint, write_atomically},
    enforcing::Dead,
    fan_out::FanOut,
    latency::{BOUNDS_NS, Sketch},
    peek::{OFFSET_MAX as PEEK_OFFSET_MAX, Peeked, Whereabouts},
    rules::Rules,
    snapshot::Snapshot,
    state::{Deferred, Parcel, Pending},
};
