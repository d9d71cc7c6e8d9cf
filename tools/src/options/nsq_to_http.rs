//! The flags of `nsq_to_http`.

use std::ffi::OsString;
use std::time::Duration;

use client::{ChannelName, Config, TopicName};
use daemon::options::{Group, Positional, Program, Refused, Settings, Stop, choice, float, int, text, texts};

use super::consumption::{
    NSQD_TCP_FLAG, channel_name, consuming, given_up_flag, given_up_topic, max_in_flight_flag, topic_name,
};
use super::nsq_to_nsq::status_every;
use super::{Sources, Timeouts, consumer_options, source_flags, timeout_flags};
use crate::balance::{Mode, ONE_OR_ALL};

/// The type of a POST's body if nobody says otherwise.
const CONTENT_TYPE: &str = "application/octet-stream";

/// What `nsq_to_http` was told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The topic.
    pub topic: TopicName,
    /// Its channel.
    pub channel: ChannelName,
    /// Where messages come from.
    pub sources: Sources,
    /// Where they go.
    pub addresses: Addresses,
    /// Names and values, as they were given, without blanks around them.
    pub headers: Vec<(String, String)>,
    /// Which address gets a message.
    pub mode: Mode,
    /// The share of messages that are sent, 0 to 1.
    pub sample: f64,
    /// Requests at a time.
    pub concurrency: usize,
    /// Limits of requests.
    pub timeouts: Timeouts,
    /// Requests between two lines of timings; 0 for none.
    pub status_every: usize,
    /// Where messages go that are given up.
    pub given_up_topic: Option<TopicName>,
    /// Settings of the consumer.
    pub consumer: Config,
    /// To be said once the log is there.
    pub warnings: Vec<String>,
}

/// How messages are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addresses {
    /// As the body of a POST to one of these URLs.
    Post {
        /// The URLs.
        urls: Vec<String>,
        /// The body's type.
        content_type: String,
    },
    /// In the URL of a GET.
    Get(Vec<GetAddress>),
}

/// An address of `--get`, with the place for the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetAddress {
    /// As it was given.
    pub given: String,
    /// What stands before the message.
    pub before: String,
    /// What stands behind it.
    pub behind: String,
}

