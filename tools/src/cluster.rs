//! What nsqlookupds and nsqds say about topics, asked over HTTP.
//!
//! Several are asked at once. Those that fail are reported beside what the others said; only if all fail there is no answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};
use std::net::Ipv6Addr;

use daemon::ask::{AskError, AskSettings, Asker, AskerError};
use daemon::tls::MinVersion;
use reqwest::{StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use tokio::task::JoinSet;

use crate::options::Timeouts;

/// Bytes of an answer: the statistics of an nsqd with 100,000 channels.
const ANSWER_BYTES_MAX: usize = 64 << 20;

const LOOKUP_PATH: &str = "/lookup";

/// Servers that are asked at a time.
const ASKED_AT_ONCE_MAX: usize = 32;

/// Asks nsqlookupds and nsqds.
#[derive(Debug, Clone)]
pub struct Cluster {
    asker: Asker,
}

/// What those said that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partial<T> {
    /// All that they said.
    pub found: T,
    /// Those that did not.
    pub failures: Vec<Failure>,
}

/// A server that is of no help.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// `nsqd 127.0.0.1:4151`.
    pub server: String,
    /// Why.
    pub cause: String,
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.server, self.cause)
    }
}

/// Nobody answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to query any {kind}: {}", Lines(.failures))]
pub struct NoAnswer {
    /// `nsqlookupd`, `nsqd`.
    kind: &'static str,
    failures: Vec<Failure>,
}

struct Lines<'a>(&'a [Failure]);

impl Display for Lines<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Failure::to_string).collect();
        f.write_str(&lines.join("; "))
    }
}

/// Why one server is of no help.
#[derive(Debug, thiserror::Error)]
enum QueryError {
    #[error("is not an address of the form host:port")]
    Address,
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("the answer is not the JSON that was expected: {0}")]
    Json(#[from] serde_json::Error),
}

#[derive(Default, Deserialize)]
struct Topics {
    #[serde(default, deserialize_with = "null_is_empty")]
    topics: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Lookup {
    #[serde(default, deserialize_with = "null_is_empty")]
    producers: Vec<Producer>,
}

#[derive(Deserialize)]
struct Producer {
    broadcast_address: String,
    http_port: u16,
}

/// The statistics of an nsqd, as far as utilities read them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct NsqdStats {
    /// Those that were asked for.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub topics: Vec<TopicStats>,
}

/// A topic's part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct TopicStats {
    /// The topic.
    pub topic_name: String,
    /// Its channels, those that were asked for.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub channels: Vec<ChannelStats>,
}

/// A channel's part. Numbers that an older nsqd does not tell are 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ChannelStats {
    /// The channel.
    pub channel_name: String,
    /// Messages that wait.
    pub depth: i64,
    /// Those of them that are not in memory.
    pub backend_depth: i64,
    /// Messages at consumers.
    pub in_flight_count: i64,
    /// Messages whose time has not come.
    pub deferred_count: i64,
    /// REQs since the nsqd began.
    pub requeue_count: i64,
    /// Timeouts since the nsqd began.
    pub timeout_count: i64,
    /// Messages since the nsqd began.
    pub message_count: i64,
    /// Consumers.
    pub client_count: i64,
    /// Whether deliveries are paused.
    pub paused: bool,
}

