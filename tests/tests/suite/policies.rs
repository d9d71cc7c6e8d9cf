//! Policies of topics and channels: each shown from the request that sets it to what becomes of a message.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use tests::{Nsqd, ours_only};

/// Sets a policy, and checks the answer.
async fn set(nsqd: &Nsqd, target: &str, policy: Value) -> Value {
    let response = nsqd.post(target, policy.to_string()).await;
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}

#[tokio::test]
async fn a_message_that_is_delivered_too_often_goes_to_the_dead_letter_topic() {
    // Protects consumers from a message that kills each of them, and the message from being lost.
    if !ours_only("it has no dead letters") {
        return;
    }
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("orders", "billing").await;
    nsqd.create_channel("orders", "other").await;
    nsqd.create_channel("orders.dead", "inspect").await;
    let policy = json!({"max_attempts": 3, "dead_letter_topic": "orders.dead"});
    set(&nsqd, "/channel/config?topic=orders&channel=billing", policy).await;
    nsqd.connect().await.publish("orders", "poison").await;

    // Once requeued, once timed out, once left by a consumer that goes: each is an attempt.
    let mut consumer = nsqd.connect().await;
    consumer.identify(r#"{"msg_timeout":1000}"#).await;
    consumer.subscribe("orders", "billing").await;
    consumer.rdy(1).await;
    let poison = consumer.next_message().await;
    consumer.req(poison.id, Duration::ZERO).await;
    for attempts in 2..=3 {
        assert_eq!(consumer.next_message().await.attempts, attempts);
    }
    drop(consumer);

    let mut inspector = nsqd.consumer("orders.dead", "inspect", 1).await;
    let dead = inspector.next_message().await;
    assert_eq!((dead.body.as_slice(), dead.attempts), (&b"poison"[..], 1));
    inspector.fin(dead.id).await;
    let channel = nsqd.await_channel("orders", "billing", |channel| channel["dead_letter_count"] == 1).await;
    for (key, expected) in [("depth", 0), ("in_flight_count", 0), ("requeue_count", 1), ("timeout_count", 1)]
    {
        assert_eq!(channel[key], expected, "{key}");
    }
    // The other channel has its own copy.
    assert_eq!(nsqd.stats().await.channel("orders", "other")["depth"], 1);
    nsqd.await_log("were delivered too often and went to orders.dead").await;
}

#[tokio::test]
async fn no_dead_letter_is_lost_when_the_dead_letter_topic_is_full() {
    // Protects a dead message while there is no room for it: it stays in its channel, and moves when there is.
    if !ours_only("it has no dead letters") {
        return;
    }
    let nsqd = Nsqd::start_with(&["--sync-timeout=50ms"]).await;
    nsqd.create_channel("t", "c").await;
    nsqd.create_channel("dead", "c").await;
    set(&nsqd, "/topic/config?topic=t", json!({"max_attempts": 1, "dead_letter_topic": "dead"})).await;
    set(&nsqd, "/topic/config?topic=dead", json!({"max_depth": 1})).await;
    nsqd.connect().await.publish("dead", "in the way").await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    consumer.publish("t", "poison").await;
    let poison = consumer.next_message().await;
    consumer.req(poison.id, Duration::ZERO).await;
    nsqd.await_log("messages cannot be moved to the dead-letter topic").await;
    assert_eq!(nsqd.stats().await.channel("t", "c")["depth"], 1);
    nsqd.post_ok("/channel/empty?topic=dead&channel=c").await;
    nsqd.await_channel("dead", "c", |channel| channel["depth"] == 1).await;
    nsqd.await_channel("t", "c", |channel| channel["depth"] == 0 && channel["dead_letter_count"] == 1).await;
}

#[tokio::test]
async fn a_message_that_waits_too_long_expires() {
    // Protects consumers from news of yesterday: what is too old is dropped without a consumer, counted, and not
    // delivered; what is young enough is.
    if !ours_only("its messages do not expire") {
        return;
    }
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "short").await;
    nsqd.create_channel("t", "long").await;
    set(&nsqd, "/topic/config?topic=t", json!({"message_ttl": "1h"})).await;
    set(&nsqd, "/channel/config?topic=t&channel=short", json!({"message_ttl": 300})).await;
    let mut producer = nsqd.connect().await;
    producer.mpub("t", &["1", "2", "3"]).await;
    // Its time begins when it is due.
    producer.dpub("t", Duration::from_hours(1), "deferred").await;
    let channel = nsqd.await_channel("t", "short", |channel| channel["expired_count"] == 3).await;
    assert_eq!((&channel["depth"], &channel["deferred_count"]), (&json!(0), &json!(1)));
    assert_eq!(nsqd.stats().await.channel("t", "long")["depth"], 3);
    let mut consumer = nsqd.consumer("t", "short", 1).await;
    producer.publish("t", "fresh").await;
    let fresh = consumer.next_message().await;
    assert_eq!(fresh.body, b"fresh");
    // Requeued with a delay, it is too old when it is due.
    consumer.req(fresh.id, Duration::from_millis(400)).await;
    nsqd.await_channel("t", "short", |channel| channel["expired_count"] == 4).await;
    let samples = nsqd.get("/metrics").await.text();
    assert!(samples.contains("nsqd_channel_expired_total{topic=\"t\",channel=\"short\"} 4\n"), "{samples}");
}

