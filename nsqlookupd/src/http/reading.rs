//! What consumers and nsqadmin ask. The order of fields is NSQ's.

use std::{borrow::Cow, collections::BTreeMap};

use daemon::{
    http::{
        query::Query,
        respond::{self, Refusal, Response},
    },
    reports::unhurried,
};
use protocol::{ChannelName, TopicName};
use serde::Serialize;

use crate::{
    clock,
    lookupd::Lookupd,
    registry::{Entry, Node, Producer},
};

/// What NSQ shows for a producer that was never tombstoned; readers take any number that is not positive.
const NEVER: i64 = 0;

#[derive(Serialize)]
struct ProducerReport<'a> {
    remote_address: &'a str,
    hostname: &'a str,
    broadcast_address: &'a str,
    tcp_port: i64,
    http_port: i64,
    version: &'a str,
    topology_zone: &'a str,
    topology_region: &'a str,
}

impl<'a> ProducerReport<'a> {
    fn of(producer: &'a Producer) -> Self {
        let peer = &producer.peer;
        Self {
            remote_address: &producer.remote_address,
            hostname: &peer.hostname,
            broadcast_address: &peer.broadcast_address,
            tcp_port: peer.tcp_port,
            http_port: peer.http_port,
            version: &peer.version,
            topology_zone: &peer.topology_zone,
            topology_region: &peer.topology_region,
        }
    }
}

fn topic(query: &Query) -> Result<Cow<'_, str>, Refusal> {
    let topic = query.get("topic").ok_or_else(|| Refusal::bad("MISSING_ARG_TOPIC"))?;
    Ok(String::from_utf8_lossy(topic))
}

/// All topics, sorted.
pub(super) fn topics(lookupd: &Lookupd) -> Response {
    #[derive(Serialize)]
    struct Topics<'a> {
        topics: Vec<&'a str>,
    }
    let topics = lookupd.directory.read().topics();
    respond::json(&Topics { topics: topics.iter().map(TopicName::as_str).collect() })
}

/// The channels of a topic, sorted; none of one that is not known.
///
/// # Errors
/// `MISSING_ARG_TOPIC`
pub(super) fn channels(lookupd: &Lookupd, query: &Query) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Channels<'a> {
        channels: Vec<&'a str>,
    }
    let channels = lookupd.directory.read().channels(&topic(query)?);
    Ok(respond::json(&Channels { channels: channels.iter().map(ChannelName::as_str).collect() }))
}

/// Where a topic is.
///
/// # Errors
/// `MISSING_ARG_TOPIC`, `TOPIC_NOT_FOUND`
pub(super) fn lookup(lookupd: &Lookupd, query: &Query) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Found<'a> {
        channels: Vec<&'a str>,
        producers: Vec<ProducerReport<'a>>,
    }
    let topic = topic(query)?;
    let found = lookupd.directory.read().lookup(&topic, clock::now());
    let found = found.ok_or_else(|| Refusal::not_found("TOPIC_NOT_FOUND"))?;
    Ok(respond::json(&Found {
        channels: found.channels.iter().map(ChannelName::as_str).collect(),
        producers: found.producers.iter().map(|producer| ProducerReport::of(producer)).collect(),
    }))
}

/// All active nodes, with their topics.
pub(super) fn nodes(lookupd: &Lookupd) -> Response {
    #[derive(Serialize)]
    struct NodeReport<'a> {
        #[serde(flatten)]
        producer: ProducerReport<'a>,
        /// Whether the topic of the same place is hidden now.
        tombstones: Vec<bool>,
        topics: Vec<&'a str>,
    }
    #[derive(Serialize)]
    struct Nodes<'a> {
        producers: Vec<NodeReport<'a>>,
    }
    let mut nodes: Vec<Node> = unhurried(lookupd.directory.nodes(clock::now())).collect();
    for node in &mut nodes {
        node.topics.sort_unstable();
    }
    let producers = unhurried(nodes.iter()).map(|node| NodeReport {
        producer: ProducerReport::of(&node.producer),
        tombstones: node.topics.iter().map(|(_, is_hidden)| *is_hidden).collect(),
        topics: node.topics.iter().map(|(topic, _)| topic.as_str()).collect(),
    });
    respond::json(&Nodes { producers: producers.collect() })
}

/// The whole registry.
pub(super) fn debug(lookupd: &Lookupd) -> Response {
    #[derive(Serialize)]
    struct EntryReport {
        broadcast_address: String,
        hostname: String,
        http_port: i64,
        id: String,
        last_update: u64,
        tcp_port: i64,
        tombstoned: bool,
        tombstoned_at: i64,
        topology_region: String,
        topology_zone: String,
        version: String,
    }
    let report = |entry: Entry| {
        let peer = &entry.producer.peer;
        EntryReport {
            broadcast_address: peer.broadcast_address.clone(),
            hostname: peer.hostname.clone(),
            http_port: peer.http_port,
            id: entry.producer.remote_address.clone(),
            last_update: entry.last_update.unix_ns,
            tcp_port: peer.tcp_port,
            tombstoned: entry.tombstoned_at.is_some(),
            tombstoned_at: entry
                .tombstoned_at
                .map_or(NEVER, |at| i64::try_from(at.unix_ns).unwrap_or(i64::MAX)),
            topology_region: peer.topology_region.clone(),
            topology_zone: peer.topology_zone.clone(),
            version: peer.version.clone(),
        }
    };
    let all: BTreeMap<String, Vec<EntryReport>> = unhurried(lookupd.directory.dump())
        .map(|(key, entries)| (key.to_string(), entries.into_iter().map(report).collect()))
        .collect();
    respond::json(&all)
}
