//! What a client gets of what it asks for.

use std::time::Duration;

use super::{IdentifyRequest, IdentifyResponse};
use crate::{IdentifyField, ProtocolError};

const MIN_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
const MIN_MSG_TIMEOUT: Duration = Duration::from_secs(1);
const MIN_OUTPUT_BUFFER_BYTES: i64 = 64;
const MAX_SAMPLE_RATE: i64 = 99;
const DEFAULT_DEFLATE_LEVEL: u8 = 6;

/// What a client asks for to switch a setting off.
const OFF: i64 = -1;

/// What a daemon allows and reports. The default is NSQ's, without TLS and compression.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "features of a daemon, independent of each other")]
pub struct IdentifyOptions {
    /// Longest heartbeat interval.
    pub max_heartbeat_interval: Duration,
    /// Shortest output buffer timeout.
    pub min_output_buffer_timeout: Duration,
    /// Longest output buffer timeout.
    pub max_output_buffer_timeout: Duration,
    /// Largest output buffer.
    pub max_output_buffer_bytes: u32,
    /// Longest message timeout.
    pub max_msg_timeout: Duration,
    /// Highest RDY.
    pub max_rdy_count: u32,
    /// Whether there is a certificate.
    pub tls_v1: bool,
    /// Whether snappy is enabled.
    pub snappy: bool,
    /// Whether deflate is enabled.
    pub deflate: bool,
    /// Highest level of deflate, 1 to 9.
    pub max_deflate_level: u8,
    /// Whether there is an authorization server.
    pub auth_required: bool,
    /// The version to report. Clients parse it: numbers, with dots.
    pub version: String,
    /// The server's region.
    pub topology_region: String,
    /// The server's zone.
    pub topology_zone: String,
}

impl Default for IdentifyOptions {
    fn default() -> Self {
        Self {
            max_heartbeat_interval: Duration::from_mins(1),
            min_output_buffer_timeout: Duration::from_millis(25),
            max_output_buffer_timeout: Duration::from_secs(30),
            max_output_buffer_bytes: 64 * 1024,
            max_msg_timeout: Duration::from_mins(15),
            max_rdy_count: 2500,
            tls_v1: false,
            snappy: false,
            deflate: false,
            max_deflate_level: 6,
            auth_required: false,
            version: "1.3.0".to_owned(),
            topology_region: String::new(),
            topology_zone: String::new(),
        }
    }
}

/// Settings in force for a connection. The default is what NSQ uses until IDENTIFY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSettings {
    /// `None`: no heartbeats and no deadlines.
    pub heartbeat_interval: Option<Duration>,
    /// How long a message may wait in the output buffer. `None`: not bounded by time.
    pub output_buffer_timeout: Option<Duration>,
    /// Bytes of the output buffer; 1 means no buffer.
    pub output_buffer_bytes: u32,
    /// Percent of the messages to deliver, 1 to 99. `None`: all.
    pub sample_rate: Option<u8>,
    /// How long a message may be in flight.
    pub msg_timeout: Duration,
    /// Whether the client has chosen that itself.
    pub has_own_msg_timeout: bool,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            heartbeat_interval: Some(Duration::from_secs(30)),
            output_buffer_timeout: Some(Duration::from_millis(250)),
            output_buffer_bytes: 16 * 1024,
            sample_rate: None,
            msg_timeout: Duration::from_mins(1),
            has_own_msg_timeout: false,
        }
    }
}

/// A compression of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Snappy, framed.
    Snappy,
    /// Raw deflate of this level.
    Deflate {
        /// 1 to 9.
        level: u8,
    },
}

/// The outcome of an IDENTIFY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// In force from now on.
    pub settings: ClientSettings,
    /// Switch to TLS behind the response.
    pub tls_v1: bool,
    /// Then compress.
    pub compression: Option<Compression>,
    /// The response; `None` means plain `OK`.
    pub response: Option<IdentifyResponse>,
}

