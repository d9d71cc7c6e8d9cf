//! Looking at the messages of a channel without taking them.

use std::time::Duration;

use serde_json::Value;
use tests::{Nsqd, ours_only};

async fn messages(nsqd: &Nsqd, query: &str) -> Vec<Value> {
    let answer = nsqd.get(&format!("/channel/peek?topic=t&channel=c{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["messages"].as_array().expect("a list").clone()
}

/// Bodies and states.
fn bodies(messages: &[Value]) -> Vec<(&str, &str)> {
    let text = |value| Value::as_str(value).unwrap_or_default();
    messages.iter().map(|message| (text(&message["body"]), text(&message["state"]))).collect()
}

#[tokio::test]
async fn each_message_is_shown_where_it_is() {
    // Protects: what waits, was requeued, is deferred, is in flight; and nothing of it is touched.
    if !ours_only("it shows no messages") {
        return;
    }
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t", "c", 3).await;
    let mut producer = nsqd.connect().await;
    for body in ["requeued", "back later", "in flight"] {
        producer.publish("t", body).await;
    }
    let [one, two, _three] =
        [consumer.next_message().await, consumer.next_message().await, consumer.next_message().await];
    consumer.rdy(0).await;
    consumer.req(two.id, Duration::from_mins(1)).await;
    consumer.req(one.id, Duration::ZERO).await;
    producer.publish("t", "first").await;
    producer.dpub("t", Duration::from_secs(30), "later").await;
    producer.publish("t", "second").await;
    let stats = nsqd.await_channel("t", "c", |channel| channel["deferred_count"] == 2).await;
    let shown = messages(&nsqd, "").await;
    let expected = [
        ("requeued", "requeued"),
        ("first", "waiting"),
        ("second", "waiting"),
        ("back later", "deferred"),
        ("later", "deferred"),
        ("in flight", "in flight"),
    ];
    assert_eq!(bodies(&shown), expected);
    let attempts: Vec<_> = shown.iter().map(|message| message["attempts"].as_u64().unwrap()).collect();
    assert_eq!(attempts, [1, 0, 0, 1, 0, 1]);
    assert_eq!(shown[0]["id"], String::from_utf8_lossy(&one.id.0).as_ref());
    let (due, published) = (shown[4]["due_ms"].as_i64().unwrap(), shown[4]["timestamp_ms"].as_i64().unwrap());
    assert!((29_000..=31_000).contains(&(due - published)), "{due} {published}");
    assert_eq!(shown[0]["due_ms"], Value::Null);
    let again = nsqd.stats().await.channel("t", "c");
    assert_eq!((&again["depth"], &again["in_flight_count"]), (&stats["depth"], &stats["in_flight_count"]));
    assert_eq!(bodies(&messages(&nsqd, "&offset=2&limit=3").await), expected[2..5]);
    // All that waited still does. One is in flight.
    consumer.rdy(4).await;
    let mut left = Vec::new();
    for _ in 0..3 {
        let message = consumer.next_message().await;
        left.push((String::from_utf8_lossy(&message.body).into_owned(), message.attempts));
    }
    left.sort();
    assert_eq!(left, [("first".into(), 1), ("requeued".into(), 2), ("second".into(), 1)]);
}

#[tokio::test]
async fn a_backlog_is_paged_through_many_segments() {
    // Protects: offsets count messages, whichever file they are in; others' acknowledgements leave holes that are passed over.
    if !ours_only("it shows no messages") {
        return;
    }
    let nsqd = Nsqd::start_with(&["--max-bytes-per-file=8192"]).await;
    nsqd.create_channel("t", "c").await;
    let mut producer = nsqd.connect().await;
    let bodies_of: Vec<String> = (0..500).map(|number| format!("{number:>100}")).collect();
    producer.mpub("t", &bodies_of).await;
    let number = |message: &Value| message["body"].as_str().unwrap().trim().parse::<usize>().unwrap();
    for (offset, limit) in [(0, 20), (0, 100), (130, 100), (450, 100), (499, 1), (500, 5)] {
        let shown = messages(&nsqd, &format!("&offset={offset}&limit={limit}")).await;
        let numbers: Vec<usize> = shown.iter().map(number).collect();
        assert_eq!(numbers, (offset..500.min(offset + limit)).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn bodies_are_cut_and_need_not_be_text() {
    // Protects the size of an answer.
    if !ours_only("it shows no messages") {
        return;
    }
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    let mut producer = nsqd.connect().await;
    producer.publish("t", [0xff, 0x00]).await;
    for _ in 0..60 {
        producer.publish("t", "x".repeat(100_000)).await;
    }
    let shown = messages(&nsqd, "&limit=100").await;
    assert_eq!((&shown[0]["body"], &shown[0]["encoding"]), (&"/wA=".into(), &"base64".into()));
    assert_eq!(shown[1]["body"].as_str().unwrap().len(), 64 << 10);
    assert_eq!((&shown[1]["size"], &shown[1]["is_cut"]), (&100_000.into(), &true.into()));
    assert_eq!(shown.len(), 1 + (2 << 20) / (64 << 10));
}

#[tokio::test]
async fn what_cannot_be_shown_is_refused() {
    if !ours_only("it shows no messages") {
        return;
    }
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    for (query, status, message) in [
        ("", 400, "MISSING_ARG_TOPIC"),
        ("topic=t", 400, "MISSING_ARG_CHANNEL"),
        ("topic=x&channel=c", 404, "TOPIC_NOT_FOUND"),
        ("topic=t&channel=x", 404, "CHANNEL_NOT_FOUND"),
        ("topic=t&channel=c&limit=101", 400, "INVALID_ARG_LIMIT"),
        ("topic=t&channel=c&limit=-1", 400, "INVALID_ARG_LIMIT"),
        ("topic=t&channel=c&offset=10001", 400, "INVALID_ARG_OFFSET"),
    ] {
        let answer = nsqd.get(&format!("/channel/peek?{query}")).await;
        assert_eq!((answer.status, answer.message().as_str()), (status, message), "{query}");
    }
    assert_eq!(nsqd.post("/channel/peek?topic=t&channel=c", b"").await.status, 405);
    assert!(messages(&nsqd, "&limit=0").await.is_empty());
}
