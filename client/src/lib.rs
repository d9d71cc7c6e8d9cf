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
//!
//! # What is promised
//!
//! A message is delivered **at least once**: if the connection is lost, or the message's timeout passes, before its FIN reaches
//! nsqd, it comes again. A publish that returned `Ok` is there. One that failed with [`PublishError::Lost`] may be there;
//! after any other error it is not.
//!
//! # After failures
//!
//! Each message that is requeued as a failure, or dropped, makes the consumer **back off**: it takes no messages for a while,
//! then one, and goes on as before when that succeeds. [`Requeue::without_backoff`] is for putting back on purpose, and
//! `max_backoff_duration` 0 turns it off. A message that came more than `max_attempts` times (5) is **given up**: finished, with a
//! warning, unless [`Config::deliver_given_up`] asks for it.
//!
//! # Stopping
//!
//! ```no_run
//! # async fn story(mut consumer: client::Consumer) {
//! let handle = consumer.handle();
//! tokio::spawn(async move {
//!     // Some event that ends the program.
//!     handle.stop();
//! });
//! let mut gathered = Vec::new();
//! while let Some(message) = consumer.next().await {
//!     gathered.push(message);
//! }
//! // No more will come. What is held can still be finished, for 30 s after the stop.
//! gathered.into_iter().for_each(client::Message::finish);
//! consumer.handle().stopped().await;
//! # }
//! ```
//!
//! # Options
//!
//! [`Config`] has go-nsq's options with its defaults, as fields, and by name through [`Config::set`].
//!
//! # Logs
//!
//! Lines go to [`tracing`] at the levels debug, info, warn and error. They have go-nsq's words, whom they are about included:
//! `  1 [orders/billing] (127.0.0.1:4150) connecting to nsqd`, where 1 is the number of the consumer or producer in
//! this process.

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
