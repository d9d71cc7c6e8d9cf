//! The flags of `nsq_tail`.

use std::ffi::OsString;
use std::time::Duration;

use client::{ChannelName, Config, TopicName};
use daemon::options::{
    Choice, Group, Positional, Program, Refused, Settings, Stop, boolean, choice, int, text, texts,
};

use super::consumption::{NSQD_TCP_FLAG, channel_name, consuming, max_in_flight_flag, topic_name};
use super::{Sources, consumer_options, source_flags};

/// How long nsqds and nsqlookupds may take to prepare a replay.
const REPLAY_TIMEOUT: Duration = Duration::from_secs(5);

/// What `nsq_tail` was told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The topics, as they were given.
    pub topics: Vec<TopicName>,
    /// The channel of all of them.
    pub channel: ChannelName,
    /// Messages to show, over all topics; for ever without.
    pub count: Option<u64>,
    /// Whether a line begins with the topic.
    pub print_topic: bool,
    /// How a message is written.
    pub format: Format,
    /// Where messages come from.
    pub sources: Sources,
    /// Where a new channel begins.
    pub replay: Option<Replay>,
    /// Settings of the consumers.
    pub consumer: Config,
    /// To be said once the log is there.
    pub warnings: Vec<String>,
}

/// Where the channel begins if it is new, on nsqds of this project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// `earliest`, a time as in RFC 3339, or a seq; nsqd judges it.
    pub from: String,
    /// Fixed nsqds, over HTTP. With nsqlookupds, these tell.
    pub nsqds: Vec<String>,
    /// For each request.
    pub timeout: Duration,
}

/// A word of `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The body as it is.
    Text,
    /// The body in hexadecimal digits.
    Hex,
    /// An object with the body and what is known of the message.
    Json,
}

const FORMATS: [(&str, Format); 3] = [("text", Format::Text), ("hex", Format::Hex), ("json", Format::Json)];

static FORMAT: Choice = Choice {
    is_boolean: false,
    parse: |word| {
        let index = FORMATS.iter().position(|(name, _)| *name == word);
        index
            .and_then(|index| i64::try_from(index).ok())
            .ok_or_else(|| "must be text, hex or json".to_owned())
    },
};

/// The table.
pub fn program() -> Program {
    let [nsqd, lookupd] = source_flags(NSQD_TCP_FLAG);
    Program::utility(
        "nsq_tail",
        Positional::Ignored,
        vec![
            Group::new(
                "What to show",
                vec![
                    texts("topic", "topic (may be given several times)"),
                    text("channel", "", "channel of all topics").default_note("tailNNNNNN#ephemeral"),
                    nsqd,
                    lookupd,
                    int("n", 0, "messages to show, over all topics; no end with 0"),
                    max_in_flight_flag(),
                    consumer_options(),
                ],
            ),
            Group::new(
                "Replay (nsqds of this project)",
                vec![
                    text("from", "", "where a new channel begins: earliest, a time (RFC 3339), or a seq")
                        .argument("position"),
                    texts(
                        "nsqd-http-address",
                        "nsqd over HTTP, for --from with fixed nsqds (may be given several times)",
                    )
                    .argument("host:port"),
                ],
            ),
            Group::new(
                "Output",
                vec![
                    boolean("print-topic", false, "begin each line with the topic"),
                    choice("format", &FORMAT, "text", "how a message is written: text, hex, json"),
                ],
            ),
        ],
    )
}

impl Options {
    /// Reads and checks the command line behind the program's name. `random` makes the channel's name.
    ///
    /// # Errors
    /// [`Stop`] if there is nothing to run.
    pub fn load(args: impl IntoIterator<Item = OsString>, random: u32) -> Result<Self, Stop> {
        let program = program();
        let loaded = program.load(args)?;
        Self::read(&loaded.settings, loaded.warnings, random).map_err(|refused| program.refuse(refused))
    }

    fn read(settings: &Settings, warnings: Vec<String>, random: u32) -> Result<Self, Refused> {
        let mut reader = settings.reader();
        let sources = Sources::read(&mut reader, NSQD_TCP_FLAG);
        sources.check()?;
        let topics = reader.texts("topic");
        if topics.is_empty() {
            return Err(Refused::new("--topic required"));
        }
        let topics = topics.iter().map(|topic| topic_name(topic, "invalid topic name"));
        let topics = topics.collect::<Result<Vec<_>, _>>()?;
        let channel = match reader.text("channel") {
            "" => format!("tail{:06}#ephemeral", random % 1_000_000),
            given => given.to_owned(),
        };
        let channel = channel_name(&channel, "invalid channel name")?;
        let count = reader.int::<i64>("n", i64::MIN..=i64::MAX)?;
        let count = u64::try_from(count).ok().filter(|count| *count != 0);
        let replay = replay(reader.text("from"), reader.texts("nsqd-http-address"), &sources)?;
        let format = usize::try_from(reader.choice("format")).ok().and_then(|index| FORMATS.get(index));
        let (_, format) = *format.expect("the choice is one of the table");
        let print_topic = reader.boolean("print-topic");
        let mut consumer = consuming(&mut reader, "nsq_tail")?;
        if let Some(count) = count {
            // No more than will be shown.
            consumer.max_in_flight = consumer.max_in_flight.min(u32::try_from(count).unwrap_or(u32::MAX));
        }
        reader.finish();
        Ok(Self { topics, channel, count, print_topic, format, sources, replay, consumer, warnings })
    }
}

fn replay(from: &str, nsqds: &[String], sources: &Sources) -> Result<Option<Replay>, Refused> {
    if from.is_empty() {
        return match nsqds {
            [] => Ok(None),
            _ => Err(Refused::new("--nsqd-http-address only used with --from")),
        };
    }
    if !sources.nsqds.is_empty() && nsqds.is_empty() {
        return Err(Refused::new("--from with --nsqd-tcp-address needs --nsqd-http-address"));
    }
    Ok(Some(Replay { from: from.to_owned(), nsqds: nsqds.to_vec(), timeout: REPLAY_TIMEOUT }))
}
