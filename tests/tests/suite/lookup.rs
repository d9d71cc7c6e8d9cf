//! nsqd and its nsqlookupds: what it announces, and what it asks.

use std::time::Duration;

use tests::{HttpServer, LookupServer, Mood, Nsqd, ours_only};

/// The HTTP half of an nsqlookupd that knows these channels of every topic.
async fn http(channels: &str) -> HttpServer {
    let server = HttpServer::start().await;
    server.say(200, &format!(r#"{{"channels":[{channels}]}}"#));
    server
}

#[tokio::test]
async fn what_comes_and_goes_is_announced() {
    // Protects consumers, who find nodes by it: each topic and channel, ephemeral ones too, from the first second on.
    let http = http("").await;
    let lookup = LookupServer::start(&http).await;
    let flags = [&lookup.flag(), "--broadcast-address=nsqd-1.example", "--broadcast-tcp-port=5150"];
    let nsqd = Nsqd::start_with(&flags).await;
    lookup.await_connections(1).await;
    nsqd.create_channel("t", "c").await;
    lookup.await_said("REGISTER t c").await;
    let hostname = nsqd.get("/info").await.json()["hostname"].as_str().expect("a name").to_owned();
    let port = nsqd.http_address().port();
    let topology = if tests::is_reference() { "" } else { r#""topology_region":"","topology_zone":"","# };
    let version = nsqd.get("/info").await.json()["version"].as_str().expect("a text").to_owned();
    let identify = format!(
        r#"IDENTIFY {{"broadcast_address":"nsqd-1.example","hostname":"{hostname}","http_port":{port},"tcp_port":5150,{topology}"version":"{version}"}}"#
    );
    assert_eq!(lookup.said()[0], identify);
    let mut consumer = nsqd.consumer("e#ephemeral", "x#ephemeral", 1).await;
    lookup.await_said("REGISTER e#ephemeral x#ephemeral").await;
    consumer.expect_alive().await;
    lookup.await_said("REGISTER is-alive").await;
    drop(consumer);
    lookup.await_said("UNREGISTER e#ephemeral x#ephemeral").await;
    lookup.await_said("UNREGISTER e#ephemeral").await;
    nsqd.post_ok("/channel/delete?topic=t&channel=c").await;
    lookup.await_said("UNREGISTER t c").await;
    nsqd.post_ok("/topic/delete?topic=t").await;
    lookup.await_said("UNREGISTER t").await;
    lookup.await_said("PING").await;
}

#[tokio::test]
async fn a_change_that_comes_alone_is_told_at_once() {
    // Protects operators who delete a topic: its consumers lose their connections, ask where to go, and are not sent here.
    // Changes once waited 50 ms for others, and of 40 topics with a consumer that asks each 100 ms, 18 were made again.
    const TOPICS: u32 = 40;
    let http = http("").await;
    let lookup = LookupServer::start(&http).await;
    let nsqd = Nsqd::start_with(&[&lookup.flag()]).await;
    lookup.await_connections(1).await;
    for number in 0..TOPICS {
        nsqd.post_ok(&format!("/topic/create?topic=t{number}")).await;
        lookup.await_said(&format!("REGISTER t{number}")).await;
    }
    let started = std::time::Instant::now();
    for number in 0..TOPICS {
        nsqd.post_ok(&format!("/topic/delete?topic=t{number}")).await;
        lookup.await_said(&format!("UNREGISTER t{number}")).await;
    }
    // Some 5 ms; it was 53.
    let each = started.elapsed() / TOPICS;
    assert!(each < Duration::from_millis(40), "{each:?} each");
}

#[tokio::test]
async fn everything_is_announced_again_to_one_that_comes_back() {
    // Protects discovery after a restart of nsqlookupd, which remembers nothing, and after one of nsqd.
    if !ours_only("it comes back with its next ping only") {
        return;
    }
    let http = http("").await;
    let lookup = LookupServer::start(&http).await;
    let nsqd = Nsqd::start_with(&[&lookup.flag()]).await;
    nsqd.create_channel("t", "c").await;
    nsqd.post_ok("/topic/create?topic=alone").await;
    lookup.await_said("REGISTER t c").await;
    lookup.await_said("REGISTER alone").await;
    lookup.hang_up();
    lookup.await_connections(2).await;
    lookup.await_said("REGISTER t c").await;
    lookup.await_said("REGISTER alone").await;
    assert!(!lookup.said().contains(&"REGISTER t".to_owned()), "a channel announces its topic");
    lookup.hang_up();
    let _nsqd = nsqd.restart().await;
    lookup.await_said("REGISTER t c").await;
    lookup.await_said("REGISTER alone").await;
}

#[tokio::test]
async fn a_bad_one_holds_up_nobody() {
    // Protects publishers and the other nsqlookupds from one that is dead, silent, mad or hangs up.
    if !ours_only("one task serves all, and a negative length ends the process") {
        return;
    }
    let http = http("").await;
    let good = LookupServer::start(&http).await;
    let mut bad = Vec::new();
    for mood in [Mood::Silent, Mood::Mad, Mood::Mute, Mood::Rude] {
        let server = LookupServer::start(&http).await;
        server.be(mood);
        bad.push(server);
    }
    let mut flags: Vec<String> = bad.iter().map(LookupServer::flag).collect();
    flags.extend(
        ["127.0.0.1:1", "no-such-host.invalid:4160"].map(|gone| format!("--lookupd-tcp-address={gone}")),
    );
    flags.push(good.flag());
    let nsqd = Nsqd::start_with(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    good.await_connections(1).await;
    let started = std::time::Instant::now();
    for number in 0..20 {
        nsqd.connect().await.publish(&format!("t{number}"), b"x").await;
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    good.await_said("REGISTER t19").await;
    // They are tried again.
    for server in &bad {
        server.await_connections(3).await;
        server.be(Mood::Kind);
    }
    for server in &bad {
        server.await_said("REGISTER t19").await;
    }
}

#[tokio::test]
async fn a_new_topic_does_not_wait_for_one_that_never_tells() {
    // Protects consumers of new topics from an nsqlookupd that takes questions and answers none: what the others told
    // counts, and the messages move after the time limit of a question.
    let (silent, telling) = (http("").await, http(r#""elsewhere""#).await);
    let lookups = [LookupServer::start(&silent).await, LookupServer::start(&telling).await];
    let flags = [&lookups[0].flag(), &lookups[1].flag(), "--http-client-request-timeout=1s"];
    let nsqd = Nsqd::start_with(&flags).await;
    nsqd.post_ok("/topic/create?topic=first%23ephemeral").await;
    for lookup in &lookups {
        lookup.await_said("REGISTER first#ephemeral").await;
    }
    silent.hold(true);
    let mut consumer = nsqd.consumer("t", "here", 1).await;
    consumer.publish("t", b"x").await;
    assert_eq!(consumer.finish_messages(1).await[0].body, b"x");
    nsqd.await_channel("t", "elsewhere", |channel| channel["depth"] == 1).await;
    nsqd.await_log("failed to query some of nsqlookupd for channels to pre-create for topic t").await;
}

#[tokio::test]
async fn a_new_topic_has_the_channels_that_it_has_elsewhere() {
    // Protects consumers that are connected to other nodes only: their channel gets the first message of a new one, too.
    // NSQ makes a channel of any name that it is told.
    let invalid = if tests::is_reference() { "" } else { r#","not valid!""# };
    let http = http(&format!(r#""a","b","gone#ephemeral"{invalid}"#)).await;
    let lookup = LookupServer::start(&http).await;
    let nsqd = Nsqd::start_with(&[&lookup.flag()]).await;
    lookup.await_connections(1).await;
    // It knows where to ask once IDENTIFY was answered: a topic's announcement follows that.
    nsqd.post_ok("/topic/create?topic=first%23ephemeral").await;
    lookup.await_said("REGISTER first#ephemeral").await;
    nsqd.connect().await.publish("t", b"x").await;
    for channel in ["a", "b"] {
        nsqd.await_channel("t", channel, |channel| channel["depth"] == 1).await;
    }
    let names: Vec<_> = nsqd.stats().await.topic("t")["channels"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|channel| channel["channel_name"].clone())
        .collect();
    assert_eq!(names, ["a", "b"]);
    let asked = http.requests().pop().expect("it was asked");
    assert_eq!(asked.line, "GET /channels?topic=t HTTP/1.1");
    assert!(asked.headers.contains(&"accept: application/vnd.nsq; version=1.0".to_owned()), "{asked:?}");
    lookup.await_said("REGISTER t a").await;
    lookup.await_said("REGISTER t b").await;
}

#[tokio::test]
async fn who_is_quick_does_not_miss_what_comes_before_the_answer() {
    // Protects the publisher, who is not held up by a slow answer, and the channels, none of which misses a message for it.
    if !ours_only("the publisher that makes the topic waits") {
        return;
    }
    let http = http(r#""elsewhere""#).await;
    let lookup = LookupServer::start(&http).await;
    let nsqd = Nsqd::start_with(&[&lookup.flag()]).await;
    lookup.await_connections(1).await;
    nsqd.post_ok("/topic/create?topic=first%23ephemeral").await;
    lookup.await_said("REGISTER first#ephemeral").await;
    http.hold(true);
    let mut consumer = nsqd.consumer("t", "here", 5).await;
    consumer.publish("t", b"x").await;
    http.await_requests(1).await;
    consumer.expect_silence().await;
    http.hold(false);
    assert_eq!(consumer.finish_messages(1).await[0].body, b"x");
    nsqd.await_channel("t", "elsewhere", |channel| channel["depth"] == 1).await;
    // One that fails: the topic begins all the same.
    http.say(500, "{}");
    let mut consumer = nsqd.consumer("u", "here", 5).await;
    consumer.publish("u", b"y").await;
    assert_eq!(consumer.finish_messages(1).await[0].body, b"y");
}

#[tokio::test]
async fn topics_begin_without_anybody_to_ask() {
    // Protects the start of a cluster: a topic that is made before any nsqlookupd was reached delivers.
    let nsqd = Nsqd::start_with(&["--lookupd-tcp-address=127.0.0.1:1"]).await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    consumer.publish("t", b"x").await;
    consumer.finish_messages(1).await;
    nsqd.await_log("no available nsqlookupd to query for channels to pre-create for topic t").await;
}

#[tokio::test]
async fn the_address_that_is_announced_may_be_found_out() {
    // Protects containers, whose names nobody else can resolve: the address of the route, of an interface, or from a
    // variable that the scheduler sets.
    if !ours_only("it announces what it is given") {
        return;
    }
    let http = http("").await;
    for (broadcast, expected) in
        [("auto", "127.0.0.1"), ("interface:lo", "127.0.0.1"), ("env:NODE_ADDRESS", "node-7.example")]
    {
        let lookup = LookupServer::start(&http).await;
        let flags = [&lookup.flag(), &format!("--broadcast-address={broadcast}")[..]];
        let nsqd = Nsqd::start_with_variables(&flags, &[("NODE_ADDRESS", "node-7.example")]).await;
        lookup.await_connections(1).await;
        nsqd.post_ok("/topic/create?topic=t").await;
        lookup.await_said("REGISTER t").await;
        let identify = format!("IDENTIFY {{\"broadcast_address\":\"{expected}\",");
        assert!(lookup.said()[0].starts_with(&identify), "{broadcast}: {}", lookup.said()[0]);
        assert_eq!(nsqd.get("/info").await.json()["broadcast_address"], expected, "{broadcast}");
    }
    let (status, stderr) = Nsqd::fails_to_start(&["--broadcast-address=interface:nope"]).await;
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains("there is no such interface; there are "), "{stderr}");
}

#[tokio::test]
async fn an_address_that_nobody_can_resolve_is_told_of() {
    // Protects operators from consumers that are sent nowhere: the log says so, and what to do.
    if !ours_only("it says nothing") {
        return;
    }
    let http = http("").await;
    let lookup = LookupServer::start(&http).await;
    let nsqd = Nsqd::start_with(&[&lookup.flag(), "--broadcast-address=nohost.invalid"]).await;
    let line = nsqd.await_log("it is told the address nohost.invalid").await;
    assert!(line.contains("WARNING") && line.contains("--broadcast-address"), "{line}");
}
