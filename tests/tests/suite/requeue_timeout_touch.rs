//! What happens to a message that is not finished.

use std::time::{Duration, Instant};

use protocol::MessageId;
use tests::{Client, Nsqd, ours_only};

/// A consumer with the shortest time-out that can be asked for: 1 s.
async fn hasty_consumer(nsqd: &Nsqd, topic: &str, channel: &str) -> Client {
    let mut consumer = nsqd.connect().await;
    consumer.identify(r#"{"msg_timeout":1000}"#).await;
    consumer.subscribe(topic, channel).await;
    consumer.rdy(1).await;
    consumer
}

#[tokio::test]
async fn a_requeued_message_comes_again() {
    // Protects REQ 0: the same id, timestamp and body, one attempt more, counted.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    consumer.publish("t", b"again").await;
    let first = consumer.next_message().await;
    consumer.req(first.id, Duration::ZERO).await;
    let second = consumer.next_message().await;
    assert_eq!(second.attempts, 2);
    assert_eq!((second.id, second.timestamp_ns, second.body), (first.id, first.timestamp_ns, first.body));
    consumer.fin(second.id).await;
    let channel = nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 0).await;
    assert_eq!(channel["requeue_count"], 1);
    assert_eq!(channel["depth"], 0);
    assert_eq!(channel["message_count"], 1);
}

#[tokio::test]
async fn a_requeue_with_a_delay_does_not_come_early() {
    // Protects the delay of REQ, which may be late but never early; meanwhile the message counts as deferred.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    consumer.publish("t", b"later").await;
    let first = consumer.next_message().await;
    let sent = Instant::now();
    consumer.req(first.id, Duration::from_millis(700)).await;
    let second = consumer.next_message().await;
    assert!(sent.elapsed() >= Duration::from_millis(700), "came after {:?}", sent.elapsed());
    assert_eq!((second.id, second.attempts), (first.id, 2));

    consumer.req(second.id, Duration::from_mins(10)).await;
    let channel = nsqd.await_channel("t", "c", |channel| channel["deferred_count"] == 1).await;
    assert_eq!(channel["in_flight_count"], 0);
    assert_eq!(channel["depth"], 0);
}

#[tokio::test]
async fn a_requeue_beyond_the_limit_is_cut_to_it() {
    // Protects the clamp of REQ (DPUB refuses instead): the connection lives, the message waits.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    consumer.publish("t", b"x").await;
    let message = consumer.next_message().await;
    consumer.send(format!("REQ {} 99999999\n", message.id)).await;
    nsqd.await_channel("t", "c", |channel| channel["deferred_count"] == 1).await;
    consumer.expect_alive().await;
}

#[tokio::test]
async fn a_requeue_by_a_number_beyond_64_bits_waits_for_the_maximum() {
    // Protects the clamp from overflow: such a delay must not become "at once".
    if !ours_only("its arithmetic wraps") {
        return;
    }
    let nsqd = Nsqd::start().await;
    for delay in
        ["10000000000000", "18446744073709551615", "18446744073709551616", "99999999999999999999999999"]
    {
        let mut consumer = nsqd.consumer("t", delay, 1).await;
        consumer.publish("t", b"x").await;
        let message = consumer.next_message().await;
        consumer.send(format!("REQ {} {delay}\n", message.id)).await;
        nsqd.await_channel("t", delay, |channel| channel["deferred_count"] == 1).await;
    }
}

#[tokio::test]
async fn a_message_times_out() {
    // Protects at-least-once delivery: what nobody finishes comes again, not before its time, and is counted.
    let nsqd = Nsqd::start().await;
    let mut consumer = hasty_consumer(&nsqd, "t", "c").await;
    let published = Instant::now();
    consumer.publish("t", b"x").await;
    let first = consumer.next_message().await;
    let second = consumer.next_message().await;
    assert!(published.elapsed() >= Duration::from_secs(1), "came after {:?}", published.elapsed());
    assert_eq!((second.id, second.attempts), (first.id, 2));
    consumer.fin(second.id).await;
    let channel = nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 0).await;
    assert_eq!(channel["timeout_count"], 1);
    assert_eq!(channel["requeue_count"], 0);
}

