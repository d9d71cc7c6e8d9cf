//! A producer for several nsqds.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{health::Health, publication::Publication};
use crate::{Config, ConfigError, Producer, PublishError};

/// Publishes to one of several nsqds, in turn.
///
/// If a node fails, the message goes to the next, also when the failing one may have taken it: **at least once**. A
/// node that failed is passed over for a while (0.5 to 30 s), unless all have. Clones are the same pool.
///
/// ```no_run
/// # async fn story() -> Result<(), Box<dyn std::error::Error>> {
/// # use client::{Config, ProducerPool};
/// let addresses = ["10.0.0.1:4150".to_owned(), "10.0.0.2:4150".to_owned()];
/// let pool = ProducerPool::new(&addresses, &Config::default())?;
/// pool.publish("orders", "arrives as long as one of them is there").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ProducerPool {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    producers: Vec<Producer>,
    health: Mutex<Health>,
}

impl ProducerPool {
    /// A pool over `addresses`, each host:port.
    ///
    /// # Errors
    /// The options are no good, or there is no address.
    pub fn new(addresses: &[String], config: &Config) -> Result<Self, ConfigError> {
        if addresses.is_empty() {
            return Err(ConfigError::NoAddress);
        }
        let producers = addresses.iter().map(|address| Producer::new(address.clone(), config.clone()));
        let producers = producers.collect::<Result<Vec<_>, _>>()?;
        let health = Mutex::new(Health::new(producers.len()));
        Ok(Self { inner: Arc::new(Inner { producers, health }) })
    }

    /// Publishes a message (PUB).
    ///
    /// # Errors
    /// nsqd refuses it, or each node was tried and failed: then the error of the last.
    pub async fn publish(&self, topic: &str, body: impl Into<Bytes>) -> Result<(), PublishError> {
        let body = body.into();
        self.send(&Publication::Pub { topic, body: &body }).await
    }

    /// Publishes a message that is delivered after `delay`, in whole milliseconds (DPUB).
    ///
    /// # Errors
    /// As [`ProducerPool::publish`].
    pub async fn publish_deferred(
        &self,
        topic: &str,
        delay: Duration,
        body: impl Into<Bytes>,
    ) -> Result<(), PublishError> {
        let body = body.into();
        self.send(&Publication::Dpub { topic, delay, body: &body }).await
    }

    /// Publishes messages to one node, all or none (MPUB).
    ///
    /// # Errors
    /// As [`ProducerPool::publish`].
    pub async fn publish_multi(&self, topic: &str, bodies: &[Bytes]) -> Result<(), PublishError> {
        self.send(&Publication::Mpub { topic, bodies }).await
    }

    /// Closes each producer; see [`Producer::close`].
    pub async fn close(&self) {
        for producer in &self.inner.producers {
            producer.close().await;
        }
    }

    async fn send(&self, publication: &Publication<'_>) -> Result<(), PublishError> {
        publication.check()?;
        let order = self.inner.health.lock().order(Instant::now());
        let mut last = PublishError::Closed;
        for index in order {
            match self.inner.producers[index].send(publication).await {
                Ok(()) => {
                    self.inner.health.lock().succeeded(index);
                    return Ok(());
                }
                Err(error) if error.is_about_the_node() => {
                    self.inner.health.lock().failed(index, Instant::now());
                    last = error;
                }
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }
}
