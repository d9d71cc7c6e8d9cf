//! Asking every server for all that it knows, to look at each answer by itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use reqwest::StatusCode;
use tokio::task::JoinSet;

use super::{
    documents::{ChannelList, ClientStats, NodeList, Producer, Stats, TopicList},
    node::{NodeName, host_port},
    upstream::{QueryError, Upstream},
    view::View,
};

/// The consumers at a node, and how that is called.
pub(crate) type NodeClients = (String, Vec<ClientStats>);

/// Consumers, by topic and channel.
pub(crate) type ChannelClients = BTreeMap<(String, String), Vec<NodeClients>>;

/// A channel whose consumers are asked for.
#[derive(Debug)]
pub(crate) struct ChannelPlace {
    pub(crate) topic: String,
    pub(crate) channel: String,
    /// The nodes that have it: how they are called, and where they are asked.
    pub(crate) nodes: Vec<(String, String)>,
}

/// What all servers said, each for itself.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// In the order of the options; none: the nsqds are given by options.
    pub(crate) lookupds: Vec<LookupdSaid>,
    /// By address.
    pub(crate) nodes: Vec<NodeSaid>,
    /// Of the channels that were asked for.
    pub(crate) clients: ChannelClients,
    /// Channels that nsqlookupds know of, by topic, of the topics that were asked for.
    pub(crate) reserved: BTreeMap<String, BTreeSet<String>>,
}

/// What an nsqlookupd said.
#[derive(Debug)]
pub(crate) struct LookupdSaid {
    pub(crate) address: String,
    /// Or why it did not.
    pub(crate) said: Result<LookupdKnows, String>,
}

/// What an nsqlookupd knows.
#[derive(Debug, Default)]
pub(crate) struct LookupdKnows {
    pub(crate) version: String,
    pub(crate) topics: BTreeSet<String>,
    pub(crate) producers: Vec<Producer>,
}

/// An nsqd to ask: how it is called, and where it is asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) producer: Producer,
    /// Host:port.
    pub(crate) at: String,
    pub(crate) with_clients: bool,
    /// Whether it is to say how it is called: no nsqlookupd does.
    pub(crate) with_info: bool,
}

/// What an nsqd said.
#[derive(Debug)]
pub(crate) struct NodeSaid {
    pub(crate) asked: Asked,
    /// Unix time in ms.
    pub(crate) at_ms: i64,
    /// Or why it did not.
    pub(crate) said: Result<Stats, String>,
}

impl NodeSaid {
    /// Its broadcast address and HTTP port.
    pub(crate) fn address(&self) -> String {
        host_port(&self.asked.producer.broadcast_address, self.asked.producer.http_port)
    }
}

