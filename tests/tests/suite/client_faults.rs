//! The client behind a network that breaks.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use client::{Config, Consumer, Producer, Source};
use serde_json::Value;
use tests::{FaultProxy, Nsqd, is_reference, try_consume, within};

const MESSAGES: usize = 2_000;
/// Connections that break, of each side.
const FAULTS: u32 = 15;

/// As often as it takes: a handshake breaks, too.
async fn connected(proxy: &FaultProxy) -> Consumer {
    let config = Config {
        lookupd_poll_interval: Duration::from_millis(10),
        max_backoff_duration: Duration::ZERO,
        max_attempts: 0,
        max_in_flight: 100,
        ..Config::default()
    };
    within("a consumer through all faults", async {
        loop {
            let source = Source::Nsqds(vec![proxy.address().to_string()]);
            if let Ok(consumer) = Box::pin(try_consume(source, config.clone())).await {
                return consumer;
            }
        }
    })
    .await
}

/// Publishes until each is acknowledged. What was not may be there all the same, and is published again.
async fn publish_all(producer: &Producer) {
    for number in 0..MESSAGES {
        let body = Bytes::from(format!("{number:0200}"));
        while producer.publish("t", body.clone()).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_comes_through_all_breaks() {
    // Protects messages on a bad network: connections end in the middle of frames, commands and handshakes, on both sides.
    let seed = std::env::var("NSQ_FAULT_SEED")
        .map_or_else(|_| fastrand::u64(..), |seed| seed.parse().expect("a number"));
    let shown = format!("NSQ_FAULT_SEED={seed}");
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    let [publishing, consuming] = [
        FaultProxy::start(nsqd.tcp_address(), FAULTS, seed).await,
        FaultProxy::start(nsqd.tcp_address(), FAULTS, !seed).await,
    ];
    let producer =
        Producer::new(publishing.address().to_string(), Config::default()).expect("the defaults are good");
    let mut consumer = connected(&consuming).await;
    let mut arrived = HashSet::new();
    let receive = async {
        while arrived.len() < MESSAGES {
            let message = consumer.next().await.expect("it was not stopped");
            arrived.insert(message.body.clone());
            message.finish();
        }
    };
    let both = async { tokio::join!(publish_all(&producer), receive) };
    tests::within_time(tests::PATIENCE, &format!("all messages, {shown}"), both).await;
    assert!(5 <= publishing.broken() && 5 <= consuming.broken(), "too few breaks, {shown}");
    // What was finished on a connection that broke before it was told is delivered again, and finished.
    if !is_reference() {
        let rest = async {
            while let Some(message) = consumer.next().await {
                message.finish();
            }
        };
        let is_empty = |channel: &Value| channel["depth"] == 0 && channel["in_flight_count"] == 0;
        let empty = nsqd.await_channel("t", "c", is_empty);
        tokio::select! {
            () = rest => panic!("it was not stopped"),
            _ = empty => {}
        }
    }
}
