//! What other tasks may ask of a consumer.

/// Controls a consumer from any task or thread. Clones are the same.
#[derive(Debug, Clone)]
pub struct Handle {}

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
    /// Begins to stop: each nsqd is told to send no more (CLS), what is held can still be finished, then the connections
    /// close; after 30 s they close in any case.
    pub fn stop(&self) {}

    /// Waits until the consumer was stopped and all its connections are closed.
    pub async fn stopped(&self) {}

    /// Whether a connection has 85 % of its RDY in flight: it may wait for messages to be finished, so finish now what is
    /// gathered.
    pub fn is_starved(&self) -> bool {
        false
    }

    /// Changes how many messages may be in flight; 0 pauses.
    pub fn set_max_in_flight(&self, max_in_flight: u32) {
        let _ = max_in_flight;
    }

    /// How many messages may be in flight.
    pub fn max_in_flight(&self) -> u32 {
        0
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        Counts::default()
    }
}
