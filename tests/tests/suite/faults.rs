//! Crashes at every step of what nsqd does with files, and a disk that refuses.
//!
//! The faults are those of `nsqd/src/fault.rs`, which release builds do not have.

use std::collections::BTreeSet;

use tests::{Nsqd, Response, ours_only};

/// So small that segments change, and so short that syncs and checkpoints are made, within a test.
const FLAGS: [&str; 2] = ["--max-bytes-per-file=65536", "--sync-timeout=20ms"];

/// Rounds within which every fault has to strike.
const ROUNDS_MAX: usize = 400;

const BODY_BYTES: usize = 5_000;

/// What was asked of an nsqd that dies, and what it answered.
#[derive(Default)]
struct Story {
    /// Bodies that were acknowledged.
    published: BTreeSet<String>,
    /// A body that was sent, and nobody knows.
    unanswered: Option<String>,
    deleted: Vec<String>,
    /// A topic with one message whose deletion was not answered.
    half_deleted: Option<String>,
    /// Pauses of the channel that may be in force.
    paused: Vec<bool>,
}

impl Story {
    /// Publishes, pauses, creates and deletes, until there is no answer.
    async fn tell(&mut self, nsqd: &Nsqd) {
        let mut http = nsqd.http().await;
        for round in 0.. {
            assert!(round < ROUNDS_MAX, "the fault never struck");
            let body = format!("{round:>BODY_BYTES$}");
            if !is_ok(http.try_request("POST", "/pub?topic=kept", body.as_bytes()).await.as_ref()) {
                self.unanswered = Some(body);
                return;
            }
            self.published.insert(body);
            let paused = round % 2 == 0;
            self.paused.push(paused);
            let action = if paused { "pause" } else { "unpause" };
            let target = format!("/channel/{action}?topic=kept&channel=paused");
            if !is_ok(http.try_request("POST", &target, b"").await.as_ref()) {
                return;
            }
            self.paused = vec![paused];
            let topic = format!("deleted-{round}");
            for target in [format!("/topic/create?topic={topic}"), format!("/pub?topic={topic}")] {
                if !is_ok(http.try_request("POST", &target, b"one").await.as_ref()) {
                    return;
                }
            }
            self.half_deleted = Some(topic.clone());
            let target = format!("/topic/delete?topic={topic}");
            if !is_ok(http.try_request("POST", &target, b"").await.as_ref()) {
                return;
            }
            self.half_deleted = None;
            self.deleted.push(topic);
        }
    }

    /// Looks whether another nsqd knows all of it.
    async fn check(&self, nsqd: &Nsqd, fault: &str) {
        let stats = nsqd.stats().await;
        for topic in &self.deleted {
            assert!(stats.topic(topic).is_null(), "{fault}: {topic} was deleted and is back");
        }
        if let Some(topic) = &self.half_deleted {
            let topic = stats.topic(topic);
            assert!(topic.is_null() || topic["depth"] == 1, "{fault}: deleted by half: {topic:#}");
        }
        let paused = stats.channel("kept", "paused")["paused"].as_bool().expect("the channel is there");
        assert!(self.paused.is_empty() || self.paused.contains(&paused), "{fault}: paused is {paused}");
        let depth = stats.channel("kept", "c")["depth"].as_u64().expect("the channel is there");
        let count = usize::try_from(depth).expect("a few");
        let mut consumer = nsqd.consumer("kept", "c", 100).await;
        let messages = consumer.finish_messages(count).await;
        nsqd.await_channel("kept", "c", |channel| channel["depth"] == 0 && channel["in_flight_count"] == 0)
            .await;
        let mut bodies: BTreeSet<String> = messages
            .into_iter()
            .map(|message| String::from_utf8(message.body).expect("the bodies are text"))
            .collect();
        assert_eq!(bodies.len(), count, "{fault}: a message is there twice");
        if let Some(body) = &self.unanswered {
            bodies.remove(body);
        }
        assert!(bodies == self.published, "{fault}: {count} of {} messages", self.published.len());
    }
}

fn is_ok(response: Option<&Response>) -> bool {
    response.is_some_and(|response| {
        assert_eq!(response.status, 200, "{}", response.text());
        true
    })
}

/// Dies of `fault`, comes back, and has kept its word.
async fn dies_and_keeps_its_word(fault: &str) {
    let nsqd = Nsqd::start_with(&FLAGS).await;
    nsqd.create_channel("kept", "c").await;
    nsqd.create_channel("kept", "paused").await;
    let mut nsqd = nsqd.start_again_with_faults(fault).await;
    let mut story = Story::default();
    story.tell(&nsqd).await;
    let end = nsqd.ended().await;
    assert!(!end.success(), "{fault}: ended with {end}");
    let nsqd = nsqd.start_again().await;
    story.check(&nsqd, fault).await;
    // Once more, since what the start repaired has to hold.
    let nsqd = nsqd.restart().await;
    let stats = nsqd.stats().await;
    assert_eq!(stats.channel("kept", "c")["depth"], 0, "{fault}");
    assert!(
        story.deleted.iter().all(|topic| stats.topic(topic).is_null()),
        "{fault}: deleted topics are back"
    );
}

