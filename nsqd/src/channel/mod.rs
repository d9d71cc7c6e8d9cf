//! Channels: cursors over a topic's log. Knows nothing of sockets.

#[expect(clippy::module_inception, reason = "the noun of this folder")]
mod channel;
mod checkpoint;
mod fan_out;
mod latency;
mod line;
mod saving;
mod skips;
mod state;
mod window;

#[cfg(test)]
mod restore_tests;
#[cfg(test)]
mod state_tests;

pub(crate) use self::{
    channel::{Channel, JoinError, Setup, Snapshot, Taken},
    checkpoint::{Checkpoint, write_atomically},
    fan_out::FanOut,
    latency::{BOUNDS_NS, Sketch},
    state::{Deferred, Parcel, Pending},
};
