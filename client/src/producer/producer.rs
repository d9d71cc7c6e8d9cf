//! A producer for one nsqd.

use std::time::Duration;

use bytes::Bytes;

use crate::{Config, ConfigError, PublishError};

/// Publishes to one nsqd, over one connection that is made when it is needed and again when it is lost.
///
/// Any number of publishes may be under way: each is a future that ends with nsqd's answer. Those that are begun first are
/// sent first. What is under way is bounded (8 MiB, 8,192 publishes); beyond, publishing waits. A future that is dropped
/// may have published. Clones are the same producer.
#[derive(Debug, Clone)]
pub struct Producer {}

impl Producer {
    /// A producer for the nsqd at `address`, host:port. It connects at the first publish.
    ///
    /// # Errors
    /// The options are no good.
    pub fn new(address: impl Into<String>, config: Config) -> Result<Self, ConfigError> {
        config.validate()?;
        let _: String = address.into();
        Ok(Self {})
    }

    /// Publishes a message (PUB).
    ///
    /// # Errors
    /// [`PublishError`]; only after [`PublishError::Lost`] it may be there nevertheless.
    pub async fn publish(&self, topic: &str, body: impl Into<Bytes>) -> Result<(), PublishError> {
        let _: (&str, Bytes) = (topic, body.into());
        Err(PublishError::Closed)
    }

    /// Publishes a message that is delivered after `delay`, in whole milliseconds (DPUB).
    ///
    /// # Errors
    /// As [`Producer::publish`].
    pub async fn publish_deferred(
        &self,
        topic: &str,
        delay: Duration,
        body: impl Into<Bytes>,
    ) -> Result<(), PublishError> {
        let _: (&str, Duration, Bytes) = (topic, delay, body.into());
        Err(PublishError::Closed)
    }

    /// Publishes messages, all or none (MPUB).
    ///
    /// # Errors
    /// As [`Producer::publish`].
    pub async fn publish_multi(&self, topic: &str, bodies: &[Bytes]) -> Result<(), PublishError> {
        let _ = (topic, bodies);
        Err(PublishError::Closed)
    }

    /// The nsqd, as given.
    pub fn address(&self) -> &str {
        ""
    }

    /// Publishes no more, waits for the answers that are due, and closes the connection.
    pub async fn close(&self) {}
}
