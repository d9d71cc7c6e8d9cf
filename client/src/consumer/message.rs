//! A message in the hands of the user.

use std::time::Duration;

use bytes::Bytes;
use protocol::MessageId;

/// How a message is to come again. By default, as after a failure: delayed by `default_requeue_delay` for each attempt, and
/// the consumer backs off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requeue {
    delay: Option<Duration>,
    is_failure: bool,
}

impl Default for Requeue {
    fn default() -> Self {
        Self { delay: None, is_failure: true }
    }
}

impl Requeue {
    /// After `delay`, in whole milliseconds, which nsqd cuts to its `--max-req-timeout`.
    #[must_use]
    pub fn after(delay: Duration) -> Self {
        Self { delay: Some(delay), is_failure: true }
    }

    /// The same, without the consumer backing off.
    #[must_use]
    pub fn without_backoff(self) -> Self {
        Self { is_failure: false, ..self }
    }
}

/// A message, to be finished or requeued. One that is dropped is requeued as by [`Requeue::default`].
///
/// All calls return at once, and may be made from any task or thread: they leave a command to the message's connection, which
/// sends those of a batch together. If that connection is gone they have no effect; nsqd has requeued the message then.
#[derive(Debug)]
pub struct Message {
    /// What was published.
    pub body: Bytes,
    /// Its id within its topic and nsqd.
    pub id: MessageId,
    /// Deliveries so far, this one included.
    pub attempts: u16,
    /// When its publish was accepted, in nanoseconds since 1970.
    pub timestamp_ns: i64,
}

impl Message {
    /// The nsqd it came from, as host:port.
    pub fn nsqd_address(&self) -> &str {
        ""
    }

    /// Whether it came more often than `max_attempts`; only with [`Config::deliver_given_up`](crate::Config).
    pub fn is_given_up(&self) -> bool {
        false
    }

    /// It is done (FIN).
    pub fn finish(self) {}

    /// It is to come again (REQ).
    pub fn requeue(self, how: Requeue) {
        let _ = how;
    }

    /// It needs more time: its timeout begins anew (TOUCH).
    pub fn touch(&self) {}
}
