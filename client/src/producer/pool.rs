//! A producer for several nsqds.

use std::time::Duration;

use bytes::Bytes;

use crate::{Config, ConfigError, PublishError};

/// Publishes to one of several nsqds, in turn.
///
/// If a connection fails, the message goes to another node, also when the failing one may have taken it: **at least once**. A
/// node that failed is passed over for a while, unless all have. Clones are the same pool.
#[derive(Debug, Clone)]
pub struct ProducerPool {}

impl ProducerPool {
    /// A pool over `addresses`, each host:port.
    ///
    /// # Errors
    /// The options are no good, or there is no address.
    pub fn new(addresses: &[String], config: &Config) -> Result<Self, ConfigError> {
        config.validate()?;
        let _ = addresses;
        Ok(Self {})
    }

    /// Publishes a message (PUB).
    ///
    /// # Errors
    /// nsqd refuses it, or each node was tried and failed: then the error of the last.
    pub async fn publish(&self, topic: &str, body: impl Into<Bytes>) -> Result<(), PublishError> {
        let _: (&str, Bytes) = (topic, body.into());
        Err(PublishError::Closed)
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
        let _: (&str, Duration, Bytes) = (topic, delay, body.into());
        Err(PublishError::Closed)
    }

    /// Publishes messages to one node, all or none (MPUB).
    ///
    /// # Errors
    /// As [`ProducerPool::publish`].
    pub async fn publish_multi(&self, topic: &str, bodies: &[Bytes]) -> Result<(), PublishError> {
        let _ = (topic, bodies);
        Err(PublishError::Closed)
    }

    /// Closes each producer; see [`Producer::close`](crate::Producer::close).
    pub async fn close(&self) {}
}
