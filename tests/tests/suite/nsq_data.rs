//! The offline tool, on data that a real nsqd has written.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use serde_json::Value;
use tests::{Nsqd, ours_only};

fn nsq_data(data_path: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(tests::tool("nsq_data"));
    command.arg("--data-path").arg(data_path).args(arguments);
    command.output().expect("the tool is built: run `cargo build` first")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn json(output: &Output) -> Value {
    assert!(!output.stdout.is_empty(), "{}", text(output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Bodies, attempts and whether they are deferred, of the lines of a dump.
fn dumped(output: &Output) -> Vec<(String, u64, bool)> {
    assert!(output.status.success(), "{}", text(output));
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut found: Vec<_> = lines
        .map(|line| {
            let line: Value = serde_json::from_slice(line).expect("JSON");
            let body = line["body"].as_str().expect("text").to_owned();
            (body, line["attempts"].as_u64().expect("a count"), !line["deferred_until"].is_null())
        })
        .collect();
    found.sort();
    found
}

fn seen(body: &str, attempts: u64, is_deferred: bool) -> (String, u64, bool) {
    (body.to_owned(), attempts, is_deferred)
}

/// Topic `t` with channel `c` (one requeued, one deferred, one in flight, one fresh; one finished) and channel `d` (paused,
/// all five and the deferred one), topic `held` without channels.
async fn written() -> Nsqd {
    let nsqd = Nsqd::start_with(&["--sync-timeout=20ms"]).await;
    nsqd.create_channel("t", "d").await;
    nsqd.post_ok("/channel/pause?topic=t&channel=d").await;
    let mut consumer = nsqd.consumer("t", "c", 4).await;
    consumer.mpub("t", &["finished", "requeued", "in flight", "later", "fresh"]).await;
    consumer.dpub("t", Duration::from_hours(1), "deferred").await;
    let messages = [
        consumer.next_message().await,
        consumer.next_message().await,
        consumer.next_message().await,
        consumer.next_message().await,
    ];
    consumer.rdy(0).await;
    consumer.fin(messages[0].id).await;
    consumer.req(messages[1].id, Duration::ZERO).await;
    consumer.req(messages[3].id, Duration::from_hours(1)).await;
    nsqd.await_channel("t", "c", |channel| channel["requeue_count"] == 2).await;
    nsqd.connect().await.mpub("held", &["h1", "h2"]).await;
    // The consumer stays: what it has is in flight when the process ends.
    let mut nsqd = nsqd;
    let _kept = consumer;
    nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 1).await;
    assert!(nsqd.terminate().await.success());
    nsqd
}

const ALL: [&str; 5] = ["finished", "requeued", "in flight", "later", "fresh"];

#[tokio::test]
async fn what_is_there_is_shown() {
    // Protects an operator's view of a daemon that does not run: the same numbers as its own statistics.
    if !ours_only("its data path is another") {
        return;
    }
    let nsqd = written().await;
    let path = nsqd.data_path();
    let listed = json(&nsq_data(path, &["ls", "--json"]));
    let topics = listed["topics"].as_array().expect("a list");
    assert_eq!(topics.len(), 2);
    assert_eq!((&topics[0]["topic"], &topics[0]["depth"]), (&Value::from("held"), &Value::from(2)));
    let (c, d) = (&topics[1]["channels"][0], &topics[1]["channels"][1]);
    assert_eq!((&c["depth"], &c["deferred"], &c["paused"]), (&3.into(), &2.into(), &false.into()));
    assert_eq!((&d["depth"], &d["deferred"], &d["paused"]), (&5.into(), &1.into(), &true.into()));
    let table = text(&nsq_data(path, &["ls", "--topic", "t"]));
    assert!(table.starts_with("TOPIC") && table.lines().count() == 4, "{table}");
    let c = dumped(&nsq_data(path, &["dump", "--topic", "t", "--channel", "c"]));
    let expected = [
        ("deferred", 0, true),
        ("fresh", 0, false),
        ("in flight", 1, false),
        ("later", 1, true),
        ("requeued", 1, false),
    ];
    assert_eq!(c, expected.map(|(body, attempts, is_deferred)| seen(body, attempts, is_deferred)));
    assert_eq!(dumped(&nsq_data(path, &["dump", "--topic", "t"])).len(), 6);
    assert_eq!(dumped(&nsq_data(path, &["dump", "--topic", "t", "--limit", "2"])).len(), 2);
    assert_eq!(
        dumped(&nsq_data(path, &["dump", "--topic", "held"])),
        [seen("h1", 0, false), seen("h2", 0, false)]
    );
    let verified = nsq_data(path, &["verify"]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified));
    assert!(
        text(&verified).contains("2 topics, 2 segments, 8 messages: all is whole"),
        "{}",
        text(&verified)
    );
    // Looking changed nothing: the daemon starts as after its stop.
    let nsqd = nsqd.start_again().await;
    assert_eq!(nsqd.stats().await.channel("t", "d")["depth"], ALL.len());
}

#[tokio::test]
async fn damage_is_found_and_its_place_told() {
    // Protects the answer to "is my data whole?": any flipped bit of what is used makes it no.
    if !ours_only("its data path is another") {
        return;
    }
    let nsqd = written().await;
    let folder = nsqd.data_path().join("t.topic");
    let files = std::fs::read_dir(&folder).expect("the folder is there");
    let files: Vec<PathBuf> = files.map(|file| file.expect("it can be listed").path()).collect();
    assert!(4 <= files.len(), "{files:?}");
    for file in files {
        let whole = std::fs::read(&file).expect("it can be read");
        // In a segment: the header, a frame; elsewhere: the content.
        let places: &[usize] =
            if file.extension().is_some_and(|it| it == "seg") { &[20, 200] } else { &[20] };
        for place in places {
            let mut bytes = whole.clone();
            bytes[*place] ^= 4;
            std::fs::write(&file, &bytes).expect("it can be written");
            let verified = nsq_data(nsqd.data_path(), &["verify", "--json"]);
            assert_eq!(verified.status.code(), Some(1), "{} at {place}: {}", file.display(), text(&verified));
            let damage = &json(&verified)["damage"];
            assert_eq!(damage.as_array().map(Vec::len), Some(1), "{damage:#}");
            assert_eq!(damage[0]["file"], file.display().to_string());
            assert_eq!(std::fs::read(&file).expect("it can be read"), bytes, "looking changes nothing");
        }
        std::fs::write(&file, &whole).expect("it can be written");
    }
    assert_eq!(nsq_data(nsqd.data_path(), &["verify"]).status.code(), Some(0));
}

#[tokio::test]
async fn a_data_path_in_use_is_left_alone() {
    // Protects against looking at files that change meanwhile; the holder is named, by the daemon, too.
    if !ours_only("its data path is another") {
        return;
    }
    let nsqd = Nsqd::start().await;
    let verified = nsq_data(nsqd.data_path(), &["verify"]);
    assert_eq!(verified.status.code(), Some(2));
    let holder = format!("process {} holds the lock", nsqd.pid());
    assert!(text(&verified).contains(&holder), "{}", text(&verified));
    let (status, log) = nsqd.start_rival().await;
    assert!(!status.success());
    assert!(log.contains("possibly in use by another instance of nsqd") && log.contains(&holder), "{log}");
    let missing = nsq_data(Path::new("no/such/path"), &["ls"]);
    assert_eq!(missing.status.code(), Some(2), "{}", text(&missing));
    let mut nsqd = nsqd;
    assert!(nsqd.terminate().await.success());
    let unknown = nsq_data(nsqd.data_path(), &["dump", "--topic", "none"]);
    assert!(
        unknown.status.code() == Some(2) && text(&unknown).contains("no topic none"),
        "{}",
        text(&unknown)
    );
}

#[tokio::test]
async fn an_export_comes_back_as_it_was() {
    // Protects the way back: what is written for NSQ is what NSQ's readers, ours among them, find there.
    if !ours_only("its data path is another") {
        return;
    }
    let mut nsqd = written().await;
    let to = nsqd.data_path().join("export");
    let exported =
        nsq_data(nsqd.data_path(), &["export", "--format", "nsq-1.x", "--to", to.to_str().expect("a path")]);
    assert!(exported.status.success(), "{}", text(&exported));
    assert!(text(&exported).starts_with("13 messages in 3 queues"), "{}", text(&exported));
    assert!(text(&exported).contains("2 of them are deferred"), "{}", text(&exported));
    let again =
        nsq_data(nsqd.data_path(), &["export", "--format", "nsq-1.x", "--to", to.to_str().expect("a path")]);
    assert_eq!(again.status.code(), Some(2));
    let small = nsqd.data_path().join("small");
    let arguments =
        ["export", "--format", "nsq-1.x", "--max-msg-size", "3", "--to", small.to_str().expect("a path")];
    let refused = nsq_data(nsqd.data_path(), &arguments);
    assert!(
        refused.status.code() == Some(2) && text(&refused).contains("--max-msg-size"),
        "{}",
        text(&refused)
    );
    // NSQ itself, where somebody has one; otherwise ours, which reads the same form.
    let other = Nsqd::start_on_copy(&to).await;
    let stats = other.stats().await;
    assert_eq!(stats.topic("held")["depth"], 2);
    assert_eq!(stats.channel("t", "c")["depth"], 5);
    assert_eq!(stats.channel("t", "d")["depth"], 6);
    assert_eq!(stats.channel("t", "d")["paused"], true);
    let mut messages = other.consumer("t", "c", 10).await.finish_messages(5).await;
    messages.sort_by(|a, b| a.body.cmp(&b.body));
    let found: Vec<_> = messages
        .iter()
        .map(|message| (String::from_utf8_lossy(&message.body).into_owned(), message.attempts))
        .collect();
    let expected = [("deferred", 1), ("fresh", 1), ("in flight", 2), ("later", 2), ("requeued", 2)];
    assert_eq!(found, expected.map(|(body, attempts)| (body.to_owned(), attempts)));
    nsqd.kill().await;
}
