//! A consumer as pages show it.

use serde::Serialize;

use super::{seen::NodeSeen, snapshot::ClientSeen};

/// A consumer's connection.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the keys of the document")]
pub(crate) struct Client<'a> {
    node: &'a str,
    remote_address: &'a str,
    client_id: &'a str,
    hostname: &'a str,
    user_agent: &'a str,
    connected_ms: i64,
    in_flight: i64,
    ready: i64,
    finished: i64,
    requeued: i64,
    messages: i64,
    finish_rate: Option<f64>,
    sample_rate: i64,
    deflate: bool,
    snappy: bool,
    tls: Option<Tls<'a>>,
    auth: Option<Auth<'a>>,
    region: &'a str,
    zone: &'a str,
    nearness: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Tls<'a> {
    version: &'a str,
    cipher: &'a str,
}

#[derive(Debug, Serialize)]
struct Auth<'a> {
    identity: &'a str,
    /// Only what a browser may be led to.
    url: Option<&'a str>,
}

impl<'a> Client<'a> {
    /// `node` is the one that it is connected to.
    pub(crate) fn of(client: &'a ClientSeen, node: Option<&NodeSeen>) -> Self {
        let stats = &client.stats;
        let is_link =
            ["http://", "https://"].iter().any(|scheme| stats.auth_identity_url.starts_with(scheme));
        let url = Some(stats.auth_identity_url.as_str()).filter(|_| is_link);
        Self {
            node: &client.node,
            remote_address: &stats.remote_address,
            client_id: &stats.client_id,
            hostname: &stats.hostname,
            user_agent: &stats.user_agent,
            connected_ms: stats.connect_ts.saturating_mul(1000),
            in_flight: stats.in_flight_count,
            ready: stats.ready_count,
            finished: stats.finish_count,
            requeued: stats.requeue_count,
            messages: stats.message_count,
            finish_rate: client.finish_rate,
            sample_rate: stats.sample_rate,
            deflate: stats.deflate,
            snappy: stats.snappy,
            tls: stats.tls.then_some(Tls { version: &stats.tls_version, cipher: &stats.tls_cipher_suite }),
            auth: stats.authed.then_some(Auth { identity: &stats.auth_identity, url }),
            region: &stats.topology_region,
            zone: &stats.topology_zone,
            nearness: node.and_then(|node| nearness(client, node)),
        }
    }
}

/// `None` where the node does not say where it is.
fn nearness(client: &ClientSeen, node: &NodeSeen) -> Option<&'static str> {
    let (region, zone) = (&node.producer.topology_region, &node.producer.topology_zone);
    if region.is_empty() && zone.is_empty() {
        return None;
    }
    let is_region = !region.is_empty() && client.stats.topology_region == *region;
    let is_zone = !zone.is_empty() && client.stats.topology_zone == *zone;
    Some(match (is_region, is_zone) {
        (true, true) => "zone",
        (true, false) => "region",
        _ => "none",
    })
}
