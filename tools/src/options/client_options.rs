//! `--consumer-opt` and `--producer-opt`: settings of the client inside.

use client::Config;
use daemon::options::{Flag, Reader, texts};

const CONSUMER_FLAG: &str = "consumer-opt";
const PRODUCER_FLAG: &str = "producer-opt";

/// `--consumer-opt`: `name,value`, or `name` for true.
pub fn consumer_options() -> Flag {
    let help = "setting of the consumer inside (may be given several times)";
    texts(CONSUMER_FLAG, help).argument("name,value").checked(check)
}

/// `--producer-opt`: `name,value`, or `name` for true.
pub fn producer_options() -> Flag {
    let help = "setting of the producer inside (may be given several times)";
    texts(PRODUCER_FLAG, help).argument("name,value").checked(check)
}

/// The client's settings with those of `--consumer-opt`, for the utility `tool`. `max_in_flight` is not among them.
pub fn consumer_config(reader: &mut Reader<'_>, tool: &str) -> Config {
    config(reader.texts(CONSUMER_FLAG), tool)
}

/// The client's settings with those of `--producer-opt`, for the utility `tool`.
pub fn producer_config(reader: &mut Reader<'_>, tool: &str) -> Config {
    config(reader.texts(PRODUCER_FLAG), tool)
}

fn config(settings: &[String], tool: &str) -> Config {
    let mut config = Config::default();
    for setting in settings {
        let (name, value) = name_and_value(setting);
        config.set(name, value).expect("each was checked when the command line was read");
    }
    config.user_agent = user_agent(tool);
    config
}

/// `nsq_tail/1.3.0 nsq-rs/0.1.0`: the utility with the version it is compatible with, and the suite with its own.
pub fn user_agent(tool: &str) -> String {
    let (compatible, release) = (daemon::version::COMPATIBLE, daemon::version::RELEASE);
    format!("{tool}/{compatible} nsq-rs/{release}")
}

fn check(setting: &str) -> Result<(), String> {
    let (name, value) = name_and_value(setting);
    Config::default().set(name, value).map_err(|error| error.to_string())
}

/// The two parts of `name,value`. A name alone is one of a boolean, which is switched on.
fn name_and_value(setting: &str) -> (&str, &str) {
    setting.split_once(',').unwrap_or((setting, "true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_means_true() {
        assert_eq!(name_and_value("tls_v1"), ("tls_v1", "true"));
        assert_eq!(name_and_value("max_attempts,0"), ("max_attempts", "0"));
        assert_eq!(name_and_value("auth_secret,a,b"), ("auth_secret", "a,b"));
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        assert_eq!(check("nope,1").unwrap_err(), "invalid option nope");
    }
}
