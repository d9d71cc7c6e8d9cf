//! `--pub-ack=sync`: OK means that the message is on the disk.

use std::time::Duration;

use protocol::MessageId;
use tests::{Nsqd, ours_only};

const SYNC: &[&str] = &["--pub-ack=sync"];

#[tokio::test]
async fn every_way_to_publish_is_answered() {
    // Protects publishers against waiting for ever for a commit that nobody makes.
    if !ours_only("it has no --pub-ack") {
        return;
    }
    let nsqd = Nsqd::start_with(SYNC).await;
    let mut consumer = nsqd.consumer("t", "c", 10).await;
    let mut producer = nsqd.connect().await;
    producer.publish("t", b"pub").await;
    producer.mpub("t", &[b"mpub 1", b"mpub 2"]).await;
    producer.dpub("t", Duration::from_millis(1), b"dpub").await;
    for target in ["/pub?topic=t", "/mpub?topic=t", "/pub?topic=t&defer=1"] {
        let response = nsqd.post(target, b"http").await;
        assert_eq!((response.status, response.text().as_str()), (200, "OK"), "{target}");
    }
    // What is not kept on the disk is not waited for.
    producer.publish("t#ephemeral", b"pub").await;
    assert_eq!(nsqd.post("/mpub?topic=t#ephemeral", b"\n").await.status, 200);
    let mut bodies: Vec<_> =
        consumer.finish_messages(7).await.into_iter().map(|message| message.body).collect();
    bodies.sort();
    let expected: [&[u8]; 7] = [b"dpub", b"http", b"http", b"http", b"mpub 1", b"mpub 2", b"pub"];
    assert_eq!(bodies, expected);
}

#[tokio::test]
async fn answers_stay_in_the_order_of_the_commands() {
    // Protects clients that match answers by their order: what waits for the disk holds back what follows it.
    if !ours_only("it has no --pub-ack") {
        return;
    }
    let nsqd = Nsqd::start_with(SYNC).await;
    let mut client = nsqd.connect().await;
    client.subscribe("in", "c").await;
    client.rdy(5).await;
    let mut batch = Vec::new();
    for topic in ["a", "b", "a", "in"] {
        batch.extend_from_slice(format!("PUB {topic}\n\0\0\0\x01x").as_bytes());
    }
    batch.extend_from_slice(b"FIN ffffffffffffffff\nPUB a\n\0\0\0\x01yPUB bad!name\n\0\0\0\x01z");
    client.send(&batch).await;
    // The message for itself comes at any place behind the publish.
    let mut answers = Vec::new();
    let mut messages = 0;
    while answers.len() < 7 {
        match client.next_frame().await.expect("the connection is open until the last answer") {
            tests::Received::Message(message) => {
                assert_ne!(message.id, MessageId(*b"ffffffffffffffff"));
                messages += 1;
            }
            tests::Received::Response(text) | tests::Received::Error(text) => {
                answers.push(String::from_utf8(text).unwrap());
            }
        }
    }
    assert_eq!(&answers[..4], ["OK"; 4]);
    assert_eq!(answers[4], "E_FIN_FAILED FIN ffffffffffffffff failed ID not in flight");
    assert_eq!(answers[5], "OK");
    assert!(answers[6].starts_with("E_BAD_TOPIC"), "{}", answers[6]);
    assert!(messages <= 1);
    client.expect_closed().await;
}

#[tokio::test]
async fn a_client_that_stops_sending_gets_its_answers() {
    // Protects scripts that write, shut their side down and then read.
    if !ours_only("it has no --pub-ack") {
        return;
    }
    let nsqd = Nsqd::start_with(SYNC).await;
    let mut client = nsqd.connect().await;
    client.send(b"PUB t\n\0\0\0\x01xPUB t\n\0\0\0\x01y").await;
    client.finish_sending().await;
    client.expect_ok().await;
    client.expect_ok().await;
    client.expect_closed().await;
}

#[tokio::test]
async fn many_topics_commit_together() {
    // Protects the way by one sync of the file system, and a stop while publishers wait: what was answered is there.
    if !ours_only("it has no --pub-ack") {
        return;
    }
    let nsqd = Nsqd::start_with(SYNC).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(nsqd.connect().await);
    }
    for (at, client) in clients.iter_mut().enumerate() {
        client.send(format!("PUB t{at}\n\0\0\0\x01xPUB t{at}\n\0\0\0\x01y")).await;
    }
    for client in &mut clients {
        client.expect_ok().await;
        client.expect_ok().await;
    }
    let mut nsqd = nsqd;
    nsqd.kill().await;
    let nsqd = nsqd.start_again().await;
    let stats = nsqd.stats().await;
    for at in 0..20 {
        assert_eq!(stats.topic(&format!("t{at}"))["depth"], 2);
    }
}

#[tokio::test]
async fn an_unknown_word_is_refused() {
    // Protects against a typing error that would mean less safety than was asked for.
    if !ours_only("it has no --pub-ack") {
        return;
    }
    let nsqd = Nsqd::start().await;
    let (status, log) = nsqd.start_rival_with(&["--pub-ack=fsync"]).await;
    assert!(!status.success());
    assert!(log.contains("must be write or sync"), "{log}");
}
