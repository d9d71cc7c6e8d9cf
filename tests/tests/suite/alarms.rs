//! Damage: what can be read is delivered, what cannot is kept, and an operator is told until he says that he knows.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tests::{Nsqd, ours_only};

/// A topic with three messages and channel `c`, which has finished the first one; its files as an orderly stop leaves them.
async fn stopped() -> Nsqd {
    let mut nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    nsqd.connect().await.mpub("t", &["message 1", "message 2", "message 3"]).await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    consumer.finish_messages(1).await;
    nsqd.await_channel("t", "c", |channel| channel["clients"][0]["finish_count"] == 1).await;
    nsqd.post_ok("/channel/pause?topic=t&channel=c").await;
    assert!(nsqd.terminate().await.success());
    nsqd
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).expect("the file is there");
    bytes[at] ^= 4;
    std::fs::write(path, bytes).expect("it can be written");
}

fn segment(folder: &Path) -> PathBuf {
    let files =
        std::fs::read_dir(folder).expect("the folder is there").map(|file| file.expect("a file").path());
    files.into_iter().find(|path| path.extension().is_some_and(|it| it == "seg")).expect("a segment")
}

/// The kinds of the alarms, from each place that shows them.
async fn kinds(nsqd: &Nsqd) -> Vec<String> {
    let ready = nsqd.get("/readyz").await;
    assert_eq!(
        (ready.status, &ready.json()["status"]),
        (200, &Value::from("ready")),
        "an alarm is about what was"
    );
    let shown = |document: &Value| -> Vec<String> {
        let alarms = document["alarms"].as_array().cloned().unwrap_or_default();
        alarms.iter().map(|alarm| alarm["kind"].as_str().expect("a kind").to_owned()).collect()
    };
    let kinds = shown(&ready.json());
    assert_eq!(shown(&nsqd.get("/alarms").await.json()), kinds);
    let stats = nsqd.stats().await;
    assert_eq!(shown(&stats.0), kinds);
    assert_eq!(stats.0.get("alarms").is_none(), kinds.is_empty(), "NSQ's document is as it was");
    let text = nsqd.get("/stats").await.text();
    assert_eq!(text.lines().filter(|line| line.starts_with("Alarm ")).count(), kinds.len(), "{text}");
    let metrics = nsqd.get("/metrics").await.text();
    for kind in &kinds {
        let count = kinds.iter().filter(|other| *other == kind).count();
        assert!(metrics.contains(&format!("nsqd_alarms{{kind=\"{kind}\"}} {count}\n")), "{metrics}");
    }
    assert_eq!(nsqd.get("/ping").await.text(), "OK");
    kinds
}

/// Damages a file, starts, and looks whether this alarm comes, stays and goes, and the file is kept. Returns the nsqd.
async fn alarms_of(nsqd: Nsqd, file: &Path, at: usize, kind: &str) -> Nsqd {
    flip(file, at);
    let damaged = std::fs::read(file).expect("the file is there");
    let nsqd = nsqd.start_again().await;
    assert_eq!(kinds(&nsqd).await, [kind]);
    let mut aside = file.as_os_str().to_owned();
    aside.push(".damaged-0");
    assert_eq!(std::fs::read(&aside).expect("it is kept under a name that says so"), damaged, "{kind}");
    nsqd.await_log(&format!("ALARM {kind}")).await;
    let nsqd = nsqd.restart().await;
    assert_eq!(kinds(&nsqd).await, [kind], "nobody has said that he knows");
    let number = nsqd.get("/alarms").await.json()["alarms"][0]["number"].as_u64().expect("a number");
    assert_eq!(
        nsqd.post(&format!("/alarms/clear?number={}", number + 1), b"").await.message(),
        "ALARM_NOT_FOUND"
    );
    assert_eq!(nsqd.post("/alarms/clear?number=x", b"").await.message(), "INVALID_ARG_NUMBER");
    nsqd.post_ok(&format!("/alarms/clear?number={number}")).await;
    assert_eq!(kinds(&nsqd).await, [""; 0]);
    let nsqd = nsqd.restart().await;
    assert_eq!(kinds(&nsqd).await, [""; 0]);
    nsqd
}

/// Bodies that the channel delivers, once it is not paused.
async fn bodies(nsqd: &Nsqd, count: usize) -> Vec<String> {
    nsqd.post_ok("/channel/unpause?topic=t&channel=c").await;
    let messages = nsqd.consumer("t", "c", 10).await.finish_messages(count).await;
    nsqd.await_channel("t", "c", |channel| channel["depth"] == 0 && channel["in_flight_count"] == 0).await;
    messages.iter().map(|message| String::from_utf8_lossy(&message.body).into_owned()).collect()
}

#[tokio::test]
async fn a_damaged_checkpoint_costs_duplicates() {
    // Protects messages whose channel does not know any more what it has finished: all come again; the pause is kept.
    if !ours_only("it has no checkpoints") {
        return;
    }
    let nsqd = stopped().await;
    let file = nsqd.data_path().join("t.topic/c.channel");
    let nsqd = alarms_of(nsqd, &file, 20, "damaged-checkpoint").await;
    assert_eq!(nsqd.stats().await.channel("t", "c")["paused"], true);
    assert_eq!(bodies(&nsqd, 3).await, ["message 1", "message 2", "message 3"]);
}

