//! Options by name, as `--consumer-opt name,value` gives them.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{
    BackoffStrategy, Config, ConfigError, TlsMinVersion,
    duration::{format_ns, parse_ns, quoted},
};

const MINUTE: Duration = Duration::from_mins(1);

impl Config {
    /// Sets the option of that name, dashes being underscores, to what `value` says. Flags take `true`.
    ///
    /// # Errors
    /// [`ConfigError`] in go-nsq's words: there is no such option, the value is none for it, or is out of range.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let name = name.replace('-', "_");
        if self.set_time(&name, value)? || self.set_flag(&name, value)? || self.set_number(&name, value)? {
            return Ok(());
        }
        match name.as_str() {
            "local_addr" => self.local_addr = Some(address(value)?),
            "backoff_strategy" => self.backoff_strategy = strategy(value)?,
            "client_id" => value.clone_into(&mut self.client_id),
            "hostname" => value.clone_into(&mut self.hostname),
            "user_agent" => value.clone_into(&mut self.user_agent),
            "topology_region" => value.clone_into(&mut self.topology_region),
            "topology_zone" => value.clone_into(&mut self.topology_zone),
            "auth_secret" => value.clone_into(&mut self.auth_secret),
            "tls_root_ca_file" => self.tls_root_ca_file = Some(PathBuf::from(value)),
            "tls_cert" => self.tls_cert = Some(PathBuf::from(value)),
            "tls_key" => self.tls_key = Some(PathBuf::from(value)),
            "tls_min_version" => self.tls_min_version = version(value)?,
            _ => return Err(ConfigError::Unknown { name }),
        }
        Ok(())
    }

    fn set_time(&mut self, name: &str, value: &str) -> Result<bool, ConfigError> {
        let Some((name, min, max, _)) = times(self).into_iter().find(|(known, ..)| *known == name) else {
            if name == "output_buffer_timeout" {
                let ns = duration("output_buffer_timeout", value)?;
                self.output_buffer_timeout = u64::try_from(ns).ok().map(Duration::from_nanos);
                return Ok(true);
            }
            return Ok(false);
        };
        let ns = duration(name, value)?;
        let min_ns = nanoseconds(min);
        if ns < min_ns {
            return Err(range(name, format_ns(ns), '<', format_ns(min_ns)));
        }
        if let Some(max_ns) = max.map(nanoseconds).filter(|max_ns| *max_ns < ns) {
            return Err(range(name, format_ns(ns), '>', format_ns(max_ns)));
        }
        for (known, _, _, field) in times(self) {
            if known == name {
                *field = Duration::from_nanos(ns.unsigned_abs());
            }
        }
        Ok(true)
    }

    fn set_flag(&mut self, name: &str, value: &str) -> Result<bool, ConfigError> {
        let (name, field) = match name {
            "tls_v1" => ("tls_v1", &mut self.tls_v1),
            "tls_insecure_skip_verify" => ("tls_insecure_skip_verify", &mut self.tls_insecure_skip_verify),
            "deflate" => ("deflate", &mut self.deflate),
            "snappy" => ("snappy", &mut self.snappy),
            "skip_lookupd_authorization" => ("skip_lookupd_authorization", &mut self.lookupd_authorization),
            _ => return Ok(false),
        };
        *field = match value {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => true,
            "0" | "f" | "F" | "FALSE" | "false" | "False" => false,
            _ => return Err(syntax(name, value, "Bool", "invalid syntax")),
        };
        Ok(true)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the ranges are checked")]
    fn set_number(&mut self, name: &str, value: &str) -> Result<bool, ConfigError> {
        match name {
            "lookupd_poll_jitter" => self.lookupd_poll_jitter = jitter(value)?,
            "max_attempts" => self.max_attempts = unsigned("max_attempts", value, u16::MAX.into())? as u16,
            "sample_rate" => self.sample_rate = integer("sample_rate", value, 0, 99)? as u8,
            "deflate_level" => self.deflate_level = integer("deflate_level", value, 1, 9)? as u8,
            "output_buffer_size" => {
                self.output_buffer_size = integer("output_buffer_size", value, i64::MIN, i64::MAX)?;
            }
            "max_in_flight" => {
                self.max_in_flight = integer("max_in_flight", value, 0, i32::MAX.into())? as u32;
            }
            "max_msg_size" => self.max_msg_size = integer("max_msg_size", value, 0, i32::MAX.into())? as u32,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Options that are times: name, range, field.
pub(super) fn times(config: &mut Config) -> [(&'static str, Duration, Option<Duration>, &mut Duration); 14] {
    let (hundred_ms, hour) = (Duration::from_millis(100), Some(60 * MINUTE));
    let (second, minutes) = (Duration::from_secs(1), Some(5 * MINUTE));
    let zero = Duration::ZERO;
    [
        ("dial_timeout", zero, None, &mut config.dial_timeout),
        ("read_timeout", hundred_ms, minutes, &mut config.read_timeout),
        ("write_timeout", hundred_ms, minutes, &mut config.write_timeout),
        ("lookupd_poll_interval", Duration::from_millis(10), minutes, &mut config.lookupd_poll_interval),
        ("lookupd_poll_timeout", zero, None, &mut config.lookupd_poll_timeout),
        ("default_requeue_delay", zero, hour, &mut config.default_requeue_delay),
        ("max_requeue_delay", zero, hour, &mut config.max_requeue_delay),
        ("max_backoff_duration", zero, hour, &mut config.max_backoff_duration),
        ("backoff_multiplier", zero, hour, &mut config.backoff_multiplier),
        ("low_rdy_idle_timeout", second, minutes, &mut config.low_rdy_idle_timeout),
        ("low_rdy_timeout", second, minutes, &mut config.low_rdy_timeout),
        (
            "rdy_redistribute_interval",
            Duration::from_millis(1),
            Some(Duration::from_secs(5)),
            &mut config.rdy_redistribute_interval,
        ),
        ("heartbeat_interval", zero, None, &mut config.heartbeat_interval),
        ("msg_timeout", zero, None, &mut config.msg_timeout),
    ]
}

pub(super) fn range(name: &'static str, value: String, relation: char, limit: String) -> ConfigError {
    ConfigError::Range { name, value, relation, limit }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn refused(name: &'static str, value: &str, cause: impl Into<String>) -> ConfigError {
    ConfigError::Value { name, value: value.to_owned(), cause: cause.into() }
}

/// In the words of Go's `strconv`.
fn syntax(name: &'static str, value: &str, kind: &str, what: &str) -> ConfigError {
    refused(name, value, format!("strconv.Parse{kind}: parsing {}: {what}", quoted(value)))
}

fn duration(name: &'static str, value: &str) -> Result<i64, ConfigError> {
    parse_ns(value).map_err(|cause| refused(name, value, cause))
}

fn integer(name: &'static str, value: &str, min: i64, max: i64) -> Result<i64, ConfigError> {
    let number: i64 = value.parse().map_err(|error| syntax(name, value, "Int", number_cause(&error)))?;
    if number < min {
        return Err(range(name, number.to_string(), '<', min.to_string()));
    }
    if max < number {
        return Err(range(name, number.to_string(), '>', max.to_string()));
    }
    Ok(number)
}

fn unsigned(name: &'static str, value: &str, max: u64) -> Result<u64, ConfigError> {
    // Go takes no sign at all here.
    let digits = if value.starts_with('+') { "" } else { value };
    let number: u64 = digits.parse().map_err(|error| syntax(name, value, "Uint", number_cause(&error)))?;
    if max < number {
        return Err(range(name, number.to_string(), '>', max.to_string()));
    }
    Ok(number)
}

fn number_cause(error: &std::num::ParseIntError) -> &'static str {
    use std::num::IntErrorKind;
    match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
        _ => "invalid syntax",
    }
}

fn jitter(value: &str) -> Result<f64, ConfigError> {
    const NAME: &str = "lookupd_poll_jitter";
    let number: f64 = value.parse().map_err(|_| syntax(NAME, value, "Float", "invalid syntax"))?;
    if number < 0.0 {
        return Err(range(NAME, number.to_string(), '<', "0".to_owned()));
    }
    // What is no number is in no range.
    if number <= 1.0 { Ok(number) } else { Err(range(NAME, number.to_string(), '>', "1".to_owned())) }
}

fn strategy(value: &str) -> Result<BackoffStrategy, ConfigError> {
    match value {
        "" | "exponential" => Ok(BackoffStrategy::Exponential),
        "full_jitter" => Ok(BackoffStrategy::FullJitter),
        _ => Err(refused("backoff_strategy", value, "it is exponential or full_jitter")),
    }
}

fn version(value: &str) -> Result<TlsMinVersion, ConfigError> {
    Ok(match value {
        "ssl3.0" => TlsMinVersion::Ssl30,
        "tls1.0" => TlsMinVersion::Tls10,
        "tls1.1" => TlsMinVersion::Tls11,
        "tls1.2" => TlsMinVersion::Tls12,
        "tls1.3" => TlsMinVersion::Tls13,
        _ => return Err(ConfigError::TlsVersion(value.to_owned())),
    })
}

/// `host:port` with a numeric host; without a host, any address.
fn address(value: &str) -> Result<SocketAddr, ConfigError> {
    const NAME: &str = "local_addr";
    let full = if value.starts_with(':') { format!("0.0.0.0{value}") } else { value.to_owned() };
    full.parse().map_err(|_| {
        let cause = if value.contains(':') {
            format!("address {value}: it is not ip:port")
        } else {
            format!("address {value}: missing port in address")
        };
        refused(NAME, value, cause)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(name: &str, value: &str, expected: &Config) {
        let mut config = Config::default();
        config.set(name, value).unwrap();
        assert_eq!(&config, expected, "{name},{value}");
    }

    #[track_caller]
    fn check_refused(name: &str, value: &str, text: &str) {
        let mut config = Config::default();
        assert_eq!(config.set(name, value).unwrap_err().to_string(), text);
        assert_eq!(config, Config::default(), "a refused value changes nothing");
    }

    /// Protects each name of the table: an option that is known by another name is not there.
    #[test]
    fn every_option_is_set_by_its_name() {
        let of = Config::default;
        let secs = Duration::from_secs;
        check("dial_timeout", "3s", &Config { dial_timeout: secs(3), ..of() });
        check("read-timeout", "3m", &Config { read_timeout: secs(180), ..of() });
        check("write_timeout", "3s", &Config { write_timeout: secs(3), ..of() });
        let local_addr = Some("127.0.0.1:0".parse().unwrap());
        check("local_addr", "127.0.0.1:0", &Config { local_addr, ..of() });
        check("lookupd_poll_interval", "3s", &Config { lookupd_poll_interval: secs(3), ..of() });
        check("lookupd_poll_jitter", "0.5", &Config { lookupd_poll_jitter: 0.5, ..of() });
        check("lookupd_poll_timeout", "3s", &Config { lookupd_poll_timeout: secs(3), ..of() });
        check("default_requeue_delay", "3s", &Config { default_requeue_delay: secs(3), ..of() });
        check("max_requeue_delay", "3s", &Config { max_requeue_delay: secs(3), ..of() });
        let backoff_strategy = BackoffStrategy::FullJitter;
        check("backoff_strategy", "full_jitter", &Config { backoff_strategy, ..of() });
        check("max_backoff_duration", "0", &Config { max_backoff_duration: secs(0), ..of() });
        check("backoff_multiplier", "3s", &Config { backoff_multiplier: secs(3), ..of() });
        check("max_attempts", "0", &Config { max_attempts: 0, ..of() });
        check("low_rdy_idle_timeout", "3s", &Config { low_rdy_idle_timeout: secs(3), ..of() });
        check("low_rdy_timeout", "3s", &Config { low_rdy_timeout: secs(3), ..of() });
        check("rdy_redistribute_interval", "3s", &Config { rdy_redistribute_interval: secs(3), ..of() });
        check("client_id", "c", &Config { client_id: "c".to_owned(), ..of() });
        check("hostname", "h", &Config { hostname: "h".to_owned(), ..of() });
        check("user_agent", "u", &Config { user_agent: "u".to_owned(), ..of() });
        check("topology_region", "r", &Config { topology_region: "r".to_owned(), ..of() });
        check("topology_zone", "z", &Config { topology_zone: "z".to_owned(), ..of() });
        check("heartbeat_interval", "3s", &Config { heartbeat_interval: secs(3), ..of() });
        check("sample_rate", "7", &Config { sample_rate: 7, ..of() });
        check("tls-v1", "true", &Config { tls_v1: true, ..of() });
        check("tls_root_ca_file", "f", &Config { tls_root_ca_file: Some("f".into()), ..of() });
        check("tls_cert", "f", &Config { tls_cert: Some("f".into()), ..of() });
        check("tls_key", "f", &Config { tls_key: Some("f".into()), ..of() });
        check("tls_insecure_skip_verify", "1", &Config { tls_insecure_skip_verify: true, ..of() });
        check("tls_min_version", "tls1.2", &Config { tls_min_version: TlsMinVersion::Tls12, ..of() });
        check("deflate", "t", &Config { deflate: true, ..of() });
        check("deflate_level", "9", &Config { deflate_level: 9, ..of() });
        check("snappy", "TRUE", &Config { snappy: true, ..of() });
        check("output_buffer_size", "-1", &Config { output_buffer_size: -1, ..of() });
        check("output_buffer_timeout", "1s", &Config { output_buffer_timeout: Some(secs(1)), ..of() });
        check("output_buffer_timeout", "-1ns", &Config { output_buffer_timeout: None, ..of() });
        check("max_in_flight", "7", &Config { max_in_flight: 7, ..of() });
        check("msg_timeout", "3s", &Config { msg_timeout: secs(3), ..of() });
        check("max_msg_size", "7", &Config { max_msg_size: 7, ..of() });
        check("auth_secret", "s", &Config { auth_secret: "s".to_owned(), ..of() });
        check("skip_lookupd_authorization", "false", &Config { lookupd_authorization: false, ..of() });
    }

    /// The texts are those of the reference's tools behind `invalid value "…" for flag -consumer-opt: `.
    #[test]
    fn what_is_refused_is_said_in_go_nsq_s_words() {
        check_refused("no-pe", "1", "invalid option no_pe");
        check_refused("read_timeout", "1ms", "invalid read_timeout ! 1ms < 100ms");
        check_refused("read_timeout", "6m", "invalid read_timeout ! 6m0s > 5m0s");
        check_refused("msg_timeout", "-1s", "invalid msg_timeout ! -1s < 0s");
        check_refused("deflate_level", "10", "invalid deflate_level ! 10 > 9");
        check_refused("sample_rate", "-1", "invalid sample_rate ! -1 < 0");
        check_refused("lookupd_poll_jitter", "2", "invalid lookupd_poll_jitter ! 2 > 1");
        check_refused("lookupd_poll_jitter", "NaN", "invalid lookupd_poll_jitter ! NaN > 1");
        check_refused("tls_min_version", "tls9", "ERROR: tls9 is not a tls version");
        check_refused(
            "read_timeout",
            "x",
            r#"failed to coerce option read_timeout (x) - time: invalid duration "x""#,
        );
        check_refused(
            "max_attempts",
            "x",
            r#"failed to coerce option max_attempts (x) - strconv.ParseUint: parsing "x": invalid syntax"#,
        );
        check_refused(
            "snappy",
            "yes",
            r#"failed to coerce option snappy (yes) - strconv.ParseBool: parsing "yes": invalid syntax"#,
        );
        check_refused(
            "sample_rate",
            "9999999999999999999",
            concat!(
                "failed to coerce option sample_rate (9999999999999999999) - strconv.ParseInt: parsing ",
                r#""9999999999999999999": value out of range"#
            ),
        );
        check_refused("max_attempts", "65536", "invalid max_attempts ! 65536 > 65535");
    }

    proptest! {
        #[test]
        fn what_is_set_is_valid(name in prop::sample::select(vec![
            "read_timeout", "write_timeout", "low_rdy_timeout", "max_attempts", "sample_rate", "deflate_level",
            "lookupd_poll_jitter", "heartbeat_interval", "output_buffer_timeout", "local_addr",
        ]), value in "-?[0-9.]{1,6}(ns|ms|s|m|h)?") {
            let mut config = Config { heartbeat_interval: Duration::from_millis(100), ..Config::default() };
            if config.set(name, &value).is_ok() && name != "heartbeat_interval" {
                prop_assert!(config.validate().is_ok(), "{name},{value}");
            }
        }
    }
}
