//! What is checked before a consumer or a producer is made: fields may also be set without [`Config::set`].

use super::{
    Config, ConfigError,
    duration::format,
    set::{range, times},
};

impl Config {
    /// Checks ranges, and what depends on each other. Files are read where a consumer or producer is made.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_ranges()?;
        if self.read_timeout < self.heartbeat_interval {
            return Err(ConfigError::Heartbeat {
                heartbeat_interval: format(self.heartbeat_interval),
                read_timeout: format(self.read_timeout),
            });
        }
        if self.snappy && self.deflate {
            return Err(ConfigError::Both { first: "snappy", second: "deflate" });
        }
        match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => Err(ConfigError::Missing { given: "tls_cert", missing: "tls_key" }),
            (None, Some(_)) => Err(ConfigError::Missing { given: "tls_key", missing: "tls_cert" }),
            _ => Ok(()),
        }
    }

    fn validate_ranges(&self) -> Result<(), ConfigError> {
        let mut copy = self.clone();
        for (name, min, max, value) in times(&mut copy) {
            if *value < min {
                return Err(range(name, format(*value), '<', format(min)));
            }
            if let Some(max) = max.filter(|max| max < value) {
                return Err(range(name, format(*value), '>', format(max)));
            }
        }
        let jitter = self.lookupd_poll_jitter;
        if !(0.0..=1.0).contains(&jitter) {
            let (relation, limit) = if jitter < 0.0 { ('<', "0") } else { ('>', "1") };
            return Err(range("lookupd_poll_jitter", jitter.to_string(), relation, limit.to_owned()));
        }
        if 99 < self.sample_rate {
            return Err(range("sample_rate", self.sample_rate.to_string(), '>', "99".to_owned()));
        }
        if self.deflate_level < 1 {
            return Err(range("deflate_level", self.deflate_level.to_string(), '<', "1".to_owned()));
        }
        if 9 < self.deflate_level {
            return Err(range("deflate_level", self.deflate_level.to_string(), '>', "9".to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn check_refused(config: &Config, text: &str) {
        assert_eq!(config.validate().unwrap_err().to_string(), text);
    }

    #[test]
    fn defaults_are_valid() {
        assert!(Config::default().validate().is_ok());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let of = Config::default;
        let heartbeat_interval = Duration::from_secs(61);
        let text = "HeartbeatInterval 1m1s must be less than ReadTimeout 1m0s";
        check_refused(&Config { heartbeat_interval, ..of() }, text);
        let text = "snappy and deflate cannot be had together; choose one";
        check_refused(&Config { snappy: true, deflate: true, ..of() }, text);
        let text = "tls_cert is given and tls_key is missing";
        check_refused(&Config { tls_cert: Some("c".into()), ..of() }, text);
        let read_timeout = Duration::from_millis(1);
        check_refused(&Config { read_timeout, ..of() }, "invalid read_timeout ! 1ms < 100ms");
        check_refused(&Config { deflate_level: 0, ..of() }, "invalid deflate_level ! 0 < 1");
        check_refused(
            &Config { lookupd_poll_jitter: f64::NAN, ..of() },
            "invalid lookupd_poll_jitter ! NaN > 1",
        );
    }
}
