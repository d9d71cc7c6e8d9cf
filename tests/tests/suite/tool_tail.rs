//! `nsq_tail` against real daemons.

use std::{collections::BTreeSet, process::Stdio};

use serde_json::Value;
use tests::{Lookupd, Nsqd, Signal, Tool, within};

fn flag(nsqd: &Nsqd) -> String {
    format!("--nsqd-tcp-address={}", nsqd.tcp_address())
}

/// Starts it and waits until it is subscribed.
async fn tail(nsqd: &Nsqd, topic: &str, arguments: &[&str]) -> Tool {
    let (nsqd_flag, topic_flag) = (flag(nsqd), format!("--topic={topic}"));
    let tool = Tool::start("nsq_tail", &[&[&nsqd_flag, &topic_flag, "--channel=c"], arguments].concat());
    nsqd.await_channel(topic, "c", |channel| channel["client_count"] == 1).await;
    tool
}

#[tokio::test]
async fn messages_are_lines_in_the_chosen_format() {
    let nsqd = Nsqd::start().await;
    let mut producer = nsqd.connect().await;
    let mut text = tail(&nsqd, "t", &[]).await;
    let mut with_topic = tail(&nsqd, "u", &["--print-topic"]).await;
    let mut hex = tail(&nsqd, "v", &["--format=hex"]).await;
    let mut json = tail(&nsqd, "w", &["--format=json"]).await;
    for topic in ["t", "u", "v", "w"] {
        producer.publish(topic, b"a\r").await;
    }
    assert_eq!(text.next_line().await, "a\r");
    assert_eq!(with_topic.next_line().await, "u | a\r");
    assert_eq!(hex.next_line().await, "610d");
    let object: Value = serde_json::from_str(&json.next_line().await).expect("JSON");
    assert_eq!(
        (&object["topic"], &object["body"], &object["attempts"]),
        (&"w".into(), &"a\r".into(), &1.into())
    );
    assert_eq!(object["nsqd"], nsqd.tcp_address().to_string());
    assert_eq!(object["id"].as_str().map(str::len), Some(16));
    // What was shown is finished.
    nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 0 && channel["depth"] == 0).await;
    let ended = text.terminated().await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let log = ended.log();
    assert_eq!(log[0], "Adding consumer for topic: t");
    let connecting = format!("INF    1 [t/c] ({}) connecting to nsqd", nsqd.tcp_address());
    assert_eq!(log[1], connecting);
}

#[tokio::test]
async fn the_count_is_of_all_topics_and_what_was_shown_is_finished() {
    // The reference left before the FIN of the last message, which came again, and counted each topic by itself.
    let nsqd = Nsqd::start().await;
    for topic in ["t", "u"] {
        nsqd.create_channel(topic, "c").await;
    }
    let mut producer = nsqd.connect().await;
    producer.mpub("t", &["1", "2", "3", "4", "5"]).await;
    producer.publish("u", b"6").await;
    let flag = flag(&nsqd);
    // The one message of the first is there first, so that of the four of the second one is left over.
    let arguments = ["--topic=u", "--topic=t", "--channel=c", "-n=4", &flag];
    let ended = Tool::run("nsq_tail", &arguments).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(ended.stdout.lines().count(), 4, "{}", ended.stdout);
    let stats = nsqd.stats().await;
    let channels = [stats.channel("t", "c"), stats.channel("u", "c")];
    let sum =
        |key: &str| channels.iter().map(|channel| channel[key].as_i64().expect("a number")).sum::<i64>();
    assert_eq!((sum("depth"), sum("in_flight_count"), sum("deferred_count")), (2, 0, 0));
    assert_eq!(sum("timeout_count"), 0);
    // With the rest, every message was shown once.
    let arguments = ["--topic=t", "--topic=u", "--channel=c", "-n=2", &flag];
    let rest = Tool::run("nsq_tail", &arguments).await;
    let mut all: Vec<&str> = ended.stdout.lines().chain(rest.stdout.lines()).collect();
    all.sort_unstable();
    assert_eq!(all, ["1", "2", "3", "4", "5", "6"]);
}

#[tokio::test]
async fn a_closed_stdout_ends_it_and_loses_nothing() {
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    let (read, write) = std::io::pipe().expect("a pipe");
    drop(read);
    let mut child = tokio::process::Command::new(tests::tool("nsq_tail"))
        .args(["--topic=t", "--channel=c", &flag(&nsqd)])
        .stdin(Stdio::null())
        .stdout(write)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the tool is built: run `cargo build` first");
    nsqd.await_channel("t", "c", |channel| channel["client_count"] == 1).await;
    nsqd.connect().await.mpub("t", &["1", "2"]).await;
    let status = within("the end of nsq_tail", child.wait()).await.expect("it can be waited for");
    assert_eq!(status.code(), Some(1));
    let output = within("its log", child.wait_with_output()).await.expect("it can be read");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(log.trim_end().ends_with("ERROR: failed to write to os.Stdout - broken pipe"), "{log}");
    let channel = nsqd.stats().await.channel("t", "c");
    assert_eq!((&channel["depth"], &channel["deferred_count"]), (&2.into(), &0.into()), "{channel:#}");
}

