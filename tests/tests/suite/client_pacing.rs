//! How the client's consumer shares what may be in flight, as nsqds see it.

use std::time::Duration;

use client::{Config, Consumer, Requeue};
use tests::{LogCapture, Nsqd, consume, next_message, within};

async fn nsqds(count: usize) -> Vec<Nsqd> {
    let mut nsqds = Vec::new();
    for _ in 0..count {
        nsqds.push(Nsqd::start().await);
    }
    nsqds
}

async fn consumer(nsqds: &[Nsqd], config: Config) -> Consumer {
    consume(nsqds.iter().map(|nsqd| nsqd.tcp_address().to_string()).collect(), config).await
}

/// The RDY of the first consumer on an nsqd.
async fn rdy(nsqd: &Nsqd) -> u64 {
    let channel = nsqd.stats().await.channel("t", "c");
    channel["clients"][0]["ready_count"].as_u64().unwrap_or(0)
}

/// Waits until the RDYs, sorted, are these.
async fn await_rdys(nsqds: &[Nsqd], expected: &[u64]) {
    within(&format!("RDYs {expected:?}"), async {
        loop {
            let mut rdys = Vec::new();
            for nsqd in nsqds {
                rdys.push(rdy(nsqd).await);
            }
            rdys.sort_unstable();
            if rdys == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn max_in_flight_is_shared_over_nsqds() {
    // Protects the bound: it is for all connections together, and is shared anew when one goes or it changes.
    let mut nsqds = nsqds(3).await;
    let consumer = consumer(&nsqds, Config { max_in_flight: 200, ..Config::default() }).await;
    await_rdys(&nsqds, &[66, 67, 67]).await;
    consumer.handle().set_max_in_flight(9);
    await_rdys(&nsqds, &[3, 3, 3]).await;
    nsqds.pop().expect("there are three").terminate().await;
    await_rdys(&nsqds, &[4, 5]).await;
    consumer.handle().set_max_in_flight(0);
    await_rdys(&nsqds, &[0, 0]).await;
    assert_eq!(consumer.handle().max_in_flight(), 0);
}

#[tokio::test]
async fn with_more_nsqds_than_messages_allowed_each_has_its_turn() {
    // Protects messages on an nsqd that has no turn at first: they come all the same.
    let nsqds = nsqds(3).await;
    for nsqd in &nsqds {
        nsqd.connect().await.publish("t", b"x").await;
    }
    let config = Config {
        max_in_flight: 1,
        low_rdy_idle_timeout: Duration::from_secs(1),
        rdy_redistribute_interval: Duration::from_millis(20),
        ..Config::default()
    };
    let mut consumer = consumer(&nsqds, config).await;
    await_rdys(&nsqds, &[0, 0, 1]).await;
    let mut from = Vec::new();
    for _ in 0..3 {
        let message = next_message(&mut consumer).await;
        from.push(message.nsqd_address().to_owned());
        message.finish();
    }
    from.sort();
    from.dedup();
    assert_eq!(from.len(), 3);
    await_rdys(&nsqds, &[0, 0, 1]).await;
}

#[tokio::test]
async fn failures_pause_all_connections() {
    // Protects what lies behind the consumer: after a failure nothing comes for a while, then one message at a time.
    let log = LogCapture::new();
    let nsqds = nsqds(2).await;
    let config = Config {
        max_in_flight: 10,
        backoff_multiplier: Duration::from_millis(150),
        default_requeue_delay: Duration::ZERO,
        ..Config::default()
    };
    let mut consumer = consumer(&nsqds, config).await;
    await_rdys(&nsqds, &[5, 5]).await;
    nsqds[0].connect().await.publish("t", b"x").await;
    let message = next_message(&mut consumer).await;
    message.requeue(Requeue::default());
    await_rdys(&nsqds, &[0, 0]).await;
    let line = log.await_line("backing off").await;
    assert!(line.ends_with("[t/c] backing off for 300ms (backoff level 1), setting all to RDY 0"), "{line}");
    await_rdys(&nsqds, &[0, 1]).await;
    log.await_line("backoff timeout expired, sending RDY 1").await;
    // The other nsqd may have the turn: messages on both, so that one comes.
    for nsqd in &nsqds {
        nsqd.connect().await.publish("t", b"y").await;
    }
    let message = next_message(&mut consumer).await;
    message.finish();
    log.await_line("exiting backoff, returning all to RDY 5").await;
    await_rdys(&nsqds, &[5, 5]).await;
}

#[tokio::test]
async fn what_is_no_failure_does_not_pause() {
    // Protects those who put messages back on purpose.
    let nsqds = nsqds(1).await;
    let mut consumer = consumer(&nsqds, Config { max_in_flight: 10, ..Config::default() }).await;
    nsqds[0].connect().await.publish("t", b"x").await;
    let message = next_message(&mut consumer).await;
    message.requeue(Requeue::after(Duration::ZERO).without_backoff());
    let message = next_message(&mut consumer).await;
    assert_eq!(message.attempts, 2);
    assert_eq!(rdy(&nsqds[0]).await, 10);
}
