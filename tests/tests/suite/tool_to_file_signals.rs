//! `nsq_to_file`: signals, and when messages are acknowledged.

use std::fs;
use std::time::Duration;

use tempfile::TempDir;
use tests::{Nsqd, Signal, Tool, within};

use crate::tool_to_file::{CHANNEL, check_files, finished, is_empty, start};

async fn begun(more: &[&str]) -> (Nsqd, TempDir, Tool) {
    begun_at(Nsqd::start().await, more).await
}

async fn begun_at(nsqd: Nsqd, more: &[&str]) -> (Nsqd, TempDir, Tool) {
    nsqd.create_channel("t", CHANNEL).await;
    let folder = TempDir::with_prefix("nsq-to-file-").expect("a temporary folder can be made");
    let work = format!("--work-dir={}", folder.path().join("work").display());
    let more: Vec<&str> = more.iter().map(|flag| if *flag == "--work-dir" { &work } else { *flag }).collect();
    let tool = start(&nsqd, folder.path(), &more);
    nsqd.await_channel("t", CHANNEL, |channel| channel["client_count"] == 1).await;
    (nsqd, folder, tool)
}

#[tokio::test]
async fn hang_up_reopens_by_name() {
    // Protects log rotation: a file that was renamed is finished, and the next message begins another one.
    let (nsqd, folder, tool) = begun(&[]).await;
    nsqd.connect().await.publish("t", "a").await;
    finished(&nsqd, "t", 1).await;
    let out = folder.path().join("out");
    fs::rename(out.join("t.log"), out.join("t.log.1")).expect("it is there");
    tool.signal(Signal::HUP);
    within("a new file", async {
        while !out.join("t.log").exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    nsqd.connect().await.publish("t", "b").await;
    finished(&nsqd, "t", 2).await;
    check_files(folder.path(), &[("out/t.log", "b\n"), ("out/t.log.1", "a\n")]);
    assert_eq!(tool.terminated().await.code, 0);
}

#[tokio::test]
async fn hang_up_moves_finished_files_and_goes_on() {
    // Protects against NSQ's crash: the file that it has moved still counts as open, and the next message ends the tool.
    let (nsqd, folder, tool) = begun(&["--work-dir", "--skip-empty-files", "--sync-interval=1h"]).await;
    nsqd.connect().await.publish("t", "a").await;
    let work = folder.path().join("work/t-000000.log");
    within("a message, written at once", async {
        while fs::read(&work).unwrap_or_default() != b"a\n" {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let waiting = nsqd.stats().await.channel("t", CHANNEL);
    assert_eq!(waiting["in_flight_count"], 1, "it is not synced");
    tool.signal(Signal::HUP);
    finished(&nsqd, "t", 1).await;
    check_files(folder.path(), &[("out/t-000000.log", "a\n")]);
    // Another process takes the next name while ours is at work.
    nsqd.connect().await.publish("t", "b").await;
    within("the next file", async {
        while !folder.path().join("work/t-000001.log").exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    fs::write(folder.path().join("out/t-000001.log"), "other\n").expect("the name is free");
    tool.signal(Signal::HUP);
    tool.await_log("to avoid overwrite").await;
    assert!(tool.log().contains("destination file already exists"), "{}", tool.log());
    finished(&nsqd, "t", 2).await;
    nsqd.connect().await.publish("t", "c").await;
    nsqd.await_channel("t", CHANNEL, |channel| channel["in_flight_count"] == 1).await;
    let ended = tool.terminated().await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    finished(&nsqd, "t", 3).await;
    check_files(
        folder.path(),
        &[
            ("out/t-000000.log", "a\n"),
            ("out/t-000001.log", "other\n"),
            ("out/t-000002.log", "b\n"),
            ("out/t-000003.log", "c\n"),
        ],
    );
}

#[tokio::test]
async fn a_stop_writes_finishes_and_closes() {
    // Protects against a message that is written twice since its FIN was not sent at the end.
    for signal in [Signal::TERM, Signal::INT] {
        let (nsqd, folder, tool) = begun(&["--work-dir", "--gzip", "--sync-interval=1h"]).await;
        nsqd.connect().await.mpub("t", &["a", "b", "c"]).await;
        nsqd.await_channel("t", CHANNEL, |channel| channel["in_flight_count"] == 3).await;
        tool.signal(signal);
        let ended = tool.ended().await;
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let channel = nsqd.stats().await.channel("t", CHANNEL);
        assert!(is_empty(&channel) && channel["requeue_count"] == 0, "{channel:#}");
        assert!(folder.path().join("out/t-000000.log.gz").exists());
    }
}

#[tokio::test]
async fn a_starved_consumer_is_not_kept_waiting() {
    // Protects throughput: when an nsqd may send no more, what there is is synced without waiting for the interval.
    let (nsqd, folder, tool) = begun(&["--max-in-flight=10", "--sync-interval=1h"]).await;
    let bodies: Vec<String> = (0..25).map(|number| number.to_string()).collect();
    nsqd.connect().await.mpub("t", &bodies).await;
    nsqd.await_channel("t", CHANNEL, |channel| channel["depth"] == 0 && channel["in_flight_count"] == 5)
        .await;
    assert_eq!(tool.terminated().await.code, 0);
    finished(&nsqd, "t", 25).await;
    let all = bodies.join("\n") + "\n";
    check_files(folder.path(), &[("out/t.log", &all)]);
}

#[tokio::test]
async fn more_time_is_asked_for_while_a_sync_is_not_due() {
    // Protects slow topics from being written again and again: the sync interval is longer than nsqd waits.
    let nsqd = Nsqd::start_with(&["--msg-timeout=1s"]).await;
    let (nsqd, folder, tool) = begun_at(nsqd, &["--sync-interval=1h"]).await;
    nsqd.connect().await.publish("t", "a").await;
    nsqd.await_channel("t", CHANNEL, |channel| channel["in_flight_count"] == 1).await;
    // Three times what nsqd waits.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let channel = nsqd.stats().await.channel("t", CHANNEL);
    assert!(channel["timeout_count"] == 0 && channel["in_flight_count"] == 1, "{channel:#}");
    assert_eq!(tool.terminated().await.code, 0);
    finished(&nsqd, "t", 1).await;
    check_files(folder.path(), &[("out/t.log", "a\n")]);
}

#[tokio::test]
async fn a_sync_comes_before_touching_stops_to_help() {
    // Protects slow topics from the other limit of nsqd, beyond which it takes a message back though it is touched.
    let nsqd = Nsqd::start_with(&["--msg-timeout=1s", "--max-msg-timeout=3s"]).await;
    let (nsqd, _folder, tool) = begun_at(nsqd, &["--sync-interval=1h"]).await;
    nsqd.connect().await.publish("t", "a").await;
    finished(&nsqd, "t", 1).await;
    assert_eq!(nsqd.stats().await.channel("t", CHANNEL)["timeout_count"], 0);
    assert_eq!(tool.terminated().await.code, 0);
}
