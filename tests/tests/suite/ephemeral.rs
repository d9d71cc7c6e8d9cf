//! Topics and channels that end with their users.

use tests::Nsqd;

#[tokio::test]
async fn an_ephemeral_channel_goes_with_its_last_consumer() {
    // Protects against channels that fill up for nobody: `nsq_tail` and its like leave nothing behind.
    let nsqd = Nsqd::start().await;
    let first = nsqd.consumer("t", "c#ephemeral", 1).await;
    let second = nsqd.consumer("t", "c#ephemeral", 1).await;
    drop(first);
    nsqd.await_channel("t", "c#ephemeral", |channel| channel["client_count"] == 1).await;
    drop(second);
    nsqd.await_stats("the end of the ephemeral channel", |stats| stats.channel("t", "c#ephemeral").is_null())
        .await;
    assert!(nsqd.stats().await.topic("t").is_object(), "a durable topic stays");
}

#[tokio::test]
async fn an_ephemeral_topic_goes_with_its_last_channel() {
    // Protects the chain: the last consumer takes the channel along, and the channel the topic.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t#ephemeral", "c#ephemeral", 1).await;
    consumer.publish("t#ephemeral", b"x").await;
    assert_eq!(consumer.finish_messages(1).await[0].body, b"x");
    drop(consumer);
    nsqd.await_stats("the end of the ephemeral topic", |stats| stats.topic("t#ephemeral").is_null()).await;
}

#[tokio::test]
async fn a_durable_channel_keeps_its_ephemeral_topic() {
    // Protects consumers that come back: only the channel's own name says that it may go.
    let nsqd = Nsqd::start().await;
    let consumer = nsqd.consumer("t#ephemeral", "c", 1).await;
    drop(consumer);
    nsqd.await_channel("t#ephemeral", "c", |channel| channel["client_count"] == 0).await;
    nsqd.connect().await.publish("t#ephemeral", b"kept").await;
    let mut consumer = nsqd.consumer("t#ephemeral", "c", 1).await;
    assert_eq!(consumer.next_message().await.body, b"kept");
}

#[tokio::test]
async fn an_ephemeral_channel_without_consumers_waits_for_the_first() {
    // Protects channels that were made by HTTP before their consumer: they stay until one came and left.
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c#ephemeral").await;
    nsqd.connect().await.publish("t", b"x").await;
    let mut consumer = nsqd.consumer("t", "c#ephemeral", 1).await;
    assert_eq!(consumer.next_message().await.body, b"x");
    drop(consumer);
    nsqd.await_stats("the end of the ephemeral channel", |stats| stats.channel("t", "c#ephemeral").is_null())
        .await;
}

#[tokio::test]
async fn what_is_beyond_the_memory_queue_is_dropped() {
    // Protects memory: an ephemeral queue nobody reads is bounded, drops the newest, and still says OK.
    let nsqd = Nsqd::start_with(&["--mem-queue-size=4"]).await;
    let mut client = nsqd.connect().await;
    client.publish("t#ephemeral", b"0").await;
    for index in 1..20 {
        client.publish("t#ephemeral", index.to_string()).await;
    }
    let topic = nsqd.stats().await.topic("t#ephemeral");
    assert_eq!((&topic["depth"], &topic["message_count"]), (&4.into(), &20.into()));
    client.subscribe("t#ephemeral", "c#ephemeral").await;
    client.rdy(20).await;
    let bodies: Vec<_> = client.finish_messages(4).await.into_iter().map(|message| message.body).collect();
    assert_eq!(bodies, [b"0", b"1", b"2", b"3"]);
    client.expect_silence().await;
}

#[tokio::test]
async fn nothing_ephemeral_survives_a_restart() {
    // Protects the data path from what was never meant to last.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t", "c#ephemeral", 0).await;
    consumer.publish("t#ephemeral", b"x").await;
    consumer.publish("t", b"y").await;
    let nsqd = nsqd.restart().await;
    let stats = nsqd.stats().await;
    assert!(stats.topic("t#ephemeral").is_null());
    assert!(stats.topic("t").is_object());
    assert!(stats.channel("t", "c#ephemeral").is_null());
}
