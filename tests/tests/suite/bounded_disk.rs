//! Limits of what topics take on the disk.

use tests::{Nsqd, ours_only};

#[tokio::test]
async fn a_full_topic_refuses_and_heals() {
    // Protects the other topics against one whose consumers are gone, and its publishers against silence.
    if !ours_only("it has no limit for a topic") {
        return;
    }
    let nsqd = Nsqd::start_with(&["--max-topic-bytes=2000000", "--sync-timeout=20ms"]).await;
    nsqd.create_channel("full", "c").await;
    let body = vec![b'x'; 10_000];
    let mut published = 0;
    let refused = loop {
        let response = nsqd.post("/pub?topic=full", &body).await;
        if response.status != 200 {
            break response;
        }
        published += 1;
        assert!(published < 200, "two megabytes take less than that");
    };
    assert!(100 < published, "most of the limit can be used: {published}");
    assert_eq!(refused.status, 503);
    assert!(refused.message().contains("--max-topic-bytes=2000000"), "{}", refused.message());
    let mut client = nsqd.connect().await;
    client.send(b"MPUB full\n").await;
    let mut batch = 1_u32.to_be_bytes().to_vec();
    batch.extend_from_slice(&10_000_u32.to_be_bytes());
    batch.extend_from_slice(&body);
    client.send(u32::try_from(batch.len()).expect("small").to_be_bytes()).await;
    client.send(&batch).await;
    let error = client.next_error().await;
    assert!(error.starts_with("E_MPUB_FAILED") && error.contains("--max-topic-bytes"), "{error}");
    // A limit that holds is no fault of the daemon, and no other topic's business.
    assert_eq!(nsqd.get("/ping").await.text(), "OK");
    assert_eq!(nsqd.post("/pub?topic=other", &body).await.status, 200);
    let folder = nsqd.data_path().join("full.topic");
    let bytes: u64 = std::fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|file| file.and_then(|file| file.metadata()).map_or(0, |metadata| metadata.len()))
        .sum();
    assert!(bytes <= 2_010_000, "{bytes} bytes");
    let mut consumer = nsqd.consumer("full", "c", 10).await;
    consumer.finish_messages(published).await;
    nsqd.await_channel("full", "c", |channel| channel["depth"] == 0 && channel["in_flight_count"] == 0).await;
    for _ in 0..3 * published {
        // Room comes back as it is consumed.
        while nsqd.post("/pub?topic=full", &body).await.status != 200 {
            tokio::task::yield_now().await;
        }
        assert_eq!(consumer.finish_messages(1).await[0].body.len(), body.len());
    }
}

#[tokio::test]
async fn what_is_kept_makes_room_for_what_is_new() {
    // Protects publishing from retention: consumed messages go before a publish is refused.
    if !ours_only("it has no limit for a topic") {
        return;
    }
    let flags = ["--max-topic-bytes=2000000", "--retention-age=1h", "--sync-timeout=20ms"];
    let nsqd = Nsqd::start_with(&flags).await;
    let mut consumer = nsqd.consumer("t", "c", 10).await;
    let body = vec![b'x'; 10_000];
    for _ in 0..600 {
        while nsqd.post("/pub?topic=t", &body).await.status != 200 {
            tokio::task::yield_now().await;
        }
        consumer.finish_messages(1).await;
    }
    nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 0).await;
    nsqd.post_ok("/channel/seek?topic=t&channel=c&to=earliest").await;
    let depth = nsqd.stats().await.channel("t", "c")["depth"].as_u64().expect("a count");
    assert!((50..200).contains(&depth), "{depth} are kept");
}

#[tokio::test]
async fn the_reserve_of_the_disk_is_left_alone() {
    // Protects whatever else needs the disk, and the daemon's own checkpoints: publishes are refused before it is full.
    if !ours_only("it writes until nothing is left") {
        return;
    }
    let nsqd = Nsqd::start_with(&["--min-free-bytes=9000000000000000000"]).await;
    let response = nsqd.post("/pub?topic=t", b"x").await;
    assert_eq!(response.status, 503);
    assert!(response.message().contains("no room"), "{}", response.message());
    let ping = nsqd.get("/ping").await;
    assert!(ping.status == 500 && ping.text().starts_with("NOK"), "{}", ping.text());
    let nsqd = nsqd.start_again_with(&["--min-free-bytes=0"]).await;
    assert_eq!(nsqd.post("/pub?topic=t", b"x").await.status, 200);
}
