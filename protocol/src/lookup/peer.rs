//! The body of IDENTIFY, as nsqlookupd reads it.

use serde::Serialize;

use super::LookupError;
use crate::json::{self, string};

/// An nsqd as it described itself: not empty where a field is required, otherwise unchecked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LookupPeer {
    /// Of its host; may be empty.
    pub hostname: String,
    /// Where others reach it.
    pub broadcast_address: String,
    /// Where it takes clients. Not 0; whether it is a port is not checked.
    pub tcp_port: i64,
    /// Where it takes requests. As `tcp_port`.
    pub http_port: i64,
    /// Of its software.
    pub version: String,
    /// Where it is; may be empty.
    pub topology_zone: String,
    /// Where in it; may be empty.
    pub topology_region: String,
}

impl LookupPeer {
    /// Reads the body of IDENTIFY, by the rules of [`IdentifyRequest::parse`](crate::IdentifyRequest::parse).
    ///
    /// # Errors
    /// [`LookupError::Json`], or [`LookupError::MissingFields`] where a required field is absent, `null`, empty or 0.
    pub fn parse(body: &[u8]) -> Result<Self, LookupError> {
        let mut peer = Self::default();
        json::read_fields(body, |key, value| peer.set(key, value)).ok_or(LookupError::Json)?;
        let is_complete = !peer.broadcast_address.is_empty()
            && peer.tcp_port != 0
            && peer.http_port != 0
            && !peer.version.is_empty();
        if is_complete { Ok(peer) } else { Err(LookupError::MissingFields) }
    }

    /// Sets the field of that name, in lower case, if there is one; `None` if the value is not of its type.
    fn set(&mut self, key: &str, json: &str) -> Option<()> {
        match key {
            "hostname" => self.hostname = string(json)?,
            "broadcast_address" => self.broadcast_address = string(json)?,
            "tcp_port" => self.tcp_port = json.parse().ok()?,
            "http_port" => self.http_port = json.parse().ok()?,
            "version" => self.version = string(json)?,
            "topology_zone" => self.topology_zone = string(json)?,
            "topology_region" => self.topology_region = string(json)?,
            // Whoever connects is known by where from: only its type is looked at.
            "remote_address" => drop(string(json)?),
            _ => {}
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> LookupPeer {
        LookupPeer {
            broadcast_address: "n1.example".into(),
            tcp_port: 4150,
            http_port: 4151,
            version: "1.3.0".into(),
            ..LookupPeer::default()
        }
    }

    /// `fields` in place of those that they name, which come later and win.
    fn body(fields: &str) -> String {
        format!(
            r#"{{"broadcast_address":"n1.example","tcp_port":4150,"http_port":4151,"version":"1.3.0"{fields}}}"#
        )
    }

    fn check(body: impl AsRef<[u8]>, expected: &Result<LookupPeer, LookupError>) {
        assert_eq!(&LookupPeer::parse(body.as_ref()), expected, "{}", body.as_ref().escape_ascii());
    }

    #[test]
    fn what_is_required_is_enough() {
        check(body(""), &Ok(peer()));
        let all =
            r#","hostname":"h","topology_zone":"z","topology_region":"r","remote_address":"x","more":[{}]"#;
        let (hostname, topology_zone, topology_region) = ("h".into(), "z".into(), "r".into());
        check(body(all), &Ok(LookupPeer { hostname, topology_zone, topology_region, ..peer() }));
        check(
            body(r#","TCP_Port":-1,"hTTp_port":99999"#),
            &Ok(LookupPeer { tcp_port: -1, http_port: 99_999, ..peer() }),
        );
        check(body(r#","hostname":null,"version":null"#), &Ok(peer()));
    }

    #[test]
    fn what_is_absent_empty_or_0_is_missing() {
        for fields in
            [r#","broadcast_address":"""#, r#","tcp_port":0"#, r#","http_port":-0"#, r#","version":"""#]
        {
            check(body(fields), &Err(LookupError::MissingFields));
        }
        check("{}", &Err(LookupError::MissingFields));
        check("null", &Err(LookupError::MissingFields));
        check(r#"{"tcp_port":null}"#, &Err(LookupError::MissingFields));
    }

    #[test]
    fn other_types_are_refused() {
        for value in ["1.0", "1e3", "\"4150\"", "true", "[]", "{}", "9223372036854775808"] {
            check(body(&format!(r#","tcp_port":{value}"#)), &Err(LookupError::Json));
        }
        for key in ["hostname", "version", "topology_zone", "topology_region", "remote_address"] {
            check(body(&format!(r#","{key}":1"#)), &Err(LookupError::Json));
        }
        check("", &Err(LookupError::Json));
        check("[]", &Err(LookupError::Json));
        check("{", &Err(LookupError::Json));
        check(body("") + "x", &Err(LookupError::Json));
        check(body("") + " \n", &Ok(peer()));
    }
}
