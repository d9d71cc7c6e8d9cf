//! What other tasks may ask of a consumer.

use std::{sync::Arc, time::Duration};

use super::hub::Hub;

/// Controls a consumer from any task or thread. Clones are the same.
#[derive(Debug, Clone)]
pub struct Handle {
    hub: Arc<Hub>,
}

/// What a consumer has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Messages that came.
    pub received: u64,
    /// Messages finished.
    pub finished: u64,
    /// Messages requeued.
    pub requeued: u64,
    /// Connections that are subscribed now.
    pub connections: usize,
}

impl Handle {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }

    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Begins to stop: each nsqd is told to send no more (CLS), what came can still be taken and finished, then the
    /// connections close; after 30 s they close in any case.
    pub fn stop(&self) {
        self.hub.stop();
    }

    /// Waits until the consumer was stopped and all its connections are closed: whatever was finished is sent.
    pub async fn stopped(&self) {
        self.hub.tasks().wait().await;
    }

    /// Whether a connection has 85 % of its RDY in flight: it may wait for messages to be finished, so finish now what is
    /// gathered.
    pub fn is_starved(&self) -> bool {
        self.hub.is_starved()
    }

    /// Changes how many messages may be in flight; 0 pauses.
    pub fn set_max_in_flight(&self, max_in_flight: u32) {
        self.hub.set_max_in_flight(max_in_flight);
    }

    /// How many messages may be in flight.
    pub fn max_in_flight(&self) -> u32 {
        self.hub.max_in_flight()
    }

    /// How long a message may be held before nsqd takes it back, unless it is touched: the shortest time that an nsqd has told
    /// so far.
    pub fn msg_timeout(&self) -> Option<Duration> {
        self.hub.msg_timeouts()[0]
    }

    /// How long a message may be held, however often it is touched: the shortest time that an nsqd has told so far.
    pub fn max_msg_timeout(&self) -> Option<Duration> {
        self.hub.msg_timeouts()[1]
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        self.hub.counts()
    }
}
