//! The body of IDENTIFY.

use serde::Serialize;

use crate::{
    ProtocolError,
    json::{self, string},
};

/// What a client asks for, as sent: numbers in the wire's units, 0 if absent, unchecked.
///
/// [`IdentifyRequest::negotiate`] checks the ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of the wire, independent of each other")]
pub struct IdentifyRequest {
    /// A short name of the client.
    pub client_id: String,
    /// The host it runs on.
    pub hostname: String,
    /// Its library and version.
    pub user_agent: String,
    /// Whether to answer with JSON, and to upgrade.
    pub feature_negotiation: bool,
    /// Milliseconds; −1 for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub heartbeat_interval: i64,
    /// Milliseconds; −1 for never.
    #[serde(skip_serializing_if = "is_zero")]
    pub output_buffer_timeout: i64,
    /// Bytes; −1 for no buffer.
    #[serde(skip_serializing_if = "is_zero")]
    pub output_buffer_size: i64,
    /// Percent of the messages to deliver; 0 for all.
    #[serde(skip_serializing_if = "is_zero_i32")]
    pub sample_rate: i32,
    /// Milliseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub msg_timeout: i64,
    /// Upgrade to TLS.
    pub tls_v1: bool,
    /// Upgrade to snappy.
    pub snappy: bool,
    /// Upgrade to deflate.
    pub deflate: bool,
    /// Level of deflate; 0 or less for the default.
    #[serde(skip_serializing_if = "is_zero")]
    pub deflate_level: i64,
    /// The region the client is in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub topology_region: String,
    /// The zone the client is in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub topology_zone: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero_i32(number: &i32) -> bool {
    *number == 0
}

impl IdentifyRequest {
    /// Reads the body of IDENTIFY.
    ///
    /// One JSON object or `null`. Keys match whatever their case and the last of equal ones wins; `null` counts as
    /// absent; unknown keys are ignored; integers are plain and in range; invalid UTF-8 in strings is replaced.
    ///
    /// # Errors
    /// [`ProtocolError::IdentifyJson`].
    pub fn parse(body: &[u8]) -> Result<Self, ProtocolError> {
        let mut request = Self::default();
        json::read_fields(body, |key, value| request.set(key, value)).ok_or(ProtocolError::IdentifyJson)?;
        Ok(request)
    }

    /// The body to send.
    pub fn to_json(&self) -> String {
        json::to_escaped_json(self)
    }

