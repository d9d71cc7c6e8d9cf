//! Publishing and consuming over TCP.

use std::collections::HashSet;

use protocol::Command;
use tests::{Client, Nsqd};

#[tokio::test]
async fn a_message_arrives_as_it_was_published() {
    // Protects the round trip: body byte for byte, attempts 1, a plausible timestamp, an id in lower-case hex.
    let nsqd = Nsqd::start().await;
    let mut producer = nsqd.connect().await;
    let body: Vec<u8> = (0..=u8::MAX).chain(*b"\r\n  V2\n").collect();
    let before = unix_ns();
    producer.publish("orders", &body).await;
    let after = unix_ns();

    let message = nsqd.consumer("orders", "billing", 1).await.next_message().await;
    assert_eq!(message.body, body);
    assert_eq!(message.attempts, 1);
    assert!(before <= message.timestamp_ns && message.timestamp_ns <= after, "{message:?}");
    assert!(message.id.to_u64().is_some(), "{}", message.id);
}

#[tokio::test]
async fn the_largest_body_passes_by_pub_and_mpub() {
    // Protects the upper bound of a body, which is inclusive, and reading in pieces.
    let nsqd = Nsqd::start_with(&["--max-msg-size=300000"]).await;
    let mut client = nsqd.connect().await;
    let body: Vec<u8> =
        (0..300_000_u32).map(|index| index.to_le_bytes()[0] ^ index.to_le_bytes()[1]).collect();
    client.publish("t", &body).await;
    client.mpub("t", &[&body[..], b"x"]).await;
    client.subscribe("t", "c").await;
    client.rdy(3).await;
    let mut bodies: Vec<_> =
        client.finish_messages(3).await.into_iter().map(|message| message.body).collect();
    bodies.sort_by_key(Vec::len);
    assert!(bodies == [b"x".to_vec(), body.clone(), body]);
}

#[tokio::test]
async fn mpub_delivers_each_of_its_messages_once() {
    // Protects the batch: every message, none twice, ids that rise in the order of the batch.
    let nsqd = Nsqd::start().await;
    let mut client = nsqd.connect().await;
    let bodies: Vec<String> = (0..500).map(|index| format!("message {index}")).collect();
    client.mpub("t", &bodies).await;
    client.subscribe("t", "c").await;
    client.rdy(100).await;
    let mut messages = client.finish_messages(bodies.len()).await;
    messages.sort_by_key(|message| message.id);
    let in_order_of_ids: Vec<_> =
        messages.iter().map(|message| String::from_utf8_lossy(&message.body)).collect();
    assert_eq!(in_order_of_ids, bodies);
    client.expect_silence().await;
}

#[tokio::test]
async fn pipelined_commands_are_answered_in_order() {
    // Protects clients that do not wait: one answer a command, in order; nothing after a fatal error is done.
    let nsqd = Nsqd::start().await;
    let mut client = nsqd.connect().await;
    let mut bytes = Vec::new();
    bytes.extend_from_slice(b"PUB t\n\0\0\0\x01a");
    bytes.extend_from_slice(b"PUB t\r\n\0\0\0\x01b");
    bytes.extend_from_slice(b"MPUB t\n\0\0\0\x0e\0\0\0\x02\0\0\0\x01c\0\0\0\x01d");
    bytes.extend_from_slice(b"BAD\n");
    bytes.extend_from_slice(b"PUB t\n\0\0\0\x01e");
    client.send(bytes).await;
    for _ in 0..3 {
        client.expect_ok().await;
    }
    client.expect_error("E_INVALID invalid command BAD").await;
    client.expect_closed().await;
    nsqd.create_channel("t", "c").await;
    nsqd.await_channel("t", "c", |channel| channel["depth"] == 4).await;
}

#[tokio::test]
async fn commands_may_arrive_byte_by_byte() {
    // Protects the parser's seams: a command cut at every byte is the same command.
    let nsqd = Nsqd::start().await;
    let mut client = Client::connect_silently(nsqd.tcp_address()).await;
    for byte in
        b"  V2PUB t\n\0\0\0\x05helloMPUB t\n\0\0\0\x10\0\0\0\x02\0\0\0\x03one\0\0\0\x01xSUB t c\nRDY 9\n"
    {
        client.send([*byte]).await;
    }
    for _ in 0..3 {
        client.expect_ok().await;
    }
    let messages = client.finish_messages(3).await;
    let bodies: HashSet<_> = messages.iter().map(|message| message.body.as_slice()).collect();
    assert_eq!(bodies, HashSet::from([&b"hello"[..], b"one", b"x"]));
}

