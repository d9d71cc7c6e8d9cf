//! Topics and channels: what each nsqd has of them, and the sum. The order of fields is NSQ's.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    documents::{ChannelStats, ClientStats, TopicStats},
    latency::Latency,
    node::NodeName,
};

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &i64) -> bool {
    *count == 0
}

/// A topic of one nsqd, or of all (`node` is `*`).
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct TopicTally {
    pub(crate) node: String,
    pub(crate) hostname: String,
    pub(crate) topic_name: String,
    pub(crate) depth: i64,
    pub(crate) memory_depth: i64,
    pub(crate) backend_depth: i64,
    pub(crate) message_count: i64,
    /// Always 0: nsqd tells it for channels only.
    delivery_msg_count: i64,
    /// `None` in a part.
    pub(crate) nodes: Option<Vec<TopicTally>>,
    pub(crate) channels: Vec<ChannelTally>,
    pub(crate) paused: bool,
    pub(crate) e2e_processing_latency: Latency,
}

/// A channel of one nsqd, or of all.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct ChannelTally {
    pub(crate) node: String,
    pub(crate) hostname: String,
    pub(crate) topic_name: String,
    pub(crate) channel_name: String,
    pub(crate) depth: i64,
    pub(crate) memory_depth: i64,
    pub(crate) backend_depth: i64,
    pub(crate) in_flight_count: i64,
    pub(crate) deferred_count: i64,
    pub(crate) requeue_count: i64,
    pub(crate) timeout_count: i64,
    pub(crate) message_count: i64,
    #[serde(skip_serializing_if = "is_zero")]
    delivery_msg_count: i64,
    #[serde(skip_serializing_if = "is_zero")]
    zone_local_msg_count: i64,
    #[serde(skip_serializing_if = "is_zero")]
    region_local_msg_count: i64,
    #[serde(skip_serializing_if = "is_zero")]
    global_msg_count: i64,
    pub(crate) client_count: i64,
    /// `None` in a part.
    pub(crate) nodes: Option<Vec<ChannelTally>>,
    /// `None` where they were not asked for.
    pub(crate) clients: Option<Vec<ClientTally>>,
    pub(crate) paused: bool,
    pub(crate) e2e_processing_latency: Latency,
}

/// A consumer's connection.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the document of NSQ")]
pub(crate) struct ClientTally {
    pub(crate) node: String,
    remote_address: String,
    version: String,
    client_id: String,
    hostname: String,
    user_agent: String,
    connect_ts: i64,
    /// ns, whole seconds.
    connected: i64,
    in_flight_count: i64,
    ready_count: i64,
    finish_count: i64,
    requeue_count: i64,
    message_count: i64,
    sample_rate: i64,
    deflate: bool,
    snappy: bool,
    authed: bool,
    auth_identity: String,
    auth_identity_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    node_topology_region: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    node_topology_zone: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    topology_region: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    topology_zone: String,
    tls: bool,
    tls_cipher_suite: String,
    tls_version: String,
    tls_negotiated_protocol: String,
    tls_negotiated_protocol_is_mutual: bool,
}

impl TopicTally {
    /// Of one nsqd.
    pub(crate) fn of(node: &NodeName, stats: &TopicStats, now_unix: i64) -> Self {
        let channels = stats.channels.iter();
        Self {
            node: node.address.clone(),
            hostname: node.hostname.clone(),
            topic_name: stats.topic_name.clone(),
            depth: stats.depth,
            memory_depth: stats.depth.saturating_sub(stats.backend_depth),
            backend_depth: stats.backend_depth,
            message_count: stats.message_count,
            delivery_msg_count: 0,
            nodes: None,
            channels: channels
                .map(|channel| ChannelTally::of(node, &stats.topic_name, channel, now_unix))
                .collect(),
            paused: stats.paused,
            e2e_processing_latency: Latency::of(&stats.e2e_processing_latency),
        }
    }

    /// The sum of its parts, with them and its channels in order of their names.
    pub(crate) fn total(topic: &str, parts: Vec<Self>) -> Self {
        let mut total = Self {
            node: "*".to_owned(),
            topic_name: topic.to_owned(),
            e2e_processing_latency: Latency::total(topic, ""),
            ..Self::default()
        };
        let mut channels: BTreeMap<String, Vec<ChannelTally>> = BTreeMap::new();
        for part in &parts {
            total.depth = total.depth.saturating_add(part.depth);
            total.memory_depth = total.memory_depth.saturating_add(part.memory_depth);
            total.backend_depth = total.backend_depth.saturating_add(part.backend_depth);
            total.message_count = total.message_count.saturating_add(part.message_count);
            total.paused |= part.paused;
            total.e2e_processing_latency.add(&part.e2e_processing_latency);
            for channel in &part.channels {
                channels.entry(channel.channel_name.clone()).or_default().push(channel.clone());
            }
        }
        total.channels =
            channels.into_iter().map(|(name, parts)| ChannelTally::total(topic, &name, parts)).collect();
        total.nodes = Some(parts);
        total
    }
}