#[tokio::test]
async fn a_crash_in_a_checkpoint_loses_nothing() {
    // Protects the old checkpoint while the new one is written, and the list of topics likewise.
    if !ours_only("faults are set in our own code") {
        return;
    }
    for step in ["create", "write", "written", "rename", "renamed"] {
        dies_and_keeps_its_word(&format!("channel-{step}=abort@4")).await;
        dies_and_keeps_its_word(&format!("dat-{step}=abort@6")).await;
    }
}

#[tokio::test]
async fn a_crash_in_a_deletion_is_a_deletion_or_none() {
    // Protects the name of a deleted topic: it is gone with all that it had, or it is as it was.
    if !ours_only("faults are set in our own code") {
        return;
    }
    for point in ["folder-condemn", "folder-condemned", "folder-remove"] {
        dies_and_keeps_its_word(&format!("{point}=abort@3")).await;
    }
}

#[tokio::test]
async fn a_crash_at_the_change_of_a_segment_loses_nothing() {
    // Protects what was acknowledged before, and the start from a segment that was made by half.
    if !ours_only("faults are set in our own code") {
        return;
    }
    for point in ["folder-create", "segment-create", "segment-allocate", "segment-map", "segment-sync"] {
        dies_and_keeps_its_word(&format!("{point}=abort@5")).await;
    }
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused_and_publishing_heals() {
    // Protects the publisher: no OK for what is not kept, no silence, and no restart needed once there is room.
    if !ours_only("NSQ acknowledges what it then drops") {
        return;
    }
    for fault in ["segment-create=emfile", "segment-allocate=enospc", "segment-map=enomem"] {
        let nsqd = Nsqd::start_with(&FLAGS).await;
        nsqd.create_channel("kept", "c").await;
        let nsqd = nsqd.start_again_with_faults(fault).await;
        assert_eq!(nsqd.post("/pub?topic=kept", b"lost").await.status, 503, "{fault}");
        let mut client = nsqd.connect().await;
        client.send(b"PUB kept\n\0\0\0\x04lost").await;
        let error = client.next_error().await;
        assert!(error.starts_with("E_PUB_FAILED"), "{fault}: {error}");
        let ping = nsqd.get("/ping").await;
        assert!(ping.status == 500 && ping.text().starts_with("NOK"), "{fault}: {}", ping.text());

        // Now only once.
        let nsqd = nsqd.start_again_with_faults(&format!("{fault}@1")).await;
        assert_eq!(nsqd.post("/pub?topic=kept", b"lost").await.status, 503, "{fault}");
        assert_eq!(nsqd.post("/pub?topic=kept", b"kept").await.status, 200, "{fault}");
        assert_eq!(nsqd.get("/ping").await.text(), "OK", "{fault}");
        let messages = nsqd.consumer("kept", "c", 10).await.finish_messages(1).await;
        assert_eq!(messages[0].body, b"kept", "{fault}");
        nsqd.await_channel("kept", "c", |channel| channel["depth"] == 0 && channel["in_flight_count"] == 0)
            .await;
    }
}

#[tokio::test]
async fn a_disk_that_refuses_checkpoints_costs_duplicates_at_most() {
    // Protects messages while no checkpoint can be written: they are delivered, and what is not finished stays.
    if !ours_only("faults are set in our own code") {
        return;
    }
    for fault in ["channel-write=short", "channel-create=eio", "channel-rename=enospc"] {
        let nsqd = Nsqd::start_with(&FLAGS).await;
        nsqd.create_channel("kept", "c").await;
        let nsqd = nsqd.start_again_with_faults(fault).await;
        let mut client = nsqd.consumer("kept", "c", 1).await;
        for body in ["1", "2", "3"] {
            client.publish("kept", body).await;
        }
        let finished = client.finish_messages(2).await;
        assert_eq!(finished.len(), 2, "{fault}");
        nsqd.await_channel("kept", "c", |channel| channel["clients"][0]["finish_count"] == 2).await;
        within_log(&nsqd, "cannot write a checkpoint").await;
        let mut nsqd = nsqd;
        nsqd.kill().await;
        let nsqd = nsqd.start_again().await;
        let depth = nsqd.stats().await.channel("kept", "c")["depth"].as_u64().expect("the channel is there");
        assert!((1..=3).contains(&depth), "{fault}: {depth}");
        let count = usize::try_from(depth).expect("three at most");
        let messages = nsqd.consumer("kept", "c", 10).await.finish_messages(count).await;
        assert!(
            messages.iter().any(|message| message.body == b"3"),
            "{fault}: the unfinished message is lost"
        );
    }
}

#[tokio::test]
async fn a_failed_sync_is_an_error_and_never_a_success_afterwards() {
    // Protects the meaning of OK with --pub-ack=sync: the disk has it. What the disk refused once it is not asked again.
    if !ours_only("it has no --pub-ack") {
        return;
    }
    let nsqd = Nsqd::start_with(&["--pub-ack=sync"]).await;
    nsqd.create_channel("kept", "c").await;
    let nsqd = nsqd.start_again_with_faults("segment-sync=eio@2").await;
    let mut client = nsqd.connect().await;
    client.publish("kept", b"1").await;
    // Two in one write: the second one's answer would follow the error, and the connection ends with it.
    client.send(b"PUB kept\n\0\0\0\x012PUB kept\n\0\0\0\x013").await;
    let error = client.next_error().await;
    assert!(error.starts_with("E_PUB_FAILED PUB failed sync failed"), "{error}");
    client.expect_closed().await;
    let ping = nsqd.get("/ping").await;
    assert!(ping.status == 500 && ping.text().starts_with("NOK - sync failed"), "{}", ping.text());
    // What comes now is in another file, whose sync succeeds.
    let mut client = nsqd.connect().await;
    client.publish("kept", b"4").await;
    assert_eq!(nsqd.post("/pub?topic=kept", b"5").await.text(), "OK");
    assert_eq!(nsqd.get("/ping").await.status, 500, "nobody knows of the first ones");
    let messages = nsqd.consumer("kept", "c", 10).await.finish_messages(5).await;
    let bodies: Vec<_> = messages.iter().map(|message| message.body.as_slice()).collect();
    assert_eq!(bodies, [b"1", b"2", b"3", b"4", b"5"], "what is there is delivered");
    nsqd.await_stats("the end of the alarm", |stats| stats.0["health"] == "OK").await;
}

#[tokio::test]
async fn http_publishers_learn_of_a_failed_sync() {
    // Protects publishers over HTTP as those over TCP.
    if !ours_only("it has no --pub-ack") {
        return;
    }
    let nsqd = Nsqd::start_with(&["--pub-ack=sync"]).await;
    let nsqd = nsqd.start_again_with_faults("segment-sync=eio@1").await;
    let response = nsqd.post("/mpub?topic=t", b"1\n2").await;
    assert_eq!(response.status, 503);
    assert!(response.message().starts_with("sync failed"), "{}", response.message());
    assert_eq!(nsqd.post("/mpub?topic=t", b"1\n2").await.status, 200);
}

#[tokio::test]
async fn running_out_of_descriptors_is_not_taken_for_damage() {
    // Protects messages of an earlier run that cannot be read at the moment: they are waited for, not passed over.
    if !ours_only("faults are set in our own code") {
        return;
    }
    for fault in ["segment-read=emfile@1", "segment-read=enomem@1"] {
        let mut nsqd = Nsqd::start().await;
        nsqd.create_channel("kept", "c").await;
        nsqd.connect().await.mpub("kept", &["1", "2", "3"]).await;
        assert!(nsqd.terminate().await.success());
        let nsqd = nsqd.start_again_with_faults(fault).await;
        assert_eq!(nsqd.stats().await.channel("kept", "c")["depth"], 3);
        let messages = nsqd.consumer("kept", "c", 10).await.finish_messages(3).await;
        assert_eq!(messages.len(), 3, "{fault}");
        within_log(&nsqd, "it is tried again each second").await;
        assert_eq!(nsqd.get("/ping").await.text(), "OK", "{fault}");
    }
}

#[tokio::test]
async fn a_bad_block_costs_what_is_in_it() {
    // Protects the rest of a file of which the disk does not give a block, and the file itself.
    if !ours_only("faults are set in our own code") {
        return;
    }
    let mut nsqd = Nsqd::start().await;
    nsqd.create_channel("kept", "c").await;
    nsqd.connect().await.mpub("kept", &["1", "2", "3"]).await;
    nsqd.kill().await;
    let nsqd = nsqd.start_again_with_faults("segment-read=eio@1").await;
    let messages = nsqd.consumer("kept", "c", 10).await.finish_messages(3).await;
    assert_eq!(messages.len(), 3);
    let files = std::fs::read_dir(nsqd.data_path().join("kept.topic")).expect("the folder is there");
    let aside = files.filter(|file| {
        file.as_ref().expect("it can be listed").file_name().to_string_lossy().ends_with(".seg.damaged-0")
    });
    assert_eq!(aside.count(), 1, "the file is kept");
}

#[tokio::test]
async fn a_topic_that_cannot_be_made_is_refused_with_the_cause() {
    // Protects an operator who looks for the cause: a full disk is not a daemon that stops.
    if !ours_only("faults are set in our own code") {
        return;
    }
    let nsqd = Nsqd::start_with_faults("folder-create=enospc", &[]).await;
    let mut client = nsqd.connect().await;
    client.send(b"SUB t c\n").await;
    let error = client.next_error().await;
    assert!(error.starts_with("E_SUB_FAILED SUB failed cannot open"), "{error}");
    assert_eq!(nsqd.post("/pub?topic=t", b"x").await.status, 503);
    assert_eq!(nsqd.post("/topic/create?topic=t", b"").await.status, 503);
    assert!(nsqd.stats().await.topic("t").is_null(), "nothing is left of it");
}

/// Waits for a line of the log.
async fn within_log(nsqd: &Nsqd, text: &str) {
    nsqd.await_stats(text, |_| nsqd.log().iter().any(|line| line.contains(text))).await;
}
