//! The consumer as its user sees it.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use protocol::{ChannelName, TopicName};
use tokio::task::coop::poll_proceed;

use super::{
    ConsumerError, Handle, Message,
    connection::Subscriber,
    finder::{Finder, keep_connected},
    hub::Hub,
    lookup_address::lookup_url,
    lookup_client::LookupClient,
    pacer,
};
use crate::{Config, connection::Connector, label::Label};

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
    // Taken from the queue and not yet given out.
    taken: VecDeque<Message>,
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
        let config = Arc::new(config);
        let label = Label::consumer(&topic, &channel);
        let connector = Connector::new(Arc::clone(&config), label.clone())?;
        let hub = Hub::new(config, label);
        // From here on, leaving stops what has begun.
        let consumer = Self { handle: Handle::new(Arc::clone(&hub)), taken: VecDeque::new() };
        hub.tasks().spawn(pacer::run(Arc::clone(&hub)));
        let subscriber = Arc::new(Subscriber { hub: Arc::clone(&hub), connector, topic, channel });
        match source {
            // Boxed, since all of the handshake is in it.
            Source::Nsqds(addresses) => Box::pin(begin_fixed(&subscriber, addresses)).await?,
            Source::Lookupds(addresses) => begin_finding(&subscriber, &addresses)?,
        }
        Ok(consumer)
    }

    /// The next message; `None` when the consumer was stopped and no more will come.
    ///
    /// After a stop it still gives what had been received. Messages that are held when it gives `None` can still be
    /// finished; [`Handle::stopped`] tells when that is through. Cancel safe.
    pub async fn next(&mut self) -> Option<Message> {
        std::future::poll_fn(|context| self.poll_message(context)).await
    }

    /// Waits for messages, then adds up to `limit` of those that are there to `messages`; 0 when [`Consumer::next`]
    /// would give `None`, or `limit` is 0. Cheaper than one at a time. Cancel safe.
    pub async fn next_batch(&mut self, messages: &mut Vec<Message>, limit: usize) -> usize {
        if limit == 0 || !std::future::poll_fn(|context| self.poll_taken(context)).await {
            return 0;
        }
        let before = messages.len();
        let count = limit.min(self.taken.len());
        messages.extend(self.taken.drain(..count).filter_map(present));
        messages.len() - before
    }

    /// A handle, for other tasks.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        loop {
            if let Some(message) = self.taken.pop_front() {
                match present(message) {
                    Some(message) => return Poll::Ready(Some(message)),
                    None => continue,
                }
            }
            if !ready!(self.poll_taken(context)) {
                return Poll::Ready(None);
            }
        }
    }

    /// Waits until something is taken; `false` at the end.
    fn poll_taken(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        loop {
            // What was lost since is not given out, so it does not count.
            while self.taken.front().is_some_and(Message::is_lost) {
                self.taken.pop_front();
            }
            if !self.taken.is_empty() {
                return Poll::Ready(true);
            }
            // So that a consumer that never runs dry lets other tasks of its thread run.
            let budget = ready!(poll_proceed(context));
            let has_more = ready!(self.handle.hub().queue().poll_take(&mut self.taken, context));
            budget.made_progress();
            if !has_more {
                return Poll::Ready(false);
            }
        }
    }
}

/// A message, unless its connection is gone: nsqd has requeued it then, and sends it again.
#[inline]
fn present(message: Message) -> Option<Message> {
    if message.is_lost() { None } else { Some(message) }
}

async fn begin_fixed(subscriber: &Arc<Subscriber>, addresses: Vec<String>) -> Result<(), ConsumerError> {
    if addresses.is_empty() {
        return Err(ConsumerError::NoSource);
    }
    let mut begun: Vec<String> = Vec::new();
    for address in addresses {
        if begun.contains(&address) {
            continue;
        }
        if let Some(first) = subscriber.subscribe(&address).await? {
            let keeping = keep_connected(Arc::clone(subscriber), address.clone(), first);
            subscriber.hub.tasks().spawn(keeping);
        }
        begun.push(address);
    }
    Ok(())
}

fn begin_finding(subscriber: &Arc<Subscriber>, addresses: &[String]) -> Result<(), ConsumerError> {
    if addresses.is_empty() {
        return Err(ConsumerError::NoSource);
    }
    let mut urls = Vec::new();
    for address in addresses {
        let url = lookup_url(address, &subscriber.topic)?;
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    let client = LookupClient::new(subscriber.hub.config(), &urls)?;
    subscriber.hub.tasks().spawn(Finder::new(Arc::clone(subscriber), client, urls).run());
    Ok(())
}

impl Stream for Consumer {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        self.poll_message(context)
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let hub = self.handle.hub();
        hub.stop();
        let left = hub.queue().abandon();
        self.taken.drain(..).chain(left).for_each(Message::give_back);
    }
}
