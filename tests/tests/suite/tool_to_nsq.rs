//! `to_nsq` against real daemons.

use std::collections::BTreeSet;

use tests::{Nsqd, Signal, Tool};

fn flag(nsqd: &Nsqd) -> String {
    format!("--nsqd-tcp-address={}", nsqd.tcp_address())
}

/// Publishes an input and returns what came to the channel, in order.
async fn published(input: &[u8], arguments: &[&str], count: usize) -> Vec<Vec<u8>> {
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    let flag = flag(&nsqd);
    let mut tool = Tool::start("to_nsq", &[&["--topic=t", &flag], arguments].concat());
    tool.write(input).await;
    let ended = tool.ended().await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let depth = nsqd.stats().await.channel("t", "c")["depth"].clone();
    assert_eq!(depth, count);
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    consumer.finish_messages(count).await.into_iter().map(|message| message.body).collect()
}

#[tokio::test]
async fn each_line_is_a_message_the_last_one_too() {
    // The reference took the last byte for a line break without looking.
    let bodies = published(b"one\r\n\n\ntwo\nlast", &[], 3).await;
    assert_eq!(bodies, [&b"one\r"[..], b"two", b"last"]);
    assert_eq!(published(b"x", &[], 1).await, [b"x"]);
    assert_eq!(published(b"a,b\n,", &["--delimiter=,"], 2).await, [&b"a"[..], b"b\n"]);
    assert_eq!(published(b"", &[], 0).await, [b""; 0]);
}

#[tokio::test]
async fn every_message_goes_to_every_address() {
    let nsqds = [Nsqd::start().await, Nsqd::start().await];
    let flags = nsqds.each_ref().map(flag);
    let mut tool = Tool::start("to_nsq", &["--topic=t", &flags[0], &flags[1], &flags[0]]);
    // What is there is published before the input ends.
    tool.write(b"a\nb\nunfinished").await;
    for nsqd in &nsqds {
        nsqd.await_stats("two messages", |stats| stats.topic("t")["message_count"] == 2).await;
    }
    let ended = tool.ended().await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for nsqd in &nsqds {
        assert_eq!(nsqd.stats().await.topic("t")["message_count"], 3);
    }
}

#[tokio::test]
async fn a_refused_message_ends_it_with_the_words_of_nsqd() {
    // Protects scripts that read them, and whoever has to know where to go on.
    let nsqd = Nsqd::start_with(&["--max-msg-size=10", "--max-body-size=500"]).await;
    let flag = flag(&nsqd);
    let mut tool = Tool::start("to_nsq", &["--topic=bad!", &flag]);
    tool.write(b"a\nb\n").await;
    let ended = tool.ended().await;
    assert_eq!(ended.code, 1);
    let log = ended.log();
    assert_eq!(log.last().map(String::as_str), Some("E_BAD_TOPIC PUB topic name \"bad!\" is not valid"));
    assert!(log[log.len() - 2].starts_with("the first 0 messages were acknowledged"), "{log:?}");

    let mut tool = Tool::start("to_nsq", &["--topic=t", &flag]);
    tool.write(b"1\n2\n3\n12345678901\n5\n").await;
    let ended = tool.ended().await;
    assert_eq!(ended.code, 1);
    let log = ended.log();
    assert_eq!(log.last().map(String::as_str), Some("E_BAD_MESSAGE PUB message too big 11 > 10"));
    assert!(log[log.len() - 2].starts_with("the first 3 messages were acknowledged"), "{log:?}");
    assert_eq!(nsqd.stats().await.topic("t")["message_count"], 3);

    // No message is too big, only all of them together.
    let mut tool = Tool::start("to_nsq", &["--topic=u", &flag]);
    tool.write(&b"123456789\n".repeat(1000)).await;
    let ended = tool.ended().await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(nsqd.stats().await.topic("u")["message_count"], 1000);
}

#[tokio::test]
async fn the_rate_is_kept() {
    let nsqd = Nsqd::start().await;
    let flag = flag(&nsqd);
    let started = std::time::Instant::now();
    let mut tool = Tool::start("to_nsq", &["--topic=t", "--rate=50", &flag]);
    tool.write(&b"x\n".repeat(51)).await;
    let ended = tool.ended().await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    // The first goes out at once.
    assert!(1.0 <= started.elapsed().as_secs_f64());
    assert!(ended.log().contains(&"Throttling messages rate to max:50/second".to_owned()));
    assert_eq!(nsqd.stats().await.topic("t")["message_count"], 51);
}

#[tokio::test]
async fn signals_end_it_and_what_was_sent_stays() {
    let nsqd = Nsqd::start().await;
    let flag = flag(&nsqd);
    for (signal, code) in [(Signal::TERM, 0), (Signal::INT, 0), (Signal::HUP, 129)] {
        let topic = format!("t{code}{}", signal.as_raw());
        let mut tool = Tool::start("to_nsq", &[&format!("--topic={topic}"), &flag]);
        tool.write(b"a\nb\nunfinished").await;
        nsqd.await_stats("two messages", |stats| stats.topic(&topic)["message_count"] == 2).await;
        tool.signal(signal);
        assert_eq!(tool.ended_with_open_stdin().await.code, code, "{signal:?}");
        assert_eq!(nsqd.stats().await.topic(&topic)["message_count"], 2);
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_killed_nsqd() {
    // Protects the count in the error text: the first N messages are there, whatever becomes of the others.
    let rounds = std::env::var("NSQ_TOOL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    for round in 0..rounds {
        let mut nsqd = Nsqd::start().await;
        nsqd.create_channel("t", "c").await;
        let flag = flag(&nsqd);
        let mut tool = Tool::start("to_nsq", &["--topic=t", &flag]);
        let mut next = 0_u64;
        // Until it is gone, while the nsqd dies at some point.
        let kill_after = 20_000 + 3_000 * round;
        let failed = loop {
            let lines: Vec<String> = (next..next + 1000).map(|number| number.to_string()).collect();
            let lines = lines.join("\n") + "\n";
            next += 1000;
            if !tool.try_write(lines.as_bytes()).await {
                break tool.ended().await;
            }
            if kill_after <= next && next < kill_after + 1000 {
                nsqd.kill().await;
            }
        };
        assert_eq!(failed.code, 1, "{}", failed.stderr);
        let log = failed.log();
        let count = log
            .iter()
            .find_map(|line| line.strip_prefix("the first ")?.split(' ').next()?.parse::<u64>().ok());
        let count = count.unwrap_or_else(|| panic!("no count in {log:?}"));
        let nsqd = nsqd.start_again().await;
        let depth = nsqd.stats().await.channel("t", "c")["depth"].as_u64().expect("a number");
        assert!(count <= depth, "{count} were acknowledged, {depth} are there");
        let mut consumer = nsqd.consumer("t", "c", 2500).await;
        let found = consumer.finish_messages(usize::try_from(depth).expect("it fits")).await;
        let found: BTreeSet<u64> = found
            .iter()
            .map(|message| String::from_utf8_lossy(&message.body).parse().expect("a number"))
            .collect();
        let missing: Vec<u64> = (0..count).filter(|number| !found.contains(number)).collect();
        assert!(missing.is_empty(), "of {count}, these are missing: {missing:?}");
    }
}
