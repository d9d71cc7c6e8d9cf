//! What an nsqd says to nsqlookupd.

use bytes::{BufMut, BytesMut};
use serde::{Deserialize, Serialize};

use crate::{ChannelName, TopicName};

/// The first four bytes of a connection to nsqlookupd.
pub const LOOKUP_MAGIC: [u8; 4] = *b"  V1";

/// What an nsqd says of itself. The fields are sorted by name, as the reference sends them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupIdentify {
    /// Where others reach it.
    pub broadcast_address: String,
    /// Of its host.
    pub hostname: String,
    /// Where it takes requests.
    pub http_port: u16,
    /// Where it takes clients.
    pub tcp_port: u16,
    /// Where it is.
    #[serde(default)]
    pub topology_region: String,
    /// Where in it.
    #[serde(default)]
    pub topology_zone: String,
    /// `1.3.0`.
    pub version: String,
}

/// A command to nsqlookupd.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LookupCommand {
    /// This nsqd has a topic, or a channel of it.
    Register(TopicName, Option<ChannelName>),
    /// It has it no longer.
    Unregister(TopicName, Option<ChannelName>),
    /// It lives.
    Ping,
}

impl std::fmt::Display for LookupCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (verb, topic, channel) = match self {
            Self::Register(topic, channel) => ("REGISTER", topic, channel),
            Self::Unregister(topic, channel) => ("UNREGISTER", topic, channel),
            Self::Ping => return f.write_str("PING"),
        };
        write!(f, "{verb} {topic}")?;
        channel.as_ref().map_or(Ok(()), |channel| write!(f, " {channel}"))
    }
}

impl LookupCommand {
    /// Adds the line to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_slice(self.to_string().as_bytes());
        out.put_u8(b'\n');
    }
}

impl LookupIdentify {
    /// Adds the command IDENTIFY to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        let json = crate::json::to_escaped_json(self);
        out.put_slice(b"IDENTIFY\n");
        out.put_u32(u32::try_from(json.len()).unwrap_or(u32::MAX));
        out.put_slice(json.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_bytes_are_sent() {
        let mut out = BytesMut::new();
        let identify = LookupIdentify {
            broadcast_address: "bc.example".into(),
            hostname: "vm".into(),
            http_port: 4151,
            tcp_port: 4150,
            topology_region: String::new(),
            topology_zone: "z1".into(),
            version: "1.3.0".into(),
        };
        identify.encode(&mut out);
        let json = concat!(
            r#"{"broadcast_address":"bc.example","hostname":"vm","http_port":4151,"tcp_port":4150,"#,
            r#""topology_region":"","topology_zone":"z1","version":"1.3.0"}"#
        );
        assert_eq!(
            out,
            [b"IDENTIFY\n\0\0\0", &[u8::try_from(json.len()).unwrap()][..], json.as_bytes()].concat()
        );
        let (topic, channel): (TopicName, ChannelName) = ("t".parse().unwrap(), "ch".parse().unwrap());
        for (command, line) in [
            (LookupCommand::Register(topic.clone(), None), "REGISTER t\n"),
            (LookupCommand::Register(topic.clone(), Some(channel.clone())), "REGISTER t ch\n"),
            (LookupCommand::Unregister(topic, Some(channel)), "UNREGISTER t ch\n"),
            (LookupCommand::Ping, "PING\n"),
        ] {
            let mut out = BytesMut::new();
            command.encode(&mut out);
            assert_eq!(out, line);
        }
    }
}
