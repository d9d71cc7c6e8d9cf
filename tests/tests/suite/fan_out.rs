//! From a topic to its channels.

use std::collections::HashSet;

use tests::Nsqd;

#[tokio::test]
async fn eight_channels_get_everything_once() {
    // Protects the fan-out: each channel has every message, byte for byte, under the same id, and none twice.
    let nsqd = Nsqd::start().await;
    let mut consumers = Vec::new();
    for index in 0..8 {
        consumers.push(nsqd.consumer("t", &format!("c{index}"), 200).await);
    }
    let mut producer = nsqd.connect().await;
    let bodies: HashSet<Vec<u8>> = (0..1000).map(|index| format!("message {index}").into_bytes()).collect();
    for batch in bodies.iter().collect::<Vec<_>>().chunks(100) {
        producer.mpub("t", batch).await;
    }
    let mut ids = None;
    for consumer in &mut consumers {
        let messages = consumer.finish_messages(bodies.len()).await;
        let mut received = HashSet::new();
        let mut received_ids = HashSet::new();
        for message in messages {
            assert_eq!(message.attempts, 1);
            assert!(received_ids.insert(message.id));
            assert!(received.insert(message.body));
        }
        assert!(received == bodies);
        assert_eq!(ids.get_or_insert(received_ids.clone()), &received_ids);
        consumer.expect_silence().await;
    }
}

#[tokio::test]
async fn the_first_channel_gets_the_backlog_and_later_ones_do_not() {
    // Protects NSQ's rule: messages wait in the topic for its first channel.
    let nsqd = Nsqd::start().await;
    let mut producer = nsqd.connect().await;
    producer.mpub("t", &["1", "2", "3"]).await;
    assert_eq!(nsqd.stats().await.topic("t")["depth"], 3);
    nsqd.create_channel("t", "first").await;
    nsqd.await_channel("t", "first", |channel| channel["depth"] == 3).await;
    nsqd.create_channel("t", "second").await;
    producer.publish("t", b"4").await;
    nsqd.await_channel("t", "first", |channel| channel["depth"] == 4).await;
    nsqd.await_channel("t", "second", |channel| channel["depth"] == 1).await;
    assert_eq!(nsqd.stats().await.topic("t")["depth"], 0);
}

#[tokio::test]
async fn without_channels_messages_wait_in_the_topic_again() {
    // Protects what is published after the last channel was deleted.
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    nsqd.post_ok("/channel/delete?topic=t&channel=c").await;
    nsqd.connect().await.mpub("t", &["1", "2"]).await;
    assert_eq!(nsqd.stats().await.topic("t")["depth"], 2);
    assert_eq!(nsqd.consumer("t", "c", 5).await.finish_messages(2).await.len(), 2);
}

#[tokio::test]
async fn fin_in_one_channel_does_not_concern_another() {
    // Protects the independence of channels: each has its own in-flight messages, requeues and attempts.
    let nsqd = Nsqd::start().await;
    let mut first = nsqd.consumer("t", "first", 1).await;
    let mut second = nsqd.consumer("t", "second", 1).await;
    first.publish("t", b"x").await;
    let message = first.next_message().await;
    first.fin(message.id).await;
    for attempts in 1..=3 {
        let message = second.next_message().await;
        assert_eq!(message.attempts, attempts);
        second.req(message.id, std::time::Duration::ZERO).await;
    }
    nsqd.await_channel("t", "first", |channel| channel["in_flight_count"] == 0 && channel["depth"] == 0)
        .await;
}
