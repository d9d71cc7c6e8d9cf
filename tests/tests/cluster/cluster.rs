//! Nodes, nsqlookupds, and a consumer of each kind with a channel of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tests::{ForeignConsumer, Kind, Lookupd, Nsqd, is_reference, within_time};

/// What everybody consumes.
pub(crate) const TOPIC: &str = "orders";

/// How soon an nsqlookupd knows what an nsqd has, while both run.
pub(crate) const KNOWN: Duration = Duration::from_secs(5);

/// Between two looks at what nothing announces.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Nodes listen on loopback addresses of their own: nobody's outgoing connection takes the port of one that is away.
const ADDRESSES: [(&str, &str); 5] =
    [("a", "127.0.0.11"), ("b", "127.0.0.12"), ("c", "127.0.0.13"), ("d", "127.0.0.14"), ("e", "127.0.0.15")];

/// How soon an nsqlookupd that was lost is complete again: ours tries one each 15 s at least; NSQ's notices the loss at one
/// ping, and connects at the next.
pub(crate) fn complete_again() -> Duration {
    Duration::from_secs(if is_reference() { 40 } else { 20 })
}

/// A cluster under test.
pub(crate) struct Cluster {
    lookupds: Vec<Lookupd>,
    /// Which of them run.
    are_up: Vec<bool>,
    /// Those that run, by name.
    pub(crate) nodes: BTreeMap<&'static str, Nsqd>,
    pub(crate) consumers: Vec<ForeignConsumer>,
    published: usize,
}

