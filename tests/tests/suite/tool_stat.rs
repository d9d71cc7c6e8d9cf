//! `nsq_stat` against real daemons.

use serde_json::Value;
use tests::{Lookupd, Nsqd, Signal, Tool};

/// The numbers of a line of the table.
fn numbers(line: &str) -> Vec<i64> {
    line.split([' ', '|'])
        .filter(|word| !word.is_empty())
        .map(|word| word.parse().expect("a number"))
        .collect()
}

#[tokio::test]
async fn one_line_per_interval_sums_up_all_nodes() {
    // Protects the table that scripts read, its sums, and that the tool leaves right after the last line.
    let lookupd = Lookupd::start().await;
    let flag = lookupd.flag();
    let nsqds = [Nsqd::start_with(&[&flag]).await, Nsqd::start_with(&[&flag]).await];
    for nsqd in &nsqds {
        nsqd.create_channel("t", "c").await;
        nsqd.connect().await.mpub("t", &["1", "2", "3"]).await;
    }
    let mut consumer = nsqds[0].consumer("t", "c", 1).await;
    consumer.next_message().await;
    let lookupd_flag = format!("--lookupd-http-address={}", lookupd.http_address());
    let arguments = ["--topic=t", "--channel=c", "--interval=200ms", "--count=2", &lookupd_flag];
    // Both are registered before they are asked for.
    tests::within("both nsqds to be known", async {
        loop {
            let ended = Tool::run("nsq_stat", &arguments).await;
            if ended.code != 0 {
                // Neither of them is known yet.
                assert!(ended.stderr.contains("ERROR: failed to get nsqd stats - "), "{}", ended.stderr);
                continue;
            }
            let lines: Vec<&str> = ended.stdout.lines().collect();
            assert_eq!(lines.len(), 4, "{}", ended.stdout);
            assert!(lines[0].starts_with("------rate------+-") && lines[1].starts_with("ingress  egress |"));
            // Ingress, egress; depth, memory, disk, in flight, deferred; requeued, timed out, messages, clients.
            let last = numbers(lines[3]);
            if last[9] == 6 {
                assert_eq!((last[2], last[5], last[10]), (5, 1, 1));
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn rates_are_messages_a_second() {
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    let flag = format!("--nsqd-http-address={}", nsqd.http_address());
    let mut tool = Tool::start("nsq_stat", &["--topic=t", "--channel=c", "--interval=500ms", &flag]);
    assert!(tool.next_line().await.starts_with("------rate"));
    tool.next_line().await;
    nsqd.connect().await.mpub("t", &["1"; 10]).await;
    // The base may have been taken before or after; all ten are in one of the lines.
    let mut seen = 0;
    while seen == 0 {
        let line = numbers(&tool.next_line().await);
        seen = line[0];
        assert_eq!(line[1], 0, "nothing was taken");
    }
    assert_eq!(seen, 20);
    for signal in [Signal::HUP, Signal::TERM, Signal::INT] {
        let mut tool = Tool::start("nsq_stat", &["--topic=t", "--channel=c", &flag]);
        tool.next_line().await;
        tool.signal(signal);
        assert_eq!(tool.ended_with_open_stdin().await.code, 0, "{signal:?}");
    }
}

#[tokio::test]
async fn a_node_that_fails_is_told_and_left_out() {
    // One dead node of many ended the reference's tool.
    let mut nsqds = [Nsqd::start().await, Nsqd::start().await];
    for nsqd in &nsqds {
        nsqd.create_channel("t", "c").await;
        nsqd.connect().await.publish("t", b"1").await;
    }
    let flags = nsqds.each_ref().map(|nsqd| format!("--nsqd-http-address={}", nsqd.http_address()));
    let [first, second] = flags.each_ref().map(String::as_str);
    let arguments = ["--topic=t", "--channel=c", "--interval=100ms", "--json", first, second];
    let mut tool = Tool::start("nsq_stat", &arguments);
    let object = |line: String| serde_json::from_str::<Value>(&line).expect("JSON");
    let both = object(tool.next_line().await);
    assert_eq!((&both["messages"], &both["nodes"], &both["failures"]), (&2.into(), &2.into(), &0.into()));
    nsqds[1].kill().await;
    let one = tests::within("the line without the dead node", async {
        loop {
            let object = object(tool.next_line().await);
            if object["failures"] == 1 {
                return object;
            }
        }
    })
    .await;
    assert_eq!((&one["messages"], &one["nodes"]), (&1.into(), &1.into()));
    tool.await_log("WARNING: nsqd ").await;
    nsqds[0].kill().await;
    let ended = tool.ended().await;
    assert_eq!(ended.code, 1);
    let last = ended.log().pop().expect("a line");
    assert!(
        last.starts_with("ERROR: failed to get topic producers - failed to query any nsqd: nsqd "),
        "{last}"
    );
    assert_eq!(ended.log().iter().filter(|line| line.starts_with("WARNING")).count(), 1, "{}", ended.stderr);
}

#[tokio::test]
async fn a_topic_or_channel_that_nobody_has_ends_it() {
    let nsqd = Nsqd::start().await;
    let lookupd = Lookupd::start().await;
    nsqd.create_channel("t", "c").await;
    let nsqd_flag = format!("--nsqd-http-address={}", nsqd.http_address());
    let lookupd_flag = format!("--lookupd-http-address={}", lookupd.http_address());
    let check = async |arguments: [&str; 3], expected: &str| {
        let ended = Tool::run("nsq_stat", &arguments).await;
        assert_eq!(ended.code, 1);
        let last = ended.log().pop().unwrap_or_default();
        assert!(last.starts_with(expected), "{last}");
        // Before the reports, the reference says the same.
        if let Some(ended) = Tool::run_reference("nsq_stat", &arguments).await {
            assert_eq!(ended.code, 1);
            let last = ended.log().pop().unwrap_or_default();
            assert!(last.starts_with("ERROR: "), "{last}");
        }
    };
    let text = "ERROR: failed to find channel(d) in stats metadata for topic(t)";
    check(["--topic=t", "--channel=d", &nsqd_flag], text).await;
    check(
        ["--topic=u", "--channel=c", &nsqd_flag],
        "ERROR: failed to get nsqd stats - failed to query any nsqd: ",
    )
    .await;
    check(
        ["--topic=u", "--channel=c", &lookupd_flag],
        "ERROR: failed to get nsqd stats - failed to query any nsqd: ",
    )
    .await;
    let nobody = "--lookupd-http-address=127.0.0.1:1";
    check(
        ["--topic=u", "--channel=c", nobody],
        "ERROR: failed to get topic producers - failed to query any nsqlookupd: ",
    )
    .await;
}
