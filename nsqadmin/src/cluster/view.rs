//! What the cluster looks like, asked anew each time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use parking_lot::RwLock;
use reqwest::StatusCode;
use tokio::task::JoinSet;

use super::{
    documents::{ChannelList, Lookup, NodeList, Producer, Stats, TopicList},
    node::{Node, NodeName},
    tally::{ChannelTally, TopicTally},
    upstream::{Answers, Failure, Kind, QueryError, Upstream},
};

/// What was seen, and what could not be: a text for each question to several servers of which some failed.
#[derive(Debug)]
pub(crate) struct Seen<T> {
    pub(crate) what: T,
    pub(crate) warnings: Vec<String>,
}

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Nothing {
    /// All servers of a kind failed.
    #[error("failed to query any {kind}: {text}")]
    Upstream { kind: Kind, text: String },
    #[error("TOPIC_NOT_FOUND")]
    Topic,
    #[error("CHANNEL_NOT_FOUND")]
    Channel,
    #[error("NODE_NOT_FOUND")]
    Node,
}

/// Where a topic is.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// The nsqds that have it, by their names.
    pub(crate) nodes: Vec<NodeName>,
    /// The channels that the nsqlookupds know of.
    pub(crate) channels: BTreeSet<String>,
}

/// Looks at the cluster.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) upstream: Arc<Upstream>,
    /// Those to ask. Empty: the nsqds are asked instead.
    lookupds: RwLock<Arc<Vec<String>>>,
    nsqds: Vec<String>,
}

impl View {
    pub(crate) fn new(upstream: Arc<Upstream>, lookupds: Vec<String>, nsqds: Vec<String>) -> Self {
        Self { upstream, lookupds: RwLock::new(Arc::new(lookupds)), nsqds }
    }

    /// The nsqlookupds, as host:port.
    pub(crate) fn lookupds(&self) -> Arc<Vec<String>> {
        Arc::clone(&self.lookupds.read())
    }

    /// Asks others from now on.
    pub(crate) fn set_lookupds(&self, lookupds: Vec<String>) {
        *self.lookupds.write() = Arc::new(lookupds);
    }

    /// The nsqds that are looked at without nsqlookupds, as host:port.
    pub(crate) fn nsqds(&self) -> &[String] {
        &self.nsqds
    }

    /// The names of all topics, sorted.
    pub(crate) async fn topics(&self) -> Result<Seen<BTreeSet<String>>, Nothing> {
        let lookupds = self.lookupds();
        if lookupds.is_empty() {
            let stats = self.stats_of(&self.nsqds, &[("include_clients", "false")]).await;
            let stats = seen(Kind::Nsqd, stats)?;
            return Ok(stats.map(|stats| {
                let topics = stats.into_iter().flat_map(|(_, stats)| stats.topics);
                topics.map(|topic| topic.topic_name).collect()
            }));
        }
        let lists = self.upstream.get_all::<TopicList>(&lookupds, "/topics", &[]).await;
        let lists = seen(Kind::Nsqlookupd, lists)?;
        Ok(lists.map(|lists| lists.into_iter().flat_map(|(_, list)| list.topics).collect()))
    }

    /// The topics that no nsqd has, with the channels that the nsqlookupds know of.
    ///
    /// While an nsqlookupd does not answer, none: it may know who has them.
    pub(crate) async fn inactive(&self) -> Result<Seen<BTreeMap<String, BTreeSet<String>>>, Nothing> {
        let lookupds = self.lookupds();
        if lookupds.is_empty() {
            return Ok(Seen { what: BTreeMap::new(), warnings: Vec::new() });
        }
        let Seen { what: topics, mut warnings } = self.topics().await?;
        let Seen { what: nodes, warnings: more } = self.nodes().await?;
        warnings.extend(more);
        if !warnings.is_empty() {
            return Ok(Seen { what: BTreeMap::new(), warnings });
        }
        // A tombstoned topic is there, and comes back.
        let active: BTreeSet<&str> = nodes.iter().flat_map(Node::all_topics).collect();
        let mut inactive = BTreeMap::new();
        for topic in topics.into_iter().filter(|topic| !active.contains(topic.as_str())) {
            let lists =
                self.upstream.get_all::<ChannelList>(&lookupds, "/channels", &[("topic", &topic)]).await;
            let Seen { what: lists, warnings: more } = seen(Kind::Nsqlookupd, lists)?;
            warnings.extend(more);
            let channels = lists.into_iter().flat_map(|(_, list)| list.channels).collect();
            inactive.insert(topic, channels);
        }
        Ok(Seen { what: inactive, warnings })
    }

