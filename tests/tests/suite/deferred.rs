//! Publishing with a delay.

use std::time::{Duration, Instant};

use tests::{Nsqd, ours_only};

#[tokio::test]
async fn a_deferred_message_does_not_come_early() {
    // Protects the delay of DPUB, which may be late but never early.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t", "c", 5).await;
    let mut producer = nsqd.connect().await;
    let sent = Instant::now();
    producer.dpub("t", Duration::from_millis(600), b"later").await;
    producer.publish("t", b"now").await;
    assert_eq!(consumer.finish_messages(1).await[0].body, b"now");
    let message = consumer.next_message().await;
    assert!(sent.elapsed() >= Duration::from_millis(600), "came after {:?}", sent.elapsed());
    assert_eq!((message.body.as_slice(), message.attempts), (&b"later"[..], 1));
}

#[tokio::test]
async fn deferred_messages_come_in_the_order_of_their_deadlines() {
    // Protects the timers: what is due first comes first, on a channel that is only just there.
    if !ours_only("its timers are up to 5 s late on a new channel") {
        return;
    }
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    // The distance is so large that a slow machine publishes all before the first is due.
    for delay in [1600, 800, 1200, 2000] {
        consumer.dpub("t", Duration::from_millis(delay), delay.to_string()).await;
    }
    let bodies: Vec<_> = consumer.finish_messages(4).await.into_iter().map(|message| message.body).collect();
    assert_eq!(bodies, [b"800".to_vec(), b"1200".to_vec(), b"1600".to_vec(), b"2000".to_vec()]);
}

#[tokio::test]
async fn a_deferred_message_is_in_no_depth() {
    // Protects the statistics that operators alarm on: deferred is not backlog, until it is due.
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    let mut producer = nsqd.connect().await;
    producer.dpub("t", Duration::from_mins(10), b"x").await;
    let response = nsqd.post("/pub?topic=t&defer=600000", b"y").await;
    assert_eq!((response.status, response.text().as_str()), (200, "OK"));
    let channel = nsqd.await_channel("t", "c", |channel| channel["deferred_count"] == 2).await;
    assert_eq!(channel["depth"], 0);
    assert_eq!(channel["message_count"], 2);

    producer.dpub("t", Duration::from_millis(100), b"z").await;
    let channel = nsqd.await_channel("t", "c", |channel| channel["depth"] == 1).await;
    assert_eq!(channel["deferred_count"], 2);
}

#[tokio::test]
async fn a_delay_of_zero_is_an_ordinary_publish() {
    // Protects the lower bound, also in its shortest form: an empty number is 0.
    let nsqd = Nsqd::start().await;
    let mut client = nsqd.consumer("t", "c", 5).await;
    client.dpub("t", Duration::ZERO, b"x").await;
    client.send(b"DPUB t \n\0\0\0\x01x").await;
    client.expect_ok().await;
    assert_eq!(client.finish_messages(2).await.len(), 2);
}

#[tokio::test]
async fn each_channel_gets_a_deferred_message() {
    // Protects the fan-out of what waits.
    let nsqd = Nsqd::start().await;
    let mut first = nsqd.consumer("t", "first", 1).await;
    let mut second = nsqd.consumer("t", "second", 1).await;
    nsqd.connect().await.dpub("t", Duration::from_millis(200), b"x").await;
    assert_eq!(first.next_message().await.id, second.next_message().await.id);
}

#[tokio::test]
async fn a_delay_survives_a_queue_without_memory() {
    // Protects delays when nothing is kept in memory: NSQ loses most of them on the way through its disk queue.
    if !ours_only("delays are lost on the way through the disk") {
        return;
    }
    let nsqd = Nsqd::start_with(&["--mem-queue-size=0"]).await;
    nsqd.create_channel("t", "c").await;
    let mut producer = nsqd.connect().await;
    for _ in 0..300 {
        producer.dpub("t", Duration::from_mins(10), b"x").await;
    }
    let channel = nsqd.await_channel("t", "c", |channel| channel["deferred_count"] == 300).await;
    assert_eq!(channel["depth"], 0);
}
