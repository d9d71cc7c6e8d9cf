//! Networks that are cut between two hosts and mended, with each side alive: what was acknowledged is there, and everybody
//! finds each other again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tests::{
    Client, ForeignConsumer, Kind, Lookupd, Message, Nsqd, PATIENCE, Received, is_reference, within_time,
};

use crate::cluster::{KNOWN, TOPIC, complete_again, listed, until};
use crate::network::Network;

/// nsqd pings each 15 s, so that an nsqlookupd must bear that much silence.
const INACTIVE_AFTER: Duration = Duration::from_secs(17);

/// Publishes under way when the link between a producer and its nsqd is cut.
const PIPELINE: usize = 20;

/// A producer that hears nothing for so long gives up.
const GIVE_UP: Duration = Duration::from_millis(500);

async fn start_lookupd(network: &Network, more: &[&str]) -> Lookupd {
    let flags = network.flags("lookupd");
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
    network.on("lookupd", Lookupd::start_with(&flags)).await
}

/// A node, which has the topic, known to `lookupd`.
async fn start_node(network: &Network, host: &str, lookupd: Option<&Lookupd>) -> Nsqd {
    let mut flags = network.flags(host).to_vec();
    flags.extend(lookupd.map(Lookupd::flag));
    if is_reference() {
        // It keeps what a lost consumer had until its time is over.
        flags.push("--msg-timeout=4s".to_owned());
    }
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let node = network.on(host, Nsqd::start_with(&flags)).await;
    node.post_ok(&format!("/topic/create?topic={TOPIC}")).await;
    if let Some(lookupd) = lookupd {
        let address = node.tcp_address().to_string();
        until(KNOWN, "the node in the list", async || listed(lookupd).await.contains(&address)).await;
    }
    node
}

/// Bodies `m<number>`.
fn bodies(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| format!("m{number}")).collect()
}

async fn publish(node: &Nsqd, numbers: std::ops::Range<u32>) {
    node.connect().await.mpub(TOPIC, &bodies(numbers)).await;
}

#[tokio::test]
async fn a_node_beyond_reach_is_not_listed_and_works_on_and_is_complete_when_it_is_back() {
    // Protects consumers from a node that its nsqlookupd hears nothing of, and the node from the loss of its nsqlookupd.
    let Some(network) = Network::start(&["lookupd", "node", "consumer"]) else { return };
    let timeout = format!("--inactive-producer-timeout={}s", INACTIVE_AFTER.as_secs());
    let lookupd = start_lookupd(&network, &[&timeout]).await;
    let node = start_node(&network, "node", Some(&lookupd)).await;
    let address = node.tcp_address().to_string();
    assert_eq!(listed(&lookupd).await, [address.as_str()]);
    let mut consumer = network.on("consumer", node.consumer(TOPIC, "c", 10)).await;
    network.cut(["lookupd", "node"]);
    // Old topics and new ones go on, though nobody can tell of channels elsewhere.
    consumer.publish(TOPIC, "old").await;
    assert_eq!(consumer.finish_messages(1).await[0].body, b"old");
    let mut other = network.on("consumer", node.consumer("new", "c", 1)).await;
    other.publish("new", "new").await;
    assert_eq!(other.finish_messages(1).await[0].body, b"new");
    until(INACTIVE_AFTER + KNOWN, "an empty list", async || listed(&lookupd).await.is_empty()).await;
    consumer.publish(TOPIC, "unlisted").await;
    assert_eq!(consumer.finish_messages(1).await[0].body, b"unlisted");
    network.heal();
    until(complete_again(), "the node in the list", async || listed(&lookupd).await == [address.as_str()])
        .await;
    for (topic, channel) in [(TOPIC, "c"), ("new", "c")] {
        until(KNOWN, topic, async || {
            lookupd.get(&format!("/channels?topic={topic}")).await.json()["channels"][0] == channel
        })
        .await;
    }
    // Once, though its old connection may have ended just now.
    let nodes = lookupd.get("/nodes").await.json();
    assert_eq!(nodes["producers"].as_array().map(Vec::len), Some(1), "{nodes}");
    until(complete_again(), "the end of the old connection", async || {
        lookupd.get("/debug").await.json()["client::"].as_array().map(Vec::len) == Some(1)
    })
    .await;
}

