//! `nsq_to_nsq` against real daemons.

use std::collections::BTreeSet;

use tests::{Nsqd, Tool};

const CHANNEL: &str = "nsq_to_nsq";

fn source(nsqd: &Nsqd) -> String {
    format!("--nsqd-tcp-address={}", nsqd.tcp_address())
}

fn destination(nsqd: &Nsqd) -> String {
    format!("--destination-nsqd-tcp-address={}", nsqd.tcp_address())
}

/// Waits until all of `count` messages of topic `t` are finished at the source.
async fn passed_on(nsqd: &Nsqd, count: usize) {
    nsqd.await_channel("t", CHANNEL, |channel| {
        channel["message_count"] == count
            && ["in_flight_count", "depth", "deferred_count"].iter().all(|key| channel[*key] == 0)
    })
    .await;
}

/// The bodies at the destination.
async fn bodies(nsqd: &Nsqd, topic: &str, count: usize) -> Vec<String> {
    let mut consumer = nsqd.consumer(topic, "c", 1).await;
    let messages = consumer.finish_messages(count).await;
    let mut bodies: Vec<_> =
        messages.iter().map(|message| String::from_utf8_lossy(&message.body).into_owned()).collect();
    bodies.sort();
    bodies
}

#[tokio::test]
async fn messages_go_to_the_same_topic_or_another_one() {
    let [from, to] = [Nsqd::start().await, Nsqd::start().await];
    let (source, destination) = (source(&from), destination(&to));
    let tool = Tool::start("nsq_to_nsq", &["--topic=t", &source, &destination]);
    from.connect().await.mpub("t", &["1", "2", "3"]).await;
    passed_on(&from, 3).await;
    assert_eq!(bodies(&to, "t", 3).await, ["1", "2", "3"]);
    assert_eq!(tool.terminated().await.code, 0);
    let tool = Tool::start("nsq_to_nsq", &["--topic=t", "--destination-topic=u", &source, &destination]);
    from.connect().await.publish("t", b"4").await;
    passed_on(&from, 4).await;
    assert_eq!(bodies(&to, "u", 1).await, ["4"]);
    assert_eq!(tool.terminated().await.code, 0);
}

#[tokio::test]
async fn modes_choose_among_destinations_and_a_dead_one_is_passed_over() {
    for mode in ["round-robin", "hostpool", "epsilon-greedy"] {
        let [from, one, mut two] = [Nsqd::start().await, Nsqd::start().await, Nsqd::start().await];
        let mode_flag = format!("--mode={mode}");
        let (source, first, second) = (source(&from), destination(&one), destination(&two));
        let _tool = Tool::start("nsq_to_nsq", &["--topic=t", &source, &first, &second, &mode_flag]);
        let mut producer = from.connect().await;
        let mut count = 0;
        for _ in 0..20 {
            producer.mpub("t", &["x", "y"]).await;
            count += 2;
            passed_on(&from, count).await;
        }
        let messages = [one.stats().await, two.stats().await]
            .map(|stats| stats.topic("t")["message_count"].as_u64().unwrap_or(0));
        assert_eq!(messages.iter().sum::<u64>(), 40, "{mode}");
        assert!(messages.iter().all(|messages| *messages != 0), "{mode}: {messages:?}");
        if mode == "round-robin" {
            continue;
        }
        // Nobody is left there: what cannot be published there goes to the other at once. What was under way is requeued.
        two.kill().await;
        producer.mpub("t", &["x"; 10]).await;
        one.await_stats("ten more", |stats| {
            messages[0] + 1 < stats.topic("t")["message_count"].as_u64().unwrap_or(0)
        })
        .await;
    }
}

#[tokio::test]
async fn a_message_that_nsqd_refuses_comes_again_alone() {
    let from = Nsqd::start().await;
    let to = Nsqd::start_with(&["--max-msg-size=10"]).await;
    let tool = Tool::start("nsq_to_nsq", &["--topic=t", &source(&from), &destination(&to)]);
    from.await_channel("t", CHANNEL, |channel| channel["client_count"] == 1).await;
    from.connect().await.mpub("t", &["1", "12345678901", "3"]).await;
    from.await_channel("t", CHANNEL, |channel| channel["deferred_count"] == 1).await;
    tool.await_log("failed to publish 1 messages, which are requeued - E_BAD_MESSAGE PUB message too big")
        .await;
    to.await_stats("the other two", |stats| stats.topic("t")["message_count"] == 2).await;
    assert_eq!(tool.terminated().await.code, 0);
}