#[tokio::test]
async fn expired_messages_give_their_room_back_without_a_consumer() {
    // Protects the disk: nobody consumes, nobody asks for statistics, and the files go.
    if !ours_only("its messages do not expire") {
        return;
    }
    let nsqd = Nsqd::start_with(&["--sync-timeout=50ms", "--max-bytes-per-file=65536"]).await;
    nsqd.create_channel("t", "c").await;
    set(&nsqd, "/topic/config?topic=t", json!({"message_ttl": "200ms"})).await;
    let mut producer = nsqd.connect().await;
    for _ in 0..50 {
        producer.mpub("t", &vec![[0_u8; 1000]; 60]).await;
    }
    let folder = nsqd.data_path().join("t.topic");
    let segments = || {
        let files = std::fs::read_dir(&folder).expect("the folder of the topic").flatten();
        files.filter(|file| file.path().extension().is_some_and(|extension| extension == "seg")).count()
    };
    let many = segments();
    assert!(10 < many, "{many}");
    tokio::time::timeout(tests::DEADLINE, async {
        while many / 2 < segments() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("files go when their messages are too old");
}

#[tokio::test]
async fn a_publish_to_a_full_channel_is_refused() {
    // Protects the disk and the consumers of a backlog: nothing of a refused publish is stored, anywhere, and there is
    // room again as soon as messages are taken.
    if !ours_only("its queues have no limit") {
        return;
    }
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    nsqd.create_channel("t", "unbounded").await;
    set(&nsqd, "/channel/config?topic=t&channel=c", json!({"max_depth": 2})).await;
    let mut producer = nsqd.connect().await;
    producer.mpub("t", &["1", "2"]).await;
    producer.send(b"PUB t\n\0\0\0\x013").await;
    producer.expect_error("E_PUB_FAILED PUB failed c is full: 2 messages wait, max_depth is 2").await;
    let response = nsqd.post("/pub?topic=t", "3").await;
    assert_eq!(
        (response.status, response.message().as_str()),
        (503, "c is full: 2 messages wait, max_depth is 2")
    );
    let response = nsqd.post("/mpub?topic=t", "3\n4\n").await;
    assert_eq!(response.status, 503);
    let stats = nsqd.stats().await;
    assert_eq!(
        (&stats.topic("t")["message_count"], &stats.topic("t")["refused_count"]),
        (&json!(2), &json!(4))
    );
    assert_eq!(stats.channel("t", "unbounded")["depth"], 2);
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    consumer.finish_messages(1).await;
    nsqd.await_channel("t", "c", |channel| channel["depth"] == 0).await;
    assert_eq!(nsqd.post("/pub?topic=t", "3").await.status, 200);
}

#[tokio::test]
async fn many_publishers_together_do_not_overfill_a_channel() {
    // Protects the limit under load: the look and the publish are one step.
    if !ours_only("its queues have no limit") {
        return;
    }
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    set(&nsqd, "/topic/config?topic=t", json!({"max_depth": 1000})).await;
    let mut publishers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mut http = nsqd.http().await;
        publishers.spawn(async move {
            let mut accepted = 0;
            for _ in 0..50 {
                let response = http.request("POST", "/mpub?topic=t", b"1\n2\n3\n4\n5\n6\n7\n").await;
                accepted += if response.status == 200 { 7 } else { 0 };
            }
            accepted
        });
    }
    let accepted: u64 = publishers.join_all().await.into_iter().sum();
    let stats = nsqd.stats().await;
    assert_eq!(accepted, 1000 / 7 * 7);
    assert_eq!(stats.channel("t", "c")["depth"], accepted);
    assert_eq!(stats.topic("t")["refused_count"], 8 * 50 * 7 - accepted);
}

#[tokio::test]
async fn a_full_channel_may_drop_its_oldest_instead() {
    // Protects consumers that want the newest only: nothing is refused, the oldest go, requeued ones first.
    if !ours_only("its queues have no limit") {
        return;
    }
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    set(&nsqd, "/channel/config?topic=t&channel=c", json!({"max_depth": 3, "on_full": "drop_oldest"})).await;
    let mut producer = nsqd.connect().await;
    producer.mpub("t", &["1", "2", "3", "4"]).await;
    producer.dpub("t", Duration::from_hours(1), "deferred").await;
    producer.mpub("t", &["5", "6"]).await;
    let channel = nsqd.stats().await.channel("t", "c");
    assert_eq!(
        (&channel["depth"], &channel["dropped_count"], &channel["deferred_count"]),
        (&json!(3), &json!(3), &json!(1))
    );
    let mut consumer = nsqd.consumer("t", "c", 3).await;
    let mut bodies = Vec::new();
    for _ in 0..3 {
        bodies.push(consumer.next_message().await.body);
    }
    assert_eq!(bodies, [b"4", b"5", b"6"]);
}

#[tokio::test]
async fn a_channel_sets_the_time_for_clients_that_set_none() {
    // Protects slow work in one channel and quick retries in another, without a change of clients.
    if !ours_only("all channels share --msg-timeout") {
        return;
    }
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "quick").await;
    set(&nsqd, "/channel/config?topic=t&channel=quick", json!({"msg_timeout": "300ms"})).await;
    let mut own = nsqd.connect().await;
    own.identify(r#"{"msg_timeout":60000}"#).await;
    own.subscribe("t", "quick").await;
    own.rdy(1).await;
    own.publish("t", "mine").await;
    let mine = own.next_message().await;
    let mut consumer = nsqd.consumer("t", "quick", 1).await;
    own.publish("t", "quick").await;
    assert_eq!(consumer.next_message().await.attempts, 1);
    assert_eq!(consumer.next_message().await.attempts, 2);
    own.fin(mine.id).await;
    let channel = nsqd.await_channel("t", "quick", |channel| channel["timeout_count"] != 0).await;
    assert_eq!(channel["clients"][0]["finish_count"], 1);
}

#[tokio::test]
async fn a_topic_may_wait_for_the_disk_and_keep_what_was_consumed() {
    // Protects topics that matter more than others: pub_ack and retention are theirs alone.
    if !ours_only("it has neither") {
        return;
    }
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    set(
        &nsqd,
        "/topic/config?topic=t",
        json!({"pub_ack": "sync", "retention_age": "1h", "retention_bytes": 1_000_000}),
    )
    .await;
    let syncs = async || {
        let text = nsqd.get("/metrics").await.text();
        let line = text.lines().find_map(|line| line.strip_prefix("nsqd_sync_duration_seconds_count "));
        line.expect("syncs are counted").parse::<u64>().expect("a number")
    };
    let before = syncs().await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    for body in ["1", "2", "3"] {
        consumer.publish("t", body).await;
        consumer.finish_messages(1).await;
    }
    assert!(before + 3 <= syncs().await);
    nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 0).await;
    nsqd.post_ok("/channel/seek?topic=t&channel=c&to=earliest").await;
    assert_eq!(consumer.next_message().await.body, b"1");
}