#[tokio::test]
async fn what_a_lost_consumer_had_comes_again_and_nothing_acknowledged_is_lost() {
    // Protects messages from the network between a consumer and its node: heartbeats find the loss, what was in flight is
    // given to whoever comes, and what was finished before stays finished.
    let Some(network) = Network::start(&["node", "consumer"]) else { return };
    let node = start_node(&network, "node", None).await;
    let mut consumer = subscribe(&network, &node).await;
    publish(&node, 0..5).await;
    assert_eq!(consumer.finish_messages(5).await.len(), 5);
    await_channel(&node, "own", 0, 0).await;
    publish(&node, 5..10).await;
    let mut held = Vec::new();
    for _ in 5..10 {
        held.push(consumer.next_message().await);
    }
    network.cut(["node", "consumer"]);
    // Not heard.
    consumer.fin(held[0].id).await;
    publish(&node, 10..15).await;
    node.await_channel(TOPIC, "own", |channel| channel["client_count"] == 0).await;
    await_channel(&node, "own", 10, 0).await;
    network.heal();
    let mut consumer = subscribe(&network, &node).await;
    let messages = consumer.finish_messages(10).await;
    let attempts: BTreeMap<String, u16> =
        messages.into_iter().map(|message| (text(&message), message.attempts)).collect();
    let expected: BTreeSet<String> = bodies(5..15).into_iter().collect();
    assert_eq!(attempts.keys().cloned().collect::<BTreeSet<_>>(), expected);
    for body in bodies(5..10) {
        assert_eq!(attempts[&body], 2, "{body}");
    }
    await_channel(&node, "own", 0, 0).await;
}