#[tokio::test]
async fn json_is_filtered_and_cut_as_recorded() {
    let whitelist = ["b", "a", "f", "g"].map(|name| format!("--whitelist-json-field={name}"));
    let [from, to] = [Nsqd::start().await, Nsqd::start().await];
    let (source, destination) = (source(&from), destination(&to));
    let mut arguments = vec!["--topic=t", source.as_str(), destination.as_str(), "--require-json-field=a"];
    arguments.extend(whitelist.iter().map(String::as_str));
    let tool = Tool::start("nsq_to_nsq", &arguments);
    let given = [
        r#"{"a":1,"b":"x","c":2,"f":1.5,"g":{"z":[1,2.0,12345678901234567890]}}"#,
        r#"{"a":null}"#,
        r#"{"c":1}"#,
        "no json",
    ];
    from.connect().await.mpub("t", &given).await;
    passed_on(&from, 4).await;
    let expected = [r#"{"a":1,"b":"x","f":1.5,"g":{"z":[1,2.0,12345678901234567890]}}"#, r#"{"a":null}"#];
    assert_eq!(bodies(&to, "t", 2).await, expected);
    let ended = tool.terminated().await;
    assert_eq!(ended.code, 0);
    let log = ended.log();
    assert!(log.contains(&"ERROR: Unable to decode json: no json".to_owned()), "{log:?}");
    assert_eq!(log.last().map(String::as_str), Some("1 messages were no JSON objects and were dropped"));
}

#[tokio::test]
async fn a_missing_required_value_comes_again_and_the_consumer_pauses() {
    let [from, to] = [Nsqd::start().await, Nsqd::start().await];
    let arguments =
        ["--topic=t", &source(&from), &destination(&to), "--require-json-field=a", "--require-json-value=5"];
    let tool = Tool::start("nsq_to_nsq", &arguments);
    from.await_channel("t", CHANNEL, |channel| channel["client_count"] == 1).await;
    from.connect().await.mpub("t", &[r#"{"a":5.0}"#, r#"{"a":6}"#, r#"{"b":5}"#]).await;
    from.await_channel("t", CHANNEL, |channel| {
        channel["deferred_count"] == 1 && channel["in_flight_count"] == 0
    })
    .await;
    assert_eq!(bodies(&to, "t", 1).await, [r#"{"a":5.0}"#]);
    tool.await_log("ERROR: missing field to check required value").await;
    tool.await_log("backing off").await;
}

#[tokio::test]
async fn nothing_is_lost_when_it_or_a_destination_is_killed() {
    let rounds = std::env::var("NSQ_TOOL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(10);
    let from = Nsqd::start().await;
    let mut to = Nsqd::start().await;
    from.create_channel("t", CHANNEL).await;
    to.create_channel("t", "c").await;
    let mut producer = from.connect().await;
    let mut published = 0;
    for round in 0..rounds {
        let bodies: Vec<String> = (published..published + 500).map(|number| number.to_string()).collect();
        let tool = Tool::start(
            "nsq_to_nsq",
            &["--topic=t", &source(&from), &destination(&to), "--consumer-opt=default_requeue_delay,0s"],
        );
        from.await_channel("t", CHANNEL, |channel| channel["client_count"] == 1).await;
        let there = to.stats().await.topic("t")["message_count"].as_u64().unwrap_or(0);
        producer.mpub("t", &bodies).await;
        published += 500;
        to.await_stats("the first of a round", |stats| {
            there < stats.topic("t")["message_count"].as_u64().unwrap_or(0)
        })
        .await;
        if round % 2 == 0 {
            tool.killed().await;
        } else {
            to.kill().await;
            tool.killed().await;
            to = to.start_again().await;
        }
        from.await_channel("t", CHANNEL, |channel| channel["client_count"] == 0).await;
    }
    // The last one does the rest. If there is none, it is there all the same: before, a signal just ends it.
    let tool = Tool::start("nsq_to_nsq", &["--topic=t", &source(&from), &destination(&to)]);
    from.await_channel("t", CHANNEL, |channel| {
        let is_empty = ["in_flight_count", "depth", "deferred_count"].iter().all(|key| channel[*key] == 0);
        is_empty && channel["client_count"] == 1
    })
    .await;
    assert_eq!(tool.terminated().await.code, 0);
    let depth = to.stats().await.channel("t", "c")["depth"].as_u64().expect("a number");
    let depth = usize::try_from(depth).expect("it fits");
    let found = to.consumer("t", "c", 100).await.finish_messages(depth).await;
    let seen: BTreeSet<&[u8]> = found.iter().map(|message| message.body.as_slice()).collect();
    assert_eq!(seen.len(), published, "with {} duplicates", found.len() - seen.len());
    assert!(depth - published <= rounds * 200, "no more duplicates than messages in flight: {depth}");
}
