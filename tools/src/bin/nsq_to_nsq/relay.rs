//! From a message to its destination, and back to a FIN.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use bytes::Bytes;
use client::{Message, Producer, PublishError, Requeue};
use parking_lot::Mutex;
use tools::{
    balance::{Balance, Mode},
    given_up::GivenUp,
    options::nsq_to_nsq::Options,
};
use tracing::warn;

use crate::{
    filter::{Filter, Verdict},
    status::Status,
};

/// Publishes messages, each to one destination, and finishes those that are there.
#[derive(Debug)]
pub(crate) struct Relay {
    filter: Filter,
    destinations: Vec<Producer>,
    /// Whether a destination that cannot be reached has others do its work.
    tries_others: bool,
    given_up: Option<Arc<GivenUp>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    balance: Balance,
    status: Status,
}

/// A message, and what is published of it.
#[derive(Debug)]
struct Outgoing {
    message: Message,
    body: Bytes,
}

impl Relay {
    /// # Errors
    /// If the settings of the producers are no good.
    pub(crate) fn new(options: &Options) -> anyhow::Result<Self> {
        let producer = |address: &String| Producer::new(address.clone(), options.producer.clone());
        let destinations = options.destinations.iter().map(producer).collect::<Result<Vec<_>, _>>();
        let destinations = destinations.context("failed creating producer")?;
        let Options { require_json_field, require_json_value, whitelist_json_fields, .. } = options;
        let balance = Balance::new(options.mode, destinations.len(), Instant::now());
        let status = Status::new(&options.destinations, options.status_every);
        Ok(Self {
            filter: Filter::new(require_json_field, require_json_value, whitelist_json_fields),
            destinations,
            tries_others: options.mode != Mode::RoundRobin,
            given_up: options
                .given_up_topic
                .clone()
                .map(|topic| GivenUp::new(topic, options.consumer.clone())),
            state: Mutex::new(State { balance, status }),
        })
    }

    /// Judges messages, and begins to publish those that pass. Returns at once.
    pub(crate) fn pass(self: &Arc<Self>, topic: &Arc<str>, messages: impl Iterator<Item = Message>) {
        let now = Instant::now();
        let mut groups: Vec<Vec<Outgoing>> = self.destinations.iter().map(|_| Vec::new()).collect();
        for message in messages {
            if let Some(given_up) = self.given_up.as_ref().filter(|_| message.is_given_up()) {
                given_up.take(message);
                continue;
            }
            match self.filter.judge(&message.body) {
                Verdict::Pass(body) => {
                    let index = self.state.lock().balance.pick(now, fastrand::f64);
                    groups[index].push(Outgoing { message, body });
                }
                Verdict::Drop => message.finish(),
                Verdict::NotJson => {
                    self.state.lock().status.not_json(&message.body);
                    message.finish();
                }
                Verdict::FieldMissing => {
                    warn!("ERROR: missing field to check required value");
                    message.requeue(Requeue::default());
                }
            }
        }
        for (index, group) in groups.into_iter().enumerate().filter(|(_, group)| !group.is_empty()) {
            tokio::spawn(Arc::clone(self).publish(Arc::clone(topic), index, group));
        }
    }

    /// What is said at the end.
    pub(crate) fn report(&self) {
        self.state.lock().status.report();
    }

    /// Publishes a group in one command. If none of it can be there, another destination is tried.
    async fn publish(self: Arc<Self>, topic: Arc<str>, mut index: usize, group: Vec<Outgoing>) {
        let bodies: Vec<Bytes> = group.iter().map(|outgoing| outgoing.body.clone()).collect();
        let mut tries = self.destinations.len();
        loop {
            let started = Instant::now();
            let producer = &self.destinations[index];
            let answer = match bodies.as_slice() {
                [body] => producer.publish(&topic, body.clone()).await,
                bodies => producer.publish_multi(&topic, bodies).await,
            };
            self.mark(index, &answer, started.elapsed());
            tries -= 1;
            match answer {
                Ok(()) => {
                    self.state.lock().status.answered(index, started.elapsed(), group.len());
                    for outgoing in group {
                        outgoing.message.finish();
                    }
                    return;
                }
                // None of it was published. One by one they show which message is the cause, or that none is.
                Err(PublishError::Refused { .. }) if bodies.len() != 1 => {
                    return self.publish_one_by_one(&topic, index, group).await;
                }
                Err(PublishError::Connect(_)) if self.tries_others && tries != 0 => {
                    index = self.state.lock().balance.pick(Instant::now(), fastrand::f64);
                }
                Err(error) => return send_back(group, &error),
            }
        }
    }

    async fn publish_one_by_one(&self, topic: &str, index: usize, group: Vec<Outgoing>) {
        for outgoing in group {
            let started = Instant::now();
            let answer = self.destinations[index].publish(topic, outgoing.body.clone()).await;
            self.mark(index, &answer, started.elapsed());
            match answer {
                Ok(()) => {
                    self.state.lock().status.answered(index, started.elapsed(), 1);
                    outgoing.message.finish();
                }
                Err(error) => send_back(vec![outgoing], &error),
            }
        }
    }

    /// A message that nsqd does not take says nothing against the nsqd.
    fn mark(&self, index: usize, answer: &Result<(), PublishError>, took: Duration) {
        let works = match answer {
            Ok(()) => true,
            Err(PublishError::Refused { text }) => !text.contains("PUB_FAILED"),
            Err(_) => false,
        };
        self.state.lock().balance.mark(index, works, took, Instant::now());
    }
}

/// To come again later, and the consumer pauses.
fn send_back(group: Vec<Outgoing>, error: &PublishError) {
    warn!("ERROR: failed to publish {} messages, which are requeued - {error}", group.len());
    for outgoing in group {
        outgoing.message.requeue(Requeue::default());
    }
}
