//! A message in the hands of the user.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use protocol::{MessageHeader, MessageId};

use super::link::Link;
use crate::Config;

/// How a message is to come again. By default as after a failure: delayed by `default_requeue_delay` for each attempt, and
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

    pub(super) fn is_failure(self) -> bool {
        self.is_failure
    }

    pub(super) fn delay(self, attempts: u16, config: &Config) -> Duration {
        self.delay.unwrap_or_else(|| {
            config.default_requeue_delay.saturating_mul(attempts.into()).min(config.max_requeue_delay)
        })
    }
}

/// A message, to be finished or requeued. One that is dropped is requeued as by [`Requeue::default`].
///
/// All calls return at once, and may be made from any task or thread: they leave a command to the message's connection, which
/// sends those of a batch together. If that connection is gone they have no effect; nsqd has requeued the message then.
///
/// A body shares the memory of the read that brought it, up to 64 KiB. Copy what you keep for long.
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
    link: Arc<Link>,
    is_done: bool,
}

impl Message {
    pub(super) fn new(header: MessageHeader, body: Bytes, link: Arc<Link>) -> Self {
        let MessageHeader { timestamp_ns, attempts, id } = header;
        Self { body, id, attempts, timestamp_ns, link, is_done: false }
    }

    /// The nsqd it came from, host:port as it was connected to.
    pub fn nsqd_address(&self) -> &str {
        self.link.address()
    }

    /// Whether it came more often than `max_attempts`. Such messages are finished before anybody sees them, unless
    /// [`Config::deliver_given_up`](crate::Config) asks for them, for instance to publish them elsewhere.
    pub fn is_given_up(&self) -> bool {
        is_given_up(self.attempts, self.link.hub().config())
    }

    /// It is done (FIN).
    #[inline]
    pub fn finish(mut self) {
        self.is_done = true;
        self.link.finish(self.id);
    }

    /// It is to come again (REQ).
    pub fn requeue(mut self, how: Requeue) {
        self.is_done = true;
        self.link.requeue(self.id, self.attempts, how);
    }

    /// It needs more time: its timeout begins anew (TOUCH).
    pub fn touch(&self) {
        self.link.touch(self.id);
    }

    /// Sends it back, as nobody has seen it.
    pub(super) fn give_back(mut self) {
        self.is_done = true;
        self.link.give_back(self.id);
    }

    /// Whether its connection is gone, so that it comes again from nsqd.
    #[inline]
    pub(super) fn is_lost(&self) -> bool {
        self.link.is_closed()
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        if !self.is_done {
            self.link.requeue(self.id, self.attempts, Requeue::default());
        }
    }
}

pub(super) fn is_given_up(attempts: u16, config: &Config) -> bool {
    config.max_attempts != 0 && config.max_attempts < attempts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_with_attempts_up_to_their_limit() {
        let config = Config::default();
        let delay = |attempts| Requeue::default().delay(attempts, &config).as_secs();
        assert_eq!([delay(1), delay(2), delay(10), delay(u16::MAX)], [90, 180, 900, 900]);
        let five = Duration::from_secs(5);
        assert_eq!(Requeue::after(five).delay(9, &config), five);
    }
}