#[tokio::test]
async fn policies_outlive_a_kill_and_are_shown() {
    // Protects what an operator has set: it is on the disk before the answer, and gone with its topic or channel.
    if !ours_only("it has no policies") {
        return;
    }
    let mut nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    let of_topic =
        json!({"message_ttl": "1m30s", "max_depth": 5, "on_full": "drop_oldest", "max_bytes": 100_000_000});
    let of_channel = json!({"max_attempts": 2, "dead_letter_topic": "dead", "max_depth": 0});
    assert_eq!(set(&nsqd, "/topic/config?topic=t", of_topic.clone()).await, of_topic);
    assert_eq!(set(&nsqd, "/channel/config?topic=t&channel=c", of_channel.clone()).await, of_channel);
    // What a patch does not name stays, null takes away.
    set(&nsqd, "/topic/config?topic=t", json!({"pub_ack": "write", "on_full": null})).await;
    nsqd.kill().await;
    let nsqd = nsqd.start_again().await;
    let of_topic =
        json!({"message_ttl": "1m30s", "max_depth": 5, "max_bytes": 100_000_000, "pub_ack": "write"});
    assert_eq!(nsqd.get("/topic/config?topic=t").await.json(), of_topic);
    assert_eq!(nsqd.get("/channel/config?topic=t&channel=c").await.json(), of_channel);
    let stats = nsqd.stats().await;
    assert_eq!((&stats.topic("t")["config"], &stats.channel("t", "c")["config"]), (&of_topic, &of_channel));
    // The channel lifts the limit of its topic.
    nsqd.connect().await.mpub("t", &["x"; 6]).await;
    assert_eq!(nsqd.stats().await.channel("t", "c")["depth"], 6);
    nsqd.post_ok("/channel/delete?topic=t&channel=c").await;
    nsqd.create_channel("t", "c").await;
    assert_eq!(nsqd.get("/channel/config?topic=t&channel=c").await.json(), json!({}));
    nsqd.post_ok("/topic/delete?topic=t").await;
    nsqd.create_channel("t", "c").await;
    assert!(nsqd.stats().await.topic("t").get("config").is_none());
}

