//! The statistics, after traffic that is known.

use std::time::Duration;

use serde_json::json;
use tests::Nsqd;

#[tokio::test]
async fn known_traffic_gives_exact_numbers() {
    // Protects every counter that dashboards draw.
    let nsqd = Nsqd::start().await;
    let mut producer = nsqd.connect().await;
    let mut consumer = nsqd.connect().await;
    consumer.subscribe("t", "c").await;
    nsqd.create_channel("t", "idle").await;
    producer.mpub("t", &["12345", "12345", "12345", "12345"]).await;
    producer.publish("t", b"1234567").await;
    producer.dpub("t", Duration::from_mins(10), b"123").await;
    consumer.rdy(3).await;
    let mut messages = Vec::new();
    for _ in 0..3 {
        messages.push(consumer.next_message().await);
    }
    // One finished, one requeued with a delay; the window of 3 then holds 3 of the remaining.
    consumer.fin(messages[0].id).await;
    consumer.req(messages[1].id, Duration::from_mins(10)).await;
    consumer.next_message().await;
    consumer.next_message().await;
    nsqd.await_channel("t", "idle", |channel| channel["depth"] == 5 && channel["deferred_count"] == 1).await;

    let stats = nsqd.stats().await;
    let topic = stats.topic("t");
    for (key, expected) in [
        ("depth", json!(0)),
        ("backend_depth", json!(0)),
        ("message_count", json!(6)),
        ("message_bytes", json!(4 * 5 + 7 + 3)),
        ("paused", json!(false)),
        ("e2e_processing_latency", json!({"count": 0, "percentiles": null})),
    ] {
        assert_eq!(topic[key], expected, "{key} of the topic");
    }
    let channel = stats.channel("t", "c");
    for (key, expected) in [
        ("depth", json!(0)),
        ("backend_depth", json!(0)),
        ("in_flight_count", json!(3)),
        ("deferred_count", json!(2)),
        ("message_count", json!(6)),
        ("requeue_count", json!(1)),
        ("timeout_count", json!(0)),
        ("client_count", json!(1)),
        ("paused", json!(false)),
    ] {
        assert_eq!(channel[key], expected, "{key} of the channel");
    }
    let client = &channel["clients"][0];
    for (key, expected) in [
        ("state", json!(3)),
        ("ready_count", json!(3)),
        ("in_flight_count", json!(3)),
        ("message_count", json!(5)),
        ("finish_count", json!(1)),
        ("requeue_count", json!(1)),
        ("version", json!("V2")),
        ("sample_rate", json!(0)),
        ("deflate", json!(false)),
        ("snappy", json!(false)),
        ("tls", json!(false)),
        ("remote_address", json!(consumer.local_address().to_string())),
    ] {
        assert_eq!(client[key], expected, "{key} of the consumer");
    }
    assert!(client.get("authed").is_none() && client.get("pub_counts").is_none(), "{client}");
}

