//! An NSQ client: consumers and producers for NSQ's protocol V2.
//!
//! A [`Consumer`] takes the messages of one channel, from fixed nsqds or from all that nsqlookupd knows:
//!
//! ```no_run
//! use client::{Config, Consumer, Requeue, Source};
//!
//! # fn handle(_: &[u8]) -> bool { true }
//! # async fn story() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config { max_in_flight: 200, ..Config::default() };
//! let source = Source::Lookupds(vec!["127.0.0.1:4161".to_owned()]);
//! let mut consumer = Consumer::connect("orders".parse()?, "billing".parse()?, config, source).await?;
//! while let Some(message) = consumer.next().await {
//!     if handle(&message.body) {
//!         message.finish();
//!     } else {
//!         message.requeue(Requeue::default());
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A [`Producer`] publishes to one nsqd, a [`ProducerPool`] to whichever of several takes it:
//!
//! ```no_run
//! use client::{Config, Producer};
//!
//! # async fn story() -> Result<(), Box<dyn std::error::Error>> {
//! let producer = Producer::new("127.0.0.1:4150", Config::default())?;
//! producer.publish("orders", "one more").await?;
//! # Ok(())
//! # }
//! ```
//!
//! All of it runs on the tokio runtime that the caller is in, of either flavour.

mod config;
mod connection;
mod consumer;
mod label;
mod producer;

pub use config::{BackoffStrategy, Config, ConfigError, TlsMinVersion};
pub use connection::ConnectError;
pub use consumer::{Consumer, ConsumerError, Counts, Handle, Message, Requeue, Source};
pub use producer::{Producer, ProducerPool, PublishError};
pub use protocol::{ChannelName, MessageId, TopicName};

/// What went wrong, as Go and the C library word it: without the number that the standard library adds.
fn io_cause(cause: &std::io::Error) -> String {
    let text = cause.to_string();
    match text.split_once(" (os error ") {
        Some((text, _)) => text.to_lowercase(),
        None => text,
    }
}