impl IdentifyRequest {
    /// Checks the request against `options`; what it leaves out stays as in `current`.
    ///
    /// # Errors
    /// The first setting out of its range; both compressions asked for and enabled.
    pub fn negotiate(
        &self,
        current: &ClientSettings,
        options: &IdentifyOptions,
    ) -> Result<Negotiated, ProtocolError> {
        let settings = self.settings(current, options)?;
        if !self.feature_negotiation {
            return Ok(Negotiated { settings, tls_v1: false, compression: None, response: None });
        }
        let tls_v1 = self.tls_v1 && options.tls_v1;
        let wanted_level = if self.deflate && options.deflate && self.deflate_level > 0 {
            u8::try_from(self.deflate_level).unwrap_or(u8::MAX)
        } else {
            DEFAULT_DEFLATE_LEVEL
        };
        let level = wanted_level.min(options.max_deflate_level);
        let compression = match (self.snappy && options.snappy, self.deflate && options.deflate) {
            (true, true) => return Err(ProtocolError::BothCompressions),
            (true, false) => Some(Compression::Snappy),
            (false, true) => Some(Compression::Deflate { level }),
            (false, false) => None,
        };
        let response = IdentifyResponse {
            max_rdy_count: options.max_rdy_count,
            version: options.version.clone(),
            max_msg_timeout: wire_ms(options.max_msg_timeout),
            msg_timeout: wire_ms(settings.msg_timeout),
            tls_v1,
            deflate: matches!(compression, Some(Compression::Deflate { .. })),
            deflate_level: level,
            max_deflate_level: options.max_deflate_level,
            snappy: compression == Some(Compression::Snappy),
            sample_rate: settings.sample_rate.unwrap_or(0),
            auth_required: options.auth_required,
            output_buffer_size: settings.output_buffer_bytes,
            output_buffer_timeout: settings.output_buffer_timeout.map_or(0, wire_ms),
            topology_region: options.topology_region.clone(),
            topology_zone: options.topology_zone.clone(),
        };
        Ok(Negotiated { settings, tls_v1, compression, response: Some(response) })
    }

    fn settings(
        &self,
        current: &ClientSettings,
        options: &IdentifyOptions,
    ) -> Result<ClientSettings, ProtocolError> {
        use IdentifyField as F;
        let mut settings = current.clone();
        match self.heartbeat_interval {
            0 => {}
            OFF => settings.heartbeat_interval = None,
            ms => {
                let range = (MIN_HEARTBEAT_INTERVAL, options.max_heartbeat_interval);
                settings.heartbeat_interval = Some(duration_within(F::HeartbeatInterval, ms, range)?);
            }
        }
        match self.output_buffer_timeout {
            0 => {}
            OFF => settings.output_buffer_timeout = None,
            ms => {
                let range = (options.min_output_buffer_timeout, options.max_output_buffer_timeout);
                settings.output_buffer_timeout = Some(duration_within(F::OutputBufferTimeout, ms, range)?);
            }
        }
        match self.output_buffer_size {
            0 => {}
            OFF => {
                settings.output_buffer_bytes = 1;
                settings.output_buffer_timeout = None;
            }
            bytes => {
                let range = (MIN_OUTPUT_BUFFER_BYTES, i64::from(options.max_output_buffer_bytes));
                let bytes = within(F::OutputBufferSize, bytes, range)?;
                settings.output_buffer_bytes =
                    u32::try_from(bytes).unwrap_or(options.max_output_buffer_bytes);
            }
        }
        let sample_rate = within(F::SampleRate, i64::from(self.sample_rate), (0, MAX_SAMPLE_RATE))?;
        settings.sample_rate = u8::try_from(sample_rate).ok().filter(|&rate| rate > 0);
        if self.msg_timeout != 0 {
            let range = (MIN_MSG_TIMEOUT, options.max_msg_timeout);
            settings.msg_timeout = duration_within(F::MsgTimeout, self.msg_timeout, range)?;
            settings.has_own_msg_timeout = true;
        }
        Ok(settings)
    }
}

/// `value` if it is in the range, both ends included.
fn within(field: IdentifyField, value: i64, (min, max): (i64, i64)) -> Result<i64, ProtocolError> {
    if min <= value && value <= max { Ok(value) } else { Err(ProtocolError::IdentifyRange { field, value }) }
}

/// `ms` as a duration if it is in the range, both ends included.
fn duration_within(
    field: IdentifyField,
    ms: i64,
    (min, max): (Duration, Duration),
) -> Result<Duration, ProtocolError> {
    let duration = u64::try_from(ms).ok().map(Duration::from_millis);
    duration
        .filter(|&duration| min <= duration && duration <= max)
        .ok_or(ProtocolError::IdentifyRange { field, value: ms })
}

