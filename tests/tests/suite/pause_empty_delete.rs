//! What operators do to topics and channels.

use std::time::Duration;

use tests::{Nsqd, ours_only};

#[tokio::test]
async fn a_paused_channel_keeps_its_backlog() {
    // Protects pause: no deliveries, nothing lost, what is in flight can be finished, and all comes after unpause.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    consumer.mpub("t", &["1", "2", "3"]).await;
    let first = consumer.next_message().await;
    nsqd.post_ok("/channel/pause?topic=t&channel=c").await;
    consumer.fin(first.id).await;
    let channel = nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 0).await;
    assert_eq!((&channel["paused"], &channel["depth"]), (&true.into(), &2.into()));
    consumer.expect_silence().await;
    nsqd.post_ok("/channel/unpause?topic=t&channel=c").await;
    consumer.finish_messages(2).await;
    assert_eq!(nsqd.stats().await.channel("t", "c")["paused"], false);
}

#[tokio::test]
async fn a_paused_topic_holds_back_for_all_its_channels() {
    // Protects pause of a topic: messages pile up there, a channel made meanwhile gets them too.
    let nsqd = Nsqd::start().await;
    let mut first = nsqd.consumer("t", "first", 5).await;
    nsqd.post_ok("/topic/pause?topic=t").await;
    first.mpub("t", &["1", "2"]).await;
    let topic = nsqd.stats().await.topic("t");
    assert_eq!((&topic["paused"], &topic["depth"]), (&true.into(), &2.into()));
    let mut second = nsqd.consumer("t", "second", 5).await;
    first.expect_silence().await;
    nsqd.post_ok("/topic/unpause?topic=t").await;
    first.finish_messages(2).await;
    second.finish_messages(2).await;
}

#[tokio::test]
async fn pause_survives_a_restart() {
    // Protects operators: a restart in the middle of their work does not open the gates.
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    nsqd.create_channel("u", "c").await;
    nsqd.post_ok("/channel/pause?topic=t&channel=c").await;
    nsqd.post_ok("/topic/pause?topic=u").await;
    let nsqd = nsqd.restart().await;
    let stats = nsqd.stats().await;
    assert_eq!(stats.channel("t", "c")["paused"], true);
    assert_eq!(stats.topic("t")["paused"], false);
    assert_eq!(stats.topic("u")["paused"], true);
    assert_eq!(stats.channel("u", "c")["paused"], false);
}

#[tokio::test]
async fn emptying_a_channel_drops_all_of_it_and_only_it() {
    // Protects empty: waiting, in flight and deferred go, consumers stay, another channel is not concerned.
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "other").await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    consumer.dpub("t", Duration::from_mins(10), b"deferred").await;
    consumer.mpub("t", &["1", "2", "3"]).await;
    let message = consumer.next_message().await;
    nsqd.await_channel("t", "c", |channel| channel["deferred_count"] == 1 && channel["depth"] == 2).await;
    nsqd.post_ok("/channel/empty?topic=t&channel=c").await;
    let channel = nsqd.stats().await.channel("t", "c");
    for count in ["depth", "in_flight_count", "deferred_count"] {
        assert_eq!(channel[count], 0, "{count}");
    }
    assert_eq!(channel["message_count"], 4);
    assert_eq!(channel["clients"][0]["in_flight_count"], 0);
    consumer.fin(message.id).await;
    consumer.expect_error(format!("E_FIN_FAILED FIN {} failed ID not in flight", message.id)).await;
    consumer.publish("t", b"new").await;
    assert_eq!(consumer.next_message().await.body, b"new");
    nsqd.await_channel("t", "other", |channel| channel["depth"] == 4).await;
}

#[tokio::test]
async fn emptying_under_load_does_no_harm() {
    // Protects against a crash of NSQ 1.3: emptying a channel while its consumers finish messages.
    if !ours_only("it crashes") {
        return;
    }
    let nsqd = Nsqd::start().await;
    let mut producer = nsqd.connect().await;
    let mut consumer = nsqd.connect().await;
    consumer.subscribe("t", "c").await;
    consumer.rdy(100).await;
    let bodies = vec!["x"; 200];
    for _ in 0..200 {
        producer.mpub("t", &bodies).await;
        // FINs of emptied messages are refused, which is an ordinary answer here.
        for _ in 0..100 {
            match consumer.next_frame().await {
                Some(tests::Received::Message(message)) => consumer.fin(message.id).await,
                Some(_) => {}
                None => panic!("the consumer was disconnected"),
            }
        }
        nsqd.post_ok("/channel/empty?topic=t&channel=c").await;
    }
    assert_eq!(nsqd.get("/ping").await.text(), "OK");
}

#[tokio::test]
async fn emptying_a_topic_leaves_its_channels() {
    // Protects empty of a topic: only what no channel has yet.
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    let mut producer = nsqd.connect().await;
    producer.publish("t", b"passed on").await;
    nsqd.await_channel("t", "c", |channel| channel["depth"] == 1).await;
    nsqd.post_ok("/topic/pause?topic=t").await;
    producer.mpub("t", &["1", "2"]).await;
    nsqd.post_ok("/topic/empty?topic=t").await;
    nsqd.post_ok("/topic/unpause?topic=t").await;
    let mut consumer = nsqd.consumer("t", "c", 5).await;
    assert_eq!(consumer.finish_messages(1).await[0].body, b"passed on");
    consumer.expect_silence().await;
    assert_eq!(nsqd.stats().await.topic("t")["depth"], 0);
}

#[tokio::test]
async fn deleting_a_channel_disconnects_its_consumers() {
    // Protects delete: a plain close without a frame, and the channel is gone; the topic and its others stay.
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "other").await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    nsqd.connect().await.publish("t", b"x").await;
    consumer.next_message().await;
    nsqd.post_ok("/channel/delete?topic=t&channel=c").await;
    consumer.expect_closed().await;
    let stats = nsqd.stats().await;
    assert!(stats.channel("t", "c").is_null());
    assert_eq!(stats.channel("t", "other")["depth"], 1);
}

#[tokio::test]
async fn deleting_a_topic_starts_it_anew() {
    // Protects delete of a topic: consumers are disconnected, producers are not, and nothing of the old comes back.
    let nsqd = Nsqd::start().await;
    let mut producer = nsqd.connect().await;
    let mut consumer = nsqd.consumer("t", "c", 0).await;
    producer.mpub("t", &["old", "older"]).await;
    nsqd.post_ok("/topic/delete?topic=t").await;
    consumer.expect_closed().await;
    assert!(nsqd.stats().await.topic("t").is_null());
    producer.publish("t", b"new").await;
    let mut consumer = nsqd.consumer("t", "c", 5).await;
    assert_eq!(consumer.finish_messages(1).await[0].body, b"new");
    consumer.expect_silence().await;
}

#[tokio::test]
async fn a_deleted_topic_stays_deleted_after_a_restart() {
    // Protects delete from the past: neither name nor messages return, even if the topic is created again.
    let nsqd = Nsqd::start().await;
    let mut producer = nsqd.connect().await;
    producer.mpub("t", &["1", "2"]).await;
    producer.publish("kept", b"x").await;
    nsqd.post_ok("/topic/delete?topic=t").await;
    let nsqd = nsqd.restart().await;
    let stats = nsqd.stats().await;
    assert!(stats.topic("t").is_null());
    assert_eq!(stats.topic("kept")["depth"], 1);
    nsqd.create_channel("t", "c").await;
    assert_eq!(nsqd.stats().await.channel("t", "c")["depth"], 0);
}
