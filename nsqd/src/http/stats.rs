//! `/info` and `/stats`: what is collected, whichever way it is shown.

use std::sync::{Arc, atomic::Ordering};

use protocol::Compression;
use serde::Serialize;

use super::{
    parameters::Parameters,
    respond::{self, Response},
    stats_json, stats_text,
};
use crate::{
    alarms::Alarm,
    channel::{Channel, Snapshot},
    client::Client,
    clock, heap,
    nsqd::Nsqd,
    reports::unhurried,
    topic::TopicSnapshot,
};

/// What is shown.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) health: String,
    pub(super) alarms: Vec<Alarm>,
    pub(super) start_unix: i64,
    /// By name; `None` if the topic that was asked for does not exist.
    pub(super) topics: Option<Vec<TopicReport>>,
    pub(super) memory: Option<Memory>,
    pub(super) producers: Vec<ClientReport>,
    pub(super) with_clients: bool,
}

/// A topic with the channels that were asked for.
#[derive(Debug)]
pub(super) struct TopicReport {
    pub(super) name: String,
    pub(super) counts: TopicSnapshot,
    pub(super) backend_depth: u64,
    pub(super) channels: Vec<ChannelReport>,
}

#[derive(Debug)]
pub(super) struct ChannelReport {
    pub(super) name: String,
    pub(super) counts: Snapshot,
    pub(super) backend_depth: u64,
    pub(super) clients: Vec<ClientReport>,
}

/// A connection, as JSON shows it.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the document of NSQ")]
pub(super) struct ClientReport {
    pub(super) client_id: String,
    pub(super) hostname: String,
    version: &'static str,
    pub(super) remote_address: String,
    pub(super) state: u8,
    pub(super) ready_count: u32,
    pub(super) in_flight_count: u64,
    pub(super) message_count: u64,
    pub(super) finish_count: u64,
    pub(super) requeue_count: u64,
    pub(super) connect_ts: i64,
    sample_rate: u8,
    deflate: bool,
    snappy: bool,
    pub(super) user_agent: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    authed: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    auth_identity: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    auth_identity_url: String,
    topology_zone: String,
    topology_region: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) pub_counts: Vec<PubCount>,
    tls: bool,
    tls_cipher_suite: String,
    tls_version: &'static str,
    tls_negotiated_protocol: &'static str,
    tls_negotiated_protocol_is_mutual: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct PubCount {
    pub(super) topic: String,
    pub(super) count: u64,
}

/// NSQ's nine figures of its runtime; those that have no meaning here are 0.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(super) struct Memory {
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
    pub(super) fn figures(&self) -> [(&'static str, u64); 9] {
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
        let bytes = heap::resident_bytes().unwrap_or(0);
        Self { heap_in_use_bytes: bytes, ..Self::default() }
    }
}

/// The answer to `/stats`.
pub(super) fn stats(nsqd: &Arc<Nsqd>, parameters: &Parameters) -> Response {
    let report = Report::collect(nsqd, parameters);
    if parameters.get("format") == Some(b"json") {
        respond::json(&stats_json::document(&report))
    } else {
        respond::text(stats_text::render(&report))
    }
}

impl Report {
    fn collect(nsqd: &Nsqd, parameters: &Parameters) -> Self {
        let with_clients = parameters.flag("include_clients", true);
        let wanted =
            |name: &str| parameters.get(name).map(|value| String::from_utf8_lossy(value).into_owned());
        let (topic, channel) = (wanted("topic"), wanted("channel"));
        let memory_max = nsqd.start.options.mem_queue_size;
        let now = clock::unix_ns();
        let topics: Vec<_> = match &topic {
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
            let channels: Vec<_> =
                channels.map(|channel| ChannelReport::of(channel, now, memory_max, with_clients)).collect();
            let is_wanted = channel.is_none() || !channels.is_empty();
            let name = topic.name().to_string();
            let backend_depth = counts.depth.saturating_sub(memory_max);
            is_wanted.then_some(TopicReport { name, counts, backend_depth, channels })
        });
        let producers = if with_clients { producers(nsqd, topic.as_deref()) } else { Vec::new() };
        Self {
            health: nsqd.health().err().unwrap_or_else(|| "OK".to_owned()),
            alarms: nsqd.alarms.all(),
            start_unix: nsqd.start_unix,
            topics: (!is_unknown).then(|| reports.collect()),
            memory: parameters.flag("include_mem", true).then(Memory::read),
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
    fn of(channel: &Channel, now_unix_ns: u64, memory_max: u64, with_clients: bool) -> Self {
        let counts = channel.snapshot(now_unix_ns);
        let mut consumers = counts.clients.clone();
        consumers.sort_unstable_by_key(|client| client.id);
        let clients = if with_clients {
            consumers.iter().map(|client| ClientReport::of(client)).collect()
        } else {
            Vec::new()
        };
        let backend_depth = counts.counts.depth.saturating_sub(memory_max);
        Self { name: channel.name().to_string(), counts, backend_depth, clients }
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

/// The answer to `/info`.
pub(super) fn info(nsqd: &Nsqd) -> Response {
    #[derive(Serialize)]
    struct Info<'a> {
        version: &'a str,
        broadcast_address: &'a str,
        hostname: &'a str,
        http_port: i32,
        tcp_port: i32,
        start_time: i64,
        max_heartbeat_interval: u64,
        max_output_buffer_size: u64,
        max_output_buffer_timeout: u64,
        max_deflate_level: u8,
        topology_zone: &'a str,
        topology_region: &'a str,
    }
    let options = &nsqd.start.options;
    let ns = |duration: std::time::Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    respond::json(&Info {
        version: daemon::version::COMPATIBLE,
        broadcast_address: &options.broadcast_address,
        hostname: &nsqd.hostname,
        http_port: nsqd.ports.http,
        tcp_port: nsqd.ports.tcp,
        start_time: nsqd.start_unix,
        max_heartbeat_interval: ns(options.max_heartbeat_interval),
        max_output_buffer_size: options.max_output_buffer_size,
        max_output_buffer_timeout: ns(options.max_output_buffer_timeout),
        max_deflate_level: nsqd.tcp.max_deflate_level(),
        topology_zone: &options.topology_zone,
        topology_region: &options.topology_region,
    })
}