    /// Where a topic is.
    ///
    /// # Errors
    /// [`Nothing::Topic`] if no server knows it.
    pub(crate) async fn place(&self, topic: &str) -> Result<Seen<Place>, Nothing> {
        let lookupds = self.lookupds();
        if lookupds.is_empty() {
            return self.listed_place(topic).await;
        }
        let mut answers = self.upstream.get_all::<Lookup>(&lookupds, "/lookup", &[("topic", topic)]).await;
        // One that does not know the topic has answered.
        let unknown = |failure: &Failure| {
            matches!(&failure.error, QueryError::Status { status: StatusCode::NOT_FOUND, .. })
        };
        let all = answers.failures.len();
        answers.failures.retain(|failure| !unknown(failure));
        if answers.found.is_empty() && answers.failures.len() < all {
            return Err(Nothing::Topic);
        }
        Ok(seen(Kind::Nsqlookupd, answers)?.map(|answers| {
            let mut place = Place::default();
            let mut nodes = BTreeMap::new();
            for (_, lookup) in answers {
                place.channels.extend(lookup.channels);
                for name in lookup.producers.iter().filter_map(NodeName::of) {
                    nodes.entry(name.address.clone()).or_insert(name);
                }
            }
            place.nodes = nodes.into_values().collect();
            place.nodes.sort();
            place
        }))
    }

    /// As [`View::place`], where nsqds are asked.
    async fn listed_place(&self, topic: &str) -> Result<Seen<Place>, Nothing> {
        let query = [("topic", topic), ("include_clients", "false")];
        let stats = seen(Kind::Nsqd, self.stats_of(&self.nsqds, &query).await)?;
        let has = |stats: &Stats| stats.topics.iter().any(|found| found.topic_name == topic);
        let having: Vec<String> =
            stats.what.into_iter().filter(|(_, stats)| has(stats)).map(|(address, _)| address).collect();
        if having.is_empty() && stats.warnings.is_empty() {
            return Err(Nothing::Topic);
        }
        let mut nodes: Vec<NodeName> =
            self.infos(&having).await.into_iter().filter_map(|(_, info)| NodeName::of(&info)).collect();
        nodes.sort();
        nodes.dedup_by(|one, other| one.address == other.address);
        Ok(Seen { what: Place { nodes, channels: BTreeSet::new() }, warnings: stats.warnings })
    }

    /// What nsqds say of themselves. One that does not say where it is, is where it was asked.
    async fn infos(&self, addresses: &[String]) -> Vec<(String, Producer)> {
        let answers = self.upstream.get_all::<Producer>(addresses, "/info", &[]).await;
        let mut infos = answers.found;
        // It has answered before: its figures are not to be lost for that.
        infos.extend(answers.failures.into_iter().map(|failure| (failure.address, Producer::default())));
        for (address, info) in &mut infos {
            if (info.broadcast_address.is_empty() || info.http_port == 0)
                && let Some((host, port)) = address.rsplit_once(':')
            {
                host.trim_matches(['[', ']']).clone_into(&mut info.broadcast_address);
                info.http_port = port.parse().unwrap_or(0);
            }
        }
        infos
    }

    async fn stats_of(&self, addresses: &[String], query: &[(&str, &str)]) -> Answers<Stats> {
        let query = [&[("format", "json")], query].concat();
        self.upstream.get_all(addresses, "/stats", &query).await
    }

    /// The statistics of these nsqds; of one topic, if `query` says so.
    pub(crate) async fn stats(
        &self,
        nodes: &[NodeName],
        query: &[(&str, &str)],
    ) -> Result<Seen<Vec<(NodeName, Stats)>>, Nothing> {
        if nodes.is_empty() {
            return Ok(Seen { what: Vec::new(), warnings: Vec::new() });
        }
        let addresses: Vec<String> = nodes.iter().map(|node| node.address.clone()).collect();
        let stats = seen(Kind::Nsqd, self.stats_of(&addresses, query).await)?;
        Ok(stats.map(|stats| {
            let name = |address: &str| nodes.iter().find(|node| node.address == address).cloned();
            let named = stats.into_iter().filter_map(|(address, stats)| Some((name(&address)?, stats)));
            named.collect()
        }))
    }

    /// A topic on all nsqds that have it.
    ///
    /// # Errors
    /// [`Nothing::Topic`] if no server knows it.
    pub(crate) async fn topic(&self, topic: &str, now_unix: i64) -> Result<Seen<TopicTally>, Nothing> {
        let Seen { what: place, mut warnings } = self.place(topic).await?;
        let query = [("topic", topic), ("include_clients", "false")];
        let Seen { what: stats, warnings: more } = self.stats(&place.nodes, &query).await?;
        warnings.extend(more);
        let parts = stats.iter().flat_map(|(node, stats)| {
            let own = stats.topics.iter().filter(|found| found.topic_name == topic);
            own.map(|found| TopicTally::of(node, found, now_unix))
        });
        let mut total = TopicTally::total(topic, parts.collect());
        // Channels that are only reserved: their nsqds are away, or not there yet.
        let known: BTreeSet<String> =
            total.channels.iter().map(|channel| channel.channel_name.clone()).collect();
        for channel in place.channels.difference(&known) {
            total.channels.push(ChannelTally::total(topic, channel, Vec::new()));
        }
        total.channels.sort_by(|one, other| one.channel_name.cmp(&other.channel_name));
        Ok(Seen { what: total, warnings })
    }

