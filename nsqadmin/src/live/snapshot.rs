//! The cluster at one time.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use serde::Serialize;

use super::{
    counts::{Counts, sum},
    findings::Finding,
    rows::TopicRow,
    seen::{ChannelPart, NodeSeen, TopicPart, slowest},
    view::View,
};
use crate::cluster::documents::ClientStats;

/// What is known of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// Rises with each.
    pub(crate) number: u64,
    pub(crate) at_ms: i64,
    pub(crate) interval_ms: u64,
    /// By host name and address.
    pub(crate) nodes: Vec<NodeSeen>,
    pub(crate) lookupds: Vec<LookupdSeen>,
    /// By name.
    pub(crate) topics: Vec<Topic>,
    /// As `topics`.
    pub(crate) rows: Vec<Arc<TopicRow>>,
    pub(crate) totals: Totals,
    pub(crate) findings: Vec<Finding>,
    /// Consumers of the channels that were asked for.
    pub(crate) clients: BTreeMap<(String, String), Vec<ClientSeen>>,
    /// Those of the nodes that were asked for, by node, topic and channel.
    pub(crate) node_clients: BTreeMap<(String, String, String), Vec<ClientSeen>>,
    /// Channels of topics that no nsqd has.
    pub(crate) reserved: BTreeMap<String, BTreeSet<String>>,
    /// Nodes, by address, whose channels can be looked into and moved.
    pub(crate) able: BTreeSet<String>,
    /// What was looked at when it was made: it has all that these show.
    pub(crate) views: HashSet<View>,
}

/// An nsqlookupd.
#[derive(Debug, Clone, Default)]
pub(crate) struct LookupdSeen {
    pub(crate) address: String,
    pub(crate) error: Option<String>,
    pub(crate) version: String,
    pub(crate) topics: usize,
    pub(crate) nodes: usize,
    /// What others know, and it does not.
    pub(crate) missing_topics: Vec<String>,
    pub(crate) missing_nodes: Vec<String>,
}

/// A topic of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) paused: Paused,
    pub(crate) total: Counts,
    /// Indices of the nodes that have it, or had it and do not answer.
    pub(crate) nodes: Vec<usize>,
    /// By name.
    pub(crate) channels: Vec<Channel>,
}

/// A channel of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Channel {
    pub(crate) name: String,
    pub(crate) paused: Paused,
    pub(crate) total: Counts,
    /// Indices of the nodes that have it.
    pub(crate) nodes: Vec<usize>,
}

/// On how many of the nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Paused {
    #[default]
    No,
    Some,
    All,
}

/// A consumer's connection, and how fast it is.
#[derive(Debug, Clone)]
pub(crate) struct ClientSeen {
    pub(crate) node: String,
    pub(crate) stats: ClientStats,
    pub(crate) finish_rate: Option<f64>,
}

/// Of the whole cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Totals {
    /// Each once, since nsqadmin began to count and before that as far as the nodes know; never falls.
    pub(crate) messages: i64,
    /// Of all topics, as in their rows.
    pub(crate) depth: i64,
    pub(crate) in_flight: i64,
    pub(crate) deferred: i64,
    pub(crate) consumers: i64,
    pub(crate) requeue_rate: Option<f64>,
    pub(crate) timeout_rate: Option<f64>,
    #[serde(skip)]
    pub(crate) in_rate: Option<f64>,
    #[serde(skip)]
    pub(crate) out_rate: Option<f64>,
    #[serde(skip)]
    pub(crate) channels: usize,
}

impl Paused {
    fn of(paused: usize, all: usize) -> Self {
        match paused {
            0 => Self::No,
            paused if paused == all => Self::All,
            _ => Self::Some,
        }
    }
}

impl Topic {
    /// What waits for somebody: in the topic, and in the channel where most does.
    pub(crate) fn depth(&self) -> i64 {
        let worst = self.channels.iter().map(|channel| channel.total.depth).max();
        self.total.depth.saturating_add(worst.unwrap_or(0))
    }