/// A consumer of the channel `own` with a heartbeat a second.
async fn subscribe(network: &Network, node: &Nsqd) -> Client {
    let mut consumer = network.on("consumer", node.connect()).await;
    consumer.identify(r#"{"heartbeat_interval":1000}"#).await;
    consumer.subscribe(TOPIC, "own").await;
    consumer.rdy(20).await;
    consumer
}

async fn await_channel(node: &Nsqd, channel: &str, depth: u32, in_flight: u32) {
    let is_so = |stats: &serde_json::Value| stats["depth"] == depth && stats["in_flight_count"] == in_flight;
    node.await_channel(TOPIC, channel, is_so).await;
}

fn text(message: &Message) -> String {
    String::from_utf8_lossy(&message.body).into_owned()
}

#[tokio::test]
async fn other_peoples_consumers_come_back_by_themselves() {
    // Protects the same with real clients, which keep asking nsqlookupd: they connect again when the network is back.
    //
    // gnsq finds the loss out by itself, since nothing comes for its `timeout`. pynsq looks each minute only, and nsqjs never,
    // unless it has an `idleTimeout`: they hear of it by the end that nsqd has sent, which its kernel repeats.
    if !Kind::are_installed() {
        return;
    }
    let Some(network) = Network::start(&["lookupd", "node", "consumer"]) else { return };
    let lookupd = start_lookupd(&network, &[]).await;
    let node = start_node(&network, "node", Some(&lookupd)).await;
    let mut consumers = start_consumers(&network, &lookupd).await;
    for consumer in &consumers {
        await_connected(&node, consumer).await;
    }
    publish(&node, 0..5).await;
    for consumer in &mut consumers {
        consumer.await_messages(&bodies(0..5)).await;
        await_channel(&node, consumer.channel(), 0, 0).await;
        consumer.hold().await;
    }
    publish(&node, 5..10).await;
    for consumer in &consumers {
        consumer.await_messages(&bodies(5..10)).await;
    }
    network.cut(["node", "consumer"]);
    publish(&node, 10..15).await;
    for consumer in &mut consumers {
        node.await_channel(TOPIC, consumer.channel(), |channel| channel["client_count"] == 0).await;
        await_channel(&node, consumer.channel(), 10, 0).await;
        consumer.go().await;
    }
    network.heal();
    for consumer in consumers {
        consumer.await_messages(&bodies(10..15)).await;
        // Its FINs have come when nothing is owed any more.
        await_channel(&node, consumer.channel(), 0, 0).await;
        let (kind, messages) = (consumer.kind(), consumer.messages());
        for body in bodies(0..5) {
            assert_eq!(
                messages.iter().filter(|line| line.ends_with(&format!(" {body}"))).count(),
                1,
                "{kind:?}"
            );
        }
        for body in bodies(5..10) {
            assert!(messages.contains(&format!("2 {body}")), "{kind:?} {body}: {messages:?}");
        }
        consumer.stop().await;
    }
}

/// A consumer of each kind, on the host `consumer`, with a heartbeat a second.
async fn start_consumers(network: &Network, lookupd: &Lookupd) -> Vec<ForeignConsumer> {
    let mut consumers = Vec::new();
    for kind in Kind::ALL {
        let lookupds = [lookupd.http_address()];
        let start = ForeignConsumer::start(kind, TOPIC, kind.name(), &lookupds, 1);
        consumers.push(network.on("consumer", start).await);
    }
    consumers
}

async fn await_connected(node: &Nsqd, consumer: &ForeignConsumer) {
    until(PATIENCE, &format!("{:?} at the node", consumer.kind()), async || {
        node.stats().await.channel(TOPIC, consumer.channel())["client_count"] == 1
    })
    .await;
}

#[tokio::test]
async fn a_node_beyond_the_reach_of_consumers_keeps_them_from_no_other() {
    // Protects consumers of many nodes from one that is listed, and whose packets vanish: they try, live, find the others,
    // and that one when it is back.
    //
    // gnsq finds them, too, but may never be ready for a message again, whose ever the daemons are: what gives out its RDY
    // dies of a connection that is still being made (`NsqdTCPClient` has no `stream` then).
    let takes_messages = |consumer: &&ForeignConsumer| consumer.kind() != Kind::Gnsq;
    if !Kind::are_installed() {
        return;
    }
    let Some(network) = Network::start(&["lookupd", "node", "other", "consumer"]) else { return };
    let lookupd = start_lookupd(&network, &[]).await;
    let node = start_node(&network, "node", Some(&lookupd)).await;
    network.cut(["node", "consumer"]);
    let consumers = start_consumers(&network, &lookupd).await;
    let other = start_node(&network, "other", Some(&lookupd)).await;
    for consumer in &consumers {
        await_connected(&other, consumer).await;
    }
    publish(&other, 0..5).await;
    for consumer in consumers.iter().filter(takes_messages) {
        consumer.await_messages(&bodies(0..5)).await;
    }
    for consumer in &consumers {
        assert!(node.stats().await.channel(TOPIC, consumer.channel()).is_null(), "the link is cut");
    }
    network.heal();
    for consumer in &consumers {
        await_connected(&node, consumer).await;
    }
    publish(&node, 5..10).await;
    for consumer in consumers.iter().filter(takes_messages) {
        consumer.await_messages(&bodies(5..10)).await;
    }
    for consumer in consumers {
        consumer.stop().await;
    }
}

#[tokio::test]
async fn what_a_lost_producer_was_told_is_there() {
    // Protects producers from the network: what was answered `OK` is there; what was not may be there, once.
    let Some(network) = Network::start(&["node", "producer"]) else { return };
    let node = start_node(&network, "node", None).await;
    node.create_channel(TOPIC, "c").await;
    let (mut sent, mut acknowledged) = (0, BTreeSet::new());
    for cut_after in [1, 10, 30, 100, 300, 1000] {
        let mut producer = network.on("producer", node.connect()).await;
        publish_into_cut(&network, &mut producer, cut_after, &mut sent, &mut acknowledged).await;
        drop(producer);
        network.heal();
    }
    let unanswered = usize::try_from(sent).expect("a small number") - acknowledged.len();
    assert!(0 < unanswered, "each publish was answered, so that nothing was tested");
    let mut consumer = node.consumer(TOPIC, "c", 200).await;
    let mut came = BTreeSet::new();
    within_time(complete_again(), "all that was acknowledged", async {
        while !acknowledged.is_subset(&came) {
            let message = consumer.next_message().await;
            let number: u32 = text(&message).parse().expect("a number");
            assert!(number < sent && came.insert(number), "{number} came twice, or was never sent");
            consumer.fin(message.id).await;
        }
    })
    .await;
    println!(
        "{} publishes acknowledged, all there; {unanswered} not answered, of which {} are there once",
        acknowledged.len(),
        came.len() - acknowledged.len()
    );
}

/// Publishes numbers, many under way, until nothing comes back: the link is cut behind the answer number `cut_after`.
async fn publish_into_cut(
    network: &Network,
    producer: &mut Client,
    cut_after: usize,
    sent: &mut u32,
    acknowledged: &mut BTreeSet<u32>,
) {
    let (mut cut, mut answers) = (None, 0);
    loop {
        let first = *sent;
        let mut commands = Vec::new();
        for _ in 0..PIPELINE {
            let body = sent.to_string();
            let size = u32::try_from(body.len()).expect("a short body").to_be_bytes();
            commands.extend([format!("PUB {TOPIC}\n").as_bytes(), &size, body.as_bytes()].concat());
            *sent += 1;
        }
        producer.send(&commands).await;
        for number in first..*sent {
            let Ok(answer) = tokio::time::timeout(GIVE_UP, producer.read_frame()).await else {
                assert!(cut.is_some(), "no answer, though nothing was cut");
                cut.take().map(|cut: std::thread::JoinHandle<()>| cut.join());
                return;
            };
            assert_eq!(answer, Some(Received::Response(b"OK".to_vec())));
            acknowledged.insert(number);
            answers += 1;
            if answers == cut_after {
                // Beside what is under way, so that it falls between a publish and its answer, too.
                cut = Some(std::thread::spawn(network.cutting(["node", "producer"])));
            }
        }
    }
}