/// The table.
pub fn program() -> Program {
    let [nsqd, lookupd] = source_flags(NSQD_TCP_FLAG);
    let [connect, request] = timeout_flags(Duration::from_secs(20));
    Program::utility(
        "nsq_to_http",
        Positional::Ignored,
        vec![
            Group::new(
                "Where from",
                vec![
                    text("topic", "", "topic"),
                    text("channel", "nsq_to_http", "channel"),
                    nsqd,
                    lookupd,
                    max_in_flight_flag(),
                    consumer_options(),
                    given_up_flag(),
                    float("sample", 1.0, "share of the messages that are sent, 0 to 1"),
                ],
            ),
            Group::new(
                "Where to",
                vec![
                    texts("post", "URL for POST, the message being the body (may be given several times)")
                        .argument("url"),
                    texts(
                        "get",
                        "URL for GET with one %s for the message and %% for a percent sign (may be given several times)",
                    )
                    .argument("url"),
                    text("content-type", CONTENT_TYPE, "type of the body of a POST"),
                    texts("header", "further header, `Name: value` (may be given several times)")
                        .argument("header"),
                    choice(
                        "mode",
                        &ONE_OR_ALL,
                        "hostpool",
                        "which URL gets a message: round-robin, hostpool, epsilon-greedy, all",
                    ),
                    int("n", 100, "requests at a time"),
                    connect,
                    request,
                    int("status-every", 250, "requests between two lines of timings; none with 0"),
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
        let headers = reader.texts("header").iter().map(|header| header_of(header));
        let headers = headers.collect::<Option<Vec<_>>>();
        let headers = headers.ok_or_else(|| Refused::new("--header value format should be 'key=value'"))?;
        let (topic, channel) = (reader.text("topic"), reader.text("channel"));
        if topic.is_empty() || channel.is_empty() {
            return Err(Refused::new("--topic and --channel are required"));
        }
        let (gets, posts) = (reader.texts("get"), reader.texts("post"));
        let content_type = reader.text("content-type");
        if content_type != CONTENT_TYPE {
            if posts.is_empty() {
                return Err(Refused::new("--content-type only used with --post"));
            }
            if content_type.is_empty() {
                return Err(Refused::new("--content-type requires a value when used"));
            }
        }
        let sources = Sources::read(&mut reader, NSQD_TCP_FLAG);
        sources.check()?;
        let addresses = addresses(gets, posts, content_type)?;
        let sample = reader.float("sample");
        if !(0.0..=1.0).contains(&sample) {
            return Err(Refused::new("ERROR: --sample must be between 0.0 and 1.0"));
        }
        let topic = topic_name(topic, "invalid topic name")?;
        let channel = channel_name(channel, "invalid channel name")?;
        let mut consumer = consuming(&mut reader, "nsq_to_http")?;
        let given_up_topic = given_up_topic(&mut reader, &mut consumer)?;
        let concurrency = usize::try_from(reader.int::<i64>("n", i64::MIN..=1 << 20)?).unwrap_or(0);
        if concurrency == 0 {
            return Err(Refused::new("no handlers"));
        }
        let options = Self {
            topic,
            channel,
            sources,
            addresses,
            headers,
            mode: Mode::from_number(reader.choice("mode")).expect("the choice is one of the table"),
            sample,
            concurrency,
            timeouts: Timeouts::read(&mut reader)?,
            status_every: status_every(reader.int("status-every", i64::MIN..=i64::MAX)?),
            given_up_topic,
            consumer,
            warnings,
        };
        reader.finish();
        Ok(options)
    }
}

/// Name and value, neither of them empty.
fn header_of(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once(':')?;
    let (name, value) = (name.trim(), value.trim());
    (!name.is_empty() && !value.is_empty()).then(|| (name.to_owned(), value.to_owned()))
}

fn addresses(gets: &[String], posts: &[String], content_type: &str) -> Result<Addresses, Refused> {
    match (gets, posts) {
        ([], []) => Err(Refused::new("--get or --post required")),
        ([], urls) => Ok(Addresses::Post { urls: urls.to_vec(), content_type: content_type.to_owned() }),
        (gets, []) => {
            let gets = gets.iter().map(|get| get_address(get)).collect::<Option<Vec<_>>>();
            let gets = gets.ok_or_else(|| Refused::new("invalid GET address - must be a printf string"));
            gets.map(Addresses::Get)
        }
        _ => Err(Refused::new("use --get or --post not both")),
    }
}

/// Reads a printf format that has one `%s`, any number of `%%`, and no other verbs.
fn get_address(given: &str) -> Option<GetAddress> {
    let mut before = None;
    let mut part = String::new();
    let mut letters = given.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '%' => match letters.next()? {
                '%' => part.push('%'),
                's' if before.is_none() => before = Some(std::mem::take(&mut part)),
                _ => return None,
            },
            letter => part.push(letter),
        }
    }
    before.map(|before| GetAddress { given: given.to_owned(), before, behind: part })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_get_address_is_a_format_with_one_place() {
        let check = |given: &str, expected: Option<(&str, &str)>| {
            let address = get_address(given);
            let parts = address.as_ref().map(|address| (address.before.as_str(), address.behind.as_str()));
            assert_eq!(parts, expected, "{given}");
        };
        check("http://h/g?d=%s&pct=%%20", Some(("http://h/g?d=", "&pct=%20")));
        check("%s", Some(("", "")));
        check("%%%s", Some(("%", "")));
        check("http://h/", None);
        check("%s%s", None);
        check("%%s", None);
        check("%s%20", None);
        check("%s%", None);
    }

    #[test]
    fn a_header_has_two_parts() {
        assert_eq!(header_of(" A : b:c "), Some(("A".to_owned(), "b:c".to_owned())));
        for text in ["A", "A:", ":b", "", ": "] {
            assert_eq!(header_of(text), None, "{text}");
        }
    }
}
