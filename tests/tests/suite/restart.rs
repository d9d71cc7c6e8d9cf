//! What an orderly stop keeps.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use tests::{Nsqd, ours_only};

#[tokio::test]
async fn a_restart_keeps_every_message() {
    // Protects the backlog of topics and channels: depth, ids, timestamps and bodies are the same afterwards.
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    nsqd.create_channel("t", "d").await;
    let mut producer = nsqd.connect().await;
    for batch in 0..10 {
        let bodies: Vec<String> = (0..100).map(|index| format!("{batch}-{index}")).collect();
        producer.mpub("t", &bodies).await;
    }
    producer.mpub("lonely", &["1", "2", "3"]).await;
    // The first hundred of one channel are done before the stop.
    let mut consumer = nsqd.consumer("t", "c", 10).await;
    let mut finished = HashMap::new();
    for message in consumer.finish_messages(100).await {
        finished.insert(message.id, message);
    }
    consumer.rdy(0).await;
    nsqd.await_channel("t", "c", |channel| channel["clients"][0]["finish_count"] == 100).await;

    let nsqd = nsqd.restart().await;
    let stats = nsqd.stats().await;
    assert_eq!(stats.topic("lonely")["depth"], 3);
    assert_eq!(stats.channel("t", "c")["depth"], 900);
    assert_eq!(stats.channel("t", "d")["depth"], 1000);
    let of_d = nsqd.consumer("t", "d", 200).await.finish_messages(1000).await;
    let bodies: HashSet<_> = of_d.iter().map(|message| message.body.clone()).collect();
    assert_eq!(bodies.len(), 1000);
    for message in of_d {
        assert_eq!(message.attempts, 1);
        if let Some(finished) = finished.get(&message.id) {
            assert_eq!(&message, finished);
        }
    }
    for message in nsqd.consumer("t", "c", 200).await.finish_messages(900).await {
        assert!(!finished.contains_key(&message.id), "a finished message came back");
    }
}

#[tokio::test]
async fn what_was_in_flight_comes_back_with_its_attempts() {
    // Protects messages on their way at the stop, and the counter by which consumers give up.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t", "c", 3).await;
    consumer.mpub("t", &["1", "2", "3"]).await;
    let mut attempts = HashMap::new();
    for _ in 0..3 {
        let message = consumer.next_message().await;
        attempts.insert(message.id, message.attempts);
    }
    // One of them goes round twice more.
    let often = *attempts.keys().next().expect("three messages came");
    for _ in 0..2 {
        consumer.req(often, Duration::ZERO).await;
        let message = consumer.next_message().await;
        assert_eq!(message.id, often);
        attempts.insert(message.id, message.attempts);
    }
    let nsqd = nsqd.restart().await;
    for message in nsqd.consumer("t", "c", 3).await.finish_messages(3).await {
        assert_eq!(message.attempts, attempts[&message.id] + 1);
    }
}

#[tokio::test]
async fn deferred_messages_keep_their_deadlines() {
    // Protects delays, of DPUB and of REQ: after a restart they are neither lost nor forgotten.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    let published = Instant::now();
    let delay = Duration::from_secs(3);
    consumer.publish("t", b"requeued").await;
    let message = consumer.next_message().await;
    consumer.req(message.id, Duration::from_mins(10)).await;
    consumer.dpub("t", delay, b"soon").await;
    consumer.dpub("t", Duration::from_mins(10), b"far").await;
    nsqd.await_channel("t", "c", |channel| channel["deferred_count"] == 3).await;
    let nsqd = nsqd.restart().await;
    if !ours_only("delays are lost at a stop") {
        nsqd.consumer("t", "c", 3).await.finish_messages(3).await;
        return;
    }
    nsqd.await_channel("t", "c", |channel| channel["deferred_count"].as_u64() >= Some(2)).await;
    let mut consumer = nsqd.consumer("t", "c", 3).await;
    let soon = consumer.next_message().await;
    assert_eq!((soon.body.as_slice(), soon.attempts), (&b"soon"[..], 1));
    assert!(published.elapsed() >= delay, "came after {:?}", published.elapsed());
    consumer.fin(soon.id).await;
    consumer.expect_silence().await;
    assert_eq!(nsqd.stats().await.channel("t", "c")["deferred_count"], 2);
}

#[tokio::test]
async fn a_deferred_message_without_a_channel_keeps_its_deadline() {
    // Protects a delay that no channel has seen before the stop.
    if !ours_only("delays are lost at a stop") {
        return;
    }
    let nsqd = Nsqd::start().await;
    nsqd.connect().await.dpub("t", Duration::from_mins(10), b"x").await;
    let nsqd = nsqd.restart().await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    nsqd.await_channel("t", "c", |channel| channel["deferred_count"] == 1).await;
    consumer.expect_silence().await;
}

#[tokio::test]
async fn names_survive_a_restart() {
    // Protects empty topics and channels, with all names that are legal, `.` and `..` among them.
    let nsqd = Nsqd::start().await;
    let longest = "x".repeat(64);
    let names = [".", "..", "a.b_c-D", longest.as_str()];
    for name in names {
        nsqd.create_channel(name, name).await;
        nsqd.connect().await.publish(name, name).await;
    }
    let nsqd = nsqd.restart().await;
    for name in names {
        nsqd.await_channel(name, name, |channel| channel["depth"] == 1).await;
        assert_eq!(nsqd.consumer(name, name, 1).await.finish_messages(1).await[0].body, name.as_bytes());
    }
}

#[tokio::test]
async fn an_acknowledged_message_survives_a_kill() {
    // Protects the promise of this daemon: OK means kept, whatever becomes of the process.
    if !ours_only("what is in memory is lost") {
        return;
    }
    let mut nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    let mut producer = nsqd.connect().await;
    producer.publish("t", b"pub").await;
    producer.mpub("t", &["mpub"]).await;
    producer.dpub("t", Duration::from_millis(10), b"dpub").await;
    assert_eq!(nsqd.post("/pub?topic=t", b"http").await.text(), "OK");
    producer.publish("without-channel", b"x").await;
    nsqd.kill().await;
    let nsqd = nsqd.start_again().await;
    let messages = nsqd.consumer("t", "c", 5).await.finish_messages(4).await;
    let bodies: HashSet<_> = messages.iter().map(|message| message.body.as_slice()).collect();
    assert_eq!(bodies, HashSet::from([&b"pub"[..], b"mpub", b"dpub", b"http"]));
    assert_eq!(nsqd.stats().await.topic("without-channel")["depth"], 1);
}

#[tokio::test]
async fn a_second_nsqd_on_the_same_data_is_refused() {
    // Protects the data path from two owners.
    let nsqd = Nsqd::start().await;
    let (status, log) = nsqd.start_rival().await;
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("failed to lock data-path"), "{log}");
    nsqd.connect().await.expect_alive().await;
}

#[tokio::test]
async fn a_stop_disconnects_everybody() {
    // Protects the stop: clients get a plain close, and the process ends with 0 though they were busy.
    let mut nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t", "c", 5).await;
    let mut producer = nsqd.connect().await;
    producer.publish("t", b"x").await;
    consumer.next_message().await;
    assert!(nsqd.terminate().await.success());
    consumer.expect_closed().await;
    producer.expect_closed().await;
}