    /// Sets the field of that name, in lower case, if there is one; `None` if the value is not of its type.
    fn set(&mut self, key: &str, json: &str) -> Option<()> {
        match key {
            "client_id" => self.client_id = string(json)?,
            "hostname" => self.hostname = string(json)?,
            "user_agent" => self.user_agent = string(json)?,
            "feature_negotiation" => self.feature_negotiation = json.parse().ok()?,
            "heartbeat_interval" => self.heartbeat_interval = json.parse().ok()?,
            "output_buffer_timeout" => self.output_buffer_timeout = json.parse().ok()?,
            "output_buffer_size" => self.output_buffer_size = json.parse().ok()?,
            "sample_rate" => self.sample_rate = json.parse().ok()?,
            "msg_timeout" => self.msg_timeout = json.parse().ok()?,
            "tls_v1" => self.tls_v1 = json.parse().ok()?,
            "snappy" => self.snappy = json.parse().ok()?,
            "deflate" => self.deflate = json.parse().ok()?,
            "deflate_level" => self.deflate_level = json.parse().ok()?,
            "topology_region" => self.topology_region = string(json)?,
            "topology_zone" => self.topology_zone = string(json)?,
            _ => {}
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(body: impl AsRef<[u8]>, expected: &IdentifyRequest) {
        let body = body.as_ref();
        assert_eq!(IdentifyRequest::parse(body).as_ref(), Ok(expected), "{}", body.escape_ascii());
    }

    fn check_refused(body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        assert_eq!(IdentifyRequest::parse(body), Err(ProtocolError::IdentifyJson), "{}", body.escape_ascii());
    }

    fn heartbeat(heartbeat_interval: i64) -> IdentifyRequest {
        IdentifyRequest { heartbeat_interval, ..IdentifyRequest::default() }
    }

    fn client_id(client_id: &str) -> IdentifyRequest {
        IdentifyRequest { client_id: client_id.into(), ..IdentifyRequest::default() }
    }

    #[test]
    fn an_object_or_null_is_a_request() {
        for body in
            ["{}", "null", " \r\n\t{} \n", r#"{"short_id":1,"long_id":{"a":[1.5,"\ud800"]},"x":null}"#]
        {
            check(body, &IdentifyRequest::default());
        }
        for body in [
            "",
            "{",
            "[]",
            "5",
            "\"\"",
            "true",
            "{}x",
            "{} {}",
            "null null",
            "{\"a\":\"\n\"}",
            "{,}",
            "\u{feff}{}",
        ] {
            check_refused(body);
        }
    }

    #[test]
    fn every_field_is_read() {
        let request = IdentifyRequest {
            client_id: "c".into(),
            hostname: "h<>&".into(),
            user_agent: "u".into(),
            feature_negotiation: true,
            heartbeat_interval: 1,
            output_buffer_timeout: -1,
            output_buffer_size: 3,
            sample_rate: 4,
            msg_timeout: 5,
            tls_v1: true,
            snappy: true,
            deflate: true,
            deflate_level: 6,
            topology_region: "r".into(),
            topology_zone: "z".into(),
        };
        check(request.to_json(), &request);
    }

    #[test]
    fn keys_match_whatever_their_case_and_the_last_wins() {
        check(r#"{"Heartbeat_INTERVAL":1000}"#, &heartbeat(1000));
        check(r#"{"heartbeat_interval":1000,"HEARTBEAT_INTERVAL":2000}"#, &heartbeat(2000));
        check(r#"{"HEARTBEAT_INTERVAL":2000,"heartbeat_interval":1000}"#, &heartbeat(1000));
        check(r#"{"heartbeat_\u0069nterval":1000}"#, &heartbeat(1000));
        check(r#"{"heartbeat_interval":1000,"heartbeat_interval":null}"#, &heartbeat(1000));
    }

    #[test]
    fn integers_are_plain_and_in_range() {
        for value in [
            "1000.0",
            "1e1",
            "\"1000\"",
            "9223372036854775808",
            "true",
            "[]",
            "{}",
            "01",
            "+1",
            "0x1",
            "\"\"",
        ] {
            check_refused(format!(r#"{{"heartbeat_interval":{value}}}"#));
        }
        check(r#"{"heartbeat_interval": -9223372036854775808 }"#, &heartbeat(i64::MIN));
        check(r#"{"heartbeat_interval":-0}"#, &heartbeat(0));
        check_refused(r#"{"sample_rate":3000000000}"#);
        // A bad value is an error even when a good one follows.
        check_refused(r#"{"heartbeat_interval":1.5,"heartbeat_interval":1}"#);
    }

    #[test]
    fn flags_are_true_or_false() {
        for value in ["1", "0", "\"true\"", "True", "[]"] {
            check_refused(format!(r#"{{"snappy":{value}}}"#));
        }
        check(r#"{"snappy":true}"#, &IdentifyRequest { snappy: true, ..IdentifyRequest::default() });
    }

    #[test]
    fn strings_are_repaired_rather_than_refused() {
        check(b"{\"client_id\":\"a\xffb\"}", &client_id("a\u{fffd}b"));
        check(r#"{"client_id":"\u00e9\n\ud83d\ude00"}"#, &client_id("é\n😀"));
        assert!(
            IdentifyRequest::parse(br#"{"client_id":"a\ud800b"}"#).unwrap().client_id.contains('\u{fffd}')
        );
        check_refused(b"{\"client_id\":\"a\"\xff}");
        check_refused(r#"{"client_id":5}"#);
        check(r#"{"client_id":null}"#, &client_id(""));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = IdentifyRequest::parse(&body);
            let _ = IdentifyRequest::parse(&[b"{\"client_id\":\"", body.as_slice(), b"\"}"].concat());
        }
    }
}