#[tokio::test]
async fn producers_are_listed_with_what_they_published() {
    // Protects the list of producers: whoever has published over TCP, and how much.
    let nsqd = Nsqd::start().await;
    assert_eq!(nsqd.stats().await.0["producers"], json!(null));
    let mut producer = nsqd.connect().await;
    producer.identify(r#"{"client_id":"p"}"#).await;
    producer.publish("t", b"x").await;
    producer.mpub("t", &["1", "2"]).await;
    nsqd.post("/pub?topic=t", b"not listed").await;
    let producers = nsqd.stats().await.0["producers"].clone();
    assert_eq!(producers.as_array().map(Vec::len), Some(1), "{producers}");
    assert_eq!(producers[0]["client_id"], "p");
    assert_eq!(producers[0]["pub_counts"], json!([{"topic": "t", "count": 3}]));
    drop(producer);
    nsqd.await_stats("the end of the producer", |stats| stats.0["producers"].is_null()).await;
}

#[tokio::test]
async fn a_producer_of_several_topics_shows_them_all() {
    // Protects operators from a half truth: NSQ names one arbitrary topic of a producer.
    if !tests::ours_only("one arbitrary topic is shown") {
        return;
    }
    let nsqd = Nsqd::start().await;
    let mut producer = nsqd.connect().await;
    for topic in ["b", "a", "b", "c"] {
        producer.publish(topic, b"x").await;
    }
    let counts = nsqd.stats().await.0["producers"][0]["pub_counts"].clone();
    let expected =
        json!([{"topic": "a", "count": 1}, {"topic": "b", "count": 2}, {"topic": "c", "count": 1}]);
    assert_eq!(counts, expected);
    let filtered = nsqd.get("/stats?format=json&topic=c").await.json()["producers"].clone();
    assert_eq!(filtered[0]["pub_counts"], json!([{"topic": "c", "count": 1}]));
}

#[tokio::test]
async fn the_document_has_its_shape() {
    // Protects readers of the JSON: keys in their order, and null where NSQ writes null.
    let nsqd = Nsqd::start().await;
    let empty = nsqd.get("/stats?format=json&include_mem=false").await;
    let (version, start_time) = (&empty.json()["version"], &empty.json()["start_time"]);
    let expected = format!(
        r#"{{"version":{version},"health":"OK","start_time":{start_time},"topics":[],"producers":null}}"#
    );
    assert_eq!(empty.text(), expected);
    assert_eq!(empty.header("Content-Type"), Some("application/json; charset=utf-8"));

    let consumer = nsqd.consumer("b", "d", 1).await;
    nsqd.create_channel("b", "c").await;
    nsqd.create_channel("a", "c").await;
    let text = nsqd.get("/stats?format=json&include_clients=false&include_mem=0&topic=b").await.text();
    let expected = concat!(
        r#""topics":[{"topic_name":"b","channels":["#,
        r#"{"channel_name":"c","depth":0,"backend_depth":0,"in_flight_count":0,"deferred_count":0,"#,
        r#""message_count":0,"requeue_count":0,"timeout_count":0,"client_count":0,"clients":null,"#,
        r#""paused":false,"e2e_processing_latency":{"count":0,"percentiles":null}},"#,
        r#"{"channel_name":"d","depth":0,"backend_depth":0,"in_flight_count":0,"deferred_count":0,"#,
        r#""message_count":0,"requeue_count":0,"timeout_count":0,"client_count":1,"clients":null,"#,
        r#""paused":false,"e2e_processing_latency":{"count":0,"percentiles":null}}],"#,
        r#""depth":0,"backend_depth":0,"message_count":0,"message_bytes":0,"paused":false,"#,
        r#""e2e_processing_latency":{"count":0,"percentiles":null}}],"producers":null}"#
    );
    assert!(text.ends_with(expected), "{text}");
    drop(consumer);
}

#[tokio::test]
async fn filters_choose_topics_and_channels() {
    // Protects the parameters that nsqadmin and nsq_stat send.
    let nsqd = Nsqd::start().await;
    for (topic, channel) in [("b", "x"), ("a", "x"), ("a", "y"), ("c", "z")] {
        nsqd.create_channel(topic, channel).await;
    }
    for (filter, expected) in [
        ("", json!([["a", ["x", "y"]], ["b", ["x"]], ["c", ["z"]]])),
        ("&topic=a", json!([["a", ["x", "y"]]])),
        ("&channel=x", json!([["a", ["x"]], ["b", ["x"]]])),
        ("&topic=a&channel=y", json!([["a", ["y"]]])),
        ("&topic=a&channel=none", json!([])),
        ("&topic=none", json!(null)),
    ] {
        let document = nsqd.get(&format!("/stats?format=json{filter}")).await.json();
        assert_eq!(document["memory"].as_object().map(serde_json::Map::len), Some(9));
        let topics = match document["topics"].as_array() {
            None => json!(null),
            Some(topics) => {
                topics.iter().map(|topic| json!([topic["topic_name"], channel_names(topic)])).collect()
            }
        };
        assert_eq!(topics, expected, "{filter}");
    }
}

fn channel_names(topic: &serde_json::Value) -> Vec<serde_json::Value> {
    let channels = topic["channels"].as_array().into_iter().flatten();
    channels.map(|channel| channel["channel_name"].clone()).collect()
}

#[tokio::test]
async fn the_text_form_has_its_columns() {
    // Protects people who read `curl /stats`, and scripts that cut its columns.
    let nsqd = Nsqd::start().await;
    let empty = nsqd.get("/stats?include_mem=false").await;
    assert_eq!(empty.header("Content-Type"), Some("text/plain; charset=utf-8"));
    let text = empty.text();
    assert!(text.starts_with("nsqd v"), "{text}");
    assert!(text.ends_with("\n\nHealth: OK\n\nTopics: None\n\nProducers: None\n"), "{text}");

    nsqd.create_channel("orders", "billing").await;
    nsqd.post_ok("/channel/pause?topic=orders&channel=billing").await;
    nsqd.post("/mpub?topic=orders", b"a\nb").await;
    nsqd.post("/pub?topic=zeta", b"c").await;
    nsqd.await_channel("orders", "billing", |channel| channel["depth"] == 2).await;
    let text = nsqd.get("/stats?include_mem=false").await.text();
    let expected = concat!(
        "\nTopics:",
        "\n   [orders         ] depth: 0     be-depth: 0     msgs: 2        e2e%: \n",
        "   *P [billing                  ] depth: 2     be-depth: 0     inflt: 0    def: 0    re-q: 0     ",
        "timeout: 0     msgs: 2        e2e%: \n",
        "\n   [zeta           ] depth: 1     be-depth: 0     msgs: 1        e2e%: \n",
        "\nProducers: None\n"
    );
    assert!(text.ends_with(expected), "{text}");

    let memory = nsqd.get("/stats").await.text();
    assert!(memory.contains("\nMemory:\n   heap_objects             \t"), "{memory}");
}

#[tokio::test]
async fn message_counts_start_anew_with_the_process() {
    // Protects rates computed from counters: a backlog found at the start is depth, not traffic.
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    nsqd.connect().await.mpub("t", &["1", "2", "3"]).await;
    nsqd.await_channel("t", "c", |channel| channel["depth"] == 3).await;
    let nsqd = nsqd.restart().await;
    let stats = nsqd.stats().await;
    assert_eq!(stats.topic("t")["message_count"], 0);
    let channel = stats.channel("t", "c");
    assert_eq!((&channel["depth"], &channel["message_count"]), (&json!(3), &json!(0)));
}

#[tokio::test]
async fn latencies_are_those_of_finished_messages() {
    // Protects the percentiles that operators watch: from publishing to FIN, waits and requeues included, in the order
    // in which they were asked for, and for a topic over all its channels.
    let flags = ["--e2e-processing-latency-percentile=0.5,1.0", "--e2e-processing-latency-percentile=0.99"];
    let nsqd = Nsqd::start_with(&flags).await;
    nsqd.post_ok("/topic/create?topic=bare").await;
    nsqd.create_channel("t", "idle").await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    let begun = std::time::Instant::now();
    consumer.publish("t", "slow").await;
    let message = consumer.next_message().await;
    consumer.req(message.id, Duration::from_millis(300)).await;
    let message = consumer.next_message().await;
    consumer.fin(message.id).await;
    nsqd.await_channel("t", "c", |channel| channel["e2e_processing_latency"]["count"] == 1).await;
    let elapsed = u64::try_from(begun.elapsed().as_nanos()).expect("not that long");
    let stats = nsqd.stats().await;
    for latency in
        [&stats.topic("t")["e2e_processing_latency"], &stats.channel("t", "c")["e2e_processing_latency"]]
    {
        assert_eq!(latency["count"], 1);
        let percentiles = latency["percentiles"].as_array().expect("a list");
        let quantiles: Vec<String> = percentiles.iter().map(|one| one["quantile"].to_string()).collect();
        assert_eq!(quantiles, ["1", "0.99", "0.5"]);
        for percentile in percentiles {
            let value = percentile["value"].as_u64().expect("a whole number");
            assert!((300_000_000..elapsed).contains(&value), "{value}");
        }
    }
    let none = json!({"count": 0, "percentiles": [{"quantile": 1, "value": 0}, {"quantile": 0.99, "value": 0}, {"quantile": 0.5, "value": 0}]});
    assert_eq!(stats.channel("t", "idle")["e2e_processing_latency"], none);
    assert_eq!(stats.topic("bare")["e2e_processing_latency"], json!({"count": 0, "percentiles": null}));
    let text = nsqd.get("/stats").await.text();
    let line = text.lines().find(|line| line.contains("[c ")).expect("the line of the channel");
    let (_, shown) = line.split_once("e2e%: ").expect("latencies");
    assert!(shown.split(", ").all(|one| one.ends_with('s')) && shown.split(", ").count() == 3, "{line}");
}

#[tokio::test]
async fn latencies_are_forgotten_with_time() {
    // Protects the percentiles from what was an hour ago.
    let nsqd = Nsqd::start_with(&[
        "--e2e-processing-latency-percentile=0.99",
        "--e2e-processing-latency-window-time=600ms",
    ])
    .await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    consumer.publish("t", "x").await;
    consumer.finish_messages(1).await;
    let count = |channel: &serde_json::Value| channel["e2e_processing_latency"]["count"].clone();
    nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 0 && channel["depth"] == 0).await;
    nsqd.await_channel("t", "c", |channel| count(channel) == 0).await;
}