#[tokio::test]
async fn rdy_is_a_window() {
    // Protects the meaning of RDY: so many in flight at a time, refilled by FIN, not a count that is used up.
    let nsqd = Nsqd::start().await;
    let mut producer = nsqd.connect().await;
    producer.mpub("t", &["1", "2", "3", "4"]).await;
    let mut consumer = nsqd.consumer("t", "c", 2).await;
    let first = consumer.next_message().await;
    let second = consumer.next_message().await;
    consumer.expect_silence().await;
    consumer.fin(first.id).await;
    let third = consumer.next_message().await;
    // Lowered below what is in flight, nothing comes until it has room again.
    consumer.rdy(1).await;
    consumer.fin(second.id).await;
    consumer.expect_silence().await;
    consumer.fin(third.id).await;
    consumer.next_message().await;
}

#[tokio::test]
async fn a_consumer_that_is_not_ready_gets_nothing() {
    // Protects RDY 0: after SUB, and when set again.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.connect().await;
    consumer.subscribe("t", "c").await;
    nsqd.connect().await.mpub("t", &["1", "2"]).await;
    consumer.expect_silence().await;
    consumer.rdy(1).await;
    let message = consumer.next_message().await;
    consumer.rdy(0).await;
    consumer.fin(message.id).await;
    consumer.expect_silence().await;
}

#[tokio::test]
async fn after_cls_messages_in_flight_can_be_finished() {
    // Protects the orderly goodbye of a consumer: no new messages, the old ones are answered, publishing still works.
    let nsqd = Nsqd::start().await;
    nsqd.connect().await.mpub("t", &["1", "2", "3"]).await;
    let mut consumer = nsqd.consumer("t", "c", 2).await;
    let first = consumer.next_message().await;
    let second = consumer.next_message().await;
    consumer.command(&Command::Cls).await;
    consumer.expect_response("CLOSE_WAIT").await;
    consumer.touch(first.id).await;
    consumer.fin(first.id).await;
    consumer.req(second.id, std::time::Duration::ZERO).await;
    consumer.rdy(5).await;
    consumer.send("RDY x\n").await;
    consumer.expect_silence().await;
    consumer.publish("t3", b"x").await;
    let channel = nsqd.await_channel("t", "c", |channel| channel["depth"] == 2).await;
    assert_eq!(channel["in_flight_count"], 0);
    assert_eq!(channel["requeue_count"], 1);
    consumer.send("CLS\n").await;
    consumer.expect_error("E_INVALID cannot CLS in current state").await;
    consumer.expect_closed().await;
}

#[tokio::test]
async fn a_lone_message_is_not_held_back() {
    // Protects latency: without any further traffic a message goes out before the output buffer's time is over, which
    // is 30 s here and thus beyond every deadline of this test.
    if !tests::ours_only("it lets a lone message wait for the output buffer's timer") {
        return;
    }
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.connect().await;
    consumer.identify(r#"{"output_buffer_timeout":30000}"#).await;
    consumer.subscribe("t", "c").await;
    consumer.rdy(5).await;
    nsqd.connect().await.publish("t", b"x").await;
    consumer.next_message().await;
}

#[tokio::test]
async fn many_messages_both_ways_on_one_connection() {
    // Protects against deadlock: a client that publishes and finishes while messages come to it.
    let nsqd = Nsqd::start().await;
    let mut client = nsqd.consumer("t", "c", 50).await;
    let mut bodies = HashSet::new();
    for round in 0..100_u32 {
        let batch: Vec<String> = (0..50).map(|index| format!("{round}-{index}")).collect();
        client.mpub("t", &batch).await;
        for message in client.finish_messages(batch.len()).await {
            assert!(bodies.insert(message.body), "delivered twice");
        }
    }
    assert_eq!(bodies.len(), 5000);
}

#[tokio::test]
async fn an_abandoned_upload_publishes_nothing() {
    // Protects against half messages: a connection that ends within a body leaves no trace.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t", "c", 5).await;
    let mut producer = nsqd.connect().await;
    producer.send(b"PUB t\n\0\0\0\x64half").await;
    drop(producer);
    consumer.expect_silence().await;
}

fn unix_ns() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_nanos()).expect("before 2262")
}