#[tokio::test]
async fn a_late_fin_is_refused_and_the_connection_lives() {
    // Protects against lost messages: a FIN behind the time-out finishes nothing, and says so.
    let nsqd = Nsqd::start().await;
    let mut late = hasty_consumer(&nsqd, "t", "c").await;
    late.publish("t", b"x").await;
    let message = late.next_message().await;
    late.rdy(0).await;
    nsqd.await_channel("t", "c", |channel| channel["timeout_count"] == 1).await;
    late.fin(message.id).await;
    late.expect_error(format!("E_FIN_FAILED FIN {} failed ID not in flight", message.id)).await;

    // Now it is another's.
    let mut other = nsqd.consumer("t", "c", 1).await;
    assert_eq!(other.next_message().await.id, message.id);
    late.fin(message.id).await;
    late.expect_error(format!("E_FIN_FAILED FIN {} failed client does not own message", message.id)).await;
    late.touch(message.id).await;
    late.expect_error(format!("E_TOUCH_FAILED TOUCH {} failed client does not own message", message.id))
        .await;
    late.req(message.id, Duration::ZERO).await;
    late.expect_error(format!("E_REQ_FAILED REQ {} failed client does not own message", message.id)).await;
    other.fin(message.id).await;
    nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 0 && channel["depth"] == 0).await;
    late.expect_alive().await;
}

#[tokio::test]
async fn a_touched_message_stays_in_flight() {
    // Protects TOUCH: while it is touched a message is not redelivered, though its first time-out is long over.
    let nsqd = Nsqd::start().await;
    let mut consumer = hasty_consumer(&nsqd, "t", "c").await;
    consumer.publish("t", b"x").await;
    let message = consumer.next_message().await;
    let delivered = Instant::now();
    let mut touched = delivered;
    while delivered.elapsed() < Duration::from_millis(2500) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        // On a machine that stopped for so long the time-out is right, and nothing can be said.
        if touched.elapsed() > Duration::from_millis(700) {
            return;
        }
        consumer.touch(message.id).await;
        touched = Instant::now();
    }
    consumer.fin(message.id).await;
    let channel = nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 0).await;
    assert_eq!((&channel["timeout_count"], &channel["depth"]), (&0.into(), &0.into()));
}

#[tokio::test]
async fn touch_does_not_reach_beyond_the_maximum() {
    // Protects the cap: a consumer that touches for ever loses the message after max-msg-timeout.
    let nsqd = Nsqd::start_with(&["--max-msg-timeout=2s"]).await;
    let mut consumer = hasty_consumer(&nsqd, "t", "c").await;
    consumer.publish("t", b"x").await;
    let message = consumer.next_message().await;
    let touching = async {
        loop {
            consumer.touch(message.id).await;
            let frame = tokio::time::timeout(Duration::from_millis(200), consumer.next_frame()).await;
            if let Ok(frame) = frame {
                return frame;
            }
        }
    };
    let frame = tests::within("the redelivery of a message that is touched for ever", touching).await;
    match frame {
        Some(tests::Received::Message(again)) => assert_eq!((again.id, again.attempts), (message.id, 2)),
        other => panic!("expected the message again, got {other:?}"),
    }
}

#[tokio::test]
async fn messages_of_a_lost_consumer_come_again() {
    // Protects against dead consumers: what was in flight to one goes to the next, at the latest after its time-out.
    let nsqd = Nsqd::start().await;
    let mut lost = nsqd.connect().await;
    lost.identify(r#"{"msg_timeout":1000}"#).await;
    lost.subscribe("t", "c").await;
    lost.rdy(10).await;
    lost.mpub("t", &["1", "2", "3"]).await;
    for _ in 0..3 {
        lost.next_message().await;
    }
    drop(lost);
    let mut next = nsqd.consumer("t", "c", 10).await;
    for message in next.finish_messages(3).await {
        assert_eq!(message.attempts, 2);
    }
}

#[tokio::test]
async fn answers_for_unknown_ids_are_refused_one_by_one() {
    // Protects idempotence: a second FIN, and any id that was never delivered, are told and nothing else happens.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    consumer.publish("t", b"x").await;
    let message = consumer.next_message().await;
    consumer.fin(message.id).await;
    consumer.fin(message.id).await;
    consumer.expect_error(format!("E_FIN_FAILED FIN {} failed ID not in flight", message.id)).await;
    let upper = MessageId(*b"ABCDEFABCDEFABCD");
    consumer.touch(upper).await;
    consumer.expect_error("E_TOUCH_FAILED TOUCH ABCDEFABCDEFABCD failed ID not in flight").await;
    consumer.expect_alive().await;
}

#[tokio::test]
async fn attempts_count_on() {
    // Protects the counter that consumers give up by.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    consumer.publish("t", b"x").await;
    for attempts in 1..=300 {
        let message = consumer.next_message().await;
        assert_eq!(message.attempts, attempts);
        consumer.req(message.id, Duration::ZERO).await;
    }
}
