//! What nsqds and nsqlookupds say of themselves, as far as it is of use here. Whatever is missing, or null, is empty.

use serde::{Deserialize, Deserializer};

/// Null is as good as nothing.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// `/topics` of an nsqlookupd.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TopicList {
    #[serde(deserialize_with = "or_default")]
    pub(crate) topics: Vec<String>,
}

/// `/channels` of an nsqlookupd.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ChannelList {
    #[serde(deserialize_with = "or_default")]
    pub(crate) channels: Vec<String>,
}

/// `/lookup` of an nsqlookupd.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Lookup {
    #[serde(deserialize_with = "or_default")]
    pub(crate) channels: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) producers: Vec<Producer>,
}

/// `/nodes` of an nsqlookupd.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NodeList {
    #[serde(deserialize_with = "or_default")]
    pub(crate) producers: Vec<Producer>,
}

/// An nsqd as an nsqlookupd knows it; `/info` of an nsqd has some of it, too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Producer {
    /// As the nsqlookupd sees it.
    pub(crate) remote_address: String,
    pub(crate) hostname: String,
    pub(crate) broadcast_address: String,
    pub(crate) tcp_port: u16,
    pub(crate) http_port: u16,
    pub(crate) version: String,
    pub(crate) topology_zone: String,
    pub(crate) topology_region: String,
    /// Whether the topic of the same place is hidden.
    #[serde(deserialize_with = "or_default")]
    pub(crate) tombstones: Vec<bool>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) topics: Vec<String>,
}

/// `/stats` of an nsqd.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Stats {
    pub(crate) version: String,
    pub(crate) health: String,
    pub(crate) start_time: i64,
    #[serde(deserialize_with = "or_default")]
    pub(crate) topics: Vec<TopicStats>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) memory: Memory,
    /// What an operator has to look at. Not in NSQ's document.
    #[serde(deserialize_with = "or_default")]
    pub(crate) alarms: Vec<AlarmStats>,
    /// Clients that publish.
    #[serde(deserialize_with = "or_default")]
    pub(crate) producers: Vec<serde::de::IgnoredAny>,
}

/// Damage that an nsqd has met.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct AlarmStats {
    pub(crate) number: u64,
    pub(crate) topic: Option<String>,
    pub(crate) file: String,
    pub(crate) what: String,
    /// Unix time in s.
    pub(crate) since: i64,
}

/// Of the process.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Memory {
    pub(crate) heap_in_use_bytes: u64,
}

/// A topic of an nsqd.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct TopicStats {
    pub(crate) topic_name: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) channels: Vec<ChannelStats>,
    pub(crate) depth: i64,
    pub(crate) backend_depth: i64,
    pub(crate) message_count: i64,
    pub(crate) paused: bool,
    #[serde(deserialize_with = "or_default")]
    pub(crate) e2e_processing_latency: LatencyStats,
    /// Its policies. Not in NSQ's document.
    pub(crate) config: Option<serde_json::Value>,
}

/// A channel of an nsqd.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ChannelStats {
    pub(crate) channel_name: String,
    pub(crate) depth: i64,
    pub(crate) backend_depth: i64,
    pub(crate) in_flight_count: i64,
    pub(crate) deferred_count: i64,
    pub(crate) message_count: i64,
    pub(crate) requeue_count: i64,
    pub(crate) timeout_count: i64,
    pub(crate) client_count: i64,
    pub(crate) zone_local_msg_count: i64,
    pub(crate) region_local_msg_count: i64,
    pub(crate) global_msg_count: i64,
    /// `None` where they were not asked for.
    pub(crate) clients: Option<Vec<ClientStats>>,
    pub(crate) paused: bool,
    #[serde(deserialize_with = "or_default")]
    pub(crate) e2e_processing_latency: LatencyStats,
}

/// How long messages take from their publishing to FIN.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct LatencyStats {
    pub(crate) count: i64,
    /// `None` where it is not measured.
    pub(crate) percentiles: Option<Vec<PercentileStats>>,
}

/// One of the percentiles that the nsqd was told to measure.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct PercentileStats {
    pub(crate) quantile: f64,
    /// In ns.
    pub(crate) value: f64,
}

/// A connection of a consumer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "the document of NSQ")]
pub(crate) struct ClientStats {
    pub(crate) client_id: String,
    pub(crate) hostname: String,
    pub(crate) version: String,
    pub(crate) remote_address: String,
    pub(crate) ready_count: i64,
    pub(crate) in_flight_count: i64,
    pub(crate) message_count: i64,
    pub(crate) finish_count: i64,
    pub(crate) requeue_count: i64,
    pub(crate) connect_ts: i64,
    pub(crate) sample_rate: i64,
    pub(crate) deflate: bool,
    pub(crate) snappy: bool,
    pub(crate) user_agent: String,
    pub(crate) authed: bool,
    pub(crate) auth_identity: String,
    pub(crate) auth_identity_url: String,
    pub(crate) topology_zone: String,
    pub(crate) topology_region: String,
    pub(crate) tls: bool,
    pub(crate) tls_cipher_suite: String,
    pub(crate) tls_version: String,
    pub(crate) tls_negotiated_protocol: String,
    pub(crate) tls_negotiated_protocol_is_mutual: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Protects: an nsqd or nsqlookupd of another version, or one that lies, does not end nsqadmin.
    #[test]
    fn what_is_missing_or_null_is_empty() {
        let stats: Stats = serde_json::from_str(r#"{"topics":null,"memory":null,"more":[1]}"#).unwrap();
        assert_eq!(stats, Stats::default());
        let stats: Stats =
            serde_json::from_str(r#"{"topics":[{"topic_name":"t","channels":[{"clients":null}]}]}"#).unwrap();
        assert_eq!(stats.topics[0].channels[0].e2e_processing_latency, LatencyStats::default());
        let node: NodeList =
            serde_json::from_str(r#"{"producers":[{"topics":["a","b"],"tombstones":[true]}]}"#).unwrap();
        assert_eq!(node.producers[0].tombstones, [true]);
        assert!(serde_json::from_str::<Stats>(r#"{"topics":5}"#).is_err());
    }
}
