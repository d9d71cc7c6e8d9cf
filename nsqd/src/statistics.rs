//! What is told of topics, channels and clients, by whichever way: `/stats` in its two forms, statsd.

use std::sync::atomic::Ordering;

use daemon::{http::respond::Number, process, reports::unhurried};
use protocol::Compression;
use serde::Serialize;

use crate::{
    alarms::Alarm,
    channel::{Channel, Sketch, Snapshot},
    client::Client,
    clock,
    nsqd::Nsqd,
    topic::{QueuePolicy, Topic, TopicPolicy, TopicSnapshot},
};

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Only this topic.
    pub(crate) topic: Option<String>,
    /// Only channels of this name, and topics that have one.
    pub(crate) channel: Option<String>,
    pub(crate) with_clients: bool,
    pub(crate) with_memory: bool,
}

/// What is shown.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) health: String,
    pub(crate) alarms: Vec<Alarm>,
    pub(crate) start_unix: i64,
    /// By name; `None` if the topic that was asked for does not exist.
    pub(crate) topics: Option<Vec<TopicReport>>,
    pub(crate) memory: Option<Memory>,
    pub(crate) producers: Vec<ClientReport>,
    pub(crate) with_clients: bool,
}

/// A topic with the channels that were asked for.
#[derive(Debug)]
pub(crate) struct TopicReport {
    pub(crate) name: String,
    pub(crate) counts: TopicSnapshot,
    pub(crate) backend_depth: u64,
    pub(crate) channels: Vec<ChannelReport>,
    pub(crate) latency: LatencyReport,
    pub(crate) policy: TopicPolicy,
}

#[derive(Debug)]
pub(crate) struct ChannelReport {
    pub(crate) name: String,
    pub(crate) counts: Snapshot,
    pub(crate) backend_depth: u64,
    pub(crate) clients: Vec<ClientReport>,
    pub(crate) latency: LatencyReport,
    /// Its own, without the topic's.
    pub(crate) policy: QueuePolicy,
}

/// Percentiles of the time from publishing to FIN.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct LatencyReport {
    count: u64,
    /// In the configured order; `None` if there are none, or for a topic without channels.
    pub(crate) percentiles: Option<Vec<Percentile>>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Percentile {
    pub(crate) quantile: Number,
    /// In ns.
    pub(crate) value: u64,
}

/// A connection, as JSON shows it.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the document of NSQ")]
pub(crate) struct ClientReport {
    pub(crate) client_id: String,
    pub(crate) hostname: String,
    version: &'static str,
    pub(crate) remote_address: String,
    pub(crate) state: u8,
    pub(crate) ready_count: u32,
    pub(crate) in_flight_count: u64,
    pub(crate) message_count: u64,
    pub(crate) finish_count: u64,
    pub(crate) requeue_count: u64,
    pub(crate) connect_ts: i64,
    sample_rate: u8,
    deflate: bool,
    snappy: bool,
    pub(crate) user_agent: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    authed: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    auth_identity: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    auth_identity_url: String,
    topology_zone: String,
    topology_region: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) pub_counts: Vec<PubCount>,
    tls: bool,
    tls_cipher_suite: String,
    tls_version: &'static str,
    tls_negotiated_protocol: &'static str,
    tls_negotiated_protocol_is_mutual: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct PubCount {
    pub(crate) topic: String,
    pub(crate) count: u64,
}

/// NSQ's nine figures of its runtime; those that have no meaning here are 0.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(crate) struct Memory {
    heap_objects: u64,
    heap_idle_bytes: u64,
    heap_in_use_bytes: u64,
    heap_released_bytes: u64,
    gc_pause_usec_100: u64,
    gc_pause_usec_99: u64,
    gc_pause_usec_95: u64,
    next_gc_bytes: u64,
    gc_total_runs: u64,
}

