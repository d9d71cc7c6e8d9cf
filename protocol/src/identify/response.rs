//! The response to IDENTIFY.

use serde::{Deserialize, Serialize};

use crate::json::to_escaped_json;

/// What IDENTIFY answers if features are negotiated, in place of `OK`. Times are milliseconds.
///
/// Clients index all keys, and some read small integer types: the order and the set of the keys are fixed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of the wire, independent of each other")]
pub struct IdentifyResponse {
    /// Highest RDY.
    pub max_rdy_count: u32,
    /// The server's version.
    pub version: String,
    /// Longest message timeout that can be asked for.
    pub max_msg_timeout: u64,
    /// The message timeout in force.
    pub msg_timeout: u64,
    /// The TLS handshake follows.
    pub tls_v1: bool,
    /// Deflate follows.
    pub deflate: bool,
    /// The level in force, also when deflate is not.
    pub deflate_level: u8,
    /// Highest level that can be asked for.
    pub max_deflate_level: u8,
    /// Snappy follows.
    pub snappy: bool,
    /// Percent of the messages delivered; 0 for all.
    pub sample_rate: u8,
    /// AUTH is needed.
    pub auth_required: bool,
    /// Bytes; 1 for no buffer.
    pub output_buffer_size: u32,
    /// 0 for none.
    pub output_buffer_timeout: u64,
    /// The server's region.
    pub topology_region: String,
    /// The server's zone.
    pub topology_zone: String,
}

impl IdentifyResponse {
    /// The response frame's data.
    pub fn to_json(&self) -> String {
        to_escaped_json(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        let response = IdentifyResponse { topology_region: "a<b>&c".into(), ..IdentifyResponse::default() };
        let json = response.to_json();
        assert!(json.ends_with(r#""topology_region":"a\u003cb\u003e\u0026c","topology_zone":""}"#));
        assert_eq!(serde_json::from_str::<IdentifyResponse>(&json).unwrap(), response);
    }

    /// Servers before 1.3 know nothing of topology.
    #[test]
    fn a_client_reads_what_older_servers_send() {
        let response: IdentifyResponse = serde_json::from_str(r#"{"max_rdy_count":2500,"x":1}"#).unwrap();
        assert_eq!(response, IdentifyResponse { max_rdy_count: 2500, ..IdentifyResponse::default() });
    }
}
