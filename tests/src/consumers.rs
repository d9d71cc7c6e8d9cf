//! Consumers of the client, all of channel `c` of topic `t`.

use client::{Config, Consumer, ConsumerError, Message, Source};

use crate::within;

/// A consumer of these nsqds.
pub async fn consume(addresses: Vec<String>, config: Config) -> Consumer {
    try_consume(Source::Nsqds(addresses), config).await.expect("nsqds are there")
}

/// A consumer, if it can begin.
///
/// # Errors
/// Those of [`Consumer::connect`].
pub async fn try_consume(source: Source, config: Config) -> Result<Consumer, ConsumerError> {
    let (topic, channel) = ("t".parse().expect("a name"), "c".parse().expect("a name"));
    within("a consumer", Consumer::connect(topic, channel, config, source)).await
}

/// Its next message.
pub async fn next_message(consumer: &mut Consumer) -> Message {
    within("a message", consumer.next()).await.expect("it was not stopped")
}