impl ChannelTally {
    /// Of one nsqd.
    fn of(node: &NodeName, topic: &str, stats: &ChannelStats, now_unix: i64) -> Self {
        let (zone, region, global) =
            (stats.zone_local_msg_count, stats.region_local_msg_count, stats.global_msg_count);
        let clients = stats.clients.as_ref().map(|clients| {
            let mut clients: Vec<ClientTally> =
                clients.iter().map(|client| ClientTally::of(node, client, now_unix)).collect();
            clients.sort_by(|one, other| one.rank().cmp(&other.rank()));
            clients
        });
        Self {
            node: node.address.clone(),
            hostname: node.hostname.clone(),
            topic_name: topic.to_owned(),
            channel_name: stats.channel_name.clone(),
            depth: stats.depth,
            memory_depth: stats.depth.saturating_sub(stats.backend_depth),
            backend_depth: stats.backend_depth,
            in_flight_count: stats.in_flight_count,
            deferred_count: stats.deferred_count,
            requeue_count: stats.requeue_count,
            timeout_count: stats.timeout_count,
            message_count: stats.message_count,
            delivery_msg_count: zone.saturating_add(region).saturating_add(global),
            zone_local_msg_count: zone,
            region_local_msg_count: region,
            global_msg_count: global,
            client_count: stats.client_count,
            nodes: None,
            clients,
            paused: stats.paused,
            e2e_processing_latency: Latency::of(&stats.e2e_processing_latency),
        }
    }

    /// The sum of its parts, with them and all their clients.
    pub(crate) fn total(topic: &str, channel: &str, mut parts: Vec<Self>) -> Self {
        let mut total = Self {
            node: "*".to_owned(),
            topic_name: topic.to_owned(),
            channel_name: channel.to_owned(),
            e2e_processing_latency: Latency::total(topic, channel),
            ..Self::default()
        };
        for part in &mut parts {
            let sums = [
                (&mut total.depth, part.depth),
                (&mut total.memory_depth, part.memory_depth),
                (&mut total.backend_depth, part.backend_depth),
                (&mut total.in_flight_count, part.in_flight_count),
                (&mut total.deferred_count, part.deferred_count),
                (&mut total.requeue_count, part.requeue_count),
                (&mut total.timeout_count, part.timeout_count),
                (&mut total.message_count, part.message_count),
                (&mut total.delivery_msg_count, part.delivery_msg_count),
                (&mut total.zone_local_msg_count, part.zone_local_msg_count),
                (&mut total.region_local_msg_count, part.region_local_msg_count),
                (&mut total.global_msg_count, part.global_msg_count),
                (&mut total.client_count, part.client_count),
            ];
            for (sum, more) in sums {
                *sum = sum.saturating_add(more);
            }
            total.paused |= part.paused;
            total.e2e_processing_latency.add(&part.e2e_processing_latency);
            // NSQ leaves an empty list in the part, and has none in the sum.
            let clients = part.clients.as_mut().map(std::mem::take).unwrap_or_default();
            if !clients.is_empty() {
                total.clients.get_or_insert_default().extend(clients);
            }
        }
        if let Some(clients) = &mut total.clients {
            // Stable: within a node they stay in their order.
            clients.sort_by(|one, other| one.node.cmp(&other.node));
        }
        total.nodes = Some(parts);
        total
    }
}

impl ClientTally {
    fn of(node: &NodeName, stats: &ClientStats, now_unix: i64) -> Self {
        let stats = stats.clone();
        Self {
            node: node.address.clone(),
            connected: now_unix.saturating_sub(stats.connect_ts).max(0).saturating_mul(1_000_000_000),
            node_topology_region: node.region.clone(),
            node_topology_zone: node.zone.clone(),
            remote_address: stats.remote_address,
            version: stats.version,
            client_id: stats.client_id,
            hostname: stats.hostname,
            user_agent: stats.user_agent,
            connect_ts: stats.connect_ts,
            in_flight_count: stats.in_flight_count,
            ready_count: stats.ready_count,
            finish_count: stats.finish_count,
            requeue_count: stats.requeue_count,
            message_count: stats.message_count,
            sample_rate: stats.sample_rate,
            deflate: stats.deflate,
            snappy: stats.snappy,
            authed: stats.authed,
            auth_identity: stats.auth_identity,
            auth_identity_url: stats.auth_identity_url,
            topology_region: stats.topology_region,
            topology_zone: stats.topology_zone,
            tls: stats.tls,
            tls_cipher_suite: stats.tls_cipher_suite,
            tls_version: stats.tls_version,
            tls_negotiated_protocol: stats.tls_negotiated_protocol,
            tls_negotiated_protocol_is_mutual: stats.tls_negotiated_protocol_is_mutual,
        }
    }

    /// Near ones first: of the nsqd's own region and zone, of its region, then by the names of both.
    fn rank(&self) -> (u8, &str, &str) {
        let is_region = !self.topology_region.is_empty() && self.topology_region == self.node_topology_region;
        let is_zone = !self.topology_zone.is_empty() && self.topology_zone == self.node_topology_zone;
        let far = match (is_region, is_zone) {
            (true, true) => 0,
            (true, false) => 1,
            _ => 2,
        };
        (far, &self.topology_region, &self.topology_zone)
    }
}