impl Cluster {
    /// Two nsqlookupds with these flags, nodes of these names that have the topic, and no consumer. `None` if the consumers
    /// are not installed.
    pub(crate) async fn start(names: &[&'static str], lookupd_flags: &[&str]) -> Option<Self> {
        if !Kind::are_installed() {
            return None;
        }
        let mut lookupds = Vec::new();
        for address in ["127.0.0.21", "127.0.0.22"] {
            let [tcp, http] = ["tcp", "http"].map(|kind| format!("--{kind}-address={address}:0"));
            let broadcast = format!("--broadcast-address={address}");
            let flags: Vec<&str> =
                [tcp.as_str(), &http, &broadcast].into_iter().chain(lookupd_flags.iter().copied()).collect();
            lookupds.push(Lookupd::start_with(&flags).await);
        }
        let are_up = vec![true; lookupds.len()];
        let mut cluster =
            Self { lookupds, are_up, nodes: BTreeMap::new(), consumers: Vec::new(), published: 0 };
        for name in names {
            cluster.add_node(name).await;
            cluster.node(name).post_ok(&format!("/topic/create?topic={TOPIC}")).await;
        }
        cluster.lookupds_list(KNOWN, names).await;
        Some(cluster)
    }

    /// As [`Cluster::start`], with a consumer of each kind, which is connected to every node.
    pub(crate) async fn start_consumed(names: &[&'static str]) -> Option<Self> {
        let mut cluster = Self::start(names, &[]).await?;
        cluster.add_consumers("").await;
        cluster.consumers_are_on(names).await;
        Some(cluster)
    }

    /// Starts a node that is to register with all nsqlookupds, and waits until those that run know it. It has no topic.
    pub(crate) async fn add_node(&mut self, name: &'static str) {
        let flags = self.node_flags(name);
        let node = Nsqd::start_with(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let port = node.tcp_address().port();
        for lookupd in self.lookupds_up() {
            until(KNOWN, &format!("{name} in /nodes"), async || {
                let nodes = lookupd.get("/nodes").await.json();
                nodes["producers"].as_array().expect("a list").iter().any(|node| node["tcp_port"] == port)
            })
            .await;
        }
        self.nodes.insert(name, node);
    }

    /// Starts a node again on its data, under new ports.
    pub(crate) async fn start_again(&mut self, name: &'static str, node: Nsqd) {
        let before = node.tcp_address();
        let node = node.start_again().await;
        assert_ne!(node.tcp_address(), before, "a port that is not taken comes last");
        self.nodes.insert(name, node);
    }

    fn node_flags(&self, name: &str) -> Vec<String> {
        let (_, address) = ADDRESSES.iter().find(|(known, _)| *known == name).expect("a known name");
        let mut flags = vec![
            format!("--tcp-address={address}:0"),
            format!("--http-address={address}:0"),
            format!("--broadcast-address={address}"),
        ];
        flags.extend(self.lookupds.iter().map(Lookupd::flag));
        flags
    }

    /// A node that runs.
    pub(crate) fn node(&self, name: &str) -> &Nsqd {
        self.nodes.get(name).expect("it runs")
    }

    /// Kills a node with SIGKILL.
    pub(crate) async fn kill_node(&mut self, name: &str) -> Nsqd {
        let mut node = self.nodes.remove(name).expect("it runs");
        node.kill().await;
        node
    }

    /// Kills an nsqlookupd with SIGKILL.
    pub(crate) async fn kill_lookupd(&mut self, index: usize) {
        self.lookupds[index].kill().await;
        self.are_up[index] = false;
    }

    /// Starts one that was killed, on the same ports.
    pub(crate) async fn start_lookupd_again(&mut self, index: usize) {
        let killed = self.lookupds.remove(index);
        self.lookupds.insert(index, killed.start_again().await);
        self.are_up[index] = true;
    }

    /// Those that run.
    pub(crate) fn lookupds_up(&self) -> impl Iterator<Item = &Lookupd> {
        self.lookupds.iter().zip(&self.are_up).filter_map(|(lookupd, is_up)| is_up.then_some(lookupd))
    }

    /// Where the nsqlookupds take questions.
    pub(crate) fn lookupd_addresses(&self) -> Vec<SocketAddr> {
        self.lookupds.iter().map(Lookupd::http_address).collect()
    }

    /// Starts a consumer of each kind on channels `<kind><suffix>`.
    pub(crate) async fn add_consumers(&mut self, suffix: &str) {
        let lookupds = self.lookupd_addresses();
        self.add_consumers_of(&lookupds, suffix).await;
    }

    /// As [`Cluster::add_consumers`], which ask these.
    pub(crate) async fn add_consumers_of(&mut self, lookupds: &[SocketAddr], suffix: &str) {
        for kind in Kind::ALL {
            let channel = format!("{}{suffix}", kind.name());
            self.consumers.push(ForeignConsumer::start(kind, TOPIC, &channel, lookupds, 30).await);
        }
    }

    /// Expects every consumer to be connected to exactly these nodes, soon and then for good, and to get what each of them
    /// is given.
    pub(crate) async fn consumers_are_on(&mut self, names: &[&str]) {
        self.come_to(&self.consumers, names).await;
        self.deliver(names).await;
        self.stay_on(&self.consumers, names).await;
    }

    /// Waits until these consumers are connected to exactly these nodes.
    pub(crate) async fn come_to(&self, consumers: &[ForeignConsumer], names: &[&str]) {
        for consumer in consumers {
            let what = format!("{:?} on exactly {names:?}", consumer.kind());
            let mut last = Vec::new();
            let wait = async {
                loop {
                    last = self.connections(consumer).await;
                    if is_on(&last, names, consumer) {
                        return;
                    }
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
            };
            let came = tokio::time::timeout(tests::PATIENCE, wait).await.is_ok();
            assert!(came, "waited in vain for {what}; it stays on {last:?}, {:#?}", consumer.said());
        }
    }

    /// Expects consumers to stay where they are, though they ask each nsqlookupd again.
    pub(crate) async fn stay_on(&self, consumers: &[ForeignConsumer], names: &[&str]) {
        for consumer in consumers {
            consumer.await_polls(2).await;
            let connections = self.connections(consumer).await;
            assert!(is_on(&connections, names, consumer), "{:?} is on {connections:?}", consumer.kind());
        }
    }

    /// Publishes to each of these nodes; every consumer gets all of it.
    pub(crate) async fn deliver(&mut self, names: &[&str]) {
        let mut bodies = Vec::new();
        for name in names {
            self.published += 1;
            let body = format!("{name}-{}", self.published);
            self.node(name).connect().await.publish(TOPIC, &body).await;
            bodies.push(body);
        }
        for consumer in &self.consumers {
            consumer.await_messages(&bodies).await;
        }
    }

    /// Which clients a consumer's channel has, by node.
    async fn connections(&self, consumer: &ForeignConsumer) -> Vec<(&'static str, Vec<String>)> {
        let target = format!("/stats?format=json&topic={TOPIC}&channel={}", consumer.channel());
        let mut all = Vec::new();
        for (name, node) in &self.nodes {
            let stats = node.get(&target).await.json();
            let clients =
                stats["topics"][0]["channels"][0]["clients"].as_array().cloned().unwrap_or_default();
            let agent = |client: &Value| client["user_agent"].as_str().unwrap_or_default().to_owned();
            all.push((*name, clients.iter().map(agent).collect()));
        }
        all
    }

    /// Expects every nsqlookupd to list exactly these nodes for the topic, once each, within `limit`.
    pub(crate) async fn lookupds_list(&self, limit: Duration, names: &[&str]) {
        let mut expected: Vec<String> =
            names.iter().map(|name| self.node(name).tcp_address().to_string()).collect();
        expected.sort();
        for lookupd in self.lookupds_up() {
            let listed = async || listed(lookupd).await == expected;
            until(limit, &format!("{names:?} in an nsqlookupd's list"), listed).await;
        }
    }

    /// Expects all nsqlookupds to know the same topics and channels, all that the nodes have.
    pub(crate) async fn lookupds_are_complete(&self, limit: Duration, names: &[&str]) {
        self.lookupds_list(limit, names).await;
        let mut channels: Vec<String> =
            self.consumers.iter().map(|consumer| consumer.channel().to_owned()).collect();
        channels.sort();
        for lookupd in self.lookupds_up() {
            until(limit, &format!("the channels {channels:?}"), async || {
                let mut known =
                    texts(&lookupd.get(&format!("/channels?topic={TOPIC}")).await.json()["channels"]);
                known.sort();
                known == channels
            })
            .await;
            assert!(texts(&lookupd.get("/topics").await.json()["topics"]).contains(&TOPIC.to_owned()));
        }
    }

    /// Ends all consumers, which have to be alive.
    pub(crate) async fn stop(self) {
        for consumer in self.consumers {
            consumer.stop().await;
        }
    }
}

/// Waits for what nothing announces.
pub(crate) async fn until(limit: Duration, what: &str, mut is_true: impl AsyncFnMut() -> bool) {
    within_time(limit, what, async {
        while !is_true().await {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    })
    .await;
}

/// The TCP addresses that an nsqlookupd lists for the topic.
pub(crate) async fn listed(lookupd: &Lookupd) -> Vec<String> {
    let answer = lookupd.get(&format!("/lookup?topic={TOPIC}")).await;
    // NSQ's says 404 of a topic that it does not know.
    if answer.status == 404 {
        return Vec::new();
    }
    let producers = answer.json()["producers"].as_array().cloned().expect("a list");
    let address = |producer: &Value| {
        format!("{}:{}", producer["broadcast_address"].as_str().expect("a text"), producer["tcp_port"])
    };
    let mut addresses: Vec<String> = producers.iter().map(address).collect();
    addresses.sort();
    addresses
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list");
    list.iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
}

/// Whether a consumer has one connection to each of these nodes, and none to others.
fn is_on(connections: &[(&str, Vec<String>)], names: &[&str], consumer: &ForeignConsumer) -> bool {
    connections.iter().all(|(name, agents)| match agents.as_slice() {
        [] => !names.contains(name),
        [agent] => names.contains(name) && agent.starts_with(consumer.kind().name()),
        _ => false,
    }) && names.iter().all(|name| connections.iter().any(|(known, _)| known == name))
}