/// The time, as ms since 1970.
pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl View {
    /// Asks each nsqlookupd what it knows.
    pub(crate) async fn ask_lookupds(&self) -> Vec<LookupdSaid> {
        let lookupds = self.lookupds();
        all(lookupds.iter().map(|address| {
            let (upstream, address) = (Arc::clone(&self.upstream), address.clone());
            async move {
                let said = ask_lookupd(&upstream, &address).await.map_err(|error| error.to_string());
                LookupdSaid { address, said }
            }
        }))
        .await
    }

    /// The nsqds of the options, as their addresses call them until they say more.
    pub(crate) fn listed(&self) -> Vec<Asked> {
        let asked = |at: &String| {
            let (host, port) = at.rsplit_once(':').unwrap_or((at, ""));
            let producer = Producer {
                broadcast_address: host.trim_matches(['[', ']']).to_owned(),
                http_port: port.parse().unwrap_or(0),
                ..Producer::default()
            };
            Asked { producer, at: at.clone(), with_clients: false, with_info: true }
        };
        self.nsqds().iter().map(asked).collect()
    }

    /// Asks each nsqd for its statistics. Each has its own time: when it answered.
    pub(crate) async fn ask_nodes(&self, nodes: Vec<Asked>) -> Vec<NodeSaid> {
        all(nodes.into_iter().map(|asked| {
            let upstream = Arc::clone(&self.upstream);
            async move { ask_node(&upstream, asked).await }
        }))
        .await
    }

    /// The clients of channels.
    pub(crate) async fn ask_clients(&self, channels: Vec<ChannelPlace>) -> ChannelClients {
        let mut clients: ChannelClients =
            channels.iter().map(|place| ((place.topic.clone(), place.channel.clone()), Vec::new())).collect();
        let questions = channels.into_iter().flat_map(|place| {
            let ChannelPlace { topic, channel, nodes } = place;
            nodes.into_iter().map(move |(name, at)| (name, at, topic.clone(), channel.clone()))
        });
        let answers = all(questions.map(|(name, at, topic, channel)| {
            let upstream = Arc::clone(&self.upstream);
            async move {
                let query =
                    [("format", "json"), ("topic", &topic), ("channel", &channel), ("include_mem", "false")];
                let answer = upstream.get::<Stats>(&at, "/stats", &query).await;
                (name, topic, channel, answer)
            }
        }))
        .await;
        for (name, topic, channel, answer) in answers {
            // One that fails is said to do so by its statistics.
            let Ok(stats) = answer else { continue };
            let found = stats.topics.into_iter().flat_map(|topic| topic.channels);
            let own = found.filter(|found| found.channel_name == channel).find_map(|found| found.clients);
            clients.entry((topic, channel)).or_default().push((name, own.unwrap_or_default()));
        }
        clients
    }

    /// The channels that nsqlookupds know of, of each of these topics.
    pub(crate) async fn ask_reserved(&self, topics: Vec<String>) -> BTreeMap<String, BTreeSet<String>> {
        let lookupds = self.lookupds();
        let answers = all(topics.into_iter().map(|topic| {
            let (upstream, lookupds) = (Arc::clone(&self.upstream), Arc::clone(&lookupds));
            async move {
                let lists =
                    upstream.get_all::<ChannelList>(&lookupds, "/channels", &[("topic", &topic)]).await;
                (topic, lists.found.into_iter().flat_map(|(_, list)| list.channels).collect())
            }
        }))
        .await;
        answers.into_iter().collect()
    }

    /// Which of these nsqds know a path. One that does not says 404; one that says nothing is not in the answer.
    pub(crate) async fn have_path(&self, nodes: Vec<String>, path: &'static str) -> BTreeMap<String, bool> {
        let answers = all(nodes.into_iter().map(|at| {
            let upstream = Arc::clone(&self.upstream);
            async move {
                let answer = upstream.get::<serde::de::IgnoredAny>(&at, path, &[]).await;
                let has = match answer {
                    Ok(_) => Some(true),
                    Err(QueryError::Status { status, .. }) => Some(status != StatusCode::NOT_FOUND),
                    Err(_) => None,
                };
                (at, has)
            }
        }))
        .await;
        answers.into_iter().filter_map(|(at, has)| Some((at, has?))).collect()
    }
}

async fn ask_node(upstream: &Upstream, mut asked: Asked) -> NodeSaid {
    let clients = if asked.with_clients { "true" } else { "false" };
    let query = [("format", "json"), ("include_clients", clients)];
    let info = async {
        if asked.with_info { upstream.get::<Producer>(&asked.at, "/info", &[]).await.ok() } else { None }
    };
    let (said, info) = tokio::join!(upstream.get::<Stats>(&asked.at, "/stats", &query), info);
    if let Some(mut info) = info {
        if NodeName::of(&info).is_none() {
            // One that does not say where it is, is where it was asked.
            info.broadcast_address = asked.producer.broadcast_address;
            info.http_port = asked.producer.http_port;
        }
        asked.producer = info;
    }
    NodeSaid { asked, at_ms: unix_ms(), said: said.map_err(|error| error.to_string()) }
}

async fn ask_lookupd(upstream: &Upstream, address: &str) -> Result<LookupdKnows, QueryError> {
    let (info, topics, nodes) = tokio::join!(
        upstream.get::<Producer>(address, "/info", &[]),
        upstream.get::<TopicList>(address, "/topics", &[]),
        upstream.get::<NodeList>(address, "/nodes", &[]),
    );
    let producers =
        nodes?.producers.into_iter().filter(|producer| NodeName::of(producer).is_some()).collect();
    // Old ones have no `/info`.
    let version = info.map(|info| info.version).unwrap_or_default();
    Ok(LookupdKnows { version, topics: topics?.topics.into_iter().collect(), producers })
}

/// All at once, in the order given.
async fn all<T: Send + 'static>(
    questions: impl Iterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let mut asked = JoinSet::new();
    for (index, question) in questions.enumerate() {
        asked.spawn(async move { (index, question.await) });
    }
    let mut answers = asked.join_all().await;
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}
