//! When messages are too old, too many, or delivered too often, and how many were.

use std::time::Duration;

/// Limits of a channel's messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// A message that waits and was published before so many ns, or was due before, is dropped.
    pub(crate) ttl_ns: Option<u64>,
    /// Of more waiting messages the oldest are dropped.
    pub(crate) drop_above: Option<u64>,
    /// A message that was delivered so often and not finished is dead: it goes elsewhere.
    pub(crate) attempts_max: Option<u16>,
    /// In which a client has to finish a message, unless it sets its own.
    pub(crate) msg_timeout: Option<Duration>,
}

/// Messages that were not delivered, since the process started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    pub(crate) expired: u64,
    pub(crate) dropped: u64,
    pub(crate) dead_lettered: u64,
}

impl Rules {
    /// Whether messages may be dropped.
    pub(super) fn discards(&self) -> bool {
        self.ttl_ns.is_some() || self.drop_above.is_some()
    }
}
