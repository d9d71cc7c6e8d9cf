//! Messages that came more often than `max_attempts`: they are dropped, or, with `--given-up-topic`, published there first.

use std::collections::HashMap;
use std::sync::Arc;

use client::{Config, ConfigError, Message, Producer, PublishError, Requeue, TopicName};
use parking_lot::Mutex;
use tracing::{info, warn};

/// Publishes messages that are given up to a topic of the nsqd that they came from, and finishes them when they are there.
#[derive(Debug)]
pub struct GivenUp {
    topic: TopicName,
    config: Config,
    /// By address. There are as many as the consumers have nsqds.
    producers: Mutex<HashMap<String, Producer>>,
}

impl GivenUp {
    /// `config` is that of the consumers: it says how their nsqds are reached.
    pub fn new(topic: TopicName, config: Config) -> Arc<Self> {
        Arc::new(Self { topic, config, producers: Mutex::new(HashMap::new()) })
    }

    /// Begins to publish a message. If that fails, it comes again later.
    pub fn take(self: &Arc<Self>, message: Message) {
        let given_up = Arc::clone(self);
        tokio::spawn(async move {
            let (id, attempts, topic) = (message.id, message.attempts, &given_up.topic);
            match given_up.publish(&message).await {
                Ok(()) => {
                    info!("msg {id} attempted {attempts} times, published to {topic}");
                    message.finish();
                }
                Err(error) => {
                    warn!(
                        "ERROR: msg {id} attempted {attempts} times, cannot be published to {topic} - {error}"
                    );
                    message.requeue(Requeue::default());
                }
            }
        });
    }

    async fn publish(&self, message: &Message) -> Result<(), PublishError> {
        let address = message.nsqd_address();
        let producer = match self.producer(address) {
            Ok(producer) => producer,
            Err(error) => return Err(PublishError::Refused { text: error.to_string() }),
        };
        producer.publish(self.topic.as_str(), message.body.clone()).await
    }

    fn producer(&self, address: &str) -> Result<Producer, ConfigError> {
        let mut producers = self.producers.lock();
        if let Some(producer) = producers.get(address) {
            return Ok(producer.clone());
        }
        let producer = Producer::new(address, self.config.clone())?;
        producers.insert(address.to_owned(), producer.clone());
        Ok(producer)
    }
}
