//! What a registry of 500 nsqds with 2,000 topics of two channels each costs: memory, and the time of each question.
//!
//! `cargo run --release -p nsqlookupd --example registry_scale`
#![expect(clippy::print_stdout, reason = "a measurement is for reading")]

use std::time::{Duration, Instant};

use nsqlookupd::{
    Directory,
    registry::{Lifetimes, Now, Producer},
};
use protocol::{ChannelName, LookupPeer, TopicName};

const NODES: usize = 500;
const TOPICS: usize = 2_000;

fn main() {
    let before = resident_kib();
    let lifetimes = Lifetimes {
        inactive_producer_timeout: Duration::from_mins(5),
        tombstone_lifetime: Duration::from_secs(45),
    };
    let directory = Directory::new(lifetimes);
    let now = Now::default();
    let topics: Vec<String> = (0..TOPICS).map(|number| format!("a-topic-of-some-length-{number}")).collect();
    let channels = ["a-channel", "another-channel"].map(|name| ChannelName::parse(name.as_bytes()));
    let channels = channels.map(|name| name.expect("it is a name"));

    let began = Instant::now();
    let mut ids = Vec::new();
    for node in 0..NODES {
        let id = directory.write().identify(producer(node), now);
        for name in &topics {
            // As a connection does: names are parsed from each line.
            let topic = TopicName::parse(name.as_bytes()).expect("it is a name");
            for channel in &channels {
                directory.write().register(id, &topic, Some(channel)).expect("there is room");
            }
        }
        ids.push(id);
    }
    let each = began.elapsed() / u32::try_from(NODES * TOPICS * 2).expect("it fits");
    println!("REGISTER topic channel: {each:?} each, {:?} in all", began.elapsed());
    println!("resident: {} MiB", (resident_kib() - before) / 1024);

    longest("lookup of one topic", || {
        let lookup = directory.read().lookup(&topics[7], now).expect("it is there");
        assert_eq!((lookup.producers.len(), lookup.channels.len()), (NODES, 2));
    });
    longest("topics", || assert_eq!(directory.read().topics().len(), TOPICS));
    longest("one node of /nodes, which is how long it holds the lock", || {
        let (node, _) = directory.read().node(0, now).expect("it is there");
        assert_eq!(node.topics.len(), TOPICS);
    });
    longest("all of /nodes", || assert_eq!(directory.nodes(now).count(), NODES));
    longest("the keys of /debug, under one lock", || {
        assert_eq!(directory.read().keys().len(), 3 * TOPICS + 1);
    });
    longest("tombstone", || {
        assert_eq!(directory.write().tombstone(&topics[7], "node-7.example:4151", now), 1);
    });
    longest("ping", || {
        directory.write().ping(ids[0], now);
    });
    let mut last = ids.into_iter();
    longest("disconnect", || {
        let id = last.next().expect("there are more nodes than repetitions");
        assert_eq!(directory.write().disconnect(id).len(), 3 * TOPICS);
    });
}

fn producer(number: usize) -> Producer {
    let peer = LookupPeer {
        hostname: format!("node-{number}"),
        broadcast_address: format!("node-{number}.example"),
        tcp_port: 4150,
        http_port: 4151,
        version: "1.3.0".to_owned(),
        ..LookupPeer::default()
    };
    Producer { peer, remote_address: format!("10.0.0.1:{}", 10_000 + number) }
}

/// Does it a few times, and prints the middle and the longest time.
fn longest(what: &str, mut work: impl FnMut()) {
    let mut times: Vec<Duration> = (0..9)
        .map(|_| {
            let began = Instant::now();
            work();
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("{what}: median {:?}, longest {:?}", times[4], times[8]);
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("the kernel tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it tells this, too");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