fn wire_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn negotiate(json: &str, options: &IdentifyOptions) -> Result<Negotiated, ProtocolError> {
        IdentifyRequest::parse(json.as_bytes()).unwrap().negotiate(&ClientSettings::default(), options)
    }

    fn settings(json: &str) -> ClientSettings {
        negotiate(json, &IdentifyOptions::default()).unwrap().settings
    }

    fn check_refused(json: &str, text: &str) {
        let error = negotiate(json, &IdentifyOptions::default()).expect_err(json);
        assert_eq!(error.to_string(), text);
        assert!(error.is_fatal());
    }

    #[test]
    fn nothing_asked_for_changes_nothing() {
        let negotiated = negotiate("null", &IdentifyOptions::default()).unwrap();
        let settings = ClientSettings::default();
        assert_eq!(negotiated, Negotiated { settings, tls_v1: false, compression: None, response: None });
    }

    #[test]
    fn what_a_second_request_leaves_out_stays() {
        let current = ClientSettings { msg_timeout: Duration::from_secs(5), ..ClientSettings::default() };
        let request = IdentifyRequest { heartbeat_interval: 1000, ..IdentifyRequest::default() };
        let settings = request.negotiate(&current, &IdentifyOptions::default()).unwrap().settings;
        assert_eq!(settings.msg_timeout, Duration::from_secs(5));
        assert_eq!(settings.heartbeat_interval, Some(Duration::from_secs(1)));
    }

    #[test]
    fn values_out_of_range_have_their_recorded_texts() {
        for (key, bad, text) in [
            ("heartbeat_interval", [5, 999, 60_001, -2, i64::MIN, i64::MAX].as_slice(), "heartbeat interval"),
            ("output_buffer_timeout", &[5, 24, 30_001, -2], "output buffer timeout"),
            ("output_buffer_size", &[5, 63, 65_537, -2], "output buffer size"),
            ("sample_rate", &[500, 100, -1], "sample rate"),
            ("msg_timeout", &[5, 999, 900_001, -1], "msg timeout"),
        ] {
            for value in bad {
                let json = format!(r#"{{"{key}":{value}}}"#);
                check_refused(&json, &format!("E_BAD_BODY IDENTIFY {text} ({value}) is invalid"));
            }
        }
    }

    #[test]
    fn the_ends_of_the_ranges_are_good() {
        assert_eq!(
            settings(r#"{"heartbeat_interval":1000}"#).heartbeat_interval,
            Some(Duration::from_secs(1))
        );
        assert_eq!(
            settings(r#"{"heartbeat_interval":60000}"#).heartbeat_interval,
            Some(Duration::from_mins(1))
        );
        let timeout = |json| settings(json).output_buffer_timeout;
        assert_eq!(timeout(r#"{"output_buffer_timeout":25}"#), Some(Duration::from_millis(25)));
        assert_eq!(timeout(r#"{"output_buffer_timeout":30000}"#), Some(Duration::from_secs(30)));
        assert_eq!(settings(r#"{"output_buffer_size":64}"#).output_buffer_bytes, 64);
        assert_eq!(settings(r#"{"output_buffer_size":65536}"#).output_buffer_bytes, 65536);
        assert_eq!(settings(r#"{"sample_rate":99}"#).sample_rate, Some(99));
        assert_eq!(settings(r#"{"msg_timeout":900000}"#).msg_timeout, Duration::from_mins(15));
    }

    #[test]
    fn minus_one_switches_off() {
        assert_eq!(settings(r#"{"heartbeat_interval":-1}"#).heartbeat_interval, None);
        assert_eq!(settings(r#"{"output_buffer_timeout":-1}"#).output_buffer_timeout, None);
        let unbuffered = settings(r#"{"output_buffer_size":-1,"output_buffer_timeout":100}"#);
        assert_eq!((unbuffered.output_buffer_bytes, unbuffered.output_buffer_timeout), (1, None));
    }

    #[test]
    fn the_first_bad_setting_is_the_one_reported() {
        let all = r#"{"msg_timeout":5,"sample_rate":500,"output_buffer_size":5,"output_buffer_timeout":5"#;
        check_refused(
            &format!(r#"{all},"heartbeat_interval":5}}"#),
            "E_BAD_BODY IDENTIFY heartbeat interval (5) is invalid",
        );
        check_refused(&format!("{all}}}"), "E_BAD_BODY IDENTIFY output buffer timeout (5) is invalid");
        check_refused(
            r#"{"msg_timeout":5,"sample_rate":500,"output_buffer_size":5}"#,
            "E_BAD_BODY IDENTIFY output buffer size (5) is invalid",
        );
        check_refused(
            r#"{"msg_timeout":5,"sample_rate":500}"#,
            "E_BAD_BODY IDENTIFY sample rate (500) is invalid",
        );
    }

    fn everything() -> IdentifyOptions {
        IdentifyOptions { tls_v1: true, snappy: true, deflate: true, ..IdentifyOptions::default() }
    }

    #[test]
    fn without_negotiation_upgrades_are_ignored() {
        let negotiated = negotiate(r#"{"tls_v1":true,"snappy":true,"deflate":true}"#, &everything()).unwrap();
        assert_eq!((negotiated.tls_v1, negotiated.compression, negotiated.response), (false, None, None));
    }

    #[test]
    fn both_compressions_are_refused_only_if_both_are_enabled() {
        let both = r#"{"feature_negotiation":true,"snappy":true,"deflate":true}"#;
        assert_eq!(negotiate(both, &everything()), Err(ProtocolError::BothCompressions));
        let snappy = IdentifyOptions { deflate: false, ..everything() };
        assert_eq!(negotiate(both, &snappy).unwrap().compression, Some(Compression::Snappy));
        let neither = negotiate(both, &IdentifyOptions::default()).unwrap();
        assert_eq!(neither.compression, None);
        assert!(!neither.response.unwrap().snappy);
    }

    #[test]
    fn the_deflate_level_is_clamped() {
        let level = |wanted: i64, max_deflate_level| {
            let json = format!(r#"{{"feature_negotiation":true,"deflate":true,"deflate_level":{wanted}}}"#);
            let negotiated =
                negotiate(&json, &IdentifyOptions { max_deflate_level, ..everything() }).unwrap();
            let level = negotiated.response.unwrap().deflate_level;
            assert_eq!(negotiated.compression, Some(Compression::Deflate { level }));
            level
        };
        assert_eq!(
            [level(0, 6), level(-5, 6), level(1, 6), level(9, 6), level(1000, 9), level(0, 3)],
            [6, 6, 1, 6, 9, 3]
        );
        let off = negotiate(r#"{"feature_negotiation":true,"deflate_level":1}"#, &IdentifyOptions::default());
        assert_eq!(off.unwrap().response.unwrap().deflate_level, 6);
    }

    #[test]
    fn the_recorded_response_is_reproduced() {
        let response =
            |json: &str| negotiate(json, &IdentifyOptions::default()).unwrap().response.unwrap().to_json();
        assert_eq!(
            response(r#"{"feature_negotiation":true}"#),
            concat!(
                r#"{"max_rdy_count":2500,"version":"1.3.0","max_msg_timeout":900000,"msg_timeout":60000,"tls_v1":false,"#,
                r#""deflate":false,"deflate_level":6,"max_deflate_level":6,"snappy":false,"sample_rate":0,"#,
                r#""auth_required":false,"output_buffer_size":16384,"output_buffer_timeout":250,"#,
                r#""topology_region":"","topology_zone":""}"#
            )
        );
        let unbuffered = response(r#"{"feature_negotiation":true,"output_buffer_size":-1}"#);
        assert!(unbuffered.contains(r#""output_buffer_size":1,"output_buffer_timeout":0,"#));
    }

    #[test]
    fn a_default_timeout_above_the_maximum_is_reported_as_it_is() {
        let options =
            IdentifyOptions { max_msg_timeout: Duration::from_secs(5), ..IdentifyOptions::default() };
        let response = negotiate(r#"{"feature_negotiation":true}"#, &options).unwrap().response.unwrap();
        assert_eq!((response.max_msg_timeout, response.msg_timeout), (5000, 60000));
    }

    proptest! {
        #[test]
        fn no_request_panics_or_leaves_the_ranges(
            heartbeat_interval: i64, output_buffer_timeout: i64, output_buffer_size: i64, sample_rate: i32,
            msg_timeout: i64, deflate_level: i64,
        ) {
            let request = IdentifyRequest {
                feature_negotiation: true, deflate: true, heartbeat_interval, output_buffer_timeout,
                output_buffer_size, sample_rate, msg_timeout, deflate_level, ..IdentifyRequest::default()
            };
            if let Ok(negotiated) = request.negotiate(&ClientSettings::default(), &everything()) {
                prop_assert!(negotiated.settings.msg_timeout <= Duration::from_mins(15));
                prop_assert!(negotiated.settings.output_buffer_bytes <= 65536);
            }
        }
    }
}