#[tokio::test]
async fn what_is_wrong_with_a_policy_is_said_and_nothing_changes() {
    // Protects operators from typing errors: the answer names the key, what is wrong, and what was probably meant.
    if !ours_only("it has no policies") {
        return;
    }
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    for (target, body, status, message) in [
        ("/topic/config", "{}", 400, "MISSING_ARG_TOPIC"),
        ("/topic/config?topic=a%20b", "{}", 400, "INVALID_TOPIC"),
        ("/topic/config?topic=none", "{}", 404, "TOPIC_NOT_FOUND"),
        ("/channel/config?topic=t", "{}", 400, "MISSING_ARG_CHANNEL"),
        ("/channel/config?topic=t&channel=none", "{}", 404, "CHANNEL_NOT_FOUND"),
        ("/topic/config?topic=t", "", 400, "INVALID_CONFIG the body must be a JSON object"),
        (
            "/topic/config?topic=t",
            r#"{"mesage_ttl":1}"#,
            400,
            "INVALID_CONFIG there is no \"mesage_ttl\" here; did you mean message_ttl?",
        ),
        (
            "/channel/config?topic=t&channel=c",
            r#"{"pub_ack":"sync"}"#,
            400,
            "INVALID_CONFIG there is no \"pub_ack\" here",
        ),
        (
            "/topic/config?topic=t",
            r#"{"max_depth":9,"max_attempts":2}"#,
            400,
            "INVALID_CONFIG max_attempts: give a dead_letter_topic, too, for the messages to go to",
        ),
        (
            "/topic/config?topic=t",
            r#"{"max_attempts":2,"dead_letter_topic":"t"}"#,
            400,
            "INVALID_CONFIG dead_letter_topic: must be another topic",
        ),
    ] {
        let response = nsqd.post(target, body).await;
        assert_eq!((response.status, response.message().as_str()), (status, message), "{target} {body}");
    }
    for body in [
        r#"{"max_depth":-1}"#,
        r#"{"max_depth":"many"}"#,
        r#"{"message_ttl":"1 day"}"#,
        r#"{"on_full":"explode"}"#,
        r#"{"pub_ack":"maybe"}"#,
        r#"{"max_attempts":70000}"#,
    ] {
        let response = nsqd.post("/topic/config?topic=t", body).await;
        let key = body.split('"').nth(1).expect("a key");
        let message = response.message();
        assert!(
            response.status == 400 && message.starts_with(&format!("INVALID_CONFIG {key}: ")),
            "{message}"
        );
    }
    assert_eq!(nsqd.get("/topic/config?topic=t").await.json(), json!({}));
    let response = nsqd.http().await.request("PUT", "/topic/config?topic=t", b"{}").await;
    assert_eq!((response.status, response.header("Allow")), (405, Some("GET, OPTIONS, POST")));
}

