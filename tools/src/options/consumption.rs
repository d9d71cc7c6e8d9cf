//! What the utilities that consume have in common.

use client::{ChannelName, Config, Source, TopicName};
use daemon::options::{Flag, Reader, Refused, int, text};

use super::{Sources, consumer_config};

const GIVEN_UP_FLAG: &str = "given-up-topic";
const MAX_IN_FLIGHT_FLAG: &str = "max-in-flight";

/// The name of the flag of fixed nsqds.
pub const NSQD_TCP_FLAG: &str = "nsqd-tcp-address";

/// `--max-in-flight`.
pub fn max_in_flight_flag() -> Flag {
    int(MAX_IN_FLIGHT_FLAG, 200, "messages that are held at a time, for each topic")
}

/// `--given-up-topic`.
pub fn given_up_flag() -> Flag {
    text(GIVEN_UP_FLAG, "", "topic, of the same nsqd, for messages that came more than max_attempts times")
        .default_note("they are dropped")
}

/// Reads `--given-up-topic`, and has `config` deliver such messages if it is given.
///
/// # Errors
/// If it is no name of a topic.
pub fn given_up_topic(reader: &mut Reader<'_>, config: &mut Config) -> Result<Option<TopicName>, Refused> {
    match reader.text(GIVEN_UP_FLAG) {
        "" => Ok(None),
        topic => {
            config.deliver_given_up = true;
            topic_name(topic, "--given-up-topic is invalid").map(Some)
        }
    }
}

/// Settings of the consumers: `--consumer-opt` and `--max-in-flight`. To be called when the other checks have passed.
///
/// # Errors
/// In the client library's words.
pub fn consuming(reader: &mut Reader<'_>, tool: &str) -> Result<Config, Refused> {
    let mut config = consumer_config(reader, tool);
    let given = reader.int::<i64>(MAX_IN_FLIGHT_FLAG, i64::MIN..=i64::from(u32::MAX))?;
    config.max_in_flight =
        u32::try_from(given).map_err(|_| Refused::new(format!("invalid MaxInFlight ! {given} < 0")))?;
    Ok(config)
}

impl Sources {
    /// As a consumer takes them.
    pub fn of_consumer(&self) -> Source {
        if self.lookupds.is_empty() {
            Source::Nsqds(self.nsqds.clone())
        } else {
            Source::Lookupds(self.lookupds.clone())
        }
    }
}

/// A topic's name.
///
/// # Errors
/// `text`, if it is none.
pub fn topic_name(name: &str, text: &str) -> Result<TopicName, Refused> {
    TopicName::parse(name.as_bytes()).map_err(|_| Refused::new(text))
}

/// A channel's name.
///
/// # Errors
/// `text`, if it is none.
pub fn channel_name(name: &str, text: &str) -> Result<ChannelName, Refused> {
    ChannelName::parse(name.as_bytes()).map_err(|_| Refused::new(text))
}
