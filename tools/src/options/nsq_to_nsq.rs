//! The flags of `nsq_to_nsq`.

use std::ffi::OsString;

use client::{ChannelName, Config, TopicName};
use daemon::options::{Group, Positional, Program, Refused, Settings, Stop, choice, int, text, texts};

use super::consumption::{
    NSQD_TCP_FLAG, channel_name, consuming, given_up_flag, given_up_topic, max_in_flight_flag, topic_name,
};
use super::{Sources, consumer_options, producer_config, producer_options, source_flags};
use crate::balance::{Mode, ONE};

/// What `nsq_to_nsq` was told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The topics.
    pub topics: Vec<TopicName>,
    /// The channel of all of them.
    pub channel: ChannelName,
    /// Where messages come from.
    pub sources: Sources,
    /// Where they go; no address twice.
    pub destinations: Vec<String>,
    /// The topic there, if it is not the same.
    pub destination_topic: Option<TopicName>,
    /// Which of them gets a message.
    pub mode: Mode,
    /// Requests between two lines of timings; 0 for none.
    pub status_every: usize,
    /// Filters; empty for none.
    pub require_json_field: String,
    /// The value that field must have; empty for any.
    pub require_json_value: String,
    /// The fields that are passed on; none for all.
    pub whitelist_json_fields: Vec<String>,
    /// Where messages go that are given up.
    pub given_up_topic: Option<TopicName>,
    /// Settings of the consumers.
    pub consumer: Config,
    /// Settings of the producers.
    pub producer: Config,
    /// To be said once the log is there.
    pub warnings: Vec<String>,
}

/// The table.
pub fn program() -> Program {
    let [nsqd, lookupd] = source_flags(NSQD_TCP_FLAG);
    Program::utility(
        "nsq_to_nsq",
        Positional::Ignored,
        vec![
            Group::new(
                "Where from",
                vec![
                    texts("topic", "topic (may be given several times)"),
                    text("channel", "nsq_to_nsq", "channel of all topics"),
                    nsqd,
                    lookupd,
                    max_in_flight_flag(),
                    consumer_options(),
                    given_up_flag(),
                ],
            ),
            Group::new(
                "Where to",
                vec![
                    texts("destination-nsqd-tcp-address", "nsqd to publish to (may be given several times)")
                        .argument("host:port"),
                    text("destination-topic", "", "topic there").default_note("the topic it came from"),
                    choice(
                        "mode",
                        &ONE,
                        "hostpool",
                        "which nsqd gets a message: round-robin, hostpool, epsilon-greedy",
                    ),
                    producer_options(),
                    int("status-every", 250, "publishes between two lines of timings; none with 0"),
                ],
            ),
            Group::new(
                "JSON",
                vec![
                    text("require-json-field", "", "pass only objects that have this field").argument("name"),
                    text("require-json-value", "", "... and this value in it").argument("value"),
                    texts("whitelist-json-field", "pass on this field only (may be given several times)")
                        .argument("name"),
                ],
            ),
        ],
    )
}

impl Options {
    /// Reads and checks the command line behind the program's name.
    ///
    /// # Errors
    /// [`Stop`] if there is nothing to run.
    pub fn load(args: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        let program = program();
        let loaded = program.load(args)?;
        Self::read(&loaded.settings, loaded.warnings).map_err(|refused| program.refuse(refused))
    }

    fn read(settings: &Settings, warnings: Vec<String>) -> Result<Self, Refused> {
        let mut reader = settings.reader();
        let (topics, channel) = (reader.texts("topic"), reader.text("channel"));
        if topics.is_empty() || channel.is_empty() {
            return Err(Refused::new("--topic and --channel are required"));
        }
        let topics = topics.iter().map(|topic| topic_name(topic, "--topic is invalid"));
        let topics = topics.collect::<Result<Vec<_>, _>>()?;
        let destination_topic = match reader.text("destination-topic") {
            "" => None,
            topic => Some(topic_name(topic, "--destination-topic is invalid")?),
        };
        let channel = channel_name(channel, "--channel is invalid")?;
        let sources = Sources::read(&mut reader, NSQD_TCP_FLAG);
        sources.check()?;
        let mut destinations: Vec<String> = Vec::new();
        for address in reader.texts("destination-nsqd-tcp-address") {
            if !destinations.contains(address) {
                destinations.push(address.clone());
            }
        }
        if destinations.is_empty() {
            return Err(Refused::new("--destination-nsqd-tcp-address required"));
        }
        let mode = Mode::from_number(reader.choice("mode")).expect("the choice is one of the table");
        let mut consumer = consuming(&mut reader, "nsq_to_nsq")?;
        let given_up_topic = given_up_topic(&mut reader, &mut consumer)?;
        let options = Self {
            topics,
            channel,
            sources,
            destinations,
            destination_topic,
            mode,
            status_every: status_every(reader.int("status-every", i64::MIN..=i64::MAX)?),
            require_json_field: reader.text("require-json-field").to_owned(),
            require_json_value: reader.text("require-json-value").to_owned(),
            whitelist_json_fields: reader.texts("whitelist-json-field").to_vec(),
            producer: producer_config(&mut reader, "nsq_to_nsq"),
            given_up_topic,
            consumer,
            warnings,
        };
        reader.finish();
        Ok(options)
    }
}

/// 0 and below mean never.
pub(super) fn status_every(given: i64) -> usize {
    usize::try_from(given).unwrap_or(0)
}