#[tokio::test]
async fn damaged_lists_cost_nothing() {
    // Protects topics and channels against damage of what only lists them, or keeps their pause besides.
    if !ours_only("it does not start with a damaged list") {
        return;
    }
    for (file, at, kind) in
        [("nsqd.dat", 15, "damaged-metadata"), ("t.topic/topic.state", 20, "damaged-topic-state")]
    {
        let nsqd = stopped().await;
        let file = nsqd.data_path().join(file);
        let nsqd = alarms_of(nsqd, &file, at, kind).await;
        assert_eq!(nsqd.stats().await.channel("t", "c")["paused"], true, "{kind}");
        assert_eq!(bodies(&nsqd, 2).await, ["message 2", "message 3"], "{kind}");
    }
}

/// Kills nsqd at each of these points of its start on a damaged file, then starts it and returns it.
async fn killed_while_mending(nsqd: Nsqd, file: &Path, points: &[&str], kind: &str) -> Nsqd {
    flip(file, 20);
    for point in points {
        let status = nsqd.fails_to_start_with_faults(&format!("{point}=abort")).await;
        assert!(!status.success(), "{point} was not met");
    }
    let aside = format!("{}.damaged-1", file.display());
    assert!(!Path::new(&aside).exists(), "one damage is kept once");
    let nsqd = nsqd.start_again().await;
    assert_eq!(kinds(&nsqd).await, [kind]);
    nsqd
}

#[tokio::test]
async fn a_kill_while_a_damaged_checkpoint_is_replaced_loses_no_channel() {
    // Protects a channel, its messages and its pause between the look at its damaged file and the new one.
    if !ours_only("it has no checkpoints") {
        return;
    }
    let nsqd = stopped().await;
    let file = nsqd.data_path().join("t.topic/c.channel");
    let points = ["channel-create", "channel-written", "channel-rename", "channel-renamed"];
    let nsqd = killed_while_mending(nsqd, &file, &points, "damaged-checkpoint").await;
    assert_eq!(nsqd.stats().await.channel("t", "c")["paused"], true);
    assert_eq!(bodies(&nsqd, 3).await, ["message 1", "message 2", "message 3"]);
}

#[tokio::test]
async fn a_kill_while_a_damaged_state_is_replaced_loses_no_pause() {
    // Protects the pause of a topic between the look at its damaged state and the new one, and after it.
    if !ours_only("it has no such file") {
        return;
    }
    let mut nsqd = stopped().await.start_again().await;
    nsqd.post_ok("/topic/pause?topic=t").await;
    assert!(nsqd.terminate().await.success());
    let file = nsqd.data_path().join("t.topic/topic.state");
    let points = ["state-create", "state-rename", "state-renamed"];
    let mut nsqd = killed_while_mending(nsqd, &file, &points, "damaged-topic-state").await;
    assert_eq!(nsqd.stats().await.topic("t")["paused"], true);
    nsqd.kill().await;
    // The list of topics said so, too.
    std::fs::remove_file(nsqd.data_path().join("nsqd.dat")).expect("it is there");
    let nsqd = nsqd.start_again().await;
    assert_eq!(nsqd.stats().await.topic("t")["paused"], true);
}

#[tokio::test]
async fn a_damaged_segment_is_kept() {
    // Protects the file, and whatever is published later, whose seqs and ids go on.
    if !ours_only("it has no segments") {
        return;
    }
    let nsqd = stopped().await;
    let file = segment(&nsqd.data_path().join("t.topic"));
    let nsqd = alarms_of(nsqd, &file, 20, "damaged-segment").await;
    nsqd.connect().await.publish("t", b"new").await;
    assert_eq!(bodies(&nsqd, 1).await, ["new"]);
}

#[tokio::test]
async fn a_damaged_message_is_skipped_and_counted() {
    // Protects its neighbours; and the operator, who is told of a flipped bit whenever it is met, at the start or later.
    if !ours_only("nothing detects it") {
        return;
    }
    for is_killed in [false, true] {
        let mut nsqd = stopped().await;
        let file = segment(&nsqd.data_path().join("t.topic"));
        if is_killed {
            nsqd = nsqd.start_again().await;
            nsqd.kill().await;
        }
        // In the second message.
        flip(&file, 128 + 43 + 36);
        let flags: &[&str] = if is_killed { &["--verify-data"] } else { &[] };
        let nsqd = nsqd.start_again_with(flags).await;
        assert_eq!(bodies(&nsqd, 1).await, ["message 3"]);
        nsqd.await_stats("the alarm", |stats| stats.0["alarms"][0]["kind"] == "damaged-messages").await;
        let metrics = nsqd.get("/metrics").await.text();
        assert!(metrics.contains("nsqd_topic_damaged_messages{topic=\"t\"} 1\n"), "{metrics}");
        nsqd.post_ok("/alarms/clear").await;
        assert_eq!(kinds(&nsqd).await, [""; 0]);
    }
}

#[tokio::test]
async fn readiness_follows_health() {
    // Protects an orchestrator's decision: a daemon that cannot store is not ready, and lives.
    if !ours_only("it has no /readyz") {
        return;
    }
    let nsqd = Nsqd::start_with(&["--min-free-bytes=9000000000000000000"]).await;
    assert_eq!(nsqd.get("/readyz").await.status, 200);
    assert_eq!(nsqd.post("/pub?topic=t", b"x").await.status, 503);
    let ready = nsqd.get("/readyz").await;
    assert_eq!((ready.status, &ready.json()["status"]), (503, &Value::from("not ready")));
    assert!(ready.json()["failure"].as_str().is_some_and(|text| text.starts_with("NOK")));
    assert_eq!(nsqd.get("/livez").await.text(), "OK");
}