/// Messages of a test.
const DEAD: usize = 3000;

#[tokio::test]
async fn a_kill_while_dead_letters_move_loses_none() {
    // Protects dead letters under load: whenever the process is killed, each is in its channel or in the dead-letter topic.
    if !ours_only("it has no dead letters") {
        return;
    }
    let mut nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    nsqd.create_channel("dead", "c").await;
    set(&nsqd, "/topic/config?topic=t", json!({"max_attempts": 1, "dead_letter_topic": "dead"})).await;
    let bodies: Vec<String> = (0..DEAD).map(|number| number.to_string()).collect();
    nsqd.connect().await.mpub("t", &bodies).await;
    let mut consumer = nsqd.consumer("t", "c", 100).await;
    let requeue = async {
        while let Some(message) = consumer.read_message().await {
            consumer.req(message.id, Duration::ZERO).await;
        }
    };
    let some_moved = nsqd.await_channel("dead", "c", |channel| channel["depth"].as_u64() > Some(500));
    tokio::select! {
        () = requeue => {}
        _ = some_moved => {}
    }
    nsqd.kill().await;
    let nsqd = nsqd.start_again().await;
    let mut seen = BTreeSet::new();
    for (topic, rdy) in [("t", 100), ("dead", 100)] {
        // What had been tried once before the kill may have moved by now.
        let mut reader = nsqd.consumer(topic, "c", rdy).await;
        loop {
            let channel = nsqd.stats().await.channel(topic, "c");
            if channel["depth"] == 0 && channel["in_flight_count"] == 0 {
                break;
            }
            if let Ok(message) = tokio::time::timeout(Duration::from_millis(200), reader.next_message()).await
            {
                seen.insert(String::from_utf8(message.body).expect("a number"));
                reader.fin(message.id).await;
            }
        }
    }
    assert_eq!(seen.len(), DEAD);
}

#[tokio::test]
async fn under_load_each_message_is_delivered_or_counted() {
    // Protects the counts that an operator trusts: with consumers too slow for what comes, what they do not get is
    // counted as expired or dropped, to the message.
    if !ours_only("it has no policies") {
        return;
    }
    let nsqd = Nsqd::start().await;
    for (channel, policy) in [
        ("short", json!({"message_ttl": "20ms"})),
        ("newest", json!({"max_depth": 50, "on_full": "drop_oldest"})),
        ("both", json!({"message_ttl": "20ms", "max_depth": 50, "on_full": "drop_oldest"})),
    ] {
        nsqd.create_channel("t", channel).await;
        set(&nsqd, &format!("/channel/config?topic=t&channel={channel}"), policy).await;
    }
    let mut consumers = tokio::task::JoinSet::new();
    for channel in ["short", "newest", "both"] {
        let mut consumer = nsqd.consumer("t", channel, 2).await;
        consumers.spawn(async move {
            while let Some(message) = consumer.read_message().await {
                consumer.fin(message.id).await;
            }
        });
    }
    let mut producers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let mut producer = nsqd.connect().await;
        producers.spawn(async move {
            for _ in 0..100 {
                producer.mpub("t", &["some body"; 100]).await;
            }
        });
    }
    producers.join_all().await;
    for channel in ["short", "newest", "both"] {
        let idle = |state: &Value| state["depth"] == 0 && state["in_flight_count"] == 0;
        let state = nsqd.await_channel("t", channel, idle).await;
        let count = |key: &str| state[key].as_u64().unwrap_or(0);
        let finished = state["clients"][0]["finish_count"].as_u64().expect("there is a consumer");
        assert_eq!(finished + count("expired_count") + count("dropped_count"), 40_000, "{state:#}");
        // What comes at once is more than they may hold.
        assert!(channel == "short" || count("dropped_count") != 0, "{state:#}");
    }
    consumers.shutdown().await;
}
