//! The documents of the pages of one topic, channel or node.

use serde::Serialize;
use serde_json::Value;

use super::{
    clients::Client,
    counts::Counts,
    documents::Head,
    findings::Finding,
    rows::{NodeRow, is_ephemeral},
    seen::NodeSeen,
    snapshot::{ClientSeen, Paused, Snapshot},
};

#[derive(Serialize)]
pub(crate) struct TopicPage<'a> {
    head: Head,
    topic: Option<Topic<'a>>,
}

#[derive(Serialize)]
struct Topic<'a> {
    name: &'a str,
    is_ephemeral: bool,
    paused: Paused,
    total: &'a Counts,
    nodes: Vec<TopicNode<'a>>,
    channels: Vec<ChannelRow<'a>>,
    config: Option<&'a Value>,
    findings: Vec<&'a Finding>,
}

#[derive(Serialize)]
struct TopicNode<'a> {
    node: &'a str,
    hostname: &'a str,
    is_up: bool,
    error: Option<&'a str>,
    is_tombstoned: bool,
    channels: usize,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Serialize)]
struct ChannelRow<'a> {
    name: &'a str,
    is_ephemeral: bool,
    #[serde(flatten)]
    counts: CountsOf<'a>,
}

/// As [`Counts`], with the pause of all nodes.
#[derive(Serialize)]
struct CountsOf<'a> {
    #[serde(flatten)]
    counts: Unpaused<'a>,
    paused: Paused,
}

/// The counts without their `paused`: that of a sum has three values.
struct Unpaused<'a>(&'a Counts);

impl Serialize for Unpaused<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Rest<'a> {
            depth: i64,
            memory_depth: i64,
            backend_depth: i64,
            in_flight: i64,
            deferred: i64,
            messages: i64,
            requeued: i64,
            timed_out: i64,
            #[serde(flatten)]
            rates: super::counts::Rates,
            consumers: i64,
            latency: &'a [super::counts::Quantile],
        }
        let counts = self.0;
        Rest {
            depth: counts.depth,
            memory_depth: counts.memory_depth,
            backend_depth: counts.backend_depth,
            in_flight: counts.in_flight,
            deferred: counts.deferred,
            messages: counts.messages,
            requeued: counts.requeued,
            timed_out: counts.timed_out,
            rates: counts.rates,
            consumers: counts.consumers,
            latency: &counts.latency,
        }
        .serialize(serializer)
    }
}

/// The page of a topic.
pub(crate) fn topic_page<'a>(head: Head, snapshot: &'a Snapshot, name: &str) -> TopicPage<'a> {
    let Some(topic) = snapshot.topic(name) else { return TopicPage { head, topic: None } };
    let nodes = topic.nodes.iter().filter_map(|index| snapshot.nodes.get(*index));
    let node = |node: &'a NodeSeen| {
        let part = node.present().and_then(|stats| stats.topic(name));
        TopicNode {
            node: &node.address,
            hostname: node.hostname(),
            is_up: node.is_up(),
            error: node.error.as_deref(),
            is_tombstoned: node.tombstoned.contains(name),
            channels: part.map_or(0, |part| part.channels.len()),
            counts: part.map(|part| part.counts.clone()).unwrap_or_default(),
        }
    };
    let reserved = snapshot.reserved.get(name).into_iter().flatten();
    let mut channels: Vec<ChannelRow<'a>> = topic
        .channels
        .iter()
        .map(|channel| ChannelRow::of(&channel.name, &channel.total, channel.paused))
        .collect();
    for channel in reserved.filter(|channel| topic.channel(channel).is_none()) {
        channels.push(ChannelRow::of(channel, &NOTHING, Paused::No));
    }
    let topic = Topic {
        name: &topic.name,
        is_ephemeral: is_ephemeral(name),
        paused: topic.paused,
        total: &topic.total,
        nodes: nodes.clone().map(node).collect(),
        channels,
        config: nodes.clone().find_map(|node| node.present()?.topic(name)?.config.as_ref()),
        findings: about(snapshot, |finding| finding.place.topic.as_deref() == Some(name)),
    };
    TopicPage { head, topic: Some(topic) }
}

static NOTHING: std::sync::LazyLock<Counts> = std::sync::LazyLock::new(Counts::default);

impl<'a> ChannelRow<'a> {
    fn of(name: &'a str, counts: &'a Counts, paused: Paused) -> Self {
        let counts = CountsOf { counts: Unpaused(counts), paused };
        Self { name, is_ephemeral: is_ephemeral(name), counts }
    }
}

fn about(snapshot: &Snapshot, is_meant: impl Fn(&Finding) -> bool) -> Vec<&Finding> {
    snapshot.findings.iter().filter(|finding| is_meant(finding)).collect()
}

#[derive(Serialize)]
pub(crate) struct ChannelPage<'a> {
    head: Head,
    channel: Option<Channel<'a>>,
}

