//! An nsqd that has identified itself.

use protocol::LookupPeer;

/// Who an nsqd is, for as long as its connection lasts. One that is connected twice is two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producer {
    /// What it said of itself.
    pub peer: LookupPeer,
    /// Where it connected from, as `ip:port`; NSQ's id of a producer.
    pub remote_address: String,
}

impl Producer {
    /// Whether `node` is its `broadcast_address:http_port`, an IPv6 address in brackets or not: NSQ knows these nodes
    /// without brackets only, and its nsqadmin writes them with brackets only.
    pub(super) fn is_node(&self, node: &str) -> bool {
        let Some((address, port)) = node.rsplit_once(':') else { return false };
        let bare = address.strip_prefix('[').and_then(|address| address.strip_suffix(']'));
        (address == self.peer.broadcast_address || bare == Some(self.peer.broadcast_address.as_str()))
            && port == self.peer.http_port.to_string()
    }
}

/// A producer in the registry, from IDENTIFY to the end of its connection; given to another one later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProducerId(pub(super) u32);