    /// How fast [`Topic::depth`] changes.
    pub(crate) fn depth_rate(&self) -> Option<f64> {
        let worst = self.channels.iter().max_by_key(|channel| channel.total.depth);
        sum(self.total.rates.depth_rate, worst.and_then(|channel| channel.total.rates.depth_rate))
    }

    pub(crate) fn channel(&self, name: &str) -> Option<&Channel> {
        let index = self.channels.binary_search_by(|channel| channel.name.as_str().cmp(name)).ok()?;
        self.channels.get(index)
    }
}

impl Snapshot {
    pub(crate) fn topic(&self, name: &str) -> Option<&Topic> {
        let index = self.topics.binary_search_by(|topic| topic.name.as_str().cmp(name)).ok()?;
        self.topics.get(index)
    }

    pub(crate) fn node(&self, address: &str) -> Option<&NodeSeen> {
        self.nodes.iter().find(|node| node.address == address)
    }
}

/// Puts the nodes' topics together, and those that only nsqlookupds know.
pub(crate) fn topics(nodes: &[NodeSeen], registered: BTreeSet<&str>) -> Vec<Topic> {
    let mut parts: BTreeMap<&str, Vec<(usize, Option<&TopicPart>)>> =
        registered.into_iter().map(|name| (name, Vec::new())).collect();
    for (index, node) in nodes.iter().enumerate() {
        if let Some(stats) = node.present() {
            for topic in &stats.topics {
                parts.entry(&topic.name).or_default().push((index, Some(topic)));
            }
        } else {
            for name in node.topic_names() {
                parts.entry(name).or_default().push((index, None));
            }
        }
    }
    parts.into_iter().map(|(name, parts)| topic(name, &parts)).collect()
}

fn topic(name: &str, parts: &[(usize, Option<&TopicPart>)]) -> Topic {
    let mut total = Counts::default();
    let mut channels: BTreeMap<&str, Vec<(usize, &ChannelPart)>> = BTreeMap::new();
    let (mut paused, mut present) = (0, 0);
    for (node, part) in parts {
        let Some(part) = part else { continue };
        total.add(&part.counts);
        paused += usize::from(part.counts.paused);
        present += 1;
        for channel in &part.channels {
            channels.entry(&channel.name).or_default().push((*node, channel));
        }
    }
    let channels: Vec<Channel> = channels.into_iter().map(|(name, parts)| channel(name, &parts)).collect();
    total.rates.out_rate = slowest(total.rates.out_rate, channels.iter().map(|channel| &channel.total));
    let nodes = parts.iter().map(|(node, _)| *node).collect();
    Topic { name: name.to_owned(), paused: Paused::of(paused, present), total, nodes, channels }
}

fn channel(name: &str, parts: &[(usize, &ChannelPart)]) -> Channel {
    let mut total = Counts::default();
    for (_, part) in parts {
        total.add(&part.counts);
    }
    let paused = parts.iter().filter(|(_, part)| part.counts.paused).count();
    Channel {
        name: name.to_owned(),
        paused: Paused::of(paused, parts.len()),
        total,
        nodes: parts.iter().map(|(node, _)| *node).collect(),
    }
}

/// The sums of all topics.
pub(crate) fn totals(topics: &[Topic], messages: i64) -> Totals {
    let mut totals = Totals { messages, ..Totals::default() };
    for topic in topics {
        let counts = &topic.total;
        for (sum, more) in [
            (&mut totals.depth, topic.depth()),
            (&mut totals.in_flight, counts.in_flight),
            (&mut totals.deferred, counts.deferred),
            (&mut totals.consumers, counts.consumers),
        ] {
            *sum = sum.saturating_add(more);
        }
        totals.requeue_rate = sum(totals.requeue_rate, counts.rates.requeue_rate);
        totals.timeout_rate = sum(totals.timeout_rate, counts.rates.timeout_rate);
        totals.in_rate = sum(totals.in_rate, counts.rates.in_rate);
        totals.out_rate = sum(totals.out_rate, counts.rates.out_rate);
        totals.channels += topic.channels.len();
    }
    totals
}