#[derive(Serialize)]
struct Channel<'a> {
    topic: &'a str,
    name: &'a str,
    is_ephemeral: bool,
    paused: Paused,
    total: &'a Counts,
    nodes: Vec<ChannelNode<'a>>,
    clients: Vec<Client<'a>>,
    findings: Vec<&'a Finding>,
    can_seek: bool,
    can_peek: bool,
}

#[derive(Serialize)]
struct ChannelNode<'a> {
    node: &'a str,
    hostname: &'a str,
    is_up: bool,
    error: Option<&'a str>,
    #[serde(flatten)]
    counts: Counts,
    delivery: Delivery,
}

#[derive(Default, Serialize)]
struct Delivery {
    zone: i64,
    region: i64,
    global: i64,
}

/// The page of a channel.
pub(crate) fn channel_page<'a>(
    head: Head,
    snapshot: &'a Snapshot,
    topic_name: &'a str,
    name: &'a str,
) -> ChannelPage<'a> {
    let Some(topic) = snapshot.topic(topic_name) else { return ChannelPage { head, channel: None } };
    let is_reserved = snapshot.reserved.get(topic_name).is_some_and(|channels| channels.contains(name));
    let channel = topic.channel(name);
    if channel.is_none() && !is_reserved {
        return ChannelPage { head, channel: None };
    }
    let part = |node: &'a NodeSeen| node.present()?.topic(topic_name)?.channel(name);
    // Where nobody answers, nobody knows whether it has the channel.
    let nodes = topic.nodes.iter().filter_map(|index| snapshot.nodes.get(*index));
    let nodes = nodes.filter(|node| !node.is_up() || part(node).is_some());
    let node = |node: &'a NodeSeen| {
        let part = part(node);
        let [zone, region, global] = part.map(|part| part.delivered).unwrap_or_default();
        ChannelNode {
            node: &node.address,
            hostname: node.hostname(),
            is_up: node.is_up(),
            error: node.error.as_deref(),
            counts: part.map(|part| part.counts.clone()).unwrap_or_default(),
            delivery: Delivery { zone, region, global },
        }
    };
    let clients = snapshot.clients.get(&(topic_name.to_owned(), name.to_owned()));
    let clients = clients.into_iter().flatten();
    let mut present = nodes.clone().filter(|node| node.is_up()).peekable();
    let is_able = present.peek().is_some() && present.all(|node| snapshot.able.contains(&node.address));
    let channel = Channel {
        topic: topic_name,
        name,
        is_ephemeral: is_ephemeral(name),
        paused: channel.map_or(Paused::No, |channel| channel.paused),
        total: channel.map_or(&NOTHING, |channel| &channel.total),
        nodes: nodes.clone().map(node).collect(),
        clients: clients.map(|client| Client::of(client, snapshot.node(&client.node))).collect(),
        findings: about(snapshot, |finding| {
            let place = &finding.place;
            place.topic.as_deref() == Some(topic_name) && place.channel.as_deref() == Some(name)
        }),
        can_seek: is_able,
        can_peek: is_able,
    };
    ChannelPage { head, channel: Some(channel) }
}

#[derive(Serialize)]
pub(crate) struct NodePage<'a> {
    head: Head,
    node: Option<Node<'a>>,
}

#[derive(Serialize)]
struct Node<'a> {
    #[serde(flatten)]
    row: NodeRow<'a>,
    topic_list: Vec<NodeTopic<'a>>,
    findings: Vec<&'a Finding>,
}

#[derive(Serialize)]
struct NodeTopic<'a> {
    name: &'a str,
    is_tombstoned: bool,
    #[serde(flatten)]
    counts: &'a Counts,
    channels: Vec<NodeChannel<'a>>,
}

#[derive(Serialize)]
struct NodeChannel<'a> {
    name: &'a str,
    #[serde(flatten)]
    counts: &'a Counts,
    clients: Vec<Client<'a>>,
}

/// The page of a node.
pub(crate) fn node_page<'a>(head: Head, snapshot: &'a Snapshot, address: &str) -> NodePage<'a> {
    let Some(node) = snapshot.node(address) else { return NodePage { head, node: None } };
    let clients = |topic: &str, channel: &str| -> Vec<Client<'a>> {
        let key = (address.to_owned(), topic.to_owned(), channel.to_owned());
        let clients: Option<&'a Vec<ClientSeen>> = snapshot.node_clients.get(&key);
        clients.into_iter().flatten().map(|client| Client::of(client, Some(node))).collect()
    };
    let topics = node.present().into_iter().flat_map(|stats| &stats.topics);
    let topic_list = topics.map(|topic| NodeTopic {
        name: &topic.name,
        is_tombstoned: node.tombstoned.contains(&topic.name),
        counts: &topic.counts,
        channels: topic
            .channels
            .iter()
            .map(|channel| NodeChannel {
                name: &channel.name,
                counts: &channel.counts,
                clients: clients(&topic.name, &channel.name),
            })
            .collect(),
    });
    let node = Node {
        row: NodeRow::of(node, snapshot.at_ms),
        topic_list: topic_list.collect(),
        findings: about(snapshot, |finding| finding.place.node.as_deref() == Some(address)),
    };
    NodePage { head, node: Some(node) }
}
