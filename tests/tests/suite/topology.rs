//! Topology-aware consumption: who is near gets messages first.

use serde_json::Value;
use tests::{Client, Nsqd, ours_only};

const FLAGS: [&str; 3] =
    ["--enable-experiment=topology-aware-consumption", "--topology-region=r1", "--topology-zone=z1"];

async fn consumer(nsqd: &Nsqd, region: &str, zone: &str) -> Client {
    let mut client = nsqd.connect().await;
    client.identify(&format!(r#"{{"topology_region":"{region}","topology_zone":"{zone}"}}"#)).await;
    client.subscribe("t", "c").await;
    client.rdy(5).await;
    // It stands in line when its answer to this is read.
    client.expect_alive().await;
    client
}

/// Deliveries by the place of the consumer, as statistics show them.
fn counts(channel: &Value) -> [u64; 3] {
    ["zone_local_msg_count", "region_local_msg_count", "global_msg_count"]
        .map(|key| channel.get(key).map_or(0, |count| count.as_u64().expect("a number")))
}

/// Publishes one message after the other, each delivered before the next.
async fn publish_one_by_one(nsqd: &Nsqd, count: u64) {
    let mut producer = nsqd.connect().await;
    for number in 1..=count {
        producer.publish("t", b"x").await;
        nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == number).await;
    }
}

#[tokio::test]
async fn messages_go_to_the_nearest_that_is_ready() {
    // Protects the preference: same zone, then same region, then anybody, each as long as it is ready.
    if !ours_only("the release 1.3.0 has no topology, unlike what follows it") {
        return;
    }
    let nsqd = Nsqd::start_with(&FLAGS).await;
    let _far = consumer(&nsqd, "r2", "z9").await;
    let _same_region = consumer(&nsqd, "r1", "z9").await;
    let _same_zone = consumer(&nsqd, "r1", "z1").await;
    publish_one_by_one(&nsqd, 15).await;
    let channel = nsqd.stats().await.channel("t", "c");
    assert_eq!(counts(&channel), [5, 5, 5]);
    let in_flight: Vec<_> = channel["clients"]
        .as_array()
        .expect("clients")
        .iter()
        .map(|client| &client["in_flight_count"])
        .collect();
    assert_eq!(in_flight, [5, 5, 5]);
    for (count, expected) in [(3, [3, 0, 0]), (7, [5, 2, 0]), (12, [5, 5, 2])] {
        let nsqd = Nsqd::start_with(&FLAGS).await;
        let _consumers = (
            consumer(&nsqd, "r2", "z9").await,
            consumer(&nsqd, "r1", "z9").await,
            consumer(&nsqd, "r1", "z1").await,
        );
        publish_one_by_one(&nsqd, count).await;
        assert_eq!(counts(&nsqd.stats().await.channel("t", "c")), expected, "{count} messages");
    }
}

#[tokio::test]
async fn without_the_experiment_it_does_not_count_where_consumers_are() {
    // Protects everybody else: served in turn, all counted as global, whatever they say.
    if !ours_only("the release 1.3.0 has no topology, unlike what follows it") {
        return;
    }
    let nsqd = Nsqd::start_with(&FLAGS[1..]).await;
    let _far = consumer(&nsqd, "r2", "z9").await;
    let _same_zone = consumer(&nsqd, "r1", "z1").await;
    publish_one_by_one(&nsqd, 4).await;
    let channel = nsqd.stats().await.channel("t", "c");
    assert_eq!(counts(&channel), [0, 0, 4]);
    assert_eq!(channel.get("zone_local_msg_count"), None, "what is 0 is left out");
    assert_eq!(
        (&channel["clients"][0]["in_flight_count"], &channel["clients"][1]["in_flight_count"]),
        (&2.into(), &2.into())
    );
    let answer = nsqd.connect().await.identify(r#"{"feature_negotiation":true}"#).await;
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    assert_eq!((&answer["topology_region"], &answer["topology_zone"]), (&"r1".into(), &"z1".into()));
}

#[tokio::test]
async fn empty_places_are_equal_and_prefer_nobody() {
    // Protects an nsqd that was told only half of where it is, and clients that say nothing.
    if !ours_only("the release 1.3.0 has no topology, unlike what follows it") {
        return;
    }
    let nsqd = Nsqd::start_with(&[FLAGS[0], FLAGS[1]]).await;
    let _region = consumer(&nsqd, "r1", "z9").await;
    let _blank = consumer(&nsqd, "r2", "").await;
    let mut silent = nsqd.consumer("t", "c", 5).await;
    silent.expect_alive().await;
    publish_one_by_one(&nsqd, 5).await;
    assert_eq!(counts(&nsqd.stats().await.channel("t", "c")), [0, 5, 0], "the region is known and preferred");
    publish_more(&nsqd, 5, 5).await;
    let [zone, region, global] = counts(&nsqd.stats().await.channel("t", "c"));
    assert_eq!((region, zone + global), (5, 5));
    assert!(1 <= zone, "an empty zone equals the empty one of nsqd");
}

/// As [`publish_one_by_one`], `before` being in flight already.
async fn publish_more(nsqd: &Nsqd, before: u64, count: u64) {
    let mut producer = nsqd.connect().await;
    for number in 1..=count {
        producer.publish("t", b"x").await;
        nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == before + number).await;
    }
}
