//! Consumers that share a channel.

use std::collections::HashMap;

use tests::Nsqd;
use tokio::sync::mpsc;

#[tokio::test]
async fn consumers_share_a_channel() {
    // Protects the work queue: each message goes to exactly one of the consumers, and none is left out.
    let nsqd = Nsqd::start().await;
    let (tx, mut rx) = mpsc::channel(100);
    for index in 0..4 {
        let mut consumer = nsqd.consumer("t", "c", 5).await;
        let tx = tx.clone();
        tokio::spawn(async move {
            while let Some(message) = consumer.read_message().await {
                consumer.fin(message.id).await;
                if tx.send((index, message.body)).await.is_err() {
                    return;
                }
            }
        });
    }
    let mut producer = nsqd.connect().await;
    for batch in 0..20 {
        let bodies: Vec<String> = (0..50).map(|index| format!("{batch}-{index}")).collect();
        producer.mpub("t", &bodies).await;
    }
    let mut consumer_of = HashMap::new();
    while consumer_of.len() < 1000 {
        let (index, body) = tests::within("every message", rx.recv()).await.expect("the consumers run");
        assert_eq!(consumer_of.insert(body, index), None, "delivered twice");
    }
    let channel = nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 0).await;
    assert_eq!(channel["depth"], 0);
    assert_eq!(channel["client_count"], 4);
}

#[tokio::test]
async fn idle_consumers_are_served_in_turn() {
    // Protects fairness: one message at a time, three waiting consumers, each gets its share.
    let nsqd = Nsqd::start().await;
    let mut producer = nsqd.connect().await;
    let mut consumers = Vec::new();
    for _ in 0..3 {
        consumers.push(nsqd.consumer("t", "c", 1).await);
    }
    // A consumer is ready some time after RDY was sent. RDY has no answer, but the statistics show it.
    nsqd.await_channel("t", "c", |channel| {
        channel["clients"]
            .as_array()
            .is_some_and(|clients| clients.iter().all(|client| client["ready_count"] == 1))
    })
    .await;
    for round in 0..3 {
        producer.mpub("t", &["a", "b", "c"]).await;
        // None is finished before each has one: the window of 1 spreads them.
        let mut ids = Vec::new();
        for consumer in &mut consumers {
            ids.push(consumer.next_message().await.id);
        }
        for (consumer, id) in consumers.iter_mut().zip(ids) {
            consumer.fin(id).await;
        }
        let finished = (round + 1) * 3;
        nsqd.await_channel("t", "c", |channel| {
            let clients = channel["clients"].as_array().into_iter().flatten();
            clients.filter_map(|client| client["finish_count"].as_u64()).sum::<u64>() == finished
        })
        .await;
    }
}

#[tokio::test]
async fn a_slow_consumer_does_not_hold_up_the_others() {
    // Protects the channel from one consumer that finishes nothing: the rest goes to the other.
    let nsqd = Nsqd::start().await;
    let mut slow = nsqd.consumer("t", "c", 1).await;
    slow.publish("t", b"stuck").await;
    slow.next_message().await;
    let mut quick = nsqd.consumer("t", "c", 10).await;
    let bodies = vec!["x"; 500];
    quick.mpub("t", &bodies).await;
    quick.finish_messages(500).await;
    slow.expect_silence().await;
}

#[tokio::test]
async fn the_limit_of_consumers_holds() {
    // Protects --max-channel-consumers: one more is refused, and a place that became free is taken again.
    let nsqd = Nsqd::start_with(&["--max-channel-consumers=1"]).await;
    let first = nsqd.consumer("t", "c", 1).await;
    let mut second = nsqd.connect().await;
    second.send("SUB t c\n").await;
    second.expect_error("E_SUB_FAILED SUB failed consumers for t:c exceeds limit of 1").await;
    second.expect_closed().await;
    nsqd.consumer("t", "d", 1).await.expect_alive().await;
    drop(first);
    nsqd.await_channel("t", "c", |channel| channel["client_count"] == 0).await;
    nsqd.consumer("t", "c", 1).await.expect_alive().await;
}