/// NSQ writes a list without entries as `null`, at times.
fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Option::<Vec<T>>::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Cluster {
    /// With the limits of the options.
    ///
    /// # Errors
    /// [`AskerError`]
    pub fn new(timeouts: Timeouts, user_agent: impl Into<String>) -> Result<Self, AskerError> {
        let asker = Asker::new(&AskSettings {
            connect_timeout: timeouts.connect,
            request_timeout: timeouts.request,
            user_agent: user_agent.into(),
            answer_bytes_max: ANSWER_BYTES_MAX,
            root_ca: None,
            min_version: MinVersion::Tls12,
            is_https: false,
        })?;
        Ok(Self { asker })
    }

    /// All topics that the nsqlookupds know, sorted.
    ///
    /// # Errors
    /// If none answered.
    pub async fn topics(&self, lookupds: &[String]) -> Result<Partial<BTreeSet<String>>, NoAnswer> {
        let answers = self.ask_all::<Topics>("nsqlookupd", lookupds, "/topics", &[]).await?;
        Ok(answers.map(|answers| answers.into_values().flat_map(|answer| answer.topics).collect()))
    }

    /// The HTTP addresses of the nsqds that have the topic, as the nsqlookupds know them, sorted.
    ///
    /// # Errors
    /// If none answered. An nsqlookupd that does not know the topic has answered.
    pub async fn producers(
        &self,
        lookupds: &[String],
        topic: &str,
    ) -> Result<Partial<BTreeSet<String>>, NoAnswer> {
        let answers =
            self.ask_all::<Lookup>("nsqlookupd", lookupds, LOOKUP_PATH, &[("topic", topic)]).await?;
        Ok(answers.map(|answers| {
            let producers = answers.into_values().flat_map(|answer| answer.producers);
            producers.map(|producer| join(&producer.broadcast_address, producer.http_port)).collect()
        }))
    }

    /// The statistics of a topic, or, unless it is empty, of one channel of it, by the nsqd's address. Clients are left out.
    ///
    /// # Errors
    /// If no nsqd answered.
    pub async fn stats(
        &self,
        nsqds: &[String],
        topic: &str,
        channel: &str,
    ) -> Result<Partial<BTreeMap<String, NsqdStats>>, NoAnswer> {
        let mut query = vec![
            ("format", "json"),
            ("topic", topic),
            ("include_clients", "false"),
            ("include_mem", "false"),
        ];
        if !channel.is_empty() {
            query.push(("channel", channel));
        }
        self.ask_all("nsqd", nsqds, "/stats", &query).await
    }

    /// Makes a channel that begins at `from` on every nsqd, unless it is there already. An nsqd that does not know the topic
    /// has nothing to begin at, and is passed over.
    ///
    /// # Errors
    /// Those that did not do it.
    pub async fn create_channel_from(
        &self,
        nsqds: &[String],
        topic: &str,
        channel: &str,
        from: &str,
    ) -> Result<(), NoAnswer> {
        let query = [("topic", topic), ("channel", channel), ("from", from)];
        let mut failures = Vec::new();
        for address in nsqds {
            let done = match url(address, "/channel/create", &query) {
                Ok(url) => self.asker.ask(&url, Some("")).await.map_err(QueryError::from),
                Err(error) => Err(error),
            };
            match done {
                Ok(_) | Err(QueryError::Ask(AskError::Status(StatusCode::NOT_FOUND))) => {}
                Err(error) => {
                    failures.push(Failure { server: format!("nsqd {address}"), cause: error.to_string() });
                }
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(NoAnswer { kind: "nsqd", failures }) }
    }

    async fn ask_all<T>(
        &self,
        kind: &'static str,
        addresses: &[String],
        path: &'static str,
        query: &[(&str, &str)],
    ) -> Result<Partial<BTreeMap<String, T>>, NoAnswer>
    where
        T: DeserializeOwned + Default + Send + 'static,
    {
        let mut found = BTreeMap::new();
        let mut failures = Vec::new();
        for batch in addresses.chunks(ASKED_AT_ONCE_MAX) {
            let mut questions = JoinSet::new();
            for address in batch {
                let (asker, address) = (self.asker.clone(), address.clone());
                let url = url(&address, path, query);
                questions.spawn(async move { (address, ask::<T>(&asker, url, path).await) });
            }
            for (address, answer) in questions.join_all().await {
                match answer {
                    Ok(answer) => _ = found.insert(address, answer),
                    Err(error) => {
                        let server = format!("{kind} {address}");
                        failures.push(Failure { server, cause: error.to_string() });
                    }
                }
            }
        }
        failures.sort_unstable();
        if found.is_empty() { Err(NoAnswer { kind, failures }) } else { Ok(Partial { found, failures }) }
    }
}

impl<T> Partial<T> {
    fn map<U>(self, f: impl FnOnce(T) -> U) -> Partial<U> {
        Partial { found: f(self.found), failures: self.failures }
    }
}

async fn ask<T>(asker: &Asker, url: Result<Url, QueryError>, path: &str) -> Result<T, QueryError>
where
    T: DeserializeOwned + Default,
{
    match asker.ask(&url?, None).await {
        Ok(body) => Ok(serde_json::from_slice(&body)?),
        // An nsqlookupd that does not know the topic.
        Err(AskError::Status(StatusCode::NOT_FOUND)) if path == LOOKUP_PATH => Ok(T::default()),
        Err(error) => Err(error.into()),
    }
}

/// The address is `host:port`, or a URL whose path, if it has one, stands in for `path`.
fn url(address: &str, path: &str, query: &[(&str, &str)]) -> Result<Url, QueryError> {
    let text = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let mut url = Url::parse(&text).map_err(|_| QueryError::Address)?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(QueryError::Address);
    }
    if matches!(url.path(), "" | "/") {
        url.set_path(path);
    }
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ok(url)
}

/// `host:port`, with brackets around an IPv6 address.
fn join(host: &str, port: u16) -> String {
    if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_becomes_a_url() {
        let query = [("topic", "a#ephemeral")];
        let check = |address: &str, expected: Option<&str>| {
            let url = url(address, LOOKUP_PATH, &query).ok();
            assert_eq!(url.as_ref().map(Url::as_str), expected, "{address}");
        };
        check("127.0.0.1:4161", Some("http://127.0.0.1:4161/lookup?topic=a%23ephemeral"));
        check("[::1]:4161", Some("http://[::1]:4161/lookup?topic=a%23ephemeral"));
        check("https://h/nsq/lookup", Some("https://h/nsq/lookup?topic=a%23ephemeral"));
        check("http://h:1", Some("http://h:1/lookup?topic=a%23ephemeral"));
        check("ftp://h:1", None);
        check("a b", None);
        check("h:99999", None);
        check("", None);
    }

    #[test]
    fn a_list_may_be_null() {
        let stats: NsqdStats = serde_json::from_str(r#"{"version":"1.3.0","topics":null}"#).unwrap();
        assert_eq!(stats, NsqdStats::default());
        let stats: NsqdStats =
            serde_json::from_str(r#"{"topics":[{"topic_name":"t","channels":null}]}"#).unwrap();
        assert_eq!(stats.topics[0].channels, []);
        assert!(serde_json::from_str::<NsqdStats>(r#"{"topics":3}"#).is_err());
    }

    #[test]
    fn an_ipv6_host_is_put_into_brackets() {
        assert_eq!(join("::1", 4151), "[::1]:4151");
        assert_eq!(join("h", 4151), "h:4151");
    }
}