#[tokio::test]
async fn signals_end_it_and_a_second_one_ends_it_at_once() {
    let nsqd = Nsqd::start().await;
    // Nobody reads: an orderly end would wait for as long as the protocol allows.
    let (read, write) = std::io::pipe().expect("a pipe");
    let mut child = tokio::process::Command::new(tests::tool("nsq_tail"))
        .args(["--topic=t", "--channel=c", &flag(&nsqd)])
        .stdin(Stdio::null())
        .stdout(write)
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the tool is built: run `cargo build` first");
    nsqd.await_channel("t", "c", |channel| channel["client_count"] == 1).await;
    nsqd.connect().await.publish("t", &vec![b'x'; 500_000]).await;
    nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 1).await;
    let pid = rustix::process::Pid::from_raw(child.id().expect("it runs").cast_signed()).expect("not 0");
    rustix::process::kill_process(pid, Signal::TERM).expect("it runs");
    // It has begun to stop when it asks for no more.
    nsqd.connect().await.publish("t", b"more").await;
    nsqd.await_channel("t", "c", |channel| channel["depth"] == 1).await;
    rustix::process::kill_process(pid, Signal::INT).expect("it runs");
    let status = within("the end of nsq_tail", child.wait()).await.expect("it can be waited for");
    assert_eq!(status.code(), Some(130));
    drop(read);
    for (signal, code) in [(Signal::TERM, 0), (Signal::INT, 0), (Signal::HUP, 129)] {
        let tool = tail(&nsqd, "u", &[]).await;
        tool.signal(signal);
        assert_eq!(tool.ended().await.code, code, "{signal:?}");
        nsqd.await_channel("u", "c", |channel| channel["client_count"] == 0).await;
    }
}

#[tokio::test]
async fn a_replay_begins_where_it_is_told_to() {
    const KEEP: &str = "--retention-bytes=100000000";
    let lookupd = Lookupd::start().await;
    let nsqd = Nsqd::start_with(&[KEEP, &lookupd.flag()]).await;
    nsqd.create_channel("t", "old").await;
    nsqd.connect().await.mpub("t", &["1", "2", "3"]).await;
    nsqd.consumer("t", "old", 5).await.finish_messages(3).await;
    let http = format!("--nsqd-http-address={}", nsqd.http_address());
    let ended = Tool::run("nsq_tail", &["--topic=t", &flag(&nsqd), "--from=earliest", &http, "-n=3"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "1\n2\n3\n"), "{}", ended.stderr);
    let lookup = format!("--lookupd-http-address={}", lookupd.http_address());
    let ended = Tool::run("nsq_tail", &["--topic=t", &lookup, "--from=1", "-n=2"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "2\n3\n"), "{}", ended.stderr);
    let ended = Tool::run("nsq_tail", &["--topic=t", &flag(&nsqd), "--from=nowhere", &http]).await;
    assert_eq!(ended.code, 1);
    let last = ended.log().pop().unwrap_or_default();
    assert!(
        last.starts_with("--from=nowhere: failed to query any nsqd: nsqd ")
            && last.ends_with("got response 400 Bad Request"),
        "{last}"
    );
}

#[tokio::test]
async fn nothing_is_lost_when_it_or_nsqd_is_killed() {
    // Protects a permanent channel: what was not shown comes again; what was shown may.
    let rounds = std::env::var("NSQ_TOOL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(10);
    let mut nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    let (mut shown, mut published, mut duplicates) = (BTreeSet::new(), 0, 0);
    for round in 0..rounds {
        let flag = flag(&nsqd);
        let mut tool = Tool::start("nsq_tail", &["--topic=t", "--channel=c", "--max-in-flight=50", &flag]);
        let bodies: Vec<String> = (published..published + 500).map(|number| number.to_string()).collect();
        published += 500;
        nsqd.connect().await.mpub("t", &bodies).await;
        // In the middle of it.
        for _ in 0..100 {
            tool.next_line().await;
        }
        if round % 2 == 1 {
            nsqd.kill().await;
        }
        let ended = tool.killed().await;
        let whole = ended.stdout.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let repeated = whole.lines().filter(|line| !shown.insert((*line).to_owned())).count();
        duplicates += repeated;
        if round % 2 == 1 {
            nsqd = nsqd.start_again().await;
        }
        nsqd.await_channel("t", "c", |channel| channel["client_count"] == 0).await;
    }
    let left = nsqd.stats().await.channel("t", "c")["depth"].to_string();
    if left != "0" {
        let arguments = ["--topic=t", "--channel=c", &format!("-n={left}"), &flag(&nsqd)];
        let ended = Tool::run("nsq_tail", &arguments).await;
        duplicates += ended.stdout.lines().filter(|line| !shown.insert((*line).to_owned())).count();
    }
    assert_eq!(shown.len(), published, "with {duplicates} duplicates");
    // After a kill of nsqd, whatever was finished since its last checkpoint comes again.
    assert!(duplicates <= rounds * published, "{duplicates} duplicates of {published}");
}