    /// A channel on all nsqds that have it, with its clients.
    ///
    /// # Errors
    /// [`Nothing::Topic`] or [`Nothing::Channel`] if no server knows it.
    pub(crate) async fn channel(
        &self,
        topic: &str,
        channel: &str,
        now_unix: i64,
    ) -> Result<Seen<ChannelTally>, Nothing> {
        let Seen { what: place, mut warnings } = self.place(topic).await?;
        let query = [("topic", topic), ("channel", channel)];
        let Seen { what: stats, warnings: more } = self.stats(&place.nodes, &query).await?;
        warnings.extend(more);
        let mut parts = Vec::new();
        for (node, stats) in &stats {
            for found in stats.topics.iter().filter(|found| found.topic_name == topic) {
                let tally = TopicTally::of(node, found, now_unix);
                parts.extend(tally.channels.into_iter().filter(|found| found.channel_name == channel));
            }
        }
        let is_known = !parts.is_empty() || place.channels.contains(channel) || !warnings.is_empty();
        if !is_known {
            return Err(Nothing::Channel);
        }
        Ok(Seen { what: ChannelTally::total(topic, channel, parts), warnings })
    }

    /// All nsqds.
    pub(crate) async fn nodes(&self) -> Result<Seen<Vec<Node>>, Nothing> {
        let lookupds = self.lookupds();
        if !lookupds.is_empty() {
            let lists = self.upstream.get_all::<NodeList>(&lookupds, "/nodes", &[]).await;
            return Ok(seen(Kind::Nsqlookupd, lists)?.map(|lists| Node::merge(&lists)));
        }
        let stats = seen(Kind::Nsqd, self.stats_of(&self.nsqds, &[("include_clients", "false")]).await)?;
        let addresses: Vec<String> = stats.what.iter().map(|(address, _)| address.clone()).collect();
        let mut infos: BTreeMap<String, Producer> = self.infos(&addresses).await.into_iter().collect();
        Ok(stats.map(|stats| {
            let nsqds = stats.into_iter().filter_map(|(address, stats)| {
                let topics = stats.topics.into_iter().map(|topic| topic.topic_name).collect();
                Some((infos.remove(&address)?, topics))
            });
            Node::listed(nsqds.collect())
        }))
    }

    /// One nsqd: its topics with their channels and clients.
    ///
    /// # Errors
    /// [`Nothing::Node`] if it is none of the cluster's.
    pub(crate) async fn node(&self, address: &str, now_unix: i64) -> Result<Seen<Vec<TopicTally>>, Nothing> {
        let nodes = self.nodes().await?;
        let mut names = nodes.what.iter().map(Node::name);
        let name = names.find(|name| name.address == address).ok_or(Nothing::Node)?;
        let stats = self.stats(std::slice::from_ref(&name), &[]).await?;
        let mut warnings = nodes.warnings;
        warnings.extend(stats.warnings);
        let topics = stats
            .what
            .iter()
            .flat_map(|(node, stats)| stats.topics.iter().map(|topic| TopicTally::of(node, topic, now_unix)));
        Ok(Seen { what: topics.collect(), warnings })
    }

    /// The channels of all nsqds, without clients.
    pub(crate) async fn all_channels(&self, now_unix: i64) -> Result<Seen<Vec<ChannelTally>>, Nothing> {
        let nodes = self.nodes().await?;
        let names: Vec<NodeName> = nodes.what.iter().map(Node::name).collect();
        let stats = self.stats(&names, &[("include_clients", "false")]).await?;
        let mut warnings = nodes.warnings;
        warnings.extend(stats.warnings);
        let channels = stats.what.iter().flat_map(|(node, stats)| {
            stats.topics.iter().flat_map(|topic| TopicTally::of(node, topic, now_unix).channels)
        });
        Ok(Seen { what: channels.collect(), warnings })
    }

    /// Has each of these servers do something, all at once: their addresses, and why it was not done.
    pub(crate) async fn order(
        &self,
        addresses: &[String],
        path: &'static str,
        query: &[(&str, &str)],
    ) -> Vec<(String, Result<(), QueryError>)> {
        let mut orders = JoinSet::new();
        for (index, address) in addresses.iter().enumerate() {
            let (upstream, address) = (Arc::clone(&self.upstream), address.clone());
            let query: Vec<(String, String)> =
                query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            orders.spawn(async move {
                let query: Vec<_> =
                    query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let done = upstream.post(&address, path, &query).await;
                (index, address, done)
            });
        }
        let mut done = orders.join_all().await;
        done.sort_by_key(|(index, ..)| *index);
        done.into_iter().map(|(_, address, done)| (address, done)).collect()
    }
}

/// What several servers said, unless all of them failed. None at all is no failure.
fn seen<T>(kind: Kind, answers: Answers<T>) -> Result<Seen<Vec<(String, T)>>, Nothing> {
    let Answers { found, failures } = answers;
    let texts: Vec<String> = failures.iter().map(ToString::to_string).collect();
    let text = texts.join("\n");
    if found.is_empty() && !failures.is_empty() {
        return Err(Nothing::Upstream { kind, text });
    }
    let warnings = if failures.is_empty() { Vec::new() } else { vec![text] };
    Ok(Seen { what: found, warnings })
}

impl<T> Seen<T> {
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Seen<U> {
        Seen { what: f(self.what), warnings: self.warnings }
    }
}