impl Memory {
    /// Names and values in NSQ's order.
    pub(crate) fn figures(&self) -> [(&'static str, u64); 9] {
        [
            ("heap_objects", self.heap_objects),
            ("heap_idle_bytes", self.heap_idle_bytes),
            ("heap_in_use_bytes", self.heap_in_use_bytes),
            ("heap_released_bytes", self.heap_released_bytes),
            ("gc_pause_usec_100", self.gc_pause_usec_100),
            ("gc_pause_usec_99", self.gc_pause_usec_99),
            ("gc_pause_usec_95", self.gc_pause_usec_95),
            ("next_gc_bytes", self.next_gc_bytes),
            ("gc_total_runs", self.gc_total_runs),
        ]
    }

    /// Anonymous memory of the process, which is its heap: messages are in the page cache.
    fn read() -> Self {
        let bytes = process::resident_bytes().unwrap_or(0);
        Self { heap_in_use_bytes: bytes, ..Self::default() }
    }
}

impl Report {
    /// Reads the daemon. Each topic and channel is read by itself: together they are no snapshot.
    pub(crate) fn collect(nsqd: &Nsqd, wanted: &Wanted) -> Self {
        let Wanted { topic, channel, with_clients, with_memory } = wanted;
        let with_clients = *with_clients;
        let memory_max = nsqd.start.options.mem_queue_size;
        let percentiles = &nsqd.start.options.statistics.latency.percentiles;
        let now = clock::unix_ns();
        let topics: Vec<_> = match topic {
            Some(name) => nsqd.topics.get(name).into_iter().collect(),
            None => nsqd.topics.all(),
        };
        let is_unknown = topic.is_some() && topics.is_empty();
        let reports = unhurried(topics.iter()).filter_map(|topic| {
            let counts = topic.snapshot();
            let channels = counts
                .channels
                .iter()
                .filter(|present| channel.as_ref().is_none_or(|name| present.name().as_str() == name));
            let channels = channels
                .map(|channel| ChannelReport::of(topic, channel, now, memory_max, with_clients, percentiles));
            let channels: Vec<_> = channels.collect();
            let is_wanted = channel.is_none() || !channels.is_empty();
            let name = topic.name().to_string();
            let backend_depth = counts.depth.saturating_sub(memory_max);
            let latency = LatencyReport::of_topic(&channels, percentiles);
            let policy = topic.policy();
            is_wanted.then_some(TopicReport { name, counts, backend_depth, channels, latency, policy })
        });
        let producers = if with_clients { producers(nsqd, topic.as_deref()) } else { Vec::new() };
        Self {
            health: nsqd.health().err().unwrap_or_else(|| "OK".to_owned()),
            alarms: nsqd.alarms.all(),
            start_unix: nsqd.start_unix,
            topics: (!is_unknown).then(|| reports.collect()),
            memory: with_memory.then(Memory::read),
            producers,
            with_clients,
        }
    }
}

/// Connections that have published, to `topic` if that is given.
fn producers(nsqd: &Nsqd, topic: Option<&str>) -> Vec<ClientReport> {
    let mut producers = Vec::new();
    for client in nsqd.clients.all() {
        let mut report = ClientReport::of(&client);
        if let Some(topic) = topic {
            report.pub_counts.retain(|count| count.topic == topic);
        }
        if !report.pub_counts.is_empty() {
            producers.push(report);
        }
    }
    producers
}

impl ChannelReport {
    fn of(
        topic: &Topic,
        channel: &Channel,
        now_unix_ns: u64,
        memory_max: u64,
        with_clients: bool,
        percentiles: &[f64],
    ) -> Self {
        let counts = channel.snapshot(now_unix_ns);
        let mut consumers = counts.clients.clone();
        consumers.sort_unstable_by_key(|client| client.id);
        let clients = if with_clients {
            consumers.iter().map(|client| ClientReport::of(client)).collect()
        } else {
            Vec::new()
        };
        let backend_depth = counts.counts.depth.saturating_sub(memory_max);
        let latency = LatencyReport::of(counts.latencies.as_ref(), percentiles);
        let policy = topic.channel_policy(channel.name());
        Self { name: channel.name().to_string(), counts, backend_depth, clients, latency, policy }
    }
}

impl LatencyReport {
    fn of(sketch: Option<&Sketch>, percentiles: &[f64]) -> Self {
        let Some(sketch) = sketch else { return Self::default() };
        let shown =
            percentiles.iter().map(|p| Percentile { quantile: Number(*p), value: sketch.value_ns(*p) });
        Self { count: sketch.count(), percentiles: Some(shown.collect()) }
    }

    fn of_topic(channels: &[ChannelReport], percentiles: &[f64]) -> Self {
        let mut sketches = channels.iter().filter_map(|channel| channel.counts.latencies.as_ref());
        let first = sketches.next().cloned();
        let merged = first.map(|mut all| {
            sketches.for_each(|sketch| all.merge(sketch));
            all
        });
        Self::of(merged.as_ref(), percentiles)
    }
}

impl ClientReport {
    fn of(client: &Client) -> Self {
        let identity = client.identity.read().clone();
        let published = client.published().into_iter();
        let authed = identity.authorized.is_some();
        let (auth_identity, auth_identity_url) = identity.authorized.unwrap_or_default();
        let tls = identity.tls.is_some();
        let peer = identity.tls.unwrap_or_default();
        Self {
            client_id: identity.client_id,
            hostname: identity.hostname,
            version: "V2",
            remote_address: client.remote_address.clone(),
            state: client.phase(),
            ready_count: client.ready_count.load(Ordering::Relaxed),
            in_flight_count: client.in_flight_count.load(Ordering::Relaxed),
            message_count: client.message_count.load(Ordering::Relaxed),
            finish_count: client.finish_count.load(Ordering::Relaxed),
            requeue_count: client.requeue_count.load(Ordering::Relaxed),
            connect_ts: client.connected_unix,
            sample_rate: identity.sample_rate,
            deflate: matches!(identity.compression, Some(Compression::Deflate { .. })),
            snappy: identity.compression == Some(Compression::Snappy),
            user_agent: identity.user_agent,
            authed,
            auth_identity,
            auth_identity_url,
            topology_zone: identity.topology_zone,
            topology_region: identity.topology_region,
            pub_counts: published
                .map(|(topic, count)| PubCount { topic: topic.to_string(), count })
                .collect(),
            tls,
            tls_cipher_suite: peer.cipher_suite,
            tls_version: peer.version,
            tls_negotiated_protocol: "",
            tls_negotiated_protocol_is_mutual: tls,
        }
    }
}
